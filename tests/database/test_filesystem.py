"""Folders whose file system can do less than a disk: real ones, by bindfs."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm
from tests.blocking import Store
from wan.database import filesystem
from wan.database.filesystem import find_lack, probe_folder
from wan.domain.errors import SettingsError, StorageUnavailable

pytestmark = pytest.mark.process

OPEN = """
import sys
from wan.domain.errors import WanError
from wan.database import opening
from wan.database.engine import Database
opening._BUSY = 0.2
try:
    Database(f"sqlite:///{sys.argv[1]}").close()
    print("open")
except WanError as error:
    print(error.message.key)
"""


@contextlib.contextmanager
def bound(source: Path, place: Path, *options: str) -> Iterator[Path]:
    """A folder as a program shows it. Whoever has no such program, or no right to mount, is told
    so.
    """
    bindfs = shutil.which("bindfs")
    assert bindfs, "bindfs is missing: apt-get install bindfs"
    assert Path("/dev/fuse").exists(), (
        "/dev/fuse is missing: this machine mounts no file systems of programs (docker run "
        "--device /dev/fuse ...)"
    )
    for folder in (source, place):
        folder.mkdir(exist_ok=True)
    mounted = subprocess.run(
        [bindfs, "--no-allow-other", *options, source, place], capture_output=True, text=True
    )
    assert mounted.returncode == 0, f"bindfs cannot mount here: {mounted.stderr}"
    try:
        yield place
    finally:
        subprocess.run(["fusermount", "-u", "-z", place], check=True)


@pytest.fixture
def share(tmp_path) -> Iterator[Path]:
    """A folder that shares no memory between processes, as bucket mounts and network shares."""
    with bound(tmp_path / "source", tmp_path / "a share", "-o", "direct_io") as folder:
        yield folder


def test_a_disk_lacks_nothing_and_is_not_tried(tmp_path, monkeypatch):
    assert probe_folder(tmp_path) == ""
    monkeypatch.setattr(filesystem, "probe_folder", lambda _: pytest.fail("a disk was tried"))
    assert find_lack(tmp_path) == ""


def test_what_a_share_lacks_is_found(tmp_path, share):
    assert find_lack(share) == "memory"
    assert list(share.iterdir()) == []  # nothing of it stays
    with bound(tmp_path / "source", tmp_path / "again", "-o", "direct_io") as again:
        assert (
            probe_folder(share, again) == "locks"
        )  # as on two machines that do not tell each other
    (tmp_path / "another").mkdir()
    assert probe_folder(share, tmp_path / "another") == "writes"


def test_a_database_on_a_share_is_one_processes_alone(environment, share):
    """Also one that was made on a disk, with a log that nobody has written into it yet."""
    made = share.parent / "source" / "wan.sqlite3"
    Store(f"sqlite:///{made}").close()
    with contextlib.closing(sqlite3.connect(made, isolation_level=None)) as left:
        left.execute("PRAGMA journal_mode=WAL")
        left.execute("CREATE TABLE kept (word TEXT)")
        left.execute("INSERT INTO kept VALUES ('word')")
        copies = {end: made.with_name(f"{made.name}{end}").read_bytes() for end in ("", "-wal")}
    for end, content in copies.items():
        made.with_name(f"{made.name}{end}").write_bytes(content)
    path = share / "wan.sqlite3"

    def other() -> str:
        return subprocess.run(
            [sys.executable, "-c", OPEN, path], env=environment, capture_output=True, text=True
        ).stdout.strip()

    with contextlib.closing(Store(f"sqlite:///{path}")) as store:
        with store.database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
            assert connection.exec_driver_sql("SELECT word FROM kept").scalar() == "word"
        store.clear_log()
        assert other() == "database_busy"
    assert other() == "open"
    Store(f"sqlite:///{made}").close()  # back on a disk


def test_a_run_on_a_share(environment, share, samples):
    command = [
        "image-to-video",
        samples / "astronaut.png",
        "--prompt",
        "she waves",
        "--duration",
        "2",
    ]
    done = warm.run(
        ["-m", "wan", *command],
        environment=environment | {"OUTPUT_DIR": str(share)},
        folder=share.parent,
    )
    assert done.returncode == 0, done.stderr
    assert "verified: the file plays to its end" in done.stdout


def test_a_folder_that_can_hold_no_database_is_named(tmp_path, monkeypatch):
    for what, said in (
        ("locks", "see each other's locks"),
        ("writes", "see there what others have written"),
        (OSError(95, "Not supported"), "Not supported"),
    ):

        def outcome(_: Path, what: object = what) -> object:
            if isinstance(what, OSError):
                raise what
            return what

        monkeypatch.setattr("wan.database.opening.find_lack", outcome)
        with pytest.raises(
            SettingsError,
            match=f"^OUTPUT_DIR: this folder can't hold a database: .*{said}.*Set "
            "WAN_DATABASE_URL to postgresql",
        ):
            Store(f"sqlite:///{tmp_path / 'wan.sqlite3'}", setting="OUTPUT_DIR")


def test_nobody_is_blamed_for_a_setting_that_is_not_set(tmp_path):
    (tmp_path / "wan.sqlite3").mkdir()
    with pytest.raises((SettingsError, StorageUnavailable)) as refused:
        Store(f"sqlite:///{tmp_path / 'wan.sqlite3'}", setting="OUTPUT_DIR")
    assert "WAN_DATABASE_URL: got" not in str(refused.value)
    assert str(refused.value).startswith("OUTPUT_DIR: ")
