"""How long jobs took."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.schema import JOBS
from wan.domain.catalog import Tier, sizes_of
from wan.domain.jobs import Job, JobState

_LAST = 20  # runs of a model, among which the last one of an account is looked for
_CLICK = 1.0  # seconds; the takes of one are written a millisecond apart
_RECENT = 2000  # jobs of a model that are looked through, so that a rare kind costs no more


class Durations(Part):
    """How long the finished jobs of all owners took."""

    @in_thread
    def list_run_seconds(
        self, backend: str, model: str, duration: int, tier: Tier, last: int = 100
    ) -> list[float]:
        """Return how long the last runs of this kind took at the service, in seconds: by its own
        clock, else from the poll that saw the first of a run to the one that saw its end.
        """
        seconds = sa.func.coalesce(JOBS.c.run_seconds, JOBS.c.fetching_at - JOBS.c.running_at)
        spans = (
            sa.select(seconds)
            .where(
                *_recent_of_kind(backend, model, duration),
                seconds > 0,
                JOBS.c.request["size"].as_string().in_(sizes_of(tier)),
            )
            .order_by(JOBS.c.ended_at.desc())
            .limit(last)
        )
        with self._database.reading() as connection:
            return [float(seconds) for seconds in connection.execute(spans).scalars()]

    @in_thread
    def find_last_delay(self, job: Job) -> float | None:
        """Return how long after its end the last run of a job's account and model was announced and
        seen, in seconds, at most: what it waited at the service counts too. None where it was not
        announced, or nothing has run.
        """
        late = JOBS.c.fetching_at - JOBS.c.submitted_at - JOBS.c.run_seconds
        runs = (
            sa.select(JOBS.c.account, JOBS.c.announced_at, late.label("late"))
            .where(JOBS.c.model == job.model, JOBS.c.state == JobState.SUCCEEDED.value)
            .order_by(JOBS.c.ended_at.desc())
            .limit(_LAST)
        )
        with self._database.reading() as connection:
            rows = connection.execute(runs).all()
        last = next((row for row in rows if row.account == job.account), None)
        return None if last is None or last.announced_at is None else last.late

    @in_thread
    def list_brief_seconds(
        self, backend: str, model: str, duration: int, takes: int, last: int = 20
    ) -> list[float]:
        """Return how long so many takes of one click took the last times, from the first that left
        our line to the last video, in seconds.
        """
        made = (
            sa.select(JOBS.c.brief_id, JOBS.c.created_at, JOBS.c.started_at, JOBS.c.ended_at)
            .where(
                *_recent_of_kind(backend, model, duration),
                JOBS.c.started_at.is_not(None),
                JOBS.c.retried_from == "",
            )
            .order_by(JOBS.c.ended_at.desc())
            .limit(last * takes)
            .subquery()
        )
        with self._database.reading() as connection:
            rows = connection.execute(
                made.select().order_by(made.c.brief_id, made.c.created_at)
            ).all()
        return [
            max(row.ended_at for row in click) - min(row.started_at for row in click)
            for click in _group_by_click(rows)
            if len(click) == takes
        ]


def _recent_of_kind(backend: str, model: str, duration: int) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a job is one of the last of a model, and made a video of so many
    seconds at a backend.
    """
    ended = sa.select(JOBS.c.ended_at).where(JOBS.c.model == model, JOBS.c.ended_at >= 0)
    before = ended.order_by(JOBS.c.ended_at.desc()).offset(_RECENT).limit(1).scalar_subquery()
    return [
        JOBS.c.model == model,
        JOBS.c.ended_at > sa.func.coalesce(before, 0.0),
        JOBS.c.backend == backend,
        JOBS.c.state == JobState.SUCCEEDED.value,
        JOBS.c.request["duration"].as_integer() == duration,
    ]


def _group_by_click(rows: Sequence[Any]) -> list[list[Any]]:
    """Return takes in groups of those that were asked for together. rows: by brief, then age."""
    clicks: list[list[Any]] = []
    for row in rows:
        first = clicks[-1][0] if clicks else None
        if first and row.brief_id == first.brief_id and row.created_at - first.created_at < _CLICK:
            clicks[-1].append(row)
        else:
            clicks.append([row])
    return clicks
