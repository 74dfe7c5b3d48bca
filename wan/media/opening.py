"""Opens a file by its path where nothing on the way is a link, and nothing but a plain file is
taken.

Runs in the sandbox alone. Whoever closes any descriptor of a database's file drops the locks that
its own process holds on it (POSIX), so the process that works with the database opens no file that
somebody names.
"""

import os
import stat
from pathlib import Path
from typing import IO

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def open_plain(path: Path) -> IO[bytes]:
    """Opens a plain file by its whole path, folder by folder, so that nobody can swap one for a
    link.

    Raises OSError for what is not there, is a link, a folder, a pipe or a device, or lies behind
    one.
    """
    if not path.is_absolute() or not path.name or ".." in path.parts:
        raise OSError("it is no whole path of a file")
    root, *folders, name = path.parts
    folder = os.open(root, _FOLDER)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return _open_in(folder, name)
    finally:
        os.close(folder)


def _open_in(folder: int, name: str) -> IO[bytes]:
    """Opens a plain file of a folder. What is none is not touched: opening a
    device may do things.
    """
    _require_plain(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        _require_plain(os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _require_plain(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError("it is no plain file")
