"""Deliberate faults in the product, one at a time: do the usual tests catch each of them?

Each fault of `tests/bench/faults.py` is put into a copy of the project, and the tests that are
named beside it run there. Without any fault they must pass, or a catch proves nothing. Ends with 1
when a fault is missed, or broken: its text is not found once, its tests do not even start or do not
end.
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.faults import FAULTS, Fault
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
# seconds for the tests of one fault, which take a few; a test that waits in vain is a catch
LIMIT = 2 * PATIENCE
_FIXTURES = (
    30.0  # seconds that tests which are stopped get to end the processes that they have started
)
_LINE = re.compile(
    r"^(?:FAILED|ERROR) (tests/.+?)(?: - .*)?$", re.MULTILINE
)  # of the summary at the end
_PASSED, _FAILED = 0, 1  # how pytest ends; anything else is that it did not get so far
_ROW = "{:62}  {:26}  {:7}  {:>5}  {}"


@dataclass(frozen=True)
class Outcome:
    """What became of a fault."""

    fault: Fault
    word: str
    """"caught", "MISSED" or "broken"."""
    by: str
    """The first test that failed, or why it is broken."""
    seconds: float

    def __str__(self) -> str:
        return _ROW.format(
            self.fault.name, self.fault.file, self.word, f"{self.seconds:.0f} s", self.by
        )


def copied(target: Path) -> Path:
    """Copies the project as it lies here, without what it makes: its tracked files, or all where
    there is no Git.
    """
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return shutil.copytree(
            ROOT, target, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "output")
        )
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


def apply(fault: Fault, project: Path) -> bool:
    """Puts a fault into a copy. Gives whether its place was found, once."""
    path = project / fault.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    return text.count(fault.old) == 1


async def tried(fault: Fault) -> Outcome:
    """Runs the tests of a fault in a copy that has it."""
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wan-mutants-") as folder:
        project = await asyncio.to_thread(copied, Path(folder) / "project")
        if not apply(fault, project):
            return Outcome(fault, "broken", "its text does not stand in the file once", 0.0)
        code, said = await _pytest(project, fault.tests, "-x", within=LIMIT)
    seconds, first = time.monotonic() - since, _LINE.search(said)
    if code == _PASSED:
        return Outcome(fault, "MISSED", "", seconds)
    if code == _FAILED and first:
        return Outcome(fault, "caught", first[1], seconds)
    return Outcome(
        fault,
        "broken",
        "no end" if code is None else f"pytest ended with {code}: {said.strip()[-300:]}",
        seconds,
    )


async def _pytest(
    project: Path, tests: Sequence[str], *options: str, within: float | None
) -> tuple[int | None, str]:
    """How pytest ends in a copy, None where it does not within so many
    seconds; and what it says.
    """
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }  # else the tests would import what lies there
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *options, *tests),
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within):
            said, _ = await process.communicate()
        return process.returncode, said.decode(errors="replace")
    except TimeoutError:
        return None, ""
    finally:
        await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Ends a run of tests that is still there, and what it has started."""
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIXTURES):
                await process.communicate()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def passes(faults: Sequence[Fault]) -> bool:
    """Whether all the tests pass without a fault; says which do not."""
    since = time.monotonic()
    tests = sorted({one for fault in faults for one in fault.tests})
    with tempfile.TemporaryDirectory(prefix="wan-mutants-") as folder:
        code, said = await _pytest(
            await asyncio.to_thread(copied, Path(folder) / "project"), tests, within=None
        )
    if code == _PASSED:
        print(f"without a fault the tests pass, {time.monotonic() - since:.0f} s", flush=True)
        return True
    print(
        "without a fault the tests do not pass, so that no catch would prove anything:",
        *(_LINE.findall(said) or [said[-2000:]]),
        sep="\n",
    )
    return False


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for."""
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="the faults of these names; all unless given",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="faults that are tried at the same time (default 1)"
    )


async def run(only: Sequence[str] = (), jobs: int = 1) -> int:
    """Prints a line for each fault. Gives the exit code."""
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # in the background a shell has it ignored, and the tests would inherit that
    faults = [fault for fault in FAULTS if not only or fault.name in only]
    if unknown := set(only) - {fault.name for fault in faults}:
        print("no fault has the name", ", ".join(sorted(unknown)))
        return 1
    if not await passes(faults):
        return 1
    print(_ROW.format("fault", "file", "", "time", "by"), flush=True)
    at_once, since = asyncio.Semaphore(jobs), time.monotonic()

    async def in_turn(fault: Fault) -> Outcome:
        async with at_once:
            outcome = await tried(fault)
        print(outcome, flush=True)
        return outcome

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(in_turn(fault)) for fault in faults]
    words = [task.result().word for task in tasks]
    counts = ", ".join(f"{words.count(word)} {word}" for word in ("caught", "MISSED", "broken"))
    print(f"{len(faults)} faults: {counts}; {time.monotonic() - since:.0f} s")
    return int(set(words) != {"caught"})
