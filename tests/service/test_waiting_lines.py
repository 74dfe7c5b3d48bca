"""The places in line, read once for all who look at about the same time."""

import asyncio

import pytest

from tests.database.test_store import NOW, job
from wan.service.waiting_lines import WaitingLines

pytestmark = pytest.mark.anyio


class Clock:
    now = NOW + 1

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(queue, clock):
    return WaitingLines(queue, clock)


@pytest.fixture
def reads(queue, monkeypatch):
    """The lines of each read."""
    reads, plain = [], queue.list_waiting

    def read(lines, now):
        reads.append(sorted(account for account, _ in lines))
        return plain(lines, now)

    monkeypatch.setattr(queue, "list_waiting", read, raising=False)
    return reads


async def _add(queue, number, account, **more):
    given = {"account": account, "created_at": NOW, "due_at": NOW + 9} | more
    return (await queue.add([job(number, **given)]))[0]


async def test_all_lines_are_read_at_once_and_by_one(queue, lines, clock, reads):
    jobs = [await _add(queue, number, f"account {number % 2}") for number in range(4)]
    assert await lines.find_places(jobs) == {"job0": 1, "job1": 1, "job2": 2, "job3": 2}
    assert reads == [["account 0", "account 1"]]
    clock.now += 0.9
    assert await lines.find_place(jobs[3]) == 2
    assert len(reads) == 1
    clock.now += 0.2
    places = await asyncio.gather(*map(lines.find_place, jobs))
    assert places == [1, 1, 2, 2]
    assert reads[1:] == [["account 0", "account 1"]], "one for all who ask at once"


async def test_who_came_after_a_line_was_read_is_found_in_it(queue, lines, clock, reads):
    first = await _add(queue, 1, "account")
    assert await lines.find_place(first) == 1
    back = await _add(queue, 2, "account", created_at=NOW - 9, state_at=clock.now)
    clock.now += 0.1
    assert await lines.find_place(back) == 1, "it came back to the line, and is the oldest"
    clock.now -= 60
    assert await lines.find_place(first) == 2
    assert len(reads) == 3, "a clock that was set back makes a line old"
