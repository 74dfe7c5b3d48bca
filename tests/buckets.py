"""A real S3 server for tests: nanio, which checks signatures, as a process of its own."""

import contextlib
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NAME = "studio"


@dataclass
class Bucket:
    """A bucket whose files lie in a folder, to look at; it can be away for a while."""

    folder: Path
    port: int = 0
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What an app has in its environment whose storage this is."""
        return {
            "WAN_STORAGE_URL": f"s3://{_NAME}/some",
            "AWS_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def list_keys(self, under: str = "") -> list[str]:
        """The keys that begin with a folder, as the storage names them."""
        root = self.folder / _NAME / "some"
        files = (path for path in (root / under).rglob("*") if path.is_file())
        return sorted(path.relative_to(root).as_posix() for path in files)

    def start(self) -> None:
        """Returns when it answers: at first on a free port, and then on that one again."""
        (self.folder / _NAME).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "uvicorn", "nanio.app:build_app", "--factory"]
        command += ["--port", str(self.port), "--no-access-log"]
        named = {
            "NANIO_ACCESS_KEY": self.key,
            "NANIO_SECRET_KEY": self.secret,
            "NANIO_DATA_DIR": str(self.folder),
        }
        self._process = subprocess.Popen(
            command, env=os.environ | named, stderr=subprocess.PIPE, text=True
        )
        said = []
        for line in self._process.stderr:
            said.append(line)
            if served := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(served[1])
                return
        raise RuntimeError("".join(said))

    def stop(self) -> None:
        """At once: nobody answers any more."""
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Bucket]:
    """One whose files lie in `folder`."""
    bucket = Bucket(folder)
    bucket.start()
    try:
        yield bucket
    finally:
        bucket.stop()
