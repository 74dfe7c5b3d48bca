"""Signing in and out in a real browser."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.findings import THEMES, findings, too_wide
from tests.browser.serving import ARRIVED, DESKTOP, Visits, go, served
from tests.browser.test_axe import NARROW
from tests.expenses import MONTH, SETTINGS, fill


def test_whoever_signed_in_can_sign_out(browser: Browser, tmp_path):
    with served(tmp_path, WAN_LOGINS="ann:secret-of-ann") as app:
        visitor = browser.new_context(reduced_motion="reduce", locale="en-US")
        page = visitor.new_page()
        go(page, app.url)
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
        page.locator(ARRIVED).wait_for()
        expect(page.locator(".wan-who")).to_have_text("Signed in as ann")
        cookies = {cookie["sameSite"]: cookie["httpOnly"] for cookie in visitor.cookies()}
        assert cookies == {"Lax": True}
        page.get_by_role("button", name="Sign out").click()
        expect(sign_in).to_be_visible()
        assert visitor.cookies() == []
        go(page, app.url)
        expect(sign_in).to_be_visible()
        page.get_by_role("link", name="中文").click()
        expect(page.get_by_role("button", name="登录")).to_be_visible()
        visitor.close()


def test_the_operators_page_is_for_everyone(visit: Visits, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'wan.sqlite3'}"
    fill(url)
    with served(tmp_path, WAN_DATABASE_URL=url, **SETTINGS) as app:
        for size, locale, link in ((DESKTOP, "en-US", "Spending"), (NARROW, "zh-CN", "支出")):
            page = visit.blank(app.url, size=size, locale=locale)
            go(page, app.url)
            page.locator("[name=username]").fill("ann")
            page.locator("[name=password]").fill("secret-of-ann")
            page.keyboard.press("Enter")
            page.get_by_role("link", name=link).click()
            expect(page.locator("html")).to_have_attribute("lang", locale.replace("-US", ""))
            go(page, f"{app.url}/spending?month={MONTH}")
            expect(page.locator(".sp-jobs tbody tr")).to_have_count(10)
            grave = findings(page, *THEMES)
            assert not grave, "\n".join(grave)
            assert not too_wide(page)
            with page.expect_download() as download:
                page.locator("a[download]").click()
            assert download.value.suggested_filename == f"wan-spending-{MONTH}.csv"
            page.get_by_role("link", name="Wan Studio").click()
            page.locator(ARRIVED).wait_for()


def test_the_sign_in_page_is_for_everyone(visit: Visits, tmp_path: Path):
    with served(tmp_path, WAN_LOGINS="ann:secret-of-ann") as app:
        for size, locale in ((DESKTOP, "en-US"), (NARROW, "zh-CN")):
            page = visit.blank(app.url, size=size, locale=locale)
            go(page, app.url)
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
