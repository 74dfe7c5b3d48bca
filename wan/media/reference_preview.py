"""What a file is that somebody gives as a reference: told by its content, checked like what goes
up, with a small picture of it to show.

Runs in the sandbox alone, as `wan.media.images` and `wan.media.clips` do.
"""

import io
from typing import IO, Any

from wan.domain import catalog
from wan.domain.errors import InvalidInput
from wan.media import clips, file_type, images, probe


def detect_kind(given: IO[bytes], made: IO[bytes], *, field: str) -> dict[str, Any]:
    """Answers whether a file is a picture or a video. Raises InvalidInput, which calls anything
    else by its name.
    """
    _ = made
    return {"kind": file_type.require_reference(field, given).medium}


def preview(given: IO[bytes], made: IO[bytes], *, field: str) -> dict[str, Any]:
    """Checks a reference as a run does, and writes a small WebP of it at the end of what a run
    would keep of it. Raises InvalidInput.

    Answers with what it is, the bytes of the WebP, the seconds of a video, and what a run does to
    it.
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
    """A picture may have less than a video, and the guard did not know which it is. Raises
    InvalidInput.
    """
    size = given.seek(0, io.SEEK_END)
    if size > catalog.IMAGE_MEGABYTES * 1_000_000:
        raise InvalidInput(
            field, "file_large", given=round(size / 1_000_000, 1), high=catalog.IMAGE_MEGABYTES
        )
