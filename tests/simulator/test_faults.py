"""Every fault, as a client sees it, and whether the service had done its part."""

import time

import httpx
import pytest

from tests.simulator.conftest import Client, Served, image_order

FAULTS_PATH = "/simulator/faults"


def created(shared: Served) -> int:
    return shared.stats()["created"]


@pytest.mark.parametrize(
    ("status", "code"), [(400, "InvalidParameter"), (408, "InternalError"), (429, "Throttling.RateQuota"), (503, "ModelServingError")]
)
def test_status(shared: Served, client: Client, status: int, code: str):
    before = created(shared)
    with shared.fault("create", f"status-{status}"):
        answer = client.create(image_order())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
    assert created(shared) == before


@pytest.mark.parametrize(("fault", "made"), [("drop-before", 0), ("drop-after-accept", 1)])
def test_dropped_connections(shared: Served, client: Client, fault: str, made: int):
    before = created(shared)
    with shared.fault("create", fault), pytest.raises(httpx.ReadError):
        client.create(image_order())
    assert created(shared) - before == made
    assert client.listed()["total"] == made


def test_html(shared: Served, client: Client):
    with shared.fault("create", "html"):
        answer = client.create(image_order())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert client.listed()["total"] == 0


def test_delay_and_drip(shared: Served, client: Client):
    for fault in ("delay-0.5", "drip-0.5"):
        begun = time.monotonic()
        with shared.fault("create", fault):
            answer = client.create(image_order())
        assert answer.json()["output"]["task_status"] == "PENDING"
        assert 0.4 < time.monotonic() - begun < 3
    assert client.listed()["total"] == 2


def test_stall(shared: Served, client: Client):
    client.http.timeout = 0.3
    with shared.fault("create", "stall"), pytest.raises(httpx.ReadTimeout):
        client.create(image_order())
    client.http.timeout = 20
    assert client.listed()["total"] == 1


def test_bodies_that_cannot_be_used(shared: Served, client: Client):
    with shared.fault("create", "bad-json"):
        assert client.create(image_order()).text.startswith('{"output"')
    with shared.fault("create", "wrong-content"):
        assert client.create(image_order()).json() == {"hello": "world"}
    with shared.fault("create", "cut-body"), pytest.raises(httpx.RemoteProtocolError):
        client.create(image_order())
    assert client.listed()["total"] == 3


@pytest.mark.parametrize("fault", ["cut-body", "wrong-content", "status-403"])
def test_results(shared: Served, client: Client, fault: str):
    url = client.ended(client.created(image_order()))["output"]["video_url"]
    with shared.fault("result", fault):
        if fault == "cut-body":
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(url, trust_env=False)
        else:
            assert b"ftyp" not in httpx.get(url, trust_env=False).content
    assert b"ftyp" in httpx.get(url, trust_env=False).content


def test_every_verb_can_fail_and_counts_run_out(shared: Served, client: Client, samples):
    url = client.ended(client.created(image_order()))["output"]["video_url"]
    policy = client.policy("wan2.6-r2v")
    calls = {
        "policy": lambda: client.http.get("/api/v1/uploads", params={"action": "getPolicy", "model": "wan2.6-r2v"}),
        "upload": lambda: client.put(policy, samples / "rocket.jpg")[1],
        "create": lambda: client.create(image_order()),
        "query": lambda: client.http.get("/api/v1/tasks/x"),
        "cancel": lambda: client.cancel(client.created(image_order())),
        "list": lambda: client.http.get("/api/v1/tasks/"),
        "result": lambda: httpx.get(url, trust_env=False),
    }
    for verb, call in calls.items():
        with shared.fault(verb, "status-500", count=1):
            assert [call().status_code for _ in range(2)] == [500, 200]


def test_what_is_no_fault_is_refused(client: Client):
    for wrong in ({"verb": "none", "fault": "html"}, {"verb": "create", "fault": "status"}, {"verb": "create", "fault": "flood"}):
        assert client.http.post(FAULTS_PATH, json=wrong).status_code == 400
