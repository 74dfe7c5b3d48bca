"""A limit for the end of a process, whatever hangs in it."""

import logging
import os
import sys
import threading
from contextlib import suppress

log = logging.getLogger(__name__)


def exit_within(seconds: float, code: int) -> None:
    """End this process after so many seconds, unless it has ended by then: threads that wait for
    something that doesn't come would keep it for ever.
    """

    def end() -> None:
        log.warning("something has not ended within %g s: this process ends without it", seconds)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)

    limit = threading.Timer(seconds, end)
    limit.daemon = True
    limit.start()
