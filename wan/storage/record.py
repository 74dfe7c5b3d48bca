"""The record of a run: what is in it, where it may be kept, and on disk, check it for gaps and pack
it.
"""

import json
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from wan.domain.errors import StorageUnavailable, is_full
from wan.domain.redact import strip_signatures
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


# The fields by which an entry of a list says the same as the one before it.
_SAME = {"create.json": ("task_id",), "polls.json": ("task_id", "status", "code")}
LISTS = frozenset(_SAME)


class Records(Protocol):
    """Where records are kept. A record is called `<call>/<job>`. Everything blocks.

    Whatever is written is JSON, and goes through `clean` first.
    """

    def write_row(self, record: str, row: Mapping[str, Any]) -> None:
        """Write, by file, what the row of a job says: only where there is nothing yet, and of
        outcome.json the newest version.
        """

    def replace(self, record: str, name: str, known: Any) -> None:
        """Write a file, whatever was in it."""

    def append(self, record: str, name: str, entry: Mapping[str, Any]) -> None:
        """Add to the list in a file, as `add_entry` does."""

    def fetch(self, record: str) -> Path | None:
        """Return a folder on this machine with all of a record; None if there is none."""

    def remove(self, record: str) -> None:
        """Remove a record; what resists is logged."""

    def clear(self, kept: Collection[str], before: float, oldest_job: float | None) -> None:
        """See `Evidence.clear`."""

    def close(self) -> None:
        """Write what is not written yet."""


def add_entry(name: str, entries: list[Any], entry: Any) -> list[Any]:
    """Return the list of a file with an entry more.

    A poll that says the same as the one before is left out, and the list is the same object; an
    answer about the same task replaces the one before.
    """
    if not (
        entries
        and entry.get("task_id")
        and all(entries[-1].get(field) == entry.get(field) for field in _SAME[name])
    ):
        return [*entries, entry]
    return entries if name == "polls.json" else [*entries[:-1], entry]


def clean(known: Any) -> Any:
    """Return JSON without keys and without the queries of URLs, which may be signatures."""
    if isinstance(known, str):
        return strip_signatures(known)
    if isinstance(known, Mapping):
        return {name: clean(value) for name, value in known.items()}
    return [clean(one) for one in known] if isinstance(known, list | tuple) else known


def to_json(known: Any) -> str:
    """Return the text of a file of a record."""
    return f"{json.dumps(clean(known), ensure_ascii=False, indent=2)}\n"


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
