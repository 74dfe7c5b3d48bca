"""What is counted for all processes on a PostgreSQL together: when somebody may do something again.

Each row is one count: of what kind, whose, and when it is due. Subjects, such as addresses, are
kept as keyed hashes. Times are in seconds of the database's own clock.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from wan.database.columns import NOW
from wan.database.engine import Database, Part, in_thread
from wan.database.schema import LIMITS

Key = tuple[str, str]
"""The kind of a count, and whose it is."""
Count = tuple[float, int]
"""When it is due, and how many tries were made; of a rate, whether the last was counted."""
Result = TypeVar("Result")

_ROUNDING = 1e-6  # seconds
_REMEMBERED = 10_000  # counts of each kind; those that are due first go first
_OF_KIND = [LIMITS.c.kind, LIMITS.c.subject]


class Limits(Part):
    """The counts. now: the clock; another is passed in by tests."""

    def __init__(
        self, database: Database, now: Callable[[], sa.ColumnElement[Any]] = lambda: NOW
    ) -> None:
        super().__init__(database)
        self._now = now

    @property
    def can_count(self) -> bool:
        """Whether this is a PostgreSQL; on SQLite each process counts for itself."""
        return not self._database.is_sqlite

    @in_thread
    def count(self, key: Key, amount: int, *, every: float, burst: int) -> tuple[bool, float]:
        """Count so much as done, unless it is more than allowed. Return whether it is counted, and
        the seconds until the allowance is whole again.

        every: seconds until one more is allowed. burst: how many may come at once.
        """
        new = postgresql.insert(LIMITS).values(
            **self._row(key), due_at=self._now() + every * amount, tries=1
        )
        due = sa.func.greatest(LIMITS.c.due_at + every * amount, new.excluded.due_at)
        is_allowed = due <= new.excluded.due_at + every * (burst - amount) + _ROUNDING
        # Written in either case: only so it returns what others have made of it at the same moment.
        counting = new.on_conflict_do_update(
            index_elements=_OF_KIND,
            set_={
                "due_at": sa.case((is_allowed, due), else_=LIMITS.c.due_at),
                "tries": sa.case((is_allowed, 1), else_=0),
            },
        ).returning(LIMITS.c.tries, LIMITS.c.due_at - self._now())
        with self._database.writing() as connection:
            counted, seconds = connection.execute(counting).one()
        return bool(counted), seconds

    @in_thread
    def renew(self, key: Key, seconds: float) -> None:
        """Let a count that is not due yet be due in so many seconds."""
        later = self._is(key) & (LIMITS.c.due_at > self._now())
        with self._database.writing() as connection:
            connection.execute(LIMITS.update().where(later).values(due_at=self._now() + seconds))

    @in_thread
    def clear(self, key: Key) -> None:
        """Remove a count."""
        with self._database.writing() as connection:
            connection.execute(LIMITS.delete().where(self._is(key)))

    @in_thread
    def change(
        self,
        turn: Key,
        keys: Collection[Key],
        act: Callable[[Mapping[Key, Count], float], tuple[Result, Mapping[Key, Count]]],
    ) -> Result:
        """Change several counts as one. Return what `act` returns beside them.

        turn: a count that every such change has to itself from where it reads; one that changes
        nothing waits for nobody. act: is given the counts that are there and the time, and returns
        what they are then; may be called twice.
        """
        with self._database.writing() as connection:
            before, now = self._read(connection, keys)
            result, after = act(before, now)
            if after != before:
                self._take(connection, turn)
                before, now = self._read(connection, keys)
                result, after = act(before, now)
                self._write(connection, before, after)
        return result

    @in_thread
    def forget(self, kept: Mapping[str, float]) -> None:
        """Remove what tells nothing any more: what is due, and of each kind all but the 10,000 that
        are due last.

        kept: for how many seconds more something is kept, by kind. What others are at stays.
        """
        longer = sa.case(kept, value=LIMITS.c.kind, else_=0.0)
        last = sa.func.row_number().over(
            partition_by=LIMITS.c.kind, order_by=LIMITS.c.due_at.desc()
        )
        places = sa.select(*_OF_KIND, last.label("place")).subquery()
        is_its = (places.c.kind == LIMITS.c.kind) & (places.c.subject == LIMITS.c.subject)
        is_over = (LIMITS.c.due_at + longer < self._now()) | (places.c.place > _REMEMBERED)
        over = (
            sa.select(*_OF_KIND)
            .join(places, is_its)
            .where(is_over)
            .with_for_update(of=LIMITS, skip_locked=True)
        )
        with self._database.writing() as connection:
            connection.execute(LIMITS.delete().where(sa.tuple_(*_OF_KIND).in_(over)))

    def _row(self, key: Key) -> dict[str, str]:
        """Return a count's key as the table has it."""
        kind, subject = key
        return {"kind": kind, "subject": self._database.seal.hash(f"limit {kind}", subject)}

    def _is(self, key: Key) -> sa.ColumnElement[bool]:
        row = self._row(key)
        return (LIMITS.c.kind == row["kind"]) & (LIMITS.c.subject == row["subject"])

    def _read(
        self, connection: sa.Connection, keys: Collection[Key]
    ) -> tuple[dict[Key, Count], float]:
        """Return the counts that are there, and the time."""
        names = {tuple(self._row(key).values()): key for key in keys}
        clock = sa.select(self._now().label("now")).subquery()
        is_wanted = sa.tuple_(*_OF_KIND).in_(list(names))
        asked = sa.select(clock.c.now, LIMITS).select_from(sa.outerjoin(clock, LIMITS, is_wanted))
        rows = connection.execute(asked).all()
        found = {names[row.kind, row.subject]: row for row in rows if row.kind is not None}
        return {key: (row.due_at, row.tries) for key, row in found.items()}, rows[0].now

    def _take(self, connection: sa.Connection, turn: Key) -> None:
        """Keep others from a count until the transaction ends, also where it is not there yet."""
        new = postgresql.insert(LIMITS).values(**self._row(turn), due_at=self._now(), tries=0)
        connection.execute(
            new.on_conflict_do_update(index_elements=_OF_KIND, set_={"tries": LIMITS.c.tries})
        )

    def _write(
        self, connection: sa.Connection, before: Mapping[Key, Count], after: Mapping[Key, Count]
    ) -> None:
        gone = [tuple(self._row(key).values()) for key in before.keys() - after.keys()]
        if gone:
            connection.execute(LIMITS.delete().where(sa.tuple_(*_OF_KIND).in_(gone)))
        changed = [
            self._row(key) | {"due_at": due_at, "tries": tries}
            for key, (due_at, tries) in after.items()
            if before.get(key) != (due_at, tries)
        ]
        if changed:
            new = postgresql.insert(LIMITS).values(changed)
            values = {"due_at": new.excluded.due_at, "tries": new.excluded.tries}
            connection.execute(new.on_conflict_do_update(index_elements=_OF_KIND, set_=values))
