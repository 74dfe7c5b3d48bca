"""What jobs cost, of those too that have been deleted since."""

from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, dialect_of, in_thread
from wan.database.schema import DELETED_COSTS, JOBS
from wan.domain.catalog import FILM
from wan.domain.jobs import JobState, Spent
from wan.domain.plain_text import clean
from wan.domain.spending import Expense

_KEPT = ("id", "created_at", "owner", "account", "model", "state", "spent", "amount", "currency")
_SECONDS = sa.func.coalesce(JOBS.c.duration, JOBS.c.request["duration"].as_float())


class Spending(Part):
    """What every owner's jobs cost."""

    @in_thread
    def list_expenses(self, since: float, until: float) -> list[Expense]:
        """Return the jobs that were submitted from a time until another, newest first."""
        jobs = sa.select(
            *(JOBS.c[name] for name in _KEPT),
            _SECONDS.label("seconds"),
            JOBS.c.request["prompt"].as_string().label("prompt"),
            (JOBS.c.backend == "simulator").label("simulated"),
        ).where(JOBS.c.created_at >= since, JOBS.c.created_at < until, JOBS.c.model != FILM)
        gone = sa.select(DELETED_COSTS).where(
            DELETED_COSTS.c.created_at >= since, DELETED_COSTS.c.created_at < until
        )
        with self._database.reading() as connection:
            found = {row.id: _expense(row) for row in connection.execute(jobs)}
            # In this order nothing is missed; on PostgreSQL, what is deleted in between is in both.
            found |= {row.id: _expense(row, deleted=True) for row in connection.execute(gone)}
        return sorted(found.values(), key=lambda one: (-one.created_at, one.job_id))

    @in_thread
    def forget(self, before: float) -> None:
        """Forget what deleted jobs cost that were submitted before a time."""
        with self._database.writing() as connection:
            connection.execute(DELETED_COSTS.delete().where(DELETED_COSTS.c.created_at < before))


def keep_costs(connection: sa.Connection, where: sa.ColumnElement[bool]) -> None:
    """Keep what jobs cost that are about to be deleted, and nothing else of them. where: says which
    jobs.
    """
    paid = sa.select(*(JOBS.c[name] for name in _KEPT), _SECONDS).where(
        where, JOBS.c.spent != Spent.NO.value
    )
    columns = [*_KEPT, "seconds"]
    insert = dialect_of(connection).insert(DELETED_COSTS).from_select(columns, paid)
    # Another process may be deleting the same jobs.
    connection.execute(insert.on_conflict_do_nothing())


def _expense(row: Any, *, deleted: bool = False) -> Expense:
    values = dict(row._mapping)
    return Expense(
        job_id=values.pop("id"),
        state=JobState(values.pop("state")),
        spent=Spent(values.pop("spent")),
        prompt=clean(values.pop("prompt", None) or ""),
        deleted=deleted,
        **values,
    )
