"""Pictures of the page in every state that matters: `python -m tests.browser.screenshots OUTDIR`. Look at each of them after a change of the look."""

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
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), pending=1, running=4) as app, chromium() as browser:
        for scheme in ("light", "dark"):
            _tour(browser, app.url, out / f"desktop-{scheme}", scheme=scheme, viewport=_DESKTOP)
        _tour(browser, app.url, out / "phone-light", scheme="light", viewport=_PHONE)
        _tour(browser, app.url, out / "phone-dark", scheme="dark", viewport=_PHONE)
        _tour(browser, app.url, out / "desktop-chinese", scheme="light", viewport=_DESKTOP, locale="zh-CN")


def _tour(browser: Browser, url: str, prefix: Path, *, scheme: str, viewport: dict[str, int], locale: str = "en-US") -> None:
    phone = viewport is _PHONE
    context = browser.new_context(viewport=viewport, color_scheme=scheme, locale=locale, device_scale_factor=1, has_touch=phone, is_mobile=phone)
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
    page.locator("#wan-image-view").locator("xpath=ancestor::*[contains(@class,'wan-room')]").locator(".wan-more button").first.click()
    _shoot(page, prefix, "image-6-more")
    page.get_by_role("tab").nth(1).click()
    _shoot(page, prefix, "reference-1-idle")
    page.locator(".wan-sample").nth(2).click()
    page.locator(".wan-tile").nth(1).wait_for()
    _shoot(page, prefix, "reference-3-ready")
    _film(page, prefix, "reference")
    context.close()


def _film(page: Page, prefix: Path, tab: str) -> None:
    generate(page, tab)
    reach(page, tab, "RUNNING")
    page.wait_for_timeout(1600)
    _shoot(page, prefix, f"{tab}-4-running")
    reach(page, tab, "SUCCEEDED")
    page.mouse.move(2, 2)
    page.locator(f"#wan-{tab}-view video").evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_timeout(3400)  # the browser's controls fade while it plays
    _shoot(page, prefix, f"{tab}-5-done")


def _shoot(page: Page, prefix: Path, name: str) -> None:
    page.wait_for_timeout(350)
    page.screenshot(path=f"{prefix}-{name}.png")
    if "phone" in prefix.name:
        page.screenshot(path=f"{prefix}-{name}-full.png", full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
