"""Opens the page in Chromium, for the first time and again, beside the plain app's, and prints what
comes over the wire, what it costs the server, and when the first button can be used.

For the first time: in a new browser context, with nothing kept. Again: in a new tab of it. Each
load is over when the page shows all it has to show and the network has been quiet for half a
second. The server's time is of the app's own process, without what it uses in as long a time when
nobody is there.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext

from tests.bench.figures import Figure
from tests.bench.programs import OURS, PLAIN, Program, running
from tests.browser.serving import ARRIVED, DESKTOP, chromium

_VISITS = 8  # of each, one after the other
_BUTTONS = {OURS: "#wan-image-generate", PLAIN: "button.primary"}
_COMPLETE = {OURS: ARRIVED, PLAIN: "button.primary"}
_WATCH = """(() => {
    const look = () => {
        const button = document.querySelector("SELECTOR");
        if (button && button.offsetParent && !button.disabled) window.usable = performance.now();
        else requestAnimationFrame(look);
    };
    look();
})()"""


@dataclass(frozen=True)
class Load:
    """One load of a page, or what is usual of several."""

    bytes: float
    requests: float
    cpu: float
    """Seconds of a core, of the server."""
    usable: float
    """Milliseconds until its first button can be used."""


Loads = tuple[Load, Load]
"""The first one and the next one of a visitor."""


async def measure() -> list[Figure]:
    """Both, in turn. Their first visit, in which the server makes what it keeps, is not counted."""
    ours, plain = await asyncio.to_thread(_measure)
    cold, cold_peer, warm, warm_peer = ours[0], plain[0], ours[1], plain[1]
    return [
        _figure("cold: bytes received", "kB", "bytes", (cold, cold_peer), 1.1),
        _figure("cold: requests", "", "requests", (cold, cold_peer)),
        _figure("cold: the server's time", "ms", "cpu", (cold, cold_peer)),
        _figure("cold: first usable button", "ms", "usable", (cold, cold_peer)),
        _figure("again: bytes received", "kB", "bytes", (warm, warm_peer), 0.5),
        _figure("again: requests", "", "requests", (warm, warm_peer)),
        _figure("again: the server's time", "ms", "cpu", (warm, warm_peer), 0.5),
        _figure("again: first usable button", "ms", "usable", (warm, warm_peer)),
    ]


def _figure(what: str, unit: str, name: str, loads: tuple[Load, Load], most: float = 0) -> Figure:
    """most: times the plain app's; 0 where there is no mark."""
    scale = {"bytes": 1e-3, "cpu": 1e3}.get(name, 1)
    ours, plain = (getattr(load, name) * scale for load in loads)
    mark = f"at most {most} x the plain app" if most else ""
    met = not most or ours <= most * plain
    return Figure("Page load", what, ours, unit, mark, met, {"plain app": plain})


def _measure() -> tuple[Loads, Loads]:
    with ExitStack() as opened:
        apps = {
            script: opened.enter_context(
                running(script, Path(opened.enter_context(tempfile.TemporaryDirectory())))
            )
            for script in (OURS, PLAIN)
        }
        browser = opened.enter_context(chromium())
        for script, app in apps.items():
            app.answers("/media/none/video.mp4")  # when the studio is open
            _visit(browser, app, script)
        visits: dict[Path, list[Loads]] = {script: [] for script in apps}
        for _ in range(_VISITS):
            for script, app in apps.items():
                visits[script].append(_visit(browser, app, script))
    return _usual(visits[OURS]), _usual(visits[PLAIN])


def _visit(browser: Browser, app: Program, script: Path) -> Loads:
    """Somebody's first load, and the next."""
    context = browser.new_context(viewport=DESKTOP, locale="en-US")
    try:
        return _load(context, app, script), _load(context, app, script)
    finally:
        context.close()


def _load(context: BrowserContext, app: Program, script: Path) -> Load:
    page = context.new_page()
    received: list[int] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.add_init_script(_WATCH.replace("SELECTOR", _BUTTONS[script]))
    begun, used = time.monotonic(), app.cpu()
    page.goto(app.url)
    page.wait_for_function("window.usable")
    page.locator(_COMPLETE[script]).wait_for()
    page.wait_for_load_state("networkidle")
    cpu, seconds = app.cpu() - used, time.monotonic() - begun
    usable = page.evaluate("window.usable")
    page.close()
    used = app.cpu()
    time.sleep(seconds)
    cpu -= app.cpu() - used
    # What comes from the browser's own store has no bytes.
    return Load(sum(received), sum(map(bool, received)), cpu, usable)


def _usual(visits: Sequence[Loads]) -> Loads:
    cold, warm = (
        Load(
            bytes=statistics.median(load.bytes for load in loads),
            requests=statistics.median(load.requests for load in loads),
            cpu=statistics.median(load.cpu for load in loads),
            usable=statistics.median(load.usable for load in loads),
        )
        for loads in zip(*visits, strict=True)
    )
    return cold, warm
