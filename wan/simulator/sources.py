"""References as pictures to film: stills, clips and cards, each drawn at any moment through a
camera.

Limits: Model Studio help centre, image-to-video and reference-to-video pages, mid 2026: image sides
of 240-8000 px and 20 MB, clips of 1-30 s and 100 MB (the upload's own limit).
"""

import colorsys
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import av
import numpy as np
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from .errors import Refusal
from .lettering import font_for
from .planes import Planes, Size, round_up

IMAGE_SIDES = range(240, 8001)  # px
IMAGE_MEGABYTES = 20
CLIP_SECONDS = (1.0, 30.5)  # the half second is for a last frame and sound that runs on
# FFmpeg's names; a playlist among the uploads would otherwise make FFmpeg fetch URLs
CLIP_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2"
CLIP_SUFFIXES = (".mp4", ".mov")
CLOSEST = 1.14  # the closest that a camera goes: the enlargement against the whole picture


@dataclass(frozen=True)
class View:
    """What a camera sees of a picture: the enlargement (1 is all of it), and where in the rest, 0
    to 1 across and down.
    """

    zoom: float
    across: float
    down: float

    def box(
        self, left: float, top: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        """The view's rectangle within a rectangle, in fractions of pixels so that a slow move does
        not jitter.
        """
        seen_width, seen_height = width / self.zoom, height / self.zoom
        x, y = left + (width - seen_width) * self.across, top + (height - seen_height) * self.down
        return x, y, x + seen_width, y + seen_height


class Source(Protocol):
    """Something to film."""

    def frame(self, seconds: float, view: View, size: Size) -> Planes:
        """The picture at a moment, through a view, of exactly that size."""


@dataclass(frozen=True)
class Media:
    """What is known of a reference before it is filmed. `path` is None for a web address, which is
    never fetched.
    """

    url: str
    path: Path | None
    width: int
    height: int
    seconds: float = 0
    """Length of a clip; 0 for a picture."""

    @property
    def is_clip(self) -> bool:
        """Whether it moves."""
        return self.seconds > 0


def inspect(url: str, path: Path | None) -> Media:
    """Measure a reference. Raises Refusal for what is no image and no clip,
    or out of the limits.
    """
    if path is None:
        is_clip = urlsplit(url).path.lower().endswith(CLIP_SUFFIXES)
        return Media(url, None, 1280, 720, seconds=CLIP_SECONDS[1] if is_clip else 0)
    try:
        return _inspect_image(url, path)
    except UnidentifiedImageError:
        return _inspect_clip(url, path)


def open_source(media: Media, size: Size) -> Source:
    """A reference, ready to be filmed at about that size in pixels."""
    if media.path is None:
        return Still(card(media.url, size), size)
    if media.is_clip:
        return Clip(media, size)
    return Still(_load(media.path), size)


def _inspect_image(url: str, path: Path) -> Media:
    with Image.open(path, formats=("JPEG", "PNG", "BMP", "WEBP")) as image:
        width, height = image.size
        if image.getexif().get(0x0112, 1) >= 5:  # orientation: lying on its side
            width, height = height, width
    if path.stat().st_size > IMAGE_MEGABYTES * 2**20:
        raise Refusal("InvalidFile.Size")
    if width not in IMAGE_SIDES or height not in IMAGE_SIDES:
        raise Refusal(
            "InvalidFile.Resolution",
            f"The sides of the image must be in [{IMAGE_SIDES[0]}, {IMAGE_SIDES[-1]}] pixels.",
        )
    return Media(url, path, width, height)


def _inspect_clip(url: str, path: Path) -> Media:
    try:
        with av.open(str(path), options={"format_whitelist": CLIP_FORMATS}) as container:
            frame = next(container.decode(video=0))
            seconds = (container.duration or 0) / av.time_base
    except (av.error.FFmpegError, IndexError, StopIteration) as unreadable:
        raise Refusal(
            "InvalidParameter.DataInspection",
            "The media format is not supported or incorrect for the data inspection.",
        ) from unreadable
    if not CLIP_SECONDS[0] <= seconds <= CLIP_SECONDS[1]:
        raise Refusal(
            "InvalidFile.Duration",
            "The duration of the reference video must be in [1, 30] seconds.",
        )
    upright = frame.rotation % 180 == 0
    return Media(
        url,
        path,
        *((frame.width, frame.height) if upright else (frame.height, frame.width)),
        seconds,
    )


def _load(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except OSError as broken:  # cut off, or damaged behind its header
        raise Refusal("InvalidParameter.DataInspection") from broken


class Still:
    """A picture, enlarged once to a little more than the frame, so that every frame is a cheap and
    clean resize.
    """

    def __init__(self, image: Image.Image, size: Size) -> None:
        enlarged = (round_up(size[0] * CLOSEST), round_up(size[1] * CLOSEST))
        self._picture = Planes.of(
            ImageOps.fit(image, enlarged, Image.Resampling.LANCZOS, centering=(0.5, 0.4))
        )

    def frame(self, seconds: float, view: View, size: Size) -> Planes:
        """The picture through a view; it is the same at all times."""
        return self._picture.resize(size, view.box(0, 0, *self._picture.size))


class Clip:
    """A video that plays, and begins again when it is over. Frames are asked for in the order of
    time and decoded one by one.
    """

    def __init__(self, media: Media, size: Size) -> None:
        self._media = media
        self._cover = max(size[0] / media.width, size[1] / media.height)
        self._frames = self._decode()
        self._upcoming = next(self._frames)
        self._shown = self._upcoming[1]

    def frame(self, seconds: float, view: View, size: Size) -> Planes:
        """The frame that is on at that moment, cropped to fill the size, through a view."""
        while self._upcoming[0] <= seconds:
            self._shown = self._upcoming[1]
            self._upcoming = next(self._frames)
        picture = self._picture(self._shown)
        across, down = picture.size
        width, height = (side * across / self._media.width / self._cover for side in size)
        box = view.box((across - width) / 2, (down - height) * 0.4, width, height)
        return picture.resize(size, box)

    def _picture(self, frame: av.VideoFrame) -> Planes:
        scale = min(
            1.0, self._cover * CLOSEST
        )  # FFmpeg shrinks faster than Pillow; it need not enlarge
        picture = Planes.of_frame(
            frame, (round_up(frame.width * scale), round_up(frame.height * scale))
        )
        return picture.rotate(frame.rotation) if frame.rotation else picture

    def _decode(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """Frames with the second at which each comes on, without end."""
        begin = 0.0
        with av.open(
            str(self._media.path), options={"format_whitelist": CLIP_FORMATS}
        ) as container:
            container.streams.video[0].thread_type = "AUTO"
            while True:
                first: float | None = None
                for frame in container.decode(video=0):
                    first = frame.time if first is None else first
                    yield begin + (frame.time or 0) - (first or 0), frame
                begin += self._media.seconds
                container.seek(0)


def card(url: str, size: Size) -> Image.Image:
    """A card for a web address: a quiet gradient whose hue follows the address, with the host's
    name.
    """
    host = urlsplit(url).hostname or ""
    hue = (
        0.48 + 0.36 * int(hashlib.sha256(url.encode()).hexdigest()[:4], 16) / 0xFFFF
    )  # teal to plum
    image = _gradient(hue, size)
    draw = ImageDraw.Draw(image, "RGBA")
    width, height = size
    font = font_for(host, min(height / 11, width * 1.1 / max(len(host), 1)))
    middle = (width / 2, height * 0.44)
    if font:
        draw.text(middle, host, (255, 255, 255, 235), font, anchor="mm")
        rule = draw.textlength(host, font) * 0.5
        draw.rectangle(
            (
                middle[0] - rule / 2,
                height * 0.53,
                middle[0] + rule / 2,
                height * 0.53 + max(1, height // 360),
            ),
            (255, 255, 255, 90),
        )
    return image


def _gradient(hue: float, size: Size) -> Image.Image:
    light, dark = (
        np.array(colorsys.hls_to_rgb(hue + shift, lightness, 0.42)) * 255
        for shift, lightness in ((0.0, 0.46), (0.09, 0.17))
    )
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    mix = ((across * 0.45 + down * 0.75) / 1.2)[..., None]
    grain = np.random.default_rng(0).uniform(
        -0.7, 0.7, (size[1], size[0], 1)
    )  # keeps the gradient from banding
    return Image.fromarray((light * (1 - mix) + dark * mix + grain).clip(0, 255).astype(np.uint8))
