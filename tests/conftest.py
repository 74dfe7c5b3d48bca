"""What holds for every test: nothing can be spent. No key, no home, the simulator only, and no connection leaves this machine."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import tests.guard.sitecustomize  # noqa: F401 - guards this process

ROOT = Path(__file__).parent.parent


def _clean_environment(folder: Path) -> dict[str, str]:
    """The environment without keys and proxies, with a home and an output folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "WAN_", "SPACE_"))}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | {
        "HOME": str(folder / "home"),
        "OUTPUT_DIR": str(folder / "output"),
        "WAN_BACKEND": "simulator",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'guard'}",
    }


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A clean environment, for this process and to hand to others."""
    clean = _clean_environment(tmp_path)
    for name in set(os.environ) - set(clean):
        monkeypatch.delenv(name)
    for name, value in clean.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    return clean


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the app does."""
    return "asyncio"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample media that ship with the app."""
    return ROOT / "assets" / "samples"


@dataclass(frozen=True)
class Simulator:
    """A simulator that serves: its root address, and the base URL for clients."""

    root: str

    @property
    def base_url(self) -> str:
        return f"{self.root}/api/v1"

    def stats(self) -> dict:
        return httpx.get(f"{self.root}/simulator/stats", trust_env=False).json()

    def task(self, task_id: str) -> dict:
        return httpx.get(f"{self.root}/simulator/tasks/{task_id}", trust_env=False).json()

    @contextlib.contextmanager
    def fault(self, verb: str, fault: str, **more):
        """Answers wrongly inside the block."""
        httpx.post(f"{self.root}/simulator/faults", json={"verb": verb, "fault": fault, **more}, trust_env=False).raise_for_status()
        try:
            yield
        finally:
            httpx.delete(f"{self.root}/simulator/faults", trust_env=False)


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for all tests that need a service: quick, and with each key an account of its own."""
    folder = tmp_path_factory.mktemp("simulator")
    command = [
        sys.executable,
        "-m",
        "wan.simulator",
        "--dir",
        str(folder),
        "--port",
        "0",
        "--pending",
        "0.2",
        "--running",
        "0.4",
        "--preset",
        "ultrafast",
    ]
    clean = _clean_environment(folder)
    with subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Simulator(process.stdout.readline().split()[-1].removesuffix("/api/v1"))
        finally:
            process.terminate()
