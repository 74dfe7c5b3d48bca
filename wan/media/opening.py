"""Opening plain files by path, with no symbolic link on the way.

Runs in the sandbox only. Closing any descriptor of a database's file drops the locks that its
process holds on it (POSIX), so the process that works with the database opens no file that a user
names.
"""

import os
import stat
from pathlib import Path
from typing import IO

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC


def open_plain(path: Path) -> IO[bytes]:
    """Open a plain file by its absolute path, folder by folder, so that none can be swapped for a
    link.

    Raises OSError for what is missing, is or lies behind a link, or is a folder, a pipe or a
    device.
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
    """Open a plain file in a folder. Anything else is not touched: opening a device may have
    effects.
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
