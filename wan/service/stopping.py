"""Work that goes to its end in order, also when nobody waits for it any more."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Stopped(Exception):
    """Nobody waits for the work any more."""


async def run_stoppable(work: Callable[..., None], progress: Callable[[float], None]) -> None:
    """Run work that reports its progress on a thread of its own. When this is cancelled, the work
    ends with its next report, and this after it.
    """
    unwanted = threading.Event()

    def report(done: float) -> None:
        if unwanted.is_set():
            raise _Stopped
        progress(done)

    await finish(asyncio.to_thread(work, progress=report), stop=unwanted.set)


async def finish(
    work: Coroutine[Any, Any, Result], *, stop: Callable[[], object] = lambda: None
) -> Result:
    """Await work to its end, also when this is cancelled, which is raised after that. stop: called
    then.
    """
    running, cancelled = asyncio.ensure_future(work), None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
            stop()
    if cancelled is None:
        return running.result()
    running.exception()  # else asyncio complains that nobody has seen it
    raise cancelled
