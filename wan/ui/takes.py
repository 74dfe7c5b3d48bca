"""The takes that a tab shows: the ids of their jobs and what is marked on them, as the browser
keeps it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from wan.domain.catalog import TAKES_LIMIT
from wan.domain.errors import JobNotFound
from wan.domain.jobs import Job

_QUIET = "~"  # an earlier version's mark of a take that was not watched


class Mark(StrEnum):
    """What this page alone knows of one of several takes. Written before its id; no id begins like
    that.
    """

    NONE = ""
    ASKS = "?"
    """It asks whether it shall be made again although that may be paid twice."""
    BEFORE = "="
    """It was made before, so that it cost nothing now."""


@dataclass(frozen=True)
class Take:
    """One of the takes on the stage."""

    job_id: str
    mark: Mark = Mark.NONE

    def __str__(self) -> str:
        return f"{self.mark}{self.job_id}"


def read_takes(kept: str) -> list[Take]:
    """Read the takes that a browser keeps: ids separated by spaces. Whose they are, and whether
    they are there, is for others to ask.
    """
    return [_read_take(word) for word in kept.split()[:TAKES_LIMIT]]


def _read_take(word: str) -> Take:
    word = word.removeprefix(_QUIET)
    mark = next((mark for mark in (Mark.ASKS, Mark.BEFORE) if word.startswith(mark)), Mark.NONE)
    return Take(word.removeprefix(mark), mark)


def write_takes(shown: Sequence[Take]) -> str:
    """Write the takes as a browser keeps them."""
    return " ".join(map(str, shown))


def select_takes(shown: Sequence[Take], target: str) -> list[Take]:
    """Return the takes that a button means: the one with this id, all where it names none. Raises
    JobNotFound for one that is not shown.
    """
    meant = [take for take in shown if not target or target == take.job_id]
    if not meant:
        raise JobNotFound
    return meant


def mark_takes(shown: Sequence[Take], meant: Sequence[Take], *, mark: Mark) -> list[Take]:
    """Return the takes with another mark on those that are meant. One alone has none: its stage
    says it all.
    """
    return [
        replace(take, mark=mark) if take in meant and len(shown) > 1 else take for take in shown
    ]


def place_take(shown: Sequence[Take], jobs: Sequence[Job], old: Take, new: Job) -> list[Take]:
    """Return the takes with a job that was made from one of them. jobs: theirs.

    A further try, which keeps its number, stands in the place of the first. A new take comes last,
    so that it can be compared with the one it was made from; where there is no room for it, the
    first other one that has ended leaves.
    """
    made_from = jobs[shown.index(old)]
    if old.mark is Mark.ASKS:  # it was answered
        shown = mark_takes(shown, [old], mark=Mark.NONE)
        old = replace(old, mark=Mark.NONE)
    if (new.brief_id, new.take) == (made_from.brief_id, made_from.take):
        return [Take(new.id) if take == old else take for take in shown]
    if new.id in [take.job_id for take in shown]:  # a second click, which has joined the first
        return list(shown)
    if len(shown) < TAKES_LIMIT:
        return [*shown, Take(new.id)]
    ended = [take for take, job in zip(shown, jobs, strict=True) if take != old and not job.live]
    leaves = (ended or [old])[0]
    return [*(take for take in shown if take != leaves), Take(new.id)]
