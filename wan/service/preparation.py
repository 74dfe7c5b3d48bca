"""References before they are sent: checked, cleaned and kept."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from wan.domain.catalog import ORIGINAL
from wan.domain.jobs import Reference
from wan.domain.messages import Message
from wan.domain.plain_text import clean_line
from wan.domain.requests import ImageToVideoRequest, Media, Request
from wan.domain.turns import Asker
from wan.environment.open_files import open_file
from wan.media import inputs
from wan.service.references import References
from wan.storage.objects import Storage
from wan.storage.uploads import SAMPLES, Original

Input = TypeVar("Input", inputs.VideoInput, inputs.SoundInput)

_NAME_LENGTH = 120  # characters of a file's name that are kept
_AUDIBLE = 0.1  # seconds by which a sound may differ from a video before anybody is told
_FILE_CHANGES = (  # adjustments of a file, whatever is asked of it
    *("heif_converted", "avif_converted", "image_upright", "image_flattened"),
    *(
        "clip_picture_other",
        "clip_sound_other",
        "clip_sound_dropped",
        "clip_sound_converted",
        "clip_timed",
    ),
    "sound_converted",
)


@dataclass(frozen=True)
class Prepared:
    """References that have been checked and kept, and what had to be adjusted."""

    references: list[Reference]
    adjustments: list[Message]

    @property
    def digests(self) -> list[str]:
        """What tells the references apart: the address of each, or the SHA-256 of its file."""
        return [reference.url or reference.sha256 for reference in self.references]


class Preparation:
    """Checks and keeps references."""

    def __init__(self, storage: Storage, references: References) -> None:
        self._storage, self._references = storage, references

    async def recognize(self, request: Request) -> Prepared | None:
        """Return what tells the references of a request apart, found without opening a file; None
        where one has to be opened.
        """
        found = [await self._recognize(kind, source) for kind, source in _list_sources(request)]
        known = [one for one in found if one is not None]
        return Prepared(known, []) if len(known) == len(found) else None

    async def _recognize(self, kind: str, source: Media) -> Reference | None:
        if isinstance(source, str):
            return Reference(kind=kind, url=source)
        if isinstance(source, bytes) or source.parent == SAMPLES:  # the app's own
            sha256 = await asyncio.to_thread(inputs.digest, source)
            return Reference(kind=kind, sha256=sha256)
        original = await self._references.find_original(source)
        return None if original is None else Reference(kind=kind, sha256=original.sha256)

    async def prepare(self, request: Request, asker: Asker) -> Prepared:
        """Check and keep every reference of a request, in the order in which the model numbers
        them.
        """
        if isinstance(request, ImageToVideoRequest):
            prepared = [
                await self._prepare_image(
                    asker, request.reference_image, size=request.size, **request.framing
                )
            ]
            if request.reference_audio is not None:
                prepared.append(await self._prepare_sound(asker, request.reference_audio, request))
        else:
            prepared = [
                await self._prepare_reference(asker, kind, one) for kind, one in request.in_order
            ]
        return Prepared(
            [reference for reference, _ in prepared],
            [said for _, several in prepared for said in several],
        )

    async def _prepare_reference(
        self, asker: Asker, kind: str, source: Media
    ) -> tuple[Reference, list[Message]]:
        return await (
            self._prepare_video(asker, source)
            if kind == "video"
            else self._prepare_image(asker, source, size=ORIGINAL, fit="crop")
        )

    async def _prepare_image(
        self, asker: Asker, source: Media, **framing: Any
    ) -> tuple[Reference, list[Message]]:
        if isinstance(source, str):
            return Reference(kind="image", url=source), []
        picture = await inputs.run_in_sandbox(
            asker, inputs.prepare_image, "reference_image", source, **framing
        )
        about = {name: getattr(picture, name) for name in ("sha256", "bytes", "width", "height")}
        changes = tuple(one.key for one in picture.adjustments if one.key in _FILE_CHANGES)
        key, original = await self._references.keep_clean(
            source, picture.kept, ".jpg", Original(**about, changes=changes), asker.owner
        )
        sent_key = (
            key
            if picture.sent == picture.kept
            else await self._references.keep(picture.sent, ".jpg")
        )
        about = {name: getattr(original, name) for name in about}
        name = _name_of(source)
        return Reference(
            kind="image", name=name, key=key, sent_key=sent_key, **about
        ), _earlier_changes(original, changes) + picture.adjustments

    async def _prepare_video(self, asker: Asker, source: Media) -> tuple[Reference, list[Message]]:
        if isinstance(source, str):
            return Reference(kind="video", url=source), []
        taken, about, said = await self._keep_copy(
            asker, inputs.prepare_video, "reference_video", source
        )
        clip = {name: getattr(taken.clip, name) for name in ("width", "height", "seconds")}
        return Reference(kind="video", **about, **clip), said

    async def _prepare_sound(
        self, asker: Asker, source: bytes | Path, request: ImageToVideoRequest
    ) -> tuple[Reference, list[Message]]:
        """Check and keep the sound file of a request; an address has a field of its own."""
        taken, about, said = await self._keep_copy(
            asker, inputs.prepare_sound, "reference_audio", source
        )
        said = [*said, *_compare_lengths(taken.seconds, request)] if request.audio else []
        return Reference(kind="audio", seconds=taken.seconds, **about), said

    async def _keep_copy(
        self,
        asker: Asker,
        take: Callable[[str, bytes | Path, IO[bytes]], Input],
        field: str,
        source: bytes | Path,
    ) -> tuple[Input, dict[str, Any], list[Message]]:
        """Keep the clean copy that `take` makes of a file. Returns what the file is, what its
        reference says of it, and what was done to it.
        """
        async with self._storage.workroom() as folder:
            copy = folder / "copy"
            async with open_file(copy, "w+b") as made:
                taken = await inputs.run_in_sandbox(asker, take, field, source, made)
            changes = tuple(one.key for one in taken.adjustments if one.key in _FILE_CHANGES)
            measured = Original(taken.sha256, taken.bytes, changes=changes)
            key, original = await self._references.keep_clean(
                source, copy, f".{taken.kind}", measured, asker.owner
            )
        about = {"key": key, "sent_key": key, "sha256": original.sha256, "bytes": original.bytes}
        about["name"] = _name_of(source)
        return taken, about, _earlier_changes(original, changes) + taken.adjustments


def _list_sources(request: Request) -> list[tuple[str, Media]]:
    """Return the references of a request in the order in which `prepare` gives them."""
    if not isinstance(request, ImageToVideoRequest):
        return [*request.in_order]
    sound = request.reference_audio
    return [
        ("image", request.reference_image),
        *([] if sound is None else [("audio", sound)]),
    ]


def _name_of(source: bytes | Path) -> str:
    """Return what a file is called; "" for bytes."""
    return clean_line(source.name)[:_NAME_LENGTH] if isinstance(source, Path) else ""


def _earlier_changes(original: Original, changes: Collection[str]) -> list[Message]:
    """Return what was done to an upload when its clean copy took its place, beside these changes of
    now.
    """
    return [Message.of(change) for change in original.changes if change not in changes]


def _compare_lengths(seconds: float, request: ImageToVideoRequest) -> list[Message]:
    """Return what the service does where a sound is longer or shorter than the video
    (image-to-video API reference, 2026-02-10).
    """
    if abs(seconds - request.duration) < _AUDIBLE:
        return []
    return [
        Message.of(
            "sound_cut" if seconds > request.duration else "sound_ends",
            given=f"{seconds:.1f}",
            seconds=request.duration,
        )
    ]
