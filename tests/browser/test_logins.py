"""Signing in and out in a real browser."""

from playwright.sync_api import Browser, expect

from tests.browser.serving import served


def test_whoever_signed_in_can_sign_out(browser: Browser, tmp_path):
    with served(tmp_path, WAN_LOGINS="ann:secret-of-ann") as app:
        visitor = browser.new_context(reduced_motion="reduce", locale="en-US")
        page = visitor.new_page()
        page.goto(app.url)
        page.get_by_label("username").fill("ann")
        page.get_by_label("password").fill("secret-of-ann")
        page.get_by_role("button", name="Login").click()
        page.locator("#wan-image-price strong").wait_for()
        cookies = {cookie["sameSite"]: cookie["httpOnly"] for cookie in visitor.cookies()}
        assert cookies == {"Lax": True}
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Login")).to_be_visible()
        assert visitor.cookies() == []
        page.goto(app.url)
        expect(page.get_by_role("button", name="Login")).to_be_visible()
        visitor.close()
