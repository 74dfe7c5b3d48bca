"""Who holds how much of something that there is only so much of."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from wan.web.addresses import site

SHARE = 8  # of what is free, how much one may hold: twelve who take all they can leave a quarter


class Capacity:
    """Places of which nobody may hold more than a part of those that are left free, so that whoever
    comes next finds one.

    total: all there are. share: the part, as a divisor. limits: how many one owner, one address or
    the like may hold at most, by its kind. All addresses of an IPv6 site together hold twice as
    many as one.
    """

    def __init__(self, total: int, *, share: int = SHARE, **limits: int) -> None:
        self._total, self._share = total, share
        self._limits = limits | {"site": 2 * limits["address"]} if "address" in limits else limits
        self._held: Counter[tuple[str, str]] = Counter()
        self._used = 0

    @contextlib.contextmanager
    def reserve(self, amount: int = 1, **who: str) -> Iterator[bool]:
        """Hold so many places inside the block; gives False, and holds none, where they are not
        there.

        who: a name for each kind that has a limit.
        """
        names = list(who.items())
        if its := site(who.get("address", "")):
            names.append(("site", its))
        if not self._has_room(amount, names):
            yield False
            return
        self._change(amount, names)
        try:
            yield True
        finally:
            self._change(-amount, names)

    def _has_room(self, amount: int, names: list[tuple[str, str]]) -> bool:
        free = self._total - self._used
        return amount <= free and all(
            is_fair(self._held[one], amount, free, self._limits[one[0]], self._share)
            for one in names
        )

    def _change(self, amount: int, names: list[tuple[str, str]]) -> None:
        self._used += amount
        for one in names:
            self._held[one] += amount
            if not self._held[one]:
                del self._held[one]


def is_fair(held: int, amount: int, free: int, limit: int, share: int = SHARE) -> bool:
    """Whether one who holds so much may have more: the first at once, then up to a part of what is
    free.
    """
    return amount <= free and held + amount <= (min(limit, free // share) if held else limit)
