"""The places of jobs in our own lines, read once for all who look at about the same time."""

import math
from collections.abc import Callable
from typing import Protocol

from wan.database.queue import Queue

_LINES_KEPT = 100  # lines of waiting jobs; each account and model has one
_LINE_KEPT = 0.3  # seconds for which a line that was read is used again


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
        self._lines: dict[tuple[str, str], tuple[float, dict[str, int]]] = {}

    async def find_place(self, job: Waiting) -> int:
        """Return the place in line of a QUEUED job, from 1."""
        which, now = (job.account, job.model), self._clock()
        read_at, places = self._lines.get(which, (-math.inf, {}))
        if (
            not job.state_at < read_at <= now < read_at + _LINE_KEPT
        ):  # what has come since then is not in it
            ordered = await self._queue.list_waiting(*which, now)
            places = {job_id: place for place, job_id in enumerate(ordered, 1)}
            self._lines[which] = now, places
            if len(self._lines) > _LINES_KEPT:
                del self._lines[next(iter(self._lines))]
        return places.get(job.id, len(places) + 1)
