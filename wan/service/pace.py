"""When the tasks at the service are polled, as earlier runs of this installation teach."""

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any

from wan.database.durations import Durations
from wan.domain import catalog
from wan.domain.catalog import MODELS
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import Job
from wan.service import poll_schedule
from wan.service.polling import PollInterval, next_poll_delay

_LONGEST_WAIT = 30.0  # seconds between two polls of a task that has not been started
_ENOUGH = 50  # runs, as many as are ever asked for: one more hardly moves a schedule made of them
_KEPT = 60.0  # seconds for which such a schedule is good: making one takes a tenth of a second


class Pace:
    """Says when a job's task is polled next. longest: seconds between two polls at most, where the
    operator wants no more; None for as many as the schedule says.

    Many jobs that were sent at once do not ask at once: an account's questions wait for their turn
    (`Tasks.wait_for_slot`).
    """

    def __init__(self, durations: Durations, longest: float | None) -> None:
        self._durations, self._longest = durations, math.inf if longest is None else longest
        self._known: dict[tuple[Any, ...], tuple[float, Sequence[float]]] = {}
        """The schedules made of enough runs, by the kind, and when."""
        self.every = PollInterval(poll_schedule.EVERY if longest is None else longest)

    async def until_next(self, job: Job, running: float) -> float:
        """Return the seconds until the next poll of a task that has been running for so many."""
        return min(await self._delay(job, running), self._longest)

    async def until_started(self, job: Job) -> float:
        """Return the seconds until the next poll of a task that had not been started a moment
        ago.
        """
        return min(await self._delay(job, 0.0), self._longest, _LONGEST_WAIT)

    async def _delay(self, job: Job, running: float) -> float:
        if job.simulated:
            return next_poll_delay(self.every.of(job))
        try:
            moments = await self._schedule(job)
        except StorageUnavailable:
            return next_poll_delay(self.every.of(job))
        return poll_schedule.delay(moments, running)

    async def _schedule(self, job: Job) -> Sequence[float]:
        """Return the moments at which a task like a job's is polled."""
        tier = catalog.tier_of(job.request["size"])
        kind = (job.backend, job.model, job.request["duration"], tier)
        made_at, moments = self._known.get(kind, (-math.inf, ()))
        if time.monotonic() - made_at < _KEPT:
            return moments
        runs = await self._durations.list_run_seconds(*kind)
        usual = MODELS[job.model].usual_seconds
        moments = await asyncio.to_thread(poll_schedule.schedule, tuple(runs), usual)
        if len(runs) >= _ENOUGH:
            self._known[kind] = time.monotonic(), moments
        return moments
