"""Who asks, whose key pays, and what may be spent.

A visitor's own key is held in memory only, for as long as a job of theirs is on its way or until
they have it forgotten. After a restart their jobs wait for it.
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from wan.database.engine import Database
from wan.database.queue import Queue
from wan.domain.errors import AccessRefused
from wan.domain.ids import Owners
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.environment.settings import Settings
from wan.provider.gateway import Gateway
from wan.service.changes import Changes
from wan.service.code_tries import CodeTries
from wan.service.connection_check import GOOD, check_connection
from wan.service.counts import Counts
from wan.service.runner import Runner

log = logging.getLogger("wan.service.access")

_PRUNE_SECONDS = 30.0  # seconds between two looks for keys that nobody needs any more
# seconds that a key is kept at least: between its being given and the row of its first job
_GRACE = 60.0


@dataclass(frozen=True)
class Permission:
    """What somebody may do: run jobs over a connection."""

    connection: Connection
    budget: Decimal | None = None
    """What may be spent over this connection in one UTC day, in its currency; None for no limit of
    ours.
    """
    jobs_at_once: int | None = None
    """How many jobs of one owner may be on their way; None for no limit of ours."""
    address: str = ""
    """From where they ask; "" for this machine, and where it is not known."""
    budget_per_person: Decimal | None = None
    """As `budget`, of what the owner alone may spend."""

    @property
    def is_limited(self) -> bool:
        """Whether what a job may cost is reserved."""
        return self.budget is not None or self.budget_per_person is not None


class KeyRing(Mapping[str, Connection]):
    """The connections that jobs can be driven with, by account: the one of the settings, and those
    of visitors' own keys.
    """

    def __init__(self, own: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self.own = own
        self._clock = clock
        self._held: dict[
            tuple[str, str], tuple[Connection, float]
        ] = {}  # by owner and account, with the time of the last use

    def hold(self, owner: str, connection: Connection) -> None:
        """Keep a visitor's key for their jobs."""
        if connection.account != self.own.account:
            self._held[owner, connection.account] = connection, self._clock()

    def forget(self, owner: str) -> int:
        """Drop every key of an owner, and return how many there were."""
        theirs = [held for held in self._held if held[0] == owner]
        for held in theirs:
            del self._held[held]
        return len(theirs)

    def prune(self, live: Collection[tuple[str, str]]) -> None:
        """Drop the keys of owners who have no job on its way. live: owner and account of every such
        job.
        """
        since = self._clock() - _GRACE
        self._held = {
            held: (connection, used)
            for held, (connection, used) in self._held.items()
            if held in live or used > since
        }

    @property
    def visitors(self) -> int:
        """The number of visitors' keys that are held."""
        return len(self._held)

    def __getitem__(self, account: str) -> Connection:
        if account == self.own.account:
            return self.own
        for (_, held), (connection, _) in self._held.items():
            if held == account:
                return connection
        raise KeyError(account)

    def __iter__(self) -> Iterator[str]:
        return iter({self.own.account, *(account for _, account in self._held)})

    def __len__(self) -> int:
        return len(list(iter(self)))


class AccessPolicy:
    """Decides what a visitor may do: with a key of their own, or with the access code where one is
    set. clock: seconds, monotonic. counts: those of the installation, where tries of the code
    count.
    """

    def __init__(
        self,
        settings: Settings,
        own: Connection,
        clock: Callable[[], float] = time.monotonic,
        counts: Counts | None = None,
    ) -> None:
        self._settings, self._own = settings, own
        self._tries = CodeTries(counts or Counts(), clock)

    @property
    def operator(self) -> Permission:
        """The permission of whoever runs commands here: the connection of the settings, within the
        budget.
        """
        return Permission(
            self._own, None if self._own.backend == "simulator" else self._settings.daily_budget
        )

    @property
    def wants_code(self) -> bool:
        """Whether the operator's key asks for the access code."""
        return self._own.backend == "dashscope" and self._settings.access_code is not None

    @property
    def accepts_keys(self) -> bool:
        """Whether visitors may bring a key of their own: not where the simulator was asked for by
        name.
        """
        return self._settings.backend_wanted != "simulator"

    async def authorize(
        self,
        *,
        key: str = "",
        region: str = "",
        workspace: str = "",
        code: str = "",
        address: str = "",
    ) -> Permission:
        """Return what a visitor may do. key, region, workspace: their own, if they brought one.
        code: the access code. address: where they ask from.

        Raises InvalidInput for what is no key, AccessRefused for a missing or wrong access code.
        """
        limit = self._settings.jobs_per_visitor
        if key.strip() and self.accepts_keys:
            own = self._settings.visitor_connection(key, region, workspace)
            return Permission(own, jobs_at_once=limit, address=address)
        if self.wants_code:
            await self._check(code.strip(), address)
        person = None if self._own.backend == "simulator" else self._settings.budget_per_person
        return Permission(self._own, self.operator.budget, limit, address, person)

    async def _check(self, code: str, address: str) -> None:
        """Compare a code in constant time. What a wait is told does not depend on it."""
        if not code:
            raise AccessRefused(Message.of("code_missing"))
        wanted = self._settings.access_code
        is_right = wanted is not None and hmac.compare_digest(
            _digest(code), _digest(wanted.get_secret_value().strip())
        )
        if wait := await self._tries.attempt(address, right=is_right):
            raise AccessRefused(Message.of("code_wait", seconds=round(wait) + 1))
        if not is_right:
            raise AccessRefused(Message.of("code_wrong"))


class Access:
    """Who somebody is here, and over which connection their jobs run."""

    def __init__(
        self,
        *,
        database: Database,
        connection: Connection,
        policy: AccessPolicy,
        keys: KeyRing,
        gateway: Gateway,
        runner: Runner,
        changes: Changes,
    ) -> None:
        self.connection = connection
        """The service that jobs go to unless a visitor brings a key of their own."""
        self.policy = policy
        """Says what a visitor may do."""
        self.owners = Owners(database.seal)
        """Says which owner somebody is."""
        self.keys = keys
        """The connections that jobs can be driven with."""
        self._queue, self._gateway, self._runner = Queue(database), gateway, runner
        self._changes = changes

    async def check(self, permission: Permission, *, owner: str) -> Message:
        """Ask the service one question that costs nothing, and return in plain words what came of
        it.

        A visitor's own key that works is used at once by the jobs that wait for it.
        """
        connection = permission.connection
        if connection.backend == "simulator":
            return Message.of("check_simulator")
        said = await check_connection(self._gateway, connection)
        if said.key in GOOD:
            self.keys.hold(owner, connection)
            self._runner.wake()
            self._changes.notify()
        return said

    def forget_keys(self, *, owner: str) -> int:
        """Drop a visitor's own keys from memory, and return how many there were. Their jobs wait
        until a key is given again.
        """
        dropped = self.keys.forget(owner)
        self._changes.notify()
        return dropped

    async def prune_keys(self) -> None:
        """Drop visitors' keys that no job needs any more, again and again, until cancelled."""
        while True:
            await asyncio.sleep(_PRUNE_SECONDS)
            if self.keys.visitors:
                try:
                    self.keys.prune(await self._queue.list_live_accounts())
                except Exception:
                    log.exception("it could not be asked which keys are still needed; trying again")


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
