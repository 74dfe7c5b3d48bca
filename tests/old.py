"""A database as a version before keyed owners left it, made by running that version, and how it is
loaded.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_WHOLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "old_database.json").read_text(encoding="utf-8")
)
KNOWN: dict[str, Any] = _WHOLE["known"]
"""What its visitors know: their token, login and key; ids and media tokens of their jobs; ids and
tokens of their reviews.
"""


def load(url: str) -> None:
    """Puts it into an empty database."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in _WHOLE[engine.dialect.name]:
            connection.exec_driver_sql(statement)
        known = sa.MetaData()
        known.reflect(connection)
        for table in known.sorted_tables:
            _fill(connection, table.name, _WHOLE["rows"][table.name])
    engine.dispose()


def _fill(connection: sa.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    """JSON stands there as text, as it does in the database."""
    for row in rows:
        names, slots = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
        connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({slots})"), row)  # noqa: S608 - our own names


def made(new_database: Callable[[], str]) -> str:
    """Such a database, as `WAN_DATABASE_URL` takes it."""
    url = new_database()
    load(url)
    return url
