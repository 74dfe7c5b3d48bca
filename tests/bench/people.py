"""People in Chromium, who press Generate and look on until the end: when each saw what."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, expect

from tests.browser.serving import ARRIVED, chromium, generate, say

_SEEN = "wan-seen"
_OBSERVED = f"""(() => {{
  const noted = new Set();
  const note = () => {{
    for (const {{ dataset }} of document.querySelectorAll("[data-of][data-state]")) {{
      const what = `${{dataset.of}} ${{dataset.state}}`;
      if (!noted.has(what)) console.debug(`{_SEEN} ${{what}} ${{Date.now()}}`);
      noted.add(what);
    }}
  }};
  const observed = {{ subtree: true, childList: true, attributes: true }};
  new MutationObserver(note).observe(document, observed);
}})()"""
_ENDS = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
_UNANSWERED = 20.0  # seconds after which somebody presses again
_NEVER = 420.0  # seconds after which nobody waits any more
_MOMENT = 10_000  # ms in which a page that is there does what it is told


@dataclass
class Viewer:
    """Somebody with a page: when each job was first on it, and its end, in seconds since 1970."""

    name: str
    page: Page
    shown: dict[str, float] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    """Videos that have been made."""
    asked_again: int = 0
    opened_again: int = 0
    """Times that the page could not be used, and was opened by hand."""
    never_seen: int = 0
    """Ends that did not come."""
    _before: frozenset[str] = frozenset()
    _pressed: float = 0.0

    def note(self, message: ConsoleMessage) -> None:
        """Writes down what the page has said of itself."""
        if message.text.startswith(_SEEN):
            _, job, state, at = message.text.split()
            self.shown.setdefault(job, int(at) / 1000)
            if state in _ENDS:
                self.ends.setdefault(job, int(at) / 1000)

    def go_on(self, *, is_time: bool) -> None:
        """Does what comes next, if anything."""
        made = self.shown.keys() - self._before
        if self._pressed and made and made <= self.ends.keys():
            self.rounds, self._pressed = self.rounds + 1, 0.0
        elif self._pressed and time.time() - self._pressed > _NEVER:
            self.rounds, self._pressed = self.rounds + 1, 0.0
            self.never_seen += 1
            self._open()
        elif not self._pressed and is_time:
            self._press()
        elif self._pressed and not made and time.time() - self._pressed > _UNANSWERED:
            self.asked_again += 1
            self._press()

    def _press(self) -> None:
        self._before, self._pressed = frozenset(self.shown), time.time()
        try:
            self.page.locator(".wan-sample:visible").first.click()
            self.page.locator("#wan-image-view .preview img, #wan-image-view img").first.wait_for()
            prompt = f"video {self.rounds} of {self.name}"
            say(self.page, "image", prompt)
            expect(self.page.locator("#wan-image-prompt textarea")).to_have_value(prompt)
            generate(self.page, "image")
        except (Error, AssertionError) as error:
            print(f"  {self.name}'s page: {str(error).splitlines()[0]}", flush=True)
            self.opened_again += 1
            self._open()

    def _open(self) -> None:
        try:
            self.page.reload()
            self.page.locator(ARRIVED).wait_for()
        except Error as error:
            print(f"  {self.name}'s page: {error.message.splitlines()[0]}", flush=True)


class People:
    """All of them. is_time: whether it is time for one of so many videos."""

    def __init__(
        self, url: str, count: int, rounds: int, is_time: Callable[[int, int], bool]
    ) -> None:
        self._url, self._count, self._rounds, self._is_time = url, count, rounds, is_time
        self.viewers: list[Viewer] = []
        self.there = threading.Event()
        """Set when all have the page before them, or there is none to have."""

    @property
    def jobs(self) -> int:
        """The videos that they ask for."""
        return self._count * self._rounds

    def look(self) -> None:
        """Asks for all of them and watches them to their ends."""
        with chromium() as browser:
            try:
                for number in range(self._count):
                    context = browser.new_context(reduced_motion="reduce")
                    self.viewers.append(self._arrive(context, f"viewer {number + 1}"))
            finally:
                self.there.set()
            while any(viewer.rounds < self._rounds for viewer in self.viewers):
                for viewer in self.viewers:
                    more = viewer.rounds < self._rounds
                    viewer.go_on(is_time=more and self._is_time(viewer.rounds, self._rounds))
                    viewer.page.wait_for_timeout(50)

    def _arrive(self, context: BrowserContext, name: str) -> Viewer:
        context.set_default_timeout(_MOMENT)
        context.add_init_script(_OBSERVED)
        page = context.new_page()
        viewer = Viewer(name, page)
        page.on("console", viewer.note)
        page.goto(self._url)
        page.locator(ARRIVED).wait_for(timeout=6 * _MOMENT)
        return viewer
