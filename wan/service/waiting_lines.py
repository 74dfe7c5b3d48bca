"""The places of jobs in our own lines, read once for all who look at about the same time."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from wan.database.queue import Queue
from wan.database.waiting import Line

_LINES_KEPT = 100  # lines of waiting jobs; each account and model has one
_LINE_KEPT = 0.3  # seconds for which a line that was read is used again


@dataclass(frozen=True)
class _Places:
    """The places of the jobs in a line, and when they were read, in seconds since 1970."""

    read_at: float = -math.inf
    places: dict[str, int] = field(default_factory=dict)

    def find(self, job_id: str) -> int:
        """Return a job's place, from 1; behind all for one that is not in line."""
        return self.places.get(job_id, len(self.places) + 1)


class Waiting(Protocol):
    """A QUEUED job, as far as its place goes."""

    @property
    def id(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def state_at(self) -> float: ...


class WaitingLines:
    """The lines of all accounts and models. clock: seconds since 1970."""

    def __init__(self, queue: Queue, clock: Callable[[], float]) -> None:
        self._queue, self._clock = queue, clock
        self._lines: dict[Line, _Places] = {}

    async def find_place(self, job: Waiting) -> int:
        """Return the place in line of a QUEUED job, from 1."""
        return (await self.find_places([job]))[job.id]

    async def find_places(self, jobs: Collection[Waiting]) -> dict[str, int]:
        """Return the place in line of each of these QUEUED jobs, from 1, by its id."""
        now, of_job = self._clock(), {job.id: (job.account, job.model) for job in jobs}
        lines = {line: self._lines.get(line, _Places()) for line in of_job.values()}
        # what has come since a line was read is not in it
        stale = {
            of_job[job.id]
            for job in jobs
            if not job.state_at < (read_at := lines[of_job[job.id]].read_at) <= now
            or now >= read_at + _LINE_KEPT
        }
        if stale:
            for line, ordered in (await self._queue.list_waiting(stale, now)).items():
                places = {job_id: place for place, job_id in enumerate(ordered, 1)}
                self._lines[line] = lines[line] = _Places(now, places)
            while len(self._lines) > _LINES_KEPT:
                del self._lines[next(iter(self._lines))]
        return {job_id: lines[line].find(job_id) for job_id, line in of_job.items()}
