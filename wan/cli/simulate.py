"""The simulator as a program of its own: it shares no code with the client."""

import argparse
import os
import sys

from wan.cli import DONE
from wan.environment.settings import load_settings
from wan.provider.local_simulator import Demo


def simulate(options: argparse.Namespace) -> int:
    """`simulate`: becomes it."""
    settings = load_settings()
    settings.made_output_dir()
    pending = settings.simulator_pending if options.pending is None else options.pending
    running = settings.simulator_running if options.running is None else options.running
    given = [
        f"--dir={Demo(settings).folder()}",
        f"--port={options.port}",
        f"--pending={pending}",
        f"--running={running}",
    ]
    faults = [f"--fault={fault}" for fault in options.fault]
    os.execv(sys.executable, [sys.executable, "-m", "wan.simulator", *given, *faults])  # noqa: S606 - our own program, no shell
    return DONE
