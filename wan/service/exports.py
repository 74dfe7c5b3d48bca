"""Files made from finished videos: the last frame, an archive, several joined to one."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from wan.domain import catalog
from wan.domain.errors import InvalidInput
from wan.domain.file_names import FileNames
from wan.domain.jobs import Job
from wan.domain.turns import Asker
from wan.media import embedded_settings, inputs, join
from wan.service.library import Library
from wan.service.stopping import run_stoppable
from wan.storage.objects import Storage, require_room, translate_errors

ARCHIVED = range(1, 101)
"""Videos in one archive."""


class Exports:
    """Makes files from videos for their owner."""

    def __init__(self, storage: Storage, library: Library, names: FileNames) -> None:
        self._storage, self._library, self._names = storage, library, names
        self._joining = asyncio.Semaphore(1)  # it takes every core

    async def extract_last_frame(self, job_id: str, *, owner: str) -> bytes:
        """Return the very last frame of a job's video as PNG: the image of a shot that continues
        from there. Raises JobNotFound, InvalidInput, StorageUnavailable.
        """
        async with self._storage.workroom() as folder:
            _, video = await self._hold_video(job_id, owner, folder)
            return await inputs.run_in_sandbox(Asker(owner=owner), join.last_frame, video)

    async def bundle(self, job_id: str, *, owner: str, target: Path) -> None:
        """Write a ZIP of a job's video and its settings to `target`. Raises JobNotFound,
        InvalidInput for a job without a video, StorageUnavailable.
        """
        async with self._storage.workroom() as folder:
            job, video = await self._hold_video(job_id, owner, folder)
            size = (await asyncio.to_thread(video.stat)).st_size
            await asyncio.to_thread(require_room, target.parent, more=size)
            with translate_errors():
                await inputs.run_in_sandbox(
                    Asker(owner=owner),
                    join.bundle,
                    video,
                    self._library.describe(job),
                    target,
                    name=self._names.of(job),
                )

    async def archive(
        self,
        job_ids: Sequence[str],
        *,
        owner: str,
        target: Path,
        progress: Callable[[float], None],
    ) -> None:
        """Write a ZIP of the videos of up to a hundred jobs, in their order, each with its
        settings, to `target`.

        progress: as for `join`; stopped or failed, nothing is left at `target`. Raises JobNotFound;
        InvalidInput for none or too many jobs, and for a job without a video; StorageUnavailable.
        """
        _require_count(len(job_ids), ARCHIVED)
        async with self._storage.workroom() as folder:
            kept = [await self._hold_video(job_id, owner, folder) for job_id in job_ids]
            total = sum(path.stat().st_size for _, path in kept)
            await asyncio.to_thread(require_room, target.parent, more=total)
            videos = [
                (f"{number:02}-{self._names.of(job)}", path, self._library.describe(job))
                for number, (job, path) in enumerate(kept, 1)
            ]
            with translate_errors():
                await run_stoppable(partial(join.archive, videos, target), progress)

    async def join(
        self,
        job_ids: Sequence[str],
        *,
        owner: str,
        target: Path,
        size: str = "",
        fps: float = 0.0,
        fit: catalog.Fit = "pad",
        progress: Callable[[float], None],
    ) -> None:
        """Write the videos of 2 to 20 jobs, in their order, as one MP4 to `target`.

        size, fps: `W*H` px and frames per second; those of the first video unless given. fit: how
        videos of another shape come to that size. progress: called from another thread with how
        much is done, 0 to 1; what it raises stops the work and is raised here. Where the awaiting
        task is cancelled, the work has stopped when this ends. Stopped or failed, nothing is left
        at `target`. Raises JobNotFound; InvalidInput for too few or too many jobs, and for a job
        without a video; StorageUnavailable.
        """
        _require_count(len(job_ids), embedded_settings.SHOTS)
        async with self._storage.workroom() as folder:
            shots = [await self._hold_video(job_id, owner, folder) for job_id in job_ids]
            jobs, paths = [job for job, _ in shots], [path for _, path in shots]
            size, fps = (
                size or f"{jobs[0].width}*{jobs[0].height}",
                fps or jobs[0].fps or catalog.SERVICE_FPS,
            )
            told = [shot for job in jobs for shot in embedded_settings.shots_of(job)]
            _require_count(len(told), embedded_settings.SHOTS)
            async with self._joining:
                await asyncio.to_thread(self._storage.require_room)
                with translate_errors():
                    await run_stoppable(
                        partial(
                            join.join,
                            paths,
                            target,
                            size=size,
                            fps=fps,
                            fit=fit,
                            tags=embedded_settings.tags(told),
                        ),
                        progress,
                    )

    async def _hold_video(self, job_id: str, owner: str, folder: Path) -> tuple[Job, Path]:
        """Return a job and its video, which stays for as long as the folder does."""
        job = await self._library.get(job_id, owner=owner)
        with contextlib.suppress(FileNotFoundError):
            if job.video_key:
                return job, await self._storage.hold(job.video_key, folder)
        raise InvalidInput("takes", "take_without_video", given=job.name or job.id)


def _require_count(given: int, allowed: range) -> None:
    """Raise InvalidInput for too few or too many jobs, or shots of a film."""
    if given not in allowed:
        low, high = allowed[0], allowed[-1]
        raise InvalidInput("takes", "takes_count", given=given, low=low, high=high)
