"""The page where browsers are not as at a developer's desk: without a secure context, translated,
with digits of another script.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.serving import App, generate, opened, reach, say
from tests.browser.translating import translator


@pytest.fixture
def lan(browser: Browser, app: App) -> Iterator[Page]:
    """The page as it is at an http address of the network: without a clipboard."""
    context = browser.new_context(
        reduced_motion="reduce", locale="en-US", viewport={"width": 1280, "height": 900}
    )
    context.set_default_timeout(60_000)
    context.add_init_script("delete Navigator.prototype.clipboard; window.copied = [];")
    context.add_init_script(
        "addEventListener('copy', () => window.copied.push(getSelection().toString()))"
    )
    page = context.new_page()
    opened(page, app.url)
    assert page.evaluate("!('clipboard' in Navigator.prototype)")
    yield page
    context.close()


def made(page: Page) -> None:
    """A video of a sample is on the stage."""
    page.locator(".wan-sample").first.click()
    page.locator("#wan-image-view .preview").wait_for()
    say(page, "image", "She turns to the camera.")
    generate(page, "image")
    reach(page, "image", "SUCCEEDED")


def review(page: Page) -> None:
    """A review of the newest video is opened in its tab."""
    page.get_by_role("tab", name="Library").click()
    page.locator("[data-choose]").first.check()
    page.locator(".wan-chosen [data-event=review]").click()
    page.locator("#wan-review-title input, #wan-review-title textarea").fill("Opening shot")
    page.locator("#wan-review-create").click()
    expect(page.locator("input[data-review-link]")).to_have_value(re.compile("^http"))


def test_every_button_copies_without_a_secure_context(lan: Page):
    made(lan)
    wanted = [lan.locator("#wan-image-view .wan-task code").text_content()]
    lan.locator("#wan-image-view .wan-task [data-copy]").click()
    expect(lan.locator("#wan-image-view .wan-task [data-copied]")).to_be_visible()
    lan.locator("[data-event=private_link]").click()
    wanted.append(lan.locator("#wan-share[open] input").input_value())
    lan.locator("#wan-share [data-copy]").click()
    expect(lan.locator("#wan-share [data-copied]")).to_have_text("Copied", use_inner_text=True)
    expect(lan.locator("#wan-share [data-copied]")).to_be_hidden(timeout=10_000)
    lan.locator("#wan-share [value=close]").click()
    review(lan)
    wanted.append(lan.locator("input[data-review-link]").input_value())
    lan.locator(".wr-link [data-copy]").click()
    expect(lan.locator(".wr-link [data-copied]")).to_be_visible()
    assert lan.evaluate("copied") == wanted
    assert re.fullmatch(r"[0-9a-f-]{36}", wanted[0])
    assert lan.evaluate("document.activeElement.matches('.wr-link [data-copy]')"), (
        "the focus stays where it was"
    )
    lan.evaluate("navigator.clipboard.writeText('as the buttons of Gradio do')")
    assert lan.evaluate("copied").pop() == "as the buttons of Gradio do"


def test_what_cannot_be_copied_is_selected_and_said(lan: Page):
    lan.evaluate("document.execCommand = () => false")
    made(lan)
    selected = """() => {
        const field = document.activeElement;
        return field.value?.slice(field.selectionStart, field.selectionEnd);
    }"""
    lan.locator("#wan-image-view .wan-task [data-copy]").click()
    expect(lan.locator("#wan-image-view .wan-task [data-selected]")).to_contain_text(
        "Selected. Copy it with Ctrl+C"
    )
    assert (
        lan.evaluate("getSelection().toString()")
        == lan.locator("#wan-image-view .wan-task code").text_content()
    )
    lan.locator("[data-event=private_link]").click()
    lan.locator("#wan-share [data-copy]").click()
    expect(lan.locator("#wan-share [data-selected]")).to_be_visible()
    assert lan.evaluate(selected) == lan.locator("#wan-share[open] input").input_value()


def test_a_refused_clipboard_is_no_end(lan: Page):
    lan.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', "
        "'NotAllowedError')); }"
    )
    lan.locator("[data-event=private_link]").click()
    lan.locator("#wan-share [data-copy]").click()
    expect(lan.locator("#wan-share [data-copied]")).to_be_visible()
    assert lan.evaluate("copied") == [lan.locator("#wan-share[open] input").input_value()]


@pytest.fixture(params=[True, False], ids=["heeds", "heeds-nothing"])
def translated(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    """A browser that writes what it reads anew: one that heeds `translate="no"`, and one that does
    not.
    """
    context = browser.new_context(
        reduced_motion="reduce", locale="en-US", viewport={"width": 1280, "height": 900}
    )
    context.set_default_timeout(60_000)
    context.add_init_script(translator(heeds=request.param))
    yield context
    context.close()


def test_a_translator_and_the_page_do_not_fight(translated: BrowserContext, app: App):
    page = translated.new_page()
    opened(page, app.url)
    page.locator(".wan-sample").first.click()
    page.locator("#wan-image-view .preview").wait_for()
    say(page, "image", "Shot 12 of 40.")
    clock = page.locator("#wan-image-view .wan-clock b")
    with app.holding("RUNNING"):
        generate(page, "image")
        reach(page, "image", "RUNNING")
        expect(clock).to_have_text(re.compile("[0-9۰-۹]:[0-9۰-۹]{2}"))
        before, shown = page.evaluate("changes"), clock.text_content()
        page.wait_for_function(
            "shown => document.querySelector('#wan-image-view .wan-clock b').textContent !== shown",
            arg=shown,
        )
        assert page.evaluate("changes") - before < 200
    reach(page, "image", "SUCCEEDED")
    assert page.evaluate("changes") < 20_000
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.locator("#wan-image-view .wan-task [data-copy]").click()
    page.wait_for_function("window.copied")
    assert re.fullmatch(r"[0-9a-f-]{36}", page.evaluate("copied"))
