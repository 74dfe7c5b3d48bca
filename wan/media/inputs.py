"""Pictures, clips and sounds that somebody gives: checked and cleaned in the sandbox. All but
`run_in_sandbox` blocks.

Nobody's word is taken for what a file is: neither its name's, nor the page's that received it.
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
from wan.domain.messages import Sentence, sentence
from wan.domain.requests import Media, ReferenceKind, guess_kind
from wan.domain.turns import Asker, Turns
from wan.environment.settings import WORK
from wan.media import embedded_settings
from wan.media.probe import Clip
from wan.media.sandbox import SANDBOX

Given = ParamSpec("Given")
Result = TypeVar("Result")

_AT_ONCE = 2  # files that are opened at the same time: each may take a gigabyte
_FILM_MEGABYTES = (
    1000  # of a film whose settings are looked for; more than twenty shots of 15 s at 1080P
)
_THUMBNAIL_BYTES = 200_000  # at most, of a picture of 160 px
_WORK_FOLDERS: list[Path] = []  # of every studio that is open, the newest last
_TURNS = Turns(_AT_ONCE, name="media")


@dataclass(frozen=True)
class ImageInput:
    """A checked picture, as the JPEGs that were made of it: upright, opaque, sRGB, without
    metadata.
    """

    kept: bytes
    """In its own shape."""
    sent: bytes
    """As it goes up: fitted."""
    sha256: str
    bytes: int
    """Of the file that was given, as is its SHA-256."""
    width: int
    height: int
    """px, as it was given and upright."""
    adjustments: list[Sentence]


@dataclass(frozen=True)
class VideoInput:
    """A checked reference video, of which a copy without metadata was made."""

    clip: Clip
    """What the copy is."""
    kind: str
    """What the copy is called: "mp4" or "mov"."""
    sha256: str
    bytes: int
    """Of the file that was given, as is its SHA-256."""
    adjustments: list[Sentence]


@dataclass(frozen=True)
class SoundInput:
    """A checked sound, of which a copy without metadata was made."""

    kind: str
    """What the copy is called: "wav" or "mp3"."""
    seconds: float
    sha256: str
    bytes: int
    """Of the file that was given, as is its SHA-256."""
    adjustments: list[Sentence]


@dataclass(frozen=True)
class ReferencePreview:
    """What a file is that may be a reference, as far as a page shows it."""

    kind: Literal["image", "video"]
    thumbnail: bytes
    """A WebP."""
    seconds: float | None
    """How long a video is; None for a picture."""
    adjustments: list[Sentence]
    """What is done to it whatever is asked for."""


class _EmptyAnswer(BaseModel):
    """An answer that says only that it is done."""


class _Answer(BaseModel):
    """What the sandbox says that it did."""

    model_config = ConfigDict(allow_inf_nan=False)

    adjustments: Annotated[list[Sentence], Field(max_length=8)]

    @field_validator("adjustments")
    @classmethod
    def _check_messages(cls, said: list[Sentence]) -> list[Sentence]:
        return [sentence(one.key, **one.values) for one in said]


class _ImageAnswer(_Answer):
    """What the sandbox says of the two JPEGs that it made: their bytes, and the picture that was
    given in px.
    """

    kept: PositiveInt
    sent: NonNegativeInt
    width: PositiveInt
    height: PositiveInt


class _VideoAnswer(_Answer):
    """What the sandbox says of the copy that it made of a clip."""

    kind: Literal["mp4", "mov"]
    clip: Clip


class _SoundAnswer(_Answer):
    """What the sandbox says of the copy that it made of a sound."""

    kind: Literal["wav", "mp3"]
    seconds: Annotated[float, Field(gt=0)]


class _KindAnswer(BaseModel):
    """What the sandbox says that a file is."""

    kind: Literal["image", "video"]


class _PreviewAnswer(_KindAnswer, _Answer):
    """The same with what can be shown of it, the WebP of so many bytes last."""

    shown: Annotated[int, Field(gt=0, le=_THUMBNAIL_BYTES)]
    seconds: float | None


@contextmanager
def use_work_folder(folder: Path) -> Iterator[None]:
    """Inside the block, files in the making lie in this folder, and else where the system has its
    own: /tmp is memory on some, and soon full.
    """
    _WORK_FOLDERS.append(folder)
    try:
        yield
    finally:
        _WORK_FOLDERS.remove(folder)


async def run_in_sandbox(
    asker: Asker, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
) -> Result:
    """Runs a function that opens files on threads of their own, when it is its asker's turn.

    Raises Crowded where too much waits already; Overtaken where a page has asked anew.
    """
    return await asyncio.wrap_future(_TURNS.submit(asker, partial(work, *given, **named)))


def digest(source: bytes | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prepare_image(field: str, source: bytes | Path, *, size: str, fit: str) -> ImageInput:
    """Opens a picture and makes it what the service takes: in exactly the shape of a size `W*H`,
    cropped or padded; for a tier ("720P") in its own.

    Raises InvalidInput, which says what came and what is allowed; and StorageUnavailable, as
    everything here that opens given files, where the disk is full.
    """
    with _open_source(source) as file, _temporary_file() as made:
        high = catalog.IMAGE_MEGABYTES
        outcome = SANDBOX.run(
            "picture",
            file,
            made,
            _ImageAnswer,
            field=field,
            high=high,
            digest=True,
            size=size,
            fit=fit,
        )
        answer = outcome.done
        made.seek(0)
        kept = made.read(answer.kept)
        sent = made.read(answer.sent) or kept
        return ImageInput(
            kept,
            sent,
            outcome.sha256,
            outcome.bytes,
            answer.width,
            answer.height,
            answer.adjustments,
        )


def preview_image(source: bytes | Path, *, size: str, fit: str) -> bytes:
    """A small WebP of what will be sent of a picture at this size and fit. Raises InvalidInput."""
    with _open_source(source) as file, _temporary_file() as made:
        limit = catalog.IMAGE_MEGABYTES
        SANDBOX.run(
            "preview",
            file,
            made,
            _EmptyAnswer,
            field="reference_image",
            high=limit,
            size=size,
            fit=fit,
        )
        made.seek(0)
        return made.read()


def prepare_video(field: str, source: bytes | Path, target: IO[bytes]) -> VideoInput:
    """Opens a reference video and writes to `target` a copy of its pictures and sound, without
    where it was taken, by what, and anything else in it.

    Raises InvalidInput for what is no whole MP4 or MOV, or out of the limits.
    """
    with _open_source(source) as file:
        high = catalog.VIDEO_MEGABYTES
        outcome = SANDBOX.run(
            "clip", file, target, _VideoAnswer, field=field, high=high, digest=True
        )
        done = outcome.done
        return VideoInput(done.clip, done.kind, outcome.sha256, outcome.bytes, done.adjustments)


def video_seconds(source: bytes | Path) -> float:
    """How long a reference video is, in seconds. Raises InvalidInput as `prepare_video` does."""
    with _temporary_file() as target:
        return prepare_video("reference_video", source, target).clip.seconds


def prepare_sound(field: str, source: bytes | Path, target: IO[bytes]) -> SoundInput:
    """Opens a sound and writes to `target` a copy of what is heard, without tags and pictures.

    Raises InvalidInput for what is no WAV or MP3, or out of the limits.
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
    """What a sound is, checked as a run does. Raises InvalidInput as `prepare_sound` does."""
    with _temporary_file() as target:
        return prepare_sound(field, source, target)


def detect_kind(field: str, source: bytes | Path) -> Literal["image", "video"]:
    """Whether a file is a picture or a video, whatever it is called. Raises InvalidInput, which
    calls anything else by its name.
    """
    with _open_source(source) as file, _temporary_file() as made:
        return SANDBOX.run(
            "sort", file, made, _KindAnswer, field=field, high=catalog.VIDEO_MEGABYTES
        ).done.kind


def preview_reference(field: str, source: bytes | Path) -> ReferencePreview:
    """What a file is that may be a reference, checked as a run does. Raises InvalidInput."""
    with _open_source(source) as file, _temporary_file() as made:
        done = SANDBOX.run(
            "look", file, made, _PreviewAnswer, field=field, high=catalog.VIDEO_MEGABYTES
        ).done
        made.seek(max(0, made.seek(0, io.SEEK_END) - done.shown))
        return ReferencePreview(done.kind, made.read(), done.seconds, done.adjustments)


async def detect_kinds(
    asker: Asker, field: str, references: Sequence[Media]
) -> list[tuple[ReferenceKind, Media]]:
    """References with what each is: a file is what its content says, an address what its name says.

    Raises InvalidInput for a file that is neither, and for more than any model takes, before one is
    opened; and as `run_in_sandbox` does.
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
    """The settings that stand in an MP4 of anybody's, as `labels.read` gives them; None where there
    are none of ours.

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
    """A given file as the sandbox takes it: bytes in a file of ours, which goes with the block; a
    path as it is, since nobody opens it here.
    """
    if isinstance(source, Path):
        yield source
        return
    with _temporary_file() as file:
        file.write(source)
        file.flush()
        yield file


@contextmanager
def _temporary_file() -> Iterator[IO[bytes]]:
    """An open file in the making, which goes with the block. Raises StorageUnavailable
    where its disk is full.
    """
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
