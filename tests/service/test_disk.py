"""What happens when the disk is full, or the database stuck, read-only or away: new work is refused
in words, and every job ends well, paid once.
"""

import asyncio
import contextlib
import json
import os
import secrets
import time
from functools import partial

import gradio as gr
import httpx
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette

from tests import plain_http, warm
from tests import postgres as postgres_module
from tests.disks import Lock, every_connection, locked, small_disk, unreadable
from tests.patience import PATIENCE
from tests.pictures import picture
from wan.database import opening
from wan.database.engine import Database
from wan.domain import catalog, ids
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import JobState, Spent
from wan.domain.requests import ImageToVideoRequest
from wan.domain.turns import Asker
from wan.environment.settings import load_settings
from wan.media import encode
from wan.provider.gateway import Gateway
from wan.service import job_writer, polling, runner, submitting
from wan.service.studio import Studio
from wan.storage import objects
from wan.ui import connection, reference, reuse_settings, review
from wan.ui.caller import Caller, Events, owner_of
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.review import OfReview
from wan.ui.stage import TabStage, Values, make_viewers
from wan.web import review_zip
from wan.web.routes import routes

pytestmark = pytest.mark.anyio

OWNER = "somebody"
ENDLESS = 1 << 62  # bytes; no disk has as many


@pytest.fixture(autouse=True)
def _service(simulator, monkeypatch):
    """The code that talks to DashScope, pointed at the simulator; with short leases, so that nobody
    waits a minute for a job that was let lie.
    """
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-test{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)
    monkeypatch.setenv("WAN_POLL_SECONDS", "1")  # what is UNCERTAIN is looked for after as long
    monkeypatch.setattr(runner, "LEASE", 2.0)
    monkeypatch.setattr(job_writer, "HELD", 1.5)  # shorter than a lease, as in the app
    monkeypatch.setattr(submitting, "_UPLOAD_LEASE", 2.0)
    monkeypatch.setattr(opening, "_BUSY", 0.2)
    monkeypatch.setattr(objects, "ROOM", 0)


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "output") as made:
        yield made


@pytest.fixture
async def studio(disk):
    async with Studio(load_settings()) as opened:
        yield opened


@pytest.fixture
def database(disk):
    return disk.folder / "wan.sqlite3"


@pytest.fixture(scope="module")
def postgres():
    """One of its own, because it breaks down."""
    with postgres_module.serving() as started:
        yield started


@pytest.fixture
async def served_by_postgres(postgres, monkeypatch):
    monkeypatch.setenv("WAN_DATABASE_URL", postgres.database())
    async with Studio(load_settings()) as opened:
        yield opened


def request(**changes) -> ImageToVideoRequest:
    return ImageToVideoRequest(
        **{"prompt": "she smiles", "reference_image": picture((640, 480)), "duration": 2, "fps": 24}
        | changes
    )


class Viewer:
    """Follows a job from the start, as a page does, and remembers what was seen."""

    def __init__(self, studio, job) -> None:
        self.seen = []
        self._task = asyncio.create_task(self._follow(studio, job))

    async def _follow(self, studio, job):
        async for event in studio.watching.follow(job.id, owner=OWNER):
            self.seen.append(event)

    async def until(self, condition):
        """Waits for an event that fulfils a condition."""
        give_up = time.monotonic() + PATIENCE
        while not any(condition(event) for event in self.seen):
            if self._task.done() or time.monotonic() > give_up:
                raise AssertionError(f"only these were seen: {self}")
            await asyncio.sleep(0.05)

    async def end(self):
        await asyncio.wait([self._task], timeout=PATIENCE)
        if not self._task.done():
            raise AssertionError(f"it does not end: {self}")
        return self.seen[-1].job

    def __str__(self) -> str:
        return str([(str(event.job.state), event.message.key) for event in self.seen])

    async def paused(self):
        await self.until(lambda event: event.message.key == "paused")


@contextlib.asynccontextmanager
async def ends_well(studio, simulator, job):
    """Whatever happens to a job in the block, it succeeds after it, as it was asked for, and was
    paid for once.
    """
    before = simulator.stats()["created"] - (job.task_id is not None)
    viewer = Viewer(studio, job)
    yield viewer
    done = await viewer.end()
    assert (done.state, done.spent, done.fps, done.adjustments[-1].key) == (
        JobState.SUCCEEDED,
        Spent.YES,
        24,
        "fps_conformed",
    ), done.said
    assert simulator.stats()["created"] - before == 1


async def refused(studio, key=None, **changes) -> StorageUnavailable:
    with pytest.raises(StorageUnavailable) as refusal:
        await studio.submission.submit(request(prompt="something new", **changes), owner=OWNER)
    assert key is None or refusal.value.message.key == key
    return refusal.value


async def test_a_bucket_keeps_the_videos_and_this_machine_only_copies(disk, simulator, monkeypatch):
    monkeypatch.setenv("WAN_STORAGE_URL", "memory:///")
    monkeypatch.setattr(objects, "CACHE_LIMIT", 0)  # they go, though not while they are in use
    async with Studio(load_settings()) as studio:
        job = await studio.submission.submit(request(), owner=OWNER)
        async with ends_well(studio, simulator, job):
            pass
        done = await studio.library.get(job.id, owner=OWNER)
        assert studio.library.result_of(done).video_url == f"memory:///videos/{job.id}/video.mp4"
        for name in ("video.mp4", "original.mp4", "poster.webp"):
            assert (await studio.library.find_media(done.media_token, name)).is_relative_to(
                disk.folder / "cache"
            )


async def test_an_export_keeps_its_videos_though_copies_of_a_bucket_are_tidied_up_meanwhile(
    disk, simulator, monkeypatch
):
    monkeypatch.setenv("WAN_STORAGE_URL", "memory:///")
    monkeypatch.setattr(objects, "CACHE_LIMIT", 0)
    async with Studio(load_settings()) as studio:
        jobs = []
        for _ in range(2):
            jobs.append(await studio.submission.submit(request(), owner=OWNER, new_take=True))
            async with ends_well(studio, simulator, jobs[-1]):
                pass
        review = (
            await studio.reviews.create([job.id for job in jobs], owner=OWNER, title="Round 1")
        )[0]
        async with studio.reviews.hold_files(review) as found:
            copies = [*(disk.folder / "cache/videos").rglob("video.mp4")]
            for copy in copies:
                os.utime(copy, (0, 0))  # a slow disk, and many videos
            await studio.library.find_media(
                (await studio.library.get(jobs[0].id, owner=OWNER)).media_token, "original.mp4"
            )
            assert (len(copies), [copy for copy in copies if copy.exists()]) == (2, [])
            assert [video.read_bytes()[4:8] for video, _ in found.values()] == [b"ftyp"] * 2
            assert all(poster.stat().st_size for _, poster in found.values())
        assert not any(video.exists() for video, _ in found.values())
        await review_zip.pack(
            "en",
            studio,
            review,
            disk.folder / "review.zip",
            now=time.time(),
            progress=lambda share: None,
        )
        assert (disk.folder / "review.zip").stat().st_size > 1000


async def test_a_disk_that_runs_low_refuses_new_work_and_harms_none_in_flight(
    studio, simulator, monkeypatch
):
    job = await studio.submission.submit(request(), owner=OWNER)
    async with ends_well(studio, simulator, job):
        monkeypatch.setattr(objects, "ROOM", ENDLESS)
        said = await refused(studio, "disk_low")
        assert "Nothing was sent or charged" in str(said)
        with pytest.raises(StorageUnavailable, match="Free some space, then try again"):
            await studio.submission.retry(job.id, owner=OWNER)
    monkeypatch.setattr(objects, "ROOM", 0)
    again = await studio.submission.submit(request(prompt="something new"), owner=OWNER)
    assert (await Viewer(studio, again).end()).state is JobState.SUCCEEDED


async def test_no_copy_takes_the_room_of_the_jobs(studio, monkeypatch):
    job = await Viewer(studio, await studio.submission.submit(request(), owner=OWNER)).end()
    made, _ = await studio.reviews.create(
        [job.id], owner=OWNER, title="A", note="", expires_days=None
    )
    whole = await studio.reviews.get(made.id, owner=OWNER)
    await asyncio.to_thread(studio.uploads.folder.mkdir)
    copies = [
        lambda: studio.exports.bundle(
            job.id, owner=OWNER, target=studio.uploads.folder / "bundle.zip"
        ),
        lambda: reuse_settings.copy_references(studio, job.id, owner=OWNER),
        lambda: review_zip.pack(
            "en",
            studio,
            whole,
            studio.uploads.folder / "review.zip",
            now=0.0,
            progress=lambda _: None,
        ),
    ]
    monkeypatch.setattr(objects, "ROOM", ENDLESS)
    for copy in copies:
        with pytest.raises(StorageUnavailable, match="disk has"):
            await copy()
    assert not [path for path in studio.uploads.folder.rglob("[!.]*.*") if path.is_file()]
    monkeypatch.setattr(objects, "ROOM", 0)
    for copy in copies:
        await copy()
    assert len([path for path in studio.uploads.folder.rglob("[!.]*.*") if path.is_file()]) == len(
        copies
    )


async def test_one_export_of_an_owner_at_a_time(studio, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    asks = gr.Request(username="somebody")
    owner = owner_of(studio, "", asks)
    job = await studio.submission.submit(request(), owner=owner)
    async for _ in studio.watching.follow(job.id, owner=owner):
        pass
    made, _ = await studio.reviews.create(
        [job.id], owner=owner, title="A", note="", expires_days=None
    )
    with gr.Blocks():
        events = Events("en", studio, connection.build("en", studio))
        tab = review.ReviewTab(events, BrowserText("opened"))
    asking = Caller(studio, asks, ""), OfReview(review=made.id)
    first = tab.export_zip(*asking)
    assert "Exporting" in await anext(first)
    assert ["Another export" in said async for said in tab.export_zip(*asking)] == [True]
    await first.aclose()
    assert "Ready" in [said async for said in tab.export_zip(*asking)][-1]


@pytest.mark.parametrize("state", [JobState.UPLOADING, JobState.PENDING, JobState.RUNNING])
async def test_a_full_disk_loses_nothing(studio, simulator, disk, state):
    with simulator.fault("upload", "delay-0.5"):
        job = await studio.submission.submit(request(), owner=OWNER)
        async with ends_well(studio, simulator, job) as viewer:
            await viewer.until(lambda event: event.job.state is state)
            with disk.full():
                await viewer.paused()
                await refused(studio)
                await asyncio.sleep(1)  # it is tried several times more, in vain


async def test_a_result_waits_for_room(disk, simulator, monkeypatch, tmp_path):
    """The database has room, the disk of the videos has none: the job says so, and is never given
    up.
    """
    monkeypatch.setenv("WAN_DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere.sqlite3'}")
    async with Studio(load_settings()) as studio:
        job = await studio.submission.submit(request(), owner=OWNER)
        async with ends_well(studio, simulator, job) as viewer:
            await viewer.until(lambda event: event.job.state is JobState.RUNNING)
            with disk.full():
                await viewer.paused()
                assert await refused(studio, "disk_full" if disk.own else None)
                for _ in range(10):
                    await asyncio.sleep(0.1)
                    assert (await studio.library.get(job.id, owner=OWNER)).live


async def test_what_is_home_needs_the_service_no_more(studio, simulator, monkeypatch):
    """The video is kept, conforming it has no room: even when the service has forgotten the task,
    nothing is lost.
    """
    full = [True]
    real = encode.conform

    def conform(source, target, **given):
        if full:
            raise OSError(28, "No space left on device")
        return real(source, target, **given)

    monkeypatch.setattr(encode, "conform", conform)
    job = await studio.submission.submit(request(), owner=OWNER)
    async with ends_well(studio, simulator, job) as viewer:
        await viewer.paused()
        with simulator.fault("query", "status-503"), simulator.fault("result", "status-503"):
            full.clear()
            assert (await viewer.end()).state is JobState.SUCCEEDED


async def test_a_database_that_is_held_by_another_refuses_new_work_and_loses_nothing(
    studio, simulator, database
):
    job = await studio.submission.submit(request(), owner=OWNER)
    async with ends_well(studio, simulator, job) as viewer:
        with locked(database):
            await viewer.paused()
            said = await refused(studio, "database_busy")
            assert "Nothing was sent or charged" in str(said)
            with pytest.raises(StorageUnavailable):
                await studio.submission.cancel(job.id, owner=OWNER)


async def test_a_read_only_database_refuses_new_work_and_loses_nothing(studio, simulator):
    job = await studio.submission.submit(request(), owner=OWNER)
    async with ends_well(studio, simulator, job) as viewer:
        await viewer.until(lambda event: event.job.state is JobState.PENDING)
        with every_connection(studio.stores.database, "query_only=ON", "query_only=OFF"):
            await viewer.paused()
            await refused(studio, "database_readonly")


async def test_a_database_that_cannot_be_read_ends_no_viewer(studio, simulator):
    job = await studio.submission.submit(request(), owner=OWNER)
    async with ends_well(studio, simulator, job) as viewer:
        await viewer.until(lambda event: event.job.state is JobState.PENDING)
        with unreadable(studio.stores.database):
            await viewer.paused()
            await refused(studio, "database_down")
            assert (
                await studio.submission.quote(
                    model="wan2.6-i2v-flash", size="1280*720", duration=5, audio=True
                )
            ).usual
            late = Viewer(studio, job)
            await asyncio.sleep(1.5)  # it reads, and must not give up
        assert (await late.end()).state is JobState.SUCCEEDED


async def test_the_page_says_it_in_words(studio):
    opened = asyncio.Event()
    opened.set()
    page = httpx.ASGITransport(Starlette(routes=routes(studio, opened)))

    async def read(_values: Values, _asker: Asker) -> ImageToVideoRequest:
        return request()

    with gr.Blocks() as demo:
        events = Events("en", studio, connection.build("en", studio))
        run = TabStage(events, "image", [catalog.IMAGE_TO_VIDEO], make_viewers())
        generate, takes = gr.Button(), gr.Radio(["1"])
        run.wire(generate, takes, {}, read, partial(reference.draw_idle, "en"))
    asks, nothing = gr.Request(username="somebody", headers={}), gr.EventData(None, None)
    handlers = {target: one.fn for one in demo.fns.values() for target in one.targets}
    typed = [""] * 5  # token, key, region, workspace and access code

    with unreadable(studio.stores.database):
        async with plain_http.AsyncClient(transport=page, base_url="http://page") as client:
            answer = await client.get(f"/media/{ids.new_media_token()}/video.mp4")
        assert (answer.status_code, "database isn't working" in answer.text) == (503, True)
        # Nobody knows, so the stage stays as it is.
        assert await run.is_live(Caller(studio, asks, ""), ids.new_job_id())
        start, cancel = handlers[generate._id, "click"], handlers[run.view._id, "cancel"]
        stage, job = await start(asks, nothing, *typed, "", "1", "")
        card, _ = await cancel(asks, nothing, "", ids.new_job_id())
    assert job == gr.skip()
    assert all("database isn&#39;t working right now" in html for html in (stage, card))


async def test_nothing_is_sent_before_the_row_says_so(studio, simulator, database):
    before = simulator.stats()["created"]
    with simulator.fault("upload", "delay-0.5"):
        job = await studio.submission.submit(request(), owner=OWNER)
        async with ends_well(studio, simulator, job) as viewer:
            await viewer.until(lambda event: event.job.state is JobState.UPLOADING)
            with locked(database):
                await asyncio.sleep(
                    2.5
                )  # far longer than the upload takes, after which it could be sent
                assert simulator.stats()["created"] == before


@pytest.mark.parametrize(
    ("fault", "state", "sent"),
    [
        (None, JobState.SUCCEEDED, 1),
        ("status-429", JobState.SUCCEEDED, 1),
        ("drop-after-accept", JobState.SUCCEEDED, 1),
        ("status-400", JobState.FAILED, 0),
    ],
)
async def test_the_answer_to_a_paid_request_is_written_down_in_the_end(
    studio, simulator, database, monkeypatch, fault, state, sent
):
    """It outlasts the lease: while this process has the answer, nobody takes the job for lost."""
    monkeypatch.setattr(submitting, "SUBMITTING_LEASE", 0.5)
    answered, lock, real = asyncio.Event(), Lock(database), Gateway.submit

    async def submit(self, *given):
        try:
            return await real(self, *given)
        finally:
            if not answered.is_set():
                await asyncio.to_thread(lock.take)
                answered.set()

    monkeypatch.setattr(Gateway, "submit", submit)
    before = simulator.stats()["created"]
    with simulator.fault("create", fault, count=1) if fault else contextlib.nullcontext():
        job = await studio.submission.submit(request(), owner=OWNER)
        viewer = Viewer(studio, job)
        await answered.wait()
        await asyncio.sleep(1.5)  # three leases
        assert (await studio.library.get(job.id, owner=OWNER)).state is JobState.SUBMITTING
        lock.leave()
    assert (await viewer.end()).state is state
    assert simulator.stats()["created"] - before == sent
    met = {event.job.state for event in viewer.seen}
    assert (JobState.UNCERTAIN in met) == (fault == "drop-after-accept")


async def test_a_stop_beside_a_stuck_database_ends_and_the_next_process_finds_the_task(
    simulator, disk, database, monkeypatch
):
    monkeypatch.setattr(runner, "STOP_LIMIT", 0.5)
    monkeypatch.setattr(submitting, "SUBMITTING_LEASE", 1.0)
    answered, lock, real = asyncio.Event(), Lock(database.parent / "wan.sqlite3"), Gateway.submit

    async def submit(self, *given):
        accepted = await real(self, *given)
        await asyncio.to_thread(lock.take)
        answered.set()
        return accepted

    before = simulator.stats()["created"]
    with monkeypatch.context() as patch:
        patch.setattr(Gateway, "submit", submit)
        async with Studio(load_settings()) as studio:
            job = await studio.submission.submit(request(), owner=OWNER)
            await answered.wait()
        lock.leave()
    async with Studio(load_settings()) as studio:
        viewer = Viewer(studio, job)
        assert (await viewer.end()).state is JobState.SUCCEEDED
    assert simulator.stats()["created"] - before == 1


async def test_a_database_that_cannot_be_written_at_the_start_is_said_in_one_line(
    environment, samples, tmp_path
):
    """Exit code 3: our own trouble, nothing was sent, and the same command may be tried again."""
    path = tmp_path / "kept.sqlite3"
    Database(f"sqlite:///{path}").close()
    wrong = {"WAN_DATABASE_URL": f"sqlite:///file:{path}?mode=ro&uri=true"}
    command = ["-m", "wan", "image-to-video", samples / "astronaut.png", "--prompt", "x", "--json"]
    finished = await asyncio.to_thread(
        warm.run, command, environment=environment | wrong, folder=tmp_path
    )
    assert finished.returncode == 3
    assert "Traceback" not in finished.stderr
    assert "can't be written to" in finished.stderr.strip().splitlines()[-1]
    assert "can't be written to" in json.loads(finished.stdout)["error"]


async def test_a_postgresql_that_is_held_by_another_refuses_new_work_and_loses_nothing(
    served_by_postgres, simulator, postgres
):
    studio, schema = (
        served_by_postgres,
        sa.make_url(load_settings().database).query["options"].rpartition("=")[2],
    )
    job = await studio.submission.submit(request(), owner=OWNER)
    async with ends_well(studio, simulator, job) as viewer:
        with postgres.connect() as another:
            another.execute(f"LOCK TABLE {schema}.jobs IN EXCLUSIVE MODE")  # reading goes on
            await viewer.paused()
            await refused(studio, "database_busy")


async def test_a_postgresql_that_breaks_down_refuses_new_work_and_loses_nothing(
    served_by_postgres, simulator, postgres
):
    studio = served_by_postgres
    job = await studio.submission.submit(request(), owner=OWNER)
    async with ends_well(studio, simulator, job) as viewer:
        await viewer.until(lambda event: event.job.state is JobState.PENDING)
        await asyncio.to_thread(postgres.stop)
        try:
            await viewer.paused()
            await refused(studio, "database_down")
        finally:
            await asyncio.to_thread(postgres.start)


@pytest.mark.parametrize("moment", ["upload", "create", "query", "result"])
async def test_a_postgresql_that_starts_anew_at_any_moment_costs_nothing(
    served_by_postgres, simulator, postgres, moment
):
    with simulator.fault(moment, "delay-1.5", count=1):
        studio = served_by_postgres
        job = await studio.submission.submit(request(), owner=OWNER)
        async with ends_well(studio, simulator, job) as viewer:
            states = {
                "upload": JobState.UPLOADING,
                "create": JobState.SUBMITTING,
                "query": JobState.PENDING,
                "result": JobState.FETCHING,
            }
            await viewer.until(lambda event: event.job.state is states[moment])
            await asyncio.to_thread(postgres.stop)
            await asyncio.to_thread(postgres.start)
