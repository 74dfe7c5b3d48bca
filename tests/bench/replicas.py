"""Three replicas that are killed again and again, while people and programs ask for videos.

They share PostgreSQL, which is restarted twice, and a bucket, which is away for 30 s twice, behind
HAProxy. Programs of eight owners, each on an address of its own, ask for videos and ask again for
what they have no answer to; people in Chromium press Generate and look on. What must hold: no job
is lost, none is paid twice, every end is what the simulator knows, every video opens through the
balancer, and each viewer sees the end within 5 s of its being written down.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests import plain_http
from tests.bench.figures import Figure, tell
from tests.bench.installation import Installation, installed
from tests.bench.people import People, Viewer
from tests.bench.scripts import Script
from tests.blocking import Store
from tests.crowd import list_untrue, why_unplayable
from wan.domain.jobs import Job

_REPLICAS, _SCRIPTS, _PEOPLE = 3, 8, 4
_SHARE = 5  # of so many jobs one is asked for in Chromium
_AWAY, _RESTART = 30.0, 3.0  # seconds for which the bucket and PostgreSQL are away
_CALM = 3.0, 10.0  # seconds between two kills
_LATE = 5.0  # seconds in which an end has to be seen
_WITHIN = 900.0  # seconds in which everything has to end once it is calm
_PACE = ("--pending", "0.3", "--running", "2")
_SETTINGS = {
    "WAN_POLL_SECONDS": "1",
    "WAN_UNCERTAIN_SECONDS": "20",
    "WAN_JOBS_PER_VISITOR": "40",
}


@dataclass
class Storm:
    """What is done to an installation, in an order that follows from a seed."""

    place: Installation
    kills: int
    restarts: int
    outages: int
    chance: random.Random
    begun: float = field(default_factory=time.time)
    done: int = 0
    """Kills so far."""
    log: list[tuple[float, str]] = field(default_factory=list)

    def rage(self) -> None:
        """Kills, one after the other, and takes away what they share in between."""
        restarts, outages = self._draw(self.restarts), self._draw(self.outages)
        away = threading.Thread()
        for number in range(self.kills):
            time.sleep(self.chance.uniform(*_CALM))
            if number in restarts:
                self._restart_postgres()
            if number in outages:
                away = threading.Thread(target=self._take_bucket_away)
                away.start()
            self._kill()
            self.done = number + 1
        if away.ident:
            away.join()

    def is_time(self, number: int, of: int) -> bool:
        """Whether it is time for one of so many things, which are spread over the storm."""
        return number * self.kills <= (self.done + 1) * of

    def _draw(self, count: int) -> list[int]:
        return self.chance.sample(range(1, max(self.kills, count + 1)), count)

    def note(self, what: str) -> None:
        """Tells what happens, and when."""
        self.log.append((time.time(), what))
        print(f"  {time.time() - self.begun:6.1f} s  {what}", flush=True)

    def _kill(self) -> None:
        number = self.chance.randrange(len(self.place.replicas))
        victim = self.place.replicas[number]
        self.note(f"replica {number + 1} is killed")
        victim.kill()
        victim.start()
        self.note(f"replica {number + 1} is back")

    def _restart_postgres(self) -> None:
        self.note("PostgreSQL is stopped")
        self.place.postgres.stop()
        time.sleep(_RESTART)
        self.place.postgres.start()
        self.note("PostgreSQL is back")

    def _take_bucket_away(self) -> None:
        self.note("the bucket is away")
        self.place.bucket.stop()
        time.sleep(_AWAY)
        self.place.bucket.start()
        self.note("the bucket is back")


@dataclass(frozen=True)
class Report:
    """What came of a storm."""

    untrue: list[str]
    jobs: list[Job]
    viewers: Sequence[Viewer]
    scripts: Sequence[Script]
    created: int
    storm: Storm
    seconds: float

    def figures(self) -> list[Figure]:
        """What was counted, and how late each end was seen."""
        late, wrong = sorted(seconds for seconds, *_ in self.late()), len(self.untrue)
        ends = Counter(job.state.value for job in self.jobs)
        told = f"; of {self.created} tasks"
        counts = {
            "jobs": len(self.jobs),
            **{f"{state}{told}": count for state, count in sorted(ends.items())},
            "scripts: asked again, for want of an answer": sum(
                one.asked_again for one in self.scripts
            ),
            "people: pressed again": sum(one.asked_again for one in self.viewers),
            "people: opened the page again": sum(one.opened_again for one in self.viewers),
            "people: waited for an end in vain": sum(one.never_seen for one in self.viewers),
        }
        over = sum(seconds > _LATE for seconds in late)
        seen = f"{len(late)} ends, written to seen: "
        return [
            _figure("lost, paid twice, untrue, or not to be opened", wrong, "", "none", not wrong),
            *(_figure(what, count) for what, count in counts.items()),
            _figure(f"{seen}median", statistics.median(late), "s"),
            _figure(f"{seen}most", late[-1], "s", f"under {_LATE:g} s", late[-1] < _LATE),
            _figure(f"{seen}over {_LATE:g} s", over, "", "none", not over),
            _figure("whole run", self.seconds, "s"),
        ]

    def late(self) -> list[tuple[float, str, float]]:
        """How many seconds after it was written down each end was seen by who watched it, by whom,
        and when it was written.
        """
        ended = {job.id: job.ended_at for job in self.jobs}
        return [
            (viewer.ends.get(job, float("inf")) - max(ended[job], shown), viewer.name, ended[job])
            for viewer in self.viewers
            for job, shown in viewer.shown.items()
        ]


def _figure(what: str, ours: float, unit: str = "", mark: str = "", met: bool = True) -> Figure:
    return Figure("Replicas", what, ours, unit, mark, met)


def storm(folder: Path, *, jobs: int, chance: random.Random, **troubles: int) -> Report:
    """Runs one. Raises TimeoutError when jobs do not come to their ends."""
    begun = time.monotonic()
    with installed(folder, _REPLICAS, service=_PACE, **_SETTINGS) as place:
        raging = Storm(place, chance=chance, **troubles)
        scripts = [Script(place.url, number) for number in range(_SCRIPTS)]
        people = People(place.url, _PEOPLE, jobs // _SHARE // _PEOPLE, raging.is_time)
        ordered = jobs - people.jobs
        with ThreadPoolExecutor(_SCRIPTS + 1) as threads:
            looking = threads.submit(people.look)
            people.there.wait()
            asking = [
                threads.submit(
                    script.order, range(number, ordered, _SCRIPTS), ordered, raging.is_time
                )
                for number, script in enumerate(scripts)
            ]
            raging.rage()
            for one in (*asking, looking):
                one.result()
        raging.note("it is calm")
        _wait_for_ends(place)
        raging.note("all have ended")
        return _report(place, raging, scripts, people, jobs, begun)


def _wait_for_ends(place: Installation) -> None:
    give_up = time.monotonic() + _WITHIN
    while left := place.rows("SELECT state, count(*) FROM jobs WHERE ended_at IS NULL GROUP BY 1"):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not at their ends: {left}")
        time.sleep(0.5)


def _report(
    place: Installation,
    raging: Storm,
    scripts: Sequence[Script],
    people: People,
    jobs: int,
    begun: float,
) -> Report:
    standing = _read_jobs(place)
    wrong = [f"{jobs - len(standing)} jobs are gone"] if len(standing) != jobs else []
    wrong += list_untrue(standing, place.service.tasks(), _look_at_video(place))
    return Report(
        wrong,
        standing,
        people.viewers,
        scripts,
        place.service.stats()["created"],
        raging,
        time.monotonic() - begun,
    )


def _read_jobs(place: Installation) -> list[Job]:
    store = Store(place.database)
    try:
        each = place.rows("SELECT id, owner FROM jobs")
        return [store.jobs.get(job, owner) for job, owner in each]
    finally:
        store.close()


def _look_at_video(place: Installation) -> Callable[[Job], str]:
    """Plays what the balancer gives: the whole file, and a part of it."""

    def unplayable(job: Job) -> str:
        address = f"{place.url}/media/{job.media_token}/video.mp4"
        whole = plain_http.get(address)
        part = plain_http.get(address, headers={"Range": "bytes=100-199"})
        if (whole.status_code, part.status_code) != (200, 206):
            return f"its video is answered with {whole.status_code} and {part.status_code}"
        if part.content != whole.content[100:200]:
            return "a part of its video is another's"
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            Path(file.name).write_bytes(whole.content)
            return why_unplayable(job, Path(file.name))

    return unplayable


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for on the command line."""
    given = "default: %(default)s"
    parser.add_argument("--jobs", type=int, default=200, help=given)
    parser.add_argument("--kills", type=int, default=20, help=given)
    parser.add_argument("--restarts", type=int, default=2, help=f"of PostgreSQL; {given}")
    parser.add_argument("--outages", type=int, default=2, help=f"of the bucket; {given}")
    parser.add_argument("--seed", type=int, help="of when and whom; default: another each time")


async def run(jobs: int, seed: int | None, **troubles: int) -> int:
    """Prints the report; the exit code."""
    seed = random.randrange(10_000) if seed is None else seed
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="wan-replicas-") as folder:
        chance = random.Random(seed)
        report = await asyncio.to_thread(storm, Path(folder), jobs=jobs, chance=chance, **troubles)
    for wrong in report.untrue:
        print("WRONG:", wrong)
    for seconds, who, ended in sorted(report.late(), reverse=True)[:10]:
        print(f"{who}: {seconds:.1f} s late at {ended - report.storm.begun:.1f} s")
    found = report.figures()
    tell(found)
    return int(not all(figure.met for figure in found))
