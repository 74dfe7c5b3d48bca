"""A process that works for some accounts: `python -m tests.worker [--hurried] LOG KEY...`, with
settings from the environment, until it is killed.

It is what a Studio runs in the background, for several keys at once. With `--hurried` before LOG
its time limits are short and stand in the same order as the real ones, so that whatever a killed
process leaves behind is taken over within seconds; on a busy machine a process may then lose what
it still holds. LOG gets a line for each request that it sends: when, which verb, which path.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr

from tests import warm
from wan.database.engine import Database
from wan.environment.settings import load_settings
from wan.provider import gateway
from wan.provider.gateway import Gateway
from wan.service import job_writer, reconcile, runner, submitting
from wan.service.runner import Runner
from wan.simulator.faults import verb_of
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage

LIMITS = {  # seconds
    gateway: {"SUBMIT_LIMIT": 3.0, "ASK_LIMIT": 3.0, "FILE_LIMIT": 3.0},
    runner: {"SUBMIT_LIMIT": 3.0, "LEASE": 8.0},
    reconcile: {"SUBMIT_LIMIT": 3.0},
    job_writer: {"HELD": 4.0},
    submitting: {"SUBMITTING_LEASE": 10.0, "_UPLOAD_LEASE": 8.0},
}
READY = "ready"


async def work(log: Path, keys: Sequence[str], *, hurried: bool) -> None:
    """Works until the process ends."""
    for module, limits in LIMITS.items() if hurried else ():
        for name, seconds in limits.items():
            setattr(module, name, seconds)
    settings = load_settings()
    connections = [
        settings.model_copy(update={"api_key": SecretStr(key)}).connection() for key in keys
    ]
    sends = Gateway()
    for connection in connections:
        sends.prepare(connection)
    _write_down_requests(sends, log)
    folder = settings.make_output_dir()
    storage = Storage(settings.storage, folder / "cache")
    worker = Runner(
        database=Database(settings.database),
        storage=storage,
        evidence=Evidence(folder, visitors=True, video_at=storage.path),
        gateway=sends,
        connections={connection.account: connection for connection in connections},
        poll_seconds=settings.poll_seconds,
        uncertain_seconds=settings.uncertain_seconds,
        changed=lambda: None,
    )
    print(READY, flush=True)
    await worker.run()


def _write_down_requests(sends: Gateway, log: Path) -> None:
    lines = log.open("a", buffering=1)

    async def note(request: httpx.Request) -> None:
        verb = verb_of(request.method, request.url.path)
        lines.write(json.dumps({"at": time.time(), "verb": verb, "path": request.url.path}) + "\n")

    for client in sends._http:
        client.event_hooks = {"request": [note]}


@dataclass
class Worker:
    """Such a process, as seen from the one that started it."""

    log: Path
    keys: Sequence[str]
    environment: dict[str, str]
    hurried: bool
    process: warm.Process | subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        """Starts it; `ready` tells when it works."""
        hurried = ["--hurried"] if self.hurried else []
        command = ["-m", "tests.worker", *hurried, self.log, *self.keys]
        with self.log.with_suffix(".err").open("ab") as said:
            self.process = warm.start(
                command,
                environment=self.environment,
                folder=warm.ROOT,
                stdout=subprocess.PIPE,
                stderr=said,
            )

    def ready(self) -> None:
        """Waits until it works."""
        if self.process.stdout.readline().strip() != READY:
            raise RuntimeError(self.log.with_suffix(".err").read_text())

    def kill(self) -> None:
        """Ends it at once, wherever it is: kill -9."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def requests(self) -> list[dict]:
        """What it has sent so far; a line that a kill cut is left out."""
        whole = self.log.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in whole]


@contextlib.contextmanager
def working(
    folder: Path,
    count: int,
    keys: Sequence[str],
    environment: dict[str, str],
    *,
    hurried: bool = False,
) -> Iterator[list[Worker]]:
    """So many processes, each with the same keys, that work inside the block. hurried: what one
    leaves behind when it is killed is taken over within seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    workers = [
        Worker(folder / f"worker{number}.log", keys, environment, hurried)
        for number in range(count)
    ]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.ready()
        yield workers
    finally:
        for worker in workers:
            worker.kill()


if __name__ == "__main__":
    hurried, given = sys.argv[1] == "--hurried", [one for one in sys.argv[1:] if one != "--hurried"]
    asyncio.run(work(Path(given[0]), given[1:], hurried=hurried))
