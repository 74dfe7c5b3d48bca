"""How a database of either kind is opened: its engine, its settings, and who may have it."""

import contextlib
import fcntl
import sqlite3
import time
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from wan.database.filesystem import find_lack
from wan.domain.errors import SettingsError, StorageUnavailable
from wan.domain.messages import Message

_LACKS = {
    "locks": "processes do not see each other's locks there",
    "writes": "processes do not see there what others have written",
}
# seconds that a write waits for another's to end; longer, and whoever clicked would rather be told
_BUSY = 10.0


class _NoDatabase(sa.exc.ArgumentError):
    """An address that can lead to no database of ours; says why."""


def engine_at(url: str) -> sa.Engine:
    """Return an engine for a database's address."""
    try:
        if _is_fleeting(sa.make_url(url)):
            raise _NoDatabase("which names no file")
        return sa.create_engine(url, pool_pre_ping=True)
    except ValueError:  # a port, or a figure behind the ?
        raise _NoDatabase("in which a port or another figure is no number") from None


def _is_fleeting(url: sa.URL) -> bool:
    """Return whether a database of SQLite is in memory alone, where each connection has one of its
    own, and nothing outlasts the process.
    """
    name = url.database or ""
    return url.get_backend_name() == "sqlite" and (
        name in ("", ":memory:", "file:", "file::memory:") or url.query.get("mode") == "memory"
    )


def explain(error: Exception) -> str:
    """Return why a database does not open, without what an address or a driver's message may give
    away.
    """
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


def file_of(engine: sa.Engine) -> Path | None:
    """Return the file of a SQLite database; None for what is none."""
    name = engine.url.database or ""
    return (
        Path(name).absolute()
        if engine.dialect.name == "sqlite" and not name.startswith("file:")
        else None
    )


def configure(engine: sa.Engine, mode: str) -> None:
    """Set up every connection of an engine. mode: SQLite's journal."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(
            engine, "connect", lambda connection, _: _configure_sqlite(connection, mode)
        )
        sa.event.listen(engine, "begin", _begin_sqlite)
    if engine.dialect.name == "postgresql":
        sa.event.listen(engine, "do_connect", _limit_postgresql)
        sa.event.listen(engine, "connect", _configure_postgresql)


def lock_exclusively(path: Path, setting: str) -> IO[bytes] | None:
    """Keep other processes away from a database that cannot have a log in its folder; None where it
    can.

    Raises SettingsError for a folder that can hold no database, StorageUnavailable while another
    process has it.
    """
    try:
        what = find_lack(path.parent)
    except OSError as error:
        raise SettingsError(
            Message.of("folder_no_database", field=setting, reason=error.strerror or "?")
        ) from None
    if not what:
        return None
    if what != "memory":
        raise SettingsError(Message.of("folder_no_database", field=setting, reason=_LACKS[what]))
    hold = path.with_name(f"{path.name}-lock").open("ab")
    until = time.monotonic() + _BUSY
    while True:
        try:
            fcntl.lockf(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > until:
                hold.close()
                raise StorageUnavailable("database_busy") from None
        time.sleep(0.1)
    try:
        _remove_log(path)
    except sqlite3.Error:
        hold.close()
        raise
    return hold


def _remove_log(path: Path) -> None:
    """Write a log that was made elsewhere into its database, which can be done without the memory
    that it needs otherwise, by one process alone.
    """
    if path.exists():
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=DELETE"):
                connection.execute(f"PRAGMA {pragma}").fetchone()


def _configure_sqlite(connection: Any, mode: str) -> None:
    """Set up a connection to SQLite. WAL lets readers go on beside the writer; FULL, because NORMAL
    may forget the SUBMITTING commit when the power fails.
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
    """Limit how long anybody waits for a host that does not answer any more; what the URL says goes
    before.
    """
    named.setdefault("connect_timeout", 10)  # s
    named.setdefault("tcp_user_timeout", 30_000)  # ms


def _configure_postgresql(connection: Any, record: Any) -> None:
    """Limit the wait for another's lock, which otherwise lasts as long as that is held."""
    connection.execute(f"SET lock_timeout = {round(_BUSY * 1000)}")
    connection.commit()


def _switch(connection: Any, mode: str) -> None:
    """Switch SQLite's journal, for a while again and again: where several processes switch a fresh
    database at once, SQLite refuses all but one without waiting (3.40).
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
    """Begin a transaction. A writer takes its lock at once: one that reads first and writes later
    may find that it cannot.
    """
    reads = connection.get_execution_options().get("wan_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
