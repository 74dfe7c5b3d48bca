"""The page in each language has no words of the other: texts, placeholders, and the names that
screen readers say.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.serving import App, Visits, generate, reach, say
from tests.browser.test_axe import app, shown, tabs, with_board  # noqa: F401 - `app` is a fixture: the demo with all its panels

CHINESE = re.compile("[\u3400-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{2,}")
# the same in every language: names of products, models, files, formats and units
_NAMES = re.compile(
    r"[\w-]{16,}|[\da-f]{8}(?=…)"  # ids, whose parts may have no figure
    r"|Wan Studio|original\.mp4|Wan(?: 2\.6)?|wan2\.6[\w-]*|Flash|EN\b|URL|https?://\S*|MP4|JPEG|PNG|WebP|JSON|fps|px"
    r"|API|Key|ID\b|Space|Gradio|\bcharacter\d+|\w*\d\w*"
    r"|\b(?:Home|End|Shift|M)\b"  # keys
)
SAID = """() => {
    const looks = { visibilityProperty: true, opacityProperty: true };
    const seen = part =>
        part && part.checkVisibility(looks) && !part.closest('style, script, noscript');
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const said = [];
    while (walker.nextNode()) {
        const { parentElement, textContent } = walker.currentNode;
        if (seen(parentElement)) said.push(textContent.trim());
    }
    const named = '[placeholder], [aria-label], [title], [alt], [aria-roledescription]';
    for (const part of document.querySelectorAll(named)) {
        const names = ['placeholder', 'aria-label', 'title', 'alt'];
        if (seen(part)) for (const name of names) said.push(part.getAttribute(name)?.trim());
    }
    return [...new Set(said)].filter(Boolean);
}"""


def foreign(page: Page, language: str) -> list[str]:
    """What the page says that is not in its language."""
    page.wait_for_timeout(300)  # the script looks four times a second
    said = page.evaluate(SAID)
    if language == "en":
        return [text for text in said if CHINESE.search(text) and text != "中文"]
    return [
        text for text in said if LATIN.search(_NAMES.sub(" ", text)) and not CHINESE.search(text)
    ]


@pytest.mark.parametrize(("language", "locale"), [("zh", "en-US"), ("en", "zh-CN")])
def test_a_switch_leaves_no_word_of_the_other_language(
    visit: Visits,
    app: App,  # noqa: F811
    language: str,
    locale: str,
):
    page = visit(app.url, locale=locale)
    page.locator(f"[data-lang={language}]").click()
    slips = set(foreign(page, language))  # of tabs to which nobody has turned yet, too
    for tab in tabs(page):
        shown(page, tab)
        slips |= set(foreign(page, language))
    assert not slips, "\n".join(sorted(slips))


@pytest.mark.parametrize(
    ("language", "locale", "prompt"),
    [("en", "en-US", "A quiet sea."), ("zh", "zh-CN", "静静的海。")],
)
def test_the_page_speaks_one_language(
    visit: Visits,
    app: App,  # noqa: F811
    language: str,
    locale: str,
    prompt: str,
):
    page = visit(app.url, locale=locale)
    slips: set[str] = set()
    for tab in tabs(page):
        shown(page, tab)
        slips |= set(foreign(page, language))
    for opener, panel in (("[data-connect]", "#wan-connection"), ("[data-share]", "#wan-share")):
        page.locator(opener).first.click()
        expect(page.locator(panel)).to_be_visible()
        slips |= set(foreign(page, language))
        page.keyboard.press("Escape")
    tabs(page)[0].click()
    generate(page, "image")
    page.locator("#wan-image-view .wan-card.bad").wait_for()
    slips |= set(foreign(page, language))
    page.locator(".wan-sample:visible").first.click()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    say(page, "image", prompt)
    with app.holding("RUNNING"):
        generate(page, "image")
        reach(page, "image", "RUNNING")
        slips |= set(foreign(page, language))
    reach(page, "image", "SUCCEEDED")
    page.locator("#wan-image-view summary").first.click()
    slips |= set(foreign(page, language))
    with_board(page)
    slips |= set(foreign(page, language)) - {"A quiet sea."}
    assert not slips, "\n".join(sorted(slips))
