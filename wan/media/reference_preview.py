"""A preview of a possible reference: its kind by content, checked like what is sent, a thumbnail.

Runs in the sandbox only, as `wan.media.images` and `wan.media.clips` do.
"""

import io
from typing import IO, Any

from wan.domain import catalog
from wan.domain.errors import InvalidInput
from wan.media import clips, file_type, images, probe


def detect_kind(given: IO[bytes], made: IO[bytes], *, field: str) -> dict[str, Any]:
    """Return whether a file is image or video. Raises InvalidInput, which names anything else."""
    _ = made
    return {"kind": file_type.require_reference(field, given).medium}


def preview(given: IO[bytes], made: IO[bytes], *, field: str) -> dict[str, Any]:
    """Check a reference as a run does, and append a small WebP of it to what a run would keep.

    Returns its kind, the bytes of the WebP, the seconds of a video, and the adjustments. Raises
    InvalidInput.
    """
    seconds, kind = None, file_type.require_reference(field, given).medium
    if kind == "image":
        _refuse_large(field, given)
        shown, adjustments = images.thumbnail(field, given)
    else:
        answer = clips.prepare_video(given, made, field=field)
        shown, seconds, adjustments = (
            images.encode_thumbnail(probe.first_frame(made)),
            answer["clip"]["seconds"],
            answer["adjustments"],
        )
    made.seek(0, io.SEEK_END)
    return {
        "kind": kind,
        "shown": made.write(shown),
        "seconds": seconds,
        "adjustments": adjustments,
    }


def _refuse_large(field: str, given: IO[bytes]) -> None:
    """Raise InvalidInput for an image over its limit; the guard applied that of a video."""
    size = given.seek(0, io.SEEK_END)
    if size > catalog.IMAGE_MEGABYTES * 1_000_000:
        raise InvalidInput(
            field, "file_large", given=round(size / 1_000_000, 1), high=catalog.IMAGE_MEGABYTES
        )
