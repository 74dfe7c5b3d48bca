"""FETCHING to SUCCEEDED: a video is downloaded, checked, made into what people see, and kept."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wan.domain.errors import BadResponse, NotAVideo, ResultRefused, is_full
from wan.domain.jobs import Job, JobState, Spent
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.media import embedded_settings, encode
from wan.media.probe import Clip
from wan.provider.gateway import Gateway
from wan.provider.wire import TaskStatus
from wan.service import polling
from wan.service.job_writer import JobWriter
from wan.service.metrics import Metrics
from wan.service.polling import PollInterval
from wan.service.tasks import Tasks
from wan.storage.objects import Storage

log = logging.getLogger("wan.service.delivery")

_RESULT_TRIES = 5  # downloads in a row before a file that does not open is taken for the result
UNPLAYABLE = "NoVideo"  # marks, in place of the service's code, that the last download did not open


class Delivery:
    """Downloads and keeps videos."""

    def __init__(
        self,
        storage: Storage,
        gateway: Gateway,
        tasks: Tasks,
        writer: JobWriter,
        every: PollInterval,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._storage, self._gateway, self._tasks = storage, gateway, tasks
        self._writer, self._every, self._clock = writer, every, clock
        self._metrics = metrics
        self._encoding = asyncio.Semaphore(1)  # conforming takes a whole core

    async def deliver(self, job: Job, connection: Connection | None) -> Job | None:
        """FETCHING: ask for the URL anew, stream the video to a .part, check it, keep it. Retried
        for the 24 h that the service keeps it.

        connection: None where the key did not come back in time; then only what an earlier try has
        kept can be finished, which needs none.
        """
        lease = self._writer.lease(job)
        try:
            async with lease, self._storage.workroom() as folder:
                found = await self._fetch_original(job, connection, folder)
                kept = await self._keep(job, *found, folder) if found is not None else None
        except NotAVideo as refusal:
            return await self._unplayable(lease.job, refusal)
        except ResultRefused as refusal:
            return await self._writer.end(
                lease.job, JobState.FAILED, refusal.message, spent=Spent.YES
            )
        if kept is None:
            return await (
                self._writer.keep_unknown(lease.job, self._clock())
                if connection is not None
                else self._writer.expire(lease.job)
            )
        return await self._writer.end(
            lease.job, JobState.SUCCEEDED, None, spent=Spent.YES, code="", **kept
        )

    async def _unplayable(self, job: Job, refusal: NotAVideo) -> Job | None:
        """Wait, or give up, after a download that does not open. One may be an error page from a
        proxy; only several in a row are the service's own doing.
        """
        tries = job.attempts + 1 if job.code == UNPLAYABLE else 1
        if tries >= _RESULT_TRIES:
            return await self._writer.end(
                job, JobState.FAILED, refusal.message, spent=Spent.YES, code=""
            )
        return await self._writer.keep_waiting(
            job,
            polling.next_poll_delay(self._every.of(job), tries),
            attempts=tries,
            code=UNPLAYABLE,
        )

    async def _fetch_original(
        self, job: Job, connection: Connection | None, folder: Path
    ) -> tuple[Path, Clip] | None:
        """Return the video as the service made it, kept before anything is done with it, and its
        measurements; None where the service does not have it, or cannot be asked.

        What an earlier try has kept is taken from there: the service has it for 24 h only, and
        conforming may have to wait longer for a full disk.
        """
        with contextlib.suppress(
            FileNotFoundError, NotAVideo
        ):  # what a power cut has left of it is fetched again
            kept = await self._storage.local_copy(_original_key(job))
            return kept, await asyncio.to_thread(encode.measure, kept)
        if connection is None:
            return None
        await self._tasks.wait_for_slot(job.account, "query_at")
        snapshot = await self._tasks.fetch(job, connection)
        if snapshot.status is not TaskStatus.SUCCEEDED:
            return None
        if not snapshot.video_url:  # half an answer; the next one may be whole
            where = urlsplit(job.base_url).hostname or job.backend
            raise BadResponse(
                Message.of("unusable", where=where, code="SUCCEEDED"),
                request_id=snapshot.request_id,
            )
        part = folder / "original.mp4.part"
        with self._metrics.measure("fetch"):
            await self._gateway.download(connection, snapshot.video_url, part)
        made = await asyncio.to_thread(encode.measure, part)
        await self._storage.put(_original_key(job), part)
        return part, made

    async def _keep(self, job: Job, original: Path, made: Clip, folder: Path) -> dict[str, Any]:
        """Make what people see from a video that is kept, and return what the row then says about
        it.
        """
        async with self._encoding:
            shown = await asyncio.to_thread(_polish, job, made, original, folder)
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


@dataclass(frozen=True)
class _Delivered:
    """The video that people see: the file, its measurements, its poster, and what was done to get
    there.
    """

    path: Path
    clip: Clip
    poster: bytes
    adjustments: list[Message]


def _polish(job: Job, made: Clip, original: Path, folder: Path) -> _Delivered:
    """Return the video at the size and rate that were asked for, with its settings inside and its
    poster. Blocks.

    A paid video is never lost to this: where conforming breaks, the video stays as it was made, and
    says so; where writing the settings into it does, it stays without them. A full disk is waited
    for instead.
    """
    path, clip, adjustments = original, made, _list_differences(job, made)
    if adjustments:
        size, fps = _requested_shape(job, made)
        conform = partial(
            encode.conform,
            original,
            size=size,
            fps=fps,
            fit=job.request.get("fit", "crop"),
            pad_color=job.request.get("pad_color", ""),
        )
        conformed = _attempt(job, conform, folder / "conformed.mp4")
        if isinstance(conformed, Clip):
            path, clip = folder / "conformed.mp4", conformed
        else:
            adjustments = [Message.of("not_conformed", code=type(conformed).__name__)]
    untold = path
    told = _attempt(
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
    return _Delivered(path, clip, poster, adjustments)


def _attempt(job: Job, make: Callable[[Path], None], target: Path) -> Clip | Exception:
    """Return what was made at `target`, or why nothing was. Raises what passes by itself."""
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


def _requested_shape(job: Job, made: Clip) -> tuple[str, float]:
    """Return the size and frame rate that were asked for; the video's own where nothing was."""
    return job.request["size"] if "*" in job.request["size"] else made.size, job.request[
        "fps"
    ] or made.fps


def _list_differences(job: Job, made: Clip) -> list[Message]:
    """Return what has to be changed for a video to be what was asked for."""
    size, fps = _requested_shape(job, made)
    found = []
    if size != made.size:
        given, wanted = (one.replace("*", "×") for one in (made.size, size))
        found = [Message.of("size_scaled", given=given, size=wanted)]
    return found + (
        [Message.of("fps_conformed", given=f"{made.fps:g}", fps=f"{fps:g}")]
        if abs(fps - made.fps) > 0.01
        else []
    )
