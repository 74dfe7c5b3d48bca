"""Rule 11: no test can reach the service, from its own process or from one that it starts."""

import os
import socket
import subprocess
import sys

import pytest


def test_this_process_reaches_nothing_but_itself():
    with socket.socket() as probe, pytest.raises(AssertionError, match="a test connects to"):
        probe.connect(("192.0.2.1", 443))


@pytest.mark.process
def test_a_process_that_a_test_starts_reaches_nothing_either(environment):
    code = "import socket; socket.create_connection(('192.0.2.1', 443), timeout=5)"
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert finished.returncode == 1
    assert "a test connects to ('192.0.2.1', 443)" in finished.stderr


def test_no_key_is_around():
    assert not [name for name in os.environ if name.startswith("DASHSCOPE_")]
    assert os.environ["WAN_BACKEND"] == "simulator"
