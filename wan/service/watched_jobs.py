"""The jobs that somebody watches, looked at by one for all who do.

Each viewer is woken by the changes of their own jobs alone: five hundred who looked whenever
anything happened would keep the process from everything else.
"""

import asyncio
import contextlib
import logging
from collections.abc import Hashable, Iterator, Sequence

from wan.database.news import News
from wan.database.queue import Queue
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import JobState
from wan.service.changes import Changes
from wan.service.key_presence import KeyPresence
from wan.service.runner import Runner
from wan.service.waiting_lines import WaitingLines

log = logging.getLogger("wan.service.watched_jobs")

_RECHECK = 1.0  # seconds between two looks at rows that another process may have written unheard
_PAUSE = 0.03  # seconds between two looks, however much happens


class WatchedJobs:
    """Wakes the viewers of a job when there is something new to see of it."""

    def __init__(
        self,
        queue: Queue,
        news: News,
        lines: WaitingLines,
        keys: KeyPresence,
        runner: Runner,
        changes: Changes,
    ) -> None:
        self._queue, self._news, self._lines = queue, news, lines
        self._keys, self._runner, self._changes = keys, runner, changes
        self._viewers: dict[str, set[Changes]] = {}
        self._seen: dict[str, Hashable] = {}
        """What was to be seen of each job at the last look."""

    @contextlib.contextmanager
    def watch(self, job_ids: Sequence[str]) -> Iterator[Changes]:
        """Watch jobs inside the block; yields their changes."""
        changes = Changes()
        for job_id in job_ids:
            self._viewers.setdefault(job_id, set()).add(changes)
        try:
            yield changes
        finally:
            for job_id in set(job_ids):
                self._viewers[job_id].discard(changes)
                if not self._viewers[job_id]:
                    del self._viewers[job_id]
                    self._seen.pop(job_id, None)

    async def run(self) -> None:
        """Look whenever something has changed here, and every second, until cancelled."""
        while True:
            change = self._changes.next
            try:
                await self._look()
            except Exception:
                log.exception("the watched jobs could not be looked at; trying again")
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RECHECK):
                    await change.wait()

    async def hear(self) -> None:
        """Have it looked at once when another process changes what is watched, until cancelled.
        Where nothing is announced, and while nothing is heard, the look of every second is all.
        """
        while not self._news.is_silent:
            try:
                async with contextlib.aclosing(self._news.listen()) as heard:
                    async for job_id in heard:
                        if job_id in self._viewers:
                            self._changes.notify()
            except StorageUnavailable:
                pass  # nor does anything else work now, which says so
            except Exception:
                log.exception("what others change could not be listened to; trying again")
            await asyncio.sleep(_RECHECK)

    async def _look(self) -> None:
        if not self._viewers:
            return
        watched = list(self._viewers)
        try:
            standings = await self._describe(watched)
        except StorageUnavailable:
            standings = dict.fromkeys(watched, "unreadable")
        for job_id in watched:
            viewers, now = self._viewers.get(job_id, ()), standings.get(job_id, "gone")
            if viewers and self._seen.get(job_id) != now:
                self._seen[job_id] = now
                for changes in viewers:
                    changes.notify()

    async def _describe(self, job_ids: Sequence[str]) -> dict[str, Hashable]:
        """Return what can change in a view of each of these jobs that is there."""
        standings = await self._queue.list_standings(job_ids)
        queued = [one for one in standings if one.state is JobState.QUEUED]
        places = await self._lines.find_places(queued) if queued else {}
        keyless = await self._keys.find_missing({one.account for one in standings})
        return {
            one.id: (
                one.version,
                places.get(one.id),
                one.account in keyless,
                self._runner.stuck,
            )
            for one in standings
        }
