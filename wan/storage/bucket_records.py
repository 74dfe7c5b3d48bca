"""The records of runs in a bucket, whole whichever machines had the job.

An object for each thing that became known, under `evidence/<call>/<job>/`: `<file>.json` is what
the row said, the same from every process, and `<file>-<…>.json` what happened, in names that sort
as it happened. Nothing is read in order to be written, and nothing is overwritten by another
process, so that no half of a record is lost.

A bucket that does not answer is asked again with a later change, after a pause; until then what it
lacks is held in memory. Everything here runs on the thread of the records, but for `clear`.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Collection, Coroutine, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any

from wan.domain import ids
from wan.domain.errors import StorageUnavailable
from wan.storage.buckets import Bucket
from wan.storage.folder_records import FolderRecords
from wan.storage.record import CALLS, FILES, LISTS, add_entry, read_json, to_json

log = logging.getLogger("wan.storage.evidence")

FOLDER = "evidence/"
LIMIT = 5.0  # seconds for the requests that are under way at once: nobody else's go meanwhile
PAUSE = 10.0  # seconds for which a bucket that failed is not asked
_AT_ONCE = 16  # requests
_UNWRITTEN = 10_000  # objects held in memory while the bucket is away: 20 MB, of some 700 jobs
_REMEMBERED = 20_000  # objects that are known to be there


class BucketRecords:
    """Records in a bucket, with copies in folders for whoever asks for one. See `Records`."""

    def __init__(self, bucket: Bucket, copies: FolderRecords) -> None:
        self._bucket, self._copies = bucket, copies
        self._loop = asyncio.Runner()
        self._unwritten: dict[str, str] = {}
        self._there: dict[str, None] = {}  # keys, and the prefixes that were listed
        self._last_polls: dict[str, Any] = {}
        self._process, self._numbers = secrets.token_hex(4), count()
        self._down_until: float | None = None

    def write_row(self, record: str, row: Mapping[str, Any]) -> None:
        for name, known in row.items():
            stem = name.removesuffix(".json")
            version = f"-{known['version']:08}" if name == "outcome.json" else ""
            self._hold(f"{_prefix(record)}{stem}{version}.json", known)
        self._write()

    def replace(self, record: str, name: str, known: Any) -> None:
        self._add(record, name, f"{datetime.now(UTC):%Y%m%d%H%M%S%f}"[:-3], known)

    def append(self, record: str, name: str, entry: Mapping[str, Any]) -> None:
        if name == "polls.json":
            last = self._last_polls.get(record)
            if last is not None and add_entry(name, [last], entry)[-1] is last:
                return
            _remember(self._last_polls, record, entry)
        self._add(record, name, "".join(filter(str.isdigit, entry["at"])), entry)

    def fetch(self, record: str) -> Path | None:
        found: dict[str, Any] = {}
        if not self._is_paused():
            with self._watching():
                found = self._loop.run(self._read(record))
        prefix = _prefix(record)
        found |= {
            key.removeprefix(prefix): json.loads(text)
            for key, text in self._unwritten.items()
            if key.startswith(prefix)
        }
        self._copy(record, found)
        return self._copies.fetch(record)

    def remove(self, record: str) -> None:
        prefix = _prefix(record)
        for known in (self._unwritten, self._there):
            for key in [key for key in known if key.startswith(prefix)]:
                del known[key]
        self._last_polls.pop(record, None)
        self._copies.remove(record)
        with self._watching():
            self._loop.run(self._drop(record))
            return
        log.warning("job %s: its record is not all gone", record.rpartition("/")[2])

    def clear(self, kept: Collection[str], before: float, oldest_job: float | None) -> None:
        since = float("-inf") if oldest_job is None else oldest_job
        self._copies.remove_unkept(kept, before, since)
        asyncio.run(self._remove_unkept(kept, before, since))

    def close(self) -> None:
        self._down_until = None
        self._write()
        if self._unwritten:
            log.warning("%d entries of records were never written", len(self._unwritten))
        self._loop.close()

    def _add(self, record: str, name: str, stamp: str, known: Any) -> None:
        """Write an object of its own. stamp: its time, in digits down to milliseconds."""
        unique = f"{stamp}-{self._process}{next(self._numbers):06}"
        self._hold(f"{_prefix(record)}{name.removesuffix('.json')}-{unique}.json", known)
        self._write()

    def _hold(self, key: str, known: Any) -> None:
        """Take note of an object that has to be written, unless it is there already."""
        if key not in self._there:
            _remember(self._unwritten, key, to_json(known), most=_UNWRITTEN)

    def _write(self) -> None:
        """Write what is not written yet."""
        if self._unwritten and not self._is_paused():
            with self._watching():
                self._loop.run(self._put_all())

    async def _put_all(self) -> None:
        keys = list(self._unwritten)
        await self._list_new({_folder(key) for key in keys})
        await _all(self._put(key) for key in keys)

    async def _list_new(self, folders: Iterable[str]) -> None:
        """Learn what others wrote of records that this process has not met before."""
        new = [folder for folder in folders if folder not in self._there]
        for folder, found in zip(new, await _all(map(self._bucket.list_files, new)), strict=True):
            for key in (folder, *found):
                _remember(self._there, key, None)

    async def _put(self, key: str) -> None:
        if key not in self._there:
            await self._bucket.put(key, self._unwritten[key].encode())
            _remember(self._there, key, None)
        del self._unwritten[key]

    async def _read(self, record: str) -> dict[str, Any]:
        """Return what the objects of a record say, by name: of those that count."""
        prefix = _prefix(record)
        (listed,) = await _all(map(self._bucket.list_files, [prefix]))
        there = [key.removeprefix(prefix) for key in listed]
        names = [name for file in FILES for name in _counting(file, there)]
        read = await _all(self._bucket.read(f"{prefix}{name}") for name in names)
        return {name: json.loads(text) for name, text in zip(names, read, strict=True)}

    def _copy(self, record: str, found: Mapping[str, Any]) -> None:
        """Bring the files of the copy up to what is found, by the names of the objects."""
        for file in FILES:
            names = _counting(file, found)
            if not names:
                continue
            if file in LISTS:
                known = self._join(record, file, [found[name] for name in names])
                self._copies.replace(record, file, known)
            elif names[-1] == file or file == "outcome.json":
                self._copies.write_row(record, {file: found[names[-1]]})
            else:
                self._copies.replace(record, file, found[names[-1]])

    def _join(self, record: str, file: str, found: list[Any]) -> list[Any]:
        """Return the list in a file: what is found, after what an earlier version of the app wrote
        into the folder alone. What the row says counts where nothing else tells of its task.
        """
        events = [one for one in found if isinstance(one, dict)]
        row = [entry for one in found if isinstance(one, list) for entry in one]
        entries = [
            one
            for one in read_json(self._copies.path(record, file)) or []
            if one not in row and (not events or one["at"] < events[0]["at"])
        ]
        for event in events:
            entries = add_entry(file, entries, event)
        tasks = {one.get("task_id") for one in entries}
        return entries + [one for one in row if one["task_id"] not in tasks]

    async def _drop(self, record: str) -> None:
        (listed,) = await _all(map(self._bucket.list_files, [_prefix(record)]))
        await _all(map(self._bucket.remove, listed))

    async def _remove_unkept(self, kept: Collection[str], before: float, since: float) -> None:
        for call in CALLS.values():
            for folder in await self._bucket.list_folders(f"{FOLDER}{call}/"):
                job_id = folder.rpartition("/")[2]
                if ids.JOB.fullmatch(job_id) and job_id not in kept:
                    found = await self._bucket.list_files(f"{folder}/")
                    if since < max(found.values(), default=before) < before:
                        await self._drop(f"{call}/{job_id}")

    def _is_paused(self) -> bool:
        return self._down_until is not None and time.monotonic() < self._down_until

    @contextlib.contextmanager
    def _watching(self) -> Iterator[None]:
        """Pause after a failure of the bucket, which is logged when it begins and ends."""
        try:
            yield
        except (StorageUnavailable, OSError) as trouble:
            if self._down_until is None:
                log.warning(
                    "records wait for the storage, runs do not: %s", str(trouble) or "timeout"
                )
            self._down_until = time.monotonic() + PAUSE
        else:
            if self._down_until is not None:
                log.warning("records go to the storage again")
            self._down_until = None


async def _all(works: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Return what all of these give, in their order, some at a time. Raises the first failure of
    some, once they have ended, and TimeoutError.
    """
    works, given = iter(works), []
    while some := list(islice(works, _AT_ONCE)):
        async with asyncio.timeout(LIMIT):
            ended = await asyncio.gather(*some, return_exceptions=True)
        for one in ended:
            if isinstance(one, BaseException):
                raise one
        given += ended
    return given


def _prefix(record: str) -> str:
    return f"{FOLDER}{record}/"


def _folder(key: str) -> str:
    """Return the prefix of the record that a key belongs to."""
    return f"{key.rpartition('/')[0]}/"


def _counting(file: str, names: Collection[str]) -> list[str]:
    """Return the objects that make up a file, in order: all of a list, the row's own last; else the
    newest, and the row's where there is no other.
    """
    stem = file.removesuffix(".json")
    events = sorted(name for name in names if name.startswith(f"{stem}-"))
    row = [file] if file in names else []
    return [*events, *row] if file in LISTS else events[-1:] or row


def _remember(known: dict[str, Any], key: str, value: Any, most: int = _REMEMBERED) -> None:
    """Keep the newest of what is remembered."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
