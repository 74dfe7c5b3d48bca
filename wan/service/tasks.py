"""An account's tasks at the service, asked about at the pace that its limits allow."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Literal

from wan.database.accounts import Accounts
from wan.domain import catalog
from wan.domain.jobs import Job
from wan.environment.connection import Connection
from wan.provider.gateway import Gateway
from wan.provider.wire import TaskSnapshot
from wan.service.metrics import Metrics
from wan.storage.evidence import Evidence

# Seconds between two requests of an account; half as much again as its limits ask for, because
# requests bunch up on the way and in a busy process
_GAPS = {
    "submit_at": 1.5 / catalog.SUBMITS_PER_SECOND,
    "query_at": 1.5 / catalog.QUERIES_PER_SECOND,
}


class Tasks:
    """The tasks of every account, over all jobs and processes."""

    def __init__(
        self,
        gateway: Gateway,
        accounts: Accounts,
        evidence: Evidence,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._gateway, self._accounts = gateway, accounts
        self._evidence, self._metrics, self._clock = evidence, metrics, clock

    async def fetch(self, job: Job, connection: Connection) -> TaskSnapshot:
        """Ask the service about a job's task."""
        with self._metrics.measure("query"):
            snapshot = await self._gateway.fetch(connection, job.task_id or "")
        self._evidence.record_poll(job, **asdict(snapshot))
        return snapshot

    async def wait_for_slot(self, account: str, what: Literal["submit_at", "query_at"]) -> None:
        """Wait until this account's next request may leave: its limits hold over all jobs and
        processes.
        """
        wait = await self._accounts.reserve_slot(account, what, self._clock(), _GAPS[what])
        if wait > 0:
            await asyncio.sleep(wait)
