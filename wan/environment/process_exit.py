"""How the app and the command line end: after all that is to be done at the end of a Python
program, but before the interpreter is taken apart.

Threads of obstore 0.12.1 (its tokio runtime, which nothing can stop) may be about to hand over a
result in that moment, and then they break the process: SIGABRT or SIGSEGV instead of its exit code,
in 9 of 330 processes that ended right after a read.
https://github.com/PyO3/pyo3-async-runtimes/issues/40
"""

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn

_codes: list[int] = []


def exit_with(code: int) -> NoReturn:
    """Ends this process with `code`, from its main thread: it waits for threads and runs what is
    registered with `atexit`, as ever.
    """
    _codes.append(code)
    sys.exit(code)


def _leave() -> None:
    if not _codes:
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(
            OSError, ValueError, AttributeError
        ):  # full, closed, or never there: whoever wrote has dealt with it
            stream.flush()
    os._exit(_codes[-1])


atexit.register(_leave)  # what is registered first runs last: import this module before any other
