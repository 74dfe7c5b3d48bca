"""`prepare`: writes the normalised request of `video.generate_reference` and checks it, or checks a response. Nothing is sent."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wan.cli import DONE, FAILED
from wan.errors import InvalidInput
from wan.evidence import CALLS
from wan.requests import ReferenceToVideoRequest, VideoResult
from wan.settings import load_settings
from wan.video import inspected, normalised

_FIELDS = ("prompt", "reference_video", "reference_image", "duration", "fps", "size", "seed")


def prepare(options: argparse.Namespace) -> int:
    """`prepare`."""
    given = {name: _single(getattr(options, name)) for name in _FIELDS if getattr(options, name) is not None}
    said: dict[str, Any] = {}
    if given or options.validate_response is None:
        said["request_path"] = str(_written(given, options.output))
    if options.validate_response is not None:
        said["response_path"] = str(options.validate_response)
        if wrong := _wrong_response(options.validate_response):
            print(json.dumps({"ok": False, "error": wrong} | said, ensure_ascii=False))
            return FAILED
    print(json.dumps({"ok": True} | said, ensure_ascii=False))
    return DONE


def _written(given: dict[str, Any], output: Path | None) -> Path:
    """Checks a request and writes it as it was given. Raises InvalidInput and SettingsError."""
    asyncio.run(inspected(normalised(ReferenceToVideoRequest, given)))
    settings = load_settings()
    path = settings.output_dir / CALLS["reference"] / "request.json" if output is None else output
    if output is None:
        settings.made_output_dir()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            f"{json.dumps(given, ensure_ascii=False, indent=2)}\n".encode(errors="backslashreplace")
        )  # as JSON escapes them: names of files need be no text
    except OSError as error:
        allowed = "a file in a folder that can be written"
        raise InvalidInput("--output", "field_type", given=f"{path} ({error.strerror})", allowed=allowed) from None
    return path


def _wrong_response(path: Path) -> str:
    """What is wrong with a response by the result's own fields; "" where nothing is. Raises InvalidInput for a file that is no JSON object."""
    try:
        response = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        given = f"{path} ({error.strerror if isinstance(error, OSError) else 'no JSON'})"
        raise InvalidInput("--validate-response", "field_type", given=given, allowed="a file with the JSON of a response") from None
    if not isinstance(response, dict):
        raise InvalidInput("--validate-response", "field_type", given=str(path), allowed="a file with one JSON object")
    for name, field in VideoResult.model_fields.items():
        try:
            TypeAdapter[Any](field.annotation).validate_python(response.get(name), strict=True) if name in response else None
        except ValidationError as error:
            return f"{name}: {error.errors()[0]['msg']}"
    return "" if response.get("video_url") or response.get("task_id") else "the response has neither video_url nor task_id"


def _single(given: Any) -> Any:
    """One reference as itself, several as a list."""
    return given[0] if isinstance(given, list) and len(given) == 1 else given
