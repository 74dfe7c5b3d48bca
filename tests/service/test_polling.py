"""How long a video is said to take."""

import pytest

from wan.domain.catalog import MODELS
from wan.service.polling import expected_seconds, usual_seconds

MODEL = MODELS["wan2.6-i2v-flash"]
SLOW = [20.0, 26.0, 26.0, 27.0, 40.0]  # runs of this machine's simulator
QUICK = [7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    ("past", "runs", "takes", "usual"),
    [
        ([], [], 1, (6, 12)),
        ([], [], 4, (6, 24)),
        ([], SLOW[:2], 1, (6, 12)),  # too few to say
        ([], SLOW, 1, (26, 27)),
        ([], SLOW, 4, (26, 39)),
        (QUICK, QUICK, 1, (7, 9)),
        (QUICK, SLOW, 1, (7, 26)),  # alone it was quick; the card counts against all runs
    ],
)
def test_the_price_line_does_not_contradict_the_clock_of_a_take(past, runs, takes, usual):
    said = usual_seconds(MODEL, simulated=True, past=past, runs=runs, takes=takes)
    assert said == usual
    assert round(expected_seconds(MODEL, simulated=True, past=runs)) <= said[1]
