"""A review from the owner's choice to the export, in three browsers: the owner's and those of two
people who have the link and nothing else.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, expect

from tests.browser.findings import THEMES, findings, too_wide
from tests.browser.serving import App, Visits, generate, opened, reach, say

TITLE = "Opening shot <b>round 2</b>"


@dataclass(frozen=True)
class Made:
    """A review that an owner has made of two takes."""

    owner: Page
    link: str


@pytest.fixture
def others(browser: Browser) -> Iterator[list[BrowserContext]]:
    """Two people with browsers of their own: a phone, and a desk in the dark, in Chinese."""
    phone = browser.new_context(
        reduced_motion="reduce",
        viewport={"width": 360, "height": 740},
        locale="en-US",
        has_touch=True,
    )
    desk = browser.new_context(
        reduced_motion="reduce",
        viewport={"width": 1280, "height": 900},
        locale="zh-CN",
        color_scheme="dark",
    )
    for one in (phone, desk):
        one.set_default_timeout(60_000)
    yield [phone, desk]
    phone.close()
    desk.close()


@pytest.fixture(scope="module")
def takes(visits: Visits, app: App) -> tuple[dict[str, str], list[str]]:
    """What an owner's browser keeps, and the ids of the two takes that they have made."""
    with visits.meanwhile(app.url) as page:
        page.locator(".wan-sample").first.click()
        expect(page.locator("#wan-image-view .preview")).to_be_visible()
        say(page, "image", "She turns to the camera.")
        generate(page, "image")
        taken(page)
        page.locator("#wan-image-view [data-press=retry]").click()
        takes = page.locator("#wan-image-view .wan-take[data-state=SUCCEEDED]")
        expect(takes).to_have_count(2, timeout=60_000)
        jobs = [take.get_attribute("data-of") for take in takes.all()]
        return page.evaluate("({ ...localStorage })"), jobs


@pytest.fixture
def made(blank: Page, app: App, takes: tuple[dict[str, str], list[str]]) -> Made:
    """A review of both takes, chosen in the opposite order, and the link to it."""
    page, (kept, jobs) = blank, takes
    page.evaluate("kept => Object.assign(localStorage, kept)", kept)
    opened(page, app.url)
    page.get_by_role("tab", name="Review").click()
    choose(page, jobs[::-1])
    expect(page.locator("#wan-review-chosen img")).to_have_count(2)
    page.locator("#wan-review-title input, #wan-review-title textarea").fill(TITLE)
    page.locator("#wan-review-note textarea").fill("Which one draws you in?")
    page.locator("#wan-review-create").click()
    link = page.locator("input[data-review-link]")
    expect(link).to_have_value(
        re.compile(rf"^{re.escape(page.url.rstrip('/'))}/review/[\w-]{{43}}$")
    )
    return Made(page, link.input_value())


def taken(page: Page) -> str:
    """The id of the job that the stage shows, when its video is there."""
    reach(page, "image", "SUCCEEDED")
    return page.locator("#wan-image-view .wan-view").get_attribute("data-of")


def choose(page: Page, jobs: list[str]) -> None:
    """Chooses takes in the library, for a review."""
    page.get_by_role("tab", name="Library").click()
    page.locator("#wan-library-bar [data-listens]").wait_for(state="attached")
    page.evaluate("ids => window.wanSelection.use(ids, 'review')", jobs)


def answered(context: BrowserContext, link: str) -> Page:
    """The review as somebody with its link sees it."""
    page = context.new_page()
    page.goto(link)
    return page


def counts(page: Page, number: int) -> list[str]:
    """The tally of a take, as it is shown."""
    return page.locator(f"[data-part=tally-{number}] .rv-counts b").all_text_contents()


def test_people_with_the_link_answer_and_the_owner_watches(
    made: Made, others: list[BrowserContext]
):
    phone, desk = (answered(one, made.link) for one in others)
    expect(phone.locator("h1")).to_have_text(TITLE)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    height = phone.evaluate("document.documentElement.scrollHeight")
    phone.locator("#name").fill("Mei")
    first = phone.locator("[data-take='1']")
    first.locator(".rv-yes").first.tap()
    expect(first.locator(".rv-form .rv-state")).to_contain_text("Saved")
    expect(made.owner.locator("[data-part=tally-1] .rv-counts b")).to_have_text(["1", "0", "0"])
    assert phone.evaluate("document.documentElement.scrollHeight") == height

    video = first.locator("video")
    video.evaluate("video => { video.muted = true; return video.play(); }")
    phone.wait_for_function("document.querySelector('[data-take=\"1\"] video').currentTime > 1")
    video.evaluate("video => video.pause()")
    first.locator("[data-moment]").tap()
    expect(first.locator("[data-moment]")).to_have_attribute("aria-pressed", "true")
    first.locator(".rv-form textarea").fill("  Here, <i>the smile</i>  ")
    first.locator(".rv-form .rv-send").tap()
    expect(first.locator(".rv-form textarea")).to_have_value("")
    expect(first.locator(".rv-text")).to_have_text("Here, <i>the smile</i>")
    expect(made.owner.locator("[data-part=comments-1]")).to_contain_text("Mei")

    expect(desk.locator("html")).to_have_attribute("lang", "zh-CN")
    second = desk.locator("[data-take='1']")
    expect(second.locator(".rv-text")).to_have_text("Here, <i>the smile</i>")
    second.locator("[name=verdict]").first.focus()
    desk.keyboard.press(
        "ArrowRight"
    )  # to "maybe", and on to "no": only where somebody stops is sent
    desk.keyboard.press("ArrowRight")
    expect(second.locator(".rv-form .rv-state")).to_contain_text("已保存")
    assert counts(desk, 1) == ["1", "0", "1"]
    second.locator(".rv-seek").click()
    desk.wait_for_function("document.querySelector('[data-take=\"1\"] video').currentTime > 0.9")
    expect(made.owner.locator("[data-part=tally-1] .rv-counts b")).to_have_text(["1", "0", "1"])

    first.locator(".rv-maybe").first.tap()  # a change of mind replaces
    expect(made.owner.locator("[data-part=tally-1] .rv-counts b")).to_have_text(["0", "1", "1"])
    expect(made.owner.locator("[data-part=people]").first).to_contain_text("2")
    phone.reload()
    expect(phone.locator("#name")).to_have_value("Mei")
    expect(phone.locator("[data-take='1'] [value=maybe]")).to_be_checked()


def test_comments_are_answered_mended_and_settled_and_takes_added(
    made: Made, others: list[BrowserContext], takes: tuple[dict[str, str], list[str]]
):
    owner, (phone, desk) = made.owner, (answered(one, made.link) for one in others)
    first, said = phone.locator("[data-take='1']"), "[data-part=comments-1]"
    first.locator(".rv-yes").first.tap()
    expect(first.locator(".rv-form .rv-state")).to_contain_text("Saved")
    phone.locator("#name").fill("Mei")
    phone.locator("#name").blur()  # what was said before has it too
    expect(owner.locator("[data-part=tally-1]")).to_contain_text("Yes Mei")
    first.locator(".rv-form textarea").fill("Too dark")
    first.locator(".rv-form .rv-send").tap()
    expect(first.locator(".rv-text")).to_have_text("Too dark")
    expect(first.locator(f"{said} time")).to_have_text(re.compile(r"[AP]M$"))
    box = first.locator(".rv-said").bounding_box()
    assert box["height"] < 152  # as tall as its text
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360

    # Another's browser shows no way to change it; an answer is shown to all, as one is written.
    mine = desk.locator(f"{said} > ul > li")
    expect(mine.locator("> .rv-acts [data-talk=reply]")).to_be_visible()
    expect(mine.locator("> .rv-acts [data-talk=edit]")).to_be_hidden()
    expect(mine.locator("> .rv-acts [data-talk=resolve]")).to_be_hidden()
    expect(mine.locator("time")).to_have_text(re.compile(r"^\d{4}年"))
    mine.locator("> .rv-acts [data-talk=reply]").click()
    answer = desk.locator("[data-take='1'] .rv-answer textarea")
    expect(answer).to_be_focused()
    expect(answer).to_have_accessible_name(re.compile(r"^回复 ?\S+$"))
    answer.fill("在哪里？")
    first.locator(f"{said} [data-talk=edit]").tap()
    first.locator(".rv-answer textarea").fill("Too dark at the end")
    first.locator(".rv-answer .rv-send").tap()
    expect(desk.locator(f"{said} .rv-text")).to_have_text("Too dark at the end")
    expect(answer).to_have_value("在哪里？")
    expect(answer).to_be_focused()
    desk.keyboard.press("Control+Enter")
    expect(desk.locator(f"{said} .rv-replies .rv-text")).to_have_text("在哪里？")
    expect(mine.locator("> .rv-acts [data-talk=reply]")).to_be_focused()

    # The owner answers and settles it, and can change what is theirs only.
    theirs = owner.locator(f"{said} > ul > li")
    expect(theirs.locator("> .rv-acts [data-talk=delete]")).to_be_hidden()
    theirs.locator("> .rv-acts [data-talk=reply]").click()
    form = owner.locator(".opened [data-take='1'] .rv-answer")
    form.locator(".rv-send").click()
    expect(form.locator(".rv-state")).to_contain_text("Write something first")
    # Which the server refuses, the second time in the same HTML.
    form.locator("textarea").fill("\u200b")
    for _ in range(2):
        form.locator(".rv-state").evaluate("state => state.replaceChildren()")
        form.locator(".rv-send").click()
        expect(form.locator(".rv-state")).to_contain_text("Write something first")
    form.locator("textarea").fill("A new take is below.")
    form.locator(".rv-send").click()
    expect(form).to_be_hidden()
    expect(first.locator("[data-owners]")).to_contain_text("Review owner")
    theirs.locator("> .rv-acts [data-talk=resolve]").click()
    expect(first.locator(".rv-resolved")).to_have_text("Resolved")
    expect(owner.locator("[data-owners] [data-talk=delete]")).to_be_visible()
    # What is changed is what was written, not what a browser's translation shows of it.
    owner.locator("[data-owners] .rv-text").evaluate("part => (part.textContent = 'Übersetzt')")
    owner.locator("[data-owners] [data-talk=edit]").click()
    expect(form.locator("textarea")).to_have_value("A new take is below.")
    form.locator("textarea").fill("See take 3.")
    owner.keyboard.press("Control+Enter")
    expect(first.locator("[data-owners] .rv-text")).to_have_text("See take 3.")

    # Who wrote a comment takes it back; what was answered stays, and it is still theirs later.
    phone.reload()
    first.locator(f"{said} [data-talk=delete]:visible").tap()
    first.locator(".rv-answer .rv-send").tap()
    expect(desk.locator(said)).to_contain_text("此评论已删除")
    expect(desk.locator(f"{said} .rv-replies .rv-text")).to_have_text(["在哪里？", "See take 3."])
    expect(first.locator(".rv-said")).to_be_focused()
    assert counts(phone, 1) == ["1", "0", "0"]

    # An answer that is begun stays with its comment, also where another review comes before it.
    owner.locator("[data-owners] [data-talk=edit]").click()
    form.locator("textarea").fill("See take 4.")
    choose(owner, takes[1][:1])
    owner.get_by_role("tab", name="Review").click()
    owner.locator(".opened [data-event=more]").click()
    expect(owner.locator(".opened .wan-found")).to_contain_text("already in this review")
    expect(form.locator("textarea")).to_have_value("See take 4.")
    owner.locator("#wan-review-title input, #wan-review-title textarea").fill("Another")
    owner.locator("#wan-review-create").click()
    expect(owner.locator(".opened strong")).to_have_text("Another")
    expect(form).to_be_hidden()


def test_whoever_asks_for_new_takes_is_led_to_the_first(
    made: Made, takes: tuple[dict[str, str], list[str]], others: list[BrowserContext]
):
    owner, jobs = made.owner, takes[1]
    choose(owner, jobs[:1])
    owner.locator("#wan-review-title input, #wan-review-title textarea").fill("One by one")
    owner.locator("#wan-review-create").click()
    expect(owner.locator(".opened strong")).to_have_text("One by one")
    link = owner.locator(".opened [data-review-link]")
    expect(link).to_have_value(re.compile("^http"))
    phone = answered(others[0], link.input_value())
    choose(owner, jobs[1:])
    owner.locator(".opened [data-event=more]").click()
    phone.locator("[data-reload]").tap()
    expect(phone.locator("#take-2")).to_be_in_viewport()


def test_takes_side_by_side(made: Made, others: list[BrowserContext]):
    desk = answered(others[1], made.link)
    desk.locator(".rv-open").click()
    expect(desk.locator(".rv-compare [data-compare] video")).to_have_count(2)
    desk.wait_for_function(
        "[...document.querySelectorAll('.rv-compare video')].every(video => video.readyState >= 2)"
    )
    assert "¥" not in desk.content()
    desk.locator(".rv-open").click()
    expect(desk.locator(".rv-compare video")).to_have_count(0)


def test_a_revoked_link_closes_the_page_and_the_videos(made: Made, others: list[BrowserContext]):
    phone = answered(others[0], made.link)
    video = f"{made.link}/1/video.mp4"
    assert phone.request.get(video, headers={"Range": "bytes=0-9"}).status == 206
    made.owner.locator(".wr-acts .wr-ask summary").first.click()
    made.owner.get_by_role("button", name="Revoke link").click()
    expect(made.owner.locator(".opened .wr-state")).to_have_text("Revoked", use_inner_text=True)
    expect(made.owner.locator("input[data-review-link]")).to_have_count(0)
    expect(phone.locator(".rv-message h1")).to_have_text(
        "This review is closed", use_inner_text=True
    )
    assert phone.locator("video").count() == 0
    assert phone.request.get(video).status == 404
    assert phone.goto(made.link).status == 404
    expect(phone.locator("h1")).to_have_text("This review isn't available", use_inner_text=True)


def test_a_video_plays_on_when_the_reviews_are_shown_anew(made: Made):
    video = made.owner.locator(".opened video").first
    video.evaluate(
        "video => { video.muted = video.loop = video.marked = true; return video.play(); }"
    )
    made.owner.locator(".wr-acts .wr-ask summary").first.click()
    made.owner.get_by_role("button", name="Revoke link").click()
    expect(made.owner.locator(".opened .wr-state")).to_have_text("Revoked", use_inner_text=True)
    expect(made.owner.locator("input[data-review-link]")).to_have_count(0)
    assert video.evaluate("video => [video.marked, video.paused]") == [True, False]


def test_a_review_is_not_asked_for_its_tally_while_it_is_being_revoked(
    made: Made, others: list[BrowserContext], app: App
):
    """In a browser with a clock of its own, to which the owner has gone over."""
    kept = made.owner.evaluate("({ ...localStorage })")
    made.owner.goto(f"{app.url}/healthz")  # where nothing asks for what is revoked
    page, asked, held = others[0].new_page(), list[str](), list[Route]()
    page.clock.install()
    page.goto(app.url)
    page.evaluate("kept => Object.assign(localStorage, kept)", kept)
    opened(page, app.url)
    page.get_by_role("tab", name="Review").click()
    page.locator(".wr-head").first.click()
    page.locator(".wr-acts .wr-ask summary").first.click()
    page.on(
        "request", lambda request: asked.append(request.url) if "/tally" in request.url else None
    )
    over: list[Request] = []
    page.on("requestfinished", lambda request: over.append(request))  # noqa: PLW0108 - as below
    page.on("requestfailed", lambda request: over.append(request))  # noqa: PLW0108 - as below
    with page.expect_request(re.compile("/tally")):  # after the one that may be under way
        page.clock.run_for(3_000)
    page.route("**/queue/join*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright writes on what it is given
    with page.expect_request("**/queue/join*"):
        page.get_by_role("button", name="Revoke link").click()
    page.evaluate(
        """() => {
            const { date } = window.wan;
            window.dated = 0;
            window.wan.date = (times) => date(times, (window.dated += 1));
        }"""
    )
    # The page's clock goes on by itself, so that it may have asked until then.
    while len(asked) > sum("/tally" in one.url for one in over):
        page.wait_for_timeout(20)
    asked.clear()
    page.clock.run_for(30_000)
    assert not asked
    assert page.evaluate("window.dated") < 30, "dates are written when they come, not all the time"
    held[0].continue_()
    expect(page.locator(".opened .wr-state")).to_have_text("Revoked", use_inner_text=True)


def test_the_export_opens_from_disk_without_a_network(
    made: Made, others: list[BrowserContext], tmp_path: Path
):
    answered(others[0], made.link).locator("[data-take='2']").locator(".rv-yes").first.tap()
    expect(made.owner.locator("[data-part=tally-2] .rv-counts b")).to_have_text(["1", "0", "0"])
    with made.owner.expect_download() as download:
        made.owner.get_by_role("button", name="Page with videos").click()
    download.value.save_as(tmp_path / "review.zip")
    with zipfile.ZipFile(tmp_path / "review.zip") as packed:
        packed.extractall(tmp_path / "opened")
    asked = []
    others[1].on("request", lambda request: asked.append(request.url))
    page = others[1].new_page()
    page.goto((tmp_path / "opened" / "index.html").as_uri())
    expect(page.locator("h1")).to_have_text(TITLE)
    expect(page.locator(".rv-name h2")).to_have_text(["Take 2", "Take 1"])
    assert counts(page, 2) == ["1", "0", "0"]
    assert page.locator("form, #name").count() == 0
    for video in page.locator("[data-take] video").all():
        video.evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_function(
        "[...document.querySelectorAll('[data-take] video')].every(video => video.currentTime "
        "> 0.3)"
    )
    page.locator(".rv-open").click()
    page.wait_for_function(
        "[...document.querySelectorAll('.rv-compare video')].every(video => video.readyState >= 2)"
    )
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    for kind in ("CSV", "JSON"):
        with made.owner.expect_download() as download:
            made.owner.get_by_role("button", name=kind, exact=True).click()
        assert download.value.suggested_filename.endswith(kind.lower())
    made.owner.get_by_role("button", name="Close").last.click()
    made.owner.locator(".opened .wr-ask summary").last.click()
    count = made.owner.locator(".wr-item").count()
    made.owner.get_by_role("button", name="Delete review").click()
    expect(made.owner.locator(".wr-item")).to_have_count(count - 1)


def test_axe_finds_nothing_grave_and_nothing_is_too_wide(
    made: Made, others: list[BrowserContext], tmp_path: Path
):
    grave = []
    with made.owner.expect_download() as download:
        made.owner.get_by_role("button", name="Page with videos").click()
    with zipfile.ZipFile(download.value.path()) as packed:
        packed.extractall(tmp_path)
    made.owner.reload()
    made.owner.get_by_role("tab", name="Review").click()
    made.owner.locator(".wr-head").first.click()
    expect(made.owner.locator("input[data-review-link]")).to_be_visible()
    grave += [f"owner: {one}" for one in findings(made.owner, *THEMES)]
    for where in (made.link, f"{made.link}x", (tmp_path / "index.html").as_uri()):
        for person in others:
            page = answered(person, where)
            grave += [f"{where}: {one}" for one in findings(page, *THEMES)]
            if page.locator(".rv-open").count():
                page.locator(".rv-open").click()
                expect(page.locator(".rv-compare video")).to_have_count(2)
                grave += [f"{where}, compared: {one}" for one in findings(page, *THEMES)]
            grave += [f"{where}: {wide}" for wide in [too_wide(page)] if wide]
            page.close()
    assert not grave, "\n".join(grave)
