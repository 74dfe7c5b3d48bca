"""Signing in and out in a real browser."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.findings import THEMES, findings, too_wide
from tests.browser.serving import DESKTOP, Visits, served
from tests.browser.test_axe import NARROW


def test_whoever_signed_in_can_sign_out(browser: Browser, tmp_path):
    with served(tmp_path, WAN_LOGINS="ann:secret-of-ann") as app:
        visitor = browser.new_context(reduced_motion="reduce", locale="en-US")
        page = visitor.new_page()
        page.goto(app.url)
        sign_in = page.get_by_role("button", name="Sign in")
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill("secret of ann")
        sign_in.click()
        expect(page.get_by_role("alert")).to_have_text(
            "That name and password don't match. Check both and try again."
        )
        assert visitor.cookies() == []
        expect(page.get_by_label("Name")).to_have_value("ann")
        expect(page.get_by_label("Password")).to_be_focused()
        page.keyboard.type("secret-of-ann")
        page.keyboard.press("Enter")
        page.locator("#wan-image-price strong").wait_for()
        expect(page.locator(".wan-who")).to_have_text("Signed in as ann")
        cookies = {cookie["sameSite"]: cookie["httpOnly"] for cookie in visitor.cookies()}
        assert cookies == {"Lax": True}
        page.get_by_role("button", name="Sign out").click()
        expect(sign_in).to_be_visible()
        assert visitor.cookies() == []
        page.goto(app.url)
        expect(sign_in).to_be_visible()
        page.get_by_role("link", name="中文").click()
        expect(page.get_by_role("button", name="登录")).to_be_visible()
        visitor.close()


def test_the_sign_in_page_is_for_everyone(visit: Visits, tmp_path: Path):
    with served(tmp_path, WAN_LOGINS="ann:secret-of-ann") as app:
        for size, locale in ((DESKTOP, "en-US"), (NARROW, "zh-CN")):
            page = visit.blank(app.url, size=size, locale=locale)
            page.goto(app.url)
            grave = findings(page, *THEMES)
            page.keyboard.type("ann")
            page.keyboard.press("Tab")
            page.keyboard.type("wrong")
            page.keyboard.press("Tab")
            expect(page.locator("form button")).to_be_focused()
            page.keyboard.press("Enter")
            page.get_by_role("alert").wait_for()
            grave += findings(page, *THEMES)
            assert not grave, "\n".join(grave)
            assert not too_wide(page)
            assert page.locator("html").get_attribute("lang") == locale.replace("-US", "")
