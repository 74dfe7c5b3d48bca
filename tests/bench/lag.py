"""Seeing the end: polls a job, and seconds from the end of a run at the service to the poll that
sees it, on a virtual clock.

Ours learns while it goes, from the catalog's times on. Its peers are a poll every 15 s, one every
6 s, and the SDK's own `wait`, which is the SDK's code with a clock and a service that play. What
could be had for as many polls as one every 15 s is what a schedule reaches that was told of a
thousand runs of the same distribution before.
"""

import math
import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from statistics import mean, median
from types import SimpleNamespace
from unittest import mock

from dashscope.client import base_api

from tests.bench.figures import Figure
from wan.domain.catalog import MODELS
from wan.service.poll_schedule import EVERY, delay, schedule

_LEARNED_FROM = 100  # runs, as `Durations.list_run_seconds` gives
_FEW = 30  # jobs, after which a population is known
_JOBS, _FEWER = 1000, 130  # of the usual populations, and of the others
_RUNS = 200  # of another population, on which what was learned from each of its jobs is tried
_SEED = 1
_WORSE = 1.25  # times a poll every 15 s, while a population is not known
Runs = Callable[[random.Random], float]
"""Draws how long a run takes, in seconds."""
Polled = tuple[float, float]
Way = Callable[[float], Polled]
"""Polls of a run of so many seconds, and the seconds from its end to the last of them."""


def every(seconds: float) -> Way:
    """A poll at fixed times."""

    def polled(run: float) -> Polled:
        count = math.ceil(run / seconds)
        return count, count * seconds - run

    return polled


def sdk(run: float) -> Polled:
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

    def polled(run: float) -> Polled:
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

    def way(self) -> Way:
        """How the next job is polled."""
        return scheduled(schedule(tuple(self._past[-_LEARNED_FROM:]), self._usual))

    def learn(self, run: float) -> None:
        """One job more has ended."""
        self._past.append(run)


def log_normal(middle: float, spread: float) -> Runs:
    """Runs around a median. spread: standard deviation of the logarithm."""
    return lambda draw: draw.lognormvariate(math.log(middle), spread)


def either(one: Runs, other: Runs) -> Runs:
    """Two populations, half and half."""
    return lambda draw: draw.choice((one, other))(draw)


def known(runs: Runs) -> Way:
    """What can be had where the population is known."""
    chance = random.Random(_SEED + 1)
    drawn = tuple(runs(chance) for _ in range(1000))
    middle = median(drawn)
    return scheduled(schedule(drawn, (middle, middle * 1.01)))


_PEERS = {"every 15 s": every(EVERY), "every 6 s": every(6), "the SDK's wait": sdk}
KINDS = {
    "wan2.6-i2v-flash": (75.0, 0.35, 4.5),
    "wan2.6-r2v": (240.0, 0.4, 5.0),
}
"""Of each model, the median of its runs in seconds, the spread, and the seconds late at most."""


@dataclass(frozen=True)
class Case:
    """A population of runs, and how it is polled."""

    name: str
    model: str
    draw: Runs

    def replay(self) -> list[Figure]:
        """Polls many runs in every way, learning from each."""
        chance, learning = random.Random(_SEED), Learning(self.model)
        runs, learned = [], []
        for _ in range(_JOBS):
            runs.append(self.draw(chance))
            learned.append(learning.way()(runs[-1]))
            learning.learn(runs[-1])
        peers = _PEERS | {"population known": known(self.draw)}
        return self._compare("", _means(learned), runs, peers, 1.0)

    def replay_few(self) -> list[Figure]:
        """Tries what is learned from each of a few jobs on many runs, since few say little."""
        chance, learning = random.Random(_SEED), Learning(self.model)
        runs, learned = [self.draw(chance) for _ in range(_RUNS)], []
        for _ in range(_FEWER):
            learned.append(_means([*map(learning.way(), runs)]))
            learning.learn(self.draw(chance))
        peers = {"every 15 s": _PEERS["every 15 s"], "population known": known(self.draw)}
        first, rest = _means(learned[:_FEW]), _means(learned[_FEW:])
        begun = self._compare(f", first {_FEW} jobs", first, runs, peers, _WORSE, begins=True)
        return begun + self._compare(f", job {_FEW + 1} on", rest, runs, peers, 1.0)

    def _compare(
        self,
        when: str,
        ours: Polled,
        runs: Sequence[float],
        peers: dict[str, Way],
        times: float,
        *,
        begins: bool = False,
    ) -> list[Figure]:
        """Compare with others. times: the polls that are allowed, in those of every 15 s."""
        others = {name: _means([*map(way, runs)]) for name, way in peers.items()}
        polls, late = others["every 15 s"]
        most = times * late if begins else KINDS[self.model][2]
        name = f"{self.name}{when}"
        return [
            Figure(
                "Seeing the end",
                f"{name}: late",
                ours[1],
                "s",
                f"at most {most:.3g} s",
                ours[1] <= most,
                {other: seconds for other, (_, seconds) in others.items()},
            ),
            Figure(
                "Seeing the end",
                f"{name}: polls a job",
                ours[0],
                "",
                f"at most {times:g} x every 15 s",
                ours[0] <= times * polls,
                {other: count for other, (count, _) in others.items()},
            ),
        ]


def _means(polled: Sequence[Polled]) -> Polled:
    counts, lags = zip(*polled, strict=True)
    return mean(counts), mean(lags)


def cases() -> Iterator[Callable[[], list[Figure]]]:
    """What is replayed."""
    for model, (middle, spread, _) in KINDS.items():
        runs = log_normal(middle, spread)
        yield Case(model, model, runs).replay
        for times in (0.5, 2, 3):
            runs = log_normal(middle * times, spread)
            yield Case(f"{model}, {times:g} times as long", model, runs).replay_few
        runs = either(log_normal(middle * 0.6, 0.25), log_normal(middle * 1.8, 0.25))
        yield Case(f"{model}, two populations", model, runs).replay_few


async def measure() -> list[Figure]:
    """Replays every case, as many at once as there are cores."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        replays = [pool.submit(_replay, number) for number in range(len([*cases()]))]
        return [figure for replay in replays for figure in replay.result()]


def _replay(number: int) -> list[Figure]:
    return [*cases()][number]()
