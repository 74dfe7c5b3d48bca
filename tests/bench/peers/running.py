"""The peers as processes."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests import plain_http
from tests.browser.serving import ROOT, free_port
from tests.patience import PATIENCE

KEY = "sk-test-of-a-bench"


@contextlib.contextmanager
def plain_app(
    folder: Path, base_url: str, *, poll: float
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The usual one-file app on a service at an address, with a home of its own: its URL, and its
    process. poll: seconds between two questions about a task.
    """
    port = free_port()
    (folder / "home").mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests' / 'guard'}",
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "DASHSCOPE_API_KEY": KEY,
        "DASHSCOPE_HTTP_BASE_URL": base_url,
        "PORT": str(port),
        "POLL": str(poll),
    }
    with (folder / "plain.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.peers.plain"],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, folder / "plain.log")
            yield url, process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(httpx.TransportError):
            if plain_http.get(f"{url}/config").status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the plain app did not come up:\n{log.read_text()}")
