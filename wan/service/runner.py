"""The background loop: claims the jobs that are due, takes one step with each, and writes down what
came of it.

A step is a function of the state that the row had when it was claimed. It returns the job if there
is more to do at once, or None when the job waits or has ended, or when somebody else has it.
Nothing here retries the paid request: what is unclear is written down as such.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from wan.database.accounts import Accounts
from wan.database.announcements import Announcements
from wan.database.durations import Durations
from wan.database.engine import Database
from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.errors import ServiceError, StorageUnavailable
from wan.domain.jobs import UNSENT, Job, JobState, Spent
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.provider.gateway import SUBMIT_LIMIT, Gateway
from wan.service import polling
from wan.service.delivery import UNPLAYABLE, Delivery
from wan.service.job_writer import JobWriter, waiting_message
from wan.service.metrics import Metrics
from wan.service.pace import Pace
from wan.service.polling import IDLE
from wan.service.reconcile import Reconciliation
from wan.service.submitting import Submitting
from wan.service.tasks import Tasks
from wan.service.waiting_lines import WaitingLines
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage

log = logging.getLogger("wan.service.runner")

LEASE = 60.0  # seconds that a claim holds; longer than any step but sending and bringing home
STOP_LIMIT = (
    SUBMIT_LIMIT + 15.0
)  # seconds that a stop waits for the answer to a paid request, and for the database to take it
_ABANDONED = 3600.0  # seconds for which nobody has looked at a job
_OWN_TRIES = 5  # times that a step may break before the request is sent

Step = Callable[[Job, Connection], Awaitable[Job | None]]


class Runner:
    """Drives the jobs of every account in `connections`, by account.

    clock: seconds since 1970. changed: called after every write. unsent: of the jobs that are not
    sent yet, drive these ids only, so that no other is ever paid for; it may grow meanwhile. None:
    drive all. metrics: where the requests to the service are counted. announced: whether the ends
    of tasks may be announced (`announce`).
    """

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        gateway: Gateway,
        connections: Mapping[str, Connection],
        evidence: Evidence,
        poll_seconds: float | None,
        uncertain_seconds: float,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
        unsent: Collection[str] | None = None,
        metrics: Metrics | None = None,
        announced: bool = False,
    ) -> None:
        self._queue, self._connections = Queue(database), connections
        self._changed, self._clock, self._unsent = changed, clock, unsent
        self._announcements = Announcements(database)
        pace = Pace(Durations(database), poll_seconds, announced=announced)
        self._every = pace.every
        self._work = asyncio.Event()
        self._steps: set[asyncio.Task[None]] = set()
        self.stuck = False
        """Whether the database took nothing when work was last asked for."""
        accounts, metrics = Accounts(database), metrics or Metrics()
        tasks = Tasks(gateway, accounts, evidence, metrics, clock)
        self.lines = WaitingLines(self._queue, clock)
        """The lines in which jobs wait, for viewers too."""
        self._writer = writer = JobWriter(self._queue, evidence, clock, pace, metrics)
        self._submitting = Submitting(
            queue=self._queue,
            accounts=accounts,
            storage=storage,
            gateway=gateway,
            tasks=tasks,
            evidence=evidence,
            writer=writer,
            lines=self.lines,
            metrics=metrics,
            clock=clock,
        )
        self._delivery = Delivery(storage, gateway, tasks, writer, self._every, metrics, clock)
        reconciliation = Reconciliation(
            queue=self._queue,
            gateway=gateway,
            tasks=tasks,
            evidence=evidence,
            writer=writer,
            pace=pace,
            metrics=metrics,
            uncertain_seconds=uncertain_seconds,
            clock=clock,
        )
        self._by_state = self._list_steps(reconciliation)

    def _list_steps(self, reconciliation: Reconciliation) -> dict[JobState, Step]:
        """Return what is done with a job in each state."""
        return {
            JobState.QUEUED: self._submitting.start,
            JobState.UPLOADING: self._submitting.send,
            JobState.SUBMITTING: reconciliation.give_up_answer,
            JobState.PENDING: reconciliation.poll,
            JobState.RUNNING: reconciliation.poll,
            JobState.FETCHING: self._delivery.deliver,
            JobState.UNCERTAIN: reconciliation.settle,
        }

    def wake(self) -> None:
        """Look for work at once: something is due now."""
        self._work.set()

    async def announce(self, task_id: str) -> bool:
        """Poll a task at once, because it is said to have ended. False where its job is in hand,
        and may have been asked about too early: then say it again in a moment. Raises
        StorageUnavailable.
        """
        heard = await self._announcements.announce(task_id, list(self._connections), self._clock())
        if heard:
            self.wake()
        return heard

    async def run(self) -> None:
        """Run until cancelled. Then every step in hand is released, but an answer to a paid request
        is waited for and written down.

        A database that takes nothing for all of STOP_LIMIT does not keep the process: the account's
        list of tasks tells the next one.
        """
        try:
            while True:
                self._work.clear()
                await self._start_due()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(await self._pause()):
                        await self._work.wait()
        finally:
            for step in self._steps:
                step.cancel()
            await asyncio.gather(*self._steps, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_LIMIT):
                    await asyncio.gather(*self._submitting.paying, return_exceptions=True)

    async def _start_due(self) -> None:
        """Claim the jobs that are due, and begin a step with each."""
        try:
            for job in await self._claim():
                self._begin(job)
            self.stuck = False
        except StorageUnavailable as trouble:
            if not self.stuck:  # said once: a log must not fill the disk further
                log.warning("no work can be claimed; trying until it can: %s", trouble)
            self.stuck = True
        except Exception:
            # Whatever it is must not end the loop.
            log.exception("no work could be claimed; trying again")

    async def run_once(self) -> None:
        """Take every job that is due now as far as it goes."""
        await self._start_due()
        await asyncio.gather(*self._steps, return_exceptions=True)

    async def _claim(self) -> list[Job]:
        # What became of a paid request that is in hand here, this process alone can tell, however
        # long the database takes to hear it.
        claiming = asyncio.create_task(
            self._queue.claim(
                self._clock(),
                lease=LEASE,
                accounts=list(self._connections),
                but=list(self._submitting.paying.values()),
                unsent=self._sendable(),
            )
        )
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # What is claimed at this moment nobody would look at until its lease ends.
            with contextlib.suppress(Exception):
                for job in await claiming:
                    await self._writer.release(job)
            raise

    def _sendable(self) -> list[str] | None:
        """Return the ids of the only jobs that may be sent; None for all."""
        return None if self._unsent is None else list(self._unsent)

    async def _pause(self) -> float:
        try:
            due = await self._queue.find_next_due(list(self._connections), self._sendable())
        except Exception:
            log.exception("the next work could not be asked for; trying again")
            due = None
        return IDLE if due is None else min(max(due - self._clock(), 0.02), IDLE)

    def _begin(self, job: Job) -> None:
        task = asyncio.create_task(self._drive(job), name=f"job {job.id}")
        self._steps.add(task)
        task.add_done_callback(self._on_step_end)

    def _on_step_end(self, step: asyncio.Task[None]) -> None:
        self._steps.discard(step)
        self.wake()  # what it left may be due sooner than the loop would look

    async def _drive(self, job: Job) -> None:
        """Take a job as far as it goes now."""
        held: Job | None = job
        while held is not None and held.live:
            connection = self._connections.get(held.account)
            if connection is None:  # its visitor has just had the key forgotten
                await self._writer.release(held)
                return
            held = await self._take_step(held, self._by_state[held.state](held, connection))

    async def _take_step(self, job: Job, step: Awaitable[Job | None]) -> Job | None:
        """Take a step with a job, and write down what became of it where the step
        itself could not.
        """
        try:
            return await step
        except asyncio.CancelledError:
            await asyncio.shield(self._writer.release(self._writer.latest(job)))
            raise
        except ServiceError as trouble:
            return await self._write_safely(self._handle_trouble, self._writer.latest(job), trouble)
        except Exception as error:
            log.error(
                "job %s: a step from %s broke: %s",
                job.id,
                job.state,
                error,
                exc_info=not isinstance(error, StorageUnavailable),
            )
            return await self._write_safely(self._handle_failure, self._writer.latest(job), error)
        finally:
            self._writer.forget(job)
            self._changed()

    async def _write_safely(
        self, write: Callable[[Job, Any], Awaitable[Job | None]], job: Job, error: Exception
    ) -> Job | None:
        """Write down what became of a step; where not even that works, the job is due again when
        its lease ends.
        """
        try:
            return await write(job, error)
        except Exception:
            log.exception("job %s: its trouble could not be written down", job.id)
            return None

    async def expire_abandoned(self) -> None:
        """End the jobs whose key has not come back for as long as the service knows a task: time
        alone has decided what became of them.
        """
        now = self._clock()
        for job in await self._queue.list_abandoned(
            now - catalog.TASK_LIFETIME - _ABANDONED, now - _ABANDONED
        ):
            if job.state is JobState.SUBMITTING:
                uncertain = await self._writer.advance(job, JobState.UNCERTAIN, due_at=job.due_at)
                if uncertain is not None:
                    await self._writer.end(
                        uncertain,
                        JobState.EXPIRED,
                        Message.of("never_confirmed"),
                        spent=Spent.MAYBE,
                    )
            elif job.state is JobState.UNCERTAIN:
                await self._writer.end(
                    job, JobState.EXPIRED, Message.of("never_confirmed"), spent=Spent.MAYBE
                )
            elif job.state is JobState.FETCHING:
                held = await self._writer.renew(job)  # of several processes that look, one gets it
                if held is not None:
                    await self._take_step(held, self._delivery.deliver(held, None))
            elif job.state in (JobState.PENDING, JobState.RUNNING):
                await self._writer.expire(job)
        self._changed()

    async def _handle_trouble(self, job: Job, trouble: ServiceError) -> Job | None:
        """Leave a job as it is, to be polled later and ever more slowly: a question got no usable
        answer.
        """
        now = self._clock()
        if (
            job.task_id
            and now - (job.fetching_at or job.submitted_at or now) > catalog.TASK_LIFETIME
        ):
            return await self._writer.expire(job)
        pause = polling.next_poll_delay(self._every.of(job), job.attempts, trouble.retry_after)
        return await self._writer.keep_waiting(
            job, pause, attempts=job.attempts + 1, said=waiting_message(trouble), code=""
        )

    async def _handle_failure(self, job: Job, error: Exception) -> Job | None:
        """Try a job again later after a fault of our own: a full disk, a stuck database, a slip.
        The paid request is never tried again.

        A disk or database that is in trouble ends no job. What keeps breaking otherwise before
        anything was sent fails at last, which costs nothing.
        """
        if job.state is JobState.SUBMITTING:
            return None
        if isinstance(error, StorageUnavailable | OSError) and not isinstance(
            error, FileNotFoundError
        ):
            pause = polling.next_poll_delay(1.0, job.attempts)
            return await self._writer.keep_waiting(
                job,
                pause,
                attempts=job.attempts + 1,
                said=Message.of("paused"),
                **self._reset_unplayable(job),
            )
        if job.state in UNSENT and job.attempts >= _OWN_TRIES:
            return await self._writer.end(
                job, JobState.FAILED, Message.of("broke", code=type(error).__name__)
            )
        return await self._writer.keep_waiting(
            job,
            polling.next_poll_delay(1.0, job.attempts),
            attempts=job.attempts + 1,
            **self._reset_unplayable(job),
        )

    @staticmethod
    def _reset_unplayable(job: Job) -> dict[str, str]:
        """Return what forgets an unplayable download: with trouble of ours between them, two are
        not in a row.
        """
        return {"code": ""} if job.code == UNPLAYABLE else {}
