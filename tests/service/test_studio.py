"""The service against the simulator over real HTTP, with a real database and real MP4s: from a
request to a kept video.
"""

import asyncio
import io
import json
import os
import secrets
import signal
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from tests import plain_http
from tests.blocking import Store
from tests.database.test_store import job as kept_job
from tests.patience import PATIENCE
from tests.pictures import clip, picture
from tests.simulators import serving
from tests.sounds import wav
from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.errors import (
    AccessRefused,
    InvalidInput,
    JobNotFound,
    MayPayTwice,
    StorageUnavailable,
    WanError,
)
from wan.domain.jobs import JobState, Spent
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.environment.settings import load_settings
from wan.media import encode, inputs
from wan.media.sandbox import SANDBOX
from wan.service import polling
from wan.service.library import Library, open_library
from wan.service.stores import open_stores
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES

pytestmark = pytest.mark.anyio

OWNER = "somebody"


@pytest.fixture(autouse=True)
def _service(simulator, monkeypatch):
    """The very code that talks to DashScope, pointed at the simulator; a key of its own gives each
    test an account of its own.
    """
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-test{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)


@pytest.fixture
async def studio():
    async with Studio(load_settings()) as opened:
        yield opened


def image(**changes) -> ImageToVideoRequest:
    return ImageToVideoRequest(
        **{"prompt": "she smiles", "reference_image": picture((640, 480)), "duration": 2} | changes
    )


async def finished(studio, job, owner=OWNER):
    async for event in studio.watching.follow(job.id, owner=owner):
        last = event
    return last.job


async def test_a_cancel_that_comes_with_a_change_ends_who_follows(studio, simulator):
    with simulator.fault("policy", "status-503"):
        job = await studio.submission.submit(image(prompt="stopped"), owner=OWNER)
        follower = asyncio.create_task(finished(studio, job))
        viewers = studio.watching._watched._viewers
        while not any(one.next._waiters for one in viewers.get(job.id, ())):  # noqa: ASYNC110 - nothing says it
            await asyncio.sleep(0)
        for viewer in viewers[job.id]:
            viewer.notify()
        follower.cancel()
        await asyncio.wait([follower], timeout=PATIENCE)
        assert follower.cancelled()


async def test_a_picture_becomes_a_video(studio, simulator):
    job = await studio.submission.submit(
        image(seed=7, fps=24, size="720*1280", motion_strength=0.5), owner=OWNER
    )
    events = [event async for event in studio.watching.follow(job.id, owner=OWNER)]
    done = events[-1].job
    assert done.state is JobState.SUCCEEDED
    assert (done.width, done.height, done.fps, done.duration, done.seed) == (720, 1280, 24, 2, 7)
    assert (done.billed_seconds, done.spent, done.has_audio) == (2, Spent.YES, True)
    states = [event.job.state for event in events]
    assert states == sorted(states, key=list(JobState).index)
    assert len(set(states)) > 1
    assert [one.key for one in done.adjustments] == [
        "image_cropped",
        "size_as_tier",
        "motion_worded",
        "fps_conformed",
    ]
    video, original = [
        await studio.library.find_media(done.media_token, name)
        for name in ("video.mp4", "original.mp4")
    ]
    assert (encode.measure(video).fps, encode.measure(original).fps) == (24, 30)
    with Image.open(await studio.library.find_media(done.media_token, "poster.webp")) as poster:
        assert poster.size == (720, 1280)
    sent = simulator.task(done.task_id)
    assert done.task_id in str(sent)
    assert "Natural, moderate movement." in str(sent)


@pytest.mark.parametrize(("size", "made"), [("1088*832", "1096*838"), ("1248*1632", "1258*1646")])
async def test_a_size_that_the_service_cannot_make_is_made_from_what_it_made(studio, size, made):
    done = await finished(studio, await studio.submission.submit(image(size=size), owner=OWNER))
    assert (f"{done.width}*{done.height}", done.fps, done.duration) == (size, 30, 2)
    said = f"Rendered at {made}, converted to {size}.".replace("*", "×")
    assert said in [str(one) for one in done.adjustments]
    original = encode.measure(await studio.library.find_media(done.media_token, "original.mp4"))
    assert (original.size, original.has_audio, done.has_audio) == (made, True, True)


@pytest.mark.parametrize("size", ["1920*1080", "960*960"])
async def test_a_size_that_the_service_makes_is_kept_as_it_came(studio, size):
    done = await finished(studio, await studio.submission.submit(image(size=size), owner=OWNER))
    assert f"{done.width}*{done.height}" == size
    assert {one.key for one in done.adjustments} == {"image_cropped", "size_as_tier"}


async def test_an_account_of_the_other_site_pays_in_its_own_currency(monkeypatch):
    monkeypatch.setenv("DASHSCOPE_REGION", "cn-beijing")
    monkeypatch.setenv("WAN_CURRENCY", "USD")
    monkeypatch.setenv("WAN_DAILY_BUDGET", "0.10")
    async with Studio(load_settings()) as studio:
        quote = await studio.submission.quote(
            model=catalog.IMAGE_TO_VIDEO, size="720P", duration=2, audio=True
        )
        job = await studio.submission.submit(
            image(prompt="in dollars"), owner=OWNER, permission=studio.access.policy.operator
        )
        assert str(quote.price) == str(job.price) == "$0.086"
        with pytest.raises(AccessRefused, match=r"budget of \$0\.10.*\$0\.086"):
            await studio.submission.submit(
                image(prompt="over the budget"),
                owner=OWNER,
                permission=studio.access.policy.operator,
            )
        done = await finished(studio, job)
    assert (done.currency, done.amount, done.billed_seconds) == ("USD", Decimal("0.086012"), 2)


async def test_a_video_at_an_odd_address_is_fetched_when_the_service_names_the_right_one(
    studio, simulator
):
    with simulator.fault("query", "link-elsewhere"):
        job = await studio.submission.submit(image(prompt="elsewhere"), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.message.key == "result_elsewhere":
                break
        assert (event.job.state, "http://elsewhere.example" in str(event.message)) == (
            JobState.FETCHING,
            True,
        )
    done = await finished(studio, job)
    assert (done.state, done.spent, done.said) == (JobState.SUCCEEDED, Spent.YES, None)


async def test_a_video_whose_address_says_http_is_fetched_over_https(studio, simulator):
    asked = []

    async def lead_here(request):  # where a name under aliyuncs.com leads otherwise
        asked.append((request.url.scheme, request.url.host))
        request.url = httpx.URL(simulator.root).copy_with(raw_path=request.url.raw_path)

    studio.access._gateway._files.event_hooks = {"request": [lead_here]}
    with simulator.fault("query", "link-http"):
        job = await studio.submission.submit(
            image(prompt="over http", reference_image="https://example.com/a.png"), owner=OWNER
        )
        assert (await finished(studio, job)).state is JobState.SUCCEEDED
    assert asked == [("https", "dashscope-result-sh.oss-cn-shanghai.aliyuncs.com")]


async def test_a_picture_in_its_own_shape(studio):
    done = await finished(
        studio,
        await studio.submission.submit(
            image(size="720P", reference_image=picture((750, 1000))), owner=OWNER
        ),
    )
    assert (done.width, done.height) == (830, 1108)
    assert done.adjustments == []


async def test_a_large_photo_in_its_own_shape_goes_up_smaller_and_once(studio, simulator):
    asked = image(size="720P", reference_image=picture((2400, 1800)))
    before = simulator.stats()["uploads"]
    done = await finished(studio, await studio.submission.submit(asked, owner=OWNER))
    assert (done.width, done.height) == (1108, 830)
    assert [one.key for one in done.adjustments] == ["image_scaled"]
    (photo,) = done.references
    assert (photo.width, photo.height) == (2400, 1800)
    sizes = [await _picture_size(studio, key) for key in (photo.key, photo.sent_key)]
    assert sizes == [(2400, 1800), (1275, 956)]
    again = await studio.submission.submit(asked, owner=OWNER)
    assert again.task_id == done.task_id
    take = await studio.submission.submit(asked, owner=OWNER, new_take=True)
    assert (await finished(studio, take)).state is JobState.SUCCEEDED
    assert simulator.stats()["uploads"] == before + 1


async def test_a_large_reference_image_goes_up_whole(studio):
    request = ReferenceToVideoRequest(
        prompt="character1 waves", reference_image=picture((2400, 1800)), duration=2
    )
    job = await studio.submission.submit(request, owner=OWNER)
    await studio.submission.cancel(job.id, owner=OWNER)
    assert job.adjustments == []
    assert await _picture_size(studio, job.references[0].sent_key) == (2400, 1800)


async def _picture_size(studio, key: str) -> tuple[int, int]:
    with Image.open(await studio.stores.storage.local_copy(key)) as kept:
        return kept.size


async def test_references_become_a_video(studio, simulator, tmp_path):
    request = ReferenceToVideoRequest(
        prompt="character1 meets character2 and character3",
        reference_video=clip(tmp_path / "clip.mp4", seconds=3),
        reference_image=[picture((300, 300)), "https://example.com/cup.png"],
        duration=2,
        size="832*1088",
        audio=False,
    )
    job = await studio.submission.submit(request, owner=OWNER)
    done = await finished(studio, job)
    assert (done.state, done.width, done.height, done.duration, done.has_audio) == (
        JobState.SUCCEEDED,
        832,
        1088,
        2,
        False,
    )
    assert done.billed_seconds == 2 + 1.65
    urls = done.payload["input"]["reference_urls"]
    assert urls == ["reference:0", "reference:1", "https://example.com/cup.png"]


async def test_a_slow_reference_video_is_sent_with_a_warning(studio, tmp_path):
    given = (
        clip(tmp_path / "slow.mp4", seconds=2, fps=15),
        clip(tmp_path / "sure.mp4", seconds=2, fps=16),
    )
    job = await studio.submission.submit(
        ReferenceToVideoRequest(
            prompt="character1 waves", reference_video=given, duration=2, audio=False
        ),
        owner=OWNER,
    )
    assert [str(one) for one in job.adjustments] == [
        "A reference video has 15 frames per second. The service may refuse videos below "
        "16, which costs nothing."
    ]
    await studio.submission.cancel(job.id, owner=OWNER)


async def test_the_same_bytes_go_up_once(studio, simulator):
    before = simulator.stats()
    reference = picture((321, 300))
    first = await studio.submission.submit(image(reference_image=reference), owner=OWNER)
    second = await studio.submission.submit(
        image(reference_image=reference), owner=OWNER, new_take=True
    )
    assert [(await finished(studio, job)).state for job in (first, second)] == [
        JobState.SUCCEEDED
    ] * 2
    after = simulator.stats()
    assert after["uploads"] - before["uploads"] == 1
    third = await finished(
        studio,
        await studio.submission.submit(
            image(reference_image=reference), owner=OWNER, new_take=True
        ),
    )
    assert third.state is JobState.SUCCEEDED
    assert simulator.stats()["uploads"] == after["uploads"]


async def test_two_clicks_are_one_job(studio, simulator):
    before = simulator.stats()["created"]
    jobs = await asyncio.gather(*(studio.submission.submit(image(), owner=OWNER) for _ in range(5)))
    assert len({job.id for job in jobs}) == 1
    await finished(studio, jobs[0])
    assert simulator.stats()["created"] - before == 1


async def test_takes_differ_by_their_seeds_and_share_brief_and_upload(studio, simulator):
    before, made_of = simulator.stats(), picture((640, 482))
    clicks = await asyncio.gather(
        *(
            studio.submission.submit_takes(image(reference_image=made_of), owner=OWNER, takes=4)
            for _ in range(3)
        )
    )
    jobs = clicks[0]
    assert all([job.id for job in click] == [job.id for job in jobs] for click in clicks), (
        "a double click"
    )
    assert (
        len({job.id for job in jobs}),
        len({job.seed for job in jobs}),
        len({job.brief_id for job in jobs}),
    ) == (4, 4, 1)
    assert [job.payload["parameters"]["seed"] for job in jobs] == [job.seed for job in jobs]
    done = await asyncio.gather(*(finished(studio, job) for job in jobs))
    assert {job.state for job in done} == {JobState.SUCCEEDED}
    after = simulator.stats()
    assert (after["created"] - before["created"], after["uploads"] - before["uploads"]) == (4, 1)
    assert await studio.submission.submit_takes(
        image(reference_image=made_of), owner=OWNER, takes=4
    ) == list(done)
    assert (await studio.submission.submit(image(reference_image=made_of), owner=OWNER)).id == jobs[
        0
    ].id, "the first is the plain request"
    assert simulator.stats()["created"] == after["created"]
    other = await studio.submission.submit_takes(
        image(reference_image=made_of, duration=3), owner=OWNER, takes=2
    )
    await asyncio.gather(*(studio.submission.cancel(job.id, owner=OWNER) for job in other))


async def test_takes_keep_their_numbers(studio, simulator):
    made_of = picture((640, 484))

    async def submit(request=None, **asked):
        jobs = await studio.submission.submit_takes(
            request or image(reference_image=made_of), owner=OWNER, **asked
        )
        return [await finished(studio, job) for job in jobs]

    first, second = await submit(takes=2)
    await studio.library.label([first.id], owner=OWNER, name=" Wide  shot ", project="Spring")
    third = await finished(studio, await studio.submission.retry(second.id, owner=OWNER))
    fourth = (await submit(takes=3))[2]
    assert [job.take for job in (first, second, third, fourth)] == [1, 2, 3, 4]
    assert fourth.brief_id == first.brief_id, "those that were made before are of this brief"
    await studio.library.delete(second.id, owner=OWNER)
    named = await studio.library.get(first.id, owner=OWNER)
    assert (named.take, named.name, named.project) == (1, "Wide shot", "Spring")
    # As the form gives it back, which holds the clean copy of the picture.
    ((_, kept),) = await studio.library.list_references(first.id, owner=OWNER)
    clicks = await asyncio.gather(
        *(submit(image(reference_image=kept), takes=2, again=first.id) for _ in range(2))
    )
    assert [job.id for job in clicks[0]] == [job.id for job in clicks[1]], "a double click"
    assert [(job.take, job.project, job.name) for job in clicks[0]] == [
        (5, "Spring", ""),
        (6, "Spring", ""),
    ]
    before = simulator.stats()["created"]
    for request, again in (
        (image(reference_image=made_of), first.id[::-1]),
        (image(reference_image=made_of), ""),
    ):
        assert (await submit(request, again=again))[0].id == first.id
    assert simulator.stats()["created"] == before
    (other,) = await submit(image(reference_image=kept, prompt="she turns"), again=first.id)
    assert (other.take, other.brief_id == first.brief_id, other.project) == (1, False, "")
    for field, given in (("name", "x" * 81), ("project", "x" * 61), ("name", "a\0b")):
        with pytest.raises(InvalidInput) as refused:
            await studio.library.label([first.id], owner=OWNER, **{field: given})
        assert refused.value.field == field


async def test_takes_are_made_side_by_side(tmp_path, monkeypatch):
    with serving(tmp_path / "simulator", "--pending", "3600") as waiting:
        monkeypatch.setenv("DASHSCOPE_BASE_URL", waiting.base_url)
        async with Studio(load_settings()) as studio:
            for job in await studio.submission.submit_takes(image(), owner=OWNER, takes=4):
                async for event in studio.watching.follow(job.id, owner=OWNER):
                    if (
                        event.job.state is JobState.PENDING
                    ):  # with the service, where none of them ends
                        break
        assert waiting.stats()["most"]["live"] == 4


async def test_what_is_made_while_it_is_asked_for_again_is_not_paid_twice(
    studio, simulator, monkeypatch
):
    first = await studio.submission.submit(image(prompt="she winks"), owner=OWNER)
    created = simulator.stats()["created"]
    asked = studio.submission._find_same

    async def slowly(job):
        found = await asked(job)
        await finished(studio, first)  # a busy database may take as long
        return found

    monkeypatch.setattr(studio.submission, "_find_same", slowly)
    again = await studio.submission.submit(image(prompt="she winks"), owner=OWNER)
    assert (again.id, again.state) == (first.id, JobState.SUCCEEDED)
    assert simulator.stats()["created"] - created <= 1


async def test_what_is_on_its_way_is_joined_by_trying_again(studio):
    job = await studio.submission.submit(image(prompt="she nods twice"), owner=OWNER)
    assert (await studio.submission.retry(job.id, owner=OWNER)).id == job.id
    await finished(studio, job)


async def test_no_job_is_taken_for_an_option_of_a_command(studio, monkeypatch):
    made = secrets.token_urlsafe
    monkeypatch.setattr(secrets, "token_urlsafe", lambda size: f"-{made(size)[1:]}")
    jobs = await studio.submission.submit_takes(image(prompt="she hops"), owner=OWNER, takes=2)
    assert not any(job.id.startswith("-") for job in jobs)
    await asyncio.gather(*(studio.submission.cancel(job.id, owner=OWNER) for job in jobs))


async def test_one_of_several_that_is_deleted_leaves_the_others_watched(studio):
    jobs = await studio.submission.submit_takes(image(prompt="she jumps"), owner=OWNER, takes=2)
    await finished(studio, jobs[0])
    seen = []
    async for events in studio.watching.follow_all(
        [*(job.id for job in jobs), "gone"], owner=OWNER
    ):
        seen.append(len(events))
        if seen == [2]:
            await studio.submission.cancel(jobs[1].id, owner=OWNER)
            await finished(studio, jobs[1])
            await studio.library.delete(jobs[1].id, owner=OWNER)
    assert set(seen[1:]) <= {1, 2}
    for nobody in ([], ["gone"], ["no\udcffid"], ["x" * 99]):
        with pytest.raises(JobNotFound):
            _ = [event async for event in studio.watching.follow_all(nobody, owner=OWNER)]


async def test_what_is_given_again_is_not_read_again(studio, simulator, monkeypatch):
    with simulator.holding("RUNNING"):
        job = await studio.submission.submit(image(prompt="she sits"), owner=OWNER)
        follower = studio.watching.follow_all([job.id], owner=OWNER, again=0.05)
        seen = (await seen_until(follower, JobState.RUNNING))[-1]
        monkeypatch.setattr(studio.watching, "_library", None)  # nobody may ask it
        for _ in range(3):
            assert await anext(follower) is seen
        monkeypatch.undo()
    await finished(studio, job)


async def test_takes_of_a_given_seed_count_up_from_it_and_are_plain_requests(studio):
    last = 2**31 - 1
    one = await studio.submission.submit(image(seed=0), owner=OWNER)
    jobs = await studio.submission.submit_takes(image(seed=last - 1), owner=OWNER, takes=4)
    assert [job.seed for job in jobs] == [last - 1, last, 0, 1]
    assert [job.request["seed"] for job in jobs] == [job.seed for job in jobs]
    assert jobs[2].id == one.id, "it was on its way before, and is joined"
    assert {job.nonce for job in jobs} == {""}
    await asyncio.gather(*(studio.submission.cancel(job.id, owner=OWNER) for job in jobs))


async def test_takes_whose_answers_are_lost_are_all_settled(studio, simulator):
    before = simulator.stats()["created"]
    with simulator.fault("create", "drop-after-accept"):
        jobs = await studio.submission.submit_takes(image(prompt="she nods"), owner=OWNER, takes=2)
        async for events in studio.watching.follow_all([job.id for job in jobs], owner=OWNER):
            if all(event.job.state is JobState.UNCERTAIN for event in events):
                break
    done = [await finished(studio, job) for job in jobs]
    assert {job.state for job in done} == {JobState.SUCCEEDED}
    assert (len({job.task_id for job in done}), simulator.stats()["created"] - before) == (2, 2)


@pytest.mark.parametrize("takes", [0, 5, -1, 2.0, True, "2", None])
async def test_how_many_takes_is_checked_before_anything_else(studio, simulator, takes):
    before = simulator.stats()
    with pytest.raises(InvalidInput, match=r"takes must be .* 1 to 4") as refused:
        await studio.submission.submit_takes(image(), owner=OWNER, takes=takes)
    assert (refused.value.field, simulator.stats()) == ("takes", before)


async def seen_until(follower, state):
    """The events of several jobs up to the one with which all of them are in a state."""
    seen = []
    async for events in follower:
        seen.append(events)
        if {event.job.state for event in events} == {state}:
            break
    return seen


async def test_several_jobs_are_followed_as_one(studio, simulator):
    with simulator.holding("PENDING"):
        jobs = await studio.submission.submit_takes(image(prompt="she waves"), owner=OWNER, takes=2)
        follower = studio.watching.follow_all([job.id for job in jobs], owner=OWNER)
        events = await seen_until(follower, JobState.PENDING)
    with simulator.holding("RUNNING"):
        events += await seen_until(follower, JobState.RUNNING)
    events += [event async for event in follower]
    assert all(
        [event.job.id for event in several] == [job.id for job in jobs] for several in events
    )
    assert {event.job.state for event in events[-1]} == {JobState.SUCCEEDED}
    new = await studio.submission.retry(jobs[0].id, owner=OWNER)
    await studio.submission.cancel(new.id, owner=OWNER)
    again = await studio.submission.retry(new.id, owner=OWNER)
    assert [job.id for job in await studio.watching.list_takes(again)] == [
        *(job.id for job in jobs),
        again.id,
    ], "a new take stands beside the others, a further try in the place of what it was made from"
    await studio.submission.cancel(again.id, owner=OWNER)


async def test_what_was_made_is_not_paid_for_again_unawares(studio, simulator):
    done = await finished(studio, await studio.submission.submit(image(), owner=OWNER))
    before = simulator.stats()["created"]
    assert await studio.submission.submit(image(), owner=OWNER) == done
    assert simulator.stats()["created"] == before
    other = await studio.submission.submit(image(), owner="somebody else")
    again = await studio.submission.submit(image(), owner=OWNER, new_take=True)
    assert len({done.id, other.id, again.id}) == 3
    assert (again.take, again.brief_id) == (2, done.brief_id), "another take of the same brief"
    assert studio.library.result_of(done, made_before=True).made_before
    (await studio.library.find_media(done.media_token, "video.mp4")).unlink()
    assert (await studio.submission.submit(image(), owner=OWNER)).id != done.id
    for job, owner in ((other, "somebody else"), (again, OWNER)):
        await studio.submission.cancel(job.id, owner=owner)


@pytest.mark.parametrize("given", ["bytes", "upload", "sample"])
async def test_what_was_made_is_found_without_opening_a_file(studio, given):
    def request(**changes):
        return image(reference_image=source, duration=2, **changes)

    source = {"bytes": picture((640, 480)), "sample": SAMPLES / "coffee.png"}.get(given)
    if given == "upload":
        place = studio.uploads.new("a.png")
        place.write_bytes(picture((640, 480)))
        source = studio.uploads.find(studio.uploads.name(place))
    takes = await studio.submission.submit_takes(request(), owner=OWNER, takes=2)
    done = [await finished(studio, job) for job in takes]
    SANDBOX.stop()
    assert await studio.submission.submit_takes(request(), owner=OWNER, takes=2) == done
    assert await studio.submission.submit(request(), owner=OWNER) == done[0]
    assert SANDBOX.pid is None, "it was opened"
    for asked, owner in (
        (request(), "somebody else"),
        (request(seed=1), OWNER),
        (request(fit="pad"), OWNER),
    ):
        other = await studio.submission.submit(asked, owner=owner)
        assert other.id not in [job.id for job in done]
        await studio.submission.cancel(other.id, owner=owner)
    assert SANDBOX.pid is not None


async def test_a_file_that_is_not_known_is_opened_before_it_counts_as_the_same(studio, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(picture((640, 480)))
    done = await finished(
        studio, await studio.submission.submit(image(reference_image=path), owner=OWNER)
    )
    path.write_bytes(picture((480, 640)))
    other = await studio.submission.submit(image(reference_image=path), owner=OWNER)
    assert other.id != done.id
    await studio.submission.cancel(other.id, owner=OWNER)
    path.write_bytes(picture((640, 480)))
    assert await studio.submission.submit(image(reference_image=path), owner=OWNER) == done


async def test_jobs_of_another_key_wait_for_it_and_can_be_cancelled(simulator, monkeypatch):
    with simulator.fault("policy", "status-503"):
        async with Studio(load_settings()) as studio:
            jobs = [
                await studio.submission.submit(image(prompt=f"take {number}"), owner=OWNER)
                for number in range(2)
            ]
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-another-key")
    async with Studio(load_settings()) as studio:
        seen = await studio.watching.snapshot(jobs[0].id, owner=OWNER)
        assert (seen.job.live, seen.message.key) == (True, "waits_for_key")
        assert (await studio.submission.cancel(jobs[0].id, owner=OWNER)).key
        assert (await studio.library.get(jobs[0].id, owner=OWNER)).state is JobState.CANCELLED
        with pytest.raises(WanError, match="another key"):
            await studio.submission.retry(jobs[1].id, owner=OWNER)


def test_a_studio_that_is_not_open_says_so():
    studio = Studio(load_settings())
    for part in ("submission", "watching", "library", "exports", "reviews", "access", "stores"):
        with pytest.raises(RuntimeError, match="not open"):
            getattr(studio, part)


async def test_a_library_that_needs_no_service_only_reads(studio, monkeypatch):
    job = await studio.submission.submit(image(prompt="read without a service"), owner=OWNER)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "http://127.0.0.1:1/api/v1")
    async with open_library(load_settings()) as library:
        assert (await library.get(job.id, owner=OWNER)).id == job.id
        assert not {"delete", "withdraw_links", "submit", "cancel"} & set(dir(library))
    await studio.submission.cancel(job.id, owner=OWNER)


async def test_a_job_is_its_owners(studio):
    job = await studio.submission.submit(image(), owner=OWNER)
    for ask in (
        studio.library.get,
        studio.submission.cancel,
        studio.submission.retry,
        studio.library.delete,
        studio.library.list_references,
    ):
        with pytest.raises(JobNotFound):
            await ask(job.id, owner="somebody else")
    with pytest.raises(JobNotFound):
        await anext(studio.watching.follow(job.id, owner="somebody else"))
    assert await studio.library.find_media("no such token", "video.mp4") is None
    assert await studio.library.find_media(job.media_token, "../../wan.sqlite3") is None
    await studio.submission.cancel(job.id, owner=OWNER)


async def test_what_is_deleted_is_gone_with_its_files_and_made_anew_when_asked_for(
    studio, simulator
):
    done = await finished(studio, await studio.submission.submit(image(), owner=OWNER))
    served = await studio.library.find_media(done.media_token, "video.mp4")
    with served.open("rb") as open_file:  # somebody is being sent it
        await studio.library.delete(done.id, owner=OWNER)
        assert len(open_file.read()) > 1000
    assert not list(served.parent.parent.glob(f"{done.id}/*"))
    assert await studio.library.find_media(done.media_token, "video.mp4") is None
    with pytest.raises(JobNotFound):
        await studio.library.get(done.id, owner=OWNER)
    with pytest.raises(JobNotFound):
        await studio.library.delete(done.id, owner=OWNER)
    again = await finished(studio, await studio.submission.submit(image(), owner=OWNER))
    assert again.task_id != done.task_id


async def test_what_many_jobs_were_made_from_goes_at_the_end_for_all_at_once(studio):
    pictures = [picture((640, 490 + 2 * number)) for number in range(4)]
    jobs = []
    for made_of in (*pictures, pictures[3]):
        request = image(reference_image=made_of)
        jobs.append(await studio.submission.submit(request, owner=OWNER, new_take=True))
        await studio.submission.cancel(jobs[-1].id, owner=OWNER)
    jobs = [await finished(studio, job) for job in jobs]
    keys = [job.references[0].key for job in jobs[:4]]
    asked: list[str] = []
    sa.event.listen(
        Store(studio.stores.database).engine,
        "before_cursor_execute",
        lambda _c, _u, statement, *_: asked.append(statement),
    )

    async def there():
        return [await studio.stores.storage.has(key) for key in keys]

    async with studio.library.deleting(owner=OWNER) as delete:
        for job in (jobs[0], jobs[1], jobs[3]):
            await delete(job.id)
        assert await there() == [True] * 4
    assert await there() == [False, False, True, True], "another job has the last"
    of_jobs = [one for one in asked if one.startswith('SELECT jobs."references" \nFROM jobs')]
    assert [one.count("WHERE") for one in of_jobs] == [1, 0]


async def test_a_deletion_that_is_stopped_comes_to_its_end_first(studio, monkeypatch):
    job = await studio.submission.submit(image(reference_image=picture((640, 500))), owner=OWNER)
    await studio.submission.cancel(job.id, owner=OWNER)
    job, remove = await finished(studio, job), studio.stores.evidence.remove

    async def stop_and_remove(which):
        deleting.cancel()
        await asyncio.sleep(0)
        await remove(which)

    monkeypatch.setattr(studio.stores.evidence, "remove", stop_and_remove)
    deleting = asyncio.create_task(studio.library.delete(job.id, owner=OWNER))
    with pytest.raises(asyncio.CancelledError):
        await deleting
    assert (await studio.library.list_jobs(owner=OWNER)).total == 0
    assert not await studio.stores.storage.has(job.references[0].key)


async def test_a_deletion_that_fails_may_be_asked_for_again(studio, monkeypatch):
    done = await finished(studio, await studio.submission.submit(image(), owner=OWNER))

    async def fails(key):
        raise StorageUnavailable("disk_full")

    with monkeypatch.context() as patched:
        patched.setattr(studio.stores.storage, "remove", fails)
        with pytest.raises(StorageUnavailable):
            await studio.library.delete(done.id, owner=OWNER)
    await studio.library.delete(done.id, owner=OWNER)
    assert (await studio.library.list_jobs(owner=OWNER)).total == 0


async def test_what_is_on_its_way_is_not_deleted(studio):
    job = await studio.submission.submit(image(), owner=OWNER)
    with pytest.raises(WanError, match="Cancel it first"):
        await studio.library.delete(job.id, owner=OWNER)
    async for event in studio.watching.follow(job.id, owner=OWNER):
        if event.job.state is JobState.RUNNING:
            with pytest.raises(WanError, match="is billed if it succeeds"):
                await studio.library.delete(job.id, owner=OWNER)
    assert (await studio.library.get(job.id, owner=OWNER)).state is JobState.SUCCEEDED


async def test_whoever_watches_what_is_deleted_is_told(studio):
    job = await finished(studio, await studio.submission.submit(image(), owner=OWNER))
    await studio.library.delete(job.id, owner=OWNER)
    with pytest.raises(JobNotFound):
        await anext(studio.watching.follow(job.id, owner=OWNER))


async def test_the_library_refuses_what_it_cannot_filter_by(studio):
    for wrong in ({"state": "RUNNING"}, {"verdict": "perhaps"}):
        with pytest.raises(InvalidInput):
            await studio.library.list_jobs(owner=OWNER, **wrong)


async def test_references_are_there_to_be_used_again(studio):
    job = await studio.submission.submit(image(), owner=OWNER)
    ((_, kept),) = await studio.library.list_references(job.id, owner=OWNER)
    with Image.open(kept) as shown:
        assert shown.size == (640, 480)
    await studio.submission.cancel(job.id, owner=OWNER)


async def test_a_reference_has_its_name_and_a_thumbnail_for_whoever_may_see_the_job(
    studio, tmp_path
):
    given = tmp_path / "Her face.png"
    given.write_bytes(picture((640, 480)))
    job = await studio.submission.submit(image(reference_image=given), owner=OWNER)
    assert [one.name for one in job.references] == ["Her face.png"]
    token, job_id, number = studio.thumbnails.name(job.id, 1).split("/")
    assert (job_id, number) == (job.id, "1")
    assert token != studio.access.owners.view_of(job.id)  # which shows the whole job
    webp = await studio.thumbnails.find(token, job.id, 1, "")
    with Image.open(io.BytesIO(webp)) as shown:
        assert (shown.format, max(shown.size)) == ("WEBP", 160)
    for strange in (("x" * 43, job.id, 1), (token, job.id, 2), (token, job.id, 0), (token, "é", 1)):
        assert await studio.thumbnails.find(*strange, "") is None
    record = await studio.library.complete_evidence(job)
    assert not any("Her face" in part.read_text() for part in record.glob("*.json"))
    await studio.submission.cancel(job.id, owner=OWNER)
    await finished(studio, job)
    await studio.library.delete(job.id, owner=OWNER)
    assert await studio.thumbnails.find(token, job.id, 1, "") is None


def loudness(path: Path) -> list[float]:
    """How loud the sound of a video is in each of its seconds: RMS, of 1 at most."""
    with av.open(str(path)) as container:
        whole = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
        rate = container.streams.audio[0].rate
    return [
        float(np.sqrt((whole[:, at : at + rate] ** 2).mean()))
        for at in range(0, whole.shape[1] - rate // 2, rate)
    ]


@pytest.mark.parametrize(("seconds", "said"), [(3, "sound_ends"), (8.5, "sound_cut")])
async def test_a_sound_is_heard_under_the_video(studio, simulator, seconds, said):
    before = simulator.stats()["uploads"]
    request = image(duration=5, size="720P", reference_audio=wav(seconds))
    done = await finished(studio, await studio.submission.submit(request, owner=OWNER))
    assert (done.state, done.has_audio, simulator.stats()["uploads"] - before) == (
        JobState.SUCCEEDED,
        True,
        2,
    )
    assert [one.key for one in done.adjustments if one.key.startswith("sound")] == [said]
    _, sound = done.references
    assert (sound.kind, sound.sha256, sound.seconds, sound.key[-4:]) == (
        "audio",
        inputs.digest(wav(seconds)),
        seconds,
        ".wav",
    )
    sent = simulator.task(done.task_id)["payload"]["input"]["audio_url"]
    assert (sent[:6], sent[-4:]) == ("oss://", ".wav")
    loud = loudness(await studio.library.find_media(done.media_token, "video.mp4"))
    assert [one > 0.1 for one in loud] == [number < seconds for number in range(5)]
    assert loud[-1] < 0.001 or seconds >= 5
    (_, picture_), (kind, kept) = await studio.library.list_references(done.id, owner=OWNER)
    assert (picture_.suffix, kind, kept.read_bytes()) == (".jpg", "audio", wav(seconds))


async def test_a_sound_goes_up_once_and_another_one_is_another_job(studio, simulator):
    before = simulator.stats()["uploads"]
    request = image(duration=3, size="720P", reference_audio=wav(3))
    done = await finished(studio, await studio.submission.submit(request, owner=OWNER))
    assert not [
        one for one in done.adjustments if one.key.startswith("sound")
    ]  # they are equally long
    assert (await studio.submission.submit(request, owner=OWNER)).id == done.id
    other = await studio.submission.submit(
        image(duration=3, size="720P", reference_audio=wav(3, rate=8_000)), owner=OWNER
    )
    assert other.id != done.id
    again = await finished(studio, await studio.submission.retry(done.id, owner=OWNER))
    assert (again.references, again.adjustments) == (done.references, done.adjustments)
    await finished(studio, other)
    assert (
        simulator.stats()["uploads"] - before == 3
    )  # of the other sound; the picture and this one are there


async def test_a_sound_of_a_silent_video_stays_here_and_is_there_to_be_used_again(
    studio, simulator
):
    before = simulator.stats()["uploads"]
    done = await finished(
        studio,
        await studio.submission.submit(image(audio=False, reference_audio=wav(3)), owner=OWNER),
    )
    assert (done.has_audio, simulator.stats()["uploads"] - before) == (False, 1)
    assert [one.key for one in done.adjustments if "sound" in one.key or "audio" in one.key] == [
        "audio_silent"
    ]
    assert "audio_url" not in simulator.task(done.task_id)["payload"]["input"]
    assert [kind for kind, _ in await studio.library.list_references(done.id, owner=OWNER)] == [
        "image",
        "audio",
    ]


async def test_a_sound_that_is_refused_sends_nothing(studio, simulator):
    before = simulator.stats()
    for wrong in (b"no sound", wav(2), wav(31), picture()):
        with pytest.raises(InvalidInput, match=r"^reference_audio: "):
            await studio.submission.submit(image(reference_audio=wrong), owner=OWNER)
    assert simulator.stats() == before


async def test_a_sound_that_the_service_refuses_is_told_with_what_is_allowed(studio):
    job = await finished(
        studio,
        await studio.submission.submit(
            image(audio_url="https://example.com/song.m4a"), owner=OWNER
        ),
    )
    assert (job.state, job.spent, job.code) == (JobState.FAILED, Spent.NO, "InvalidURL")
    assert "Use WAV or MP3 of 3 to 30 s, up to 15 MB" in str(job.said)


async def test_cancelling_before_it_starts_is_free(studio, simulator):
    with simulator.fault("upload", "delay-1"):
        job = await studio.submission.submit(image(), owner=OWNER)
        await studio.submission.cancel(job.id, owner=OWNER)
        ended = await finished(studio, job)
    assert (ended.state, ended.spent) == (JobState.CANCELLED, Spent.NO)
    assert (await studio.submission.cancel(job.id, owner=OWNER)).key == "cancel_over"


async def test_a_job_in_line_that_is_cancelled_has_ended_with_the_answer(studio, simulator):
    with simulator.fault("create", "status-429"):
        job = await studio.submission.submit(image(), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.state is JobState.QUEUED and event.message.key == "busy":
                break  # after two tries that are told as a place in line
        assert "HTTP" not in event.message.say()
        assert (await studio.submission.cancel(job.id, owner=OWNER)).key == "cancelled"
        event = await studio.watching.snapshot(job.id, owner=OWNER)
    assert (event.job.state, event.job.spent) == (JobState.CANCELLED, Spent.NO)
    assert event.message.key == "cancelled"


async def test_what_runs_cannot_be_cancelled(studio):
    job = await studio.submission.submit(image(), owner=OWNER)
    async for event in studio.watching.follow(job.id, owner=OWNER):
        if event.job.state is JobState.RUNNING:
            assert (
                await studio.submission.cancel(job.id, owner=OWNER)
            ).key == "cancel_late_unpriced"
    assert event.job.state is JobState.SUCCEEDED


async def test_a_cancel_that_never_gets_through_ends_in_what_is_true(studio, simulator):
    with simulator.fault("cancel", "status-503"):
        job = await studio.submission.submit(image(), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.state is JobState.PENDING:
                await studio.submission.cancel(job.id, owner=OWNER)
    assert (event.job.state, event.job.spent, event.job.cancel_wanted) == (
        JobState.SUCCEEDED,
        Spent.YES,
        True,
    )
    assert simulator.task(event.job.task_id)["state"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("code", "key"),
    [("DataInspectionFailed", "content_refused"), ("InternalError", "task_failed_for_now")],
)
async def test_a_failed_task_says_what_happened_what_it_cost_and_what_to_do(studio, code, key):
    failed = await finished(
        studio, await studio.submission.submit(image(prompt=f"simulate:{code}"), owner=OWNER)
    )
    assert (failed.state, failed.spent, failed.code, failed.said.key) == (
        JobState.FAILED,
        Spent.NO,
        code,
        key,
    )
    assert failed.task_id
    assert failed.request_id
    assert "You weren't charged" in str(failed.said)


async def test_retry_is_a_new_job_from_the_same_inputs(studio):
    failed = await finished(
        studio,
        await studio.submission.submit(image(prompt="simulate:InternalError", seed=7), owner=OWNER),
    )
    again = await studio.submission.retry(failed.id, owner=OWNER)
    assert (again.retried_from, again.references, again.seed) == (failed.id, failed.references, 7)
    assert (await studio.submission.retry(failed.id, owner=OWNER)).id == again.id
    other = await studio.submission.retry(failed.id, owner=OWNER, new_seed=True)
    assert other.seed != 7
    assert [(await finished(studio, job)).state for job in (again, other)] == [JobState.FAILED] * 2
    done = await finished(studio, await studio.submission.submit(image(seed=7), owner=OWNER))
    take = await studio.submission.retry(done.id, owner=OWNER)
    assert take.seed != 7
    await studio.submission.cancel(take.id, owner=OWNER)


async def test_a_retry_that_may_be_paid_twice_is_asked_for_twice(studio, simulator):
    with simulator.fault("create", "drop-after-accept"):
        job = await studio.submission.submit(image(prompt="perhaps twice"), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.state is JobState.UNCERTAIN:
                break
    with simulator.fault("list", "status-503"):
        with pytest.raises(MayPayTwice, match="charged twice"):
            await studio.submission.retry(job.id, owner=OWNER)
        again = await studio.submission.retry(job.id, owner=OWNER, may_pay_twice=True)
    assert again.retried_from == job.id
    assert (await studio.submission.submit(image(prompt="perhaps twice"), owner=OWNER)).id in (
        job.id,
        again.id,
    )
    assert [(await finished(studio, one)).state for one in (job, again)] == [JobState.SUCCEEDED] * 2


async def test_a_picture_alone_becomes_a_video(studio, simulator):
    """Where the answer is lost too: the task of no words is found among the account's."""
    job = await studio.submission.submit(image(prompt="", duration=3), owner=OWNER)
    assert "prompt" not in job.payload["input"]
    done = await finished(studio, job)
    assert (done.state, simulator.task(done.task_id)["order"]["prompt"]) == (JobState.SUCCEEDED, "")
    with simulator.fault("create", "drop-after-accept"):
        lost = await studio.submission.submit(image(prompt="", duration=4), owner=OWNER)
        async for event in studio.watching.follow(lost.id, owner=OWNER):
            if event.job.state is JobState.UNCERTAIN:
                break
    assert (await finished(studio, lost)).state is JobState.SUCCEEDED


@pytest.mark.parametrize("seed", [None, 7])
async def test_what_is_tried_again_is_the_same_request(studio, simulator, seed):
    """Generate once more, while it is made or when it is done, pays for nothing."""
    asked, before = image(prompt="tried again", seed=seed), simulator.stats()["created"]
    with simulator.fault("policy", "status-503"):
        job = await studio.submission.submit(asked, owner=OWNER)
        await studio.submission.cancel(job.id, owner=OWNER)
        assert (await finished(studio, job)).state is JobState.CANCELLED
        again = await studio.submission.retry(job.id, owner=OWNER)
        assert (await studio.submission.submit(asked, owner=OWNER)).id == again.id
    assert (await finished(studio, again)).state is JobState.SUCCEEDED
    assert (await studio.submission.submit(asked, owner=OWNER)).id == again.id
    assert (await studio.submission.submit_takes(asked, owner=OWNER))[0].id == again.id
    assert simulator.stats()["created"] - before == 1


async def test_a_wrong_key_fails_the_job_and_costs_nothing(monkeypatch, simulator):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-invalid-key")
    async with Studio(load_settings()) as studio:
        failed = await finished(studio, await studio.submission.submit(image(), owner=OWNER))
        assert (failed.state, failed.spent, failed.said.key) == (
            JobState.FAILED,
            Spent.NO,
            "key_unknown",
        )
        assert "sk-invalid-key" not in repr(failed)


@pytest.mark.parametrize(
    "fault", ["drop-after-accept", "status-500", "bad-json", "cut-body", "wrong-content"]
)
async def test_an_unclear_answer_is_never_sent_again_and_is_settled(studio, simulator, fault):
    before = simulator.stats()["created"]
    with simulator.fault("create", fault):
        job = await studio.submission.submit(image(prompt=f"she smiles {fault}"), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.state is JobState.UNCERTAIN:
                assert (event.job.spent, event.message.key) == (Spent.MAYBE, "uncertain")
                break
    if (
        fault == "status-500"
        # the fault is answered in place of the create: nothing arrived, which takes 15 minutes to
        # prove
    ):
        assert simulator.stats()["created"] == before
        return
    done = await finished(studio, job)
    assert (done.state, done.spent) == (JobState.SUCCEEDED, Spent.YES)
    assert simulator.stats()["created"] - before == 1


async def test_what_never_arrived_is_proved_by_two_listings(monkeypatch, simulator):
    monkeypatch.setenv("WAN_UNCERTAIN_SECONDS", "0")
    moved = [0.0]
    async with Studio(
        load_settings(), clock=lambda: datetime.now(UTC).timestamp() + moved[0]
    ) as studio:
        with simulator.fault("create", "status-500"):
            job = await studio.submission.submit(image(), owner=OWNER)
            async for event in studio.watching.follow(job.id, owner=OWNER):
                if event.job.state is JobState.UNCERTAIN:
                    break
        moved[0] = 200.0
        failed = await finished(studio, job)
    assert (failed.state, failed.spent, failed.said.key) == (
        JobState.FAILED,
        Spent.NO,
        "never_arrived",
    )
    assert failed.first_absent_at is not None


async def test_what_waits_for_a_key_that_never_comes_back_ends_when_its_task_is_gone(
    monkeypatch, simulator
):
    async with Studio(load_settings()) as studio:
        with simulator.fault("query", "status-503"):
            job = await studio.submission.submit(image(), owner=OWNER)
            async for event in studio.watching.follow(job.id, owner=OWNER):
                if event.job.state is JobState.PENDING:
                    break
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-another-key")
    async with Studio(
        load_settings(), clock=lambda: datetime.now(UTC).timestamp() + 26 * 3600
    ) as studio:
        assert (await studio.library.get(job.id, owner=OWNER)).live
        await studio.runner.expire_abandoned()
        ended = await studio.library.get(job.id, owner=OWNER)
    assert (ended.state, ended.spent, ended.said.key) == (
        JobState.EXPIRED,
        Spent.MAYBE,
        "task_unknown",
    )


async def test_a_search_may_have_any_number_of_words(new_database, monkeypatch):
    """A whole prompt, as somebody pastes it, or a text that means no good."""
    monkeypatch.setenv("WAN_DATABASE_URL", new_database())
    async with open_stores(load_settings()) as stores:
        library, queue = Library(stores), Queue(stores.database)
        prompts = {
            1: " ".join(f"word{number}" for number in range(200)),
            2: "a cat, a cat and a CAT",
            3: " ".join(map(chr, range(0x4E00, 0x4E00 + 900))),
        }
        for number, prompt in prompts.items():
            await queue.add(
                [kept_job(number, owner=OWNER, request={"duration": 5, "prompt": prompt})]
            )

        async def found(search):
            return [
                job.request["prompt"]
                for job in (await library.list_jobs(owner=OWNER, search=search)).jobs
            ]

        for prompt in prompts.values():
            assert await found(prompt) == [prompt]
        assert await found("cat " * 400) == [prompts[2]]
        assert await found("dog " + "cat " * 400) == []
        assert await found("x " * 1000) == []


async def left_while_fetching(simulator):
    """A studio that has ended, and its job, whose video is made and not brought home."""
    async with Studio(load_settings()) as studio:
        with simulator.fault("result", "status-503"):
            job = await studio.submission.submit(image(fps=24), owner=OWNER)
            async for event in studio.watching.follow(job.id, owner=OWNER):
                if event.job.state is JobState.FETCHING:
                    break
    return studio, job


@pytest.mark.parametrize(
    ("home", "ends"),
    [("whole", JobState.SUCCEEDED), ("broken", JobState.EXPIRED), ("nothing", JobState.EXPIRED)],
)
async def test_a_video_that_is_home_outlives_its_key(simulator, monkeypatch, tmp_path, home, ends):
    """It was brought home, then the process died; the key does not come back. Two processes look
    after it at once, and one of them finishes it.
    """
    studio, job = await left_while_fetching(simulator)
    if home != "nothing":
        whole = clip(tmp_path / "made.mp4", size=(1280, 720)).read_bytes()
        await studio.stores.storage.put(
            f"videos/{job.id}/original.mp4", whole if home == "whole" else whole[:-9000]
        )
    finishing, real = [], encode.conform
    monkeypatch.setattr(
        encode,
        "conform",
        lambda *given, **named: (finishing.append(given), real(*given, **named)),
    )
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-another-key")
    settings, later = load_settings(), lambda: datetime.now(UTC).timestamp() + 26 * 3600
    async with Studio(settings, clock=later) as studio, Studio(settings, clock=later) as other:
        await asyncio.gather(studio.runner.expire_abandoned(), other.runner.expire_abandoned())
        ended = await studio.library.get(job.id, owner=OWNER)
        video = await studio.library.find_media(ended.media_token, "video.mp4")
    assert (ended.state, ended.spent, len(finishing)) == (ends, Spent.YES, home == "whole")
    if ends is JobState.SUCCEEDED:
        assert (encode.measure(video).fps, ended.fps, ended.said) == (24, 24, None)
    else:
        assert (video, ended.said.key) == (None, "result_expired")


async def test_a_video_that_is_home_waits_for_room_without_its_key(
    simulator, monkeypatch, tmp_path
):
    """A full disk keeps neither the others from their end, nor the cleanup that makes room from its
    work.
    """
    studio, job = await left_while_fetching(simulator)
    await studio.stores.storage.put(
        f"videos/{job.id}/original.mp4", clip(tmp_path / "made.mp4", size=(1280, 720))
    )
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-another-key")
    hours = [26]
    async with Studio(
        load_settings(), clock=lambda: datetime.now(UTC).timestamp() + hours[0] * 3600
    ) as studio:
        with monkeypatch.context() as patch:
            patch.setattr(encode, "conform", lambda *_, **__: Path("/dev/full").write_bytes(b"x"))
            await studio.runner.expire_abandoned()
        assert (await studio.library.get(job.id, owner=OWNER)).said.key == "paused"
        hours[0] += 2
        await studio.runner.expire_abandoned()
        assert (await studio.library.get(job.id, owner=OWNER)).state is JobState.SUCCEEDED


async def test_a_kept_video_that_is_broken_is_fetched_again(studio, simulator, monkeypatch):
    with simulator.fault("result", "status-503"):
        job = await studio.submission.submit(image(), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.state is JobState.FETCHING:
                break
        await studio.stores.storage.put(
            f"videos/{job.id}/original.mp4", b"what a power cut has left"
        )
    done = await finished(studio, job)
    assert (done.state, done.duration) == (JobState.SUCCEEDED, 2)


async def test_a_restart_goes_on(simulator):
    async with Studio(load_settings()) as studio:
        job = await studio.submission.submit(image(), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.state is JobState.PENDING:
                break
    async with Studio(load_settings()) as studio:
        assert (await finished(studio, job)).state is JobState.SUCCEEDED


async def test_a_paid_video_outlives_whatever_breaks_in_our_polish(studio, monkeypatch):
    def broken(*_, **__):
        raise ValueError("no")

    monkeypatch.setattr(encode, "conform", broken)
    monkeypatch.setattr(encode, "poster", broken)
    done = await finished(studio, await studio.submission.submit(image(fps=12), owner=OWNER))
    assert (done.state, done.fps, done.poster_key) == (JobState.SUCCEEDED, 30, "")
    assert done.adjustments[-1].key == "not_conformed"
    assert await studio.library.find_media(done.media_token, "video.mp4")


async def test_a_database_that_is_stuck_for_a_while_loses_nothing(studio, monkeypatch):
    job = await studio.submission.submit(image(), owner=OWNER)
    real, broken = studio.stores.database.call, [True] * 5

    def call(statement, *given, **named):
        if statement.__name__ == "claim" and broken and broken.pop():
            raise OSError("disk I/O error")
        return real(statement, *given, **named)

    monkeypatch.setattr(studio.stores.database, "call", call)
    assert (await finished(studio, job)).state is JobState.SUCCEEDED
    assert not broken


async def test_a_reference_that_is_gone_fails_the_job_and_costs_nothing(studio, simulator):
    with simulator.fault("policy", "status-503"):
        job = await studio.submission.submit(image(), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.said is not None:
                break
        for path in load_settings().output_dir.rglob("references/*"):
            path.unlink()
    failed = await finished(studio, job)
    assert (failed.state, failed.spent, failed.said.key) == (JobState.FAILED, Spent.NO, "broke")


async def test_a_stop_waits_for_the_answer_to_a_paid_request(simulator):
    async with Studio(load_settings()) as studio:
        with simulator.fault("create", "delay-1"):
            job = await studio.submission.submit(image(), owner=OWNER)
            async for event in studio.watching.follow(job.id, owner=OWNER):
                if event.job.state is JobState.SUBMITTING:
                    break
    async with Studio(load_settings()) as studio:
        found = await studio.library.get(job.id, owner=OWNER)
        assert found.task_id
        assert found.state is not JobState.UNCERTAIN


@pytest.mark.parametrize("verb", ["query", "result"])
@pytest.mark.parametrize("fault", ["status-503", "html", "drop-before", "cut-body", "status-429"])
async def test_transient_trouble_ends_nothing(studio, simulator, verb, fault):
    job = await studio.submission.submit(image(), owner=OWNER)
    with simulator.fault(verb, fault, count=3):
        assert (await finished(studio, job)).state is JobState.SUCCEEDED


async def test_a_result_that_is_no_video_is_billed_and_said_so(studio, simulator):
    with simulator.fault("result", "wrong-content"):
        failed = await finished(studio, await studio.submission.submit(image(), owner=OWNER))
    assert (failed.state, failed.spent, failed.said.key) == (
        JobState.FAILED,
        Spent.YES,
        "result_refused",
    )
    assert failed.task_id


async def test_a_refused_input_sends_nothing(studio, simulator):
    before = simulator.stats()
    for wrong in (b"no picture", picture((5, 5))):
        with pytest.raises(InvalidInput):
            await studio.submission.submit(image(reference_image=wrong), owner=OWNER)
    assert simulator.stats() == before


async def test_losing_the_viewer_changes_nothing(studio):
    job = await studio.submission.submit(image(), owner=OWNER)
    viewer = studio.watching.follow(job.id, owner=OWNER)
    assert (await anext(viewer)).job.id == job.id
    await viewer.aclose()
    first, second = await asyncio.gather(finished(studio, job), finished(studio, job))
    assert first.state is second.state is JobState.SUCCEEDED


async def test_five_at_once_and_the_rest_in_our_own_line(studio, simulator):
    with simulator.fault("query", "status-503"):  # none is seen to end before the last is in line
        jobs = [
            await studio.submission.submit(image(prompt=f"take {number}"), owner=OWNER)
            for number in range(7)
        ]
        async with asyncio.timeout(PATIENCE):
            async for event in studio.watching.follow(jobs[-1].id, owner=OWNER):
                if event.place == 2:
                    break
        states = [(await studio.library.get(job.id, owner=OWNER)).state for job in jobs]
        assert [state is JobState.QUEUED for state in states] == [False] * 5 + [True] * 2
    for job in reversed(jobs):
        assert (await finished(studio, job)).state is JobState.SUCCEEDED


async def test_somebody_new_is_told_their_place_at_once(studio, monkeypatch):
    """Although the line has just been read for others."""
    monkeypatch.setattr(catalog, "RUNNING_AT_ONCE", 0)
    crowd, other = (
        replace(studio.access.policy.operator, address=address)
        for address in ("192.0.2.1", "198.51.100.1")
    )
    jobs = [
        await studio.submission.submit(
            image(prompt=f"crowd {number}"), owner=OWNER, permission=crowd
        )
        for number in range(3)
    ]
    assert (await studio.watching.snapshot(jobs[-1].id, owner=OWNER)).place == 3
    job = await studio.submission.submit(image(), owner="somebody new", permission=other)
    assert (await studio.watching.snapshot(job.id, owner="somebody new")).place == 2


async def test_a_row_tells_networks_apart_and_addresses_within_one(studio):
    """Neither is in it: both are keyed hashes, and fill the column."""
    networks = (
        "2001:db8:0:1::/64",
        "2001:db8:0:2::/64",
        "2001:db8:1:1::/64",
        "192.0.2.1",
        "192.0.2.2",
        "::1",
    )
    asked = [replace(studio.access.policy.operator, address=address) for address in networks]
    jobs = [
        await studio.submission.submit(
            image(prompt=f"from {permission.address}"), owner=OWNER, permission=permission
        )
        for permission in asked
    ]
    *known, here = [job.address for job in jobs]
    assert here is None
    assert {len(address) for address in known} == {64}
    assert len(set(known)) == 5
    assert len({address.partition(".")[0] for address in known}) == 4


async def test_the_demo_needs_no_key(monkeypatch):
    for name in ("DASHSCOPE_API_KEY", "DASHSCOPE_BASE_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("WAN_BACKEND", "auto")
    monkeypatch.setenv("WAN_SIMULATOR_PENDING", "0")
    monkeypatch.setenv("WAN_SIMULATOR_RUNNING", "0")
    async with Studio(load_settings()) as studio, Studio(load_settings()) as other:
        assert studio.backend == "simulator"
        assert other.access.connection.base_url == studio.access.connection.base_url
        done = await finished(studio, await studio.submission.submit(image(), owner=OWNER))
        assert (done.state, done.simulated, done.spent, str(done.price)) == (
            JobState.SUCCEEDED,
            True,
            Spent.NO,
            "¥0.60",
        )
        root = studio.access.connection.base_url.removesuffix("/api/v1")
    for _ in range(100):
        await asyncio.sleep(0.1)
        try:
            await asyncio.to_thread(plain_http.get, f"{root}/simulator/healthz")
        except httpx.ConnectError:
            break
        except (httpx.RemoteProtocolError, httpx.ReadError):
            continue  # it is leaving at this moment
    else:
        pytest.fail("the simulator did not leave with its last user")


async def test_a_demo_whose_simulator_is_killed_goes_on(monkeypatch):
    for name in ("DASHSCOPE_API_KEY", "DASHSCOPE_BASE_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("WAN_BACKEND", "simulator")
    async with Studio(load_settings()) as studio:
        job = await studio.submission.submit(image(), owner=OWNER)
        async for event in studio.watching.follow(job.id, owner=OWNER):
            if event.job.state is JobState.PENDING:
                break
        os.kill(
            json.loads((load_settings().output_dir / "simulator" / "server.json").read_bytes())[
                "pid"
            ],
            signal.SIGKILL,
        )
        assert (await finished(studio, job)).state is JobState.SUCCEEDED


async def test_a_picture_is_stored_without_what_else_was_in_its_file(studio):
    exif = Image.Exif()
    exif[0x010F] = "Camera of Somebody"
    out = io.BytesIO()
    Image.new("RGB", (400, 300)).save(out, "JPEG", exif=exif)
    job = await studio.submission.submit(image(reference_image=out.getvalue()), owner=OWNER)
    kept = [path.read_bytes() for path in load_settings().output_dir.rglob("*.jpg")]
    assert kept
    assert not any(b"Somebody" in data for data in kept)
    await studio.submission.cancel(job.id, owner=OWNER)
