"""`prepare`: writes the normalised request of `video.generate_reference` and checks it, or checks a
response. Nothing is sent.
"""

import argparse
import asyncio
import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from wan.cli import BAD_INPUT, DONE, FAILED, complain
from wan.cli.making import spare
from wan.domain.errors import InvalidInput
from wan.domain.requests import ReferenceToVideoRequest
from wan.domain.results import VideoResult
from wan.environment.settings import load_settings
from wan.storage.evidence import CALLS
from wan.video import inspected, normalised

_LIMIT = 1_000_000  # bytes; a response has a few hundred
_FIGURES = ("width", "height", "fps", "duration", "seed", "billed_seconds")
_FIELDS = ("prompt", "reference_video", "reference_image", "duration", "fps", "size", "seed")


def prepare(options: argparse.Namespace) -> int:
    """`prepare`."""
    given = {
        name: _single(getattr(options, name))
        for name in _FIELDS
        if getattr(options, name) is not None
    }
    said: dict[str, Any] = {}
    if given or options.validate_response is None:
        said["request_path"] = str(_written(given, options.output))
    if options.validate_response is not None:
        said["response_path"] = str(options.validate_response)
        try:
            wrong = _wrong_response(options.validate_response)
        except InvalidInput as refusal:
            complain(str(refusal), as_json=True, field=refusal.field, **said)
            return BAD_INPUT
        if wrong:
            print(json.dumps({"ok": False, "error": wrong} | said, ensure_ascii=False))
            return FAILED
    print(json.dumps({"ok": True} | said, ensure_ascii=False))
    return DONE


def _written(given: dict[str, Any], output: Path | None) -> Path:
    """Checks a request and writes it as it was given. Raises InvalidInput and SettingsError."""
    request = normalised(ReferenceToVideoRequest, given)
    asyncio.run(inspected(request))
    settings = load_settings()
    path = settings.output_dir / CALLS["reference"] / "request.json" if output is None else output
    spare("--output", path, request)
    if output is None:
        settings.made_output_dir()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(given, ensure_ascii=False, indent=2)
        path.write_bytes(
            f"{text}\n".encode(errors="backslashreplace")
        )  # as JSON escapes them: names of files need be no text
    except OSError as error:
        allowed = "a file in a folder that can be written"
        raise InvalidInput(
            "--output", "field_type", given=f"{path} ({error.strerror})", allowed=allowed
        ) from None
    return path


def _wrong_response(path: Path) -> str:
    """What is wrong with a response by the result's own fields; "" where nothing is. Raises
    InvalidInput for a file that is no JSON object.
    """
    try:
        response = json.loads(_read(path))
    except (OSError, ValueError, RecursionError) as error:
        given = f"{path} ({error.strerror if isinstance(error, OSError) else 'no JSON'})"
        raise InvalidInput(
            "--validate-response",
            "field_type",
            given=given,
            allowed="a file with the JSON of a response",
        ) from None
    if not isinstance(response, dict):
        raise InvalidInput(
            "--validate-response",
            "field_type",
            given=str(path),
            allowed="a file with one JSON object",
        )
    if response.get("ok") is False:
        return (
            f"the response says that it failed: {str(response.get('error') or 'no reason')[:200]}"
        )
    for name, field in VideoResult.model_fields.items():
        try:
            TypeAdapter[Any](field.annotation).validate_python(
                response.get(name), strict=True
            ) if name in response else None
        except ValidationError as error:
            return f"{name}: {error.errors()[0]['msg']}"
    if wrong := next(
        (name for name in _FIGURES if name in response and not _is_figure(response[name])), ""
    ):
        return f"{wrong}: got {response[wrong]}; allowed are finite numbers, 0 or more"
    url, task_id = response.get("video_url") or "", response.get("task_id") or ""
    if url and not _is_address(url):
        return "video_url: it is no address that begins with https://, http:// or file:///"
    if task_id and not task_id.strip():
        return "task_id: it is blank"
    return "" if url or task_id else "the response has neither video_url nor task_id"


def _read(path: Path) -> bytes:
    """What a plain file holds. Raises OSError, also for what is none, at which one might wait for
    ever.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        content = file.read(_LIMIT + 1)
    if len(content) > _LIMIT:
        raise OSError(errno.EFBIG, f"it has more than {_LIMIT} bytes")
    return content


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
