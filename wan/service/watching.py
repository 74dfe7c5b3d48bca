"""How jobs stand, now and on every change."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from wan.database.durations import Durations
from wan.database.engine import Database
from wan.database.jobs import Jobs
from wan.database.news import News
from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.catalog import MODELS
from wan.domain.errors import JobNotFound, StorageUnavailable
from wan.domain.jobs import UNSENT, Job, JobEvent, JobState, select_takes
from wan.domain.messages import Message
from wan.service import polling
from wan.service.changes import Changes
from wan.service.key_presence import KeyPresence
from wan.service.library import Library
from wan.service.metrics import Metrics
from wan.service.runner import Runner
from wan.service.watched_jobs import WatchedJobs

_RETRY = 1.0  # seconds until a row that could not be read is read again
_STATE_MESSAGES = {  # what is happening in a state, where the row itself has no message
    JobState.UPLOADING: "uploading",
    JobState.SUBMITTING: "submitting",
    JobState.PENDING: "pending",
    JobState.RUNNING: "running",
    JobState.FETCHING: "fetching",
    JobState.UNCERTAIN: "uncertain",
    JobState.SUCCEEDED: "succeeded",
}


class Watching:
    """Views of jobs, which may be lost and begun again at any time. clock: seconds since 1970."""

    def __init__(
        self,
        database: Database,
        library: Library,
        keys: KeyPresence,
        runner: Runner,
        changes: Changes,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._jobs, self._library = Jobs(database), library
        self._durations = Durations(database)
        self._keys, self._runner = keys, runner
        self._metrics, self._clock = metrics, clock
        self._lines = runner.lines
        self._watched = WatchedJobs(
            Queue(database), News(database), self._lines, keys, runner, changes
        )

    async def run(self) -> None:
        """Tell viewers of changes, until cancelled."""
        await asyncio.gather(self._watched.run(), self._watched.hear())

    async def follow(
        self, job_id: str, *, owner: str, again: float = math.inf
    ) -> AsyncIterator[JobEvent]:
        """Yield what happens to a job: once at the start, then on every change, until it has ended.
        Raises JobNotFound.

        Losing the viewer changes nothing. While the database cannot be read, the last event is
        given again and says so; it goes on by itself. again: seconds after which the last event is
        given once more, for whoever must see from time to time whether anybody still listens.
        """
        async for events in self.follow_all([job_id], owner=owner, again=again):
            yield events[0]

    async def follow_all(
        self, job_ids: Sequence[str], *, owner: str, again: float = math.inf
    ) -> AsyncIterator[list[JobEvent]]:
        """Yield what happens to several jobs, as `follow` does for one: how each stands, whenever
        something has changed, until all have ended.

        One that is deleted meanwhile is left out. Raises JobNotFound where none is there.
        """
        seen: list[JobEvent] = []
        given = time.monotonic()
        with self._metrics.viewing(), self._watched.watch(job_ids) as changes:
            while True:
                change = changes.next
                events = await self._take_snapshots(job_ids, owner, seen)
                if events and (
                    len(seen) != len(events)
                    or any(_has_changed(*pair) for pair in zip(seen, events, strict=True))
                ):
                    seen, given = events, time.monotonic()
                    yield seen
                if events and not any(event.job.live for event in events):
                    return
                paused = not events or any(event.message.key == "paused" for event in events)
                retry = _RETRY if paused else math.inf  # whoever looks for all may have more luck
                while not await _is_set(change, min(given + again - time.monotonic(), retry)):
                    if seen and time.monotonic() - given >= again:
                        given = time.monotonic()
                        yield seen
                    if paused:
                        break

    async def snapshot(self, job_id: str, *, owner: str) -> JobEvent:
        """Return a job as it is at this moment, with a message. Raises JobNotFound."""
        job = await self._library.get(job_id, owner=owner)
        place = await self._lines.find_place(job) if job.state is JobState.QUEUED else None
        expected = await self._expect(job) if job.state is JobState.RUNNING else 0.0
        if job.live and await self._keys.find_missing([job.account]):
            job = replace(job, said=_waiting_message(job))
        elif job.live and self._runner.stuck:
            job = replace(job, said=Message.of("paused"))
        said = job.said or (
            Message.of("queued", place=place, ordinal=_ordinal(place))
            if place
            else Message.of(_STATE_MESSAGES.get(job.state, "submitting"))
        )
        return JobEvent(
            job=job,
            message=said,
            elapsed=self._elapsed(job),
            expected=expected,
            place=place,
        )

    async def _expect(self, job: Job) -> float:
        """Return the usual seconds of a job in RUNNING."""
        tier = catalog.tier_of(job.request["size"])
        past = await self._durations.list_run_seconds(
            job.backend, job.model, job.request["duration"], tier
        )
        return polling.expected_seconds(MODELS[job.model], simulated=job.simulated, past=past)

    async def find_newest(self, *, owner: str, models: Sequence[str]) -> Job | None:
        """Return the job of this owner with one of these models to show first: the newest on its
        way, else the newest of all.
        """
        return await self._jobs.find_newest(owner, list(models))

    async def list_takes(self, job: Job, limit: int = catalog.TAKES_LIMIT) -> list[Job]:
        """Return the takes of a job's brief, as `wan.domain.jobs.select_takes` chooses them."""
        return select_takes(await self._jobs.list_brief(job.owner, job.brief_id), limit)

    async def _take_snapshots(
        self, job_ids: Sequence[str], owner: str, seen: list[JobEvent]
    ) -> list[JobEvent]:
        """Return how the jobs stand; [] while nobody can tell. What has ended is not asked for
        again.
        """
        known = {event.job.id: event for event in seen if not event.job.live}
        found = []
        try:
            for job_id in job_ids:
                with contextlib.suppress(JobNotFound):
                    found.append(known.get(job_id) or await self.snapshot(job_id, owner=owner))
            if not found:
                raise JobNotFound
            return found
        except StorageUnavailable:
            return [event if event.job.id in known else self._as_paused(event) for event in seen]

    def _as_paused(self, event: JobEvent) -> JobEvent:
        return replace(
            event,
            message=Message.of("paused"),
            elapsed=self._elapsed(event.job),
        )

    def _elapsed(self, job: Job) -> float:
        """Return the seconds since a job's present state began; a run was found some time after its
        start.
        """
        running = job.state is JobState.RUNNING and job.running_at
        return max(self._clock() - (running or job.state_at), 0.0)


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for so long; return whether it came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _waiting_message(job: Job) -> Message:
    """Return what to say of a job whose key nobody has; where there may be a result at the service,
    until when it is kept.
    """
    sent_at = job.submitting_at or job.submitted_at
    if job.state in UNSENT or sent_at is None:
        return Message.of("waits_for_key")
    lost_at = datetime.fromtimestamp(sent_at + catalog.TASK_LIFETIME, UTC)
    return Message.of("waits_for_key_until", time=f"{lost_at:%Y-%m-%d %H:%M}")


def _has_changed(seen: JobEvent, event: JobEvent) -> bool:
    """Return whether a viewer has something new to see."""
    return (seen.job.version, seen.place, seen.message) != (
        event.job.version,
        event.place,
        event.message,
    )


def _ordinal(place: int) -> str:
    """Return a place as English says it: 1st, 2nd, 3rd, 4th ... 11th, 12th, 13th ..."""
    ending = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
