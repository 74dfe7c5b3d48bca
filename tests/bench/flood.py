"""A flood of new sessions, 200 a second for 30 s, each from an address of its own, while people
watch their videos being made.

How late each event reaches them, what the flood is answered, and what it leaves in memory. A lag
over 2 s is an error.
"""

import asyncio
import contextlib
import json
import re
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.attacks.visitor import API, Visitor, upload
from tests.browser.serving import SAMPLES, App, served

RATE, SECONDS, VIEWERS = 200, 30, 6  # attempts a second; how long; people who watch
CONNECTIONS = 50
LIMIT = 2.0  # seconds that an event may be late
STAMPS = {
    "PENDING": "submitted_at",
    "RUNNING": "running_at",
    "FETCHING": "fetching_at",
    "SUCCEEDED": "ended_at",
}


async def run() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory(prefix="wan-flood-") as folder:
        context = served(Path(folder), pending=2, running=4, WAN_TRUSTED_PROXIES="127.0.0.1")
        app = await asyncio.to_thread(context.__enter__)
        try:
            await _measure(app)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)


async def _measure(app: App) -> None:
    viewers = [await asyncio.to_thread(Visitor, app.url) for _ in range(VIEWERS)]
    path = (
        await asyncio.to_thread(
            upload, app.url, [("a.png", (SAMPLES / "astronaut.png").read_bytes())]
        )
    ).json()[0]
    for viewer in viewers:  # they have opened the page before
        await asyncio.to_thread(viewer.call, viewer.event("greet"), ["", "", ""])
    calm = await _watched(app, viewers[0], path, after=0)
    before = _megabytes(app)
    print(f"calm: latest event {max(calm):.2f} s late, memory {before} MB", flush=True)
    watching = [
        asyncio.create_task(_watched(app, viewer, path, after=SECONDS / VIEWERS * place))
        for place, viewer in enumerate(viewers)
    ]
    began = time.monotonic()
    answers = await _flood(app, viewers[0].event("greet"))
    took = time.monotonic() - began
    for status, times in sorted(answers.items()):
        print(
            f"{status}: {len(times)} answers, median {statistics.median(times) * 1000:.0f} ms, "
            f"slowest {max(times) * 1000:.0f} ms"
        )
    lags = [lag for lags in await asyncio.gather(*watching) for lag in lags]
    after = _megabytes(app)
    tried = sum(map(len, answers.values()))
    late = f"median {statistics.median(lags):.2f}, latest {max(lags):.2f} s late"
    print(f"flood: {tried} attempts in {took:.0f} s; {len(lags)} events of {VIEWERS} jobs, {late}")
    print(f"memory {after} MB, {after - before:+} MB; {len(answers[200])} sessions let in")
    if max(lags) > LIMIT:
        raise AssertionError("an event was late")


async def _flood(app: App, event: int) -> dict[int, list[float]]:
    """Opens sessions at the rate, whatever becomes of them. Gives how long each answer took, by its
    status.
    """
    answers: dict[int, list[float]] = {200: [], 429: []}
    moments = iter([time.monotonic() + number / RATE for number in range(RATE * SECONDS)])
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(_attempts(app, event, moments, answers))
    return answers


async def _attempts(
    app: App, event: int, moments: Iterator[float], answers: dict[int, list[float]]
) -> None:
    """Attempts on one connection, by hand: an HTTP client would take more of the machine than the
    server does.
    """
    place = urlsplit(app.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    for moment in moments:
        await asyncio.sleep(max(moment - time.monotonic(), 0))
        body = json.dumps(
            {"session_hash": secrets.token_hex(8), "fn_index": event, "data": ["", "", ""]}
        )
        address = ".".join(str(1 + secrets.randbelow(250)) for _ in range(4))
        head = (
            f"POST {API}/queue/join HTTP/1.1\r\nHost: {place.netloc}\r\nX-Forwarded-For: "
            f"{address}\r\nContent-Type: application/json\r\n"
        )
        began = time.monotonic()
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(int(re.search(r"content-length: (\d+)", answer)[1]))
        answers.setdefault(int(answer.split()[1]), []).append(time.monotonic() - began)
    writer.close()


async def _watched(app: App, viewer: Visitor, path: str, *, after: float) -> list[float]:
    """Makes a video after so many seconds and watches it. Gives how late each of its changes was
    seen, in seconds.
    """
    await asyncio.sleep(after)
    start, picture = viewer.event("start"), {"path": path, "meta": {"_type": "gradio.FileData"}}
    given = {
        "token": viewer.token,
        "reference_image": picture,
        "prompt": f"She smiles, {viewer.session}.",
        "url": "",
        "audio_url": "",
    }
    well, shown = await asyncio.to_thread(viewer.call, start, viewer.form(start, **given))
    if not well:
        raise AssertionError(f"no job: {shown}")
    since = time.time()  # what happened earlier is shown when the watching begins
    seen = await watch_states(app, viewer, shown[1])
    with contextlib.closing(sqlite3.connect(app.folder / "output" / "wan.sqlite3")) as database:
        row = database.execute(
            f"SELECT {', '.join(STAMPS.values())} FROM jobs WHERE id = ?",  # noqa: S608 - our own names
            [shown[1]],
        ).fetchone()
    states = list(STAMPS)
    happened = {state: stamp for state, stamp in zip(states, row, strict=True) if stamp}
    return [
        min(seen[later] for later in states[states.index(state) :] if later in seen)
        - max(stamp, since)
        for state, stamp in happened.items()
    ]


async def watch_states(app: App, viewer: Visitor, job_id: str) -> dict[str, float]:
    """When each state of a job was shown for the first time, seconds since 1970."""
    seen: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=app.url, trust_env=False, timeout=60) as client:
        body = {
            "session_hash": viewer.session,
            "fn_index": viewer.event("watch"),
            "data": [viewer.token, job_id],
        }
        (await client.post(f"{API}/queue/join", json=body)).raise_for_status()
        async with client.stream(
            "GET", f"{API}/queue/data", params={"session_hash": viewer.session}
        ) as stream:
            async for line in stream.aiter_lines():
                for state in re.findall(r'data-state=\\"(\w+)', line):
                    seen.setdefault(state, time.time())
                if line and json.loads(line.removeprefix("data: "))["msg"] == "process_completed":
                    break
    return seen


def _megabytes(app: App) -> int:
    """The memory of the app's own process."""
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024
