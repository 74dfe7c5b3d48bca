"""Which processes live on a PostgreSQL that several machines may share: each has a row there, and
says every minute that it still is.
"""

import secrets
import socket
from dataclasses import dataclass

import sqlalchemy as sa

from wan.database.columns import NOW
from wan.database.engine import Database, Part, in_thread
from wan.database.schema import REPLICAS

SHOWN_EVERY = 60.0  # seconds
_GONE = 3 * SHOWN_EVERY  # seconds without a word, after which a process has died
_FORGOTTEN = 24 * 3600.0  # seconds, after which its row goes too


@dataclass(frozen=True)
class Replica:
    """A process that lives."""

    host: str
    storage: str


class Replicas(Part):
    """This process among the others. storage: where it keeps its files, without secrets."""

    def __init__(self, database: Database, storage: str, host: str = "") -> None:
        super().__init__(database)
        self._id, self._host = secrets.token_hex(16), host or socket.gethostname()
        self._storage = storage

    @in_thread
    def show(self) -> None:
        """Say that this process lives, and forget those that have long been gone."""
        row = {"host": self._host, "storage": self._storage, "seen_at": NOW}
        with self._database.writing() as connection:
            ours = REPLICAS.update().where(REPLICAS.c.id == self._id).values(row)
            if not connection.execute(ours).rowcount:
                connection.execute(REPLICAS.insert().values(id=self._id, **row))
            connection.execute(REPLICAS.delete().where(REPLICAS.c.seen_at < NOW - _FORGOTTEN))

    @in_thread
    def leave(self) -> None:
        """Say that this process ends."""
        with self._database.writing() as connection:
            connection.execute(REPLICAS.delete().where(REPLICAS.c.id == self._id))

    @in_thread
    def list_elsewhere(self) -> list[Replica]:
        """List the processes that live on other machines."""
        lives = REPLICAS.c.seen_at > NOW - _GONE
        others = (
            sa.select(REPLICAS.c.host, REPLICAS.c.storage)
            .where(lives, REPLICAS.c.host != self._host)
            .order_by(REPLICAS.c.host, REPLICAS.c.id)
        )
        with self._database.reading() as connection:
            return [Replica(*row) for row in connection.execute(others)]
