"""The app and the browser, once for all of these tests; each test has a visitor of its own.

Of the package, not of the session: Playwright keeps an event loop in this thread until it is stopped, and then no async test could run.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.serving import App, NoBrowser, chromium, opened, served

_LEAVING = re.compile("AbortError|Connection errored out")  # what Gradio says of its own stream when the page is left


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, with a simulator that takes about three seconds for a video."""
    with served(tmp_path_factory.mktemp("app"), pending=1.5, running=1.5) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine."""
    try:
        with chromium() as started:
            yield started
    except NoBrowser as missing:
        pytest.fail(str(missing))


@pytest.fixture
def context(browser: Browser, app: App) -> Iterator[BrowserContext]:
    """A visitor's browser: nothing leaves this machine, and nothing is complained of in its console."""
    visitor = browser.new_context(reduced_motion="reduce", viewport={"width": 1440, "height": 900}, locale="en-US")
    visitor.set_default_timeout(20_000)
    left, complaints = [], []
    visitor.on("request", lambda request: left.append(request.url) if not request.url.startswith((app.url, "data:", "blob:")) else None)
    visitor.on("console", lambda message: complaints.append(message.text) if message.type == "error" and not _LEAVING.search(message.text) else None)
    visitor.on("weberror", lambda error: complaints.append(str(error.error)))
    yield visitor
    visitor.close()
    assert not left, "requests left this machine"
    assert not complaints, "the console complains"


@pytest.fixture
def page(context: BrowserContext, app: App) -> Page:
    """The page, ready to be used."""
    shown = context.new_page()
    opened(shown, app.url)
    return shown
