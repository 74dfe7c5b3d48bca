"""The records of runs in folders on this machine, a file each."""

import logging
import math
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from wan.domain import ids
from wan.storage.atomic_files import write_whole
from wan.storage.objects import last_change
from wan.storage.record import CALLS, VIDEOS, add_entry, clean, read_json, to_json

log = logging.getLogger("wan.storage.evidence")


class FolderRecords:
    """Records as `OUTPUT_DIR/<call>/<job>/*.json`. See `Records`; raises OSError."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def path(self, record: str, name: str) -> Path:
        """Return where a file of a record lies."""
        return self._output / record / name

    def write_row(self, record: str, row: Mapping[str, Any]) -> None:
        for name, known in row.items():
            path = self.path(record, name)
            is_newest = name == "outcome.json" and not _is_later(read_json(path), known)
            if is_newest or not path.exists():
                _write(path, known)

    def replace(self, record: str, name: str, known: Any) -> None:
        _write(self.path(record, name), known)

    def append(self, record: str, name: str, entry: Mapping[str, Any]) -> None:
        path = self.path(record, name)
        entries = read_json(path) or []
        if (longer := add_entry(name, entries, clean(entry))) is not entries:
            _write(path, longer)

    def fetch(self, record: str) -> Path | None:
        folder = self._output / record
        return folder if folder.is_dir() else None

    def remove(self, record: str) -> None:
        folder = self._output / record
        try:
            (folder.parent / VIDEOS / f"{folder.name}.mp4").unlink(missing_ok=True)
        except OSError as trouble:
            log.warning(
                "job %s: its video is still beside its record: %s", folder.name, trouble.strerror
            )
        shutil.rmtree(folder, ignore_errors=True)
        if os.path.lexists(folder):
            log.warning("job %s: its record is not all gone", folder.name)

    def clear(self, kept: Collection[str], before: float, oldest_job: float | None) -> None:
        self.remove_unkept(
            kept, before, -math.inf if oldest_job is None else self._oldest_start(kept)
        )

    def close(self) -> None:
        pass  # everything is

    def remove_unkept(self, kept: Collection[str], before: float, since: float) -> None:
        """Remove records of jobs that are not `kept`, last written to between two times."""
        for call in CALLS.values():
            for path in [
                *(self._output / call).glob("*/"),
                *(self._output / call / VIDEOS).glob("*.mp4"),
            ]:
                if (
                    ids.JOB.fullmatch(path.stem)
                    and path.stem not in kept
                    and since < last_change(path) < before
                ):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(
                        missing_ok=True
                    )

    def _oldest_start(self, kept: Collection[str]) -> float:
        """Return the start of the oldest of these jobs' records here, infinite for none: the rows
        may be older, and what lies here of another database older than the first record.
        """
        begun = [
            path
            for call in CALLS.values()
            for path in (self._output / call).glob("*/request.json")
            if path.parent.name in kept
        ]
        return min(map(last_change, begun), default=math.inf)


def _is_later(outcome: Any, known: Mapping[str, Any]) -> bool:
    """Tell whether an outcome on record is newer than another."""
    return (
        isinstance(outcome, dict)
        and isinstance(outcome.get("version"), int)
        and bool(outcome["version"] > known["version"])
    )


def _write(path: Path, known: Any) -> None:
    """Write a JSON file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as part:
        part.write_text(to_json(known), encoding="utf-8")
