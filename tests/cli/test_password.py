"""`python -m wan password`, at a terminal and with a file."""

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from wan.environment.passwords import HASHED, is_password_of

pytestmark = pytest.mark.process
DIFFERS = "password: the two don't match. Type the same one twice."
MISSING = "Field required: password."


def hashed_from(given: bytes, environment: dict[str, str], *options: str) -> tuple[int, str, str]:
    """Runs it with this as stdin. Gives its exit code, and what it wrote to stdout and stderr."""
    run = subprocess.run(
        [sys.executable, "-m", "wan", "password", *options],
        input=given,
        capture_output=True,
        env=environment,
        cwd=ROOT,
    )
    return run.returncode, run.stdout.decode(), run.stderr.decode()


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (b"correct horse\n", "correct horse"),
        (b"correct horse", "correct horse"),
        ("\ufeffpässword 密码\r\nand more".encode(), "pässword 密码"),
        (b" spaces \n", " spaces "),
    ],
)
def test_a_password_from_a_file(environment, given, known):
    for options in ([], ["--json"]):
        code, stdout, stderr = hashed_from(given, environment, *options)
        assert (code, stderr) == (0, "")
        hashed = json.loads(stdout)["password"] if options else stdout.removesuffix("\n")
        assert HASHED.fullmatch(hashed)
        assert is_password_of({"ann": hashed}, "ann", known)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", MISSING),
        (b"\n", MISSING),
        (b"p\xe4ssword\n", "password: the value isn't text in UTF-8. Set it again."),
    ],
)
def test_what_is_no_password(environment, given, said):
    code, stdout, stderr = hashed_from(given, environment)
    assert (code, stdout, stderr) == (2, "", f"{said}\n")
    code, stdout, _ = hashed_from(given, environment, "--json")
    assert (code, json.loads(stdout)["field"]) == (2, "password")


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        (["pässwort 1", "pässwort 1"], 0, "$scrypt$"),
        (["correct horse", "correct house"], 2, DIFFERS),
        (["", ""], 2, MISSING),
        (["\x03"], 1, "Stopped."),
    ],
)
def test_a_password_typed_at_a_terminal_is_not_shown(environment, typed, code, said):
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, [sys.executable, "-m", "wan", "password"], environment)  # noqa: S606
    shown = b""
    for question, answer in zip((b"Password: ", b"Once more: "), typed, strict=False):
        while question not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, f"{answer}\n".encode() if answer != "\x03" else b"\x03")
    with contextlib.suppress(OSError):  # the terminal is gone with the command
        while more := os.read(terminal, 1000):
            shown += more
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code, shown
    lines = shown.decode().split("\r\n")
    assert not any(word and word in shown.decode() for word in typed)
    assert lines[-1] == ""
    assert lines[-2] == said if code else lines[-2].startswith(said)
    if code == 0:
        assert is_password_of({"ann": lines[-2]}, "ann", typed[0])
