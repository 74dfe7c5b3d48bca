"""Simulators as real processes, and a client that says exactly what goes over the wire."""

import contextlib
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests import plain_http, warm
from tests.patience import PATIENCE

SUBMIT = "/api/v1/services/aigc/video-generation/video-synthesis"
ENDS = ("SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN")


@dataclass
class Client:
    """One account's plain HTTP client; every client is a new account unless a key is given."""

    root: str
    key: str = field(default_factory=lambda: f"sk-{uuid.uuid4().hex}")

    def __post_init__(self):
        headers = {"Authorization": f"Bearer {self.key}"}
        self.http = plain_http.Client(base_url=self.root, headers=headers, timeout=PATIENCE)

    def create(self, body: dict, **headers) -> httpx.Response:
        return self.http.post(SUBMIT, json=body, headers={"X-DashScope-Async": "enable"} | headers)

    def created(self, body: dict, **headers) -> str:
        return self.create(body, **headers).raise_for_status().json()["output"]["task_id"]

    def query(self, task_id: str) -> dict:
        return self.http.get(f"/api/v1/tasks/{task_id}").raise_for_status().json()

    def ended(self, task_id: str) -> dict:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = self.query(task_id)
            if answer["output"]["task_status"] in ENDS:
                return answer
            time.sleep(0.1)
        raise TimeoutError(task_id)

    def listed(self, **query) -> dict:
        return self.http.get("/api/v1/tasks/", params=query).raise_for_status().json()

    def cancel(self, task_id: str) -> httpx.Response:
        return self.http.post(f"/api/v1/tasks/{task_id}/cancel")

    def policy(self, model: str) -> dict:
        return (
            self.http.get("/api/v1/uploads", params={"action": "getPolicy", "model": model})
            .raise_for_status()
            .json()["data"]
        )

    def put(self, policy: dict, path: Path, name: str = "") -> tuple[str, httpx.Response]:
        """Upload as the documentation shows it; the object's URL and the answer."""
        fields = form(policy, name or path.name)
        with path.open("rb") as file:
            answer = plain_http.post(policy["upload_host"], data=fields, files={"file": file})
        return f"oss://{fields['key']}", answer

    def uploaded(self, model: str, path: Path) -> str:
        url, answer = self.put(self.policy(model), path)
        answer.raise_for_status()
        return url

    def close(self):
        self.http.close()


def form(policy: dict, name: str) -> dict:
    """The fields of an upload, all but the file."""
    return {
        "OSSAccessKeyId": policy["oss_access_key_id"],
        "policy": policy["policy"],
        "Signature": policy["signature"],
        "key": f"{policy['upload_dir']}/{name}",
        "x-oss-object-acl": policy["x_oss_object_acl"],
        "x-oss-forbid-overwrite": policy["x_oss_forbid_overwrite"],
        "success_action_status": "200",
    }


def image_order(url: str = "https://media.example.com/cat.png", **parameters) -> dict:
    """A small request for image to video."""
    given = {"resolution": "720P", "duration": 2, "audio": False} | parameters
    return {
        "model": "wan2.6-i2v-flash",
        "input": {"prompt": "a cat", "img_url": url},
        "parameters": given,
    }


def reference_order(*urls: str, model: str = "wan2.6-r2v-flash", **parameters) -> dict:
    """A small request for reference to video."""
    given = {"size": "832*1088", "duration": 2, "audio": False} | parameters
    return {
        "model": model,
        "input": {"prompt": "character1 waves", "reference_urls": list(urls)},
        "parameters": given,
    }


@dataclass
class Served:
    """A simulator's process."""

    process: warm.Process | subprocess.Popen
    root: str
    clients: list[Client] = field(default_factory=list)

    def client(self, *key: str) -> Client:
        self.clients.append(Client(self.root, *key))
        return self.clients[-1]

    def stats(self) -> dict:
        return plain_http.get(f"{self.root}/simulator/stats").json()

    def stored(self, task_id: str) -> dict:
        return plain_http.get(f"{self.root}/simulator/tasks/{task_id}").json()

    @contextlib.contextmanager
    def fault(self, verb: str, fault: str, **more) -> Iterator[None]:
        set_up = {"verb": verb, "fault": fault, **more}
        plain_http.post(f"{self.root}/simulator/faults", json=set_up).raise_for_status()
        yield
        plain_http.delete(f"{self.root}/simulator/faults").raise_for_status()

    def stop(self) -> int:
        for client in self.clients:
            client.close()
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code


Start = Callable[..., Served]


def started(folder: Path, *options: str) -> Served:
    """Start a simulator on any free port and wait until it says that it is ready."""
    command = [
        "-m",
        "wan.simulator",
        "--dir",
        str(folder),
        "--port",
        "0",
        "--preset",
        "ultrafast",
        *options,
    ]
    process = warm.start(
        command, environment=dict(os.environ), folder=warm.ROOT, stdout=subprocess.PIPE
    )
    return Served(process, process.stdout.readline().split()[-1].removesuffix("/api/v1"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts simulators on the test's own folder; those that still run are stopped at the end."""
    running: list[Served] = []

    def start_one(*options: str) -> Served:
        running.append(started(tmp_path / "simulator", *options))
        return running[-1]

    yield start_one
    for served in running:
        if served.process.poll() is None:
            served.stop()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One quick simulator for every test that does not need its own."""
    served = started(tmp_path_factory.mktemp("shared"), "--pending", "0.2", "--running", "0.2")
    yield served
    assert served.stop() == 0


@pytest.fixture
def client(shared: Served) -> Iterator[Client]:
    """A new account with the shared simulator."""
    client = Client(shared.root)
    yield client
    client.close()


@pytest.fixture(scope="session")
def video_url(shared: Served) -> str:
    """The link to a finished video."""
    client = shared.client()
    return client.ended(client.created(image_order()))["output"]["video_url"]


@pytest.fixture(scope="session")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A simulator whose tasks stay PENDING, for what needs no video."""
    served = started(tmp_path_factory.mktemp("idle"), "--pending", "3600")
    yield served
    assert served.stop() == 0


@pytest.fixture
def waiting(idle: Served) -> Iterator[Client]:
    """A new account with the idle simulator."""
    client = Client(idle.root)
    yield client
    client.close()
