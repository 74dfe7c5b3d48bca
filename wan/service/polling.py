"""How long a job that had no answer waits, and how long one will still take. Pure: seconds in,
seconds out. When a running task is polled, `poll_schedule.py` says.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from wan.domain.catalog import Model
from wan.domain.jobs import Job

SIMULATOR_POLL_SECONDS = 0.5
SIMULATOR_USUAL_SECONDS = (6, 12)
LONGEST_PAUSE = 300.0  # seconds between two looks when there is trouble
_SECONDS_OF_A_TAKE = 4
"""By which the last of several takes is later for each before it, as they are sent, downloaded and
conformed one after the other. An estimate, until three of our own briefs say better.
"""
_ENOUGH = 3  # runs of our own, from which on they count in place of the catalog
IDLE = 1.0  # seconds between two looks for work that another process may have queued


@dataclass(frozen=True)
class PollInterval:
    """How often the service is asked what no schedule is known for."""

    seconds: float
    """For a task of the service; the simulator's are looked at more often."""

    def of(self, job: Job) -> float:
        """Return the seconds between two questions about a job."""
        return SIMULATOR_POLL_SECONDS if job.simulated else self.seconds

    def first(self, job: Job) -> float:
        """Return the seconds until the first one."""
        return min(self.of(job), 5.0)


def next_poll_delay(every: float, attempts: int = 0, retry_after: float | None = None) -> float:
    """Return the seconds to wait before the next poll.

    every: the usual pause. attempts: consecutive transient troubles; each doubles the pause, up to
    five minutes. retry_after: what the service asked for, up to five minutes too: a job must not
    sleep past the day for which its video is kept. A tenth of jitter keeps many jobs from asking in
    step.
    """
    pause = max(
        min(every * 2 ** min(attempts, 10), LONGEST_PAUSE), min(retry_after or 0.0, LONGEST_PAUSE)
    )
    return float(pause * random.uniform(0.95, 1.05))  # noqa: S311 - jitter is no secret


def usual_seconds(
    model: Model,
    *,
    simulated: bool,
    past: Sequence[float] = (),
    runs: Sequence[float] = (),
    takes: int = 1,
) -> tuple[int, int]:
    """Return how long a run usually takes, from and to, in seconds: by what so many takes took
    together the last times where that is known, else by our own last runs, else by the catalog.

    past: of so many takes together. runs: of one each in RUNNING, as for `expected_seconds`, whose
    answer is not later than what this one ends with: both stand on the page. takes: how many run
    side by side; the last video comes later than one alone would.
    """
    if len(past) >= _ENOUGH:
        low, high = _without_extremes(past)
    else:
        low, high = (
            _without_extremes(runs)
            if len(runs) >= _ENOUGH
            else _known_seconds(model, simulated=simulated)
        )
        high += (takes - 1) * _SECONDS_OF_A_TAKE
    return low, max(high, round(expected_seconds(model, simulated=simulated, past=runs)))


def _without_extremes(seconds: Sequence[float]) -> tuple[int, int]:
    """Return the range that is left without the lowest and the highest fifth."""
    ordered = sorted(seconds)
    return round(ordered[len(ordered) // 5]), round(ordered[-1 - len(ordered) // 5])


def _known_seconds(model: Model, *, simulated: bool) -> tuple[int, int]:
    """Return the usual range before anything is known of our own runs."""
    return SIMULATOR_USUAL_SECONDS if simulated else model.usual_seconds


def expected_seconds(model: Model, *, simulated: bool, past: Sequence[float] = ()) -> float:
    """Return how long RUNNING takes, in seconds: the median of our own last runs, else the middle
    of what is usual.
    """
    if len(past) >= _ENOUGH:
        return median(past)
    low, high = _known_seconds(model, simulated=simulated)
    return (low + high) / 2
