"""What a review accepts, how it counts, and what it gives away; then the same through the studio,
with real videos.
"""

import asyncio
import csv
import io
import json
import math
import re
import secrets
import zipfile
from dataclasses import replace

import pytest

from tests.database.test_store import job
from tests.pictures import picture
from wan.domain import review_exports, reviews
from wan.domain.errors import AccessRefused, InvalidInput, ReviewNotFound
from wan.domain.jobs import JobState
from wan.domain.requests import ImageToVideoRequest
from wan.domain.reviews import Reply, Review, Take, Tally, Verdict
from wan.environment.settings import load_settings
from wan.media import encode
from wan.service import polling
from wan.service.studio import Studio
from wan.web.review_zip import pack

NOW = 1_700_000_000.0
MADE = job(
    state=JobState.SUCCEEDED,
    video_key="videos/job1/video.mp4",
    width=1280,
    height=720,
    duration=5.0,
    seed=7,
)
REVIEWER = "r" * 24
GOOD = {"take": 1, "verdict": "yes", "reviewer": REVIEWER}


def said(verdict="yes", reviewer="a", at=NOW, **changes) -> Verdict:
    return Verdict(
        **{
            **{
                "id": f"{reviewer}{at}",
                "review_id": "review",
                "job_id": "job1",
                "verdict": verdict,
                "comment": "",
                "at_seconds": None,
                "name": "",
            },
            **{"created_at": at, "reviewer": reviewer},
            **changes,
        }
    )


def review(*verdicts: Verdict, takes=2, **changes) -> Review:
    shown = tuple(
        Take(number, f"job{number}", MADE, verdicts if number == 1 else ())
        for number in range(1, takes + 1)
    )
    whole = Review("review", "somebody", "Title", "Note", "token", NOW, None, None, shown)
    return replace(whole, **changes)


def checked(given) -> Verdict:
    return reviews.check_verdict(review(), GOOD | given, id_="id", now=NOW)


def test_the_last_word_of_each_person_counts():
    verdicts = (
        said("yes", "a", 1),
        said("no", "b", 2),
        said("no", "a", 3, comment="on second thoughts"),
        said("maybe", "c", 4),
    )
    assert review(*verdicts).takes[0].tally == Tally(yes=0, maybe=1, no=2)
    assert [one.comment for one in review(*verdicts).takes[0].comments] == ["on second thoughts"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        *(
            ({"verdict": verdict}, "verdict")
            for verdict in ("", "YES", None, True, ["yes"], {}, "yes ")
        ),
        *(({"take": take}, "take") for take in (0, 3, -1, 1.0, "1", True, None, [], 10**30)),
        *(
            ({"reviewer": token}, "reviewer")
            for token in ("", "short", None, 5, "a" * 65, "a b" * 10, "é" * 24)
        ),
        *(
            ({"comment": comment}, "comment")
            for comment in (
                "x" * 2001,
                "x" * 100_000,
                " " * 2001,
                "\0",
                "\ud800",
                ["a"],
                {"a": 1},
                5,
                True,
            )
        ),
        *(({"name": name}, "name") for name in ("x" * 81, "\0", 5)),
        *(
            ({"comment": "a", "at_seconds": at}, "at_seconds")
            for at in (-0.1, 5.6, math.nan, math.inf, 10**400, "1", True, [1])
        ),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(given, field):
    with pytest.raises(InvalidInput) as refused:
        checked(given)
    assert refused.value.field == field


def test_what_people_write_is_kept_but_for_outer_spaces():
    kept = checked({"comment": "  <b>a</b>\n\n b\t ", "name": " Mei ", "at_seconds": 5.3})
    assert (kept.comment, kept.name, kept.at_seconds) == ("<b>a</b>\n\n b", "Mei", 5.0)
    assert checked({"comment": " \n\t "}).comment == ""
    assert checked({"comment": " ", "at_seconds": 1}).at_seconds is None
    assert checked({"comment": None, "name": None}).name == ""
    assert len(checked({"comment": "字" * 2000}).comment) == 2000


def test_a_person_is_known_within_one_review_only():
    one, other = (
        checked({}),
        reviews.check_verdict(replace(review(), id="other"), GOOD, id_="id", now=NOW),
    )
    assert one.reviewer != other.reviewer
    assert REVIEWER not in one.reviewer


def test_a_deleted_take_takes_no_more_words():
    gone = review(takes=1)
    with pytest.raises(InvalidInput, match="deleted"):
        reviews.check_verdict(
            replace(gone, takes=(replace(gone.takes[0], job=None),)), GOOD, id_="id", now=NOW
        )


@pytest.mark.parametrize(
    ("title", "note"),
    [("", ""), ("  ", "x"), ("x" * 121, ""), ("a", "x" * 2001), (None, ""), ("a", 5), ("a\0", "")],
)
def test_titles_and_notes_that_are_refused(title, note):
    with pytest.raises(InvalidInput):
        reviews.clean_title_and_note(title, note)


@pytest.mark.parametrize("days", [0, -1, 366, 1.5, True, "7", math.nan])
def test_links_that_would_end_at_an_odd_time(days):
    with pytest.raises(InvalidInput):
        reviews.compute_expiry(days, NOW)


def test_when_a_link_is_open():
    assert reviews.compute_expiry(None, NOW) is None
    week = review(expires_at=reviews.compute_expiry(7, NOW))
    assert [week.is_open(NOW + days * 86400) for days in (0, 6.99, 7)] == [True, True, False]
    assert not review(revoked_at=NOW).is_open(NOW)


def test_takes_are_each_once_in_their_order():
    assert reviews.check_take_ids(["b", "a", "b"]) == ["b", "a"]
    for several in ([], [str(number) for number in range(13)]):
        with pytest.raises(InvalidInput):
            reviews.check_take_ids(several)


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@a", "＝1", '=HYPERLINK("http://x")'])
def test_no_cell_of_the_table_is_a_formula(formula):
    table = review_exports.export_csv(review(said(comment=formula, name=formula, at_seconds=1.25)))
    assert table.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(table.decode("utf-8-sig")))
    assert (row["comment"], row["name"]) == (f"'{formula}", f"'{formula}")
    assert (row["take"], row["seed"], row["verdict"], row["latest"], row["at_seconds"]) == (
        "1",
        "7",
        "yes",
        "yes",
        "1.25",
    )
    assert row["given_at"] == "2023-11-14T22:13:20Z"


def test_the_table_keeps_lines_and_quotes():
    comment = 'a "b"\n;c,\n一'
    (row,) = csv.DictReader(
        io.StringIO(
            review_exports.export_csv(review(said(comment=comment))).decode("utf-8-sig"), newline=""
        )
    )
    assert row["comment"] == comment


def test_exports_call_takes_as_their_owner_does_and_tell_no_project():
    named = replace(MADE, name="=Wide", project="Secret", starred=True)
    whole = review(said(comment="a"))
    whole = replace(whole, takes=(replace(whole.takes[0], job=named, label="3B"),))
    table = review_exports.export_csv(whole).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(table))
    (take,) = json.loads(review_exports.export_json(whole))["takes"]
    assert (row["take"], row["take_name"]) == ("3B", "'=Wide")
    assert (take["take"], take["name"]) == ("3B", "=Wide")
    assert "Secret" not in table + json.dumps(take)


def test_the_json_has_it_all():
    whole = json.loads(
        review_exports.export_json(
            review(said("no", at=1), said("yes", at=2, comment="a", at_seconds=1.5))
        )
    )
    assert whole["takes"][0]["tally"] == {"yes": 1, "maybe": 0, "no": 0}
    assert [one["latest"] for one in whole["takes"][0]["verdicts"]] == [False, True]
    assert whole["takes"][1]["verdicts"] == []
    assert "amount" not in json.dumps(whole)


def test_exports_carry_replies_and_what_is_settled():
    comment = {"comment": "dark", "edited_at": NOW + 1, "resolved_at": NOW + 2}
    replies = (
        Reply("r1", "c", "=1+1", "Bo", NOW + 3, "b" * 32),
        Reply("r2", "c", "brighter now", "", NOW + 4, None, NOW + 5),
    )
    gone = {"reviewer": "z", "at": NOW + 9, "replies": (Reply("r3", "g", "why?", "", NOW, "b"),)}
    whole = review(said(reviewer="mine" * 8, **comment, replies=replies), said("no", **gone))
    first, second = json.loads(review_exports.export_json(whole))["takes"][0]["verdicts"]
    assert (first["edited_at"], first["resolved_at"]) == (
        "2023-11-14T22:13:21Z",
        "2023-11-14T22:13:22Z",
    )
    assert [(one["person"], one["text"], one["edited_at"]) for one in first["replies"]] == [
        ("bbbbbb", "=1+1", None),
        ("owner", "brighter now", "2023-11-14T22:13:25Z"),
    ]
    assert (second["comment"], second["replies"][0]["text"]) == ("", "why?")
    table = review_exports.export_csv(whole).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [
        (row["kind"], row["thread"], row["person"], row["verdict"], row["comment"]) for row in rows
    ] == [
        ("verdict", "1", "minemi", "yes", "dark"),
        ("reply", "1", "bbbbbb", "", "'=1+1"),
        ("reply", "1", "owner", "", "brighter now"),
        ("verdict", "2", "z", "no", ""),
        ("reply", "2", "b", "", "why?"),
    ]
    assert [row["resolved_at"] for row in rows] == ["2023-11-14T22:13:22Z", "", "", "", ""]


FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(1)",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "=cmd|' /C calc'!A0",
    "﹦1",
)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "a;",
        "a;;",
        "a\t",
        "a\n",
        "a\r\n",
        "a,",
        "a|",
        " ",
        "\u3000",
        "x ",
        "a; ",
        'a";',
        'a";"',
        '"',
        "a;“",
        "a;'",
        "- ",
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "\n", " "])
def test_no_cell_is_a_formula_however_the_file_is_split(before, separator):
    """As LibreOffice 7.4 read it by hand, with these separators, with and without quotes, in
    English, German and Chinese.
    """
    words = [
        said(reviewer=f"r{number}", comment=f"{before}{one}", name=f"{before}{one}")
        for number, one in enumerate(FORMULAS)
    ]
    table = review_exports.export_csv(
        replace(review(), takes=(Take(1, "job1", MADE, tuple(words)),))
    ).decode("utf-8-sig")
    readings = [csv.reader(io.StringIO(table), delimiter=separator)] if separator != "\n" else []
    readings += [(line.split(separator) for line in table.splitlines())]
    for reading in readings:
        for cell in (cell for row in reading for cell in row):
            bare = cell.lstrip(" \t\n\r\u3000\"'“”")
            quoted = "'" in cell[: len(cell) - len(bare)]
            assert (
                not bare.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦"))
                or quoted
                or len(bare) < 2
            ), (cell, separator)


def test_every_field_of_the_table_is_quoted():
    table = review_exports.export_csv(review(said(comment='a "word"'))).decode("utf-8-sig")
    assert all(
        re.fullmatch(r'"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*', line) for line in table.splitlines()
    )


def test_a_dash_stays_a_dash():
    words = "well-known: a - b, it's = to e-mail@example.com (-)"
    assert words in review_exports.export_csv(review(said(comment=words))).decode("utf-8-sig")


@pytest.fixture
async def studio(new_database, simulator, monkeypatch):
    monkeypatch.setenv("WAN_DATABASE_URL", new_database())
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-test{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)
    async with Studio(load_settings()) as opened:
        yield opened


async def made(studio, owner="owner", prompt="she smiles"):
    asked = ImageToVideoRequest(prompt=prompt, reference_image=picture((640, 480)), duration=2)
    started = await studio.submission.submit(asked, owner=owner, new_take=True)
    async for event in studio.watching.follow(started.id, owner=owner):
        last = event
    return last.job


@pytest.mark.process
@pytest.mark.anyio
async def test_a_review_from_its_link_to_its_end(studio):
    first, second = await made(studio), await made(studio)
    whole, token = await studio.reviews.create(
        [second.id, first.id], owner="owner", title=" Round 2 ", note="n", expires_days=1
    )
    assert [take.job_id for take in whole.takes] == [second.id, first.id]
    assert (await studio.reviews.get(whole.id, owner="owner")).link_token == token
    assert await studio.reviews.get_by_link(token) == await studio.reviews.get(
        whole.id, owner="owner"
    )
    versions = [await studio.reviews.get_version(token)]
    for given in ({"comment": "a", "at_seconds": 1}, {"verdict": "no"}, {"verdict": "maybe"}):
        await studio.reviews.give_verdict(token, GOOD | given)
        versions.append(await studio.reviews.get_version(token))
    assert len(set(versions)) == 4
    now = await studio.reviews.get_by_link(token)
    assert now.takes[0].tally == Tally(maybe=1)
    assert [one.verdict for one in now.takes[0].verdicts] == [
        "yes",
        "maybe",
    ]  # a word without a comment is replaced
    assert (await studio.reviews.find_media(token, 1, "video.mp4")).stat().st_size > 1000
    assert await studio.reviews.find_media(token, 3, "video.mp4") is None
    assert await studio.reviews.find_media(token, 1, "original.mp4") is None
    async with studio.reviews.hold_files(now) as found:
        assert set(found) == {1, 2}

    for call in (studio.reviews.get, studio.reviews.revoke, studio.reviews.delete):
        with pytest.raises(ReviewNotFound):
            await call(whole.id, owner="somebody else")
    assert await studio.reviews.list_reviews(owner="somebody else") == []

    closed = await studio.reviews.revoke(whole.id, owner="owner")
    assert (closed.link_token, closed.takes[0].tally) == (None, Tally(maybe=1))
    assert await studio.reviews.find_media(token, 1, "video.mp4") is None
    for call in (
        studio.reviews.get_by_link(token),
        studio.reviews.get_version(token),
        studio.reviews.give_verdict(token, GOOD),
        studio.reviews.get_by_link("x" * 43),
    ):
        with pytest.raises(ReviewNotFound):
            await call
    await studio.reviews.delete(whole.id, owner="owner")
    assert await studio.reviews.list_reviews(owner="owner") == []
    assert (await studio.library.get(first.id, owner="owner")).video_key


@pytest.mark.process
@pytest.mark.anyio
async def test_what_a_reviewer_gets_says_nothing_of_how_it_was_made(studio, tmp_path):
    job = await made(studio, prompt="she smiles at 4711 secret stars")
    telling = (job.id.encode(), b"secret stars", b"Wan Studio", str(job.seed).encode())
    bare, open_ = [
        (await studio.reviews.create([job.id], owner="owner", title="t", with_settings=shown))[1]
        for shown in (False, True)
    ]
    shown = await studio.reviews.find_media(bare, 1, "video.mp4")
    assert [mark for mark in telling if mark in shown.read_bytes()] == []
    assert encode.measure(shown) == encode.measure(
        await studio.library.find_media(job.media_token, "video.mp4")
    )
    before = shown.stat()
    again = (
        await asyncio.gather(*(studio.reviews.find_media(bare, 1, "video.mp4") for _ in range(5)))
    )[-1]
    assert (again, again.stat().st_ino) == (shown, before.st_ino)
    poster = (await studio.reviews.find_media(bare, 1, "poster.webp")).read_bytes()
    assert [mark for mark in telling if mark in poster] == []
    for token in (bare, open_):
        whole = await studio.reviews.get_by_link(token)
        await pack("en", studio, whole, tmp_path / "review.zip", now=NOW, progress=lambda _: None)
        with zipfile.ZipFile(tmp_path / "review.zip") as packed:
            held = (
                b"".join(
                    packed.read(name) for name in packed.namelist() if name.startswith("videos/")
                )
                + " ".join(packed.namelist()).encode()
            )
            page = packed.read("index.html").partition(b"<body")[2]
        assert all(mark in held for mark in telling) is whole.with_settings is (token == open_)
        assert any(mark in held + page for mark in telling[:2]) is whole.with_settings
    whole = (await studio.reviews.find_media(open_, 1, "video.mp4")).read_bytes()
    assert all(mark in whole for mark in telling)
    await studio.library.delete(job.id, owner="owner")
    assert not shown.exists()


@pytest.mark.process
@pytest.mark.anyio
async def test_a_review_takes_more_takes_and_is_talked_about(studio):
    first, second, theirs = await made(studio), await made(studio), await made(studio, owner="x")
    whole, token = await studio.reviews.create([first.id], owner="owner", title="t")
    for ids, why in (
        ([first.id], "already in this review"),
        ([], "at least one take"),
        ([theirs.id], "no video"),
        ([second.id, "nonsense"], "no video"),
    ):
        with pytest.raises(InvalidInput, match=why):
            await studio.reviews.add_takes(whole.id, ids, owner="owner")
    for review_id, take, owner in (
        (whole.id, theirs, "x"),
        ("nonsense", second, "owner"),
        (token, second, "owner"),
    ):
        with pytest.raises(ReviewNotFound):
            await studio.reviews.add_takes(review_id, [take.id], owner=owner)
    more = await studio.reviews.add_takes(whole.id, [second.id], owner="owner")
    assert [take.job_id for take in more.takes] == [first.id, second.id]
    assert (await studio.reviews.find_media(token, 2, "video.mp4")).stat().st_size > 1000

    say = studio.discussion
    await studio.reviews.give_verdict(token, GOOD | {"take": 2, "comment": "dark"})
    ann, bob = [await say.find_reviewer(token, one * 24) for one in "rb"]
    owner = say.find_owner(whole.id, "owner")
    (comment,) = await say.list_own(ann)
    await say.reply(bob, comment, " Where?\n", "Bob")
    await say.reply(owner, comment, "Everywhere", "forged name")
    await say.resolve(owner, comment, resolved=True)
    (shown,) = (await studio.reviews.get_by_link(token)).takes[1].comments
    assert [(one.text, one.name) for one in shown.replies] == [
        ("Where?", "Bob"),
        ("Everywhere", ""),
    ]
    assert shown.resolved_at
    for call, why in (
        (say.edit(bob, comment, "forged"), "isn't yours"),
        (say.delete(bob, comment), "isn't yours"),
        (say.resolve(ann, comment, resolved=False), "isn't yours"),
        (say.edit(ann, comment, " \n"), "Write something"),
        (say.edit(ann, comment, "x" * 2001), "limit is 2000"),
        (say.edit(ann, ["a"], "x"), "isn't yours"),
        (say.reply(ann, comment, {"a": 1}), "text"),
        (say.reply(ann, comment, "a", "x" * 81), "80"),
        (say.find_reviewer(token, "short"), "couldn't be identified"),
    ):
        with pytest.raises(InvalidInput, match=why):
            await call
    await say.edit(ann, comment, "bright")
    await say.resolve(owner, comment, resolved=True)
    await say.resolve(owner, comment, resolved=False)
    await say.delete(ann, comment)
    with pytest.raises(InvalidInput, match="isn't yours"):
        await say.reply(bob, comment, "too late")
    for review_id in ("nonsense", ""):
        with pytest.raises(ReviewNotFound):
            say.find_owner(review_id, "owner")
    with pytest.raises(ReviewNotFound):
        await say.resolve(say.find_owner(whole.id, "x"), comment, resolved=True)


@pytest.mark.process
@pytest.mark.anyio
async def test_only_ones_own_videos_go_into_a_review(studio):
    mine, theirs = await made(studio), await made(studio, owner="somebody else")
    asked = ImageToVideoRequest(
        prompt="not yet made", reference_image=picture((640, 480)), duration=2
    )
    unmade = await studio.submission.submit(asked, owner="owner")
    for ids in ([theirs.id], [mine.id, theirs.id], [unmade.id], ["nonsense"], [], [mine.id, "\0"]):
        with pytest.raises(InvalidInput):
            await studio.reviews.create(ids, owner="owner", title="t")
    assert await studio.reviews.list_reviews(owner="owner") == []


@pytest.mark.process
@pytest.mark.anyio
async def test_an_expired_link_is_as_good_as_none(studio):
    token = (
        await studio.reviews.create(
            [(await made(studio)).id], owner="owner", title="t", expires_days=1
        )
    )[1]
    later = studio._clock() + 86401
    studio.reviews._clock = lambda: later
    with pytest.raises(ReviewNotFound):
        await studio.reviews.get_by_link(token)
    with pytest.raises(ReviewNotFound):
        await studio.reviews.get_version(token)
    assert await studio.reviews.find_media(token, 1, "video.mp4") is None


@pytest.mark.process
@pytest.mark.anyio
async def test_a_review_holds_so_much_and_no_more(studio, monkeypatch):
    monkeypatch.setattr("wan.database.verdicts.VERDICTS_LIMIT", 2)
    monkeypatch.setattr("wan.database.reviews.REVIEWS_LIMIT", 1)
    done = await made(studio)
    token = (await studio.reviews.create([done.id], owner="owner", title="t"))[1]
    for reviewer in ("a", "b"):
        await studio.reviews.give_verdict(token, GOOD | {"reviewer": reviewer * 24})
    with pytest.raises(AccessRefused, match="feedback limit"):
        await studio.reviews.give_verdict(token, GOOD | {"reviewer": "c" * 24})
    await studio.reviews.give_verdict(
        token, GOOD | {"reviewer": "b" * 24, "verdict": "no"}
    )  # a change of mind takes no more room
    with pytest.raises(AccessRefused, match=r"limit of reviews \(1\)"):
        await studio.reviews.create([done.id], owner="owner", title="t")
