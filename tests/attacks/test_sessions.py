"""Attacks by number: more sessions than anybody needs."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.attacks.conftest import Record
from tests.attacks.setups import attacked
from tests.attacks.visitor import API, Answer, Visitor, post, spoken
from tests.browser.serving import App

_names = count()


@pytest.fixture(scope="module")
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app of its own: here the sessions are used up that may come in all."""
    with attacked(
        request.config.getoption("--setup"), tmp_path_factory.mktemp("flooded")
    ) as running:
        yield running


def join(
    app: App, session: str, address: str, event: int, route: str = "queue/join", **headers: str
) -> Answer:
    """Opens a session from an address."""
    return post(
        app.url,
        f"{API}/{route}",
        {"session_hash": session, "fn_index": event, "data": [""]},
        **{"X-Forwarded-For": address},
        **headers,
    )


def flooded(app: App, event: int, address: Callable[[int], str], **headers: str) -> Answer:
    """Opens one session after the other, from these addresses, until one is refused: the last
    answer. However slow the machine is, it comes.
    """
    for number in range(600):
        answer = join(app, f"flood{next(_names)}", address(number), event, **headers)
        if answer.status != 200:
            break
    return answer


def test_a_flood_of_sessions(proxied: App, record: Record):
    known = Visitor(proxied.url)
    known.close()
    greet, own = known.event("greet"), "192.0.2.1"
    assert join(proxied, known.session, own, greet).status == 200
    refused = flooded(proxied, greet, lambda _: own)
    record("flood: sessions from one address", 429, refused.status)
    record("flood: told when to come again", True, 1 <= int(refused.headers["retry-after"]) <= 60)
    past = join(proxied, "past", own, greet, "run/predict")
    record("flood: past the queue", 429, past.status)
    # where Gradio's page reads it
    record("flood: told past the queue", True, "Too many" in past.json()["error"])
    record(
        "flood: a known session waits for it", 200, join(proxied, known.session, own, greet).status
    )
    record(
        "flood: another address waits for it",
        200,
        join(proxied, "other", "192.0.2.2", greet).status,
    )
    record(
        "flood: forged addresses in front of the proxy's entry",
        429,
        flooded(proxied, greet, lambda number: f"198.51.100.{number % 250}, {own}").status,
    )
    record(
        "flood: addresses of one IPv6 network",
        429,
        flooded(proxied, greet, lambda number: f"2001:db8::{number:x}").status,
    )
    told = flooded(proxied, greet, lambda _: own, **{"Accept-Language": "zh-CN"}).body.decode()
    record("flood: told in the visitor's language", True, "您的网络地址" in told)
    heads = (
        f"GET {API}/queue/data?session_hash=way{next(_names)} HTTP/1.1\r\nHost: "
        f"127.0.0.1\r\nX-Forwarded-For: {own}\r\n\r\n"
        for _ in range(300)
    )
    record(
        "flood: by queue/data",
        True,
        any(b" 429 " in spoken(proxied.url, head.encode())[:20] for head in heads),
    )


def test_a_flood_under_forged_addresses(app: App, record: Record):
    """No proxy is trusted here, so what X-Forwarded-For says counts for nothing."""
    visitor = Visitor(app.url)
    visitor.close()
    forged = flooded(
        app, visitor.event("greet"), lambda number: f"198.51.{number % 250}.{number % 200}"
    )
    record("flood: forged addresses, where no proxy is trusted", 429, forged.status)
