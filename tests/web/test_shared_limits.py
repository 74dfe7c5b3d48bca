"""What an address may do counts at all replicas on one PostgreSQL together."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tests import plain_http
from tests import postgres as postgres_module
from tests.counted import Clock, Replica, replicas
from tests.postgres import Postgres
from wan.service import counts
from wan.storage.uploads import UploadFolder
from wan.web import uploads
from wan.web.rate_limit import RateLimit, SharedRateLimit
from wan.web.refusal import RequestRefused
from wan.web.sessions import Sessions

pytestmark = pytest.mark.anyio

Two = tuple[Replica, Replica]
ME = "192.0.2.9"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(postgres: Postgres, clock: Clock) -> Iterator[Two]:
    with replicas(postgres.database(), clock) as both:
        yield both


def limits(two: Two, clock: Clock, every: float, burst: int) -> list[SharedRateLimit]:
    return [
        SharedRateLimit("test", RateLimit(every, burst, clock), replica.counts) for replica in two
    ]


def sessions(replica: Replica, clock: Clock) -> Sessions:
    return Sessions(lambda _: None, clock, replica.counts)


async def refusal(asked: Any) -> int:
    """How long somebody is told to wait, in whole seconds; 0 for who is let in."""
    try:
        await asked
    except RequestRefused as refused:
        return refused.wait
    return 0


@pytest.mark.parametrize("seed", range(3))
async def test_a_limit_at_two_replicas_is_that_of_one(two: Two, clock: Clock, seed: int):
    """Whatever comes in which order, to the very moment that is told."""
    chance, alone, both = Random(seed), RateLimit(2.0, 9, clock), limits(two, clock, 2.0, 9)
    told = []
    for _ in range(300):
        address, amount = chance.choice("abc"), chance.choice((1, 1, 2, 5, 9))
        wait = await chance.choice(both).wait(address, amount)
        assert wait == pytest.approx(alone.wait(address, amount), abs=2e-6)
        told.append(wait)
        clock.now += chance.choice((0, 0.3, 1, 5, min(wait, 9)))
    assert 50 < told.count(0.0) < 250


async def test_many_at_the_same_moment_get_what_is_allowed_and_no_more(two: Two, clock: Clock):
    both = limits(two, clock, 2.0, 9)
    waits = await asyncio.gather(*(both[number % 2].wait(ME) for number in range(40)))
    assert sorted(waits) == [0.0] * 9 + [2.0] * 31


async def test_new_sessions_of_an_address_are_counted_together(two: Two, clock: Clock):
    both = [sessions(replica, clock) for replica in two]
    for number in range(60):
        await both[number % 2].admit(f"mine {number}", ME)
    assert [await refusal(one.admit("one more", ME)) for one in both] == [1, 1]
    assert [await refusal(one.admit(None, ME)) for one in both] == [1, 1]
    assert await refusal(both[1].admit("others", "192.0.2.10")) == 0
    clock.now += 5
    told = [await refusal(both[number % 2].admit(f"later {number}", ME)) for number in range(7)]
    assert told == [0] * 5 + [1] * 2


async def test_a_new_session_costs_one_statement_and_a_known_one_none(two: Two, clock: Clock):
    page = sessions(two[0], clock)
    with two[0].asking() as asked:
        await asyncio.gather(*(page.admit("a page with five requests", ME) for _ in range(5)))
        assert len(asked) == 1
        for _ in range(100):
            await page.admit("a page with five requests", ME)
        assert len(asked) == 1
        for number in range(59):
            await page.admit(str(number), ME)
        for number in range(100):
            assert await refusal(page.admit(f"flood {number}", ME)) == 1
    assert len(asked) == 60, "whoever was told to wait is not asked for"


async def test_a_flood_from_everywhere_asks_only_for_what_there_is_room_for(two: Two, clock: Clock):
    page, came = sessions(two[0], clock), 0
    with two[0].asking() as asked:
        for number in range(1000):
            came += not await refusal(page.admit(None, f"10.{number % 250}.{number // 250}.1"))
    assert came == len(asked) == 130


async def test_a_visitor_who_gives_up_leaves_the_session_to_the_next_request(
    two: Two, clock: Clock
):
    page = sessions(two[0], clock)
    first = asyncio.create_task(page.admit("mine", ME))
    second = asyncio.create_task(page.admit("mine", ME))
    await asyncio.sleep(0)
    first.cancel()
    await second
    with two[0].asking() as asked:
        await page.admit("mine", ME)
    assert (asked, first.cancelled()) == ([], True)


async def send(app: Starlette, size: int, *, whole: bool = True) -> int:
    """What an upload of one file is answered. whole: as browsers do it, which tell its size."""
    body = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    body += bytes(size) + b"\r\n--edge--\r\n"

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), 64_000):
            yield body[at : at + 64_000]

    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    if whole:
        headers["Content-Length"] = str(len(body))
    where = httpx.ASGITransport(app, client=(ME, 1))
    async with plain_http.AsyncClient(transport=where, base_url="http://app") as client:
        answer = await client.post("/gradio_api/upload", content=pieces(), headers=headers)
        return answer.status_code


@pytest.mark.parametrize(("whole", "statements"), [(True, 3), (False, 25)])
async def test_uploads_are_counted_together_ten_megabytes_at_a_time(
    postgres: Postgres, tmp_path, monkeypatch: pytest.MonkeyPatch, whole, statements
):
    monkeypatch.setattr(uploads, "_RATE", (1000.0, 32))
    folder = UploadFolder(tmp_path / "uploads")
    with replicas(postgres.database()) as two:
        apps = [
            Starlette(routes=uploads.routes(folder, lambda _: True, counts=one.counts))
            for one in two
        ]
        with two[0].asking() as asked:
            assert await send(apps[0], 24_500_000, whole=whole) == 200
        assert len(asked) == statements
        assert await send(apps[1], 6_500_000, whole=whole) == 200
        assert [await send(app, 100) for app in apps] == [429, 429]


async def test_bodies_with_files_are_counted_together(two: Two, tmp_path):
    both = [uploads.BodyUploads(tmp_path, replica.counts) for replica in two]
    for number in range(200):
        async with both[number % 2].admit(15_000_000, ME):
            pass
    for bodies in both:
        with pytest.raises(RequestRefused):
            async with bodies.admit(1_000_000, ME):
                pass


@pytest.mark.process
async def test_without_its_database_each_process_goes_on_from_what_it_knows(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(counts, "_PAUSE", 0.0)
    with postgres_module.serving() as server, replicas(server.database(), clock) as two:
        first, second = limits(two, clock, 1.0, 4)
        assert [await first.wait(ME) for _ in range(2)] == [0, 0]
        server.stop()
        try:
            assert [await first.wait(ME) for _ in range(3)] == [0, 0, 1]
            assert [await second.wait(ME) for _ in range(5)] == [0, 0, 0, 0, 1]
        finally:
            server.start()
        clock.now += 1
        assert await first.wait(ME) == 0, "of the two that the database has heard of, one is over"
        assert await second.wait(ME) == 0
        assert [await one.wait(ME) for one in (first, second)] == [0, 1]
