"""Lets nobody else on this machine read what we keep. Blocks."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_FOLDERS = frozenset(
    {"storage", "cache", "uploads", "simulator", "ai-video-wan-video", "aliyun-wan-r2v"}
)
_DATABASE = "wan.sqlite3"


def make_folder(folder: Path) -> None:
    """Makes the folder of everything that we keep, for us alone. Raises OSError.

    One that is there becomes ours alone too, with what we keep in it, but for one that holds other
    things besides, is a mount, belongs to somebody else, or hands its group on (setgid): that is
    shared on purpose, and stays as it is.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    entries = list(folder.iterdir())
    ours = [entry for entry in entries if entry.name in _FOLDERS]
    whole = all(entry.name in _FOLDERS or entry.name.startswith(_DATABASE) for entry in entries)
    for one in [*([folder] if whole else []), *([] if _hands_on(folder) else ours)]:
        _tighten(one)


def make_database(path: Path) -> None:
    """Makes a database's file for us alone before SQLite opens it, and without opening it: a close
    would drop its locks.
    """
    with suppress(OSError, AttributeError):
        os.mknod(path, 0o600)


def keep_database(path: Path) -> None:
    """Makes the files of a database ours alone. Only to be called once SQLite has found that it is
    one: a setting may name anything.
    """
    if not _hands_on(path.parent):
        for file in (path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))):
            with suppress(
                OSError
            ):  # not there, or somebody else's, whose it is to say who may read it
                file.chmod(0o600)


def _hands_on(folder: Path) -> bool:
    """Whether a folder gives what is made in it to its group; one that is
    not there gives nothing.
    """
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
