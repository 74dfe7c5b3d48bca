"""Who is woken when a job that is watched changes."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from tests.database.test_store import job
from tests.patience import PATIENCE
from wan.database.news import News
from wan.domain.jobs import JobState
from wan.service.changes import Changes
from wan.service.key_presence import KeyPresence
from wan.service.waiting_lines import WaitingLines
from wan.service.watched_jobs import WatchedJobs

pytestmark = pytest.mark.anyio


@pytest.fixture
def runner():
    return SimpleNamespace(stuck=False)


@pytest.fixture
def watched(queue, runner):
    lines = WaitingLines(queue, time.time)
    keys = KeyPresence(queue._database, {job().account: None}, "")
    return WatchedJobs(queue, News(queue._database), lines, keys, runner, Changes())


async def test_only_those_are_woken_who_watch_what_has_changed(watched, queue, runner):
    one, other = [(await queue.add([job(number)]))[0] for number in (1, 2)]
    with (
        watched.watch([one.id]) as mine,
        watched.watch([other.id, one.id]) as both,
        watched.watch([other.id]) as theirs,
    ):
        await watched._look()
        nexts = [changes.next for changes in (mine, both, theirs)]
        await watched._look()
        assert [each.is_set() for each in nexts] == [False, False, False]
        await queue.advance(one, JobState.CANCELLED, time.time())
        await watched._look()
        assert [each.is_set() for each in nexts] == [True, True, False]
        runner.stuck = True
        await watched._look()
        assert nexts[2].is_set(), "whatever else a viewer is told counts as a change"
    assert not watched._viewers
    assert not watched._seen


async def test_what_another_process_writes_is_seen_though_nobody_tells(watched, queue):
    one = (await queue.add([job()]))[0]
    with watched.watch([one.id]) as mine:
        await watched._look()
        change = mine.next
        looking = asyncio.create_task(watched.run())
        await queue.advance(one, JobState.CANCELLED, time.time())
        async with asyncio.timeout(PATIENCE):
            await change.wait()
        looking.cancel()
        await asyncio.wait([looking])
