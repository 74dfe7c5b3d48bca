"""Disks that run full and databases that are stuck, for real, as root and as anybody else."""

import contextlib
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from wan.database.engine import Database

_SMALL = 4096  # bytes that a file may have while files may not grow


@dataclass(frozen=True)
class Disk:
    """A folder on a disk that can be made full."""

    folder: Path
    own: bool
    """Whether it is a disk of its own (24 MB of memory). Where this user may not mount one, full
    means that no file of this process may grow.
    """

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte more goes onto the disk inside the block."""
        with self._ballast() if self.own else _no_growth():
            yield

    @contextlib.contextmanager
    def _ballast(self) -> Iterator[None]:
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        try:
            yield
        finally:
            ballast.unlink()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk of 24 MB, mounted at a folder where this user may do that."""
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
        own = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        own = False
    try:
        yield Disk(folder, own)
    finally:
        if own:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def _no_growth() -> Iterator[None]:
    """The kernel's own limit on the size of files: a write beyond it fails, in SQLite, in obstore
    and here.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALL, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the database's write lock inside the block."""
    lock = Lock(path)
    lock.take()
    try:
        yield
    finally:
        lock.leave()


class Lock:
    """The write lock of a SQLite database, held as another program would."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            path, isolation_level=None, timeout=30, check_same_thread=False
        )

    def take(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def leave(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def every_connection(database: Database, on: str, off: str) -> Iterator[None]:
    """Every connection of a database is set by a PRAGMA inside the block, and back after it."""
    with _on_checkout(
        database,
        lambda connection: connection.execute(f"PRAGMA {on}"),
        lambda connection: connection.execute(f"PRAGMA {off}"),
    ):
        yield


@contextlib.contextmanager
def unreadable(database: Database) -> Iterator[None]:
    """SQLite gives every statement up inside the block."""
    with _on_checkout(
        database,
        lambda connection: connection.set_progress_handler(lambda: 1, 1),
        lambda connection: connection.set_progress_handler(None, 1),
    ):
        yield


@contextlib.contextmanager
def _on_checkout(database: Database, inside, afterwards) -> Iterator[None]:
    with database.reading() as connection:
        engine = connection.engine

    def checked_out(connection, *_) -> None:
        inside(connection)

    sa.event.listen(engine, "checkout", checked_out)
    try:
        yield
    finally:
        sa.event.remove(engine, "checkout", checked_out)
    sa.event.listen(engine, "checkout", lambda connection, *_: afterwards(connection))
