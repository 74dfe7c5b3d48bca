"""The record of every run, in files: the request, what was sent, each answer, the outcome.

It lies under OUTPUT_DIR, in a folder for each of the two calls: `<call>/<job>/*.json`, and the
video as `<call>/videos/<job>.mp4`. Where videos are kept in a bucket, so is the record, whole
whichever machines had the job; the folder is then a copy, made when somebody asks for it.

It is written as things happen, on a thread of its own: no run waits for its record, and a record
that cannot be written is logged and ends nothing. What the row of a job knows is written again at
every change, so that a process that resumes a job after a crash completes its record too.

Never in it: keys, queries of URLs (a signature is one), names of given files, the owner's token.
"""

import hashlib
import logging
import os
import platform
import shutil
from asyncio import wrap_future
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wan.domain import ids
from wan.domain.catalog import MODELS
from wan.domain.ids import OPERATOR
from wan.domain.jobs import Job
from wan.media.embedded_settings import settings_of, strip_query
from wan.storage.atomic_files import write_whole
from wan.storage.bucket_records import BucketRecords
from wan.storage.buckets import Bucket
from wan.storage.folder_records import FolderRecords
from wan.storage.record import CALLS, VIDEOS, Records

log = logging.getLogger("wan.storage.evidence")

_TIMES = (
    "created_at",
    "started_at",
    "submitting_at",
    "submitted_at",
    "running_at",
    "fetching_at",
    "ended_at",
)
_MEASURED = ("width", "height", "fps", "duration", "has_audio")
_PACKAGES = ("dashscope", "pydantic", "sqlalchemy", "av", "pillow")


class Evidence:
    """The records of an OUTPUT_DIR, or of the bucket that its videos go to.

    visitors: whether visitors' runs are recorded too, not only the operator's. video_at: returns
    the path of a storage key in a local folder, None where it lies elsewhere. bucket: where records
    are kept; None for folders.
    """

    def __init__(
        self,
        output: Path,
        *,
        visitors: bool,
        video_at: Callable[[str], Path | None],
        bucket: Bucket | None = None,
    ) -> None:
        self._output, self._visitors, self._video_at = output, visitors, video_at
        folders = FolderRecords(output)
        self._records: Records = BucketRecords(bucket, folders) if bucket else folders
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evidence")

    def close(self) -> None:
        """Wait until everything is written, as far as it can be. Blocks."""
        with suppress(RuntimeError):  # closed before
            self._thread.submit(self._records.close)
        self._thread.shutdown()

    def record(self, job: Job) -> None:
        """Write down what the row of a job knows. May be repeated."""
        self._schedule(job, self._write_row)

    def record_payload(self, job: Job, body: Mapping[str, Any]) -> None:
        """Write down what is about to be sent."""
        self._schedule(job, lambda job: self._records.replace(_key(job), "payload.json", body))

    def record_answer(self, job: Job, outcome: str, **about: Any) -> None:
        """Write down the outcome of the create request, in a word, and the service's answer."""
        entry = {"at": _now(), "outcome": outcome, **about}
        self._schedule(job, lambda job: self._records.append(_key(job), "create.json", entry))

    def record_poll(self, job: Job, **snapshot: Any) -> None:
        """Write down what the service says about a task, where that has changed."""
        entry = {"at": _now(), "task_id": job.task_id, **snapshot}
        self._schedule(job, lambda job: self._records.append(_key(job), "polls.json", entry))

    async def complete(self, job: Job) -> Path | None:
        """Finish a job's record and return its folder; None where there is none."""
        if not self._is_recorded(job):
            return None
        self.record(job)
        return await wrap_future(self._thread.submit(self._fetch, _key(job)))

    async def find(self, job_id: str) -> Path | None:
        """Return the folder with the record of a job, whoever the owner is; None where there is
        none.
        """
        keys = [f"{call}/{job_id}" for call in CALLS.values() if ids.has_shape(ids.JOB, job_id)]
        for key in keys:
            if folder := await wrap_future(self._thread.submit(self._fetch, key)):
                return folder
        return None

    async def remove(self, job: Job) -> None:
        """Remove the record of a job and its video; what resists is logged and cleaned up later."""
        if not job.is_film:
            await wrap_future(self._thread.submit(self._records.remove, _key(job)))

    def folder(self, job: Job) -> Path:
        """Return the folder for a job's record."""
        return self._output / _key(job)

    def video(self, job: Job) -> Path:
        """Return the path for the video of a job, beside its record."""
        return self.folder(job).parent / VIDEOS / f"{job.id}.mp4"

    def clear(
        self, kept: Collection[str], before: float, *, oldest_job: float | None = None
    ) -> None:
        """Remove records of jobs that are not `kept`, unless written to since `before`. Blocks.

        oldest_job: when the oldest of the kept was made, to spare what is older than all of them,
        which may be of jobs in another database. None spares nothing. Raises StorageUnavailable.
        """
        self._records.clear(kept, before, oldest_job)

    def _is_recorded(self, job: Job) -> bool:
        """Tell whether there is a record of a job: of none that was no run."""
        return not job.is_film and (self._visitors or job.owner == OPERATOR)

    def _schedule(self, job: Job, work: Callable[[Job], None]) -> None:
        if self._is_recorded(job):
            with suppress(RuntimeError):  # closed: the process that resumes the job writes it
                self._thread.submit(_run_safely, job.id, partial(work, job))

    def _fetch(self, key: str) -> Path | None:
        return _run_safely(key.rpartition("/")[2], partial(self._records.fetch, key))

    def _write_row(self, job: Job) -> None:
        row: dict[str, Any] = {
            "request.json": _request_entry(job),
            "references.json": _reference_entries(job),
            "payload.json": job.payload,
        }
        if job.task_id:
            answer = {
                "at": _format_time(job.submitted_at),
                "outcome": "accepted",
                "task_id": job.task_id,
                "request_id": job.request_id,
            }
            row["create.json"] = [answer]
        self._records.write_row(_key(job), row)
        video = self._video_at(job.video_key) if job.video_key else None
        if video is not None:
            _link_video(video, self.video(job))
        self._records.write_row(_key(job), {"outcome.json": _outcome_entry(job, video)})


def _key(job: Job) -> str:
    """Return what the record of a job is called: its call and its id."""
    return f"{CALLS[MODELS[job.model].makes]}/{job.id}"


def _run_safely(job_id: str, work: Callable[[], Path | None]) -> Path | None:
    try:
        return work()
    except OSError as trouble:
        log.warning("job %s: its record is not complete: %s", job_id, trouble.strerror)
    except Exception:
        log.exception("job %s: its record is not complete", job_id)
    return None


def _request_entry(job: Job) -> dict[str, Any]:
    """Return the request with the URLs of its references; files are in references.json."""
    references = [strip_query(one.url) or f"file {one.sha256}" for one in job.references]
    return {
        "call": CALLS[MODELS[job.model].makes],
        **settings_of(job)["request"],
        "references": references,
    }


def _reference_entries(job: Job) -> list[dict[str, Any]]:
    known = []
    for number, one in enumerate(job.references, 1):
        about = asdict(one) | {"url": strip_query(one.url)}
        del about["sent_key"], about["key"], about["name"]  # a person's own
        known.append(
            {
                "number": number,
                "name": Path(one.key).name,
                "sent_as": Path(one.sent_key).name,
                **about,
            }
        )
    return known


def _outcome_entry(job: Job, video: Path | None) -> dict[str, Any]:
    seconds, cost = job.billed
    return {
        "job": job.id,
        "version": job.version,
        "state": job.state.value,
        "ended": not job.live,
        "said": job.said.say() if job.said else "",
        "code": job.code,
        "spent": job.spent.value,
        "model": job.model,
        "task_id": job.task_id,
        "request_id": job.request_id,
        "seed": job.seed,
        "billed_seconds": seconds,
        "price": str(cost) if cost else None,
        "simulated": job.simulated,
        "adjustments": [one.say() for one in job.adjustments],
        "retried_from": job.retried_from,
        "times": {name.removesuffix("_at"): _format_time(getattr(job, name)) for name in _TIMES},
        "video": _video_entry(job, video) if job.video_key else None,
        "service": _service_entry(job),
        "versions": _versions(),
    }


def _video_entry(job: Job, video: Path | None) -> dict[str, Any]:
    return {
        "file": f"{VIDEOS}/{job.id}.mp4" if video else None,
        "stored_as": job.video_key,
        "sha256": _hash_file(video),
        **{name: getattr(job, name) for name in _MEASURED},
    }


def _service_entry(job: Job) -> dict[str, Any]:
    return {
        "backend": job.backend,
        "host": urlsplit(job.base_url).hostname,
        "region": job.region,
        "workspace": job.workspace,
    }


@cache
def _versions() -> dict[str, str]:
    """Return what made the run: package versions, and the SHA-256 of our sources."""
    ours = Path(__file__).parents[1]
    sources = hashlib.sha256(
        b"".join(path.read_bytes() for path in sorted(ours.rglob("*.py")))
    ).hexdigest()
    return {"wan": f"sha256:{sources}", "python": platform.python_version()} | {
        name: version(name) for name in _PACKAGES
    }


def _link_video(video: Path, target: Path) -> None:
    """Put a video beside its record as a hard link, or as a copy where there are no links."""
    if target.exists() and target.samefile(video):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(target) as part:
        try:
            os.link(video, part)
        except OSError:
            shutil.copyfile(video, part)


def _hash_file(video: Path | None) -> str | None:
    if video is None or not video.is_file():
        return None
    with video.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _format_time(seconds: float | None) -> str | None:
    return (
        None
        if seconds is None
        else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    )


def _now() -> str | None:
    return _format_time(datetime.now(UTC).timestamp())
