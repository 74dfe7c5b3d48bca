"""The app with the old hole in it: at each SIGUSR1 it opens and closes the files of its own
database, as it once did for anybody who asked.

Whatever else but SQLite opens one of them is written to its log.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

FILES = [
    str(Path(os.environ.get("OUTPUT_DIR", "output")) / name)
    for name in ("wan.sqlite3", "wan.sqlite3-wal", "wan.sqlite3-shm")
]
OPENED = "the app itself opens"
_hole_is_open = False


def close_database(*_: object) -> None:
    """Drops every lock that the process has by POSIX on these files."""
    global _hole_is_open  # noqa: PLW0603 - a signal has nowhere else to say it
    _hole_is_open = True
    for file in FILES:
        os.close(os.open(file, os.O_RDONLY))
    _hole_is_open = False
    Path("closed").touch()


def watch(event: str, given: tuple[object, ...]) -> None:
    """Python tells of every file that it opens; of what SQLite opens it does not know."""
    if event == "open" and not _hole_is_open and str(given[0]) in FILES:
        print(OPENED, given[0], flush=True)


if __name__ == "__main__":
    sys.addaudithook(watch)
    signal.signal(signal.SIGUSR1, close_database)
    runpy.run_path(str(Path(__file__).parents[2] / "app.py"), run_name="__main__")
