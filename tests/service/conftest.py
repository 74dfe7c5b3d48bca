"""What several tests of services stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wan.database.engine import Database
from wan.database.queue import Queue


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    """The queue of an empty database."""
    database = Database(f"sqlite:///{tmp_path / 'wan.sqlite3'}")
    yield Queue(database)
    database.close()
