"""Attacks on money and keys: an operator's key behind an access code and a budget, and a visitor's
own. The service is a simulator.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from tests import plain_http
from tests.attacks.conftest import Record
from tests.attacks.visitor import API, Visitor, upload
from tests.browser.serving import SAMPLES, App, served
from tests.files import contents
from tests.patience import PATIENCE
from tests.simulators import Simulator, serving

OPERATOR, OWN, CODE = "sk-operator-0a1b2c3d4e5f", "sk-visitor-9f8e7d6c5b4a", "sesame-4711-open"


@dataclass(frozen=True)
class Shop:
    """The app that spends an operator's money, and what it spends it at."""

    app: App
    simulator: Simulator

    def jobs(self) -> list[tuple[str, int]]:
        """Account and reservation, in millionths, of every job."""
        with closing(sqlite3.connect(self.app.folder / "output" / "wan.sqlite3")) as database:
            return database.execute("SELECT account, reserved FROM jobs").fetchall()

    def tasks(self) -> int:
        """Tasks that the operator's key pays for."""
        operator = {"Authorization": f"Bearer {OPERATOR}"}
        return (
            plain_http.get(f"{self.simulator.base_url}/tasks/", headers=operator)
            .raise_for_status()
            .json()["total"]
        )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """5 s of video cost 1.50, and the budget is 20."""
    folder = tmp_path_factory.mktemp("shop")
    with serving(folder / "service", "--pending", "0.2", "--running", "0.2") as simulator:
        settings = {
            "WAN_BACKEND": "auto",
            "DASHSCOPE_API_KEY": OPERATOR,
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "DASHSCOPE_REGION": "cn-beijing",
            "WAN_ACCESS_CODE": CODE,
            "WAN_DAILY_BUDGET": "20",
            "WAN_POLL_SECONDS": "1",
            "WAN_TRUSTED_PROXIES": "127.0.0.1",
            "WAN_METRICS": "loopback",  # what it tells is looked through, too
        }
        with served(folder / "app", **settings) as app:
            started = Visitor(app.url)
            started.call(started.event("greet"), ["", "", ""])  # waits until the studio is open
            yield Shop(app, simulator)


def order(visitor: Visitor, path: str | None, prompt: str, **given: str) -> str:
    """Presses Generate on the first tab; what the page shows then, and the job's id. path: of the
    picture, where that matters.
    """
    picture = path and {"path": path, "meta": {"_type": "gradio.FileData"}}
    empty = dict.fromkeys(
        ("url", "audio_url", "seed", "fps", "negative_prompt", "code", "key", "job"), ""
    )
    start = visitor.event("start")
    return json.dumps(
        visitor.call(
            start,
            visitor.form(
                start,
                **{
                    **empty,
                    "token": visitor.token,
                    "reference_image": picture,
                    "prompt": prompt,
                    **given,
                },
            ),
        )
    )


def outcome(shown: str) -> str:
    for words, what in (
        ("needs the access code", "asked for the code"),
        ("the access code. Nothing was sent", "wrong code"),
        ("Too many wrong", "has to wait"),
        ("budget", "over budget"),
        ("jobs in progress", "too many"),
        ("key starts with sk-", "no key"),
        ("data-live", "a job"),
    ):
        if words in shown:
            return what
    return shown[:80]


def between(came: list[str]) -> set[str]:
    """What came between the fifth guess that was looked at and the sixth, 4 s later."""
    looked_at = [number for number, one in enumerate(came) if one == "wrong code"]
    return set(came[looked_at[4] + 1 : looked_at[5]])


def sent(shop: Shop) -> str:
    return upload(shop.app.url, [("her.png", (SAMPLES / "astronaut.png").read_bytes())]).json()[0]


def test_the_operators_money(shop: Shop, record: Record):
    visitor, path, before = Visitor(shop.app.url), sent(shop), len(shop.jobs())
    record("money: no access code", "asked for the code", outcome(order(visitor, path, "none")))
    record(
        "money: an empty access code",
        "asked for the code",
        outcome(order(visitor, path, "empty", code="  ")),
    )
    came = []
    while (
        came.count("wrong code") < 6
    ):  # each that is looked at doubles the wait for the next: it is 8 s then
        time.sleep(0.05)
        number = len(came)  # the proxy adds where they come from to the right of what they forge
        visitor.headers = {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.9"}
        came.append(outcome(order(visitor, None, "guess", code=f"guess{number}")))
    record(
        "money: guesses at the access code between the fifth that is looked at and the sixth",
        {"has to wait"},
        between(came),
    )
    record(
        "money: the right code right after that",
        "has to wait",
        outcome(order(visitor, path, "right", code=CODE)),
    )
    visitor.headers = {}
    retry = visitor.event("_retry")
    denied = visitor.call(
        retry, visitor.form(retry, token=visitor.token, job="x" * 22, code="", key="")
    )
    record("money: a retry without the code", "asked for the code", outcome(json.dumps(denied)))
    record("money: jobs after all that", 0, len(shop.jobs()) - before)
    for wrong in (
        "sk-x\r\nAuthorization: Bearer sk-evil",
        "sk-" + "a" * 5000,
        "operator",
        "sk-\u0000aaaa",
        "../../sk-aaaaaa",
    ):
        got = outcome(order(visitor, path, "key", key=wrong))
        record(f"money: a key like {wrong[:24]!r}", "no key", got)


def test_a_network_guesses_no_faster_than_an_address(shop: Shop, record: Record):
    visitor = Visitor(shop.app.url)

    def guessed(addresses: list[str]) -> int:
        """How many wrong codes are looked at."""
        came = []
        for address in addresses:
            visitor.headers = {"X-Forwarded-For": address}
            came.append(outcome(order(visitor, None, "guess", code=f"guess-{address}")))
        return came.count("wrong code")

    begun = time.monotonic()
    for what, addresses, free, every in (
        ("a /48 by its /64s", [f"2001:db8:7:{number << 8:x}::1" for number in range(30)], 12, 60),
        ("a /56 by its /64s", [f"2001:db8:8:{number:x}::1" for number in range(30)], 6, 120),
        ("a /24 by its addresses", [f"203.0.114.{number}" for number in range(30)], 12, 60),
    ):
        looked_at = guessed(addresses)
        most = free + (time.monotonic() - begun) // every + 1
        record(f"money: 30 guesses from {what}", True, free <= looked_at <= most)
    record("money: a guess from elsewhere meanwhile", 1, guessed(["2001:db8:9::1"]))


def test_fifty_parallel_orders_do_not_overdraw(shop: Shop, record: Record):
    first = Visitor(shop.app.url)
    visitors = [first.another() for _ in range(50)]
    # no picture has to be opened first, so that all come to the budget at once
    there = "https://example.com/her.png"
    with ThreadPoolExecutor(50) as threads:
        came = list(
            threads.map(
                lambda one: outcome(order(one, None, "a quiet sea", code=CODE, url=there)), visitors
            )
        )
    reserved = (
        sum(amount for _, amount in shop.jobs() if amount) / 1_000_000
    )  # what is paid with a visitor's own key reserves nothing
    record(
        "money: 50 orders at once, 20.00 to spend, 1.50 each",
        "13 jobs, 19.5",
        f"{came.count('a job')} jobs, {reserved:g}",
    )
    record("money: the others", "37 over budget", f"{came.count('over budget')} over budget")
    record("money: tasks at the service", True, shop.tasks() <= 13)


def test_one_visitor_does_not_take_the_whole_line(shop: Shop, record: Record):
    visitor, path = Visitor(shop.app.url), sent(shop)
    with shop.simulator.fault("policy", "status-503"):
        own = (
            OWN + "line"
        )  # for which nobody has sent the picture up before, so that every job has to wait
        came = [outcome(order(visitor, path, f"job {number}", key=own)) for number in range(12)]
    record("money: 12 jobs of one visitor at once", "8 jobs", f"{came.count('a job')} jobs")


def test_keys_are_written_nowhere(shop: Shop, record: Record):
    """After whole runs with both keys, and every kind of failure of them."""
    visitor, path, heard = Visitor(shop.app.url), sent(shop), []
    heard.append(order(visitor, path, "with my own key", key=OWN))
    job_id, watch, give_up = (
        json.loads(heard[0])[1][1],
        visitor.event("watch"),
        time.monotonic() + PATIENCE,
    )
    while "SUCCEEDED" not in heard[-1]:
        assert time.monotonic() < give_up, heard[-1]
        heard.append(
            json.dumps(visitor.call(watch, visitor.form(watch, token=visitor.token, job=job_id)))
        )
    ask, drop = visitor.event("ask"), visitor.event("drop")
    for key in (OWN, "sk-invalid-9f8e7d6c5b4a", OWN + "\r\nX: 1"):
        heard.append(
            json.dumps(
                visitor.call(ask, visitor.form(ask, token=visitor.token, key=key, code=CODE))
            )
        )
    with shop.simulator.fault("list", "status-500"):
        heard.append(json.dumps(visitor.call(ask, visitor.form(ask, token=visitor.token, key=OWN))))
    heard.append(json.dumps(visitor.call(drop, visitor.form(drop, token=visitor.token))))
    record("keys: a check of a key that works", True, any("The key works" in one for one in heard))
    record(
        "keys: a check of one that does not",
        True,
        any("recognise this key" in one for one in heard),
    )
    for address in (
        "/",
        "/config",
        f"{API}/info",
        f"{API}/startup-events",
        "/theme.css",
        "/healthz",
        "/readyz",
        "/metrics",
    ):
        heard.append(plain_http.get(shop.app.url + address).text)
    files = {str(path): content for path, content in contents(shop.app.folder.parent).items()}
    assert len(files) > 20  # database, storage, uploads, logs, and the simulator's
    for what, secret in (
        ("the operator's key", OPERATOR),
        ("a visitor's key", OWN),
        ("the part of it after sk-", OWN[3:]),
        ("the access code", CODE),
    ):
        record(f"keys: {what} in an answer", 0, sum(secret in one for one in heard))
        record(
            f"keys: {what} in a file (log, database, storage, uploads)",
            "[]",
            [name for name, held in files.items() if secret.encode() in held],
        )


def test_a_program_sends_its_key_in_a_header(shop: Shop, record: Record):
    program, path = Visitor(shop.app.url, headers={"X-Wan-Key": OWN + "header"}), sent(shop)
    record(
        "keys: one in a header pays for its own job",
        "a job",
        outcome(order(program, path, "by a program")),
    )
    program.headers = {"X-Wan-Key": "no key"}
    record("keys: a header that is no key", "no key", outcome(order(program, path, "by a program")))
    program.headers = {"X-Wan-Code": "wrong", "X-Forwarded-For": "203.0.113.77"}
    record(
        "money: a wrong code in a header",
        "wrong code",
        outcome(order(program, path, "by a program")),
    )


def test_sessions_keep_no_secrets(shop: Shop, record: Record):
    """A visitor who knows another's session, which is as unguessable as its token, hears nothing of
    a key by it.
    """
    visitor, thief = Visitor(shop.app.url), Visitor(shop.app.url)
    order(visitor, sent(shop), "secret", key=OWN)
    thief.session = visitor.session
    greet: Any = thief.call(thief.event("greet"), ["", "", ""])
    record("keys: by another's session", False, OWN in json.dumps(greet))
    deep = plain_http.get(
        f"{shop.app.url}{API}/deep_link", params={"session_hash": visitor.session}
    )
    record("keys: by a deep link of another's session", 404, deep.status_code)
    log = (shop.app.folder / "app.log").read_text()
    record("keys: anything like a key in the log", "[]", re.findall(r"sk-[\w-]{8,}", log))
