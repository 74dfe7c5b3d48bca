"""Events of tasks that have ended: what is sent, where to, and that it is tried again."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.simulator.conftest import Start, image_order
from tests.warm import ROOT
from wan.simulator.events import EventTarget
from wan.simulator.orders import Reference, read_order
from wan.simulator.tasks import Task

pytestmark = pytest.mark.process

SECRET = "an-event-secret-of-ours"


@contextmanager
def listening(*statuses: int) -> Iterator[tuple[str, Queue[tuple[dict[str, str], Any]]]]:
    """An address that answers with each of these, and then 204; and what came there."""
    came: Queue[tuple[dict[str, str], Any]] = Queue()
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(left.pop(0) if left else 204)
            self.end_headers()
            came.put((dict(self.headers) | {"path": self.path}, json.loads(body)))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", came
        finally:
            server.shutdown()
            thread.join()


def test_each_end_is_told_as_the_service_tells_it(start: Start, monkeypatch):
    monkeypatch.setenv("WAN_EVENT_SECRET", SECRET)
    with listening() as (url, came):
        served = start("--pending", "0", "--running", "0.1", "--events", f"{url}/events?from=here")
        client = served.client()
        made = client.created(image_order())
        headers, event = came.get(timeout=PATIENCE)
        assert headers["path"] == "/events?from=here"
        assert headers["Authorization"] == f"Bearer {SECRET}"
        assert event["type"] == "dashscope:System:AsyncTaskFinish"
        assert event["source"] == "acs.dashscope"
        assert event["data"]["task_id"] == made
        assert event["data"]["task_status"] == "SUCCEEDED"
        assert client.query(made)["output"]["end_time"].startswith(event["data"]["end_time"])
        broken = image_order()
        broken["input"]["prompt"] = "simulate:DataInspectionFailed"
        refused = client.created(broken)
        _, event = came.get(timeout=PATIENCE)
        assert (event["data"]["task_id"], event["data"]["task_status"]) == (refused, "FAILED")
        assert came.empty()


@pytest.mark.anyio
async def test_what_is_not_taken_is_sent_again():
    """With pauses shorter than EventBridge's."""
    order = read_order(image_order(), lambda url: Reference(url=url))
    task = Task(request_id="r", account="0" * 16, order=order, payload={}, submitted=1, ended=2)
    with listening(503, 500) as (url, came):
        target = EventTarget(url, pauses=(0, 0, 0))
        target.announce(task)
        for _ in range(3):
            _, event = await asyncio.to_thread(came.get, True, PATIENCE)
            assert event["data"]["task_id"] == task.id
        await asyncio.gather(*target._sending)
        assert came.empty()


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://127.0.0.1/", "127.0.0.1", "file:///x"]
)
def test_they_never_leave_this_machine(url, tmp_path):
    command = [sys.executable, "-m", "wan.simulator", "--dir", str(tmp_path), "--events", url]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
    assert refused.returncode == 2
    assert "on this machine" in refused.stderr
