"""Seeing the end: polls a job, and seconds from the end of a run at the service to the poll that
sees it, on a virtual clock.

Ours learns while it goes, from the catalog's times on. Its peers are a poll every 15 s, one every
6 s, and the SDK's own `wait`, which is the SDK's code with a clock and a service that play. What
could be had for as many polls as one every 15 s is what a schedule reaches that was told of a
thousand runs of the same distribution before.
"""

import argparse
import math
import random
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from statistics import NormalDist, mean
from types import SimpleNamespace
from unittest import mock

from dashscope.client import base_api

from wan.domain.catalog import MODELS
from wan.service.poll_schedule import EVERY, delay, schedule

_LEARNED_FROM = 50  # runs, as `Durations.list_run_seconds` gives
_FEW = 30  # jobs, after which a population is known
Runs = Callable[[random.Random], float]
"""Draws how long a run takes, in seconds."""
Way = Callable[[float], tuple[int, float]]
"""Polls of a run of so many seconds, and the seconds from its end to the last of them."""


def every(seconds: float) -> Way:
    """A poll at fixed times."""

    def polled(run: float) -> tuple[int, float]:
        count = math.ceil(run / seconds)
        return count, count * seconds - run

    return polled


def sdk(run: float) -> tuple[int, float]:
    """The SDK's own wait."""
    now, count = 0.0, 0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def get(*_: object, **__: object) -> SimpleNamespace:
        nonlocal count
        count += 1
        status = "SUCCEEDED" if now >= run else "RUNNING"
        return SimpleNamespace(status_code=HTTPStatus.OK, output={"task_status": status})

    clock = SimpleNamespace(time=lambda: now, sleep=sleep)
    with (
        mock.patch.object(base_api, "time", clock),
        mock.patch.object(base_api.BaseAsyncApi, "_get", get),
    ):
        base_api.BaseAsyncApi.wait("task")
    return count, now - run


def scheduled(moments: Sequence[float]) -> Way:
    """Polls at the moments of a schedule."""

    def polled(run: float) -> tuple[int, float]:
        now, count = 0.0, 0
        while now < run:
            now += delay(moments, now)
            count += 1
        return count, now - run

    return polled


class Learning:
    """Ours: a schedule for each job from those before it."""

    def __init__(self, model: str) -> None:
        self._usual, self._past = MODELS[model].usual_seconds, list[float]()

    def __call__(self, run: float) -> tuple[int, float]:
        polled = scheduled(schedule(tuple(self._past[-_LEARNED_FROM:]), self._usual))(run)
        self._past.append(run)
        return polled


def log_normal(middle: float, spread: float) -> Runs:
    """Runs around a median. spread: standard deviation of the logarithm."""
    return lambda draw: draw.lognormvariate(math.log(middle), spread)


def either(one: Runs, other: Runs) -> Runs:
    """Two populations, half and half."""
    return lambda draw: draw.choice((one, other))(draw)


def known(middle: float, spread: float) -> Way:
    """What can be had where the distribution is known."""
    spans = [NormalDist(math.log(middle), spread).inv_cdf((n + 0.5) / 1000) for n in range(1000)]
    return scheduled(schedule(tuple(map(math.exp, spans)), (middle, middle * 1.01)))


KINDS = {
    "wan2.6-i2v-flash": (75.0, 0.35),
    "wan2.6-r2v": (240.0, 0.4),
}
"""Of each model, the median of its runs in seconds, and the spread."""


def cases(jobs: int) -> Iterator[tuple[str, str, Runs, int, dict[str, Way]]]:
    """What is replayed: its name, the model, the runs, how many, and the other ways."""
    peers = {"every 15 s": every(EVERY), "every 6 s": every(6), "the SDK's wait": sdk}
    for model, (middle, spread) in KINDS.items():
        best = {"distribution known": known(middle, spread)}
        yield model, model, log_normal(middle, spread), jobs, peers | best
        few = max(jobs // 5, 2 * _FEW)
        only = {"every 15 s": every(EVERY)}
        for times in (0.5, 2, 3):
            runs = log_normal(middle * times, spread)
            yield f"{model}, {times:g} times as long", model, runs, few, only
        mixed = either(log_normal(middle * 0.6, 0.25), log_normal(middle * 1.8, 0.25))
        yield f"{model}, two populations", model, mixed, few, only


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for on the command line."""
    parser.add_argument("--jobs", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")


async def run(jobs: int, seed: int) -> int:
    """Prints the report; the exit code."""
    print(f"{'':44}{'jobs':>10}{'polls a job':>14}{'seconds late':>14}")
    for name, model, draw, count, ways in cases(jobs):
        chance = random.Random(seed)
        runs = [draw(chance) for _ in range(count)]
        learned = [*map(Learning(model), runs)]
        print(name)
        for first, last in ((0, _FEW), (_FEW, count), (0, count)):
            _tell("learned", (first + 1, last), learned[first:last])
            _tell("every 15 s", (first + 1, last), [*map(every(EVERY), runs[first:last])])
        for way, polled in ways.items():
            if way != "every 15 s":
                _tell(way, (1, count), [*map(polled, runs)])
    return 0


def _tell(way: str, jobs: tuple[int, int], polled: Sequence[tuple[int, float]]) -> None:
    counts, lags = zip(*polled, strict=True)
    print(f"  {way:42}{jobs[0]:5}-{jobs[1]:<4}{mean(counts):>14.2f}{mean(lags):>14.2f}")
