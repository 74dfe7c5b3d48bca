"""What was made in a month, by whom, and what it cost: for the operator only."""

import time
from collections.abc import Callable

from wan.database import spending
from wan.database.engine import Database
from wan.domain.ids import Owners
from wan.domain.spending import Month, Report, report
from wan.environment.settings import Settings


class Spending:
    """Reads what every owner's jobs cost. Needs no service. clock: seconds since 1970."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self._expenses, self._owners = spending.Spending(database), Owners(database.seal)
        self._settings, self._clock = settings, clock

    async def report(self, month: str = "") -> Report:
        """Return what was made in a month. month: "2026-11"; "" for the present one. Raises
        InvalidInput and StorageUnavailable.
        """
        now, settings = self._clock(), self._settings
        wanted = Month.named(month, now)
        return report(
            await self._expenses.list_expenses(wanted.since, wanted.until),
            wanted,
            now,
            {self._owners.of_login(name): name for name in settings.users},
            settings.connection().account if settings.backend == "dashscope" else "",
        )
