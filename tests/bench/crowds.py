"""Many people without browsers, who ask for videos and watch them to their ends, again and again.

Each has a key, a session and an address of their own, as the balancer sees it.
"""

import asyncio
import contextlib
import itertools
import json
import re
import secrets
from dataclasses import dataclass, field

import httpx
import psycopg

from tests import plain_http
from tests.attacks.visitor import API, Visitor
from tests.bench import full_house
from tests.bench.full_house import Line
from tests.bench.installation import Installation
from tests.pictures import picture

_AN_ACCOUNT = 5  # people who share a key: as many tasks of one run at once
_PASSERS = 100  # who ask and leave, in turn
_COMING = 0.15  # seconds between two who come; a replica lets ten new ones a second in
_JOB = re.compile(r"[\w-]{22}")
_ENDS = {"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"}
_STEPS = """
    CREATE TABLE steps (job text, state text, at double precision);
    CREATE FUNCTION note_step() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO steps VALUES (new.id, new.state, extract(epoch FROM clock_timestamp()));
        RETURN NULL;
    END $$;
    CREATE TRIGGER step AFTER UPDATE OF state ON jobs FOR EACH ROW
    WHEN (old.state <> new.state) EXECUTE FUNCTION note_step();
"""


@dataclass(frozen=True)
class Load:
    """How many people there are, how many onlookers each has, and how many others ask for a video
    a second and leave.
    """

    people: int
    onlookers: int = 0
    rate: float = 0.0


@dataclass
class _Person:
    number: int
    line: Line
    http: httpx.AsyncClient
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    job: str = ""
    """What is on the way."""


class Crowd:
    """All of them, inside the block."""

    def __init__(self, place: Installation) -> None:
        self._place, self._viewers = place, list[full_house.Viewer]()
        self._people, self._passers = list[_Person](), list[_Person]()
        self._onlookers, self._numbers = list[int](), itertools.count()
        self._tasks, self._calls = asyncio.TaskGroup(), set[asyncio.Task[None]]()
        self._passing: asyncio.Task[None] | None = None
        self.submitted = self.ended = 0

    async def __aenter__(self) -> "Crowd":
        with psycopg.connect(self._place.database) as connection:
            connection.execute(_STEPS)
        self._page = await asyncio.to_thread(Visitor, self._place.url)
        self._start = self._page.event("start")
        self._watches = [
            number
            for number, one in self._page.events.items()
            if str(one["api_name"]).startswith("watch")
        ]
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._calls, *filter(None, [self._passing])):
            task.cancel()
        await self._tasks.__aexit__(None, None, None)
        for person in (*self._people, *self._passers):
            await person.http.aclose()

    @property
    def viewers(self) -> int:
        """Streams that are open."""
        return len(self._people) + sum(self._onlookers)

    async def become(self, load: Load) -> None:
        """Has more people come, until there are as many. They come one after the other."""
        while len(self._people) < load.people:
            self._people.append(self._new())
            self._onlookers.append(0)
            self._begin(self._live(self._people[-1]))
            await asyncio.sleep(_COMING)
        for person in self._people:
            while self._onlookers[person.number] < load.onlookers:
                self._onlookers[person.number] += 1
                self._begin(self._look_on(person))
                await asyncio.sleep(_COMING)
        if load.rate:
            while len(self._passers) < _PASSERS:
                self._passers.append(self._new())
            if self._passing:
                self._passing.cancel()
            self._passing = self._tasks.create_task(self._pass_by(load.rate))

    def lateness(self, begun: float, ended: float) -> list[float]:
        """How late each change between two times was seen by each who watched, in ms, in order."""
        steps = self._place.rows("SELECT job, state, at FROM steps")
        late = full_house.lateness(steps, self._viewers, begun, ended + 5)
        return sorted(late)

    def _begin(self, work) -> None:
        task = self._tasks.create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _new(self) -> _Person:
        number = next(self._numbers)
        source = f"127.{1 + number // 250}.{number % 250}.1"
        headers = {"X-Wan-Key": f"sk-capacity-{number // _AN_ACCOUNT:04}"}
        transport = httpx.AsyncHTTPTransport(local_address=source)
        http = plain_http.AsyncClient(base_url=self._place.url, transport=transport, timeout=60)
        return _Person(number, Line(self._place.url, headers, source), http)

    async def _live(self, person: _Person) -> None:
        while True:
            person.job = await self._ask(person)
            await self._watch(person, person.line)
            self.ended += 1

    async def _look_on(self, person: _Person) -> None:
        line = Line(person.line.url, person.line.headers, person.line.source)
        while True:
            if person.job:
                await self._watch(person, line)
            await asyncio.sleep(0.2)

    async def _pass_by(self, rate: float) -> None:
        for passer in itertools.cycle(self._passers):
            self._begin(self._ask_once(passer))
            await asyncio.sleep(1 / rate)

    async def _ask_once(self, passer: _Person) -> None:
        await self._ask(passer)

    async def _ask(self, person: _Person) -> str:
        """Asks for a video; the job."""
        image = picture((400, 300), color=secrets.randbelow(1 << 24))
        sent = await person.http.post(f"{API}/upload", files={"files": ("a.png", image)})
        form = self._page.form(
            self._start,
            token=person.token,
            takes="1",
            prompt=f"video {secrets.token_hex(8)} of {person.number}",
            reference_image={"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}},
            audio_url="",
        )
        ended = b""
        async with contextlib.aclosing(person.line.ask(self._start, form)) as told:
            async for message in told:
                ended = message if b"process_completed" in message else ended
        answer = json.loads(ended.removeprefix(b"data: "))
        if not answer["success"]:
            raise RuntimeError(answer["output"])
        self.submitted += 1
        (job,) = _JOB.findall(answer["output"]["data"][1])
        return str(job)

    async def _watch(self, person: _Person, line: Line) -> None:
        """Watches what is on the way, to its end."""
        viewer = full_house.Viewer(person.job, person.number)
        self._viewers.append(viewer)
        event = self._watches[person.number % 2]  # half of them on each tab
        while not _ENDS & viewer.seen.keys():
            async with contextlib.aclosing(line.ask(event, [person.token, viewer.job])) as told:
                async for message in told:
                    viewer.note(message)
