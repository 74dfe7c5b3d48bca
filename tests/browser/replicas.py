"""Two replicas on one PostgreSQL and one bucket, behind HAProxy as assets/deploy/ has it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import buckets
from tests.browser.proxies import haproxy
from tests.browser.serving import App, served
from tests.buckets import Bucket
from tests.postgres import Postgres
from tests.simulators import Simulator, serving

COOKIE = "wan_replica"
"""With the name of a replica: who sends it is sent there."""
NAMES = ("one", "two")
"""Of the replicas, as the balancer has them."""


@dataclass(frozen=True)
class Installation:
    """Two replicas, and what they share."""

    url: str
    """Where visitors go."""
    replicas: dict[str, App]
    """By the name that the balancer has for them."""
    bucket: Bucket
    service: Simulator
    start: Callable[[str], None]
    """Starts a replica again, by its name, where it was. Returns when it serves."""


@contextlib.contextmanager
def installed(folder: Path, postgres: Postgres, **more: str) -> Iterator[Installation]:
    """One whose files lie in `folder`. more: settings of both replicas."""
    with contextlib.ExitStack() as opened:
        service = opened.enter_context(
            serving(folder / "service", "--pending", "0.2", "--running", "0.4")
        )
        bucket = opened.enter_context(buckets.serving(folder / "bucket"))
        settings = {
            "WAN_DATABASE_URL": postgres.database(),
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": "sk-operator-0a1b2c3d4e5f",
            "DASHSCOPE_BASE_URL": service.base_url,
            "DASHSCOPE_REGION": "cn-beijing",
            "WAN_TRUSTED_PROXIES": "127.0.0.1",
            "WAN_POLL_SECONDS": "1",
            **bucket.settings,
            **more,
        }
        replicas: dict[str, App] = {}

        def start(name: str) -> None:
            port = replicas[name].port if name in replicas else 0
            running = served(folder / name, port=port, **settings)
            replicas[name] = opened.enter_context(running)

        for name in NAMES:
            start(name)
        ports = [replica.port for replica in replicas.values()]
        url = opened.enter_context(haproxy(ports, folder / "haproxy"))
        yield Installation(url, replicas, bucket, service, start)
