"""What one process changes of a job, another on the same PostgreSQL hears at once."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from types import SimpleNamespace

import pytest

from tests import postgres as postgres_module
from tests.database.test_store import job
from tests.patience import PATIENCE
from tests.postgres import Postgres
from wan.database.engine import Database
from wan.database.news import News
from wan.database.queue import Queue
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import JobState
from wan.service import watched_jobs
from wan.service.changes import Changes
from wan.service.key_presence import KeyPresence
from wan.service.waiting_lines import WaitingLines
from wan.service.watched_jobs import WatchedJobs

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def hearing(url: str, job_id: str) -> AsyncIterator[Changes]:
    """Another process, in which somebody watches a job; it looks for itself once an hour. Begins
    when it hears what is announced.
    """
    with contextlib.closing(Database(url)) as database:
        queue, news, changes = Queue(database), News(database), Changes()
        keys = KeyPresence(database, {job().account: None}, "")
        lines = WaitingLines(queue, time.time)
        watched = WatchedJobs(queue, news, lines, keys, SimpleNamespace(stuck=False), changes)
        heard, listen = asyncio.Event(), news.listen

        async def noted() -> AsyncGenerator[str]:
            async with contextlib.aclosing(listen()) as announced:
                async for one in announced:
                    if one == "":
                        heard.set()
                    yield one

        news.listen = noted
        with watched.watch([job_id]) as mine:
            work = [asyncio.create_task(part()) for part in (watched.run, watched.hear)]
            try:
                async with asyncio.timeout(PATIENCE):
                    await heard.wait()
                yield mine
            finally:
                for task in work:
                    task.cancel()
                await asyncio.wait(work)


@contextlib.asynccontextmanager
async def listening(database: Database) -> AsyncIterator[AsyncIterator[str]]:
    """What is announced inside the block."""
    async with contextlib.aclosing(News(database).listen()) as news, asyncio.timeout(PATIENCE):
        assert await anext(news) == ""
        yield news


async def test_a_viewer_elsewhere_is_woken_without_a_look(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.database()
    with contextlib.closing(Database(url)) as database:
        queue = Queue(database)
        (one,) = await queue.add([job(1)])
        monkeypatch.setattr(watched_jobs, "_RECHECK", 3600.0)
        async with hearing(url, one.id) as mine, asyncio.timeout(PATIENCE):
            await mine.next.wait()  # the first look
            change = mine.next
            await queue.advance(one, JobState.CANCELLED, time.time())
            await change.wait()


async def test_no_job_of_another_installation_and_no_lease_is_announced(postgres: Postgres):
    urls = [postgres.database() for _ in range(2)]
    with contextlib.ExitStack() as opened:
        here, there = (opened.enter_context(contextlib.closing(Database(url))) for url in urls)
        (one,), (other,) = [await Queue(each).add([job(1)]) for each in (here, there)]
        async with listening(here) as news:
            await Queue(there).advance(other, JobState.CANCELLED, time.time())
            (held,) = await Queue(here).claim(time.time(), lease=60, accounts=[one.account])
            await Queue(here).advance(held, JobState.CANCELLED, time.time())
            assert await anext(news) == one.id


@pytest.mark.process
async def test_what_breaks_is_listened_to_again():
    with (
        postgres_module.serving() as postgres,
        contextlib.closing(Database(postgres.database())) as database,
    ):
        async with listening(database) as news:
            postgres.stop()
            with pytest.raises(StorageUnavailable):
                await anext(news)
        with pytest.raises(StorageUnavailable):
            async with listening(database):
                pass
        postgres.start()
        async with listening(database):
            pass
