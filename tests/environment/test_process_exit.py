"""How a process of ours ends: with everything done, and before its interpreter is taken apart."""

import ctypes
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm
from tests.browser.serving import ROOT, served
from tests.patience import PATIENCE

ENDING = """
import sys
from wan.environment.process_exit import exit_with
import atexit, threading, time

class Left:
    def __del__(self):
        print("taken apart")

left = Left()
atexit.register(print, "at the exit")
threading.Thread(target=lambda: (time.sleep(0.1), print("in a thread"))).start()
exit_with(3) if sys.argv[1] == "ours" else sys.exit(3)
"""
# What was registered before `wan.environment.process_exit` is reached by Python's own end only.
WATCHED = """
import atexit, runpy, sys
atexit.register(print, "taken apart", flush=True)
"""

pytestmark = pytest.mark.process


@pytest.mark.parametrize("ours", [True, False])
def test_everything_is_done_but_nothing_taken_apart(environment, tmp_path, ours):
    command = [sys.executable, "-c", ENDING, "ours" if ours else "Python's"]
    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        3,
        "in a thread\nat the exit\n" + "taken apart\n" * (not ours),
        "",
    )


def test_an_output_that_has_gone_changes_no_exit_code(environment, tmp_path):
    with Path("/dev/full").open("w") as full:
        assert (
            subprocess.run(
                [sys.executable, "-c", ENDING, "ours"], env=environment, cwd=tmp_path, stdout=full
            ).returncode
            == 3
        )


@pytest.mark.parametrize(("arguments", "code"), [(["jobs"], 0), (["fly"], 2)])
def test_every_command_ends_so(environment, tmp_path, arguments, code):
    program = tmp_path / "program.py"
    program.write_text(
        f"{WATCHED}sys.argv = ['wan', *{arguments}]\nrunpy.run_module('wan', "
        "run_name='__main__', alter_sys=True)"
    )
    ended = warm.run([program], environment=environment, folder=tmp_path)
    assert ended.returncode == code, ended.stderr
    assert "taken apart" not in ended.stdout


HANGING = """
from wan.environment.process_exit import exit_with
from wan.environment.time_limit import exit_within
import threading

threading.Thread(target=threading.Event().wait).start()
exit_within(0.5, 3)
exit_with(0)
"""


def test_what_hangs_keeps_no_process(environment, tmp_path):
    command = [sys.executable, "-c", HANGING]
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "has not ended within 0.5 s" in ended.stderr


def test_the_app_ends_whichever_thread_takes_the_signal(tmp_path):
    libc = ctypes.CDLL(None, use_errno=True)
    with served(tmp_path) as app:
        main = app.process.pid
        other = max(int(thread.name) for thread in Path(f"/proc/{main}/task").iterdir())
        assert other != main
        assert libc.tgkill(main, other, signal.SIGTERM) == 0
        assert app.process.wait(PATIENCE) == 0


def test_the_app_ends_so(environment, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"{WATCHED}runpy.run_path({str(ROOT / 'app.py')!r}, run_name='__main__')")
    with served(tmp_path, program=program) as app:
        assert app.stop() == 0
    assert "taken apart" not in app.log()
    refused = warm.run(
        [program], environment=environment | {"WAN_KEEP_DAYS": "many"}, folder=tmp_path
    )
    assert refused.returncode == 2, refused.stderr
    assert "taken apart" not in refused.stdout
