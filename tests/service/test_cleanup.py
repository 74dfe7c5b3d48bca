"""What goes and what stays. Time is moved, not waited for: files are as old as the time by which a
cleanup is told to go.
"""

import asyncio
import math
import time
from dataclasses import replace

import pytest

from tests.database.test_store import job
from tests.patience import PATIENCE
from wan.database.jobs import Jobs
from wan.database.queue import Queue
from wan.domain.jobs import JobState, Reference
from wan.environment.settings import load_settings
from wan.service import cleanup
from wan.service.cleanup import DAY, clean_up
from wan.service.studio import Studio
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["folder", "memory:///"])
def storage(request, tmp_path):
    return Storage(
        (tmp_path / "storage").as_uri() if request.param == "folder" else request.param,
        tmp_path / "cache",
    )


@pytest.fixture
def evidence(tmp_path, storage):
    made = Evidence(tmp_path / "output", visitors=True, video_at=storage.path)
    yield made
    made.close()


@pytest.fixture
def clean_after(store, storage, evidence):
    async def clean(*, days=2.0, uploads=None, keep_days=0):
        now = time.time() + days * DAY
        await clean_up(
            database=store.database,
            storage=storage,
            evidence=evidence,
            uploads=uploads,
            keep_days=keep_days,
            now=now,
        )

    return clean


def reference(name) -> Reference:
    return Reference(
        kind="image",
        sha256=name,
        key=f"references/{name}.jpg",
        sent_key=f"references/{name}-sent.jpg",
    )


async def has(storage, *keys) -> list[bool]:
    return [await storage.has(key) for key in keys]


async def test_references_go_when_no_job_has_them(store, storage, clean_after):
    keys = [await storage.put(f"references/{name}.jpg", b"x") for name in ("a", "a-sent", "b")]
    store.add(
        job(references=[reference("a")], state=JobState.FAILED, due_at=None, ended_at=time.time())
    )
    await clean_after(days=0.9)
    assert await has(storage, *keys) == [True, True, True]
    await clean_after()
    assert await has(storage, *keys) == [True, True, False]


async def test_nothing_finished_goes_unless_it_is_asked_for(store, storage, clean_after):
    store.add(
        job(
            1,
            state=JobState.SUCCEEDED,
            due_at=None,
            ended_at=time.time(),
            video_key="videos/job1/video.mp4",
        )
    )
    keys = [
        await storage.put(f"videos/{name}/video.mp4", b"x")
        for name in ("job1", "of a row that is lost")
    ]
    await clean_after(days=1000)
    assert await has(storage, *keys) == [True, True]
    assert store.jobs.get("job1", "somebody") is not None


async def test_jobs_that_ended_go_with_their_files_after_as_many_days_as_are_set(
    store, storage, clean_after
):
    now = time.time()
    store.add(
        job(1, state=JobState.SUCCEEDED, due_at=None, ended_at=now, references=[reference("a")])
    )
    store.add(job(2, state=JobState.SUCCEEDED, due_at=None, ended_at=now + 5 * DAY))
    store.add(job(3, state=JobState.FETCHING))
    files = [await storage.put(f"videos/job{number}/original.mp4", b"x") for number in (1, 2, 3)]
    picture = await storage.put("references/a.jpg", b"x")
    await clean_after(days=6.9, keep_days=7)
    assert await has(storage, *files) == [True, True, True]
    await clean_after(days=7.1, keep_days=7)
    assert await has(storage, *files, picture) == [False, True, True, True]
    assert [store.jobs.get(f"job{number}", "somebody") is not None for number in (1, 2, 3)] == [
        False,
        True,
        True,
    ]
    await clean_after(
        days=7.2, keep_days=7
    )  # whoever made a new job from the old one in between has the picture
    assert not await storage.has(picture)


async def test_files_go_even_where_their_row_went_before(storage, clean_after):
    key = await storage.put("videos/gone/video.mp4", b"x")
    await clean_after(days=8, keep_days=7)
    assert not await storage.has(key)


async def test_what_was_put_for_a_row_that_never_came_goes(store, storage, clean_after):
    """Its process has died in between; another died just after it had written its row."""
    keys = [await storage.put(f"videos/{name}/video.mp4", b"x") for name in ("gone", "job1")]
    for key in keys:
        storage.announce([key, key.replace("video.mp4", "poster.webp")])
    store.add(job(1, state=JobState.SUCCEEDED, due_at=None, video_key=keys[1]))
    await clean_after(days=0.9)
    assert await has(storage, *keys) == [True, True]
    await clean_after()
    assert await has(storage, *keys) == [False, True]
    assert storage.list_announced(math.inf) == []


async def test_what_was_put_anew_stays(store, storage):
    """A submit puts a reference that is old and unused, while a cleanup is about to remove it."""
    key = await storage.put("references/a.jpg", b"x")
    listed = await storage.list_older("references/", time.time() + 1)
    await asyncio.sleep(0.05)
    before = time.time()
    await asyncio.sleep(0.05)
    await storage.put(key, b"x")
    await storage.remove(listed[0], before)
    assert await storage.has(key)


async def test_submits_and_cleanups_at_the_same_time_lose_nothing(store, storage, clean_after):
    """Two cleanups go on and on, while references arrive before their rows do."""
    names = [f"new{number}" for number in range(30)]

    async def submit(number, name):
        await storage.put(f"references/{name}.jpg", b"x")
        await asyncio.sleep(0.01)
        store.add(job(number, references=[reference(name)]))

    async def clean_on():
        for _ in range(10):
            await clean_after(days=0.5, keep_days=1)

    await asyncio.gather(
        clean_on(), clean_on(), *(submit(number, name) for number, name in enumerate(names))
    )
    assert all(await has(storage, *(f"references/{name}.jpg" for name in names)))
    await clean_after()
    assert all(await has(storage, *(f"references/{name}.jpg" for name in names)))


async def test_what_dead_processes_left_goes(storage, clean_after, tmp_path):
    left, scratch = (
        tmp_path / "cache" / ".work-dead" / "original.mp4.part",
        tmp_path / "cache" / ".work-a-file",
    )
    part = tmp_path / "cache" / "videos" / "a" / "video.mp4.1234.part"
    staged = (
        tmp_path / "storage" / "videos" / "a" / "original.mp4#1"
    )  # as obstore names what it has not put to the end
    for path in (left, scratch, part, staged):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    await clean_after(days=0.5)
    assert all(path.exists() for path in (left, scratch, part, staged))
    await clean_after()
    assert not any(path.exists() for path in (left.parent, scratch, part))
    assert staged.exists() == ("memory" in storage.url_of(""))


async def test_uploads_of_visitors_go_after_a_day(clean_after, tmp_path):
    uploads = tmp_path / "uploads"
    await clean_after(uploads=uploads)
    (uploads / "hash").mkdir(parents=True)
    (uploads / "hash" / "picture.png").write_bytes(b"x")
    (uploads / "loose").write_bytes(b"x")
    await clean_after(days=0.9, uploads=uploads)
    assert len(list(uploads.iterdir())) == 2
    await clean_after(days=1.1, uploads=uploads)
    assert list(uploads.iterdir()) == []


async def test_notes_of_uploads_go_when_the_service_has_forgotten_them(store, clean_after):
    now = time.time()
    store.accounts.claim_upload("account", "model", "key", now, lifetime=DAY, lease=60)
    store.accounts.note_upload("account", "model", "key", "oss://x")
    for days, known in ((1.9, "oss://x"), (2.1, None)):
        await clean_after(days=days)
        assert (
            store.accounts.claim_upload("account", "model", "key", now, lifetime=DAY, lease=60)
            == known
        )


@pytest.mark.process
async def test_the_studio_cleans_up_by_itself(monkeypatch):
    monkeypatch.setattr("wan.service.cleanup.FIRST_PAUSE", 0.1)
    monkeypatch.setattr(cleanup, "PAUSE", 0.1)
    uploads = load_settings().output_dir / "uploads"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    monkeypatch.setenv("WAN_KEEP_DAYS", "1")
    uploads.mkdir(parents=True)
    async with Studio(load_settings(), clock=lambda: time.time() + 3 * DAY) as studio:
        done = replace(job(state=JobState.CANCELLED, due_at=None), ended_at=time.time())
        await Queue(studio.stores.database).add([done])
        jobs = Jobs(studio.stores.database)
        for name in ("first", "second"):
            (uploads / name).write_bytes(b"x")
            async with asyncio.timeout(PATIENCE):
                while (uploads / name).exists() or await jobs.get("job1", "somebody"):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)


@pytest.mark.process
async def test_a_folder_that_the_operator_chose_is_theirs_to_tidy(monkeypatch, tmp_path):
    monkeypatch.setattr("wan.service.cleanup.FIRST_PAUSE", 0.05)
    monkeypatch.setattr(cleanup, "PAUSE", 0.05)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "theirs"))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "letter").write_bytes(b"x")
    async with Studio(load_settings(), clock=lambda: time.time() + 3 * DAY) as studio:
        (load_settings().output_dir / "uploads").mkdir()
        await studio.stores.storage.put("references/unused.jpg", b"x")
        async with asyncio.timeout(PATIENCE):
            while await studio.stores.storage.has("references/unused.jpg"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert (tmp_path / "theirs" / "letter").exists()


async def test_the_record_of_a_forgotten_job_goes_too(store, evidence, clean_after, tmp_path):
    old, live = (
        job(number, id=f"job-{number}-with-a-long-id", state=state)
        for number, state in enumerate((JobState.SUCCEEDED, JobState.RUNNING))
    )
    for one in (replace(old, due_at=None, ended_at=time.time()), live):
        store.add(one)
        await evidence.complete(one)
    folders = [evidence.folder(one) for one in (old, live)]
    await clean_after(days=5)
    assert [folder.is_dir() for folder in folders] == [True, True]
    await clean_after(days=5, keep_days=3)
    assert [folder.is_dir() for folder in folders] == [False, True]
