"""Rate limits by address."""

import time
from collections import OrderedDict
from collections.abc import Callable

_ADDRESSES = 10_000


class RateLimit:
    """A limit on how often each address may do something, or how much it may send.

    every: seconds until one more is allowed. burst: how many may come at once. clock: seconds;
    passed in by tests.
    """

    def __init__(
        self, every: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every, self._burst, self._clock = every, burst, clock
        # by address: when its allowance is whole again
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait(self, address: str, amount: int = 1, *, keep: int = 0) -> float:
        """Return the seconds to wait before so many are allowed; 0 counts them as done.

        keep: how many more must be left for others.
        """
        now = self._clock()
        due = max(self._due.get(address, now), now)
        wait = due - now - self._every * (self._burst - amount - keep)
        if wait > 1e-6:  # seconds; less is a rounding error
            return wait
        self._due[address] = due + self._every * amount
        self._due.move_to_end(address)
        if len(self._due) > _ADDRESSES:
            self._due.popitem(last=False)
        return 0.0
