"""Films: finished videos joined to one, which is kept in the library as a job of its own kind.

Its row is written once, when its file is kept: it never waits, is never sent, and costs nothing.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wan.database import films as rows
from wan.database.jobs import Jobs
from wan.domain import ids
from wan.domain.catalog import FILM, Fit
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import Job, JobState
from wan.media import embedded_settings, encode
from wan.service.changes import Changes
from wan.service.exports import Exports
from wan.service.library import Library
from wan.service.refusals import explain_refusals
from wan.service.stopping import finish
from wan.service.stores import Stores


class Films:
    """Makes films. clock: seconds since 1970."""

    def __init__(
        self,
        stores: Stores,
        library: Library,
        exports: Exports,
        changes: Changes,
        clock: Callable[[], float],
    ) -> None:
        self._films, self._jobs = rows.Films(stores.database), Jobs(stores.database)
        self._storage = stores.storage
        self._library, self._exports = library, exports
        self._changes, self._clock = changes, clock

    async def make(
        self,
        job_ids: Sequence[str],
        *,
        owner: str,
        fit: Fit = "pad",
        progress: Callable[[float], None],
    ) -> Job:
        """Join the videos of jobs to one of the size and frame rate of the first, and keep it.
        Returns its job; that of the same film where there is one already.

        The rest is as `Exports.join` has it: what it raises is raised, and then nothing is kept.
        Raises AccessRefused where its owner has as many films as allowed.
        """
        takes = [await self._library.get(job_id, owner=owner) for job_id in job_ids]
        key = hashlib.sha256("\n".join([FILM, fit, *job_ids]).encode()).hexdigest()
        if made := await self._find_made(owner, key):
            return made
        with explain_refusals():
            await self._films.require_place(owner)
        begun = self._clock()
        async with self._storage.workroom() as folder:
            path = folder / "film.mp4"
            await self._exports.join(job_ids, owner=owner, target=path, fit=fit, progress=progress)
            clip = await asyncio.to_thread(encode.measure, path)
            poster = await asyncio.to_thread(encode.poster, path)
            film = replace(
                _describe(takes, owner, fit, begun),
                cache_key=key,
                ended_at=self._clock(),
                width=clip.width,
                height=clip.height,
                fps=clip.fps,
                duration=clip.seconds,
                has_audio=clip.has_audio,
            )
            return await self._keep(film, path, poster)

    async def _find_made(self, owner: str, key: str) -> Job | None:
        """Return the film that an owner has of these takes. One whose file is gone is deleted."""
        made = await self._jobs.find_same(owner, "", key)
        if made is None or await self._storage.has(made.video_key):
            return made
        await self._remove(made)
        await self._jobs.delete(made, self._clock())
        return None

    async def _keep(self, film: Job, video: Path, poster: bytes) -> Job:
        """Put the files of a film into storage, and write its row: neither is left without the
        other.
        """
        note = await asyncio.to_thread(self._storage.announce, [film.video_key, film.poster_key])
        try:
            await self._storage.put(film.video_key, video)
            await self._storage.put(film.poster_key, poster)
            with explain_refusals():
                # What is being written cannot be stopped, and only its end says what is there.
                return await finish(self._films.add(film))
        finally:
            await finish(self._settle(film, note))

    async def _settle(self, film: Job, note: Path) -> None:
        """Remove the files of a film that has no row. Where that fails, cleanup has the note."""
        with contextlib.suppress(StorageUnavailable):
            if await self._jobs.owner_of(film.id) is None:
                await self._remove(film)
            await asyncio.to_thread(note.unlink, missing_ok=True)
        self._changes.notify()

    async def find_takes(self, film: Job) -> dict[str, Job]:
        """Return the takes of a film that its owner still has, by their ids; none for another
        job.
        """
        shots = embedded_settings.shots_of(film) if film.is_film else []
        wanted = list({shot["job"] for shot in shots})
        there = await self._library.list_by_ids(wanted, owner=film.owner)
        return {take.id: take for take in there}

    async def _remove(self, film: Job) -> None:
        for key in (film.video_key, film.poster_key):
            await self._storage.remove(key)


def differ_in_shape(takes: Sequence[Job]) -> bool:
    """Tell whether some of the videos would be cropped or padded in a film."""
    shapes = [take.width / take.height for take in takes if take.width and take.height]
    return any(abs(shape / shapes[0] - 1) > encode.ALIKE for shape in shapes)


def _describe(takes: Sequence[Job], owner: str, fit: Fit, now: float) -> Job:
    """Return a film of takes, as far as it is known before it is made."""
    first, film_id = takes[0], ids.new_job_id()
    projects = {take.project for take in takes}
    request = {
        "prompt": " / ".join(filter(None, (str(take.request.get("prompt", "")) for take in takes))),
        "size": f"{first.width}*{first.height}",
        "fps": first.fps,
        "duration": round(sum(take.duration or 0 for take in takes)),
    } | ({"fit": fit} if differ_in_shape(takes) else {})
    return Job(
        id=film_id,
        owner=owner,
        account="",
        backend="simulator" if all(take.simulated for take in takes) else "",
        base_url="",
        region="",
        workspace="",
        model=FILM,
        state=JobState.SUCCEEDED,
        due_at=None,
        request=request,
        payload={"shots": [shot for take in takes for shot in embedded_settings.shots_of(take)]},
        brief_id=film_id,
        project=first.project if len(projects) == 1 else "",
        created_at=now,
        state_at=now,
        media_token=ids.new_media_token(),
        video_key=f"videos/{film_id}/video.mp4",
        poster_key=f"videos/{film_id}/poster.webp",
    )
