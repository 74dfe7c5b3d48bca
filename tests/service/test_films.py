"""A joined film is a job of its own kind: kept, free, never sent, and told apart wherever jobs are
listed, priced, tried again or deleted.
"""

import asyncio
import json
import math
import secrets
import threading
import zipfile
from dataclasses import replace
from decimal import Decimal

import av
import gradio as gr
import pytest

from tests.patience import PATIENCE
from tests.service.test_studio import OWNER, finished, image
from tests.ui.test_cards import read
from wan.database import films
from wan.database.refusals import TooManyFilms
from wan.domain.catalog import FILM
from wan.domain.errors import AccessRefused, InvalidInput, JobNotFound, StorageUnavailable, WanError
from wan.domain.jobs import JobState, Spent
from wan.environment.settings import load_settings
from wan.media import encode, inputs
from wan.service import polling
from wan.service.films import differ_in_shape
from wan.service.studio import Studio
from wan.ui import connection
from wan.ui.caller import Caller, Events, owner_of
from wan.ui.chosen_takes import ChosenTakes, Joining
from wan.ui.components import library as html
from wan.ui.components.browser_text import BrowserText
from wan.web import compare, review_html

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _service(simulator, monkeypatch):
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-test{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setenv("DASHSCOPE_REGION", "cn-beijing")
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)


@pytest.fixture
async def studio():
    async with Studio(load_settings()) as opened:
        yield opened


async def take(studio: Studio, **changes):
    return await finished(studio, await studio.submission.submit(image(**changes), owner=OWNER))


async def test_a_film_is_a_job_like_any_other_and_costs_nothing(studio, simulator, tmp_path):
    first, second = (
        await take(studio, prompt="A boat leaves.", audio=False),
        await take(studio, prompt="It rains.", audio=False, size="720*1280"),
    )
    sent, told = simulator.stats()["created"], []
    assert differ_in_shape([first, second])
    assert not differ_in_shape([first, first])
    ids = [first.id, second.id]
    film = await studio.films.make(ids, owner=OWNER, fit="crop", progress=told.append)
    assert told[-1] == 1
    assert (film.state, film.model, film.spent, film.amount) == (
        JobState.SUCCEEDED,
        FILM,
        Spent.NO,
        None,
    )
    assert (film.width, film.height, film.fps) == (first.width, first.height, first.fps)
    assert film.duration == pytest.approx(4, abs=0.1)
    page = await studio.library.list_jobs(owner=OWNER, search="rains boat")
    assert [job.id for job in page.jobs] == [film.id]
    assert page.live == 0
    only = await studio.library.list_jobs(owner=OWNER, model=FILM)
    assert [job.id for job in only.jobs] == [film.id]
    video, poster = [
        await studio.library.find_media(film.media_token, name)
        for name in ("video.mp4", "poster.webp")
    ]
    assert encode.measure(video).seconds == film.duration
    assert poster.stat().st_size > 100
    with av.open(str(video)) as container:
        last = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)][-1]
    assert (last.mean(axis=0) > 20).all(), "cropped, without bars"
    again = await studio.films.make(ids, owner=OWNER, fit="crop", progress=told.append)
    assert again.id == film.id
    report = await studio.spending.report()
    assert film.id not in [one.job_id for one in report.expenses]
    assert sum(report.total.month.cost.values()) == sum(
        (one.amount for one in (first, second)), Decimal(0)
    )
    assert simulator.stats()["created"] == sent, "nothing was asked of the service"

    shown = html.show_job(
        "en",
        await studio.watching.snapshot(film.id, owner=OWNER),
        there=await studio.films.find_takes(film),
    )
    assert shown.count('data-event="open"') == 2
    for one in (first, second):
        assert f"media/{one.media_token}/poster.webp" in shown
    assert "free" in shown
    assert "<dt>Fit</dt><dd>Crop</dd>" in shown
    assert "<dt>Model</dt>" not in shown
    for missing in ("seed 0", 'data-event="again"', 'data-event="use"', "wan-timeline"):
        assert missing not in shown
    assert "Combined video" in html.show_page("en", only, 0, 24, None)

    result = studio.library.result_of(film)
    assert (result.state, result.spent, result.billed_seconds) == ("SUCCEEDED", "no", 0)
    assert (result.price, result.task_id) == (None, None)
    assert await studio.library.complete_evidence(film) is None
    await studio.exports.bundle(film.id, owner=OWNER, target=tmp_path / "film.zip")
    with zipfile.ZipFile(tmp_path / "film.zip") as made:
        name = studio.file_names.of(film)
        assert made.namelist() == [f"{name}.mp4", f"{name}.json"]
        told = json.loads(made.read(f"{name}.json"))
    assert [shot["job"] for shot in told["shots"]] == ids
    archive = tmp_path / "all.zip"
    await studio.exports.archive([film.id, first.id], owner=OWNER, target=archive, progress=print)
    with zipfile.ZipFile(archive) as made:
        named = [
            f"{number}-{studio.file_names.of(one)}" for number, one in (("01", film), ("02", first))
        ]
        assert sorted(made.namelist()) == sorted(
            f"{name}.{ending}" for name in named for ending in ("mp4", "json")
        )
    await studio.library.label([film.id], owner=OWNER, name="Opening: film v1")
    await studio.library.label([first.id], owner=OWNER, name="Hero")
    await studio.exports.archive([film.id, first.id], owner=OWNER, target=archive, progress=print)
    with zipfile.ZipFile(archive) as made:
        assert len(made.namelist()) == 4
        assert all(" Opening- film v1 " in name for name in made.namelist()[:2])
        assert all(f" Hero - take {first.take} " in name for name in made.namelist()[2:])
    assert inputs.read_settings(video)["shots"] == told["shots"]
    with pytest.raises(WanError, match="combined from takes"):
        await studio.submission.retry(film.id, owner=OWNER)
    assert (await studio.submission.cancel(film.id, owner=OWNER)).key == "cancel_over"
    newest = await studio.watching.find_newest(owner=OWNER, models=[first.model])
    assert newest.id == second.id
    review, _ = await studio.reviews.create([film.id, first.id], owner=OWNER, title="Which one?")
    assert [one.job.id for one in review.takes] == [film.id, first.id]
    board = compare.board("en", [(one.job, "video.mp4", "") for one in review.takes])
    page = review_html.offline("en", review, lambda _: ("", ""), pages={"en": "", "zh": ""}, now=0)
    for shown in (read(board), read(page)):
        assert "Combined video A · Opening: film v1" in shown
        assert "Take 1B · Hero" in shown
        assert "Take 1A" not in shown


async def test_other_shapes_are_announced_before_they_are_joined(studio):
    asks = gr.Request(username="ann")
    owner = owner_of(studio, "", asks)
    with gr.Blocks():
        events = Events("en", studio, connection.build("en", studio))
        takes = ChosenTakes(events, BrowserText("chosen", restored=False))
    made = []
    for size in ("1280*720", "960*960"):
        request = image(prompt=f"at {size}", size=size, audio=False)
        submitted = await studio.submission.submit(request, owner=owner)
        made.append(await finished(studio, submitted, owner=owner))
    ids = " ".join(job.id for job in made)
    (question,) = [step async for step in takes.join(Caller(studio, asks, ""), Joining(), ids)]
    assert "1280×720, 960×960" in question
    assert question.count('data-event="join"') == 2
    assert (await studio.library.list_jobs(owner=owner)).total == 2
    chosen = Joining(fit="pad")
    steps = [step async for step in takes.join(Caller(studio, asks, ""), chosen, ids)]
    film = (await studio.library.list_jobs(owner=owner, model=FILM)).jobs[0]
    assert f'data-job="{film.id}"' in steps[-1]
    assert (film.request["fit"], film.width, film.height) == ("pad", 1280, 720)
    alike = await studio.films.make([made[0].id] * 2, owner=owner, fit="pad", progress=print)
    assert "fit" not in alike.request, "nothing was fitted"


async def test_a_film_outlives_its_takes_and_leaves_nothing_behind(studio):
    takes = [await take(studio, prompt=prompt, audio=False) for prompt in ("one", "two")]
    ids = [one.id for one in takes]
    film = await studio.films.make(ids, owner=OWNER, progress=print)
    whole = await studio.films.make([film.id, ids[0]], owner=OWNER, progress=print)
    assert [shot["job"] for shot in whole.payload["shots"]] == [*ids, ids[0]]
    await studio.library.delete(ids[0], owner=OWNER)
    assert set(await studio.films.find_takes(film)) == {ids[1]}
    path = await studio.library.find_media(film.media_token, "video.mp4")
    assert path.exists()
    with pytest.raises(JobNotFound):
        await studio.library.delete(film.id, owner="somebody else")
    await studio.library.delete(film.id, owner=OWNER)
    assert not path.exists()
    assert not list(load_settings().output_dir.rglob(f"*{film.id}*"))
    assert {job.id for job in (await studio.library.list_jobs(owner=OWNER)).jobs} == {
        ids[1],
        whole.id,
    }


async def test_a_film_that_is_stopped_while_it_is_written_is_whole(studio, monkeypatch):
    """The transaction goes on: its row is not left without its files."""
    one = await take(studio, audio=False)
    begun, goes_on = threading.Event(), threading.Event()
    insert = films.insert

    def insert_late(*given):
        begun.set()
        assert goes_on.wait(PATIENCE)
        return insert(*given)

    monkeypatch.setattr(films, "insert", insert_late)
    storage = studio._open_parts.stores.storage
    making = asyncio.create_task(studio.films.make([one.id] * 2, owner=OWNER, progress=print))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    announced = storage.list_announced(math.inf)
    for _ in range(2):
        making.cancel()
        await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await making
    (film,) = (await studio.library.list_jobs(owner=OWNER, model=FILM)).jobs
    assert announced == [film.video_key, film.poster_key], "for whoever dies before the row"
    assert [await storage.has(key) for key in announced] == [True, True]
    assert storage.list_announced(math.inf) == []

    await storage.remove(film.video_key)
    again = await studio.films.make([one.id] * 2, owner=OWNER, progress=print)
    assert (await studio.library.find_media(again.media_token, "video.mp4")).exists()
    assert [job.id for job in (await studio.library.list_jobs(owner=OWNER, model=FILM)).jobs] == [
        again.id
    ]


async def test_nobody_fills_the_disk_with_films(studio, monkeypatch):
    monkeypatch.setattr(films, "FILMS_LIMIT", 1)
    one = await take(studio, audio=False)
    film = await studio.films.make([one.id] * 2, owner=OWNER, progress=print)
    assert (await studio.films.make([one.id] * 2, owner=OWNER, progress=print)).id == film.id
    told = []
    with pytest.raises(AccessRefused, match=r"limit of combined videos \(1\)"):
        await studio.films.make([one.id] * 3, owner=OWNER, progress=told.append)
    assert told == [], "it is refused before it is made"
    with pytest.raises(TooManyFilms):
        await films.Films(studio._open_parts.stores.database).add(replace(film, id=one.id))
    await studio.library.delete(film.id, owner=OWNER)
    await studio.films.make([one.id] * 3, owner=OWNER, progress=print)


async def test_what_cannot_be_made_or_kept_leaves_nothing(studio, monkeypatch):
    one = await take(studio, audio=False)
    # The record of the take, beside the storage, comes a moment after its end.
    stored = load_settings().output_dir / "storage"
    before = sorted(stored.rglob("*.mp4"))
    for wrong, refusal in (
        ([], InvalidInput),
        ([one.id], InvalidInput),
        ([one.id] * 21, InvalidInput),
        ([one.id, "x" * 22], JobNotFound),
    ):
        with pytest.raises(refusal):
            await studio.films.make(wrong, owner=OWNER, progress=print)
    with pytest.raises(JobNotFound):
        await studio.films.make([one.id] * 2, owner="somebody else", progress=print)

    def fail(*_):
        raise StorageUnavailable("database_busy")

    monkeypatch.setattr(films, "insert", fail)
    with pytest.raises(StorageUnavailable):
        await studio.films.make([one.id] * 2, owner=OWNER, progress=print)
    assert sorted(stored.rglob("*.mp4")) == before
    assert (await studio.library.list_jobs(owner=OWNER)).total == 1
