"""Why the bundled simulator did not start, in words."""

import sys

import pytest

from wan.domain.errors import SettingsError
from wan.environment.settings import Settings
from wan.provider.local_simulator import LocalSimulator

pytestmark = pytest.mark.process


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("exit 1", "ended unexpectedly while it was starting"),
        ("echo Simulator ready: http://127.0.0.1:1; kill -9 $$", "ended unexpectedly"),
        ("echo Simulator ready: x; echo No space left >&2", "Reason: No space left"),
    ],
)
def test_a_simulator_that_ends_at_its_start(tmp_path, monkeypatch, program, said):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    simulator = LocalSimulator(Settings(output_dir=tmp_path / "output"))
    with pytest.raises(SettingsError) as refused:
        simulator.start()
    simulator.stop()
    assert said in refused.value.message.say("en")
    assert "Simulator ready" not in refused.value.message.say("en")


def test_a_simulator_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("wan.provider.local_simulator._START_LIMIT", 0.2)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 5\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    simulator = LocalSimulator(Settings(output_dir=tmp_path / "output"))
    with pytest.raises(SettingsError, match="didn't answer within"):
        simulator.start()
    simulator.stop()
