"""Pictures as H.264 has them: brightness, and two colours at half the width and height (4:2:0,
BT.709).

A film is drawn in these, because they are half the bytes of RGB and go to the encoder as they are.
Sides are even numbers of pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

Size = tuple[int, int]
"""Width and height in pixels."""

_SCALES = (1, 2, 2)  # of the planes: pixels of the picture for each of theirs


def round_up(side: float) -> int:
    """The next even number of pixels."""
    return -int(-side // 2) * 2


class Planes(NamedTuple):
    """A picture; each plane is an image of one channel."""

    brightness: Image.Image
    blue: Image.Image
    red: Image.Image

    @classmethod
    def of(cls, picture: Image.Image) -> "Planes":
        """From RGB."""
        pixels = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        return cls.of_frame(pixels, picture.size)

    @classmethod
    def of_frame(cls, frame: av.VideoFrame, size: Size) -> "Planes":
        """From a video's frame, scaled to a size."""
        scaled = frame.reformat(
            *size,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        return cls(
            *(
                Image.frombytes(
                    "L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size
                )
                for plane in scaled.planes
            )
        )

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.brightness.size

    def to_frame(self) -> av.VideoFrame:
        """As an encoder takes it."""
        pixels = np.concatenate([np.asarray(plane).ravel() for plane in self])
        return av.VideoFrame.from_ndarray(pixels.reshape(-1, self.size[0]), format="yuv420p")

    def resize(self, size: Size, box: Sequence[float]) -> "Planes":
        """What is in a box, whose edges may lie within pixels, at a size."""
        return Planes(
            *(
                plane.resize(
                    (size[0] // scale, size[1] // scale),
                    Image.Resampling.BILINEAR,
                    (box[0] / scale, box[1] / scale, box[2] / scale, box[3] / scale),
                )
                for plane, scale in zip(self, _SCALES, strict=True)
            )
        )

    def rotate(self, degrees: int) -> "Planes":
        """Turned counterclockwise by a multiple of 90 degrees."""
        return Planes(*(plane.rotate(degrees, expand=True) for plane in self))

    def blend(self, other: "Planes", share: float) -> "Planes":
        """Mixed with so much of another, 0 to 1."""
        return Planes(
            *(Image.blend(plane, over, share) for plane, over in zip(self, other, strict=True))
        )

    def paste(
        self, other: "Planes", left: int, top: int, seen: Sequence[Image.Image | None] = (None,) * 3
    ) -> None:
        """Draw another on it, in place, with its top left corner at an even place. seen: how much
        of each plane is, as an image of its size; None is all of it.
        """
        for plane, over, alpha, scale in zip(self, other, seen, _SCALES, strict=True):
            plane.paste(over, (left // scale, top // scale), alpha)


@dataclass(frozen=True)
class Patch:
    """Something that lies over a picture and where its top left corner goes, in pixels."""

    ink: Image.Image
    """RGBA."""
    left: int
    top: int

    def lay_on(self, frame: Planes, strength: float = 1.0) -> None:
        """Draw it on a frame, in place. strength: 0 to 1, how much of it is seen."""
        planes, seen = self._planes
        if strength < 1:
            seen = [alpha.point(lambda value: round(value * strength)) for alpha in seen]
        frame.paste(planes, self.left // 2 * 2, self.top // 2 * 2, seen)

    @cached_property
    def _planes(self) -> tuple[Planes, list[Image.Image]]:
        """The ink and the alpha of each plane, with even sides that begin at an even place."""
        left, top = self.left % 2, self.top % 2
        even = Image.new("RGBA", (round_up(left + self.ink.width), round_up(top + self.ink.height)))
        even.paste(self.ink, (left, top))
        alpha = even.getchannel("A")
        return Planes.of(even.convert("RGB")), [alpha.reduce(scale) for scale in _SCALES]
