"""Starts the app with a new folder, and an empty Gradio app, and prints how long each takes until
its page is there, and how long ours takes until it makes videos.
"""

import asyncio
import statistics
import tempfile
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.programs import EMPTY, OURS, running

_STARTS = 9  # of each, one after the other
_MARK = 1.2  # times the peer


async def measure() -> list[Figure]:
    """Both, in turn. The first start of each, which reads the disk, is not counted."""
    return await asyncio.to_thread(_measure)


def _measure() -> list[Figure]:
    starts = [(_start(EMPTY), _start(OURS)) for _ in range(1 + _STARTS)][1:]
    empty, ours = zip(*starts, strict=True)
    page, peer = (statistics.median(one for one, _ in each) for each in (ours, empty))
    ready = statistics.median(whole for _, whole in ours)
    row = "First page"
    return [
        Figure(
            row,
            f"start of the process to the first 200, median of {_STARTS}",
            page,
            "s",
            f"at most {_MARK} x an empty Gradio app",
            page <= _MARK * peer,
            {"empty app": peer},
        ),
        Figure(row, "until its database and its simulator are there too", ready, "s", "", True),
    ]


def _start(script: Path) -> tuple[float, float]:
    """Seconds to the page, and to what waits for the studio; a peer has no such thing, and answers
    that with 404 at once.
    """
    with (
        tempfile.TemporaryDirectory(prefix="wan-first-") as folder,
        running(script, Path(folder)) as program,
    ):
        program.answers("/media/none/video.mp4")
        return program.first_page, program.age()
