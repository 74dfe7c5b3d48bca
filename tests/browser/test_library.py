"""The library as a person uses it: the real app, the real simulator, a real browser."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from playwright.sync_api import Page, expect

from tests import plain_http
from tests.browser.findings import THEMES, findings, too_wide
from tests.browser.serving import SAMPLES, App, Visits, generate, opened, reach, say

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


def test_the_browsers_way_back_and_a_reload_stay_in_the_library(owner: Page):
    cards = owner.locator("[data-event=open]")
    cards.nth(0).click()
    cards.nth(1).dispatch_event("click")  # before the first one has come
    expect(owner.locator(".wan-job")).to_contain_text(
        owner.locator(".wan-item-words").nth(1).text_content()
    )
    owner.locator('[data-act="ask"]').click()
    expect(owner.locator(".wan-ask")).to_be_visible()
    owner.keyboard.press("Escape")  # only the question goes
    expect(owner.locator(".wan-ask")).to_be_hidden()
    expect(owner.locator('[data-act="ask"]')).to_be_focused()
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
    expect(owner.get_by_role("tab", name="Image to video")).to_have_attribute(
        "aria-selected", "true"
    )


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


def test_what_can_be_downloaded(owner: Page, tmp_path: Path):
    owner.locator("[data-event=open]").first.click()
    with owner.expect_download() as bundle:
        owner.locator(".wan-job [data-event=bundle]").click()
    assert bundle.value.suggested_filename.endswith(".zip")
    assert Path(bundle.value.path()).read_bytes()[:2] == b"PK"
    with owner.expect_download() as video:
        owner.locator(".wan-job a[download]").click()
    with av.open(str(video.value.path())) as film:
        assert film.streams.video[0].width == 1280


def chosen(page: Page) -> str:
    """The ids of the chosen takes, in the order of choosing."""
    return page.evaluate("window.wanLibrary.chosen()")


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
    owner.locator(".wan-work [data-event=dismiss]").click()
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


def test_the_library_follows_what_is_on_its_way(page: Page, app: App):
    picture(page)
    made(page, "The first.")
    with app.holding("RUNNING"):
        page.locator("#wan-image-view [data-press=retry]").click()
        page.locator("#wan-image-view [data-live]").wait_for()
        library(page)
        page.locator('.wan-item:not([data-state="SUCCEEDED"])').wait_for()
        page.locator("[data-choose]").first.check()
        page.locator("[data-event=open]").nth(1).focus()
        page.evaluate("document.querySelectorAll('.wan-item img')[0].kept = true")
    expect(page.locator('.wan-item[data-state="SUCCEEDED"]')).to_have_count(2, timeout=60_000)
    assert page.locator("[data-choose]").nth(1).is_checked()
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
        expect(page.locator('[data-act="ask"]')).to_have_count(0)
        page.evaluate(  # as a page would that is older than the job
            """() => {
                const job = document.querySelector(".wan-job");
                const detail = { event: "delete", job: job.dataset.job };
                job.dispatchEvent(new CustomEvent("wan", { bubbles: true, detail }));
            }"""
        )
        expect(page.locator(".wan-job .wan-note")).to_contain_text("Cancel it first")
    page.locator('.wan-job[data-state="SUCCEEDED"]').wait_for(timeout=60_000)
    source = page.locator(".wan-job video").get_attribute("src")
    page.locator('[data-act="ask"]').click()
    expect(page.locator('[data-act="keep"]')).to_be_focused()
    page.locator('[data-act="keep"]').click()
    expect(page.locator(".wan-ask")).to_be_hidden()
    page.locator('[data-act="ask"]').click()
    page.locator(".wan-job [data-event=delete]").click()
    expect(page.locator(".wan-empty")).to_contain_text("No videos yet")
    assert plain_http.get(f"{app.url}/{source}").status_code == 404


def test_a_new_take_is_made_on_its_tab(page: Page, app: App):
    picture(page)
    made(page, "Once more.")
    library(page)
    page.locator("[data-event=open]").click()
    before = app.created()
    page.locator(".wan-job [data-event=again]").click()
    page.locator("#wan-image-view [data-live]").wait_for()
    reach(page, "image", "SUCCEEDED")
    assert app.created() == before + 1
    library(page)
    expect(page.locator(".wan-item")).to_have_count(2)


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
    owner.locator('[data-act="ask"]').click()
    for folded in owner.locator(".wan-job details:not([open]) summary").all():
        folded.click()
    look("job")
    assert not grave, "\n".join(grave)


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
    expect(page.locator(".wan-tile")).to_have_text(["character1"])
    assert page.locator("#wan-reference-prompt textarea").input_value() == ""


def test_a_phone_has_no_sideways_scroll(three: Three, visit: Visits, app: App):
    page = visit.blank(app.url, size={"width": 360, "height": 780}, phone=True)
    page.goto(three.link)
    page.locator('#wan-claim button[value="use"]').click()
    page.locator("#wan-image-price strong").wait_for()
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
