"""The work of two machines whose files are in a bucket, a real S3 server that checks signatures:
what one has put there, the other sends, delivers, plays, joins, packs and deletes.
"""

import secrets
import time
import zipfile

import pytest

from tests.buckets import serving
from tests.pictures import picture
from tests.service.test_studio import OWNER, finished, image
from wan.domain.jobs import JobState
from wan.domain.requests import ReferenceToVideoRequest
from wan.environment.settings import load_settings
from wan.media import encode
from wan.service import cleanup, polling
from wan.service.cleanup import DAY
from wan.service.studio import Studio
from wan.web import review_zip

pytestmark = [pytest.mark.anyio, pytest.mark.process]


@pytest.fixture
def bucket(tmp_path):
    with serving(tmp_path / "bucket") as started:
        yield started


@pytest.fixture
def machine(bucket, simulator, tmp_path, monkeypatch):
    """Gives the studio of one machine, by its name."""
    for name, value in {
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": f"sk-bucket{secrets.token_hex(8)}",
        "DASHSCOPE_BASE_URL": simulator.base_url,
        "WAN_DATABASE_URL": f"sqlite:///{tmp_path / 'wan.sqlite3'}",
        **bucket.settings,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)

    def opened(name):
        monkeypatch.setenv("OUTPUT_DIR", str(tmp_path / name))
        return Studio(load_settings())

    return opened


async def take(studio, **changes):
    return await finished(studio, await studio.submission.submit(image(**changes), owner=OWNER))


def film_of(bucket, job):
    """What the bucket has of a job's video."""
    return (bucket.files / job.video_key).read_bytes()


async def test_what_one_machine_took_in_another_sends_and_any_delivers(
    machine, bucket, simulator, tmp_path
):
    asked = ReferenceToVideoRequest(
        prompt="character1 meets character2",
        reference_image=[picture((400, 300)), picture((300, 400), color="navy")],
        duration=2,
    )
    with simulator.fault("policy", "status-503"):  # it goes no further on the first
        async with machine("first") as studio:
            job = await studio.submission.submit(asked, owner=OWNER)
    references = bucket.list_keys("references")
    assert {one.sent_key or one.key for one in job.references} <= set(references)
    async with machine("second") as studio:
        job = await finished(studio, job)
        assert job.state is JobState.SUCCEEDED
    (task,) = [one for one in simulator.tasks() if one["id"] == job.task_id]
    assert task["order"]["prompt"] == asked.prompt
    async with machine("third") as studio:
        video = await studio.library.find_media(job.media_token, "video.mp4")
        poster = await studio.library.find_media(job.media_token, "poster.webp")
    assert tmp_path / "third" in video.parents
    assert video.read_bytes() == film_of(bucket, job)
    assert encode.measure(video).width == job.width
    assert poster.stat().st_size > 100


async def test_takes_that_one_machine_made_another_joins_and_packs(machine, bucket, tmp_path):
    async with machine("first") as studio:
        takes = [await take(studio, prompt=prompt, audio=False) for prompt in ("a sea", "a wave")]
    ids = [job.id for job in takes]
    async with machine("second") as studio:
        film = await studio.films.make(ids, owner=OWNER, fit="crop", progress=lambda _: None)
        assert film.state is JobState.SUCCEEDED
        bundle, archive, zipped = (
            tmp_path / f"{name}.zip" for name in ("bundle", "archive", "review")
        )
        await studio.exports.bundle(ids[0], owner=OWNER, target=bundle)
        await studio.exports.archive(
            [*ids, film.id], owner=OWNER, target=archive, progress=lambda _: None
        )
        review, _ = await studio.reviews.create(ids, owner=OWNER, title="Sea")
        now = time.time()
        await review_zip.pack("en", studio, review, zipped, now=now, progress=lambda _: None)
    assert read_videos(bundle) == [film_of(bucket, takes[0])]
    assert read_videos(archive) == [film_of(bucket, job) for job in (*takes, film)]
    assert len(read_videos(zipped)) == len(takes)
    async with machine("third") as studio:
        video = await studio.library.find_media(film.media_token, "video.mp4")
    assert encode.measure(video).seconds == film.duration == pytest.approx(4, abs=0.1)


def read_videos(packed):
    with zipfile.ZipFile(packed) as file:
        return [file.read(name) for name in sorted(file.namelist()) if name.endswith(".mp4")]


async def test_what_is_deleted_on_another_machine_leaves_the_bucket(machine, bucket):
    async with machine("first") as studio:
        deleted, kept = [await take(studio, prompt=prompt) for prompt in ("goes", "stays")]
        alone = await take(studio, prompt="alone", reference_image=picture((500, 300)))
        every = set(bucket.list_keys())
    assert {alone.video_key, alone.poster_key} <= every
    shared = {key for one in kept.references for key in (one.key, one.sent_key) if key}
    async with machine("second") as studio:
        orphan = await studio.stores.storage.put("references/of-no-job.jpg", b"x")
        for job in (deleted, alone):
            await studio.library.delete(job.id, owner=OWNER)
        left = set(bucket.list_keys())
        assert not [key for key in left if deleted.id in key or alone.id in key]
        assert {key for key in every if kept.id in key} <= left
        assert set(bucket.list_keys("references")) == {*shared, orphan}
        await clean(studio, days=0.9)  # whoever has put it may be about to write its row
        assert orphan in bucket.list_keys()
        await clean(studio, days=1.1)
        assert set(bucket.list_keys("references")) == shared
        await clean(studio, days=6.9, keep_days=7)
        assert kept.video_key in bucket.list_keys()
        await clean(studio, days=7.1, keep_days=7)
        await clean(studio, days=9, keep_days=7)
    assert bucket.list_keys("videos") == bucket.list_keys("references") == []
    assert [key for key in bucket.list_keys("evidence") if kept.id in key] == []


async def clean(studio, *, days, keep_days=0):
    """Cleans up as it is done so many days from now."""
    stores = studio.stores
    await cleanup.clean_up(
        database=stores.database,
        storage=stores.storage,
        evidence=stores.evidence,
        uploads=None,
        keep_days=keep_days,
        now=time.time() + days * DAY,
    )
