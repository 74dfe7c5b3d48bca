"""What is kept: the database, the files and the records of runs. Needs no service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from wan.database.engine import Database
from wan.environment.settings import Settings
from wan.media import inputs
from wan.storage.buckets import Bucket, SignedAddresses
from wan.storage.evidence import Evidence
from wan.storage.objects import Storage


@dataclass(frozen=True)
class Stores:
    """The places where things are kept, open."""

    database: Database
    storage: Storage
    evidence: Evidence
    signed: SignedAddresses | None = None
    """Where the bucket itself serves videos, where it shall."""


@contextlib.asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open every store, and close them again in the opposite order, also when a later one does not
    open. Raises SettingsError and StorageUnavailable.
    """
    async with contextlib.AsyncExitStack() as opened:
        folder = await asyncio.to_thread(settings.make_output_dir)
        database = await asyncio.to_thread(
            Database,
            settings.database,
            setting=settings.database_setting,
            shared=settings.shared_library,
        )
        opened.callback(database.close)
        storage = Storage(settings.storage, settings.work_dir)
        signed = (
            await SignedAddresses.open(settings.storage, "WAN_MEDIA_REDIRECT")
            if settings.media_redirect
            else None
        )
        opened.enter_context(inputs.use_work_folder(settings.work_dir))
        evidence = Evidence(
            folder,
            visitors=not settings.space_id,
            video_at=storage.path,
            bucket=None if settings.storage.startswith("file:") else Bucket(settings.storage),
        )
        opened.push_async_callback(asyncio.to_thread, evidence.close)
        yield Stores(database, storage, evidence, signed)
