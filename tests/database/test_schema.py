"""How the tables come into being."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.blocking import Store
from tests.postgres import Postgres
from wan.database import opening, schema

WAITING = sa.text(
    "SELECT max(extract(epoch FROM clock_timestamp() - query_start)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND wait_event = 'advisory'"
)


def test_a_start_waits_for_others_longer_than_a_click_for_a_lock(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(opening, "_BUSY", 0.1)
    database = postgres.database()
    engine, ends = sa.create_engine(database), threading.Event()
    # What it sees of others stands still within a transaction
    looking = engine.execution_options(isolation_level="AUTOCOMMIT")
    with ThreadPoolExecutor(1) as pool, engine.connect() as first, looking.connect() as looker:
        first.execute(sa.select(sa.func.pg_advisory_xact_lock(schema._SCHEMA_LOCK)))
        start = pool.submit(Store, database)
        while (waited := looker.execute(WAITING).scalar()) is None or waited < 0.3:
            assert not start.done(), start.exception()
            ends.wait(0.02)
        first.rollback()
        store = start.result()
    with store.database.reading() as connection:
        assert connection.execute(sa.text("SHOW lock_timeout")).scalar_one() == "100ms"
    store.close()
    engine.dispose()
