"""One step of the runner at a time, over a real database and storage; the service is a stand-in
that says what each test needs.
"""

import asyncio
import contextlib
import threading
from dataclasses import replace

import pytest
from pydantic import SecretStr

from tests.blocking import Store
from tests.database.test_store import job as row
from tests.patience import PATIENCE
from wan.domain import catalog
from wan.domain.errors import KeyRefused, Refused, SubmissionUnknown, Throttled
from wan.domain.jobs import Job, JobState, Reference, Spent
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.provider.gateway import Gateway
from wan.provider.wire import Accepted, TaskSnapshot, TaskStatus
from wan.service import job_writer, polling, runner
from wan.service.runner import Runner
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage

pytestmark = pytest.mark.anyio

NOW = 1_000_000.0
CONNECTION = Connection(
    backend="dashscope",
    base_url="https://example.com/api/v1",
    region="",
    workspace="",
    key=SecretStr("sk-test1234"),
)
URL = "https://example.com/a.png"


class Service:
    """Takes what it is sent, knows no task, and counts both. outcome: raised in place of an answer
    to the paid request.
    """

    def __init__(self) -> None:
        self.sent, self.asked = 0, 0
        self.outcome: Exception | None = None

    async def submit(self, connection, body):
        self.sent += 1
        if self.outcome is not None:
            raise self.outcome
        return Accepted("task", "request")

    async def fetch(self, connection, task_id):
        self.asked += 1
        return TaskSnapshot(TaskStatus.UNKNOWN, "request")

    async def upload(self, connection, model, path, name):
        return "oss://uploaded"


class Stage:
    """A runner at a moment that a test chooses."""

    def __init__(self, store: Store, folder, poll_seconds: float | None = 15) -> None:
        self.now, self.store, self.service = NOW, store, Service()
        self.storage = Storage((folder / "storage").as_uri(), folder / "cache")
        self.evidence = Evidence(folder, visitors=True, video_at=lambda _: None)
        self.runner = Runner(
            database=store.database,
            storage=self.storage,
            gateway=self.service,
            connections={CONNECTION.account: CONNECTION},
            evidence=self.evidence,
            poll_seconds=poll_seconds,
            uncertain_seconds=900,
            changed=lambda: None,
            clock=lambda: self.now,
        )

    def add(self, number: int, state: JobState, **changes) -> Job:
        """A job in a state, due now."""
        fresh = row(
            number,
            backend="dashscope",
            account=CONNECTION.account,
            due_at=self.now,
            state_at=self.now,
            created_at=self.now,
        )
        given = {
            "references": [Reference(kind="image", url=URL)],
            "payload": {"input": {"prompt": "x", "img_url": "reference:0"}},
        } | changes
        return self.store.add(replace(fresh, state=state, **given))

    async def runs(self, job: Job, later: float = 0.0) -> Job:
        """The job after everything that is due by then has been done."""
        self.now += later
        await self.runner.run_once()
        return self.store.jobs.get(job.id, job.owner)


@pytest.fixture
def stage(store, tmp_path):
    opened = Stage(store, tmp_path)
    yield opened
    opened.evidence.close()


async def test_what_was_cancelled_while_its_references_went_up_is_not_sent(stage):
    job = await stage.runs(stage.add(1, JobState.UPLOADING, cancel_wanted=True))
    assert (job.state, job.spent, stage.service.sent) == (JobState.CANCELLED, Spent.NO, 0)


async def test_nothing_is_sent_beside_another_request_of_the_account_that_is_not_answered_yet(
    stage,
):
    stage.add(1, JobState.SUBMITTING, due_at=NOW + 100)
    job = await stage.runs(stage.add(2, JobState.UPLOADING))
    assert (job.state, stage.service.sent) == (JobState.UPLOADING, 0)


async def test_a_request_whose_answer_is_lost_is_in_question_and_one_that_was_put_off_is_sent_again(
    stage,
):
    stage.service.outcome = SubmissionUnknown(Message.of("uncertain"))
    lost = await stage.runs(stage.add(1, JobState.UPLOADING))
    assert (lost.state, lost.spent, stage.service.sent) == (JobState.UNCERTAIN, Spent.MAYBE, 1)
    stage.service.outcome = Throttled(Message.of("not_reached"))
    other = await stage.runs(stage.add(2, JobState.UPLOADING))
    assert (other.state, other.spent, stage.service.sent) == (JobState.QUEUED, Spent.NO, 2)


async def test_a_quota_that_stays_used_up_is_waited_for_a_minute_and_no_longer(stage):
    stage.service.outcome = Throttled(
        Message.of("quota_used_up", code="Throttling.AllocationQuota"),
        code="Throttling.AllocationQuota",
    )
    job = await stage.runs(stage.add(1, JobState.UPLOADING))
    began = stage.now
    for _ in range(6):
        assert (job.state, job.said.key) == (JobState.QUEUED, "quota_used_up_waits")
        job = await stage.runs(job, job.due_at - stage.now)
    assert (job.state, job.spent, job.said.key, job.code) == (
        JobState.FAILED,
        Spent.NO,
        "quota_used_up",
        "Throttling.AllocationQuota",
    )
    assert 50 < stage.now - began < 80
    assert stage.service.sent == 7


async def test_a_job_on_its_way_waits_for_what_is_the_matter_with_the_account(stage):
    async def fetch(*_):
        raise KeyRefused(
            Message.of("workspace_denied", code="Workspace.AccessDenied"),
            code="Workspace.AccessDenied",
            status=403,
        )

    stage.service.fetch = fetch
    job = await stage.runs(stage.add(1, JobState.RUNNING, task_id="task", submitted_at=NOW))
    assert (job.state, job.said.key) == (JobState.RUNNING, "workspace_denied_waits")
    assert "You weren't charged" not in str(job.said)


async def test_a_task_that_the_service_does_not_know_is_waited_for_until_nobody_can_know_it(stage):
    job = stage.add(1, JobState.PENDING, task_id="task", submitted_at=NOW)
    assert (await stage.runs(job)).state is JobState.PENDING
    assert (await stage.runs(job, catalog.TASK_LIFETIME - 1)).state is JobState.PENDING
    ended = await stage.runs(job, 1000)
    assert (ended.state, ended.spent, stage.service.asked) == (JobState.EXPIRED, Spent.MAYBE, 3)
    await stage.runs(job, catalog.TASK_LIFETIME)
    assert stage.service.asked == 3, "what has ended is not asked for any more"


async def test_only_downloads_in_a_row_that_do_not_open_end_a_video_that_is_paid_for(stage):
    async def fetch(*_):
        return TaskSnapshot(TaskStatus.SUCCEEDED, "request", video_url="https://example.com/v.mp4")

    async def download(connection, url, part):
        part.write_bytes(b"<html>")

    stage.service.fetch, stage.service.download = fetch, download
    job = await stage.runs(
        stage.add(
            1, JobState.FETCHING, task_id="task", submitted_at=NOW, fetching_at=NOW, attempts=9
        )
    )
    assert (job.state, job.attempts) == (JobState.FETCHING, 1), (
        "trouble of another kind does not count"
    )
    for _ in range(3):
        assert (await stage.runs(job, polling.LONGEST_PAUSE * 2)).state is JobState.FETCHING
    job = await stage.runs(job, polling.LONGEST_PAUSE * 2)
    assert (job.state, job.spent) == (JobState.FAILED, Spent.YES)


async def test_an_odd_address_of_a_video_that_is_paid_for_is_asked_for_anew_for_a_day(stage):
    async def fetch(*_):
        stage.service.asked += 1
        return TaskSnapshot(
            TaskStatus.SUCCEEDED,
            "request",
            video_url=f"https://elsewhere{stage.service.asked}.example/v.mp4?Signature=s",
        )

    stage.service.fetch, stage.service.download = fetch, Gateway().download
    job = stage.add(1, JobState.FETCHING, task_id="task", submitted_at=NOW, fetching_at=NOW)
    for number in range(1, 10):
        job = await stage.runs(job, polling.LONGEST_PAUSE * 2)
        assert (job.state, job.attempts, stage.service.asked) == (JobState.FETCHING, number, number)
        assert f"named https://elsewhere{number}.example as its location" in str(job.said)
        assert "Signature" not in str(job.said)
    ended = await stage.runs(job, catalog.TASK_LIFETIME)
    assert (ended.state, ended.spent, ended.said.key) == (
        JobState.EXPIRED,
        Spent.YES,
        "result_expired",
    )


async def test_a_stop_leaves_a_request_that_is_not_answered_yet_to_whoever_waits_for_the_answer(
    stage,
):
    sent, answered = asyncio.Event(), asyncio.Event()

    async def submit(*_):
        sent.set()
        await answered.wait()
        raise Refused(Message.of("refused", code="Code", message=""), code="Code")

    stage.service.submit = submit
    job = stage.add(1, JobState.UPLOADING)
    running = asyncio.create_task(stage.runner.run())
    await sent.wait()
    running.cancel()
    await asyncio.wait(set(stage.runner._steps))
    taken = stage.store.queue.claim(stage.now + 1, lease=1, accounts=[CONNECTION.account])
    answered.set()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    job = stage.store.jobs.get(job.id, job.owner)
    assert (taken, job.state, job.spent) == ([], JobState.FAILED, Spent.NO)


async def test_what_is_claimed_while_the_app_stops_is_another_processes_at_once(stage, monkeypatch):
    job, claim = stage.add(1, JobState.PENDING, task_id="task"), stage.store.queue.claim
    loop, claimed, stopped = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    call = stage.store.database.call

    def call_held(statement, *given, **named):
        def held(*given, **named):
            try:
                return statement(*given, **named)
            finally:
                loop.call_soon_threadsafe(claimed.set)
                stopped.wait(PATIENCE)

        return call(held if statement.__name__ == "claim" else statement, *given, **named)

    monkeypatch.setattr(stage.store.database, "call", call_held)
    running = asyncio.create_task(stage.runner.run())
    await claimed.wait()
    running.cancel()
    stopped.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [
        one.id for one in claim(stage.now, accounts=[CONNECTION.account], lease=runner.LEASE)
    ] == [job.id]


async def test_a_step_that_takes_long_keeps_its_job(stage, monkeypatch):
    """Before each renewal of the lease, another process looks for work."""
    long_enough, sleep, taken = asyncio.Event(), asyncio.sleep, []

    async def passes(seconds):
        stage.now += seconds
        taken.extend(stage.store.queue.claim(stage.now, lease=1, accounts=[CONNECTION.account]))
        if taken or stage.now > NOW + 10 * job_writer.HELD:
            long_enough.set()
        await sleep(0)

    async def upload(*_):
        await long_enough.wait()
        return "oss://uploaded"

    stage.service.upload = upload
    key = await stage.storage.put("references/a.jpg", b"x")
    job = stage.add(
        1, JobState.UPLOADING, references=[Reference(kind="image", key=key, sent_key=key)]
    )
    monkeypatch.setattr(asyncio, "sleep", passes)
    assert ((await stage.runs(job)).state, stage.service.sent, taken) == (JobState.PENDING, 1, [])


RUN = {"duration": 5, "size": "1280*720"}


def answering(*answers: TaskSnapshot):
    """The service's answers to one poll after the other."""
    told = iter(answers)

    async def fetch(connection, task_id):
        return next(told)

    return fetch


async def test_a_run_is_polled_when_its_end_is_likely(store, tmp_path):
    stage = Stage(store, tmp_path, poll_seconds=None)
    running = TaskSnapshot(TaskStatus.RUNNING, "request", wait_seconds=4.0)
    stage.service.fetch = answering(running, running)
    sent = await stage.runs(stage.add(1, JobState.UPLOADING, request=RUN))
    assert sent.state is JobState.PENDING
    assert 30 < sent.due_at - stage.now < 45, "one minute to two are usual"
    first = await stage.runs(sent, sent.due_at - stage.now)
    assert (first.state, first.running_at - sent.submitted_at) == (JobState.RUNNING, 4.0)
    assert 30 < first.due_at - first.running_at < 60
    second = await stage.runs(first, first.due_at - stage.now)
    assert 3 < second.due_at - stage.now < 20
    stage.evidence.close()


async def test_how_long_runs_take_is_learned_from_what_the_service_says_of_them(store, tmp_path):
    stage = Stage(store, tmp_path, poll_seconds=None)
    done = TaskSnapshot(
        TaskStatus.SUCCEEDED, "request", "https://example.com/v.mp4", run_seconds=20.5
    )
    stage.service.fetch = answering(done, done)
    job = stage.add(1, JobState.PENDING, task_id="other", submitted_at=NOW, request=RUN)
    assert (await stage.runs(job)).run_seconds == 20.5
    for number in range(2, 12):
        past = {"due_at": None, "ended_at": NOW, "run_seconds": 20.0 + number / 10}
        stage.add(number, JobState.SUCCEEDED, request=RUN, **past)
    sent = await stage.runs(stage.add(20, JobState.UPLOADING, request=RUN))
    assert sent.state is JobState.PENDING, sent
    assert 17 < sent.due_at - stage.now < 23
    stage.evidence.close()


async def test_what_the_operator_says_bounds_every_pause(store, tmp_path):
    stage = Stage(store, tmp_path, poll_seconds=10)
    running = TaskSnapshot(TaskStatus.RUNNING, "request")
    stage.service.fetch = answering(running, running, running)
    job = await stage.runs(stage.add(1, JobState.UPLOADING, request=RUN))
    for _ in range(3):
        pause = job.due_at - stage.now
        assert 5 < pause <= 10
        job = await stage.runs(job, pause)
    stage.evidence.close()


async def test_two_steps_of_one_job_send_one_request_and_both_are_awaited_at_the_end(stage):
    job = stage.add(1, JobState.UPLOADING, request=RUN)
    wrong: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: wrong.append(told))
    submitting = stage.runner._submitting
    await asyncio.gather(*(submitting.send(job, CONNECTION) for _ in range(2)))
    await asyncio.sleep(0)
    assert (stage.service.sent, submitting.paying, wrong) == (1, {}, [])
