"""Images, videos and sounds from users: checked and cleaned in the sandbox.

Everything but `run_in_sandbox` and `detect_kinds` blocks. Only its content says what a file is,
neither its name nor the page that received it.
"""

import asyncio
import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Annotated, Any, Literal, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, field_validator

from wan.domain import catalog
from wan.domain.errors import InvalidInput, StorageUnavailable, is_full
from wan.domain.messages import Message
from wan.domain.requests import Media, ReferenceKind, guess_kind
from wan.domain.turns import Asker, Turns
from wan.environment.settings import WORK
from wan.media import embedded_settings
from wan.media.probe import Clip
from wan.media.sandbox import SANDBOX

Given = ParamSpec("Given")
Result = TypeVar("Result")

_AT_ONCE = 2  # files opened at the same time: each may take a gigabyte of memory
_FILM_MEGABYTES = 1000  # of a film with settings; more than twenty shots of 15 s at 1080P
_THUMBNAIL_BYTES = 200_000  # at most, of an image of 160 px
_WORK_FOLDERS: list[Path] = []  # of every open studio, the newest last
_TURNS = Turns(_AT_ONCE, name="media")


@dataclass(frozen=True)
class ImageInput:
    """A checked image, re-encoded as JPEGs: upright, opaque, sRGB, without metadata."""

    kept: bytes
    """In its own shape."""
    sent: bytes
    """As it is sent: fitted."""
    sha256: str
    bytes: int
    """Of the given file, as is its SHA-256."""
    width: int
    height: int
    """px, as given and upright."""
    enlarged: float
    """How many times larger it is shown in the video."""
    adjustments: list[Message]


@dataclass(frozen=True)
class ImagePreview:
    """What is sent for an image, for a page."""

    shown: bytes
    """A WebP."""
    whole: bytes
    """A WebP of the whole image where browsers cannot show it, else nothing."""
    enlarged: float
    """How many times larger the image is shown in the video."""


@dataclass(frozen=True)
class VideoInput:
    """A checked reference video, copied without metadata."""

    clip: Clip
    """Measured in the copy."""
    kind: str
    """Format of the copy: "mp4" or "mov"."""
    sha256: str
    bytes: int
    """Of the given file, as is its SHA-256."""
    adjustments: list[Message]


@dataclass(frozen=True)
class SoundInput:
    """A checked sound, copied without metadata."""

    kind: str
    """Format of the copy: "wav" or "mp3"."""
    seconds: float
    sha256: str
    bytes: int
    """Of the given file, as is its SHA-256."""
    adjustments: list[Message]


@dataclass(frozen=True)
class ReferencePreview:
    """A preview of a file that may be a reference, for a page."""

    kind: Literal["image", "video"]
    thumbnail: bytes
    """A WebP."""
    seconds: float | None
    """Length of a video; None for an image."""
    adjustments: list[Message]
    """Made whatever is requested."""


class _EmptyAnswer(BaseModel):
    """An answer that says only that the task is done."""


class _Answer(BaseModel):
    """The sandbox's adjustments."""

    model_config = ConfigDict(allow_inf_nan=False)

    adjustments: Annotated[list[Message], Field(max_length=8)]

    @field_validator("adjustments")
    @classmethod
    def _check_messages(cls, said: list[Message]) -> list[Message]:
        return [Message.of(one.key, **one.values) for one in said]


class _ImageAnswer(_Answer):
    """The sandbox's answer about two JPEGs: their bytes, and the px of the given image."""

    kept: PositiveInt
    sent: NonNegativeInt
    width: PositiveInt
    height: PositiveInt
    enlarged: Annotated[float, Field(gt=0)]


class _ShownAnswer(BaseModel):
    """The sandbox's answer about one or two previews: their bytes."""

    model_config = ConfigDict(allow_inf_nan=False)

    shown: PositiveInt
    whole: NonNegativeInt
    enlarged: Annotated[float, Field(gt=0)]


class _VideoAnswer(_Answer):
    """The sandbox's answer about the copy of a video."""

    kind: Literal["mp4", "mov"]
    clip: Clip


class _SoundAnswer(_Answer):
    """The sandbox's answer about the copy of a sound."""

    kind: Literal["wav", "mp3"]
    seconds: Annotated[float, Field(gt=0)]


class _KindAnswer(BaseModel):
    """The sandbox's answer about what a file is."""

    kind: Literal["image", "video"]


class _PreviewAnswer(_KindAnswer, _Answer):
    """The same with a preview: a WebP in the last `shown` bytes of the output."""

    shown: Annotated[int, Field(gt=0, le=_THUMBNAIL_BYTES)]
    seconds: float | None


@contextmanager
def use_work_folder(folder: Path) -> Iterator[None]:
    """Keep temporary files in this folder inside the block; the system's /tmp may be memory and
    small.
    """
    _WORK_FOLDERS.append(folder)
    try:
        yield
    finally:
        _WORK_FOLDERS.remove(folder)


async def run_in_sandbox(
    asker: Asker, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
) -> Result:
    """Run a blocking function that opens files in a thread, when it is the asker's turn.

    Raises Crowded where too much is waiting; Overtaken where a page has asked again.
    """
    return await asyncio.wrap_future(_TURNS.submit(asker, partial(work, *given, **named)))


def digest(source: bytes | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prepare_image(field: str, source: bytes | Path, *, size: str, **framing: Any) -> ImageInput:
    """Check an image and fit it to a size `W*H`, cropped or padded; a tier ("720P") keeps its
    shape, and `ORIGINAL` its pixels too.

    framing: as `wan.domain.framing` gives it. Raises InvalidInput, which says what came and what is
    allowed; and StorageUnavailable, as everything here that opens given files, where the disk is
    full.
    """
    with _open_source(source) as file, _temporary_file() as made:
        outcome = SANDBOX.run(
            "picture",
            file,
            made,
            _ImageAnswer,
            field=field,
            high=catalog.IMAGE_MEGABYTES,
            digest=True,
            size=size,
            **framing,
        )
        answer = outcome.done
        made.seek(0)
        kept = made.read(answer.kept)
        return ImageInput(
            kept,
            made.read(answer.sent) or kept,
            sha256=outcome.sha256,
            bytes=outcome.bytes,
            width=answer.width,
            height=answer.height,
            enlarged=answer.enlarged,
            adjustments=answer.adjustments,
        )


def preview_image(source: bytes | Path, *, size: str, **framing: Any) -> ImagePreview:
    """Return what is sent for an image, made as `prepare_image` does. Raises InvalidInput."""
    with _open_source(source) as file, _temporary_file() as made:
        high = catalog.IMAGE_MEGABYTES
        answer = SANDBOX.run(
            "preview",
            file,
            made,
            _ShownAnswer,
            field="reference_image",
            high=high,
            size=size,
            **framing,
        ).done
        made.seek(0)
        return ImagePreview(made.read(answer.shown), made.read(answer.whole), answer.enlarged)


def prepare_video(field: str, source: bytes | Path, target: IO[bytes]) -> VideoInput:
    """Check a reference video and write a copy to `target`, without place, device or other
    metadata.

    Raises InvalidInput for what is no complete MP4 or MOV, or is outside the limits.
    """
    with _open_source(source) as file:
        high = catalog.VIDEO_MEGABYTES
        outcome = SANDBOX.run(
            "clip", file, target, _VideoAnswer, field=field, high=high, digest=True
        )
        done = outcome.done
        return VideoInput(done.clip, done.kind, outcome.sha256, outcome.bytes, done.adjustments)


def video_seconds(source: bytes | Path) -> float:
    """Return the length of a reference video in seconds. Raises InvalidInput as `prepare_video`
    does.
    """
    with _temporary_file() as target:
        return prepare_video("reference_video", source, target).clip.seconds


def prepare_sound(field: str, source: bytes | Path, target: IO[bytes]) -> SoundInput:
    """Check a sound and write a copy to `target`, without tags and cover art.

    Raises InvalidInput for what is no WAV or MP3, or is outside the limits.
    """
    with _open_source(source) as file:
        outcome = SANDBOX.run(
            "sound",
            file,
            target,
            _SoundAnswer,
            field=field,
            high=catalog.SOUND_MEGABYTES,
            digest=True,
        )
        done = outcome.done
        return SoundInput(done.kind, done.seconds, outcome.sha256, outcome.bytes, done.adjustments)


def check_sound(field: str, source: bytes | Path) -> SoundInput:
    """Check a sound as a run does. Raises InvalidInput as `prepare_sound` does."""
    with _temporary_file() as target:
        return prepare_sound(field, source, target)


def detect_kind(field: str, source: bytes | Path) -> Literal["image", "video"]:
    """Return whether a file is image or video. Raises InvalidInput, which names anything else."""
    with _open_source(source) as file, _temporary_file() as made:
        return SANDBOX.run(
            "sort", file, made, _KindAnswer, field=field, high=catalog.VIDEO_MEGABYTES
        ).done.kind


def preview_reference(field: str, source: bytes | Path) -> ReferencePreview:
    """Check a possible reference as a run does and return its preview. Raises InvalidInput."""
    with _open_source(source) as file, _temporary_file() as made:
        done = SANDBOX.run(
            "look", file, made, _PreviewAnswer, field=field, high=catalog.VIDEO_MEGABYTES
        ).done
        made.seek(max(0, made.seek(0, io.SEEK_END) - done.shown))
        return ReferencePreview(done.kind, made.read(), done.seconds, done.adjustments)


async def detect_kinds(
    asker: Asker, field: str, references: Sequence[Media]
) -> list[tuple[ReferenceKind, Media]]:
    """Return references with the kind of each: by content for a file, by name for a URL.

    Raises InvalidInput for a file that is neither, and for more than any model accepts, before one
    is opened; and as `run_in_sandbox` does.
    """
    most = max(model.max_references for model in catalog.MODELS.values())
    if len(references) > most:
        raise InvalidInput(
            "reference_video + reference_image", "references_many", given=len(references), high=most
        )
    return [
        (
            guess_kind(one)
            if isinstance(one, str)
            else await run_in_sandbox(asker, detect_kind, field, one),
            one,
        )
        for one in references
    ]


def read_settings(source: bytes | Path) -> dict[str, Any] | None:
    """Return the settings embedded in an untrusted MP4, as `embedded_settings.read` does, None for
    none.

    Raises InvalidInput for what is no MP4 or MOV.
    """
    with _open_source(source) as file, _temporary_file() as found:
        SANDBOX.run(
            "tag",
            file,
            found,
            _EmptyAnswer,
            field="video",
            high=_FILM_MEGABYTES,
            name=embedded_settings.TAG,
        )
        found.seek(0)
        return embedded_settings.read(found.read(embedded_settings.LIMIT))


@contextmanager
def _open_source(source: bytes | Path) -> Iterator[IO[bytes] | Path]:
    """Yield a given file as the sandbox wants it: bytes as a temporary file, a path unopened."""
    if isinstance(source, Path):
        yield source
        return
    with _temporary_file() as file:
        file.write(source)
        file.flush()
        yield file


@contextmanager
def _temporary_file() -> Iterator[IO[bytes]]:
    """Yield an open temporary file. Raises StorageUnavailable where its disk is full."""
    folder = _WORK_FOLDERS[-1] if _WORK_FOLDERS else None
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=WORK, dir=folder) as file:
            yield file
    except OSError as error:
        if not is_full(error):
            raise
        raise StorageUnavailable("disk_full") from error
