"""Attacks on who somebody is, and on whose turn it is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.conftest import Record, Victim
from tests.attacks.setups import signed_in
from tests.attacks.visitor import Visitor, called, picture_url
from tests.browser.serving import App, served

ANN, MALLORY = "ann.the.assistant@studio.example", "mallory"
KEY = "sk-the-key-of-somebody-else-0a1b2c3d"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app of a few people who sign in, one of them under a long name."""
    with served(
        tmp_path_factory.mktemp("house"),
        pending=0.2,
        running=0.4,
        WAN_LOGINS=f"{ANN}:pw-of-ann,{MALLORY}:pw-of-mallory",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app without logins, behind a proxy that tells addresses."""
    with served(tmp_path_factory.mktemp("open"), WAN_TRUSTED_PROXIES="127.0.0.1") as running:
        yield running


@pytest.fixture
def long_line(tmp_path: Path) -> Iterator[App]:
    """The same, in which no job ends."""
    with served(tmp_path, pending=3600, WAN_TRUSTED_PROXIES="127.0.0.1") as running:
        yield running


def make(app: App, prompt: str, headers: dict[str, str], wait: int = 0) -> tuple[str, object]:
    return called(
        app.url,
        "image_to_video",
        {"prompt": prompt, "reference_image": picture_url(), "duration": 2, "wait": wait},
        headers,
    )


def answer(app: App, name: str, job_id: object, headers: dict[str, str]) -> str:
    """What somebody is told who names a job: a refusal, or what is there."""
    event, said = called(app.url, name, {"job_id": job_id}, headers)
    return "refused" if event != "complete" else str(said)


def place(given: object) -> int:
    """Where a job stands in line; 0 where it has been begun."""
    found = re.search(r"Queued, ([0-9]+)", given[0]["status"])
    return int(found[1]) if found else 0


def test_nobody_is_another_by_the_id_that_they_send(house: App, record: Record):
    hers, his = (
        signed_in(house.url, ANN, "pw-of-ann"),
        signed_in(house.url, MALLORY, "pw-of-mallory"),
    )
    event, given = make(house, "of Ann", hers, wait=60)
    assert event == "complete", given
    job = given[0]["job_id"]
    for name in ("job", "cancel"):
        for ending in ("\n", "\r\n", "\x0b", "\u2028"):
            record(
                f"owners: {name} of login{ending!r}NAME.JOB",
                "refused",
                answer(house, name, f"login{ending}{ANN}.{job}", his),
            )
    for wrong in (
        job,
        f"{ANN}.{job}",
        f"{'x' * 43}.{job}",
        f".{job}",
        f"{job}\n",
        [job],
        {"path": job},
        None,
        7,
        f"{job}\x00",
        "x" * 10_000,
    ):
        record(f"owners: job by {str(wrong)[:20]!r}", "refused", answer(house, "job", wrong, his))
    record(
        "owners: hers is still hers",
        "SUCCEEDED",
        called(house.url, "job", {"job_id": job}, hers)[1][0]["state"],
    )


def test_nobody_is_another_by_the_token_that_they_send(open_house: App, record: Record):
    """A key alone makes an owner too; a page's token is text that anybody sends."""
    event, given = make(open_house, "by key", {"X-Wan-Key": KEY}, wait=60)
    assert event == "complete", given
    job = given[0]["job_id"]
    record(
        "owners: job of key\\nKEY.JOB",
        "refused",
        answer(open_house, "job", f"key\n{KEY}.{job}", {}),
    )
    visitor = Visitor(open_house.url)
    watch = visitor.event("watch")
    for token in (
        f"key\n{KEY}",
        f"login\n{ANN}",
        f"key\n{KEY}\n",
        "x" * 31,
        "x" * 600,
        "\u202e" * 40,
    ):
        well, shown = visitor.call(watch, [token, job])
        record(
            f"owners: a page with the token {token[:12]!r}",
            False,
            bool(well) and "SUCCEEDED" in str(shown),
        )
    visitor.close()
    record(
        "owners: with the key it is there",
        "SUCCEEDED",
        called(open_house.url, "job", {"job_id": job}, {"X-Wan-Key": KEY})[1][0]["state"],
    )


def test_nobody_gets_the_past_prompts_of_another(visitor: Visitor, victim: Victim, record: Record):
    asked = victim.visitor.event("list_past")
    hers = victim.visitor.token
    for token in (visitor.token, hers[:-1], f"{hers}\n", None, [hers]):
        for carried in ({"number": "1", "owner": hers}, {"number": "9" * 5000}):
            _, shown = visitor.call(asked, [token], event_data=carried)
            given = "smiles" in str(shown)
            record(f"owners: past prompts by {str(token)[:12]!r}", False, given)
    well, shown = victim.visitor.call(asked, [hers], event_data={"number": "1"})
    record("owners: her past prompts are hers", True, bool(well) and "She smiles." in str(shown))


def test_made_up_names_put_nobody_else_at_the_end(long_line: App, record: Record):
    refused = 0
    for name in range(7):
        for number in range(8):
            crowd = {
                "X-Forwarded-For": "192.0.2.7",
                "X-Wan-Token": f"made-up-name-{name}-{'x' * 32}",
            }
            event, said = make(long_line, f"crowd {name} {number}", crowd)
            refused += event == "error" and "Your network" in str(said)
        if name == 4:  # as many as there may be, while none of them has ended
            told = [
                make(
                    long_line, f"of {who}", {"X-Forwarded-For": f"{who}.9", "X-Wan-Token": "t" * 40}
                )[1]
                for who in ("198.51.100", "192.0.2")
            ]
    for who, high, given in zip(
        ("visitor", "visitor of a neighbouring address"), (2, 3), told, strict=True
    ):
        stands = place(given)
        record(
            f"queue: the next {who}",
            f"at most {high}",
            f"at most {high}" if stands <= high else f"{stands}: {given}",
        )
    record("queue: an address has no room for names without end", True, refused > 0)
