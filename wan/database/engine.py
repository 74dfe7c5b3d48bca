"""The database: its engine, its transactions, and what goes wrong with it.

The statements are in the parts by noun: queue, jobs, accounts, reviews. Every one blocks, and is
awaited on a thread of the database's own.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import IO, Any, Concatenate, Generic, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from wan.database import schema
from wan.database.announced_changes import announce_changes
from wan.database.journal import Journal
from wan.database.listed import keep_listed
from wan.database.opening import configure, engine_at, explain, file_of, lock_exclusively
from wan.database.rescue import merge_copy
from wan.database.takes import number_older
from wan.domain.errors import SettingsError, StorageUnavailable
from wan.domain.messages import Message
from wan.environment.checks import mask_url
from wan.environment.private import make_database, protect_database

# more than writes can be stuck at once, so that a page is still read beside them; SQLAlchemy's pool
# has 15 connections
_THREADS = 12
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
Given = ParamSpec("Given")
Of = TypeVar("Of", bound="Part")


class Database:
    """The database. url: SQLAlchemy's; SQLite by default, PostgreSQL by `postgresql://`. setting:
    the name of the setting that chose it. shared: whether owners see each other's jobs
    (`wan.database.owners`).

    Raises SettingsError when it cannot be opened, StorageUnavailable when it could be but is busy,
    full or read-only.
    """

    def __init__(
        self, url: str, *, setting: str = "WAN_DATABASE_URL", shared: bool = False
    ) -> None:
        self.shared = shared
        # Of its own, so that renewing a lease never waits behind the work that it is for.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="sql")
        self._journal: Journal | None = None
        self._hold: IO[bytes] | None = None
        try:
            self._engine = engine_at(url)
            if (path := file_of(self._engine)) is not None and path.parent.is_dir():
                self._hold = lock_exclusively(path, setting)
            self._create_schema()
            if (path := file_of(self._engine)) is not None:
                self._journal = Journal(path, self._engine.dispose, merge_copy)
        except (SQLAlchemyError, sqlite3.Error, ImportError) as error:
            self._unlock()
            trouble = _trouble(error)
            if isinstance(trouble, StorageUnavailable) and trouble.message.key != "database_down":
                raise trouble from error
            raise _wrong_setting(error, url, setting) from None

    def _create_schema(self) -> None:
        if (path := file_of(self._engine)) is not None:
            make_database(path)
        configure(self._engine, "WAL" if self._hold is None else "DELETE")
        with self.writing() as connection:
            self.seal = schema.create(connection)
            number_older(connection)
            keep_listed(connection)
            announce_changes(connection)
        if path is not None:
            protect_database(path)

    def close(self) -> None:
        """Close every connection."""
        self._threads.shutdown()
        self._engine.dispose()
        if self._journal is not None:
            self._journal.close()
        self._unlock()

    def _unlock(self) -> None:
        """Let other processes have a database that one alone can have at a time."""
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    def in_use(self) -> AbstractContextManager[None]:
        """Return a block for a transaction. Raises StorageUnavailable, before it begins, while the
        log of SQLite's that we write to is not the one that is there.
        """
        return nullcontext() if self._journal is None else self._journal.in_use()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is SQLite's."""
        return self._engine.dialect.name == "sqlite"

    @property
    def connection_arguments(self) -> dict[str, Any]:
        """What the driver of a PostgreSQL connects with; there may be a password in it."""
        _, named = self._engine.dialect.create_connect_args(self._engine.url)
        return dict(named)

    async def clear_log(self) -> None:
        """Write SQLite's log into the database, so that nothing that was deleted stays in it; what
        is in use waits for the next time.
        """
        if self.is_sqlite:
            await self.call(self._truncate_log)

    def _truncate_log(self) -> None:
        with self.in_use(), self._engine.connect() as connection:
            connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]

    async def require_answer(self) -> None:
        """Read one row. Raises StorageUnavailable where the database does not answer."""
        await self.call(self._read_row)

    def _read_row(self) -> None:
        with self.reading() as connection:
            connection.execute(sa.select(schema.KEYS.c.name).limit(1)).first()

    async def call(self, statement: Callable[..., Result], *given: Any, **named: Any) -> Result:
        """Run a statement off the event loop. Raises StorageUnavailable where the database fails;
        nothing is written then.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, partial(statement, *given, **named)
            )
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise _trouble(error) from error

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that writes."""
        with self.in_use(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads."""
        with (
            self.in_use(),
            self._engine.connect().execution_options(wan_reads=True) as connection,
            connection.begin(),
        ):
            yield connection


class Part:
    """The statements about one noun, over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database


class Statement(Generic[Given, Result]):
    """A method of a part that asks the database. Awaited, it runs off the event loop, and raises
    StorageUnavailable where the database fails; nothing is written then.
    """

    def __init__(self, database: Database, statement: Callable[Given, Result]) -> None:
        self._database = database
        self.blocking = statement
        """The same for whoever is on a thread already; raises what SQLAlchemy raises."""

    async def __call__(self, *given: Given.args, **named: Given.kwargs) -> Result:
        return await self._database.call(self.blocking, *given, **named)


class in_thread(Generic[Of, Given, Result]):
    """Turns a method of a part into one that is awaited: a `Statement`."""

    def __init__(self, method: Callable[Concatenate[Of, Given], Result]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, part: Of, _: type[Of]) -> Statement[Given, Result]:
        return Statement(part._database, self._method.__get__(part))


def _wrong_setting(error: Exception, url: str, setting: str) -> SettingsError:
    """Return why a database cannot be opened, by the setting that names it. The URL may hold a
    password, and the driver's message may quote it.
    """
    if setting != "WAN_DATABASE_URL":
        return SettingsError(Message.of("folder_no_database", field=setting, reason=explain(error)))
    allowed = "a database that SQLAlchemy can open: sqlite:///file or postgresql://…"
    given = f"{mask_url(url)}, {explain(error)}"
    return SettingsError.about(setting, given, allowed)


def _trouble(error: Exception) -> Exception:
    """Return what is the matter with the database, with a message; an error that is our own slip as
    it is.
    """
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
            return StorageUnavailable(key)
    return error if code == _SLIP else StorageUnavailable("database_down", code=code)


def dialect_of(connection: sa.Connection) -> Any:
    """Return the database's own way to say things, the insert that gives way above all."""
    return postgresql if connection.dialect.name == "postgresql" else sqlite
