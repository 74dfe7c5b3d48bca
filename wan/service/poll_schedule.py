"""At which moments of a run its task is polled, so that its end is seen soon for few polls. Pure.

How long a run will take is not known, but it is likely to take about as long as one of the last
runs of its kind, or as the catalog says, which counts as one run more. Of all sets of moments the
best is the one with the shortest mean time from the end of a run to the poll that sees it, for no
more polls than one every `EVERY` seconds would cost. That is the checking problem of Barlow, Hunter
and Proschan ("Optimum checking procedures", J. SIAM 11, 1963), solved by dynamic programming.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import pstdev

EVERY = 15.0  # seconds between two polls of a schedule that knows nothing, whose number is kept to
SHORTEST = 0.5  # seconds between two polls at least; one may come so long before its moment
_LONGEST = 120.0  # seconds between two polls at most
_STEPS = 900  # moments from which those of a schedule are chosen, a second apart at least
_SURELY_OVER = 0.001  # of all runs take longer than a schedule is made for
_LONGEST_RUN = 3600.0  # seconds for which a schedule is made at most
_DECILES = 2 * 1.2816  # standard deviations from the 10th to the 90th percentile
_DOUBT = 0.6  # standard deviation of how far the catalog may be off, as a logarithm
_ALONE = 0.35  # standard deviation around a run that has few beside it, as a logarithm
_NARROWEST = 0.08  # likewise, around one of many that are alike
_OVERDUE = 0.05  # of all runs take longer than one that is overdue
_FEW = 3  # runs, of which no spread can be told


@dataclass(frozen=True)
class _Likely:
    """Runs that take about so long: a log-normal distribution, and how much it counts."""

    weight: float
    seconds: float
    """Half of them take longer."""
    spread: float
    """Standard deviation of the logarithm."""

    def share_beyond(self, seconds: float) -> float:
        """Return the share of these runs that take longer, times the weight."""
        far = math.log(seconds / self.seconds) / self.spread
        return self.weight * 0.5 * math.erfc(far / math.sqrt(2))


@lru_cache(256)
def schedule(runs: tuple[float, ...], usual: tuple[float, float]) -> tuple[float, ...]:
    """Return the moments at which to poll, in seconds since a run began; after the last of them,
    every `EVERY` seconds.

    runs: how long the last ones of the kind took, in seconds, each above 0. usual: what the catalog
    says, from and to, in seconds.
    """
    share_beyond = _shares_beyond(runs, usual)
    end = 2 * EVERY
    while end < _LONGEST_RUN and share_beyond(end) > _SURELY_OVER:
        end *= 1.2
    step = max(end / _STEPS, 1.0)
    going = [share_beyond(number * step) for number in range(round(end / step) + 1)]
    allowed = sum(share_beyond(number * EVERY) for number in range(math.ceil(end / EVERY)))
    cheap, dear = 0.01, 100.0  # seconds of waiting that a poll is worth
    for _ in range(10):  # until they are within 1 %
        price = math.sqrt(cheap * dear)
        if _count(going, _choose(going, step, price)) > allowed:
            cheap = price
        else:
            dear = price
    return tuple(number * step for number in _choose(going, step, dear))


@lru_cache(256)
def overdue(runs: tuple[float, ...], usual: tuple[float, float]) -> float:
    """Return the seconds since its beginning after which a run is overdue whose end would have been
    announced: only now is it worth a poll. Takes what `schedule` takes.
    """
    share_beyond, seconds = _shares_beyond(runs, usual), EVERY
    while seconds < _LONGEST_RUN and share_beyond(seconds) > _OVERDUE:
        seconds *= 1.02
    return seconds


def delay(moments: Sequence[float], running: float) -> float:
    """Return the seconds until the next poll of a task that has been running for so long."""
    return next((moment - running for moment in moments if moment > running + SHORTEST), EVERY)


def _shares_beyond(runs: Sequence[float], usual: tuple[float, float]) -> Callable[[float], float]:
    """Return what gives the share of all runs that take longer than so many seconds."""
    likely = _expect(runs, usual)
    whole = sum(one.weight for one in likely)

    def share_beyond(seconds: float) -> float:
        return sum(one.share_beyond(seconds) for one in likely) / whole if seconds else 1.0

    return share_beyond


def _expect(runs: Sequence[float], usual: tuple[float, float]) -> list[_Likely]:
    low, high = usual
    said = math.hypot(math.log(high / low) / _DECILES, _DOUBT)
    spread = _spread(runs)
    return [
        _Likely(1, math.sqrt(low * high), said),
        *(_Likely(1, seconds, spread) for seconds in runs),
    ]


def _spread(runs: Sequence[float]) -> float:
    """Return how far around each run others are likely, as a standard deviation of the logarithm:
    Silverman's rule, by which several populations stay apart.
    """
    if len(runs) < _FEW:
        return _ALONE
    known = sorted(math.log(seconds) for seconds in runs)
    middle = (known[3 * len(known) // 4] - known[len(known) // 4]) / 1.34
    narrow = min(pstdev(known), middle or math.inf)
    return min(max(0.9 * narrow / math.pow(len(known), 0.2), _NARROWEST), _ALONE)


def _choose(going: Sequence[float], step: float, price: float) -> list[int]:
    """Return the moments with the lowest mean of waiting, and of polls at a price, as numbers of
    steps. going: the share of runs that still go on, at each step.

    From a later moment the next one is never earlier, since ever fewer runs go on: that bounds the
    search.
    """
    last, widest = len(going) - 1, round(_LONGEST / step)
    seconds = [0.0]  # of all runs on average, until each step
    for before, after in pairwise(going):
        seconds.append(seconds[-1] + (before + after) / 2 * step)
    cost, following = [0.0] * (last + 1), [last] * (last + 1)
    for now in range(last - 1, -1, -1):
        share, spent = going[now], seconds[now]
        cost[now], following[now] = min(
            (share * (price + (then - now) * step) - (seconds[then] - spent) + cost[then], then)
            for then in range(now + 1, min(now + widest, following[now + 1]) + 1)
        )
    chosen = [following[0]]
    while chosen[-1] < last:
        chosen.append(following[chosen[-1]])
    return chosen


def _count(going: Sequence[float], chosen: Sequence[int]) -> float:
    """Return the mean number of polls that a run needs."""
    return sum(going[number] for number in (0, *chosen[:-1]))
