"""Limits on new sessions."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from wan.service.counts import Counts
from wan.web.addresses import group, network
from wan.web.rate_limit import RateLimit, SharedRateLimit
from wan.web.refusal import RequestRefused

KNOWN = 10_000  # remembered sessions; it bounds Gradio's own memory of them too
# seconds for one new session from an address, and how many may come at once: a class of students
_ADDRESS_RATE = (1.0, 60)
# The same for all addresses together, and in each process, which has to bear it: a session costs
# Gradio about 13 ms.
_TOTAL_RATE = (0.1, 130)
_FIRST_RATE = (200.0, 3)  # first sessions of an address, which may come whatever others do
_RESERVE = 50  # of those allowed in all, kept for first ones


class Sessions:
    """The known sessions, and a rate limit for new ones: each costs Gradio time and memory.

    forget: called with each session that is no longer known. clock: seconds; passed in by tests.
    counts: those of the installation, where what an address may do counts.
    """

    def __init__(
        self,
        forget: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        counts: Counts | None = None,
    ) -> None:
        self._forget = forget
        self._known: OrderedDict[str, None] = OrderedDict()
        self._coming: dict[str, asyncio.Task[float]] = {}
        self._own = SharedRateLimit("session", RateLimit(*_ADDRESS_RATE, clock), counts)
        self._all = RateLimit(*_TOTAL_RATE, clock)
        self._first = RateLimit(*_FIRST_RATE, clock)

    async def admit(self, session: str | None, address: str) -> None:
        """Admit a session; None for one that nobody can return to. Raises RequestRefused over the
        limit.
        """
        if session is not None and session in self._known:
            self._known.move_to_end(session)
            return
        wait = await (self._count(address) if session is None else self._begin(session, address))
        if wait:
            raise RequestRefused(429, "too_many_pages", wait)

    async def _begin(self, session: str, address: str) -> float:
        """Count a session once, whatever comes of it at the same time. Return the seconds that it
        has to wait.
        """
        task = self._coming.get(session)
        if task is None:
            task = self._coming[session] = asyncio.create_task(self._count(address))
            task.add_done_callback(lambda counted: self._end(session, counted))
        return await asyncio.shield(task)  # also for others, when this request is given up

    def _end(self, session: str, counted: asyncio.Task[float]) -> None:
        del self._coming[session]
        if not counted.cancelled() and counted.exception() is None and not counted.result():
            self._remember(session)

    async def _count(self, address: str) -> float:
        """Count a new session. Return the seconds that it has to wait; 0 for none."""
        # In this order, so that an address over its own limit uses up nothing of the total, nor of
        # what is kept for first sessions.
        who = group(address)
        # Where this process has no room, the database is not asked.
        is_full = self._all.look("", keep=_RESERVE if self._first.look(network(address)) else 0)
        wait = self._own.here.wait(who) if is_full else await self._own.wait(who)
        return wait or self._all.wait("", keep=self._reserve_for_others(address))

    def _reserve_for_others(self, address: str) -> int:
        """Return how many sessions an address must leave for others: none for its first ones."""
        return _RESERVE if self._first.wait(network(address)) else 0

    def _remember(self, session: str) -> None:
        self._known[session] = None
        if len(self._known) > KNOWN:
            self._forget(self._known.popitem(last=False)[0])
