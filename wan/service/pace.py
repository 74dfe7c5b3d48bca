"""When the tasks at the service are polled, as earlier runs of this installation teach."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence

from wan.database.durations import Durations
from wan.domain import catalog
from wan.domain.catalog import MODELS, Tier
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import Job
from wan.service import poll_schedule, polling
from wan.service.polling import PollInterval

_LONGEST_WAIT = 30.0  # seconds between two polls of a task that has not been started
_LEARNED = 10.0  # seconds for which what was learned of a kind of job is used again
_SOON = 10.0  # seconds within which an end has to be announced; polls alone see it after some five


class Pace:
    """Says when a job's task is polled next. longest: seconds between two polls at most, where the
    operator wants no more; None for as many as the schedule says. announced: whether the service
    may announce ends here: as long as it does, and soon enough, a task is polled only when it is
    overdue.

    Many jobs that were sent at once do not ask at once: an account's questions wait for their turn
    (`Tasks.wait_for_slot`).
    """

    def __init__(
        self,
        durations: Durations,
        longest: float | None,
        *,
        announced: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._durations, self._longest, self._announced = durations, longest, announced
        self._clock = clock
        self.every = PollInterval(poll_schedule.EVERY if longest is None else longest)
        self._learned: dict[tuple[str, str, str, int, Tier], tuple[float, Sequence[float]]] = {}

    async def until_next(self, job: Job, running: float) -> float:
        """Return the seconds until the next poll of a task that has been running for so many."""
        return await self._delay(job, running, math.inf)

    async def until_started(self, job: Job) -> float:
        """Return the seconds until the next poll of a task that had not been started a moment
        ago.
        """
        return await self._delay(job, 0.0, _LONGEST_WAIT)

    async def _delay(self, job: Job, running: float, most: float) -> float:
        unlearned = polling.next_poll_delay(self.every.of(job))
        if self._longest is not None:
            most = min(unlearned, self._longest, most)
        if job.simulated or most <= poll_schedule.SHORTEST:
            return unlearned
        try:
            moments = await self._learn(job)
        except StorageUnavailable:
            return min(unlearned, most)
        return min(poll_schedule.delay(moments, running), most)

    async def _learn(self, job: Job) -> Sequence[float]:
        """Return the moments at which jobs of this kind are polled. Raises StorageUnavailable."""
        duration, tier = job.request["duration"], catalog.tier_of(job.request["size"])
        kind = job.backend, job.model, duration, tier
        whose = job.account if self._announced else "", *kind
        since, moments = self._learned.get(whose, (-math.inf, ()))
        if self._clock() - since >= _LEARNED:
            runs = tuple(await self._durations.list_run_seconds(*kind))
            late = await self._durations.find_last_delay(job) if self._announced else None
            usual = MODELS[job.model].usual_seconds
            if late is not None and late < _SOON:
                moments = (poll_schedule.overdue(runs, usual),)
            else:
                moments = await asyncio.to_thread(poll_schedule.schedule, runs, usual)
            self._learned[whose] = self._clock(), moments
        return moments
