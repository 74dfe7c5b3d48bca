"""A request that was made before: milliseconds from Generate to its video on the page, over HTTP.

Asked for with the uploaded picture that it was made from, with a sample of the app, and by a
program that sends the picture's bytes. Its peers are the cheapest event of the same page, a price,
which shows what Gradio and HTTP take of it, and the usual one-file app, which makes the video again
(at a service that finishes it at once) and pays again.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.attacks.visitor import Visitor, called, picture_url, upload
from tests.bench.figures import Figure
from tests.bench.peers.running import plain_app
from tests.browser.serving import SAMPLES, App, served

ROUNDS, PAUSE = 21, 0.2  # between two events of a session, in seconds, as no person is quicker
MARK = 30.0  # ms
FILE = {"meta": {"_type": "gradio.FileData"}}
PROMPT = "She smiles."


async def measure() -> list[Figure]:
    """The figures, each the median of several rounds that alternate."""
    return await asyncio.to_thread(_measure)


def _measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="wan-cached-") as folder:
        films = {"WAN_SIMULATOR_PLAIN": f"{folder}/films"}
        with served(Path(folder) / "ours", pending=0, running=0, **films) as app:
            (Path(folder) / "plain").mkdir()
            service = f"{app.simulator}/api/v1"
            with plain_app(Path(folder) / "plain", service, poll=0.1) as (plain, _):
                ways = _ways(app) | {"the plain app": _plain(plain)}
                taken = _alternate(ways)
    peers = {name: taken.pop(name) for name in ("a price", "the plain app")}
    return [
        Figure(
            row="Served from cache",
            what=f"{way}: submit to video, median of {ROUNDS}",
            ours=milliseconds,
            unit="ms",
            mark=f"at most {MARK:.0f} ms",
            met=milliseconds <= MARK,
            peers=peers,
        )
        for way, milliseconds in taken.items()
    ]


def _alternate(ways: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """The median of each way, in ms."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, act in ways.items():
            time.sleep(PAUSE)
            begun = time.perf_counter()
            act()
            taken[name].append((time.perf_counter() - begun) * 1000)
    return {name: statistics.median(each) for name, each in taken.items()}


def _ways(app: App) -> dict[str, Callable[[], None]]:
    """Each way to ask for what was made before, and for a price."""
    page = Visitor(app.url)
    page.call(page.event("greet"), ["", "", ""])
    sent = upload(app.url, [("a.png", (SAMPLES / "astronaut.png").read_bytes())]).json()[0]
    ways = {
        "an upload": _on_page(page, sent),
        "a sample": _on_page(page, "samples/astronaut.png"),
        "a program's bytes": _by_program(app),
    }
    quote = page.event("quote")
    return ways | {"a price": lambda: _require(*page.call(quote, page.form(quote)))}


def _on_page(page: Visitor, path: str) -> Callable[[], None]:
    """Makes a video on the page; gives what presses Generate again."""
    start, watch = page.event("start"), page.event("watch")
    given = {"token": page.token, "prompt": PROMPT, "url": "", "audio_url": ""}
    form = page.form(start, **given, reference_image={"path": path} | FILE)
    jobs = _require(*page.call(start, form))[1]
    _require(*page.call(watch, [page.token, jobs]))

    def again() -> None:
        shown = _require(*page.call(start, form))
        assert 'data-state="SUCCEEDED"' in shown[0], "it is made again"

    return again


def _by_program(app: App) -> Callable[[], None]:
    """Makes a video as programs do; gives what asks for it again."""
    asked = {"prompt": PROMPT, "reference_image": picture_url(), "duration": 2, "size": "1280*720"}

    def make() -> str:
        ended, given = called(app.url, "image_to_video", asked | {"wait": 60})
        assert ended == "complete", given
        return given[0]["task_id"]

    made = make()

    def again() -> None:
        assert make() == made, "it is made again"

    return again


def _plain(url: str) -> Callable[[], None]:
    """What presses Generate in the plain app."""
    page = Visitor(url)
    event = page.event("image_to_video")
    path = upload(url, [("a.png", (SAMPLES / "astronaut.png").read_bytes())]).json()[0]
    form = [{"path": path} | FILE, PROMPT, "", "720P", 5]
    return lambda: _require(*page.call(event, form))


def _require(well: bool, given: Any) -> Any:
    """What an event gave; it must have gone well."""
    assert well, given
    return given
