"""Several machines on one PostgreSQL must see each other's files: none starts that would not."""

import asyncio
import logging

from wan.database.engine import Database
from wan.database.replicas import SHOWN_EVERY, Replica, Replicas
from wan.domain.errors import SettingsError, StorageUnavailable
from wan.domain.messages import Message
from wan.environment.settings import Settings

log = logging.getLogger("wan.service.presence")

_FOLDER = "file:"


class Presence:
    """Shows this process to the others on a PostgreSQL. On SQLite, which one machine alone can
    have, it does nothing.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._settings, self._is_alone = settings, database.is_sqlite
        self._replicas = Replicas(database, settings.storage_place)

    async def begin(self) -> None:
        """Show this process. Raises SettingsError where another machine would not see its files, or
        it not theirs; StorageUnavailable.
        """
        if self._is_alone:
            return
        # Before it looks for others: of two that start at once, one at least sees the other.
        await self._replicas.show()
        for other in await self._replicas.list_elsewhere():
            if self._is_apart_from(other):
                await self.end()
                raise SettingsError(Message.of("storage_apart", host=other.host))
        if self._is_own_folder(self._settings.storage_place):
            log.warning("%s", Message.of("storage_of_one_machine"))

    async def keep(self) -> None:
        """Show this process until cancelled."""
        while not self._is_alone:
            await asyncio.sleep(SHOWN_EVERY)
            try:
                await self._replicas.show()
            except StorageUnavailable as trouble:
                log.warning("this process can't be shown to others: %s", trouble)

    async def end(self) -> None:
        """Take this process away; where that fails, it counts as gone after some minutes."""
        if self._is_alone:
            return
        try:
            await self._replicas.leave()
        except StorageUnavailable as trouble:
            log.warning("this process can't be taken from those that are shown: %s", trouble)

    def _is_apart_from(self, other: Replica) -> bool:
        here = self._settings.storage_place
        is_bucket = not here.startswith(_FOLDER)
        return self._is_own_folder(here) or (is_bucket and other.storage.startswith(_FOLDER))

    def _is_own_folder(self, storage: str) -> bool:
        return storage.startswith(_FOLDER) and not self._settings.storage_shared
