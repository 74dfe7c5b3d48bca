"""The places of jobs in our own lines, read once for all who look at about the same time."""

import asyncio
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from wan.database.queue import Queue
from wan.database.waiting import Line

_LINES_KEPT = 100  # lines of waiting jobs; each account and model has one
_LINE_KEPT = 1.0  # seconds for which a line that was read is used again


@dataclass(frozen=True)
class _Places:
    """The places of the jobs in a line, and when they were read, in seconds since 1970."""

    read_at: float = -math.inf
    places: dict[str, int] = field(default_factory=dict)

    def is_fresh(self, now: float) -> bool:
        """Return whether it may be used again. A clock that was set back makes it old."""
        return self.read_at <= now < self.read_at + _LINE_KEPT

    def find(self, job_id: str) -> int:
        """Return a job's place, from 1; behind all for one that is not in line."""
        return self.places.get(job_id, len(self.places) + 1)


_NEVER_READ = _Places()


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
    """The lines of all accounts and models. clock: seconds since 1970.

    Where one is read, all are that were asked for lately: twenty at once take little longer than
    one, and five hundred viewers would ask for each at another moment.
    """

    def __init__(self, queue: Queue, clock: Callable[[], float]) -> None:
        self._queue, self._clock = queue, clock
        self._lines: dict[Line, _Places] = {}
        self._alone = asyncio.Lock()

    async def find_place(self, job: Waiting) -> int:
        """Return the place in line of a QUEUED job, from 1."""
        return (await self.find_places([job]))[job.id]

    async def find_places(self, jobs: Collection[Waiting]) -> dict[str, int]:
        """Return the place in line of each of these QUEUED jobs, from 1, by its id."""
        of_job = {job.id: (job.account, job.model) for job in jobs}
        async with self._alone:  # who comes meanwhile finds what this one has read
            now = self._clock()
            known = {line: self._lines.get(line, _NEVER_READ) for line in of_job.values()}
            old = {line for line, its in (self._lines | known).items() if not its.is_fresh(now)}
            # what has come since a line was read is not in it
            old |= {of_job[job.id] for job in jobs if job.state_at >= known[of_job[job.id]].read_at}
            if not old.isdisjoint(known):
                known |= await self._read(old, now)
        return {job_id: known[line].find(job_id) for job_id, line in of_job.items()}

    async def _read(self, lines: Collection[Line], now: float) -> dict[Line, _Places]:
        read = {
            line: _Places(now, {job_id: place for place, job_id in enumerate(ordered, 1)})
            for line, ordered in (await self._queue.list_waiting(lines, now)).items()
        }
        self._lines |= read
        while len(self._lines) > _LINES_KEPT:
            del self._lines[next(iter(self._lines))]
        return read
