"""Attacks by connections: more of them than the app may have files open, each in its own way
silent, while others are in the middle of something.
"""

import contextlib
import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests import plain_http
from tests.attacks.conftest import Record
from tests.attacks.visitor import API, Visitor
from tests.browser.serving import App, served
from wan.web.sockets import raise_file_limit

FILES = 1024  # what the app may have open
MANY = 1010
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(197)

# name, what each connection says before it falls silent
SILENT = [
    ("headers that never end", GET + b"X: "),
    ("a request line and nothing else", GET.partition(b"\r")[0] + b"\r\n"),
    ("nothing at all", b""),
    ("whole requests, then kept alive", GET + b"\r\n"),
    ("twenty requests at once, then kept alive", (GET + b"\r\n") * 20),
    ("a TLS hello", TLS_HELLO),
    ("headers of 15 kB that never end", GET + b"X: " + b"x" * 15_000),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with as few files as many a machine gives a process. In the end its log must hold no
    traceback.
    """
    ours = raise_file_limit()  # the other ends of its connections are here
    assert ours > FILES + 200, (
        f"this needs a hard limit of more than {FILES + 200} open files, and here it is {ours} "
        "(ulimit -Hn)"
    )
    with served(tmp_path_factory.mktemp("small"), pending=0.2, running=0.4, files=FILES) as running:
        yield running
        assert "Traceback" not in running.log(), running.log()
        assert "out of system resource" not in running.log()


@contextlib.contextmanager
def connected(app: App, count: int, words: bytes) -> Iterator[None]:
    """So many connections that say this and no more."""
    with contextlib.ExitStack() as opened:
        for _ in range(count):
            with contextlib.suppress(OSError):  # it may be closed again already
                opened.enter_context(_connection(app.port)).sendall(words)
        yield


def _connection(port: int) -> socket.socket:
    """Connects again where there is no room, sooner than the system does, which waits a second.
    Raises TimeoutError when there is none for long.
    """
    for _ in range(200):
        with contextlib.suppress(TimeoutError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=0.05)
            connection.settimeout(2)
            return connection
    raise TimeoutError


def opens_a_page(app: App) -> str:
    """How an honest visitor fares who comes anew."""
    with plain_http.Client(
        base_url=app.url, timeout=8
    ) as http:  # less than the app waits for who is silent
        try:
            return str(http.get("/config").status_code)
        except httpx.TransportError as error:
            return type(error).__name__


def begun_upload(app: App) -> tuple[socket.socket, bytes]:
    """An upload of which one half has been sent, and its other half."""
    head = (
        b'--edge\r\nContent-Disposition: form-data; name="files"; '
        b'filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    body = head + bytes(300_000) + b"\r\n--edge--\r\n"
    form = f"Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: {len(body)}\r\n"
    upload = socket.create_connection(("127.0.0.1", app.port), timeout=10)
    upload.sendall(
        f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\n{form}\r\n".encode() + body[:150_000]
    )
    return upload, body[150_000:]


def heard(stream: Iterator[str], event: str) -> bool:
    """Whether a stream of events says that this one is over."""
    for line in stream:
        message = json.loads(line.removeprefix("data: ")) if line else {}
        if message.get("event_id") == event and message["msg"] == "process_completed":
            return True
    return False


@pytest.mark.parametrize(("name", "words"), SILENT, ids=[name for name, _ in SILENT])
def test_silent_connections(name: str, words: bytes, small: App, record: Record):
    """Nobody who is in the middle of something is broken off, and nobody who comes is shut out."""
    someone = Visitor(small.url)
    upload, rest = begun_upload(small)
    joined = someone.join(someone.event("greet"), [someone.token, "", ""]).json()["event_id"]
    listening = plain_http.stream(
        "GET", f"{small.url}{API}/queue/data", params={"session_hash": someone.session}, timeout=60
    )
    with upload, listening as stream, connected(small, MANY, words):
        page = opens_a_page(small)
        streamed = heard(stream.iter_lines(), joined)
        with contextlib.suppress(OSError):
            upload.sendall(rest)
        answer = _first_line(upload)
    record(
        f"sockets: {MANY} of {name}: a page, a stream, an upload",
        "200, True, 200",
        f"{page}, {streamed}, {answer}",
    )
    someone.close()


def _first_line(connection: socket.socket) -> str:
    try:
        return connection.recv(65536).split(b" ", 2)[1].decode()
    except (OSError, IndexError) as error:
        return type(error).__name__
