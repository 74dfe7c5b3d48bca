"""A storm: three processes share one database and one storage, one of them is killed again and
again, and the service has one trouble after another.

Then it is calm until every job is at its end. What must hold: no job is lost, none was created
twice, every end is what the simulator knows, every video opens. A tenth of the jobs is cancelled at
some moment.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.crowd import Order, Place
from tests.pictures import picture
from tests.simulators import Simulator, serving
from tests.worker import Worker, working
from wan.domain.jobs import Job, JobState
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.simulator.faults import VERBS

FAULTS = (
    *(
        "drop-before",
        "drop-after-accept",
        "stall",
        "drip-2",
        "html",
        "bad-json",
        "cut-body",
        "wrong-content",
    ),
    *("status-429", "status-500", "status-502", "status-503", "status-504"),
)
WORKERS = 3
KEYS = ("sk-chaos-one", "sk-chaos-two", "sk-chaos-three")


@dataclass(frozen=True)
class Report:
    """What came of a storm."""

    untrue: list[str]
    ends: Counter[str]
    kills: int
    faults: int
    settled: Counter[str]
    """How what was UNCERTAIN went on: PENDING is adopted, FAILED proved absent."""
    seconds: float


def orders(count: int) -> list[Order]:
    """Jobs of three accounts, four owners, two models; every fourth picture is one that others use
    too.
    """
    made = []
    for number in range(count):
        shade = number if number % 4 else 0
        image = picture((240 + shade % 50, 240), color=(shade % 256, 80, 120))
        given = {"prompt": f"job {number} of the storm", "duration": 2, "audio": False}
        if number % 3:
            request = ImageToVideoRequest(reference_image=image, size="720P", **given)
        else:
            request = ReferenceToVideoRequest(reference_image=[image], size="832*1088", **given)
        made.append(Order(KEYS[number % len(KEYS)], f"owner {number % 4}", request))
    return made


async def storm(folder: Path, *, jobs: int, kills: int) -> Report:
    """Runs one. Raises TimeoutError when jobs do not come to their ends."""
    begun = time.monotonic()
    with serving(
        folder / "simulator", "--pending", "0.3", "--running", "1", "--still"
    ) as simulator:
        place = Place(folder / "output", simulator).made()
        with working(folder / "workers", WORKERS, KEYS, place.environment, hurried=True) as workers:
            submitted = await place.submit(orders(jobs))
            troubles = asyncio.create_task(_trouble(simulator))
            cancels = asyncio.create_task(_cancel(place, submitted[::10]))
            await _kill(place, workers, jobs, kills)
            troubles.cancel()
            await asyncio.gather(troubles, return_exceptions=True)
            simulator.clear_faults()
            await cancels
            await place.all_ended(jobs)
        steps = place.steps()
        return Report(
            untrue=place.untrue(submitted),
            ends=Counter(job.state.value for job in place.now(submitted)),
            kills=kills,
            faults=simulator.stats()["faults"],
            settled=Counter(became for _, was, became in steps if was == JobState.UNCERTAIN),
            seconds=time.monotonic() - begun,
        )


async def _kill(place: Place, workers: list[Worker], jobs: int, kills: int) -> None:
    """Kills a process each time that some more jobs have ended, so that the kills are spread over
    all of the work.
    """
    for number in range(kills):
        await place.all_ended(number * jobs // (kills + 1))
        await asyncio.sleep(random.uniform(0, 1.5))
        victim = random.choice(workers)
        await asyncio.to_thread(victim.kill)
        victim.start()
        await asyncio.to_thread(victim.ready)


async def _trouble(simulator: Simulator) -> None:
    while True:
        for verb in random.sample(VERBS, 3):
            await asyncio.to_thread(simulator.set_fault, verb, random.choice(FAULTS))
        await asyncio.sleep(random.uniform(0.3, 1.5))
        await asyncio.to_thread(simulator.clear_faults)
        await asyncio.sleep(random.uniform(0.2, 1.5))


async def _cancel(place: Place, jobs: Sequence[Job]) -> None:
    """Cancels jobs, each at some moment while they are on their way."""
    for job in jobs:
        await asyncio.sleep(random.uniform(0, 1.5))
        async with place.viewer(KEYS[0]) as studio:
            await studio.submission.cancel(job.id, owner=job.owner)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for on the command line."""
    parser.add_argument("--jobs", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--kills", type=int, default=20, help="default: %(default)s")


async def run(jobs: int, kills: int) -> int:
    """Prints the report; the exit code."""
    with tempfile.TemporaryDirectory(prefix="wan-chaos-") as folder:
        report = await storm(Path(folder), jobs=jobs, kills=kills)
    print(f"{jobs} jobs, {report.kills} kills, {report.faults} faults, {report.seconds:.0f} s")
    print("ends:", dict(report.ends))
    uncertain = {"PENDING": "adopted", "FAILED": "proved absent", "EXPIRED": "expired"}
    print(
        f"uncertain: {report.settled.total()}",
        {uncertain[became]: count for became, count in report.settled.items()},
    )
    for wrong in report.untrue:
        print("WRONG:", wrong)
    print(
        "nothing lost, nothing created twice, every end true, every video opens"
        if not report.untrue
        else "NOT WELL"
    )
    return bool(report.untrue)
