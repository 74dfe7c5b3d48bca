"""What a bench has measured, beside a peer and a mark: a table for people, JSON for everybody else.

Each bench of this kind has `async def measure() -> list[Figure]`. The figures of `python -m
tests.bench` without a name, which measures them all, are kept under `tests/bench/results/`.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One figure of a bench."""

    row: str
    """Of the table, such as "First page"."""
    what: str
    """What was measured and how, such as "start to first 200, median of nine"."""
    ours: float
    unit: str
    mark: str
    """In words, such as "at most 1.2 x an empty Blocks app"; empty where none was set."""
    met: bool
    """True where there is no mark."""
    peers: dict[str, float] = field(default_factory=dict)
    """The same of others, in the same run."""


def tell(figures: Sequence[Figure]) -> None:
    """Prints the table."""
    row = ""
    for figure in figures:
        if figure.row != row:
            row = figure.row
            print(f"\n{row}")
        peers = "; ".join(f"{name} {value:.4g}" for name, value in figure.peers.items())
        verdict = f"{'met' if figure.met else 'NOT MET'}: {figure.mark}" if figure.mark else ""
        ours = f"{figure.ours:.4g} {figure.unit}"
        print(f"  {figure.what:60} {ours:>14}   {peers:40}   {verdict}".rstrip())


def keep(figures: Sequence[Figure]) -> Path:
    """Writes the figures of all benches, with the machine and the day; the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "figures.json"
    measured = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": describe_machine(),
        "figures": [asdict(figure) for figure in figures],
    }
    path.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n")
    return path


def describe_machine() -> dict[str, str | int]:
    """How large the machine is, and how quick one of its cores."""
    begun, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory, GB": round(memory / 1e9),
        "ten million additions in Python, ms": round((time.process_time() - begun) * 1000),
    }
