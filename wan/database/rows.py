"""A job's row: how it is written, and read."""

from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from wan.database.accounts import settle
from wan.database.engine import dialect_of
from wan.database.schema import IS_LIVE, JOBS, LIVE_SQL
from wan.domain.jobs import LIVE, Job, JobState, Spent
from wan.domain.messages import Message
from wan.domain.plain_text import clean

_BOOKKEEPING = frozenset(
    {"due_at", "attempts", "not_ours", "first_absent_at"}
)  # of no interest to a viewer

_KEYS = [column.key for column in JOBS.c]
_OF_THE_TABLE = ("prompt_folded", "name_folded", "claimed_until", "announced_at")
"""Columns for statements alone."""
_UNSET: dict[str, Any] = {"take": 1, "name": "", "starred": False, "project": ""}
"""What stands for an empty column, as an earlier version writes it."""


def write(
    connection: sa.Connection,
    job: Job,
    now: float,
    state: JobState,
    changes: dict[str, Any],
) -> Job | None:
    """Write to a job by the one fenced UPDATE: by id, by the state that was read, by the lease that
    was claimed.
    """
    values = _values(changes)
    if state != job.state:
        values = {"said": [], "state_at": now} | values
        if state not in (
            JobState.UPLOADING,
            JobState.SUBMITTING,
        ):  # trouble on the way there counts on, so that pauses grow
            values = {"attempts": 0} | values
    if state != job.state or any(
        getattr(job, name) != value for name, value in changes.items() if name not in _BOOKKEEPING
    ):
        values["version"] = JOBS.c.version + 1
    if state not in LIVE:
        values |= {"due_at": None, "ended_at": now}
    written = connection.execute(
        JOBS.update()
        .where(JOBS.c.id == job.id, JOBS.c.state == job.state.value, JOBS.c.due_at == job.due_at)
        .values(state=state.value, **values)
        .returning(JOBS)
    ).first()
    if written is None:
        return None
    if state not in LIVE:
        settle(connection, job_of(written))
    return job_of(written)


def insert(connection: sa.Connection, job: Job) -> Job:
    """Write a row and return the job; or return the job of the same kind that is on its way, or was
    made while this one was prepared.
    """
    given = asdict(job) | {"references": job.references, "adjustments": job.adjustments}
    values = _values(given) | {
        "prompt_folded": str(job.request.get("prompt", "")).casefold(),
        "reference_names": [reference.name for reference in job.references],
    }
    kind = [JOBS.c.owner, JOBS.c.account, JOBS.c.cache_key]
    new = (
        dialect_of(connection)
        .insert(JOBS)
        .values(values)
        .on_conflict_do_nothing(index_elements=kind, index_where=LIVE_SQL)
    )
    same = [column == getattr(job, column.name) for column in kind]
    while (
        connection.execute(new.returning(JOBS.c.id)).first() is None
    ):  # psycopg counts no rows here (SQLAlchemy gives -1)
        found = connection.execute(JOBS.select().where(*same, IS_LIVE)).first()
        if found is not None:  # else it has ended since, and leaves room
            return job_of(found)
    just_made = (
        (JOBS.c.id != job.id)
        & (JOBS.c.state == JobState.SUCCEEDED.value)
        & (JOBS.c.ended_at >= job.created_at)
    )
    made = connection.execute(JOBS.select().where(*same, just_made)).first()
    if made is None:
        return job
    connection.execute(
        JOBS.delete().where(JOBS.c.id == job.id)
    )  # what was asked for has just been made, and paid for
    return job_of(made)


def _values(changes: dict[str, Any]) -> dict[str, Any]:
    """Return our values as the columns take them."""
    plain = dict(changes)
    if "said" in plain:
        said = plain["said"]
        plain["said"] = [] if said is None else [Message.model_validate(said)]
    for name in ("state", "spent"):
        if name in plain:
            plain[name] = str(plain[name])
    return plain


def job_of(row: Any) -> Job:
    """Return the job of a row that begins with all columns of JOBS."""
    values = dict(zip(_KEYS, row, strict=False))
    said = values.pop("said")
    names = values.pop("reference_names")
    if names:
        named = zip(values["references"], names, strict=True)
        values["references"] = [replace(reference, name=name) for reference, name in named]
    for name in _OF_THE_TABLE:
        values.pop(name)
    values |= {key: unset for key, unset in _UNSET.items() if values[key] is None}
    values["request"] = {
        name: clean(value) if isinstance(value, str) else value
        for name, value in values["request"].items()
    }
    return Job(
        **values
        | {
            "state": JobState(values["state"]),
            "spent": Spent(values["spent"]),
            "said": said[0] if said else None,
        }
    )
