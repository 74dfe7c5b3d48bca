"""Pictures as an encoder has them: what lies where, and that a move through one is smooth."""

import numpy as np
import pytest
from PIL import Image

from wan.simulator.planes import Patch, Planes

BLACK, WHITE = 16, 235  # the brightness of video


@pytest.mark.parametrize("place", [(4, 6), (5, 7)])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_patch_lies_exactly_where_it_belongs(place, strength):
    frame = Planes.of(Image.new("RGB", (20, 18)))
    Patch(Image.new("RGBA", (3, 5), "white"), *place).lay_on(frame, strength)
    light = np.asarray(frame.brightness).astype(int)
    inside = np.zeros(light.shape, bool)
    inside[place[1] : place[1] + 5, place[0] : place[0] + 3] = True
    assert light[inside] == pytest.approx(BLACK + strength * (WHITE - BLACK), abs=2)
    assert light[~inside] == pytest.approx(BLACK, abs=1)


@pytest.mark.parametrize("size", [(320, 240), (1174, 830)])
def test_colours_reach_the_encoder_as_they_are(size):
    """Sides need not be divided by four."""
    for colour in ((200, 30, 40), (20, 180, 60), (250, 250, 250)):
        frame = Planes.of(Image.new("RGB", size, colour)).to_frame()
        assert (frame.width, frame.height) == size
        shown = frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
        assert np.abs(shown.astype(int) - colour).max() <= 3


def test_a_step_of_a_tenth_of_a_pixel_is_one():
    across = np.arange(64)
    hill = np.tile(200 * np.exp(-((across - 32) ** 2) / 50), (32, 1)).astype(np.uint8)
    picture = Planes.of(Image.fromarray(hill).convert("RGB"))
    centres = []
    for step in range(11):
        seen = picture.resize((48, 32), (4 + step / 10, 0, 52 + step / 10, 32))
        light = np.asarray(seen.brightness).astype(float).sum(axis=0)
        light -= light.min()
        centres.append((light * across[:48]).sum() / light.sum())
    assert np.diff(centres) == pytest.approx(-0.1, abs=0.03)
