"""The simulator as a program of its own: it shares no code with the client."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from wan.environment.settings import load_settings
from wan.provider.local_simulator import LocalSimulator


def simulate(
    port: str, pending: str | None, running: str | None, faults: Sequence[str]
) -> NoReturn:
    """Become the simulator, whose command line checks what is given."""
    settings = load_settings()
    settings.make_output_dir()
    given = [
        f"--dir={LocalSimulator(settings).folder()}",
        f"--port={port}",
        f"--pending={settings.simulator_pending if pending is None else pending}",
        f"--running={settings.simulator_running if running is None else running}",
        *(f"--fault={fault}" for fault in faults),
    ]
    os.execv(sys.executable, [sys.executable, "-m", "wan.simulator", *given])  # noqa: S606 - our own program, no shell
