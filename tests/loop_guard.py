"""Finds what our own code does on the event loop's thread that must not be done there: by its
stack, never by the time that it takes.
"""

import asyncio
import contextlib
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

_OURS = str(Path(__file__).parents[1] / "wan")
_ELSEWHERE = ("importlib", "logging", "asyncio", "gradio", "starlette", "uvicorn", "anyio")
"""Whoever calls is not us, or does it once: the first frame of any of these ends the search."""
_BLOCKING = {
    "posix": {
        *("stat", "lstat", "listdir", "scandir", "open", "read", "write", "pread", "pwrite"),
        *("mkdir", "rmdir", "unlink", "remove", "rename", "replace", "link", "symlink", "chmod"),
        *("utime", "fsync", "fdatasync", "truncate", "ftruncate", "statvfs", "sendfile", "waitpid"),
    },
    "io": {"open", "open_code"},
    "_io": {"open", "open_code"},
    "time": {"sleep"},
    "fcntl": {"flock", "lockf", "fcntl"},
    "_posixsubprocess": {"fork_exec"},
    "_sqlite3": {"connect"},
    "_socket": {"getaddrinfo", "gethostbyname"},
    "hashlib": {"file_digest"},
}
_METHODS = ("sqlite3.", "_io.FileIO", "_io.Buffered", "_io.TextIOWrapper")
_LARGE = 100_000  # bytes that may be hashed at once: a quarter of a millisecond


class LoopGuard:
    """What was found, as `what: file:line in function`."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        """Looks at each call of a C function, as `sys.setprofile` has it."""
        if event == "c_call" and (what := _blocking(arg)):
            self.note(frame, what)

    def note(self, frame: FrameType | None, what: str) -> None:
        """Notes a call, if it is one of ours and a loop runs in this thread."""
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(_OURS):
                if asyncio._get_running_loop() is not None:
                    where = f"{name[len(_OURS) + 1 :]}:{frame.f_lineno} in {frame.f_code.co_name}"
                    self.found.add(f"{what}: {where}")
                return
            if any(one in name for one in _ELSEWHERE):
                return
            frame = frame.f_back


def _blocking(function: Any) -> str:
    """What a C function is called, if it may block; else ""."""
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None) or getattr(owner, "__name__", "")
    name = getattr(function, "__name__", "")
    if name in _BLOCKING.get(module, ()):
        return f"{module}.{name}"
    kind = type(owner)
    whole = f"{kind.__module__}.{kind.__qualname__}"
    return f"{whole}.{name}" if whole.startswith(_METHODS) and name != "fileno" else ""


@contextlib.contextmanager
def guarding() -> Iterator[LoopGuard]:
    """Looks inside the block, in the thread that enters it."""
    guard, plain = LoopGuard(), hashlib.sha256

    def sha256(data: bytes = b"", **more: Any) -> Any:
        if len(data) > _LARGE:
            guard.note(sys._getframe(1), f"hashlib.sha256 of {len(data)} bytes")
        return plain(data, **more)

    before = sys.getprofile()
    hashlib.sha256 = sha256
    sys.setprofile(guard.profile)
    try:
        yield guard
    finally:
        sys.setprofile(before)
        hashlib.sha256 = plain
