"""Attacks by names and cookies: names made to point here, logins and sign-outs from elsewhere."""

from collections.abc import Iterator

import pytest

from tests.attacks.conftest import Record
from tests.attacks.setups import PEOPLE, cookie_of
from tests.attacks.visitor import API, Answer, ask, spoken
from tests.browser.serving import App, served

LOGINS = ",".join(f"{name}:{word}" for name, word in PEOPLE.items())
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with logins, on every address of this machine, with a name of its own."""
    settings = {"WAN_LOGINS": LOGINS, "WAN_HOSTS": "films.example"}
    everywhere = "0.0.0.0"  # noqa: S104
    with served(tmp_path_factory.mktemp("wide"), GRADIO_SERVER_NAME=everywhere, **settings) as app:
        yield app
        assert "Traceback" not in app.log(), app.log()


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with logins, as on a Space."""
    settings = {"SPACE_ID": "ann/films", "SPACE_HOST": "ann-films.hf.space", "WAN_LOGINS": LOGINS}
    with served(tmp_path_factory.mktemp("space"), **settings) as app:
        yield app


REBOUND = [
    *("evil.example", "EVIL.example", "evil.example.", "evil.example:80", "evil.example:7860"),
    *("", "[::1", "127.0.0.1@evil.example", "evil.example@127.0.0.1", "films.example.evil.example"),
    *("127.0.0.1.evil.example", "www.films.example", "localhost.evil.example", "films.example:x"),
    *("films.example:80:80", "films.example:99999", "[evil.example]", "[::1].evil.example"),
    *("ann-films.hf.space", "127.1", "2130706433", "films.example, evil.example", "films.example/"),
]


@pytest.mark.parametrize("host", REBOUND, ids=repr)
def test_names_made_to_point_at_any_address(host: str, wide: App, record: Record):
    """The page would be of one origin with the app: it could sign in, and read what it likes."""
    own = {"Host": host, "Origin": f"http://{host}"}
    read = ask(wide.url, "GET", "/config", headers=own | {"X-Forwarded-Host": "films.example"})
    written = log_in(wide, "mallory", **own)
    record(
        f"name: {host!r} on 0.0.0.0",
        "421, 421, no cookie",
        f"{read.status}, {written.status}, {written.cookies or 'no cookie'}",
    )


def test_two_names_at_once(wide: App, record: Record):
    for first, second in (("films.example", "evil.example"), ("evil.example", "films.example")):
        answer = spoken(
            wide.url, f"GET /config HTTP/1.1\r\nHost: {first}\r\nHost: {second}\r\n\r\n".encode()
        )
        record(f"name: Host {first} and {second}", "400", answer.split(b" ")[1].decode())
    for version, status in (("1.0", "421"), ("1.1", "400")):
        answer = spoken(wide.url, f"GET /config HTTP/{version}\r\n\r\n".encode())
        record(f"name: none in HTTP/{version}", status, answer.split(b" ")[1].decode())
    whole = spoken(
        wide.url, b"GET http://evil.example/config HTTP/1.1\r\nHost: films.example\r\n\r\n"
    )
    record("name: another one in the request line", "404", whole.split(b" ")[1].decode())


def test_names_that_are_the_apps_own(wide: App):
    """Not attacks."""
    for host in (
        "films.example",
        "FILMS.example.:80",
        "localhost:1",
        "192.0.2.9:7860",
        "[2001:db8::9]:7860",
    ):
        assert ask(wide.url, "GET", "/healthz", headers={"Host": host}).status == 200
    told = ask(wide.url, "GET", "/", headers={"Host": "nas.local:7860"})
    assert (told.status, b"WAN_HOSTS=nas.local" in told.body) == (421, True)


@pytest.mark.parametrize("forged", ["localhost", "127.0.0.1", "films.example", ""])
def test_a_page_in_a_browser_at_the_address_of_a_proxy(forged: str, proxied: App, record: Record):
    """Its own name is checked, whatever it says that it was asked for."""
    said = {"Host": "evil.example", "X-Forwarded-Host": forged}
    record(
        f"name: evil.example, forwarded for {forged!r}",
        421,
        ask(proxied.url, "GET", "/config", headers=said).status,
    )
    turned = {"Host": "films.example", "X-Forwarded-Host": "evil.example"}
    record(
        "name: films.example, forwarded for evil.example",
        421,
        ask(proxied.url, "GET", "/config", headers=turned).status,
    )


def log_in(app: App, name: str, **headers: str) -> Answer:
    form = f"username={name}&password={PEOPLE[name]}".encode()
    length = {"Content-Length": str(len(form))}
    return ask(app.url, "POST", "/login", headers=FORM | length | headers, body=form)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://films.example.evil.example", "http://127.0.0.1:1"],
)
def test_signing_somebody_in_as_another(origin: str, wide: App, record: Record):
    answer = log_in(wide, "mallory", Origin=origin)
    record(
        f"login: from {origin}",
        "403, no cookie",
        f"{answer.status}, {answer.cookies or 'no cookie'}",
    )


SIGN_OUTS = [
    ("GET", {}, 404),
    ("HEAD", {}, 404),
    ("GET", {"Sec-Fetch-Dest": "image", "Sec-Fetch-Site": "cross-site"}, 404),
    ("GET", {"X-HTTP-Method-Override": "POST"}, 404),
    ("POST", {}, 403),
    ("POST", {"Origin": "null"}, 403),
    ("POST", {"Origin": "https://evil.example"}, 403),
    ("POST", {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}, 403),
    ("POST", {"Referer": "http://films.example/"}, 403),
]


@pytest.mark.parametrize(("method", "headers", "status"), SIGN_OUTS, ids=str)
def test_signing_somebody_out(
    method: str, headers: dict[str, str], status: int, wide: App, record: Record
):
    ann = cookie_of(wide, "ann")
    answer = ask(wide.url, method, "/logout", headers=ann | {"Content-Length": "0"} | headers)
    after = ask(wide.url, "GET", "/config", headers=ann).status
    record(
        f"logout: {method} {headers}",
        f"{status}, still signed in: 200",
        f"{answer.status}, still signed in: {after}",
    )


def test_the_page_signs_its_visitor_out(wide: App):
    """Not an attack: what the button does."""
    ann = cookie_of(wide, "ann")
    sent = ann | FORM | {"Content-Length": "0", "Origin": wide.url}
    answer = ask(wide.url, "POST", "/logout", headers=sent)
    assert (answer.status, answer.headers["location"]) == (302, wide.url)
    assert ask(wide.url, "GET", "/config", headers=ann).status == 401


def attributes(cookies: list[str]) -> list[str]:
    """What is said of each cookie of a login beside its path; first of the one that Gradio means
    for frames.
    """
    first = sorted(cookies, key=lambda one: one.startswith("access-token-unsecure"))
    return [one.partition("; ")[2].removeprefix("Path=/; ") for one in first]


LAX, SECURE, FRAMED = (
    f"HttpOnly; SameSite={rest}" for rest in ("Lax", "Lax; Secure", "None; Secure")
)


def test_cookies(wide: App, space: App, record: Record):
    """No script reads them, no other site's request carries them, and behind https no open wire
    does.
    """
    record("cookies: over http", [SECURE, LAX], attributes(log_in(wide, "ann").cookies))
    record(
        "cookies: over http, https claimed by anybody",
        [SECURE, LAX],
        attributes(log_in(wide, "ann", **HTTPS).cookies),
    )
    own = {"Host": "ann-films.hf.space", "Origin": "https://ann-films.hf.space"}
    record(
        "cookies: on a Space",
        [FRAMED, SECURE],
        attributes(log_in(space, "ann", **own, **HTTPS).cookies),
    )


def test_frames(wide: App, space: App, record: Record):
    for name, app, allowed in (
        ("anywhere", wide, "'self'"),
        ("on a Space", space, "'self' https://huggingface.co https://*.hf.space"),
    ):
        for target in ("/", f"{API}/info", "/review/x", "/nothing"):
            policy = ask(app.url, "GET", target).headers["content-security-policy"]
            record(f"frames: {target} {name}", allowed, policy.partition("frame-ancestors ")[2])
