"""`python -m tests.bench NAME`."""

import argparse
import asyncio
import sys

from tests.bench import (
    chaos,
    conform,
    flood,
    lag,
    library,
    limits,
    matrix,
    memory,
    mutants,
    mutations,
    neighbours,
    shape,
)

MODULES = (
    chaos,
    conform,
    flood,
    lag,
    library,
    limits,
    matrix,
    memory,
    mutants,
    mutations,
    neighbours,
    shape,
)
RUNS = {module.__name__.rpartition(".")[2]: module for module in MODULES}

parser = argparse.ArgumentParser(
    prog="python -m tests.bench",
    description="Long runs against the simulator; nothing leaves this machine.",
)
names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
for name, module in RUNS.items():
    first = module.__doc__.partition("\n")[0]
    run = names.add_parser(
        name,
        help=first,
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if hasattr(module, "arguments"):
        module.arguments(run)
options = vars(parser.parse_args())
sys.exit(asyncio.run(RUNS[options.pop("name")].run(**options)))
