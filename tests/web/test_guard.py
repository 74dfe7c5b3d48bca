"""The guard, part by part; that it holds as a whole is shown by tests/attacks."""

import asyncio
import base64
import contextlib
import gc
import hashlib
import itertools
import json
import re
import tempfile
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import processing_utils
from gradio.routes import App, templates
from gradio_client import Client, handle_file
from starlette.applications import Starlette
from starlette.datastructures import Headers

from tests import plain_http
from tests.attacks.visitor import ask
from tests.patience import PATIENCE
from wan.environment.settings import load_settings
from wan.service.studio import Studio
from wan.storage import objects
from wan.storage.uploads import SAMPLES, UploadFolder
from wan.ui import server
from wan.ui.gradio_patches import deny_downloads
from wan.ui.inputs import Page, is_plausible
from wan.ui.page import build
from wan.ui.server import blocked_paths
from wan.web import (
    announcements,
    bodies,
    metrics,
    rate_limit,
    readiness,
    review_page,
    spending_page,
    video_page,
)
from wan.web.addresses import client_address
from wan.web.events import Events
from wan.web.guard import Guard
from wan.web.headers import Scripts
from wan.web.host_names import HostNames
from wan.web.refusal import RequestRefused
from wan.web.routes import routes
from wan.web.sessions import Sessions
from wan.web.sign_in import SignIn
from wan.web.uploads import BodyUploads
from wan.web.uploads import routes as upload_routes

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
OPEN = {
    *(
        "/",
        "/zh",
        "/config",
        "/theme.css",
        "/favicon.ico",
        "/robots.txt",
        "/manifest.json",
        "/pwa_icon",
        "/assets/x",
        "/static/x",
    ),
    *(
        "/healthz",
        "/readyz",
        "/metrics",
        "/events/dashscope",
        "/media/x/x",
        "/reference/x/x/x",
        "/still/x",
        "/spending",
        "/spending.csv",
    ),
    *(
        "/review",
        "/review/x",
        "/review/x/",
        "/review/x/tally",
        "/review/x/verdict",
        *(f"/review/x/{name}" for name in ("own", "reply", "edit", "delete", "name")),
        "/review/x/x/x",
        "/video",
        "/video/x",
        "/video/x/",
        "/video/x/x",
    ),
    *(
        f"/gradio_api/{name}"
        for name in (
            "info",
            "startup-events",
            "app_id",
            "queue/join",
            "queue/data",
            "upload_progress",
        )
    ),
    *(
        f"/gradio_api/{name}"
        for name in (
            "upload",
            "file=x",
            "cancel",
            "reset",
            "call/public",
            "call/v2/public",
            "call/public/x",
            "call/v2/public/x",
        )
    ),
}


def scope(
    path: str = "/",
    method: str = "GET",
    peer: str = "192.0.2.7",
    query: bytes = b"",
    **headers: str,
) -> dict[str, Any]:
    """A request. headers: with _ for -."""
    named = {"host": "app.example"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": raw,
        "client": (peer, 1),
        "server": ("192.0.2.1", 80),
    }


ADDRESSES = [
    ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
    ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
    ("10.0.0.1", "10.9.9.9, 10.2.3.4", "10.9.9.9"),
    ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
    ("10.0.0.1", "198.51.100.1, 10.2.3.4:5678", "198.51.100.1"),
    ("10.0.0.1", "6.6.6.6, nonsense", "nonsense"),
    ("testclient", "6.6.6.6", "testclient"),
]


@pytest.mark.parametrize(("peer", "forwarded", "address"), ADDRESSES)
def test_only_proxies_are_believed_about_the_address(peer, forwarded, address):
    assert client_address(scope(peer=peer, x_forwarded_for=forwarded), PROXIES) == address


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def admitted(sessions: Sessions, names: range, address: str) -> int:
    """How many new sessions were let in before the first refusal."""
    for count, number in enumerate(names):
        try:
            await sessions.admit(f"{address}-{number}", address)
        except RequestRefused:
            return count
    return len(names)


@pytest.mark.anyio
async def test_new_sessions_come_at_a_rate_and_known_ones_at_any():
    clock = Clock()
    sessions = Sessions(lambda _: None, clock)
    assert await admitted(sessions, range(100), "192.0.2.1") == 60
    for _ in range(1000):
        await sessions.admit("192.0.2.1-0", "192.0.2.1")
    assert await admitted(sessions, range(100), "192.0.2.2") == 3 + 17, (
        "80 for those who have had their first three"
    )
    clock.now += 5
    assert await admitted(sessions, range(100, 200), "192.0.2.1") == 5
    clock.now += 3600
    assert await admitted(sessions, range(200, 300), "192.0.2.1") == 60


@pytest.mark.anyio
async def test_one_ipv6_network_counts_as_one_address():
    sessions = Sessions(lambda _: None, Clock())
    for number in range(60):
        await sessions.admit(f"s{number}", f"2001:db8::{number:x}")
    with pytest.raises(RequestRefused):
        await sessions.admit("one more", "2001:db8::ffff")
    await sessions.admit("a neighbour", "2001:db8:0:1::1")


@pytest.mark.anyio
async def test_addresses_that_had_theirs_leave_some_to_those_who_come_first():
    clock = Clock()
    sessions = Sessions(lambda _: None, clock)
    attackers = [f"192.0.2.{number}" for number in range(12)]
    for second in range(300):
        clock.now += 1
        for address in attackers:
            await admitted(sessions, range(second * 10, second * 10 + 10), address)
        if second % 30 == 29:
            assert await admitted(sessions, range(9), f"198.51.100.{second}") == 3, (
                "a newcomer opens a page and two more"
            )


@pytest.mark.anyio
async def test_one_ipv6_customer_with_many_networks_is_no_newcomer_in_each():
    sessions = Sessions(lambda _: None, Clock())
    came = 0
    for number in range(300):
        came += await admitted(sessions, range(9), f"2001:db8:0:{number:x}::1")
    assert came == 80
    assert await admitted(sessions, range(9), "2001:db8:1::1") == 3


@pytest.mark.anyio
async def test_what_the_guard_keeps_is_bounded(monkeypatch):
    monkeypatch.setattr("wan.web.sessions.KNOWN", 3)
    monkeypatch.setattr(rate_limit, "_ADDRESSES", 2)
    forgotten: list[str] = []
    clock = Clock()
    sessions = Sessions(forgotten.append, clock)
    for number in range(3):
        await sessions.admit(str(number), f"192.0.2.{number}")
    await sessions.admit("0", "192.0.2.0")
    await sessions.admit("3", "192.0.2.3")
    assert forgotten == ["1"], "the one that was not used for the longest time"
    assert len(sessions._own.here._due) == 2


async def answered(
    app: Guard, asked: dict[str, Any], body: bytes = b"", pause: float = 0
) -> tuple[int, dict[str, str]]:
    """What an app answers to a request. pause: seconds before the body comes."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(asked, receive, send)
    return sent[0]["status"], {
        name.decode().lower(): value.decode() for name, value in sent[0]["headers"]
    }


PRIVATE = dict.fromkeys((metrics.PATH, announcements.PATH), lambda _: False)


def guarded(app: Any, *, private: Mapping[str, Any] = MappingProxyType({}), **more: Any) -> Guard:
    """An app behind the guard. private: who may use which of the paths that are for some alone."""
    given = {
        "sessions": Sessions(lambda _: None),
        "progress": Events(demo()),
        "uploads": BodyUploads(Path(tempfile.gettempdir())),
        "events": {1},
        "public": ["public"],
        "private": PRIVATE | private,
    }
    given |= {"trusted": PROXIES, "names": HostNames(["*"]), "hosts": [], "scripts": Scripts()}
    return Guard(app, **given | more)


@cache
def demo() -> gr.Blocks:
    """A page with two events of its own."""
    with gr.Blocks() as page:
        for _ in range(2):
            gr.Button().click(lambda: None, api_visibility="private")
    return page.queue()


async def ok(asked: Any, receive: Any, send: Any) -> None:
    """An app that takes everything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.anyio
async def test_of_all_routes_exactly_these_are_open(monkeypatch):
    monkeypatch.setenv("WAN_METRICS", "loopback")
    monkeypatch.setenv("WAN_EVENT_SECRET", "e" * 16)
    demo = build(Studio(load_settings()), asyncio.Event())
    studio = Studio(load_settings())
    app = App.create_app(
        demo,
        app_kwargs={
            "routes": [
                *routes(studio, asyncio.Event()),
                *review_page.routes(studio, asyncio.Event()),
                *video_page.routes(studio, asyncio.Event()),
                *spending_page.routes(studio, asyncio.Event()),
                *readiness.routes(studio, asyncio.Event(), bool),
                *metrics.routes(studio, asyncio.Event()),
                *announcements.routes(studio, asyncio.Event()),
            ]
        },
    )
    included = [route.original_router for route in app.routes if not hasattr(route, "path")]
    paths = {
        route.path
        for routed in (app, *included)
        for route in routed.routes
        if hasattr(route, "path")
    }
    paths |= {"/gradio_api/call/public", "/gradio_api/call/v2/public"}
    paths |= {"/gradio_api/call/public/{event}", "/gradio_api/call/v2/public/{event}"}
    assert len(paths) > 80
    found = set()
    for path in paths:
        plain = "/".join(
            "x" if part.startswith("{") else part.partition("{")[0] + "x" * ("{" in part)
            for part in path.split("/")
        )
        for method in ("GET", "POST"):
            body = json.dumps({"session_hash": "a", "fn_index": 1, "data": []}).encode()
            headers = {
                "origin": "https://app.example",
                "content_type": "application/json",
                "content_length": str(len(body)),
            }
            status, _ = await answered(
                guarded(ok, private=dict.fromkeys(PRIVATE, lambda _: True)),
                scope(plain, method, query=b"session_hash=a", **headers),
                body,
            )
            if (plain, method) == ("/zh/", "GET"):  # leads to the page
                assert status == 307
                continue
            assert status in (200, 404), (plain, status)
            found |= {plain} if status == 200 else set()
    assert found == OPEN


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("event", "direct", "status"), [(1, {1}, 200), (1, (), 404), (0, {1}, 404), (True, {1}, 404)]
)
async def test_past_the_queue_go_only_the_events_that_are_declared_so(event, direct, status):
    body = json.dumps({"session_hash": "a", "fn_index": event, "data": []}).encode()
    app = guarded(ok, events={0, 1}, direct=direct)
    assert (await answered(app, scope("/gradio_api/run/predict", "POST"), body))[0] == status


@pytest.mark.anyio
async def test_the_metrics_are_nobodys_unless_somebody_may_read_them():
    peers = []

    def may(asked: dict[str, Any]) -> bool:
        peers.append((asked["client"][0], Headers(scope=asked).get("x-forwarded-for")))
        return asked["client"][0] == "10.0.0.1"

    for app, peer, status in (
        (guarded(ok), "127.0.0.1", 404),
        (guarded(ok, private={metrics.PATH: may}), "10.0.0.1", 200),
        (guarded(ok, private={metrics.PATH: may}), "192.0.2.7", 404),
    ):
        asked = scope("/metrics", peer=peer, x_forwarded_for="203.0.113.7")
        assert (await answered(app, asked))[0] == status
    assert peers == [("10.0.0.1", "203.0.113.7"), ("192.0.2.7", "203.0.113.7")], (
        "as they came from their sockets"
    )


def event(path: str = "/events/dashscope", **headers: str) -> dict[str, Any]:
    """An event that comes, without its body."""
    return scope(path, "POST", content_type="application/json", content_length="2", **headers)


@pytest.mark.anyio
async def test_events_are_taken_from_nobody_but_who_may_send_them():
    nowhere = await answered(guarded(ok), event("/events/nowhere"), b"{}")
    assert nowhere[0] == 404
    assert await answered(guarded(ok), event(), b"{}") == nowhere
    app = guarded(ok, private={announcements.PATH: lambda asked: asked["client"][0] == "192.0.2.7"})
    assert (await answered(app, event(), b"{}"))[0] == 200
    assert await answered(app, event() | {"client": ("192.0.2.8", 1)}, b"{}") == nowhere
    assert (await answered(app, scope("/events/dashscope")))[0] == 404, "nobody reads there"


@pytest.mark.anyio
async def test_events_are_small_well_formed_and_not_too_many():
    app = guarded(ok, private={announcements.PATH: lambda _: True})
    huge = event() | {"headers": [*scope()["headers"], (b"content-length", b"70000")]}
    assert (await answered(app, huge, b" " * 70000))[0] == 413
    assert (await answered(app, event(), b"[]"))[0] == 400
    came = [(await answered(app, event(), b"{}"))[0] for _ in range(120)]
    assert came.count(429) in range(15, 30)
    assert set(came) == {200, 429}


ORIGINS = [
    ({}, 200),
    ({"origin": "https://app.example"}, 200),
    ({"origin": "https://APP.example:443"}, 200),
    ({"origin": "https://evil.example"}, 403),
    ({"origin": "https://x-y.hf.space"}, 200),
    ({"origin": "https://films.example", "x_forwarded_host": "films.example"}, 403),
    (
        {
            "origin": "https://films.example",
            "x_forwarded_host": "films.example",
            "peer": "10.0.0.1",
        },
        200,
    ),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("asked", "status"), ORIGINS)
async def test_only_our_own_pages_may_change_things(asked, status):
    app = guarded(ok, hosts=["x-y.hf.space"])
    assert (await answered(app, scope("/gradio_api/reset", "POST", **asked), b"{}"))[0] == status


@pytest.mark.anyio
@pytest.mark.parametrize("server", ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1"])
async def test_a_foreign_name_is_answered_on_no_address(server):
    app = guarded(ok, names=HostNames(["app.example"]))
    for given, status in (
        ({}, 200),
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example", "peer": "10.0.0.1"}, 421),
    ):
        asked = scope("/config", **given) | {"server": (server, 7860)}
        assert (await answered(app, asked))[0] == status
    forged = {"x_forwarded_host": "app.example", "origin": "http://evil.example"}
    rebound = scope("/gradio_api/reset", "POST", host="evil.example", peer="10.0.0.1", **forged)
    assert (await answered(app, rebound, b"{}"))[0] == 421


LAX, HTTPS, ABROAD = (
    "HttpOnly; SameSite=Lax",
    "HttpOnly; SameSite=Lax; Secure",
    "HttpOnly; SameSite=None; Secure",
)
COOKIES = [
    ({}, False, HTTPS, LAX),
    ({"x_forwarded_proto": "https"}, False, HTTPS, LAX),
    ({"x_forwarded_proto": "https", "peer": "10.0.0.1"}, False, HTTPS, HTTPS),
    ({"x_forwarded_proto": "HTTPS, http", "peer": "10.0.0.1"}, False, HTTPS, HTTPS),
    ({"x_forwarded_proto": "http, https", "peer": "10.0.0.1"}, False, HTTPS, LAX),
    ({"x_forwarded_proto": "https", "peer": "10.0.0.1"}, True, ABROAD, HTTPS),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("asked", "space", "first", "second"), COOKIES)
async def test_cookies_and_frames(asked, space, first, second):
    """The two cookies of Gradio's login: over http, behind a proxy that
    speaks https, on a Space.
    """
    sent: list[Any] = []

    async def logs_in(asked: Any, receive: Any, send: Any) -> None:
        cookies = [b"a=1; HttpOnly; SameSite=none; Secure", b"b=1; HttpOnly"]
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"set-cookie", one) for one in cookies],
            }
        )
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    await guarded(logs_in, space=space)(scope("/config", **asked), None, send)
    headers = Headers(raw=sent[0]["headers"])
    assert headers.getlist("set-cookie") == [f"a=1; {first}", f"b=1; {second}"]
    assert ("hf.space" in headers["content-security-policy"]) == space


LOGOUTS = [
    ("GET", {}, 404),
    ("HEAD", {}, 404),
    ("PUT", {"origin": "https://app.example"}, 405),
    ("POST", {}, 403),
    ("POST", {"origin": "null"}, 403),
    ("POST", {"origin": "https://evil.example"}, 403),
    ("POST", {"origin": "https://app.example.evil.example"}, 403),
    ("POST", {"origin": "https://app.example"}, 200),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "asked", "status"), LOGOUTS)
async def test_only_our_own_page_signs_anybody_out(method, asked, status):
    methods: list[str] = []

    async def app(asked: Any, receive: Any, send: Any) -> None:
        methods.append(asked["method"])
        await ok(asked, receive, send)

    sign_in = SignIn(SimpleNamespace(tokens={}, cookie_id="x"))
    answer = await answered(guarded(app, sign_in=sign_in), scope("/logout", method, **asked))
    assert answer[0] == status
    assert methods == (["GET"] if status == 200 else []), "Gradio signs out by GET"
    assert (await answered(guarded(app), scope("/logout", method, **asked)))[0] in (
        403,
        404,
        405,
    ), "where nobody signs in"


@pytest.mark.anyio
async def test_a_slow_body_is_given_up(monkeypatch):
    monkeypatch.setattr(bodies, "_SECONDS", 0.05)
    assert (await answered(guarded(ok), scope("/gradio_api/reset", "POST"), b"{}", pause=5))[
        0
    ] == 408


@pytest.mark.anyio
async def test_an_address_has_so_many_uploads_on_their_way():
    go, asked = asyncio.Event(), scope("/gradio_api/upload", "POST")

    async def slow(*given: Any) -> None:
        await go.wait()
        await ok(*given)

    app = guarded(slow)
    class_of_sixty = [asyncio.create_task(answered(app, asked)) for _ in range(60)]
    await asyncio.sleep(0)
    assert (await answered(app, asked))[0] == 429
    neighbour = asyncio.create_task(
        answered(app, scope("/gradio_api/upload", "POST", peer="192.0.2.8"))
    )
    go.set()
    assert {status for status, _ in await asyncio.gather(*class_of_sixty, neighbour)} == {200}
    assert (await answered(app, asked))[0] == 200


@pytest.mark.anyio
async def test_a_stream_goes_through_piece_by_piece():
    order: list[str] = []

    async def streams(asked: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            order.append(f"made {number}")
            await send(
                {"type": "http.response.body", "body": b"%d" % number, "more_body": number < 2}
            )

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            order.append(f"sent {message['body'].decode()}")

    await guarded(streams)(scope("/gradio_api/queue/data", query=b"session_hash=a"), None, send)
    assert order == ["made 0", "sent 0", "made 1", "sent 1", "made 2", "sent 2"]


@pytest.mark.anyio
async def test_those_who_watch_uploads_are_counted_as_all_who_listen():
    over = asyncio.Event()

    async def waits(asked: Any, receive: Any, send: Any) -> None:
        await over.wait()
        await ok(asked, receive, send)

    app, query = guarded(waits), b"upload_id=a"
    asking = [
        asyncio.create_task(answered(app, scope("/gradio_api/upload_progress", query=query)))
        for _ in range(150)
    ]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    other = asyncio.create_task(
        answered(app, scope("/gradio_api/upload_progress", query=query, peer="198.51.100.1"))
    )
    over.set()
    came = [status for status, _ in await asyncio.gather(*asking)]
    assert (set(came), came.count(200) < 130) == ({200, 429}, True)
    assert (await other)[0] == 200
    assert (await answered(app, scope("/gradio_api/upload_progress", query=query)))[0] == 200, (
        "places are given back"
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "told"), [("/healthz", True), ("/config", True), ("/gradio_api/info", False)]
)
async def test_what_breaks_is_answered_and_our_own_bugs_are_told_in_full(path, told, caplog):
    async def breaks(asked: Any, receive: Any, send: Any) -> None:
        raise KeyError("a bug")

    status, headers = await answered(guarded(breaks), scope(path))
    assert status == 500
    assert "content-security-policy" in headers
    assert bool(caplog.records[0].exc_info) == told


SECRETS = [
    ("/media/token/video.mp4", "/media/***/video.mp4"),
    ("/review/token", "/review/***"),
    ("/review/token/1/video.mp4", "/review/***/1/video.mp4"),
    ("/video/token", "/video/***"),
    ("/video/token/video.mp4", "/video/***/video.mp4"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("path", "logged"), SECRETS)
async def test_a_log_does_not_say_what_opens_a_video(path, logged, caplog):
    async def breaks(asked: Any, receive: Any, send: Any) -> None:
        raise KeyError("a bug")

    assert (await answered(guarded(breaks), scope(path)))[0] == 500
    assert logged in caplog.text
    assert "token" not in caplog.text


@pytest.mark.process
@pytest.mark.anyio
async def test_whoever_comes_before_the_studio_is_open_waits_for_it(environment):
    studio, opened = Studio(load_settings()), asyncio.Event()
    ours = [part.routes(studio, opened) for part in (review_page, video_page)]
    transport = httpx.ASGITransport(
        Starlette(routes=[*routes(studio, opened), *itertools.chain(*ours)])
    )
    async with plain_http.AsyncClient(transport=transport, base_url="http://app") as client:
        early = [
            asyncio.create_task(client.get(path))
            for path in (
                "/media/token/video.mp4",
                "/reference/token/job/1",
                "/review/token",
                "/video/token",
            )
        ]
        for number in ("9" * 5000, "-1", "1.0", "x", "１"):
            assert (await client.get(f"/reference/token/job/{number}")).status_code == 404
        assert (await client.get("/healthz")).status_code == 200
        assert not any(asked.done() for asked in early)
        async with studio:
            opened.set()
            assert [(await asked).status_code for asked in early] == [404] * 4


@pytest.mark.anyio
async def test_nothing_is_downloaded(monkeypatch):
    asked = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.png"
        monkeypatch.setattr(processing_utils, "PUBLIC_HOSTNAME_WHITELIST", ["127.0.0.1"])
        monkeypatch.setattr(processing_utils, "async_transport", None)
        await processing_utils.async_ssrf_protected_get(address)
        assert len(asked) == 1, "Gradio fetches it, if it is let"
        deny_downloads()
        with pytest.raises(httpx.UnsupportedProtocol):
            await processing_utils.async_ssrf_protected_get(address)
    assert len(asked) == 1


def test_what_is_closed(environment, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", f"{environment['HOME']}/uploads")
    settings = load_settings()
    paths = [Path(path) for path in blocked_paths(settings)]
    root = SAMPLES.parents[1]
    for secret in (
        settings.output_dir.absolute() / "wan.sqlite3",
        root / "app.py",
        root / "wan" / "settings.py",
        Path.home() / ".alibabacloud" / "credentials",
    ):
        assert any(secret.is_relative_to(path) for path in paths), secret
    for served in (SAMPLES / "coffee.png", Path.home() / "uploads" / "a.png"):
        assert not any(served.is_relative_to(path) for path in paths), served


PLAUSIBLE = [
    (gr.Checkbox, True, True),
    (gr.Checkbox, 1, False),
    (gr.Slider, 5, True),
    (gr.Slider, True, False),
    (gr.Slider, float("nan"), False),
    (gr.Dropdown, ["a"], False),
    (gr.Textbox, None, True),
    (gr.Textbox, "x" * 20_001, False),
    (gr.File, ["a"] * 21, False),
    (gr.HTML, {"any": "thing"}, True),
]


@pytest.mark.parametrize(("kind", "value", "plausible"), PLAUSIBLE)
def test_what_a_component_can_have_given(kind, value, plausible):
    assert is_plausible(kind(), value) is plausible


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Gradio leaves its loops open
def test_gradio_client_still_works(environment, monkeypatch, samples, tmp_path):
    """A public handler is found and called by its name, with a file; a private one is not."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    opened, kept = asyncio.Event(), UploadFolder(tmp_path / "uploads")
    opened.set()
    with Page(opened=opened, uploads=kept) as page:
        text, files, said = gr.Textbox(), gr.File(file_count="multiple"), gr.Textbox()

        def told(text: str, files: list[Path]) -> str:
            return f"{text} {files[0].stat().st_size} {kept.name(files[0])[:8]} {files[0].name}"

        gr.Button().click(told, [text, files], said, api_name="told")
        gr.Button().click(lambda: "no", None, said, api_name="untold", api_visibility="private")

    progress = page.progress

    async def lifespan(app: Starlette):
        app.middleware_stack = guarded(
            app.middleware_stack, public=["told"], events=range(2), progress=progress
        )
        yield

    more = {
        "lifespan": contextlib.asynccontextmanager(lifespan),
        "routes": upload_routes(kept, lambda _: True),
    }
    _, url, _ = page.launch(prevent_thread_lock=True, quiet=True, app_kwargs=more)
    try:
        client = Client(url, verbose=False)
        said = client.predict("seen", [handle_file(samples / "chelsea.png")], api_name="/told")
        assert said == f"seen {(samples / 'chelsea.png').stat().st_size} uploads/ chelsea.png"
        with pytest.raises(ValueError, match="untold"):
            client.predict(api_name="/untold")
        called = ask(
            url,
            "POST",
            "/gradio_api/call/untold",
            headers={"Content-Length": "12"},
            body=b'{"data": []}',
        )
        assert called.status == 404
        client.close()
    finally:
        page.close(verbose=False)
        del client, page
        asyncio.set_event_loop(None)  # Gradio has set one
        gc.collect()


VERDICTS = [
    ({}, 200),
    ({"origin": None}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "https://evil.example"}, 403),
    ({"content_type": "application/json; charset=utf-8"}, 200),
    ({"content_type": "text/plain"}, 415),
    ({"content_type": "application/json-patch+json"}, 415),
    ({"content_length": None}, 200),  # what comes is counted
    ({"content_length": "32001"}, 413),
    ({"content_length": "x"}, 413),
    ({"content_length": "9" * 5000}, 413),
    ({"content_length": "²"}, 413),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("changed", "status"), VERDICTS)
async def test_what_may_be_sent_to_a_review(changed, status):
    given = {
        "origin": "https://app.example",
        "content_type": "application/json",
        "content_length": "2",
    } | changed
    asked = scope(
        "/review/x/verdict",
        "POST",
        **{name: value for name, value in given.items() if value is not None},
    )
    assert (await answered(guarded(ok), asked, b"{}"))[0] == status


@pytest.mark.anyio
async def test_what_agents_bring_in_one_piece_leaves_the_disk_its_room(
    environment, monkeypatch, tmp_path
):
    """All that is on its way at once counts; what is over, or was refused, no more."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    app, call = guarded(ok, mcp=True), scope("/gradio_api/mcp", "POST")
    assert (await answered(app, call, b"{}"))[0] == 200
    monkeypatch.setattr(objects, "ROOM", 1 << 62)
    assert (await answered(app, call, b"{}"))[0] == 507
    assert (await answered(guarded(ok), call, b"{}"))[0] == 404, "agents are not let in there"
    assert (await answered(app, scope("/gradio_api/reset", "POST"), b"{}"))[0] == 200


TEMPLATE = """<title>{{ title }}</title>
<script>window.config = {{ config | json }};</script>
<script data-mode>
static();</script><script src="a.js"></script>"""
SLIPPED_IN = [
    "<script>alert(1)</script>",
    "<script data-mode>\nstatic();alert(1)</script>",
    "<script>window.config = {};alert(1);</script>",
    "<script>window.config = {};//};</script>",
    '<script>window.config = {"a": alert(1)};</script>',
    "<script>window.config = " + "[" * 100_000 + ";</script>",
    "<SCRIPT>alert(1)</SCRIPT>",
]


@pytest.mark.anyio
@pytest.mark.parametrize("evil", SLIPPED_IN, ids=[evil[:50] for evil in SLIPPED_IN])
@pytest.mark.parametrize("where", ["{evil}{page}", "{page}{evil}"])
async def test_a_script_that_was_slipped_into_a_page_may_not_run(evil, where):
    """Those that belong to the page may, and they alone."""
    page = TEMPLATE.replace("{{ title }}", "A").replace("{{ config | json }}", '{"a": ["\\u003c"]}')
    body = where.format(evil=evil, page=page).encode()

    async def shows(asked: Any, receive: Any, send: Any) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/html")],
            }
        )
        await send({"type": "http.response.body", "body": body})

    app = guarded(shows, scripts=Scripts(["ours();"], TEMPLATE))
    policy = (await answered(app, scope()))[1]["content-security-policy"]
    wanted = ["ours();", "\nstatic();", 'window.config = {"a": ["\\u003c"]};']
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in wanted
    ]
    assert re.findall(r"'sha256-(.*?)'", policy) == hashes


def test_gradios_page_is_known_as_it_is():
    """Its scripts: three that it fills in, and two that are always the same."""
    template = server._template()
    assert len(Scripts([], template).digests("")) == 2
    page = templates.env.from_string(template).render(
        config={"root": "</script><script>alert(1)</script>"}, gradio_api_info={}
    )
    assert len(Scripts([], template).digests(page)) == 5
