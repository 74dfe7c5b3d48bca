"""Whose job is next: addresses in turn, the owners of an address in turn, and of one owner the oldest first. Pure.

So nobody waits longer because somebody else has queued more, under however many names.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

MEMORY = 600.0  # seconds for which it counts that somebody has had their turn


@dataclass(frozen=True)
class Turn:
    """A job that waits, or has been begun lately."""

    job_id: str
    owner: str
    address: str | None
    """A hash of where it was asked for; None for this machine, and for what an earlier version wrote."""
    at: float
    """When it was queued, or begun; seconds since 1970."""

    @property
    def place(self) -> str:
        """Where it counts as coming from: without an address, each owner is a place of their own."""
        return self.address or self.owner


def in_turn(waiting: Iterable[Turn], begun: Iterable[Turn]) -> list[str]:
    """The ids of what waits, next first. begun: what has been lately; whoever has had no turn for longest is next."""
    owners, places = defaultdict(list), defaultdict(list)
    for turn in sorted(waiting, key=attrgetter("at", "job_id")):
        owners[turn.place, turn.owner].append(turn)
    lately = sorted(begun, key=attrgetter("at"))
    last_of = {(turn.place, turn.owner): turn.at for turn in lately}
    last_at = {turn.place: turn.at for turn in lately}
    for (place, owner), turns in owners.items():
        places[place].append((last_of.get((place, owner), 0.0), turns))
    of_places = [(last_at.get(place, 0.0), list(_alternating(lines))) for place, lines in places.items()]
    return [turn.job_id for turn in _alternating(of_places)]


def _alternating(lines: Sequence[tuple[float, Sequence[Turn]]]) -> Iterator[Turn]:
    """One of each line, then the second of each, and so on; those first that have waited longest, since when is given."""
    placed = [(number, last, turn) for last, line in lines for number, turn in enumerate(line)]
    for _, _, turn in sorted(placed, key=lambda one: (one[0], one[1], one[2].at, one[2].job_id)):
        yield turn
