"""A database and an OUTPUT_DIR that an earlier version has written go on working: told from
outside, by the doors that people and scripts use.

What they hold was made on 29 November 2026 by that version's own Studio and command line, with the
simulator.
"""

import base64
import contextlib
import hashlib
import json
import sqlite3
import tarfile
import time
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from gradio_client import Client

from tests import plain_http, warm
from tests.browser.serving import App, served
from tests.conftest import ROOT, clean_environment
from tests.pictures import picture

pytestmark = pytest.mark.process

DATA = Path(__file__).parent / "data"
KNOWN = json.loads((DATA / "output_2026_11_29.json").read_text(encoding="utf-8"))
JOBS = KNOWN["jobs"]
ENDED = [
    name
    for name, job in JOBS.items()
    if job["about"]["state"] in ("SUCCEEDED", "FAILED", "CANCELLED")
]
MADE = [name for name, job in JOBS.items() if job["video"]]
WRITTEN = datetime.fromisoformat(JOBS["image"]["about"]["times"]["created"]).timestamp()
TOKEN = {"X-Wan-Token": KNOWN["token"]}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The OUTPUT_DIR, unpacked where the app looks for it."""
    folder = tmp_path_factory.mktemp("existing") / "output"
    folder.mkdir(mode=0o700)
    with tarfile.open(DATA / "output_2026_11_29.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    with contextlib.closing(sqlite3.connect(folder / "wan.sqlite3")) as database, database:
        aged = (
            time.time() - 3 * 86_400 - WRITTEN
        )  # whenever the tests run, the service has forgotten its tasks and uploads
        for table in ("jobs", "uploads"):
            times = [
                name
                for _, name, *_ in database.execute(f"PRAGMA table_info({table})")
                if name.endswith("_at")
            ]
            database.execute(
                f"UPDATE {table} SET {', '.join(f'{name} = {name} + {aged}' for name in times)}"  # noqa: S608
            )
    return folder


@pytest.fixture(scope="module")
def app(output: Path) -> Iterator[App]:
    """The app on it."""
    with served(output.parent, pending=0.1, running=0.1) as running:
        yield running
        assert "Traceback" not in running.log(), running.log()


@pytest.fixture(scope="module")
def client(app: App) -> Client:
    """A program with the token of the browser to which the jobs belong."""
    return Client(app.url, headers=TOKEN, verbose=False)


@pytest.mark.parametrize("name", ENDED)
def test_an_ended_job_is_as_it_was(client: Client, name: str):
    told = client.predict(JOBS[name]["id"], api_name="/job")
    about = JOBS[name]["about"]
    same = (
        "model",
        "state",
        "width",
        "height",
        "fps",
        "duration",
        "seed",
        "task_id",
        "billed_seconds",
        "price",
        "simulated",
    )
    assert {one: told[one] for one in same} == {one: about[one] for one in same}


@pytest.mark.parametrize("name", MADE)
def test_a_video_opens_at_its_address(app: App, name: str):
    media = f"{app.url}/media/{JOBS[name]['media_token']}"
    assert (
        hashlib.sha256(plain_http.get(f"{media}/video.mp4").content).hexdigest()
        == JOBS[name]["video"]
    )
    assert plain_http.get(f"{media}/original.mp4").content[4:8] == b"ftyp"
    assert plain_http.get(f"{media}/poster.webp").content[8:12] == b"WEBP"


@pytest.mark.parametrize(
    ("name", "state"), [("waiting", "SUCCEEDED"), ("running", "EXPIRED"), ("uncertain", "EXPIRED")]
)
def test_a_job_that_was_on_its_way_goes_on_to_a_true_end(client: Client, name: str, state: str):
    """The one that had not been sent is made; of the others the service knows nothing after so
    long.
    """
    assert client.predict(JOBS[name]["id"], 60, api_name="/job")["state"] == state


def test_the_same_request_is_the_same_job(app: App, client: Client):
    before = app.created()
    image = f"data:image/png;base64,{base64.b64encode(picture((300, 300))).decode()}"
    asked = {"prompt": "refused", "reference_image": image, "duration": 2, "size": "960*960"}
    told = client.predict(**asked, api_name="/image_to_video")
    assert (told["job_id"], told["made_before"]) == (JOBS["again"]["id"], True)
    assert app.created() == before


def test_a_review_is_open_at_its_link_and_a_revoked_one_is_not(app: App):
    page = plain_http.get(f"{app.url}/review/{KNOWN['review']['link']}")
    assert (
        page.status_code,
        "Opening &lt;b&gt;shot&lt;/b&gt;" in page.text,
        "The light!" in page.text,
    ) == (200, True, True)
    parts = plain_http.get(f"{app.url}/review/{KNOWN['review']['link']}/tally").json()["parts"]
    assert [parts["tally-1"].count(f"<b>{count}</b>") for count in (0, 1)] == [1, 2]
    assert plain_http.get(f"{app.url}/review/{KNOWN['closed_review']['link']}").status_code == 404


def test_the_command_line_finds_its_job_and_packs_its_record(app: App, tmp_path: Path):
    job = KNOWN["command_line"]
    listed = _command(app, tmp_path, "jobs", "--json")["jobs"]
    assert [one["job_id"] for one in listed] == [job["job_id"]]
    shown = _command(app, tmp_path, "show", job["job_id"], "--json")
    assert {name: shown.get(name) for name in ("width", "height", "fps", "seed", "task_id")} == {
        name: job[name] for name in ("width", "height", "fps", "seed", "task_id")
    }
    packed = _command(
        app, tmp_path, "evidence", job["job_id"], "--zip", str(tmp_path / "run.zip"), "--json"
    )
    assert {"request.json", "payload.json", "create.json", "polls.json", "outcome.json"} <= {
        Path(name).name for name in packed["files"]
    } | set(zipfile.ZipFile(tmp_path / "run.zip").namelist())


def _command(app: App, folder: Path, *words: str) -> dict:
    environment = clean_environment(folder) | {"OUTPUT_DIR": str(app.folder / "output")}
    ran = warm.run(["-m", "wan", *words], environment=environment, folder=ROOT)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
