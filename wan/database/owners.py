"""Whose jobs somebody sees."""

import sqlalchemy as sa

from wan.database.schema import JOBS
from wan.domain import ids
from wan.domain.jobs import Job


def seen_by(
    owner: str, of: sa.ColumnElement[str] = JOBS.c.owner, *, shared: bool
) -> sa.ColumnElement[bool]:
    """Return the condition for the jobs that an owner sees: their own; in a shared library all of
    the page and the command line. of: the column of their owners.

    Those of a program without a token of its own are seen by nobody else, and it sees no others.
    """
    if shared and not _is_caller(owner):
        return ~of.startswith(ids.CALLERS, autoescape=True)
    return of == owner


def is_seen_by(owner: str, job: Job, *, shared: bool) -> bool:
    """Tell whether an owner sees a job."""
    return job.owner == owner or (shared and not _is_caller(owner) and not _is_caller(job.owner))


def _is_caller(owner: str) -> bool:
    return owner.startswith(ids.CALLERS)
