"""Delete what nothing uses any more, so that the disk does not fill up. Safe beside jobs,
submissions and the cleanups of other processes.

Nothing younger than a day is touched: a reference is put into storage before the row that names it
is written, and no step takes that long.
"""

import asyncio
import contextlib
import shutil
from pathlib import Path

from wan.database.accounts import Accounts
from wan.database.engine import Database
from wan.database.jobs import Jobs
from wan.database.reviews import Reviews
from wan.database.spending import Spending
from wan.database.totals import Totals
from wan.domain import catalog
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage, last_change

FIRST_PAUSE = 60.0  # seconds from the start to the first cleanup
PAUSE = 3600.0  # seconds from one cleanup to the next
DAY = 24 * 3600.0
COSTS_KEPT = 400 * DAY  # a year, and the month in which its accounts are made up


async def clean_up(
    *,
    database: Database,
    storage: Storage,
    evidence: Evidence,
    uploads: Path | None,
    keep_days: int,
    now: float,
) -> None:
    """Clean up once. Raises StorageUnavailable where database or storage fail; the next cleanup
    continues.

    Deleted are: what processes left that died half-way; visitors' uploads (`uploads` is Gradio's
    folder for them, None where there is no page) after a day; notes of what was uploaded to the
    service, when it is gone there; what deleted jobs cost, after more than a year; references that
    no job has; records of jobs that were deleted while another process wrote them. With
    `keep_days`, also jobs that ended longer ago than that, with their files and records. Never a
    live job, nor anything of one. now: seconds since 1970.
    """
    jobs, before = Jobs(database), now - DAY
    await _clear_announced(jobs, storage, before)  # before the notes of them go
    await asyncio.to_thread(storage.clear_leftovers, before)
    if uploads is not None:
        await asyncio.to_thread(_clear, uploads, before)
    await Accounts(database).forget_uploads(now - catalog.UPLOAD_LIFETIME)
    await jobs.forget_deleted(now - 2 * catalog.TASK_LIFETIME)
    await Spending(database).forget(now - COSTS_KEPT)
    # Before jobs are forgotten: who is about to make a new one from an old one has until the next
    # sweep.
    await _clear_references(jobs, storage, before)
    if keep_days:
        await _clear_jobs(jobs, storage, evidence, now - keep_days * DAY)
    if (oldest := await Totals(database).oldest_job()) is not None:
        kept = await jobs.list_ids()
        await asyncio.to_thread(evidence.clear, kept, before, oldest_job=oldest)
    await Reviews(database).forget_links(now)
    await database.clear_log()


async def _clear_announced(jobs: Jobs, storage: Storage, before: float) -> None:
    """Delete the files that a process has put, and died before it wrote their row."""
    if announced := await asyncio.to_thread(storage.list_announced, before):
        kept = await jobs.list_ids()
        for key in announced:  # a note that was being written may hold half of one
            if key.startswith("videos/") and _job_of(key) not in kept:
                await storage.remove(key)


async def _clear_references(jobs: Jobs, storage: Storage, before: float) -> None:
    """Delete references older than a time that no job has."""
    old = await storage.list_older("references/", before)
    used = (
        await jobs.list_used_references() if old else set()
    )  # asked for after the list, so that it knows whatever the list may hold
    for key in old:
        if key not in used:
            await storage.remove(key, before)


async def _clear_jobs(jobs: Jobs, storage: Storage, evidence: Evidence, before: float) -> None:
    """Delete first the rows, so that nobody is shown what is about to go; then the files that no
    row has, whenever their rows went.
    """
    await jobs.forget_ended(before)
    old = await storage.list_older("videos/", before)
    kept = await jobs.list_ids()
    await asyncio.to_thread(evidence.clear, kept, before)
    for key in old:
        if _job_of(key) not in kept:
            await storage.remove(key, before)


def _job_of(key: str) -> str:
    """Return the id of the job whose video, or still, lies under a key."""
    return key.split("/")[1]


def _clear(folder: Path, before: float) -> None:
    """Delete what was put into a folder before a time."""
    with contextlib.suppress(FileNotFoundError):
        for entry in folder.iterdir():
            if last_change(entry) < before:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(
                    missing_ok=True
                )
