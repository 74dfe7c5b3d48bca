"""What all jobs come to, for whoever runs the app."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.schema import ACCOUNTS, DELETED_COSTS, JOBS
from wan.domain.catalog import FILM, MODELS
from wan.domain.jobs import JobState, Spent


@dataclass(frozen=True)
class Sums:
    """What all jobs come to."""

    jobs: dict[JobState, int]
    """How many are in each state."""
    spent: dict[str, Decimal]
    """What one account's jobs of a day cost, by currency; of what nobody can know, what it may
    have cost.
    """
    reserved: Decimal
    """What is taken from that account's budget of the day."""


class Totals(Part):
    """Sums over all jobs."""

    @in_thread
    def read(self, account: str, day: str, since: float) -> Sums:
        """Return the sums. account: whose money is counted. day: the day of its budget, which
        begins at `since`, seconds since 1970.
        """
        with self._database.reading() as connection:
            states = sa.select(JOBS.c.state, sa.func.count()).where(JOBS.c.model != FILM)
            return Sums(
                jobs={
                    JobState(state): count
                    for state, count in connection.execute(states.group_by(JOBS.c.state))
                },
                spent=_spent(connection, account, since),
                reserved=connection.execute(
                    sa.select(ACCOUNTS.c.budget_spent).where(
                        ACCOUNTS.c.account == account, ACCOUNTS.c.budget_day == day
                    )
                ).scalar()
                or Decimal(0),
            )

    @in_thread
    def oldest_job(self) -> float | None:
        """Return when the oldest job was made, in seconds since 1970; None if there are no jobs."""
        with self._database.reading() as connection:
            made: float | None = connection.execute(
                sa.select(sa.func.min(JOBS.c.created_at))
            ).scalar()
            return made


def _spent(connection: sa.Connection, account: str, since: float) -> dict[str, Decimal]:
    """Return what the account's jobs cost that were submitted since a time, deleted ones too."""
    paid: dict[str, sa.Row[Any]] = {}
    for table, among in (
        # By due times and ends, of which there are indexes, and never by a look at all jobs, to
        # which a condition on the account would lead SQLite. In this order nothing is missed: what
        # ends or is deleted in between is in both on PostgreSQL, and counts once.
        (JOBS, [JOBS.c.due_at >= 0]),
        (JOBS, [JOBS.c.model.in_(MODELS), JOBS.c.ended_at >= since]),
        (DELETED_COSTS, []),
    ):
        costs = sa.select(*(table.c[name] for name in ("id", "account", "currency", "amount")))
        todays = (table.c.created_at >= since, table.c.spent != Spent.NO.value)
        paid |= {row.id: row for row in connection.execute(costs.where(*todays, *among))}
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for row in paid.values():
        if row.account == account and row.currency and row.amount is not None:
            spent[row.currency] += row.amount
    return dict(spent)
