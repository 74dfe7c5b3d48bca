"""A page whose server is away for longer than a page waits for it."""

import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.serving import opened, reach, served
from tests.browser.test_resilience import begin
from tests.patience import PATIENCE


def test_a_page_whose_server_stays_away_is_kept_until_it_is_back(browser: Browser, tmp_path: Path):
    failed: list[str] = []
    with ExitStack() as running:
        visitor = running.enter_context(browser.new_context(reduced_motion="reduce"))
        page = visitor.new_page()
        page.clock.install()
        page.clock.resume()
        app = running.enter_context(served(tmp_path, pending=0.2, running=0.2))
        opened(page, app.url)
        with app.holding("PENDING"):
            begin(page, "killed, and away for a minute")
            reach(page, "image", "PENDING")
            app.kill()
        page.on("requestfailed", lambda request: failed.append(request.method))
        until = time.monotonic() + PATIENCE
        while "HEAD" not in failed:
            assert time.monotonic() < until, "the page does not look whether it is answered"
            page.clock.fast_forward(11_000)
            page.wait_for_timeout(100)
        assert page.locator("#wan-image-view [data-live]").count() == 1
        app.expire_leases()
        running.enter_context(served(tmp_path, port=app.port, pending=0.2, running=0.2))
        page.clock.fast_forward(11_000)
        reach(page, "image", "SUCCEEDED")
