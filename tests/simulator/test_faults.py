"""Every fault, as a client sees it, and whether the service had done its part."""

import time

import httpx
import pytest

from tests import plain_http
from tests.simulator.conftest import Client, Served, image_order
from wan.simulator.errors import CODES
from wan.simulator.faults import VERBS

FAULTS_PATH = "/simulator/faults"


def created(idle: Served) -> int:
    return idle.stats()["created"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidParameter"),
        (408, "InternalError"),
        (429, "Throttling.RateQuota"),
        (503, "ModelServingError"),
    ],
)
def test_status(idle: Served, waiting: Client, status: int, code: str):
    before = created(idle)
    with idle.fault("create", f"status-{status}"):
        answer = waiting.create(image_order())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
    assert created(idle) == before


@pytest.mark.parametrize("code", CODES)
def test_every_code_can_be_had(idle: Served, waiting: Client, code: str):
    with idle.fault("create", f"code-{code}"):
        answer = waiting.create(image_order())
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (
        CODES[code][0],
        code,
        CODES[code][1],
    )


def test_a_firewall(idle: Served, waiting: Client):
    with idle.fault("query", "html-403"):
        answer = waiting.http.get("/api/v1/tasks/x")
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html")


@pytest.mark.parametrize(("fault", "made"), [("drop-before", 0), ("drop-after-accept", 1)])
def test_dropped_connections(idle: Served, waiting: Client, fault: str, made: int):
    before = created(idle)
    with idle.fault("create", fault), pytest.raises(httpx.ReadError):
        waiting.create(image_order())
    assert created(idle) - before == made
    assert waiting.listed()["total"] == made


def test_html(idle: Served, waiting: Client):
    with idle.fault("create", "html"):
        answer = waiting.create(image_order())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    assert waiting.listed()["total"] == 0


def test_delay_and_drip(idle: Served, waiting: Client):
    for fault in ("delay-0.5", "drip-0.5"):
        begun = time.monotonic()
        with idle.fault("create", fault):
            answer = waiting.create(image_order())
        assert answer.json()["output"]["task_status"] == "PENDING"
        assert time.monotonic() - begun > 0.4
    assert waiting.listed()["total"] == 2


def test_stall(idle: Served, waiting: Client):
    waiting.http.timeout = 0.3
    with idle.fault("create", "stall"), pytest.raises(httpx.ReadTimeout):
        waiting.create(image_order())
    waiting.http.timeout = 20
    assert waiting.listed()["total"] == 1


def test_bodies_that_cannot_be_used(idle: Served, waiting: Client):
    with idle.fault("create", "bad-json"):
        assert waiting.create(image_order()).text.startswith('{"output"')
    with idle.fault("create", "wrong-content"):
        assert waiting.create(image_order()).json() == {"hello": "world"}
    with idle.fault("create", "cut-body"), pytest.raises(httpx.RemoteProtocolError):
        waiting.create(image_order())
    assert waiting.listed()["total"] == 3


@pytest.mark.parametrize("fault", ["cut-body", "wrong-content", "status-403"])
def test_results(shared: Served, video_url: str, fault: str):
    with shared.fault("result", fault):
        if fault == "cut-body":
            with pytest.raises(httpx.RemoteProtocolError):
                plain_http.get(video_url)
        else:
            assert b"ftyp" not in plain_http.get(video_url).content
    assert b"ftyp" in plain_http.get(video_url).content


@pytest.mark.parametrize(
    ("fault", "root"),
    [
        ("link-http", "http://dashscope-result-sh.oss-cn-shanghai.aliyuncs.com/"),
        ("link-elsewhere", "http://elsewhere.example/"),
    ],
)
def test_addresses_on_other_hosts(shared: Served, client: Client, fault: str, root: str):
    task_id = client.created(image_order())
    right = client.ended(task_id)["output"]["video_url"]
    with shared.fault("query", fault), shared.fault("policy", fault):
        assert client.query(task_id)["output"]["video_url"] == right.replace(
            f"{shared.root}/", root
        )
        assert client.policy("wan2.6-r2v")["upload_host"] == f"{root}upload-store"


def test_every_verb_can_fail_and_counts_run_out(idle: Served, waiting: Client, samples):
    policy = waiting.policy("wan2.6-r2v")
    calls = {
        "policy": lambda: waiting.http.get(
            "/api/v1/uploads", params={"action": "getPolicy", "model": "wan2.6-r2v"}
        ),
        "upload": lambda: waiting.put(policy, samples / "rocket.jpg")[1],
        "create": lambda: waiting.create(image_order()),
        "query": lambda: waiting.http.get("/api/v1/tasks/x"),
        "cancel": lambda: waiting.cancel(waiting.created(image_order())),
        "list": lambda: waiting.http.get("/api/v1/tasks/"),
    }
    assert {*calls, "result"} == set(VERBS)
    for verb, call in calls.items():
        with idle.fault(verb, "status-500", count=1):
            assert [call().status_code for _ in range(2)] == [500, 200]


def test_a_fault_for_one_host_leaves_the_others_alone(idle: Served, waiting: Client):
    with idle.fault("query", "status-503", host="one.example:80"):
        answers = [
            waiting.http.get("/api/v1/tasks/x", headers={"Host": host}).status_code
            for host in ("two.example:80", "one.example:80")
        ]
    assert answers == [200, 503]


def test_what_is_no_fault_is_refused(waiting: Client):
    for wrong in (
        {"verb": "none", "fault": "html"},
        {"verb": "create", "fault": "status"},
        {"verb": "create", "fault": "flood"},
        {"verb": "create", "fault": "code-None"},
    ):
        assert waiting.http.post(FAULTS_PATH, json=wrong).status_code == 400
