"""The part of a picture that fills the frame of a video. Pure; nothing here needs pydantic."""

import math
from typing import NamedTuple

from wan.domain import catalog

Pixels = tuple[int, int]
"""Width and height."""

ENLARGED = 1.5  # times; a picture that is enlarged more looks soft, and people are told
ZOOMS = (1, 8)  # ours: a frame with an eighth of the sides is small even in the largest picture


class Crop(NamedTuple):
    """The part of a picture that fills the frame."""

    x: float = 0.5
    """Where the frame stands on its way from the left edge, 0, to the right one, 1."""
    y: float = 0.25
    """The same from the top to the bottom: faces are in the upper part of a tall picture."""
    zoom: float = 1.0
    """How many times smaller the frame is than the largest that fits."""

    def box(self, given: Pixels, shape: Pixels) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of the frame in px of a picture.

        given: the size of the picture. shape: a size with the aspect ratio of the frame.
        """
        (width, height), ratio = given, shape[0] / shape[1]
        across, down = float(width), float(height)
        if width / height > ratio:
            across = ratio * height
        elif width / height < ratio:
            down = width / ratio
        across, down = across / self.zoom, down / self.zoom
        left, top = (width - across) * self.x, (height - down) * self.y
        return left, top, min(left + across, width), min(top + down, height)


def enlargement(given: Pixels, size: str, fit: str, crop: Crop) -> float:
    """Return how many times larger a picture is shown in a video than it is.

    given: its size in px. size: of the video, `W*H` or a tier, which keeps the picture's shape;
    `ORIGINAL` for a picture that no frame waits for.
    """
    if size == catalog.ORIGINAL:
        return 1.0
    if size in catalog.TIER_PIXELS:
        return math.sqrt(catalog.TIER_PIXELS[size] / (given[0] * given[1]))
    shape = catalog.parse_size(size)
    if fit == "pad":
        return min(shape[0] / given[0], shape[1] / given[1])
    left, _, right, _ = crop.box(given, shape)
    return shape[0] / (right - left)
