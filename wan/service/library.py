"""The library: the jobs of an owner, and their files."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from wan.database.jobs import Jobs
from wan.database.listing import Listing
from wan.domain import ids, reviews
from wan.domain.errors import InvalidInput, JobNotFound, StorageUnavailable, WanError
from wan.domain.jobs import (
    CANCEL_IS_FREE,
    CHOSEN_LIMIT,
    GROUPS,
    NAME_LIMIT,
    PROJECT_LIMIT,
    Job,
    JobFilter,
    JobPage,
    JobPlace,
    JobState,
    Spent,
)
from wan.domain.messages import Message
from wan.domain.results import VideoResult
from wan.domain.validation import clean_text
from wan.environment.settings import Settings
from wan.media import embedded_settings
from wan.service.changes import Changes
from wan.service.files import Files
from wan.service.lookup import look_up
from wan.service.references import References
from wan.service.stores import Stores, open_stores

log = logging.getLogger("wan.service.library")

_SEARCH_LIMIT = 2000  # characters of a search; longer than any prompt
# words of a search, each a condition of its own; SQLite takes a thousand, and nobody tells prompts
# apart by more
_SEARCH_WORDS = 30
_PAGE_LIMIT = 10_000  # jobs on a page
VERDICTS = (*reviews.VERDICTS, "none")
"""The verdicts by which a library is filtered; "none": nobody has given one."""


def read_filter(
    search: str = "",
    model: str = "",
    state: str = "",
    verdict: str = "",
    project: str | None = None,
    *,
    starred: bool = False,
) -> JobFilter:
    """Return what somebody asks of the library.

    search: words that the prompt, the name or a comment in a review contains, in any order and any
    case; thirty are looked for. model: its exact name. state: one of `wan.domain.jobs.GROUPS`.
    verdict: "yes", "maybe" or "no", as somebody's latest verdict in a review, or "none". project:
    its name; "" for jobs in none, None for all. starred: only what has a star. Raises InvalidInput
    for an unknown state or verdict.
    """
    for field, given, known in (("state", state, GROUPS), ("verdict", verdict, VERDICTS)):
        if given and given not in known:
            raise InvalidInput(field, "choice_unknown", given=given[:80], allowed=", ".join(known))
    whole = clean_text("search", search, _SEARCH_LIMIT, line=True).casefold().split()
    words = tuple(dict.fromkeys(whole))[:_SEARCH_WORDS]
    return JobFilter(words, model, state, verdict, project, starred)


class Library:
    """Reads jobs and their files. Needs no service."""

    def __init__(self, stores: Stores) -> None:
        self._jobs, self._listing = Jobs(stores.database), Listing(stores.database)
        self._storage, self._evidence = stores.storage, stores.evidence
        self._files, self._signed = Files(stores.storage), stores.signed

    async def get(self, job_id: str, *, owner: str) -> Job:
        """Return a job that this owner sees. Raises JobNotFound and, as everything here that asks
        the database, StorageUnavailable.
        """
        job = await look_up(ids.JOB, self._jobs.get, job_id, owner)
        if job is None:
            raise JobNotFound
        return job

    async def owner_of(self, job_id: str) -> str:
        """Return the owner of a job. Raises JobNotFound."""
        owner = await self._jobs.owner_of(job_id) if ids.has_shape(ids.JOB, job_id) else None
        if owner is None:
            raise JobNotFound
        return owner

    async def list_jobs(
        self,
        *,
        owner: str,
        until: float | None = None,
        offset: int = 0,
        limit: int = 24,
        **asked: Any,
    ) -> JobPage:
        """Return one page of the jobs that this owner sees, newest first.

        until: seconds since 1970; jobs written later are left out, so that pages stay where they
        are while new jobs come. asked: see `read_filter`, whose errors are raised.
        """
        return await self._listing.list_page(
            owner,
            read_filter(**asked),
            until=until,
            offset=max(offset, 0),
            limit=min(max(limit, 0), _PAGE_LIMIT),
        )

    async def find_place(self, job: Job, *, owner: str, **asked: Any) -> JobPlace:
        """Return where a job stands among those that this owner sees. asked: as for `list_jobs`."""
        return await self._listing.find_place(owner, read_filter(**asked), job)

    async def list_ended(self, *, owner: str, limit: int, **asked: Any) -> list[tuple[str, bool]]:
        """Return the jobs that this owner sees and that have ended, newest first: each its id, and
        whether it has a video. asked: as for `list_jobs`.
        """
        return await self._listing.list_ended(owner, read_filter(**asked), limit)

    async def list_by_ids(self, job_ids: Sequence[str], *, owner: str) -> list[Job]:
        """Return those jobs that this owner sees, in the order of the ids; any other is left out.
        Raises StorageUnavailable.
        """
        known = [one for one in job_ids if ids.has_shape(ids.JOB, one)]
        found = {job.id: job for job in await self._jobs.list_by_ids(known, owner)}
        return [found[one] for one in known if one in found]

    async def list_references(self, job_id: str, *, owner: str) -> list[tuple[str, Path | str]]:
        """Return what a job was made from, in the order in which the model numbers it, each with
        its kind: local copies of what is kept, and URLs.

        A file that is kept no longer is left out. Raises JobNotFound and StorageUnavailable.
        """
        found: list[tuple[str, Path | str]] = []
        for one in (await self.get(job_id, owner=owner)).references:
            with contextlib.suppress(FileNotFoundError):
                found.append((one.kind, one.url or await self._storage.local_copy(one.key)))
        return found

    async def get_by_link(self, link: str) -> Job:
        """Return the job with a video whose page an unguessable link opens. Raises JobNotFound and
        StorageUnavailable.
        """
        look = partial(self._jobs.get_by_media_token, begins=True)
        job = await look_up(ids.VIDEO, look, link)
        if job is None or not job.video_key:
            raise JobNotFound
        return job

    async def find_media(self, token: str, name: str) -> Path | None:
        """Return a file of a job by its unguessable token: "video.mp4", "original.mp4" or
        "poster.webp"; None when there is none. Raises StorageUnavailable.
        """
        job = await look_up(ids.MEDIA, self._jobs.get_by_media_token, token)
        if job is not None and name == "original.mp4":
            return await self._files.find_local(job.original_key)
        return None if job is None else await self._files.find_shown(job, name)

    async def find_media_address(self, token: str) -> str | None:
        """Return an address at which the bucket itself serves the video of a job for a minute, by
        the job's unguessable token; None when there is none. Raises StorageUnavailable.
        """
        signed, job = self._signed, await look_up(ids.MEDIA, self._jobs.get_by_media_token, token)
        return await signed.of(job.video_key) if signed and job and job.video_key else None

    async def find_linked(self, link: str, name: str) -> Path | None:
        """Return "video.mp4" or "poster.webp" for whoever has the link to a video's page, without
        how it was made; None when there is none. Raises StorageUnavailable.
        """
        with contextlib.suppress(JobNotFound):
            job = await self.get_by_link(link)
            return await self._files.find_for_reviewers(job, name, with_settings=False)
        return None

    async def complete_evidence(self, job: Job) -> Path | None:
        """Return the folder of a job's record, with all that is known now; None where none is kept:
        of visitors on a Space.
        """
        return await self._evidence.complete(job)

    async def find_evidence(self, job_id: str) -> Path | None:
        """Return the folder of a job's record as it stands, whoever the owner is; None where there
        is none.
        """
        return await self._evidence.find(job_id)

    def result_of(
        self, job: Job, *, made_before: bool = False, evidence: Path | None = None
    ) -> VideoResult:
        """Return a job as the normalised calls give it. made_before: `submit` gave it back as it
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

    def describe(self, job: Job) -> dict[str, Any]:
        """Return what a job's video says about how it was made, and what was measured and is known
        besides. JSON; times are ISO 8601 in UTC.

        For those who see the job in their library: a link gives nobody a price or a task id.
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


class EditableLibrary(Library):
    """A library whose jobs can be deleted, and whose links withdrawn. clock: seconds since 1970."""

    def __init__(
        self, stores: Stores, references: References, changes: Changes, clock: Callable[[], float]
    ) -> None:
        super().__init__(stores)
        self._references, self._changes, self._clock = references, changes, clock

    async def delete(self, job_id: str, *, owner: str) -> None:
        """Delete a job that has ended, and its files. Raises JobNotFound; WanError while it is on
        its way; StorageUnavailable, and then it may be asked again.

        Whoever is being sent one of its files gets it to its end.
        """
        async with self.deleting(owner=owner) as delete:
            await delete(job_id)

    @contextlib.asynccontextmanager
    async def deleting(self, *, owner: str) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
        """Inside the block, delete one job after the other, as `delete` does, by what this gives.
        What they were made from goes at the end of the block, for all at once.

        A deletion that somebody stops is brought to its end first: a video goes before its row.
        """
        began, gone = time.time(), list[Job]()

        async def delete(job_id: str) -> None:
            deleting = asyncio.ensure_future(self._delete(job_id, owner, gone))
            try:
                await asyncio.shield(deleting)
            finally:
                await asyncio.wait([deleting])

        try:
            yield delete
        finally:
            await self._drop(gone, began)

    async def _delete(self, job_id: str, owner: str, gone: list[Job]) -> None:
        """Delete a job and its videos, and put it among those that are gone.

        Its files go first: were it the row, nobody could ask again for what failed.
        """
        job = await self.get(job_id, owner=owner)
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
        gone.append(job)
        self._changes.notify()

    async def _drop(self, gone: Sequence[Job], began: float) -> None:
        """Delete what jobs were made from that are gone; began: see `References.drop`."""
        try:
            if gone:
                await self._references.drop(gone, began)
        except StorageUnavailable:
            log.warning(
                "what jobs were made from is not gone yet; it goes with the next cleanup (%s)",
                ", ".join(job.id for job in gone),
            )

    async def label(
        self,
        job_ids: Sequence[str],
        *,
        owner: str,
        name: str | None = None,
        starred: bool | None = None,
        project: str | None = None,
    ) -> None:
        """Name jobs that this owner sees, star them, or move them to a project; what is None stays
        as it is, and "" takes a name or a project away. Any other id is passed over.

        job_ids: up to `CHOSEN_LIMIT`. name, project: up to `NAME_LIMIT` and `PROJECT_LIMIT`
        characters. Raises InvalidInput.
        """
        if len(job_ids) > CHOSEN_LIMIT:
            raise InvalidInput("jobs", "library_many", given=len(job_ids), high=CHOSEN_LIMIT)
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = clean_text("name", name, NAME_LIMIT, line=True)
        if starred is not None:
            changes["starred"] = starred
        if project is not None:
            changes["project"] = clean_text("project", project, PROJECT_LIMIT, line=True)
        known = [one for one in job_ids if ids.has_shape(ids.JOB, one)]
        await self._jobs.label(known, owner, changes)
        self._changes.notify()

    async def withdraw_links(self, job_id: str, *, owner: str) -> Job:
        """Make every link to a job's files that was given away lead nowhere; the job gets new ones.
        Raises JobNotFound.
        """
        job = await self.get(job_id, owner=owner)
        await self._jobs.withdraw_links(job.id, owner, ids.new_media_token())
        self._changes.notify()
        return await self.get(job.id, owner=owner)


@contextlib.asynccontextmanager
async def open_library(settings: Settings) -> AsyncIterator[Library]:
    """Open what is kept without a service: nothing is sent, and no job goes on. Raises
    SettingsError and StorageUnavailable.
    """
    async with open_stores(settings) as stores:
        yield Library(stores)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
