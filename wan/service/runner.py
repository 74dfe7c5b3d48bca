"""The background loop: claims the jobs that are due, takes one step with each, writes down what
came of it.

A step is a function of the state that the row had when it was claimed. It gives back the job if
there is more to do at once, or None when the job waits or has ended, or when somebody else has it.
Nothing here retries the paid request: what is unclear is written down as such.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from wan.database.accounts import Accounts
from wan.database.engine import Database
from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.catalog import MODELS
from wan.domain.errors import (
    BadResponse,
    NotAVideo,
    NotSent,
    Refused,
    ResultRefused,
    ServiceError,
    StorageUnavailable,
    SubmissionUnknown,
    Throttled,
    UntrustedAddress,
    is_full,
)
from wan.domain.jobs import UNSENT, Job, JobState, Reference, Spent
from wan.domain.messages import Sentence, reword_as_waiting, sentence
from wan.environment.connection import Connection
from wan.media import embedded_settings, encode
from wan.media.probe import Clip
from wan.provider import payload
from wan.provider.gateway import SUBMIT_LIMIT, Gateway
from wan.provider.wire import Accepted, TaskSnapshot, TaskStatus, task_failure
from wan.service import polling
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage

log = logging.getLogger("wan.service.runner")

LEASE = 60.0  # seconds that a claim holds; longer than any step but sending and bringing home
# seconds that those hold it, renewed as they go on, so that they are taken over soon when their
# process dies
HELD = 20.0
# seconds; far longer than the paid request may take, so that an answer is never waited for by two
SUBMITTING_LEASE = 120.0
# Seconds between the commit of SUBMITTING and the start of sending; connecting may take 3 more, so
# that the request leaves within 5 or not at all.
TIME_TO_LEAVE = 2.0
STOP_LIMIT = (
    SUBMIT_LIMIT + 15.0
)  # seconds that a stop waits for the answer to a paid request, and for the database to take it
_UPLOAD_GOOD = (
    catalog.UPLOAD_LIFETIME - 6 * 3600.0
)  # seconds; it must still be good when the task gets to it
# seconds after which an upload that was never finished is tried by another; twice is a waste, no
# more
_UPLOAD_LEASE = 120.0
# Seconds between two requests of an account; half as much again as its limits ask for, because
# requests bunch up on the way and in a busy process
_GAPS = {
    "submit_at": 1.5 / catalog.SUBMITS_PER_SECOND,
    "query_at": 1.5 / catalog.QUERIES_PER_SECOND,
}
_CLOCK_SKEW = 60.0  # seconds that our clock and the service's may differ
# seconds that they may differ at worst: what lies so near and may be ours is not taken for ours,
# but proves no absence either
_DRIFT = 3600.0
_ABANDONED = 3600.0  # seconds for which nobody has looked at a job
_OWN_TRIES = 5  # times that a step may break before the request is sent
_QUOTA_TRIES = (
    6  # pauses of 1 to 32 s: "usually returns within a minute" (rate-limiting best practices, 2026)
)
_RESULT_TRIES = 5  # downloads in a row before a file that does not open is taken for the result
_QUOTED = 128  # characters of a code or an id that a row has room for
_ODD = "NoVideo"  # marks, in place of the service's code, that the last download did not open
_IDLE = 1.0  # seconds between two looks for work that another process may have queued

Step = Callable[[Job, Connection], Awaitable[Job | None]]


class Runner:
    """Drives the jobs of every account in `connections`, by account.

    clock: seconds since 1970. changed: is called after every write. unsent: of the jobs that are
    not sent yet, drives these ids only, so that it never pays for another; it may grow meanwhile.
    None: drives all.
    """

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        gateway: Gateway,
        connections: Mapping[str, Connection],
        evidence: Evidence,
        poll_seconds: float,
        uncertain_seconds: float,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
        unsent: Collection[str] | None = None,
    ) -> None:
        self._queue, self._accounts = Queue(database), Accounts(database)
        self._storage, self._gateway, self._connections = (
            storage,
            gateway,
            connections,
        )
        self._evidence = evidence
        self._poll_seconds, self._uncertain_seconds, self._changed, self._clock = (
            poll_seconds,
            uncertain_seconds,
            changed,
            clock,
        )
        self._unsent = unsent
        self._work = asyncio.Event()
        self._steps: set[asyncio.Task[None]] = set()
        self._paying: dict[str, asyncio.Task[Job | None]] = {}
        self.stuck = False
        """Whether the database took nothing when work was last asked for."""
        self._renewed_rows: dict[
            str, Job
            # what a step in hand writes with, where that is no longer the row that it began with
        ] = {}
        self._polishing = asyncio.Semaphore(1)  # conforming takes a whole core
        self._by_state: dict[JobState, Step] = {
            JobState.QUEUED: self._start,
            JobState.UPLOADING: self._send,
            JobState.SUBMITTING: self._lost_answer,
            JobState.PENDING: self._look,
            JobState.RUNNING: self._look,
            JobState.FETCHING: self._bring_home,
            JobState.UNCERTAIN: self._settle,
        }

    def wake(self) -> None:
        """Something is due now."""
        self._work.set()

    async def run(self) -> None:
        """Runs until it is cancelled. Then every step in hand is let go, but an answer to a paid
        request is waited for and written down.

        A database that takes nothing for all of STOP_LIMIT does not keep the process: the account's
        list of tasks tells the next one.
        """
        try:
            while True:
                self._work.clear()
                await self._round()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(await self._pause()):
                        await self._work.wait()
        finally:
            for step in self._steps:
                step.cancel()
            await asyncio.gather(*self._steps, return_exceptions=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_LIMIT):
                    await asyncio.gather(*self._paying.values(), return_exceptions=True)

    async def _round(self) -> None:
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
        """Takes every job that is due now as far as it goes."""
        await self._round()
        await asyncio.gather(*self._steps, return_exceptions=True)

    async def _claim(self) -> list[Job]:
        # What became of a paid request that is in hand here, this process alone can tell, however
        # long the database takes to hear it.
        claiming = asyncio.create_task(
            self._queue.claim(
                self._clock(),
                lease=LEASE,
                accounts=list(self._connections),
                but=list(self._paying),
                unsent=self._wanted(),
            )
        )
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # What is claimed at this moment nobody would look at until its lease ends.
            with contextlib.suppress(Exception):
                for job in await claiming:
                    await self._let_go(job)
            raise

    def _wanted(self) -> list[str] | None:
        return None if self._unsent is None else list(self._unsent)

    async def _pause(self) -> float:
        try:
            due = await self._queue.next_due(list(self._connections), self._wanted())
        except Exception:
            log.exception("the next work could not be asked for; trying again")
            due = None
        return _IDLE if due is None else min(max(due - self._clock(), 0.02), _IDLE)

    def _begin(self, job: Job) -> None:
        task = asyncio.create_task(self._drive(job), name=f"job {job.id}")
        self._steps.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, step: asyncio.Task[None]) -> None:
        self._steps.discard(step)
        self.wake()  # what it left may be due sooner than the loop would look

    async def _drive(self, job: Job) -> None:
        """Takes a job as far as it goes now."""
        held: Job | None = job
        while held is not None and held.live:
            connection = self._connections.get(held.account)
            if connection is None:  # its visitor has just had the key forgotten
                await self._let_go(held)
                return
            held = await self._taken(held, self._by_state[held.state](held, connection))

    async def _taken(self, job: Job, step: Awaitable[Job | None]) -> Job | None:
        """Takes a step with a job, and writes down what became of it where the step itself could
        not.
        """
        try:
            return await step
        except asyncio.CancelledError:
            await asyncio.shield(self._let_go(self._newest(job)))
            raise
        except ServiceError as trouble:
            return await self._safely(self._trouble, self._newest(job), trouble)
        except Exception as error:
            log.error(
                "job %s: a step from %s broke: %s",
                job.id,
                job.state,
                error,
                exc_info=not isinstance(error, StorageUnavailable),
            )
            return await self._safely(self._broken, self._newest(job), error)
        finally:
            self._renewed_rows.pop(job.id, None)
            self._changed()

    def _newest(self, job: Job) -> Job:
        """The row with the lease as it was renewed last: the one to write with."""
        return self._renewed_rows.get(job.id, job)

    async def _safely(
        self, write: Callable[[Job, Any], Awaitable[Job | None]], job: Job, error: Exception
    ) -> Job | None:
        """Writes down what became of a step; where not even that works, the job is due again when
        its lease ends.
        """
        try:
            return await write(job, error)
        except Exception:
            log.exception("job %s: its trouble could not be written down", job.id)
            return None

    async def _let_go(self, job: Job) -> None:
        """This process stops: another may go on at once. A request that may be on its way keeps its
        lease, and nobody touches it.
        """
        if job.state is not JobState.SUBMITTING:
            await self._keep_waiting(job, 0.0)

    # one function for each state ------------------------------------------------------------------

    async def _start(self, job: Job, connection: Connection) -> Job | None:
        """QUEUED: goes on when fewer than the account's limit are on their way."""
        if job.cancel_wanted:
            return await self._end(job, JobState.CANCELLED, sentence("cancelled"))
        started = await self._queue.start(job, self._clock(), at_once=catalog.RUNNING_AT_ONCE)
        if started is None:
            return await self._keep_waiting(job, _IDLE, said=None)
        self._evidence.record(started)
        return started

    async def _send(self, job: Job, connection: Connection) -> Job | None:
        """UPLOADING: references go up, then the row says SUBMITTING, then the request leaves."""
        if job.cancel_wanted:
            return await self._end(job, JobState.CANCELLED, sentence("cancelled"))
        lease = _Lease(job, self._renewed)
        try:
            async with lease:
                urls = [
                    await self._uploaded(job, reference, connection)
                    if payload.has_slot(job.payload, number)
                    else ""
                    for number, reference in enumerate(job.references)
                ]
                await self._turn(job.account, "submit_at")
        except Refused as refusal:
            return await self._end(lease.job, JobState.FAILED, refusal.sentence, **_quoted(refusal))
        except ServiceError as trouble:
            return await self._back_in_line(lease.job, trouble)
        body = payload.fill_slots(job.payload, urls)
        self._evidence.record_payload(job, body)
        # Not even our own end stops this: an answer that nobody waits for would leave a paid task
        # without its id.
        paying = asyncio.create_task(self._pay(lease.job, connection, body))
        self._paying[job.id] = paying
        paying.add_done_callback(lambda _: self._paying.pop(job.id))
        return await asyncio.shield(paying)

    async def _pay(self, job: Job, connection: Connection, body: dict[str, Any]) -> Job | None:
        """The row says SUBMITTING, and only then the request leaves."""
        since, now = time.monotonic(), self._clock()
        submitting = await self._advance(
            job, JobState.SUBMITTING, submitting_at=now, due_at=now + SUBMITTING_LEASE
        )
        if (
            submitting is None
        ):  # the account's other request has not been answered yet, or somebody cancelled
            return await self._keep_waiting(job, 0.2)
        self._renewed_rows[job.id] = submitting
        if time.monotonic() - since > TIME_TO_LEAVE:
            return await self._until_written(
                submitting, lambda row: self._advance(row, JobState.QUEUED, due_at=self._clock())
            )
        return await self._submit(submitting, connection, body)

    async def _submit(self, job: Job, connection: Connection, body: dict[str, Any]) -> Job | None:
        """The paid request, once. Every way out writes what is known; killed in the middle, the row
        stays SUBMITTING and becomes UNCERTAIN.
        """
        try:
            accepted = await self._gateway.submit(connection, body)
        except (NotSent, Throttled) as trouble:
            self._note_answer(
                job, "throttled" if isinstance(trouble, Throttled) else "never left", trouble
            )
            return await self._until_written(job, partial(self._back_in_line, trouble=trouble))
        except SubmissionUnknown as trouble:
            self._note_answer(job, "unclear", trouble)
            return await self._until_written(job, partial(self._uncertain, trouble=trouble))
        except Refused as refusal:
            self._note_answer(job, "refused", refusal)
            return await self._until_written(
                job,
                partial(
                    self._end, state=JobState.FAILED, said=refusal.sentence, **_quoted(refusal)
                ),
            )
        self._evidence.record_answer(job, "accepted", **asdict(accepted))
        return await self._adopt(job, accepted)

    def _note_answer(self, job: Job, outcome: str, trouble: ServiceError) -> None:
        about = {
            name: getattr(trouble, name) for name in ("status", "code", "message", "request_id")
        }
        self._evidence.record_answer(job, outcome, **about)

    async def _lost_answer(self, job: Job, connection: Connection) -> Job | None:
        """SUBMITTING whose lease ended: whoever sent the request died before it could write down
        the answer.
        """
        return await self._uncertain(job, None)

    async def _look(self, job: Job, connection: Connection) -> Job | None:
        """PENDING and RUNNING: asks the service, after carrying out a cancel that is wanted."""
        await self._turn(job.account, "query_at")
        if job.cancel_wanted and job.state is JobState.PENDING:
            with contextlib.suppress(ServiceError):  # whatever came of it, the task itself tells
                await self._gateway.cancel(connection, job.task_id or "")
        snapshot = await self._fetch(job, connection)
        now = self._clock()
        if snapshot.status is TaskStatus.UNKNOWN:
            return await self._unseen(job, now)
        if snapshot.status is TaskStatus.SUCCEEDED:
            return await self._advance(
                job, JobState.FETCHING, fetching_at=now, **_billed(job, snapshot)
            )
        if snapshot.status is TaskStatus.FAILED:
            failure = task_failure(snapshot, connection)
            return await self._end(job, JobState.FAILED, failure.sentence, **_quoted(failure))
        if snapshot.status is TaskStatus.CANCELED:
            return await self._end(
                job,
                JobState.CANCELLED,
                sentence("cancelled" if job.cancel_wanted else "cancelled_elsewhere"),
            )
        again = now + polling.next_look(self._every(job))
        if snapshot.status is TaskStatus.RUNNING and job.state is JobState.PENDING:
            await self._advance(job, JobState.RUNNING, running_at=now, due_at=again)
            return None
        return await self._keep_waiting(job, again - now, attempts=0, said=None)

    async def _bring_home(self, job: Job, connection: Connection | None) -> Job | None:
        """FETCHING: asks for the URL anew, streams the video to a .part, checks it, keeps it.
        Retried for the 24 h that the service keeps it.

        connection: None where the key did not come back in time; then only what an earlier try has
        kept can be finished, which needs none.
        """
        lease = _Lease(job, self._renewed)
        try:
            async with lease, self._storage.workroom() as folder:
                original = await self._original(job, connection, folder)
                kept = await self._kept(job, original, folder) if original is not None else None
        except NotAVideo as refusal:
            return await self._odd_result(lease.job, refusal)
        except ResultRefused as refusal:
            return await self._end(lease.job, JobState.FAILED, refusal.sentence, spent=Spent.YES)
        if kept is None:
            return await (
                self._unseen(lease.job, self._clock())
                if connection is not None
                else self._expire(lease.job)
            )
        return await self._end(
            lease.job, JobState.SUCCEEDED, None, spent=Spent.YES, code="", **kept
        )

    async def _odd_result(self, job: Job, refusal: NotAVideo) -> Job | None:
        """A result that does not open may be an error page of the way between; only several in a
        row are the service's own doing.
        """
        tries = job.attempts + 1 if job.code == _ODD else 1
        if tries >= _RESULT_TRIES:
            return await self._end(job, JobState.FAILED, refusal.sentence, spent=Spent.YES, code="")
        return await self._keep_waiting(
            job, polling.next_look(self._every(job), tries), attempts=tries, code=_ODD
        )

    async def _settle(self, job: Job, connection: Connection) -> Job | None:
        """UNCERTAIN: never sent again. The account's own list of tasks tells in time whether the
        request arrived.
        """
        sent_at = job.submitting_at or job.state_at
        if self._clock() - sent_at > catalog.TASK_LIFETIME:
            return await self._end(
                job, JobState.EXPIRED, sentence("never_confirmed"), spent=Spent.MAYBE
            )
        await self._turn(job.account, "query_at")
        listed = await self._gateway.list_recent(connection, job.model)
        near = [
            task
            for task, at in listed.items()
            if sent_at - _DRIFT <= at <= sent_at + SUBMIT_LIMIT + _DRIFT
        ]
        candidates = await self._queue.unknown_tasks(job.account, near) - set(job.foreign_tasks)
        lone = not await self._queue.has_lookalike(job)
        foreign = []
        for task_id in sorted(candidates):
            await self._turn(job.account, "query_at")
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
                    return await self._adopt(job, Accepted(task_id, snapshot.request_id))
            elif snapshot.status in (TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED):
                foreign.append(task_id)
        if candidates - set(foreign):
            return await self._ask_again(job, foreign, absent_at=None)
        return await self._absent(job, sent_at, foreign)

    async def _absent(self, job: Job, sent_at: float, foreign: list[str]) -> Job | None:
        """A complete listing shows no task that could be ours. Two of them, late enough, prove that
        the request never arrived.
        """
        now = self._clock()
        if now < sent_at + SUBMIT_LIMIT + self._uncertain_seconds:
            return await self._ask_again(job, foreign, absent_at=None)
        if job.absent_at is None:
            return await self._ask_again(job, foreign, absent_at=now)
        return await self._end(job, JobState.FAILED, sentence("never_arrived"))

    async def _ask_again(self, job: Job, foreign: list[str], absent_at: float | None) -> Job | None:
        known = [*job.foreign_tasks, *foreign]
        return await self._keep_waiting(
            job,
            polling.next_look(self._every(job)),
            foreign_tasks=known,
            absent_at=absent_at,
            attempts=0,
            said=None,
        )

    # what the steps are made of -------------------------------------------------------------------

    async def _uploaded(self, job: Job, reference: Reference, connection: Connection) -> str:
        """The URL of a reference for the service: as it was given, or after sending the file up,
        once per content, model and account.
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
            url = await self._gateway.upload(
                connection, job.model, path, secrets.token_hex(12) + path.suffix
            )
        finally:
            await self._accounts.note_upload(*which, url)
        return url

    async def _fetch(self, job: Job, connection: Connection) -> TaskSnapshot:
        """What the service says about the job's task."""
        snapshot = await self._gateway.fetch(connection, job.task_id or "")
        self._evidence.record_poll(job, **asdict(snapshot))
        return snapshot

    async def _turn(self, account: str, what: Literal["submit_at", "query_at"]) -> None:
        """Waits for this account's next request, so that its limits hold over all jobs and
        processes.
        """
        wait = await self._accounts.take_turn(account, what, self._clock(), _GAPS[what])
        if wait > 0:
            await asyncio.sleep(wait)

    async def _original(self, job: Job, connection: Connection | None, folder: Path) -> Path | None:
        """The video as the service made it, kept before anything is done with it; None where the
        service does not have it, or cannot be asked.

        What an earlier try has kept is taken from there: the service has it for 24 h only, and
        conforming may have to wait longer for a full disk.
        """
        with contextlib.suppress(
            FileNotFoundError, NotAVideo
        ):  # what a power cut has left of it is fetched again
            kept = await self._storage.local_copy(_original_key(job))
            await asyncio.to_thread(encode.measure, kept)
            return kept
        if connection is None:
            return None
        await self._turn(job.account, "query_at")
        snapshot = await self._fetch(job, connection)
        if snapshot.status is not TaskStatus.SUCCEEDED:
            return None
        if not snapshot.video_url:  # half an answer; the next one may be whole
            where = urlsplit(job.base_url).hostname or job.backend
            raise BadResponse(
                sentence("unusable", where=where, code="SUCCEEDED"), request_id=snapshot.request_id
            )
        part = folder / "original.mp4.part"
        await self._gateway.download(connection, snapshot.video_url, part)
        await asyncio.to_thread(encode.measure, part)
        await self._storage.put(_original_key(job), part)
        return part

    async def _kept(self, job: Job, original: Path, folder: Path) -> dict[str, Any]:
        """Makes what people see from a video that is kept, and gives what the row says about it
        then.
        """
        made = await asyncio.to_thread(encode.measure, original)
        async with self._polishing:
            shown = await asyncio.to_thread(_polished, job, made, original, folder)
        video_key = (
            await self._storage.put(f"videos/{job.id}/video.mp4", shown.path)
            if shown.path != original
            else _original_key(job)
        )
        poster_key = (
            await self._storage.put(f"videos/{job.id}/poster.webp", shown.poster)
            if shown.poster
            else ""
        )
        clip = shown.clip
        keys = {
            "original_key": _original_key(job),
            "video_key": video_key,
            "poster_key": poster_key,
        }
        measured = {
            "width": clip.width,
            "height": clip.height,
            "fps": clip.fps,
            "duration": clip.seconds,
            "has_audio": clip.has_audio,
        }
        return {**keys, **measured, "adjustments": [*job.adjustments, *shown.adjustments]}

    async def _adopt(self, job: Job, accepted: Accepted) -> Job | None:
        """Writes down the paid task: the one thing that must not be lost."""

        async def write(row: Job) -> Job | None:
            now = self._clock()
            return await self._queue.adopt(
                row,
                accepted.task_id,
                accepted.request_id[:_QUOTED],
                now,
                now + polling.next_look(self._first_look(job)),
            )

        adopted = await self._until_written(job, write, f"task {accepted.task_id}")
        if adopted is not None:
            self._evidence.record(adopted)
        return adopted if adopted is not None and adopted.cancel_wanted else None

    async def _until_written(
        self, job: Job, write: Callable[[Job], Awaitable[Job | None]], what: str = "the answer"
    ) -> Job | None:
        """Writes down what became of the paid request, until it is written: nobody can ask for that
        again.
        """
        pause = 0.1
        while True:
            try:
                return await write(self._newest(job))
            except (StorageUnavailable, OSError) as trouble:
                log.error("job %s: %s could not be written down yet: %s", job.id, what, trouble)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _every(self, job: Job) -> float:
        """Seconds between two looks at a task."""
        return polling.SIMULATOR_POLL_SECONDS if job.simulated else self._poll_seconds

    def _first_look(self, job: Job) -> float:
        """Seconds until a new task is looked at: soon enough to show that it has started."""
        return min(self._every(job), 5.0)

    async def _unseen(self, job: Job, now: float) -> Job | None:
        """The service does not know the task: with another key it might, until
        the 24 h are over.
        """
        if now - (job.submitted_at or job.state_at) > catalog.TASK_LIFETIME:
            return await self._expire(job)
        return await self._keep_waiting(
            job,
            polling.next_look(self._every(job), job.attempts),
            attempts=job.attempts + 1,
            said=None,
        )

    async def _expire(self, job: Job) -> Job | None:
        billed = job.state is JobState.FETCHING
        said = sentence("result_expired" if billed else "task_unknown")
        return await self._end(
            job, JobState.EXPIRED, said, spent=Spent.YES if billed else Spent.MAYBE
        )

    async def end_abandoned(self) -> None:
        """Jobs whose key has not come back for as long as the service knows a task: time alone has
        decided what became of them.
        """
        now = self._clock()
        for job in await self._queue.abandoned(
            now - catalog.TASK_LIFETIME - _ABANDONED, now - _ABANDONED
        ):
            if job.state is JobState.SUBMITTING:
                uncertain = await self._advance(job, JobState.UNCERTAIN, due_at=job.due_at)
                if uncertain is not None:
                    await self._end(
                        uncertain, JobState.EXPIRED, sentence("never_confirmed"), spent=Spent.MAYBE
                    )
            elif job.state is JobState.UNCERTAIN:
                await self._end(
                    job, JobState.EXPIRED, sentence("never_confirmed"), spent=Spent.MAYBE
                )
            elif job.state is JobState.FETCHING:
                held = await self._renewed(job)  # of several processes that look, one gets it
                if held is not None:
                    await self._taken(held, self._bring_home(held, None))
            elif job.state in (JobState.PENDING, JobState.RUNNING):
                await self._expire(job)
        self._changed()

    async def _trouble(self, job: Job, trouble: ServiceError) -> Job | None:
        """A question got no usable answer: the job stays as it is and is looked at later, ever more
        slowly.
        """
        now = self._clock()
        if (
            job.task_id
            and now - (job.fetching_at or job.submitted_at or now) > catalog.TASK_LIFETIME
        ):
            return await self._expire(job)
        pause = polling.next_look(self._every(job), job.attempts, trouble.retry_after)
        return await self._keep_waiting(
            job, pause, attempts=job.attempts + 1, said=_waiting(trouble), code=""
        )

    async def _broken(self, job: Job, error: Exception) -> Job | None:
        """Our own fault: a full disk, a stuck database, a slip. The job is looked at again later;
        the paid request never is.

        A disk or database that is in trouble ends no job. What keeps breaking otherwise before
        anything was sent fails at last, which costs nothing.
        """
        if job.state is JobState.SUBMITTING:
            return None
        if isinstance(error, StorageUnavailable | OSError) and not isinstance(
            error, FileNotFoundError
        ):
            pause = polling.next_look(1.0, job.attempts)
            return await self._keep_waiting(
                job, pause, attempts=job.attempts + 1, said=sentence("paused"), **self._not_odd(job)
            )
        if job.state in UNSENT and job.attempts >= _OWN_TRIES:
            return await self._end(
                job, JobState.FAILED, sentence("broke", code=type(error).__name__)
            )
        return await self._keep_waiting(
            job,
            polling.next_look(1.0, job.attempts),
            attempts=job.attempts + 1,
            **self._not_odd(job),
        )

    @staticmethod
    def _not_odd(job: Job) -> dict[str, str]:
        """Trouble of ours between two odd downloads: they are not in a row."""
        return {"code": ""} if job.code == _ODD else {}

    async def _back_in_line(self, job: Job, trouble: ServiceError) -> Job | None:
        """Transient trouble before anything was taken: back to QUEUED, later. A quota that stays
        used up is not waited for beyond a minute.
        """
        if trouble.sentence.key == "quota_used_up" and job.attempts >= _QUOTA_TRIES:
            return await self._end(job, JobState.FAILED, trouble.sentence, **_quoted(trouble))
        due_at = self._clock() + polling.next_look(1.0, job.attempts, trouble.retry_after)
        said = _waiting(trouble) or (None if isinstance(trouble, Throttled) else trouble.sentence)
        await self._advance(
            job, JobState.QUEUED, due_at=due_at, attempts=job.attempts + 1, said=said
        )
        return None

    async def _uncertain(self, job: Job, trouble: ServiceError | None) -> Job | None:
        about = _quoted(trouble) if trouble else {}
        spent = Spent.NO if job.simulated else Spent.MAYBE
        await self._advance(
            job,
            JobState.UNCERTAIN,
            due_at=self._clock() + self._first_look(job),
            spent=spent,
            **about,
        )
        return None

    async def _end(
        self,
        job: Job,
        state: JobState,
        said: Sentence | None,
        *,
        spent: Spent = Spent.NO,
        **changes: Any,
    ) -> Job | None:
        return await self._advance(
            job, state, said=said, spent=Spent.NO if job.simulated else spent, **changes
        )

    async def _advance(self, job: Job, state: JobState, **changes: Any) -> Job | None:
        advanced = await self._queue.advance(job, state, self._clock(), **changes)
        if advanced is not None:
            self._evidence.record(advanced)
        return advanced

    async def _keep_waiting(self, job: Job, pause: float, **changes: Any) -> Job | None:
        """The job stays in its state and is due again after `pause` seconds."""
        now = self._clock()
        await self._queue.keep(job, now, due_at=now + pause, **changes)
        return None

    async def _renewed(self, job: Job) -> Job | None:
        renewed = await self._queue.keep(job, self._clock(), due_at=self._clock() + HELD)
        if renewed is not None:
            self._renewed_rows[job.id] = renewed
        return renewed


class _Lease:
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


@dataclass(frozen=True)
class _Shown:
    """The video that people see: the file, what it is, its still, and what
    was done to get there.
    """

    path: Path
    clip: Clip
    poster: bytes
    adjustments: list[Sentence]


def _polished(job: Job, made: Clip, original: Path, folder: Path) -> _Shown:
    """The video at the size and rate that were asked for, with its settings inside and its poster.
    Blocks.

    A paid video is never lost to this: where conforming breaks, the video stays as it was made, and
    says so; where writing the settings into it does, it stays without them. A full disk is waited
    for instead.
    """
    path, clip, adjustments = original, made, _differences(job, made)
    if adjustments:
        size, fps = _asked(job, made)
        conform = partial(
            encode.conform, original, size=size, fps=fps, fit=job.request.get("fit", "crop")
        )
        conformed = _attempted(job, conform, folder / "conformed.mp4")
        if isinstance(conformed, Clip):
            path, clip = folder / "conformed.mp4", conformed
        else:
            adjustments = [sentence("not_conformed", code=type(conformed).__name__)]
    untold = path
    told = _attempted(
        job,
        lambda target: encode.tag(
            untold, target, embedded_settings.tags([embedded_settings.settings_of(job)])
        ),
        folder / "video.mp4",
    )
    if told == clip:  # else what the row says would not be true of it
        path = folder / "video.mp4"
    try:
        poster = encode.poster(path)
    except Exception:
        log.exception("job %s: no poster could be made", job.id)
        poster = b""
    return _Shown(path, clip, poster, adjustments)


def _attempted(job: Job, make: Callable[[Path], None], target: Path) -> Clip | Exception:
    """What was made at `target`, or why nothing was. Raises what passes by itself."""
    try:
        make(target)
        return encode.measure(target)
    except Exception as error:
        if is_full(error) or isinstance(
            error, FileNotFoundError
        ):  # a cached copy may be cleared away under us; it is fetched again
            raise
        log.exception("job %s: its %s could not be made", job.id, target.name)
        return error


def _original_key(job: Job) -> str:
    return f"videos/{job.id}/original.mp4"


def _asked(job: Job, made: Clip) -> tuple[str, float]:
    """Size and frame rate that were asked for; the video's own where nothing was."""
    return job.request["size"] if "*" in job.request["size"] else made.size, job.request[
        "fps"
    ] or made.fps


def _differences(job: Job, made: Clip) -> list[Sentence]:
    size, fps = _asked(job, made)
    found = [sentence("size_scaled", given=made.size, size=size)] if size != made.size else []
    return found + (
        [sentence("fps_conformed", given=f"{made.fps:g}", fps=f"{fps:g}")]
        if abs(fps - made.fps) > 0.01
        else []
    )


def _waiting(trouble: ServiceError) -> Sentence | None:
    """What to say of a job that waits until some trouble is over; nothing of what passes unseen."""
    if isinstance(trouble, UntrustedAddress):
        return trouble.sentence
    return reword_as_waiting(trouble.sentence)


def _is_ours(job: Job, snapshot: TaskSnapshot) -> bool:
    """Whether a task in question is the one of this job. Only what has SUCCEEDED shows its prompt,
    so nothing else can be told.
    """
    return (
        snapshot.status is TaskStatus.SUCCEEDED and snapshot.orig_prompt.strip() == job.sent_prompt
    )


def _billed(job: Job, snapshot: TaskSnapshot) -> dict[str, Any]:
    """What the service says it bills, and what that comes to; the estimate stands where it does not
    say.
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


def _quoted(error: ServiceError) -> dict[str, Any]:
    """What of an error is worth quoting to the service."""
    return {"code": error.code[:_QUOTED]} | (
        {"request_id": error.request_id[:_QUOTED]} if error.request_id else {}
    )
