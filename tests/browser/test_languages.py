"""The page in each language has no words of the other: texts, placeholders, and the names that
screen readers say.
"""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.serving import SAMPLES, App, Visits, generate, go, opened, reach, say, switch
from tests.browser.test_axe import app, shown, tabs, with_board  # noqa: F401 - `app` is a fixture: the demo with all its panels
from wan.domain.messages import Language

CHINESE = re.compile("[\u3400-\u9fff]")
LATIN = re.compile(r"[A-Za-z]{2,}")
# the same in every language: names of products, models, files, formats and units
_NAMES = re.compile(
    r"[\w-]{16,}|[\da-f]{8}(?=…)"  # ids, whose parts may have no figure
    r"|Wan Studio|original\.mp4|Wan(?: 2\.6)?|wan2\.6[\w-]*|Flash|EN\b|URL|https?://\S*|MP4|JPEG|PNG|WebP|JSON|fps|px"
    r"|API|Key|ID\b|Space|Gradio|\bcharacter\d+|\w*\d\w*"
    r"|\b(?:Home|End|Shift|M)\b"  # keys
)
# Gradio 6.31.0 has these in English only; screen readers say them.
_GRADIOS = re.compile(
    r"Click to upload or drop files|Gradio footer navigation|Remove Image|More tabs|File upload"
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
    said = page.evaluate(SAID)
    if language == "en":
        return [text for text in said if CHINESE.search(text) and text != "中文"]
    return [
        text
        for text in said
        if LATIN.search(_NAMES.sub(" ", _GRADIOS.sub(" ", text))) and not CHINESE.search(text)
    ]


@pytest.mark.parametrize(("language", "locale"), [("zh", "en-US"), ("en", "zh-CN")])
def test_a_switch_leaves_no_word_of_the_other_language(
    visit: Visits,
    app: App,  # noqa: F811
    language: str,
    locale: str,
):
    page = visit(app.url, locale=locale)
    switch(page, language)
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
    language: Language,
    locale: str,
    prompt: str,
):
    page = visit(app.url, locale=locale)
    slips: set[str] = set()
    for tab in tabs(page):
        shown(page, tab)
        slips |= set(foreign(page, language))
    for opener, panel in (
        ("[data-connect]", "#wan-connection"),
        ("[data-event=private_link]", "#wan-share"),
    ):
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
    page.locator("#wan-image-view [data-details] > summary").first.click()
    slips |= set(foreign(page, language))
    with_board(page, language)
    slips |= set(foreign(page, language)) - {"A quiet sea."}
    assert not slips, "\n".join(sorted(slips))


def test_a_filled_form_comes_along(visit: Visits, app: App):  # noqa: F811
    page = visit(app.url)
    box = page.locator("#wan-image-reference_image")
    box.locator("input[type=file]").set_input_files(SAMPLES / "chelsea.png")
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    say(page, "image", "A quiet sea.")
    page.locator("#wan-image-duration input[type=number]").fill("7")
    page.locator("#wan-image-takes input").nth(1).check()
    tabs(page)[1].click()
    say(page, "reference", "character1 sings.")
    page.get_by_label("Standard · finer detail").click()
    for language in ("zh", "en"):
        switch(page, language)
        expect(tabs(page)[1]).to_have_attribute("aria-selected", "true")
        expect(page.locator("#wan-reference-prompt textarea")).to_have_value("character1 sings.")
        expect(page.locator("#wan-reference-model input").nth(1)).to_be_checked()
        tabs(page)[0].click()
        expect(page.locator("#wan-image-prompt textarea")).to_have_value("A quiet sea.")
        expect(page.locator("#wan-image-duration input[type=number]")).to_have_value("7")
        expect(page.locator("#wan-image-takes input").nth(1)).to_be_checked()
        expect(box.locator("img")).to_be_visible()
        expect(page.locator("#wan-image-view .preview img")).to_be_visible()
        tabs(page)[1].click()
    tabs(page)[0].click()
    generate(page, "image")
    expect(page.locator('#wan-image-view [data-state="SUCCEEDED"].wan-take')).to_have_count(
        2, timeout=60_000
    )


def test_a_key_that_would_be_lost_is_said_first(visit: Visits, app: App):  # noqa: F811
    page = visit(app.url)
    page.locator("[data-connect]").first.click()
    page.locator("#wan-connection-key input").fill("sk-typed-by-somebody")
    page.keyboard.press("Escape")
    page.locator("[data-lang=zh]").click()
    dialog = page.locator("#wan-switch")
    expect(dialog).to_be_visible()
    dialog.locator("[value=stay]").click()
    expect(dialog).to_be_hidden()
    assert page.locator("#wan-connection-key input").input_value() == "sk-typed-by-somebody"
    page.locator("[data-lang=zh]").click()
    dialog.locator("[value=go]").click()
    page.wait_for_url(f"{app.url}/zh?lang=zh")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "sk-typed" not in kept


def test_jobs_go_on_in_the_other_language(visit: Visits, app: App):  # noqa: F811
    page = visit(app.url)
    page.locator(".wan-sample:visible").first.click()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    with app.holding("RUNNING"):
        generate(page, "image")
        reach(page, "image", "RUNNING")
        switch(page, "zh")
        expect(page.locator("#wan-image-view .wan-title")).to_have_text("生成中")
    reach(page, "image", "SUCCEEDED")
    assert app.created() >= 1


def test_a_private_link_reaches_the_page_in_the_browsers_language(
    visit: Visits,
    app: App,  # noqa: F811
):
    page = visit.blank(app.url, locale="zh-CN")
    go(page, f"{app.url}/?a=b#jobs={'x' * 43}")
    page.wait_for_url(f"{app.url}/zh?a=b**")
    expect(page.locator("#wan-claim")).to_be_visible()
    expect(page.locator("#wan-claim h2")).to_have_text(CHINESE)


def test_a_private_link_names_no_language(visit: Visits, app: App):  # noqa: F811
    page = visit(app.url, locale="zh-CN")
    page.locator("[data-event=private_link]").click()
    expect(page.locator("#wan-share input")).to_have_value(
        re.compile(rf"^{re.escape(app.url)}/#jobs=[\w-]+$")
    )


def test_the_pages_show_no_bar_and_the_same_endpoints(visit: Visits, app: App):  # noqa: F811
    page = visit(f"{app.url}/zh")
    expect(page.locator(".nav-holder")).to_have_count(0)
    page.locator("footer button:visible").click()
    page.get_by_text("/image_to_video", exact=True).first.wait_for()


def test_english_is_one_click_away_for_a_chinese_browser(visit: Visits, app: App):  # noqa: F811
    page = visit(app.url, locale="zh-CN")
    assert page.url == f"{app.url}/zh"
    switch(page, "en")
    assert page.url == f"{app.url}/?lang=en"
    opened(page, app.url)  # and is remembered
    assert page.url == f"{app.url}/"
    expect(page.locator("#wan-image-generate")).to_have_text("Generate")
