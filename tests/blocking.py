"""A database for tests that run no event loop: every statement of its parts is made at once."""

import asyncio
import contextlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from wan.database.accounts import Accounts
from wan.database.announcements import Announcements
from wan.database.discussion import Discussion
from wan.database.durations import Durations
from wan.database.engine import Database, Part
from wan.database.jobs import Jobs
from wan.database.listing import Listing
from wan.database.queue import Queue
from wan.database.reviews import Reviews
from wan.database.spending import Spending
from wan.database.totals import Totals
from wan.domain.jobs import Job


class Blocking:
    """A part whose statements block."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name).blocking


class Store:
    """A database and its parts. Opens what is given as an address."""

    def __init__(self, database: str | Database, **named: str) -> None:
        self.database = Database(database, **named) if isinstance(database, str) else database
        self.queue, self.jobs = Blocking(Queue(self.database)), Blocking(Jobs(self.database))
        self.announcements = Blocking(Announcements(self.database))
        self.listing = Blocking(Listing(self.database))
        self.durations = Blocking(Durations(self.database))
        self.accounts = Blocking(Accounts(self.database))
        self.reviews = Blocking(Reviews(self.database))
        self.spending = Blocking(Spending(self.database))
        self.totals = Blocking(Totals(self.database))
        self.discussion = Blocking(Discussion(self.database))

    @property
    def engine(self) -> sa.Engine:
        with self.database.reading() as connection:
            return connection.engine

    def add(
        self,
        job: Job,
        *,
        budget: Decimal | None = None,
        per_person: Decimal | None = None,
        at_once: int | None = None,
    ) -> Job:
        """Adds one job."""
        return self.queue.add([job], budget=budget, per_person=per_person, at_once=at_once)[0]

    @contextlib.contextmanager
    def explained(self) -> Iterator[list[str]]:
        """Yields how SQLite finds what is asked of jobs inside the block: a plan a question."""
        plans: list[str] = []

        def explain(connection: Any, _: Any, statement: str, given: Any, *more: Any) -> None:
            if statement.startswith("SELECT") and "jobs" in statement:
                with connection.connection.driver_connection as plain:
                    found = plain.execute(f"EXPLAIN QUERY PLAN {statement}", given).fetchall()
                plans.append(" ".join(row[3] for row in found))

        sa.event.listen(self.engine, "before_cursor_execute", explain)
        yield plans
        sa.event.remove(self.engine, "before_cursor_execute", explain)

    def clear_log(self) -> None:
        asyncio.run(self.database.clear_log())

    def close(self) -> None:
        self.database.close()
