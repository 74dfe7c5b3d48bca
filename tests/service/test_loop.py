"""Nothing of ours blocks the event loop, over the usual life of a job."""

import asyncio
import hashlib
import sqlite3
import time
from pathlib import Path

import pytest

from tests import loop_guard
from tests.loop_guard import guarding
from tests.pictures import clip, picture
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.environment.settings import load_settings
from wan.service.studio import Studio

pytestmark = pytest.mark.anyio

OWNER = "somebody"


@pytest.fixture
async def studio(simulator, monkeypatch):
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-test-of-the-loop")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setenv("WAN_POLL_SECONDS", "1")
    async with Studio(load_settings()) as opened:
        yield opened


async def test_no_step_of_a_job_blocks_the_event_loop(studio, tmp_path):
    with guarding() as guard:
        place = await asyncio.to_thread(studio.uploads.new, "a.png")
        await asyncio.to_thread(place.write_bytes, picture((640, 480)))
        upload = await asyncio.to_thread(studio.uploads.find, studio.uploads.name(place))
        one = ImageToVideoRequest(prompt="she smiles", reference_image=upload, duration=2, fps=24)
        film = await asyncio.to_thread(clip, tmp_path / "a.mp4")
        other = ReferenceToVideoRequest(
            prompt="character1 waves", reference_video=film, reference_image=picture((400, 400))
        )
        jobs = [await studio.submission.submit(asked, owner=OWNER) for asked in (one, other)]
        async for events in studio.watching.follow_all([job.id for job in jobs], owner=OWNER):
            done = [event.job for event in events]
        assert [job.state for job in done] == ["SUCCEEDED"] * 2
        assert await studio.submission.submit(one, owner=OWNER) == done[0]
        await studio.submission.quote(
            model=one.model, size=one.size, duration=2, audio=True, own_region=None
        )
        await _look_around(studio, done, tmp_path)
    assert not guard.found, "\n".join(sorted(guard.found))


async def _look_around(studio, jobs, folder):
    """What people do with videos."""
    library = studio.library
    await library.list_jobs(owner=OWNER, search="smiles")
    for job in jobs:
        await library.find_media(job.media_token, "video.mp4")
        await library.find_media(job.media_token, "poster.webp")
        await library.list_references(job.id, owner=OWNER)
        token, job_id, number = studio.thumbnails.name(job.id, 0).split("/")
        await studio.thumbnails.find(token, job_id, int(number), "203.0.113.1")
        await library.withdraw_links(job.id, owner=OWNER)
        await library.label([job.id], owner=OWNER, name="mine", starred=True)
    async with asyncio.timeout(60):
        await studio.exports.bundle(jobs[0].id, owner=OWNER, target=folder / "a.zip")
        await studio.exports.extract_last_frame(jobs[0].id, owner=OWNER)
    for job in jobs:
        await library.delete(job.id, owner=OWNER)


def _blocks(way):
    """Blocks as our own code would."""
    if way == "file":
        Path(__file__).read_bytes()
    elif way == "stat":
        Path(__file__).exists()
    elif way == "sql":
        sqlite3.connect(":memory:").execute("SELECT 1")
    elif way == "hash":
        hashlib.sha256(bytes(200_000))
    else:
        time.sleep(0)


@pytest.mark.parametrize("way", ["file", "stat", "sql", "hash", "sleep"])
async def test_what_blocks_is_found_on_the_loop_and_nowhere_else(way, monkeypatch):
    monkeypatch.setattr(loop_guard, "_OURS", __file__)
    with guarding() as guard:
        await asyncio.to_thread(_blocks, way)
    assert not guard.found
    with guarding() as guard:
        _blocks(way)
    assert guard.found
    assert all("_blocks" in one for one in guard.found)
