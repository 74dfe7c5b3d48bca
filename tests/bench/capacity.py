"""How many people, jobs and requests one, two and three replicas carry, all on this machine.

Behind HAProxy, on PostgreSQL and a bucket. People with keys of their own ask for a video, watch it
to its end and ask for the next; there are more and more of them until 95 % of the events are no
longer seen within 150 ms of being written. The same with onlookers on fewer jobs, and with people
who ask and leave. The replicas, PostgreSQL, the bucket, HAProxy, the simulator and the people share
the cores of this machine, so the CPU time of each part is told as well.
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import figures
from tests.bench.crowds import Crowd, Load
from tests.bench.installation import Installation, installed
from tests.bench.usage import Usage, use_of

_LIMIT = 150.0  # ms in which 95 % of the events are seen
_SETTLE = 8.0  # seconds in which those who have just come find their places
_PACE = ("--pending", "1", "--running", "8")
_SETTINGS = {"WAN_JOBS_PER_VISITOR": "100", "WAN_POLL_SECONDS": "2"}
_IN_FLIGHT = "SELECT count(*) FROM jobs WHERE ended_at IS NULL"
_RAMPS: dict[str, Sequence[Load]] = {
    "people": [Load(people=count) for count in (5, 10, 15, 20, 30, 40, 60)],
    "onlookers": [Load(5, each) for each in (4, 9, 18)],
    "requests": [Load(10, rate=rate) for rate in (0.5, 1, 2, 4)],
}
"""What comes, one after the other, until it is too much."""


@dataclass(frozen=True)
class Step:
    """What was measured at one load."""

    ramp: str
    replicas: int
    viewers: int
    jobs: int
    """In flight at the end."""
    submitted: float
    """A second."""
    events: int
    p95: float
    """ms from written to seen; of no event at all, infinite."""
    seconds: float
    use: Usage

    @property
    def carried(self) -> bool:
        return self.p95 < _LIMIT

    def tell(self) -> None:
        """Prints it."""
        cpu = ", ".join(f"{part} {share:.0%}" for part, share in self.use.shares(self.seconds))
        print(
            f"  {self.ramp:9} {self.viewers:4} viewers {self.jobs:4} jobs "
            f"{self.submitted:5.1f} submitted/s {self.events:5} events, 95 % in "
            f"{self.p95:6.0f} ms; {cpu}",
            flush=True,
        )


@contextlib.asynccontextmanager
async def _open(replicas: int) -> AsyncIterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="wan-capacity-") as name:
        place = installed(Path(name), replicas, service=_PACE, **_SETTINGS)
        opened = await asyncio.to_thread(place.__enter__)
        try:
            yield opened
        finally:
            await asyncio.to_thread(place.__exit__, None, None, None)


async def climb(replicas: int, ramp: str, seconds: float) -> list[Step]:
    """The steps of one ramp, the last of which was too much, if any was."""
    steps: list[Step] = []
    async with _open(replicas) as place, Crowd(place) as crowd:
        for load in _RAMPS[ramp]:
            await crowd.become(load)
            await asyncio.sleep(_SETTLE)
            steps.append(await _measure(place, crowd, ramp, seconds))
            steps[-1].tell()
            if not steps[-1].carried:
                break
    return steps


async def _measure(place: Installation, crowd: Crowd, ramp: str, seconds: float) -> Step:
    before, begun = await asyncio.to_thread(use_of, place), time.time()
    submitted = crowd.submitted
    await asyncio.sleep(seconds)
    use, ended = await asyncio.to_thread(use_of, place) - before, time.time()
    asked = (crowd.submitted - submitted) / (ended - begun)
    await asyncio.sleep(1)  # what was written last is still to be seen
    late = await asyncio.to_thread(crowd.lateness, begun, ended)
    ((jobs,),) = await asyncio.to_thread(place.rows, _IN_FLIGHT)
    p95 = late[int(len(late) * 0.95)] if late else float("inf")
    return Step(
        ramp, len(place.replicas), crowd.viewers, jobs, asked, len(late), p95, ended - begun, use
    )


async def cost(jobs: int) -> Usage:
    """What 1,000 jobs cost each part, reckoned from so many that forty people ask for and watch.

    What the parts cost when nobody is there is taken off. What is in flight at the end has cost
    something too, so that the figures are rather too high.
    """
    async with _open(2) as place:
        await asyncio.sleep(5)
        idle, begun = use_of(place), time.time()
        await asyncio.sleep(15)
        idle, rest = use_of(place) - idle, time.time() - begun
        print("  nobody there, a second:", idle.times(1 / rest).describe(), flush=True)
        before, begun = use_of(place), time.time()
        async with Crowd(place) as crowd:
            await crowd.become(Load(people=40))
            while crowd.ended < jobs:  # noqa: ASYNC110 - many end at once
                await asyncio.sleep(0.2)
            used, ended, span = use_of(place) - before, crowd.ended, time.time() - begun
        return (used - idle.times(span / rest)).times(1000 / ended)


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for on the command line."""
    given = "default: %(default)s"
    parser.add_argument("--replicas", type=int, nargs="*", default=[1, 2, 3], help=given)
    parser.add_argument("--ramps", nargs="*", default=list(_RAMPS), help=given)
    parser.add_argument("--seconds", type=float, default=12, help=f"measured at each load; {given}")
    parser.add_argument("--jobs", type=int, default=120, help=f"whose cost is measured; {given}")


async def run(replicas: list[int], ramps: list[str], seconds: float, jobs: int) -> int:
    """Prints and keeps what was measured; the exit code."""
    carried: list[Step] = []
    for count in replicas:
        print(f"{count} replicas")
        for ramp in ramps:
            carried += await climb(count, ramp, seconds)
    spent = await cost(jobs) if jobs else None
    if spent:
        print("1,000 jobs cost:", spent.describe())
    _keep(carried, spent)
    return int(not all(step.carried for step in _firsts(carried)))


def _firsts(steps: Sequence[Step]) -> list[Step]:
    """The first step of each ramp, which has to be carried."""
    return [one for one, before in zip(steps, [None, *steps], strict=False) if _begins(one, before)]


def _begins(step: Step, before: Step | None) -> bool:
    return before is None or (step.ramp, step.replicas) != (before.ramp, before.replicas)


def _keep(steps: Sequence[Step], spent: Usage | None) -> None:
    figures.RESULTS.mkdir(exist_ok=True)
    kept = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": figures.describe_machine(),
        "steps": [asdict(step) for step in steps],
        "1,000 jobs": asdict(spent) if spent else None,
    }
    path = figures.RESULTS / "capacity.json"
    path.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"kept in {path}")
