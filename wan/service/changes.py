"""Changes of jobs and reviews, and who waits for the next one."""

import asyncio


class Changes:
    """Wakes every viewer: each waits on the event that it saw, so that nobody misses a change."""

    def __init__(self) -> None:
        self.next = asyncio.Event()
        """Set by the next change, which puts another in its place."""

    def notify(self) -> None:
        """Wake everyone who waits for a change."""
        self.next.set()
        self.next = asyncio.Event()
