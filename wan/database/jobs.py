"""The rows of jobs: found, labelled, deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.owners import seen_by
from wan.database.rows import job_of
from wan.database.schema import DELETED_TASKS, IS_LIVE, JOBS
from wan.database.spending import keep_costs
from wan.domain import ids
from wan.domain.jobs import Job, JobState


class Jobs(Part):
    """Every job, on its way or at its end."""

    @in_thread
    def get(self, job_id: str, owner: str) -> Job | None:
        """Return a job by its id, if this owner sees it."""
        return self._select_one((JOBS.c.id == job_id) & self._is_visible_to(owner))

    @in_thread
    def list_by_ids(self, job_ids: Sequence[str], owner: str) -> list[Job]:
        """Return those of these jobs that an owner sees, in any order."""
        wanted = JOBS.select().where(JOBS.c.id.in_(job_ids), self._is_visible_to(owner))
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(wanted)]

    @in_thread
    def get_by_media_token(self, token: str, *, begins: bool = False) -> Job | None:
        """Return the job whose files a token opens. begins: whether it is only the token's
        beginning, for which the index of all tokens is read, and of the jobs one row.
        """
        if not begins:
            return self._select_one(JOBS.c.media_token == token)
        alike = sa.func.substr(JOBS.c.media_token, 1, len(token)) == token
        whole = sa.select(JOBS.c.media_token).where(alike).limit(1).scalar_subquery()
        return self._select_one(JOBS.c.media_token == whole)

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
        mine = (JOBS.c.id == job_id) & self._is_visible_to(owner)
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
        mine = JOBS.c.id.in_(job_ids) & self._is_visible_to(owner)
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

    def _is_visible_to(self, owner: str) -> sa.ColumnElement[bool]:
        return seen_by(owner, shared=self._database.shared)
