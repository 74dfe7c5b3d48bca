"""Permissions that keep our files from other users of this machine. Everything here blocks."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_FOLDERS = frozenset(
    {"storage", "cache", "uploads", "simulator", "ai-video-wan-video", "aliyun-wan-r2v"}
)
_DATABASE = "wan.sqlite3"


def make_folder(folder: Path) -> None:
    """Make the folder of everything that we keep, for us alone. Raises OSError.

    An existing one becomes private too, with what we keep in it, unless it holds other things, is a
    mount, belongs to another user or passes its group on (setgid): that is shared on purpose.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    entries = list(folder.iterdir())
    ours = [entry for entry in entries if entry.name in _FOLDERS]
    whole = all(entry.name in _FOLDERS or entry.name.startswith(_DATABASE) for entry in entries)
    for one in [*([folder] if whole else []), *([] if _passes_group_on(folder) else ours)]:
        _tighten(one)


def make_database(path: Path) -> None:
    """Make a private database file without opening it, since a close would drop SQLite's locks."""
    with suppress(OSError, AttributeError):
        os.mknod(path, 0o600)


def protect_database(path: Path) -> None:
    """Make the files of a database private, once SQLite has found that it is one.

    Before that the setting may name any file.
    """
    if not _passes_group_on(path.parent):
        for file in (path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))):
            with suppress(OSError):  # missing, or another user's, who decides about it
                file.chmod(0o600)


def _passes_group_on(folder: Path) -> bool:
    """Tell whether a folder passes its group on to what is made in it; a missing one does not."""
    with suppress(OSError):
        return bool(folder.stat().st_mode & stat.S_ISGID)
    return False


def _tighten(folder: Path) -> None:
    with suppress(OSError):
        known = folder.lstat()
        if (
            stat.S_ISDIR(known.st_mode)
            and known.st_uid == os.geteuid()
            and not (folder.is_mount() or known.st_mode & stat.S_ISGID)
        ):
            folder.chmod(0o700)
