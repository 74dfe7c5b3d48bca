"""The record of a run in a bucket, on a real S3 server: whole whichever machine had the job, from
wherever it is read; and what is not there while the bucket is away comes later.
"""

import asyncio
import json
import os
import secrets
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.buckets import serving
from tests.database.test_store import job as new_job
from tests.service.test_studio import image
from tests.storage.test_evidence import SIGNED, read
from wan.cli import inspect
from wan.domain.ids import OPERATOR
from wan.domain.jobs import JobState
from wan.environment.settings import load_settings
from wan.service import cleanup, polling
from wan.service.cleanup import DAY
from wan.service.studio import Studio
from wan.storage import bucket_records
from wan.storage.buckets import Bucket
from wan.storage.evidence import Evidence
from wan.storage.record import FILES, list_missing_files

pytestmark = [pytest.mark.anyio, pytest.mark.process]

KEY = f"sk-bucket{secrets.token_hex(8)}"
JOB = "a-job-with-a-long-id-0"


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    with serving(tmp_path / "bucket") as started:
        for name, value in started.settings.items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture
def on(bucket, simulator, tmp_path, monkeypatch):
    """Gives the settings of one machine of several, by its name, and its OUTPUT_DIR."""
    for name, value in {
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": KEY,
        "DASHSCOPE_BASE_URL": simulator.base_url,
        "DASHSCOPE_WORKSPACE": f"ws-{secrets.token_hex(4)}",
        "WAN_DATABASE_URL": f"sqlite:///{tmp_path / 'wan.sqlite3'}",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)

    def settings(machine):
        monkeypatch.setenv("OUTPUT_DIR", str(tmp_path / machine))
        return load_settings()

    return settings


@pytest.fixture
def records(bucket, tmp_path):
    """Gives the records that a machine writes, by its name."""
    made = []

    def of(machine):
        made.append(
            Evidence(
                tmp_path / machine,
                visitors=True,
                video_at=lambda _: None,
                bucket=Bucket(bucket.settings["WAN_STORAGE_URL"]),
            )
        )
        return made[-1]

    yield of
    for one in made:
        one.close()


def contents(bucket) -> bytes:
    root = bucket.files
    return b"\n".join((root / key).read_bytes() for key in bucket.list_keys("evidence"))


async def test_a_job_that_changes_hands_has_one_record(on, bucket, simulator, tmp_path):
    prompt = f"as in {SIGNED} with sk-abcdef123456"
    with simulator.holding("RUNNING"):
        async with Studio(on("first")) as studio:
            job = await studio.submission.submit(image(prompt=prompt), owner=OPERATOR)
            async for event in studio.watching.follow(job.id, owner=OPERATOR):
                if event.job.state is JobState.RUNNING:
                    break
    assert not (tmp_path / "first" / "ai-video-wan-video").exists()
    async with Studio(on("second")) as studio:
        async for event in studio.watching.follow(job.id, owner=OPERATOR):
            job = event.job
        assert job.state is JobState.SUCCEEDED
        folder = await studio.library.complete_evidence(job)
    assert folder == tmp_path / "second" / "ai-video-wan-video" / job.id
    assert list_missing_files(folder) == []
    assert read(folder, "payload.json")["input"]["img_url"].startswith("oss://")
    (create,) = read(folder, "create.json")
    assert (create["outcome"], create["task_id"]) == ("accepted", job.task_id)
    statuses = [poll["status"] for poll in read(folder, "polls.json")]
    assert statuses[-2:] == ["RUNNING", "SUCCEEDED"]
    assert len(set(statuses)) == len(statuses)
    assert read(folder, "outcome.json")["state"] == "SUCCEEDED"

    on("third")
    packed = tmp_path / "run.zip"
    answer = (await asyncio.to_thread(inspect.evidence, job.id, packed)).known
    there = Path(answer["folder"])
    assert there == tmp_path / "third" / "ai-video-wan-video" / job.id
    assert {name: read(there, name) for name in FILES} == {
        name: read(folder, name) for name in FILES
    }
    assert len(zipfile.ZipFile(packed).namelist()) == len(FILES) + 1

    written = contents(bucket)
    for secret in (KEY, KEY[3:], "sk-abcdef", "Signature", "deadbeef", OPERATOR, job.media_token):
        assert secret.encode() not in written, secret

    async with Studio(on("first")) as studio:
        shown = await studio.library.find_evidence(job.id)
        assert list_missing_files(shown) == []
        await studio.library.delete(job.id, owner=OPERATOR)
    assert not shown.exists()
    assert not [key for key in bucket.list_keys() if job.id in key]


async def test_both_halves_stay_however_they_are_written(records, bucket):
    """Each machine tells of what it sees, at once, and a late one tells of what was before."""
    one, other = records("one"), records("other")
    job = new_job(id=JOB, payload={"sent": False}, version=1)
    pending = replace(job, task_id="task", state=JobState.PENDING, version=2, submitted_at=5.0)
    for attempt in range(10):
        writer = (one, other)[attempt % 2]
        writer.record_answer(job, "throttled", task_id=None, status=429)
    one.record(job)
    one.record_payload(job, {"sent": True})
    await one.complete(job)
    other.record(pending)
    for _ in range(3):
        other.record_poll(pending, status="PENDING", code="")
    await other.complete(pending)
    one.record_answer(job, "accepted", task_id="task", request_id="r", model="m")
    one.record(job)  # as it was
    one.record_poll(pending, status="PENDING", code="")
    one.record_poll(pending, status="RUNNING", code="")
    await one.complete(job)
    folders = [await evidence.find(JOB) for evidence in (one, other)]
    assert folders[0] != folders[1]
    for folder in folders:
        create = read(folder, "create.json")
        assert [entry["outcome"] for entry in create] == ["throttled"] * 10 + ["accepted"]
        assert create[-1]["model"] == "m"  # as the service answered, not as the row has it
        assert [poll["status"] for poll in read(folder, "polls.json")] == ["PENDING", "RUNNING"]
        assert read(folder, "payload.json") == {"sent": True}
        assert read(folder, "outcome.json")["state"] == "PENDING"
    assert len([key for key in bucket.list_keys() if "/outcome-" in key]) == 2


async def test_a_task_that_only_the_row_knows_is_in_it(records):
    """The machine that paid died before its record was written."""
    job = new_job(id=JOB, task_id="task", state=JobState.PENDING, submitted_at=5.0, version=2)
    records("dead").record_answer(job, "never left", task_id=None)
    folder = await records("other").complete(job)
    answers = [(entry["outcome"], entry.get("task_id")) for entry in read(folder, "create.json")]
    assert answers[-1] == ("accepted", "task")


async def test_a_bucket_that_is_away_holds_nothing_up(records, bucket, monkeypatch, caplog):
    monkeypatch.setattr(bucket_records, "LIMIT", 0.5)
    evidence = records("one")
    job = new_job(id=JOB, version=1)
    await evidence.complete(job)
    bucket.stop()
    later = replace(job, state=JobState.UPLOADING, version=2)
    began = time.monotonic()
    for number in range(200):
        evidence.record(later)
        evidence.record_answer(later, "throttled", status=429, number=number)
    folder = await evidence.complete(later)
    assert time.monotonic() - began < 5  # one look at it, not 400
    assert len(read(folder, "create.json")) == 200  # of what is known here
    assert caplog.text.count("records wait for the storage") == 1
    assert not [key for key in bucket.list_keys() if "/create-" in key]

    bucket.start()
    monkeypatch.setattr(evidence._records, "_down_until", 0.0)  # the pause is over
    failed = replace(later, state=JobState.FAILED, version=3)
    folder = await evidence.complete(failed)
    assert len([key for key in bucket.list_keys() if "/create-" in key]) == 200
    assert caplog.text.count("records go to the storage again") == 1
    elsewhere = await records("other").find(JOB)
    assert [read(elsewhere, name) for name in ("create.json", "outcome.json")] == [
        read(folder, name) for name in ("create.json", "outcome.json")
    ]
    assert read(elsewhere, "outcome.json")["state"] == "FAILED"


async def test_what_is_not_written_at_the_end_is_tried_once_more(records, bucket, monkeypatch):
    monkeypatch.setattr(bucket_records, "LIMIT", 0.5)
    evidence, job = records("one"), new_job(id=JOB, version=1)
    bucket.stop()
    await evidence.complete(job)
    bucket.start()
    evidence.close()
    assert len(bucket.list_keys("evidence")) == 4


async def test_a_folder_from_before_there_was_a_bucket_is_taken_in(records, tmp_path):
    job = new_job(id=JOB, task_id="task", state=JobState.PENDING, submitted_at=5.0, version=1)
    before = Evidence(tmp_path / "one", visitors=True, video_at=lambda _: None)
    before.record_payload(job, {"sent": True})
    before.record_answer(job, "accepted", task_id="task", model="m")
    before.record_poll(job, status="PENDING", code="")
    before.record(job)
    before.close()
    evidence = records("one")
    evidence.record_poll(job, status="RUNNING", code="")
    for _ in range(2):
        folder = await evidence.complete(job)
        assert [poll["status"] for poll in read(folder, "polls.json")] == ["PENDING", "RUNNING"]
        assert read(folder, "payload.json") == {"sent": True}
        assert [entry.get("model") for entry in read(folder, "create.json")] == ["m"]


async def test_only_records_of_no_job_are_cleaned_up(on, bucket, tmp_path):
    async with Studio(on("one")) as studio:
        stores = studio.stores
        elsewhere = new_job(id="of-another-database-00")
        await stores.evidence.complete(elsewhere)
        for key in bucket.list_keys("evidence"):  # the storage tells whole seconds
            os.utime(bucket.files / key, (time.time() - 9, time.time() - 9))
        kept = await studio.submission.submit(image(prompt="stays"), owner=OPERATOR)
        async for event in studio.watching.follow(kept.id, owner=OPERATOR):
            kept = event.job
        gone = replace(kept, id="deleted-by-another-one")
        copy = await stores.evidence.complete(gone)

        async def records_after(days):
            await cleanup.clean_up(
                database=stores.database,
                storage=stores.storage,
                evidence=stores.evidence,
                uploads=None,
                keep_days=0,
                now=time.time() + days * DAY,
            )
            return {key.split("/")[2] for key in bucket.list_keys("evidence")}

        assert await records_after(0.9) == {elsewhere.id, kept.id, gone.id}
        assert copy.is_dir()
        assert await records_after(1.1) == {elsewhere.id, kept.id}
        assert not copy.exists()
        assert list_missing_files(await stores.evidence.complete(kept)) == []


async def test_every_object_is_json_of_a_known_file(records, bucket):
    evidence = records("one")
    job = new_job(id=JOB, task_id="task", state=JobState.PENDING, submitted_at=5.0, version=1)
    evidence.record_poll(job, status="PENDING", code="")
    await evidence.complete(job)
    root = bucket.files
    stems = {name.removesuffix(".json") for name in FILES}
    for key in bucket.list_keys("evidence"):
        folder, call, job_id, name = key.split("/")
        assert (folder, call, job_id) == ("evidence", "ai-video-wan-video", JOB)
        assert name.removesuffix(".json").partition("-")[0] in stems
        json.loads((root / key).read_bytes())
