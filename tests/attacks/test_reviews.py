"""Attacks on reviews: those of others by their ids, links by guessing, words that would become
code, floods of verdicts.
"""

import json
import re
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.attacks.conftest import Record, Victim
from tests.attacks.visitor import Visitor, ask, post
from tests.browser.serving import App, served

GOOD = {"take": 1, "verdict": "yes", "reviewer": "r" * 24}
EVIL = "<script>document.title='owned'</script>"


@dataclass(frozen=True)
class Hers:
    """The victim's review."""

    id: str
    token: str


@pytest.fixture
def hers(victim: Victim) -> Hers:
    someone = victim.visitor
    number = someone.event("create_review")
    form = someone.form(
        number,
        token=someone.token,
        title=f"Her review {EVIL}",
        note="",
        chosen=victim.job_id,
        expiry="never",
    )
    well, given = someone.call(number, form)
    assert well, given
    return Hers(
        re.search(r'data-event="csv" data-review="([^"]+)"', given[0])[1],
        re.search(r'href="review/([\w-]{43})"', given[0])[1],
    )


def give(app: App, token: str, given: object = GOOD, **headers: str):
    return post(app.url, f"/review/{token}/verdict", given, **{"Origin": app.url} | headers)


def opened(app: App, token: str) -> list[int]:
    """What page, tally, video and poster of a link answer."""
    return [
        ask(app.url, "GET", f"/review/{token}{rest}").status
        for rest in ("", "/tally", "/1/video.mp4", "/1/poster.webp")
    ]


def test_reviews_of_others(app: App, visitor: Visitor, victim: Victim, hers: Hers, record: Record):
    for name in (
        *("open_review", "revoke", "delete_review"),
        *("export_csv", "export_json", "export_zip"),
    ):
        number = visitor.event(name)
        for what, token, picked in (
            ("another's review by its id", visitor.token, hers.id),
            ("another's review by its link", visitor.token, hers.token),
            ("another's review, its id as token", hers.id, hers.id),
            ("another's review, its link as token", hers.token, hers.id),
        ):
            form = visitor.form(number, token=token)
            _, given = visitor.call(number, form, event_data={"review": picked})
            seen = [
                mark
                for mark in ("Her review", hers.token, victim.media, "download")
                if mark in json.dumps(given)
            ]
            record(f"review: {name}, {what}", [], seen)
    number = visitor.event("create_review")
    _, given = visitor.call(
        number,
        visitor.form(
            number, token=visitor.token, title="Mine", note="", chosen=victim.job_id, expiry="never"
        ),
    )
    record(
        "review: made of another's job",
        "refused",
        "refused" if "Select at least one take" in json.dumps(given) else given,
    )
    number = visitor.event("show_chosen")
    _, given = visitor.call(number, visitor.form(number, token=visitor.token, chosen=victim.job_id))
    record("review: another's poster among the chosen", False, victim.media in json.dumps(given))
    record("review: hers is still there", 200, ask(app.url, "GET", f"/review/{hers.token}").status)


def test_links_by_guessing(app: App, hers: Hers, record: Record):
    for token in (
        hers.token[:-1],
        hers.token.swapcase(),
        hers.token + "x",
        "%",
        "*",
        "' OR 1=1--",
        hers.id,
        secrets.token_urlsafe(32),
    ):
        answers = [
            ask(app.url, "GET", f"/review/{token.replace(' ', '%20')}{rest}").status
            for rest in ("", "/tally", "/1/video.mp4", "/1/poster.webp")
        ]
        record(f"review: link {token[:6]!r}… of {len(token)}", [404] * 4, answers)
        record(
            f"review: a verdict by link {token[:6]!r}… of {len(token)}",
            404,
            give(app, token.replace(" ", "%20")).status,
        )
    for path in (
        "1/original.mp4",
        "1/..%2f..%2fwan.sqlite3",
        "0/video.mp4",
        "2/video.mp4",
        "-1/video.mp4",
        "1e0/video.mp4",
        "99999999999999999999/video.mp4",
        f"{'9' * 5000}/video.mp4",
    ):
        record(
            f"review: {path:.30} by the right link",
            404,
            ask(app.url, "GET", f"/review/{hers.token}/{path}").status,
        )


def test_what_is_sent(app: App, hers: Hers, record: Record):
    record(
        "verdict: from a foreign page",
        403,
        give(app, hers.token, Origin="https://evil.example").status,
    )
    record("verdict: from a page without a name", 403, give(app, hers.token, Origin="null").status)
    no_origin = post(app.url, f"/review/{hers.token}/verdict", GOOD)
    record("verdict: without an origin", 403, no_origin.status)
    record(
        "verdict: as a form", 415, give(app, hers.token, **{"Content-Type": "text/plain"}).status
    )
    record("verdict: no JSON", 400, give(app, hers.token, b"take=1").status)
    record("verdict: a list", 400, give(app, hers.token, [GOOD]).status)
    long = give(app, hers.token, GOOD | {"comment": "x" * 100_000})
    record(
        "verdict: a comment of 100 kB",
        (413, True),
        (long.status, "limit is 2,000" in long.json()["detail"]),
    )
    record(
        "verdict: half a character",
        400,
        give(app, hers.token, b'{"take": 1, "verdict": "yes", "comment": "\\ud800"}').status,
    )
    for method in ("PUT", "DELETE", "PATCH"):
        record(
            f"review: {method}",
            405,
            ask(app.url, method, f"/review/{hers.token}", headers={"Origin": app.url}).status,
        )
    for field, value in (
        ("take", 2),
        ("take", "1"),
        ("verdict", EVIL),
        ("reviewer", "x"),
        ("at_seconds", 1e9),
        ("name", "x" * 81),
    ):
        record(
            f"verdict: {field} {value!r:.20}",
            400,
            give(app, hers.token, GOOD | {"comment": "a", field: value}).status,
        )
    assert give(app, hers.token, GOOD | {"comment": f"=1+1 {EVIL}", "name": EVIL}).status == 200
    page = ask(app.url, "GET", f"/review/{hers.token}", headers={"Accept-Encoding": "identity"})
    record("review: scripts in words, title and name", 0, page.body.decode().count(EVIL))
    record(
        "review: who is told where somebody comes from",
        "no-referrer",
        page.headers["referrer-policy"],
    )


@dataclass(frozen=True)
class Talk:
    """What reviewers have written in the victim's review."""

    app: App
    link: str
    writer: str
    """The token of who wrote it, which a stranger has not."""
    comment: str
    reply: str

    def send(self, what: str, reviewer: object = "s" * 24, link: str = "", **given: object):
        """Sends something as a stranger."""
        address = f"/review/{link or self.link}/{what}"
        return post(self.app.url, address, {"reviewer": reviewer} | given, Origin=self.app.url)

    def shown(self) -> str:
        """The comments on the first take, as everybody sees them."""
        tally = ask(self.app.url, "GET", f"/review/{self.link}/tally")
        return tally.json()["parts"]["comments-1"]


@pytest.fixture
def talk(app: App, hers: Hers) -> Talk:
    writer = "w" * 24
    given = GOOD | {"reviewer": writer, "comment": "her words"}
    assert give(app, hers.token, given).status == 200
    begun = Talk(app, hers.token, writer, "", "")
    comment = re.search(r'data-comment="([^"]+)"', begun.shown())[1]
    assert begun.send("reply", writer, comment=comment, text=f"a reply {EVIL}").status == 200
    reply = re.findall(r'data-comment="([^"]+)"', begun.shown())[-1]
    return replace(begun, comment=comment, reply=reply)


def test_comments_of_others(talk: Talk, record: Record):
    """Who has the link, and so every id on its page, but not the token of a writer."""
    before = talk.shown()
    record("comment: scripts in a reply", 0, before.count(EVIL))
    for what, reviewer in (
        ("another's token", "s" * 24),
        ("no token", None),
        ("the comment's id as token", talk.comment),
        ("the link as token", talk.link),
        ("a list of tokens", [talk.writer]),
    ):
        for name, one in (("edit", talk.comment), ("delete", talk.reply)):
            status = talk.send(name, reviewer, comment=one, text="forged").status
            record(f"comment: {name} by {what}", 400, status)
    own = talk.send("own").json()
    record("comment: what is one's own, by another's token", {"own": []}, own)
    record("comment: a name for another's words", 200, talk.send("name", name="forged").status)
    record("comment: what stands there in the end", True, talk.shown() == before)


def test_what_is_sent_about_comments(talk: Talk, hers: Hers, record: Record):
    before = talk.shown()
    # Few of each: an address may send sixty at once, for all tests here.
    for one in (talk.reply, hers.id, ["a"]):
        status = talk.send("reply", comment=one, text="x").status
        record(f"comment: a reply to {one!r:.30}", 400, status)
    for text in ("x" * 2001, {"a": 1}):
        status = talk.send("reply", comment=talk.comment, text=text).status
        record(f"comment: a reply of {text!r:.20}", 400, status)
    for name in ("resolve", "reopen", "rewrite", "take_back", "add", "own/", "comments"):
        status = talk.send(name, comment=talk.comment).status
        record(f"comment: {name} as a reviewer", 404, status)
    for name in ("own", "reply", "delete"):
        status = talk.send(name, link="x" * 43).status
        record(f"comment: {name} by a wrong link", 404, status)
        address = f"/review/{talk.link}/{name}"
        wrong = post(talk.app.url, address, {}, Origin="https://evil.example").status
        record(f"comment: {name} from a foreign page", 403, wrong)
        record(f"comment: {name} by GET", 404, ask(talk.app.url, "GET", address).status)
    record("comment: what stands there in the end", True, talk.shown() == before)


def test_owners_comments_by_others(
    talk: Talk, visitor: Visitor, victim: Victim, hers: Hers, record: Record
):
    before = talk.shown()
    for name in ("reply", "rewrite", "take_back", "resolve", "reopen", "add_takes"):
        number = visitor.event(name)
        carried = {"review": hers.id, "comment": talk.comment, "text": "forged"}
        for what, token in (("a stranger's token", visitor.token), ("the link", hers.token)):
            form = visitor.form(number, token=token, chosen=victim.job_id)
            _, given = visitor.call(number, form, event_data=carried)
            seen = [mark for mark in ("Her review", hers.token) if mark in json.dumps(given)]
            record(f"comment: {name} as its owner by {what}", [], seen)
    record("comment: what stands there in the end", True, talk.shown() == before)


def test_floods(proxied: App, record: Record):
    begun = time.monotonic()
    answers = [give(proxied, "x" * 43, **{"X-Forwarded-For": "198.51.100.77"}) for _ in range(70)]
    more = time.monotonic() - begun  # one a second, beside the sixty at once
    record(
        "verdict: 70 at once from one address",
        True,
        9 - more <= sum(one.status == 429 for one in answers) <= 10,
    )
    record(
        "verdict: the last is told to wait", True, "Try again in" in answers[-1].json()["detail"]
    )
    record(
        "verdict: another address meanwhile",
        404,
        give(proxied, "x" * 43, **{"X-Forwarded-For": "198.51.100.78"}).status,
    )


def test_revoked(app: App, victim: Victim, hers: Hers, record: Record):
    assert give(app, hers.token, GOOD | {"comment": "=1+1"}).status == 200
    someone = victim.visitor
    number, carried = someone.event("export_csv"), {"review": hers.id}
    form = someone.form(number, token=someone.token)
    given = someone.call(number, form, event_data=carried)[1]
    path = re.search(r'href="(gradio_api/file=[^"]+)"', given[0])[1]
    table = ask(app.url, "GET", f"/{path}", headers=someone.headers)
    record(
        "export: a formula in the table",
        (200, True),
        (table.status, b",'=1+1" in table.body or b",\"'=1+1" in table.body),
    )
    revoke = someone.event("revoke")
    form = someone.form(revoke, token=someone.token)
    assert someone.call(revoke, form, event_data=carried)[0]
    record("review: page, tally and media by a revoked link", [404] * 4, opened(app, hers.token))
    record("review: a verdict by a revoked link", 404, give(app, hers.token).status)


def test_logins_do_not_stand_before_a_link(tmp_path: Path, record: Record):
    with served(tmp_path, WAN_LOGINS="ann:secret-of-ann") as app:
        page = ask(app.url, "GET", f"/review/{'x' * 43}")
        record(
            "review: a link while logins are set",
            (404, True),
            (page.status, b"This review isn&#39;t available" in page.body),
        )
        record("review: a verdict while logins are set", 404, give(app, "x" * 43).status)
        record(
            "review: the page itself while logins are set",
            401,
            ask(app.url, "GET", "/config").status,
        )
