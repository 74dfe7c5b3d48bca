"""The rows of jobs: found, listed, deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.owners import seen_by
from wan.database.rows import job_of
from wan.database.schema import DELETED_TASKS, IS_LIVE, JOBS, PROMPT_FOLDED
from wan.database.spending import keep_costs
from wan.database.verdicts import select_commented, select_judged
from wan.domain import ids
from wan.domain.jobs import GROUPS, Job, JobFilter, JobPage, JobPlace, JobState

_NEWEST = JOBS.c.created_at.desc(), JOBS.c.id

_CLICK = 1.0  # seconds; the takes of one are written a millisecond apart

_project = sa.func.coalesce(JOBS.c.project, "", type_=sa.Text())


class Jobs(Part):
    """Every job, on its way or at its end."""

    @in_thread
    def get(self, job_id: str, owner: str) -> Job | None:
        """Return a job by its id, if this owner sees it."""
        return self._select_one((JOBS.c.id == job_id) & self._seen(owner))

    @in_thread
    def list_by_ids(self, job_ids: Sequence[str], owner: str) -> list[Job]:
        """Return those of these jobs that an owner sees, in any order."""
        wanted = JOBS.select().where(JOBS.c.id.in_(job_ids), self._seen(owner))
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(wanted)]

    @in_thread
    def get_by_media_token(self, token: str) -> Job | None:
        """Return the job whose files a media link opens."""
        return self._select_one(JOBS.c.media_token == token)

    @in_thread
    def owner_of(self, job_id: str) -> str | None:
        """Return the owner of a job; None where there is no such job."""
        with self._database.reading() as connection:
            return connection.execute(
                sa.select(JOBS.c.owner).where(JOBS.c.id == job_id)
            ).scalar_one_or_none()

    @in_thread
    def list_brief(self, owner: str, brief_id: str) -> list[Job]:
        """Return the jobs of an owner that share a brief, oldest first."""
        mine = (
            JOBS.select()
            .where(JOBS.c.owner == owner, JOBS.c.brief_id == brief_id)
            .order_by(JOBS.c.created_at)
        )
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(mine)]

    @in_thread
    def find_newest(self, owner: str, models: list[str]) -> Job | None:
        """Return the job of an owner with these models to show first: the newest one on its way,
        else the newest of all.
        """
        mine = JOBS.select().where(JOBS.c.owner == owner, JOBS.c.model.in_(models))
        first = mine.order_by(sa.case((IS_LIVE, 0), else_=1), JOBS.c.created_at.desc()).limit(1)
        with self._database.reading() as connection:
            found = connection.execute(first).first()
        return None if found is None else job_of(found)

    @in_thread
    def find_same(self, owner: str, account: str, cache_key: str) -> Job | None:
        """Return the newest finished job of a kind, whose video can be served again; else the
        newest that is on its way.

        A job that was tried again with its own seed is of the kind of the first try, whatever its
        key says.
        """
        mine = (JOBS.c.owner == owner) & (JOBS.c.account == account)
        kind = (
            sa.select(JOBS.c.id, JOBS.c.seed)
            .where(mine, JOBS.c.cache_key == cache_key)
            .cte(recursive=True)
        )
        again = (JOBS.c.retried_from == kind.c.id) & (JOBS.c.seed == kind.c.seed)
        kind = kind.union(sa.select(JOBS.c.id, JOBS.c.seed).where(mine, again))
        done = JOBS.c.state == JobState.SUCCEEDED.value
        newest = sa.case((done, 0), else_=1), JOBS.c.ended_at.desc(), JOBS.c.created_at.desc()
        with self._database.reading() as connection:
            found = connection.execute(
                JOBS.select()
                .where(JOBS.c.id.in_(sa.select(kind.c.id)), done | IS_LIVE)
                .order_by(*newest)
                .limit(1)
            ).first()
        return None if found is None else job_of(found)

    @in_thread
    def find_joinable(self, job: Job, since: float) -> Job | None:
        """Return the newest job since a time that a program without a token asked for in the same
        words, from the same address and on the same account.
        """
        address = JOBS.c.address.is_not_distinct_from(job.address)
        same = (
            address
            & (JOBS.c.account == job.account)
            & (JOBS.c.cache_key == job.cache_key)
            & JOBS.c.owner.startswith(ids.CALLERS)
        )
        good = IS_LIVE | (JOBS.c.state == JobState.SUCCEEDED.value)
        newest = (
            JOBS.select()
            .where(same, good, JOBS.c.created_at >= since)
            .order_by(JOBS.c.created_at.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            found = connection.execute(newest).first()
        return None if found is None else job_of(found)

    @in_thread
    def list_page(
        self, owner: str, wanted: JobFilter, *, until: float | None, offset: int, limit: int
    ) -> JobPage:
        """Return one page of an owner's jobs, as `Library.list_jobs` gives it."""
        conditions = self._matching(owner, wanted)
        if until is not None:
            conditions.append(JOBS.c.created_at <= until)
        page = JOBS.select().where(*conditions).order_by(*_NEWEST).offset(offset).limit(limit)
        matching = (
            sa.select(sa.func.count(), sa.func.count().filter(~IS_LIVE))
            .select_from(JOBS)
            .where(*conditions)
        )
        of_owner = (
            sa.select(
                sa.func.count(),
                sa.func.count().filter(IS_LIVE),
                sa.func.count().filter(JOBS.c.starred),
            )
            .select_from(JOBS)
            .where(self._seen(owner))
        )
        projects = (
            sa.select(JOBS.c.project)
            .where(self._seen(owner), _project != "")
            .group_by(JOBS.c.project)
            .order_by(sa.func.max(JOBS.c.created_at).desc(), JOBS.c.project)
        )
        with self._database.reading() as connection:
            everything, live, with_star = connection.execute(of_owner).one()
            total, ended = connection.execute(matching).one()
            return JobPage(
                [job_of(row) for row in connection.execute(page)],
                total=total,
                of_owner=everything,
                live=live,
                projects=list(connection.execute(projects).scalars()),
                starred=with_star,
                ended=ended,
            )

    @in_thread
    def find_place(self, owner: str, wanted: JobFilter, job: Job) -> JobPlace:
        """Return where a job stands among those of an owner that match a filter."""
        matching = self._matching(owner, wanted)
        same, earlier = JOBS.c.created_at == job.created_at, JOBS.c.created_at < job.created_at
        before = (JOBS.c.created_at > job.created_at) | (same & (JOBS.c.id < job.id))
        after = earlier | (same & (JOBS.c.id > job.id))
        ids = sa.select(JOBS.c.id).limit(1)
        previous = ids.where(*matching, before).order_by(JOBS.c.created_at, JOBS.c.id.desc())
        following = ids.where(*matching, after).order_by(*_NEWEST)
        count = sa.func.count
        counts = sa.select(count(), count().filter(before), count().filter(JOBS.c.id == job.id))
        with self._database.reading() as connection:
            total, place, there = connection.execute(counts.where(*matching)).one()
            return JobPlace(
                connection.execute(previous).scalar() or "",
                connection.execute(following).scalar() or "",
                place + 1 if there else 0,
                total,
            )

    @in_thread
    def list_ended(self, owner: str, wanted: JobFilter, limit: int) -> list[tuple[str, bool]]:
        """Return the jobs of an owner that match a filter and have ended, newest first: each its id
        and whether it has a video.
        """
        columns = sa.select(JOBS.c.id, JOBS.c.video_key != "")
        ended = (
            columns.where(*self._matching(owner, wanted), ~IS_LIVE).order_by(*_NEWEST).limit(limit)
        )
        with self._database.reading() as connection:
            return [(job_id, bool(video)) for job_id, video in connection.execute(ended)]

    @in_thread
    def list_run_seconds(
        self, backend: str, model: str, duration: int, last: int = 20
    ) -> list[float]:
        """Return how long the last runs of this kind were RUNNING, in seconds."""
        spans = (
            sa.select(JOBS.c.fetching_at - JOBS.c.running_at)
            .where(
                JOBS.c.backend == backend,
                JOBS.c.model == model,
                JOBS.c.state == JobState.SUCCEEDED.value,
                JOBS.c.running_at.is_not(None),
                JOBS.c.request["duration"].as_integer() == duration,
            )
            .order_by(JOBS.c.ended_at.desc())
            .limit(last)
        )
        with self._database.reading() as connection:
            return [float(seconds) for seconds in connection.execute(spans).scalars()]

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
                JOBS.c.backend == backend,
                JOBS.c.model == model,
                JOBS.c.state == JobState.SUCCEEDED.value,
                JOBS.c.started_at.is_not(None),
                JOBS.c.retried_from == "",
                JOBS.c.request["duration"].as_integer() == duration,
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

    @in_thread
    def list_ids(self) -> set[str]:
        """Return the id of every job."""
        with self._database.reading() as connection:
            return set(connection.execute(sa.select(JOBS.c.id)).scalars())

    @in_thread
    def list_used_references(self, owner: str = "") -> set[str]:
        """Return the storage keys of every reference of every job, or of those of an owner."""
        rows = sa.select(JOBS.c.references).where(*[JOBS.c.owner == owner] if owner else [])
        with self._database.reading() as connection:
            return {
                key
                for row in connection.execute(rows).scalars()
                for one in row
                for key in (one.key, one.sent_key)
            }

    @in_thread
    def withdraw_links(self, job_id: str, owner: str, media_token: str) -> bool:
        """Give a job's files a new token, so that every link to them that was given away is dead.
        Returns whether there is such a job.
        """
        mine = (JOBS.c.id == job_id) & self._seen(owner)
        with self._database.writing() as connection:
            changed = connection.execute(
                JOBS.update()
                .where(mine)
                .values(media_token=media_token, version=JOBS.c.version + 1)
            )
            return bool(changed.rowcount)

    @in_thread
    def label(self, job_ids: Sequence[str], owner: str, changes: Mapping[str, Any]) -> None:
        """Change what an owner says of jobs. changes: `name`, `starred`, `project`."""
        if "name" in changes:
            changes = {**changes, "name_folded": changes["name"].casefold()}
        mine = JOBS.c.id.in_(job_ids) & self._seen(owner)
        with self._database.writing() as connection:
            connection.execute(
                JOBS.update().where(mine).values(**changes, version=JOBS.c.version + 1)
            )

    @in_thread
    def delete(self, job: Job, now: float) -> bool:
        """Delete a job that has ended. Returns whether there was one."""
        with self._database.writing() as connection:
            mine = (JOBS.c.id == job.id) & (JOBS.c.owner == job.owner) & ~IS_LIVE
            keep_costs(connection, mine)
            gone = connection.execute(
                JOBS.delete().where(mine).returning(JOBS.c.account, JOBS.c.task_id)
            ).first()
            if gone is not None and gone.task_id:
                connection.execute(
                    DELETED_TASKS.insert().values(
                        account=gone.account, task_id=gone.task_id, deleted_at=now
                    )
                )
        return gone is not None

    @in_thread
    def forget_ended(self, before: float) -> None:
        """Delete the rows of jobs that ended before a time."""
        with self._database.writing() as connection:
            ended = ~IS_LIVE & (JOBS.c.ended_at < before)
            keep_costs(connection, ended)
            connection.execute(JOBS.delete().where(ended))

    @in_thread
    def forget_deleted(self, before: float) -> None:
        """Forget the tasks of jobs that were deleted before a time; the service has forgotten them
        too.
        """
        with self._database.writing() as connection:
            connection.execute(DELETED_TASKS.delete().where(DELETED_TASKS.c.deleted_at < before))

    def _select_one(self, where: sa.ColumnElement[bool]) -> Job | None:
        with self._database.reading() as connection:
            found = connection.execute(JOBS.select().where(where)).first()
        return None if found is None else job_of(found)

    def _matching(self, owner: str, wanted: JobFilter) -> list[sa.ColumnElement[bool]]:
        """The conditions for the jobs of an owner that match a filter."""
        conditions = [self._seen(owner)]
        for word in wanted.words:
            written = (PROMPT_FOLDED, JOBS.c.name_folded)
            said = [text.contains(word, autoescape=True) for text in written]
            conditions.append(sa.or_(*said, JOBS.c.id.in_(select_commented(owner, word))))
        if wanted.model:
            conditions.append(JOBS.c.model == wanted.model)
        if wanted.state:
            conditions.append(JOBS.c.state.in_([one.value for one in sorted(GROUPS[wanted.state])]))
        if wanted.verdict == "none":
            conditions.append(JOBS.c.id.not_in(select_judged(owner)))
        elif wanted.verdict:
            conditions.append(JOBS.c.id.in_(select_judged(owner, wanted.verdict)))
        if wanted.project is not None:
            conditions.append(_project == wanted.project)
        if wanted.starred:
            conditions.append(JOBS.c.starred)
        return conditions

    def _seen(self, owner: str) -> sa.ColumnElement[bool]:
        return seen_by(owner, shared=self._database.shared)


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
