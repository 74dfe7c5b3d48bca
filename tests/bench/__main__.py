"""`python -m tests.bench NAME`."""

import argparse
import asyncio

from tests.bench import matrix, memory

RUNS = {"matrix": matrix.run, "memory": memory.run}

parser = argparse.ArgumentParser(prog="python -m tests.bench")
parser.add_argument("name", choices=sorted(RUNS))
asyncio.run(RUNS[parser.parse_args().name]())
