"""The tables, and every SQL statement of the house. Everything here blocks; callers use a thread.

One column, `due_at`, is schedule, lease and fencing token: a claim moves it on, and every write
names the value that it claimed, so that whoever lost the lease writes nothing. The one write that
is not fenced is the task id of a paid request.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import secrets
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.types import JSON, TypeDecorator

from wan.database.filesystem import lacks
from wan.database.journal import Journal
from wan.database.rescue import take_in
from wan.domain import ids
from wan.domain.catalog import money
from wan.domain.errors import AccessRefused, NotKept, ReviewNotFound, SettingsError
from wan.domain.ids import Seal
from wan.domain.jobs import (
    GROUPS,
    LIVE,
    TRANSITIONS,
    UNSENT,
    Job,
    JobState,
    Reference,
    Shelf,
    Spent,
)
from wan.domain.line import MEMORY, Turn, in_turn
from wan.domain.messages import Sentence, sentence
from wan.domain.plain_text import clean, clean_line
from wan.domain.reviews import (
    COMMENTS_LIMIT,
    REVIEWS_LIMIT,
    VERDICTS_LIMIT,
    Review,
    Take,
    Verdict,
    link_hash,
)
from wan.environment.checks import masked_url
from wan.environment.private import keep_database, make_database

_BOOKKEEPING = frozenset(
    {"due_at", "attempts", "foreign_tasks", "absent_at"}
)  # of no interest to a viewer
# more than writes can be stuck at once, so that a page is still read beside them; SQLAlchemy's pool
# has 15 connections
_THREADS = 12
_OWNERS_OF_AN_ADDRESS = (
    5  # times what one owner may have on their way, an address may have: people share addresses
)
# seconds overdue after which a job that is not sent yet is one that nobody works on; whoever works
# on one looks at it every second
_LEFT = 15.0
_LACKS = {
    "locks": "processes do not see each other's locks there",
    "writes": "processes do not see there what others have written",
}
# seconds that a write waits for another's to end; longer, and whoever clicked would rather be told
_BUSY = 10.0
# What SQLite (by the beginning of its error's name) and PostgreSQL (by its code) say when it is not
# our statement that is wrong.
_TROUBLES = {
    "database_busy": ("SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "40P01"),
    "disk_full": ("SQLITE_FULL", "53100"),
    "database_readonly": ("SQLITE_READONLY", "25006"),
}
_SLIPS = (
    sa.exc.IntegrityError,
    sa.exc.ProgrammingError,
    sa.exc.DataError,
    sa.exc.NotSupportedError,
)  # these are ours, and this code of SQLite:
_SLIP = "SQLITE_ERROR"
Result = TypeVar("Result")
_SCHEMA_LOCK = 0x57414E  # any number that nothing else on the database takes
_SEAL = "seal"  # under which its key is kept
# characters of a hash without the key, as earlier versions wrote them; one with it has
# `Seal.LENGTH`
_PLAIN = 64


class _Money(TypeDecorator[Decimal]):
    """An amount as whole millionths, so that every database adds it up exactly."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value.scaleb(6).to_integral_value())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-6)


class _Sentences(TypeDecorator[list[Sentence]]):
    """Sentences as JSON: they are put into words when they are read."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: list[Sentence] | None, dialect: sa.Dialect) -> Any:
        return [one.model_dump() for one in value or []]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> list[Sentence]:
        return [Sentence(**one) for one in value or []]


class _References(TypeDecorator[list[Reference]]):
    """References as JSON."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: list[Reference] | None, dialect: sa.Dialect) -> Any:
        return [asdict(one) for one in value or []]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> list[Reference]:
        return [Reference(**one) for one in value or []]


_metadata = MetaData()

_jobs = Table(
    "jobs",
    _metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("account", String(16), nullable=False),
    Column("backend", String(16), nullable=False),
    Column("base_url", Text, nullable=False),
    Column("region", String(32), nullable=False),
    Column("workspace", String(128), nullable=False),
    Column("model", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("due_at", Float(53)),
    Column("version", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("references", _References, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("cache_key", String(64), nullable=False),
    Column("nonce", String(32), nullable=False),
    Column("brief_id", String(32), nullable=False),
    Column("retried_from", String(32), nullable=False),
    Column("cancel_wanted", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("task_id", String(128)),
    Column("foreign_tasks", JSON, nullable=False),
    Column("absent_at", Float(53)),
    Column("request_id", String(128), nullable=False),
    Column("code", String(128), nullable=False),
    Column("said", _Sentences, nullable=False),
    Column("spent", String(8), nullable=False),
    Column("adjustments", _Sentences, nullable=False),
    *(
        Column(name, Float(53))
        for name in ("created_at", "started_at", "submitting_at", "submitted_at")
    ),
    *(Column(name, Float(53)) for name in ("running_at", "fetching_at", "ended_at", "state_at")),
    Column("media_token", String(64), nullable=False, unique=True),
    Column("video_key", Text, nullable=False),
    Column("original_key", Text, nullable=False),
    Column("poster_key", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("fps", Float(53)),
    Column("duration", Float(53)),
    Column("has_audio", Boolean),
    Column("seed", BigInteger, nullable=False),
    Column("billed_seconds", Float(53)),
    Column("amount", _Money),
    Column("currency", String(3), nullable=False),
    Column("reserved", _Money),
    Column("budget_day", String(10), nullable=False),
    Column("address", String(64)),  # a keyed hash; who has none counts by their owner
    Column(
        "prompt_folded", Text
    ),  # what a search looks through: SQLite itself folds no letters but those of English
)
# A row of an earlier version has no folded prompt.
_prompt_folded = sa.func.coalesce(
    _jobs.c.prompt_folded, sa.func.lower(_jobs.c.request["prompt"].as_string()), type_=Text()
)
_UNSENT = [state.value for state in sorted(UNSENT)]
_is_live = _jobs.c.state.in_([state.value for state in sorted(LIVE)])
Index("jobs_due", _jobs.c.due_at)
Index("jobs_of_owner", _jobs.c.owner, _jobs.c.created_at)
Index("jobs_of_address", _jobs.c.address, _jobs.c.state)
Index("jobs_begun", _jobs.c.account, _jobs.c.model, _jobs.c.started_at)
Index("jobs_of_account", _jobs.c.account, _jobs.c.model, _jobs.c.state)
_LIVE_SQL = sa.text("state IN ({})".format(", ".join(f"'{state.value}'" for state in sorted(LIVE))))
_SUBMITTING_SQL = sa.text("state = 'SUBMITTING'")
# The join: at most one live job of a kind per owner and account; whoever loses the insert joins the
# other's.
Index(
    "jobs_one_live_of_a_kind",
    *(_jobs.c.owner, _jobs.c.account, _jobs.c.cache_key),
    unique=True,
    sqlite_where=_LIVE_SQL,
    postgresql_where=_LIVE_SQL,
)
Index("jobs_one_per_task", _jobs.c.account, _jobs.c.task_id, unique=True)
# Time windows must not overlap when it comes to asking which task is ours.
Index(
    "jobs_one_submitting",
    *(_jobs.c.account, _jobs.c.model),
    unique=True,
    sqlite_where=_SUBMITTING_SQL,
    postgresql_where=_SUBMITTING_SQL,
)

_accounts = Table(
    "accounts",
    _metadata,
    Column("account", String(16), primary_key=True),
    Column("submit_at", Float(53), nullable=False),  # from when the next create request may leave
    Column("query_at", Float(53), nullable=False),  # from when the next query may leave
    Column("budget_day", String(10), nullable=False),
    Column("budget_spent", _Money, nullable=False),
)

# What has been uploaded for an account and model, so that the same bytes go up once in their 48 h.
_uploads = Table(
    "uploads",
    _metadata,
    Column("account", String(16), primary_key=True),
    Column("model", String(32), primary_key=True),
    Column("sent_key", String(128), primary_key=True),
    Column("url", Text, nullable=False),
    Column("uploaded_at", Float(53), nullable=False),
)

# Tasks whose jobs were deleted: they are still in the account's list, and no job whose answer was
# lost may take one for its own.
_deleted_tasks = Table(
    "deleted_tasks",
    _metadata,
    Column("account", String(16), primary_key=True),
    Column("task_id", String(128), primary_key=True),
    Column("deleted_at", Float(53), nullable=False),
)

_reviews = Table(
    "reviews",
    _metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("link_hash", String(64), nullable=False, unique=True),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("revoked_at", Float(53)),
    Column(
        "with_settings",
        Boolean,
        # whether reviewers see and get what the takes were made with; empty, as in older rows, for
        # no
    ),
    Column(
        "link_token",
        String(64),
        # kept while the link is open, so that its owner can show it again; it opens no more than
        # `media_token` does
    ),
)
_review_takes = Table(
    "review_takes",
    _metadata,
    Column("review_id", ForeignKey("reviews.id"), primary_key=True),
    Column("job_id", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
    UniqueConstraint("review_id", "position"),
)
_verdicts = Table(
    "verdicts",
    _metadata,
    Column("id", String(32), primary_key=True),
    Column("review_id", ForeignKey("reviews.id"), nullable=False),
    Column("job_id", String(32), nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("comment", Text, nullable=False),
    Column("at_seconds", Float(53)),
    Column("name", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("reviewer", String(32)),
    Column("place", String(32)),  # tells networks apart within a review; empty in older rows
)
# What every process on this database must have the same, and makes only once.
_keys = Table(
    "keys",
    _metadata,
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)
# With the time, so that a review's version is read from here, past all the words.
Index("verdicts_of_review", _verdicts.c.review_id, _verdicts.c.created_at)


class Store:
    """The database. url: SQLAlchemy's; SQLite by default, PostgreSQL by `postgresql://`. setting:
    by which it is chosen.

    Raises SettingsError when it cannot be opened, NotKept when it could be but is busy, full or
    read-only.
    """

    def __init__(self, url: str, *, setting: str = "WAN_DATABASE_URL") -> None:
        # Of its own, so that renewing a lease never waits behind the work that it is for.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sql")
        self._journal: Journal | None = None
        self._hold: IO[bytes] | None = None
        try:
            self._engine = _engine(url)
            if (path := _file_of(self._engine)) is not None and path.parent.is_dir():
                self._hold = _alone(path, setting)
            self._create_schema()
            if (path := _file_of(self._engine)) is not None:
                self._journal = Journal(path, self._engine.dispose, take_in)
        except (SQLAlchemyError, sqlite3.Error, ImportError) as error:
            if (
                isinstance(trouble := _trouble(error), NotKept)
                and trouble.sentence.key != "database_down"
            ):
                self._let_go()
                raise trouble from error
            # The URL may hold a password, and the driver's message may quote it.
            allowed = "a database that SQLAlchemy can open: sqlite:///file or postgresql://…"
            given = f"{masked_url(url)}, {_reason(error)}"
            self._let_go()
            if setting != "WAN_DATABASE_URL":
                raise SettingsError(
                    sentence("folder_no_database", field=setting, reason=_reason(error))
                ) from None
            raise SettingsError(
                sentence("setting_bad", field=setting, given=given, allowed=allowed)
            ) from None

    def _create_schema(self) -> None:
        if (path := _file_of(self._engine)) is not None:
            make_database(path)
        if self._engine.dialect.name == "sqlite":
            mode = "WAL" if self._hold is None else "DELETE"
            sa.event.listen(
                self._engine, "connect", lambda connection, _: _configure_sqlite(connection, mode)
            )
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        if self._engine.dialect.name == "postgresql":
            sa.event.listen(self._engine, "do_connect", _limit_postgresql)
            sa.event.listen(self._engine, "connect", _configure_postgresql)
        with self._writing() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            _metadata.create_all(connection)
            _add_what_is_missing(connection)
            self.seal = Seal(_key(connection))
            _seal_rows(connection, self.seal)
            _keep_out_older(connection)
        if path is not None:
            keep_database(path)

    def _link(self, token: str) -> str:
        """By what a review is found whose link ends with this."""
        return self.seal.hash("link", link_hash(token))

    def close(self) -> None:
        """Gives the connections back."""
        self._threads.shutdown()
        self._engine.dispose()
        if self._journal is not None:
            self._journal.close()
        self._let_go()

    def _let_go(self) -> None:
        """Lets other processes have a database that one alone can have at a time."""
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    def in_use(self) -> AbstractContextManager[None]:
        """A transaction. Raises NotKept, before it begins, while the log of SQLite's that we write
        to is not the one that is there.
        """
        return nullcontext() if self._journal is None else self._journal.in_use()

    def clear_log(self) -> None:
        """Writes SQLite's log into the database, so that nothing that was deleted stays in it; what
        is in use waits for the next time.
        """
        if self._engine.dialect.name == "sqlite":
            with self.in_use(), self._engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]

    async def call(self, statement: Callable[..., Result], *given: Any, **named: Any) -> Result:
        """Runs one of the methods below off the event loop. Raises NotKept where the database
        fails; nothing is written then.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, partial(statement, *given, **named)
            )
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise _trouble(error) from error

    def add(self, job: Job, *, budget: Decimal | None = None, at_once: int | None = None) -> Job:
        """Writes a new job, or gives back the live one of the same owner, account and cache key:
        then it is joined.

        budget: what may be spent of the account in the job's day; what the job reserves is taken
        from it in the same transaction. at_once: how many jobs of the owner may be on their way; an
        address may have five times as many. Raises AccessRefused, and then nothing is written.
        """
        return self.add_all([job], budget=budget, at_once=at_once)[0]

    def add_all(
        self, jobs: Sequence[Job], *, budget: Decimal | None = None, at_once: int | None = None
    ) -> list[Job]:
        """Writes new jobs of one owner and account, all or none; each as `add` does it, in their
        order.

        What is joined is not counted and reserves nothing a second time. Raises AccessRefused, and
        then nothing is written.
        """
        with self._writing() as connection:
            if (
                at_once is not None and self._engine.dialect.name == "postgresql"
            ):  # else parallel ones would not see each other
                for name in sorted(
                    {jobs[0].owner, jobs[0].address or jobs[0].owner}
                ):  # always in one order
                    connection.execute(
                        sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(name)))
                    )
            added = [self._insert(connection, job) for job in jobs]
            new = [job for job, kept in zip(jobs, added, strict=True) if kept is job]
            if new and at_once is not None:
                _refuse_many(connection, new, at_once)
            if (
                new and budget is not None
            ):  # after every insert: whoever waits for another's row holds no account
                self._reserve(connection, new, budget)
        return added

    def get(self, job_id: str, owner: str) -> Job | None:
        """A job by its id, if it is this owner's."""
        return self._one((_jobs.c.id == job_id) & (_jobs.c.owner == owner))

    def by_media_token(self, token: str) -> Job | None:
        """The job whose files a media link opens."""
        return self._one(_jobs.c.media_token == token)

    def line(self, account: str, model: str, now: float) -> list[str]:
        """The ids of the QUEUED jobs of an account and model that somebody looks after, as
        `wan.domain.line` orders them.
        """
        with self._reading() as connection:
            return _line(connection, account, model, now)

    def past_seconds(self, backend: str, model: str, duration: int, last: int = 20) -> list[float]:
        """How long the last runs of this kind were RUNNING, in seconds."""
        spans = (
            sa.select(_jobs.c.fetching_at - _jobs.c.running_at)
            .where(
                _jobs.c.backend == backend,
                _jobs.c.model == model,
                _jobs.c.state == JobState.SUCCEEDED.value,
                _jobs.c.running_at.is_not(None),
                _jobs.c.request["duration"].as_integer() == duration,
            )
            .order_by(_jobs.c.ended_at.desc())
            .limit(last)
        )
        with self._reading() as connection:
            return [float(seconds) for seconds in connection.execute(spans).scalars()]

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
        """Takes the jobs that are due and that this process has the key for, but for these ids.
        Nobody else gets them for `lease` seconds.

        unsent: of what is not sent yet, takes these ids only, so that nothing else is paid for;
        None takes all. Holds the rows of the accounts that have something due, so that no other
        claim, start, turn or upload of theirs comes in between.
        """
        due = (
            (_jobs.c.due_at <= now)
            & _is_live
            & _jobs.c.account.in_(accounts)
            & _jobs.c.id.not_in(but)
            & _may_go_on(unsent)
        )
        with self._writing() as connection:
            theirs = list(
                connection.execute(sa.select(_jobs.c.account).where(due).distinct()).scalars()
            )
            if not theirs:
                return []
            self._lock_accounts(connection, theirs)
            # A job that somebody writes to at this moment is passed over: it is not due any more,
            # or will be at the next look.
            at_hand = (
                sa.select(_jobs.c.id)
                .where(due, _jobs.c.account.in_(theirs))
                .order_by(_jobs.c.due_at)
                .limit(limit)
            )
            first = at_hand.with_for_update(skip_locked=True).scalar_subquery()
            taken = (
                _jobs.update()
                .where(_jobs.c.id.in_(first))
                .values(due_at=now + lease)
                .returning(_jobs)
            )
            return [_job(row) for row in connection.execute(taken)]

    def leave(self, job_ids: Collection[str]) -> None:
        """Lets go of those of these jobs that are not sent yet: from now on they hold nobody up who
        is in line behind them.
        """
        theirs = _jobs.c.id.in_(job_ids) & _jobs.c.state.in_(_UNSENT)
        with self._writing() as connection:
            connection.execute(_jobs.update().where(theirs).values(due_at=0.0))

    def next_due(self, accounts: list[str], unsent: Collection[str] | None = None) -> float | None:
        """When the next job is due; None when nothing is. unsent: as for `claim`."""
        with self._reading() as connection:
            earliest = sa.select(sa.func.min(_jobs.c.due_at)).where(
                _is_live, _jobs.c.account.in_(accounts), _may_go_on(unsent)
            )
            due = connection.execute(earliest).scalar()
            return None if due is None else float(due)

    def start(self, job: Job, now: float, *, at_once: int) -> Job | None:
        """QUEUED becomes UPLOADING if fewer than `at_once` jobs of the account and model are on
        their way, and it is next; else None.

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
        same = (
            (_jobs.c.account == job.account) & (_jobs.c.model == job.model) & _is_looked_after(now)
        )
        with self._writing() as connection:
            self._lock_accounts(connection, [job.account])
            on_their_way = sa.select(sa.func.count()).where(
                same, _jobs.c.state.in_([state.value for state in busy])
            )
            if connection.execute(on_their_way).scalar_one() >= at_once:
                return None
            if _line(connection, job.account, job.model, now)[:1] not in ([], [job.id]):
                return None
            return self._write(connection, job, now, JobState.UPLOADING, {"started_at": now})

    def advance(self, job: Job, state: JobState, now: float, **changes: Any) -> Job | None:
        """Moves a job to its next state. None when somebody else has it by now, or the account and
        model have a SUBMITTING job already.
        """
        if state not in TRANSITIONS[job.state]:
            raise ValueError(f"no way from {job.state} to {state}")
        try:
            with self._writing() as connection:
                if state not in LIVE and job.reserved is not None:
                    self._lock_accounts(
                        connection, [job.account]
                    )  # before the job's row, as everywhere
                return self._write(connection, job, now, state, changes)
        except IntegrityError:
            if state is not JobState.SUBMITTING:
                raise
            return None

    def keep(self, job: Job, now: float, **changes: Any) -> Job | None:
        """Writes to a job that stays in its state: when it is due next, or what is the matter. None
        when somebody else has it by now.
        """
        with self._writing() as connection:
            return self._write(connection, job, now, job.state, changes)

    def adopt(
        self, job: Job, task_id: str, request_id: str, now: float, due_at: float
    ) -> Job | None:
        """Writes down the task of a paid request. Not fenced by the lease: the task is paid for,
        whoever holds the row.

        None when the job has a task already, or another job has this one.
        """
        unknown = (_jobs.c.task_id.is_(None)) & _jobs.c.state.in_(
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
            with self._writing() as connection:
                written = connection.execute(
                    _jobs.update()
                    .where(_jobs.c.id == job.id, unknown)
                    .values(
                        **values,
                        due_at=due_at,
                        attempts=0,
                        said=[],
                        spent=Spent.NO.value,
                        version=_jobs.c.version + 1,
                    )
                    .returning(_jobs)
                ).first()
        except IntegrityError:
            return None
        return None if written is None else _job(written)

    def unknown_tasks(self, account: str, task_ids: list[str]) -> set[str]:
        """Which of these tasks no job of the account has, or had before it was deleted."""
        with self._reading() as connection:
            for table in (_jobs, _deleted_tasks):
                known = connection.execute(
                    sa.select(table.c.task_id).where(
                        table.c.account == account, table.c.task_id.in_(task_ids)
                    )
                )
                task_ids = list(set(task_ids) - set(known.scalars()))
        return set(task_ids)

    def has_twin(self, job: Job) -> bool:
        """Whether a job of somebody else, or of another brief, with the same prompt is in question
        too: then nobody can tell whose a task is.

        Takes of one brief are no twins: which of them gets which task changes nothing but the seed
        that is shown for it.
        """
        strange = sa.or_(_jobs.c.owner != job.owner, _jobs.c.brief_id != job.brief_id)
        in_question = _jobs.c.state.in_([JobState.UNCERTAIN.value, JobState.SUBMITTING.value])
        others = _jobs.select().where(
            _jobs.c.account == job.account, _jobs.c.model == job.model, strange, in_question
        )
        with self._reading() as connection:
            found = [_job(row) for row in connection.execute(others)]
        return any(one.sent_prompt == job.sent_prompt for one in found)

    def abandoned(self, sent_before: float, due_before: float) -> list[Job]:
        """Live jobs whose request left before a time, and that nobody has looked at since another:
        their key never came back.
        """
        sent = sa.func.coalesce(_jobs.c.submitting_at, _jobs.c.submitted_at)
        with self._reading() as connection:
            return [
                _job(row)
                for row in connection.execute(
                    _jobs.select().where(_is_live, sent < sent_before, _jobs.c.due_at < due_before)
                )
            ]

    def want_cancel(self, job: Job, now: float) -> Job | None:
        """Notes that a cancel is wanted and makes the job due, which also takes it from whoever
        holds its lease.

        A job that is SUBMITTING stays with whoever waits for the answer: that alone can tell what
        became of the request. One whose cancel is wanted already stays as it is: clicking on and on
        would take the lease from every step that carries it out.
        """
        if job.cancel_wanted:
            return job
        due = {} if job.state is JobState.SUBMITTING else {"due_at": now}
        with self._writing() as connection:
            written = connection.execute(
                _jobs.update()
                .where(_jobs.c.id == job.id, _jobs.c.version == job.version, _is_live)
                .values(cancel_wanted=True, version=_jobs.c.version + 1, **due)
                .returning(_jobs)
            ).first()
        return None if written is None else _job(written)

    def take_turn(
        self, account: str, what: Literal["submit_at", "query_at"], now: float, gap: float
    ) -> float:
        """Books the account's next request, at least `gap` seconds after the one booked before.
        Gives the seconds to wait for it.
        """
        column = _accounts.c[what]
        with self._writing() as connection:
            self._lock_accounts(connection, [account])
            booked = float(
                connection.execute(
                    sa.select(column).where(_accounts.c.account == account)
                ).scalar_one()
            )
            turn = max(booked, now)
            connection.execute(
                _accounts.update()
                .where(_accounts.c.account == account)
                .values({column: turn + gap})
            )
        return turn - now

    def claim_upload(
        self, account: str, model: str, sent_key: str, now: float, *, lifetime: float, lease: float
    ) -> str | None:
        """The URL under which a file was uploaded in the last `lifetime` seconds; "" where somebody
        is at it; None: it is for the caller to do.

        Whoever gets None has `lease` seconds, and calls `note_upload` at the end, with "" where it
        failed.
        """
        same = (
            (_uploads.c.account == account)
            & (_uploads.c.model == model)
            & (_uploads.c.sent_key == sent_key)
        )
        with self._writing() as connection:
            self._lock_accounts(connection, [account])
            found = connection.execute(_uploads.select().where(same)).first()
            if found is not None and found.uploaded_at > now - (lifetime if found.url else lease):
                return str(found.url)
            connection.execute(_uploads.delete().where(same))
            connection.execute(
                _uploads.insert().values(
                    account=account, model=model, sent_key=sent_key, url="", uploaded_at=now
                )
            )
        return None

    def note_upload(self, account: str, model: str, sent_key: str, url: str) -> None:
        """Ends a claim of `claim_upload`: with the URL, or with "" so that the next may try."""
        same = (
            (_uploads.c.account == account)
            & (_uploads.c.model == model)
            & (_uploads.c.sent_key == sent_key)
        )
        with self._writing() as connection:
            connection.execute(
                _uploads.update().where(same).values(url=url)
                if url
                else _uploads.delete().where(same)
            )

    def forget_uploads(self, before: float) -> None:
        """Forgets what was uploaded before a time; the service has forgotten it too."""
        with self._writing() as connection:
            connection.execute(_uploads.delete().where(_uploads.c.uploaded_at < before))

    def references_in_use(self, owner: str = "") -> set[str]:
        """The storage keys of every reference of every job, or of those of an owner."""
        rows = sa.select(_jobs.c.references).where(*[_jobs.c.owner == owner] if owner else [])
        with self._reading() as connection:
            return {
                key
                for row in connection.execute(rows).scalars()
                for one in row
                for key in (one.key, one.sent_key)
            }

    def forget_jobs(self, before: float) -> None:
        """Forgets the jobs that ended before a time."""
        with self._writing() as connection:
            connection.execute(_jobs.delete().where(~_is_live, _jobs.c.ended_at < before))

    def delete(self, job: Job, now: float) -> bool:
        """Deletes a job that has ended. Gives whether there was one."""
        with self._writing() as connection:
            mine = (_jobs.c.id == job.id) & (_jobs.c.owner == job.owner) & ~_is_live
            gone = connection.execute(
                _jobs.delete().where(mine).returning(_jobs.c.account, _jobs.c.task_id)
            ).first()
            if gone is not None and gone.task_id:
                connection.execute(
                    _deleted_tasks.insert().values(
                        account=gone.account, task_id=gone.task_id, deleted_at=now
                    )
                )
        return gone is not None

    def forget_deleted(self, before: float) -> None:
        """Forgets the tasks of jobs that were deleted before a time; the service has forgotten them
        too.
        """
        with self._writing() as connection:
            connection.execute(_deleted_tasks.delete().where(_deleted_tasks.c.deleted_at < before))

    def shelf(
        self,
        owner: str,
        *,
        words: Sequence[str],
        model: str,
        state: str,
        verdict: str,
        until: float | None,
        offset: int,
        limit: int,
    ) -> Shelf:
        """One page of an owner's jobs, as `Studio.jobs` gives it. words: what the prompt has in it,
        each of them, casefolded.
        """
        mine = _jobs.c.owner == owner
        wanted = [mine, *(_prompt_folded.contains(word, autoescape=True) for word in words)]
        if model:
            wanted.append(_jobs.c.model == model)
        if state:
            wanted.append(_jobs.c.state.in_([one.value for one in sorted(GROUPS[state])]))
        if verdict:
            wanted.append(
                _jobs.c.id.not_in(_judged(owner))
                if verdict == "none"
                else _jobs.c.id.in_(_judged(owner, verdict))
            )
        if until is not None:
            wanted.append(_jobs.c.created_at <= until)
        page = (
            _jobs.select()
            .where(*wanted)
            .order_by(_jobs.c.created_at.desc(), _jobs.c.id)
            .offset(offset)
            .limit(limit)
        )
        matching = sa.select(sa.func.count()).select_from(_jobs).where(*wanted)
        of_owner = (
            sa.select(sa.func.count(), sa.func.count().filter(_is_live))
            .select_from(_jobs)
            .where(mine)
        )
        with self._reading() as connection:
            everything, live = connection.execute(of_owner).one()
            total = connection.execute(matching).scalar_one()
            return Shelf([_job(row) for row in connection.execute(page)], total, everything, live)

    def all_ids(self) -> set[str]:
        """The id of every job."""
        with self._reading() as connection:
            return set(connection.execute(sa.select(_jobs.c.id)).scalars())

    def of_kind(self, owner: str, account: str, cache_key: str) -> Job | None:
        """The newest finished job of a kind, whose video can be served again; else the newest that
        is on its way.

        A job that was tried again with its own seed is of the kind of the first try, whatever its
        key says.
        """
        mine = (_jobs.c.owner == owner) & (_jobs.c.account == account)
        kind = (
            sa.select(_jobs.c.id, _jobs.c.seed)
            .where(mine, _jobs.c.cache_key == cache_key)
            .cte(recursive=True)
        )
        again = (_jobs.c.retried_from == kind.c.id) & (_jobs.c.seed == kind.c.seed)
        kind = kind.union(sa.select(_jobs.c.id, _jobs.c.seed).where(mine, again))
        done = _jobs.c.state == JobState.SUCCEEDED.value
        newest = sa.case((done, 0), else_=1), _jobs.c.ended_at.desc(), _jobs.c.created_at.desc()
        with self._reading() as connection:
            found = connection.execute(
                _jobs.select()
                .where(_jobs.c.id.in_(sa.select(kind.c.id)), done | _is_live)
                .order_by(*newest)
                .limit(1)
            ).first()
        return None if found is None else _job(found)

    def called_for(self, job: Job, since: float) -> Job | None:
        """The newest job since a time that a program without a token asked for in the same words,
        from the same address and on the same account.
        """
        address = _jobs.c.address.is_not_distinct_from(job.address)
        same = (
            address
            & (_jobs.c.account == job.account)
            & (_jobs.c.cache_key == job.cache_key)
            & _jobs.c.owner.startswith(ids.CALLERS)
        )
        good = _is_live | (_jobs.c.state == JobState.SUCCEEDED.value)
        newest = (
            _jobs.select()
            .where(same, good, _jobs.c.created_at >= since)
            .order_by(_jobs.c.created_at.desc())
            .limit(1)
        )
        with self._reading() as connection:
            found = connection.execute(newest).first()
        return None if found is None else _job(found)

    def owner_of(self, job_id: str) -> str | None:
        """Whose job it is."""
        with self._reading() as connection:
            return connection.execute(
                sa.select(_jobs.c.owner).where(_jobs.c.id == job_id)
            ).scalar_one_or_none()

    def live_accounts(self) -> set[tuple[str, str]]:
        """Owner and account of every job that is on its way."""
        with self._reading() as connection:
            found = connection.execute(
                sa.select(_jobs.c.owner, _jobs.c.account).where(_is_live).distinct()
            )
            return {(row.owner, row.account) for row in found}

    def withdraw_links(self, job_id: str, owner: str, media_token: str) -> bool:
        """Gives a job's files a new token, so that every link to them that was
        given away is dead.
        """
        mine = (_jobs.c.id == job_id) & (_jobs.c.owner == owner)
        with self._writing() as connection:
            changed = connection.execute(
                _jobs.update()
                .where(mine)
                .values(media_token=media_token, version=_jobs.c.version + 1)
            )
            return bool(changed.rowcount)

    def of_brief(self, owner: str, brief_id: str) -> list[Job]:
        """The jobs of an owner that share a brief, oldest first."""
        mine = (
            _jobs.select()
            .where(_jobs.c.owner == owner, _jobs.c.brief_id == brief_id)
            .order_by(_jobs.c.created_at)
        )
        with self._reading() as connection:
            return [_job(row) for row in connection.execute(mine)]

    def newest(self, owner: str, models: list[str]) -> Job | None:
        """The job of an owner with these models to look at first: the newest one on its way, else
        the newest of all.
        """
        mine = _jobs.select().where(_jobs.c.owner == owner, _jobs.c.model.in_(models))
        first = mine.order_by(sa.case((_is_live, 0), else_=1), _jobs.c.created_at.desc()).limit(1)
        with self._reading() as connection:
            found = connection.execute(first).first()
        return None if found is None else _job(found)

    def add_review(self, review: Review, token: str) -> None:
        """Writes a new review with its takes. token: the end of its link. Raises AccessRefused
        where its owner has as many as allowed.
        """
        row = {
            "id": review.id,
            "owner": review.owner,
            "title": review.title,
            "note": review.note,
            "created_at": review.created_at,
        }
        row["with_settings"] = review.with_settings
        takes = [
            {"review_id": review.id, "job_id": take.job_id, "position": take.number}
            for take in review.takes
        ]
        with self._writing() as connection:
            there = sa.select(sa.func.count()).where(_reviews.c.owner == review.owner)
            if connection.execute(there).scalar_one() >= REVIEWS_LIMIT:
                raise AccessRefused(sentence("reviews_many", high=REVIEWS_LIMIT))
            link = {
                "link_hash": self._link(token),
                "link_token": token,
                "expires_at": review.expires_at,
            }
            connection.execute(_reviews.insert().values(**row, **link))
            connection.execute(_review_takes.insert().values(takes))

    def review(self, review_id: str, owner: str) -> Review | None:
        """A review by its id, if it is this owner's, with everything that was said."""
        return next(
            iter(self._reviews((_reviews.c.id == review_id) & (_reviews.c.owner == owner))), None
        )

    def review_by_link(self, token: str, *, whole: bool = True) -> Review | None:
        """The review that a link was made for, whether or not it is still open. whole: with
        everything that was said.
        """
        return next(
            iter(
                self._reviews(
                    _reviews.c.link_hash == self._link(token), heard=None if whole else []
                )
            ),
            None,
        )

    def review_version(self, token: str, now: float) -> str | None:
        """What is another whenever anything that a review shows is; None for a link that is not
        open.

        Every viewer asks every few seconds, so no words are read. Rows only come, or take the place
        of another; and as another process's clock may be behind, the newest one does not tell of
        every such exchange, but the sum does. Takes only go.
        """
        opened = sa.select(_reviews.c.id, _reviews.c.owner, _reviews.c.created_at).where(
            _reviews.c.link_hash == self._link(token), _is_open(now)
        )
        with self._reading() as connection:
            review = connection.execute(opened).first()
            if review is None:
                return None
            at, takes = (
                _verdicts.c.created_at,
                _review_takes.join(_jobs, _jobs.c.id == _review_takes.c.job_id),
            )
            said = sa.select(
                sa.func.count(), sa.func.max(at), sa.func.sum(at - review.created_at)
            ).where(_verdicts.c.review_id == review.id)
            there = (
                (_review_takes.c.review_id == review.id)
                & (_jobs.c.owner == review.owner)
                & (_jobs.c.video_key != "")
            )
            shown = sa.select(sa.func.count()).select_from(takes).where(there)
            parts = (
                review.id,
                *connection.execute(said).one(),
                connection.execute(shown).scalar_one(),
            )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]

    def reviews(self, owner: str, whole: str = "") -> list[Review]:
        """Every review of an owner, newest first, with what was said in the one whose id is
        `whole`: of 200, all would be too much to carry.
        """
        return self._reviews(_reviews.c.owner == owner, heard=[whole])

    def reviewed_job(self, token: str, number: int, now: float) -> Job | None:
        """The job of a take, by a link that is open."""
        theirs = _jobs.join(_review_takes, _review_takes.c.job_id == _jobs.c.id).join(
            _reviews, _reviews.c.id == _review_takes.c.review_id
        )
        same = (
            (_reviews.c.link_hash == self._link(token))
            & (_review_takes.c.position == number)
            & (_jobs.c.owner == _reviews.c.owner)
        )
        with self._reading() as connection:
            found = connection.execute(
                sa.select(_jobs).select_from(theirs).where(same, _is_open(now))
            ).first()
        return None if found is None else _job(found)

    def shows_settings(self, token: str) -> bool:
        """Whether the owner of a review lets those who have its link know what the takes were made
        with.
        """
        wanted = sa.select(_reviews.c.with_settings).where(
            _reviews.c.link_hash == self._link(token)
        )
        with self._reading() as connection:
            return bool(connection.execute(wanted).scalar())

    def give(self, verdict: Verdict, network: str = "") -> None:
        """Writes down what somebody said, in place of what they said of this take before without a
        comment.

        network: where they are, which is kept as a keyed hash; "" for nowhere in particular. Raises
        ReviewNotFound where the review has been closed since, AccessRefused where it is full, or
        has enough of this person or this network.
        """
        place = self.seal.hash("place", f"{verdict.review_id}\n{network}")[:32] if network else None
        ours = _verdicts.c.review_id == verdict.review_id
        same = (
            ours
            & (_verdicts.c.job_id == verdict.job_id)
            & (_verdicts.c.reviewer == verdict.reviewer)
        )
        held = (
            sa.select(_reviews.c.id)
            .where(_reviews.c.id == verdict.review_id, _is_open(verdict.created_at))
            .with_for_update()
        )
        with self._writing() as connection:
            if connection.execute(held).first() is None:
                raise ReviewNotFound
            if not connection.execute(
                _verdicts.delete().where(same, _verdicts.c.comment == "")
            ).rowcount:
                _require_place(connection, verdict.review_id, place)
            commented = sa.select(sa.func.count()).where(
                ours, _verdicts.c.reviewer == verdict.reviewer, _verdicts.c.comment != ""
            )
            if verdict.comment and connection.execute(commented).scalar_one() >= COMMENTS_LIMIT:
                raise AccessRefused(sentence("review_comments_many", high=COMMENTS_LIMIT))
            connection.execute(_verdicts.insert().values(**asdict(verdict), place=place))

    def revoke_review(self, review_id: str, owner: str, now: float) -> bool:
        """Closes a review's link for good. Whether there is such a review."""
        mine = (_reviews.c.id == review_id) & (_reviews.c.owner == owner)
        values = {"revoked_at": sa.func.coalesce(_reviews.c.revoked_at, now), "link_token": None}
        with self._writing() as connection:
            return bool(connection.execute(_reviews.update().where(mine).values(values)).rowcount)

    def forget_links(self, now: float) -> None:
        """Forgets the tokens of links that have ended: they need not be shown again, and are told
        by their hash.
        """
        with self._writing() as connection:
            connection.execute(
                _reviews.update().where(_reviews.c.expires_at <= now).values(link_token=None)
            )

    def delete_review(self, review_id: str, owner: str) -> bool:
        """Deletes a review and everything that was said; the jobs stay. Whether there was such a
        review.
        """
        mine = (_reviews.c.id == review_id) & (_reviews.c.owner == owner)
        with self._writing() as connection:
            if (
                connection.execute(sa.select(_reviews.c.id).where(mine).with_for_update()).first()
                is None
            ):
                return False
            for table in (_verdicts, _review_takes):
                connection.execute(table.delete().where(table.c.review_id == review_id))
            connection.execute(_reviews.delete().where(mine))
        return True

    def _reviews(
        self, where: sa.ColumnElement[bool], heard: Sequence[str] | None = None
    ) -> list[Review]:
        """heard: ids of those that come with what was said in them; without it all do."""
        newest = (
            _reviews.select().where(where).order_by(_reviews.c.created_at.desc(), _reviews.c.id)
        )
        with self._reading() as connection:
            rows = connection.execute(newest).all()
            ids = [row.id for row in rows]
            places = (
                _review_takes.select()
                .where(_review_takes.c.review_id.in_(ids))
                .order_by(_review_takes.c.position)
            )
            takes = connection.execute(places).all()
            shown = _jobs.select().where(
                _jobs.c.id.in_({take.job_id for take in takes}), _jobs.c.video_key != ""
            )
            jobs = {row.id: _job(row) for row in connection.execute(shown)}
            people, said = (
                _people(connection, ids),
                _said(connection, ids if heard is None else heard),
            )
        shown_in: dict[str, list[Take]] = defaultdict(list)
        owners = {row.id: row.owner for row in rows}
        for take in takes:
            job, verdicts = (
                _of(owners[take.review_id], jobs.get(take.job_id)),
                tuple(said[take.review_id, take.job_id]),
            )
            shown_in[take.review_id].append(
                Take(number=take.position, job_id=take.job_id, job=job, verdicts=verdicts)
            )
        known = [_review_of(row) for row in rows]
        return [
            Review(**one, takes=tuple(shown_in[one["id"]]), people=people.get(one["id"], 0))
            for one in known
        ]

    def _lock_accounts(self, connection: sa.Connection, accounts: list[str]) -> None:
        """Holds the accounts' rows until the transaction ends, so that what is counted under them
        stays true. SQLite has one writer anyway.

        Always in the same order, and before any row of jobs: so no two transactions wait for each
        other.
        """
        unused = {"submit_at": 0.0, "query_at": 0.0, "budget_day": "", "budget_spent": Decimal(0)}
        connection.execute(
            self._dialect.insert(_accounts)
            .values([{"account": account, **unused} for account in sorted(accounts)])
            .on_conflict_do_nothing()
        )
        held = (
            sa.select(_accounts.c.account)
            .where(_accounts.c.account.in_(accounts))
            .order_by(_accounts.c.account)
            .with_for_update()
        )
        connection.execute(held).all()

    def _write(
        self,
        connection: sa.Connection,
        job: Job,
        now: float,
        state: JobState,
        changes: dict[str, Any],
    ) -> Job | None:
        """The one fenced UPDATE: by id, by the state that was read, by the lease
        that was claimed.
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
            getattr(job, name) != value
            for name, value in changes.items()
            if name not in _BOOKKEEPING
        ):
            values["version"] = _jobs.c.version + 1
        if state not in LIVE:
            values |= {"due_at": None, "ended_at": now}
        written = connection.execute(
            _jobs.update()
            .where(
                _jobs.c.id == job.id, _jobs.c.state == job.state.value, _jobs.c.due_at == job.due_at
            )
            .values(state=state.value, **values)
            .returning(_jobs)
        ).first()
        if written is None:
            return None
        if state not in LIVE:
            _settle(connection, _job(written))
        return _job(written)

    def _insert(self, connection: sa.Connection, job: Job) -> Job:
        """Writes a row and gives the job; or gives the job of the same kind that is on its way, or
        was made while this one was prepared.
        """
        given = asdict(job) | {"references": job.references, "adjustments": job.adjustments}
        values = _values(given) | {"prompt_folded": str(job.request.get("prompt", "")).casefold()}
        kind = [_jobs.c.owner, _jobs.c.account, _jobs.c.cache_key]
        new = (
            self._dialect.insert(_jobs)
            .values(values)
            .on_conflict_do_nothing(index_elements=kind, index_where=_LIVE_SQL)
        )
        same = [column == getattr(job, column.name) for column in kind]
        while (
            connection.execute(new.returning(_jobs.c.id)).first() is None
        ):  # psycopg counts no rows here (SQLAlchemy gives -1)
            found = connection.execute(_jobs.select().where(*same, _is_live)).first()
            if found is not None:  # else it has ended since, and leaves room
                return _job(found)
        just_made = (
            (_jobs.c.id != job.id)
            & (_jobs.c.state == JobState.SUCCEEDED.value)
            & (_jobs.c.ended_at >= job.created_at)
        )
        made = connection.execute(_jobs.select().where(*same, just_made)).first()
        if made is None:
            return job
        connection.execute(
            _jobs.delete().where(_jobs.c.id == job.id)
        )  # what was asked for has just been made, and paid for
        return _job(made)

    def _reserve(self, connection: sa.Connection, new: Sequence[Job], budget: Decimal) -> None:
        """Takes what jobs may cost from the day's budget, by one UPDATE that only goes through
        where enough is left. Raises AccessRefused.
        """
        job = new[0]
        self._lock_accounts(connection, [job.account])
        price = sum((one.reserved or Decimal(0) for one in new), Decimal(0))
        none = sa.literal(Decimal(0), _Money())
        # A later day begins anew; one that comes late, over midnight or from a slow clock, is
        # counted to the day that has begun.
        spent = sa.case(
            (_accounts.c.budget_day < job.budget_day, none), else_=_accounts.c.budget_spent
        )
        day = sa.case(
            (_accounts.c.budget_day < job.budget_day, job.budget_day), else_=_accounts.c.budget_day
        )
        after = sa.type_coerce(spent + sa.literal(price, _Money()), _Money())
        ours = _accounts.c.account == job.account
        taken = (
            _accounts.update()
            .where(ours, after <= sa.literal(budget, _Money()))
            .values(budget_day=day, budget_spent=after)
        )
        if connection.execute(taken).rowcount:
            return
        so_far = connection.execute(
            sa.select(sa.type_coerce(spent, _Money())).where(ours)
        ).scalar_one()
        shown = {
            "budget": money(budget, job.currency),
            "spent": money(so_far, job.currency),
            "price": money(price, job.currency),
        }
        raise AccessRefused(sentence("budget_spent", **shown))

    @property
    def _dialect(self) -> Any:
        """The database's own ways to say things, the insert that gives way above all."""
        return postgresql if self._engine.dialect.name == "postgresql" else sqlite

    def _one(self, where: sa.ColumnElement[bool]) -> Job | None:
        with self._reading() as connection:
            found = connection.execute(_jobs.select().where(where)).first()
        return None if found is None else _job(found)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self.in_use(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with (
            self.in_use(),
            self._engine.connect().execution_options(wan_reads=True) as connection,
            connection.begin(),
        ):
            yield connection


def _is_looked_after(now: float) -> sa.ColumnElement[bool]:
    return _jobs.c.state.not_in(_UNSENT) | (_jobs.c.due_at > now - _LEFT)


def _line(connection: sa.Connection, account: str, model: str, now: float) -> list[str]:
    """See `Store.line`."""
    same = (_jobs.c.account == account) & (_jobs.c.model == model)
    columns = [_jobs.c.id, _jobs.c.owner, _jobs.c.address]
    queued = sa.select(*columns, _jobs.c.created_at).where(
        same, _jobs.c.state == JobState.QUEUED.value, _is_looked_after(now)
    )
    begun = sa.select(*columns, _jobs.c.started_at).where(same, _jobs.c.started_at > now - MEMORY)
    waiting, lately = (
        [Turn(row[0], row[1], row[2], row[3]) for row in connection.execute(asked)]
        for asked in (queued, begun)
    )
    return in_turn(waiting, lately)


def _may_go_on(unsent: Collection[str] | None) -> sa.ColumnElement[bool]:
    """Whether a job is sent, or is one of these ids; every job where None is given."""
    return sa.true() if unsent is None else _jobs.c.state.not_in(_UNSENT) | _jobs.c.id.in_(unsent)


def _judged(owner: str, verdict: str = "") -> sa.Select[tuple[str]]:
    """The ids of an owner's jobs that somebody's latest verdict in a review says this of; of all
    that have a verdict, where none is named.
    """
    theirs = _verdicts.c.review_id.in_(sa.select(_reviews.c.id).where(_reviews.c.owner == owner))
    each = [_verdicts.c.review_id, _verdicts.c.job_id, _verdicts.c.reviewer]
    place = (
        sa.func.row_number()
        .over(partition_by=each, order_by=[_verdicts.c.created_at.desc(), _verdicts.c.id])
        .label("place")
    )
    said = sa.select(_verdicts.c.job_id, _verdicts.c.verdict, place).where(theirs).subquery()
    return sa.select(said.c.job_id).where(
        said.c.place == 1, *([said.c.verdict == verdict] if verdict else [])
    )


def _settle(connection: sa.Connection, ended: Job) -> None:
    """Gives back to the day's budget what an ended job did not cost. What nobody can know stays
    spent.
    """
    if ended.reserved is None or ended.spent is Spent.MAYBE:
        return
    cost = (
        Decimal(0)
        if ended.spent is Spent.NO
        else ended.reserved
        if ended.amount is None
        else ended.amount
    )
    day = (_accounts.c.account == ended.account) & (_accounts.c.budget_day == ended.budget_day)
    difference = sa.literal(cost - ended.reserved, _Money())
    connection.execute(
        _accounts.update()
        .where(day)
        .values(budget_spent=sa.type_coerce(_accounts.c.budget_spent + difference, _Money()))
    )


def _refuse_many(connection: sa.Connection, new: Sequence[Job], at_once: int) -> None:
    """Raises AccessRefused where an owner, or an address, has more jobs on their way, with the new
    ones, than allowed.
    """
    counted = sa.select(sa.func.count()).where(_is_live)
    live = connection.execute(counted.where(_jobs.c.owner == new[0].owner)).scalar_one()
    if live > at_once:
        raise AccessRefused(
            sentence("takes_many", high=at_once, given=live)
            if len(new) > 1
            else sentence("jobs_many", high=at_once)
        )
    most = at_once * _OWNERS_OF_AN_ADDRESS
    if (
        new[0].address
        and connection.execute(counted.where(_jobs.c.address == new[0].address)).scalar_one() > most
    ):
        raise AccessRefused(sentence("address_jobs_many", high=most))


def _add_what_is_missing(connection: sa.Connection) -> None:
    """Gives a database of an earlier version the columns that have come since, each of which may be
    empty, and then the indexes.
    """
    for table in _metadata.sorted_tables:
        there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(
                    f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"
                )
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _key(connection: sa.Connection) -> bytes:
    """The key for what is hashed here, made by whoever comes first; the transaction holds up all
    others meanwhile.
    """
    ours = _keys.c.name == _SEAL
    value = connection.execute(sa.select(_keys.c.value).where(ours)).scalar()
    if value is None:
        value = secrets.token_hex(32)
        connection.execute(_keys.insert().values(name=_SEAL, value=value))
    return bytes.fromhex(value)


def _seal_rows(connection: sa.Connection, seal: Seal) -> None:
    """Hashes once more, with the key, what a version before it had one has hashed without; by its
    length it is told.
    """
    for column, purpose in (
        (_jobs.c.owner, "owner"),
        (_reviews.c.owner, "owner"),
        (_reviews.c.link_hash, "link"),
    ):
        plain = (
            connection.execute(sa.select(column).where(_is_plain(column)).distinct())
            .scalars()
            .all()
        )
        change = (
            column.table.update()
            .where(column == sa.bindparam("plain"))
            .values({column.name: sa.bindparam("sealed")})
        )
        if plain:
            connection.execute(
                change, [{"plain": one, "sealed": seal.hash(purpose, one)} for one in plain]
            )


def _is_plain(column: Column[str]) -> sa.ColumnElement[bool]:
    return sa.func.length(column) == _PLAIN


def _keep_out_older(connection: sa.Connection) -> None:
    """Lets the database refuse what a process of a version without the key writes beside us: its
    owners would be others.

    It can still go on with what is on its way, and ends nothing; what is asked of it anew fails
    before anything is sent.
    """
    for table in (_jobs, _reviews):
        name = f"{table.name}_of_newer_version"
        if connection.dialect.name == "sqlite":
            refuse = "SELECT RAISE(ABORT, 'this database belongs to a newer version of the app')"
            condition = f"WHEN length(NEW.owner) = {_PLAIN}"
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE INSERT ON {table.name} "
                f"{condition} BEGIN {refuse}; END"
            )
        elif name not in {
            one["name"] for one in sa.inspect(connection).get_check_constraints(table.name)
        }:
            connection.exec_driver_sql(
                f"ALTER TABLE {table.name} ADD CONSTRAINT {name} CHECK (length(owner) <> {_PLAIN})"
            )


def _values(changes: dict[str, Any]) -> dict[str, Any]:
    """Our values as the columns take them."""
    plain = dict(changes)
    if "said" in plain:
        said = plain["said"]
        plain["said"] = [] if said is None else [Sentence.model_validate(said)]
    for name in ("state", "spent"):
        if name in plain:
            plain[name] = str(plain[name])
    return plain


def _job(row: Any) -> Job:
    values = dict(row._mapping)
    said = values.pop("said")
    values.pop("prompt_folded")
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


def _is_open(now: float) -> sa.ColumnElement[bool]:
    return _reviews.c.revoked_at.is_(None) & (
        _reviews.c.expires_at.is_(None) | (_reviews.c.expires_at > now)
    )


def _people(connection: sa.Connection, review_ids: Sequence[str]) -> dict[str, int]:
    """How many different people have said something in each review."""
    people = sa.func.count(_verdicts.c.reviewer.distinct()).label("people")
    counted = (
        sa.select(_verdicts.c.review_id, people)
        .where(_verdicts.c.review_id.in_(review_ids))
        .group_by(_verdicts.c.review_id)
    )
    return {row.review_id: row.people for row in connection.execute(counted)}


def _said(
    connection: sa.Connection, review_ids: Sequence[str]
) -> dict[tuple[str, str], list[Verdict]]:
    """What was said in reviews, by review and job, oldest first."""
    oldest = (
        _verdicts.select()
        .where(_verdicts.c.review_id.in_(review_ids))
        .order_by(_verdicts.c.created_at, _verdicts.c.id)
    )
    said: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for row in connection.execute(oldest):
        words = {
            "comment": clean(row.comment),
            "name": clean_line(row.name),
        }  # old rows are as they were given
        known = {name: value for name, value in row._mapping.items() if name != "place"}
        said[row.review_id, row.job_id].append(Verdict(**known | words))
    return said


def _require_place(connection: sa.Connection, review_id: str, place: str | None) -> None:
    """Raises AccessRefused where a review takes no more, or no more of one network.

    A network gets half of what the others have left, so that something is always kept for the next
    one: tokens cost nothing.
    """
    theirs = sa.func.count().filter(_verdicts.c.place == place)
    total, own = connection.execute(
        sa.select(sa.func.count(), theirs).where(_verdicts.c.review_id == review_id)
    ).one()
    if total >= VERDICTS_LIMIT:
        raise AccessRefused(sentence("review_full", high=VERDICTS_LIMIT))
    if place is not None and own >= (VERDICTS_LIMIT - (total - own)) / 2:
        raise AccessRefused(sentence("review_network_full"))


def _review_of(row: Any) -> dict[str, Any]:
    """What a row says of a review itself."""
    values = {name: value for name, value in row._mapping.items() if name != "link_hash"}
    return values | {
        "title": clean_line(row.title),
        "note": clean(row.note),
        "with_settings": bool(row.with_settings),
    }


def _of(owner: str, job: Job | None) -> Job | None:
    return job if job is not None and job.owner == owner else None


def _trouble(error: Exception) -> Exception:
    """What is the matter with the database, in words; an error that is our own slip as it is."""
    if isinstance(error, _SLIPS) or not isinstance(
        error, DBAPIError | NoConnection | sqlite3.Error
    ):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = str(
        getattr(cause, "sqlite_errorname", None)
        or getattr(cause, "sqlstate", None)
        or type(cause).__name__
    )
    for key, codes in _TROUBLES.items():
        if code.startswith(codes):
            return NotKept(key)
    return error if code == _SLIP else NotKept("database_down", code=code)


class _NoDatabase(sa.exc.ArgumentError):
    """An address that can lead to no database of ours; says why."""


def _engine(url: str) -> sa.Engine:
    try:
        if _is_fleeting(sa.make_url(url)):
            raise _NoDatabase("which names no file")
        return sa.create_engine(url, pool_pre_ping=True)
    except ValueError:  # a port, or a figure behind the ?
        raise _NoDatabase("in which a port or another figure is no number") from None


def _is_fleeting(url: sa.URL) -> bool:
    """Whether a database of SQLite is in memory alone, where each connection has one of its own,
    and nothing outlasts the process.
    """
    name = url.database or ""
    return url.get_backend_name() == "sqlite" and (
        name in ("", ":memory:", "file:", "file::memory:") or url.query.get("mode") == "memory"
    )


def _reason(error: Exception) -> str:
    """Why a database does not open, without what an address or a driver's message may give away."""
    if isinstance(error, ImportError):
        return "whose driver is not installed"
    if isinstance(error, _NoDatabase):
        return str(error)
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return f"where SQLite says: {cause}"
    return (
        "which cannot be reached or does not let us in"
        if isinstance(error, DBAPIError)
        else "which names no kind of database"
    )


def _file_of(engine: sa.Engine) -> Path | None:
    """The file of a SQLite database; None for what is none."""
    name = engine.url.database or ""
    return (
        Path(name).absolute()
        if engine.dialect.name == "sqlite" and not name.startswith("file:")
        else None
    )


def _alone(path: Path, setting: str) -> IO[bytes] | None:
    """Keeps other processes away from a database that cannot have a log in its folder; None where
    it can.

    Raises SettingsError for a folder that can hold no database, NotKept while another process has
    it.
    """
    try:
        what = lacks(path.parent)
    except OSError as error:
        raise SettingsError(
            sentence("folder_no_database", field=setting, reason=error.strerror or "?")
        ) from None
    if not what:
        return None
    if what != "memory":
        raise SettingsError(sentence("folder_no_database", field=setting, reason=_LACKS[what]))
    hold = path.with_name(f"{path.name}-lock").open("ab")
    until = time.monotonic() + _BUSY
    while True:
        try:
            fcntl.lockf(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > until:
                hold.close()
                raise NotKept("database_busy") from None
        time.sleep(0.1)
    try:
        _take_off_log(path)
    except sqlite3.Error:
        hold.close()
        raise
    return hold


def _take_off_log(path: Path) -> None:
    """Writes a log that was made elsewhere into its database, which can be done without the memory
    that it needs otherwise, by one alone.
    """
    if path.exists():
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=DELETE"):
                connection.execute(f"PRAGMA {pragma}").fetchone()


def _configure_sqlite(connection: Any, mode: str) -> None:
    """WAL lets readers go on beside the writer; FULL, because NORMAL may forget the SUBMITTING
    commit when the power fails.
    """
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        f"busy_timeout={round(_BUSY * 1000)}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _switch(connection, mode)


def _limit_postgresql(dialect: sa.Dialect, record: Any, given: Any, named: dict[str, Any]) -> None:
    """Nobody waits without end for a host that does not answer any more; what the URL says goes
    before.
    """
    named.setdefault("connect_timeout", 10)  # s
    named.setdefault("tcp_user_timeout", 30_000)  # ms


def _configure_postgresql(connection: Any, record: Any) -> None:
    """Without a limit a write would wait for another's lock as long as that is held."""
    connection.execute(f"SET lock_timeout = {round(_BUSY * 1000)}")
    connection.commit()


def _switch(connection: Any, mode: str) -> None:
    """Tried again for a while: where several processes switch a fresh database at once, SQLite
    refuses all but one without waiting (3.40).
    """
    until = time.monotonic() + _BUSY
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode={mode}")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > until:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: sa.Connection) -> None:
    """A writer takes its lock at once: a transaction that reads first and writes later may find
    that it cannot.
    """
    reads = connection.get_execution_options().get("wan_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
