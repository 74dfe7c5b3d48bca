"""Work that many ask for and that is done once at a time."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class SharedWork(Generic[Result]):
    """Does work when somebody asks for its result. Whoever asks meanwhile waits for the same work,
    and nobody for longer than `limit` seconds. What takes longer is left to end by itself, and is
    begun anew only after that: a thread that hangs can't be stopped, and must not get company.

    kept: seconds for which a result is given to others too.
    """

    def __init__(
        self, work: Callable[[], Coroutine[Any, Any, Result]], *, limit: float, kept: float = 0.0
    ) -> None:
        self._work, self._limit, self._kept = work, limit, kept
        self._task: asyncio.Task[Result] | None = None
        self._ended_at = 0.0

    async def result(self) -> Result | None:
        """Return the result; None if it isn't there in time. Raises what the work raises."""
        if self._task is None or (
            self._task.done() and time.monotonic() - self._ended_at >= self._kept
        ):
            self._task = asyncio.create_task(self._work())
            self._task.add_done_callback(self._note_end)
        task = self._task
        await asyncio.wait([task], timeout=self._limit)
        return task.result() if task.done() else None

    def _note_end(self, _: object) -> None:
        self._ended_at = time.monotonic()
