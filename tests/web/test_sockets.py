"""The limits of connections, over real ones."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
import uvicorn
from gradio import http_server

from tests.conftest import ROOT
from tests.patience import PATIENCE
from wan.ui import gradio_patches
from wan.ui.gradio_patches import serve_within_limits
from wan.web.listening import Listener
from wan.web.sockets import LOOPBACK, Connection, ConnectionRegistry, Limits

pytestmark = pytest.mark.anyio

LIMITS = Limits(total=6, each=3, backlog=100)
GET = b"GET /%s HTTP/1.1\r\nHost: here\r\n\r\n"
LARGE = 30_000_000  # bytes; more than both ends of a connection hold for a peer that takes nothing


@dataclass
class Site:
    """A server with an app that answers at once, waits, streams without end, or answers before it
    has read.
    """

    port: int
    registry: ConnectionRegistry
    working: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released once for each request that is being answered."""
    go: asyncio.Event = field(default_factory=asyncio.Event)
    """Lets the waiting ones end."""
    gone: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """Released once for each stream that ended early."""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.working.release()
        if scope["path"] == "/wait":
            await self.go.wait()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"x-path", scope["path"].encode())],
            }
        )
        body = bytes(LARGE) if scope["path"] == "/large" else b"done"
        await send(
            {"type": "http.response.body", "body": body, "more_body": scope["path"] == "/stream"}
        )
        while (
            scope["path"] == "/stream"
        ):  # as Gradio does: it looks again and again whether its peer is there
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    if (await receive())["type"] == "http.disconnect":
                        self.gone.release()
                        return

    async def wait(self, count: int = 1) -> None:
        """Waits until so many more requests are being answered."""
        for _ in range(count):
            await self.working.acquire()


async def until(true: Callable[[], bool]) -> None:
    """Waits for something that nobody announces."""
    for _ in range(int(PATIENCE * 100)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@contextlib.asynccontextmanager
async def site(idle: float = 5, **limits: Any) -> AsyncIterator[Site]:
    """idle: seconds after which uvicorn closes a connection without a request."""
    here = Site(0, ConnectionRegistry(replace(LIMITS, **limits)))
    http = partial(Connection, here.registry)
    quiet: dict[str, Any] = {
        "lifespan": "off",
        "log_level": "error",
        "timeout_graceful_shutdown": 1,
        "timeout_keep_alive": idle,
    }
    config = uvicorn.Config(here.app, port=0, http=http, ws="none", interface="asgi3", **quiet)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(PATIENCE):
        await until(lambda: server.started)
        here.port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield here
        finally:
            here.go.set()
            server.should_exit = True
            await serving


@dataclass
class Peer:
    """The other end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def rest(self) -> bytes:
        """All that still comes, until the server closes."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read()
        return b""

    async def answer(self) -> bytes:
        return await self.reader.readuntil(b"0\r\n\r\n")


@contextlib.asynccontextmanager
async def peers(
    here: Site, count: int, words: bytes = b"", address: str = "127.0.0.2"
) -> AsyncIterator[list[Peer]]:
    """So many connections from an address, in the order in which they were made, that have said
    this.
    """
    held: list[Peer] = []
    try:
        for _ in range(count):
            held.append(
                Peer(
                    *await asyncio.open_connection("127.0.0.1", here.port, local_addr=(address, 0))
                )
            )
            held[-1].writer.write(words)
        yield held
    finally:
        for one in held:
            one.writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await one.writer.wait_closed()


async def trickle(peer: Peer, byte: bytes) -> None:
    """Sends a byte now and then until the server closes."""
    closed = asyncio.create_task(peer.rest())
    while not closed.done():
        peer.writer.write(byte)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("before", [b"", GET % b""], ids=["first", "later"])
async def test_headers_have_so_much_time_and_each_byte_gives_no_more(before):
    half = before + b"GET / HTTP/1.1\r\nX: "
    async with (
        site(header_seconds=1) as here,
        peers(here, 1, half) as [begun],
        peers(here, 2, before) as [slow, mute],
    ):
        assert before or (await begun.rest()).startswith(b"HTTP/1.1 408 ")
        assert b"HTTP/1.1 4" not in await mute.rest(), "to nothing there is nothing to answer"
        await trickle(slow, b"G")


async def test_a_request_has_its_time():
    async with site(header_seconds=0.1) as here, peers(here, 1, GET % b"wait") as [asking]:
        await here.wait()
        await asyncio.sleep(0.5)
        here.go.set()
        assert (await asking.answer()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("words", [b"", GET % b""], ids=["nothing", "kept"])
async def test_an_address_has_its_share_and_its_oldest_silent_connection_goes_first(words):
    async with (
        site() as here,
        peers(here, 1, words, "127.0.0.3") as [neighbour],
        peers(here, 3, words) as first,
    ):
        await here.wait(words.count(b"GET") * 4)
        async with peers(here, 2, words) as later:
            await asyncio.gather(*(one.rest() for one in first[:2]))
            for one in (first[2], *later, neighbour):
                one.writer.write(GET % b"last")
                await one.reader.readuntil(b"x-path: /last")


async def test_all_have_their_share_too_and_no_exemption_from_it():
    async with (
        site(total=4, exempt=LOOPBACK) as here,
        peers(here, 1, GET % b"wait") as [busy],
        peers(here, 1, GET % b"stream") as [stream],
    ):
        await here.wait(2)
        async with peers(here, 20, b"GET /") as silent:
            await asyncio.gather(*(one.rest() for one in silent[:18]))
            assert len(here.registry) == 4
            for one in silent[18:]:
                one.writer.write(b"late HTTP/1.1\r\nHost: here\r\n\r\n")
                await one.reader.readuntil(b"x-path: /late")
            here.go.set()
            await busy.answer()
            assert b"done" in await stream.reader.readuntil(b"done")


@pytest.mark.parametrize("much", [b"a:\r\n" * 60_000, b"x" * 240_000], ids=["many", "long"])
async def test_headers_are_short_also_where_they_come_at_once(much):
    async with site() as here, peers(here, 1) as [peer]:
        connection = next(iter(here.registry._open))
        connection.data_received(
            GET[:-2] % b"" + much + b"\r\n\r\n"
        )  # as the kernel hands it over where the loop was busy
        assert connection.cycle is None, "no request was made of it"
        assert (await peer.rest()).startswith(b"HTTP/1.1 400 ")


async def test_a_body_comes_in_chunks_that_are_worth_reading():
    post = b"POST /wait HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with (
        site() as here,
        peers(here, 1, post + b"1\r\nx\r\n" * 40_000) as [small],
        peers(here, 1, post + b"40\r\n%s\r\n" % (b"x" * 64) * 4_000) as [fair],
    ):
        assert b"HTTP/1.1 200 " not in await small.rest(), "it is closed, while the app still waits"
        await here.wait(2)
        fair.writer.write(b"1\r\nx\r\n" * 900 + b"0\r\n\r\n")
        here.go.set()
        assert (await fair.answer()).startswith(b"HTTP/1.1 200 ")


async def test_what_is_no_http_after_an_answer_has_begun_ends_it(caplog):
    async with (
        site() as here,
        peers(
            here, 1, b"POST /stream HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        ) as [odd],
    ):
        await odd.reader.readuntil(b"done")
        odd.writer.write(b"no chunk\r\n")
        await odd.rest()
        await until(lambda: len(here.registry) == 0)
    assert "Traceback" not in caplog.text
    assert not [one for one in caplog.records if one.exc_info]


async def test_where_all_have_requests_a_new_one_is_told_to_come_back():
    async with site(total=8, each=3) as here, peers(here, 3, GET % b"wait") as busy:
        await here.wait(3)
        async with (
            peers(here, 1) as [refused],
            peers(here, 1, GET % b"", "127.0.0.3") as [neighbour],
        ):
            answer = await refused.rest()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 5\r\n" in answer
            assert (await neighbour.answer()).startswith(b"HTTP/1.1 200 ")
        here.go.set()
        for one in busy:
            await one.answer()


async def test_a_proxy_keeps_its_connections_and_nobody_else():
    proxy = [ip_network("127.0.0.3/32")]
    async with (
        asyncio.timeout(PATIENCE),
        site(0.1, exempt=proxy) as here,
        peers(here, 1, GET % b"first", "127.0.0.3") as (kept,),
    ):
        await kept.answer()
        async with peers(here, 1, GET % b"other") as (other,):
            await other.rest()  # until it is closed, though it came later
        kept.writer.write(GET % b"second")
        assert b"x-path: /second" in await kept.answer()


async def test_whoever_sends_further_requests_ahead_is_answered_once():
    async with site() as here, peers(here, 1, GET % b"wait" + GET % b"more" * 3) as [ahead]:
        await here.wait()
        here.go.set()
        answer = await ahead.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert (answer.count(b"x-path"), b"connection: close" in answer) == (1, True)


async def test_what_is_closed_is_counted_no_more():
    upgrade = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with site() as here:
        for words in (b"", b"G", GET % b"", GET % b"stream", b"\x16\x03\x01\x00", upgrade):
            for _ in range(4):
                async with peers(here, 3, words):
                    pass
            await until(lambda: len(here.registry) == 0)
        assert not here.registry._idle
        assert not here.registry._counts


async def test_what_is_sent_ahead_of_an_answer_is_not_kept():
    async with site() as here, peers(here, 1, GET % b"stream") as [pushy]:
        await pushy.reader.readuntil(b"done")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                pushy.writer.write(bytes(65_536))
                await pushy.writer.drain()
        await pushy.rest()
        await here.gone.acquire()


async def test_an_answer_is_not_broken_off_by_what_follows_a_last_request(caplog):
    last = b"GET /wait HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    async with site() as here, peers(here, 1, last) as [asking]:
        await here.wait()
        asking.writer.write(b"one more thing\r\n\r\n")
        await asking.writer.drain()
        await asyncio.sleep(0.1)
        here.go.set()
        assert b"done" in await asking.rest()
    assert not caplog.records


async def test_the_rest_of_a_request_that_was_answered_has_its_time():
    head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100000000\r\n\r\n"
    async with site(linger_seconds=0.5) as here, peers(here, 1, head) as [sending]:
        await sending.answer()
        await trickle(sending, b"x")


@pytest.mark.parametrize("ends", [b"", b"Connection: close\r\n"])
async def test_whoever_takes_nothing_of_an_answer_loses_it(ends):
    ask = b"GET /large HTTP/1.1\r\nHost: here\r\n" + ends + b"\r\n"
    async with site(send_seconds=0.3) as here:
        with socket.create_connection(("127.0.0.1", here.port)) as asking:
            asking.sendall(ask)
            await here.wait()
            await until(lambda: len(here.registry) == 0)


@pytest.mark.parametrize(
    ("files", "limits"),
    [
        (64, (16, 8, 4)),
        (1024, (256, 128, 64)),
        (4096, (1024, 256, 256)),
        (20_000, (4000, 256, 1000)),
    ],
)
def test_what_is_left_for_files(files, limits):
    """Connections, the files that are sent over them, and what waits to be looked at leave a
    quarter for the rest.
    """
    given = Limits.within_files(files, [])
    assert (given.total, given.each, given.backlog) == limits
    assert given.total * 2 + given.backlog * 4 <= files * 3 / 4


@pytest.mark.process
@pytest.mark.parametrize(("soft", "hard", "wanted"), [(256, 1024, 1024), (256, 20_000, 16_384)])
def test_the_limit_of_files_is_raised_as_far_as_it_may(soft, hard, wanted, environment):
    code = (
        "import resource; from wan.web.sockets import raise_file_limit as r; print(r(), "
        "*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    shell = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$0" -c "$1"'
    answer = subprocess.run(
        ["sh", "-c", shell, sys.executable, code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    assert answer.stdout.split() == [str(wanted), str(wanted), str(hard)], answer.stderr


def test_gradio_serves_within_the_limits(monkeypatch):
    """It makes uvicorn's configuration itself: if that changes, this says so. That they hold in the
    app, tests/attacks shows.
    """
    plain = http_server.start_server
    place = Listener("127.0.0.1", "127.0.0.1", 7860, [])
    monkeypatch.setattr(gradio_patches._Server, "run_in_thread", lambda _: None)
    with serve_within_limits(replace(LIMITS, backlog=7), place):
        *told, server = http_server.start_server(
            Site(0, ConnectionRegistry(LIMITS)).app, server_port=0
        )
    assert http_server.start_server is plain
    assert told == ["127.0.0.1", 7860, "http://127.0.0.1:7860/"]
    server.config.load()
    assert server.config.http_protocol_class.func is Connection
    assert (server.config.backlog, server.config.ws_protocol_class) == (7, None)
