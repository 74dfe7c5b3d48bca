"""A library of 100,000 jobs in Chromium: how long until the first cards, the next page and what a
search finds are there.

Times are what somebody waits, from the click or the last key until the cards are in the page. The
peer is the same look at 1,000 jobs, in turn with the other. Beside them stands what the database
needs for each look, asked directly. The jobs are rows of a real database, as large as real ones;
the page is the real app.
"""

import asyncio
import io
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import Browser

from tests import postgres
from tests.bench.figures import Figure
from tests.blocking import Store
from tests.browser.serving import ARRIVED, chromium, served
from wan.database.schema import JOBS
from wan.domain.ids import Owners
from wan.domain.jobs import Job, JobState, Reference
from wan.domain.messages import Message
from wan.service.library import read_filter

MANY, FEW = 100_000, 1000
_ROUNDS = 5
_MARK = 150  # ms
_STILL = 400  # ms after a look, until nothing comes any more
_KINDS = 20  # of jobs, whose prompts and stills differ
_WORDS = (
    "red kite over the sea at morning light with a slow push in wide shot of a busy market "
    "lanterns cat watches rain on window old train crosses bridge through fog hand held camera "
    "follows dancer turning under neon signs close up of ink spreading in water"
)
_CHINESE = "清晨的港口，一只猫在雨中走过，镜头缓慢推近，远处灯塔亮起。"
_TOKEN = "t" * 43
_TAB = "[...document.querySelectorAll('[role=tab]')].find((tab) => /Library/.test(tab.textContent))"
_FIRST = "document.querySelector('.wan-item')?.dataset.job"
_CARDS = f"((first) => () => {_FIRST} && {_FIRST} !== first)({_FIRST})"
_OLDER = "[...document.querySelectorAll('[data-event=look]')].at(-1).click()"
_TYPED = """(() => {
    const box = document.querySelector('#wan-library-search input');
    box.value = '%s';
    box.dispatchEvent(new Event('input'));
})()"""
LOOKS: dict[str, tuple[str, str, int]] = {
    "first page": (f"{_TAB}.click()", "", 0),
    "next page": (_OLDER, "", 24),
    "search, one job": (_TYPED % "take-712:", "take-712:", 0),
    "search, two characters of half": (_TYPED % "雨中", "雨中", 0),
    "next page of that": (_OLDER, "雨中", 24),
}
"""Of each look: what is done in the page, and words and offset of what the server is asked."""
_LOOK = """async ([act, there]) => {
    performance.clearResourceTimings();
    const begun = performance.now(), isThere = eval(there);
    eval(act);
    while (!isThere()) await new Promise((next) => requestAnimationFrame(next));
    const took = performance.now() - begun;
    const asked = performance.getEntriesByType('resource').filter(({ name }) => /join/.test(name));
    return [took, (asked[0]?.startTime ?? begun) - begun];
}"""
Times = dict[str, list[float]]


def seeded(url: str, folder: Path, jobs: int) -> str:
    """Writes the rows and the stills of finished jobs, and gives their owner."""
    with closing(Store(url)) as store:
        owner = Owners(store.database.seal).of_token(_TOKEN)
        now = time.time()
        for kind in range(_KINDS):
            poster = folder / "output" / "storage" / _key(kind) / "poster.webp"
            poster.parent.mkdir(parents=True)
            poster.write_bytes(_still(kind))
            store.add(row(kind, owner, now))
        with store.database.writing() as connection:
            connection.execute(_copies(jobs // _KINDS, now))
            connection.execute(JOBS.delete().where(JOBS.c.id.startswith("seeded")))
    return owner


def _copies(times: int, now: float) -> sa.Insert:
    """What makes so many jobs of each that is there, with a number that stands in the prompt."""
    first = sa.select(sa.literal(0).label("turn")).cte(recursive=True)
    turns = first.union_all(sa.select(first.c.turn + 1).where(first.c.turn < times - 1))
    kind = sa.func.substr(JOBS.c.id, len("seeded") + 1).cast(sa.Integer)
    number = turns.c.turn * _KINDS + kind
    unique = (sa.literal(10**17) + number).cast(sa.Text)

    def count(column: sa.Column) -> sa.ColumnElement[str]:
        """The text, with the number of the job in place of that of its kind."""
        old, new = (sa.literal(" ") + one.cast(sa.Text) + ":" for one in (kind, number))
        return sa.func.replace(column.cast(sa.Text), old, sa.func.replace(new, " ", "-"))

    request = count(JOBS.c.request).cast(sa.Text().with_variant(sa.JSON(), "postgresql"))
    changed = {
        "id": sa.literal("job") + unique,
        "created_at": now - 600 * (number + 1),
        "request": request,
        "prompt_folded": count(JOBS.c.prompt_folded),
        "media_token": sa.literal("media-of-job--") + unique,
        "task_id": sa.literal("task-") + unique,
    }
    changed |= {name: sa.literal(f"{name}-") + unique for name in ("cache_key", "brief_id")}
    values = [changed.get(column.key, column) for column in JOBS.c]
    every = sa.select(*values).join(turns, sa.true()).order_by(number.desc())
    return JOBS.insert().from_select([*JOBS.c], every)


def _key(kind: int) -> str:
    return f"videos/seeded{kind}"


def row(kind: int, owner: str, now: float) -> Job:
    """A finished job, as large as one of a real run."""
    known, at = _WORDS.split(), now - 600 * (kind + 1)
    words = " ".join(known[(kind * 7 + word) % len(known)] for word in range(20 + 3 * kind))
    prompt = f"Take {kind}: {_CHINESE if kind % 2 else ''}{words}."
    given = {"negative_prompt": "", "duration": 5, "size": "1280*720", "fps": 30, "seed": 5}
    flags = {"audio": True, "watermark": False, "prompt_extend": True, "shot_type": "single"}
    parameters = {"resolution": "720P", "duration": 5, "seed": 5} | flags
    reference = Reference(
        *("image", "", "harbour.jpg", "5" * 64, f"references/{'5' * 63}.jpg"),
        *(f"references/{'6' * 63}.jpg", 250_000, 1920, 1080),
    )
    return Job(
        id=f"seeded{kind:015}",
        owner=owner,
        account="account",
        backend="simulator",
        base_url="http://127.0.0.1:34467/api/v1",
        region="cn-beijing",
        workspace="",
        model="wan2.6-r2v" if kind % 3 else "wan2.6-i2v-flash",
        state=JobState.FAILED if kind % 10 == 9 else JobState.SUCCEEDED,
        due_at=None,
        request={"prompt": prompt, **given, **flags, "fit": "crop", "audio_url": ""},
        references=[reference],
        payload={
            "model": "wan2.6-i2v-flash",
            "input": {"prompt": prompt, "img_url": "reference:0"},
            "parameters": parameters,
        },
        cache_key=f"{kind:040}",
        brief_id=f"brief{kind}",
        adjustments=[Message.of("image_cropped", given="1920*1080", size="1280*720")],
        request_id="47a45723-9a7f-449a-9bb4-ee3577481ac5",
        task_id=f"task{kind}",
        created_at=at,
        state_at=at + 60,
        media_token=f"{kind:032}",
        video_key=f"{_key(kind)}/video.mp4",
        original_key=f"{_key(kind)}/original.mp4",
        poster_key=f"{_key(kind)}/poster.webp",
        width=1280,
        height=720,
        fps=30.0,
        duration=5.0,
        ended_at=at + 60,
    )


def _still(number: int) -> bytes:
    """A poster as a video of 720P has one."""
    picture = Image.effect_noise((160, 90), 40).resize((1280, 720)).convert("RGB")
    picture.paste((number * 10, 90, 140), (0, 0, 400, 720))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=82)
    return out.getvalue()


class Library:
    """A library of so many jobs, served and open in a browser."""

    def __init__(
        self, url: str, folder: Path, jobs: int, keep: ExitStack, browser: Browser
    ) -> None:
        """url: of its database, empty. keep: ends what is begun here."""
        self.jobs, self._url = jobs, url
        self._owner = seeded(url, folder, jobs)
        self._app = keep.enter_context(served(folder, WAN_DATABASE_URL=url))
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        self._page = context.new_page()
        self._page.goto(f"{self._app.url}/#jobs={_TOKEN}")
        self._page.locator('#wan-claim button[value="use"]').click()
        self._page.locator(ARRIVED).wait_for()
        self.waited, self.until_asked = Times(), Times()

    def look(self) -> None:
        """Looks once at everything, on a page that is opened for it."""
        self._page.goto(self._app.url)
        self._page.locator(ARRIVED).wait_for()
        for name, (act, _, _) in LOOKS.items():
            self._page.wait_for_timeout(_STILL)
            took, before = self._page.evaluate(_LOOK, [act, _CARDS])
            self.waited.setdefault(name, []).append(took)
            self.until_asked.setdefault(name, []).append(before)

    def ask(self) -> Times:
        """How long the database takes for each, in ms, asked by nobody else."""
        times = Times()
        with closing(Store(self._url)) as store:
            for name, (_, words, offset) in [*LOOKS.items()] * _ROUNDS:
                begun = time.perf_counter()
                store.listing.list_page(
                    self._owner, read_filter(words), until=time.time(), offset=offset, limit=24
                )
                times.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
        return times


async def measure() -> list[Figure]:
    """On both databases."""
    return await asyncio.to_thread(_measure)


def _measure() -> list[Figure]:
    found = []
    with postgres.serving() as server, chromium() as browser:
        for name, url in (("SQLite", _url_in), ("PostgreSQL", lambda _: server.database())):
            with tempfile.TemporaryDirectory(prefix="wan-library-") as folder, ExitStack() as keep:
                both = []
                for jobs in (MANY, FEW):
                    (own := Path(folder) / f"{jobs}" / "output").mkdir(parents=True)
                    both.append(Library(url(own), own.parent, jobs, keep, browser))
                with server.connect() as connection:  # as PostgreSQL does itself within a minute
                    connection.autocommit = True
                    connection.execute("VACUUM ANALYZE")
                for _ in range(_ROUNDS):
                    for library in both:
                        library.look()
                found += _figures(name, *both)
    return found


def _url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'wan.sqlite3'}"


def _figures(name: str, many: Library, few: Library) -> Iterator[Figure]:
    row, mark, peer = f"Library of {MANY:,} jobs, {name}", f"at most {_MARK} ms", f"{FEW:,} jobs"
    asked, asked_few = many.ask(), few.ask()
    for look, times in many.waited.items():
        took = median(times)
        peers = {peer: median(few.waited[look])}
        yield Figure(row, look, took, "ms", mark, took <= _MARK, peers)
    for look, times in many.until_asked.items():
        peers = {peer: median(few.until_asked[look])}
        yield Figure(row, f"{look}: until the request leaves", median(times), "ms", "", True, peers)
    for look, times in asked.items():
        peers = {peer: median(asked_few[look])}
        yield Figure(row, f"{look}: the database alone", median(times), "ms", "", True, peers)
