"""Files that are opened off the event loop."""

import asyncio
import os
import warnings
from pathlib import Path

import pytest

from wan.environment.open_files import open_file

pytestmark = pytest.mark.anyio


async def test_what_was_written_is_there_when_the_block_ends(tmp_path: Path):
    path = tmp_path / "file"
    async with open_file(path, "wb") as file:
        file.write(b"whole")
    assert file.closed
    assert path.read_bytes() == b"whole"


async def test_a_file_is_closed_whose_task_ended_while_it_was_being_opened(tmp_path: Path):
    fifo = tmp_path / "fifo"  # to open it takes as long as nobody writes to it
    os.mkfifo(fifo)

    async def read() -> None:
        async with open_file(fifo, "rb"):
            raise AssertionError("nobody waits for it any more")

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        writer = await asyncio.to_thread(fifo.open, "wb", 0)

        async def write() -> None:
            while True:  # until the reading end is closed
                writer.write(b"x")
                await asyncio.sleep(0.02)

        with pytest.raises(BrokenPipeError):
            await asyncio.wait_for(write(), 30)
        writer.close()


async def test_a_file_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        async with open_file(tmp_path / "none", "rb"):
            pass
