"""The jobs of a library: filtered, page by page."""

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.owners import seen_by
from wan.database.rows import job_of
from wan.database.schema import IS_LIVE, JOBS, PROMPT_FOLDED
from wan.database.verdicts import select_commented, select_judged
from wan.domain.jobs import GROUPS, Job, JobFilter, JobPage, JobPlace

_NEWEST = JOBS.c.created_at.desc(), JOBS.c.id

_project = sa.func.coalesce(JOBS.c.project, "", type_=sa.Text())


class Listing(Part):
    """The library that each owner sees."""

    @in_thread
    def list_page(
        self, owner: str, wanted: JobFilter, *, until: float | None, offset: int, limit: int
    ) -> JobPage:
        """Return one page of the jobs that an owner sees, as `Library.list_jobs` gives it."""
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
            .where(self._is_visible_to(owner))
        )
        projects = (
            sa.select(JOBS.c.project)
            .where(self._is_visible_to(owner), _project != "")
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
        """Return where a job stands among those that an owner sees and that match a
        filter."""
        matching = self._matching(owner, wanted)
        same, earlier = JOBS.c.created_at == job.created_at, JOBS.c.created_at < job.created_at
        before = (JOBS.c.created_at > job.created_at) | (same & (JOBS.c.id < job.id))
        after = earlier | (same & (JOBS.c.id > job.id))
        nearest = sa.select(JOBS.c.id).limit(1)
        previous = nearest.where(*matching, before).order_by(JOBS.c.created_at, JOBS.c.id.desc())
        following = nearest.where(*matching, after).order_by(*_NEWEST)
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
        """Return the jobs that an owner sees, that match a filter and have ended, newest first:
        each its id and whether it has a video.
        """
        columns = sa.select(JOBS.c.id, JOBS.c.video_key != "")
        ended = (
            columns.where(*self._matching(owner, wanted), ~IS_LIVE).order_by(*_NEWEST).limit(limit)
        )
        with self._database.reading() as connection:
            return [(job_id, bool(video)) for job_id, video in connection.execute(ended)]

    def _matching(self, owner: str, wanted: JobFilter) -> list[sa.ColumnElement[bool]]:
        """Return the conditions for the jobs that an owner sees and that match a filter."""
        conditions = [self._is_visible_to(owner)]
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

    def _is_visible_to(self, owner: str) -> sa.ColumnElement[bool]:
        return seen_by(owner, shared=self._database.shared)
