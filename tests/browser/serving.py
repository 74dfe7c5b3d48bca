"""The real app as a process, and a real browser to look at it: shared by the tests and by the
screenshots.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests import plain_http, shared, warm
from tests.patience import PATIENCE
from wan.service.job_writer import HELD
from wan.service.runner import LEASE

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "assets" / "samples"
ARRIVED = "body[data-arrived]"
"""The page when it has been answered what it shows, and the forms are as they were left."""
DESKTOP = {"width": 1440, "height": 900}
_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class NoBrowser(Exception):
    """No Chromium on the PATH."""


@dataclass(frozen=True)
class App:
    """The app, being served."""

    url: str
    process: warm.Process | subprocess.Popen
    folder: Path
    """Where it was started: its home, output, uploads and log are in there."""
    bucket: Path | None = None
    """Where the files of its bucket lie, if it has one."""

    @property
    def storage(self) -> Path:
        """Where the files of its videos lie."""
        return self.bucket or self.folder / "output" / "storage"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def simulator(self) -> str:
        """Where the demo's simulator serves; it may still be starting."""
        for _ in range(300):
            if (self.folder / "output/simulator/server.json").exists():
                break
            time.sleep(0.1)
        return json.loads((self.folder / "output/simulator/server.json").read_bytes())[
            "base_url"
        ].removesuffix("/api/v1")

    def created(self) -> int:
        """Tasks that the simulator ever created."""
        return len(list((self.folder / "output/simulator/tasks").glob("*.json")))

    def jobs(self) -> int:
        """Jobs that were ever asked for and have not been deleted: each has its row before it is
        answered, and long before its task is created.
        """
        return self.rows("SELECT count(*) FROM jobs")[0][0]

    @contextlib.contextmanager
    def fault(self, verb: str, fault: str) -> Iterator[None]:
        """The simulator answers wrongly inside the block. The pauses between two tries grow with
        the time that it takes: where a state is all that is wanted, `holding` costs none.
        """
        plain_http.post(
            f"{self.simulator}/simulator/faults", json={"verb": verb, "fault": fault}
        ).raise_for_status()
        try:
            yield
        finally:
            with contextlib.suppress(
                httpx.TransportError, FileNotFoundError
            ):  # it leaves with an app that was killed
                plain_http.delete(f"{self.simulator}/simulator/faults")

    @contextlib.contextmanager
    def holding(self, state: str) -> Iterator[None]:
        """No task leaves this state, PENDING or RUNNING, at the simulator inside the block. Five of
        a model run at once: those that others have left are awaited, which would keep ours out.
        """
        give_up = time.monotonic() + PATIENCE
        while self.rows("SELECT count(*) FROM jobs WHERE ended_at IS NULL")[0][0] > 3:
            assert time.monotonic() < give_up, "the jobs of other tests do not end"
            time.sleep(0.05)
        plain_http.post(
            f"{self.simulator}/simulator/hold", json={"state": state}
        ).raise_for_status()
        try:
            yield
        finally:
            with contextlib.suppress(
                httpx.TransportError, FileNotFoundError
            ):  # it leaves with an app that was killed
                plain_http.delete(f"{self.simulator}/simulator/hold")

    @contextlib.contextmanager
    def reading_nothing(self) -> Iterator[None]:
        """No file that comes from a user is read inside the block: what waits for one waits until
        its end.
        """
        sandbox = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                for pid in (thread / "children").read_text().split():
                    if b"sandbox_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        sandbox = int(pid)
        assert sandbox
        os.kill(sandbox, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(sandbox, signal.SIGCONT)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def rows(self, query: str) -> list[tuple]:
        """What its database answers."""
        with contextlib.closing(sqlite3.connect(self._database)) as database, database:
            return database.execute(query).fetchall()

    def add_rows(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Writes many rows at once."""
        with contextlib.closing(sqlite3.connect(self._database, timeout=30)) as database, database:
            database.executemany(statement, rows)

    def expire_leases(self) -> None:
        """Makes it later by as long as a killed process may hold what it had claimed, which nobody
        else touches before.
        """
        now = time.time()
        waiting = f"due_at > {now}"
        held = [
            (state, due - now)
            for state, due in self.rows(f"SELECT state, due_at FROM jobs WHERE {waiting}")  # noqa: S608
        ]
        assert all(seconds <= max(HELD, LEASE) for _, seconds in held), held
        self.rows(f"UPDATE jobs SET due_at = {now} WHERE {waiting}")  # noqa: S608

    @property
    def _database(self) -> Path:
        return self.folder / "output" / "wan.sqlite3"

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "app.log").read_text()

    def stop(self) -> int:
        """Asks it to end, as a service manager does; gives its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def served(
    folder: Path,
    *,
    pending: float = 0.6,
    running: float = 2.0,
    host: str = "127.0.0.1",
    port: int = 0,
    files: int = 0,
    program: Path = ROOT / "app.py",
    **more: str,
) -> Iterator[App]:
    """`python app.py` in the demo, with a home and an output folder of its own.

    pending, running: the simulator's times, seconds. host: at which it is reached. port: 0 takes a
    free one. files: how many it may have open, if not as many as we may. program: what runs the
    app. more: further settings.
    """
    port = port or free_port()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DASHSCOPE_", "WAN_", "SPACE_", "GRADIO_"))
    }
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    (folder / "home").mkdir(parents=True, exist_ok=True)
    ours = {
        "HOME": str(folder / "home"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'guard'}",
        "OUTPUT_DIR": str(folder / "output"),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "GRADIO_SERVER_PORT": str(port),
        "WAN_BACKEND": "simulator",
        "WAN_SIMULATOR_PENDING": str(pending),
        "WAN_SIMULATOR_RUNNING": str(running),
        **shared.plain_films(),
        **more,
    }
    url = f"http://{host}:{port}"
    with (folder / "app.log").open("ab") as log:
        process = warm.start(
            [str(program)],
            environment=kept | ours,
            folder=folder,
            stdout=log,
            stderr=log,
            files=files,
        )
        try:
            _wait(url, process, folder / "app.log")
            yield App(url, process, folder)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(url: str, process: warm.Process | subprocess.Popen, log: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if plain_http.get(f"{url}/healthz").status_code == 200:
                plain_http.get(
                    f"{url}/media/none/video.mp4", timeout=PATIENCE
                )  # answered when the database is open, not before as the page is
                return
        time.sleep(0.1)
    raise RuntimeError(f"the app did not come up:\n{log.read_text()}")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this machine. Raises NoBrowser."""
    executable = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if executable is None:
        raise NoBrowser("no Chromium on the PATH; install one: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visits:
    """Pages for visitors that nobody has seen before, in browsers that are used again: the scripts
    of the page are compiled there already, which is half of what opening it costs. Whoever changes
    the network, the clock or the page's own requests takes a browser of their own.
    """

    browser: Browser
    _free: dict[tuple[str, bool], list[Page]] = field(default_factory=dict)
    _taken: list[tuple[Page, str, list[Page]]] = field(default_factory=list)

    def blank(
        self,
        url: str,
        *,
        size: dict[str, int] = DESKTOP,
        locale: str = "en-US",
        phone: bool = False,
        theme: str = "light",
    ) -> Page:
        """A page that has yet to be opened, of a browser that keeps nothing of this app's. Each
        call gives another browser.
        """
        free = self._free.setdefault((locale, phone), [])
        page = free.pop() if free else self._new(locale, phone)
        self._taken.append((page, url, free))
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=theme)
        page.goto(f"{url}/healthz")  # of the same origin, without a script that could still write
        page.evaluate("localStorage.clear(); sessionStorage.clear()")
        page.context.clear_cookies()
        return page

    def __call__(self, url: str, **kind: Any) -> Page:
        """The page, ready to be used. kind: see `blank`."""
        page = self.blank(url, **kind)
        opened(page, url)
        return page

    @contextlib.contextmanager
    def meanwhile(self, url: str, **kind: Any) -> Iterator[Page]:
        """The page, for as long as the block lasts: for what is made before a test."""
        others, self._taken = self._taken, []
        try:
            yield self(url, **kind)
        finally:
            self.end()
            self._taken = others

    def end(self) -> None:
        """Everybody leaves."""
        for page, url, free in self._taken:
            try:
                for other in page.context.pages:
                    if other != page:
                        other.close()
                page.goto(f"{url}/healthz")
                free.append(page)
            except Error:  # the app is gone, or the page
                page.context.close()
        self._taken.clear()

    def _new(self, locale: str, phone: bool) -> Page:
        context = self.browser.new_context(
            reduced_motion="reduce", locale=locale, is_mobile=phone, has_touch=phone
        )
        context.set_default_timeout(60_000)
        return context.new_page()


@contextlib.contextmanager
def case(name: str) -> Iterator[None]:
    """One of several cases of a test that share a page: its name is said with whatever fails."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"in the case of {name}")
        raise


def go(page: Page, url: str) -> None:
    """Goes to an address, also where the page before it is loading itself anew."""
    try:
        page.goto(url)
    except Error as broken:
        if "ERR_ABORTED" not in broken.message:
            raise
        page.goto(url)


def opened(page: Page, url: str) -> None:
    """Opens the page and waits until it can be used."""
    go(page, url)
    page.locator(ARRIVED).wait_for()


def switch(page: Page, language: str) -> None:
    """Goes to the page in the other language, and waits until it can be used."""
    page.locator(f".wan-lang [data-lang={language}]").click()
    # A locator outlives the old document; a function would run in one that is half built.
    page.locator(f"html[lang|={language}] {ARRIVED}").wait_for()


def say(page: Page, tab: str, prompt: str) -> None:
    """Types the prompt of a tab."""
    page.locator(f"#wan-{tab}-prompt textarea").fill(prompt)


def generate(page: Page, tab: str) -> None:
    """Presses Generate on a tab."""
    page.locator(f"#wan-{tab}-generate").click()


def reach(page: Page, tab: str, *states: str, within: float = 60) -> None:
    """Waits until the tab's stage is in one of these states. within: seconds."""
    either = ", ".join(f'#wan-{tab}-view [data-state="{state}"]' for state in states)
    page.locator(either).wait_for(timeout=within * 1000)
