"""Whoever looks at something else is told that a video is done, if they want that.

No headless browser shows notifications: a page here has a `Notification` that keeps what it was
asked to show. Who may not have any is real.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.serving import App, Visits, generate, opened, reach, say
from tests.pictures import picture

_NOTIFICATION = """
    window.shown = [];
    window.Notification = class {
        static permission = "default";
        static async requestPermission() {
            window.asked = (window.asked ?? 0) + 1;
            return (this.permission = "granted");
        }
        constructor(title, { body }) { window.shown.push([title, body]); }
    };
    Document.prototype.hasFocus = () => window.isLookedAt ?? false;
"""
_COUNTED = """
    window.tones = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...when) {
        window.tones += 1;
        return start.apply(this, when);
    };
"""
_TELL, _SOUND = "#wan-image-view [data-tell=notice]", "#wan-image-view [data-tell=sound]"


@pytest.fixture
def away(browser: Browser, app: App) -> Iterator[Page]:
    """A page at which nobody looks, in a browser that may show notifications."""
    with browser.new_context(reduced_motion="reduce", locale="en-US") as context:
        context.set_default_timeout(60_000)
        context.add_init_script(_NOTIFICATION + _COUNTED)
        page = context.new_page()
        opened(page, app.url)
        yield page


def begin(page: Page, prompt: str, takes: int = 1) -> None:
    """Asks for videos of a picture that nobody has sent yet."""
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture((400, 300))}
    )
    page.locator("#wan-image-view .preview img").wait_for()
    say(page, "image", prompt)
    page.locator("#wan-image-takes").get_by_label(str(takes), exact=True).check()
    generate(page, "image")
    page.locator("#wan-image-view .wan-view[data-live]").wait_for()


def dot(page: Page) -> str:
    """The colour of the dot on the icon of the browser's tab; "" for none."""
    icon = page.locator("link[rel=icon]").last.get_attribute("href")
    found = re.search(r"<circle [^>]*fill=\"(#\w+)\"", unquote(icon))
    return found[1] if found else ""


def test_a_notification_says_how_it_ended_to_whoever_looks_elsewhere(away: Page, app: App):
    with app.holding("RUNNING"):
        begin(away, "told of")
        expect(away.locator(_TELL)).to_have_attribute("aria-pressed", "false")
        away.locator(_TELL).click()
        expect(away.locator(_TELL)).to_have_attribute("aria-pressed", "true")
        reach(away, "image", "RUNNING")
        expect(away.locator(_TELL)).to_have_attribute("aria-pressed", "true")
        making = dot(away)
    reach(away, "image", "SUCCEEDED")
    away.wait_for_function("window.shown.length === 1")
    ((title, body),) = away.evaluate("window.shown")
    assert title == "Done · Wan Studio"
    assert "5.0 s" in body
    expect(away.locator(_TELL)).to_be_hidden()
    away.wait_for_function(
        f"!document.querySelector('link[rel=icon]').href.includes('{making[1:]}')"
    )
    assert (making, dot(away)) == ("#f0b35a", "#2fbf7f")

    opened(away, app.url)  # it is asked for once, and kept
    with app.holding("RUNNING"):
        begin(away, "four of them", takes=4)
        expect(away.locator(_TELL)).to_have_attribute("aria-pressed", "true")
    expect(away.locator("#wan-image-view .wan-take[data-state=SUCCEEDED]")).to_have_count(4)
    away.wait_for_function("window.shown.length === 1")
    assert away.evaluate("window.asked") is None

    away.evaluate("window.isLookedAt = true")
    begin(away, "seen anyway")
    reach(away, "image", "SUCCEEDED")
    assert away.evaluate("window.shown.length") == 1


def test_a_sound_is_played_if_it_is_wanted(away: Page, app: App):
    with app.holding("RUNNING"):
        begin(away, "heard")
        away.locator(_SOUND).click()
        expect(away.locator(_SOUND)).to_have_attribute("aria-pressed", "true")
        assert away.evaluate("window.tones") == 2  # it is heard when it is chosen
        reach(away, "image", "RUNNING")
    reach(away, "image", "SUCCEEDED")
    away.wait_for_function("window.tones === 4")
    assert away.evaluate("window.shown") == []


@pytest.mark.parametrize(
    ("locale", "why"), [("en-US", "Your browser blocks notifications"), ("zh-CN", "浏览器已阻止")]
)
def test_a_browser_that_may_not_says_why(visit: Visits, app: App, locale: str, why: str):
    page = visit(app.url, locale=locale)
    assert page.evaluate("Notification.permission") == "denied"
    with app.holding("RUNNING"):
        begin(page, f"not told of, {locale}")
        page.locator(_TELL).click()
        expect(page.locator("#wan-image-view .wan-tell [role=status]")).to_contain_text(why)
        expect(page.locator(_TELL)).to_have_attribute("aria-pressed", "false")
