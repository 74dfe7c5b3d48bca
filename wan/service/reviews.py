"""Reviews: made by an owner, opened by a link, with what people say of the takes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from wan.database import reviews as tables
from wan.database.engine import Database
from wan.database.jobs import Jobs
from wan.domain import ids
from wan.domain import reviews as rules
from wan.domain.errors import InvalidInput, ReviewNotFound
from wan.domain.jobs import Job, label_takes
from wan.domain.reviews import Review, Take
from wan.service.files import Files
from wan.service.lookup import look_up
from wan.service.refusals import explain_refusals
from wan.storage.objects import Storage, translate_errors
from wan.storage.uploads import UploadFolder

Found = TypeVar("Found")


class Reviews:
    """The reviews of every owner, and what their links open. changed: called after every write."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        uploads: UploadFolder,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._reviews, self._jobs = tables.Reviews(database), Jobs(database)
        self._storage, self._files, self._uploads = storage, Files(storage), uploads
        self._clock, self._changed = clock, changed

    async def create(
        self,
        job_ids: Sequence[str],
        *,
        owner: str,
        title: str,
        note: str = "",
        expires_days: int | None = None,
        with_settings: bool = False,
    ) -> tuple[Review, str]:
        """Make a review of takes in this order. Returns it, and the token that its link ends with.
        Raises InvalidInput, AccessRefused and StorageUnavailable.

        with_settings: whether reviewers see, and find in the videos, what they were made with.
        """
        title, note = rules.clean_title_and_note(title, note)
        now, token = self._clock(), ids.new_link_token()
        expires_at = rules.compute_expiry(expires_days, now)
        jobs = await self._find_takes(job_ids, owner)
        labels = label_takes(jobs)
        takes = [
            Take(number, job.id, job, label=label)
            for number, (job, label) in enumerate(zip(jobs, labels, strict=True), 1)
        ]
        review = Review(
            ids.new_review_id(),
            owner,
            title,
            note,
            token,
            now,
            expires_at,
            None,
            tuple(takes),
            with_settings,
        )
        with explain_refusals():
            await self._reviews.add(review, token)
        self._changed()
        return review, token

    async def add_takes(self, review_id: str, job_ids: Sequence[str], *, owner: str) -> Review:
        """Put takes behind those of an open review, in this order; those that it has stay where
        they are. Raises ReviewNotFound, InvalidInput, AccessRefused and StorageUnavailable.
        """
        jobs = await self._find_takes(job_ids, owner)
        add = self._reviews.add_takes
        with explain_refusals():
            new = await look_up(ids.REVIEW, add, review_id, owner, jobs, self._clock())
        if new is None:
            raise ReviewNotFound
        if not new:
            raise InvalidInput("takes", "review_takes_there")
        self._changed()
        return await self.get(review_id, owner=owner)

    async def _find_takes(self, job_ids: Sequence[str], owner: str) -> list[Job]:
        """Return the jobs of chosen takes. Raises InvalidInput."""
        return [
            rules.require_video(await look_up(ids.JOB, self._jobs.get, job_id, owner))
            for job_id in rules.check_take_ids(job_ids)
        ]

    async def list_reviews(self, *, owner: str, whole: str = "") -> list[Review]:
        """Return every review of this owner, newest first; verdicts come with the one whose id is
        `whole` only.
        """
        return await self._reviews.list_reviews(
            owner, whole if ids.has_shape(ids.REVIEW, whole) else ""
        )

    async def get(self, review_id: str, *, owner: str) -> Review:
        """Return a review of this owner, open or not. Raises ReviewNotFound."""
        return _require(await look_up(ids.REVIEW, self._reviews.get, review_id, owner))

    async def get_by_link(self, token: str, *, whole: bool = True) -> Review:
        """Return the review that a link opens. Raises ReviewNotFound for one that is unknown,
        revoked or expired, without saying which.

        whole: with its verdicts.
        """
        review = _require(
            await look_up(ids.LINK, partial(self._reviews.get_by_link, whole=whole), token)
        )
        if not review.is_open(self._clock()):
            raise ReviewNotFound
        return review

    async def get_version(self, token: str) -> str:
        """Return a text that changes whenever anything that an open link shows does; costs little
        to ask. Raises as `get_by_link` does.
        """
        return _require(await look_up(ids.LINK, self._reviews.get_version, token, self._clock()))

    async def revoke(self, review_id: str, *, owner: str) -> Review:
        """Close a review's link, and the videos behind it, for good; its verdicts stay. Raises
        ReviewNotFound.
        """
        await look_up(ids.REVIEW, self._reviews.revoke, review_id, owner, self._clock())
        self._changed()
        return await self.get(review_id, owner=owner)

    async def delete(self, review_id: str, *, owner: str) -> None:
        """Delete a review with its verdicts; its takes stay in the library. Raises
        ReviewNotFound.
        """
        if not await look_up(ids.REVIEW, self._reviews.delete, review_id, owner):
            raise ReviewNotFound
        await asyncio.to_thread(self._uploads.forget, {review_id})
        self._changed()

    async def give_verdict(self, token: str, given: dict[str, Any], *, network: str = "") -> None:
        """Write down what somebody with the link says.

        given: take (its number), verdict ("yes", "maybe", "no"), reviewer (their browser's token),
        and if they like comment, at_seconds, name. network: where they are, so that one does not
        fill the review. Raises ReviewNotFound, InvalidInput, AccessRefused where the review takes
        no more, and StorageUnavailable.
        """
        review = await self.get_by_link(token, whole=False)
        verdict = rules.check_verdict(review, given, id_=ids.new_review_id(), now=self._clock())
        with explain_refusals():
            await self._reviews.add_verdict(verdict, network)
        self._changed()

    async def find_media(self, token: str, number: int, name: str) -> Path | None:
        """Return a file of a take ("video.mp4", "poster.webp") by a link that is open; None when
        there is none. Raises StorageUnavailable.
        """
        known = 1 <= number <= rules.TAKES_LIMIT
        job = (
            await look_up(ids.LINK, self._reviews.get_job, token, number, self._clock())
            if known
            else None
        )
        if job is None:
            return None
        return await self._files.find_for_reviewers(
            job, name, with_settings=await self._reviews.shows_settings(token)
        )

    @contextlib.asynccontextmanager
    async def hold_files(
        self, review: Review
    ) -> AsyncIterator[dict[int, tuple[Path, Path | None]]]:
        """Yield video and poster of each take that is there, by its number, for a copy of them;
        they stay until the block ends.

        Raises StorageUnavailable, also where there is no room for a copy, or for what the block
        writes.
        """
        with translate_errors():
            await asyncio.to_thread(self._storage.require_room)
            async with self._storage.workroom() as folder:
                found = {}
                for take in review.takes:
                    video = take.job and await self._files.find_for_reviewers(
                        take.job, "video.mp4", folder, with_settings=review.with_settings
                    )
                    if take.job and video:
                        found[take.number] = (
                            video,
                            await self._files.find_shown(take.job, "poster.webp", folder),
                        )
                yield found


def _require(review: Found | None) -> Found:
    if review is None:
        raise ReviewNotFound
    return review
