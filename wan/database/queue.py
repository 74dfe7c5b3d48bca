"""The jobs on their way: written, claimed by one process at a time, taken from state to state."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from wan.database.accounts import lock, reserve
from wan.database.engine import Part, in_thread
from wan.database.owners import seen_by
from wan.database.refusals import TooManyJobs, TooManyJobsOfAddress
from wan.database.rows import insert, job_of, write
from wan.database.schema import DELETED_TASKS, IS_LIVE, JOBS, UNSENT_STATES
from wan.database.takes import number
from wan.database.waiting import Line, is_attended, select_waiting
from wan.domain.jobs import LIVE, TRANSITIONS, Job, JobState, Spent

_OWNERS_OF_AN_ADDRESS = (
    5  # times what one owner may have on their way, an address may have: people share addresses
)


class Standing(NamedTuple):
    """How far a job is: the little of its row that says whether there is something new to see."""

    id: str
    version: int
    state: JobState
    state_at: float
    account: str
    model: str


class Queue(Part):
    """The jobs on their way."""

    @in_thread
    def add(
        self,
        jobs: Sequence[Job],
        *,
        budget: Decimal | None = None,
        per_person: Decimal | None = None,
        at_once: int | None = None,
    ) -> list[Job]:
        """Write new jobs of one owner and account, all or none; or give back the live one of the
        same owner, account and cache key, or, in a shared library, the same further try of
        somebody else: then it is joined, is not counted, and reserves nothing.
        A number that another take of the brief has already becomes the next one.

        budget: what may be spent of the account in the jobs' day; per_person: by their owner; what
        they reserve is taken from both in the same transaction. at_once: how many jobs of the owner
        may be on their way; an address may have five times as many. Raises OverBudget, TooManyJobs
        and TooManyJobsOfAddress, and then nothing is written.
        """
        with self._database.writing() as connection:
            if (
                at_once is not None and connection.dialect.name == "postgresql"
            ):  # else parallel ones would not see each other
                for name in sorted(
                    {jobs[0].owner, jobs[0].address or jobs[0].owner}
                ):  # always in one order
                    _take_turn(connection, name)
            if connection.dialect.name == "postgresql":  # else two would get the same number
                for brief_id in sorted({job.brief_id for job in jobs}):
                    _take_turn(connection, brief_id)
            added, new = [], []
            for job in jobs:
                row = number(connection, job)
                added.append(self._find_try(connection, row) or insert(connection, row))
                if added[-1] is row:
                    new.append(row)
            if new and at_once is not None:
                _refuse_many(connection, new, at_once)
            # after every insert: whoever waits for another's row holds no account
            if new and (budget is not None or per_person is not None):
                reserve(connection, new, budget, per_person)
        return added

    @in_thread
    def list_waiting(self, lines: Collection[Line], now: float) -> dict[Line, list[str]]:
        """Return the ids of the QUEUED jobs in each of these lines that somebody looks after, as
        `wan.domain.line` orders them.
        """
        with self._database.reading() as connection:
            return select_waiting(connection, lines, now)

    @in_thread
    def list_standings(self, job_ids: Sequence[str]) -> list[Standing]:
        """Return how far those of these jobs are that are there, whoever's they are."""
        columns = [JOBS.c[name] for name in Standing._fields]
        with self._database.reading() as connection:
            found = connection.execute(sa.select(*columns).where(JOBS.c.id.in_(job_ids)))
            return [Standing(*row)._replace(state=JobState(row.state)) for row in found]

    @in_thread
    def claim(
        self,
        now: float,
        *,
        lease: float,
        accounts: list[str],
        but: Sequence[str] = (),
        unsent: Collection[str] | None = None,
        limit: int = 16,
    ) -> list[Job]:
        """Claim the jobs that are due and that this process has the key for, but for these ids.
        Nobody else gets them for `lease` seconds.

        unsent: of what is not sent yet, take these ids only, so that nothing else is paid for; None
        takes all. Holds the rows of the accounts that have something due, so that no other claim,
        start, turn or upload of theirs comes in between.
        """
        due = (
            (JOBS.c.due_at <= now)
            & IS_LIVE
            & JOBS.c.account.in_(accounts)
            & JOBS.c.id.not_in(but)
            & _may_be_claimed(unsent)
        )
        with self._database.writing() as connection:
            theirs = list(
                connection.execute(sa.select(JOBS.c.account).where(due).distinct()).scalars()
            )
            if not theirs:
                return []
            lock(connection, theirs)
            # A job that somebody writes to at this moment is passed over: it is not due any more,
            # or will be at the next look.
            at_hand = (
                sa.select(JOBS.c.id)
                .where(due, JOBS.c.account.in_(theirs))
                .order_by(JOBS.c.due_at)
                .limit(limit)
            )
            first = at_hand.with_for_update(skip_locked=True).scalar_subquery()
            taken = (
                JOBS.update()
                .where(JOBS.c.id.in_(first))
                .values(due_at=now + lease, claimed_until=now + lease)
                .returning(JOBS)
            )
            return [job_of(row) for row in connection.execute(taken)]

    @in_thread
    def release(self, job_ids: Collection[str]) -> None:
        """Release those of these jobs that are not sent yet: from now on they hold up nobody who is
        in line behind them.
        """
        theirs = JOBS.c.id.in_(job_ids) & JOBS.c.state.in_(UNSENT_STATES)
        with self._database.writing() as connection:
            connection.execute(JOBS.update().where(theirs).values(due_at=0.0))

    @in_thread
    def find_next_due(
        self, accounts: list[str], unsent: Collection[str] | None = None
    ) -> float | None:
        """Return when the next job is due; None when nothing is. unsent: as for `claim`."""
        with self._database.reading() as connection:
            earliest = sa.select(sa.func.min(JOBS.c.due_at)).where(
                # 0: SQLite looks at finished jobs one by one to find the least of their NULLs
                *(JOBS.c.due_at >= 0, IS_LIVE, JOBS.c.account.in_(accounts)),
                _may_be_claimed(unsent),
            )
            due = connection.execute(earliest).scalar()
            return None if due is None else float(due)

    @in_thread
    def start(self, job: Job, now: float, *, at_once: int) -> Job | None:
        """Move a QUEUED job to UPLOADING if fewer than `at_once` jobs of the account and model are
        on their way, and it is next; else return None.

        What is not sent yet, and nobody has looked at for a while, holds nobody up: it was stopped,
        and waits until somebody asks for it.
        """
        busy = (
            JobState.UPLOADING,
            JobState.SUBMITTING,
            JobState.PENDING,
            JobState.RUNNING,
            JobState.UNCERTAIN,
        )
        same = (JOBS.c.account == job.account) & (JOBS.c.model == job.model) & is_attended(now)
        with self._database.writing() as connection:
            lock(connection, [job.account])
            on_their_way = sa.select(sa.func.count()).where(
                same, JOBS.c.state.in_([state.value for state in busy])
            )
            if connection.execute(on_their_way).scalar_one() >= at_once:
                return None
            line = job.account, job.model
            if select_waiting(connection, [line], now)[line][:1] not in ([], [job.id]):
                return None
            return write(connection, job, now, JobState.UPLOADING, {"started_at": now})

    @in_thread
    def advance(self, job: Job, state: JobState, now: float, /, **changes: Any) -> Job | None:
        """Move a job to its next state. None when somebody else has it by now, or the account and
        model have a SUBMITTING job already.
        """
        if state not in TRANSITIONS[job.state]:
            raise ValueError(f"no way from {job.state} to {state}")
        try:
            with self._database.writing() as connection:
                if state not in LIVE and job.reserved is not None:
                    lock(connection, [job.account])  # before the job's row, as everywhere
                return write(connection, job, now, state, changes)
        except IntegrityError:
            if state is not JobState.SUBMITTING:
                raise
            return None

    @in_thread
    def keep(self, job: Job, now: float, /, **changes: Any) -> Job | None:
        """Write to a job that stays in its state: when it is due next, or what is the matter. None
        when somebody else has it by now.
        """
        with self._database.writing() as connection:
            return write(connection, job, now, job.state, changes)

    @in_thread
    def adopt(
        self, job: Job, task_id: str, request_id: str, now: float, due_at: float
    ) -> Job | None:
        """Write down the task of a paid request. Not fenced by the lease: the task is paid for,
        whoever holds the row.

        None when the job has a task already, or another job has this one.
        """
        unknown = (JOBS.c.task_id.is_(None)) & JOBS.c.state.in_(
            [JobState.SUBMITTING.value, JobState.UNCERTAIN.value]
        )
        values = {
            "task_id": task_id,
            "request_id": request_id,
            "state": JobState.PENDING.value,
            "submitted_at": now,
            "state_at": now,
        }
        try:
            with self._database.writing() as connection:
                written = connection.execute(
                    JOBS.update()
                    .where(JOBS.c.id == job.id, unknown)
                    .values(
                        **values,
                        due_at=due_at,
                        attempts=0,
                        said=[],
                        spent=Spent.NO.value,
                        version=JOBS.c.version + 1,
                    )
                    .returning(JOBS)
                ).first()
        except IntegrityError:
            return None
        return None if written is None else job_of(written)

    @in_thread
    def find_unknown_tasks(self, account: str, task_ids: list[str]) -> set[str]:
        """Return which of these tasks no job of the account has, or had before it was deleted."""
        with self._database.reading() as connection:
            for table in (JOBS, DELETED_TASKS):
                known = connection.execute(
                    sa.select(table.c.task_id).where(
                        table.c.account == account, table.c.task_id.in_(task_ids)
                    )
                )
                task_ids = list(set(task_ids) - set(known.scalars()))
        return set(task_ids)

    @in_thread
    def has_lookalike(self, job: Job) -> bool:
        """Return whether a job of somebody else, or of another brief, with the same prompt is in
        question too: then nobody can tell whose a task is.

        Takes of one brief do not count: which of them gets which task changes nothing but the seed
        that is shown for it.
        """
        strange = sa.or_(JOBS.c.owner != job.owner, JOBS.c.brief_id != job.brief_id)
        in_question = JOBS.c.state.in_([JobState.UNCERTAIN.value, JobState.SUBMITTING.value])
        others = JOBS.select().where(
            JOBS.c.account == job.account, JOBS.c.model == job.model, strange, in_question
        )
        with self._database.reading() as connection:
            found = [job_of(row) for row in connection.execute(others)]
        return any(one.sent_prompt == job.sent_prompt for one in found)

    @in_thread
    def list_abandoned(self, sent_before: float, due_before: float) -> list[Job]:
        """Return the live jobs whose request left before a time, and that nobody has looked at
        since another: their key never came back.
        """
        sent = sa.func.coalesce(JOBS.c.submitting_at, JOBS.c.submitted_at)
        with self._database.reading() as connection:
            return [
                job_of(row)
                for row in connection.execute(
                    JOBS.select().where(IS_LIVE, sent < sent_before, JOBS.c.due_at < due_before)
                )
            ]

    @in_thread
    def request_cancel(self, job: Job, now: float) -> Job | None:
        """Note that a cancel is wanted and make the job due, which also takes it from whoever holds
        its lease.

        A job that is SUBMITTING stays with whoever waits for the answer: that alone can tell what
        became of the request. One whose cancel is wanted already stays as it is: clicking on and on
        would take the lease from every step that carries it out.
        """
        if job.cancel_wanted:
            return job
        due = {} if job.state is JobState.SUBMITTING else {"due_at": now}
        with self._database.writing() as connection:
            written = connection.execute(
                JOBS.update()
                .where(JOBS.c.id == job.id, JOBS.c.version == job.version, IS_LIVE)
                .values(cancel_wanted=True, version=JOBS.c.version + 1, **due)
                .returning(JOBS)
            ).first()
        return None if written is None else job_of(written)

    @in_thread
    def list_live_accounts(self) -> set[tuple[str, str]]:
        """Return owner and account of every job that is on its way."""
        with self._database.reading() as connection:
            found = connection.execute(
                sa.select(JOBS.c.owner, JOBS.c.account).where(IS_LIVE).distinct()
            )
            return {(row.owner, row.account) for row in found}

    def _find_try(self, connection: sa.Connection, job: Job) -> Job | None:
        """Return the job on its way, of anybody whom the owner of a new one sees, that tries the
        same take again. Sees every other if the turn of the brief has been taken.
        """
        if not (self._database.shared and job.retried_from):
            return None
        same = [
            JOBS.c[name] == getattr(job, name)
            for name in ("brief_id", "account", "cache_key", "seed")
        ]
        theirs = JOBS.select().where(*same, IS_LIVE, seen_by(job.owner, shared=True))
        found = connection.execute(theirs.limit(1)).first()
        return None if found is None else job_of(found)


def _may_be_claimed(unsent: Collection[str] | None) -> sa.ColumnElement[bool]:
    """Return the condition that a job is sent, or is one of these ids; every job where None is
    given.
    """
    return (
        sa.true() if unsent is None else JOBS.c.state.not_in(UNSENT_STATES) | JOBS.c.id.in_(unsent)
    )


def _take_turn(connection: sa.Connection, name: str) -> None:
    """Wait until no other transaction has this name, and have it until this one ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(name))))


def _refuse_many(connection: sa.Connection, new: Sequence[Job], at_once: int) -> None:
    """Raise TooManyJobs or TooManyJobsOfAddress where an owner, or an address, has more jobs on
    their way, with the new ones, than allowed.
    """
    counted = sa.select(sa.func.count()).where(IS_LIVE)
    live = connection.execute(counted.where(JOBS.c.owner == new[0].owner)).scalar_one()
    if live > at_once:
        raise TooManyJobs(limit=at_once, live=live, new=len(new))
    most = at_once * _OWNERS_OF_AN_ADDRESS
    if (
        new[0].address
        and connection.execute(counted.where(JOBS.c.address == new[0].address)).scalar_one() > most
    ):
        raise TooManyJobsOfAddress(limit=most)
