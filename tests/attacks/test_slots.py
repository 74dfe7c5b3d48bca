"""Attacks on what there is only so much of: slots for events, calls that wait, open streams."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests import plain_http
from tests.attacks.conftest import Record
from tests.attacks.visitor import API, Visitor, post, upload
from tests.browser.serving import SAMPLES, App

OWN = {"X-Wan-Token": "w" * 40}
UNDERWAY = ("QUEUED", "UPLOADING", "SUBMITTING")  # of a job that the service takes later
FULL = 600  # seconds that a call may wait
ATTACKER, HONEST = "203.0.115.1", "203.0.115.2"


@pytest.fixture(scope="module")
def live(proxied: App) -> Iterator[tuple[str, str]]:
    """A job that does not end, of somebody by HTTP: its id, and the token of its owner."""
    with proxied.fault("create", "status-429"):
        path = upload(proxied.url, [("a.png", (SAMPLES / "coffee.png").read_bytes())]).json()[0]
        given = {
            "prompt": "She waits.",
            "reference_image": {"path": path, "meta": {"_type": "gradio.FileData"}},
            "wait": 0,
        }
        number = Visitor(proxied.url, headers={"X-Forwarded-For": HONEST} | OWN)
        made = called(proxied, "v2/image_to_video", given, HONEST, OWN)
        number.close()
        yield made["job_id"], OWN["X-Wan-Token"]


def called(app: App, name: str, given: Any, address: str, headers: dict[str, str]) -> Any:
    """Calls an endpoint by HTTP and waits for what it gives."""
    headers = {"X-Forwarded-For": address} | headers
    event = post(app.url, f"{API}/call/{name}", given, **headers).json()["event_id"]
    with plain_http.stream(
        "GET", f"{app.url}{API}/call/{name}/{event}", headers=headers, timeout=120
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: ") and (said := json.loads(line[6:])):
                return said[0]
    raise AssertionError("the stream ended")


def joined(
    app: App, session: str, number: int, data: list[Any], address: str, **headers: str
) -> int:
    """Asks for an event: the status of the answer."""
    body = {"session_hash": session, "fn_index": number, "data": data}
    return post(
        app.url, f"{API}/queue/join", body, **{"X-Forwarded-For": address}, **headers
    ).status


@contextlib.contextmanager
def listening(app: App, target: str, address: str, times: int) -> Iterator[list[bytes]]:
    """Opens streams, and gives the first bytes of each answer."""
    place, connections = urlsplit(app.url), []
    try:
        for _ in range(times):
            connections.append(
                connection := socket.create_connection((place.hostname, place.port), timeout=30)
            )
            connection.sendall(
                f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: "
                f"{address}\r\n\r\n".encode()
            )
        yield [connection.recv(12) for connection in connections]
    finally:
        for connection in connections:
            connection.close()


def test_calls_that_wait(proxied: App, live: tuple[str, str], record: Record):
    """Over many sessions, and of one job again and again: nobody listens to them."""
    attacker = Visitor(proxied.url, headers={"X-Forwarded-For": ATTACKER})
    attacker.close()
    job, watch = attacker.event("job"), attacker.event("watch")
    came = [
        joined(proxied, f"wait{number % 20}", job, [live[0], FULL], ATTACKER, **OWN)
        for number in range(150)
    ]
    assert set(came) <= {200, 429}
    began = time.monotonic()
    asked = called(proxied, "v2/job", {"job_id": live[0], "wait": FULL}, HONEST, OWN)
    record(
        "slots: one more where 150 wait: told at once where the job stands",
        True,
        asked["state"] in UNDERWAY,
    )
    record(
        "slots: one more where 150 wait: made to wait too",
        False,
        time.monotonic() - began > FULL / 10,
    )
    honest = Visitor(proxied.url, headers={"X-Forwarded-For": HONEST})
    well, _ = honest.call(honest.event("greet"), ["", "", ""])
    record("slots: an event of the page beside them", True, well)
    own = Visitor(proxied.url, session="wait0", headers={"X-Forwarded-For": ATTACKER})
    record(
        "slots: an event of the page from the same address",
        200,
        own.join(watch, [live[1], live[0]]).status,
    )
    for visitor in (honest, own):
        visitor.close()


def test_agents_that_wait(proxied: App, live: tuple[str, str], record: Record):
    """Twelve addresses, each with as many calls as it may make at once."""
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "job", "arguments": {"job_id": live[0], "wait": FULL}},
    }
    accept = {"Accept": "application/json, text/event-stream"} | OWN
    times = []

    def ask_as_agent(number: int) -> None:
        began, headers = time.monotonic(), accept | {"X-Forwarded-For": f"203.0.116.{number % 12}"}
        with (
            contextlib.suppress(httpx.ReadTimeout),
            plain_http.stream(
                "POST", f"{proxied.url}{API}/mcp/", json=call, headers=headers, timeout=30
            ) as answer,
        ):
            for (
                _
            ) in answer.iter_lines():  # whoever waits is told now and then that it is still there
                if time.monotonic() - began > 30:
                    return
            times.append(time.monotonic() - began)

    with ThreadPoolExecutor(36) as agents:
        list(agents.map(ask_as_agent, range(36)))
    record(
        "slots: of 36 agents of one owner that wait, answered at once", True, len(times) >= 36 - 16
    )


def test_streams(proxied: App, record: Record):
    stream = f"{API}/queue/data?session_hash=streams"
    watcher = Visitor(
        proxied.url, session="streams", headers={"X-Forwarded-For": "203.0.115.3"}
    )  # of its own: others have used up what they may ask
    well, _ = watcher.call(watcher.event("greet"), ["", "", ""])
    watcher.close()
    assert well
    with listening(proxied, stream, "203.0.115.9", 150) as answers:
        record("slots: streams of one address", b"HTTP/1.1 429", answers[-1])
        with listening(proxied, stream, HONEST, 1) as others:
            record("slots: a stream of another beside them", b"HTTP/1.1 200", others[0])
    record(
        "slots: heartbeats, which no page needs",
        b"HTTP/1.1 404",
        first(proxied, f"{API}/heartbeat/streams"),
    )


def first(app: App, target: str) -> bytes:
    """The first bytes of an answer."""
    with listening(app, target, HONEST, 1) as answers:
        return answers[0]


def test_page_events_without_end(proxied: App, live: tuple[str, str], record: Record):
    """Joined over and over, and listened to by nobody."""
    attacker = Visitor(proxied.url, headers={"X-Forwarded-For": "203.0.115.20"})
    attacker.close()
    watch = attacker.event("watch")
    with ThreadPoolExecutor(8) as pool:
        came = set(
            pool.map(
                lambda number: joined(
                    proxied, f"page{number % 3}", watch, [live[1], live[0]], "203.0.115.20"
                ),
                range(400),
            )
        )
    assert came <= {200, 429}
    honest = Visitor(proxied.url, headers={"X-Forwarded-For": HONEST})
    record(
        "slots: an event of another address beside 400 watchers",
        True,
        honest.call(honest.event("greet"), ["", "", ""])[0],
    )
    honest.close()


def test_twelve_addresses_do_not_shut_out_a_newcomer(proxied: App, record: Record):
    visitor = Visitor(proxied.url, headers={"X-Forwarded-For": HONEST})
    visitor.close()
    greet, over = visitor.event("greet"), threading.Event()

    def flood(number: int) -> None:
        while not over.is_set():
            joined(
                proxied,
                f"twelve{number}-{time.monotonic_ns()}",
                greet,
                ["", "", ""],
                f"203.0.117.{number}",
            )

    with ThreadPoolExecutor(12) as pool:
        flooding = [pool.submit(flood, number) for number in range(12)]
        try:
            came = [
                joined(proxied, f"new{number}", greet, ["", "", ""], f"203.0.118.{number}")
                for number in range(20)
            ]
        finally:
            over.set()
    for one in flooding:
        one.result()
    record("flood: 20 newcomers while twelve addresses open what they can", [200] * 20, came)
