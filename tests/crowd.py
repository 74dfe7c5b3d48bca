"""Many jobs of many accounts for many processes: submitted here, worked on elsewhere
(tests/worker.py), and held against what the simulator knows.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from unittest import mock

from pydantic import SecretStr

from tests.blocking import Store
from tests.patience import PATIENCE
from tests.simulators import Simulator
from wan.domain.errors import NotAVideo
from wan.domain.jobs import Job, JobState, Spent
from wan.domain.requests import Request
from wan.environment.settings import Settings
from wan.media import encode
from wan.service.runner import Runner
from wan.service.studio import Studio


@dataclass(frozen=True)
class Order:
    """Something that is asked for, by whom, and with whose key. Its prompt is nobody else's."""

    key: str
    owner: str
    request: Request


@dataclass(frozen=True)
class Place:
    """One database and one storage in a folder, and the simulator that its processes talk to."""

    folder: Path
    simulator: Simulator
    uncertain_seconds: int = 8

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to work here."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DASHSCOPE_", "WAN_"))
        }
        return kept | {
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_BASE_URL": self.simulator.base_url,
            "OUTPUT_DIR": str(self.folder),
            "WAN_POLL_SECONDS": "1",
            "WAN_UNCERTAIN_SECONDS": str(self.uncertain_seconds),
        }

    def settings(self, key: str) -> Settings:
        """The same for this process."""
        return Settings(
            backend_wanted="dashscope",
            api_key=SecretStr(key),
            base_url=self.simulator.base_url,
            output_dir=self.folder,
            poll_seconds=1,
        )

    @property
    def database(self) -> Path:
        return self.folder / "wan.sqlite3"

    def made(self) -> "Place":
        """Makes the database, with a record of every step from state to state that any process
        writes.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        Store(f"sqlite:///{self.database}").close()
        with closing(sqlite3.connect(self.database)) as database:
            database.executescript("""
                CREATE TABLE steps (job TEXT, was TEXT, became TEXT);
                CREATE TRIGGER step AFTER UPDATE OF state ON jobs WHEN old.state <> new.state
                BEGIN INSERT INTO steps VALUES (new.id, old.state, new.state); END;
            """)
        return self

    def steps(self) -> list[tuple[str, str, str]]:
        """Every step so far: job, from, to."""
        return self._rows("SELECT job, was, became FROM steps ORDER BY rowid")

    def ended(self) -> int:
        """How many jobs have come to an end."""
        return int(self._rows("SELECT count(*) FROM jobs WHERE ended_at IS NOT NULL")[0][0])

    async def all_ended(self, count: int) -> None:
        """Waits until so many have. Raises TimeoutError."""
        async with asyncio.timeout(3 * PATIENCE):
            while await asyncio.to_thread(self.ended) < count:  # noqa: ASYNC110 - other processes write
                await asyncio.sleep(0.2)

    def _rows(self, query: str) -> list[tuple]:
        with closing(sqlite3.connect(self.database, timeout=30)) as database:
            return database.execute(query).fetchall()

    @asynccontextmanager
    async def viewer(self, key: str) -> AsyncIterator[Studio]:
        """A Studio that submits, follows and cancels, and leaves the work to others. Opened one
        after the other, never two in one moment.
        """

        async def no_work(_: Runner) -> None:
            await asyncio.Event().wait()

        async with AsyncExitStack() as opened:
            with mock.patch.object(Runner, "run", no_work):
                studio = await opened.enter_async_context(Studio(self.settings(key)))
            yield studio

    async def submit(self, orders: Sequence[Order]) -> list[Job]:
        """Writes jobs down."""
        jobs = []
        for key, several in groupby(
            sorted(orders, key=lambda order: order.key), lambda order: order.key
        ):
            async with self.viewer(key) as studio:
                jobs += [
                    await studio.submission.submit(order.request, owner=order.owner)
                    for order in several
                ]
        return jobs

    def now(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs as they stand now."""
        store = Store(f"sqlite:///{self.database}")
        try:
            return [
                found for job in jobs if (found := store.jobs.get(job.id, job.owner)) is not None
            ]
        finally:
            store.close()

    def untrue(self, jobs: Sequence[Job]) -> list[str]:
        """Every job that is lost, was created twice, or ended otherwise than the simulator knows
        it; empty when all is well.
        """
        standing = self.now(jobs)
        wrong = [f"{len(jobs) - len(standing)} jobs are gone"] if len(standing) < len(jobs) else []
        return wrong + list_untrue(standing, self.simulator.tasks(), self._unplayable)

    def _unplayable(self, job: Job) -> str:
        return why_unplayable(job, self.folder / "storage" / job.video_key)


def list_untrue(
    jobs: Sequence[Job], tasks: Sequence[dict], unplayable: Callable[[Job], str]
) -> list[str]:
    """Every job that ended otherwise than the simulator's tasks say, and every task beside those
    of the jobs: one that was created twice. unplayable: says what is wrong with a job's video.
    """
    left, wrong = {task["id"]: task for task in tasks}, []
    for job in jobs:
        task = left.pop(job.task_id or "", None)
        if said := _why_untrue(job, task, unplayable):
            at_service = task and task["state"]
            wrong.append(f"{job.id} {job.state}, spent {job.spent}, {at_service}: {said}")
    return wrong + [
        f"a task of no job: {one['id']}, {one['order']['prompt']}" for one in left.values()
    ]


def why_unplayable(job: Job, video: Path) -> str:
    """What is wrong with the file of a job's video; "" where it is well."""
    try:
        clip = encode.measure(video)
    except (NotAVideo, FileNotFoundError) as error:
        return f"its video does not open: {error}"
    return "" if clip.width == job.width else "its video is another's"


def _why_untrue(job: Job, task: dict | None, unplayable: Callable[[Job], str]) -> str:
    if job.task_id and (task is None or task["order"]["prompt"] != job.payload["input"]["prompt"]):
        return "its task is another's, or unknown to it"
    end = (job.state.value, job.spent, task["state"] if task else None)
    if end not in _TRUE_ENDS:
        return "not at an end that is true"
    return unplayable(job) if job.state is JobState.SUCCEEDED else ""


_TRUE_ENDS = {
    (JobState.SUCCEEDED.value, Spent.YES, "SUCCEEDED"),
    (JobState.FAILED.value, Spent.NO, None),
    (JobState.FAILED.value, Spent.NO, "FAILED"),
    (JobState.CANCELLED.value, Spent.NO, None),
    (JobState.CANCELLED.value, Spent.NO, "CANCELED"),
}
