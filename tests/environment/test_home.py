"""Users without a home, without an entry in the list of users, or with somebody else's home: as
containers run with arbitrary ids.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import plain_http
from tests.conftest import ROOT
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

NOBODY = "54321"
SETTINGS = """
import json, os, sys
from wan.domain.errors import SettingsError
from wan.environment.settings import load_settings
for more in json.load(sys.stdin):
    os.environ.update(more)
    print("-", file=sys.stderr, flush=True)
    try:
        settings = load_settings()
        print(settings.backend, settings.key())
    except SettingsError as refused:
        print(refused)
    for name in more:
        del os.environ[name]
"""


@pytest.fixture
def nobody() -> list[str]:
    """What runs a command as a user whom nobody knows, and who may do no more than others: root,
    too, reads no file then that is closed.
    """
    unshare = shutil.which("unshare")
    assert unshare, "unshare is missing: apt-get install util-linux"
    return [unshare, "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]


@pytest.fixture
def homeless(environment) -> dict[str, str]:
    """An environment without a home."""
    return {
        name: value
        for name, value in environment.items()
        if name not in ("HOME", "USER", "LOGNAME")
    }


@pytest.fixture
def closed_home(tmp_path) -> Iterator[Path]:
    """A home with a key in it, whose doors are opened again for whoever clears it away."""
    folder = tmp_path / "theirs" / ".alibabacloud"
    folder.mkdir(parents=True)
    (folder / "credentials").write_text("[default]\ndashscope_api_key = sk-theirs\n")
    yield tmp_path / "theirs"
    folder.parent.chmod(0o700)


def test_the_app_needs_no_home(nobody, homeless, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    more = {"GRADIO_SERVER_PORT": str(port)}
    with (tmp_path / "app.log").open("wb") as log:
        app = subprocess.Popen(
            [*nobody, sys.executable, ROOT / "app.py"],
            env=homeless | more,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    try:
        said = _answer(f"http://127.0.0.1:{port}/healthz", app)
    finally:
        app.terminate()
        code = app.wait(PATIENCE)
    assert (said, code) == (200, 0), (tmp_path / "app.log").read_text()


def _answer(url: str, app: subprocess.Popen) -> int:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up and app.poll() is None:
        try:
            return plain_http.get(url, timeout=PATIENCE).status_code
        except httpx.ConnectError:
            time.sleep(0.1)
    return 0


def test_the_service_is_asked_without_a_home(nobody, homeless, simulator, tmp_path):
    service = {
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": "sk-homeless",
        "DASHSCOPE_BASE_URL": simulator.base_url,
    }
    command = [*nobody, sys.executable, "-m", "wan", "check"]
    done = subprocess.run(
        command, env=homeless | service, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The key works")


def _settings(
    command: list[str], environment: dict[str, str], *cases: dict[str, str]
) -> list[tuple[str, str]]:
    """What becomes of the settings in each case, and what the log says."""
    given = {name: value for name, value in environment.items() if name != "WAN_BACKEND"}
    done = subprocess.run(
        [*command, sys.executable, "-c", SETTINGS],
        env=given,
        input=json.dumps(cases),
        capture_output=True,
        text=True,
    )
    return list(zip(done.stdout.splitlines(), done.stderr.split("-\n")[1:], strict=True))


def test_a_credentials_file_that_may_not_be_read(nobody, environment, closed_home):
    file = closed_home / ".alibabacloud" / "credentials"
    file.chmod(0)
    cases = ({}, {"DASHSCOPE_API_KEY": "sk-ours12"}, {"WAN_BACKEND": "simulator"})
    alone, beside, demo = _settings(nobody, environment | {"HOME": str(closed_home)}, *cases)
    refusal = f"{file}: this file can't be used: Permission denied."
    assert alone == (refusal, "")
    assert beside == ("dashscope sk-ours12", f"{refusal} It isn't needed, so it's ignored.\n")
    assert demo == ("simulator None", "")  # said once already


def test_a_home_that_is_closed(nobody, environment, closed_home):
    closed_home.chmod(0)
    file = closed_home / ".alibabacloud" / "credentials"
    alone, beside = _settings(
        nobody, environment | {"HOME": str(closed_home)}, {}, {"DASHSCOPE_API_KEY": "sk-ours12"}
    )
    assert alone == (
        "simulator None",
        f"{file} can't be checked: Permission denied. It is treated as missing.\n",
    )
    assert beside == ("dashscope sk-ours12", "")


def test_homes_that_are_none(nobody, environment, homeless, tmp_path):
    assert _settings(nobody, homeless, {}, {"DASHSCOPE_API_KEY": "sk-ours12"}) == [
        ("simulator None", ""),
        ("dashscope sk-ours12", ""),
    ]
    for home in ("/nowhere", "", "/dev/null", "/proc/1/root", str(tmp_path / "home")):
        assert [
            said.partition(" ")[0]
            for said, _ in _settings(nobody, environment | {"HOME": home}, {})
        ] == ["simulator"]


def test_a_file_of_settings_that_may_not_be_read(nobody, environment, tmp_path):
    file = tmp_path / ".env"
    file.write_text("WAN_MCP=true\n")
    file.chmod(0)
    ((said, _),) = _settings(nobody, environment, {})
    assert said == ".env: this file can't be used: Permission denied."
