"""References: kept in storage under names that the content gives, and deleted with the last job
that has them.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wan.database.jobs import Jobs
from wan.domain.jobs import Job
from wan.domain.requests import Media
from wan.media import inputs
from wan.storage.objects import Storage
from wan.storage.uploads import Original, Upload, UploadFolder

log = logging.getLogger("wan.service.references")


@dataclass(frozen=True)
class References:
    """References in storage, and the uploads that they came from."""

    jobs: Jobs
    storage: Storage
    uploads: UploadFolder
    _held: dict[object, set[str]] = field(default_factory=dict, init=False)
    _going: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """Taken while it is decided what goes, and until it is gone: what is held meanwhile is found
    gone, and is kept anew.
    """

    @contextlib.contextmanager
    def holding(self, keys: Iterable[str] = ()) -> Iterator[None]:
        """Inside the block, do not delete these keys, nor what this task keeps: no row names them
        yet.
        """
        task = asyncio.current_task()
        self._held[task] = set(keys)
        try:
            yield
        finally:
            del self._held[task]

    async def keep(self, source: bytes | Path, ending: str) -> str:
        """Put a checked file into storage, and return its key. Raises StorageUnavailable."""
        key = f"references/{await asyncio.to_thread(inputs.digest, source)}{ending}"
        await self._hold(key)
        return await self.storage.put(key, source)

    async def keep_clean(
        self, source: Media, copy: bytes | Path, ending: str, measured: Original, owner: str
    ) -> tuple[str, Original]:
        """Put the clean copy of a file into storage. Returns its key, and what the file was that
        was uploaded first.

        The bytes of an upload are deleted, and the copy takes their place. measured: what was just
        opened; it may be such a copy, and then what was known of the upload counts, so that the
        same upload stays the same request. Raises StorageUnavailable.
        """
        if not isinstance(source, Upload):
            return await self.keep(copy, ending), measured
        original = await self.find_original(source)
        if original is not None:
            await self._hold(original.key)
            if await self.storage.has(original.key):
                return original.key, original
        key = await self.keep(copy, ending)
        return key, original or await self._replace_upload(
            source, copy, replace(measured, key=key), owner
        )

    async def find_original(self, source: Path) -> Original | None:
        """Return what an upload was before its clean copy replaced it; None for a file that has to
        be opened to know.
        """
        if not isinstance(source, Upload):
            return None
        return await asyncio.to_thread(self.uploads.original, source)

    async def drop(self, jobs: Sequence[Job], began: float) -> None:
        """Delete what deleted jobs were made from, unless another has it too, and all that was made
        of them for the page. Asks for the references of every job, once for all of these.

        began: when the first of these was about to be deleted, in seconds since 1970: what another
        process has put anew since then has a job of its own soon. Raises StorageUnavailable; what
        is left then goes with the next cleanup.
        """
        of_owner: dict[str, set[str]] = defaultdict(set)
        for job in jobs:
            keys = {key for one in job.references for key in (one.key, one.sent_key) if key}
            of_owner[job.owner] |= keys
        made_of = {job.id for job in jobs}
        for owner, keys in of_owner.items():
            mine = await self.jobs.list_used_references(owner)
            made_of |= {_tag(owner, key) for key in keys - mine - self._used_keys()}
        await asyncio.to_thread(self.uploads.forget, made_of)
        async with self._going:
            # Before the rows are asked for: who lets go in between has a row by then.
            held = self._used_keys()
            theirs = await self.jobs.list_used_references()
            for key in set().union(*of_owner.values()) - theirs - held:
                await self.storage.remove(key, began)

    async def _replace_upload(
        self, upload: Upload, copy: bytes | Path, original: Original, owner: str
    ) -> Original:
        """Put a clean copy in place of an upload, and return what the upload was."""
        try:
            return await asyncio.to_thread(
                self.uploads.replace_by_copy, upload, copy, original, _tag(owner, original.key)
            )
        except FileNotFoundError:  # it has gone meanwhile
            return original
        except OSError as error:  # the run does not depend on it
            log.warning(
                "an upload could not be replaced by its clean copy yet (%s)", type(error).__name__
            )
            return original

    async def _hold(self, key: str) -> None:
        async with self._going:
            if (held := self._held.get(asyncio.current_task())) is not None:
                held.add(key)

    def _used_keys(self) -> set[str]:
        return set().union(*self._held.values())


def _tag(owner: str, key: str) -> str:
    """Return the tag by which an upload is deleted with its owner's last job that has the
    reference.
    """
    return f"{owner}/{key}"
