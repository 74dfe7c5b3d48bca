"""The record of a run on disk: find it, check it for gaps, pack it."""

import json
import zipfile
from pathlib import Path
from typing import Any

from wan.domain import ids
from wan.domain.errors import StorageUnavailable, is_full
from wan.storage.atomic_files import write_whole

# The folder of each call, by what a model makes a video from.
CALLS = {"image": "ai-video-wan-video", "reference": "aliyun-wan-r2v"}
FILES = {
    "request.json": "the request as you made it",
    "references.json": "each image, video and audio file: our name for it, SHA-256, bytes, "
    "dimensions",
    "payload.json": "what was sent to the service",
    "create.json": "what the service answered to that: task id and request id, or its refusal",
    "polls.json": "what it said about the task, at every change",
    "outcome.json": "how it ended: state, times, billed seconds, price, what was measured in "
    "the video, versions",
}
VIDEOS = "videos"


def find_record(output: Path, job_id: str) -> Path | None:
    """Return the record of a job in an OUTPUT_DIR, whoever the owner is."""
    folders = [output / call / job_id for call in CALLS.values() if ids.has_shape(ids.JOB, job_id)]
    return next((folder for folder in folders if folder.is_dir()), None)


def video_of(folder: Path) -> Path | None:
    """Return the video beside a record; None where it is kept elsewhere, or there is none."""
    video = folder.parent / VIDEOS / f"{folder.name}.mp4"
    return video if video.is_file() else None


def list_missing_files(folder: Path) -> list[str]:
    """List the files of a complete record that are missing or not JSON."""
    return [name for name in FILES if read_json(folder / name) is None]


def pack_record(folder: Path, video: Path | None, target: Path) -> Path:
    """Write a zip of a record with its video, whole or not at all, and return the target.

    The layout is that on disk. Raises StorageUnavailable for a full disk, and OSError.
    """
    try:
        with (
            write_whole(target) as part,
            zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as made,
        ):
            for name in FILES:
                if (folder / name).is_file():
                    made.write(folder / name, f"{folder.name}/{name}")
            if video is not None:
                made.write(video, f"{VIDEOS}/{folder.name}.mp4", zipfile.ZIP_STORED)
    except OSError as error:
        if is_full(error):
            raise StorageUnavailable("disk_full") from error
        raise
    return target


def read_json(path: Path) -> Any:
    """Read a file of a record; None where it is missing or incomplete."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
