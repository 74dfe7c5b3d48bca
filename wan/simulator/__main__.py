"""Serve a simulator: `python -m wan.simulator --dir DIR`.

One process per folder: it holds DIR/server.lock, says in DIR/server.json where it listens, and
leaves with code 3 when another one is there. With `--leave-when-unused` it ends when nobody holds a
shared lock on DIR/users.lock any more; it keeps that lock to itself until it is gone, so that
whoever comes next waits for it and then starts a fresh one.
"""

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn

import uvicorn

from .app import Setup, create_app
from .events import EventTarget
from .faults import FaultBoard
from .films import PRESET, Style
from .tasks import Pace

ALREADY_RUNNING = 3  # exit code
SETTLING_SECONDS = 3  # after the start, in which users may still be on their way
LAST_WORDS_SECONDS = 0.3  # for answers that are under way when the end comes
TICKS_PER_SECOND = 10  # uvicorn's


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to leave; the exit code. `arguments` are those of the command line."""
    parser = _make_parser()
    options = parser.parse_args(arguments)
    try:
        board = _faults(options.fault)
    except ValueError as wrong:
        parser.error(str(wrong))
    try:
        options.dir.mkdir(parents=True, exist_ok=True)
        lock = (options.dir / "server.lock").open("a")
    except OSError as refused:
        parser.error(f"cannot write to {options.dir}: {refused.strerror}")
    if not _try_lock(lock):
        sys.stderr.write(f"A simulator already serves this folder: {_where(options.dir)}\n")
        return ALREADY_RUNNING
    for leave in (signal.SIGTERM, signal.SIGINT):
        signal.signal(
            leave,
            _leave,
            # uvicorn has its own in between, and passes the signal on to this one when it has shut
            # down
        )
    try:
        listening = socket.create_server((options.host, options.port))
    except OSError as taken:
        parser.error(f"cannot listen on {options.host}:{options.port}: {taken}")
    with contextlib.suppress(SystemExit):
        _serve(options, board, listening)
    return 0


def _serve(options: argparse.Namespace, board: FaultBoard, listening: socket.socket) -> None:
    # asyncio sets this only on sockets that were made with their protocol named; without it each
    # answer waits 40 ms for an acknowledgement.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    pace = Pace(options.pending, options.running, options.expire)
    style = Style(options.preset, still=options.still, plain=options.plain)
    app = create_app(Setup(options.dir, pace, style, events=options.events), board)
    users = (options.dir / "users.lock").open("a") if options.leave_when_unused else None
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        workers=1,  # else it reads WEB_CONCURRENCY
    )
    base_url = f"http://{options.host}:{listening.getsockname()[1]}/api/v1"
    with _announce(options.dir / "server.json", base_url, listening.getsockname()[1]):
        Server(config, users).run(sockets=[listening])


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")


class Server(uvicorn.Server):
    """uvicorn, leaving by itself when unused, and in any case without waiting for clients that do
    not let go.
    """

    def __init__(self, config: uvicorn.Config, users: IO[str] | None) -> None:
        super().__init__(config)
        self._users, self._started = users, time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second; true ends the server."""
        return await super().on_tick(counter) or (
            counter % TICKS_PER_SECOND == 0 and self._is_unused()
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give answers that are under way a moment, then cut what is left."""
        asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._cut)
        await super().shutdown(sockets)

    def _is_unused(self) -> bool:
        settled = time.monotonic() - self._started >= SETTLING_SECONDS
        return self._users is not None and settled and _try_lock(self._users)

    def _cut(self) -> None:
        for connection in self.server_state.connections:
            if connection.transport is not None:
                connection.transport.abort()


def _try_lock(file: IO[str]) -> bool:
    """Take an exclusive lock that lasts as long as the process; false if somebody else is in the
    way.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _where(folder: Path, patience: float = 2) -> str:
    """The address of the simulator that serves a folder; it may be starting, so wait up to
    `patience` seconds for it to say.
    """
    until = time.monotonic() + patience
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError):
            return str(json.loads((folder / "server.json").read_text())["base_url"])
        time.sleep(0.05)
    return "it has not said where"


@contextlib.contextmanager
def _announce(path: Path, base_url: str, port: int) -> Iterator[None]:
    writing = path.with_suffix(".part")
    writing.write_text(json.dumps({"port": port, "pid": os.getpid(), "base_url": base_url}))
    writing.replace(path)
    sys.stdout.write(f"Simulator ready: {base_url}\n")
    sys.stdout.flush()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _faults(texts: Sequence[str]) -> FaultBoard:
    """Read VERB:FAULT[:COUNT]. Raises ValueError."""
    board = FaultBoard()
    for text in texts:
        verb, _, rest = text.partition(":")
        fault, _, count = rest.partition(":")
        if count and not count.isdecimal():
            raise ValueError(f"no such count: {text}")
        board.set(verb, fault, int(count) if count else None)
    return board


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError("allowed is a port, 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (seconds := float(text)) <= 10**9:
            return seconds
    raise argparse.ArgumentTypeError("allowed are seconds, 0 or more")


def _event_target(url: str) -> EventTarget:
    try:
        return EventTarget(url, os.environ.get("WAN_EVENT_SECRET", ""))
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m wan.simulator",
        description="A local stand-in for the video service of Alibaba Model Studio.",
    )
    parser.add_argument(
        "--dir", type=Path, required=True, help="folder for tasks, uploads and videos"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8400,
        help="port to listen on; 0 takes any free one (default: %(default)s)",
    )
    for name, seconds, about in (
        ("--pending", 2, "time that a task waits"),
        ("--running", 6, "time that a task runs at least"),
        ("--expire", 86400, "age at which tasks are forgotten"),
    ):
        parser.add_argument(
            name,
            type=_seconds,
            default=seconds,
            metavar="SECONDS",
            help=f"{about} (default: %(default)s)",
        )
    parser.add_argument(
        "--leave-when-unused",
        action="store_true",
        help="end when nobody holds a lock on DIR/users.lock",
    )
    parser.add_argument(
        "--events",
        type=_event_target,
        metavar="URL",
        help="where to announce the end of each task, on this machine; WAN_EVENT_SECRET in the "
        "environment is sent as a Bearer token",
    )
    _add_film_options(parser)
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="VERB:FAULT[:COUNT]",
        help="make a verb fail; may be repeated",
    )
    return parser


def _add_film_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default=PRESET, help="x264's preset (default: %(default)s)")
    parser.add_argument(
        "--still",
        action="store_true",
        help="films in which nothing moves; they are made five times as fast",
    )
    # The environment says it to the simulator that the app starts.
    plain = os.environ.get("WAN_SIMULATOR_PLAIN") or None
    parser.add_argument(
        "--plain",
        type=Path,
        default=plain,
        metavar="FOLDER",
        help="films of one colour, each kind made once and kept there, for tests",
    )


if __name__ == "__main__":
    sys.exit(main())
