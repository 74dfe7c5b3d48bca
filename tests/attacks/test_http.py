"""Attacks by requests alone: files, relays, routes, origins, bodies, addresses."""

import re
import time
from pathlib import Path

import pytest

from tests.attacks.conftest import Record, Victim
from tests.attacks.visitor import API, Visitor, ask, post, spoken, upload
from tests.browser.serving import SAMPLES, App
from tests.files import below
from tests.patience import PATIENCE

BEGUN = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
CHUNKED = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}

# name, target; {x} is one of the places that `places` knows
FILES = [
    ("the password file by its path", f"{API}/file=/etc/passwd"),
    ("the process's environment", f"{API}/file=/proc/self/environ"),
    ("the database by its path", f"{API}/file={{output}}/wan.sqlite3"),
    ("the database by a relative path", f"{API}/file=output/wan.sqlite3"),
    ("a stored video by its path", f"{API}/file={{video}}"),
    ("a source file", f"{API}/file={{root}}/app.py"),
    ("a setting file", f"{API}/file={{folder}}/.env"),
    ("the key by its path", f"{API}/file={{folder}}/home/.alibabacloud/credentials"),
    ("the key by ~", f"{API}/file=~/.alibabacloud/credentials"),
    ("file:", f"{API}/file=file:///etc/passwd"),
    ("traversal out of the uploads", f"{API}/file={{uploads}}/../output/wan.sqlite3"),
    ("encoded traversal", f"{API}/file={{uploads}}/%2e%2e/output/wan.sqlite3"),
    ("encoded slashes", f"{API}/file={{uploads}}%2f..%2foutput%2fwan.sqlite3"),
    ("traversal, encoded twice", f"{API}/file={{uploads}}/%252e%252e/output/wan.sqlite3"),
    ("traversal by backslashes", f"{API}/file={{uploads}}/..%5coutput%5cwan.sqlite3"),
    ("a link among the uploads", f"{API}/file={{link}}"),
    ("the folder of the uploads", f"{API}/file={{uploads}}"),
    ("a path with a NUL", f"{API}/file={{uploads}}/%00/etc/passwd"),
    ("a path of 8,000 characters", f"{API}/file=/{'a' * 8000}"),
    ("two slashes", f"{API}/file=//etc/passwd"),
    ("the old name of the file route", f"{API}/file/etc/passwd"),
    ("traversal out of the assets", "/assets/..%2f..%2f..%2froutes.py"),
    ("traversal out of the static files", "/static/../../../routes.py"),
    ("traversal by a result's token", "/media/{token}/..%2f..%2fwan.sqlite3"),
    ("traversal out of the stills", "/still/..%2fpage.css"),
    ("the style sheet as a still", "/still/page.css"),
]


@pytest.fixture(scope="module")
def places(app: App, victim: Victim) -> dict[str, str]:
    """Where the things are that an attacker would like."""
    link = app.folder / "uploads" / "link.png"
    if not link.exists():
        link.symlink_to(app.folder / "output" / "wan.sqlite3")
    video = next(one for one in below(app.storage) if one.suffix == ".mp4")
    root = SAMPLES.parents[1]
    named = {
        "output": app.folder / "output",
        "video": video,
        "root": root,
        "folder": app.folder,
        "uploads": app.folder / "uploads",
        "link": link,
    }
    return {name: str(place) for name, place in named.items()} | {"token": victim.media}


@pytest.mark.parametrize(("name", "target"), FILES, ids=[name for name, _ in FILES])
def test_files(name: str, target: str, app: App, places: dict[str, str], record: Record):
    record(f"file: {name}", 404, ask(app.url, "GET", target.format(**places)).status)


RELAYS = [
    f"{API}/file=http://{{host}}/x.png",
    f"{API}/file=HTTP://{{host}}/x.png",
    f"{API}/file=https://{{host}}/x.png",
    f"{API}/file=%68ttp://{{host}}/x.png",
    f"{API}/file=http%3A%2F%2F{{host}}%2Fx.png",
    f"{API}/file=http:/{{host}}/x.png",
    f"{API}/file=//{{host}}/x.png",
    f"{API}/file/http://{{host}}/x.png",
    f"{API}/%66ile=http://{{host}}/x.png",
    f"{API}//file=http://{{host}}/x.png",
    f"{API}/proxy=http://{{host}}/x.png",
    f"{API}/file=http://169.254.169.254/latest/meta-data/",
]


@pytest.mark.parametrize("target", RELAYS)
def test_relays(target: str, app: App, listener, record: Record):
    answers = [
        ask(app.url, method, target.format(host=f"127.0.0.1:{listener.port}")).status
        for method in ("GET", "HEAD")
    ]
    record(
        f"relay: {target.removeprefix(API)}",
        "404, 404, asked 0 times",
        f"{answers[0]}, {answers[1]}, asked {len(listener.heard)} times",
    )


ROUTES = [
    ("GET", "/monitoring"),
    ("GET", "/monitoring/summary"),
    ("GET", "/monitoring/x/dashboard/"),
    ("GET", f"{API}/deep_link?session_hash={{session}}"),
    ("GET", f"{API}/runs"),
    ("GET", f"{API}/run-history/buckets"),
    ("GET", f"{API}/run-history/records"),
    ("POST", f"{API}/run-history/connect"),
    ("POST", f"{API}/process_recording"),
    ("POST", f"{API}/component_server"),
    ("POST", f"{API}/vibe-edit"),
    ("POST", f"{API}/undo-vibe-edit"),
    ("GET", f"{API}/vibe-code"),
    ("POST", f"{API}/vibe-code"),
    ("POST", f"{API}/vibe-starter-queries"),
    ("GET", f"{API}/dev/reload"),
    ("GET", f"{API}/custom_component/a/client/b/c.js"),
    ("GET", f"{API}/openapi.json"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", f"{API}/stream/a/b/1/playlist-file"),
    ("POST", f"{API}/stream/a/close"),
    ("GET", f"{API}/token"),
    ("GET", f"{API}/queue/status"),
    ("POST", "/login"),
    ("GET", f"{API}/profiling/traces"),
]


@pytest.mark.parametrize(
    ("method", "target"), ROUTES, ids=[f"{method} {target}" for method, target in ROUTES]
)
def test_routes(
    method: str, target: str, app: App, victim: Victim, record: Record, pytestconfig: pytest.Config
):
    signing_in = (
        target == "/login" and pytestconfig.getoption("--setup") == "logins"
    )  # there it is open, and empty
    record(
        f"route: {method} {target}",
        422 if signing_in else 404,
        ask(app.url, method, target.format(session=victim.visitor.session)).status,
    )


# how somebody asks for the metrics who may not read them
METRICS = [
    ("by their address", "/metrics", {}),
    ("by a token of one's own", "/metrics", {"Authorization": "Bearer a-token-of-my-own-here"}),
    ("by an empty token", "/metrics", {"Authorization": "Bearer "}),
    ("by a password", "/metrics", {"Authorization": "Basic cHJvbWV0aGV1czo="}),
    ("by a token in the address", "/metrics?token=a-token-of-my-own-here", {}),
    ("with a slash", "/metrics/", {}),
    ("with two slashes", "//metrics", {}),
    ("encoded", "/%6detrics", {}),
    ("through a folder", "/assets/../metrics", {}),
    ("in capitals", "/METRICS", {}),
    ("as one of Gradio's", f"{API}/metrics", {}),
    ("as from this machine", "/metrics", {"X-Forwarded-For": "127.0.0.1"}),
    ("as from this machine, twice", "/metrics", {"X-Forwarded-For": "127.0.0.1, 127.0.0.1"}),
    ("as from this machine, by others' words", "/metrics", {"X-Real-IP": "127.0.0.1"}),
    ("as from this machine, by the standard", "/metrics", {"Forwarded": "for=127.0.0.1"}),
    ("for its own name", "/metrics", {"Host": "localhost", "X-Forwarded-Host": "localhost"}),
]


@pytest.mark.parametrize(("name", "target", "headers"), METRICS, ids=[one[0] for one in METRICS])
def test_metrics(name: str, target: str, headers: dict[str, str], app: App, record: Record):
    for method in ("GET", "HEAD"):
        record(f"metrics: {name}", 404, ask(app.url, method, target, headers=headers).status)


def test_metrics_by_way_of_a_proxy(proxied: App, record: Record):
    for address in ("203.0.113.7", "127.0.0.1", "::1", ""):
        headers = {"X-Forwarded-For": address, "Host": "127.0.0.1"}
        record(
            f"metrics: behind a proxy that says {address or 'nothing'}",
            404,
            ask(proxied.url, "GET", "/metrics", headers=headers).status,
        )


def test_a_flood_of_questions_whether_it_is_ready(app: App, record: Record):
    """Each costs the database and the storage something; all together cost them one question."""
    for _ in range(300):
        answer = ask(app.url, "GET", "/readyz")
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    told = ["database", "status", "storage"]
    record("ready: what it tells", told, sorted(answer.json()))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "X"])
def test_methods(method: str, app: App, record: Record):
    record(f"method: {method} /", 405, ask(app.url, method, "/").status)


def test_private_handlers_by_name(app: App, visitor: Visitor, record: Record):
    names = [
        one["api_name"] for one in visitor.events.values() if one["api_visibility"] != "public"
    ]
    assert len(names) == len(visitor.events) - 4, "the four endpoints are for everybody"
    for way in ("call", "call/v2", "run", "api"):
        got = {post(app.url, f"{API}/{way}/{name}", {"data": [""]}).status for name in names}
        record(f"private handlers by name: {way}/ ({len(names)} names)", {404}, got)
    for way in ("run", "api"):
        record(
            f"public handlers past the queue: {way}/",
            404,
            post(app.url, f"{API}/{way}/image_to_video", {"data": [""]}).status,
        )


def test_events_that_are_none(visitor: Visitor, record: Record):
    empty = next(number for number, one in visitor.events.items() if not one["backend_fn"])
    for number in (9999, -1, None, "greet", [1], {}, 2.5, 10**30, empty):
        record(f"event: number {number}", 404, visitor.join(number, []).status)
        past = visitor.predict(number, [])
        record(f"event: number {number}, past the queue", (False, 404), past)


def test_only_the_greeting_passes_the_queue_by(app: App, visitor: Visitor, record: Record):
    greetings = {n for n, one in visitor.events.items() if one["api_name"].startswith("greet")}
    others = visitor.events.keys() - greetings
    came = {visitor.predict(number, [])[1] for number in others}
    record(f"events past the queue ({len(others)} numbers)", {404}, came)
    shown = [visitor.predict(number, [visitor.token, "", ""])[0] for number in greetings]
    record("events past the queue: the page's own, in each language", [True, True], shown)
    body = {"session_hash": None, "fn_index": min(greetings), "data": ["", "", ""]}
    nameless = post(app.url, f"{API}/run/predict", body).status
    record("events past the queue: without a session", 400, nameless)


ORIGINS = [
    ("a foreign page", "https://evil.example"),
    ("a sandboxed page", "null"),
    ("a name that begins like ours", "{url}.evil.example"),
    ("our name as a user", "{url}@evil.example"),
    ("another port of ours", "http://127.0.0.1:1"),
    ("another Space", "https://somebody-else.hf.space"),
]


@pytest.mark.parametrize(("name", "origin"), ORIGINS, ids=[name for name, _ in ORIGINS])
def test_origins(name: str, origin: str, app: App, visitor: Visitor, record: Record):
    foreign = {"Origin": origin.format(url=app.url)}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = ask(app.url, "OPTIONS", f"{API}/queue/join", headers=foreign | asked)
    simple = post(
        app.url,
        f"{API}/queue/join",
        {"session_hash": visitor.session, "fn_index": visitor.event("greet"), "data": ["", "", ""]},
        **foreign,
    )
    past = post(
        app.url,
        f"{API}/run/predict",
        {"session_hash": visitor.session, "fn_index": visitor.event("greet"), "data": ["", "", ""]},
        **foreign,
    )
    record(f"origin: {name}, past the queue", 403, past.status)
    read = ask(app.url, "GET", "/config", headers=foreign | {"Cookie": "a=b"})
    leave = [
        name
        for answer in (preflight, simple, read)
        for name in answer.headers
        if name.startswith("access-control-")
    ]
    record(f"origin: {name}", "403, 403, []", f"{preflight.status}, {simple.status}, {leave}")


def test_streams_that_a_foreign_page_opens(app: App, visitor: Visitor, record: Record):
    """It could not read them, but would use up what its visitor may open."""
    streams = (
        f"{API}/queue/data?session_hash=foreign",
        f"{API}/call/job/{'e' * 32}",
        f"{API}/upload_progress?upload_id=foreign",
    )
    for stream in streams:
        for site in ("cross-site", "same-site", "elsewhere"):
            record(
                f"origin: {site}, {stream.removeprefix(API)[:24]}",
                403,
                ask(app.url, "GET", stream, headers={"Sec-Fetch-Site": site}).status,
            )


def test_a_name_made_to_point_here(app: App, record: Record):
    for host in ("localhost", "127.0.0.1:1", "[::1]"):  # not attacks
        assert ask(app.url, "GET", "/healthz", headers={"Host": host}).status == 200
    for host in (
        "evil.example",
        "evil.example:7860",
        "127.0.0.1.evil.example",
        "",
        "[::1",
        "127.0.0.1@evil.example",
    ):
        record(
            f"host: rebound name {host!r}",
            421,
            ask(
                app.url, "GET", "/config", headers={"Host": host, "Origin": f"http://{host}"}
            ).status,
        )


FORWARDED = [
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    {"X-Gradio-Server": "http://evil.example"},
    {"X-Forwarded-Proto": "https"},
    {"Forwarded": "host=evil.example;proto=https"},
    {"X-Forwarded-Prefix": "/evil", "X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"},
]


@pytest.mark.parametrize("headers", FORWARDED, ids=str)
def test_forged_addresses_of_the_app(headers: dict[str, str], app: App, record: Record):
    record(
        f"forwarded: {headers}",
        app.url,
        ask(app.url, "GET", "/config", headers=headers).json()["root"],
    )


def test_a_trusted_proxy_is_believed(proxied: App):
    """Not an attack: the other side of the one before."""
    named = {"X-Forwarded-Host": "films.example", "X-Forwarded-Proto": "https"}
    assert (
        ask(proxied.url, "GET", "/config", headers=named).json()["root"] == "https://films.example"
    )
    asked = {"Host": "films.example", "Origin": "https://films.example", "Content-Length": "0"}
    assert (
        ask(proxied.url, "POST", f"{API}/reset", headers=asked).status == 400
    )  # it went past the check of the origin, and has no body


def test_bodies(app: App, visitor: Visitor, record: Record):
    join = f"{API}/queue/join"
    large = visitor.predict(visitor.event("greet"), ["x" * 100_000])
    record("body: JSON of 100 kB, past the queue", (False, 413), large)
    many = {
        "session_hash": visitor.session,
        "fn_index": visitor.event("greet"),
        "data": ["x" * 5_000_000],
    }
    record("body: JSON of 5 MB", 413, post(app.url, join, many).status)
    pieces = (b"[" * 65536 for _ in range(80))
    record(
        "body: JSON of 5 MB in chunks, without a length",
        413,
        ask(app.url, "POST", join, body=pieces, headers=CHUNKED, chunked=True).status,
    )
    record(
        "body: a length of 10 TB",
        413,
        ask(app.url, "POST", join, headers={"Content-Length": str(10**13)}).status,
    )
    record(
        "body: nested 200,000 times",
        413,
        post(app.url, join, b"[" * 200_000 + b"]" * 200_000).status,
    )
    record("body: a number of 500,000 digits", 413, post(app.url, join, b"9" * 500_000).status)
    record("body: no JSON", 400, post(app.url, join, b"session_hash=a").status)
    record(
        "body: a cancel nested 200,000 times",
        413,
        post(app.url, f"{API}/cancel", b"[" * 200_000).status,
    )
    record(
        "body: a cancel of nothing",
        422,
        post(app.url, f"{API}/cancel", {"session_hash": 1, "fn_index": "x"}).status,
    )
    record("body: a list", 400, post(app.url, join, []).status)
    record("body: not UTF-8", 400, post(app.url, join, b"\xff\xfe{}").status)
    for session in ("x" * 65, "", "a b", "a/b", None, 7, ["a"], {"a": 1}, "会话"):
        got = post(
            app.url,
            join,
            {"session_hash": session, "fn_index": visitor.event("greet"), "data": ["", "", ""]},
        ).status
        record(f"body: a session named {str(session)[:20]!r}", 400, got)
    record(
        "body: 5 MB with a GET",
        413,
        ask(app.url, "GET", "/config", headers={"Content-Length": "5000000"}).status,
    )


def _pieces(app: App) -> set[str]:
    """What lies among the uploads: a folder for each."""
    return {path.name for path in (app.folder / "uploads").iterdir()}


def test_uploads(app: App, victim: Victim, record: Record):
    before = _pieces(app)
    form = {"Content-Type": "multipart/form-data; boundary=edge"}
    record(
        "upload: 1,000 parts",
        413,
        upload(app.url, [(f"{number}.png", b"x") for number in range(1000)]).status,
    )
    record("upload: a file of 101 MB", 413, upload(app.url, [("a.mp4", bytes(105_000_000))]).status)
    record(
        "upload: a length of 400 MB",
        413,
        ask(
            app.url, "POST", f"{API}/upload", headers=form | {"Content-Length": "400000000"}
        ).status,
    )
    pieces = (BEGUN if number == 0 else bytes(1_000_000) for number in range(400))
    endless = ask(
        app.url,
        "POST",
        f"{API}/upload",
        headers=form | {"Transfer-Encoding": "chunked"},
        body=pieces,
        chunked=True,
    )
    record("upload: 400 MB in chunks, without a length", 413, endless.status)
    record(
        "upload: no form",
        400,
        ask(
            app.url,
            "POST",
            f"{API}/upload",
            headers={"Content-Type": "text/plain", "Content-Length": "0"},
        ).status,
    )
    record(
        "upload: a form without an edge",
        400,
        ask(
            app.url, "POST", f"{API}/upload", headers={"Content-Type": "multipart/form-data"}
        ).status,
    )
    head = (
        f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
        f"{form['Content-Type']}\r\nContent-Length: 900000\r\n\r\n"
    )
    spoken(app.url, head.encode() + BEGUN + bytes(300_000), listen=False)
    give_up = time.monotonic() + PATIENCE
    while (left := _pieces(app) - before) and time.monotonic() < give_up:
        time.sleep(0.1)
    record("upload: what was refused or broke off leaves pieces on the disk", [], sorted(left))


def test_names_of_uploads(app: App, record: Record):
    uploads = app.folder / "uploads"
    for name in (
        "../../../evil.png",
        "/etc/evil.png",
        "..",
        "a\x00b.png",
        "~/evil.png",
        "a.png\nSet-Cookie: evil=1",
    ):
        given = upload(app.url, [(name, b"x")])
        known = (
            re.fullmatch(r"uploads/([\w-]{43})/([^/]+)", given.json()[0])
            if given.status == 200
            else None
        )
        where = (uploads / known[1] / known[2]).read_bytes() if known else given.status
        record(f"upload: a file named {name!r} goes elsewhere", b"x", where)
    page = upload(
        app.url,
        [
            ("a.html", b"<script>alert(1)</script>"),
            ("a.svg", b"<svg onload='alert(1)' xmlns='http://www.w3.org/2000/svg'/>"),
        ],
    ).json()
    for path in page:
        served = ask(app.url, "GET", f"{API}/file={path}")
        disposition, kind = (
            served.headers["content-disposition"].partition(";")[0],
            served.headers["content-type"],
        )
        got = f"{kind} {disposition} {served.headers['x-content-type-options']}"
        record(
            f"upload: {Path(path).suffix} shown as a page",
            "application/octet-stream attachment nosniff",
            got,
        )


def test_headers(app: App, victim: Victim, record: Record):
    """What a request says must not come back as a header."""
    path = upload(app.url, [("a.png", (SAMPLES / "coffee.png").read_bytes())]).json()[0]
    sent = {"Cookie": "session=secret", "Authorization": "Bearer secret", "X-Evil": "1"}
    for span in (
        "bytes=0-3",
        "bytes=0-",
        "bytes=-4",
        "bytes=0-0,2-2",
        "bytes=9-1",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=99999999-",
        "lines=1",
    ):
        answer = ask(app.url, "GET", f"{API}/file={path}", headers=sent | {"Range": span})
        back = {"cookie", "authorization", "x-evil"} & set(answer.headers)
        record(
            f"header: Range {span} echoes the request",
            "below 500, []",
            f"{'below 500' if answer.status < 500 else answer.status}, {sorted(back)}",
        )
    for target in (
        f"{API}/file={path}%0d%0aSet-Cookie:%20evil=1",
        f"/media/{victim.media}/video.mp4%0d%0aSet-Cookie:%20evil=1",
    ):
        answer = ask(app.url, "GET", target)
        record(
            "header: a line break in an address",
            "404, no cookie",
            f"{answer.status}, {answer.headers.get('set-cookie', 'no cookie')}",
        )
    cut = spoken(app.url, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rSet-Cookie: evil=1\r\n\r\n")
    record("header: a bare carriage return", "400", cut.split(b" ", 2)[1].decode())
    both = (
        b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: "
        b"4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
    )
    record("header: two lengths (smuggling)", 1, spoken(app.url, both).count(b"HTTP/1.1 "))
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",  # of RFC 6455
        "Sec-WebSocket-Version": "13",
    }
    record(
        "header: a web socket",
        404,
        ask(app.url, "GET", f"{API}/queue/join", headers=upgrade).status,
    )


def test_every_answer_has_its_headers(app: App, record: Record):
    wanted = {
        "content-security-policy",
        "x-content-type-options",
        "referrer-policy",
        "permissions-policy",
        "cross-origin-opener-policy",
    }
    for target in (
        "/",
        "/config",
        "/monitoring",
        "/readyz",
        "/metrics",
        "/media/x/video.mp4",
        f"{API}/queue/data?session_hash=a",
        "/assets/none.js",
    ):
        record(
            f"header: missing ones on {target}",
            set(),
            wanted - set(ask(app.url, "GET", target).headers),
        )


def test_the_log_does_not_say_what_opens_a_video(app: App, victim: Victim, record: Record):
    assert ask(app.url, "GET", f"/media/{victim.media}/video.mp4").status == 200
    record("log: the token of a video that was looked at", 0, app.log().count(victim.media))
