"""What is counted for the whole installation: by its database where processes share a PostgreSQL.

On SQLite, and while the database does not answer, each process counts for itself, as the callers of
this do then.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from typing import TypeVar

from wan.database.limits import Count, Key, Limits
from wan.domain.errors import StorageUnavailable
from wan.service.guesses import KEPT
from wan.service.stopping import finish

log = logging.getLogger("wan.service.counts")

_ANSWER_LIMIT = 2.0  # seconds for which the database is waited for
_PAUSE = 5.0  # seconds for which it is then not asked, but by one who finds out whether it is back
_CLEANED_EVERY = 60.0  # seconds
_LEASE, _RENEWED_EVERY = 60.0, 20.0  # seconds for which a hold outlives its process
Result = TypeVar("Result")


class Counts:
    """The counts that processes share, as long as there are any."""

    def __init__(self) -> None:
        self._limits: Limits | None = None
        self._held: set[Key] = set()
        self._is_silent, self._asked_again_at = False, 0.0

    @property
    def are_shared(self) -> bool:
        """Whether other processes count with this one."""
        return self._limits is not None

    @contextlib.contextmanager
    def shared_by(self, limits: Limits) -> Iterator[None]:
        """Share the counts inside the block, if they are in a database that can."""
        self._limits = limits if limits.can_count else None
        try:
            yield
        finally:
            self._limits = None

    async def count(
        self, key: Key, amount: int, *, every: float, burst: int
    ) -> tuple[bool, float] | None:
        """Count as `Limits.count` does; None where only this process counts."""
        return await self._ask(lambda limits: limits.count(key, amount, every=every, burst=burst))

    async def change(
        self,
        turn: Key,
        keys: Collection[Key],
        act: Callable[[Mapping[Key, Count], float], tuple[Result, Mapping[Key, Count]]],
    ) -> Result | None:
        """Change counts as `Limits.change` does; None where only this process counts."""
        return await self._ask(lambda limits: limits.change(turn, keys, act))

    @contextlib.asynccontextmanager
    async def hold(self, kind: str, subject: str) -> AsyncIterator[bool]:
        """Hold what only one in all processes may hold at a time; yield whether it is held. When a
        process dies, its hold ends within a minute.
        """
        key = kind, subject
        if key in self._held:
            yield False
            return
        self._held.add(key)
        try:
            claim = await self.count(key, 1, every=_LEASE, burst=1)
            if claim is not None and not claim[0]:
                yield False
                return
            renewing = asyncio.create_task(self._renew(key))
            try:
                yield True
            finally:
                renewing.cancel()
                await finish(self._ask(lambda limits: limits.clear(key)))
        finally:
            self._held.discard(key)

    async def _renew(self, key: Key) -> None:
        while self.are_shared:
            await asyncio.sleep(_RENEWED_EVERY)
            await self._ask(lambda limits: limits.renew(key, _LEASE))

    async def keep_clean(self) -> None:
        """Remove what tells nothing any more, again and again, until cancelled."""
        while self.are_shared:
            await asyncio.sleep(_CLEANED_EVERY)
            await self._ask(lambda limits: limits.forget(KEPT))

    async def _ask(self, statement: Callable[[Limits], Awaitable[Result]]) -> Result | None:
        """Return what the database answers; None where there is none, or it does not in time."""
        if self._limits is None or time.monotonic() < self._asked_again_at:
            return None
        if self._is_silent:
            self._asked_again_at = time.monotonic() + _PAUSE
        try:
            async with asyncio.timeout(_ANSWER_LIMIT):
                answer = await statement(self._limits)
        except (StorageUnavailable, TimeoutError) as trouble:
            if not self._is_silent:
                why = str(trouble) or "no answer"
                log.warning("each process counts for itself for now: %s", why)
            self._is_silent, self._asked_again_at = True, time.monotonic() + _PAUSE
            return None
        self._is_silent, self._asked_again_at = False, 0.0
        return answer
