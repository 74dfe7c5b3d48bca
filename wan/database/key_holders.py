"""Which process has a visitor's key in its memory, on a PostgreSQL that several share: of the key
itself nothing is here but the account that every job of it names.
"""

import secrets
from collections.abc import Collection

import sqlalchemy as sa

from wan.database.columns import NOW
from wan.database.engine import Database, Part, dialect_of, in_thread
from wan.database.schema import KEY_HOLDERS

SHOWN_EVERY = 1.0  # seconds
_GONE = 4 * SHOWN_EVERY  # seconds without a word, after which a process has died with its keys


class KeyHolders(Part):
    """This process among those that have keys."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._id = secrets.token_hex(16)

    @in_thread
    def show(self, accounts: Collection[str]) -> None:
        """Say for which accounts this process has a key now, and forget who is gone."""
        rows = [{"account": account, "holder": self._id} for account in sorted(accounts)]
        ours = (KEY_HOLDERS.c.holder == self._id) & KEY_HOLDERS.c.account.not_in(accounts)
        with self._database.writing() as connection:
            gone = KEY_HOLDERS.c.seen_at < NOW - _GONE
            connection.execute(KEY_HOLDERS.delete().where(ours | gone))
            if rows:
                shown = dialect_of(connection).insert(KEY_HOLDERS).values(seen_at=NOW)
                again = shown.on_conflict_do_update(
                    index_elements=["account", "holder"], set_={"seen_at": NOW}
                )
                connection.execute(again, rows)

    @in_thread
    def find(self, accounts: Collection[str]) -> set[str]:
        """Return for which of these accounts some process has a key."""
        held = KEY_HOLDERS.c.account.in_(accounts) & (KEY_HOLDERS.c.seen_at > NOW - _GONE)
        with self._database.reading() as connection:
            return set(connection.execute(sa.select(KEY_HOLDERS.c.account).where(held)).scalars())
