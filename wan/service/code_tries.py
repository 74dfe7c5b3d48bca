"""Tries of the access code, from wherever they come."""

from collections.abc import Callable, Mapping

from wan.database.limits import Count, Key
from wan.service.counts import Counts
from wan.service.guesses import TURN, Guesses, keys_of


class CodeTries:
    """Counts the tries of the whole installation, as `Guesses` has it; while the database does not
    answer, those that came to this process. clock: seconds, of this process.
    """

    def __init__(self, counts: Counts, clock: Callable[[], float]) -> None:
        self._counts, self._clock, self._here = counts, clock, Guesses()

    async def attempt(self, address: str, *, right: bool) -> float:
        """Count a try with the right or a wrong code. Return the seconds until one from its address
        is looked at; 0 where this one is.
        """

        def attempt(counts: Mapping[Key, Count], now: float) -> tuple[float, Mapping[Key, Count]]:
            guesses = Guesses.restore(address, counts)
            wait = guesses.attempt(address, now, right=right)
            return wait, guesses.counts_of(address)

        wait = await self._counts.change(TURN, keys_of(address), attempt)
        now = self._clock()
        if wait is None:
            return self._here.attempt(address, now, right=right)
        if not wait:  # for a time in which this process is on its own
            self._here.wait(address, now)
            self._here.note(address, now, right=right)
        return wait
