"""A finished video on the stage: it plays, offers what comes next, and stands in its shape."""

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.findings import THEMES, findings
from tests.browser.serving import App, Visits, case, generate, opened, reach, say
from tests.browser.test_takes import LONG, begin, standing, told
from tests.pictures import picture

# Gives a promise, in an object that is no promise itself: whether it comes within a minute
COMES = """what => {
  const stage = document.querySelector("#wan-image-view");
  const came = new Promise((done) => {
    setTimeout(() => done(false), 60_000);
    const look = () => stage.querySelector(what) && done(true);
    new MutationObserver(look).observe(stage, { subtree: true, childList: true });
  });
  return { came };
}"""
PLAYS = "video => !video.paused && video.currentTime > 0.2"


@pytest.fixture
def moving(browser: Browser, app: App) -> Iterator[Page]:
    """The page for somebody who has nothing against things that move."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    context.set_default_timeout(30_000)
    page = context.new_page()
    opened(page, app.url)
    yield page
    context.close()


def make(page: Page, prompt: str) -> None:
    """Makes a short video of a picture that nobody has sent yet."""
    sent = picture((400, 300), color=secrets.randbelow(2**24))
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": sent}
    )
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", prompt)
    page.locator("#wan-image-duration input[type=number]").fill("2")
    generate(page, "image")
    reach(page, "image", "SUCCEEDED")


def until(video: Locator, what: str) -> None:
    """Waits until something is so of a video."""
    video.page.wait_for_function(
        f"video => ({what})(video)", arg=video.element_handle(), timeout=LONG
    )


def test_a_video_plays_by_itself_is_heard_after_a_click_and_leads_on(moving: Page, app: App):
    page = moving
    page.locator(".wan-more:visible button").first.click()
    make(page, "It leads on.")
    video, hear = page.locator("#wan-image-view video"), page.locator("#wan-image-view [data-hear]")
    until(video, PLAYS)
    assert video.evaluate("video => [video.muted, video.loop]") == [True, True]
    expect(hear).to_be_visible()
    video.click(position={"x": 200, "y": 120})
    until(video, "video => !video.muted && !video.paused")
    expect(hear).to_be_hidden()

    page.get_by_role("tab", name="Library").click()
    until(video, "video => video.paused")
    page.get_by_role("tab", name="Image to video").click()
    until(video, PLAYS)

    watched_by_link(page)
    seed = page.locator("#wan-image-view .wan-facts").inner_text().partition("seed ")[2].split()[0]
    page.get_by_role("button", name="Use these settings").click()
    expect(page.locator("#wan-image-seed :is(input, textarea)")).to_have_value(seed)
    prompt = page.locator("#wan-image-prompt textarea")
    expect(prompt).to_be_focused()
    page.locator("#wan-image-view [data-press=watch]").click()
    page.get_by_role("button", name="Continue from the last frame").click()
    expect(page.locator("#wan-image-seed :is(input, textarea)")).to_have_value("")
    expect(page.locator("#wan-image-reference_image img")).to_be_visible()
    until(prompt, "box => box.value && box.selectionEnd - box.selectionStart === box.value.length")
    page.keyboard.type("She goes on.")
    expect(prompt).to_have_value("She goes on.")
    page.locator("#wan-image-view [data-press=watch]").click()
    page.get_by_role("button", name="Add to review").click()
    expect(page.locator("#wan-review-chosen img")).to_have_count(1)


def test_a_picture_of_the_form_that_comes_late_takes_the_place_of_no_video(page: Page, app: App):
    make(page, "It stays.")
    quality = page.locator("#wan-image-quality input")
    back = page.locator("#wan-image-view [data-press=watch]")
    quality.last.check(force=True)
    expect(back).to_be_visible()
    with app.reading_nothing():
        with page.expect_request(
            lambda request: "/queue/join" in request.url and "a.png" in (request.post_data or "")
        ):
            quality.first.check(force=True)
        back.click()
        expect(page.locator("#wan-image-view video")).to_be_visible()
        late = page.evaluate_handle(COMES, ".preview")
    assert late.evaluate("({came}) => came")
    expect(page.locator("#wan-image-view video")).to_be_visible()


def watched_by_link(page: Page) -> None:
    """The link of the video on the stage opens a page for somebody else, until it is reset."""
    page.get_by_role("button", name="Copy link").click()
    box = page.locator("#wan-image-view .wan-linked")
    expect(box.locator("input")).to_have_value(re.compile(r"^http://.+/video/[\w-]{22}$"))
    expect(box.locator("[data-near=computer]")).to_be_visible()
    assert findings(page, *THEMES) == []
    link = box.locator("input").input_value()
    context = page.context.browser.new_context(viewport={"width": 390, "height": 844})
    theirs = context.new_page()
    theirs.goto(link)
    until(theirs.locator("video"), PLAYS)
    expect(theirs.locator("h1")).to_have_text("It leads on.")
    assert theirs.evaluate("document.documentElement.scrollWidth") <= 390
    assert findings(theirs, *THEMES) == []
    box.get_by_text("Reset share link").click()
    expect(box.locator(".wr-sure")).to_contain_text("will stop working")
    page.keyboard.press("Escape")
    expect(box.locator(".wr-sure")).to_be_hidden()
    box.get_by_text("Reset share link").click()
    box.locator("[data-press=withdraw]").click()
    expect(page.locator("#wan-image-view .wan-card")).to_contain_text("Old links to this video")
    expect(box).to_be_hidden()
    theirs.reload()
    expect(theirs.locator("h1")).to_have_text("This video isn't available")
    context.close()


def test_takes_stand_in_columns_of_their_shape_without_a_hole(visit: Visits, app: App):
    page = visit(app.url, size={"width": 1920, "height": 1080})
    room = page.locator(".wan-room:visible").bounding_box()
    assert 1690 <= room["width"] <= 1760, "a wide screen is used"
    begin(page, "three side by side", 3)
    told(page, "3 of 3 done")
    (_, third_top, *_), card = standing(page)[2], page.locator("#wan-image-view .wan-card")
    top = card.evaluate("card => card.getBoundingClientRect().y + scrollY")
    assert top == pytest.approx(third_top, abs=2), "beside the third"
    # Stands in for another size in the form: the shape is that of the first take
    page.locator("#wan-image-view .wan-takes").evaluate(
        """takes => {
            takes.dataset.tall = "";
            takes.style.setProperty("--shape", "9/16");
        }"""
    )
    for width, columns in ((1920, 3), (1000, 2), (390, 1)):
        with case(f"{width} px"):
            page.set_viewport_size({"width": width, "height": 1080})
            page.wait_for_function("width => innerWidth === width", arg=width)
            places = standing(page)
            assert len({left for left, *_ in places}) == columns
            for _, _, wide, high in places:
                assert wide / high == pytest.approx(9 / 16, rel=0.02)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
