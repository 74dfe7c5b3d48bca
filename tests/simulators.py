"""A simulator as a process, for tests and long runs."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests import plain_http, shared, warm


@dataclass(frozen=True)
class Simulator:
    """A simulator that serves: its root address, and its folder."""

    root: str
    folder: Path

    @property
    def base_url(self) -> str:
        return f"{self.root}/api/v1"

    @property
    def port(self) -> int:
        return urlsplit(self.root).port

    def stats(self) -> dict:
        return plain_http.get(f"{self.root}/simulator/stats").json()

    def task(self, task_id: str) -> dict:
        return plain_http.get(f"{self.root}/simulator/tasks/{task_id}").json()

    def tasks(self) -> list[dict]:
        """Every task that was ever created, as it lies on disk."""
        return [json.loads(path.read_bytes()) for path in (self.folder / "tasks").glob("*.json")]

    def set_fault(self, verb: str, fault: str, **more) -> None:
        """Answers wrongly from now on. more: count, host."""
        plain_http.post(
            f"{self.root}/simulator/faults", json={"verb": verb, "fault": fault, **more}
        ).raise_for_status()

    @contextlib.contextmanager
    def holding(self, state: str) -> Iterator[None]:
        """No task leaves this state, PENDING or RUNNING, inside the block."""
        plain_http.post(f"{self.root}/simulator/hold", json={"state": state}).raise_for_status()
        try:
            yield
        finally:
            plain_http.delete(f"{self.root}/simulator/hold").raise_for_status()

    def clear_faults(self) -> None:
        plain_http.delete(f"{self.root}/simulator/faults").raise_for_status()

    @contextlib.contextmanager
    def fault(self, verb: str, fault: str, **more) -> Iterator[None]:
        """Answers wrongly inside the block."""
        self.set_fault(verb, fault, **more)
        try:
            yield
        finally:
            self.clear_faults()


@contextlib.contextmanager
def serving(
    folder: Path, *options: str, environment: dict[str, str] | None = None
) -> Iterator[Simulator]:
    """Starts a simulator on a free port, which renders as quickly as it can, and ends it after the
    block.

    options: of its command line.
    """
    environment = (environment or dict(os.environ)) | shared.plain_films()
    command = [
        "-m",
        "wan.simulator",
        "--dir",
        str(folder),
        "--port",
        "0",
        "--preset",
        "ultrafast",
        *options,
    ]
    with warm.start(
        command, environment=environment, folder=warm.ROOT, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Simulator(process.stdout.readline().split()[-1].removesuffix("/api/v1"), folder)
        finally:
            process.terminate()
