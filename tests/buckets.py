"""A real S3 server for the tests, which checks every signature: nanio, as a process on loopback.

It lies in a folder of its own (`tests/run.sh`): the extras of uvicorn that come with it would
change what the app runs on.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import warm
from tests.patience import PATIENCE

_PROGRAM = warm.ROOT / ".venv" / "nanio"
_KEY, _SECRET, _REGION = "AKIA-OF-THE-TESTS", "secret-of-the-tests", "cn-beijing"
_NAME = "films"


@dataclass(frozen=True)
class Bucket:
    """A bucket that is being served."""

    endpoint: str
    folder: Path
    """Where its objects lie, as files."""
    process: subprocess.Popen

    @property
    def settings(self) -> dict[str, str]:
        """The environment of an app that keeps its files there."""
        return {
            "WAN_STORAGE_URL": f"s3://{_NAME}/wan",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": _REGION,
        }

    def keys(self) -> set[str]:
        """The keys of its objects, below the app's prefix."""
        root = self.folder / "wan"
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Bucket]:
    """A bucket in this folder, which is made, at a free port."""
    if not (_PROGRAM / "nanio").is_dir():
        pytest.fail("no nanio: run `bash tests/run.sh`, which installs it")
    (folder / _NAME).mkdir(parents=True)
    host, port = "127.0.0.1", _free_port()
    said = folder.with_suffix(".log")
    environment = os.environ | {
        "PYTHONPATH": str(_PROGRAM),
        "NANIO_ACCESS_KEY": _KEY,
        "NANIO_SECRET_KEY": _SECRET,
    }
    command = [sys.executable, "-m", "nanio", "serve", "--data-dir", str(folder), "--host", host]
    options = ["--port", str(port), "--region", _REGION, "--no-access-log"]
    with said.open("wb") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=log, stderr=log, env=environment, cwd=folder.parent
        )
    try:
        give_up = time.monotonic() + PATIENCE
        while not _listens(host, port):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < give_up, said.read_text()
            time.sleep(0.02)
        yield Bucket(f"http://{host}:{port}", folder / _NAME, process)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
