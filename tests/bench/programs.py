"""Apps as processes of their own, as an operator starts them: ours in the demo, and its peers."""

import contextlib
import fcntl
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.patience import PATIENCE

PEERS = Path(__file__).parent / "peers"
OURS, EMPTY, PLAIN = ROOT / "app.py", PEERS / "empty.py", PEERS / "plain.py"
_LEFT_OUT = ("DASHSCOPE_", "WAN_", "SPACE_", "GRADIO_", "PYTHON")
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Program:
    """An app that has answered its page."""

    url: str
    pid: int
    begun: float
    """When the process was started, in seconds of `time.monotonic`."""
    first_page: float
    """Seconds from there to the first 200 of its page."""

    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.begun

    def cpu(self) -> float:
        """Seconds of a core that the process has used so far, without others that it started."""
        # Linux's clock of another process, as clock_getcpuclockid(3) gives it: what /proc/PID/stat
        # has in hundredths of a second, in nanoseconds.
        return time.clock_gettime((~self.pid << 3) | 2)

    def answers(self, path: str) -> int:
        """The status of a path."""
        port = int(self.url.rpartition(":")[2])
        return _status(port, path, timeout=PATIENCE)


@contextlib.contextmanager
def running(script: Path, folder: Path) -> Iterator[Program]:
    """One of the scripts, with a new home and nothing of an earlier start in the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("ab") as log:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(script)],
            env=_environment(folder, port),
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for_page(process, port)
            first = time.monotonic() - begun
            yield Program(f"http://127.0.0.1:{port}", process.pid, begun, first)
        finally:
            process.terminate()
            process.wait(PATIENCE)
            _wait_for_simulator(folder)


def _environment(folder: Path, port: int) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_LEFT_OUT) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "HOME": str(folder),
        "OUTPUT_DIR": str(folder / "output"),
        "WAN_BACKEND": "simulator",
        "GRADIO_SERVER_PORT": str(port),
        "PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",  # nothing leaves this machine
    }


def _wait_for_page(process: subprocess.Popen, port: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _status(port, "/", timeout=PATIENCE) == 200:
                return
        time.sleep(_POLL_SECONDS)
    raise RuntimeError("the page is not answered")


def _wait_for_simulator(folder: Path) -> None:
    """Waits until the simulator has left, which would share the machine with what comes next."""
    lock = folder / "output/simulator/server.lock"
    if lock.exists():  # a peer has none
        with lock.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)


def _status(port: int, path: str, timeout: float) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
