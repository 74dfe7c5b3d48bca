"""QUEUED to PENDING: references are uploaded, and the paid request leaves, once."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from wan.database.accounts import Accounts
from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.errors import NotSent, Refused, ServiceError, SubmissionUnknown, Throttled
from wan.domain.jobs import Job, JobState, Reference
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.provider import payload
from wan.provider.gateway import Gateway
from wan.service.job_writer import JobWriter, quote_error
from wan.service.metrics import Metrics
from wan.service.polling import IDLE
from wan.service.tasks import Tasks
from wan.service.waiting_lines import WaitingLines
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage

# seconds; far longer than the paid request may take, so that an answer is never waited for by two
SUBMITTING_LEASE = 120.0
# Seconds between the commit of SUBMITTING and the start of sending; connecting may take 3 more, so
# that the request leaves within 5 or not at all.
TIME_TO_LEAVE = 2.0
_UPLOAD_GOOD = (
    catalog.UPLOAD_LIFETIME - 6 * 3600.0
)  # seconds; it must still be good when the task gets to it
# seconds after which an upload that was never finished is tried by another; twice is a waste, no
# more
_UPLOAD_LEASE = 120.0
# Seconds between two looks whether a job is next in line: those before it may all be cancelled
_LONGEST_IN_LINE = 10.0


class Submitting:
    """Takes jobs up to the answer to their paid request."""

    def __init__(
        self,
        *,
        queue: Queue,
        accounts: Accounts,
        storage: Storage,
        gateway: Gateway,
        tasks: Tasks,
        evidence: Evidence,
        writer: JobWriter,
        lines: WaitingLines,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._queue, self._accounts, self._storage = queue, accounts, storage
        self._gateway, self._tasks, self._evidence = gateway, tasks, evidence
        self._writer, self._metrics, self._clock = writer, metrics, clock
        self._lines = lines
        self.paying: dict[asyncio.Task[Job | None], str] = {}
        """The paid requests in hand, and the ids of their jobs: a job whose lease ended has two, of
        which the database lets one be sent.
        """

    async def start(self, job: Job, connection: Connection) -> Job | None:
        """QUEUED: go on when fewer jobs than the account's limit are on their way."""
        if job.cancel_wanted:
            return await self._writer.end(job, JobState.CANCELLED, Message.of("cancelled"))
        before = await self._lines.find_place(job) - 1
        started = (
            await self._queue.start(job, self._clock(), at_once=catalog.RUNNING_AT_ONCE)
            if before < catalog.RUNNING_AT_ONCE
            else None
        )
        if started is None:
            return await self._writer.keep_waiting(job, _until_next(before), said=None)
        self._evidence.record(started)
        return started

    async def send(self, job: Job, connection: Connection) -> Job | None:
        """UPLOADING: upload the references, then have the row say SUBMITTING, then send the
        request.
        """
        if job.cancel_wanted:
            return await self._writer.end(job, JobState.CANCELLED, Message.of("cancelled"))
        lease = self._writer.lease(job)
        try:
            async with lease:
                urls = [
                    await self._upload(job, reference, connection)
                    if payload.has_slot(job.payload, number)
                    else ""
                    for number, reference in enumerate(job.references)
                ]
                await self._tasks.wait_for_slot(job.account, "submit_at")
        except Refused as refusal:
            return await self._writer.end(
                lease.job, JobState.FAILED, refusal.message, **quote_error(refusal)
            )
        except ServiceError as trouble:
            return await self._writer.requeue(lease.job, trouble)
        body = payload.fill_slots(job.payload, urls)
        self._evidence.record_payload(job, body)
        # Not even our own end stops this: an answer that nobody waits for would leave a paid task
        # without its id.
        paying = asyncio.create_task(self._pay(lease.job, connection, body))
        self.paying[paying] = job.id
        paying.add_done_callback(self.paying.pop)
        return await asyncio.shield(paying)

    async def _pay(self, job: Job, connection: Connection, body: dict[str, Any]) -> Job | None:
        """Have the row say SUBMITTING, and only then send the request."""
        since, now = time.monotonic(), self._clock()
        submitting = await self._writer.advance(
            job, JobState.SUBMITTING, submitting_at=now, due_at=now + SUBMITTING_LEASE
        )
        if (
            submitting is None
        ):  # the account's other request has not been answered yet, or somebody cancelled
            return await self._writer.keep_waiting(job, 0.2)
        self._writer.remember(submitting)
        if time.monotonic() - since > TIME_TO_LEAVE:
            return await self._writer.until_written(
                submitting,
                lambda row: self._writer.advance(row, JobState.QUEUED, due_at=self._clock()),
            )
        return await self._submit(submitting, connection, body)

    async def _submit(self, job: Job, connection: Connection, body: dict[str, Any]) -> Job | None:
        """Send the paid request, once. Every way out writes what is known; killed in the middle,
        the row stays SUBMITTING and becomes UNCERTAIN.
        """
        try:
            with self._metrics.measure("submit"):
                accepted = await self._gateway.submit(connection, body)
        except (NotSent, Throttled) as trouble:
            self._record_answer(
                job, "throttled" if isinstance(trouble, Throttled) else "never left", trouble
            )
            return await self._writer.until_written(
                job, partial(self._writer.requeue, trouble=trouble)
            )
        except SubmissionUnknown as trouble:
            self._record_answer(job, "unclear", trouble)
            return await self._writer.until_written(
                job, partial(self._writer.mark_uncertain, trouble=trouble)
            )
        except Refused as refusal:
            self._record_answer(job, "refused", refusal)
            return await self._writer.until_written(
                job,
                partial(
                    self._writer.end,
                    state=JobState.FAILED,
                    said=refusal.message,
                    **quote_error(refusal),
                ),
            )
        self._evidence.record_answer(job, "accepted", **asdict(accepted))
        return await self._writer.adopt(job, accepted)

    def _record_answer(self, job: Job, outcome: str, trouble: ServiceError) -> None:
        about = {name: getattr(trouble, name) for name in ("status", "code", "request_id")}
        self._evidence.record_answer(job, outcome, **about, message=trouble.detail)

    async def _upload(self, job: Job, reference: Reference, connection: Connection) -> str:
        """Return the URL of a reference for the service: as it was given, or after uploading the
        file, once per content, model and account.
        """
        if reference.url:
            return reference.url
        which = (job.account, job.model, reference.sent_key)
        while (  # noqa: ASYNC110
            known := await self._accounts.claim_upload(
                *which,
                self._clock(),
                lifetime=_UPLOAD_GOOD,
                lease=_UPLOAD_LEASE,
            )
        ) == "":
            await asyncio.sleep(
                0.2
            )  # another take sends the same bytes at this moment, perhaps in another process
        if known is not None:
            return known
        url = ""
        try:
            path = await self._storage.local_copy(reference.sent_key)
            with self._metrics.measure("upload"):
                url = await self._gateway.upload(
                    connection, job.model, path, secrets.token_hex(12) + path.suffix
                )
        finally:
            await self._accounts.note_upload(*which, url)
        return url


def _until_next(before: int) -> float:
    """Return the seconds until a job with so many before it in line may be the next: the service
    takes them so fast and no faster.
    """
    return max(IDLE, min(before / catalog.SUBMITS_PER_SECOND, _LONGEST_IN_LINE))
