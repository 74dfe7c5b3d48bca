"""SQLite's write-ahead log while this process has the database open: held, watched, and repaired.

POSIX drops every lock that a process has on a file when it closes any descriptor of that file. Were
the database opened and closed here by anything but SQLite, the next process that comes and goes
would take itself for the last user and remove the log, and what is written to it afterwards would
be lost with this process. So nothing but SQLite opens these files, and besides:

- *held*: on the descriptors that SQLite itself has open lies a lock of the kind that belongs to the
  descriptor (Linux), at the place where the last user asks for the file alone. No close of another
  descriptor drops it.
- *watched*: each use asks first whether the log in the folder is still the one that we write to.
  Where it is not, nothing is done: whoever asked is told so.
- *repaired*: what only the old log has is copied, every connection is opened anew, and the rows are
  merged.
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from wan.domain.errors import StorageUnavailable

log = logging.getLogger("wan.database.journal")

_SHARED = (
    0x4000_0002,
    510,
)  # first byte and number of those that a user of the database locks (SQLite's file format, os.h)
_LIVING = (
    128,
    1,
)  # in the shared memory: locked as long as somebody has it (os_unix.c, UNIX_SHM_DMS)
_PATIENCE = 30.0  # seconds for which work in hand may go on before the log is made good
_PAUSE = 10.0  # seconds between two tries to make it good
_RESCUE = "-rescue-"

Identity = tuple[int, int] | None
Held = tuple[int, Identity, tuple[int, int]]
"""A descriptor, the file behind it, and the bytes to lock there."""
TakeIn = Callable[[sqlite3.Connection, Path], int]
_opening = threading.Lock()


class Journal:
    """The log of a database in WAL mode. Everything here blocks.

    path: the database. disconnect: closes every other connection that this process has to it.
    merge_copy: writes what a copy has more, over a connection to the database, and returns how many
    rows that were.
    """

    def __init__(self, path: Path, disconnect: Callable[[], None], merge_copy: TakeIn) -> None:
        self._path, self._disconnect, self._merge_into = path, disconnect, merge_copy
        self._log, self._memory = (path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))
        self._state = threading.Condition()
        self._uses, self._stopped, self._repairing, self._next = 0, False, False, 0.0
        self._copy: Path | None = None
        self._anchor: sqlite3.Connection | None = None
        self._held: list[Held] = []
        self._open()
        for copy in self._list_leftovers():
            self._merge(copy)

    @property
    def is_replaced(self) -> bool:
        """Whether the log in the folder is another than the one that this process writes to."""
        return self._known is not None and self._known != (
            _identity(self._path),
            _identity(self._log),
        )

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Open a block for a transaction. Raises StorageUnavailable, before it begins, while the
        log is not the right one.
        """
        self._enter()
        try:
            yield
        finally:
            with self._state:
                self._uses -= 1
                self._state.notify_all()
            if self.is_replaced:  # what was written just now is in the old log only
                self._repair()

    def close(self) -> None:
        """Close the last connection that this process has to the database."""
        self.unlock()
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def unlock(self) -> None:
        """Remove the locks that no close drops."""
        for number, file, place in self._held:
            with contextlib.suppress(OSError):
                if _identity(_descriptor(number)) == file:
                    _lock(number, fcntl.F_UNLCK, place)
        self._held = []

    def _enter(self) -> None:
        """Count a transaction, or raise StorageUnavailable."""
        with self._state:
            if not self._stopped and not self.is_replaced:
                self._uses += 1
                return
            self._stopped = True
        self._repair()
        raise StorageUnavailable("database_adrift")

    def _open(self) -> None:
        """Open the database and its log, and hold both."""
        with _opening:
            before = self._list_held()
            self._anchor = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False
            )
            self._anchor.execute("PRAGMA synchronous=FULL")
            self._anchor.execute(
                "PRAGMA secure_delete=ON"
            )  # rows are replaced when a copy is taken in
            self._anchor.execute(
                "SELECT count(*) FROM sqlite_master"
            ).fetchone()  # only now it opens the log
            (mode,) = self._anchor.execute("PRAGMA journal_mode").fetchone()
            self._known = (_identity(self._path), _identity(self._log)) if mode == "wal" else None
            self._shared = _identity(self._memory)
            if self._known is not None and hasattr(fcntl, "F_OFD_SETLK"):
                shared = {
                    one for one in before if one[2] == _LIVING
                }  # of which SQLite has one in a process, whoever was first
                self._held = [
                    held for held in (self._list_held() - before) | shared if _hold(*held)
                ]

    def _list_held(self) -> set[Held]:
        """Return the descriptors that this process has of the database and its shared memory, each
        with the place to lock there.
        """
        places = {_identity(self._path): _SHARED, _identity(self._memory): _LIVING}
        known = [(number, _identity(_descriptor(number))) for number in _descriptors()]
        return {
            (number, file, places[file])
            for number, file in known
            if file is not None and file in places
        }

    def _repair(self) -> None:
        """Put the log right, unless somebody is at it; try again later where that fails."""
        with self._state:
            self._stopped = True
            if self._repairing or time.monotonic() < self._next:
                return
            self._repairing = True
            self._next = time.monotonic() + _PAUSE
        try:
            log.error(
                "%s is not the log that this process writes to: no work is taken until every "
                "row is kept",
                self._log,
            )
            with self._state:
                if not self._state.wait_for(lambda: self._uses == 0, _PATIENCE):
                    return
            rows = self._recover()
            log.warning(
                "%s is right again: %d rows were only in the old one, and are kept", self._log, rows
            )
            with self._state:
                self._stopped, self._next = False, 0.0
        except Exception:
            log.exception(
                "%s is not right yet; trying again. What only the old one had is in %s",
                self._log,
                self._copy,
            )
        finally:
            with self._state:
                self._repairing = False

    def _recover(self) -> int:
        """Copy what this process sees, close every connection, open them anew, and merge the copy.
        Returns how many rows only the copy had.
        """
        if self._copy is None:
            self._copy = self._save_copy()
        if self._anchor is not None and self.is_replaced:
            if self._known is not None and _identity(self._path) != self._known[0]:
                raise RuntimeError(
                    f"{self._path} was removed or replaced; put it or {self._copy} in place "
                    "and restart"
                )
            self._disconnect()
            # its lock keeps SQLite from writing the old log over what others have written since
            self._anchor.close()
            self._anchor = None
            if _identity(self._memory) == self._shared:  # it tells of the old log
                self._memory.unlink(missing_ok=True)
        if self._anchor is None:
            self._open()
        rows, self._copy = self._merge(self._copy), None
        return rows

    def _save_copy(self) -> Path:
        """Return a copy of the database as this process sees it, whole or not at all."""
        if self._anchor is None:
            raise RuntimeError("the database is closed")
        copy = self._path.with_name(f"{self._path.name}{_RESCUE}{os.getpid()}")
        part = copy.with_name(f"{copy.name}.part")
        part.unlink(missing_ok=True)
        part.touch(0o600)  # a file of its own: no lock of the database's is on it
        self._anchor.execute("VACUUM INTO ?", (str(part),))
        return part.replace(copy)

    def _merge(self, copy: Path) -> int:
        """Merge a copy into the database, delete it, and return how many rows only it had."""
        if self._anchor is None:
            raise RuntimeError("the database is closed")
        rows = self._merge_into(self._anchor, copy)
        copy.unlink()
        return rows

    def _list_leftovers(self) -> list[Path]:
        """Return the copies of processes that died before they had merged them."""
        copies = self._path.parent.glob(f"{self._path.name}{_RESCUE}*")
        return [
            copy
            for copy in copies
            if copy.suffix != ".part" and not _is_other_process(copy.name.rpartition("-")[2])
        ]


def _is_other_process(number: str) -> bool:
    """Return whether there is a process of this number which is not this one."""
    try:
        os.kill(int(number), 0)
    except PermissionError:
        return True
    except (ValueError, OSError):
        return False
    return int(number) != os.getpid()


def _identity(path: Path) -> Identity:
    """Return what tells a file from any other; None where there is none."""
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_dev, known.st_ino


def _descriptors() -> list[int]:
    """Return the descriptors that this process has open; none where the system does not tell."""
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - numbers, no paths
    return []


def _descriptor(number: int) -> Path:
    """Return where the system tells of a descriptor; asking it for what is behind opens nothing."""
    return Path(f"/proc/self/fd/{number}")


def _hold(number: int, _file: Identity, place: tuple[int, int]) -> bool:
    """Set a lock, and return whether that could be done. On a file system without such locks the
    log is watched only.
    """
    try:
        _lock(number, fcntl.F_RDLCK, place)
    except OSError:
        return False
    return True


def _lock(descriptor: int, kind: int, place: tuple[int, int]) -> None:
    """Set or remove a lock that belongs to the descriptor. Raises OSError."""
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, *place, 0))
