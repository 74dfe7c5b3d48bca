"""The ways in which the app is set up, each of which every attack of this folder is tried on:
`python -m pytest tests/attacks --setup logins`.

An attacker is as near as a set-up lets anybody be: they know the access code where there is one,
and are signed in, as somebody else than the victim, where there are logins.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

from tests import shared
from tests.attacks import visitor
from tests.attacks.visitor import ask
from tests.browser.fleet import COOKIE, NAMES, fleet
from tests.browser.serving import App, served
from tests.simulators import serving

CODE = "sesame-4711-open"
METRICS = "a-token-that-prometheus-has"
PEOPLE = {"mallory": "secret-of-mallory", "ann": "secret-of-ann"}
VICTIMS: dict[str, dict[str, str]] = {}
"""What a victim sends with every request to an app of several replicas, by its address."""
QUICK = {"pending": 0.2, "running": 0.4}


@dataclass(frozen=True)
class Setup:
    """How the app is run."""

    settings: dict[str, str] = field(default_factory=dict)
    paid: bool = False
    """Whether it spends a key, at a simulator of its own."""
    behind: bool = False
    """Whether a proxy stands in front, which writes the headers that proxies write."""
    replicas: bool = False
    """Whether there are two, on one PostgreSQL and one bucket, behind HAProxy: the attacker is at
    the second, the victim at the first.
    """


SETUPS = {
    "demo": Setup(),
    "paid": Setup(
        {
            "WAN_ACCESS_CODE": CODE,
            "WAN_DAILY_BUDGET": "10000",
            "WAN_POLL_SECONDS": "1",
            "WAN_METRICS": METRICS,
        },
        paid=True,
    ),
    "logins": Setup({"WAN_LOGINS": ",".join(f"{name}:{word}" for name, word in PEOPLE.items())}),
    "mcp": Setup({"WAN_MCP": "true"}),
    "replicas": Setup(
        {"WAN_ACCESS_CODE": CODE, "WAN_DAILY_BUDGET": "10000", "WAN_METRICS": METRICS},
        replicas=True,
    ),
    "proxied": Setup({"WAN_TRUSTED_PROXIES": "127.0.0.1", "WAN_METRICS": "loopback"}, behind=True),
}


@contextlib.contextmanager
def attacked(name: str, folder: Path) -> Iterator[App]:
    """The app in a set-up. What it asks of an attacker, `ask` and `Visitor` send by themselves."""
    setup = SETUPS[name]
    with (_replicated if setup.replicas else _alone)(setup, folder) as app:
        visitor.CODES[app.url] = setup.settings.get("WAN_ACCESS_CODE", "")
        if "WAN_LOGINS" in setup.settings:
            visitor.HEADERS[app.url] = cookie_of(app, "mallory")
        yield app


@contextlib.contextmanager
def _alone(setup: Setup, folder: Path) -> Iterator[App]:
    settings = dict(setup.settings)
    with contextlib.ExitStack() as opened:
        if setup.paid:
            service = opened.enter_context(
                serving(folder / "service", "--pending", "0.2", "--running", "0.4")
            )
            settings |= {
                "WAN_BACKEND": "auto",
                "DASHSCOPE_API_KEY": "sk-operator-0a1b2c3d4e5f",
                "DASHSCOPE_BASE_URL": service.base_url,
                "DASHSCOPE_REGION": "cn-beijing",
            }
        app = opened.enter_context(served(folder, **QUICK, **settings))
        if setup.behind:
            app = replace(app, url=f"http://127.0.0.1:{opened.enter_context(forwarding(app.port))}")
        yield app


@contextlib.contextmanager
def _replicated(setup: Setup, folder: Path) -> Iterator[App]:
    """The replica that the attacker is sent to."""
    victims, attackers = NAMES
    with fleet(folder, shared.postgres().database(), **setup.settings) as installation:
        for name in NAMES:
            installation.start(name)
        attacked = installation.running[attackers]
        visitor.HEADERS[installation.url] = {"Cookie": f"{COOKIE}={attackers}"}
        VICTIMS[installation.url] = {"Cookie": f"{COOKIE}={victims}"}
        visitor.BALANCED.add(installation.url)
        yield replace(attacked, url=installation.url, bucket=installation.bucket.files)
        other = installation.running[victims]
        assert "Traceback" not in other.log(), other.log()


def victims_headers(app: App) -> dict[str, str]:
    """What the victim sends with every request."""
    if app.url in VICTIMS:
        return VICTIMS[app.url]
    return cookie_of(app, "ann") if app.url in visitor.HEADERS else {}


def cookie_of(app: App, name: str) -> dict[str, str]:
    """Signs in. Gives the header that says so."""
    return signed_in(app.url, name, PEOPLE[name])


def signed_in(url: str, name: str, word: str) -> dict[str, str]:
    """As `cookie_of`, for anybody of any app."""
    form = urlencode({"username": name, "password": word}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(form))}
    given = ask(url, "POST", "/login", headers=kind, body=form)
    assert given.status == 200, given
    return {"Cookie": "; ".join(one.partition(";")[0] for one in given.cookies)}


@contextlib.contextmanager
def forwarding(port: int) -> Iterator[int]:
    """A proxy in front of a port of this machine: it says who asks, in place of whatever a request
    says of that. Gives its port.
    """

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            _forward(self.request, port)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forward) as proxy:
        proxy.daemon_threads = True
        threading.Thread(
            target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        yield proxy.server_address[1]
        proxy.shutdown()


def _forward(client: socket.socket, port: int) -> None:
    """One connection with one request."""
    head = b""
    while b"\r\n\r\n" not in head:
        if not (piece := client.recv(1 << 16)):
            return
        head += piece
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.sendall(_rewritten(head, client.getpeername()[0]))
        threading.Thread(target=_pipe, args=[client, server], daemon=True).start()
        _pipe(server, client)


def _rewritten(head: bytes, address: str) -> bytes:
    head, _, rest = head.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    names = (b"x-forwarded-", b"forwarded", b"connection")
    kept = [line for line in lines if not line.lower().startswith(names)]
    host = next((line[5:].strip() for line in lines if line.lower().startswith(b"host:")), b"")
    ours = [
        b"X-Forwarded-For: " + address.encode(),
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: " + host,
    ]
    return b"\r\n".join([first, *kept, *ours, b"Connection: close", b"", rest])


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
