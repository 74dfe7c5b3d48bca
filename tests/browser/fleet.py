"""Two replicas on one PostgreSQL and one bucket, behind HAProxy as assets/deploy/ has it, each of
which can be ended and started again, in another version too.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from playwright.sync_api import Page

from tests import buckets, plain_http
from tests.browser.proxies import haproxy
from tests.browser.serving import ROOT, App, free_port, served
from tests.buckets import Bucket
from tests.patience import PATIENCE
from tests.simulators import Simulator, serving

NAMES = ("one", "two")
"""As the balancer calls them."""
COOKIE = "wan_replica"
"""With such a name: who sends it is sent there."""


@dataclass
class Fleet:
    """What the replicas share, and which of them run."""

    url: str
    """Where visitors go."""
    service: Simulator
    bucket: Bucket
    database: str
    folder: Path
    settings: dict[str, str]
    ports: dict[str, int]
    running: dict[str, App] = field(default_factory=dict)
    _opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self, name: str, *, root: Path = ROOT) -> App:
        """Starts one, and returns when the balancer sends it visitors. root: of its version."""
        path = f"{root}:{ROOT / 'tests' / 'guard'}"
        started = served(
            self.folder / name,
            port=self.ports[name],
            program=root / "app.py",
            **self.settings,
            **({} if root == ROOT else {"PYTHONPATH": path}),
        )
        self.running[name] = self._opened.enter_context(started)
        self.until_served_by(name)
        return self.running[name]

    def until_served_by(self, name: str) -> None:
        """Waits until the balancer sends visitors there."""

        def is_there() -> bool:
            with plain_http.Client(cookies={COOKIE: name}) as browser:
                answer = browser.get(f"{self.url}/healthz", headers={"Accept": "text/html"})
            return answer.status_code == 200 and "set-cookie" not in answer.headers

        until(is_there)

    def kill(self, name: str) -> None:
        """Ends one as a crash does."""
        self.running.pop(name).kill()

    def ask(self, statement: str) -> list[Any]:
        """What the database answers."""
        engine = sa.create_engine(self.database)
        with engine.begin() as connection:
            answer = connection.execute(sa.text(statement))
            rows = list(answer) if answer.returns_rows else []
        engine.dispose()
        return rows

    def newest(self, column: str) -> Any:
        """A column of the newest job."""
        rows = self.ask(f"SELECT {column} FROM jobs ORDER BY created_at DESC LIMIT 1")  # noqa: S608
        return rows[0][0] if rows else None

    def until_newest(self, *states: str, within: float = PATIENCE) -> None:
        """Waits until the newest job is in one of these states. within: seconds."""
        until(lambda: self.newest("state") in states, within)

    def end(self) -> None:
        """Ends all that run."""
        self._opened.close()


@contextlib.contextmanager
def fleet(folder: Path, database: str, **more: str) -> Iterator[Fleet]:
    """What replicas share, before any of them runs. more: settings of each."""
    with contextlib.ExitStack() as opened:
        service = opened.enter_context(
            serving(folder / "service", "--pending", "0.2", "--running", "0.4")
        )
        bucket = opened.enter_context(buckets.serving(folder / "bucket"))
        settings = {
            "WAN_DATABASE_URL": database,
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": "sk-operator-0a1b2c3d4e5f",
            "DASHSCOPE_BASE_URL": service.base_url,
            "DASHSCOPE_REGION": "cn-beijing",
            "WAN_TRUSTED_PROXIES": "127.0.0.1",
            "WAN_POLL_SECONDS": "1",
            **bucket.settings,
            **more,
        }
        ports = {name: free_port() for name in NAMES}
        url = opened.enter_context(haproxy(list(ports.values()), folder / "haproxy"))
        made = Fleet(url, service, bucket, database, folder, settings, ports)
        opened.callback(made.end)
        yield made


def until(is_so: Callable[[], object], within: float = PATIENCE) -> float:
    """Waits until something is so; returns the seconds that it took. within: seconds."""
    since = time.monotonic()
    while not is_so():
        assert time.monotonic() - since < within, "it does not come true"
        time.sleep(0.05)
    return time.monotonic() - since


def serving_replica(page: Page) -> str:
    """The replica that a visitor's browser is sent to."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    return cookies[COOKIE]
