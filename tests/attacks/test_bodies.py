"""Attacks by bodies: dear to read, too large, or never whole. Each is sent to every route that
takes JSON.
"""

import contextlib
import json
import re
import socket
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.attacks.conftest import Record
from tests.attacks.visitor import API, Visitor, ask, post
from tests.browser.serving import App

MEGABYTE = 1_000_000
_addresses = count(1)

ROUTES = {
    "an event": f"{API}/queue/join",
    "an event past the queue": f"{API}/run/predict",
    "a call": f"{API}/call/job",
    "a call, v2": f"{API}/call/v2/job",
    "cancel": f"{API}/cancel",
    "reset": f"{API}/reset",
    "an agent's call": f"{API}/mcp/",
    "a verdict": "/review/x/verdict",
}


def filled(before: bytes, piece: bytes, after: bytes, size: int) -> bytes:
    """A body of so many bytes, of many pieces."""
    return before + piece * ((size - len(before) - len(after)) // len(piece)) + after


def within(data: bytes) -> bytes:
    """A valid event up to something in its data."""
    return (
        b'{"session_hash":"s","fn_index":0,"event_id":"e","jsonrpc":"2.0","id":1,"method":"ping","data":['
        + data
    )


DEAR: dict[str, Callable[[int], bytes]] = {
    "empty lists beside each other": lambda size: filled(within(b"[]"), b",[]", b"]}", size),
    "empty objects beside each other": lambda size: filled(within(b"{}"), b",{}", b"]}", size),
    "lists in lists": lambda size: (
        within(b"") + b"[" * ((size - 200) // 2) + b"]" * ((size - 200) // 2) + b"]}"
    ),
    "objects in objects": lambda size: (
        within(b"") + b'{"":' * ((size - 200) // 5) + b"1" + b"}" * ((size - 200) // 5) + b"]}"
    ),
    "lists and objects by turns": lambda size: (
        within(b"") + b'[{"":' * ((size - 200) // 7) + b"1" + b"}]" * ((size - 200) // 7) + b"]}"
    ),
    "hundreds of levels, thousands of times": lambda size: filled(
        within(b"0"), b"," + b"[" * 300 + b"]" * 300, b"]}", size
    ),
    "numbers": lambda size: filled(within(b"1"), b",1", b"]}", size),
    "short strings": lambda size: filled(within(b'""'), b',""', b"]}", size),
    "names that are all the same": lambda size: filled(b'{"a":1', b',"a":1', b"}", size),
    "a number of many digits": lambda size: filled(within(b"1"), b"9", b"]}", size),
    "a fraction of many digits": lambda size: filled(within(b"0."), b"9", b"]}", size),
    "escapes alone": lambda size: filled(within(b'"'), rb"\u0041", b'"]}', size),
    "backslashes alone": lambda size: filled(within(b'"'), rb"\\", b'"]}', size),
    "spaces": lambda size: filled(within(b""), b" ", b"]}", size),
    "UTF-16": lambda size: (
        filled(within(b"[]"), b",[]", b"]}", size // 2).decode().encode("utf-16")
    ),
    "UTF-32 without a mark": lambda size: (
        filled(within(b"[]"), b",[]", b"]}", size // 4).decode().encode("utf-32-le")
    ),
    # Half of this letter is a quote: whoever reads bytes takes what follows for a string.
    "UTF-16 that looks like a string": lambda size: (
        filled(within('"\u0122",[]'.encode()), b",[]", b"]}", size // 2)
        .decode()
        .encode("utf-16-le")
    ),
    "a quote that only seems escaped": lambda size: filled(
        within(rb'"\\",[]'), b",[]", b"]}", size
    ),
}


@pytest.fixture
def sender() -> dict[str, str]:
    """The headers of somebody with an address of their own."""
    number = next(_addresses)
    return {
        "X-Forwarded-For": f"203.0.113.{number % 250}",
        "Origin": "http://127.0.0.1",
        "Host": "127.0.0.1",
    }


def limit(route: str) -> int:
    """Bytes that a route takes."""
    return 32_000 if route == "a verdict" else 64_000 if route in ("cancel", "reset") else MEGABYTE


@pytest.mark.parametrize("kind", DEAR)
def test_dear_bodies(kind: str, proxied: App, sender: dict[str, str], record: Record):
    """As a whole and in pieces. What is dear only by the megabyte is answered where less than that
    is taken.
    """
    small = kind in ("a fraction of many digits", "escapes alone", "backslashes alone", "spaces")
    for route, target in ROUTES.items():
        body = DEAR[kind](limit(route))
        assert len(body) <= limit(route)
        pieces = (body[at : at + 4096] for at in range(0, len(body), 4096))
        headers = sender | {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
        got = {
            post(proxied.url, target, body, **sender).status,
            ask(proxied.url, "POST", target, headers=headers, body=pieces, chunked=True).status,
        }
        allowed = {400, 413} | ({200, 404, 422} if small and limit(route) < MEGABYTE else set())
        record(f"body: {kind}, to {route}", "held", "held" if got <= allowed else got)


def spent(app: App) -> int:
    """Ticks of the processor that the app's own process has used, which no
    busy machine makes more.
    """
    fields = Path(f"/proc/{app.process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_dear_body_costs_no_more_than_an_honest_event(proxied: App, record: Record):
    visitor = Visitor(proxied.url, headers={"X-Forwarded-For": "203.0.113.251"})
    greet = visitor.event("greet")
    assert visitor.call(greet, ["", "", ""])[0]
    before = spent(proxied)
    for _ in range(40):
        assert visitor.call(greet, ["", "", ""])[0]
    honest = spent(proxied) - before
    visitor.close()
    for kind in (
        "empty lists beside each other",
        "lists in lists",
        "short strings",
        "names that are all the same",
    ):
        body, before = DEAR[kind](MEGABYTE), spent(proxied)
        for _ in range(40):
            post(
                proxied.url,
                f"{API}/queue/join",
                body,
                **{"X-Forwarded-For": f"203.0.113.{252 + len(kind) % 3}"},
            )
        record(
            f"body: 40 times {kind}, dearer than 40 events", False, spent(proxied) - before > honest
        )


def test_a_page_event_may_not_be_as_large_as_a_call(
    proxied: App, sender: dict[str, str], record: Record
):
    visitor = Visitor(proxied.url, headers=sender)
    visitor.close()
    for name, expected in (("quote", 413), ("image_to_video", 200)):
        number = visitor.event(name)
        data = [*visitor.form(number)[:-1], "x" * 500000]
        record(f"body: 500 kB to {name}", expected, visitor.join(number, data).status)


def test_bad_bodies_count_against_their_address(
    proxied: App, sender: dict[str, str], record: Record
):
    for _ in range(400):
        status = post(proxied.url, f"{API}/reset", b"[" * 50, **sender).status
        if status != 400:
            break
    record("body: as many bad ones as anybody likes", 429, status)
    record(
        "body: bad ones of one address, felt by another",
        422,
        post(proxied.url, f"{API}/reset", {}, **sender | {"X-Forwarded-For": "203.0.114.1"}).status,
    )


@contextlib.contextmanager
def begun(
    app: App, target: str, address: Callable[[int], str], body: bytes, promised: int
) -> Iterator[Callable[[], None]]:
    """Begins requests that never end; gives what begins one more. All are hung up in the end."""
    place, connections = urlsplit(app.url), []

    def begin() -> None:
        connections.append(
            connection := socket.create_connection((place.hostname, place.port), timeout=20)
        )
        head = (
            f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: "
            f"{address(len(connections))}\r\n"
        )
        head += f"Content-Type: application/json\r\nContent-Length: {promised}\r\n\r\n"
        with contextlib.suppress(ConnectionError, TimeoutError):
            connection.sendall(head.encode() + body)

    try:
        yield begin
    finally:
        for connection in connections:
            connection.close()


def megabytes(app: App) -> int:
    """The memory that the app's own process holds."""
    status = Path(f"/proc/{app.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found
    return int(found[1]) // 1024


@pytest.mark.parametrize("many", [False, True], ids=["one address", "an address each"])
def test_bodies_of_agents_that_never_end(many: bool, proxied: App, record: Record):
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "job", "arguments": {"job_id": ""}},
    }
    body = json.dumps(call).encode()[:-4] + b"A" * 27_000_000
    address = (lambda number: f"198.51.100.{number}") if many else (lambda _: "198.51.99.1")
    before = megabytes(proxied)
    with begun(proxied, f"{API}/mcp/", address, body, 27_900_000) as begin:
        for _ in range(20):
            begin()
        held = megabytes(proxied) - before
        record(
            "body: 20 of 27 MB for agents, unfinished, from "
            f"{'20 addresses' if many else 'one'}, hold 200 MB",
            False,
            held > 200,
        )
        accept = {"Accept": "application/json, text/event-stream", "X-Forwarded-For": "203.0.114.2"}
        record(
            "body: another agent's call beside them",
            200,
            post(proxied.url, f"{API}/mcp/", call, **accept).status,
        )


def test_short_bodies_that_never_end(proxied: App, sender: dict[str, str], record: Record):
    own = sender["X-Forwarded-For"]
    with begun(proxied, f"{API}/reset", lambda _: own, b"{", 100) as begin:
        for _ in range(41):
            begin()
        for _ in range(40):  # until the app has seen them all
            refused = post(proxied.url, f"{API}/reset", {}, **sender).status
            if refused == 429:
                break
        record("body: one more of an address that has 40 unfinished", 429, refused)
        other = post(proxied.url, f"{API}/reset", {}, **sender | {"X-Forwarded-For": "203.0.114.3"})
        record("body: of another address beside them", 422, other.status)
