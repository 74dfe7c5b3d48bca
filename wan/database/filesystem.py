"""What a folder's file system can do for a database in it. Blocks.

SQLite needs locks that processes see of each other, and writes that are there for all once they are
on the disk; its write-ahead log needs memory, too, that processes share through a file. Network
shares, mounted buckets and file systems of programs (FUSE) often lack some of that, and may say
nothing about it.
"""

import contextlib
import fcntl
import mmap
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal

from wan.environment.settings import WORK

Lack = Literal["", "memory", "locks", "writes"]
"""What a folder cannot do: nothing, share memory, show locks to other processes, show them what was
written.
"""

_PATIENCE = 20.0  # seconds for everything that is tried
_SIZE = 4096  # bytes of the file that is tried
_MOUNTS = Path("/proc/self/mountinfo")
# Of one machine alone, and made for everything: nothing has to be tried there.
_LOCAL = frozenset(
    {
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "zfs",
        "f2fs",
        "bcachefs",
        "jfs",
        "tmpfs",
        "ramfs",
        "overlay",
        "apfs",
        "hfs",
    }
)
# The other process: for each letter that it reads it tries something, and says what came of it.
_OTHER = """
import fcntl, mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
def lock():
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
    except OSError:
        return "no"
    return "yes"
def write():
    os.pwrite(file, sys.argv[3].encode(), 512)
    os.fsync(file)
    return "yes"
def shared():
    try:
        seen = mmap.mmap(file, 4096)[1024:1024 + len(sys.argv[2])]
        return "yes" if seen == sys.argv[2].encode() else "no"
    except OSError:
        return "no"
read = lambda: os.pread(file, len(sys.argv[2]), 0).decode()
tries = {"l": lock, "w": write, "r": read, "m": shared}
for line in sys.stdin:
    print(tries[line.strip()](), flush=True)
"""


def find_lack(folder: Path) -> Lack:
    """Return what a folder lacks for a database with a log; tried with another process unless it is
    on a disk of this machine. Raises OSError.
    """
    return "" if _is_local(folder) else probe_folder(folder)


def probe_folder(folder: Path, seen: Path | None = None) -> Lack:
    """Return what comes of it when two processes use one file of a folder. seen: the same folder as
    the other one sees it. Raises OSError.
    """
    path = folder / f"{WORK}{secrets.token_hex(8)}"
    ours, theirs = secrets.token_hex(8), secrets.token_hex(8)
    with contextlib.ExitStack() as open_:
        open_.callback(
            path.unlink, missing_ok=True
        )  # at the end: what is removed while it is open stays on such shares under another name
        file = open_.enter_context(path.open("x+b", buffering=0))
        file.truncate(_SIZE)
        memory = open_.enter_context(_share_memory(file, ours))
        ask = open_.enter_context(_start_other((seen or folder) / path.name, ours, theirs))
        file.seek(0)
        file.write(ours.encode())
        os.fsync(file.fileno())
        if (
            ask("r") != ours
            or ask("w") != "yes"
            or os.pread(file.fileno(), len(theirs), 512) != theirs.encode()
        ):
            return "writes"
        if not _try_lock(file) or ask("l") != "no":
            return "locks"
        fcntl.lockf(file, fcntl.LOCK_UN, 1, 0)
        if ask("l") != "yes" or _try_lock(file):
            return "locks"
        return "" if memory and ask("m") == "yes" else "memory"


@contextlib.contextmanager
def _share_memory(file: IO[bytes], word: str) -> Iterator[bool]:
    """Write a word into memory that is shared through a file; yields whether it could."""
    try:
        with mmap.mmap(file.fileno(), _SIZE) as memory:
            memory[1024 : 1024 + len(word)] = word.encode()
            yield True
            return
    except OSError:
        pass
    yield False


@contextlib.contextmanager
def _start_other(path: Path, ours: str, theirs: str) -> Iterator[Callable[[str], str]]:
    """Start another process that has a file open; yields what asks it to try something."""
    command = [sys.executable, "-I", "-S", "-c", _OTHER, str(path), ours, theirs]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, bufsize=0, **pipes) as process:  # type: ignore[call-overload]  # noqa: S603 - our own words

        def ask(letter: str) -> str:
            with contextlib.suppress(OSError):  # it could not even open the file
                process.stdin.write(f"{letter}\n".encode())
            return str(process.stdout.readline().strip().decode())

        timer = threading.Timer(_PATIENCE, process.kill)  # a share that hangs
        timer.start()
        try:
            yield ask
        finally:
            timer.cancel()
            process.kill()


def _try_lock(file: IO[bytes]) -> bool:
    """Lock the first byte of a file, and return whether that could be done."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
    except OSError:
        return False
    return True


def _is_local(folder: Path) -> bool:
    """Return whether a folder is on a usual disk of this machine, or the system does not say where
    it is.
    """
    try:
        lines = [
            line.split()
            for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
        ]
    except OSError:
        return True
    place, kind = folder.resolve(), ""
    mounts = ((Path(_unescape(line[4])), line[line.index("-") + 1]) for line in lines)
    length = 0
    for (
        mount,
        its_kind,
    ) in (
        mounts
    ):  # of those on the way to the folder the longest counts, and of several there the last
        if place.is_relative_to(mount) and len(mount.parts) >= length:
            length, kind = len(mount.parts), its_kind
    return kind in _LOCAL


def _unescape(path: str) -> str:
    """Return a path of the list of mounts, in which spaces and the like are written as numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
