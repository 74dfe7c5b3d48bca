"""Every write of a step: fenced by the lease, which is renewed while a step takes long."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.errors import ServiceError, StorageUnavailable, Throttled, UntrustedAddress
from wan.domain.jobs import Job, JobState, Spent
from wan.domain.messages import Message, reword_as_waiting
from wan.provider.wire import Accepted
from wan.service import polling
from wan.service.metrics import Metrics
from wan.service.pace import Pace
from wan.storage.evidence import Evidence

log = logging.getLogger("wan.service.job_writer")

# seconds that a claim holds where a step takes long and renews it, so that its job is taken over
# soon when the process dies
HELD = 20.0
_QUOTA_TRIES = (
    6  # pauses of 1 to 32 s: "usually returns within a minute" (rate-limiting best practices, 2026)
)
_BUSY_TRIES = 2  # that are refused for their rate alone, before it is said: some 3 s
_QUOTED = 128  # characters of a code or an id that a row has room for


class JobWriter:
    """Writes down what became of a job, and into its evidence. A write returns the job as it is
    then; None where somebody else has it by now.
    """

    def __init__(
        self,
        queue: Queue,
        evidence: Evidence,
        clock: Callable[[], float],
        pace: Pace,
        metrics: Metrics,
    ) -> None:
        self._queue, self._evidence, self._clock = queue, evidence, clock
        self._pace, self._every, self._metrics = pace, pace.every, metrics
        # what a step in hand writes with, where that is no longer the row that it began with
        self._renewed_rows: dict[str, Job] = {}

    def latest(self, job: Job) -> Job:
        """Return the row with the lease as it was renewed last: the one to write with."""
        return self._renewed_rows.get(job.id, job)

    def remember(self, job: Job) -> None:
        """Remember the row to write with from now on."""
        self._renewed_rows[job.id] = job

    def forget(self, job: Job) -> None:
        """Forget the row of a step that is over."""
        self._renewed_rows.pop(job.id, None)

    def lease(self, job: Job) -> "Lease":
        """Return a block inside which the claim of a job is kept alive."""
        return Lease(job, self.renew)

    async def renew(self, job: Job) -> Job | None:
        """Hold a job for HELD seconds more."""
        renewed = await self._queue.keep(job, self._clock(), due_at=self._clock() + HELD)
        if renewed is not None:
            self._renewed_rows[job.id] = renewed
        return renewed

    async def advance(self, job: Job, state: JobState, **changes: Any) -> Job | None:
        """Move a job to its next state."""
        advanced = await self._queue.advance(job, state, self._clock(), **changes)
        if advanced is not None:
            self._evidence.record(advanced)
        return advanced

    async def keep_waiting(self, job: Job, pause: float, **changes: Any) -> Job | None:
        """Leave a job in its state; it is due again after `pause` seconds."""
        now = self._clock()
        await self._queue.keep(job, now, due_at=now + pause, **changes)
        return None

    async def end(
        self,
        job: Job,
        state: JobState,
        said: Message | None,
        *,
        spent: Spent = Spent.NO,
        **changes: Any,
    ) -> Job | None:
        """Move a job to its end. said: what to tell its owner. spent: nothing at the simulator."""
        ended = await self.advance(
            job, state, said=said, spent=Spent.NO if job.simulated else spent, **changes
        )
        if ended is not None:
            self._metrics.count_end(ended)
        return ended

    async def release(self, job: Job) -> None:
        """Release a job when this process stops: another may continue at once. A request that may
        be on its way keeps its lease, and nobody touches it.
        """
        if job.state is not JobState.SUBMITTING:
            await self.keep_waiting(job, 0.0)

    async def mark_uncertain(self, job: Job, trouble: ServiceError | None) -> Job | None:
        """Move a job to UNCERTAIN: its paid request may have been accepted."""
        about = quote_error(trouble) if trouble else {}
        spent = Spent.NO if job.simulated else Spent.MAYBE
        await self.advance(
            job,
            JobState.UNCERTAIN,
            due_at=self._clock() + self._every.first(job),
            spent=spent,
            **about,
        )
        return None

    async def requeue(self, job: Job, trouble: ServiceError) -> Job | None:
        """Put a job back to QUEUED, for later, after transient trouble before anything was taken. A
        quota that stays used up is not waited for beyond a minute.
        """
        if trouble.message.key == "quota_used_up" and job.attempts >= _QUOTA_TRIES:
            return await self.end(job, JobState.FAILED, trouble.message, **quote_error(trouble))
        due_at = self._clock() + polling.next_poll_delay(1.0, job.attempts, trouble.retry_after)
        passes = isinstance(trouble, Throttled) and job.attempts < _BUSY_TRIES
        said = waiting_message(trouble) or (None if passes else trouble.message)
        await self.advance(
            job, JobState.QUEUED, due_at=due_at, attempts=job.attempts + 1, said=said
        )
        return None

    async def keep_unknown(self, job: Job, now: float) -> Job | None:
        """Wait with a job whose task the service does not know: with another key it might, until
        the 24 h are over.
        """
        if now - (job.submitted_at or job.state_at) > catalog.TASK_LIFETIME:
            return await self.expire(job)
        return await self.keep_waiting(
            job,
            polling.next_poll_delay(self._every.of(job), job.attempts),
            attempts=job.attempts + 1,
            said=None,
        )

    async def expire(self, job: Job) -> Job | None:
        """End a job whose task the service does not know any more."""
        billed = job.state is JobState.FETCHING
        said = Message.of("result_expired" if billed else "task_unknown")
        return await self.end(
            job, JobState.EXPIRED, said, spent=Spent.YES if billed else Spent.MAYBE
        )

    async def adopt(self, job: Job, accepted: Accepted) -> Job | None:
        """Write down the paid task: the one thing that must not be lost."""

        async def write(row: Job) -> Job | None:
            now = self._clock()
            return await self._queue.adopt(
                row,
                accepted.task_id,
                accepted.request_id[:_QUOTED],
                now,
                now + polling.next_poll_delay(self._every.first(job)),
            )

        adopted = await self.until_written(job, write, f"task {accepted.task_id}")
        if adopted is not None:
            self._evidence.record(adopted)
            with contextlib.suppress(Exception):  # it is paid: at worst it is polled too early
                await self.keep_waiting(adopted, await self._pace.until_next(adopted, 0.0))
        return adopted if adopted is not None and adopted.cancel_wanted else None

    async def until_written(
        self, job: Job, write: Callable[[Job], Awaitable[Job | None]], what: str = "the answer"
    ) -> Job | None:
        """Write down what became of the paid request, again and again until it is written: nobody
        can ask for that once more.
        """
        pause = 0.1
        while True:
            try:
                return await write(self.latest(job))
            except (StorageUnavailable, OSError) as trouble:
                log.error("job %s: %s could not be written down yet: %s", job.id, what, trouble)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)


class Lease:
    """Keeps a claim alive while a long step runs. After the block, `job` is the row as it was
    renewed last: the one to write with.
    """

    def __init__(self, job: Job, renewed: Callable[[Job], Awaitable[Job | None]]) -> None:
        self.job = job
        self._renewed, self._writing = renewed, asyncio.Lock()

    async def __aenter__(self) -> None:
        self._renewal = asyncio.create_task(self._renew())

    async def __aexit__(self, *_: object) -> None:
        async with self._writing:  # never in the middle of a write: its outcome would be unknown
            self._renewal.cancel()

    async def _renew(self) -> None:
        while True:
            async with self._writing:
                with contextlib.suppress(StorageUnavailable):  # the next time is soon enough
                    renewed = await self._renewed(self.job)
                    if renewed is None:
                        return  # somebody else has it; the step's own write will find that out
                    self.job = renewed
            await asyncio.sleep(HELD / 4)


def waiting_message(trouble: ServiceError) -> Message | None:
    """Return what to say of a job that waits until some trouble is over; None for what passes
    unseen.
    """
    if isinstance(trouble, UntrustedAddress):
        return trouble.message
    return reword_as_waiting(trouble.message)


def quote_error(error: ServiceError) -> dict[str, Any]:
    """Return what of an error is worth quoting to the service."""
    return {"code": error.code[:_QUOTED]} | (
        {"request_id": error.request_id[:_QUOTED]} if error.request_id else {}
    )
