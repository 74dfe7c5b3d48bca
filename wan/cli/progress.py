"""What the terminal shows of a job on its way."""

import asyncio
import os
import sys
import time
from typing import Self

from wan.cli import tell
from wan.domain.jobs import JobEvent, JobState

_BAR = 24  # characters


class Progress:
    """What the terminal shows of a job: a line that is written over, or one line for each change
    where the output goes to a file.
    """

    def __init__(self) -> None:
        self._event: JobEvent | None = None
        self._since = 0.0

    async def __aenter__(self) -> Self:
        self._clock = asyncio.create_task(self._tick()) if sys.stderr.isatty() else None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._clock is not None:
            self._clock.cancel()
            tell("")

    def show(self, event: JobEvent) -> None:
        """Something has changed."""
        said = self._event is not None and self._event.sentence == event.sentence
        self._event, self._since = event, time.monotonic() - event.elapsed
        if self._clock is None:
            tell(str(event.sentence))
        elif not said and len(self._line(event)) > _room():
            tell(
                str(event.sentence), anew=True
            )  # whole, once, above the line that has no room for it

    async def _tick(self) -> None:
        while True:
            if self._event is not None:
                line = self._line(self._event)
                shown = line if len(line) <= _room() else f"{line[: _room() - 1]}…"
                tell(shown, end="", anew=True)
            await asyncio.sleep(0.5)

    def _line(self, event: JobEvent) -> str:
        seconds = time.monotonic() - self._since
        part = (
            min(seconds / event.expected, 0.95)
            if event.job.state is JobState.RUNNING
            else float(event.job.state is JobState.FETCHING)
        )
        bar = "#" * round(_BAR * part)
        return f"[{bar:<{_BAR}}] {int(seconds) // 60}:{int(seconds) % 60:02} {event.sentence}"


def _room() -> int:
    """Characters that a line may have before the terminal breaks it."""
    try:
        return (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
    except OSError:  # the terminal is gone
        return 79
