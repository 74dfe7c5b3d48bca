"""The simulator as a program of its own: it shares no code with the client."""

import argparse
import os
import sys

from wan.cli import DONE
from wan.settings import load_settings


def simulate(options: argparse.Namespace) -> int:
    """`simulate`: becomes it."""
    settings = load_settings()
    folder = settings.output_dir.absolute() / "simulator"
    pending = settings.simulator_pending if options.pending is None else options.pending
    running = settings.simulator_running if options.running is None else options.running
    given = ["--dir", str(folder), "--port", str(options.port), "--pending", str(pending), "--running", str(running)]
    faults = [word for fault in options.fault for word in ("--fault", fault)]
    os.execv(sys.executable, [sys.executable, "-m", "wan.simulator", *given, *faults])  # noqa: S606 - our own program, no shell
    return DONE
