"""Who may see what everybody spends, and what they see."""

import asyncio
import csv
import html
import io
import re
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette

from tests import plain_http
from tests.attacks.setups import signed_in
from tests.browser.serving import App, served
from tests.expenses import FORMULA, MONTH, SETTINGS, fill
from wan.environment.settings import load_settings
from wan.service.studio import Studio
from wan.web import spending_page

DOCUMENT = {"Accept": "text/html"}
DOORS = (f"/spending?month={MONTH}", f"/spending.csv?month={MONTH}")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app of a house in which ann is the operator."""
    folder = tmp_path_factory.mktemp("house")
    url = f"sqlite:///{folder / 'wan.sqlite3'}"
    fill(url)
    with served(folder, WAN_DATABASE_URL=url, **SETTINGS) as running:
        yield running


def asked(app: App, path: str, name: str = "", **headers: str) -> httpx.Response:
    """What somebody gets, signed in if there is a name."""
    who = signed_in(app.url, name, f"secret-of-{name}") if name else {}
    return plain_http.get(app.url + path, headers=headers | who)


def test_nobody_but_the_operator_learns_that_there_is_such_a_page(app: App):
    nowhere = asked(app, "/nothing-of-ours", "bob")
    for path in DOORS:
        refused = asked(app, path, "bob")
        assert (refused.status_code, refused.content) == (404, nowhere.content)
    for path in ("/", "/zh"):
        page = asked(app, path, "bob").text
        assert "spending?lang" not in page
    forged = {"Cookie": "access-token-unsecure-x=ann"}
    for headers in ({}, forged):
        page, table = (asked(app, path, **headers) for path in DOORS)
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert 'name="password"' in page.text
        assert "¥" not in page.text
        assert table.status_code == 404


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whoever_signs_in_there_gets_there(app: App, language: str):
    page = asked(app, f"/spending?lang={language}").text
    assert {f'href="spending?lang={one}"' in page for one in ("en", "zh")} == {True}
    form = html.unescape(re.search(r'action="(.*?)"', page)[1])
    given = {"username": "ann", "password": "wrong"}
    again = plain_http.post(f"{app.url}/{form}", data=given, headers=DOCUMENT)
    assert (again.status_code, re.search(r'action="(.*?)"', page)[0] in again.text) == (400, True)
    given["password"] = "secret-of-ann"
    for address, leads in (
        (form, f"spending?lang={language}"),
        (f"login?lang={language}&to=https://elsewhere.example", "zh" if language == "zh" else "./"),
    ):
        answer = plain_http.post(f"{app.url}/{address}", data=given, headers=DOCUMENT)
        assert (answer.status_code, answer.headers["location"]) == (303, leads)


@pytest.mark.anyio
async def test_without_sign_in_it_is_nobodys(monkeypatch: pytest.MonkeyPatch):
    studio = Studio(load_settings())
    where = httpx.ASGITransport(Starlette(routes=spending_page.routes(studio, asyncio.Event())))
    async with httpx.AsyncClient(transport=where, base_url="http://app") as client:
        assert [(await client.get(path)).status_code for path in DOORS] == [404, 404]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Paid with your key", "Command line", "Others", "Deleted", "possibly ¥0.30"]),
        ("zh", ["由您的 Key 支付", "命令行", "其他人", "已删除", "最多 ¥0.60"]),
    ],
)
def test_the_operator_sees_who_made_what_and_what_it_cost(app: App, language: str, words: list):
    answer = asked(app, f"{DOORS[0]}&lang={language}", "ann")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")
    page = re.sub(r"<style>.*?</style>", "", answer.text)
    plain = re.sub(r"<[^>]*>", "", page)
    assert [word for word in words if word not in plain] == []
    own, others, _ = page.split("<caption>")[1:]
    sums = [re.sub(r"<[^>]*>", "|", row) for row in own.split('<th scope="row">')[1:]]
    assert [re.findall(r"[¥$][\d.]+", row) for row in sums] == [
        ["¥3.50"],
        ["¥2.10", "¥0.60"],
        ["$0.45"],
        ["¥0.30"],
        ["¥5.90", "$0.45", "¥0.60"],
    ]
    assert re.findall(r"¥[\d.]+", others.partition("</table>")[0]) == ["¥9.00"]
    assert "a secret" not in page
    assert "a month ago" not in page
    assert "<b>" not in page.partition('class="sp-jobs"')[2]
    assert "¥4.00" in asked(app, "/spending?month=2026-02", "ann").text
    refused = asked(app, "/spending?month=2026-3", "ann")
    assert (refused.status_code, "month" in refused.text) == (400, True)


def test_the_csv_has_every_job_and_no_formula(app: App):
    answer = asked(app, DOORS[1], "ann")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"wan-spending-{MONTH}.csv" in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "private, no-store"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["job_id"] for row in rows] == [f"job{number}" for number in range(10, 0, -1)]
    found = {
        row["job_id"]: (row["person"], row["state"], row["spent"], row["cost"], row["key"])
        for row in rows
    }
    assert found["job10"] == ("ann", "RUNNING", "no", "0.60", "operator")
    assert found["job9"] == ("ann", "FAILED", "yes", "", "operator")
    assert found["job7"] == ("bob", "FAILED", "no", "0.00", "operator")
    assert found["job6"] == ("command line", "SUCCEEDED", "yes", "0.45", "operator")
    assert found["job5"] == ("others", "EXPIRED", "maybe", "0.30", "operator")
    assert found["job4"] == ("bob", "SUCCEEDED", "yes", "9.00", "other")
    assert found["job3"] == ("bob", "DELETED", "yes", "2.00", "operator")
    prompts = {row["job_id"]: row["prompt"] for row in rows}
    assert (prompts["job2"], prompts["job3"]) == (f"'{FORMULA}", "")
