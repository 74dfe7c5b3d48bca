"""The library as a person uses it: the real app, the real simulator, a real browser."""

import contextlib
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests import plain_http
from tests.bench.library import row
from tests.blocking import Store
from tests.browser.findings import THEMES, findings, too_wide
from tests.browser.serving import (
    ARRIVED,
    SAMPLES,
    App,
    Visits,
    generate,
    go,
    opened,
    reach,
    say,
    served,
)
from tests.patience import wait_until
from wan.domain.ids import CALLERS, OPERATOR, Owners
from wan.domain.jobs import CHOSEN_LIMIT

PROMPTS = ["A red kite over the sea.", "一只猫在雨中", "100% wool <b>socks</b>"]


def made(page: Page, prompt: str, seconds: int = 2) -> None:
    """Makes a video of the picture that is in the form."""
    say(page, "image", prompt)
    page.locator("#wan-image-duration input[type=number]").fill(str(seconds))
    page.locator("#wan-image-duration input[type=number]").blur()
    generate(page, "image")
    page.locator("#wan-image-view [data-live]").wait_for()
    reach(page, "image", "SUCCEEDED")


def picture(page: Page, name: str = "astronaut.png") -> None:
    """Puts a picture into the form."""
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(SAMPLES / name)
    page.locator("#wan-image-view .preview img").wait_for()


def library(page: Page) -> None:
    """Goes to the library, and waits until it shows something."""
    page.get_by_role("tab", name="Library").click()
    page.locator(".wan-item, .wan-empty").first.wait_for()


def words(page: Page) -> list[str]:
    """The prompts of the cards."""
    return page.locator(".wan-item-words").all_inner_texts()


@dataclass(frozen=True)
class Three:
    """Somebody with three videos."""

    kept: dict[str, str]
    """What their browser keeps of the page."""
    link: str
    """The private link to their videos."""


@pytest.fixture(scope="module")
def three(visits: Visits, app: App) -> Three:
    """Somebody with three videos."""
    with visits.meanwhile(app.url) as page:
        picture(page)
        for prompt in PROMPTS:
            made(page, prompt)
        page.locator("[data-event=private_link]").click()
        return Three(
            page.evaluate("({ ...localStorage })"),
            page.locator("#wan-share[open] input").input_value(),
        )


@pytest.fixture
def owner(three: Three, blank: Page, app: App) -> Page:
    """The library of whoever has three videos."""
    blank.evaluate("kept => Object.assign(localStorage, kept)", three.kept)
    opened(blank, app.url)
    blank.locator("#wan-image-view video").wait_for()
    library(blank)
    return blank


def test_an_empty_library_says_so(page: Page):
    library(page)
    expect(page.locator(".wan-empty")).to_contain_text("No videos yet")


def test_an_opened_library_is_asked_for_once(page: Page):
    looks = list[str]()

    def note(sent: Request) -> None:
        if "/queue/join" in sent.url and '"number"' in (sent.post_data or ""):
            looks.append(sent.url)

    page.on("request", note)
    library(page)
    page.evaluate("wanLibrary.look()")
    page.locator('[data-cards][data-number="2"]').wait_for()
    assert len(looks) == 2, "of which the script asked for one"


def test_searching_and_filtering(owner: Page):
    assert words(owner) == PROMPTS[::-1]
    search = owner.locator("#wan-library-search textarea, #wan-library-search input")
    for typed, found in (
        ("KITE", PROMPTS[:1]),
        ("猫", PROMPTS[1:2]),
        ("100%", PROMPTS[2:]),
        ("sea red", PROMPTS[:1]),
    ):
        search.fill(typed)
        expect(owner.locator(".wan-item-words")).to_have_text(found)
    search.fill("no such thing")
    expect(owner.locator(".wan-empty")).to_contain_text("No results")
    search.fill("")
    expect(owner.locator(".wan-item")).to_have_count(3)
    for field, choice, count in (
        ("state", "Failed or lost", 0),
        ("state", "Done", 3),
        ("verdict", "Yes", 0),
        ("verdict", "No verdict", 3),
    ):
        owner.locator(f"#wan-library-{field} input").click()
        owner.get_by_role("option", name=choice, exact=True).click()
        expect(owner.locator(".wan-item")).to_have_count(count)
    owner.locator("#wan-library-model input").click()
    owner.get_by_role("option", name="wan2.6-r2v", exact=True).click()
    expect(owner.locator(".wan-item")).to_have_count(0)


_RENDER_ANEW = """() => new Promise((done) => {
    const changed = ({ target }) => target.closest('#wan-library-grid') && done();
    document.addEventListener('wan-change', changed);
    wanLibrary.look();
})"""


def test_a_card_under_the_pointer_plays_unless_nothing_shall_move(owner: Page):
    playing = """() => [...document.querySelectorAll('.wan-item')]
        .map((card, number) => card.querySelector('video')?.paused === false ? number : -1)
        .filter((number) => number >= 0)"""
    owner.locator("[data-event=open]").nth(0).hover()
    owner.wait_for_timeout(600)  # twice as long as it would rest
    assert owner.evaluate(playing) == []
    owner.emulate_media(reduced_motion="no-preference")
    try:
        for number in (1, 2):
            owner.locator("[data-event=open]").nth(number).hover()
            owner.wait_for_function(f"({playing})().join() === '{number}'")
        assert owner.evaluate("document.querySelector('.wan-item video').muted")
        owner.evaluate(_RENDER_ANEW)
        owner.wait_for_function(f"({playing})().join() === '2'")
        owner.locator("#wan-library-search").hover()
        owner.wait_for_function(f"({playing})().length === 0")
        owner.locator("[data-event=open]").nth(0).focus()
        owner.keyboard.press("Tab")
        owner.wait_for_function(f"({playing})().join() === '0'")
    finally:
        owner.emulate_media(reduced_motion="reduce")


def test_one_job_is_opened_and_left_by_keyboard(owner: Page):
    card = owner.locator("[data-event=open]").nth(1)
    card.focus()
    owner.keyboard.press("Enter")
    job = owner.locator(".wan-job")
    expect(job.locator("video")).to_be_visible()
    expect(job.locator(".wan-job-prompt")).to_have_text(PROMPTS[1])
    expect(owner.locator("[data-event=close]")).to_be_focused()
    for said in (
        "Timeline",
        "Downloading",
        "Settings",
        "1280×720",
        "References",
        "image · 512×512",
        "Task ID",
        "free in demo mode",
    ):
        expect(job).to_contain_text(said, use_inner_text=True)
    expect(owner.locator(".wan-filters")).to_be_hidden()
    owner.keyboard.press("Escape")
    expect(job).to_have_count(0)
    expect(card).to_be_focused()


def test_each_opened_job_has_an_address_and_its_neighbours(owner: Page, app: App, visit: Visits):
    cards = owner.locator("[data-event=open]")
    ids = [card.get_attribute("data-job") for card in owner.locator(".wan-item").all()]
    job, step = owner.locator(".wan-job"), owner.locator("[data-act=step]")

    def shows(number: int) -> None:
        expect(job).to_have_attribute("data-job", ids[number])
        expect(job).to_contain_text(f"{number + 1} of 3")
        expect(owner).to_have_url(f"{app.url}/#video={ids[number]}")

    cards.nth(1).click()
    shows(1)
    owner.keyboard.press("ArrowRight")
    shows(2)
    expect(step.last).to_be_disabled()
    step.first.click()
    shows(1)
    owner.keyboard.press("ArrowLeft")
    shows(0)
    expect(step.first).to_be_disabled()
    expect(step.last).to_be_focused()  # what was pressed before has nowhere to go any more
    owner.keyboard.press("Escape")
    expect(cards.nth(0)).to_be_focused()  # that of the job that was shown last
    expect(owner).to_have_url(f"{app.url}/")
    owner.go_forward()
    shows(0)
    owner.get_by_role("tab", name="Image to video").click()
    expect(owner).to_have_url(f"{app.url}/")
    owner.get_by_role("tab", name="Library").click()
    shows(0)
    owner.reload()
    shows(0)
    owner.go_back()
    expect(cards).to_have_count(3)
    expect(job).to_have_count(0)
    owner.locator("#wan-library-search").locator("textarea, input").fill("KITE")
    expect(cards).to_have_count(1)
    # An older look that is answered late shows all for a moment, until it is looked again
    owner.locator(f'.wan-item[data-job="{ids[2]}"] [data-event=open]').click()
    expect(job).to_contain_text("1 of 1")
    go(owner, f"{app.url}/healthz")
    go(owner, f"{app.url}/#video={ids[2]}")
    shows(2)
    stranger = visit.blank(app.url)
    go(stranger, f"{app.url}/#video={ids[2]}")
    expect(stranger.locator("#wan-library-note")).to_contain_text("No job with this ID")
    expect(stranger).to_have_url(f"{app.url}/")


def test_the_browsers_way_back_and_a_reload_stay_in_the_library(owner: Page):
    cards = owner.locator("[data-event=open]")
    cards.nth(0).click()
    cards.nth(1).dispatch_event("click")  # before the first one has come
    expect(owner.locator(".wan-job")).to_contain_text(
        owner.locator(".wan-item-words").nth(1).text_content()
    )
    owner.locator('.wan-job [data-act="ask"]').click()
    expect(owner.locator(".wan-job .wan-ask")).to_be_visible()
    owner.keyboard.press("Escape")  # only the question goes
    expect(owner.locator(".wan-job .wan-ask")).to_be_hidden()
    expect(owner.locator('.wan-job [data-act="ask"]')).to_be_focused()
    owner.go_back()
    expect(owner.locator(".wan-job")).to_have_count(0)
    expect(cards.nth(0)).to_be_visible()
    owner.reload()
    expect(cards.nth(0)).to_be_visible()


def test_its_settings_fill_the_form(owner: Page):
    owner.get_by_role("tab", name="Image to video").click()
    say(owner, "image", "Something else.")
    library(owner)
    owner.locator("[data-event=open]").nth(2).click()
    owner.locator(".wan-job [data-event=use]").click()
    expect(owner.locator("#wan-image-prompt textarea")).to_have_value(PROMPTS[0])
    expect(owner.locator("#wan-image-duration input[type=number]")).to_have_value("2")
    expect(owner.locator("#wan-image-reference_image img")).to_be_visible()
    owner.locator(".wan-more:visible button").first.click()
    expect(owner.locator("#wan-image-seed input, #wan-image-seed textarea")).to_have_value(
        re.compile(r"\d+")
    )
    image = owner.get_by_role("tab", name="Image to video")
    expect(image).to_have_attribute("aria-selected", "true")
    owner.reload()  # which leads back to where the app has led
    expect(owner.locator("#wan-image-prompt textarea")).to_have_value(PROMPTS[0])
    expect(image).to_have_attribute("aria-selected", "true")


def test_continuing_from_the_last_frame(owner: Page):
    owner.locator("[data-event=open]").first.click()
    owner.locator(".wan-job [data-event=frame]").click()
    expect(owner.locator("#wan-image-reference_image img")).to_have_attribute(
        "src", re.compile(r"last-frame\.png")
    )
    expect(owner.locator("#wan-image-view .preview img")).to_be_visible()
    expect(owner.locator("#wan-image-prompt textarea")).to_be_focused()
    assert owner.evaluate("getSelection().toString() === document.activeElement.value")
    owner.locator(".wan-more:visible > button").click()
    expect(owner.locator("#wan-image-seed").locator("input, textarea")).to_have_value("")


def test_what_can_be_downloaded(owner: Page, app: App):
    owner.locator("[data-event=open]").first.click()
    with owner.expect_download() as bundle:
        owner.locator(".wan-job [data-event=bundle]").click()
    assert Path(bundle.value.path()).read_bytes()[:2] == b"PK"
    with owner.expect_download() as video:
        owner.locator(".wan-job a[download]").click()
    called = video.value.suggested_filename
    assert re.fullmatch(r"\d{4}-\d\d-\d\d .+ \d+\.mp4", called)
    assert bundle.value.suggested_filename == called.replace(".mp4", ".zip")
    with av.open(str(video.value.path())) as film:
        assert film.streams.video[0].width == 1280
    name = owner.locator("[data-label=name]")
    name.fill("Kite / sea")
    name.blur()
    wait_until(lambda: app.rows("SELECT id FROM jobs WHERE name = 'Kite / sea'") != [])
    owner.locator(".wan-work [data-event=dismiss]").click()
    with owner.expect_download() as bundle:
        owner.locator(".wan-job [data-event=bundle]").click()
    assert "Kite - sea - take 1" in bundle.value.suggested_filename


def test_a_link_that_is_reset_leaves_no_dead_address_on_the_stage(owner: Page, app: App):
    video = owner.locator("#wan-image-view video")
    before = video.get_attribute("src")
    owner.locator("[data-event=open]").first.click()
    job = owner.locator(".wan-job")
    assert owner.locator("#wan-image-view [data-of]").get_attribute("data-of") == job.get_attribute(
        "data-job"
    )
    job.locator("[data-copy=link]").click()
    job.get_by_text("Reset share link").click()
    job.locator("[data-event=withdraw]").click()
    expect(video).not_to_have_attribute("src", before)
    assert plain_http.get(f"{app.url}/{video.get_attribute('src')}").status_code == 200
    assert plain_http.get(f"{app.url}/{before}").status_code == 404


def chosen(page: Page) -> str:
    """The ids of the chosen takes, in the order of choosing."""
    return page.evaluate("window.wanSelection.chosen()")


def shared_and_reset(page: Page) -> None:
    """The video that is open in the library can be shared, until its link is reset."""
    job = page.locator(".wan-job")
    expect(job.locator(".wan-linked")).to_be_hidden()
    job.locator("[data-copy=link]").click()
    link = job.locator(".wan-linked input").input_value()
    assert page.request.get(link).status == 200
    job.get_by_text("Reset share link").click()
    page.keyboard.press("Escape")
    expect(job.locator(".wr-sure")).to_be_hidden()
    assert page.request.get(link).status == 200
    job.get_by_text("Reset share link").click()
    job.locator("[data-event=withdraw]").click()
    expect(job.locator(".wan-note")).to_contain_text("no longer work")
    expect(job.locator(".wr-sure")).to_be_hidden()
    expect(job.locator(".wan-linked")).to_be_hidden()
    assert page.request.get(link).status == 404
    shown = job.get_attribute("data-job")
    job.locator("[data-add]").click()
    expect(page.locator("#wan-review-chosen li").last).to_be_visible()
    assert shown in chosen(page).split()
    page.get_by_role("tab", name="Library").click()
    expect(job).to_be_visible()


def test_takes_are_chosen_compared_and_joined(owner: Page, tmp_path: Path):
    boxes = owner.locator("[data-choose]")
    ids = [card.get_attribute("data-job") for card in owner.locator(".wan-item").all()]
    expect(owner.locator(".wan-chosen")).to_be_hidden()
    for number in (2, 0):
        boxes.nth(number).check()
    assert chosen(owner) == f"{ids[2]} {ids[0]}"
    expect(owner.locator(".wan-chosen")).to_contain_text("2 selected", use_inner_text=True)
    owner.locator("[data-event=open]").first.click()
    expect(owner.locator(".wan-job")).to_be_visible()
    owner.keyboard.press("Escape")
    owner.locator(".wan-chosen [data-event=compare]").click()
    expect(owner.locator("[data-compare]")).to_be_visible()
    expect(owner.locator(".wan-compare-wait")).to_have_text("", use_inner_text=True)
    expect(owner.locator("[data-compare] video")).to_have_count(2)
    owner.keyboard.press("Escape")
    expect(owner.locator("[data-compare]")).to_have_count(0)
    assert boxes.nth(2).is_checked()
    owner.locator(".wan-chosen [data-event=join]").click()
    with owner.expect_download() as film:
        owner.locator(".wan-work a[download]").click(timeout=60_000)
    with av.open(str(film.value.path())) as joined:
        assert float(joined.duration / av.time_base) == pytest.approx(4, abs=0.1)
    expect(boxes).to_have_count(4)
    expect(owner.locator(".wan-item").first).to_contain_text("Combined video")
    expect(owner.locator(".wan-work")).to_contain_text("is in the Library")
    owner.locator(".wan-work [data-event=open]").click()
    job = owner.locator(".wan-job")
    expect(job.locator(".wan-job-cost")).to_contain_text("free")
    expect(owner.locator(".wan-work")).to_have_count(0)
    shared_and_reset(owner)
    job.locator("[data-event=open]").first.click()
    expect(job).to_have_attribute("data-job", ids[2])
    owner.keyboard.press("Escape")
    owner.locator(".wan-item [data-event=open]").first.click()
    job.locator("[data-act=ask]").click()
    job.locator("[data-event=delete]").click()
    expect(boxes).to_have_count(3)
    owner.locator(".wan-chosen [data-event=clear]").click()
    expect(owner.locator(".wan-chosen")).to_be_hidden()
    assert chosen(owner) == ""


def test_joining_says_how_far_it_is_and_can_be_stopped(owner: Page, app: App):
    for number in range(3):
        owner.locator("[data-choose]").nth(number).check()
    owner.locator(".wan-chosen [data-event=join]").click()
    owner.wait_for_function(
        "document.querySelector('.wan-work progress')?.value > 0", timeout=60_000
    )
    owner.locator(".wan-work [data-event=stop]").click()
    expect(owner.locator(".wan-work progress")).to_have_count(0)
    expect(owner.locator(".wan-chosen [data-event=join]")).to_be_enabled()
    owner.wait_for_timeout(1500)
    assert owner.locator(".wan-work a").count() == 0


def test_several_are_chosen_downloaded_and_deleted(page: Page, app: App):
    picture(page)
    page.locator("#wan-image-takes").get_by_label("3", exact=True).check()
    say(page, "image", "One of three.")
    generate(page, "image")
    ended = page.locator('#wan-image-view .wan-take[data-state="SUCCEEDED"]')
    expect(ended).to_have_count(3, timeout=120_000)
    page.locator("#wan-image-takes").get_by_label("1", exact=True).check()
    with app.holding("PENDING"):
        say(page, "image", "On its way.")
        generate(page, "image")
        reach(page, "image", "PENDING")
        library(page)
        boxes, bar = page.locator("[data-choose]"), page.locator(".wan-chosen")
        expect(boxes).to_have_count(3)
        page.locator("[data-all]").check()
        expect(bar).to_contain_text("3 selected", use_inner_text=True)
        expect(page.locator("[data-event=choose_all]")).to_be_hidden()  # there are no others
        page.locator("[data-all]").uncheck()
        expect(bar).to_be_hidden()
        boxes.first.click()
        expect(bar.locator('[data-event=move][data-project=""]')).to_be_disabled()
        boxes.last.click(modifiers=["Shift"])
        expect(bar).to_contain_text("3 selected", use_inner_text=True)
        boxes.nth(1).uncheck()
        assert page.locator("[data-all]").evaluate("box => box.indeterminate")
        with page.expect_download() as archive:
            bar.locator("[data-event=pack]").click()
        with zipfile.ZipFile(archive.value.path()) as packed:
            assert packed.testzip() is None
            names = packed.namelist()
        assert [Path(name).suffix for name in names] == [".mp4", ".json"] * 2
        page.locator(".wan-work [data-event=dismiss]").click()
        bar.locator("[data-act=ask]").click()
        expect(bar.locator("[data-act=keep]")).to_be_focused()
        page.keyboard.press("Escape")
        expect(bar.locator(".wan-ask")).to_be_hidden()
        expect(bar.locator("[data-act=ask]")).to_be_focused()
        page.evaluate(  # as a page would on which the live one had ended
            """() => {
                const cards = [...document.querySelectorAll(".wan-item")];
                const ids = cards.map((card) => card.dataset.job);
                ids.splice(2, 1);
                window.wanSelection.use(ids, "none");
            }"""
        )
        bar.locator("[data-act=ask]").click()
        expect(bar.locator(".wan-ask")).to_contain_text("items (3)", use_inner_text=True)
        bar.locator("[data-event=delete]").click()
        expect(page.locator(".wan-work")).to_contain_text("Deleted: 2. Still in progress")
        expect(page.locator(".wan-item")).to_have_count(2)
        expect(bar).to_contain_text("1 selected", use_inner_text=True)
    page.locator('.wan-item[data-state="SUCCEEDED"]').nth(1).wait_for(timeout=60_000)


def test_the_library_follows_what_is_on_its_way(page: Page, app: App):
    picture(page)
    made(page, "The first.")
    with app.holding("RUNNING"):
        page.locator("#wan-image-view [data-press=retry]").click()
        page.locator("#wan-image-view .wan-take[data-live]").wait_for()
        library(page)
        page.locator('.wan-item:not([data-state="SUCCEEDED"])').wait_for()
        page.locator(".wan-item [data-choose]").first.check()
        page.locator("[data-event=open]").nth(1).focus()
        page.evaluate("document.querySelectorAll('.wan-item img')[0].kept = true")
    expect(page.locator('.wan-item[data-state="SUCCEEDED"]')).to_have_count(2, timeout=60_000)
    assert page.locator(".wan-item [data-choose]").nth(1).is_checked()
    expect(page.locator("[data-event=open]").nth(1)).to_be_focused()
    assert page.evaluate("document.querySelectorAll('.wan-item img')[1].kept")


def test_a_new_job_leaves_focus_and_choice_on_the_same_card(page: Page, app: App):
    picture(page)
    made(page, "The first.")
    library(page)
    page.locator("[data-choose]").check()
    page.locator("[data-event=open]").focus()
    other = page.context.new_page()
    opened(other, app.url)
    picture(other)
    made(other, "The second.")
    other.close()
    page.evaluate("window.wanLibrary.look()")
    expect(page.locator(".wan-item-words")).to_have_text(["The second.", "The first."])
    expect(page.locator("[data-event=open]").nth(1)).to_be_focused()
    assert [box.is_checked() for box in page.locator("[data-choose]").all()] == [False, True]
    page.reload()
    library(page)
    expect(page.locator(".wan-chosen")).to_be_hidden()  # a reload forgets what was chosen
    assert chosen(page) == ""


def test_deleting_asks_first_and_not_while_it_runs(page: Page, app: App):
    picture(page, "rocket.jpg")
    say(page, "image", "A rocket.")
    with app.holding("PENDING"):
        generate(page, "image")
        reach(page, "image", "PENDING")
        library(page)
        page.locator("[data-event=open]").click()
        expect(page.locator(".wan-job [data-event=watch]")).to_be_visible()
        expect(page.locator('.wan-job [data-act="ask"]')).to_have_count(0)
        page.evaluate(  # as a page would that is older than the job
            """() => {
                const job = document.querySelector(".wan-job");
                const detail = { event: "delete", job: job.dataset.job };
                job.dispatchEvent(new CustomEvent("wan", { bubbles: true, detail }));
            }"""
        )
        expect(page.locator(".wan-job .wan-note")).to_contain_text("Cancel it first")
        timeline = page.locator(".wan-timeline").text_content()
        expect(page.locator(".wan-timeline")).not_to_have_text(timeline)  # it was looked at again
        expect(page.locator(".wan-job .wan-note")).to_contain_text("Cancel it first")
    page.locator('.wan-job[data-state="SUCCEEDED"]').wait_for(timeout=60_000)
    source = page.locator(".wan-job video").get_attribute("src")
    page.locator('.wan-job [data-act="ask"]').click()
    expect(page.locator('.wan-job [data-act="keep"]')).to_be_focused()
    page.locator('.wan-job [data-act="keep"]').click()
    expect(page.locator(".wan-job .wan-ask")).to_be_hidden()
    page.locator('.wan-job [data-act="ask"]').click()
    page.locator(".wan-job [data-event=delete]").click()
    expect(page.locator(".wan-empty")).to_contain_text("No videos yet")
    assert plain_http.get(f"{app.url}/{source}").status_code == 404


def test_a_new_take_shows_its_brief_first_and_takes_are_numbered_named_and_filed(
    page: Page, app: App
):
    picture(page)
    made(page, "Once more.")
    prompt, go = page.locator("#wan-image-prompt textarea"), page.locator("#wan-image-generate")
    page.reload()
    expect(prompt).to_have_value("Once more.")
    expect(page.locator("#wan-image-reference_image img")).to_be_visible()
    takes = page.locator("#wan-image-takes")
    takes.get_by_label("4", exact=True).check()
    library(page)
    page.locator("[data-event=open]").click()
    before = app.created()
    again = page.locator(".wan-job [data-event=again]")
    again.click()
    expect(go).to_be_focused()
    expect(takes.get_by_label("1", exact=True)).to_be_checked()
    expect(go).to_contain_text("New take")

    def write() -> None:
        prompt.press("End")
        prompt.press("!")

    def use_settings() -> None:
        for verb in ("watch", "use"):
            page.locator(f"#wan-image-view [data-press={verb}]").click()

    for change in (write, use_settings, page.get_by_role("button", name="Remove Image").click):
        change()
        expect(go).to_have_text("Generate")
        library(page)
        page.locator("[data-event=open]").click()
        again.click()
        expect(go).to_contain_text("New take")
    expect(prompt).to_have_value("Once more.")
    assert app.created() == before
    go.click()
    page.locator("#wan-image-view [data-live]").wait_for()
    reach(page, "image", "SUCCEEDED")
    expect(go).to_have_text("Generate")
    assert app.created() == before + 1
    library(page)
    names = page.locator(".wan-item-name")
    expect(names).to_have_text(["Take 2", "Take 1"])

    expect(page.locator(".wan-scopes")).to_be_hidden()
    page.locator(".wan-item .wan-star").nth(1).click()
    expect(page.locator(".wan-item .wan-star").nth(1)).to_have_attribute("aria-pressed", "true")
    page.locator("[data-event=open]").first.click()
    page.locator("[data-label=name]").fill("<b>Wide</b>  shot")
    page.locator("[data-label=name]").press("Enter")
    expect(page.locator("[data-label=name]")).to_have_value("<b>Wide</b> shot")
    expect(page.locator(".wan-job .wan-note")).to_have_text("Saved.")
    page.locator("[data-label=project]").fill("Spring")
    page.locator("[data-event=close]").locator("visible=true").click()
    expect(names).to_have_text(["Take 2 · <b>Wide</b> shot", "Take 1"])
    scopes = page.locator(".wan-scopes button")
    expect(scopes).to_have_text(["All", "Spring", "No project", "★ Starred"])
    for number, shown in ((1, ["Take 2 · <b>Wide</b> shot"]), (2, ["Take 1"])):
        scopes.nth(number).click()
        expect(names).to_have_text(shown)
    search = page.locator("#wan-library-search").locator("input, textarea")
    search.fill("twice")
    expect(names).to_have_count(0)
    search.fill("once")
    expect(names).to_have_text(["Take 1"])
    scopes.evaluate_all("buttons => [3, 1].forEach((place) => buttons[place].click())")
    expect(names).to_have_count(0)
    scopes.nth(0).click()
    expect(names).to_have_text(["Take 1"])
    scopes.nth(3).click()
    expect(names).to_have_text(["Take 2 · <b>Wide</b> shot", "Take 1"])
    for card in range(2):
        page.locator(".wan-item [data-choose]").nth(card).check()
    move = page.locator(".wan-move [data-event=move]")
    expect(move).to_be_disabled()  # or an empty field would take them out of their project
    page.locator("[data-move]").fill("Autumn")
    move.click()
    expect(scopes).to_have_text(["All", "Autumn", "No project", "★ Starred"])
    page.locator("[data-move]").fill(" ")
    expect(move).to_be_disabled()
    page.get_by_role("button", name="Remove from project").click()
    expect(scopes).to_have_text(["All", "★ Starred"])
    page.locator(".wan-chosen [data-event=compare]").click()
    expect(page.locator(".wan-compare figcaption strong")).to_have_text(
        ["Take 2 · <b>Wide</b> shot", "Take 1"]
    )


def test_axe_finds_nothing_grave_and_nothing_is_too_wide(owner: Page):
    owner.set_viewport_size({"width": 360, "height": 780})
    owner.reload()
    library(owner)
    grave = []

    def look(where: str) -> None:
        wide = too_wide(owner)
        grave.extend(
            f"{where}: {one}" for one in [*findings(owner, *THEMES), *([wide] if wide else [])]
        )

    for number in (0, 1):
        owner.locator("[data-choose]").nth(number).check()
    look("cards")
    owner.locator(".wan-chosen [data-event=compare]").click()
    expect(owner.locator("[data-compare] video")).to_have_count(2)
    look("compared")
    owner.keyboard.press("Escape")
    owner.locator("[data-event=open]").first.click()
    owner.locator('.wan-job [data-act="ask"]').click()
    for folded in owner.locator(".wan-job details:not([open]) summary").all():
        folded.click()
    look("job")
    assert not grave, "\n".join(grave)


@pytest.fixture
def two_pages(visit: Visits, tmp_path: Path) -> Iterator[tuple[Page, App]]:
    """A shared library with what the command line made, and nothing of a program that has no token
    of its own.
    """
    (tmp_path / "output").mkdir()
    with contextlib.closing(Store(f"sqlite:///{tmp_path}/output/wan.sqlite3")) as store:
        somebody = Owners(store.database.seal).of_token("t" * 43)
        for number, owner in enumerate((f"{CALLERS}program", OPERATOR, *[somebody] * 25)):
            store.add(row(number, owner, time.time()))
    with served(tmp_path, WAN_SHARED_LIBRARY="true") as app:
        page = visit(app.url)
        library(page)
        expect(page.locator(".wan-item")).to_have_count(24)
        yield page, app


def test_a_shared_library_of_two_pages(two_pages: tuple[Page, App]):
    page, app = two_pages
    expect(page.locator("#wan-library-shared")).to_contain_text("Shared library")
    cards, bar, job = (page.locator(one) for one in (".wan-item", ".wan-chosen", ".wan-job"))
    page.locator("[data-all]").check()
    expect(bar).to_contain_text("24 selected", use_inner_text=True)
    page.locator("[data-event=choose_all]").click()
    expect(bar).to_contain_text("26 selected", use_inner_text=True)
    bar.locator("[data-event=clear]").click()
    cards.last.locator("[data-event=open]").click()
    expect(job).to_contain_text("24 of 26")
    page.keyboard.press("ArrowRight")
    expect(job).to_contain_text("25 of 26")
    page.keyboard.press("Escape")  # to the cards among which this one is
    expect(cards).to_have_count(2)
    expect(cards.first.locator("[data-event=open]")).to_be_focused()
    page.locator("#wan-library-search").locator("input, textarea").fill("take 3:")
    expect(cards).to_have_count(3)  # 3, 13 and 23
    page.evaluate("job => { location.hash = `#video=${job}`; }", f"seeded{4:015}")
    expect(job).to_be_visible()
    with page.expect_request("**/queue/join*") as asked:
        page.keyboard.press("Escape")
    assert "offset" not in asked.value.post_data_json["event_data"], "no page has this one"
    page.locator("#wan-library-search").locator("input, textarea").fill("")
    expect(cards).to_have_count(24)
    cards.filter(has_text="Command line").locator("[data-event=open]").click()
    page.locator('.wan-job [data-act="ask"]').click()
    page.locator(".wan-job [data-event=delete]").click()
    expect(page.locator(".wan-pages")).to_contain_text("of 25")
    assert app.rows("SELECT count(*) FROM jobs") == [(26,)]
    assert app.rows(f"SELECT * FROM jobs WHERE owner = '{OPERATOR}'") == []  # noqa: S608
    most = page.evaluate(
        """() => {
            window.wanSelection.use([...Array(CHOSEN + 100).keys()].map(String), "none");
            return window.wanSelection.chosen().split(" ").length;
        }""".replace("CHOSEN", str(CHOSEN_LIMIT))
    )
    assert most == CHOSEN_LIMIT


def hold_first(page: Page) -> list[Route]:
    """The next event is sent when its route goes on; those after it are sent as they come."""
    held: list[Route] = []
    page.route(
        "**/queue/join*",
        lambda route: route.continue_() if held else held.append(route),
    )
    return held


def test_what_is_answered_late_turns_nothing_back(two_pages: tuple[Page, App]):
    page, app = two_pages
    cards, job = page.locator(".wan-item"), page.locator(".wan-job")
    held = hold_first(page)
    page.evaluate("window.wanLibrary.look()")
    page.locator(".wan-pages [data-event=look]").last.click()
    expect(cards).to_have_count(2)
    with page.expect_request("**/queue/join*"):  # the page that was wanted, once more
        held[0].continue_()
    expect(cards).to_have_count(2)
    page.unroute("**/queue/join*")

    ids = [card.get_attribute("data-job") for card in cards.all()]
    cards.first.locator("[data-event=open]").click()
    expect(job).to_have_attribute("data-job", ids[0])
    page.locator("[data-label=name]").fill("Mine")
    page.keyboard.press("Escape")  # only what was typed goes
    expect(page.locator("[data-label=name]")).to_have_value("")
    page.locator("[data-label=name]").fill("Mine")
    held = hold_first(page)
    page.locator("[data-step=next]").click()
    expect(job).to_have_attribute("data-job", ids[1])
    page.evaluate(
        """() => {
            window.shown = [];
            const note = () => window.shown.push(document.querySelector(".wan-job").dataset.job);
            document.addEventListener("wan-change", note);
        }"""
    )
    held[0].continue_()
    expect(page.locator("#wan-library-note")).to_have_text("Saved.")
    page.locator("[data-step=previous]").click()
    expect(page.locator("[data-label=name]")).to_have_value("Mine")
    shown = page.evaluate("window.shown")
    assert shown == sorted(shown, key=ids[::-1].index), "the first one only when it was asked for"
    assert app.rows("SELECT id FROM jobs WHERE name != ''") == [(ids[0],)]
    page.unroute("**/queue/join*")


def test_a_job_that_is_gone_leaves_what_is_shown(two_pages: tuple[Page, App]):
    page, app = two_pages
    cards, job = page.locator(".wan-item"), page.locator(".wan-job")
    note, following = page.locator("#wan-library-note"), page.locator("[data-step=next]")
    ids = [card.get_attribute("data-job") for card in cards.all()]
    cards.first.locator("[data-event=open]").click()
    expect(following).to_have_attribute("data-job", ids[1])
    app.rows(f"DELETE FROM jobs WHERE id = '{ids[1]}'")  # noqa: S608
    following.click()
    expect(note).to_contain_text("No job with this ID")
    expect(following).to_have_attribute("data-job", ids[2])
    for _ in range(2):
        page.evaluate("job => { location.hash = `#video=${job}`; }", ids[1])
        expect(page).to_have_url(f"{app.url}/#video={ids[0]}")
    page.locator('.wan-job [data-act="ask"]').click()
    page.locator(".wan-job [data-event=delete]").click()
    expect(job).to_have_count(0)
    expect(cards.first).to_have_attribute("data-job", ids[2])
    expect(cards.first).to_be_visible()
    expect(page).to_have_url(f"{app.url}/")


def dropped(page: Page, target: str, name: str, content: bytes, kind: str = "video/mp4") -> None:
    """Drops a file on a part of the page."""
    page.evaluate(
        """([target, name, bytes, type]) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], name, { type }));
            for (const what of ["dragover", "drop"]) {
                const about = { dataTransfer: files, bubbles: true, cancelable: true };
                const event = new DragEvent(what, about);
                document.querySelector(target).dispatchEvent(event);
            }
        }""",
        [target, name, list(content), kind],
    )


@pytest.fixture
def film(owner: Page, app: App) -> bytes:
    """A video that was made here."""
    owner.locator("[data-event=open]").nth(2).click()
    source = owner.locator(".wan-job video").get_attribute("src")
    return plain_http.get(f"{app.url}/{source}").content


def test_a_video_of_ours_that_is_dropped_fills_the_form(film: bytes, visit: Visits, app: App):
    page = visit(app.url)
    dropped(page, "#wan-image-reference_image", "a.mp4", film)
    expect(page.locator("#wan-image-prompt textarea")).to_have_value(PROMPTS[0])
    expect(page.locator("#wan-image-recalled")).to_contain_text("add them again")
    assert page.locator("#wan-image-reference_image img").count() == 0


def test_a_video_of_my_own_brings_its_picture(film: bytes, owner: Page):
    owner.get_by_role("tab", name="Reference to video").click()
    dropped(owner, "#wan-reference-prompt", "a.mp4", film)
    expect(owner.get_by_role("tab", name="Image to video")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(owner.locator("#wan-image-recalled")).to_contain_text(
        "Settings imported from this video."
    )
    expect(owner.locator("#wan-image-prompt textarea")).to_have_value(PROMPTS[0])
    expect(owner.locator("#wan-image-reference_image img")).to_be_visible()


def test_a_video_without_settings_says_so_and_changes_nothing(page: Page):
    say(page, "image", "Mine.")
    page.locator(".wan-brief > input[type=file]").first.set_input_files(
        SAMPLES / "bigbuckbunny.mp4"
    )
    expect(page.locator("#wan-image-recalled")).to_contain_text(
        "This video has no Wan Studio settings"
    )
    assert page.locator("#wan-image-prompt textarea").input_value() == "Mine."


def test_a_video_on_the_references_stays_a_reference(film: bytes, page: Page):
    page.get_by_role("tab", name="Reference to video").click()
    dropped(page, "#wan-reference-reference_video button", "a.mp4", film)
    expect(page.locator(".wan-tile .wan-chip")).to_have_text(["character1"])
    assert page.locator("#wan-reference-prompt textarea").input_value() == ""


def test_a_phone_has_no_sideways_scroll(three: Three, visit: Visits, app: App):
    page = visit.blank(app.url, size={"width": 360, "height": 780}, phone=True)
    go(page, three.link)
    page.locator('#wan-claim button[value="use"]').click()
    page.locator(ARRIVED).wait_for()
    library(page)
    wide: Callable[[], int] = lambda: page.evaluate("document.documentElement.scrollWidth")  # noqa: E731
    page.locator(".wan-item").nth(2).wait_for()
    assert wide() <= 360
    page.locator("[data-choose]").first.check()
    page.locator("[data-choose]").nth(1).check()
    assert wide() <= 360
    bar = page.locator(".wan-chosen").bounding_box()
    assert bar["y"] + bar["height"] <= 780
    page.locator("[data-event=open]").first.click()
    page.locator(".wan-job").wait_for()
    assert wide() <= 360
