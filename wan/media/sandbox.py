"""A sandbox: untrusted files are opened in short-lived processes that can do nothing else.

A fork server, `python -m wan.media.sandbox_process`, imports Pillow and PyAV once and forks a guard
for each task, which takes a few milliseconds. The guard gets the output file and a socket as
descriptors, and the input either as a descriptor or as a path, which it opens itself: the process
that asks never does (see `wan.media.opening`). It measures the file, has a child decode it, and
kills that child when it takes too long. The child may open nothing more, neither file nor
connection. At worst a file is refused. The fork server knows no key, and ends when its parent does.
"""

import atexit
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from pydantic import BaseModel

from wan.domain.errors import InvalidInput, StorageUnavailable
from wan.media import confinement
from wan.media.sandbox_process import LIMITS, MEGABYTE, Order

log = logging.getLogger("wan.media.sandbox")

_PATIENCE = 30.0  # seconds to wait for an answer: a task's, and the start of a fork server
_PAUSE = 0.2  # seconds before an order is repeated
_ANSWER = 1 << 16  # bytes; a longer answer is not ours
_ENVIRONMENT = ("PATH", "PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")  # all it may know

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class Outcome(Generic[Answer]):
    """A task's own answer, and what the guard measured in the file beforehand."""

    done: Answer
    sha256: str
    """Hexadecimal; "" unless requested."""
    bytes: int


class Sandbox:
    """The fork server, started with the first task and again should it have died. module: what it
    runs.
    """

    def __init__(self, module: str = "wan.media.sandbox_process") -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._missing: set[str] = set()
        atexit.register(self.stop)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    def run(
        self,
        task: str,
        given: IO[bytes] | Path,
        made: IO[bytes],
        shape: type[Answer],
        *,
        field: str,
        high: int = 1000,
        digest: bool = False,
        **wanted: Any,
    ) -> Outcome[Answer]:
        """Run a task of `_tasks` on a file and return its answer; its output is in `made`.

        Blocks for up to `SECONDS`. given: an open file of ours, or a user's path, which the sandbox
        opens. shape: the model of the answer, which may come from a process that the file controls.
        high: megabytes that the file may have. digest: whether its SHA-256 is wanted.

        Raises InvalidInput with the task's own refusal, or one that says that opening takes too
        much, for what is no plain file ("file_missing", whatever the obstacle), and for one that is
        too large; StorageUnavailable where there was no room for the output.
        """
        done: Outcome[Answer] | None = None
        refusal, reason = InvalidInput(field, "media_unsafe", **LIMITS), None
        order = {"task": task, "field": field, "wanted": wanted, "high": high, "digest": digest}
        try:
            answer = self._answer(given, made, order | _locate(field, given))
            self._log_missing(answer.get("without", ()))
            if "refused" in answer:
                refusal, reason = (
                    InvalidInput(field, answer["refused"], **answer["values"]),
                    answer.get("odd"),
                )
            else:
                checked = shape.model_validate_json(json.dumps(answer["done"]), strict=True)
                done = Outcome(checked, answer["sha256"], answer["bytes"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            reason = type(error).__name__  # the child was killed, or its answer is not ours
        if _is_full(made):  # then the output may be truncated, and a refused file is not to blame
            raise StorageUnavailable("disk_full")
        if done is not None:
            return done
        if reason is not None:
            log.warning("%s: the %s was given up (%s)", field, task, reason)
        raise refusal

    def _log_missing(self, without: Iterable[str]) -> None:
        """Log once each measure that this system does not support."""
        known = {*confinement.BEFORE, *confinement.WITHIN}
        if new := [one for one in without if one in known and one not in self._missing]:
            self._missing.update(new)
            log.warning(
                "files are opened without %s, which this system does not allow", ", ".join(new)
            )

    def stop(self) -> None:
        """End the process and all its tasks."""
        with self._lock:
            self._end()

    def _answer(self, given: IO[bytes] | Path, made: IO[bytes], order: Order) -> dict[str, Any]:
        """Ask, and once more where nobody took the order: the fork server just died or could not
        fork.
        """
        files = [made] if isinstance(given, Path) else [made, given]
        with contextlib.suppress(ConnectionError):
            return self._ask(files, order)
        time.sleep(_PAUSE)
        return self._ask(files, order)

    def _ask(self, files: list[IO[bytes]], order: Order) -> dict[str, Any]:
        mine, theirs = socket.socketpair()
        with mine:
            with theirs:
                self._deliver(theirs, *files)
            return _converse(mine, order)

    def _deliver(self, *descriptors: IO[bytes] | socket.socket) -> None:
        """Hand a task's descriptors to the fork server."""
        with self._lock:
            socket.send_fds(self._connect(), [b"1"], [one.fileno() for one in descriptors])

    def _connect(self) -> socket.socket:
        if self._line is not None and self._process is not None and self._process.poll() is None:
            return self._line
        self._end()
        self._line, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(self._module, theirs)
        return self._line

    def _end(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._line is not None:
            self._line.close()
        self._line = self._process = None


def _spawn(module: str, line: socket.socket) -> subprocess.Popen[bytes]:
    """Start a fork server on a socket, in a session of its own, so that Ctrl-C does not kill a
    task.
    """
    known = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    known["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parents[2]), known.get("PYTHONPATH")])
    )
    # Without warnings: Pillow would print one for each oddity in a file.
    command = [sys.executable, "-P", "-W", "ignore", "-m", module]
    return subprocess.Popen(  # noqa: S603 - our own program
        command, env=known, stdin=line.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
    )


def _locate(field: str, given: IO[bytes] | Path) -> Order:
    """Return a file's location for the guard: symbolic links are resolved here and nowhere else.

    Raises InvalidInput for a name that no file can have.
    """
    if not isinstance(given, Path):
        return {}
    try:
        path = os.fsencode(os.path.realpath(given))
    except (OSError, ValueError):
        raise InvalidInput(field, "file_missing", given=given.name) from None
    return {"path": path.decode("latin-1"), "name": given.name}  # as JSON can carry any bytes


def _is_full(file: IO[bytes]) -> bool:
    """Return whether a file cannot grow by a megabyte. Codecs may hide failed writes."""
    size = os.fstat(file.fileno()).st_size
    try:
        return os.pwrite(file.fileno(), bytes(MEGABYTE), size) < MEGABYTE
    except OSError:
        return True
    finally:
        os.ftruncate(file.fileno(), size)


def _converse(line: socket.socket, order: Order) -> dict[str, Any]:
    """Send an order and read the answers: the guard's, then the child's, which cannot override it.

    Raises OSError or ValueError where there is none.
    """
    line.settimeout(_PATIENCE)
    line.sendall(json.dumps(order).encode())
    line.shutdown(socket.SHUT_WR)
    answer = b""
    while (more := line.recv(_ANSWER)) and len(answer) < _ANSWER:
        answer += more
    measured, _, came = answer.partition(b"\n")
    said = dict(json.loads(measured))
    return said if "refused" in said else dict(json.loads(came)) | said


SANDBOX = Sandbox()
