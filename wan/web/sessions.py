"""Limits on new sessions."""

import time
from collections import OrderedDict
from collections.abc import Callable

from wan.web.addresses import group, network
from wan.web.rate_limit import RateLimit
from wan.web.refusal import RequestRefused

KNOWN = 10_000  # remembered sessions; it bounds Gradio's own memory of them too
# seconds for one new session from an address, and how many may come at once: a class of students
_ADDRESS_RATE = (1.0, 60)
_TOTAL_RATE = (0.1, 130)  # the same for all addresses together: each costs Gradio about 13 ms
_FIRST_RATE = (200.0, 3)  # first sessions of an address, which may come whatever others do
_RESERVE = 50  # of those allowed in all, kept for first ones


class Sessions:
    """The known sessions, and a rate limit for new ones: each costs Gradio time and memory.

    forget: called with each session that is no longer known. clock: seconds; passed in by tests.
    """

    def __init__(
        self, forget: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forget = forget
        self._known: OrderedDict[str, None] = OrderedDict()
        self._own, self._all = RateLimit(*_ADDRESS_RATE, clock), RateLimit(*_TOTAL_RATE, clock)
        self._first = RateLimit(*_FIRST_RATE, clock)

    def admit(self, session: str | None, address: str) -> None:
        """Admit a session; None for one that nobody can return to. Raises RequestRefused over the
        limit.
        """
        if session is not None and session in self._known:
            self._known.move_to_end(session)
            return
        # In this order, so that an address over its own limit uses up nothing of the total, nor of
        # what is kept for first sessions.
        wait = self._own.wait(group(address)) or self._all.wait(
            "", keep=self._reserve_for_others(address)
        )
        if wait:
            raise RequestRefused(429, "too_many_pages", wait)
        if session is not None:
            self._remember(session)

    def _reserve_for_others(self, address: str) -> int:
        """Return how many sessions an address must leave for others: none for its first ones."""
        return _RESERVE if self._first.wait(network(address)) else 0

    def _remember(self, session: str) -> None:
        self._known[session] = None
        if len(self._known) > KNOWN:
            self._forget(self._known.popitem(last=False)[0])
