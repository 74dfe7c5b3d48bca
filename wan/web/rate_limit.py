"""How often an address may ask for something."""

import time
from collections import OrderedDict
from collections.abc import Callable

_ADDRESSES = 10_000


class RateLimit:
    """Lets each address do something so often, or send so much.

    every: seconds in which one more is allowed. burst: how many may come at once. clock: seconds;
    passed in by tests.
    """

    def __init__(
        self, every: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._every, self._burst, self._clock = every, burst, clock
        self._due: OrderedDict[str, float] = (
            OrderedDict()
        )  # address -> when its allowance is whole again

    def wait(self, address: str, amount: int = 1, *, keep: int = 0) -> float:
        """Seconds until this address may, so many at once; 0 where it may now, and that is then
        counted.

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
