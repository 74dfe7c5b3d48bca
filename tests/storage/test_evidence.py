"""The record of a run: it is there whole, whoever made it and whatever broke, and nothing is in it
that must not be.
"""

import json
import os
import secrets
import shutil
import time
import zipfile

import pytest

from tests.database.test_store import job as new_job
from tests.disks import _no_growth
from tests.pictures import clip, picture
from tests.service.test_cleanup import DAY
from tests.service.test_studio import image
from wan.domain.errors import StorageUnavailable
from wan.domain.ids import OPERATOR
from wan.domain.jobs import JobState
from wan.domain.requests import ReferenceToVideoRequest
from wan.environment.settings import load_settings
from wan.media import encode, inputs
from wan.service import cleanup, polling
from wan.service.studio import Studio
from wan.storage import evidence as evidence_module
from wan.storage.evidence import Evidence
from wan.storage.record import FILES, list_missing_files, pack_record

pytestmark = pytest.mark.anyio

KEY = f"sk-evidence{secrets.token_hex(8)}"
QUOTED = "https://example.com/image.png?token=a\"b'c<d>e-hidden"
SIGNED = "https://example.com/holiday.mp4?OSSAccessKeyId=id&Expires=9&Signature=dG9wc2VjcmV0&x-oss-signature=deadbeef"


@pytest.fixture(autouse=True)
def _service(simulator, monkeypatch):
    for name, value in {
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": KEY,
        "DASHSCOPE_BASE_URL": simulator.base_url,
        "WAN_POLL_SECONDS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DASHSCOPE_WORKSPACE", f"ws-{secrets.token_hex(4)}")
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)


@pytest.fixture
async def studio():
    async with Studio(load_settings()) as opened:
        yield opened


async def run(studio, request, owner=OPERATOR):
    """Runs a request to its end. Gives the job and the folder of its record."""
    job = await studio.submission.submit(request, owner=owner)
    async for event in studio.watching.follow(job.id, owner=owner):
        job = event.job
    return job, await studio.library.complete_evidence(job)


def read(folder, name):
    return json.loads((folder / name).read_bytes())


def everything(folder) -> bytes:
    return b"\n".join(
        path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix == ".json"
    )


async def test_the_record_of_a_run(studio, tmp_path):
    personal = tmp_path / "anna at the beach.png"
    personal.write_bytes(picture((640, 480)))
    job, folder = await run(studio, image(reference_image=personal, seed=7))
    assert folder == tmp_path / "output" / "ai-video-wan-video" / job.id
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert list_missing_files(folder) == []
    assert read(folder, "request.json")["prompt"] == "she smiles"
    (reference,) = read(folder, "references.json")
    assert (reference["sha256"], reference["bytes"]) == (
        inputs.digest(personal),
        personal.stat().st_size,
    )
    assert (reference["width"], reference["height"]) == (640, 480)
    payload = read(folder, "payload.json")
    assert payload["input"]["img_url"].startswith("oss://")
    assert payload["parameters"]["seed"] == 7
    (create,) = read(folder, "create.json")
    assert (create["outcome"], create["task_id"], create["request_id"]) == (
        "accepted",
        job.task_id,
        job.request_id,
    )
    polls = read(folder, "polls.json")
    assert polls[-1]["status"] == "SUCCEEDED"
    assert len({poll["status"] for poll in polls}) == len(polls)
    outcome = read(folder, "outcome.json")
    assert (outcome["state"], outcome["billed_seconds"], outcome["spent"], outcome["seed"]) == (
        "SUCCEEDED",
        2.0,
        "yes",
        7,
    )
    assert all(
        outcome["times"][name]
        for name in ("created", "submitting", "submitted", "fetching", "ended")
    )
    assert outcome["versions"].keys() >= {"wan", "python", "dashscope"}
    video = tmp_path / "output" / "ai-video-wan-video" / outcome["video"]["file"]
    assert (inputs.digest(video), encode.measure(video).seconds) == (
        outcome["video"]["sha256"],
        2.0,
    )
    assert b"anna" not in everything(folder)


async def test_nothing_secret_is_in_it(studio, tmp_path):
    reference = clip(tmp_path / "holiday.mp4", seconds=2)
    prompt = f"as in {SIGNED} and {QUOTED} and https://example.com?a=b@hidden with sk-abcdef123456"
    given = {
        "reference_video": [reference, SIGNED],
        "reference_image": QUOTED,
        "prompt": prompt,
        "duration": 2,
    }
    job, folder = await run(studio, ReferenceToVideoRequest(**given))
    assert job.state is JobState.SUCCEEDED
    assert folder.parent.name == "aliyun-wan-r2v"
    assert (
        read(folder, "payload.json")["input"]["reference_urls"][1]
        == "https://example.com/holiday.mp4"
    )
    assert read(folder, "request.json")["prompt"] == (
        "as in https://example.com/holiday.mp4 and https://example.com/image.png and "
        "https://example.com with sk-***"
    )
    assert [one["url"] for one in read(folder, "references.json")] == [
        "",
        "https://example.com/holiday.mp4",
        "https://example.com/image.png",
    ]
    written = everything(tmp_path / "output")
    for secret in (
        KEY,
        KEY[3:],
        "sk-abcdef123456",
        "Signature",
        "dG9wc2VjcmV0",
        "deadbeef",
        "hidden",
        "OSSAccessKeyId",
        OPERATOR,
        job.media_token,
        str(tmp_path),
    ):
        assert secret.encode() not in written, secret


def test_no_query_of_a_sound_is_in_it(tmp_path):
    record = Evidence(tmp_path, visitors=True, video_at=lambda _: None)
    record.record(new_job(request={"prompt": "x", "duration": 5, "audio_url": QUOTED}))
    record.close()
    assert (
        json.loads(next(tmp_path.rglob("request.json")).read_bytes())["audio_url"]
        == "https://example.com/image.png"
    )


async def test_a_refusal_and_a_failed_task_are_on_record(studio, simulator):
    with simulator.fault("create", "status-400"):
        refused, folder = await run(studio, image(prompt="refuse this"))
    assert refused.state is JobState.FAILED
    assert [one["outcome"] for one in read(folder, "create.json")] == ["refused"]
    assert read(folder, "create.json")[0]["status"] == 400
    assert (read(folder, "outcome.json")["state"], list_missing_files(folder)) == (
        "FAILED",
        ["polls.json"],
    )
    failed, folder = await run(studio, image(prompt="simulate:DataInspectionFailed"))
    assert failed.state is JobState.FAILED
    assert read(folder, "polls.json")[-1]["code"] == "DataInspectionFailed"


async def test_a_lost_answer_and_how_the_task_was_found(studio, simulator):
    with simulator.fault("create", "drop-after-accept", count=1):
        job, folder = await run(studio, image(prompt="lost and found"))
    assert job.state is JobState.SUCCEEDED
    assert [one["outcome"] for one in read(folder, "create.json")] == [
        "unclear",
        "found in the account's list",
    ]
    assert read(folder, "create.json")[-1]["task_id"] == job.task_id


async def test_what_is_known_is_written_before_the_end(studio):
    job, order = await studio.submission.submit(image(duration=5), owner=OPERATOR), list(JobState)
    async for event in studio.watching.follow(job.id, owner=OPERATOR):
        folder = await studio.library.complete_evidence(event.job)
        written = JobState(
            read(folder, "outcome.json")["state"]
        )  # the job may have gone on meanwhile, and the record with it
        assert order.index(written) >= order.index(event.job.state)
        if event.job.state is JobState.PENDING:
            assert list_missing_files(folder) in (["polls.json"], [])
    assert list_missing_files(folder) == []


async def test_a_lost_record_is_written_again_from_the_row(studio):
    job, folder = await run(studio, image(prompt="lost record"))
    shutil.rmtree(folder)
    assert await studio.library.complete_evidence(job) == folder
    assert list_missing_files(folder) == ["polls.json"]


async def test_a_record_that_cannot_be_written_ends_no_run(studio, tmp_path, caplog):
    (tmp_path / "output" / "ai-video-wan-video").write_text("a file where the folder should be")
    job, folder = await run(studio, image(prompt="no record"))
    assert (job.state, folder) == (JobState.SUCCEEDED, None)
    assert "its record is not complete" in caplog.text


async def test_the_video_takes_no_second_room(studio, tmp_path):
    job, folder = await run(studio, image(prompt="one room"))
    beside = folder.parent / "videos" / f"{job.id}.mp4"
    assert beside.samefile(tmp_path / "output" / "storage" / job.video_key)


async def test_it_is_copied_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "a.mp4").write_bytes(b"video")
    for _ in range(2):
        evidence_module._link_video(tmp_path / "a.mp4", tmp_path / "videos" / "b.mp4")
    assert [path.read_bytes() for path in (tmp_path / "videos").iterdir()] == [b"video"]


async def test_visitors_of_a_space_are_not_recorded(monkeypatch, tmp_path):
    monkeypatch.setenv("SPACE_ID", "somebody/space")
    monkeypatch.setenv("WAN_DAILY_BUDGET", "100")
    monkeypatch.setenv("DASHSCOPE_REGION", "cn-beijing")
    async with Studio(load_settings()) as studio:
        job, folder = await run(studio, image(prompt="a visitor"), owner="visitor")
        assert (job.state, folder) == (JobState.SUCCEEDED, None)
        assert not list((tmp_path / "output").glob("ai-video-wan-video/*"))
        assert (await run(studio, image(prompt="the operator")))[1].is_dir()


async def test_it_goes_with_its_job(studio, tmp_path):
    (gone, folder), (stays, other) = (
        await run(studio, image(prompt="goes")),
        await run(studio, image(prompt="stays")),
    )
    await studio.stores.evidence.remove(gone)
    assert (
        folder.exists(),
        (folder.parent / "videos" / f"{gone.id}.mp4").exists(),
        other.is_dir(),
    ) == (False, False, True)
    (other.parent / "validate.txt").write_text("ok")
    studio.stores.evidence.clear({stays.id}, time.time() + DAY)
    assert other.is_dir()
    studio.stores.evidence.clear(set(), time.time() - DAY)
    assert other.is_dir()
    studio.stores.evidence.clear(set(), time.time() + DAY)
    assert sorted(path.name for path in other.parent.rglob("*")) == ["validate.txt", "videos"]


async def test_a_record_that_came_back_goes_with_the_next_cleanup(studio):
    """Another process writes down what it read before the job was deleted. What is of another
    database stays.
    """
    elsewhere = new_job(id="elsewhere-with-a-long-id")
    await studio.stores.evidence.complete(elsewhere)
    (stays, kept), (gone, folder) = (
        await run(studio, image(prompt="stays")),
        await run(studio, image(prompt="comes back")),
    )
    await studio.library.delete(gone.id, owner=OPERATOR)
    assert not folder.exists()
    await studio.library.complete_evidence(gone)
    assert folder.is_dir()

    async def clean_after(days):
        now = time.time() + days * DAY
        await cleanup.clean_up(
            database=studio.stores.database,
            storage=studio.stores.storage,
            evidence=studio.stores.evidence,
            uploads=None,
            keep_days=0,
            now=now,
        )

    await clean_after(0.9)
    assert folder.is_dir()
    await clean_after(1.1)
    assert not folder.exists()
    assert not (folder.parent / "videos" / f"{gone.id}.mp4").exists()
    assert list_missing_files(kept) == []
    assert studio.stores.evidence.folder(elsewhere).is_dir()
    await studio.library.delete(stays.id, owner=OPERATOR)
    await clean_after(1.1)
    assert studio.stores.evidence.folder(elsewhere).is_dir()


async def test_what_cannot_be_removed_is_logged(studio, caplog):
    job, folder = await run(studio, image(prompt="stays beside"))
    video = studio.stores.evidence.video(job)
    video.unlink()
    video.mkdir()
    await studio.library.delete(job.id, owner=OPERATOR)
    assert "its video is still beside its record" in caplog.text
    assert not folder.exists()


async def test_what_was_read_earlier_overwrites_nothing(studio):
    job = await studio.submission.submit(image(prompt="late"), owner=OPERATOR)
    async for event in studio.watching.follow(job.id, owner=OPERATOR):
        last = event.job
    folder = await studio.library.complete_evidence(last)
    written = everything(folder)
    assert await studio.library.complete_evidence(job) == folder
    assert everything(folder) == written
    assert read(folder, "outcome.json")["state"] == "SUCCEEDED"


async def test_a_bundle_is_laid_out_as_on_disk(studio, tmp_path):
    job, folder = await run(studio, image(prompt="bundle"))
    made = pack_record(
        folder, await studio.library.find_media(job.media_token, "video.mp4"), tmp_path / "run.zip"
    )
    with zipfile.ZipFile(made) as opened:
        assert sorted(opened.namelist()) == sorted(
            [*(f"{job.id}/{name}" for name in FILES), f"videos/{job.id}.mp4"]
        )
        assert opened.testzip() is None


async def test_a_bundle_that_fails_leaves_nothing(studio, tmp_path):
    _, folder = await run(studio, image(prompt="no bundle"))
    video = tmp_path / "video.mp4"
    video.write_bytes(secrets.token_bytes(100_000))
    (tmp_path / "taken").mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(IsADirectoryError):
        pack_record(folder, video, tmp_path / "taken")
    with _no_growth(), pytest.raises(StorageUnavailable, match="disk is full"):
        pack_record(folder, video, tmp_path / "run.zip")
    assert sorted(tmp_path.iterdir()) == before


def test_a_closed_record_takes_nothing_and_breaks_nothing(tmp_path):
    record = Evidence(tmp_path / "output", visitors=True, video_at=lambda _: None)
    record.close()
    record.record(new_job())
    assert not (tmp_path / "output").exists()
