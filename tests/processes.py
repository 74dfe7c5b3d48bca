"""Which tests need a process beside their own: a served app, a browser, a simulator, a PostgreSQL,
the sandbox, a command.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from wan.media.sandbox import Sandbox

_FOLDERS = ("attacks", "browser")
_FILES = frozenset(
    {
        "simulator/test_process.py",
        "simulator/test_sdk.py",
        "cli/test_cli.py",
        "service/test_disk.py",
        "storage/test_evidence.py",
        "media/test_join.py",
        "service/test_matrix.py",
        "media/test_media.py",
        "media/test_opening.py",
        "service/test_processes.py",
        "media/test_sounds.py",
        "service/test_studio.py",
        "storage/test_uploads.py",
        "test_video.py",
        "test_warm.py",
    }
)
_FIXTURES = frozenset(
    {"app", "browser", "disk", "postgres", "shared", "idle", "simulator", "start"}
)
_STARTS = frozenset({"subprocess.Popen", "os.posix_spawn", "os.fork"})  # Python's audit events
_deny = False


def are_needed(item: pytest.Item) -> bool:
    """Whether a test is known to need one by where it stands, or by what it asks for; the others
    have the mark themselves.
    """
    name = item.nodeid.partition("::")[0].removeprefix("tests/")
    if (
        item.path.parent.name in _FOLDERS
        or name in _FILES
        or not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    ):
        return True
    return hasattr(item, "callspec") and "postgresql" in item.callspec.params.values()


@contextmanager
def denied() -> Iterator[None]:
    """Inside the block nobody starts one, and nobody uses the sandbox, which
    may be there already.
    """
    global _deny
    run, Sandbox.run, _deny = Sandbox.run, _refuse, True  # type: ignore[method-assign]
    try:
        yield
    finally:
        Sandbox.run, _deny = run, False  # type: ignore[method-assign]


def _refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("this test needs a process: mark it with `pytest.mark.process`")


def _watch(event: str, _: Any) -> None:
    if _deny and event in _STARTS:
        _refuse()


sys.addaudithook(_watch)
