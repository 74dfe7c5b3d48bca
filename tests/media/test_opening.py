"""Files that are named by a path: opened in the sandbox, by one way, and by nobody else."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.pictures import clip, picture
from wan.domain.errors import InvalidInput
from wan.media import inputs
from wan.media.opening import open_plain

PICTURE = picture((300, 300))


def refused(path: Path) -> bool:
    try:
        with open_plain(path):
            return False
    except OSError:
        return True


def test_a_plain_file_is_opened(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").write_bytes(PICTURE)
    with open_plain(tmp_path / "a" / "b.png") as file:
        assert file.read() == PICTURE


def test_no_link_is_followed_anywhere(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").write_bytes(PICTURE)
    (tmp_path / "last").symlink_to(tmp_path / "a" / "b.png")
    (tmp_path / "folder").symlink_to(tmp_path / "a")
    with (tmp_path / "a" / "b.png").open("rb") as file:
        for path in (
            tmp_path / "last",
            tmp_path / "folder" / "b.png",
            Path(f"/proc/self/fd/{file.fileno()}"),
            Path("/proc/self/cwd") / "a",
            Path("/proc/self/root/etc/passwd"),
        ):
            assert refused(path), path


def test_what_is_no_plain_file_is_not_touched(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (
        tmp_path,
        tmp_path / "pipe",
        tmp_path / "gone",
        tmp_path / "gone" / "gone",
        Path("/dev/zero"),
        Path("/"),
        Path("relative"),
        tmp_path / ".." / tmp_path.name / "gone",
    ):
        assert refused(path), path


def test_what_is_not_there_and_what_may_not_be_opened_get_one_answer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "behind").touch()
    said = set()
    for path in (
        tmp_path / "gone",
        tmp_path / "pipe",
        tmp_path,
        tmp_path / "behind" / "it",
        Path("/dev/zero"),
        Path("/proc/1/mem") / "x",
        Path("/proc/self/fd/0"),
        Path("nul\0byte"),
        Path("x" * 5000),
    ):
        with pytest.raises(InvalidInput) as refusal:
            inputs.preview_image(path, size="1280*720", fit="crop")
        said.add(refusal.value.message.key)
    assert said == {"file_missing"}


@pytest.mark.parametrize("kind", ["picture", "clip"])
def test_this_process_opens_no_file_that_is_given(kind, tmp_path):
    path = tmp_path / "given.mp4"
    path.write_bytes(PICTURE) if kind == "picture" else clip(path)
    opened = []
    listening = threading.Event()

    def hear(event: str, given: tuple) -> None:
        if listening.is_set() and event == "open":
            opened.append(str(given[0]))

    sys.addaudithook(hear)  # there is no way to take it off again: it hears nothing afterwards
    listening.set()
    try:
        if kind == "picture":
            inputs.prepare_image("reference_image", path, size="1280*720", fit="crop")
            inputs.preview_image(path, size="1280*720", fit="crop")
        else:
            inputs.video_seconds(path)
            inputs.read_settings(path)
    finally:
        listening.clear()
    assert opened
    assert not [one for one in opened if "given" in one]


@pytest.mark.parametrize(
    "look", [inputs.read_settings, inputs.video_seconds], ids=["settings", "clip"]
)
def test_a_database_keeps_its_locks_whoever_gives_its_file(look, tmp_path):
    """Any descriptor of its file that its own process closes would drop them."""
    path = tmp_path / "wan.sqlite3"
    database = sqlite3.connect(path)
    database.execute("create table jobs (id text)")
    database.commit()
    database.execute("begin exclusive")
    link = tmp_path / "link.mp4"
    link.symlink_to(path)
    for given in (path, link):
        with pytest.raises(InvalidInput):
            look(given)
    script = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('begin exclusive')"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, timeout=PATIENCE
    )
    database.close()
    assert "database is locked" in other.stderr
