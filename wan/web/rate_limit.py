"""Rate limits by address."""

import time
from collections import OrderedDict
from collections.abc import Callable

from wan.service.counts import Counts

_ADDRESSES = 10_000
_ROUNDING = 1e-6  # seconds


class RateLimit:
    """A limit on how often each address may do something, or how much it may send, in this process.

    every: seconds until one more is allowed. burst: how many may come at once. clock: seconds;
    passed in by tests.
    """

    def __init__(
        self, every: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.every, self.burst, self._clock = every, burst, clock
        # by address: when its allowance is whole again
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait(self, address: str, amount: int = 1, *, keep: int = 0) -> float:
        """Return the seconds to wait before so many are allowed; 0 counts them as done.

        keep: how many more must be left for others.
        """
        if wait := self.look(address, amount, keep=keep):
            return wait
        now = self._clock()
        self._note(address, max(self._due.get(address, now), now) + self.every * amount)
        return 0.0

    def look(self, address: str, amount: int = 1, *, keep: int = 0) -> float:
        """Return the seconds to wait before so many are allowed, and count nothing."""
        now = self._clock()
        due = max(self._due.get(address, now), now)
        wait = due - now - self.every * (self.burst - amount - keep)
        return wait if wait > _ROUNDING else 0.0

    def learn(self, address: str, seconds: float) -> None:
        """Note in how many seconds the allowance of an address is whole again."""
        self._note(address, self._clock() + seconds)

    def _note(self, address: str, due: float) -> None:
        self._due[address] = due
        self._due.move_to_end(address)
        if len(self._due) > _ADDRESSES:
            self._due.popitem(last=False)


class SharedRateLimit:
    """A rate limit of the whole installation. Where its processes share no database, or while that
    does not answer, it is one of this process.

    kind: its name among the counts.
    """

    def __init__(self, kind: str, here: RateLimit, counts: Counts | None) -> None:
        self.here = here
        """What this process has counted, and heard of the others."""
        self._kind, self._counts = kind, counts or Counts()

    @property
    def is_shared(self) -> bool:
        """Whether the database is asked, as far as anybody knows."""
        return self._counts.are_shared

    async def wait(self, address: str, amount: int = 1) -> float:
        """Return the seconds to wait before so many are allowed; 0 counts them as done."""
        every, burst = self.here.every, self.here.burst
        # While not even one is allowed, nothing can have been counted elsewhere either: those who
        # were told to wait cost the database nothing.
        if self.here.look(address) or amount > burst:
            return self.here.look(address, amount)
        answer = await self._counts.count((self._kind, address), amount, every=every, burst=burst)
        if answer is None:
            return self.here.wait(address, amount)
        is_counted, seconds = answer
        self.here.learn(address, seconds)
        return 0.0 if is_counted else max(seconds - every * (burst - amount), _ROUNDING)
