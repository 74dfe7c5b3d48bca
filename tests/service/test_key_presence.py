"""A visitor's key is in the memory of one process; the others on a PostgreSQL say truly whether a
job waits for it, and leave the job alone.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator

import pytest

from tests.patience import PATIENCE
from tests.postgres import Postgres
from tests.service.test_studio import OWNER, finished, image
from wan.database import key_holders
from wan.database.engine import Database
from wan.database.key_holders import KeyHolders
from wan.domain.jobs import JobState
from wan.environment.settings import load_settings
from wan.service.studio import Studio

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(postgres: Postgres, simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    settings = {
        "WAN_DATABASE_URL": postgres.database(),
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": f"sk-operator{secrets.token_hex(4)}",
        "DASHSCOPE_BASE_URL": simulator.base_url,
        "DASHSCOPE_REGION": "cn-beijing",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(Database(settings["WAN_DATABASE_URL"])) as opened:
        yield opened


async def test_who_has_a_key_says_so_and_is_forgotten_without_a_word(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    one, other = KeyHolders(database), KeyHolders(database)
    await one.show(["a", "b"])
    await other.show(["b"])
    assert await other.find(["a", "b", "c"]) == {"a", "b"}
    await one.show(["a"])
    assert await other.find(["a", "b"]) == {"a", "b"}
    await other.show([])
    assert await other.find(["a", "b"]) == {"a"}
    await one.show(["a"])
    monkeypatch.setattr(key_holders, "_GONE", 0.0)
    assert await other.find(["a"]) == set()


async def test_a_job_waits_for_its_key_only_when_nobody_has_it(database: Database, simulator):
    key = f"sk-visitor{secrets.token_hex(8)}"
    async with Studio(load_settings()) as other:

        async def until(message: str) -> None:
            async with asyncio.timeout(PATIENCE):
                async for event in other.watching.follow(job.id, owner=OWNER):
                    if event.message.key == message:
                        return

        with simulator.holding("RUNNING"):
            async with Studio(load_settings()) as studio:
                permission = await studio.access.policy.authorize(key=key)
                job = await studio.submission.submit(image(), owner=OWNER, permission=permission)
                await until("running")
                await studio.hand_over()
                await until("waits_for_key_until")
        permission = await other.access.policy.authorize(key=key)
        assert (await other.access.check(permission, owner=OWNER)).key == "check_good"
        assert (await finished(other, job)).state is JobState.SUCCEEDED
