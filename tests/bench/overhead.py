"""What the app adds to a job that the service finishes at once, beside the SDK's own call.

From Generate to the paid request, as the simulator has recorded it, and from the answer that says
SUCCEEDED to the video on the page; the wait for the next poll is left out. Its peer is the SDK's
`VideoSynthesis.call` with a plain download: from the call to the same record, and from its return
to the file. Ours also reads the picture in a sandbox, fits it to the size, writes each state down
before it goes on, checks the video, writes its settings into it and makes its still.
"""

import asyncio
import json
import statistics
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import dashscope
from dashscope import VideoSynthesis

from tests.attacks.visitor import Visitor, upload
from tests.bench.figures import Figure
from tests.bench.flood import watch_states
from tests.bench.peers.running import KEY
from tests.browser.serving import SAMPLES, App, served

ROUNDS = 11
MARK = 0.3  # seconds
PICTURE = SAMPLES / "astronaut.png"
ROW = "What the app adds"


@dataclass
class Spans:
    """Seconds until the paid request has come, and from the answer to the video."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)

    def add(self, before: float, after: float) -> None:
        """Notes a round."""
        self.before.append(before)
        self.after.append(after)

    @property
    def medians(self) -> tuple[float, float, float]:
        """Of each, and of both together."""
        both = [sum(pair) for pair in zip(self.before, self.after, strict=True)]
        return (
            statistics.median(self.before),
            statistics.median(self.after),
            statistics.median(both),
        )


async def measure() -> list[Figure]:
    """The figures, from rounds that alternate."""
    with tempfile.TemporaryDirectory(prefix="wan-overhead-") as folder:
        films = {"WAN_SIMULATOR_PLAIN": f"{folder}/films"}
        context = served(Path(folder), pending=0, running=0, **films)
        app = await asyncio.to_thread(context.__enter__)
        try:
            ours, sdk = await _alternate(app)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)
    names = ("Generate to the request", "the answer to the video", "both")
    return [
        Figure(
            row=ROW,
            what=f"{name}, median of {ROUNDS}",
            ours=seconds,
            unit="s",
            mark=f"at most {MARK} s, and the SDK's" if name == "both" else "",
            met=name != "both" or seconds <= min(MARK, peer),
            peers={"the SDK": peer},
        )
        for name, seconds, peer in zip(names, ours.medians, sdk.medians, strict=True)
    ]


async def _alternate(app: App) -> tuple[Spans, Spans]:
    page = await asyncio.to_thread(Visitor, app.url)
    await asyncio.to_thread(page.call, page.event("greet"), ["", "", ""])
    ours, sdk = Spans(), Spans()
    for number in range(ROUNDS + 1):  # the first of each finds nothing ready
        spans = (
            await _by_page(app, page, f"{number}, on the page"),
            await asyncio.to_thread(_by_sdk, app, f"{number}, by the SDK"),
        )
        if number:
            ours.add(*spans[0])
            sdk.add(*spans[1])
    return ours, sdk


async def _by_page(app: App, page: Visitor, prompt: str) -> tuple[float, float]:
    """Makes a video on the page."""
    start, files = page.event("start"), [("a.png", PICTURE.read_bytes())]
    path = (await asyncio.to_thread(upload, app.url, files)).json()[0]
    form = page.form(
        start,
        token=page.token,
        reference_image={"path": path, "meta": {"_type": "gradio.FileData"}},
        prompt=prompt,
        url="",
        audio_url="",
    )
    begun = time.time()
    well, shown = await asyncio.to_thread(page.call, start, form)
    assert well, shown
    seen = await watch_states(app, page, shown[1])
    ((task, answered),) = app.rows(
        f"SELECT task_id, fetching_at FROM jobs WHERE id = '{shown[1]}'"  # noqa: S608 - ours
    )
    return _submitted(app, task) - begun, seen["SUCCEEDED"] - answered


def _by_sdk(app: App, prompt: str) -> tuple[float, float]:
    """Makes a video as the SDK's examples do."""
    service = {"base_http_api_url": f"{app.simulator}/api/v1", "api_key": KEY}
    with mock.patch.multiple(dashscope, **service), tempfile.TemporaryDirectory() as folder:
        begun = time.time()
        made = VideoSynthesis.call(
            model="wan2.6-i2v-flash",
            prompt=prompt,
            img_url=f"file://{PICTURE}",
            resolution="720P",
            duration=5,
        )
        answered = time.time()
        assert made.output.task_status == "SUCCEEDED", made
        with urllib.request.urlopen(made.output.video_url) as video:  # noqa: S310 - of the simulator
            (Path(folder) / "video.mp4").write_bytes(video.read())
        return _submitted(app, made.output.task_id) - begun, time.time() - answered


def _submitted(app: App, task: str) -> float:
    """When the simulator took a task, in seconds since 1970."""
    path = app.folder / "output" / "simulator" / "tasks" / f"{task}.json"
    return json.loads(path.read_bytes())["submitted"]
