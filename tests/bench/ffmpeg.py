"""Debian's ffmpeg, the peer of what is done to videos, and what a process of its own costs."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Cost:
    """What a piece of work took."""

    seconds: float
    core_seconds: float
    megabytes: float
    """Resident memory of its process, at the most."""


def find() -> str:
    """The path of the command. Ends the bench where there is none."""
    found = shutil.which("ffmpeg")
    if found is None:
        sys.exit("This bench has ffmpeg's command line as its peer: apt-get install -y ffmpeg")
    return found


async def cost_of(command: Sequence[str]) -> Cost:
    """Runs a command to its end."""
    return await asyncio.to_thread(_cost_of, command)


def _cost_of(command: Sequence[str]) -> Cost:
    begun = time.monotonic()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"failed: {' '.join(command)}")
    cores = used.ru_utime + used.ru_stime
    return Cost(time.monotonic() - begun, cores, used.ru_maxrss * 1024 / MEGABYTE)


def middle(costs: Sequence[Cost]) -> Cost:
    """Of each figure the median."""
    return Cost(
        median(cost.seconds for cost in costs),
        median(cost.core_seconds for cost in costs),
        median(cost.megabytes for cost in costs),
    )


async def cost_in_python(*arguments: str) -> Cost:
    """Runs a bench's module, which ends in `tell`, in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"failed: {' '.join(arguments)}")
    return Cost(*map(float, out.split()[-3:]))


class Stopwatch:
    """In a process of its own: what comes after it is told to `cost_in_python`."""

    def __init__(self) -> None:
        self._since, self._used = time.monotonic(), time.process_time()

    def tell(self) -> None:
        """Prints the cost; of the process the peak of memory (VmHWM, which unlike ru_maxrss a new
        program does not inherit from the one that started it).
        """
        took, used = time.monotonic() - self._since, time.process_time() - self._used
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
        print(took, used, peak * 1024 / MEGABYTE)
