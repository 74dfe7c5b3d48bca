"""Several replicas on one PostgreSQL and one bucket, behind HAProxy: an installation whose parts
can be killed, and come back.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests import buckets, postgres, warm
from tests.browser.proxies import haproxy
from tests.browser.serving import App, free_port, served
from tests.buckets import Bucket
from tests.postgres import Postgres
from tests.simulators import Simulator, serving


@dataclass
class Replica:
    """One of several apps. It comes back at the port that the balancer knows."""

    folder: Path
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    _opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        """Returns when it answers."""
        self.app: App = self._opened.enter_context(
            served(self.folder, port=self.port, **self.settings)
        )

    def kill(self) -> None:
        """Ends it as a crash does: kill -9."""
        self.app.kill()
        self.stop()

    def stop(self) -> None:
        """Asks it to end, and waits."""
        self._opened.close()


@dataclass(frozen=True)
class Installation:
    """All of it, as it runs."""

    url: str
    """Where visitors go."""
    replicas: list[Replica]
    service: Simulator
    postgres: Postgres
    database: str
    """As `WAN_DATABASE_URL` has it."""
    bucket: Bucket

    def rows(self, query: str) -> list[tuple]:
        """What the database answers."""
        with psycopg.connect(self.database) as connection:
            return connection.execute(query).fetchall()


@contextlib.contextmanager
def installed(
    folder: Path, count: int, *, service: Sequence[str] = (), **more: str
) -> Iterator[Installation]:
    """One of so many replicas. service: options of the simulator. more: settings of each."""
    with contextlib.ExitStack() as opened:
        opened.enter_context(warm.parent())
        database = opened.enter_context(postgres.serving())
        bucket = opened.enter_context(buckets.serving(folder / "bucket", folder / "bucket.log"))
        films = ("--still", "--plain", str(folder / "films"))
        simulator = opened.enter_context(serving(folder / "service", *films, *service))
        settings = {
            "WAN_DATABASE_URL": database.database(),
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": "sk-operator-0a1b2c3d4e5f",
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "DASHSCOPE_REGION": "cn-beijing",
            "WAN_TRUSTED_PROXIES": "127.0.0.1",
            **bucket.settings,
            **more,
        }
        replicas = [Replica(folder / f"replica{number}", settings) for number in range(count)]
        for replica in replicas:
            opened.callback(replica.stop)
            replica.start()
        ports = [replica.port for replica in replicas]
        url = opened.enter_context(haproxy(ports, folder / "haproxy"))
        yield Installation(url, replicas, simulator, database, settings["WAN_DATABASE_URL"], bucket)
