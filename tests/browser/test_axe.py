"""The page for everyone: what axe-core finds, the keyboard alone, narrow windows, and nothing that
jumps.
"""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.findings import THEMES, findings, too_wide
from tests.browser.serving import DESKTOP, App, Visits, generate, reach, say, served, switch
from tests.ui.test_compare import take
from wan.domain.messages import Language
from wan.web.compare import board

PHONE, NARROW = {"width": 390, "height": 844}, {"width": 360, "height": 780}
SHIFTS = """() => {
    const said = ({ node, previousRect: was, currentRect: is }) =>
        `${was.x},${was.y} to ${is.x},${is.y}: ` +
        (node?.outerHTML ?? node?.textContent ?? '').slice(0, 90);
    window.shifts = [];
    new PerformanceObserver(list => list.getEntries().forEach(entry => {
        const { value, hadRecentInput, sources } = entry;
        const head = document.querySelector('#wan-image-view .wan-head');
        const header = `${head?.offsetHeight} high: ${head?.outerHTML}`;
        const told = `${sources.map(said).join(' | ')} | ${header}`;
        if (!hadRecentInput) window.shifts.push([value, told]);
    })).observe({ type: 'layout-shift' });
}"""
FOCUSED = """() => {
    const part = document.activeElement;
    if (!part || part === document.body) return null;
    if (!part.dataset.walked) part.dataset.walked = String(Math.random());
    const { x, y, width, height } = part.getBoundingClientRect();
    const html = part.outerHTML.slice(0, 160);
    return { walked: part.dataset.walked, html, box: [x, y, width, height] };
}"""
MISSED = """() => [...document.querySelectorAll(
    'button, input, textarea, select, a[href], summary, [role=tab], [role=slider]'
)].filter(part => {
    const looks = { visibilityProperty: true, opacityProperty: true };
    if (part.dataset.walked || part.disabled || !part.checkVisibility(looks)) return false;
    const { width, height } = part.getBoundingClientRect();
    const hidden = part.closest('[inert], [aria-hidden=true], .visually-hidden');
    if (width < 2 || height < 2 || hidden) return false;
    // one of them is reached, the arrows lead to the others
    if (part.matches('[role=tab]')) return false;
    const group = part.type === 'radio' && document.querySelectorAll(`input[name="${part.name}"]`);
    return !(group && [...group].some(one => one.dataset.walked)); // the arrows again
}).map(part => part.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The demo, in which visitors may give a key of their own: so it has the panel of the
    connection too.
    """
    with served(
        tmp_path_factory.mktemp("app"), pending=0.2, running=0.2, WAN_BACKEND="auto"
    ) as running:
        yield running


def tabs(page: Page) -> list[Locator]:
    """Every tab of the page, whichever there are."""
    found = page.locator("#wan-tabs > .tab-wrapper").get_by_role("tab").all()
    assert len(found) >= 2
    return found


def shown(page: Page, tab: Locator) -> None:
    """Turns to a tab, with everything that is folded away opened."""
    tab.click()
    for folded in page.locator(".wan-more:visible > button:not(.open)").all():
        folded.click()
    page.wait_for_timeout(400)  # Gradio unfolds slowly


def found(page: Page, where: str) -> list[str]:
    """What axe finds in windows of either size and in either theme, and where. The page is in a
    window for a desktop before and after.
    """
    grave = []
    for name, size in (("phone", PHONE), ("desktop", DESKTOP)):
        page.set_viewport_size(size)
        grave += [f"{where}, {name}: {one}" for one in findings(page, *THEMES)]
    return grave


def test_axe_finds_nothing_grave(visit: Visits, app: App):
    page = visit(app.url)
    grave = []
    for tab in tabs(page):
        grave += found(page, f"{tab.inner_text()}, as it opens")
        shown(page, tab)
        grave += found(page, tab.inner_text())
    for opener, what, panel in (
        ("[data-connect]", "connection", "#wan-connection"),
        ("[data-event=private_link]", "private link", "#wan-share"),
    ):
        page.locator(opener).first.click()
        expect(page.locator(panel)).to_be_visible()
        grave += found(page, what)
        expect(page.locator(panel)).to_be_visible()
        page.keyboard.press("Escape")
    tabs(page)[0].click()
    generate(page, "image")
    page.locator("#wan-image-view .wan-card.bad").wait_for()
    grave += found(page, "refused")
    page.locator(".wan-sample:visible").first.click()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    grave += found(page, "preview")
    say(page, "image", "One for axe.")
    with app.holding("RUNNING"):  # it stays so for as long as is looked
        generate(page, "image")
        reach(page, "image", "RUNNING")
        grave += found(page, "running")
        assert page.locator('#wan-image-view [data-state="RUNNING"]').is_visible()
    reach(page, "image", "SUCCEEDED")
    page.locator("#wan-image-view [data-details] > summary").first.click()
    grave += found(page, "done")
    with_board(page)
    grave += found(page, "takes side by side")
    assert not grave, "\n".join(grave)


def with_board(page: Page, language: Language = "en") -> None:
    """Puts two takes side by side under the stage."""
    video = str(page.locator("#wan-image-view video").get_attribute("src"))
    html = board(language, [(take(n, seed=n, name=""), video, "") for n in (1, 2)])
    page.locator("#wan-image-view .wan-view").evaluate(
        "(view, html) => view.insertAdjacentHTML('afterend', html)", html
    )
    page.locator(".wan-compare summary").click()
    expect(page.locator("[data-frames]")).not_to_have_text("1")


def test_no_tab_is_wider_than_a_narrow_phone(visit: Visits, app: App):
    page = visit(app.url, size=NARROW)
    for language in ("en", "zh"):
        switch(page, language)
        for tab in tabs(page):
            shown(page, tab)
            assert not too_wide(page)
            assert tab.evaluate("tab => tab.scrollWidth <= tab.clientWidth")
    tabs(page)[0].click()
    page.locator(".wan-sample:visible").first.click()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    generate(page, "image")
    reach(page, "image", "SUCCEEDED")
    assert not too_wide(page)
    with_board(page)
    assert not too_wide(page)


@pytest.mark.parametrize("tab", [0, 1])
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(page: Page, tab: int):
    shown(page, tabs(page)[tab])
    page.evaluate(
        "const top = document.createElement('span'); top.tabIndex = -1; "
        "document.body.prepend(top); top.focus()"
    )
    page.keyboard.press("Tab")
    way: list[dict] = []
    unseen = []
    while (part := page.evaluate(FOCUSED)) and (
        not way or part["walked"] not in [one["walked"] for one in way]
    ):
        way.append(part)
        if not is_seen(page):
            unseen.append(part["html"])
        page.keyboard.press("Tab")
    assert len(way) > 15
    assert not unseen, "\n".join(unseen)
    missed = page.evaluate(MISSED)
    assert not missed, "\n".join(missed)
    names = " ".join(part["html"] for part in way)
    order = [
        names.index(one)
        for one in ('data-event="private_link"', 'data-lang="zh"', 'role="tab"', "<textarea")
    ]
    assert order == sorted(order)


def test_a_list_has_one_ring_around_all_of_it_and_closes_behind_the_focus(page: Page):
    page.get_by_role("tab", name="Library").click()
    page.locator("#wan-library-state input").click()
    rings = page.evaluate("""() => {
        const parts = [];
        for (let part = document.activeElement; part; part = part.parentElement) parts.push(part);
        const lit = parts.filter(part => getComputedStyle(part).outlineStyle !== 'none');
        return lit.map(part => part.className);
    }""")
    assert len(rings) == 1
    assert rings[0].startswith("wrap ")
    opener = page.locator("#wan-library-state input")
    expect(opener).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")
    page.wait_for_timeout(100)  # Gradio opened it again a moment later
    expect(opener).to_have_attribute("aria-expanded", "false")


def is_seen(page: Page) -> bool:
    """Whether the part that has the focus looks different without it."""
    part = page.evaluate_handle("document.activeElement").as_element()
    x, y, width, height = page.evaluate(FOCUSED)["box"]
    clip = {
        "x": max(0, x - 12),
        "y": max(0, y - 12),
        "width": min(width, 900) + 24,
        "height": min(height, 300) + 24,
    }
    focused = picture(page, clip)
    part.evaluate("part => { window.blurred = part; part.blur(); }")
    without = picture(page, clip)
    part.evaluate("part => part.focus({ preventScroll: true, focusVisible: true })")
    return int((np.abs(focused - without).max(axis=2) > 24).sum()) > 20


def picture(page: Page, clip: dict[str, float]) -> np.ndarray:
    """A part of the window as it looks."""
    return np.asarray(
        Image.open(io.BytesIO(page.screenshot(clip=clip, animations="disabled"))).convert("RGB"),
        np.int16,
    )


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_jumps_from_the_click_to_the_video(visit: Visits, app: App, size: dict[str, int]):
    page = visit(app.url, size=size)
    page.locator(".wan-sample:visible").first.click()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    say(page, "image", f"Nothing jumps, {size['width']} wide.")
    page.wait_for_timeout(1000)
    page.evaluate(SHIFTS)
    with app.holding(
        "RUNNING"
    ):  # between two states that share a sentence, which would be seen to move
        generate(page, "image")
        reach(page, "image", "RUNNING")
    reach(page, "image", "SUCCEEDED")
    page.locator("#wan-image-view video").evaluate(
        "video => { video.muted = true; return video.play(); }"
    )
    page.wait_for_timeout(500)
    shifts = page.evaluate("window.shifts")
    assert sum(value for value, _ in shifts) < 0.02, "\n".join(
        f"{value:.4f} {parts}" for value, parts in shifts
    )


def test_a_board_in_the_page_is_not_dressed_by_gradio(page: Page):
    say(page, "image", "Dressed by its own.")
    page.locator(".wan-sample:visible").first.click()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    generate(page, "image")
    reach(page, "image", "SUCCEEDED")
    with_board(page)
    screens = [screen.bounding_box() for screen in page.locator(".wan-compare-screen").all()]
    assert screens[0]["y"] == screens[1]["y"]
    for part in page.locator("[data-do], .wan-compare select").all():
        assert part.bounding_box()["height"] == 44
    page.get_by_role("button", name="Play all").click()
    page.wait_for_function(
        "[...document.querySelectorAll('.wan-compare video')].every(video => video.currentTime "
        "> 0.5)"
    )
