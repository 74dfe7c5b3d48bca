"""Who holds how much of something that there is only so much of."""

import contextlib
from collections import Counter
from collections.abc import Iterator


class Places:
    """Places of which nobody may hold more than are left free, so that whoever comes next finds one.

    total: all there are. limits: how many one owner, one address or the like may hold, by its kind.
    """

    def __init__(self, total: int, **limits: int) -> None:
        self._total, self._limits = total, limits
        self._held: Counter[tuple[str, str]] = Counter()
        self._taken = 0

    @contextlib.contextmanager
    def place(self, amount: int = 1, **who: str) -> Iterator[bool]:
        """Hold so many places inside the block; gives False, and holds none, where they are not there.

        who: a name for each kind that has a limit.
        """
        names = list(who.items())
        if not self._has_room(amount, names):
            yield False
            return
        self._change(amount, names)
        try:
            yield True
        finally:
            self._change(-amount, names)

    def _has_room(self, amount: int, names: list[tuple[str, str]]) -> bool:
        free = self._total - self._taken
        return amount <= free and all(self._held[one] + amount <= min(self._limits[one[0]], free) for one in names)

    def _change(self, amount: int, names: list[tuple[str, str]]) -> None:
        self._taken += amount
        for one in names:
            self._held[one] += amount
            if not self._held[one]:
                del self._held[one]
