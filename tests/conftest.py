"""What holds for every test: nothing can be spent. No key, no home, the simulator only, and no connection leaves this machine."""

import ipaddress
import os
import socket
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _guard_sockets() -> None:
    """Any connection outside loopback fails the test that makes it, in this process."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address, *rest):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(socket.gethostbyname(address[0])).is_loopback:
            raise AssertionError(f"a test connects to {address}")
        return connect(self, address, *rest)

    socket.socket.connect = guarded


_guard_sockets()


def _clean_environment(folder: Path) -> dict[str, str]:
    """The environment without keys and proxies, with a home and an output folder of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "WAN_", "SPACE_"))}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | {"HOME": str(folder / "home"), "OUTPUT_DIR": str(folder / "output"), "WAN_BACKEND": "simulator", "PYTHONPATH": str(ROOT)}


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
