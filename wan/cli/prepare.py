"""`prepare`: write the normalised request of `video.generate_reference` and check it, or check a
response. Nothing is sent.
"""

import asyncio
import errno
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from wan.cli.answers import FAILED, Answer, refusal
from wan.cli.run import refuse_to_overwrite
from wan.domain.errors import InvalidInput
from wan.domain.requests import ReferenceToVideoRequest
from wan.domain.results import VideoResult
from wan.environment.settings import load_settings
from wan.storage.record import CALLS
from wan.video import inspect_files, normalise

_LIMIT = 1_000_000  # bytes; a response has a few hundred
_FIGURES = ("width", "height", "fps", "duration", "seed", "billed_seconds")
_FIELDS = ("prompt", "reference_video", "reference_image", "duration", "fps", "size", "seed")


def prepare(options: Mapping[str, Any]) -> Answer:
    """Write the request that was typed, check the response that was named, or both."""
    typed = {name: options[name] for name in _FIELDS if options[name] not in (None, ())}
    given = {name: _single(value) for name, value in typed.items()}
    known: dict[str, Any] = {}
    response = options["validate_response"]
    if given or response is None:
        known["request_path"] = str(_write(given, options["output"]))
    if response is None:
        return Answer({"ok": True, **known}, indent=None)
    known["response_path"] = str(response)
    try:
        wrong = _wrong_response(_object_in(response))
    except InvalidInput as invalid:
        return refusal(str(invalid), **known | {"field": invalid.field})
    if wrong:
        return Answer({"ok": False, "error": wrong, **known}, code=FAILED, indent=None)
    return Answer({"ok": True, **known}, indent=None)


def _write(given: dict[str, Any], output: Path | None) -> Path:
    """Check a request and write it as it was given. Raises InvalidInput and SettingsError."""
    request = normalise(ReferenceToVideoRequest, given)
    asyncio.run(inspect_files(request))
    settings = load_settings()
    path = settings.output_dir / CALLS["reference"] / "request.json" if output is None else output
    refuse_to_overwrite("--output", path, request)
    if output is None:
        settings.make_output_dir()
    text = json.dumps(given, ensure_ascii=False, indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # As JSON escapes them: names of files need be no text.
        path.write_bytes(f"{text}\n".encode(errors="backslashreplace"))
    except OSError as error:
        raise _no_file("--output", path, error, "a file in a writable folder") from None
    return path


def _object_in(path: Path) -> dict[str, Any]:
    """The JSON object in a plain file; any other might keep one waiting for ever. Raises
    InvalidInput.
    """
    try:
        response = json.loads(_read(path))
    except (OSError, ValueError, RecursionError) as error:
        allowed = "a file with the JSON of a response"
        raise _no_file("--validate-response", path, error, allowed) from None
    if not isinstance(response, dict):
        raise _no_file("--validate-response", path, None, "a file with one JSON object")
    return response


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it isn't a regular file")
    with path.open("rb") as file:
        content = file.read(_LIMIT + 1)
    if len(content) > _LIMIT:
        raise OSError(errno.EFBIG, f"it has more than {_LIMIT} bytes")
    return content


def _no_file(option: str, path: Path, error: Exception | None, allowed: str) -> InvalidInput:
    given = str(path)
    if error is not None:
        given += f" ({error.strerror if isinstance(error, OSError) else 'not JSON'})"
    return InvalidInput(option, "field_type", given=given, allowed=allowed)


def _wrong_response(response: Mapping[str, Any]) -> str:
    """What is wrong with a response by the result's own fields; "" where nothing is."""
    if response.get("ok") is False:
        reason = str(response.get("error") or "no reason")[:200]
        return f"the response says that it failed: {reason}"
    for name, field in VideoResult.model_fields.items():
        if name in response:
            try:
                TypeAdapter[Any](field.annotation).validate_python(response[name], strict=True)
            except ValidationError as error:
                return f"{name}: {error.errors()[0]['msg']}"
    for name in _FIGURES:
        if name in response and not _is_figure(response[name]):
            return f"{name}: got {response[name]}; use a finite number, 0 or more"
    url, task_id = response.get("video_url") or "", response.get("task_id") or ""
    if url and not _is_address(url):
        return "video_url: it isn't a URL that begins with https://, http:// or file:///"
    if task_id and not task_id.strip():
        return "task_id: it is blank"
    return "" if url or task_id else "the response has neither video_url nor task_id"


def _is_figure(given: float | None) -> bool:
    return given is None or (math.isfinite(given) and given >= 0)


def _is_address(given: str) -> bool:
    """Whether a text is a whole URL of a video, in our storage or elsewhere."""
    try:
        parts = urlsplit(given)
    except ValueError:
        return False
    whole = (
        bool(parts.hostname)
        if parts.scheme in ("http", "https")
        else parts.scheme == "file" and len(parts.path) > 1
    )
    return whole and not any(character.isspace() for character in given)


def _single(given: Any) -> Any:
    """One reference as itself, several as a list."""
    return given[0] if isinstance(given, list) and len(given) == 1 else given
