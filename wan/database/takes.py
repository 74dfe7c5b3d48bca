"""The numbers of takes: whoever's they are, no two of a brief with a video have the same."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from wan.database.schema import JOBS
from wan.domain.jobs import LIVE, Job, JobState

_HOLDS_ITS_NUMBER = frozenset(state.value for state in LIVE | {JobState.SUCCEEDED})
_BY_AGE = JOBS.c.created_at, JOBS.c.id


def number(connection: sa.Connection, job: Job) -> Job:
    """Return a new job with its number among the takes of its brief: the one that it has, unless
    another take on its way or with a video has that, or it is 0; else the next.
    """
    brief = sa.select(JOBS.c.take, JOBS.c.state).where(JOBS.c.brief_id == job.brief_id)
    there = _Numbers((take, state) for take, state in connection.execute(brief))
    return replace(job, take=there.choose(job.take))


def number_older(connection: sa.Connection) -> None:
    """Number the jobs that an earlier version has written, as if each were written now, in the
    order in which they were asked for. What was tried again with its own seed wants the number of
    the first try.
    """
    without = JOBS.c.take.is_(None)
    if connection.execute(sa.select(JOBS.c.id).where(without).limit(1)).first() is None:
        return
    columns = (JOBS.c[name] for name in ("id", "brief_id", "take", "state", "seed", "retried_from"))
    of_briefs = JOBS.c.brief_id.in_(sa.select(JOBS.c.brief_id).where(without))
    briefs: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(sa.select(*columns).where(of_briefs).order_by(*_BY_AGE)):
        briefs[row.brief_id].append(row)
    update = JOBS.update().where(JOBS.c.id == sa.bindparam("job")).values(take=sa.bindparam("new"))
    numbers = {job_id: new for rows in briefs.values() for job_id, new in _number(rows).items()}
    connection.execute(update, [{"job": job_id, "new": new} for job_id, new in numbers.items()])


def _number(rows: Sequence[Any]) -> dict[str, int]:
    """Return the numbers of those rows of a brief that have none, by their ids."""
    seeds = {row.id: row.seed for row in rows}
    known = {row.id: row.take for row in rows if row.take is not None}
    numbers = _Numbers((row.take, row.state) for row in rows if row.id in known)
    new: dict[str, int] = {}
    for row in rows:
        if row.id not in known:
            again = seeds.get(row.retried_from) == row.seed
            wanted = known.get(row.retried_from, 0) if again else 0
            new[row.id] = known[row.id] = numbers.choose(wanted)
            numbers.add(known[row.id], row.state)
    return new


class _Numbers:
    """The numbers of the takes of a brief."""

    def __init__(self, there: Iterable[tuple[int | None, str]]) -> None:
        """there: number and state of each job."""
        self._held, self._highest = {0}, 0
        for take, state in there:
            self.add(take, state)

    def add(self, take: int | None, state: str) -> None:
        """Note a job; an earlier version gives it no number."""
        self._highest = max(self._highest, take or 1)
        if take and state in _HOLDS_ITS_NUMBER:
            self._held.add(take)

    def choose(self, wanted: int) -> int:
        """Return a number for a new take: the wanted one if it is free."""
        return self._highest + 1 if wanted in self._held else wanted
