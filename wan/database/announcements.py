"""Tasks that are said to have ended: their jobs become due."""

from collections.abc import Collection

import sqlalchemy as sa

from wan.database.engine import Part, in_thread
from wan.database.schema import JOBS
from wan.domain.jobs import JobState

_AT_SERVICE = [JobState.PENDING.value, JobState.RUNNING.value]


class Announcements(Part):
    """What is heard of tasks."""

    @in_thread
    def announce(self, task_id: str, accounts: Collection[str], now: float) -> bool:
        """Make the job of a task due now, unless it is due already or its end is known. Return
        False where somebody is working on it: a lease in hand is not touched.

        accounts: among whose tasks it may be. Each job can be made due in this way once: who says
        it again, or lies, costs no further query.
        """
        ours = JOBS.c.account.in_(accounts) & (JOBS.c.task_id == task_id)
        columns = (JOBS.c.id, JOBS.c.due_at, JOBS.c.claimed_until)
        news = ours & JOBS.c.state.in_(_AT_SERVICE) & JOBS.c.announced_at.is_(None)
        with self._database.writing() as connection:
            job = connection.execute(sa.select(*columns).where(news, JOBS.c.due_at > now)).first()
            if job is None:
                return True
            if job.due_at == job.claimed_until:
                return False
            made_due = connection.execute(
                JOBS.update()
                .where(JOBS.c.id == job.id, news, JOBS.c.due_at == job.due_at)
                .values(due_at=now, announced_at=now)
                .returning(JOBS.c.id)
            )
            return made_due.first() is not None  # on PostgreSQL it may just have been claimed
