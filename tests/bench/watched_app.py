"""The app, with a watch on its event loop: what holds it for long is written to LOOP_LOG, a JSON
object a line. Not a bench: `tests.bench.event_loop` runs it.
"""

import asyncio
import contextlib
import json
import os
import runpy
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT = 0.025  # seconds from which on it is written down
_TICK = 0.005
_begun: dict[int, float] = {}
"""When the callback began that runs in a thread, by the thread."""
_stacks: dict[int, list[str]] = {}
"""What stood on a thread's stack when its callback had been running for too long."""


def _watch(log: Path) -> None:
    """Times every callback of every loop from now on."""
    plain, lines = asyncio.Handle._run, log.open("a", buffering=1)

    def run(handle: asyncio.Handle) -> None:
        thread, begun, spent = threading.get_ident(), time.perf_counter(), time.thread_time()
        _begun[thread] = begun
        try:
            plain(handle)
        finally:
            del _begun[thread]
            took, stack = time.perf_counter() - begun, _stacks.pop(thread, [])
            if took >= LIMIT:
                cpu = time.thread_time() - spent
                said: dict[str, Any] = {"at": time.time(), "wall": took, "cpu": cpu}
                lines.write(json.dumps(said | {"what": repr(handle)[:300], "stack": stack}) + "\n")

    asyncio.Handle._run = run
    threading.Thread(target=_sample, daemon=True).start()


def _sample() -> None:
    """Keeps the stack of each callback that has been running for too long."""
    while True:
        time.sleep(_TICK)
        now = time.perf_counter()
        for thread, begun in list(_begun.items()):
            if now - begun >= LIMIT and thread not in _stacks:
                with contextlib.suppress(KeyError):
                    frames = traceback.extract_stack(sys._current_frames()[thread])
                    _stacks[thread] = [
                        f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames[-8:]
                    ]


if __name__ == "__main__":
    _watch(Path(os.environ["LOOP_LOG"]))
    sys.path.insert(0, str(ROOT))
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
