"""The kept files of jobs, for whoever may see them."""

import contextlib
from pathlib import Path

from wan.domain.jobs import Job
from wan.media import encode
from wan.storage.objects import Storage

_UNTAGGED = "bare"  # the folder of copies of videos without their settings


class Files:
    """Finds local copies of what is kept."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def find_local(self, key: str, folder: Path | None = None) -> Path | None:
        """Return a local copy of what is kept under a key; None for "", and for what is kept no
        longer.
        """
        with contextlib.suppress(FileNotFoundError):
            if key:
                return await (
                    self._storage.hold(key, folder) if folder else self._storage.local_copy(key)
                )
        return None

    async def find_shown(self, job: Job, name: str, folder: Path | None = None) -> Path | None:
        """Return a file of a job that others may be shown too. folder: a workroom, for as long as
        which the file stays.
        """
        return await self.find_local(
            {"video.mp4": job.video_key, "poster.webp": job.poster_key}.get(name, ""), folder
        )

    async def find_for_reviewers(
        self, job: Job, name: str, folder: Path | None = None, *, with_settings: bool
    ) -> Path | None:
        """Return the same for reviewers. Unless the owner shows settings, the video comes without
        its job and what it was made with.
        """
        if with_settings or name != "video.mp4" or not job.video_key:
            return await self.find_shown(job, name, folder)
        with contextlib.suppress(FileNotFoundError):
            untagged = await self._storage.derive(job.video_key, _UNTAGGED, encode.untag)
            return untagged if folder is None else await self._storage.link_into(untagged, folder)
        return None
