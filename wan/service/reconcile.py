"""What became of what was sent: tasks are polled, and requests whose answer was lost are looked for
in the account's list.
"""

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.catalog import MODELS
from wan.domain.errors import ServiceError
from wan.domain.jobs import Job, JobState, Spent
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.provider.gateway import SUBMIT_LIMIT, Gateway
from wan.provider.wire import Accepted, TaskSnapshot, TaskStatus, task_failure
from wan.service import polling
from wan.service.job_writer import JobWriter, quote_error
from wan.service.metrics import Metrics
from wan.service.pace import Pace
from wan.service.submitting import TIME_TO_LEAVE
from wan.service.tasks import Tasks
from wan.storage.evidence import Evidence

_CLOCK_SKEW = 60.0  # seconds that our clock and the service's may differ
# seconds that they may differ at worst: what lies so near and may be ours is not taken for ours,
# but proves no absence either
_DRIFT = 3600.0


class Reconciliation:
    """Asks the service what became of jobs."""

    def __init__(
        self,
        *,
        queue: Queue,
        gateway: Gateway,
        tasks: Tasks,
        evidence: Evidence,
        writer: JobWriter,
        pace: Pace,
        metrics: Metrics,
        uncertain_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._queue, self._gateway, self._tasks = queue, gateway, tasks
        self._evidence, self._writer = evidence, writer
        self._pace, self._every, self._metrics = pace, pace.every, metrics
        self._uncertain_seconds, self._clock = uncertain_seconds, clock

    async def poll(self, job: Job, connection: Connection) -> Job | None:
        """PENDING and RUNNING: ask the service, after carrying out a cancel that is wanted."""
        await self._tasks.wait_for_slot(job.account, "query_at")
        if job.cancel_wanted and job.state is JobState.PENDING:
            # Whatever came of it, the task itself tells.
            with contextlib.suppress(ServiceError), self._metrics.measure("cancel"):
                await self._gateway.cancel(connection, job.task_id or "")
        snapshot = await self._tasks.fetch(job, connection)
        now = self._clock()
        if snapshot.status is TaskStatus.UNKNOWN:
            return await self._writer.keep_unknown(job, now)
        if snapshot.status is TaskStatus.SUCCEEDED:
            return await self._writer.advance(
                job,
                JobState.FETCHING,
                fetching_at=now,
                run_seconds=snapshot.run_seconds,
                **_bill(job, snapshot),
            )
        if snapshot.status is TaskStatus.FAILED:
            failure = task_failure(snapshot, connection)
            self._metrics.count_failure("run", failure)
            return await self._writer.end(
                job, JobState.FAILED, failure.message, **quote_error(failure)
            )
        if snapshot.status is TaskStatus.CANCELED:
            return await self._writer.end(
                job,
                JobState.CANCELLED,
                Message.of("cancelled" if job.cancel_wanted else "cancelled_elsewhere"),
            )
        if snapshot.status is TaskStatus.PENDING:
            pause = await self._pace.until_started(job)
            return await self._writer.keep_waiting(job, pause, attempts=0, said=None)
        begun = job.running_at or _find_start(job, snapshot, now)
        pause = await self._pace.until_next(job, now - begun)
        if job.state is JobState.PENDING:
            await self._writer.advance(job, JobState.RUNNING, running_at=begun, due_at=now + pause)
            return None
        return await self._writer.keep_waiting(job, pause, attempts=0, said=None)

    async def give_up_answer(self, job: Job, connection: Connection) -> Job | None:
        """SUBMITTING whose lease ended: whoever sent the request died before it could write down
        the answer.
        """
        return await self._writer.mark_uncertain(job, None)

    async def settle(self, job: Job, connection: Connection) -> Job | None:
        """UNCERTAIN: never send again. The account's own list of tasks tells in time whether the
        request arrived.
        """
        sent_at = job.submitting_at or job.state_at
        if self._clock() - sent_at > catalog.TASK_LIFETIME:
            return await self._writer.end(
                job, JobState.EXPIRED, Message.of("never_confirmed"), spent=Spent.MAYBE
            )
        await self._tasks.wait_for_slot(job.account, "query_at")
        with self._metrics.measure("list"):
            listed = await self._gateway.list_recent(connection, job.model)
        near = [
            task
            for task, at in listed.items()
            if sent_at - _DRIFT <= at <= sent_at + SUBMIT_LIMIT + _DRIFT
        ]
        candidates = await self._queue.find_unknown_tasks(job.account, near) - set(job.not_ours)
        lone = not await self._queue.has_lookalike(job)
        not_ours = []
        for task_id in sorted(candidates):
            await self._tasks.wait_for_slot(job.account, "query_at")
            with self._metrics.measure("query"):
                snapshot = await self._gateway.fetch(connection, task_id)
            if _is_ours(job, snapshot):
                if (
                    lone
                    and sent_at - _CLOCK_SKEW
                    <= listed[task_id]
                    <= sent_at + SUBMIT_LIMIT + TIME_TO_LEAVE + _CLOCK_SKEW
                ):
                    self._evidence.record_answer(
                        job,
                        "found in the account's list",
                        task_id=task_id,
                        request_id=snapshot.request_id,
                    )
                    return await self._writer.adopt(job, Accepted(task_id, snapshot.request_id))
            elif snapshot.status in (TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED):
                not_ours.append(task_id)
        if candidates - set(not_ours):
            return await self._ask_again(job, not_ours, first_absent_at=None)
        return await self._conclude_absence(job, sent_at, not_ours)

    async def _conclude_absence(self, job: Job, sent_at: float, not_ours: list[str]) -> Job | None:
        """Ask once more, or conclude: a complete listing shows no task that could be ours. Two of
        them, late enough, prove that the request never arrived.
        """
        now = self._clock()
        if now < sent_at + SUBMIT_LIMIT + self._uncertain_seconds:
            return await self._ask_again(job, not_ours, first_absent_at=None)
        if job.first_absent_at is None:
            return await self._ask_again(job, not_ours, first_absent_at=now)
        return await self._writer.end(job, JobState.FAILED, Message.of("never_arrived"))

    async def _ask_again(
        self, job: Job, not_ours: list[str], first_absent_at: float | None
    ) -> Job | None:
        """Leave a job UNCERTAIN until the account's list is read again."""
        known = [*job.not_ours, *not_ours]
        return await self._writer.keep_waiting(
            job,
            polling.next_poll_delay(self._every.of(job)),
            not_ours=known,
            first_absent_at=first_absent_at,
            attempts=0,
            said=None,
        )


def _is_ours(job: Job, snapshot: TaskSnapshot) -> bool:
    """Return whether a task in question is the one of this job. Only what has SUCCEEDED shows its
    prompt, so nothing else can be told.
    """
    return (
        snapshot.status is TaskStatus.SUCCEEDED and snapshot.orig_prompt.strip() == job.sent_prompt
    )


def _find_start(job: Job, snapshot: TaskSnapshot, now: float) -> float:
    """Return when a task that runs was started, as near as the service tells: else it was at once,
    as is usual.
    """
    taken = job.submitted_at or now
    return min(taken + (snapshot.wait_seconds or 0.0), now)


def _bill(job: Job, snapshot: TaskSnapshot) -> dict[str, Any]:
    """Return what the service says it bills, and what that comes to; the estimate stands where it
    does not say.
    """
    if snapshot.billed_seconds is None:
        return {}
    cost = catalog.bill(
        MODELS[job.model],
        region=job.region,
        size=job.request["size"],
        audio=job.request["audio"],
        seconds=Decimal(str(snapshot.billed_seconds)),
        currency=job.currency,
    )
    return {
        "billed_seconds": snapshot.billed_seconds,
        "amount": None if cost is None else cost.amount,
    }
