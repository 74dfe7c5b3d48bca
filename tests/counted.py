"""Replicas on one PostgreSQL, as far as they count together; their clock is the test's."""

import contextlib
from collections.abc import Iterator

import sqlalchemy as sa

from wan.database.engine import Database
from wan.database.limits import Limits
from wan.database.schema import LIMITS
from wan.service.counts import Counts


class Clock:
    """A clock that stands still until it is moved: of the processes, and of the database."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def of_database(self) -> sa.ColumnElement[float]:
        return sa.literal(self.now, sa.Float(53))


class Replica:
    """A process, as far as it counts. clock: that of the database; None for its own."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.database, self.counts = Database(url), Counts()
        self.limits = Limits(self.database, clock.of_database) if clock else Limits(self.database)
        self._sharing = self.counts.shared_by(self.limits)
        self._sharing.__enter__()

    def close(self) -> None:
        self._sharing.__exit__(None, None, None)
        self.database.close()

    @contextlib.contextmanager
    def asking(self) -> Iterator[list[str]]:
        """Yields the statements that are sent inside the block."""
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
            asked.append(statement)

        sa.event.listen(self.database._engine, "before_cursor_execute", note)
        yield asked
        sa.event.remove(self.database._engine, "before_cursor_execute", note)

    def rows(self) -> list[tuple[str, float]]:
        """The kinds of what is counted, and when each is due, in order."""
        with self.database.reading() as connection:
            columns = (LIMITS.c.kind, LIMITS.c.due_at)
            return [
                tuple(row) for row in connection.execute(sa.select(*columns).order_by(*columns))
            ]


@contextlib.contextmanager
def replicas(url: str, clock: Clock | None = None) -> Iterator[tuple[Replica, Replica]]:
    """Two of them."""
    with (
        contextlib.closing(Replica(url, clock)) as first,
        contextlib.closing(Replica(url, clock)) as second,
    ):
        yield first, second
