"""The one facade that the page, the command line and scripts share: submit, follow, cancel, retry.

Submitting writes a row and returns; following is a view of that row, which may be lost and taken up
again at any time.
"""

import asyncio
import contextlib
import hashlib
import logging
import math
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar
from urllib.parse import urlsplit

from wan.database.engine import Database
from wan.database.jobs import Jobs
from wan.database.queue import Queue
from wan.domain import catalog, ids, line, reviews
from wan.domain.catalog import MODELS, Price
from wan.domain.errors import (
    InvalidInput,
    JobNotFound,
    MayPayTwice,
    ServiceError,
    SettingsError,
    StorageUnavailable,
    Throttled,
    WanError,
)
from wan.domain.fingerprint import fingerprint
from wan.domain.ids import Owners
from wan.domain.jobs import (
    CANCEL_IS_FREE,
    GROUPS,
    UNSENT,
    Job,
    JobEvent,
    JobPage,
    JobState,
    Reference,
    Spent,
)
from wan.domain.messages import Message, reword_as_waiting
from wan.domain.requests import OWN_SHAPE, ImageToVideoRequest, Media, Request
from wan.domain.results import VideoResult
from wan.domain.turns import Asker, customer_network, is_here
from wan.domain.validation import clean_text
from wan.environment.connection import Connection
from wan.environment.settings import Settings
from wan.media import embedded_settings, inputs, join
from wan.provider import payload
from wan.provider.gateway import Gateway
from wan.provider.local_simulator import LocalSimulator
from wan.service import cleanup, polling
from wan.service.access import Door, Keys, Leave
from wan.service.files import Files
from wan.service.lookup import ask_known
from wan.service.references import References
from wan.service.refusals import refusals_in_words
from wan.service.reviews import Reviews
from wan.service.runner import Runner
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage, require_room, translate_errors
from wan.storage.uploads import Original, UploadFolder, default_folder

log = logging.getLogger("wan.service.studio")
Result = TypeVar("Result")
Taken = TypeVar("Taken", inputs.VideoInput, inputs.SoundInput)

_DEMO_LOOKED_AT = 3.0  # seconds between two looks whether the simulator is there
# seconds in which a program without a token that asks for the same is taken for one that has not
# waited for the answer
_ASKED_AGAIN = 3600.0
_KEYS_LOOKED_AT = 30.0  # seconds between two looks for keys that nobody needs any more
_FIRST_SWEEP = 60.0  # seconds after the start
_DRAWS = secrets.SystemRandom()
_NETWORK_LENGTH = 20  # characters of a network's hash
_LINES_KEPT = 100  # lines; each account and model has one
_LINE_KEPT = 0.3  # seconds for which what was read of a line is shown
_GLANCE = 1.0  # seconds between two looks at a followed row that another process may have written

_SEARCH_LIMIT = 2000  # characters that are looked for; longer than any prompt
# that are looked for, each by a condition of its own; SQLite takes a thousand, and nobody tells
# prompts apart by more
_SEARCH_WORDS = 30
_SHELF_LIMIT = 10_000  # jobs that are given at once
VERDICTS = (*reviews.VERDICTS, "none")
"""By which a library is filtered; "none": nobody has said anything."""
GOOD = frozenset({"check_good", "check_simulator"})  # what a check says of a connection that works

_SAID = {  # what is happening in a state, where the row itself does not say
    JobState.UPLOADING: "uploading",
    JobState.SUBMITTING: "submitting",
    JobState.PENDING: "pending",
    JobState.RUNNING: "running",
    JobState.FETCHING: "fetching",
    JobState.UNCERTAIN: "uncertain",
    JobState.SUCCEEDED: "succeeded",
}
_UNREACHED = {  # what a check says where a job would say this
    "not_reached_at": "check_unreached",
    "not_reached_unproxied": "check_unproxied",
    "not_reached_through": "check_through",
    "not_reached_certificate": "check_certificate",
}
_HEARD = 0.1  # seconds by which a sound may differ from a video before anybody is told
_FILE_SENTENCES = (  # adjustments of a file, whatever is asked of it
    *("heif_converted", "avif_converted", "image_upright", "image_flattened"),
    *(
        "clip_picture_other",
        "clip_sound_other",
        "clip_sound_dropped",
        "clip_sound_converted",
        "clip_timed",
    ),
    "sound_converted",
)
_RESULT_SENTENCES = (
    "size_scaled",
    "fps_conformed",
    "not_conformed",
)  # adjustments of a result; the others belong to the request


@dataclass(frozen=True)
class Quote:
    """What a run will cost and how long it usually takes. price: None where it is not known. usual:
    from and to, seconds.
    """

    price: Price | None
    usual: tuple[int, int]
    simulated: bool


@dataclass(frozen=True)
class _Prepared:
    """References that have been checked and kept, and what had to be adjusted."""

    references: list[Reference]
    adjustments: list[Message]

    @property
    def digests(self) -> list[str]:
        return [reference.url or reference.sha256 for reference in self.references]


class Studio:
    """Makes videos, keeps them, and remembers every job. Used as `async with Studio(settings) as
    studio`, which also runs the background loop.

    clock: seconds since 1970; passed in by tests. works: False only looks at what is kept: there is
    no service, and no job goes on. only_jobs_started_here: sends no jobs but those that are
    submitted or taken up here, so that nobody pays for what somebody has stopped elsewhere; looks
    after all that are sent.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        *,
        works: bool = True,
        only_jobs_started_here: bool = False,
    ) -> None:
        self.settings, self._works = settings, works
        self.backend = settings.backend
        self.uploads = UploadFolder(default_folder(settings.output_dir))
        self._clock = clock
        self._connection: Connection | None = None
        self._door: Door | None = None
        self._owners: Owners | None = None
        self._own: set[str] | None = set() if only_jobs_started_here else None
        self._changes, self._calling = asyncio.Event(), asyncio.Lock()
        self._lines: dict[tuple[str, str], tuple[float, dict[str, int]]] = {}
        self._joining = asyncio.Semaphore(1)  # it takes every core

    @property
    def connection(self) -> Connection:
        """The service that jobs go to unless a visitor brings a key of their own."""
        if self._connection is None:
            raise RuntimeError("the studio is not open")
        return self._connection

    @property
    def door(self) -> Door:
        """Says what a visitor may do."""
        if self._door is None:
            raise RuntimeError("the studio is not open")
        return self._door

    @property
    def owners(self) -> Owners:
        """Says which owner somebody is."""
        if self._owners is None:
            raise RuntimeError("the studio is not open")
        return self._owners

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opening:
            await self._open(opening)
            self._opened = opening.pop_all()
        return self

    async def _open(self, opened: contextlib.AsyncExitStack) -> None:
        """Opens one part after the other; what is open is closed again in the opposite order, also
        when a later part does not open.
        """
        folder = await asyncio.to_thread(self.settings.make_output_dir)
        self.database = await asyncio.to_thread(
            Database, self.settings.database, setting=self.settings.database_setting
        )
        opened.callback(self.database.close)
        self._queue, self._jobs = Queue(self.database), Jobs(self.database)
        self._owners = Owners(self.database.seal)
        self._storage = Storage(self.settings.storage, self.settings.work_dir)
        self._references = References.over(self._jobs, self._storage, self.uploads)
        self._files = Files(self._storage)
        self.reviews = Reviews(self.database, self._storage, self.uploads, self._clock, self._tell)
        opened.enter_context(inputs.use_work_folder(self.settings.work_dir))
        self._evidence = Evidence(
            folder, visitors=not self.settings.space_id, video_at=self._storage.path
        )
        opened.push_async_callback(asyncio.to_thread, self._evidence.close)
        if self._works:
            await self._begin(opened)

    async def _begin(self, opened: contextlib.AsyncExitStack) -> None:
        """The service, and the loops."""
        simulated = self.backend == "simulator"
        demo = LocalSimulator(self.settings)
        opened.push_async_callback(asyncio.to_thread, demo.stop)
        self._connection = (
            await asyncio.to_thread(demo.start) if simulated else self.settings.connection()
        )
        if self.settings.key_withheld:
            log.warning("%s", Message.of("key_on_space"))
        self._door, self._keys = Door(self.settings, self._connection), Keys(self._connection)
        self._gateway = Gateway(self.settings.outward_proxy)
        opened.push_async_callback(self._gateway.close)
        await asyncio.to_thread(self._gateway.prepare, self._connection)
        self._runner = Runner(
            database=self.database,
            storage=self._storage,
            gateway=self._gateway,
            connections=self._keys,
            evidence=self._evidence,
            poll_seconds=self.settings.poll_seconds,
            uncertain_seconds=self.settings.uncertain_seconds,
            changed=self._tell,
            clock=self._clock,
            unsent=self._own,
        )
        opened.push_async_callback(self._leave)
        work = {"runner": self._runner.run(), "keys": self._drop_keys(), "sweep": self._tidy()} | (
            {"demo": _mended(demo)} if simulated else {}
        )
        for name, task in work.items():
            opened.push_async_callback(_stopped, asyncio.create_task(task, name=name))

    async def _leave(self) -> None:
        """What was begun here and is not sent waits for whoever asks for it."""
        if self._own:
            with contextlib.suppress(StorageUnavailable):  # it is overdue soon, which does the same
                await self._queue.leave(self._own)

    async def _tidy(self) -> None:
        """Sweeps soon after the start, though never in the way of it, and then every hour."""
        uploads = os.environ.get(
            "GRADIO_TEMP_DIR"
        )  # set by `app.py`, where there is a page; one that the operator chose is theirs to tidy
        if uploads and not Path(uploads).is_relative_to(self.settings.output_dir.absolute()):
            uploads = None
        pause = _FIRST_SWEEP
        while True:
            await asyncio.sleep(pause)
            pause = cleanup.EVERY
            try:
                await asyncio.to_thread(self.uploads.clear, self._clock() - cleanup.DAY)
                await self._runner.end_abandoned()
                await cleanup.sweep(
                    database=self.database,
                    storage=self._storage,
                    evidence=self._evidence,
                    uploads=Path(uploads) if uploads else None,
                    keep_days=self.settings.keep_days,
                    now=self._clock(),
                )
            except Exception:
                log.exception("not everything could be swept; trying again in an hour")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._opened.aclose()

    async def submit(
        self, request: Request, *, owner: str, leave: Leave | None = None, new_take: bool = False
    ) -> Job:
        """Checks and keeps the references, then writes the job down; the background loop does the
        rest.

        The same request of the same owner is never paid for twice unawares: one that is still on
        its way is joined, one that has succeeded is given back as it is. leave: what the door lets
        a visitor do; the operator's own unless given. new_take: forces a run of its own.

        Raises InvalidInput, AccessRefused, and StorageUnavailable where our disk or database is
        full or stuck; nothing has been sent or spent then.
        """
        return (
            await self._submit(request, [secrets.token_hex(8) if new_take else ""], owner, leave)
        )[0]

    async def submit_or_join(self, request: Request, *, owner: str, leave: Leave) -> Job:
        """As `submit`, for a program without a token: where another has asked for the same from the
        same address within an hour, that job is given.

        It may be the same program, which has not waited for the answer. The job stays its owner's,
        whom only `owner_of` names.
        """
        return (await self._submit(request, [""], owner, leave, joins=True))[0]

    async def owner_of(self, job_id: str) -> str:
        """Whose job it is. Raises JobNotFound."""
        owner = await self._jobs.owner_of(job_id) if ids.has_shape(ids.JOB, job_id) else None
        if owner is None:
            raise JobNotFound
        return owner

    async def submit_takes(
        self, request: Request, *, owner: str, leave: Leave | None = None, takes: int = 1
    ) -> list[Job]:
        """Several jobs from one brief that differ by their seeds alone, in their order; they run
        side by side.

        takes: 1 to 4. The first asks for the seed that was given, the next for the one after it,
        and so on; without one each draws its own. Each take is joined or given back as `submit`
        does it: asking again for the same takes pays for none of them twice, and one that was made
        before belongs to the brief that it was made for. The others are written all or none. Raises
        what `submit` does.
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
            leave,
        )

    async def _submit(
        self,
        request: Request,
        nonces: Sequence[str],
        owner: str,
        leave: Leave | None,
        *,
        joins: bool = False,
    ) -> list[Job]:
        """One job for each nonce, and for each next seed where the request names one."""
        leave = leave or self.door.operator
        await asyncio.to_thread(self._storage.require_room)
        with self._references.holding():
            jobs = await self._rows(request, nonces, owner, leave)
            if not joins:
                return await self._insert(jobs, leave)
            async with self._calling:  # else two who ask at once would not see each other
                return (
                    [theirs]
                    if (theirs := await self._called_for(jobs[0]))
                    else await self._insert(jobs, leave)
                )

    async def _rows(
        self, request: Request, nonces: Sequence[str], owner: str, leave: Leave
    ) -> list[Job]:
        """The rows of what is asked for, which nobody has written yet."""
        prepared = await self._prepare(request, Asker(leave.address, owner))
        first, jobs = self._new_job(owner, leave), []
        for number, (nonce, drawn) in enumerate(
            zip(nonces, _DRAWS.sample(range(catalog.SEED_LIMIT + 1), len(nonces)), strict=True)
        ):
            asked = (
                None if request.seed is None else (request.seed + number) % (catalog.SEED_LIMIT + 1)
            )
            take = request.model_copy(update={"seed": asked})
            # Each a moment later than the one before, which is the order in our line.
            created_at = first.created_at + number / 1000
            row = replace(
                self._new_job(owner, leave),
                brief_id=first.brief_id,
                nonce=nonce,
                created_at=created_at,
            )
            jobs.append(_filled(row, take, drawn if asked is None else asked, prepared, leave))
        return jobs

    async def _insert(self, jobs: Sequence[Job], leave: Leave) -> list[Job]:
        """Writes rows down, but for what is known: that is joined or given back."""
        known = [await self._same_job(job) for job in jobs]
        # Under the key of what is on its way, the insert joins it.
        rows = [
            replace(job, cache_key=there.cache_key) if there else job
            for job, there in zip(jobs, known, strict=True)
        ]
        new = iter(
            await self._add(
                [
                    row
                    for row, there in zip(rows, known, strict=True)
                    if there is None or there.live
                ],
                leave,
            )
        )
        return [there if there is not None and not there.live else next(new) for there in known]

    async def _called_for(self, job: Job) -> Job | None:
        """The job that another program without a token asked for, if its video is kept."""
        theirs = await self._jobs.called_for(job, job.created_at - _ASKED_AGAIN)
        return (
            theirs
            if theirs is not None and (theirs.live or await self._storage.has(theirs.video_key))
            else None
        )

    async def _same_job(self, job: Job) -> Job | None:
        """The job of the same kind that has succeeded, if its video is kept, or is on its way."""
        known = await self._jobs.of_kind(job.owner, job.account, job.cache_key)
        return (
            known
            if known is not None and (known.live or await self._storage.has(known.video_key))
            else None
        )

    async def retry(
        self,
        job_id: str,
        *,
        owner: str,
        leave: Leave | None = None,
        new_seed: bool | None = None,
        may_pay_twice: bool = False,
    ) -> Job:
        """A new job from the same inputs. While this job or one made from it is on its way, that is
        joined instead.

        new_seed: whether another seed is drawn; unless said, only for a new take of what has
        succeeded. Raises JobNotFound; AccessRefused and StorageUnavailable as `submit` does;
        MayPayTwice where nobody knows whether the old job is billed, unless that is accepted by
        `may_pay_twice`; and WanError where the old job ran on another connection: what it cost
        there says nothing about here.
        """
        leave = leave or self.door.operator
        await asyncio.to_thread(self._storage.require_room)
        old = await self.job(job_id, owner=owner)
        if old.spent is Spent.MAYBE and not may_pay_twice:
            raise MayPayTwice
        if old.account != leave.connection.account:
            raise WanError(Message.of("retry_elsewhere"))
        if old.live and old.state is not JobState.UNCERTAIN:
            return old  # it is on its way
        new_seed = old.state is JobState.SUCCEEDED if new_seed is None else new_seed
        seed = secrets.randbelow(catalog.SEED_LIMIT + 1) if new_seed else old.seed
        parameters = old.payload["parameters"] | {"seed": seed}
        again = replace(
            self._new_job(owner, leave),
            model=old.model,
            request=old.request | {"seed": None if new_seed else old.seed},
            references=old.references,
            payload=old.payload | {"parameters": parameters},
            # The same request asked for anew is the same kind as this; an UNCERTAIN job, which is
            # on its way, would be joined instead.
            cache_key=_another_key(old, new_seed=new_seed)
            if new_seed or old.live
            else old.cache_key,
            nonce=secrets.token_hex(8),
            brief_id=old.brief_id,
            retried_from=old.id,
            adjustments=[one for one in old.adjustments if one.key not in _RESULT_SENTENCES],
            seed=seed,
            **_costs(old.model, old.request, old.references, leave),
        )
        with self._references.holding(
            key for one in old.references for key in (one.key, one.sent_key)
        ):
            return (await self._add([again], leave))[0]

    async def job(self, job_id: str, *, owner: str) -> Job:
        """A job of this owner. Raises JobNotFound and, as everything here that asks the database,
        StorageUnavailable.
        """
        job = await ask_known(ids.JOB, self._jobs.get, job_id, owner)
        if job is None:
            raise JobNotFound
        return job

    def take_up(self, job: Job) -> None:
        """Goes on with a job, also where this studio works on its own jobs only: one that is not
        sent yet is sent, and paid.
        """
        if self._own is not None:
            self._own.add(job.id)
        self._runner.wake()

    async def newest(self, *, owner: str, models: Sequence[str]) -> Job | None:
        """The job of this owner with one of these models that is looked at first: the newest on its
        way, else the newest of all.
        """
        return await self._jobs.newest(owner, list(models))

    async def takes(self, job: Job) -> list[Job]:
        """The takes of a job's brief, oldest first; one that was made again stands where the first
        of its kind did, in its place.
        """
        there = {one.id: one for one in await self._jobs.of_brief(job.owner, job.brief_id)}
        places: dict[str, str] = {}  # of each take: the first job that it goes back to
        for one in there.values():
            places[one.id] = places.get(one.retried_from, one.id)
        last = {place: there[job_id] for job_id, place in places.items()}
        return list(last.values())

    async def jobs(
        self,
        *,
        owner: str,
        search: str = "",
        model: str = "",
        state: str = "",
        verdict: str = "",
        until: float | None = None,
        offset: int = 0,
        limit: int = 24,
    ) -> JobPage:
        """One page of this owner's jobs, newest first.

        search: words that the prompt has in it, in any order, of which thirty are looked for;
        capitals do not count. model: its exact name. state: one of `wan.domain.jobs.GROUPS`.
        verdict: "yes", "maybe" or "no", as somebody's latest verdict in a review, or "none". until:
        seconds since 1970; jobs written later are left out, so that pages stay where they are while
        new jobs come. Raises InvalidInput for a state or a verdict that there is not.
        """
        for field, given, known in (("state", state, GROUPS), ("verdict", verdict, VERDICTS)):
            if given and given not in known:
                raise InvalidInput(
                    field, "choice_unknown", given=given[:80], allowed=", ".join(known)
                )
        words = list(
            dict.fromkeys(clean_text("search", search, _SEARCH_LIMIT, line=True).casefold().split())
        )[:_SEARCH_WORDS]
        return await self._jobs.shelf(
            owner,
            words=words,
            model=model,
            state=state,
            verdict=verdict,
            until=until,
            offset=max(offset, 0),
            limit=min(max(limit, 0), _SHELF_LIMIT),
        )

    async def delete(self, job_id: str, *, owner: str) -> None:
        """Deletes a job that has ended, and its files. Raises JobNotFound; WanError while it is on
        its way; StorageUnavailable, and then it may be asked again.

        Its files go first: were it the row, nobody could ask again for what failed. Whoever is
        being sent one of them gets it to its end.
        """
        job = await self.job(job_id, owner=owner)
        if job.live:
            cancellable = job.state in CANCEL_IS_FREE | {JobState.SUBMITTING, JobState.UNCERTAIN}
            raise WanError(
                Message.of(
                    "delete_cancel_first"
                    if cancellable
                    else "delete_made_free"
                    if job.simulated
                    else "delete_made"
                )
            )
        await self._evidence.remove(job)
        for key in await self._storage.list_older(
            f"videos/{job.id}/", math.inf
        ):  # also what a run left that did not come to its end
            await self._storage.remove(key)
        await self._jobs.delete(job, self._clock())
        self._tell()
        try:
            await self._references.drop(job)
        except StorageUnavailable:
            log.warning(
                "what job %s was made from is not gone yet; it goes with the next sweep", job.id
            )

    async def references(self, job_id: str, *, owner: str) -> list[tuple[str, Path | str]]:
        """What a job was made from, in the order in which the model numbers it, each with its kind:
        local copies of what is kept, and URLs.

        A file that is kept no longer is left out. Raises JobNotFound and StorageUnavailable.
        """
        found: list[tuple[str, Path | str]] = []
        for one in (await self.job(job_id, owner=owner)).references:
            with contextlib.suppress(FileNotFoundError):
                found.append((one.kind, one.url or await self._storage.local_copy(one.key)))
        return found

    async def follow(
        self, job_id: str, *, owner: str, again: float = math.inf
    ) -> AsyncIterator[JobEvent]:
        """What happens to a job: once at the start, then on every change, until it has ended.
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
        """What happens to several jobs, as `follow` says it of one: how each stands, whenever
        something has changed, until all have ended.

        One that is deleted meanwhile is left out. Raises JobNotFound where none is there.
        """
        seen: list[JobEvent] = []
        given = time.monotonic()
        while True:
            changes = self._changes
            events = await self._glance(job_ids, owner, seen)
            if events and (
                len(seen) != len(events)
                or any(_differs(*pair) for pair in zip(seen, events, strict=True))
            ):
                seen, given = events, time.monotonic()
                yield events
            elif seen and time.monotonic() - given >= again:
                given = time.monotonic()
                yield seen
            if events and not any(event.job.live for event in events):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changes.wait(), _GLANCE)

    async def _glance(
        self, job_ids: Sequence[str], owner: str, seen: list[JobEvent]
    ) -> list[JobEvent]:
        """How the jobs stand; [] while nobody can tell. What has ended is not asked for again."""
        known = {event.job.id: event for event in seen if not event.job.live}
        found = []
        try:
            for job_id in job_ids:
                with contextlib.suppress(JobNotFound):
                    found.append(known.get(job_id) or await self.look(job_id, owner=owner))
            if not found:
                raise JobNotFound
            return found
        except StorageUnavailable:
            return [event if event.job.id in known else self._paused(event) for event in seen]

    def _paused(self, event: JobEvent) -> JobEvent:
        return replace(
            event,
            message=Message.of("paused"),
            elapsed=max(self._clock() - event.job.state_at, 0.0),
        )

    async def look(self, job_id: str, *, owner: str) -> JobEvent:
        """A job as it is at this moment, in words. Raises JobNotFound."""
        job = await self.job(job_id, owner=owner)
        place = await self._place(job) if job.state is JobState.QUEUED else None
        past = await self._jobs.past_seconds(job.backend, job.model, job.request["duration"])
        if job.live and job.account not in self._keys:
            job = replace(job, said=_waits(job))
        elif job.live and self._runner.stuck:
            job = replace(job, said=Message.of("paused"))
        said = job.said or (
            Message.of("queued", place=place, ordinal=_ordinal(place))
            if place
            else Message.of(_SAID.get(job.state, "submitting"))
        )
        return JobEvent(
            job=job,
            message=said,
            elapsed=max(self._clock() - job.state_at, 0.0),
            expected=polling.expected_seconds(
                MODELS[job.model], simulated=job.simulated, past=past
            ),
            place=place,
        )

    async def _place(self, job: Job) -> int:
        """Place in our own line from 1. The whole line is asked for once for all who look at about
        the same time.
        """
        which, now = (job.account, job.model), self._clock()
        read_at, places = self._lines.get(which, (-math.inf, {}))
        if (
            not job.state_at < read_at <= now < read_at + _LINE_KEPT
        ):  # what has come since then is not in it
            ordered = await self._queue.line(*which, now)
            places = {job_id: place for place, job_id in enumerate(ordered, 1)}
            self._lines[which] = now, places
            if len(self._lines) > _LINES_KEPT:
                del self._lines[next(iter(self._lines))]
        return places.get(job.id, len(places) + 1)

    async def cancel(self, job_id: str, *, owner: str) -> Message:
        """Cancels a job where that can still be done, and says what came of it.
        Raises JobNotFound.
        """
        job = await self.job(job_id, owner=owner)
        while job.live:
            if job.state in (JobState.RUNNING, JobState.FETCHING):
                priced = job.price is not None and not job.simulated
                return (
                    Message.of("cancel_late", price=str(job.price))
                    if priced
                    else Message.of("cancel_late_free" if job.simulated else "cancel_late_unpriced")
                )
            noted = await self._queue.want_cancel(job, self._clock())
            if noted is not None:
                if noted.account not in self._keys and noted.state in UNSENT:
                    ended = await self._queue.advance(
                        noted,
                        JobState.CANCELLED,
                        self._clock(),
                        said=Message.of("cancelled"),
                    )
                    self._evidence.record(ended or noted)
                self.take_up(noted)
                self._tell()
                return Message.of("cancelled" if noted.state is JobState.QUEUED else "cancel_noted")
            job = await self.job(job_id, owner=owner)  # it moved on while we asked
        return Message.of("cancel_over")

    async def quote(
        self,
        *,
        model: str,
        size: str,
        duration: int,
        audio: bool,
        videos: Sequence[float | None] = (),
        references: int = 0,
        own_region: str | None = None,
    ) -> Quote:
        """What a run will cost and how long it usually takes.

        duration: seconds of output. videos: the length of each reference video in seconds, None for
        a URL. references: how many there are in all. own_region: that of a visitor's own key, where
        one is used.
        """
        known, own = MODELS[model], own_region is not None
        region = self.settings.priced_region(own_region) if own_region else self.connection.region
        simulated = self.backend == "simulator" and not own
        past: list[float] = []
        with contextlib.suppress(StorageUnavailable):  # a price does not wait for the database
            past = await self._jobs.past_seconds(
                "simulator" if simulated else "dashscope", model, duration
            )
        where = {"region": region, "currency": "" if own else self.connection.currency}
        cost = catalog.price(
            known,
            **where,
            size=size,
            duration=duration,
            audio=audio,
            videos=videos,
            references=references,
        )
        return Quote(cost, polling.usual_seconds(known, simulated=simulated, past=past), simulated)

    async def check(self, leave: Leave, *, owner: str) -> Message:
        """Asks the service one question that costs nothing, and says in plain words what came of
        it.

        A visitor's own key that works is taken up at once by the jobs that wait for it.
        """
        connection = leave.connection
        if connection.backend == "simulator":
            return Message.of("check_simulator")
        said = await asked(self._gateway, connection)
        if said.key in GOOD:
            self._keys.hold(owner, connection)
            self._runner.wake()
            self._tell()
        return said

    def forget_keys(self, *, owner: str) -> int:
        """Drops a visitor's own keys from memory; their jobs wait until it is given again. Gives
        how many there were.
        """
        dropped = self._keys.forget(owner)
        self._tell()
        return dropped

    async def withdraw_links(self, job_id: str, *, owner: str) -> Job:
        """Makes every link to a job's files that was given away lead nowhere; the job gets new
        ones. Raises JobNotFound.
        """
        job = await self.job(job_id, owner=owner)
        await self._jobs.withdraw_links(job.id, owner, ids.new_media_token())
        self._tell()
        return await self.job(job.id, owner=owner)

    async def media(self, token: str, name: str) -> Path | None:
        """A file of a job by its unguessable token: "video.mp4", "original.mp4" or "poster.webp";
        None when there is none. Raises StorageUnavailable.
        """
        job = await ask_known(ids.MEDIA, self._jobs.by_media_token, token)
        if job is not None and name == "original.mp4":
            return await self._files.local(job.original_key)
        return None if job is None else await self._files.shown(job, name)

    async def evidence(self, job: Job) -> Path | None:
        """The folder of a job's record with all that is known now; None where none is kept: of
        visitors on a Space.
        """
        return await self._evidence.complete(job)

    def result(
        self, job: Job, *, made_before: bool = False, evidence: Path | None = None
    ) -> VideoResult:
        """A job as the normalised calls give it. made_before: it was given back by `submit` as it
        was, which costs nothing. evidence: see there.
        """
        seconds, cost = job.billed
        if made_before:
            seconds, cost = 0.0, cost and replace(cost, amount=Decimal(0))
        return VideoResult(
            video_url=self._storage.url_of(job.video_key) if job.video_key else None,
            job_id=job.id,
            state=job.state.value,
            adjustments=[one.say() for one in job.adjustments],
            price=str(cost) if cost else None,
            made_before=made_before,
            simulated=job.simulated,
            spent=Spent.NO.value if made_before else job.spent.value,
            evidence=str(evidence) if evidence else None,
            error=job.said.say() if job.said and not job.live else None,
            billed_seconds=seconds,
            **{
                name: getattr(job, name)
                for name in (
                    "task_id",
                    "request_id",
                    "model",
                    "width",
                    "height",
                    "fps",
                    "duration",
                    "seed",
                )
            },
        )

    def about(self, job: Job) -> dict[str, Any]:
        """What stands in a job's video of how it was made, and what was measured and is known of it
        besides. JSON; times are ISO 8601 in UTC.

        For its owner: nobody else gets a price or a task id.
        """
        times = (
            "created_at",
            "started_at",
            "submitted_at",
            "running_at",
            "fetching_at",
            "ended_at",
        )
        seconds, cost = job.billed
        return {
            **embedded_settings.settings_of(job),
            **{
                name: getattr(job, name)
                for name in ("width", "height", "fps", "duration", "has_audio", "task_id")
            },
            "billed_seconds": seconds,
            "state": job.state.value,
            "price": str(cost) if cost else None,
            "adjustments": [one.say() for one in job.adjustments],
            "times": {
                name.removesuffix("_at"): _iso(at)
                for name in times
                if (at := getattr(job, name)) is not None
            },
        }

    async def last_frame(self, job_id: str, *, owner: str) -> bytes:
        """The very last frame of a job's video, as PNG: the image of a shot that goes on from
        there. Raises JobNotFound, InvalidInput, StorageUnavailable.
        """
        async with self._storage.workroom() as folder:
            _, video = await self._video(job_id, owner, folder)
            return await inputs.run_in_sandbox(Asker(owner=owner), join.last_frame, video)

    async def bundle(self, job_id: str, *, owner: str, target: Path) -> None:
        """Writes a ZIP of a job's video and its settings to `target`. Raises JobNotFound,
        InvalidInput for a job without a video, StorageUnavailable.
        """
        async with self._storage.workroom() as folder:
            job, video = await self._video(job_id, owner, folder)
            await asyncio.to_thread(require_room, target.parent, more=video.stat().st_size)
            with translate_errors():
                name = f"{job.model}-{job.seed}"
                await inputs.run_in_sandbox(
                    Asker(owner=owner), join.bundle, video, self.about(job), target, name=name
                )

    async def join(
        self,
        job_ids: Sequence[str],
        *,
        owner: str,
        target: Path,
        size: str = "",
        fps: float = 0.0,
        progress: Callable[[float], None],
    ) -> None:
        """Writes the videos of 2 to 20 jobs, in their order, as one MP4 to `target`.

        size, fps: `W*H` px and frames per second; the first one's unless given. progress: is told
        how much is done, 0 to 1, from another thread; what it raises stops the work and comes out
        here. Where the awaiting task is cancelled, the work has stopped when this ends. Stopped or
        failed, nothing is left at `target`. Raises JobNotFound; InvalidInput for too few or too
        many, and for a job without a video; StorageUnavailable.
        """
        if len(job_ids) not in embedded_settings.SHOTS:
            raise InvalidInput(
                "takes",
                "takes_count",
                given=len(job_ids),
                low=embedded_settings.SHOTS[0],
                high=embedded_settings.SHOTS[-1],
            )
        async with self._storage.workroom() as folder:
            shots = [await self._video(job_id, owner, folder) for job_id in job_ids]
            jobs, paths = [job for job, _ in shots], [path for _, path in shots]
            size, fps = (
                size or f"{jobs[0].width}*{jobs[0].height}",
                fps or jobs[0].fps or catalog.SERVICE_FPS,
            )
            tags = embedded_settings.tags([embedded_settings.settings_of(job) for job in jobs])
            async with self._joining:
                await asyncio.to_thread(self._storage.require_room)
                with translate_errors():
                    await _stoppable(
                        partial(join.join, paths, target, size=size, fps=fps, tags=tags), progress
                    )

    async def _video(self, job_id: str, owner: str, folder: Path) -> tuple[Job, Path]:
        """A job and its video, which stays for as long as the folder does."""
        job = await self.job(job_id, owner=owner)
        with contextlib.suppress(FileNotFoundError):
            if job.video_key:
                return job, await self._storage.hold(job.video_key, folder)
        raise InvalidInput("takes", "take_without_video", given=job.seed)

    async def _prepare(self, request: Request, asker: Asker) -> _Prepared:
        """Checks and keeps every reference of a request, in the order in which the model numbers
        them.
        """
        if isinstance(request, ImageToVideoRequest):
            prepared = [
                await self._picture(asker, request.reference_image, request.size, request.fit)
            ]
            if request.reference_audio is not None:
                prepared.append(await self._sound(asker, request.reference_audio, request))
        else:
            prepared = [await self._reference(asker, kind, one) for kind, one in request.in_order]
        return _Prepared(
            [reference for reference, _ in prepared],
            [said for _, several in prepared for said in several],
        )

    async def _reference(
        self, asker: Asker, kind: str, source: Media
    ) -> tuple[Reference, list[Message]]:
        return await (
            self._clip(asker, source)
            if kind == "video"
            else self._picture(asker, source, OWN_SHAPE[0], "crop")
        )

    async def _picture(
        self, asker: Asker, source: Media, size: str, fit: str
    ) -> tuple[Reference, list[Message]]:
        if isinstance(source, str):
            return Reference(kind="image", url=source), []
        picture = await inputs.run_in_sandbox(
            asker, inputs.prepare_image, "reference_image", source, size=size, fit=fit
        )
        about = {name: getattr(picture, name) for name in ("sha256", "bytes", "width", "height")}
        changes = tuple(one.key for one in picture.adjustments if one.key in _FILE_SENTENCES)
        key, original = await self._references.keep_clean(
            source, picture.kept, ".jpg", Original(**about, changes=changes), asker.owner
        )
        sent_key = (
            key
            if picture.sent == picture.kept
            else await self._references.keep(picture.sent, ".jpg")
        )
        about = {name: getattr(original, name) for name in about}
        return Reference(kind="image", key=key, sent_key=sent_key, **about), _earlier(
            original, changes
        ) + picture.adjustments

    async def _clip(self, asker: Asker, source: Media) -> tuple[Reference, list[Message]]:
        if isinstance(source, str):
            return Reference(kind="video", url=source), []
        taken, about, said = await self._copy(
            asker, inputs.prepare_video, "reference_video", source
        )
        clip = {name: getattr(taken.clip, name) for name in ("width", "height", "seconds")}
        return Reference(kind="video", **about, **clip), said

    async def _sound(
        self, asker: Asker, source: bytes | Path, request: ImageToVideoRequest
    ) -> tuple[Reference, list[Message]]:
        """The sound of a request, which is a file: an address has a field of its own."""
        taken, about, said = await self._copy(
            asker, inputs.prepare_sound, "reference_audio", source
        )
        said = [*said, *_against(taken.seconds, request)] if request.audio else []
        return Reference(kind="audio", seconds=taken.seconds, **about), said

    async def _copy(
        self,
        asker: Asker,
        take: Callable[[str, bytes | Path, IO[bytes]], Taken],
        field: str,
        source: bytes | Path,
    ) -> tuple[Taken, dict[str, Any], list[Message]]:
        """Keeps the clean copy that `take` makes of a file. Gives what the file is, what its
        reference says of it, and what was done to it.
        """
        async with self._storage.workroom() as folder:
            copy = folder / "copy"
            with await asyncio.to_thread(copy.open, "w+b") as made:
                taken = await inputs.run_in_sandbox(asker, take, field, source, made)
            changes = tuple(one.key for one in taken.adjustments if one.key in _FILE_SENTENCES)
            measured = Original(taken.sha256, taken.bytes, changes=changes)
            key, original = await self._references.keep_clean(
                source, copy, f".{taken.kind}", measured, asker.owner
            )
        about = {"key": key, "sent_key": key, "sha256": original.sha256, "bytes": original.bytes}
        return taken, about, _earlier(original, changes) + taken.adjustments

    def _new_job(self, owner: str, leave: Leave) -> Job:
        """A QUEUED row with nothing in it yet."""
        now, connection = self._clock(), leave.connection
        return Job(
            id=ids.new_job_id(),
            owner=owner,
            account=connection.account,
            backend=connection.backend,
            base_url=connection.base_url,
            region=connection.region,
            workspace=connection.workspace,
            brief_id=secrets.token_urlsafe(16),
            media_token=ids.new_media_token(),
            address=None if is_here(leave.address) else self._place_of(leave.address),
            budget_day=""
            if leave.budget is None
            else datetime.fromtimestamp(now, UTC).date().isoformat(),
            due_at=now,
            created_at=now,
            state_at=now,
        )

    def _place_of(self, address: str) -> str:
        """An address as rows have it, 64 characters: the beginning of its network's hash, and its
        own.
        """
        network, own = (
            self.database.seal.hash("address", one) for one in (customer_network(address), address)
        )
        return f"{network[:_NETWORK_LENGTH]}{line.IN}{own}"

    async def _add(self, jobs: Sequence[Job], leave: Leave) -> list[Job]:
        if not jobs:
            return []
        if leave.connection.account not in self._keys:
            await asyncio.to_thread(self._gateway.prepare, leave.connection)
        self._keys.hold(jobs[0].owner, leave.connection)
        with refusals_in_words():
            added = await self._queue.add(jobs, budget=leave.budget, at_once=leave.jobs_at_once)
        for job in added:
            self._evidence.record(job)
            self.take_up(job)
        self._tell()
        return added

    async def _drop_keys(self) -> None:
        """A visitor's key is in memory for as long as it is needed, and no longer."""
        while True:
            await asyncio.sleep(_KEYS_LOOKED_AT)
            if self._keys.visitors:
                try:
                    self._keys.prune(await self._queue.live_accounts())
                except Exception:
                    log.exception("it could not be asked which keys are still needed; trying again")

    def _tell(self) -> None:
        """Wakes every viewer: each waits on the event that it saw, so that
        nobody misses a change.
        """
        self._changes.set()
        self._changes = asyncio.Event()


def _earlier(original: Original, changes: Collection[str]) -> list[Message]:
    """What was done to an upload when its clean copy took its place, beside
    these changes of now.
    """
    return [Message.of(change) for change in original.changes if change not in changes]


def _against(seconds: float, request: ImageToVideoRequest) -> list[Message]:
    """What the service does where a sound is longer or shorter than the video (image-to-video API
    reference, 2026-02-10).
    """
    if abs(seconds - request.duration) < _HEARD:
        return []
    return [
        Message.of(
            "sound_cut" if seconds > request.duration else "sound_ends",
            given=f"{seconds:.1f}",
            seconds=request.duration,
        )
    ]


def _another_key(old: Job, *, new_seed: bool) -> str:
    """The cache key of what is made from a job and is another kind; the same each time, so that a
    second click joins the first.
    """
    return hashlib.sha256(f"{old.cache_key} again {old.id} {new_seed}".encode()).hexdigest()


def _filled(job: Job, request: Request, seed: int, prepared: _Prepared, leave: Leave) -> Job:
    """A new row with all that a request says. seed: the one that is sent."""
    backend = job.base_url if job.backend == "dashscope" else job.backend
    ready = payload.build(
        request, seed=seed, urls=[reference.url for reference in prepared.references]
    )
    return replace(
        job,
        model=request.model,
        request=request.to_json(),
        references=prepared.references,
        payload=ready.body,
        cache_key=fingerprint(request, backend, prepared.digests, job.nonce),
        adjustments=[*prepared.adjustments, *ready.adjustments],
        seed=seed,
        **_costs(request.model, request.to_json(), prepared.references, leave),
    )


def _costs(
    model: str, asked: Mapping[str, Any], references: Sequence[Reference], leave: Leave
) -> dict[str, Any]:
    """What a new row says about money: the price by the lengths of the clips as far as they are
    known; reserved is what it may come to at most.
    """
    lengths = [reference.seconds for reference in references if reference.kind == "video"]

    def price(videos: Sequence[float | None]) -> Price | None:
        size, duration, audio = asked["size"], asked["duration"], asked["audio"]
        where = {"region": leave.connection.region, "currency": leave.connection.currency}
        return catalog.price(
            MODELS[model],
            **where,
            size=size,
            duration=duration,
            audio=audio,
            videos=videos,
            references=len(references),
        )

    cost, most = price(lengths), price([None] * len(lengths))
    if cost is None or most is None:
        return {"amount": None, "currency": "", "billed_seconds": None, "reserved": None}
    reserved = None if leave.budget is None else most.amount
    return {
        "amount": cost.amount,
        "currency": cost.currency,
        "billed_seconds": cost.billed_seconds,
        "reserved": reserved,
    }


def _waits(job: Job) -> Message:
    """What to say of a job whose key is not here; where a video may be waiting at the service,
    until when.
    """
    if job.submitted_at is None:
        return Message.of("waits_for_key")
    lost_at = datetime.fromtimestamp(
        (job.submitting_at or job.submitted_at) + catalog.TASK_LIFETIME, UTC
    )
    return Message.of("waits_for_key_until", time=f"{lost_at:%Y-%m-%d %H:%M}")


async def asked(gateway: Gateway, connection: Connection) -> Message:
    """Asks the service one question that costs nothing, and says what came of it."""
    where = f"{connection.region or urlsplit(connection.base_url).hostname}" + (
        f", {connection.workspace}" if connection.workspace else ""
    )
    try:
        await asyncio.to_thread(gateway.prepare, connection)
        await gateway.ping(connection)
    except ServiceError as trouble:
        return _found(trouble, where)
    return Message.of("check_good", where=where)


def _found(trouble: ServiceError, where: str) -> Message:
    """What a failed check of the connection means."""
    code = trouble.code or str(trouble.status or "")
    if (
        reword_as_waiting(trouble.message) is not None
    ):  # about the account, or about the way to the service
        return trouble.message
    if isinstance(trouble, Throttled):
        return Message.of("check_busy")
    if trouble.status is None:
        said = trouble.message
        return (
            Message.of(_UNREACHED[said.key], **said.values)
            if said.key in _UNREACHED
            else Message.of("check_unreached", where=where)
        )
    return Message.of("check_odd", code=code, where=where)


class _Stopped(Exception):
    """Nobody waits for the work any more."""


async def _stoppable(work: Callable[..., None], progress: Callable[[float], None]) -> None:
    """Does work that reports its progress on a thread of its own; when this is cancelled, the work
    ends with its next report, and this after it.
    """
    unwanted = threading.Event()

    def report(done: float) -> None:
        if unwanted.is_set():
            raise _Stopped
        progress(done)

    running = asyncio.ensure_future(asyncio.to_thread(work, progress=report))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        unwanted.set()
        while not running.done():
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.shield(running)
        raise


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _differs(seen: JobEvent, event: JobEvent) -> bool:
    """Whether a viewer has something new to see."""
    return (seen.job.version, seen.place, seen.message) != (
        event.job.version,
        event.place,
        event.message,
    )


async def _mended(demo: LocalSimulator) -> None:
    """Keeps the demo's simulator there: its tasks are on disk, so that whatever ended it loses
    nothing.
    """
    while True:
        await asyncio.sleep(_DEMO_LOOKED_AT)
        try:
            await asyncio.to_thread(demo.restart_if_gone)
        except (OSError, SettingsError):
            log.exception("the simulator is gone and does not start again yet")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _ordinal(place: int) -> str:
    """1st, 2nd, 3rd, 4th ... 11th, 12th, 13th ..."""
    ending = "th" if 10 <= place % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
