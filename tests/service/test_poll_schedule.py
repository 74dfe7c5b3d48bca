"""When a run is polled: soon after its likely end, for no more polls than one every fifteen seconds
would cost.
"""

from itertools import pairwise
from math import ceil, exp, log
from statistics import NormalDist, mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wan.domain.catalog import MODELS
from wan.service.poll_schedule import EVERY, delay, overdue, schedule

IMAGE, REFERENCE = (MODELS[name].usual_seconds for name in ("wan2.6-i2v-flash", "wan2.6-r2v"))


def runs(middle: float, spread: float, count: int) -> list[float]:
    """So many runs of a log-normal distribution, one for each quantile. spread: the standard
    deviation of the logarithm.
    """
    quantiles = [(number + 0.5) / count for number in range(count)]
    return [exp(NormalDist(log(middle), spread).inv_cdf(one)) for one in quantiles]


def polled(moments: tuple[float, ...], seconds: float) -> tuple[int, float]:
    """How often a run is polled, and how long after its end it is seen, in seconds."""
    count, now = 0, 0.0
    while now < seconds:
        now += delay(moments, now)
        count += 1
    return count, now - seconds


def compared(moments: tuple[float, ...], true: list[float]) -> tuple[float, float]:
    """Polls as a share of those of one every fifteen seconds, and the mean seconds from the end of
    a run to the poll that sees it.
    """
    counts, lags = zip(*(polled(moments, one) for one in true), strict=True)
    return sum(counts) / sum(ceil(one / EVERY) for one in true), mean(lags)


@pytest.mark.parametrize(
    ("usual", "middle", "spread", "within"),
    [(IMAGE, 75, 0.35, 4.5), (REFERENCE, 240, 0.4, 5.0)],
    ids=["image", "reference"],
)
def test_ends_are_seen_sooner_for_no_more_polls(usual, middle, spread, within):
    true = runs(middle, spread, 500)
    share, lag = compared(schedule((), usual), true)
    assert share < 1.1, "nothing is known of earlier runs"
    assert lag < 6
    share, lag = compared(schedule(tuple(runs(middle, spread, 30)), usual), true)
    assert share < 1.01
    assert lag < within


@pytest.mark.parametrize("times", [0.5, 2, 3])
def test_what_the_catalog_does_not_know_is_learned(times):
    true = runs(75 * times, 0.35, 500)
    share, lag = compared(schedule((), IMAGE), true)
    assert share < 1.25
    assert lag < 7.5 * 1.25
    share, lag = compared(schedule(tuple(runs(75 * times, 0.35, 30)), IMAGE), true)
    assert share < 1.02
    assert lag < 4.8


def test_two_kinds_of_runs_are_kept_apart():
    mixed = [*runs(45, 0.1, 250), *runs(150, 0.1, 250)]
    known = [*runs(45, 0.1, 15), *runs(150, 0.1, 15)]
    share, lag = compared(schedule(tuple(known), IMAGE), mixed)
    assert share < 1.02
    assert lag < 5


@given(st.lists(st.floats(0.001, 100_000), max_size=6), st.floats(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_whatever_runs_there_were_the_next_poll_is_soon_enough(seconds, running):
    moments = schedule(tuple(seconds), IMAGE)
    assert all(0 < after - before <= 121 for before, after in pairwise((0.0, *moments)))
    assert 0 < delay(moments, running) <= 121


@pytest.mark.parametrize(
    ("usual", "middle", "spread"),
    [(IMAGE, 75, 0.35), (REFERENCE, 240, 0.4)],
    ids=["image", "reference"],
)
def test_one_run_in_twenty_is_overdue(usual, middle, spread):
    true = runs(middle, spread, 500)
    known = overdue(tuple(runs(middle, spread, 30)), usual)
    assert 0.02 < sum(one > known for one in true) / 500 < 0.08
    assert overdue((), usual) > usual[1], "nothing is known of earlier runs"
