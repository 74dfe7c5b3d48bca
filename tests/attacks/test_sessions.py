"""Attacks by number: more sessions than anybody needs."""

from collections import Counter

from tests.attacks.conftest import Record
from tests.attacks.visitor import API, Answer, Visitor, ask, post
from tests.browser.serving import App


def join(app: App, session: str, address: str, event: int) -> Answer:
    """Opens a session from an address."""
    return post(app.url, f"{API}/queue/join", {"session_hash": session, "fn_index": event, "data": [""]}, **{"X-Forwarded-For": address})


def test_a_flood_of_sessions(proxied: App, record: Record):
    known = Visitor(proxied.url)
    known.http.close()
    greet = known.event("greet")
    assert join(proxied, known.session, "192.0.2.1", greet).status == 200
    came = [join(proxied, f"flood{number}", "192.0.2.1", greet) for number in range(90)]
    refused = [answer for answer in came if answer.status == 429]
    record("flood: 90 sessions at once from one address", "some answered, some 429", _mixed(came))
    record("flood: told when to come again", True, all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused))
    record("flood: told in the visitor's language", True, "您的地址" in post_chinese(proxied, greet))
    record("flood: a known session waits for it", 200, join(proxied, known.session, "192.0.2.1", greet).status)
    record("flood: another address waits for it", 200, join(proxied, "other", "192.0.2.2", greet).status)
    forged = [join(proxied, f"forged{number}", f"198.51.100.{number}, 192.0.2.1", greet).status for number in range(10)]
    record("flood: a new address in front of the proxy's entry each time", {429}, set(forged) - {200} if forged.count(200) <= 1 else set(forged))
    six = [join(proxied, f"six{number}", f"2001:db8::{number:x}", greet) for number in range(90)]
    record("flood: 90 addresses of one IPv6 network", "some answered, some 429", _mixed(six))
    streams = [
        ask(proxied.url, "GET", f"{API}/queue/data?session_hash=data{number}", headers={"X-Forwarded-For": "192.0.2.1"}) for number in range(5)
    ]
    record("flood: by streams of events", True, 429 in {answer.status for answer in streams})
    beats = ask(proxied.url, "GET", f"{API}/heartbeat/beat", headers={"X-Forwarded-For": "192.0.2.1"})
    record("flood: by heartbeats", 429, beats.status)


def post_chinese(app: App, event: int) -> str:
    """What somebody is told in Chinese."""
    headers = {"X-Forwarded-For": "192.0.2.1", "Accept-Language": "zh-CN"}
    return post(app.url, f"{API}/queue/join", {"session_hash": "chinese", "fn_index": event, "data": [""]}, **headers).json()["detail"]


def test_a_flood_under_forged_addresses(app: App, visitor: Visitor, record: Record):
    """No proxy is trusted here, so what X-Forwarded-For says counts for nothing."""
    greet = visitor.event("greet")
    came = [join(app, f"forged{number}", f"198.51.100.{number}", greet) for number in range(90)]
    record("flood: under 90 forged addresses", "some answered, some 429", _mixed(came))


def _mixed(came: list[Answer]) -> str:
    counted = Counter(answer.status for answer in came)
    return "some answered, some 429" if set(counted) == {200, 429} and counted[200] <= 75 else str(dict(counted))
