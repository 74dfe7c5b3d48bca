"""`python -m tests.bench NAME` runs one; without a name, all that is measured beside a peer."""

import argparse
import asyncio
import importlib
import sys

from tests.bench import figures

NAMES = (
    "announced",
    "cached",
    "capacity",
    "chaos",
    "conform",
    "film",
    "first_page",
    "event_loop",
    "flood",
    "lag",
    "full_house",
    "growth",
    "library",
    "limits",
    "matrix",
    "memory",
    "mutants",
    "mutations",
    "neighbours",
    "photo_upload",
    "page_load",
    "overhead",
    "replicas",
    "shape",
    "video_work",
)
MODULES = {name: importlib.import_module(f"tests.bench.{name}") for name in NAMES}
MEASURING = {name: module for name, module in MODULES.items() if hasattr(module, "measure")}


async def measure_all() -> int:
    """Measures and keeps everything that has a mark; the exit code."""
    found: list[figures.Figure] = []
    for name, module in MEASURING.items():
        print(f"measuring: {name}", flush=True)
        found += await module.measure()
    figures.tell(found)
    print(f"\nkept in {figures.keep(found)}")
    return int(not all(figure.met for figure in found))


async def measure(name: str) -> int:
    """Measures one, and keeps nothing; the exit code."""
    found = await MEASURING[name].measure()
    figures.tell(found)
    return int(not all(figure.met for figure in found))


parser = argparse.ArgumentParser(
    prog="python -m tests.bench",
    description="Long runs against the simulator; nothing leaves this machine. Without a name, "
    "everything that is measured beside a peer.",
)
names = parser.add_subparsers(dest="name", metavar="NAME")
for name, module in MODULES.items():
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
chosen = options.pop("name")
if chosen is None:
    sys.exit(asyncio.run(measure_all()))
module = MODULES[chosen]
if not hasattr(module, "run"):
    sys.exit(asyncio.run(measure(chosen)))
sys.exit(asyncio.run(module.run(**options)))
