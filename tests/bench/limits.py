"""Many jobs of many accounts, worked on by several processes: does any account ever ask for more
than the service allows?

The simulator counts what comes, what it refuses included: at most five tasks of an account and
model wait or run at once, at most five submits of them and twenty queries of an account come in any
second, and nothing is answered with 429.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.crowd import Order, Place
from tests.patience import PATIENCE
from tests.pictures import picture
from tests.simulators import serving
from tests.worker import working
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest

ALLOWED = {"live": 5, "submits": 5, "queries": 20}


@dataclass(frozen=True)
class Report:
    """What the simulator saw."""

    most: dict[str, int]
    throttled: int
    untrue: list[str]
    seconds: float

    @property
    def well(self) -> bool:
        """Whether every limit was kept, and every job has come to its end."""
        return (
            all(self.most[what] <= high for what, high in ALLOWED.items())
            and not self.throttled
            and not self.untrue
        )


def orders(jobs: int, accounts: int) -> list[Order]:
    """As many jobs for each account, two thirds of them with one model."""
    images = [picture((240, 240), color=(shade, 90, 90)) for shade in range(accounts)]
    made = []
    for number in range(jobs):
        account, turn = number % accounts, number // accounts
        given = {"prompt": f"job {number} of many", "duration": 2, "audio": False}
        if turn % 3:
            request = ImageToVideoRequest(reference_image=images[account], size="720P", **given)
        else:
            request = ReferenceToVideoRequest(
                reference_image=[images[account]], size="832*1088", **given
            )
        made.append(Order(f"sk-limits-{account:02}", "somebody", request))
    return made


async def crowd(folder: Path, *, jobs: int, accounts: int, processes: int) -> Report:
    """Submits all jobs, then lets the processes begin at once. No task ends before an account has
    as many as it may. Raises TimeoutError when they do not come to an end.
    """
    begun = time.monotonic()
    with serving(
        folder / "simulator", "--pending", "0.2", "--running", "2", "--still"
    ) as simulator:
        place = Place(folder / "output", simulator).made()
        asked = orders(jobs, accounts)
        submitted = await place.submit(asked)
        with working(
            folder / "workers", processes, sorted({order.key for order in asked}), place.environment
        ):
            with simulator.holding("RUNNING"):
                async with asyncio.timeout(PATIENCE):
                    while simulator.stats()["most"]["live"] < ALLOWED["live"]:  # noqa: ASYNC110 - other processes send
                        await asyncio.sleep(0.1)
            await place.all_ended(jobs)
        stats = simulator.stats()
        return Report(
            stats["most"], stats["throttled"], place.untrue(submitted), time.monotonic() - begun
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for on the command line."""
    for name, default in (("jobs", 300), ("accounts", 20), ("processes", 3)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")


async def run(jobs: int, accounts: int, processes: int) -> int:
    """Prints the report; the exit code."""
    with tempfile.TemporaryDirectory(prefix="wan-limits-") as folder:
        report = await crowd(Path(folder), jobs=jobs, accounts=accounts, processes=processes)
    print(f"{jobs} jobs of {accounts} accounts, {processes} processes, {report.seconds:.0f} s")
    for what, high in ALLOWED.items():
        print(f"most {what}: {report.most[what]}, allowed {high}")
    print(f"answered with 429: {report.throttled}")
    for wrong in report.untrue:
        print("WRONG:", wrong)
    print("within every limit" if report.well else "NOT WELL")
    return not report.well
