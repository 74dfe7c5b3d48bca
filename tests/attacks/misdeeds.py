"""What the code in a sandbox might do if a file took it over: a nursery with tasks that misbehave, `python -m tests.attacks.misdeeds`."""

import os
import signal
import socket
import time
from pathlib import Path

from wan.sandbox import serve


def _open(given, made, *, field):
    Path("/etc/passwd").read_bytes()
    return {}


def _connect(given, made, *, field):
    socket.create_connection(("127.0.0.1", 9))
    return {}


def _tell(given, made, *, field):
    return {"environment": sorted(os.environ)}


def _hoard(given, made, *, field):
    return {"bytes": len(bytearray(1_000_000_000))}


def _write(given, made, *, field):
    for _ in range(300):
        made.write(bytes(1_000_000))
    return {}


def _fall(given, made, *, field):
    os.kill(os.getpid(), signal.SIGSEGV)


def _sleep(given, made, *, field):
    time.sleep(3600)


def _babble(given, made, *, field):
    return {"words": "word " * 100_000}


def _mumble(given, made, *, field):
    return "nothing of use"


def _trip(given, made, *, field):
    return {}[field]


TASKS = {name.removeprefix("_"): task for name, task in globals().items() if name.startswith("_") and getattr(task, "__module__", "") == __name__}

if __name__ == "__main__":
    serve(TASKS)
