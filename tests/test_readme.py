"""The README tells the truth: the settings table, the two commands, the options of the command
line, and what every example prints.
"""

import fcntl
import re

import pytest
from typer.main import get_command

from tests.conftest import ROOT
from tests.console import Console, examples, settled
from wan.cli.main import app
from wan.environment.settings import Settings

README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_OURS = {"SPACE_ID", "SPACE_HOST"}  # set by the Space itself


def test_every_setting_is_in_the_table_and_no_other():
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    assert listed == {field.alias for field in Settings.model_fields.values()} - NOT_OURS


def test_defaults_in_the_table():
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", README, re.MULTILINE))
    for field in Settings.model_fields.values():
        if field.alias in rows:
            assert rows[field.alias].lower() == f"{field.default}".lower()


def test_the_two_commands():
    assert (
        "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && "
        ".venv/bin/python app.py\n" in README
    )
    assert "\nbash tests/run.sh\n" in README


def test_the_space_gets_the_same_gradio():
    pinned = re.search(r"^gradio==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert f"\nsdk_version: {pinned.group(1)}\n" in README


def test_options_that_are_shown_exist():
    whole = get_command(app)
    commands = (whole, *whole.commands.values())
    known = {name for command in commands for one in command.params for name in one.opts}
    for option in set(re.findall(r"(?<=\s)--[a-z][a-z-]+", README)) - {
        "--help",
        "--require-hashes",
        "--quick",
    }:  # pip's, and that of tests/run.sh
        assert option in known


@pytest.mark.process
def test_every_example_prints_what_is_shown(environment, tmp_path):
    folder = tmp_path / "checkout"
    (folder / "output" / "simulator").mkdir(parents=True)
    console, shown = Console(folder, environment), list(examples(README))
    assert len(shown) > 10
    with (folder / "output" / "simulator" / "users.lock").open("a") as in_use:
        fcntl.flock(
            in_use, fcntl.LOCK_SH
        )  # so that the simulator stays from one example to the next
        for example in shown:
            assert settled(console.run(example)) == settled(example.output), example.command
    for call in ("ai-video-wan-video", "aliyun-wan-r2v"):
        assert (folder / "output" / call / "validate.txt").read_text() == "py_compile_ok\n"


def test_every_command_is_shown():
    for command in app.registered_commands:
        assert f"python -m wan {command.name}" in README
