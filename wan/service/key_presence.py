"""Which jobs wait for a key: those whose key no process has. A visitor's key is in the memory of
one alone, and none asks another for it; but each says for which accounts it has one.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from wan.database.engine import Database
from wan.database.key_holders import SHOWN_EVERY, KeyHolders
from wan.domain.errors import StorageUnavailable


class KeyPresence:
    """Says for which accounts there is a key, here or, on a PostgreSQL, elsewhere.

    keys: those that are here, by account. own: the account of the settings, for which every process
    has the key.
    """

    def __init__(self, database: Database, keys: Mapping[str, Any], own: str) -> None:
        self._holders = None if database.is_sqlite else KeyHolders(database)
        self._keys, self._own = keys, own

    async def find_missing(self, accounts: Collection[str]) -> set[str]:
        """Return for which of these accounts nobody has a key. Raises StorageUnavailable."""
        missing = {account for account in accounts if account not in self._keys}
        if missing and self._holders is not None:
            missing -= await self._holders.find(missing)
        return missing

    async def keep(self) -> None:
        """Say for which accounts there is a key here, until cancelled: from then on, for none."""
        if (holders := self._holders) is None:
            return
        shown: set[str] = set()
        try:
            while True:
                held = set(self._keys) - {self._own}
                if held or shown:
                    with contextlib.suppress(StorageUnavailable):  # the next time is soon enough
                        await holders.show(held)
                        shown = held
                await asyncio.sleep(SHOWN_EVERY)
        finally:
            if shown:
                with contextlib.suppress(StorageUnavailable):  # it counts as gone in a moment
                    await holders.show(())
