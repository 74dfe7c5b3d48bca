"""Pictures of the page in every state that matters: `python -m tests.browser.screenshots OUTDIR`.
Look at each of them after a change of the look.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.serving import chromium, generate, opened, reach, served

_DESKTOP = {"width": 1440, "height": 900}
_PHONE = {"width": 390, "height": 844}


def main(out: Path) -> None:
    """Takes them all."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), pending=1, running=4) as app,
        chromium() as browser,
    ):
        for scheme in ("light", "dark"):
            _tour(browser, app.url, out / f"desktop-{scheme}", scheme=scheme, viewport=_DESKTOP)
        _tour(browser, app.url, out / "phone-light", scheme="light", viewport=_PHONE)
        _tour(browser, app.url, out / "phone-dark", scheme="dark", viewport=_PHONE)
        _tour(
            browser,
            app.url,
            out / "desktop-chinese",
            scheme="light",
            viewport=_DESKTOP,
            locale="zh-CN",
        )


def _tour(
    browser: Browser,
    url: str,
    prefix: Path,
    *,
    scheme: str,
    viewport: dict[str, int],
    locale: str = "en-US",
) -> None:
    phone = viewport is _PHONE
    context = browser.new_context(
        viewport=viewport,
        color_scheme=scheme,
        locale=locale,
        device_scale_factor=1,
        has_touch=phone,
        is_mobile=phone,
    )
    page = context.new_page()
    opened(page, url)
    _shoot(page, prefix, "image-1-idle")
    generate(page, "image")
    page.locator("#wan-image-view .wan-card.bad").wait_for()
    _shoot(page, prefix, "image-2-refused")
    page.locator(".wan-sample").first.click()
    page.locator("#wan-image-view .preview").wait_for()
    page.locator("#wan-image-reference_image img").first.wait_for()
    _shoot(page, prefix, "image-3-ready")
    _film(page, prefix, "image")
    page.locator("#wan-image-view").locator(
        "xpath=ancestor::*[contains(@class,'wan-room')]"
    ).locator(".wan-more button").first.click()
    _shoot(page, prefix, "image-6-more")
    page.get_by_role("tab").nth(1).click()
    _shoot(page, prefix, "reference-1-idle")
    page.locator(".wan-sample").nth(2).click()
    page.locator(".wan-tile").nth(1).wait_for()
    _shoot(page, prefix, "reference-3-ready")
    _film(page, prefix, "reference")
    _takes(page, prefix)
    _library(page, prefix)
    link = _reviewed(page, prefix)
    _review_page(context.new_page(), page, link, prefix)
    context.close()


def _film(page: Page, prefix: Path, tab: str) -> None:
    generate(page, tab)
    reach(page, tab, "RUNNING")
    page.wait_for_timeout(1600)
    _shoot(page, prefix, f"{tab}-4-running")
    reach(page, tab, "SUCCEEDED")
    page.mouse.move(2, 2)
    page.locator(f"#wan-{tab}-view video").evaluate(
        "video => { video.muted = true; return video.play(); }"
    )
    page.wait_for_timeout(3400)  # the browser's controls fade while it plays
    _shoot(page, prefix, f"{tab}-5-done")


def _takes(page: Page, prefix: Path) -> None:
    """Four takes of one brief, while they are made and when they are there."""
    page.get_by_role("tab").nth(0).click()
    page.locator("#wan-image-duration input[type=number]").fill("2")
    page.locator("#wan-image-takes").get_by_label("4", exact=True).check()
    generate(page, "image")
    page.locator("#wan-image-view .wan-take[data-state=RUNNING]").first.wait_for()
    page.wait_for_timeout(1000)
    _shoot(page, prefix, "takes-1-running")
    page.locator("#wan-image-view [data-choose=compare]").wait_for()
    page.wait_for_function(
        "document.querySelectorAll('#wan-image-view .wan-take[data-state=SUCCEEDED]').length == 4"
    )
    _shoot(page, prefix, "takes-2-done")
    page.locator("#wan-image-view [data-choose=compare]").click()
    page.wait_for_function(
        "document.querySelectorAll('#wan-library [data-compare] video').length == 4"
    )
    page.wait_for_timeout(1500)
    _shoot(page, prefix, "compare")
    page.locator("#wan-library [data-event=close]").first.click()


def _library(page: Page, prefix: Path) -> None:
    """The cards, one job, and what can be done with those that are chosen."""
    page.locator("#wan-library .wan-item").nth(5).wait_for()
    page.wait_for_timeout(800)
    _shoot(page, prefix, "library-1")
    page.locator("#wan-library [data-event=open]").first.click()
    page.locator("#wan-library .wan-job-side").wait_for()
    page.wait_for_timeout(800)
    _shoot(page, prefix, "library-2-job")
    page.locator("#wan-library [data-event=close]").first.click()
    page.locator(".wan-chosen [data-event=review]").click()


def _reviewed(page: Page, prefix: Path) -> str:
    """A review is made. Gives its link."""
    page.locator("#wan-review-chosen img").nth(3).wait_for()
    page.locator("#wan-review-title :is(input, textarea)").fill("Which of these opens the film?")
    page.locator("#wan-review-note textarea").fill(
        "The first three seconds matter most. Please look at the hands too."
    )
    _shoot(page, prefix, "review-1-new")
    page.locator("#wan-review-create").click()
    link = page.locator("input[data-review-link]")
    page.wait_for_function(
        "document.querySelector('input[data-review-link]')?.value.startsWith('http')"
    )
    return link.input_value()


def _review_page(page: Page, owner: Page, link: str, prefix: Path) -> None:
    """What somebody with the link sees and says, what the owner sees of it, and a link that is
    none.
    """
    page.goto(link)
    page.locator("#name").fill("Mei")
    for number, verdict in ((1, "yes"), (2, "maybe"), (3, "no")):
        page.locator(f"[data-take='{number}'] .rv-{verdict}").first.click()
    page.locator("[data-take='1'] .rv-form textarea").fill("Her look at the end is exactly it.")
    page.locator("[data-take='1'] .rv-form .rv-send").click()
    page.locator("[data-take='1'] .rv-text").wait_for()
    page.evaluate("scrollTo(0, 0)")
    _shoot(page, prefix, "review-2-page")
    page.screenshot(path=f"{prefix}-review-2-page-full.png", full_page=True)
    page.locator(".rv-open").click()
    page.wait_for_timeout(1500)
    _shoot(page, prefix, "review-3-compare")
    owner.locator("[data-part=comments-1]").filter(has_text="Mei").first.wait_for()
    _shoot(owner, prefix, "review-4-owner")
    owner.screenshot(path=f"{prefix}-review-4-owner-full.png", full_page=True)
    page.goto(link + "x")
    _shoot(page, prefix, "review-5-gone")
    page.close()


def _shoot(page: Page, prefix: Path, name: str) -> None:
    page.wait_for_timeout(350)
    page.screenshot(path=f"{prefix}-{name}.png")
    if "phone" in prefix.name:
        page.screenshot(path=f"{prefix}-{name}-full.png", full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
