"""Long work that an event of the page shows: how much of it is done, then its result. It ends when
the event does.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

_INTERVAL = 0.3  # seconds between two reports of the share that is done

Progress = Callable[[float], None]
"""Takes the share that is done, 0 to 1, from any thread."""
Result = TypeVar("Result")
Shown = TypeVar("Shown")


async def follow(
    work: Callable[[Progress], Coroutine[Any, Any, Result]],
    show_share: Callable[[float], Shown],
    show_result: Callable[[Result], Shown],
) -> AsyncGenerator[Shown]:
    """Do work, and yield what shows the share that is done every 0.3 s, then what shows its result.

    When the generator is closed, the work is cancelled, and has ended before the closing returns.
    Raises what the work raises.
    """
    done = 0.0

    def report(share: float) -> None:
        nonlocal done
        done = share

    task = asyncio.create_task(work(report))
    try:
        while not task.done():
            yield show_share(done)  # also unchanged: only by it Gradio sees that a page was left
            await asyncio.wait([task], timeout=_INTERVAL)
        yield show_result(await task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
