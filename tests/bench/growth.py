"""Memory and CPU by what is in flight and by what is finished.

One process has 10, 100 and 1,000 jobs in flight, of which five are at the service, as an account
may have, and the others in line; another has ten beside 20,000 finished ones. Meanwhile somebody
looks at the library and at the price every second. Both must grow by what is in flight only, and a
job must cost no more the more there are. The peer is the usual one-file app with 10 and 100 jobs;
what is finished it does not keep. The plot is `results/growth.svg`.
"""

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.attacks.visitor import Visitor, upload
from tests.bench.figures import RESULTS, Figure
from tests.bench.full_house import PICTURE, Use, Viewer, follow_event, slow_simulator, use_of
from tests.bench.peers.running import KEY, plain_app
from tests.bench.plot import Line, Panel, draw
from tests.browser.serving import App, served

IN_FLIGHT, GUESTS, FINISHED = (10, 100, 1000), (10, 100), 20_000
APART = 60.0  # seconds between the ends of two finished jobs
SECONDS, SETTLING = 10, 8  # measured, and before it
FOR_EVER = 100_000.0  # seconds that a task runs
ROW = "Growth"


async def measure() -> list[Figure]:
    """The figures; draws the plot."""
    with tempfile.TemporaryDirectory(prefix="wan-growth-") as folder:
        ours = await _in_flight(Path(folder) / "ours")
        full = await _with_finished(Path(folder) / "finished")
        peer = await _plain(Path(folder) / "plain")
    _plot(ours, full, peer)
    return [
        *_slopes(
            "memory of a job", "MB", {n: use.memory for n, use in ours.items()}, peer, "memory"
        ),
        *_slopes(
            "CPU of a job", "% of a core", {n: use.core for n, use in ours.items()}, peer, "core"
        ),
        _flat("memory", "MB", ours[10].memory, full.memory, 0.1 * ours[10].memory),
        _flat("CPU", "% of a core", ours[10].core, full.core, 3.0),
    ]


def _slopes(
    what: str, unit: str, ours: Mapping[int, float], peer: Mapping[int, Use], name: str
) -> list[Figure]:
    """What each further job takes, from few to some and from some to many."""
    few, some, many = IN_FLIGHT
    low = (ours[some] - ours[few]) / (some - few)
    high = (ours[many] - ours[some]) / (many - some)
    its = (getattr(peer[some], name) - getattr(peer[few], name)) / (some - few)
    linear = high <= max(1.5 * low, 0.05)
    return [
        Figure(ROW, f"{what}, {few} to {some}", low, unit, "", met=True, peers={"plain": its}),
        Figure(ROW, f"{what}, {some} to {many}", high, unit, "no more a job than before", linear),
    ]


def _flat(what: str, unit: str, without: float, beside: float, room: float) -> Figure:
    return Figure(
        ROW,
        f"{what}, ten in flight beside {FINISHED} finished",
        beside,
        unit,
        f"at most {room:.3g} {unit} above none finished",
        met=beside - without <= room,
        peers={"none finished": without},
    )


async def _in_flight(folder: Path) -> dict[int, Use]:
    used: dict[int, Use] = {}
    async with _app(folder) as (app, page, row):
        for count in IN_FLIGHT:
            _add(app, row, count - max(used, default=1))
            used[count] = await _measure(app, page)
    return used


async def _with_finished(folder: Path) -> Use:
    async with _app(folder) as (app, page, row):
        ended = {"state": "SUCCEEDED", "due_at": None, "width": 1280, "height": 720}
        _add(app, row | ended, FINISHED)
        _add(app, row, IN_FLIGHT[0] - 1)
        return await _measure(app, page)


@contextlib.asynccontextmanager
async def _app(folder: Path) -> AsyncIterator[tuple[App, Visitor, dict[str, Any]]]:
    """The app with a job at the service, somebody who has its page open, and the job's row as it
    was before it was sent.
    """
    with slow_simulator(folder, running=FOR_EVER) as simulator:
        settings = {
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": KEY,
            "DASHSCOPE_BASE_URL": simulator.base_url,
        }
        with served(folder, **settings) as app:
            page = await asyncio.to_thread(Visitor, app.url)
            await asyncio.to_thread(page.call, page.event("greet"), ["", "", ""])
            app.rows("CREATE TABLE first AS SELECT * FROM jobs")
            app.rows("""
                CREATE TRIGGER kept AFTER INSERT ON jobs
                WHEN NOT EXISTS (SELECT 1 FROM first)
                BEGIN INSERT INTO first SELECT * FROM jobs WHERE id = new.id; END
            """)
            start = page.event("start")
            given = {"token": page.token, "prompt": "She smiles.", "audio_url": ""}
            form = page.form(start, url="https://pictures.example/a.png", **given)
            well, shown = await asyncio.to_thread(page.call, start, form)
            assert well, shown
            names = [row[1] for row in app.rows("PRAGMA table_info(first)")]
            (row,) = app.rows("SELECT * FROM first")
            app.rows("DROP TRIGGER kept")
            yield app, page, dict(zip(names, row, strict=True))


def _add(app: App, row: Mapping[str, Any], count: int) -> None:
    """Adds so many copies of a row, as jobs of their own. The finished ones ended one after the
    other, the last one now.
    """
    finished, now = row["state"] == "SUCCEEDED", time.time()

    def copy(number: int) -> list[Any]:
        end = now - (count - number) * APART
        times = {
            "created_at": end - 90,
            "started_at": end - 85,
            "submitted_at": end - 81,
            "running_at": end - 80,
            "fetching_at": end - 5,
            "ended_at": end,
            "state_at": end,
        }
        own = {
            "id": secrets.token_urlsafe(16),
            "cache_key": secrets.token_hex(32),
            "brief_id": secrets.token_urlsafe(16),
            "media_token": secrets.token_urlsafe(24),
            "task_id": secrets.token_hex(16) if finished else None,
            "due_at": None if finished else time.time(),
            "created_at": row["created_at"] + number / 1000,
        }
        return list((row | own | (times if finished else {})).values())

    marks = ", ".join("?" for _ in row)
    columns = ", ".join(f'"{name}"' for name in row)
    app.add_rows(f"INSERT INTO jobs ({columns}) VALUES ({marks})", map(copy, range(count)))  # noqa: S608


async def _measure(app: App, page: Visitor) -> Use:
    """What the app uses while somebody looks around."""
    looking = asyncio.create_task(_look_around(page))
    await asyncio.sleep(SETTLING)
    try:
        return await use_of(app.process.pid, SECONDS)
    finally:
        looking.cancel()
        await asyncio.wait([looking])


async def _look_around(page: Visitor) -> None:
    listing, quote = page.event("list_jobs"), page.event("quote")
    while True:
        for event in (listing, quote):
            form = page.form(event, token=page.token)
            well, shown = await asyncio.to_thread(page.call, event, form)
            assert well, shown
        await asyncio.sleep(1)


async def _plain(folder: Path) -> dict[int, Use]:
    used: dict[int, Use] = {}
    with (
        slow_simulator(folder, running=FOR_EVER) as simulator,
        plain_app(folder, simulator.base_url, poll=15) as (url, process),
    ):
        event = (await asyncio.to_thread(Visitor, url)).event("image_to_video")
        path = (await asyncio.to_thread(upload, url, [("a.png", PICTURE.read_bytes())])).json()[0]
        picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
        async with asyncio.TaskGroup() as tasks:
            running: list[asyncio.Task[None]] = []
            for count in GUESTS:
                for number in range(len(running), count):
                    guest, there = Viewer("", number), asyncio.Event()
                    data = [picture, f"guest {number}", "", "720P", 5]
                    running.append(tasks.create_task(follow_event(url, guest, event, data, there)))
                    await asyncio.sleep(0.25)  # the service takes five a second
                await asyncio.sleep(SETTLING / 2)
                used[count] = await use_of(process.pid, SECONDS)
            for one in running:
                one.cancel()
    return used


def _plot(ours: Mapping[int, Use], full: Use, peer: Mapping[int, Use]) -> None:
    panels = []
    for title, name in (("Memory, MB", "memory"), ("CPU, % of a core", "core")):
        lines: Sequence[Line] = [
            Line("Wan Studio", [(n, getattr(use, name)) for n, use in ours.items()]),
            Line("the plain app", [(n, getattr(use, name)) for n, use in peer.items()]),
            Line(f"beside {FINISHED:,} finished", [(10, getattr(full, name))]),
        ]
        panels.append(Panel(title, "jobs in flight", lines))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "growth.svg").write_text(draw(panels))
