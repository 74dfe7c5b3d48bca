"""Whether the app can work, and what all jobs come to: for whoever runs it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial

from wan.database.queue import Queue
from wan.database.totals import Totals
from wan.domain.catalog import CURRENCIES
from wan.domain.errors import StorageUnavailable
from wan.domain.jobs import JobState
from wan.service.access import Permission
from wan.service.shared_work import SharedWork
from wan.service.stores import Stores
from wan.storage.objects import Storage

log = logging.getLogger("wan.service.monitoring")

_ASKED_FOR = "ready"  # a key under which nothing is kept
_ANSWER_LIMIT = 2.0  # seconds for which an answer is waited for
_ANSWER_KEPT = 1.0  # seconds; nobody has a bucket asked, at its owner's cost, more often than this
_READ_LIMIT = 5.0  # seconds; Prometheus gives up after ten


@dataclass(frozen=True)
class Figures:
    """What the database tells about all jobs."""

    jobs: dict[JobState, int]
    """How many are in each state."""
    overdue: float
    """Seconds for which the job that is due first has waited for its step; 0 if none is due."""
    spent: dict[str, Decimal]
    """What was spent today (UTC) over the connection of the settings, by currency."""
    left: dict[str, Decimal]
    """What is left of its budget for today, by currency; empty without a budget."""


class Monitoring:
    """Asks the stores.

    operator: the connection of the settings, and its budget. accounts: whose jobs are driven here.
    clock: seconds since 1970.
    """

    def __init__(
        self,
        stores: Stores,
        operator: Permission,
        accounts: Collection[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._totals, self._queue = Totals(stores.database), Queue(stores.database)
        self._operator, self._accounts, self._clock = operator, accounts, clock
        ask: dict[str, Callable[[], Awaitable[None]]] = {
            "database": stores.database.require_answer,
            "storage": partial(_require_storage, stores.storage),
        }
        self._answers = {
            name: SharedWork(partial(_find_trouble, one), limit=_ANSWER_LIMIT, kept=_ANSWER_KEPT)
            for name, one in ask.items()
        }
        self._silent: set[str] = set()
        self._figures = SharedWork(self._read, limit=_READ_LIMIT)

    async def ask_stores(self) -> dict[str, bool]:
        """Return whether the database and the storage answer, within a moment."""
        troubles = dict(
            zip(
                self._answers,
                await asyncio.gather(*(answer.result() for answer in self._answers.values())),
                strict=True,
            )
        )
        silent = {name for name, trouble in troubles.items() if trouble != ""}
        for name in sorted(silent - self._silent):  # said once: a log must not fill the disk
            log.warning("the %s does not answer: %s", name, troubles[name] or "not in time")
        self._silent = silent
        return {name: name not in silent for name in troubles}

    async def read_figures(self) -> Figures | None:
        """Return the figures; None where the database does not give them in time."""
        try:
            return await self._figures.result()
        except StorageUnavailable:
            return None

    async def _read(self) -> Figures:
        now, connection = self._clock(), self._operator.connection
        today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        sums = await self._totals.read(
            connection.account, today.date().isoformat(), today.timestamp()
        )
        due = await self._queue.find_next_due(list(self._accounts))
        currency = connection.currency or CURRENCIES.get(connection.region, "")
        is_paid = connection.backend == "dashscope" and currency
        budget = self._operator.budget
        return Figures(
            jobs={state: sums.jobs.get(state, 0) for state in JobState},
            overdue=0.0 if due is None else max(now - due, 0.0),
            spent=({currency: Decimal(0)} if is_paid else {}) | sums.spent,
            left={} if budget is None else {currency: max(budget - sums.reserved, Decimal(0))},
        )


async def _require_storage(storage: Storage) -> None:
    """Ask for one file, which need not be there; of a folder, whether it is. Raises
    StorageUnavailable.
    """
    is_there, folder = await storage.has(_ASKED_FOR), storage.path("")
    if folder is not None and not is_there and not await asyncio.to_thread(folder.is_dir):
        raise StorageUnavailable("storage_down", code="NotADirectory")


async def _find_trouble(ask: Callable[[], Awaitable[None]]) -> str:
    """Return what keeps a store from answering; "" if nothing does."""
    try:
        await ask()
    except StorageUnavailable as trouble:
        return str(trouble)
    except Exception as error:  # noqa: BLE001 - such as a table that is gone: told by its name
        return type(error).__name__
    return ""
