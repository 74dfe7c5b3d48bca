"""What the processes of one run of the tests share: a folder, and in it a PostgreSQL and the films
of the simulators. It goes with the run.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.postgres import Postgres

_NAME = "WAN_TESTS_FOLDER"
_FOLDERS: list[Path] = []


def begin(config: pytest.Config) -> None:
    """Makes the folder, in the process that begins the run; the others find it by their
    environment, which no test sees.
    """
    if is_worker(config):
        _FOLDERS.append(Path(os.environ.pop(_NAME)))
        return
    made = Path(
        tempfile.mkdtemp(prefix="wan-tests-")
    )  # where the path of a socket stays short enough
    made.chmod(0o755)  # PostgreSQL may not run as root, and gets here as nobody
    os.environ[_NAME] = str(made)
    _FOLDERS.append(made)


def end(config: pytest.Config) -> None:
    """Ends what runs in the folder, and removes it."""
    if is_worker(config):
        return
    if _postgres_folder().exists():
        Postgres(_postgres_folder()).stop()
    shutil.rmtree(folder())


def is_worker(config: pytest.Config) -> bool:
    """Whether this is one of several processes side by side, and not the one that began the run."""
    return hasattr(config, "workerinput")


def folder() -> Path:
    """The folder of this run."""
    return _FOLDERS[0]


def plain_films() -> dict[str, str]:
    """The environment of simulators whose films cost nothing, since each kind is made once; in a
    bench, films are what they are elsewhere.
    """
    return {"WAN_SIMULATOR_PLAIN": str(folder() / "films")} if _FOLDERS else {}


def postgres() -> Postgres:
    """The PostgreSQL of this run: whoever asks first starts it."""
    with (folder() / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_new = not _postgres_folder().exists()
        found = Postgres(_postgres_folder())
        if is_new:
            found.start()
        return found


def _postgres_folder() -> Path:
    return folder() / "postgres"
