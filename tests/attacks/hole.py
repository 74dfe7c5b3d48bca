"""The app with the old hole in it: at each SIGUSR1 it opens and closes the files of its own database, as it once did for anybody who asked."""

import os
import runpy
import signal
from pathlib import Path


def close_database(*_: object) -> None:
    """Drops every lock that the process has by POSIX on these files."""
    for file in Path(os.environ["OUTPUT_DIR"]).glob("wan.sqlite3*"):
        os.close(os.open(file, os.O_RDONLY))
    Path("closed").touch()


signal.signal(signal.SIGUSR1, close_database)
runpy.run_path(str(Path(__file__).parents[2] / "app.py"), run_name="__main__")
