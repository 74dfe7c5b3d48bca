"""The lines in which jobs wait to be sent: one for each account and model."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from wan.database.schema import JOBS, UNSENT_STATES
from wan.domain.jobs import JobState
from wan.domain.line import MEMORY, Turn, order_by_turn

# seconds overdue after which a job that is not sent yet is one that nobody works on; whoever works
# on one looks at it every second
_UNATTENDED_AFTER = 15.0

Line = tuple[str, str]
"""An account and a model, whose jobs wait in one line."""


def is_attended(now: float) -> sa.ColumnElement[bool]:
    """Return the condition that a job is sent, or that somebody looks after it."""
    return JOBS.c.state.not_in(UNSENT_STATES) | (JOBS.c.due_at > now - _UNATTENDED_AFTER)


def select_waiting(
    connection: sa.Connection, lines: Collection[Line], now: float
) -> dict[Line, list[str]]:
    """Return the ids of the QUEUED jobs in each of these lines, as `Queue.list_waiting` does."""
    accounts, models = {account for account, _ in lines}, {model for _, model in lines}
    theirs = JOBS.c.account.in_(accounts), JOBS.c.model.in_(models)
    columns = [JOBS.c[name] for name in ("account", "model", "id", "owner", "address")]
    queued = sa.select(*columns, JOBS.c.created_at).where(
        *theirs, JOBS.c.state == JobState.QUEUED.value, is_attended(now)
    )
    begun = sa.select(*columns, JOBS.c.started_at).where(*theirs, JOBS.c.started_at > now - MEMORY)
    waiting, lately = (_by_line(connection.execute(asked)) for asked in (queued, begun))
    return {line: order_by_turn(waiting[line], lately[line]) for line in lines}


def _by_line(rows: Iterable[sa.Row[Any]]) -> defaultdict[Line, list[Turn]]:
    """Return turns by their account and model, which are the first two columns."""
    turns: defaultdict[Line, list[Turn]] = defaultdict(list)
    for row in rows:
        turns[row.account, row.model].append(Turn(row.id, row.owner, row.address, row[-1]))
    return turns
