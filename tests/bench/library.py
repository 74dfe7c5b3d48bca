"""A library with many jobs, looked at in Chromium: how long until the first cards and until a
search result are there, and what comes over the wire.

The jobs are rows of a real database with stills that are real files; the page is the real app.
Times are what somebody waits, from the click or the last key until the cards are in the page.
"""

import argparse
import asyncio
import io
import statistics
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.blocking import Store
from tests.browser.serving import ARRIVED, App, chromium, served
from wan.domain.ids import Owners
from wan.domain.jobs import Job, JobState

_WORDS = (
    "A red kite over the sea, a cat in the rain, slow push-in, morning light, 一只猫在雨中, "
    "wide shot of a busy market"
)
TOKEN = "t" * 43
_STILLS = 24  # that differ


def seeded(folder: Path, jobs: int, token: str) -> None:
    """Writes the rows and the stills of finished jobs. token: of whoever owns them."""
    output = folder / "output"
    output.mkdir(parents=True, exist_ok=True)
    store = Store(f"sqlite:///{output / 'wan.sqlite3'}")
    owner = Owners(store.database.seal).of_token(token)
    now, stills = time.time(), [still(number) for number in range(_STILLS)]
    for number in range(jobs):
        poster = output / "storage" / "videos" / f"seeded{number}" / "poster.webp"
        poster.parent.mkdir(parents=True, exist_ok=True)
        poster.write_bytes(stills[number % _STILLS])
        store.add(row(number, owner, now))
    store.close()


def row(number: int, owner: str, now: float) -> Job:
    """One finished job."""
    at = now - 600 * (number + 1)
    times = {
        "started_at": at + 1,
        "submitting_at": at + 2,
        "submitted_at": at + 3,
        "running_at": at + 5,
        "fetching_at": at + 60,
        "ended_at": at + 62,
    }
    key = f"videos/seeded{number}"
    return Job(
        id=f"seeded{number:015}",
        owner=owner,
        account="account",
        backend="simulator",
        base_url="",
        region="cn-beijing",
        workspace="",
        model="wan2.6-r2v" if number % 3 else "wan2.6-i2v-flash",
        state=JobState.FAILED if number % 10 == 9 else JobState.SUCCEEDED,
        due_at=None,
        request={"prompt": f"Take {number}: {_WORDS}", "duration": 5, "size": "1280*720"},
        cache_key=f"key{number}",
        brief_id=f"brief{number}",
        created_at=at,
        state_at=at + 62,
        media_token=f"{number:032}",
        video_key=f"{key}/video.mp4",
        original_key=f"{key}/video.mp4",
        poster_key=f"{key}/poster.webp",
        task_id=f"task{number}",
        **times,
    )


def still(number: int) -> bytes:
    """A poster as a video of 720P has one."""
    picture = Image.effect_noise((160, 90), 40).resize((1280, 720)).convert("RGB")
    picture.paste((number * 10, 90, 140), (0, 0, 400, 720))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=82)
    return out.getvalue()


class Wire:
    """Counts what comes over the wire, in bytes as they are sent."""

    def __init__(self, page: Page) -> None:
        self.bytes = 0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", self._count)

    def _count(self, event: dict) -> None:
        self.bytes += int(event["encodedDataLength"])

    def taken(self) -> int:
        """What has come since this was asked last."""
        taken, self.bytes = self.bytes, 0
        return taken


_UNTIL = """async ([act, wanted]) => {
    const begun = performance.now();
    const there = eval(wanted);
    eval(act);
    while (!there()) await new Promise((next) => requestAnimationFrame(next));
    return performance.now() - begun;
}"""
_TAB = (
    "[...document.querySelectorAll('[role=tab]')].find((tab) => "
    "/Library/.test(tab.textContent)).click()"
)
_CARDS = "() => document.querySelectorAll('.wan-item').length === 24"
_TYPED = (
    "(() => {{ const box = document.querySelector('#wan-library-search input'); box.value "
    "= '{0}'; box.dispatchEvent(new Event('input')); }})()"
)
_FOUND = (
    "() => document.querySelectorAll('.wan-item').length === {1} && "
    "/{0}/.test(document.querySelector('.wan-item-words').textContent)"
)
_OLDER = "[...document.querySelectorAll('[data-event=look]')].at(-1).click()"
_FIRST = "document.querySelector('.wan-item').dataset.job"
_NEXT = f"((first) => () => {_FIRST} !== first)({_FIRST})"


def looked_at(app: App, rounds: int) -> dict[str, list[float]]:
    """Opens the library as often as asked, each time in a new browser; ms
    and bytes of each look.
    """
    seen: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        seen.setdefault(what, []).append(value)

    with chromium() as browser:
        for turn in range(rounds):
            context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
            page = context.new_page()
            wire = Wire(page)
            page.goto(f"{app.url}/#jobs={TOKEN}")
            page.locator('#wan-claim button[value="use"]').click()
            page.locator(ARRIVED).wait_for()
            page.wait_for_timeout(1500)
            note("the page itself, kB", wire.taken() / 1000)
            note("24 cards after the click on the tab, ms", page.evaluate(_UNTIL, [_TAB, _CARDS]))
            page.wait_for_timeout(2000)
            note("24 cards and the stills in sight, kB", wire.taken() / 1000)
            number = 1000 + turn
            note(
                "one of all found by a word, ms",
                page.evaluate(
                    _UNTIL, [_TYPED.format(f"{number}:"), _FOUND.format(f"Take {number}:", 1)]
                ),
            )
            note(
                "half of all found by a word, ms",
                page.evaluate(_UNTIL, [_TYPED.format("雨中"), _CARDS]),
            )
            note("the next page, ms", page.evaluate(_UNTIL, [_OLDER, _NEXT]))
            page.wait_for_timeout(500)
            note("cards in the page", page.locator(".wan-item").count())
            context.close()
    return seen


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for on the command line."""
    parser.add_argument("--jobs", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")


async def run(jobs: int, rounds: int) -> int:
    """Prints the report; the exit code."""
    return await asyncio.to_thread(_report, jobs, rounds)


def _report(jobs: int, rounds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="wan-library-") as name:
        folder = Path(name)
        seeded(folder, jobs, TOKEN)
        with served(folder) as app:
            seen = looked_at(app, rounds)
    print(f"{jobs} jobs, {rounds} looks")
    for what, values in seen.items():
        print(f"{what}: median {statistics.median(values):.0f}, most {max(values):.0f}")
    return 0
