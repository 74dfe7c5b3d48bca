"""When a task is polled, as earlier runs teach, and as its end may be announced."""

import itertools
from functools import partial

import pytest

from tests.database.test_announcements import sent
from tests.database.test_store import ACCOUNTS, NOW
from wan.database.durations import Durations
from wan.domain.jobs import JobState
from wan.service.pace import Pace
from wan.service.poll_schedule import EVERY

pytestmark = pytest.mark.anyio


def ended(store, number: int, *, announced: bool, late: float) -> None:
    """A run of 80 s, seen so many seconds after its end."""
    store.add(sent(number, backend="dashscope", submitted_at=NOW, run_seconds=80.0))
    if announced:
        assert store.announcements.announce(f"task{number}", ACCOUNTS, NOW)
    row, seen = store.jobs.get(f"job{number}", "somebody"), NOW + 80 + late
    fetching = store.queue.advance(row, JobState.FETCHING, NOW, fetching_at=seen, due_at=NOW)
    store.queue.advance(fetching, JobState.SUCCEEDED, NOW + number)


async def test_polls_are_left_out_only_while_ends_are_announced_soon(store):
    job = sent(9, backend="dashscope")
    hours = partial(next, itertools.count(0.0, 3600.0))
    told, asking = (
        Pace(Durations(store.database), None, announced=one, clock=hours) for one in (True, False)
    )
    usual = await asking.until_next(job, 0.0)
    assert await told.until_next(job, 0.0) == usual, "nothing has been announced"
    for number, (announced, late, rare) in enumerate(
        [(True, 1.0, True), (False, 1.0, False), (True, 60.0, False), (True, 3.0, True)]
    ):
        ended(store, number, announced=announced, late=late)
        first = await told.until_next(job, 0.0)
        assert (first > 90) == rare, (number, first)
        assert await asking.until_next(job, 0.0) < 90
        if rare:
            assert await told.until_next(job, first) == EVERY, "what is overdue is polled as usual"


async def test_what_the_operator_has_set_is_still_the_longest_pause(store):
    ended(store, 1, announced=True, late=1.0)
    pace = Pace(Durations(store.database), 20.0, announced=True)
    assert await pace.until_next(sent(9, backend="dashscope"), 0.0) <= 20.0


async def test_each_kind_is_learned_of_every_ten_seconds(store):
    now = [0.0]
    pace = Pace(Durations(store.database), None, clock=lambda: now[0])
    job = sent(9, backend="dashscope")
    unlearned = await pace.until_next(job, 0.0)
    for number in range(5):
        ended(store, number, announced=False, late=1.0)
    now[0] = 9.9
    assert await pace.until_next(job, 0.0) == unlearned
    now[0] = 10.1
    assert await pace.until_next(job, 0.0) > unlearned + 10
