"""Whether anything holds the app's event loop: the longest callback, over whole runs.

Each round a picture is uploaded and previewed, a video of it is submitted, watched, downloaded,
found in the library and opened, on one page; the app is the real one, and times each callback of
its loop (`watched_app.py`). What a busy machine does to it is left out by a second figure, which
counts the processor's time alone. The longest callbacks are printed with their stacks.
"""

import asyncio
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from tests import plain_http
from tests.attacks.visitor import Visitor, upload
from tests.bench.figures import Figure
from tests.bench.watched_app import LIMIT
from tests.browser.serving import ROOT, SAMPLES, App, served

ROUNDS = 6
MARK = 50.0  # ms


async def measure() -> list[Figure]:
    """The figures; prints what held the loop longest."""
    return await asyncio.to_thread(_measure)


def _measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="wan-loop-") as folder:
        log = Path(folder) / "loop.jsonl"
        settings = {"LOOP_LOG": str(log), "WAN_SIMULATOR_PLAIN": f"{folder}/films"}
        program = ROOT / "tests" / "bench" / "watched_app.py"
        with served(Path(folder), pending=0.5, running=1, program=program, **settings) as app:
            page = Visitor(app.url)
            begun = time.time()
            for number in range(ROUNDS):
                _live_through(app, page, f"round {number}")
        held = [json.loads(line) for line in log.read_text().splitlines()]
    assert held, "the start holds the loop for longer than that, and was not seen"
    held = [one for one in held if one["at"] > begun]
    for one in sorted(held, key=lambda one: -one["wall"])[:5]:
        print(
            f"{one['wall'] * 1000:.0f} ms, {one['cpu'] * 1000:.0f} of them at work: {one['what']}"
        )
        print("   ", " > ".join(one["stack"]))
    return [
        _figure("the longest callback, as the clock has it", held, "wall"),
        _figure("the longest callback, the processor's time alone", held, "cpu"),
    ]


def _figure(what: str, held: list[dict[str, Any]], kind: str) -> Figure:
    longest = max((one[kind] * 1000 for one in held), default=LIMIT * 1000)
    over = sum(one[kind] * 1000 > MARK for one in held)
    return Figure(
        row="Event loop",
        what=f"{what}, {ROUNDS} whole runs ({LIMIT * 1000:.0f} where none is longer)",
        ours=longest,
        unit="ms",
        mark=f"at most {MARK:.0f} ms ({over} are longer)",
        met=longest <= MARK,
    )


def _live_through(app: App, page: Visitor, prompt: str) -> None:
    """One whole run, as somebody at the page has it."""
    path = upload(app.url, [("a.png", (SAMPLES / "astronaut.png").read_bytes())]).json()[0]
    form = {
        "token": page.token,
        "reference_image": {"path": path, "meta": {"_type": "gradio.FileData"}},
        "prompt": prompt,
        "url": "",
        "audio_url": "",
    }
    for name in ("greet", "show", "quote"):
        _call(page, name, form)
    jobs = _call(page, "start", form)[1]
    well, shown = page.call(page.event("watch"), [page.token, jobs])
    assert well, shown
    assert 'data-state="SUCCEEDED"' in shown[0], shown
    video = re.search(r"media/[\w-]+/video\.mp4", shown[0])[0]
    assert plain_http.get(f"{app.url}/{video}").status_code == 200
    _call(page, "list_jobs", form)


def _call(page: Visitor, name: str, form: dict[str, Any]) -> Any:
    event = page.event(name)
    well, shown = page.call(event, page.form(event, **form))
    assert well, (name, shown)
    return shown
