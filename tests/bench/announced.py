"""Ends that the service announces: seconds until they are seen, and queries a job, beside polls.

Two apps, each with a simulator of its own over HTTP, are given the same jobs at the same times, and
their runs, of 55 to 75 s, end at the same moment: one app is told of it (`WAN_EVENT_SECRET`), the
other polls as it does by default, around the time at which such runs usually end. The first one has
seen a run of another length announced before, so that it relies on that.
"""

import asyncio
import contextlib
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.visitor import called, picture_url
from tests.bench.figures import Figure
from tests.browser.serving import App, free_port, served
from tests.simulators import Simulator, serving
from wan.web.announcements import PATH

_JOBS, _APART, _ENDING = 5, 5.0, 75.0  # jobs, seconds between two, and from the first to the ends
_WITHIN = 60.0  # seconds in which the last end is seen
_PROMPT = "She smiles."


@dataclass(frozen=True)
class _Shop:
    app: App
    simulator: Simulator

    def order(self, number: int, seconds: int = 2, wait: int = 0) -> None:
        request = {"prompt": _PROMPT, "reference_image": picture_url(), "duration": seconds}
        how, said = called(self.app.url, "image_to_video", request | {"seed": number, "wait": wait})
        if how != "complete":
            raise RuntimeError(said)

    def lags(self) -> list[float]:
        """Of the jobs of two seconds whose ends were seen, how long after that."""
        seen = self.app.rows(
            "SELECT task_id, fetching_at FROM jobs WHERE fetching_at IS NOT NULL "
            "AND json_extract(request, '$.duration') = 2 AND state = 'SUCCEEDED'"
        )
        return [at - self.simulator.task(task)["ended"] for task, at in seen]


@contextlib.contextmanager
def _open(folder: Path, secret: str) -> Iterator[_Shop]:
    """An app and its service. secret: of announcements; "" for none."""
    port = free_port()
    environment = dict(os.environ) | {"WAN_EVENT_SECRET": secret}
    told = ("--events", f"http://127.0.0.1:{port}{PATH}") if secret else ()
    times = ("--pending", "0", "--running", "0", "--plain", str(folder / "films"))
    with serving(folder / "service", *times, *told, environment=environment) as simulator:
        settings = {
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": f"sk-bench{secrets.token_hex(8)}",
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "WAN_EVENT_SECRET": secret,
        }
        with served(folder / "app", port=port, **settings) as app:
            yield _Shop(app, simulator)


async def measure() -> list[Figure]:
    """The figures, of both at once."""
    return await asyncio.to_thread(_measure)


def _measure() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory(prefix="wan-announced-") as folder,
        _open(Path(folder) / "told", secrets.token_urlsafe(24)) as told,
        _open(Path(folder) / "polling", "") as polling,
    ):
        told.order(0, seconds=3, wait=60)
        shops = (told, polling)
        before = [shop.simulator.stats()["queries"] for shop in shops]
        _run(shops)
        lags = [statistics.mean(shop.lags()) for shop in shops]
        queries = [
            (shop.simulator.stats()["queries"] - then) / _JOBS
            for shop, then in zip(shops, before, strict=True)
        ]
    return [
        _figure("end to the query that sees it, mean", "s", lags, 1.0),
        _figure("queries a job, the one for its video's address too", "", queries, 2.2),
    ]


def _run(shops: tuple[_Shop, ...]) -> None:
    """Run the same jobs in all, and wait until their ends have been seen."""
    begun = time.monotonic()
    with contextlib.ExitStack() as held:
        for shop in shops:
            held.enter_context(shop.simulator.holding("RUNNING"))
        for number in range(_JOBS):
            time.sleep(max(0.0, begun + number * _APART - time.monotonic()))
            for shop in shops:
                shop.order(number)
        time.sleep(max(0.0, begun + _ENDING - time.monotonic()))
    give_up = time.monotonic() + _WITHIN
    while any(len(shop.lags()) < _JOBS for shop in shops):
        if time.monotonic() > give_up:
            raise TimeoutError("not every end was seen")
        time.sleep(0.5)


def _figure(what: str, unit: str, values: list[float], most: float) -> Figure:
    ours, polls = values
    mark = f"at most {most:g} {unit}".rstrip()
    return Figure("Announced ends", what, ours, unit, mark, ours <= most, {"polls": polls})
