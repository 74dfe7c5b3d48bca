"""Opens files that nobody vouches for, each in a process of its own that can do nothing else and
does not live long.

A fork server, `python -m wan.media.sandbox_process`, imports Pillow and PyAV once and forks a guard
for each task, which takes a few milliseconds. The guard gets a file to write to and a line to talk
on as descriptors, and the file to be read either as a descriptor or by its path, which it opens
itself: the process that asks never does (see `wan.media.opening`). It measures that file, has it
decoded by a child of its own, and ends that child when it takes too long. The child may open
nothing more, neither file nor connection. At worst a file is refused. The fork server knows no key,
and goes when its starter does.
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

# seconds after which an answer is given up; longer than a task may take, for a fork server that has
# to start
_PATIENCE = 30.0
_PAUSE = 0.2  # seconds before an order is given again
_ANSWER = 1 << 16  # bytes; more is no answer of ours
_ENVIRONMENT = (
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "LANG",
)  # what a fork server may know

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class Outcome(Generic[Answer]):
    """What came of a task: its own answer, and what the guard measured in the file before anything
    looked into it.
    """

    done: Answer
    sha256: str
    """Hexadecimal; "" unless it was asked for."""
    bytes: int


class Sandbox:
    """The process that tasks are born in: started with the first of them, and again should it have
    died. module: what it runs.
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
        """The process's number, where it runs."""
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
        **wanted: str,
    ) -> Outcome[Answer]:
        """Runs a task of `_tasks` on a file and gives its answer; what it makes is in `made`.
        Blocks for up to `SECONDS`.

        given: an open file of ours, or the path of somebody's, which is opened in the sandbox.
        shape: what the answer must be; who gives it may be in the hands of the file. high:
        megabytes that the file may have. digest: whether its SHA-256 is wanted.

        Raises InvalidInput with the task's own refusal, or one that says that opening takes too
        much, for what is no plain file ("file_missing", whatever stands in the way), and for one
        that is too large; StorageUnavailable where there was no room for what it made.
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
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
        ) as error:  # the child was ended, or gave what is no answer of ours
            reason = type(error).__name__
        if _is_full(
            made
        ):  # what it made may break off then, and a file that it refused is not to blame
            raise StorageUnavailable("disk_full")
        if done is not None:
            return done
        if reason is not None:
            log.warning("%s: the %s was given up (%s)", field, task, reason)
        raise refusal

    def _log_missing(self, without: Iterable[str]) -> None:
        """Logs once of each measure that this system does not allow."""
        known = {*confinement.BEFORE, *confinement.WITHIN}
        if new := [one for one in without if one in known and one not in self._missing]:
            self._missing.update(new)
            log.warning(
                "files are opened without %s, which this system does not allow", ", ".join(new)
            )

    def stop(self) -> None:
        """Ends the process and all that it has in hand."""
        with self._lock:
            self._end()

    def _answer(self, given: IO[bytes] | Path, made: IO[bytes], order: Order) -> dict[str, Any]:
        """Asked once more where nobody took the order: then the fork server has died this moment,
        or had no process to spare.
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
        """Hands over what a task needs."""
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
    """A fork server at the other end of a line, in a session of its own, so that Ctrl-C here does
    not end it in the middle of a task.
    """
    known = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    known["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parents[2]), known.get("PYTHONPATH")])
    )
    command = [
        sys.executable,
        "-P",
        "-W",
        "ignore",
        "-m",
        module,
    ]  # Pillow would warn of each oddity in a file
    return subprocess.Popen(  # noqa: S603 - our own program
        command, env=known, stdin=line.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
    )


def _locate(field: str, given: IO[bytes] | Path) -> Order:
    """Where a file lies, for the guard: links are followed here, by whoever may name them, and
    nowhere else.

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
    """Whether not a megabyte more goes into an open file. No codec can be relied on to say that it
    could not write, or not everything.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        return os.pwrite(file.fileno(), bytes(MEGABYTE), size) < MEGABYTE
    except OSError:
        return True
    finally:
        os.ftruncate(file.fileno(), size)


def _converse(line: socket.socket, order: Order) -> dict[str, Any]:
    """Sends an order and reads the answers to their end: the guard's, and after it the child's,
    which cannot take back what the guard has said.

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
