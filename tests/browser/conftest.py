"""The app and the browser, once for all of these tests; each test has visitors of its own.

Of the package, not of the session: Playwright keeps an event loop in this thread until it is
stopped, and then no async test could run.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Frame, Page, Request, expect

from tests.browser.serving import App, NoBrowser, Visits, chromium, opened, served

expect.set_options(timeout=60_000)  # ms; nothing is about this time, as with `PATIENCE`

# What Gradio says of its own stream just before the page is left
_LEAVING = re.compile("AbortError|Connection errored out")


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


class _Watch:
    """What a page asks of other machines, and what it complains of in its console while it stays.

    When it is left, Gradio drops its streams and what still comes for them fails as it must.
    """

    def __init__(self, page: Page, home: str) -> None:
        """home: where the app is."""
        self.foreign: list[str] = []  # addresses
        self.complaints: list[str] = []
        self._page, self._home, self._leaving = page, home, False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch inside the block."""
        context, page = self._page.context, self._page
        handlers: list[tuple[Any, str, Callable[[Any], None]]] = [
            (context, "request", self._request),
            (context, "console", self._console),
            (context, "weberror", lambda error: self._complain(str(error.error))),
            (page, "framenavigated", self._arrive),
        ]
        for of, event, handler in handlers:
            of.on(event, handler)
        yield
        for of, event, handler in handlers:
            of.remove_listener(event, handler)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self._home, "data:", "blob:")):
            self.foreign.append(request.url)
        self._leaving |= request.is_navigation_request() and request.frame == self._page.main_frame

    def _arrive(self, frame: Frame) -> None:
        self._leaving &= frame != self._page.main_frame

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _LEAVING.search(message.text):
            self._complain(f"{message.text} ({message.location['url']})")

    def _complain(self, text: str) -> None:
        if not self._leaving:
            self.complaints.append(text)


@pytest.fixture
def blank(visit: Visits, app: App) -> Iterator[Page]:
    """A page that has yet to be opened: nothing leaves this machine, and nothing is complained of
    in its console.
    """
    shown = visit.blank(app.url)
    watch = _Watch(shown, app.url)
    with watch.watching():
        yield shown
        visit.end()
    assert not watch.foreign, "requests left this machine"
    assert not watch.complaints, "the console complains"


@pytest.fixture
def page(blank: Page, app: App) -> Page:
    """The page, ready to be used."""
    opened(blank, app.url)
    return blank
