"""Processes that start at once: forked from a parent in which Gradio, the app and the simulator are
imported already.

Importing them takes three seconds of a core, which every app of the tests would pay. What is forked
is the same program with the same environment; what is read at import (`_READ_AT_IMPORT`) has a
process of its own. Without a parent (benches, screenshots) everything has.
"""

import atexit
import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
_OURS = ("DASHSCOPE_", "WAN_", "SPACE_", "GRADIO_")
_READ_AT_IMPORT = ("SPACE_", "HF_", "GRADIO_", "SSL", "LOG_LEVEL", "LANG", "LC_", "PYTHON")
_NOT_SO = (
    "GRADIO_SERVER_",
    "GRADIO_TEMP_DIR",
    "GRADIO_MCP_SERVER",
    "GRADIO_ANALYTICS_",
)  # read by us, read later, set by our own import
_IMPORTED = (
    "tests.certificates",
    "dashscope",
    "wan.cli.main",
    "wan.simulator.app",
    "wan.ui.page",
    "wan.ui.server",
    "gradio.http_server",
)
_SIGNALS = {
    signal.SIGCHLD: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}  # of a program that has just begun
_parent: list["_Parent"] = []


@dataclass
class Process:
    """A forked process, used as one of `subprocess` is."""

    args: list[str]
    pid: int
    line: socket.socket = field(repr=False)
    """On which its parent tells its end."""
    stdout: IO[str] | None = field(default=None, repr=False)
    stderr: IO[str] | None = field(default=None, repr=False)
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, if it has ended; minus the signal that ended it."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end. Raises subprocess.TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal to it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self.line.settimeout(timeout)
            with suppress(TimeoutError, BlockingIOError):
                code = self.line.recv(64)
                self.returncode = (
                    int(code) if code else -signal.SIGKILL
                )  # its parent is gone, and it went with it
                self.line.close()
        return self.returncode


def start(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    stdin: int = subprocess.DEVNULL,
    stdout: IO[Any] | int | None = None,
    stderr: IO[Any] | int | None = None,
    files: int = 0,
) -> "Process | subprocess.Popen[str]":
    """Starts `python ARGUMENTS`: a script, or `-m` and a module.

    stdin: a descriptor, or nothing to be read. stdout, stderr: as `subprocess.Popen` takes them.
    files: how many it may have open, if not as many as we.
    """
    arguments = [str(one) for one in arguments]
    if _parent and not _is_read_at_import(environment):
        return _parent[0].start(
            _Order(arguments, dict(environment), str(folder), files), stdin, stdout, stderr
        )
    limited = ["sh", "-c", f'ulimit -n {files} && exec "$0" "$@"'] if files else []
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    return subprocess.Popen(
        [*limited, sys.executable, *arguments],
        env=dict(environment),
        cwd=folder,
        text=True,
        **streams,
    )


def run(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    timeout: float = 120,
) -> "subprocess.CompletedProcess[str]":
    """As `start`, to its end. Gives its exit code and what it said."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = start(
            arguments, environment=environment, folder=folder, stdout=stdout, stderr=stderr
        )
        try:
            process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        for stream in (stdout, stderr):
            stream.seek(0)
        return subprocess.CompletedProcess(
            process.args, process.returncode, stdout.read(), stderr.read()
        )


def _is_read_at_import(environment: Mapping[str, str]) -> bool:
    before = _environment()
    changed = {
        name
        for name in environment.keys() | before.keys()
        if environment.get(name) != before.get(name)
    }
    return any(
        (name.startswith(_READ_AT_IMPORT) and not name.startswith(_NOT_SO))
        or name.lower().endswith("_proxy")
        for name in changed
    )


def _environment() -> dict[str, str]:
    """The environment in which the parent imports: without settings, keys and proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'guard'}",
        "OPENBLAS_NUM_THREADS": "1",
    }


@contextmanager
def parent() -> Iterator[None]:
    """Inside the block `start` forks. The parent itself starts when it is needed first."""
    _parent.append(_Parent())
    try:
        yield
    finally:
        _parent.pop().close()


@dataclass
class _Order:
    """What is to be forked."""

    arguments: list[str]
    environment: dict[str, str]
    folder: str
    files: int


class _Parent:
    """This end of the line to the process that forks."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, order: _Order, *streams: IO[Any] | int | None) -> Process:
        """See the function of this name."""
        line, telling = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )  # so that its number and its end come apart
        with ExitStack() as opened:
            written = opened.enter_context(tempfile.TemporaryFile())
            written.write(json.dumps(asdict(order)).encode())
            written.flush()
            ends = [_end(opened, stream, number) for number, stream in enumerate(streams)]
            socket.send_fds(
                self._line(),
                [b"."],
                [written.fileno(), telling.fileno(), *(theirs for theirs, _ in ends)],
            )
            telling.close()
        return Process(order.arguments, int(line.recv(64)), line, *(ours for _, ours in ends[1:]))

    def close(self) -> None:
        """Ends it, and what it has forked."""
        if self._process is not None:
            self._ours.close()
            self._process.wait()

    def _line(self) -> socket.socket:
        if self._process is None:
            self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
            pipes = {"stdin": subprocess.DEVNULL, "pass_fds": [theirs.fileno()]}
            self._process = subprocess.Popen(command, env=_environment(), cwd=ROOT, **pipes)
            theirs.close()
        return self._ours


def _end(
    opened: ExitStack, stream: IO[Any] | int | None, number: int
) -> tuple[int, IO[str] | None]:
    """The descriptor of a stream of the other process, and where it is a pipe the end that is ours.
    number: of ours, which it has otherwise.
    """
    if stream is None:
        return number, None
    if stream == subprocess.DEVNULL:
        return opened.enter_context(Path(os.devnull).open("r+b")).fileno(), None
    if stream == subprocess.PIPE:
        reader, writer = os.pipe()
        opened.callback(os.close, writer)
        return writer, os.fdopen(reader)
    return stream if isinstance(stream, int) else stream.fileno(), None


# in the parent ------------------------------------------------------------------------------------


class _Forker:
    """Forks for each order until nobody is at the other end of its line."""

    def __init__(self, line: socket.socket) -> None:
        self._line, self._alive = line, dict[int, int]()
        self._waking, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # a terminal sends it to all; the end of the line tells

    def serve(self) -> _Order | None:
        """Gives the order in a forked process, and nothing in the parent, at its end."""
        while True:
            ready, _, _ = select.select([self._line, self._waking], [], [])
            if self._waking in ready:
                self._waking.recv(4096)
                self._tell_ends()
            if self._line in ready:
                word, descriptors, _, _ = socket.recv_fds(self._line, 1, 5)
                if not word:
                    break
                if (order := self._fork(*descriptors)) is not None:
                    return order
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)
        return None

    def _fork(self, written: int, teller: int, *streams: int) -> _Order | None:
        with os.fdopen(written, "rb") as order:
            order.seek(0)
            given = _Order(**json.load(order))
        pid = os.fork()
        if pid == 0:
            self._leave(teller)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
        else:
            self._alive[pid] = teller
            os.write(teller, str(pid).encode())
        for stream in streams:
            os.close(stream)
        return given if pid == 0 else None

    def _leave(self, teller: int) -> None:
        """Lets go of all that is the parent's."""
        signal.set_wakeup_fd(-1)
        for number, handler in _SIGNALS.items():
            signal.signal(number, handler)
        for one in (self._line, self._waking, self._wake):
            one.close()
        for descriptor in (teller, *self._alive.values()):
            os.close(descriptor)

    def _tell_ends(self) -> None:
        for pid in list(self._alive):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                teller = self._alive.pop(pid)
                with suppress(OSError):  # nobody listens any more
                    os.write(teller, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(teller)


def _imported() -> dict[str, str]:
    """Imports what the programs import; none of it may start a thread, which no fork would have.
    Gives what this sets in the environment.
    """
    before = dict(os.environ)
    for name in _IMPORTED:
        importlib.import_module(name)
    importlib.import_module("wan.web.templating").compile_templates()
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


def _become(order: _Order, set_by_import: dict[str, str]) -> None:
    """Goes on as the program."""
    if order.files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (order.files, order.files))
    os.environ.clear()
    os.environ.update(set_by_import | order.environment)
    time.tzset()
    os.chdir(order.folder)
    program, *further = order.arguments
    if program == "-m":
        sys.argv, sys.path[0] = further, order.folder
        runpy.run_module(further[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = order.arguments, str(Path(program).parent)
        runpy.run_path(program, run_name="__main__")


def _exit(code: int) -> None:
    """Ends the process as Python does at the end of a program, but for freeing what was imported:
    that takes nine tenths of a short life.

    Returns where an output takes no more, since Python has an answer of its own to that.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()  # what the program has left to its end speaks up now
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


if __name__ == "__main__":
    changes = _imported()
    # what is imported stays: no collection of a forked process writes to its pages, which would
    # copy them
    gc.freeze()
    told = _Forker(socket.socket(fileno=int(sys.argv[1]))).serve()
    if told is not None:
        code: Any = 0
        try:
            _become(told, changes)
        except SystemExit as end:
            code = end.code
        if code is None or isinstance(code, int):
            _exit(code or 0)
        sys.exit(code)
