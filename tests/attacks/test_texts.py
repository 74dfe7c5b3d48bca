"""Attacks by words: what steers a terminal, hides in a page, or looks like something else; and what
a reviewer takes home.
"""

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from tests import plain_http
from tests.attacks.conftest import Record, Victim
from tests.attacks.visitor import Visitor, ask, post
from tests.blocking import Store
from tests.browser.serving import App
from tests.database.test_store import job
from wan.cli.main import main
from wan.database.queue import Queue
from wan.domain import ids
from wan.domain.ids import OPERATOR
from wan.domain.jobs import JobState
from wan.environment.settings import load_settings
from wan.service.studio import Studio
from wan.web import review_page

HIDDEN = {
    "C1, which begins a sequence of a terminal": "\x9b31m",
    "an override of the direction": "\u202egnp.exe\u202c",
    "an isolate": "\u2066left\u2069",
    "a zero-width space": "\u200b",
    "a byte order mark inside": "\ufeff",
    "another end of line": "\u2028",
    "tags that spell something": "".join(chr(0xE0000 + ord(sign)) for sign in "ignore"),
    "selectors that spell something": "\ufe01\ufe02\ufe03\ufe04",
    "a joiner at a space": " \u200d ",
    "a heap of marks": "\u0301" * 400,
}
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e00ff]|\u0301{11}|[\ufe00-\ufe0f]{2}"
)


def made(visitor: Victim, title: str, **given: object) -> tuple[str, str]:
    """A review of the victim's, by its title; what its tab shows, and the token of its link."""
    someone = visitor.visitor
    number = someone.event("create_review")
    form = someone.form(
        number,
        token=someone.token,
        title=title,
        note="",
        chosen=visitor.job_id,
        expiry="never",
        **given,
    )
    well, shown = someone.call(number, form)
    assert well, shown
    return shown[0], re.search(r'href="review/([\w-]{43})"', shown[0])[1]


def test_words_of_a_reviewer(app: App, victim: Victim, record: Record):
    shown, token = made(victim, "A\u202eB\u200bC\ufeff\r\nD\u2028E")
    record("text: hidden characters in a title", [], UNSEEN.findall(shown))
    record("text: a title is one line", True, "ABC D E" in shown)
    for number, (what, odd) in enumerate(HIDDEN.items()):
        said = {
            "take": 1,
            "verdict": "yes",
            "reviewer": f"{'r' * 24}{number}",
            "comment": f"so{odd}me",
            "name": f"An{odd}n",
        }
        answer = post(app.url, f"/review/{token}/verdict", said, Origin=app.url)
        refused = what.startswith("C1")
        record(f"text: {what}, in a comment and a name", 400 if refused else 200, answer.status)
        record(
            f"text: {what}, in the answer",
            [],
            UNSEEN.findall(json.dumps(answer.json(), ensure_ascii=False)),
        )
    nobody = {
        "take": 1,
        "verdict": "no",
        "reviewer": "n" * 24,
        "comment": "\u3164\u200b",
        "name": "\u2800 \u200d",
    }
    parts = post(app.url, f"/review/{token}/verdict", nobody, Origin=app.url).json()["parts"]
    record("text: a comment that nobody sees", 0, parts["comments-1"].count("\u3164"))
    good = {
        "take": 1,
        "verdict": "yes",
        "reviewer": "g" * 24,
        "comment": "می‌خواهم 👩‍🚀",
        "name": "آنا",
    }
    parts = post(app.url, f"/review/{token}/verdict", good, Origin=app.url).json()["parts"]
    record(
        "text: Persian and emoji as they were written", True, "می‌خواهم 👩‍🚀" in parts["comments-1"]
    )
    for rest in ("", "/tally"):
        page = ask(
            app.url, "GET", f"/review/{token}{rest}", headers={"Accept-Encoding": "identity"}
        )
        record(f"text: what is hidden in a review{rest}", [], UNSEEN.findall(page.body.decode()))


def test_prompts_that_show_nothing(app: App, visitor: Visitor, record: Record):
    start = visitor.event("start_1")  # of references, which need a prompt
    for what, prompt in (
        ("zero-width", "\u200b\u200b"),
        ("fillers", "\u3164 \u2800"),
        ("tags", HIDDEN["tags that spell something"]),
        ("C1", "a\x9b"),
    ):
        shown = json.dumps(
            visitor.call(
                start,
                visitor.form(
                    start, token=visitor.token, prompt=prompt, urls="https://example.com/a.png"
                ),
            )
        )
        record(
            f"text: a prompt of {what} alone",
            False,
            "data-live" in shown or "\\u009b" in shown or "\\u200b" in shown,
        )


def test_a_look_names_no_other_review(app: App, victim: Victim, record: Record):
    tokens = [made(victim, title)[1] for title in ("One", "Two")]
    looks = [
        ask(app.url, "GET", f"/review/{token}/tally", headers={"Accept-Encoding": "identity"})
        for token in tokens
    ]
    ats = [json.loads(look.body)["at"] for look in looks]
    for what, since in (
        ("another review's", ats[1]),
        ("one that is none", "f" * 20),
        ("a path", "../../etc/passwd"),
        ("long", "x" * 4000),
    ):
        got = json.loads(
            ask(
                app.url,
                "GET",
                f"/review/{tokens[0]}/tally?since={since}",
                headers={"Accept-Encoding": "identity"},
            ).body
        )
        fits = got["parts"].items() <= json.loads(looks[0].body)["parts"].items()
        record(f"review: a look since {what}", (True, ats[0]), (fits, got["at"]))
    packed = ask(app.url, "GET", f"/review/{tokens[0]}/tally", headers={"Accept-Encoding": "gzip"})
    record("review: a look is packed", "gzip", packed.headers["content-encoding"])


def test_what_a_reviewer_takes_home(app: App, victim: Victim, record: Record):
    _, token = made(victim, "Bare")
    telling = (victim.job_id.encode(), b"She smiles", b"Wan Studio", victim.media.encode())
    whole = ask(app.url, "GET", f"/review/{token}/1/video.mp4")
    pieces = [
        ask(
            app.url,
            "GET",
            f"/review/{token}/1/video.mp4",
            headers={"Range": f"bytes={at}-{at + 99}"},
        )
        for at in (0, 1000)
    ]
    record(
        "review: settings and ids in a reviewer's video",
        [],
        [mark for mark in telling if mark in whole.body],
    )
    record(
        "review: in pieces of it",
        [(206, True)] * 2,
        [(one.status, one.body in whole.body) for one in pieces],
    )
    names = f"{whole.headers.get('content-disposition', '')}{whole.headers.get('etag', '')}"
    record("review: ids in its name", False, victim.job_id in names)
    poster = ask(app.url, "GET", f"/review/{token}/1/poster.webp")
    record(
        "review: settings and ids in its poster",
        [],
        [mark for mark in telling if mark in poster.body],
    )
    page = ask(
        app.url, "GET", f"/review/{token}", headers={"Accept-Encoding": "identity"}
    ).body.partition(b"<body")[2]
    record(
        "review: settings and ids in its page",
        [],
        [mark for mark in (*telling[:2], telling[3], b"wan2.6") if mark in page],
    )
    _, shown = made(victim, "Open", settings=True)
    open_ = ask(app.url, "GET", f"/review/{shown}/1/video.mp4")
    record("review: the owner may show them", True, b"She smiles" in open_.body)


def test_a_terminal_is_not_steered(record: Record, capsys: pytest.CaptureFixture):
    """By a row of a version that took every character."""
    settings, made_ = (
        load_settings(),
        job(id=ids.new_job_id(), owner=OPERATOR, state=JobState.FAILED),
    )
    settings.make_output_dir()
    Store(settings.database).close()
    store = Store(settings.database)
    store.add(made_)
    store.close()
    evil = "a\x9b2J\x1b[1A\u202eb\r\nstate           SUCCEEDED\u2028c"
    with closing(sqlite3.connect(settings.output_dir / "wan.sqlite3")) as database, database:
        given = {"prompt": evil, "size": "1280*720", "fps": None, "duration": 5}
        database.execute("UPDATE jobs SET request = ?", (json.dumps(given),))
    for command in (
        ["show", made_.id],
        ["show", made_.id, "--json"],
        ["jobs"],
        ["jobs", "--json"],
        ["show", "a\x9b\u202e"],
        ["fly\x9b\u202e"],
    ):
        main(command)
        out, error = capsys.readouterr()
        came = out + error
        assert "--json" not in command or json.loads(out)["ok"]
        record(
            f"terminal: {' '.join(command).replace(made_.id, 'JOB')!a}", [], UNSEEN.findall(came)
        )
        record("terminal: a forged line", [], re.findall("^state +SUCCEEDED", came, re.MULTILINE))


@pytest.mark.anyio
async def test_one_network_does_not_fill_a_review(monkeypatch: pytest.MonkeyPatch, record: Record):
    monkeypatch.setattr("wan.database.verdicts.VERDICTS_LIMIT", 64)
    async with Studio(load_settings()) as studio:
        done = job(
            id=ids.new_job_id(),
            owner="owner",
            state=JobState.SUCCEEDED,
            video_key="videos/a.mp4",
            duration=2.0,
        )
        await Queue(studio.stores.database).add([done])
        _, token = await studio.reviews.create([done.id], owner="owner", title="t")
        opened = asyncio.Event()
        opened.set()
        routes = Starlette(routes=review_page.routes(studio, opened))

        async def heard(addresses: list[str]) -> int:
            """How many of as many made-up people are heard."""
            came = []
            for number, address in enumerate(addresses):
                transport = httpx.ASGITransport(routes, client=(address, 1))
                async with plain_http.AsyncClient(
                    transport=transport, base_url="http://app"
                ) as client:
                    given = {
                        "take": 1,
                        "verdict": "yes",
                        "reviewer": f"{ids.new_link_token()}"[:40],
                        "comment": "x" if number % 2 else "",
                    }
                    came.append(
                        (await client.post(f"/review/{token}/verdict", json=given)).status_code
                    )
            return came.count(200)

        record("review: 80 made-up people of one address", 32, await heard(["192.0.2.7"] * 80))
        record(
            "review: 80 of a /48",
            16,
            await heard([f"2001:db8:7:{number:x}::1" for number in range(80)]),
        )
        record("review: 80 of one more address", 8, await heard(["192.0.2.9"] * 80))
        record("review: somebody honest after all that", 1, await heard(["198.51.100.7"]))
        whole = await studio.reviews.get_by_link(token)
        record(
            "review: addresses in what is exported",
            False,
            "192.0.2" in json.dumps([str(one) for one in whole.takes]),
        )


def test_no_host_and_no_path_in_what_is_installed(record: Record):
    lock = (Path(__file__).parents[1] / "requirements.lock").read_text()
    record("supply: addresses in the lock", [], re.findall(r"https?:|file:|--index|--find", lock))
