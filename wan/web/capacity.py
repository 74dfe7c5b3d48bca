"""Fair shares of a limited resource."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from wan.domain.turns import customer_network

SHARE = 8  # one may hold this part of what is free: twelve who take all they can leave a quarter


class Capacity:
    """Places of which each holder gets at most a part of what is free, so that newcomers find one.

    total: all there are. share: the part, as a divisor. limits: the most that one owner, one
    address or the like may hold, by kind. All addresses of an IPv6 site together may hold twice as
    many as one.
    """

    def __init__(self, total: int, *, share: int = SHARE, **limits: int) -> None:
        self._total, self._share = total, share
        self._limits = limits | {"site": 2 * limits["address"]} if "address" in limits else limits
        self._held: Counter[tuple[str, str]] = Counter()
        self._used = 0

    @contextlib.contextmanager
    def reserve(self, amount: int = 1, **who: str) -> Iterator[bool]:
        """Hold places inside the block; yield False, and hold none, where they are not available.

        who: a name for each kind that has a limit.
        """
        names = list(who.items())
        if its := customer_network(who.get("address", "")):
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
    """Return whether a holder may have more: the first at once, then up to a share of the free."""
    return amount <= free and held + amount <= (min(limit, free // share) if held else limit)
