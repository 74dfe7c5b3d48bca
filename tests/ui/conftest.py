"""A studio for parts of the page."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.simulators import Simulator
from wan.database.films import Films
from wan.domain.jobs import Job
from wan.environment.settings import load_settings
from wan.service.studio import Studio


@pytest.fixture
async def studio(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Studio]:
    """An open studio at the simulator, with an account of its own."""
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-test{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    async with Studio(load_settings()) as opened:
        yield opened


Write = Callable[[Job], Awaitable[Job]]


@pytest.fixture
def write(studio: Studio) -> Write:
    """Writes a job into the studio's database as it is."""
    return Films(studio.library._jobs._database).add
