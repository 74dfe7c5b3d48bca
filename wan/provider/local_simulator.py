"""The bundled simulator in a process of its own: found if one serves this folder, else started.

Each user holds a shared lock on `users.lock`, which falls with the process however it ends; the
simulator leaves when nobody holds one. So the app and the command line share one simulator, and it
ends with the last of them.
"""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pydantic import SecretStr

from wan.domain.errors import SettingsError
from wan.domain.messages import Message
from wan.environment.connection import SIMULATOR_KEY, Connection
from wan.environment.settings import Settings

_START_LIMIT = 30.0  # seconds; a cold start on a busy machine takes about 3


class LocalSimulator:
    """A hold on the simulator of an OUTPUT_DIR. Everything here blocks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.output_dir.absolute() / "simulator"
        self._hold: IO[bytes] | None = None
        self._base_url = ""

    def start(self) -> Connection:
        """Find or start the simulator and keep it alive until `stop`. Raises SettingsError."""
        self.folder()
        self._hold = (self._folder / "users.lock").open("ab")
        try:
            fcntl.flock(self._hold, fcntl.LOCK_SH)  # waits for a simulator that is just leaving
        except OSError as error:
            given = f"{self._folder} ({error.strerror})"
            raise SettingsError.about(
                "OUTPUT_DIR", given, "a folder where files can be locked"
            ) from None
        with _hold_lock(self._folder / "start.lock"):
            self._base_url = self._find_server() or self._launch()
        return Connection(
            backend="simulator",
            base_url=self._base_url,
            region=self._settings.home_region,
            workspace="",
            key=SecretStr(SIMULATOR_KEY),
            currency=self._settings.currency,
        )

    def folder(self) -> Path:
        """Make the folder of its tasks and videos. Raises SettingsError if it is not writable."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name in ("users.lock", "start.lock", "server.lock"):
                (self._folder / name).open("ab").close()
        except OSError as error:
            given = f"{error.filename or self._folder} ({error.strerror})"
            raise SettingsError.about("OUTPUT_DIR", given, "a writable folder") from None
        return self._folder

    def restart_if_gone(self) -> None:
        """Start the simulator again, at its old address, if it is gone. Raises SettingsError."""
        with _hold_lock(self._folder / "start.lock"):
            if self._find_server() != self._base_url:
                self._launch(port=self._base_url.rpartition(":")[2].partition("/")[0])

    def stop(self) -> None:
        """Let go of it; it leaves when nobody else uses it."""
        if self._hold is not None:
            self._hold.close()
            self._hold = None

    def _find_server(self) -> str | None:
        """Return the base URL of the simulator that serves this folder, if one does."""
        try:
            base_url = str(json.loads((self._folder / "server.json").read_bytes())["base_url"])
            return base_url if _answers(base_url) else None
        # OSError: no file, no server, no answer in time.
        except (OSError, ValueError, KeyError, HTTPException):
            return None

    def _launch(self, port: str = "0") -> str:
        try:
            pid = self._spawn(port)
        except OSError as error:
            raise SettingsError(
                Message.of("simulator_down", message=f"{error.strerror}.")
            ) from None
        give_up = time.monotonic() + _START_LIMIT
        while time.monotonic() < give_up:
            if base_url := self._find_server():
                return base_url
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise SettingsError(self._say_why())
            time.sleep(0.05)
        raise SettingsError(Message.of("simulator_slow", seconds=round(_START_LIMIT)))

    def _say_why(self) -> Message:
        """Return why the simulator ended: its log's last line, if that is a reason."""
        log = ""
        with suppress(OSError):
            log = (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")
        reason = log.strip().rpartition("\n")[2]
        if not reason or reason.startswith("Simulator ready"):
            return Message.of("simulator_ended")
        return Message.of("simulator_down", message=reason)

    def _spawn(self, port: str) -> int:
        """Start it in a session of its own, so that Ctrl-C here does not end it for others."""
        given = (
            "--pending",
            str(self._settings.simulator_pending),
            "--running",
            str(self._settings.simulator_running),
        )
        command = [
            sys.executable,
            "-m",
            "wan.simulator",
            "--dir",
            str(self._folder),
            "--port",
            port,
            "--leave-when-unused",
            *given,
        ]
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        log = os.open(self._folder / "server.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
            return os.posix_spawn(
                sys.executable, command, environment, file_actions=actions, setsid=True
            )
        finally:
            os.close(log)


def _answers(base_url: str) -> bool:
    """Whether a simulator answers there. Raises OSError, ValueError or HTTPException.

    A bare connection: urllib's opener obeys proxies, and from Python 3.12 on makes a TLS context,
    which fails on an SSLKEYLOGFILE that cannot be written.
    """
    address = urlsplit(base_url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=5)
    with closing(connection):
        connection.request("GET", "/simulator/healthz")
        return connection.getresponse().status == HTTPStatus.OK


@contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, so that two processes that start at once launch one."""
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
