"""The end of a process: after everything registered, before the interpreter is torn down.

Threads of obstore 0.12.1 (its tokio runtime, which nothing can stop) may be about to hand over a
result at that moment and then break the process: SIGABRT or SIGSEGV instead of its exit code, in 9
of 330 processes that ended right after a read.
https://github.com/PyO3/pyo3-async-runtimes/issues/40
"""

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

_codes: list[int] = []


def exit_with(code: int) -> NoReturn:
    """End this process from its main thread; waits for threads and `atexit` as usual."""
    _codes.append(code)
    sys.exit(code)


def _exit_at_once() -> None:
    if not _codes:
        return
    for stream in (sys.stdout, sys.stderr):
        # Full, closed or missing: the writer has dealt with it.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(_codes[-1])


# What is registered first runs last: import this module before any other.
atexit.register(_exit_at_once)
