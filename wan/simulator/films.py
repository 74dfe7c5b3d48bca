"""An Order becomes an MP4: H.264 at 30 frames per second and AAC in stereo, as the service delivers
(Model Studio user guides, 2026-02-27; sound.py).

What it costs on two cores: about two seconds for five seconds of 1280x720, of which the encoder
and the resizing take a good third each (`python -m tests.bench film`).
"""

import hashlib
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import Refusal
from .lettering import caption, simulated_mark, watermark
from .orders import SIZES, Order, frame_size
from .planes import Patch, Planes, Size
from .shots import Storyboard, montage, single_image
from .sound import RATE, load_sound, pad
from .sources import Media, inspect

FPS = 30
QUALITY = 21  # x264's constant rate factor
PRESET = "veryfast"  # x264's
SEARCH = "subme=1:partitions=none"  # with that preset: as clear, no larger, a third less time
CLIP_LIMIT = 3  # reference videos
BILLED_SECONDS = {
    1: 5.0,
    2: 2.5,
    3: 1.65,
    4: 1.25,
    5: 1.0,
}  # of each reference video, by the number of references (model pricing, Apr-Jun 2026)
CAPTION_GONE_SECONDS = 0.4  # of the end, so that it is gone from a copy with few frames too
CAPTION_FADE_SECONDS = 0.4  # before that
PLAIN_COLOUR = (46, 58, 70)  # RGB
BT709 = 1  # colour primaries, transfer and matrix of HD video, in FFmpeg's numbers

_SIMULATE = re.compile(r"simulate:([A-Za-z.]+[A-Za-z])")


class Interrupted(Exception):
    """The process is leaving; the film is not finished and will be made again."""


@dataclass(frozen=True)
class Style:
    """How films are made."""

    preset: str = PRESET
    """x264's."""
    still: bool = False
    """Nothing moves, which is made five times as fast."""
    plain: Path | None = None
    """A folder of films of one colour, which are as large, as long and as loud as ordered: each
    kind is made once, and kept there.
    """


def film(
    path_of: Callable[[str], Path],
    style: Style,
    order: Order,
    target: Path,
    leaving: threading.Event,
) -> float:
    """Render an order to `target`, which appears when it is whole.

    `path_of` gives the file of an object's name, `leaving` ends the work. Returns the seconds of
    reference video that are billed. Raises Refusal when the task fails: by a `simulate:CODE` in the
    prompt, an unlisted size, or media that cannot be used; Interrupted when told to leave.
    """
    if told := _SIMULATE.search(order.prompt):
        raise Refusal(told[1])
    if not order.tier:
        raise Refusal("InvalidParameter", f"The size is not match {', '.join(SIZES)}")
    references = [
        inspect(each.url, path_of(each.object_name) if each.object_name else None)
        for each in order.references
    ]
    billed = _billed_seconds(references)
    size = frame_size(order, references[0].width, references[0].height)
    if order.from_image and references[0].is_clip:
        raise Refusal(
            "InvalidParameter.DataInspection",
            "The image format is not supported or incorrect for the data inspection.",
        )
    sound = _sound(path_of, order)
    if style.plain is not None:
        _copy_plain(style.plain, size, order, sound, target, leaving)
    else:
        if order.audio and sound is None:
            sound = pad(order.seconds, order.seed)
        _write(
            target,
            size,
            Picture.of(order, references, size, still=style.still),
            sound,
            style.preset,
            leaving,
        )
    return billed


def _sound(path_of: Callable[[str], Path], order: Order) -> NDArray[np.float32] | None:
    """The sound that was sent up for an order; None without one, and for one at a web address,
    which is never fetched.
    """
    if order.sound is None or not order.sound.object_name:
        return None
    return load_sound(path_of(order.sound.object_name), order.seconds)


def _copy_plain(
    folder: Path,
    size: Size,
    order: Order,
    sound: NDArray[np.float32] | None,
    target: Path,
    leaving: threading.Event,
) -> None:
    """sound: what was sent up; a film with it is kept by what is heard."""
    heard = "" if sound is None else f" {hashlib.sha256(sound.tobytes()).hexdigest()[:16]}"
    kept = folder / f"{size[0]}x{size[1]} {order.seconds} s{' with sound' * order.audio}{heard}.mp4"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if order.audio and sound is None:
            sound = pad(order.seconds, 0)
        _write(
            kept,
            size,
            repeat(Planes.of(Image.new("RGB", size, PLAIN_COLOUR)), order.seconds * FPS),
            sound,
            "ultrafast",
            leaving,
        )
    shutil.copyfile(kept, target)


def _write(
    target: Path,
    size: Size,
    frames: Iterable[Planes],
    sound: NDArray[np.float32] | None,
    preset: str,
    leaving: threading.Event,
) -> None:
    """Encode frames to `target`, which appears when it is whole."""
    unfinished = target.with_suffix(
        f".{uuid.uuid4().hex}.part"
    )  # several may make the same plain film
    try:
        _encode(unfinished, size, frames, sound, preset, leaving)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _billed_seconds(references: list[Media]) -> float:
    clips = [media.seconds for media in references if media.is_clip]
    if len(clips) > CLIP_LIMIT:
        raise Refusal(
            "InvalidParameter", f"The number of reference videos must not exceed {CLIP_LIMIT}"
        )
    return round(sum(min(seconds, BILLED_SECONDS[len(references)]) for seconds in clips), 2)


@dataclass(frozen=True)
class Picture:
    """The finished frames of a film: the storyboard, its dark corners, and the words on it."""

    size: Size
    frames: int
    board: Storyboard
    vignette: Patch
    caption: Patch | None
    marks: tuple[Patch, ...]
    still: bool

    @classmethod
    def of(cls, order: Order, references: list[Media], size: Size, *, still: bool) -> "Picture":
        """Prepare the frames of an order."""
        if order.from_image:
            board = single_image(
                references[0], size, order.seconds, order.seed, multi_shot=order.multi_shot
            )
        else:
            board = montage(references, size, order.seconds, order.seed)
        marks = (*([watermark(size)] if order.watermark else []), simulated_mark(size))
        return cls(
            size,
            order.seconds * FPS,
            board,
            _vignette(size),
            caption(order.prompt, size),
            marks,
            still,
        )

    def __iter__(self) -> Iterator[Planes]:
        moments = [0.0] if self.still else [number / FPS for number in range(self.frames)]
        for moment in moments:
            frame = self.board.frame(moment)
            self.vignette.lay_on(frame)
            if self.caption and (strength := self._caption_strength(moment)):
                self.caption.lay_on(frame, strength)
            for patch in self.marks:
                patch.lay_on(frame)
            yield from repeat(frame, self.frames // len(moments))

    def _caption_strength(self, moment: float) -> float:
        """How much of the caption is seen, 0 to 1: nothing at the end, so that it is not in the
        picture from which another film continues.
        """
        left = self.frames / FPS - moment - CAPTION_GONE_SECONDS
        return min(max(left / CAPTION_FADE_SECONDS, 0.0), 1.0)


def _vignette(size: Size) -> Patch:
    across, down = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    distance = np.sqrt(across**2 * 0.9 + down**2 * 0.9)
    dither = np.random.default_rng(0).uniform(
        -0.5, 0.5, distance.shape
    )  # keeps the shade from banding
    darkness = (70 * np.clip(distance - 0.55, 0, 1) ** 1.7 + dither).clip(0, 255)
    ink = Image.new("RGBA", size, "black")
    ink.putalpha(Image.fromarray(darkness.round().astype(np.uint8)))
    return Patch(ink, 0, 0)


def _encode(
    target: Path,
    size: Size,
    frames: Iterable[Planes],
    sound: NDArray[np.float32] | None,
    preset: str,
    leaving: threading.Event,
) -> None:
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = _video_stream(container, size, preset)
        audio = (
            container.add_stream("aac", rate=RATE, layout="stereo") if sound is not None else None
        )
        drawn = None
        for number, frame in enumerate(_draw_ahead(iter(frames))):
            if leaving.is_set():
                raise Interrupted
            if frame is not drawn:
                drawn, pixels = frame, frame.to_frame()
            pixels.pts = number
            container.mux(video.encode(pixels))
            if sound is not None and audio is not None:
                container.mux(audio.encode(_audio_frame(sound, number)))
        container.mux(video.encode())
        if sound is not None and audio is not None:
            container.mux(audio.encode(_audio_frame(sound, number + 1)))
            container.mux(audio.encode())


def _video_stream(
    container: av.container.OutputContainer, size: Size, preset: str
) -> av.VideoStream:
    options = {"preset": preset, "crf": str(QUALITY)}
    if preset == PRESET:
        options["x264-params"] = SEARCH
    stream = container.add_stream("libx264", rate=FPS, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.colorspace = stream.codec_context.color_primaries = (
        stream.codec_context.color_trc
    ) = BT709
    return stream


def _draw_ahead(frames: Iterator[Planes]) -> Iterator[Planes]:
    """The same frames; while one is encoded, the next is drawn."""
    with ThreadPoolExecutor(1, thread_name_prefix="draw") as drawing:
        upcoming = drawing.submit(next, frames, None)
        while frame := upcoming.result():
            upcoming = drawing.submit(next, frames, None)
            yield frame


def _audio_frame(sound: NDArray[np.float32], number: int) -> av.AudioFrame:
    """What is heard with a frame of the picture; behind the last one, what is left."""
    count = RATE // FPS
    piece = np.ascontiguousarray(sound[number * count : (number + 1) * count].T)
    frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = RATE, number * count
    return frame
