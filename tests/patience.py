"""How long a test waits for what should come."""

import time
from collections.abc import Callable

PATIENCE = 180.0
"""Seconds after which what a test waits for is not coming: an app's start, a process's end, an
answer. No test is about this time, and a machine that is busy or slow needs a good part of it.
"""


def wait_until(holds: Callable[[], bool]) -> None:
    """Returns once something holds; fails where that does not come."""
    give_up = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
