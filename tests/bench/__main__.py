"""`python -m tests.bench NAME`."""

import argparse
import asyncio
import sys

from tests.bench import chaos, limits, matrix

RUNS = {"chaos": chaos, "limits": limits, "matrix": matrix}

parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Long runs against the simulator; nothing leaves this machine.")
names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
for name, module in RUNS.items():
    first = module.__doc__.partition("\n")[0]
    module.arguments(names.add_parser(name, help=first, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter))
options = vars(parser.parse_args())
sys.exit(asyncio.run(RUNS[options.pop("name")].run(**options)))
