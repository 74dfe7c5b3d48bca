"""Several processes, one database: they share the work, take over from the dead, and never ask for
the same thing twice.
"""

import asyncio
import collections
import contextlib
import fcntl
import itertools
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests import warm
from tests.bench import chaos, limits
from tests.blocking import Store
from tests.conftest import ROOT
from tests.crowd import Order, Place
from tests.database.test_store import job as row
from tests.patience import PATIENCE
from tests.pictures import picture
from tests.simulators import serving
from tests.worker import Worker, working
from wan.domain.jobs import JobState
from wan.domain.requests import ImageToVideoRequest
from wan.service.studio import Studio

pytestmark = pytest.mark.anyio

KEY, OWNER = "sk-processes", "somebody"
# seconds at least between two looks at one task; a look is due after 1 s, give or take a twentieth
APART = 0.9

WAIT = """
import fcntl, sys

def wait():
    print("ready", flush=True)
    with open(sys.argv[1]) as word:
        fcntl.flock(word, fcntl.LOCK_SH)
        return word.read()
"""
MAKE_SCHEMA = f"""
from tests.blocking import Store
{WAIT}
wait()
Store(sys.argv[2]).close()
"""
FOLLOW = f"""
import asyncio
from wan.environment.settings import load_settings
from wan.service.studio import Studio
{WAIT}
async def follow():
    async with Studio(load_settings()) as studio:
        job_id = await asyncio.to_thread(wait)
        async for event in studio.watching.follow(job_id, owner=sys.argv[2]):
            print(event.job.state.value, flush=True)

asyncio.run(follow())
"""


@dataclass
class Others:
    """Processes that wait for a word, which all of them get at one moment."""

    processes: list[subprocess.Popen]
    word: IO[str]

    def tell(self, word: str) -> None:
        self.word.write(word)
        self.word.close()  # and the lock that they wait for goes with it

    def ends(self) -> list[tuple[int, str, str]]:
        """Exit code, output and errors of each, at its end."""
        said = [(process.stdout.read(), process.stderr.read()) for process in self.processes]
        return [(process.wait(), *both) for process, both in zip(self.processes, said, strict=True)]


@contextlib.contextmanager
def ready(
    count: int, script: str, argument: str, *, environment: dict[str, str], folder: Path
) -> Iterator[Others]:
    """So many processes with a script that has said that it is ready."""
    path = folder / "others.py"
    path.write_text(script)
    with contextlib.ExitStack() as running:
        word = running.enter_context((folder / "word").open("w"))
        fcntl.flock(word, fcntl.LOCK_EX)
        processes, pipes = [], {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        for _ in range(count):
            processes.append(
                running.enter_context(
                    warm.start(
                        [path, word.name, argument], environment=environment, folder=ROOT, **pipes
                    )
                )
            )
            running.callback(processes[-1].kill)
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * count
        yield Others(processes, word)


def order(number: int, **changes) -> Order:
    given = {
        "prompt": f"take {number}",
        "reference_image": picture((240, 240)),
        "duration": 2,
        "size": "720P",
        "audio": False,
    }
    return Order(KEY, OWNER, ImageToVideoRequest(**given | changes))


@pytest.fixture
def place(tmp_path, environment):
    """A database, a storage and a simulator of their own; a task runs long enough to be looked at
    several times.
    """
    with serving(
        tmp_path / "simulator",
        "--pending",
        "0.5",
        "--running",
        "4",
        "--still",
        environment=environment,
    ) as simulator:
        yield Place(tmp_path / "shared", simulator).made()


async def test_ten_processes_make_the_same_schema_at_once(new_database, environment, tmp_path):
    database = new_database()
    with ready(10, MAKE_SCHEMA, database, environment=environment, folder=tmp_path) as others:
        others.tell("now")
        assert others.ends() == [(0, "", "")] * 10
    with contextlib.closing(Store(database)) as store:
        assert store.add(row()) == store.jobs.get("job1", "somebody")


async def test_two_processes_share_the_work_and_no_task_is_looked_at_by_both(place, tmp_path):
    jobs = await place.submit([order(number) for number in range(8)])
    with working(tmp_path / "workers", 2, [KEY], place.environment) as workers:
        with place.simulator.holding("RUNNING"):
            async with asyncio.timeout(PATIENCE):
                while sum(len(looks) > 3 for looks in _looks(workers).values()) < 5:  # noqa: ASYNC110 - other processes ask
                    await asyncio.sleep(0.1)
        await place.all_ended(len(jobs))
        assert all(worker.requests() for worker in workers)
    assert place.untrue(jobs) == []
    verbs = [request["verb"] for worker in workers for request in worker.requests()]
    assert (verbs.count("create"), verbs.count("upload"), verbs.count("result")) == (8, 1, 8)
    assert verbs.count("query") == place.simulator.stats()["queries"]
    assert set(_looks(workers)) == {job.task_id for job in place.now(jobs)}
    for *looks, _ in _looks(workers).values():  # the last asks for the URL
        assert all(after - before > APART for before, after in itertools.pairwise(looks)), looks


def _looks(workers: Sequence[Worker]) -> dict[str, list[float]]:
    """When each task was asked for so far, by any process."""
    looks = collections.defaultdict(list)
    for request in itertools.chain(*(worker.requests() for worker in workers)):
        if request["verb"] == "query":
            looks[request["path"].rpartition("/")[2]].append(request["at"])
    return {task: sorted(times) for task, times in looks.items()}


async def test_what_a_process_held_when_it_was_killed_is_taken_over_and_not_paid_again(
    place, tmp_path
):
    jobs = await place.submit([order(number) for number in range(3)])
    with (
        working(tmp_path / "first", 1, [KEY], place.environment, hurried=True),
        place.simulator.fault("create", "stall", count=1),
    ):
        while not place.simulator.stats()["created"]:  # noqa: ASYNC110 - another process asks
            await asyncio.sleep(0.05)
    with working(tmp_path / "second", 1, [KEY], place.environment, hurried=True):
        await place.all_ended(len(jobs))
    assert ("UNCERTAIN", "PENDING") in [(was, became) for _, was, became in place.steps()]
    assert place.untrue(jobs) == []
    assert {job.state for job in place.now(jobs)} == {JobState.SUCCEEDED}
    assert place.simulator.stats()["created"] == 3


async def test_viewers_in_any_process_cost_no_poll_of_their_own(place, tmp_path):
    async def looks(number: int, viewers: int, others: Others | None = None) -> tuple[int, float]:
        """How often the service was asked for a job that so many watch here, and others elsewhere;
        and how often it may be at most.
        """
        before = place.simulator.stats()["queries"]
        async with Studio(place.settings(KEY)) as studio:
            job = await studio.submission.submit(order(number).request, owner=OWNER)
            if others is not None:
                others.tell(job.id)
            seen = await asyncio.gather(*(_states(studio, job.id) for _ in range(viewers)))
        if others is not None:
            ends = await asyncio.to_thread(others.ends)
            assert {code for code, _, _ in ends} == {0}, ends
            seen += [out.split() for _, out, _ in ends]
        assert all(states[-1] == "SUCCEEDED" and "RUNNING" in states for states in seen)
        (done,) = place.now([job])
        return place.simulator.stats()["queries"] - before, (
            done.fetching_at - done.submitted_at
        ) / APART + 2

    alone, allowed = await looks(1, 1)
    assert 3 < alone <= allowed
    with ready(
        2,
        FOLLOW,
        OWNER,
        environment=place.environment | {"DASHSCOPE_API_KEY": KEY},
        folder=tmp_path,
    ) as others:
        watched, allowed = await looks(2, 3, others)
        assert watched <= allowed


async def _states(studio: Studio, job_id: str) -> list[str]:
    return [event.job.state.value async for event in studio.watching.follow(job_id, owner=OWNER)]


async def test_no_account_asks_for_more_than_the_service_allows(tmp_path):
    report = await limits.crowd(tmp_path, jobs=36, accounts=2, processes=2)
    assert report.untrue == []
    assert report.well, report
    assert report.most["live"] == limits.ALLOWED["live"]


async def test_a_storm_loses_nothing_and_pays_nothing_twice(tmp_path):
    report = await chaos.storm(tmp_path, jobs=12, kills=3)
    assert report.untrue == []
    assert report.ends.total() == 12
