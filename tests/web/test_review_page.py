"""The page of a review and its routes: what is in it, what is said of a link that leads nowhere,
and what everybody may send.
"""

import asyncio
import json
import re
import zipfile
from dataclasses import replace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from tests import plain_http
from tests.pictures import picture
from tests.service.test_reviews import GOOD, MADE, NOW, review, said
from tests.ui.test_cards import read
from wan.database.reviews import Reviews
from wan.domain import review_exports
from wan.domain.errors import ReviewNotFound, StorageUnavailable
from wan.domain.messages import Message
from wan.domain.requests import ImageToVideoRequest
from wan.domain.reviews import Reply, Take
from wan.environment.settings import load_settings
from wan.service.studio import Studio
from wan.ui import reuse_settings
from wan.ui.components.review import show_reviews
from wan.web import review_html, review_page, review_zip
from wan.web.rate_limit import RateLimit

PAGES = {"en": "index.html", "zh": "zh.html"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def evil():
    words = said(comment=EVIL, name=EVIL, at_seconds=1.0)
    return replace(review(words), title=EVIL, note=EVIL)


def address(number):
    return f"videos/take-{number}.mp4", ""


@pytest.mark.parametrize(
    "html",
    [
        review_html.page(evil(), token="token", language="en"),
        review_html.offline("en", evil(), address, pages=PAGES, now=0.0),
        show_reviews("en", [evil()], "review", NOW),
        *review_html.parts("en", evil()).values(),
    ],
)
def test_nothing_that_people_write_becomes_html(html):
    shown = re.sub(r"<(script|style)>.*?</\1>", "", str(html), count=2, flags=re.DOTALL)
    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert "onerror=alert(1)>" not in shown


def test_a_page_shows_facts_and_no_prices_and_holds_no_secrets():
    paid = replace(
        MADE,
        amount=MADE.amount,
        currency="CNY",
        media_token="media-token",
        owner="the-owner",
        name="<b>Wide</b>",
        project="the-project",
        seed=4711,
        request={"prompt": "as asked", "size": "1280*720"},
    )
    whole = replace(
        review(said(reviewer="hash-of-somebody")),
        takes=(Take(1, "job-id", paid), Take(2, "job-id-2", paid)),
    )
    html = review_html.page(replace(whole, with_settings=True), token="token", language="en")
    assert "seed 4711" in read(html)
    assert paid.model in html
    for bare in (
        review_html.page(whole, token="token", language="en"),
        review_html.offline("en", whole, lambda _: ("v", "p"), pages=PAGES, now=0.0),
    ):
        page = bare.partition("<body")[2]
        assert "4711" not in page
        assert "as asked" not in page
        assert paid.model not in page
    assert "1280×720" in html
    assert "Take 1 · &lt;b&gt;Wide&lt;/b&gt;" in read(html)
    for secret in (
        "media-token",
        "the-owner",
        "the-project",
        "<b>Wide",
        "job-id",
        "hash-of-somebody",
        "¥",
        "compare_price",
        "Price",
    ):
        assert secret not in html
    assert 'name="robots" content="noindex' in html


def test_a_copy_from_disk_asks_for_nothing_from_afar_and_takes_no_words():
    html = review_html.offline("en", review(said()), address, pages=PAGES, now=0.0)
    assert re.findall(
        r'(?:src|href|poster|action)="(?!videos/|data:|#|index.html|zh.html)([^"]*)"', html
    ) in (
        [],
        ["", ""],
    )
    assert "<form" not in html
    assert "<main data-live" not in html


def test_of_many_comments_the_newest_are_shown_and_the_exports_have_all():
    whole = review(*(said(reviewer=f"r{n}", at=NOW + n, comment=f"word {n}.") for n in range(103)))
    for html in (
        review_html.page(whole, token="t", language="en"),
        review_html.parts("en", whole)["comments-1"],
        show_reviews("en", [whole], "review", NOW),
    ):
        assert re.findall(r">word (\d+)\.", html) == [str(n) for n in range(102, 2, -1)]
        assert "3 older comments aren" in html
    assert "另有 3 条" in review_html.parts("zh", whole)["comments-1"]
    one_more = replace(
        whole, takes=(replace(whole.takes[0], verdicts=whole.takes[0].verdicts[2:]),)
    )
    assert "1 older comment is" in review_html.parts("en", one_more)["comments-1"]
    hundred = replace(whole, takes=(replace(whole.takes[0], verdicts=whole.takes[0].verdicts[3:]),))
    assert "older comment" not in review_html.parts("en", hundred)["comments-1"]
    for everything in (
        review_exports.export_csv(whole).decode(),
        review_exports.export_json(whole).decode(),
        review_html.offline("en", whole, address, pages=PAGES, now=0.0),
    ):
        assert len(re.findall(r"word \d+\.", everything)) == 103
        assert "older comment" not in everything


def test_who_voted_is_named_and_what_was_answered_is_shown():
    named = [said(reviewer=f"r{n}", at=NOW + n, name=f"N{n}") for n in range(14)]
    whole = review(*named, said("no", reviewer="x", at=NOW + 20))
    tally = read(str(review_html.parts("en", whole)["tally-1"]))
    assert "14 Yes N0, N1," in tally
    assert "N11 +2" in tally
    assert "1 No" in tally
    replies = (Reply("r1", "c", EVIL, EVIL, NOW, "b"), Reply("r2", "c", "done", "", NOW, None))
    one = said(comment="dark", resolved_at=NOW, edited_at=NOW, replies=replies)
    gone = said(reviewer="b", replies=replies[1:])
    for language, words in (
        ("en", ("Resolved", "edited", "Review owner", "This comment was deleted")),
        ("zh", ("已解决", "已编辑", "评审发起人", "此评论已删除")),
    ):
        html = str(review_html.parts(language, review(one, gone))["comments-1"])
        assert [word for word in words if word not in html] == []
        assert html.count("<time") == 4
        assert html.count('data-talk="reply"') == 1
        assert EVIL not in html
    bare = review_html.offline("en", review(one, gone), address, pages=PAGES, now=0.0)
    assert "data-talk=" not in bare.partition("<body")[2]
    assert "Resolved" in bare


def test_a_deleted_take_is_a_place_that_says_so():
    whole = replace(review(), takes=(Take(1, "gone", None, (said(),)),))
    html = review_html.page(whole, token="t", language="en")
    assert "was deleted" in html
    assert "<video" not in html
    assert "<b>1</b>" in html


def test_many_takes_are_compared_by_four_at_most():
    assert review_html.page(review(takes=1), token="t", language="en").count("data-open") == 0
    twelve = review_html.page(review(takes=12), token="t", language="en")
    assert twelve.count("<template><section") == 3
    assert "Compare 5, 6, 7, 8 side by side" in twelve


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (" ZH", "zh"),
        ("en, zh", "en"),
        ("fr-FR,fr;q=0.9", "en"),
        ("*", "en"),
        (None, "en"),
    ],
)
def test_whoever_asks_for_no_language_of_ours_gets_english(header, language):
    headers = [] if header is None else [(b"accept-language", header.encode())]
    asked = {"type": "http", "path": "/", "query_string": b"", "headers": headers}
    assert review_page.language_of(Request(asked)) == language


def test_an_address_may_do_so_much():
    now = 0.0
    pace = RateLimit(1.0, 3, clock=lambda: now)
    assert [pace.wait("a") for _ in range(3)] == [0, 0, 0]
    assert pace.wait("a") == pytest.approx(1)
    assert pace.wait("b") == 0
    now = 1.0
    assert pace.wait("a") == 0
    assert pace.wait("a") > 0


@pytest.fixture
async def asked(anyio_backend):
    """A studio with a review of one take, its token, and a client of its routes."""
    async with Studio(load_settings()) as studio:
        request = ImageToVideoRequest(prompt="p", reference_image=picture((640, 480)), duration=2)
        async for event in studio.watching.follow(
            (await studio.submission.submit(request, owner="o")).id, owner="o"
        ):
            job = event.job
        whole, token = await studio.reviews.create([job.id], owner="o", title="Title")
        opened = asyncio.Event()
        opened.set()
        transport = httpx.ASGITransport(Starlette(routes=review_page.routes(studio, opened)))
        async with plain_http.AsyncClient(transport=transport, base_url="http://app") as client:
            yield studio, whole, token, client


@pytest.mark.process
@pytest.mark.anyio
async def test_whatever_is_the_matter_with_a_link_is_not_told(asked):
    studio, whole, token, client = asked
    unknown = await client.get("/review/" + "x" * 43)
    assert unknown.status_code == 404
    assert "This review isn" in unknown.text
    await studio.reviews.revoke(whole.id, owner="o")
    for path in (
        token,
        token[:-1],
        token + "/",
        token + "/1",
        token + "/x/video.mp4",
        token + "/1/video.mp4",
        token + "/1/original.mp4",
        "%00",
        "字",
        "a" * 5000,
        "",
    ):
        answer = await client.get(f"/review/{path}", follow_redirects=True)
        assert (answer.status_code, answer.text) == (404, unknown.text), path
        assert answer.headers["cache-control"] == "private, no-store"
    assert (
        "此评审不可用"
        in (await client.get("/review/x", headers={"Accept-Language": "zh-CN,zh;q=0.9"})).text
    )
    said_so = [
        (await client.post(f"/review/{one}/verdict", json=GOOD)).text for one in (token, "x" * 43)
    ]
    assert said_so[0] == said_so[1]


@pytest.mark.process
@pytest.mark.anyio
async def test_what_somebody_with_the_link_gets(asked):
    _, _, token, client = asked
    page = await client.get(f"/review/{token}", headers={"Accept-Language": "zh"})
    assert (page.status_code, page.headers["referrer-policy"], page.headers["x-robots-tag"]) == (
        200,
        "no-referrer",
        "noindex, nofollow",
    )
    assert '<html lang="zh-CN"' in page.text
    piece = await client.get(f"/review/{token}/1/video.mp4", headers={"Range": "bytes=4-7"})
    assert (piece.status_code, piece.content, piece.headers["content-type"]) == (
        206,
        b"ftyp",
        "video/mp4",
    )
    assert (await client.get(f"/review/{token}/1/poster.webp")).headers[
        "content-type"
    ] == "image/webp"
    assert (await client.get(f"/review/{token}/2/video.mp4")).status_code == 404
    tally = await client.get(f"/review/{token}/tally")
    same = await client.get(
        f"/review/{token}/tally", headers={"If-None-Match": tally.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")
    given = await client.post(f"/review/{token}/verdict", json=GOOD | {"comment": EVIL})
    assert given.status_code == 200
    assert "&lt;script&gt;" in given.json()["parts"]["comments-1"]
    assert (
        await client.get(f"/review/{token}/tally", headers={"If-None-Match": tally.headers["etag"]})
    ).json() == given.json()


@pytest.mark.process
@pytest.mark.anyio
async def test_a_look_is_sent_packed_and_only_what_is_another_since(asked):
    _, _, token, client = asked
    address = f"/review/{token}/tally"
    first = (await client.get(address)).json()
    assert set(first["parts"]) == {"people", "tally-1", "comments-1"}
    await client.post(f"/review/{token}/verdict", json=GOOD)
    second = (await client.get(address, params={"since": first["at"]})).json()
    assert set(second["parts"]) == {"people", "tally-1"}
    assert (await client.get(address, params={"since": second["at"]})).json() == {
        "parts": {},
        "at": second["at"],
    }
    third = (
        await client.post(
            f"/review/{token}/verdict",
            params={"since": second["at"]},
            json=GOOD | {"comment": "words"},
        )
    ).json()
    assert set(third["parts"]) == {"comments-1"}
    whole = (await client.get(address, params={"since": third["at"]})).json()["parts"]
    for unknown in ("", "x", third["at"][:-1], "\0", "x" * 5000):
        everything = await client.get(address, params={"since": unknown})
        assert (
            everything.json()["parts"] == first["parts"] | second["parts"] | third["parts"] | whole
        )
    plain = await client.get(address, headers={"Accept-Encoding": "identity"})
    assert ("content-encoding" in plain.headers, everything.headers["content-encoding"]) == (
        False,
        "gzip",
    )
    assert plain.json() == everything.json()
    assert plain.headers["vary"] == "Accept-Encoding, Accept-Language, Cookie"


def test_what_was_seen_is_forgotten_in_time():
    looks = review_page.SeenParts()
    names = [
        json.loads(looks.write({"people": str(number)}, since="", packed=False))["at"]
        for number in range(1_001)
    ]
    assert (looks.find(names[0]), looks.find(names[1]), looks.find(names[-1])) == (
        "",
        names[1],
        names[-1],
    )


@pytest.mark.process
@pytest.mark.anyio
async def test_however_many_look_a_review_is_read_once(asked, monkeypatch):
    studio, whole, token, client = asked
    read, real = [], studio.reviews.get_by_link

    async def counted(token):
        read.append(token)
        return await real(token)

    monkeypatch.setattr(studio.reviews, "get_by_link", counted)
    first = await asyncio.gather(*(client.get(f"/review/{token}/tally") for _ in range(20)))
    assert ({one.status_code for one in first}, len({one.content for one in first}), len(read)) == (
        {200},
        1,
        1,
    )
    known = {"If-None-Match": first[0].headers["etag"]}
    assert [
        (await client.get(f"/review/{token}/tally", headers=known)).status_code for _ in range(3)
    ] == [304] * 3
    assert len(read) == 1
    for language, reads in (("en", 2), ("zh", 3), ("en", 3)):
        page = await client.get(f"/review/{token}", headers={"Accept-Language": language})
        assert (f'<html lang="{language}' in page.text, len(read)) == (True, reads)
    await Reviews(studio.stores.database).add_verdict(
        said(review_id=whole.id, job_id=whole.takes[0].job_id, comment="by another process"),
    )
    again = await client.get(f"/review/{token}/tally", headers=known)
    assert (again.status_code, "by another process" in again.text, len(read)) == (200, True, 4)
    assert "by another process" in (await client.get(f"/review/{token}")).text
    await studio.reviews.revoke(whole.id, owner="o")
    for path in ("", "/tally"):
        assert (await client.get(f"/review/{token}{path}", headers=known)).status_code == 404


@pytest.mark.process
@pytest.mark.anyio
async def test_who_goes_away_takes_it_from_nobody_and_what_failed_is_tried_again(
    asked, monkeypatch
):
    studio, _, token, client = asked
    begun, go_on, real = asyncio.Event(), asyncio.Event(), studio.reviews.get_by_link

    async def slow(token):
        begun.set()
        await go_on.wait()
        raise StorageUnavailable("database_busy")

    monkeypatch.setattr(studio.reviews, "get_by_link", slow)
    leaves, stays = (asyncio.create_task(client.get(f"/review/{token}/tally")) for _ in range(2))
    await begun.wait()
    leaves.cancel()
    await asyncio.wait([leaves])
    go_on.set()
    assert (await stays).status_code == 503
    monkeypatch.setattr(studio.reviews, "get_by_link", real)
    assert (await client.get(f"/review/{token}/tally")).status_code == 200


@pytest.mark.process
@pytest.mark.anyio
async def test_what_is_refused_is_refused_in_words(asked):
    _, _, token, client = asked
    for given, words in (
        ({"comment": "x" * 2001}, "limit is 2000"),
        ({"verdict": "perhaps"}, "Choose Yes, Maybe or No"),
        ({"take": 2}, "has no such take"),
        ({"comment": "a", "at_seconds": 99}, "outside the video"),
    ):
        answer = await client.post(f"/review/{token}/verdict", json=GOOD | given)
        assert answer.status_code == 400
        assert words in answer.json()["detail"]
    chinese = await client.post(
        f"/review/{token}/verdict", json=GOOD | {"take": 2}, headers={"Accept-Language": "zh-CN"}
    )
    assert chinese.json()["detail"] == "此评审中没有这条视频。"


@pytest.mark.process
@pytest.mark.anyio
async def test_what_is_ones_own_is_told_by_the_browsers_token(asked):
    studio, whole, token, client = asked

    async def send(what, **given):
        return await client.post(f"/review/{token}/{what}", json={"reviewer": "r" * 24} | given)

    await send("verdict", take=1, verdict="yes", comment="dark")
    (mine,) = (await send("own")).json()["own"]
    assert (await send("own", reviewer="b" * 24)).json() == {"own": []}
    told = await send("reply", comment=mine, text="really", reviewer="b" * 24, name="Bo")
    assert "really" in told.json()["parts"]["comments-1"]
    for what in ("edit", "delete"):
        answer = await send(what, comment=mine, text="forged", reviewer="b" * 24)
        assert (answer.status_code, "isn't yours" in answer.json()["detail"]) == (400, True)
    told = await send("name", name="Ann")
    assert "Ann" in told.json()["parts"]["tally-1"]
    told = await send("edit", comment=mine, text="bright")
    assert "bright" in told.json()["parts"]["comments-1"]
    told = await send("delete", comment=mine)
    assert "This comment was deleted" in told.json()["parts"]["comments-1"]
    await studio.reviews.revoke(whole.id, owner="o")
    for what in ("own", "reply", "edit", "delete", "name"):
        assert (await send(what, comment=mine, text="x", name="x")).status_code == 404


@pytest.mark.process
@pytest.mark.anyio
async def test_an_export_is_whole_or_is_not(asked, tmp_path):
    studio, whole, _, _ = asked
    shares: list[float] = []
    await review_zip.pack(
        "zh", studio, whole, tmp_path / "review.zip", now=NOW, progress=shares.append
    )
    with zipfile.ZipFile(tmp_path / "review.zip") as packed:
        assert packed.testzip() is None
        pages = {"index.html": "zh-CN", "en.html": "en"}
        assert sorted(packed.namelist()) == sorted(
            [*pages, "videos/take-1.mp4", "videos/take-1.webp"]
        )
        for page, language in pages.items():
            html = packed.read(page).decode()
            assert f'<html lang="{language}"' in html
            assert all(f'href="{other}"' in html for other in pages)
        async with studio.reviews.hold_files(whole) as found:
            assert packed.read("videos/take-1.mp4") == found[1][0].read_bytes()
        assert b'src="videos/take-1.mp4" poster="videos/take-1.webp"' in packed.read("index.html")
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1

    def stop(share: float) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        await review_zip.pack("en", studio, whole, tmp_path / "other.zip", now=NOW, progress=stop)
    assert [path.name for path in tmp_path.glob("*.zip*")] == ["review.zip"]


def test_an_export_has_every_take_that_is_there(tmp_path):
    found = {}
    for number in (1, 3):
        found[number] = tmp_path / f"video{number}.mp4", tmp_path / f"poster{number}.webp"
        for path in found[number]:
            path.write_bytes(path.name.encode())
    review_zip._write(
        "en", tmp_path / "review.zip", review(takes=3), found, NOW, lambda share: None
    )
    with zipfile.ZipFile(tmp_path / "review.zip") as packed:
        held = {
            name: packed.read(name).decode()
            for name in packed.namelist()
            if not name.endswith(".html")
        }
    kinds = {"video": "mp4", "poster": "webp"}
    assert held == {
        f"videos/take-{number}.{ending}": f"{kind}{number}.{ending}"
        for number in found
        for kind, ending in kinds.items()
    }


@pytest.mark.process
@pytest.mark.anyio
async def test_an_export_of_a_review_that_is_deleted_meanwhile_is_none(asked):
    """Also where it was begun so early that the deletion could not find it yet."""
    studio, whole, _, _ = asked
    placed = reuse_settings.create_file(studio, "review.zip", [], owner="o", review=whole.id)
    path = await placed.__aenter__()
    path.write_bytes(b"zip")
    (path.parent / ".note").unlink()
    await studio.reviews.delete(whole.id, owner="o")
    with pytest.raises(ReviewNotFound):
        await placed.__aexit__(None, None, None)
    assert not path.parent.exists()


def test_the_list_says_what_each_date_is_and_a_note_stands_beside_the_buttons():
    note = Message.of("review_takes_there")
    shown = show_reviews("en", [replace(evil(), expires_at=NOW + 60)], "review", NOW, note)
    head, detail = shown.split("</button>", 1)
    for label in ("created", "open until"):
        assert re.search(rf"{label} ?<time", head)
    assert "already in this review" not in head
    assert "already in this review" in detail.split("wr-add")[1]
    assert "already in this review" in show_reviews("en", [], "", NOW, note)
