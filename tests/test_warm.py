"""What is forked is what would have been started."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import wan.ui  # noqa: F401 - importing it sets variables, which must not make every process a cold one
from tests import warm
from tests.patience import PATIENCE

SCRIPT = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ["WAN_BACKEND"], os.environ.get("ONLY_HERE"), __name__)
print("wrong", file=sys.stderr)
sys.exit(3)
"""
ENDING = """
import atexit, gc, sys, threading, time

class Left:
    def __del__(self):
        print("left behind")

gc.disable()
left = Left()
left.itself = left
atexit.register(print, "at the exit")
threading.Thread(target=lambda: (time.sleep(0.2), print("in a thread"))).start()
print("first")
sys.exit(int(sys.argv[1]) if sys.argv[1:] else None)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_forked_process_is_a_program_of_its_own(environment, script, tmp_path):
    came = warm.run(
        [script, "a", "b"], environment=environment | {"ONLY_HERE": "1"}, folder=tmp_path
    )
    cold = subprocess.run(
        [sys.executable, script, "a", "b"],
        env=environment | {"ONLY_HERE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (came.returncode, came.stdout, came.stderr) == (
        cold.returncode,
        cold.stdout,
        cold.stderr,
    )
    assert (came.returncode, came.stderr) == (3, "wrong\n")


@pytest.mark.parametrize("given", [["7"], ["300"], ["-1"], ["word"], []])
def test_it_ends_as_a_program_does(environment, tmp_path, given):
    ending = tmp_path / "ending.py"
    ending.write_text(ENDING)
    came = warm.run([ending, *given], environment=environment, folder=tmp_path)
    cold = subprocess.run(
        [sys.executable, ending, *given],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (came.returncode, came.stdout) == (cold.returncode, cold.stdout)
    assert came.stdout == "first\nin a thread\nat the exit\nleft behind\n"
    assert came.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]
    with (
        Path("/dev/full").open("w") as full,
        warm.start([ending], environment=environment, folder=tmp_path, stdout=full) as process,
    ):
        lost = subprocess.run([sys.executable, ending], env=environment, cwd=tmp_path, stdout=full)
        assert process.wait() == lost.returncode != 0


def test_it_ends_by_a_signal_and_says_so(environment, tmp_path):
    endless = tmp_path / "endless.py"
    endless.write_text("import time\nprint('here', flush=True)\ntime.sleep(600)")
    with warm.start(
        [endless], environment=environment, folder=tmp_path, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == "here\n"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM


def test_what_is_read_at_import_has_a_process_of_its_own(environment, script, tmp_path):
    with warm.start(
        [script],
        environment=environment,
        folder=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as forked:
        assert isinstance(forked, warm.Process)
    for name in ("SPACE_ID", "HTTPS_PROXY", "GRADIO_ROOT_PATH", "PYTHONUTF8"):
        with warm.start(
            [script],
            environment=environment | {name: "1"},
            folder=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as own:
            assert isinstance(own, subprocess.Popen)
