"""A real S3 server for the tests, which checks every signature: nanio, as a process on loopback.

It lies in a folder of its own (`tests/run.sh`): the extras of uvicorn that come with it would
change what the app runs on.
"""

import contextlib
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import warm

_PROGRAM = warm.ROOT / ".venv" / "nanio"
_NAME = "studio"


@dataclass
class Bucket:
    """A bucket whose files lie in a folder, to look at; it can be away for a while."""

    folder: Path
    port: int = 0
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    log: Path | None = None
    """Where it writes a line for each request."""

    @property
    def endpoint(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The environment of an app that keeps its files there."""
        return {
            "WAN_STORAGE_URL": f"s3://{_NAME}/wan",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "cn-beijing",
            "AWS_ALLOW_HTTP": "true",
        }

    @property
    def files(self) -> Path:
        """Where its objects lie, as files, by the keys of the app."""
        return self.folder / _NAME / "wan"

    def list_keys(self, under: str = "") -> list[str]:
        """The keys that begin with a folder, as the storage names them."""
        found = (path for path in (self.files / under).rglob("*") if path.is_file())
        return sorted(path.relative_to(self.files).as_posix() for path in found)

    def start(self) -> None:
        """Returns when it answers: at first on a free port, and then on that one again."""
        if not (_PROGRAM / "nanio").is_dir():
            pytest.fail("no nanio: run `bash tests/run.sh`, which installs it")
        (self.folder / _NAME).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "uvicorn", "nanio.app:build_app", "--factory"]
        command += ["--port", str(self.port), *([] if self.log else ["--no-access-log"])]
        named = {
            "PYTHONPATH": str(_PROGRAM),
            "NANIO_ACCESS_KEY": self.key,
            "NANIO_SECRET_KEY": self.secret,
            "NANIO_DATA_DIR": str(self.folder),
        }
        with (self.log or Path(os.devnull)).open("ab") as log:
            self._process = subprocess.Popen(
                command, env=os.environ | named, stdout=log, stderr=subprocess.PIPE, text=True
            )
        said = []
        for line in self._process.stderr:
            said.append(line)
            if served := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(served[1])
                return
        raise RuntimeError("".join(said))

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stop(self) -> None:
        """At once: nobody answers any more."""
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()


@contextlib.contextmanager
def serving(folder: Path, log: Path | None = None) -> Iterator[Bucket]:
    """One whose files lie in `folder`. log: where it writes a line for each request."""
    bucket = Bucket(folder, log=log)
    bucket.start()
    try:
        yield bucket
    finally:
        bucket.stop()
