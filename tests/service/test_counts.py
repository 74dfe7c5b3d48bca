"""Two processes on one PostgreSQL count as if they were one, and each for itself while the database
does not answer.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from ipaddress import IPv6Address
from random import Random

import pytest
import sqlalchemy as sa

from tests import postgres as postgres_module
from tests.counted import Clock, Replica, replicas
from tests.postgres import Postgres
from tests.service.test_guesses import SITE, net
from wan.database import limits
from wan.domain.errors import AccessRefused
from wan.environment.settings import load_settings
from wan.service import counts, guesses
from wan.service.access import AccessPolicy
from wan.service.code_tries import CodeTries
from wan.service.guesses import Guesses

pytestmark = pytest.mark.anyio

Two = tuple[Replica, Replica]
PEOPLE = [
    *(f"203.0.113.{number}" for number in range(6)),
    *("198.51.100.7", "192.0.2.9", "", "no address"),
    *(net(number) for number in (0, 1, 2, 256, 257, 600)),
    *(f"{IPv6Address(SITE + (number << 80))}/64" for number in range(1, 6)),
]
"""Alone, in one /24, and in one /56 and /48; behind them are those whom nobody can place."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(postgres: Postgres, clock: Clock) -> Iterator[Two]:
    with replicas(postgres.database(), clock) as both:
        yield both


def tries(two: Two, clock: Clock) -> list[CodeTries]:
    return [CodeTries(replica.counts, clock) for replica in two]


@pytest.mark.parametrize("seed", range(3))
async def test_tries_at_two_replicas_are_answered_as_if_they_came_to_one(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch, seed: int
):
    """Whatever comes in which order, to the very second that is told."""
    monkeypatch.setattr(guesses, "_ALL", guesses._Rate(15, 2.0))  # so that it is reached
    chance, alone, both = Random(seed), Guesses(), tries(two, clock)
    told = []
    for _ in range(250):
        address, right = chance.choice(PEOPLE), chance.random() < 0.1
        wait = await chance.choice(both).attempt(address, right=right)
        assert wait == alone.attempt(address, clock.now, right=right), address
        told.append(wait)
        clock.now += chance.choice((0, 0, 0, 0.1, 0.5, 1, 2, min(wait, 9)))
    assert 50 < told.count(0.0) < 200


async def test_wrong_codes_in_a_row_are_counted_together(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"WAN_BACKEND": "auto", "DASHSCOPE_API_KEY": "sk-operator"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WAN_ACCESS_CODE", "right")
    settings = load_settings()
    doors = [AccessPolicy(settings, settings.connection(), clock, one.counts) for one in two]

    async def told(number: int, code: str, address: str = "192.0.2.9") -> str:
        with pytest.raises(AccessRefused) as refused:
            await doors[number % 2].authorize(code=code, address=address)
        return str(refused.value.message.say())

    said = [await told(number, f"wrong{number}") for number in range(5)]
    assert [("in 2 s" in one) for one in said] == [False] * 3 + [True] * 2
    assert "in 2 s" in await told(0, "right"), "who has to wait learns nothing"
    clock.now += 1
    assert await doors[1].authorize(code="right", address="192.0.2.9")
    assert "in 2 s" not in await told(0, "wrong again"), "the right one ends a row"


async def test_many_at_the_same_moment_are_counted_one_by_one(two: Two, clock: Clock):
    both = tries(two, clock)
    waits = await asyncio.gather(
        *(both[number % 2].attempt("192.0.2.9", right=False) for number in range(20))
    )
    assert sorted(waits) == [0.0] * 3 + [1.0] * 17


async def test_who_gave_the_right_code_to_one_is_held_up_by_nobody_at_the_other(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guesses, "_ALL", guesses._Rate(9, 2.0))
    first, second = tries(two, clock)
    assert await first.attempt("192.0.2.9", right=True) == 0
    for number in range(20):
        await first.attempt(f"10.0.{number}.1", right=False)
    assert await second.attempt("198.51.100.7", right=True) > 0
    assert await second.attempt("192.0.2.9", right=True) == 0


async def test_who_comes_back_costs_one_statement_and_a_newcomer_four(two: Two, clock: Clock):
    first, second = tries(two, clock)
    with two[0].asking() as asked:
        assert await first.attempt("192.0.2.9", right=True) == 0
    assert len(asked) == 4
    with two[1].asking() as asked:
        assert await second.attempt("192.0.2.9", right=True) == 0
    assert len(asked) == 1
    for _ in range(3):
        await first.attempt("192.0.2.9", right=False)
    with two[1].asking() as asked:
        assert await second.attempt("192.0.2.9", right=False) == 1
    assert len(asked) == 1, "who is told to wait makes nobody else wait"


async def test_what_one_replica_holds_no_other_does(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    here, there = (replica.counts for replica in two)
    async with (
        here.hold("files", "ann") as first,
        there.hold("files", "ann") as second,
        there.hold("files", "bob") as other,
        here.hold("files", "ann") as again,
    ):
        assert (first, second, other, again) == (True, False, True, False)
    async with there.hold("files", "ann") as later:
        assert later
    assert two[0].rows() == []


async def test_a_hold_lasts_as_long_as_its_process(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(counts, "_RENEWED_EVERY", 0.01)
    here, there = (replica.counts for replica in two)
    async with here.hold("files", "ann"):
        clock.now += 50
        while two[1].rows() != [("files", clock.now + 60)]:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.01)
        clock.now += 50
        async with there.hold("files", "ann") as second:
            assert not second
        two[0].counts._limits = None  # as if it were dead
        clock.now += 61
        async with there.hold("files", "ann") as later:
            assert later


async def test_what_tells_nothing_any_more_is_removed(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    first, _ = tries(two, clock)
    here = two[0].limits
    await first.attempt("192.0.2.9", right=True)
    await first.attempt("198.51.100.7", right=False)
    for number in range(9):
        await here.count(("session", f"10.0.0.{number}"), number + 1, every=1.0, burst=60)
    await here.forget(guesses.KEPT)
    kinds = [kind for kind, _ in two[1].rows()]
    assert kinds == ["right", *["session"] * 9, *["turns"] * 3, "wrong"]
    clock.now += 300
    await here.forget(guesses.KEPT)
    assert [kind for kind, _ in two[1].rows()] == ["right", "wrong"]
    clock.now += 31 * 24 * 3600
    await here.forget(guesses.KEPT)
    assert two[1].rows() == []


async def test_the_table_is_bounded_and_what_somebody_is_at_stays(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "_REMEMBERED", 3)
    here = two[0].limits
    for number in range(9):
        for kind in ("session", "upload"):
            await here.count((kind, str(number)), number + 1, every=1.0, burst=60)
    with two[1].database.writing() as another:
        lowest = sa.text("UPDATE limits SET tries = 1 WHERE kind = 'upload' AND due_at < 1003")
        assert another.execute(lowest).rowcount == 2
        await here.forget(guesses.KEPT)
    due = {kind: [at for one, at in two[0].rows() if one == kind] for kind in ("session", "upload")}
    assert due == {"session": [1007, 1008, 1009], "upload": [1001, 1002, 1007, 1008, 1009]}


async def test_nothing_is_asked_on_sqlite(tmp_path, clock: Clock):
    with contextlib.closing(Replica(f"sqlite:///{tmp_path / 'wan.sqlite3'}")) as alone:
        with alone.asking() as asked:
            (door,) = tries((alone,), clock)
            waits = [await door.attempt("192.0.2.9", right=False) for _ in range(4)]
            holding = alone.counts.hold
            async with holding("files", "ann") as held, holding("files", "ann") as again:
                assert (held, again) == (True, False)
            await alone.counts.keep_clean()  # which has nothing to keep clean
        assert (waits, asked) == ([0, 0, 0, 1], [])


async def test_a_database_that_hangs_holds_nobody_up(
    two: Two, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(counts, "_ANSWER_LIMIT", 0.1)
    first, second = tries(two, clock)
    assert await first.attempt("192.0.2.9", right=False) == 0
    with two[1].database.writing() as another, caplog.at_level(logging.WARNING):
        another.execute(sa.text("LOCK TABLE limits IN ACCESS EXCLUSIVE MODE"))
        with two[0].asking() as asked:
            waits = [await first.attempt("192.0.2.9", right=False) for _ in range(4)]
        assert (waits, len(asked)) == ([0, 0, 1, 1], 1), "one has been waited for"
    assert caplog.text.count("each process counts for itself for now") == 1
    assert await second.attempt("192.0.2.9", right=False) == 0, "it knows of one alone"


@pytest.mark.process
async def test_without_its_database_each_process_counts_for_itself(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(counts, "_PAUSE", 0.0)
    with postgres_module.serving() as server, replicas(server.database(), clock) as two:
        first, second = tries(two, clock)
        assert await first.attempt("198.51.100.7", right=True) == 0
        assert [await first.attempt("192.0.2.9", right=False) for _ in range(2)] == [0, 0]
        server.stop()
        try:
            assert [await first.attempt("192.0.2.9", right=False) for _ in range(3)] == [0, 1, 1]
            assert [await second.attempt("192.0.2.9", right=False) for _ in range(4)][3] == 1
            assert await first.attempt("198.51.100.7", right=True) == 0
            assert await second.attempt("198.51.100.7", right=True) == 0
        finally:
            server.start()
        clock.now += 2
        assert await first.attempt("192.0.2.9", right=False) == 0, "the third that it has heard of"
        assert await second.attempt("192.0.2.9", right=False) == 1
