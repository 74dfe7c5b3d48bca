"""A full house: 420 jobs of 20 accounts, 300 and more in flight, and 500 people who watch them, in
one process.

Sixty visitors with keys of their own ask for seven videos each on the page, and 500 streams over
HTTP, each from an address of its own, show how the videos go on. How late an event reaches a
viewer is counted from the moment at which the state was written to the database, as a trigger
there records it. Memory and CPU are the process's own while everybody is there, and the queries a
second are what the simulator counts. The peer is the usual one-file app with 300 visitors who watch
a video each: it has one key, and the service refuses what it sends too fast.
"""

import asyncio
import contextlib
import json
import os
import re
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.attacks.visitor import API, Visitor, upload
from tests.bench.figures import Figure
from tests.bench.peers.running import KEY, plain_app
from tests.browser.serving import SAMPLES, App, served
from tests.simulators import Simulator, serving

PICTURE = SAMPLES / "coffee.png"
ACCOUNTS, VISITORS, TAKES = 20, 60, (4, 3)
VIEWERS, GUESTS = 500, 300  # who watch ours, and the plain app
SECONDS, GUEST_SECONDS = 30, 10  # measured with everybody there
PENDING, RUNNING = 2.0, 40.0  # of a task, seconds
MARKS = {"late": 150.0, "core": 80.0, "memory": 450.0, "queries": 20}
ROW = "A full house"
ORDER = ["QUEUED", "UPLOADING", "SUBMITTING", "PENDING", "RUNNING", "FETCHING", "SUCCEEDED"]
_STATE = re.compile(rb'data-state=\\"(\w+)')
_PATIENCE = 5.0  # seconds for ten viewers to be shown something
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Use:
    """What a process used while it was watched: percent of a core, and megabytes at most."""

    core: float
    memory: float


@dataclass
class Viewer:
    """Somebody who watches a job: when each state was first shown, in seconds since 1970."""

    job: str
    number: int
    seen: dict[str, float] = field(default_factory=dict)
    since: float = 0.0

    def note(self, message: bytes) -> bool:
        """Writes down which states a message shows, and tells whether there is any."""
        states = _STATE.findall(message)
        for state in states:
            self.seen.setdefault(state.decode(), time.time())
            self.since = self.since or time.time()
        return bool(states)


async def measure() -> list[Figure]:
    """The figures of ours, then of the plain app."""
    with tempfile.TemporaryDirectory(prefix="wan-house-") as folder:
        ours, late, queries = await _ours(Path(folder) / "ours")
        peer, watched = await _plain(Path(folder) / "plain")
    name = f"the plain app, {watched} jobs"
    ordered = sorted(late)
    p95 = ordered[int(len(ordered) * 0.95)]
    what = f"{VIEWERS} viewers, {len(late)} events: written to seen, "
    return [
        Figure(ROW, f"{what}95 %", p95, "ms", f"under {MARKS['late']:.0f} ms", p95 < MARKS["late"]),
        Figure(ROW, f"{what}median", statistics.median(late), "ms", "", met=True),
        Figure(
            ROW,
            "CPU",
            ours.core,
            "%",
            f"under {MARKS['core']:.0f} % of a core",
            ours.core < MARKS["core"],
            {name: peer.core},
        ),
        Figure(
            ROW,
            "memory",
            ours.memory,
            "MB",
            f"under {MARKS['memory']:.0f} MB",
            ours.memory < MARKS["memory"],
            {name: peer.memory},
        ),
        Figure(
            ROW,
            "queries of an account in any second",
            queries,
            "",
            f"at most {MARKS['queries']}",
            queries <= MARKS["queries"],
        ),
    ]


async def _ours(folder: Path) -> tuple[Use, list[float], int]:
    """What the app used, how late each event was in ms, and the most queries of an account."""
    with slow_simulator(folder) as simulator:
        settings = {
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": KEY,
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "WAN_TRUSTED_PROXIES": "127.0.0.1",
        }
        with served(folder, **settings) as app:
            page = await asyncio.to_thread(Visitor, app.url)
            await asyncio.to_thread(page.call, page.event("greet"), ["", "", ""])
            record_steps(app)
            jobs = await asyncio.to_thread(_submit, page)
            viewers = [Viewer(jobs[number % len(jobs)][1], number) for number in range(VIEWERS)]
            tokens = {job: token for token, job in jobs}
            async with _watching(app.url, page, viewers, tokens):
                begun = time.time()
                use = await use_of(app.process.pid, SECONDS)
                ended = time.time()
            late = list(lateness(_read_steps(app), viewers, begun, ended))
            return use, late, simulator.stats()["most"]["queries"]


@contextlib.contextmanager
def slow_simulator(folder: Path, *, running: float = RUNNING) -> Iterator[Simulator]:
    films = ["--still", "--plain", str(folder / "films")]
    pace = ["--pending", str(PENDING), "--running", str(running)]
    with serving(folder / "simulator", *pace, *films) as simulator:
        yield simulator


def record_steps(app: App) -> None:
    """Has the database write down when each state is written."""
    app.rows("CREATE TABLE steps (job TEXT, state TEXT, at REAL)")
    app.rows("""
        CREATE TRIGGER step AFTER UPDATE OF state ON jobs WHEN old.state <> new.state
        BEGIN INSERT INTO steps
        VALUES (new.id, new.state, (julianday('now') - 2440587.5) * 86400.0); END
    """)


def _submit(page: Visitor) -> list[tuple[str, str]]:
    """Has every visitor press Generate; the token and the id of each job."""
    start = page.event("start")

    def press(number: int) -> list[tuple[str, str]]:
        headers = {
            "X-Forwarded-For": _address(number),
            "X-Wan-Key": f"sk-house-{number % ACCOUNTS:02}",
        }
        visitor, made = page.another(headers=headers), []
        for takes in TAKES:
            form = visitor.form(
                start,
                token=visitor.token,
                takes=str(takes),
                prompt=f"{takes} of visitor {number}",
                url="https://pictures.example/a.png",
                audio_url="",
            )
            well, shown = visitor.call(start, form)
            assert well, shown
            made += [(visitor.token, job) for job in re.findall(r"[\w-]{22}", shown[1])]
        visitor.close()
        return made

    with ThreadPoolExecutor(4) as threads:
        jobs = [one for several in threads.map(press, range(VISITORS)) for one in several]
    assert len(jobs) == VISITORS * sum(TAKES), jobs[:3]
    return jobs


def _address(number: int) -> str:
    return f"203.0.{number // 250}.{number % 250 + 1}"


@contextlib.asynccontextmanager
async def _watching(
    url: str, page: Visitor, viewers: Sequence[Viewer], tokens: dict[str, str]
) -> AsyncIterator[None]:
    """Everybody watches inside the block, half of them on each tab."""
    events = [
        number for number, one in page.events.items() if str(one["api_name"]).startswith("watch")
    ]
    async with asyncio.TaskGroup() as tasks:
        running = []
        for viewer in viewers:
            data = [tokens[viewer.job], viewer.job]
            event, there = events[viewer.number % 2], asyncio.Event()
            running.append(tasks.create_task(follow_event(url, viewer, event, data, there)))
            if viewer.number % 10 == 9:  # no more are on their way at once
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(there.wait(), _PATIENCE)
        yield
        for one in running:
            one.cancel()


async def follow_event(
    url: str, viewer: Viewer, event: int, data: Sequence[object], there: asyncio.Event
) -> None:
    """Watches a job as the page does, on one connection, by hand: an HTTP client would take more of
    the machine than the server does.
    """
    line = Line(url, {"X-Forwarded-For": _address(viewer.number)})
    async with contextlib.aclosing(line.ask(event, data)) as told:
        async for message in told:
            if viewer.note(message):
                there.set()
    there.set()


@dataclass
class Line:
    """One session. source: the address that its connections come from, if not the usual one."""

    url: str
    headers: dict[str, str]
    source: str = ""
    session: str = field(default_factory=lambda: secrets.token_hex(6))

    async def ask(self, event: int, data: Sequence[object]) -> AsyncIterator[bytes]:
        """Asks for an event; what is told of it, until it is over."""
        place = urlsplit(self.url)
        body = json.dumps({"session_hash": self.session, "fn_index": event, "data": data})
        each = {"Host": place.netloc, **self.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in each.items())
        where = (self.source, 0) if self.source else None
        while True:
            reader, writer = await asyncio.open_connection(
                place.hostname, place.port, limit=1 << 20, local_addr=where
            )
            writer.write(
                f"POST {API}/queue/join HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", answer)[1]))
            if answer.split()[1] == b"200":
                break
            writer.close()
            await asyncio.sleep(1)  # the app lets ten new sessions a second in
        try:
            asked = f"{API}/queue/data?session_hash={self.session}"
            writer.write(f"GET {asked} HTTP/1.1\r\n{head}\r\n".encode())
            while message := await reader.readline():
                if b'"close_stream"' in message:  # before it, the server may drop what comes next
                    return
                yield message
        finally:
            writer.close()


async def use_of(pid: int, seconds: float) -> Use:
    """What a process uses in so many seconds."""
    spent, begun, memory = _cpu(pid), time.monotonic(), 0.0
    while (gone := time.monotonic() - begun) < seconds:
        memory = max(memory, megabytes(pid))
        await asyncio.sleep(0.5)
    return Use((_cpu(pid) - spent) / gone * 100, memory)


def _cpu(pid: int) -> float:
    """Seconds of a core that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def megabytes(pid: int) -> float:
    """The memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def _read_steps(app: App) -> list[tuple[str, str, float]]:
    with contextlib.closing(sqlite3.connect(app.folder / "output" / "wan.sqlite3")) as database:
        return database.execute("SELECT job, state, at FROM steps").fetchall()


def lateness(
    steps: Sequence[tuple[str, str, float]],
    viewers: Sequence[Viewer],
    begun: float,
    ended: float,
) -> Iterator[float]:
    """How late each change between two times was seen by each who watched, in ms. What has gone on
    before it could be shown counts as seen with what came after it. steps: job, state, when.
    """
    of_job: dict[str, list[tuple[str, float]]] = {}
    for job, state, at in steps:
        of_job.setdefault(job, []).append((state, at))
    for viewer in viewers:
        for state, at in of_job.get(viewer.job, ()):
            if not max(begun, viewer.since) < at < ended - 5 or state not in ORDER:
                continue
            later = [viewer.seen[one] for one in ORDER[ORDER.index(state) :] if one in viewer.seen]
            yield (min(later, default=ended) - at) * 1000


async def _plain(folder: Path) -> tuple[Use, int]:
    """What the plain app uses, and how many of its guests have a job that goes on."""
    with (
        slow_simulator(folder) as simulator,
        plain_app(folder, simulator.base_url, poll=15) as (url, process),
    ):
        page = await asyncio.to_thread(Visitor, url)
        event = page.event("image_to_video")
        path = (await asyncio.to_thread(upload, url, [("a.png", PICTURE.read_bytes())])).json()[0]
        form = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "", "", "720P", 5]
        guests = [Viewer(str(number), number) for number in range(GUESTS)]
        async with asyncio.TaskGroup() as tasks:
            running = []
            for guest in guests:
                data = [form[0], f"guest {guest.number}", *form[2:]]
                running.append(
                    tasks.create_task(follow_event(url, guest, event, data, asyncio.Event()))
                )
                await asyncio.sleep(0.05)
            use = await use_of(process.pid, GUEST_SECONDS)
            watched = len(simulator.tasks())
            for one in running:
                one.cancel()
        return use, watched
