"""The jobs of a library: filtered, page by page."""

import math
from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.listed import HAS_PROJECT, HAS_STAR, IS_LIVE, LISTED, NEWEST
from wan.database.owners import seen_by
from wan.database.rows import job_of
from wan.database.schema import JOBS
from wan.database.verdicts import select_commented, select_judged
from wan.domain.catalog import FILM
from wan.domain.jobs import GROUPS, Job, JobFilter, JobPage, JobPlace

_count = sa.func.count
_COUNTS = sa.select(_count(), _count().filter(IS_LIVE)).select_from(LISTED)
_AT = LISTED.c.created_at
_LONG = 5  # characters of a word
_LOOKED_AT = 200  # jobs whose prompts are looked at: four takes each of fifty


class Listing(Part):
    """The library that each owner sees."""

    @in_thread
    def list_page(
        self, owner: str, wanted: JobFilter, *, until: float | None, offset: int, limit: int
    ) -> JobPage:
        """Return one page of the jobs that an owner sees, as `Library.list_jobs` gives it."""
        until = math.inf if until is None else until
        visible = self._is_visible_to(owner)
        with self._database.reading() as connection:
            matching = [*self._matching(connection, owner, wanted), until >= _AT]
            ids = sa.select(LISTED.c.id).where(*matching).order_by(*NEWEST)
            page = _select_jobs(ids.offset(offset).limit(limit))
            jobs = [job_of(row) for row in connection.execute(page)]
            is_whole = wanted == JobFilter()
            library = connection.execute(_describe_library(visible, is_counted=is_whole)).one()
            if is_whole:
                total, on_their_way = library.jobs, library.live
                if until < math.inf:  # all but what is newer, which is little
                    newer = connection.execute(_COUNTS.where(visible, until < _AT)).one()
                    total, on_their_way = total - newer[0], on_their_way - newer[1]
            elif offset == 0 and len(jobs) < limit:
                total, on_their_way = len(jobs), sum(job.live for job in jobs)
            else:
                total, on_their_way = connection.execute(_COUNTS.where(*matching)).one()
            return JobPage(
                jobs,
                total=total,
                has_jobs=bool(library.jobs),
                live=library.live,
                projects=list(connection.execute(_select_projects(visible)).scalars()),
                starred=library.starred,
                ended=total - on_their_way,
            )

    @in_thread
    def find_place(self, owner: str, wanted: JobFilter, job: Job) -> JobPlace:
        """Return where a job stands among those that an owner sees and that match a
        filter."""
        where, here = sa.tuple_(_AT, LISTED.c.id), sa.tuple_(job.created_at, job.id)
        before, after, itself = where > here, where < here, LISTED.c.id == job.id
        counts = sa.select(_count(), _count().filter(before), _count().filter(itself))
        with self._database.reading() as connection:
            matching = self._matching(connection, owner, wanted)
            nearest = sa.select(LISTED.c.id).where(*matching).limit(1)
            previous = nearest.where(before).order_by(_AT, LISTED.c.id)
            following = nearest.where(after).order_by(*NEWEST)
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
        with self._database.reading() as connection:
            matching = self._matching(connection, owner, wanted)
            ids = sa.select(LISTED.c.id).where(*matching, ~IS_LIVE).order_by(*NEWEST)
            ended = _select_jobs(ids.limit(limit))
            columns = ended.with_only_columns(JOBS.c.id, JOBS.c.video_key != "")
            return [(job_id, bool(video)) for job_id, video in connection.execute(columns)]

    @in_thread
    def list_prompts(self, owner: str, limit: int) -> list[str]:
        """Return an owner's own last prompts, each once, newest first. Those of their last
        `_LOOKED_AT` jobs are looked at, by the index that has them in order.
        """
        is_theirs = (LISTED.c.owner == owner) & (LISTED.c.model != FILM)
        last = sa.select(LISTED.c.id).where(is_theirs).order_by(*NEWEST).limit(_LOOKED_AT)
        jobs = last.subquery()
        asked = sa.select(JOBS.c.request["prompt"].as_string().label("prompt"), JOBS.c.created_at)
        said = asked.join(jobs, JOBS.c.id == jobs.c.id).subquery()
        newest = sa.func.max(said.c.created_at).desc()
        prompts = sa.select(said.c.prompt).where(said.c.prompt != "").group_by(said.c.prompt)
        with self._database.reading() as connection:
            found = connection.execute(prompts.order_by(newest, said.c.prompt).limit(limit))
            return list(found.scalars())

    def _matching(
        self, connection: sa.Connection, owner: str, wanted: JobFilter
    ) -> list[sa.ColumnElement[bool]]:
        """Return the conditions for the jobs that an owner sees and that match a filter."""
        conditions = [self._is_visible_to(owner)]
        for word in wanted.words:
            said, commented = self._has(word), select_commented(owner, word)
            # Few words are in any comment: no job need be looked for among none.
            is_in_any = connection.execute(commented.limit(1)).first() is not None
            conditions.append(said | LISTED.c.id.in_(commented) if is_in_any else said)
        if wanted.model:
            conditions.append(LISTED.c.model == wanted.model)
        if wanted.state:
            conditions.append(
                LISTED.c.state.in_([one.value for one in sorted(GROUPS[wanted.state])])
            )
        if wanted.verdict == "none":
            conditions.append(LISTED.c.id.not_in(select_judged(owner)))
        elif wanted.verdict:
            conditions.append(LISTED.c.id.in_(select_judged(owner, wanted.verdict)))
        if wanted.project is not None:
            conditions.append(LISTED.c.project == wanted.project)
        if wanted.starred:
            conditions.append(HAS_STAR)
        return conditions

    def _has(self, word: str) -> sa.ColumnElement[bool]:
        """Whether a word is in a job's own words, asked in the way that the database answers first.

        SQLite's LIKE is fast where it looks for a letter of ASCII first, and `instr` where it does
        not (3.40). PostgreSQL's LIKE looks at each character, `strpos` at one in as many as a word
        has, and takes more time to begin (18).
        """
        if self._database.is_sqlite and not word[0].isascii():
            return sa.func.instr(LISTED.c.words, word) > 0
        if not self._database.is_sqlite and len(word) >= _LONG:
            return sa.func.strpos(LISTED.c.words, word) > 0
        return LISTED.c.words.contains(word, autoescape=True)

    def _is_visible_to(self, owner: str) -> sa.ColumnElement[bool]:
        return seen_by(owner, LISTED.c.owner, shared=self._database.shared)


def _describe_library(visible: sa.ColumnElement[bool], *, is_counted: bool) -> sa.Select[Any]:
    """Select the number of the jobs that somebody sees, or only whether there are any; of those on
    their way, and of those with a star: each from an index that holds little else.
    """
    jobs, live, starred = (
        sa.select(_count()).select_from(LISTED).where(visible, *more).scalar_subquery()
        for more in ((), (IS_LIVE,), (HAS_STAR,))
    )
    there = jobs if is_counted else sa.exists().where(visible)
    return sa.select(there.label("jobs"), live.label("live"), starred.label("starred"))


def _select_projects(visible: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Select the projects that somebody sees, the one with the newest job first."""
    project = sa.select(LISTED.c.project).where(visible, HAS_PROJECT).group_by(LISTED.c.project)
    return project.order_by(sa.func.max(_AT).desc(), LISTED.c.project)


def _select_jobs(ids: sa.Select[Any]) -> sa.Select[Any]:
    """Select the jobs of a page, newest first."""
    page = ids.subquery()
    return (
        JOBS.select()
        .join(page, JOBS.c.id == page.c.id)
        .order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc())
    )
