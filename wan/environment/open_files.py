"""Files that are opened off the event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any


@asynccontextmanager
async def open_file(path: Path, mode: str) -> AsyncIterator[IO[Any]]:
    """Open a file inside the block. It is closed too where the task ends while it is being opened,
    which a thread cannot be kept from.
    """
    opening = asyncio.create_task(asyncio.to_thread(path.open, mode))
    try:
        yield await asyncio.shield(opening)
    finally:
        if opening.done():  # what is closed may have to be written first
            await asyncio.to_thread(_close, opening)
        else:
            opening.add_done_callback(_close)


def _close(opened: "asyncio.Task[IO[Any]]") -> None:
    if opened.cancelled() or opened.exception() is not None:
        return
    opened.result().close()
