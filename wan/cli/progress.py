"""What the terminal shows of a job on its way."""

import asyncio
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from wan.cli.answers import tell
from wan.domain.jobs import JobEvent, JobState
from wan.domain.plain_text import escape

if TYPE_CHECKING:  # rich takes 0.2 s to load: only where there is a terminal and a job
    from rich.progress import Progress as Bar

_BAR = 24  # characters
_CLOCK = 6  # characters: 123:45
_PAUSE = 0.25  # seconds from one drawing to the next


class Progress:
    """Shows a job: at a terminal one line with a bar, elsewhere a line for each change."""

    def __init__(self) -> None:
        self._bar: Bar | None = _bar() if sys.stderr.isatty() else None
        self._event: JobEvent | None = None
        self._since = 0.0

    async def __aenter__(self) -> Self:
        if self._bar is not None:
            with suppress(OSError):  # the terminal may be gone; the run goes on
                self._bar.start()
            self._drawing = asyncio.create_task(self._draw_on(self._bar))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._bar is not None:
            self._drawing.cancel()
            self._draw(self._bar)
            with suppress(OSError):
                self._bar.stop()

    def show(self, event: JobEvent) -> None:
        """Take note of a change. What the line has no room for is printed above it, whole, once."""
        is_new = self._event is None or self._event.message != event.message
        self._event, self._since = event, time.monotonic() - event.elapsed
        message = escape(str(event.message))
        if self._bar is None:
            tell(message)
        elif is_new and len(message) > self._bar.console.width - _BAR - _CLOCK - 2:
            with suppress(OSError):
                self._bar.console.print(message, soft_wrap=True)

    async def _draw_on(self, bar: "Bar") -> None:
        while True:
            self._draw(bar)
            await asyncio.sleep(_PAUSE)

    def _draw(self, bar: "Bar") -> None:
        if self._event is None:
            return
        seconds = time.monotonic() - self._since
        bar.update(
            bar.task_ids[0],
            completed=_part(self._event, seconds),
            description=escape(str(self._event.message)),
            clock=f"{int(seconds) // 60}:{int(seconds) % 60:02}",
        )
        with suppress(OSError):
            bar.refresh()


def _part(event: JobEvent, seconds: float) -> float:
    """How much of a job is done, 0 to 1, after so many seconds in its state."""
    if event.job.state is JobState.RUNNING:
        return min(seconds / event.expected, 0.95)
    return float(event.job.state in (JobState.FETCHING, JobState.SUCCEEDED))


def _bar() -> "Bar | None":
    """The line of a job; None for a terminal on which nothing can be drawn anew."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if not console.is_interactive:
        return None
    line = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    bar = Progress(
        BarColumn(_BAR, complete_style="cyan", finished_style="green"),
        TextColumn("{task.fields[clock]}", markup=False),
        TextColumn("{task.description}", markup=False, table_column=line),
        console=console,
        auto_refresh=False,
        redirect_stdout=False,
        expand=True,
    )
    bar.add_task("", total=1.0, clock="0:00")
    return bar
