"""Long work of an event: its shares, its result, its end."""

import asyncio
from contextlib import aclosing

import pytest

from wan.ui import long_work


def share(done: float) -> str:
    return f"{done:.0%}"


def result(name: str) -> str:
    return f"made {name}"


@pytest.mark.anyio
async def test_the_share_is_given_also_unchanged_and_then_the_result(monkeypatch):
    monkeypatch.setattr(long_work, "_INTERVAL", 0.01)
    go_on = asyncio.Event()

    async def work(progress):
        progress(0.5)
        await go_on.wait()
        return "film"

    shown = []
    async with aclosing(long_work.follow(work, share, result)) as steps:
        async for step in steps:
            shown.append(step)
            if len(shown) == 4:
                go_on.set()
    assert shown[:4] == ["0%", "50%", "50%", "50%"]
    assert shown[-1] == "made film"


@pytest.mark.anyio
async def test_closed_the_work_has_ended():
    ended = []

    async def work(progress):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append(True)

    steps = long_work.follow(work, share, result)
    assert await anext(steps) == "0%"
    await asyncio.sleep(0)
    await steps.aclose()
    assert ended == [True]


@pytest.mark.anyio
async def test_what_the_work_raises_comes_out():
    async def work(progress):
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        assert [step async for step in long_work.follow(work, share, result)] == []
