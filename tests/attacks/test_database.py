"""Attacks on the database's locks: what is paid for is lost by no file that the app closes, and by
no log that somebody removes.
"""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.conftest import Record
from tests.attacks.hole import OPENED
from tests.attacks.visitor import called, picture_url
from tests.browser.serving import App, served
from tests.conftest import clean_environment
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def holed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, in which the old hole is open again."""
    program = Path(__file__).parent / "hole.py"
    with served(
        tmp_path_factory.mktemp("holed"), pending=0.2, running=0.4, program=program
    ) as running:
        yield running


def close_files(app: App) -> None:
    """Lets the app open and close the files of its database."""
    app.process.send_signal(signal.SIGUSR1)
    until = time.monotonic() + PATIENCE
    while not (app.folder / "closed").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    (app.folder / "closed").unlink()


def list_jobs(app: App) -> None:
    """The next command."""
    environment = clean_environment(app.folder) | {"OUTPUT_DIR": str(app.folder / "output")}
    subprocess.run(
        [sys.executable, "-m", "wan", "jobs"],
        env=environment,
        cwd=app.folder,
        check=True,
        capture_output=True,
        timeout=PATIENCE,
    )


def make_job(app: App, prompt: str) -> str:
    """Gives the id of a finished job; asked again while the app puts its database right."""
    asked = {"prompt": prompt, "reference_image": picture_url(), "duration": 2, "wait": 60}
    until = time.monotonic() + PATIENCE
    while True:
        event, made = called(app.url, "image_to_video", asked)
        if event == "complete":
            return made[0]["job_id"].rpartition(".")[2]
        assert time.monotonic() < until, made


def kept(app: App) -> set[str]:
    with contextlib.closing(sqlite3.connect(app.folder / "output" / "wan.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {name for (name,) in database.execute("SELECT id FROM jobs")}


def test_paid_jobs_outlive_every_way_to_lose_them(holed: App, record: Record):
    log = holed.folder / "output" / "wan.sqlite3-wal"
    made = [make_job(holed, "before it")]
    for number in (1, 2):
        close_files(holed)
        list_jobs(holed)
        made.append(make_job(holed, f"after the app closed its files, {number}"))
    record(
        "database: the log after the app has closed the files and a command has come and gone",
        True,
        log.exists(),
    )
    for end in ("wal", "shm"):
        holed.folder.joinpath("output", f"wan.sqlite3-{end}").unlink()
    made.append(make_job(holed, "after somebody removed the log"))
    record(
        "database: the app says that its log was removed",
        True,
        "is not the log that this process writes to" in holed.log(),
    )
    log.unlink()
    made.append(make_job(holed, "after somebody removed the log alone"))
    list_jobs(holed)
    holed.kill()
    record(
        "database: times that anything but SQLite opened its files", 0, holed.log().count(OPENED)
    )
    record(
        "database: rows that are lost with the app after all that", 0, len(set(made) - kept(holed))
    )
    videos = [holed.folder / "output" / "storage" / "videos" / job / "video.mp4" for job in made]
    record("database: jobs whose video is not kept", 0, sum(not video.exists() for video in videos))
