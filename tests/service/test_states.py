"""No sequence of clicks, crashes and answers leads outside the table of states, buys anything
twice, or loses what was bought.

The database, the storage and the runner are the real ones. The service is a model of one: no real
one can be told what to answer at each step.
"""

import asyncio
import itertools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from tests.blocking import Store
from tests.pictures import clip
from wan.database.schema import JOBS, METADATA
from wan.domain.errors import (
    BadResponse,
    KeyRefused,
    NotSent,
    Refused,
    SubmissionUnknown,
    Throttled,
)
from wan.domain.jobs import TRANSITIONS, Job, JobState, Spent
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.provider.wire import Accepted, TaskSnapshot, TaskStatus
from wan.service import polling, tasks
from wan.service.runner import Runner
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage

HOUR = 3600.0
BRIEF = "b"  # of every job here
CONNECTION = Connection(
    backend="dashscope",
    base_url="https://example.com/api/v1",
    region="",
    workspace="",
    key=SecretStr("sk-test1234"),
)
SAID = Message.of("not_reached")
ANSWERS = [
    "accepted",
    "accepted",
    "never left",
    "429",
    "refused",
    "401",
    "lost before",
    "lost after",
    "lost after",
    "crash",
]
TROUBLES = [None, None, None, BadResponse, Throttled, KeyRefused]


@dataclass
class Task:
    """A task at the service."""

    prompt: str
    created: float
    status: TaskStatus = TaskStatus.PENDING


class Service:
    """A service that answers as the machine has told it to."""

    def __init__(self, clock, video: Path) -> None:
        self.clock, self.video = clock, video
        self.tasks: dict[str, Task] = {}
        self.answer, self.trouble = "accepted", None
        self._numbers = itertools.count()

    async def submit(self, connection, payload):
        refusals = {
            "never left": NotSent,
            "429": Throttled,
            "refused": Refused,
            "401": KeyRefused,
            "lost before": SubmissionUnknown,
        }
        if self.answer in refusals:
            raise refusals[self.answer](SAID, code="Code")
        task_id = f"task{next(self._numbers)}"
        self.tasks[task_id] = Task(payload["input"]["prompt"], self.clock())
        if self.answer == "lost after":
            raise SubmissionUnknown(SAID)
        if self.answer == "crash":
            raise asyncio.CancelledError
        return Accepted(task_id, "request")

    def _ask(self):
        if self.trouble is not None:
            raise self.trouble(SAID, status=401)

    async def fetch(self, connection, task_id):
        self._ask()
        task = self.tasks.get(task_id)
        if task is None or self.clock() - task.created > 24 * HOUR:
            return TaskSnapshot(TaskStatus.UNKNOWN, "r")
        prompt = task.prompt if task.status is TaskStatus.SUCCEEDED else ""
        return TaskSnapshot(
            task.status, "r", "https://a.aliyuncs.com/v.mp4", prompt, billed_seconds=2
        )

    async def cancel(self, connection, task_id):
        self._ask()
        if (task := self.tasks.get(task_id)) is None or task.status is not TaskStatus.PENDING:
            return False
        task.status = TaskStatus.CANCELED
        return True

    async def list_recent(self, connection, model):
        self._ask()
        return {
            name: task.created
            for name, task in self.tasks.items()
            if self.clock() - task.created <= 24 * HOUR
        }

    async def download(self, connection, url, part):
        self._ask()
        shutil.copyfile(self.video, part)


class Lives(RuleBasedStateMachine):
    """Any life that jobs can have. store: of which every life has all, after the other. video: what
    the service makes.
    """

    def __init__(self, store: Store, video: Path) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="wan-states-"))
        self.now = 1_000_000.0
        self.store = store
        empty(store)
        self.evidence = Evidence(self.folder, visitors=True, video_at=lambda _: None)
        self.service = Service(lambda: self.now, video)
        self.seen: dict[str, JobState] = {}
        self.numbers = itertools.count()
        self.loop = asyncio.Runner()
        # What may come next hangs on this and not on the jobs: they run side by side, and which of
        # two is first differs from run to run.
        self.clicks = 0

    def teardown(self) -> None:
        self.loop.close()
        self.evidence.close()
        shutil.rmtree(self.folder)

    def jobs(self) -> list[Job]:
        found = {job.id: job for job in self.store.jobs.list_brief("owner", BRIEF)}
        return [found[name] for name in self.seen]

    @rule(same=st.booleans())
    @precondition(lambda self: self.clicks < 6)
    def click_generate(self, same):
        self.clicks += 1
        number = next(self.numbers)
        kind = "same" if same else f"kind{number}"
        job = Job(
            id=f"job{number}",
            owner="owner",
            account=CONNECTION.account,
            backend="dashscope",
            base_url=CONNECTION.base_url,
            region="",
            workspace="",
            model="wan2.6-i2v-flash",
            due_at=self.now,
            brief_id=BRIEF,
            created_at=self.now + number / 1000,
            state_at=self.now,
            media_token=f"token{number}",
            cache_key=kind,
            request={"duration": 2, "size": "720P", "fps": None, "audio": True},
            payload={"input": {"prompt": f"prompt {number}"}},
        )
        added = self.store.add(job)
        self.seen.setdefault(added.id, added.state)

    @rule(number=st.integers(0, 5))
    @precondition(lambda self: self.clicks)
    def click_cancel(self, number):
        job = self.jobs()[number % len(self.seen)]
        if job.live and job.state not in (JobState.RUNNING, JobState.FETCHING):
            self.store.queue.request_cancel(job, self.now)

    @rule(
        number=st.integers(0, 9),
        status=st.sampled_from([TaskStatus.RUNNING, TaskStatus.SUCCEEDED, TaskStatus.FAILED]),
    )
    def a_task_goes_on(self, number, status):
        going = [
            task
            for task in self.service.tasks.values()
            if task.status in (TaskStatus.PENDING, TaskStatus.RUNNING)
        ]
        if going:
            going[number % len(going)].status = status

    @rule()
    def somebody_else_uses_the_account(self):
        self.service.tasks[f"foreign{next(self.numbers)}"] = Task(
            "of somebody else", self.now, TaskStatus.SUCCEEDED
        )

    @rule(
        answer=st.sampled_from(ANSWERS),
        trouble=st.sampled_from(TROUBLES),
        later=st.sampled_from([1.0, 30.0, 200.0, 1000.0, 7 * HOUR]),
    )
    def the_runner_works(self, answer, trouble, later):
        self.now += later
        self.service.answer, self.service.trouble = answer, trouble
        self.loop.run(self._work())

    async def _work(self):
        runner = Runner(
            database=self.store.database,
            storage=Storage((self.folder / "storage").as_uri(), self.folder / "cache"),
            gateway=self.service,
            connections={CONNECTION.account: CONNECTION},
            evidence=self.evidence,
            poll_seconds=15,
            uncertain_seconds=900,
            changed=self._look,
            clock=lambda: self.now,
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                tasks, "_GAPS", {"submit_at": 0.0, "query_at": 0.0}
            )  # nobody waits in real time
            await runner.run_once()

    @invariant()
    def what_is_promised_holds(self):
        self._look()
        jobs = self.jobs()
        self._nothing_is_bought_twice()
        self._nothing_that_was_bought_is_forgotten(jobs)
        self._what_is_said_to_be_spent_is_true(jobs)

    def _look(self):
        """Every change that anybody can see is a way of the table."""
        with self.store.database.reading() as connection:
            # no more of a row than its state: this is done after every write
            states = connection.execute(sa.select(JOBS.c.id, JOBS.c.state)).all()
        for name, state in states:
            before, after = self.seen[name], JobState(state)
            assert after is before or reachable(before, after), f"{before} to {after}"
            self.seen[name] = after

    def _nothing_is_bought_twice(self):
        bought = [
            task.prompt
            for name, task in self.service.tasks.items()
            if not name.startswith("foreign")
        ]
        assert len(bought) == len(set(bought))

    def _nothing_that_was_bought_is_forgotten(self, jobs):
        prompts = {job.payload["input"]["prompt"]: job for job in jobs}
        assert not [
            job for job in prompts.values() if job.task_id and job.task_id.startswith("foreign")
        ]
        for task_id, task in self.service.tasks.items():
            job = prompts.get(task.prompt)
            if job is None:
                continue
            if job.task_id is None:
                assert (
                    job.state in (JobState.SUBMITTING, JobState.UNCERTAIN, JobState.EXPIRED)
                    or task.status is not TaskStatus.SUCCEEDED
                )
            else:
                assert job.task_id == task_id
            if job.state is JobState.CANCELLED:
                assert task.status is TaskStatus.CANCELED

    def _what_is_said_to_be_spent_is_true(self, jobs):
        for job in jobs:
            task = self.service.tasks.get(job.task_id or "")
            if job.state is JobState.SUCCEEDED:
                assert job.spent is Spent.YES
                assert job.video_key
                assert job.width == 64
            if not job.live and job.spent is Spent.NO:
                assert task is None or task.status is not TaskStatus.SUCCEEDED


def reachable(before: JobState, after: JobState) -> bool:
    """Whether a table's way, or several, leads there: a drive may take several steps before anybody
    looks.
    """
    ways, new = set(), {before}
    while new:
        new = {way for state in new for way in TRANSITIONS[state]} - ways
        ways |= new
    return after in ways


def empty(store: Store) -> None:
    """Takes every row out of a database: sooner done than making a new one."""
    with store.database.writing() as connection:
        for table in reversed(METADATA.sorted_tables):
            if table.name != "keys":
                connection.execute(table.delete())


def test_any_life(store, tmp_path):
    video = clip(tmp_path / "made.mp4", seconds=0.2, size=(64, 64))
    many = settings(
        max_examples=100,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(lambda: Lives(store, video), settings=many)


def test_pauses_grow_and_end():
    pauses = [polling.next_poll_delay(15, attempts) for attempts in range(10)]
    assert all(13 < pause < 320 for pause in pauses)
    assert polling.next_poll_delay(15, 0, retry_after=100) > 94
