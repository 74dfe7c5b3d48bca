"""Whose job is next: networks in turn, the addresses of a network in turn, the owners of an address
in turn, and of one owner the oldest first. Pure.

So nobody waits longer because somebody else has queued more, under however many names.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

_DEPTH = 3  # network, address, owner
IN = "."  # stands in the hash of an address behind that of its network
MEMORY = 600.0  # seconds for which it counts that somebody has had their turn


@dataclass(frozen=True)
class Turn:
    """A job that waits, or has been begun lately."""

    job_id: str
    owner: str
    address: str | None
    """A hash of where it was asked for, behind one of the network; None for this machine, and for
    what an earlier version wrote.
    """
    at: float
    """When it was queued, or begun; seconds since 1970."""

    @property
    def place(self) -> str:
        """What has a turn of its own: the network that an address is in. Without an address, each
        owner is one.
        """
        return self.path[0]

    @property
    def path(self) -> tuple[str, str, str]:
        """Network, address and owner: those of each take turns within the one before."""
        address = self.address or self.owner
        return address.partition(IN)[0], address, self.owner


def in_turn(waiting: Iterable[Turn], begun: Iterable[Turn]) -> list[str]:
    """The ids of what waits, next first. begun: what has been lately; whoever has had no turn for
    longest is next.
    """
    last_at: dict[tuple[str, ...], float] = {}
    for turn in sorted(begun, key=attrgetter("at")):
        last_at |= {turn.path[:depth]: turn.at for depth in range(1, _DEPTH + 1)}
    oldest = sorted(waiting, key=attrgetter("at", "job_id"))
    return [turn.job_id for turn in _shared(oldest, last_at, 1)]


def _shared(
    turns: Sequence[Turn], last_at: Mapping[tuple[str, ...], float], depth: int
) -> Sequence[Turn]:
    """Turns of one network or address, oldest first, as those within it share them. depth: of the
    paths by which those are told.
    """
    if depth > _DEPTH:
        return turns
    lines = defaultdict(list)
    for turn in turns:
        lines[turn.path[:depth]].append(turn)
    shares = [
        (last_at.get(path, 0.0), _shared(line, last_at, depth + 1)) for path, line in lines.items()
    ]
    return list(_alternating(shares))


def _alternating(lines: Sequence[tuple[float, Sequence[Turn]]]) -> Iterator[Turn]:
    """One of each line, then the second of each, and so on; those first that have waited longest,
    since when is given.
    """
    placed = [(number, last, turn) for last, line in lines for number, turn in enumerate(line)]
    for _, _, turn in sorted(placed, key=lambda one: (one[0], one[1], one[2].at, one[2].job_id)):
        yield turn
