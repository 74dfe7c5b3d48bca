"""How many new sessions may come."""

import time
from collections import OrderedDict
from collections.abc import Callable

from wan.web.addresses import group, network
from wan.web.rate_limit import RateLimit
from wan.web.refusal import RequestRefused

KNOWN = 10_000  # sessions that are remembered; Gradio's own memory of them is bounded by it too
_ADDRESS_RATE = (
    1.0,
    60,
    # seconds for one new session from an address, and how many may come at once: a class behind one
    # address
)
_TOTAL_RATE = (0.1, 130)  # the same for all addresses together: each costs Gradio about 13 ms
_FIRST_RATE = (200.0, 3)  # the first ones of an address may come whatever others do
_RESERVE = 50  # of those that may come in all, this many are kept for first ones


class Sessions:
    """The sessions that are known, and at which rate new ones may come: each costs Gradio time and
    memory.

    forget: told of each session that is no longer known. clock: seconds; passed in by tests.
    """

    def __init__(
        self, forget: Callable[[str], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forget = forget
        self._known: OrderedDict[str, None] = OrderedDict()
        self._own, self._all = RateLimit(*_ADDRESS_RATE, clock), RateLimit(*_TOTAL_RATE, clock)
        self._first = RateLimit(*_FIRST_RATE, clock)

    def admit(self, session: str | None, address: str) -> None:
        """Lets a session in. session: None for one that nobody can come back to. Raises Refused
        while too many come.
        """
        if session is not None and session in self._known:
            self._known.move_to_end(session)
            return
        # In this order, so that nobody uses up what is there for all; and who has had theirs, not
        # what is there for those who come first.
        wait = self._own.wait(group(address)) or self._all.wait(
            "", keep=self._reserve_for_others(address)
        )
        if wait:
            raise RequestRefused(429, "too_many_pages", wait)
        if session is not None:
            self._remember(session)

    def _reserve_for_others(self, address: str) -> int:
        """How many sessions an address must leave for others: none while it has its first ones."""
        return _RESERVE if self._first.wait(network(address)) else 0

    def _remember(self, session: str) -> None:
        self._known[session] = None
        if len(self._known) > KNOWN:
            self._forget(self._known.popitem(last=False)[0])
