"""Submission: jobs are written down, joined, retried and cancelled, and their price is quoted."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from wan.database.durations import Durations
from wan.database.jobs import Jobs
from wan.database.queue import Queue
from wan.domain import catalog
from wan.domain.errors import (
    InvalidInput,
    JobNotFound,
    MayPayTwice,
    StorageUnavailable,
    WanError,
)
from wan.domain.jobs import UNSENT, Job, JobState, Spent
from wan.domain.messages import Message
from wan.domain.requests import Request
from wan.domain.turns import Asker
from wan.provider.gateway import Gateway
from wan.service.access import Access, Permission
from wan.service.changes import Changes
from wan.service.library import Library
from wan.service.metrics import Metrics
from wan.service.new_jobs import NewJobs, is_same_brief
from wan.service.preparation import Preparation
from wan.service.quotes import Quote, Quotes
from wan.service.references import References
from wan.service.refusals import explain_refusals
from wan.service.runner import Runner
from wan.service.stores import Stores

# seconds in which a program without a token that asks for the same is taken for one that has not
# waited for the answer
_JOIN_SECONDS = 3600.0


class Submission:
    """Writes down the jobs that the background loop sends.

    clock: seconds since 1970. sendable: the ids that may be sent, where not all may.
    """

    def __init__(
        self,
        *,
        quotes: Quotes,
        stores: Stores,
        library: Library,
        references: References,
        gateway: Gateway,
        runner: Runner,
        access: Access,
        sendable: set[str] | None,
        changes: Changes,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._quotes, self._library, self._references = quotes, library, references
        self._queue, self._jobs = Queue(stores.database), Jobs(stores.database)
        self._durations = Durations(stores.database)
        self._storage, self._evidence = stores.storage, stores.evidence
        self._gateway, self._runner = gateway, runner
        self._connection, self._policy = access.connection, access.policy
        self._keys, self._sendable = access.keys, sendable
        self._changes, self._metrics, self._clock = changes, metrics, clock
        self._preparation = Preparation(stores.storage, references)
        self._new_jobs = NewJobs(stores.database.seal, clock)
        self._joining = asyncio.Lock()

    async def submit(
        self,
        request: Request,
        *,
        owner: str,
        permission: Permission | None = None,
        new_take: bool = False,
    ) -> Job:
        """Check and keep the references, then write the job down; the background loop does the
        rest.

        The same request of the same owner is never paid for twice unawares: one that is still on
        its way is joined, one that has succeeded is given back as it is. permission: what the
        caller may do; the operator's own unless given. new_take: force a run of its own.

        Raises InvalidInput, AccessRefused, and StorageUnavailable where our disk or database is
        full or stuck; nothing has been sent or spent then.
        """
        return (
            await self._submit(
                request, [secrets.token_hex(8) if new_take else ""], owner, permission
            )
        )[0]

    async def submit_takes(
        self,
        request: Request,
        *,
        owner: str,
        permission: Permission | None = None,
        takes: int = 1,
        again: str = "",
    ) -> list[Job]:
        """Submit several jobs from one brief that differ by their seeds alone, and return them in
        order; they run side by side.

        takes: 1 to 4. The first asks for the seed that was given, the next for the one after it,
        and so on; without one each draws its own. Each take is joined or given back as `submit`
        does it: asking again for the same takes pays for none of them twice, and one that was made
        before belongs to the brief that it was made for. The others are written all or none.

        again: the id of a video of which these shall be new takes, whatever was made before; it
        counts for nothing where the request is another one by now, or names a seed. Raises what
        `submit` does.
        """
        if (
            isinstance(takes, bool)
            or not isinstance(takes, int)
            or takes not in range(1, catalog.TAKES_LIMIT + 1)
        ):
            raise InvalidInput(
                "takes", "takes_range", given=str(takes)[:80], high=catalog.TAKES_LIMIT
            )
        numbered = request.seed is None
        return await self._submit(
            request,
            ["", *(f"take-{number}" if numbered else "" for number in range(2, takes + 1))],
            owner,
            permission,
            again=again,
        )

    async def submit_or_join(self, request: Request, *, owner: str, permission: Permission) -> Job:
        """Submit for a program without a token: where another has asked for the same from the same
        address within an hour, return that job.

        It may be the same program, which has not waited for the answer. The job stays its owner's,
        whom only `Library.owner_of` names.
        """
        return (await self._submit(request, [""], owner, permission, joins=True))[0]

    async def retry(
        self,
        job_id: str,
        *,
        owner: str,
        permission: Permission | None = None,
        new_seed: bool | None = None,
        may_pay_twice: bool = False,
    ) -> Job:
        """Submit a new job from the same inputs. While this job or one made from it is on its way,
        that is joined instead; in a shared library, also a further try of somebody else's.

        new_seed: whether another seed is drawn; unless said, only for a new take of what has
        succeeded. Raises JobNotFound; AccessRefused and StorageUnavailable as `submit` does;
        MayPayTwice where nobody knows whether the old job is billed, unless that is accepted by
        `may_pay_twice`; and WanError where the old job ran on another connection: what it cost
        there says nothing about here.
        """
        permission = permission or self._policy.operator
        await asyncio.to_thread(self._storage.require_room)
        old = await self._library.get(job_id, owner=owner)
        if old.is_film:
            raise WanError(Message.of("film_again"))
        if old.spent is Spent.MAYBE and not may_pay_twice:
            raise MayPayTwice
        if old.account != permission.connection.account:
            raise WanError(Message.of("retry_elsewhere"))
        if old.live and old.state is not JobState.UNCERTAIN:
            return old  # it is on its way
        new_seed = old.state is JobState.SUCCEEDED if new_seed is None else new_seed
        again = self._new_jobs.make_retry(old, owner, permission, new_seed=new_seed)
        with self._references.holding(_keys_of(old)):
            return (await self._add([again], permission))[0]

    async def cancel(self, job_id: str, *, owner: str) -> Message:
        """Cancel a job where that can still be done, and return what came of it. Raises
        JobNotFound.
        """
        job = await self._library.get(job_id, owner=owner)
        while job.live:
            if job.state in (JobState.RUNNING, JobState.FETCHING):
                priced = job.price is not None and not job.simulated
                return (
                    Message.of("cancel_late", price=str(job.price))
                    if priced
                    else Message.of("cancel_late_free" if job.simulated else "cancel_late_unpriced")
                )
            noted = await self._queue.request_cancel(job, self._clock())
            if noted is not None:
                if noted.state is JobState.QUEUED or (
                    noted.account not in self._keys and noted.state in UNSENT
                ):
                    ended = await self._queue.advance(
                        noted,
                        JobState.CANCELLED,
                        self._clock(),
                        said=Message.of("cancelled"),
                    )
                    self._evidence.record(ended or noted)
                self.resume(noted)
                self._changes.notify()
                return Message.of("cancelled" if noted.state is JobState.QUEUED else "cancel_noted")
            job = await self._library.get(job_id, owner=owner)  # it moved on while we asked
        return Message.of("cancel_over")

    def resume(self, job: Job) -> None:
        """Go on with a job, also where this studio works on its own jobs only: one that is not sent
        yet is sent, and paid.
        """
        if self._sendable is not None:
            self._sendable.add(job.id)
        self._runner.wake()

    async def quote(self, *, model: str, duration: int, takes: int = 1, **asked: Any) -> Quote:
        """Return what `Quotes.estimate` does, by how long the last runs took."""
        simulated = self._quotes.is_simulated(asked.get("own_region"))
        kind = ("simulator" if simulated else "dashscope", model, duration)
        tier = catalog.tier_of(asked["size"])
        past: list[float] = []
        runs: list[float] = []
        with contextlib.suppress(StorageUnavailable):  # a price does not wait for the database
            runs = await self._durations.list_run_seconds(*kind, tier)
            past = await self._durations.list_brief_seconds(*kind, takes)
        about = {"model": model, "duration": duration, "takes": takes, **asked}
        return self._quotes.estimate(**about, runs=runs, past=past)

    async def _submit(
        self,
        request: Request,
        nonces: Sequence[str],
        owner: str,
        permission: Permission | None,
        *,
        joins: bool = False,
        again: str = "",
    ) -> list[Job]:
        """Submit one job for each nonce, and for each next seed where the request names one."""
        permission = permission or self._policy.operator
        await asyncio.to_thread(self._storage.require_room)
        old = await self._find_made(again, owner)
        if old is None and (
            made_before := await self._find_finished(
                request, nonces, owner, permission, joins=joins
            )
        ):
            return made_before
        with self._references.holding(_keys_of(old) if old else ()):
            prepared = await self._preparation.prepare(request, Asker(permission.address, owner))
            jobs = self._new_jobs.make_takes(request, nonces, owner, permission, prepared)
            if nonces[0]:
                plain = self._new_jobs.make_takes(request, [""], owner, permission, prepared)[0]
                if made := await self._find_same(plain):
                    jobs = [replace(job, brief_id=made.brief_id, take=0) for job in jobs]
            if old and is_same_brief(jobs[0], old):
                new = partial(self._new_jobs.make_retry, old, owner, permission, new_seed=True)
                return await self._add([new(number=one) for one in range(len(jobs))], permission)
            if not joins:
                return await self._insert(jobs, permission)
            async with self._joining:  # else two who ask at once would not see each other
                if theirs := await self._find_joinable(jobs[0]):
                    self._metrics.count_found(theirs)
                    return [theirs]
                return await self._insert(jobs, permission)

    async def _insert(self, jobs: Sequence[Job], permission: Permission) -> list[Job]:
        """Write rows down, except for what is known: that is joined or given back."""
        known = [await self._find_same(job) for job in jobs]
        # Those that are new are takes of the brief that some of them were made for before.
        brief_id = next((there.brief_id for there in known if there), jobs[0].brief_id)
        # Under the key of what is on its way, the insert joins it.
        rows = [
            replace(job, brief_id=brief_id, cache_key=there.cache_key if there else job.cache_key)
            for job, there in zip(jobs, known, strict=True)
        ]
        new = iter(
            await self._add(
                [
                    row
                    for row, there in zip(rows, known, strict=True)
                    if there is None or there.live
                ],
                permission,
            )
        )
        for there in filter(None, known):
            self._metrics.count_found(there)
        return [there if there is not None and not there.live else next(new) for there in known]

    async def _add(self, jobs: Sequence[Job], permission: Permission) -> list[Job]:
        """Write rows of one owner down, and have them driven."""
        if not jobs:
            return []
        if permission.connection.account not in self._keys:
            await asyncio.to_thread(self._gateway.prepare, permission.connection)
        self._keys.hold(jobs[0].owner, permission.connection)
        with explain_refusals():
            added = await self._queue.add(
                jobs,
                budget=permission.budget,
                per_person=permission.budget_per_person,
                at_once=permission.jobs_at_once,
            )
        for job in added:
            self._evidence.record(job)
            self.resume(job)
        self._changes.notify()
        return added

    async def _find_made(self, job_id: str, owner: str) -> Job | None:
        """Return a job that this owner sees and that has a video; None for any other id."""
        with contextlib.suppress(JobNotFound):
            job = await self._library.get(job_id, owner=owner) if job_id else None
            return job if job and job.state is JobState.SUCCEEDED else None
        return None

    async def _find_finished(
        self,
        request: Request,
        nonces: Sequence[str],
        owner: str,
        permission: Permission,
        *,
        joins: bool,
    ) -> list[Job]:
        """Return the takes of a request if all were made before and no file has to be opened to
        know that, which takes most of the time of a submission; else [].
        """
        references = None if nonces[0] else await self._preparation.recognize(request)
        if references is None:
            return []
        rows = self._new_jobs.make_takes(request, nonces, owner, permission, references)
        find = self._find_joinable if joins else self._find_same
        found = [await find(row) for row in rows]
        finished = [job for job in found if job is not None and not job.live]
        if len(finished) < len(rows):
            return []
        for job in finished:
            self._metrics.count_found(job)
        return finished

    async def _find_joinable(self, job: Job) -> Job | None:
        """Return the job that another program without a token asked for, if its video is kept."""
        theirs = await self._jobs.find_joinable(job, job.created_at - _JOIN_SECONDS)
        return (
            theirs
            if theirs is not None and (theirs.live or await self._storage.has(theirs.video_key))
            else None
        )

    async def _find_same(self, job: Job) -> Job | None:
        """Return the job of the same kind that has succeeded, if its video is kept, or is on its
        way.
        """
        known = await self._jobs.find_same(job.owner, job.account, job.cache_key)
        return (
            known
            if known is not None and (known.live or await self._storage.has(known.video_key))
            else None
        )


def _keys_of(job: Job) -> list[str]:
    """Return the storage keys of what a job was made from."""
    return [key for one in job.references for key in (one.key, one.sent_key)]
