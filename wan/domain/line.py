"""The order of waiting jobs: by turns of networks, then addresses, then owners, then by age. Pure.

So nobody waits longer because somebody else has queued more, under however many names.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

_DEPTH = 3  # network, address, owner
IN = "."  # between the hash of a network and that of an address in it
MEMORY = 600.0  # seconds for which a past turn counts


@dataclass(frozen=True)
class Turn:
    """A job that waits, or began lately."""

    job_id: str
    owner: str
    address: str | None
    """Hash of the client's address, behind that of its network; None as in `Job.address`."""
    at: float
    """When it was queued, or began; seconds since 1970."""

    @property
    def place(self) -> str:
        """The network, which takes turns with others; without an address, the owner."""
        return self.path[0]

    @property
    def path(self) -> tuple[str, str, str]:
        """Network, address and owner: those of each take turns within the one before."""
        address = self.address or self.owner
        return address.partition(IN)[0], address, self.owner


def order_by_turn(waiting: Iterable[Turn], begun: Iterable[Turn]) -> list[str]:
    """Return the ids of waiting jobs, next first.

    begun: recent starts; the one whose last turn is longest ago is next.
    """
    last_at: dict[tuple[str, ...], float] = {}
    for turn in sorted(begun, key=attrgetter("at")):
        last_at |= {turn.path[:depth]: turn.at for depth in range(1, _DEPTH + 1)}
    oldest = sorted(waiting, key=attrgetter("at", "job_id"))
    return [turn.job_id for turn in _share_turns(oldest, last_at, 1)]


def _share_turns(
    turns: Sequence[Turn], last_at: Mapping[tuple[str, ...], float], depth: int
) -> Sequence[Turn]:
    """Order the jobs of one network or address, given oldest first. depth: length of the paths."""
    if depth > _DEPTH:
        return turns
    lines = defaultdict(list)
    for turn in turns:
        lines[turn.path[:depth]].append(turn)
    shares = [
        (last_at.get(path, 0.0), _share_turns(line, last_at, depth + 1))
        for path, line in lines.items()
    ]
    return list(_alternate(shares))


def _alternate(lines: Sequence[tuple[float, Sequence[Turn]]]) -> Iterator[Turn]:
    """Yield the first job of each line, then the second, and so on; longest waiting first.

    lines: each with the time of its last turn.
    """
    placed = [(number, last, turn) for last, line in lines for number, turn in enumerate(line)]
    for _, _, turn in sorted(placed, key=lambda one: (one[0], one[1], one[2].at, one[2].job_id)):
        yield turn
