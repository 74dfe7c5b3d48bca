"""Several machines on one PostgreSQL: none goes on that would not see the files of another."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import pytest

from tests import warm
from tests.conftest import ROOT
from tests.postgres import Postgres
from wan.database.engine import Database
from wan.database.replicas import Replica, Replicas
from wan.domain.errors import SettingsError
from wan.environment.settings import load_settings
from wan.service import presence
from wan.service.presence import Presence
from wan.service.studio import Studio

pytestmark = pytest.mark.anyio

FOLDER, BUCKET = "file:///srv/wan/output/storage", "s3://films/wan"


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    url = postgres.database()
    monkeypatch.setenv("WAN_DATABASE_URL", url)
    with contextlib.closing(Database(url)) as opened:
        yield opened


def elsewhere(database: Database, storage: str) -> Replicas:
    """A process of another machine."""
    return Replicas(database, storage, "another-machine")


async def shown(database: Database) -> list[Replica]:
    """Who is seen from a third machine."""
    return await Replicas(database, BUCKET, "a-third-machine").list_elsewhere()


@pytest.mark.parametrize(
    ("ours", "is_shared", "theirs", "goes_on"),
    [
        ("", False, FOLDER, False),
        ("", False, BUCKET, False),
        ("", True, FOLDER, True),
        ("", True, BUCKET, True),
        (BUCKET, False, BUCKET, True),
        (BUCKET, False, FOLDER, False),
        (BUCKET, True, FOLDER, False),
    ],
)
async def test_beside_another_machine(
    database: Database, monkeypatch: pytest.MonkeyPatch, ours, is_shared, theirs, goes_on
):
    monkeypatch.setenv("WAN_STORAGE_URL", ours)
    monkeypatch.setenv("WAN_STORAGE_SHARED", str(is_shared))
    other, here = elsewhere(database, theirs), Presence(database, load_settings())
    await other.show()
    refusal = pytest.raises(SettingsError, match="another-machine works on the same database")
    with contextlib.nullcontext() if goes_on else refusal:
        await here.begin()
    assert len(await shown(database)) == 1 + goes_on
    await other.leave()
    await here.begin()  # where nobody else is, whatever was set
    assert [one.host for one in await shown(database)] != ["another-machine"]


async def test_one_machine_goes_on_and_its_log_says_what_others_would_need(
    database: Database, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING, "wan.service.presence"):
        async with Studio(load_settings()), Studio(load_settings()):
            assert len(await shown(database)) == 2
    assert caplog.text.count("WAN_STORAGE_SHARED=true") == 2
    assert await shown(database) == []


async def test_a_process_is_shown_for_as_long_as_it_lives(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(presence, "SHOWN_EVERY", 0.01)
    here = Presence(database, load_settings())
    await here.begin()
    long_ago = "UPDATE replicas SET seen_at = seen_at - 200"
    with database.writing() as connection:
        connection.exec_driver_sql(long_ago)
    assert await shown(database) == []
    keeping = asyncio.create_task(here.keep())
    while not await shown(database):  # noqa: ASYNC110 - the database is asked
        await asyncio.sleep(0.01)
    keeping.cancel()


async def test_who_died_is_forgotten(database: Database):
    await elsewhere(database, FOLDER).show()
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE replicas SET seen_at = seen_at - 90000")
    await elsewhere(database, FOLDER).show()
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM replicas").scalar() == 1


async def test_what_is_secret_in_the_address_of_a_bucket_is_not_shown(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WAN_STORAGE_URL", "s3://key:secret@films/wan?token=secret")
    await Presence(database, load_settings()).begin()
    assert [one.storage for one in await shown(database)] == [BUCKET]


@pytest.mark.process
async def test_the_app_says_it_in_one_sentence(database: Database, environment: dict[str, str]):
    await elsewhere(database, FOLDER).show()
    url = database._engine.url.render_as_string(hide_password=False)
    ended = await asyncio.to_thread(
        warm.run,
        [ROOT / "app.py"],
        environment=environment | {"WAN_DATABASE_URL": url},
        folder=ROOT,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("WAN_STORAGE_URL: another-machine works on the same database")
    assert ended.stderr.count("\n") == 1
