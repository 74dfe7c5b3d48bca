"""Fifty visitors at work beside one bad neighbour at a time: how long each of their events takes,
and how much memory the app holds.

Each visitor has an address of their own (the app trusts this machine as its proxy). A neighbour
sends bodies that are dear to read, fills the memory by a form field, waits in a thousand calls,
holds a thousand connections half open, wants dear pictures looked at, queues jobs under made-up
names, promises uploads that never come, or begins bodies for agents and never ends them. An honest
event that takes over 2 s is an error, and so are 600 MB.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import json
import re
import resource
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from PIL import Image

from tests.attacks.visitor import API, Visitor, upload
from tests.browser.serving import SAMPLES, App, served

VISITORS, SECONDS, PAUSE = (
    50,
    20,
    4.0,
)  # people; how long beside each neighbour; between two events of one person, seconds
LIMIT, MEMORY = 2.0, 600  # seconds that an honest event may take; MB
CONNECTIONS = 1010
FILES = 1024  # what the app may open at most, as `ulimit -n` says it on most machines
META = {"meta": {"_type": "gradio.FileData"}}
Neighbour = Callable[["Street"], Awaitable[str]]


class Street:
    """The app, its honest visitors, and what one learns of the page."""

    def __init__(self, app: App, teacher: Visitor, picture: str) -> None:
        self.app, self.page, self.picture = app, teacher, picture
        self.host, self.port = urlsplit(app.url).hostname, urlsplit(app.url).port

    def form(self, name: str, **given: object) -> tuple[int, list[object]]:
        """An event of the page by its handler's name: its number, and what the page sends."""
        number = self.page.event(name)
        return number, self.page.form(number, **given)

    async def event(
        self, client: httpx.AsyncClient, session: str, number: int, data: list[object]
    ) -> str:
        """Asks for an event and waits for its end. Gives what came."""
        body = {"session_hash": session, "fn_index": number, "data": data}
        joined = await client.post(f"{API}/queue/join", json=body)
        if joined.status_code != 200:
            return f"refused by {joined.status_code}"
        wanted = joined.json()["event_id"]
        async with client.stream(
            "GET", f"{API}/queue/data", params={"session_hash": session}
        ) as stream:
            async for line in stream.aiter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("event_id") == wanted and message["msg"] == "process_completed":
                    return "" if message["success"] else f"failed: {str(message['output'])[:80]}"
        return "the stream ended"

    def client(self, address: str) -> httpx.AsyncClient:
        """Somebody who asks from an address."""
        headers = {"X-Forwarded-For": address}
        return httpx.AsyncClient(
            base_url=self.app.url, headers=headers, trust_env=False, timeout=120
        )

    async def raw(
        self, head: str, body: bytes = b""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which so much has been sent."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(f"{head}\r\nHost: {self.host}\r\n".encode() + body)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        return reader, writer


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=sorted(NEIGHBOURS), help="this neighbour alone")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long beside each")


async def run(only: str | None = None, seconds: int = SECONDS) -> None:
    """Prints a row for each neighbour."""
    print(
        f"{'neighbour':12} {'events':>6} {'median s':>8} {'99 % s':>7} {'slowest s':>9} "
        f"{'lost':>5} {'MB':>5}  what became of the neighbour"
    )
    wrong = []
    for name in [only] if only else ["nobody", *NEIGHBOURS]:
        with tempfile.TemporaryDirectory(prefix="wan-neighbours-") as folder:
            wrong += await _beside(name, Path(folder), seconds)
    if wrong:
        raise AssertionError("; ".join(wrong))


async def _beside(name: str, folder: Path, seconds: int) -> list[str]:
    """One neighbour. Gives what went wrong."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    settings = {"WAN_TRUSTED_PROXIES": "127.0.0.1", "WAN_MCP": "true"}
    context = served(folder, pending=1, running=2, files=FILES, **settings)
    app = await asyncio.to_thread(context.__enter__)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
        street = await asyncio.to_thread(_street, app)
        return await _measure(name, street, seconds)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await asyncio.to_thread(context.__exit__, None, None, None)


def _street(app: App) -> Street:
    teacher = Visitor(app.url)
    sent = upload(app.url, [("a.png", (SAMPLES / "astronaut.png").read_bytes())])
    teacher.call(teacher.event("greet"), ["", "", ""])  # waits until the studio is open
    return Street(app, teacher, sent.json()[0])


async def _measure(name: str, street: Street, seconds: int) -> list[str]:
    memory: list[int] = []
    watching = asyncio.create_task(_weigh(street.app, memory))
    neighbour = asyncio.create_task(NEIGHBOURS[name](street)) if name in NEIGHBOURS else None
    until = time.monotonic() + seconds
    came = await asyncio.gather(*(_visit(street, number, until) for number in range(VISITORS)))
    became = await _ended(neighbour)
    watching.cancel()
    times = sorted(took for one in came for took, trouble in one if not trouble)
    troubles = [trouble for one in came for _, trouble in one if trouble]
    median, high = statistics.median(times or [0]), times[int(len(times) * 0.99)] if times else 0
    row = (
        f"{name:12} {len(times):6} {median:8.2f} {high:7.2f} {max(times, default=0):9.2f} "
        f"{len(troubles):5} {max(memory):5}"
    )
    print(f"{row}  {became}{'; lost: ' + troubles[0] if troubles else ''}", flush=True)
    wrong = [f"{name}: {len(troubles)} honest events were lost ({troubles[0]})"] if troubles else []
    wrong += (
        [f"{name}: an event took {max(times, default=0):.1f} s"]
        if not times or max(times) > LIMIT
        else []
    )
    return wrong + ([f"{name}: {max(memory)} MB"] if max(memory) > MEMORY else [])


async def _ended(neighbour: asyncio.Task[str] | None) -> str:
    """What became of the neighbour, who goes now if they are still there."""
    if neighbour is None:
        return ""
    if not neighbour.done():
        neighbour.cancel()
    try:
        return await neighbour
    except asyncio.CancelledError:
        return "went on to the end"
    except (OSError, httpx.HTTPError, asyncio.IncompleteReadError) as error:
        return f"broke off: {type(error).__name__}"


async def _visit(street: Street, number: int, until: float) -> list[tuple[float, str]]:
    """One person: prices, the library, a picture looked at, now and then. How long each event took,
    and what was wrong.
    """
    came, session, token = [], secrets.token_hex(6), secrets.token_urlsafe(32)
    await asyncio.sleep(PAUSE * number / VISITORS)
    picture = {"path": street.picture} | META
    acts = [
        street.form("greet", token=token),
        street.form("show", token=token, reference_image=picture),
        street.form("quote", token=token),
        street.form("list_jobs", token=token),
    ]
    async with street.client(f"203.0.113.{number + 1}") as client:
        step = number  # else all would look at their pictures at once
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                trouble = await street.event(client, session, *acts[step % len(acts)])
            except (OSError, httpx.HTTPError) as error:
                trouble = type(error).__name__
            took = time.monotonic() - began
            came.append((took, trouble))
            step += 1
            await asyncio.sleep(max(PAUSE - took, 0))
    return came


async def _weigh(app: App, memory: list[int]) -> None:
    """The memory of the app's own process, MB, ten times a second."""
    while True:
        status = Path(f"/proc/{app.process.pid}/status").read_text()  # noqa: ASYNC240 - memory of the kernel
        if known := re.search(r"VmRSS:\s+(\d+)", status):  # a process that has ended has none
            memory.append(int(known[1]) // 1024)
        await asyncio.sleep(0.1)


# the neighbours -----------------------------------------------------------------------------------


async def bodies(street: Street) -> str:
    """A megabyte of nested empty lists, again and again."""
    body = b"[" + b"[]," * 340_000 + b"[]]"
    answers: list[int] = []
    targets = (f"{API}/cancel", f"{API}/reset", f"{API}/queue/join")
    async with street.client("198.51.100.3") as client:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                for target in targets:
                    sent = await client.post(
                        target, content=body, headers={"Content-Type": "application/json"}
                    )
                    answers.append(sent.status_code)
                await asyncio.sleep(0.05)
    return _counts(answers)


async def field(street: Street) -> str:
    """340 MB in one plain field of a form."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'--edge\r\nContent-Disposition: form-data; name="words"\r\n\r\n'
        for _ in range(340):
            yield bytes(1_000_000)
        yield b"\r\n--edge--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    async with street.client("198.51.100.4") as client:
        sent = await client.post(f"{API}/upload", content=pieces(), headers=headers)
    return str(sent.status_code)


async def waiting(street: Street) -> str:
    """A thousand calls that wait ten minutes each."""
    async with street.client("198.51.100.5") as client:
        given = {
            "data": [
                "A beginning.",
                f"data:image/png;base64,{_small()}",
                5,
                "1280*720",
                *[None] * 11,
                False,
                0,
            ]
        }
        number, event = street.page.event("image_to_video"), street.page.event("job")
        body = {"session_hash": "waits", "fn_index": number, **given}
        await client.post(f"{API}/queue/join", json=body)
        answers = []
        for call in range(CONNECTIONS):
            body = {
                "session_hash": "waits",
                "fn_index": event,
                "data": [secrets.token_urlsafe(16), 600],
            }
            answers.append((await client.post(f"{API}/queue/join", json=body)).status_code)
            if call % 50 == 0:
                await asyncio.sleep(0)
        return _counts(answers)


async def sockets(street: Street) -> str:
    """A thousand connections whose requests are never ended."""
    held = []
    try:
        for _ in range(CONNECTIONS):
            with contextlib.suppress(OSError):
                held.append(await asyncio.wait_for(street.raw("GET / HTTP/1.1"), 5))
        await asyncio.sleep(3600)
        return ""
    except asyncio.CancelledError:
        return f"{len(held)} begun, {sum(reader.at_eof() for reader, _ in held)} closed by the app"
    finally:
        for _, writer in held:
            writer.close()


async def pictures(street: Street) -> str:
    """Twenty previews at once of one picture that is dear to open, over and over."""
    dear = await asyncio.to_thread(_dear)
    sent = await asyncio.to_thread(upload, street.app.url, [("dear.png", dear)])
    path, answers = {"path": sent.json()[0]} | META, []
    async with street.client("198.51.100.8") as client:

        async def look(number: int) -> None:
            while True:
                form = street.form("show", token=secrets.token_urlsafe(32), reference_image=path)
                answers.append(await street.event(client, f"dear{number}", *form) or "shown")

        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(look(number) for number in range(20)))
    return f"{len(dear) // 1000} kB: {_counts(answers)}"


async def names(street: Street) -> str:
    """Twenty made-up people with eight jobs each; then the place in line of somebody who comes
    after.
    """
    async with street.client("198.51.100.9") as client:
        answers = []
        for person in range(20):
            token = secrets.token_urlsafe(32)
            for take in range(8):
                answers.append(await _order(street, client, token, f"job {person} {take}"))
    async with street.client("203.0.113.99") as honest:
        place = await _order(street, honest, secrets.token_urlsafe(32), "an honest one")
    return f"{_counts(answers)}; the next visitor: {place}"


async def promises(street: Street) -> str:
    """Ten uploads of 360 MB that are promised and never come."""
    head = (
        f"POST {API}/upload HTTP/1.1\r\nContent-Type: multipart/form-data; "
        "boundary=edge\r\nContent-Length: 359000000"
    )
    head += "\r\nX-Forwarded-For: 198.51.100.11"
    begun = (
        b"Connection: keep-alive\r\n\r\n"
        + b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
    )
    held = [await street.raw(head, begun) for _ in range(10)]
    sent = await asyncio.to_thread(
        upload, street.app.url, [("a.png", (SAMPLES / "coffee.png").read_bytes())]
    )
    try:
        await asyncio.sleep(3600)
        return ""
    except asyncio.CancelledError:
        return (
            f"an honest upload beside them: {sent.status}; "
            f"{sum(reader.at_eof() for reader, _ in held)} closed by the app"
        )
    finally:
        for _, writer in held:
            writer.close()


async def agents(street: Street) -> str:
    """Twenty bodies of 27 MB for agents, of which the last byte never comes."""
    head = (
        f"POST {API}/mcp/ HTTP/1.1\r\nContent-Type: application/json\r\nAccept: "
        "application/json, text/event-stream"
    )
    head += "\r\nContent-Length: 27000000\r\nX-Forwarded-For: 198.51.100.12"
    held = []

    async def send() -> None:
        with contextlib.suppress(OSError):
            reader, writer = await street.raw(head, b"\r\n")
            held.append((reader, writer))
            for _ in range(26):
                writer.write(b"[" + b" " * 1_000_000)
                await writer.drain()

    try:
        await asyncio.gather(*(send() for _ in range(20)))
        await asyncio.sleep(3600)
        return ""
    except asyncio.CancelledError:
        return f"{sum(reader.at_eof() for reader, _ in held)} of {len(held)} closed by the app"
    finally:
        for _, writer in held:
            writer.close()


NEIGHBOURS: dict[str, Neighbour] = {
    "bodies": bodies,
    "field": field,
    "waiting": waiting,
    "sockets": sockets,
    "pictures": pictures,
    "names": names,
    "promises": promises,
    "agents": agents,
}


async def _order(street: Street, client: httpx.AsyncClient, token: str, prompt: str) -> str:
    """Presses Generate. Gives the place in line, or what the page says."""
    given = {
        "token": token,
        "reference_image": {"path": street.picture} | META,
        "prompt": prompt,
        "url": "",
        "audio_url": "",
    }
    number, data = street.form("start", **given)
    session = secrets.token_hex(6)
    joined = await client.post(
        f"{API}/queue/join", json={"session_hash": session, "fn_index": number, "data": data}
    )
    if joined.status_code != 200:
        return f"refused by {joined.status_code}"
    async with client.stream(
        "GET", f"{API}/queue/data", params={"session_hash": session}
    ) as stream:
        shown = "".join([line async for line in stream.aiter_lines()])
    place = re.search(r"(\d+)(?:st|nd|rd|th) in line", shown)
    return f"place {place[1]}" if place else "a job" if "data-live" in shown else "refused in words"


def _counts(answers: list[object]) -> str:
    texts = [str(one) for one in answers]
    return ", ".join(
        f"{texts.count(one)} x {one}"
        for one in sorted(set(texts), key=texts.count, reverse=True)[:4]
    )


def _dear() -> bytes:
    """A picture of some 260 kB that takes a second and more to open."""
    out = io.BytesIO()
    Image.effect_mandelbrot((8000, 8000), (-3, -2.5, 2, 2.5), 2).convert("RGB").save(
        out, "PNG", optimize=False
    )
    return out.getvalue()


def _small() -> str:
    out = io.BytesIO()
    Image.new("RGB", (400, 400), "teal").save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()
