"""Several processes, one database: they share the work, take over from the dead, and never ask for the same thing twice."""

import asyncio
import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.bench import chaos, limits
from tests.crowd import Order, Place
from tests.pictures import picture
from tests.simulators import serving
from tests.test_store import job as row
from tests.worker import working
from wan.jobs import JobState
from wan.requests import ImageToVideoRequest
from wan.store import Store
from wan.studio import Studio

pytestmark = pytest.mark.anyio

KEY, OWNER = "sk-processes", "somebody"
APART = 0.9  # seconds at least between two looks at one task; a look is due after 1 s, give or take a twentieth

MAKE_SCHEMA = """
import sys
from wan.store import Store
print("ready", flush=True)
sys.stdin.readline()
Store(sys.argv[1]).close()
"""
FOLLOW = """
import asyncio, sys
from wan.settings import load_settings
from wan.studio import Studio

async def follow():
    async with Studio(load_settings()) as studio:
        print("ready", flush=True)
        job_id = (await asyncio.to_thread(sys.stdin.readline)).strip()
        async for event in studio.follow(job_id, owner=sys.argv[1]):
            print(event.job.state.value, flush=True)

asyncio.run(follow())
"""


@contextlib.contextmanager
def ready(count: int, script: str, argument: str, *, environment: dict[str, str]) -> Iterator[list[subprocess.Popen]]:
    """So many processes with a script that has said that it is ready; each then waits for a line."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with contextlib.ExitStack() as running:
        processes = []
        for _ in range(count):
            processes.append(running.enter_context(subprocess.Popen([sys.executable, "-c", script, argument], env=environment, text=True, **pipes)))
            running.callback(processes[-1].kill)
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * count
        yield processes


def tell(processes: list[subprocess.Popen], line: str) -> None:
    for process in processes:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def order(number: int, **changes) -> Order:
    given = {"prompt": f"take {number}", "reference_image": picture((240, 240)), "duration": 2, "size": "720P", "audio": False}
    return Order(KEY, OWNER, ImageToVideoRequest(**given | changes))


@pytest.fixture
def place(tmp_path, environment):
    """A database, a storage and a simulator of their own; a task runs long enough to be looked at several times."""
    with serving(tmp_path / "simulator", "--pending", "0.5", "--running", "4", "--still", environment=environment) as simulator:
        yield Place(tmp_path / "shared", simulator).made()


async def test_ten_processes_make_the_same_schema_at_once(new_database, environment):
    database = new_database()
    with ready(10, MAKE_SCHEMA, database, environment=environment) as processes:
        tell(processes, "now")
        said = [process.communicate()[1] for process in processes]
        assert ([process.returncode for process in processes], said) == ([0] * 10, [""] * 10)
    with contextlib.closing(Store(database)) as store:
        assert store.add(row()) == store.get("job1", "somebody")


async def test_two_processes_share_the_work_and_no_task_is_looked_at_by_both(place, tmp_path):
    jobs = await place.submit([order(number) for number in range(8)])
    with working(tmp_path / "workers", 2, [KEY], place.environment) as workers:
        await place.all_ended(len(jobs))
        sent = [worker.requests() for worker in workers]
    assert all(sent)
    assert place.untrue(jobs) == []
    requests = sorted(itertools.chain(*sent), key=lambda request: request["at"])
    verbs = [request["verb"] for request in requests]
    assert (verbs.count("create"), verbs.count("upload"), verbs.count("result")) == (8, 1, 8)
    assert verbs.count("query") == place.simulator.stats()["queries"]
    for job in place.now(jobs):
        *looks, _ = [request["at"] for request in requests if request["path"].endswith(f"/tasks/{job.task_id}")]  # the last asks for the URL
        assert len(looks) > 2
        assert min(after - before for before, after in itertools.pairwise(looks)) > APART


async def test_what_a_process_held_when_it_was_killed_is_taken_over_and_not_paid_again(place, tmp_path):
    jobs = await place.submit([order(number) for number in range(3)])
    with working(tmp_path / "first", 1, [KEY], place.environment), place.simulator.fault("create", "stall", count=1):
        while not place.simulator.stats()["created"]:  # noqa: ASYNC110 - another process asks
            await asyncio.sleep(0.05)
    with working(tmp_path / "second", 1, [KEY], place.environment):
        await place.all_ended(len(jobs))
    assert ("UNCERTAIN", "PENDING") in [(was, became) for _, was, became in place.steps()]
    assert place.untrue(jobs) == []
    assert {job.state for job in place.now(jobs)} == {JobState.SUCCEEDED}
    assert place.simulator.stats()["created"] == 3


async def test_viewers_in_any_process_cost_no_poll_of_their_own(place):
    async def looks(number: int, viewers: int, others: list[subprocess.Popen]) -> tuple[int, float]:
        """How often the service was asked for a job that so many watch here, and others elsewhere; and how often it may be at most."""
        before = place.simulator.stats()["queries"]
        async with Studio(place.settings(KEY)) as studio:
            job = await studio.submit(order(number).request, owner=OWNER)
            tell(others, job.id)
            seen = await asyncio.gather(*(_states(studio, job.id) for _ in range(viewers)))
        seen += [(await asyncio.to_thread(other.communicate))[0].split() for other in others]
        assert all(states[-1] == "SUCCEEDED" and "RUNNING" in states for states in seen)
        (done,) = place.now([job])
        return place.simulator.stats()["queries"] - before, (done.fetching_at - done.submitted_at) / APART + 2

    alone, allowed = await looks(1, 1, [])
    assert 3 < alone <= allowed
    with ready(2, FOLLOW, OWNER, environment=place.environment | {"DASHSCOPE_API_KEY": KEY}) as others:
        watched, allowed = await looks(2, 3, others)
        assert watched <= allowed
        assert {other.returncode for other in others} == {0}


async def _states(studio: Studio, job_id: str) -> list[str]:
    return [event.job.state.value async for event in studio.follow(job_id, owner=OWNER)]


async def test_no_account_asks_for_more_than_the_service_allows(tmp_path):
    report = await limits.crowd(tmp_path, jobs=36, accounts=2, processes=2)
    assert report.untrue == []
    assert report.well, report
    assert 3 <= report.most["live"] <= 5  # side by side, as many as are allowed; a busy machine is done with one before it sends the next


async def test_a_storm_loses_nothing_and_pays_nothing_twice(tmp_path):
    report = await chaos.storm(tmp_path, jobs=12, kills=3)
    assert report.untrue == []
    assert report.ends.total() == 12
