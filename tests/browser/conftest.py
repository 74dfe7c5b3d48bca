"""The app and the browser, once for all of these tests; each test has visitors of its own.

Of the package, not of the session: Playwright keeps an event loop in this thread until it is
stopped, and then no async test could run.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.serving import App, NoBrowser, Visits, chromium, opened, served

_LEAVING = re.compile(
    "AbortError|Connection errored out"
)  # what Gradio says of its own stream when the page is left


@pytest.fixture(scope="package")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, with a simulator that takes about a second for a video, unless it is held up."""
    with served(tmp_path_factory.mktemp("app"), pending=0.4, running=0.4) as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine."""
    try:
        with chromium() as started:
            yield started
    except NoBrowser as missing:
        pytest.fail(str(missing))


@pytest.fixture(scope="package")
def visits(browser: Browser) -> Visits:
    """Pages for visitors, which are used again."""
    return Visits(browser)


@pytest.fixture
def visit(visits: Visits) -> Iterator[Visits]:
    """Gives the page to somebody new, each time to another."""
    yield visits
    visits.end()


@pytest.fixture
def blank(visit: Visits, app: App) -> Iterator[Page]:
    """A page that has yet to be opened: nothing leaves this machine, and nothing is complained of
    in its console.
    """
    shown = visit.blank(app.url)
    left, complaints = [], []
    watched = {
        "request": lambda request: (
            left.append(request.url)
            if not request.url.startswith((app.url, "data:", "blob:"))
            else None
        ),
        "console": lambda message: (
            complaints.append(f"{message.text} ({message.location['url']})")
            if _is_complaint(message)
            else None
        ),
        "weberror": lambda error: complaints.append(str(error.error)),
    }
    for event, watch in watched.items():
        shown.context.on(event, watch)
    yield shown
    visit.end()
    for event, watch in watched.items():
        shown.context.remove_listener(event, watch)
    assert not left, "requests left this machine"
    assert not complaints, "the console complains"


def _is_complaint(message: ConsoleMessage) -> bool:
    return message.type == "error" and not _LEAVING.search(message.text)


@pytest.fixture
def page(blank: Page, app: App) -> Page:
    """The page, ready to be used."""
    opened(blank, app.url)
    return blank
