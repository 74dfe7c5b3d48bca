"""Work that many ask for at once."""

import asyncio

import pytest

from tests.patience import PATIENCE
from wan.service.shared_work import SharedWork

pytestmark = pytest.mark.anyio


class Work:
    """Counts how often it is begun, and ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.started, self.over = 0, asyncio.Event(), asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        self.started.set()
        number = self.begun
        await self.over.wait()
        return number


async def test_whoever_comes_meanwhile_gets_the_same():
    work = Work()
    shared = SharedWork(work, limit=PATIENCE)
    together = [asyncio.create_task(shared.result()) for _ in range(100)]
    await work.started.wait()
    together[0].cancel()  # who leaves takes it from nobody
    work.over.set()
    assert await asyncio.gather(*together[1:]) == [1] * 99
    assert await shared.result() == 2


async def test_nobody_waits_for_what_hangs_and_it_gets_no_company():
    work = Work()
    shared = SharedWork(work, limit=0.01)
    assert await asyncio.gather(*(shared.result() for _ in range(10))) == [None] * 10
    assert [await shared.result(), work.begun] == [None, 1]
    work.over.set()
    await asyncio.sleep(0)
    assert await SharedWork(work, limit=PATIENCE).result() == 2


async def test_a_result_is_kept_for_as_long_as_was_said():
    work = Work()
    work.over.set()
    kept, fresh = (SharedWork(work, limit=PATIENCE, kept=seconds) for seconds in (PATIENCE, 0.0))
    assert [await kept.result() for _ in range(3)] == [1, 1, 1]
    assert [await fresh.result() for _ in range(3)] == [2, 3, 4]


async def test_what_breaks_breaks_for_all_who_wait_and_is_tried_again():
    tries = []

    async def work() -> str:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("a bug")
        return "done"

    shared = SharedWork(work, limit=PATIENCE)
    told = await asyncio.gather(*(shared.result() for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in told] == ["a bug"] * 3
    assert await shared.result() == "done"
