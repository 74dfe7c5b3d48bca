"""What every kind of answer proves, over a real socket; and that the paid request leaves exactly
once.
"""

import asyncio
import json
import re
import socket
import sys

import httpx
import pytest
from pydantic import SecretStr

from tests.wire import reply, wire
from wan.domain.errors import (
    BadResponse,
    KeyRefused,
    NotSent,
    Refused,
    ResultRefused,
    SubmissionUnknown,
    Throttled,
    UntrustedAddress,
)
from wan.environment.connection import Connection
from wan.provider import gateway
from wan.provider.gateway import Gateway
from wan.provider.wire import TaskSnapshot, TaskStatus, task_failure

pytestmark = pytest.mark.anyio

CONNECTION = Connection(
    backend="dashscope",
    base_url="https://example.com/api/v1",
    region="",
    workspace="",
    key=SecretStr("sk-test1234"),
)
PAYLOAD = {
    "model": "wan2.6-i2v-flash",
    "input": {"prompt": "x", "img_url": "https://example.com/a.png"},
    "parameters": {"seed": 1},
}
TAKEN = {"output": {"task_status": "PENDING", "task_id": "t-1"}, "request_id": "r-1"}


def _no(code, message="no"):
    return {"code": code, "message": message, "request_id": "r-2"}


async def _drip(reader, writer):
    for byte in json.dumps(TAKEN).encode():
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)


async def _stall(reader, writer):
    await reader.read()


async def _reset(reader, writer):
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
    )


PROOFS = {
    "refused 400": (reply(400, _no("InvalidParameter")), None, Refused),
    "refused 401": (reply(401, _no("InvalidApiKey")), None, KeyRefused),
    "refused 403": (reply(403, _no("AccessDenied")), None, KeyRefused),
    "refused 403 in HTML": (
        reply(403, b"<html>blocked</html>", kind="text/html"),
        None,
        KeyRefused,
    ),
    "refused 404": (reply(404, _no("ModelNotFound")), None, Refused),
    "refused 400 in HTML": (reply(400, b"<html>", kind="text/html"), None, Refused),
    "refused with 200": (reply(200, _no("InvalidParameter")), None, Refused),
    "429": (reply(429, _no("Throttling.RateQuota"), headers="Retry-After: 3\r\n"), None, Throttled),
    "429 for good": (reply(429, _no("PrepaidBillOverdue")), None, Refused),
    "429 quota": (
        reply(429, _no("Throttling.AllocationQuota", "Allocated quota exceeded.")),
        None,
        Throttled,
    ),
    "429 free quota": (
        reply(429, _no("Throttling.AllocationQuota", "Free allocated quota exceeded.")),
        None,
        Refused,
    ),
    "408": (reply(408, _no("RequestTimeOut")), None, SubmissionUnknown),
    "409": (reply(409, _no("Conflict")), None, SubmissionUnknown),
    "500": (reply(500, _no("InternalError")), None, SubmissionUnknown),
    "502": (reply(502, b"<html>bad gateway</html>", kind="text/html"), None, SubmissionUnknown),
    "503 that says InvalidParameter": (
        reply(503, _no("InvalidParameter")),
        None,
        SubmissionUnknown,
    ),
    "504": (reply(504, b""), None, SubmissionUnknown),
    "200 HTML": (reply(200, b"<html>hello</html>", kind="text/html"), None, SubmissionUnknown),
    "200 broken JSON": (reply(200, b'{"output": {"task_id": "t'), None, SubmissionUnknown),
    "200 about nothing": (reply(200, {"hello": "world"}), None, SubmissionUnknown),
    "200 a list": (reply(200, [1]), None, SubmissionUnknown),
    "302": (reply(302, b"", headers="Location: http://127.0.0.1:1/\r\n"), None, SubmissionUnknown),
    "cut body": (reply(200, TAKEN, length=9999), None, SubmissionUnknown),
    "closed without a word": (None, None, SubmissionUnknown),
    "reset": (None, _reset, SubmissionUnknown),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", None, SubmissionUnknown),
    "slow drip": (reply(200, b"", length=len(json.dumps(TAKEN))), _drip, SubmissionUnknown),
    "no answer": (None, _stall, SubmissionUnknown),
}


@pytest.fixture
async def gate():
    made = Gateway()
    yield made
    await made.close()


@pytest.mark.parametrize("name", PROOFS)
async def test_what_an_answer_to_the_paid_request_proves(name, gate, monkeypatch):
    answer, then, proved = PROOFS[name]
    monkeypatch.setattr(gateway, "SUBMIT_LIMIT", 1.0)
    async with wire(answer, then=then) as server:
        with pytest.raises((Refused, Throttled, SubmissionUnknown, NotSent)) as outcome:
            await gate.submit(server.connection, PAYLOAD)
    assert type(outcome.value) is proved
    assert len(server.requests) == 1
    assert "sk-test1234" not in f"{outcome.value!r} {outcome.value.__cause__!r}"
    if name == "429":
        assert outcome.value.retry_after == 3


async def test_a_connection_that_is_never_made_proves_that_nothing_left(gate):
    async with wire(None) as server:
        pass
    with pytest.raises(NotSent):
        await gate.submit(server.connection, PAYLOAD)


async def test_accepted(gate):
    async with wire(reply(200, TAKEN)) as server:
        accepted = await gate.submit(server.connection, PAYLOAD)
    assert (accepted.task_id, accepted.request_id) == ("t-1", "r-1")
    head, body = server.requests[0]
    assert head.startswith("POST /api/v1/services/aigc/video-generation/video-synthesis HTTP/1.1")
    headers = {
        line.split(": ")[0].lower(): line.split(": ")[1] for line in head.strip().splitlines()[1:]
    }
    assert headers["authorization"] == "Bearer sk-test1234"
    assert headers["x-dashscope-async"] == "enable"
    assert headers["connection"] == "close"
    assert "x-dashscope-ossresourceresolve" not in headers
    assert "x-dashscope-workspace" not in headers
    assert json.loads(body) == PAYLOAD


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, TAKEN | {"code": None, "message": None, "usage": None}),
        (
            200,
            {
                "output": {"task_id": "t-1", "task_status": None, "video_url": None},
                "request_id": "r-1",
            },
        ),
        (202, TAKEN),
    ],
)
async def test_a_task_id_is_found_whatever_stands_beside_it(gate, status, body):
    async with wire(reply(status, body)) as server:
        assert (await gate.submit(server.connection, PAYLOAD)).task_id == "t-1"


async def test_uploaded_references_are_announced(gate):
    async with wire(reply(200, TAKEN)) as server:
        await gate.submit(server.connection, PAYLOAD | {"input": {"img_url": "oss://up/1.jpg"}})
    assert "x-dashscope-ossresourceresolve: enable" in server.requests[0][0].lower()


async def test_nothing_of_the_environment_goes_along(gate, monkeypatch, tmp_path):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-operators-own")
    monkeypatch.setenv("DASHSCOPE_WORKSPACE", "ws-operators-own")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    (tmp_path / "home/.dashscope").mkdir()
    (tmp_path / "home/.dashscope/config.toml").write_text(
        'api_key = "sk-in-a-file"\nmax_retries = 5\n'
    )
    async with wire(reply(500, b"")) as server:
        with pytest.raises(SubmissionUnknown):
            await gate.submit(server.connection, PAYLOAD)
        with pytest.raises(BadResponse):
            await gate.fetch(server.connection, "t-1")
    assert len(server.requests) == 2
    assert "operators-own" not in str(server.requests)
    assert "in-a-file" not in str(server.requests)


USAGE = {
    "duration": 10.0,
    "size": "1280*720",
    "input_video_duration": 5,
    "output_video_duration": 5,
    "video_count": 1,
    "SR": 720,
}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (
            {
                "output": {
                    "task_id": "t",
                    "task_status": "PENDING",
                    "submit_time": "2026-01-22 23:24:46.527",
                }
            },
            "PENDING",
            {},
        ),
        (
            {
                "output": {
                    "task_id": "t",
                    "task_status": "RUNNING",
                    "scheduled_time": "2026-01-22 23:24:46.527",
                }
            },
            "RUNNING",
            {},
        ),
        (
            {
                "output": {
                    "task_id": "t",
                    "task_status": "SUCCEEDED",
                    "video_url": "https://a.aliyuncs.com/v.mp4",
                    "orig_prompt": "x",
                },
                "usage": USAGE,
            },
            "SUCCEEDED",
            {"video_url": "https://a.aliyuncs.com/v.mp4", "billed_seconds": 10.0},
        ),
        (
            {
                "output": {
                    "task_id": "t",
                    "task_status": "FAILED",
                    "code": "InvalidParameter",
                    "message": "The size is not match 1*1",
                }
            },
            "FAILED",
            {"code": "InvalidParameter", "message": "The size is not match 1*1"},
        ),
        ({"output": {"task_id": "t", "task_status": "CANCELED"}}, "CANCELED", {}),
        ({"output": {"task_id": "t", "task_status": "UNKNOWN"}}, "UNKNOWN", {}),
    ],
)
async def test_every_state_of_a_task(gate, answer, status, said):
    async with wire(reply(200, answer | {"request_id": "r"})) as server:
        snapshot = await gate.fetch(server.connection, "t")
    assert snapshot.status is TaskStatus(status)
    assert {name: getattr(snapshot, name) for name in said} == said


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (reply(401, _no("InvalidApiKey")), KeyRefused),
        (reply(403, _no("AccessDenied")), KeyRefused),
        (reply(429, _no("Throttling")), Throttled),
        (reply(500, _no("InternalError")), BadResponse),
        (reply(200, b"<html>", kind="text/html"), BadResponse),
        (reply(200, b"{"), BadResponse),
        (reply(200, {"hello": "world"}), BadResponse),
        (reply(200, {"output": {"task_id": "t", "task_status": "DREAMING"}}), BadResponse),
        (reply(200, TAKEN, length=9999), BadResponse),
        (None, BadResponse),
    ],
)
async def test_a_question_without_a_usable_answer(gate, answer, raised):
    async with wire(answer) as server:
        with pytest.raises(raised):
            await gate.fetch(server.connection, "t")
    assert len(server.requests) == 1


async def test_a_task_id_cannot_leave_its_path(gate):
    async with wire(reply(200, {"output": {"task_status": "UNKNOWN"}})) as server:
        await gate.fetch(server.connection, "../uploads?action=getPolicy")
    assert server.requests[0][0].startswith(
        "GET /api/v1/tasks/..%2Fuploads%3Faction%3DgetPolicy HTTP"
    )


async def test_every_page_of_the_accounts_tasks_is_read(gate):
    async def page(reader, writer):
        number = len(server.requests)
        writer.write(
            reply(
                200,
                {
                    "data": [{"task_id": f"t-{number}", "gmt_create": number * 1000}],
                    "total_page": 3,
                },
            )
        )
        await writer.drain()

    async with wire(b"", then=page) as server:
        assert await gate.list_recent(server.connection, "wan2.6-i2v-flash") == {
            "t-1": 1,
            "t-2": 2,
            "t-3": 3,
        }
    assert [re.search(r"page_no=(\d+)", head)[1] for head, _ in server.requests] == ["1", "2", "3"]


async def test_cancel(gate):
    late = _no(
        "UnsupportedOperation",
        "Failed to cancel the task, please confirm if the task is in PENDING status.",
    )
    async with wire(reply(200, {"request_id": "r"})) as server:
        assert await gate.cancel(server.connection, "t") is True
    async with wire(reply(400, late)) as server:
        assert await gate.cancel(server.connection, "t") is False


async def test_a_reference_goes_to_the_service_only(gate, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"picture")
    policy = {"policy": "p", "signature": "s", "upload_dir": "up", "oss_access_key_id": "id"}
    async with wire(reply(200, b"")) as another:
        named = policy | {"upload_host": f"http://127.0.0.1:{another.port}/upload-store"}
        async with wire(reply(200, {"data": named, "request_id": "r"})) as server:
            with pytest.raises(
                UntrustedAddress, match=r"http://127\.0\.0\.1:\d+ .* isn't its own.*ask again"
            ):
                await gate.upload(server.connection, PAYLOAD["model"], tmp_path / "a.jpg", "1.jpg")
    assert another.requests == []


async def test_a_result_comes_from_the_service_only(gate, tmp_path):
    async with wire(reply(200, b"video")) as server:
        await gate.download(
            server.connection, f"http://127.0.0.1:{server.port}/results/1.mp4", tmp_path / "a.part"
        )
        for url in (
            f"http://localhost:{server.port}/1.mp4",
            "http://a.aliyuncs.com:8080/1.mp4",
            "ftp://a.aliyuncs.com/1.mp4",
            "//a.aliyuncs.com/1.mp4",
            "https://aliyuncs.com.example.com/1.mp4",
            "https://notaliyuncs.com/1.mp4",
            "https://x@a.aliyuncs.com/1.mp4",
            "http://x:y@a.aliyuncs.com/1.mp4",
            "https://example.com\\@a.aliyuncs.com/1.mp4",
            "https://a.aliyuncs.com:port/1.mp4",
            "https://[::1/1.mp4",
            "file:///etc/passwd",
            "",
        ):
            with pytest.raises(UntrustedAddress, match="isn't one of the service's own"):
                await gate.download(server.connection, url, tmp_path / "b.part")
    assert (tmp_path / "a.part").read_bytes() == b"video"
    assert len(server.requests) == 1
    assert "sk-test1234" not in server.requests[0][0]


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        (
            "http://r.oss-cn-shanghai.aliyuncs.com/a/1.mp4?Expires=1&Signature=a%2Bb%3D",
            "https://r.oss-cn-shanghai.aliyuncs.com/a/1.mp4?Expires=1&Signature=a%2Bb%3D",
        ),
        ("HTTP://R.aliyuncs.com:80/1.mp4", "https://r.aliyuncs.com/1.mp4"),
        ("https://r.aliyuncs.com/%E7%89%87.mp4", "https://r.aliyuncs.com/%E7%89%87.mp4"),
        ("http://gateway.example/1.mp4", "https://gateway.example/1.mp4"),
        (" http://r.aliyuncs.com/1.mp4\n", "https://r.aliyuncs.com/1.mp4"),
    ],
)
async def test_a_result_comes_over_https_though_its_address_says_http(gate, tmp_path, named, asked):
    urls = []
    async with wire(reply(200, b"video")) as server:

        async def lead_here(request):
            urls.append(str(request.url))
            request.url = httpx.URL(f"http://127.0.0.1:{server.port}/")

        gate._files.event_hooks = {"request": [lead_here]}
        connection = server.connection.model_copy(
            update={"base_url": "https://gateway.example/api/v1"}
        )
        await gate.download(connection, named, tmp_path / "a.part")
    assert urls == [asked]
    assert (tmp_path / "a.part").read_bytes() == b"video"


@pytest.mark.parametrize(
    ("url", "called"),
    [
        ("https://elsewhere.example/a.mp4?Signature=SECRET", "https://elsewhere.example"),
        ("http://ann:SECRET@r.aliyuncs.com/a.mp4", "http://***@r.aliyuncs.com"),
        ("http://r.aliyuncs.com:8080/a.mp4", "http://r.aliyuncs.com:8080"),
        ("r.aliyuncs.com/a.mp4?Signature=SECRET&x=1", "r.aliyuncs.com/a.mp4?Signature=***&x=1"),
        ("//[bad\x1b/a.mp4", "//[bad"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ],
)
async def test_an_address_elsewhere_is_named_so_that_it_can_be_recognised(
    gate, tmp_path, url, called
):
    with pytest.raises(UntrustedAddress, match=re.escape(f"named {called}")):
        await gate.download(CONNECTION, url, tmp_path / "a.part")


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (reply(302, b"", headers="Location: http://127.0.0.1:1/\r\n"), BadResponse),
        (reply(404, b""), BadResponse),
        (reply(200, b"vid", length=99), BadResponse),
    ],
)
async def test_a_result_that_does_not_come(gate, tmp_path, answer, raised):
    async with wire(answer) as server:
        with pytest.raises(raised):
            await gate.download(
                server.connection, f"http://127.0.0.1:{server.port}/1.mp4", tmp_path / "a.part"
            )


async def test_a_result_is_capped(gate, tmp_path, monkeypatch):
    monkeypatch.setattr(gateway, "RESULT_LIMIT", 3)
    async with wire(reply(200, b"video")) as server:
        with pytest.raises(ResultRefused, match="larger than"):
            await gate.download(
                server.connection, f"http://127.0.0.1:{server.port}/1.mp4", tmp_path / "a.part"
            )


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("DataInspectionFailed", "content_refused"),
        ("IPInfringementSuspect", "content_refused"),
        ("Arrearage", "arrears"),
        ("InternalError.Timeout", "task_failed_for_now"),
        ("InvalidParameter", "task_failed"),
    ],
)
def test_a_failed_task_says_whether_another_try_can_help(code, key):
    failure = task_failure(
        TaskSnapshot(TaskStatus.FAILED, "r", code=code, message="no"), CONNECTION
    )
    assert failure.message.key == key
    assert code in str(failure)
    assert "You weren't charged" in str(failure)


MEANINGS = (  # status, code, message of the service; what it means, and what people have to read
    (
        401,
        "InvalidApiKey",
        "Invalid API-key provided.",
        "key_unknown",
        "cn-beijing.*InvalidApiKey.*created in ap-southeast-1",
    ),
    (
        401,
        "invalid_api_key",
        "Incorrect API key provided.",
        "key_unknown",
        "cn-beijing.*created in ap-southeast-1",
    ),
    (
        401,
        "NOT AUTHORIZED",
        "Access denied: Either you are not authorized …",
        "workspace_denied",
        "workspace",
    ),
    (
        403,
        "AllocationQuota.FreeTierOnly",
        "The free tier …",
        "free_quota_used",
        "free quota.*turn off.*free tier only",
    ),
    (
        403,
        "AccessDenied.Unpurchased",
        "Access to model denied.",
        "not_activated",
        "isn't activated.*accept the agreement",
    ),
    (
        403,
        "Model.AccessDenied",
        "Model access denied.",
        "model_denied",
        "key's workspace.*Grant",
    ),
    (
        403,
        "Workspace.AccessDenied",
        "Workspace access denied.",
        "workspace_denied",
        "workspace.*member",
    ),
    (
        403,
        "Endpoint.AccessDenied",
        "Workspace endpoint access denied.",
        "model_withdrawn",
        "retired",
    ),
    (403, "AccessDenied", "Access denied.", "access_denied", r"AccessDenied\): Access denied\."),
    (403, "access_denied", "Access denied.", "access_denied", "doesn't allow"),
    (403, "Something.New", "Not you.", "access_denied", r"Something.New\): Not you\."),
    (
        404,
        "ModelNotFound",
        "The model x does not exist.",
        "model_missing",
        "doesn't offer this model.*ap-southeast-1",
    ),
    (
        404,
        "model_not_found",
        "The model x does not exist.",
        "model_missing",
        "doesn't offer this model",
    ),
    (400, "InvalidParameter", "Model not exist.", "model_missing", "doesn't offer this model"),
    (404, "WorkSpaceNotFound", "WorkSpace can not be found.", "workspace_denied", "workspace"),
    (
        429,
        "Throttling.AllocationQuota",
        "Allocated quota exceeded, please increase your quota limit.",
        "quota_used_up",
        "higher limit",
    ),
    (
        429,
        "insufficient_quota",
        "You exceeded your current quota.",
        "quota_used_up",
        "higher limit",
    ),
    (
        429,
        "Throttling.AllocationQuota",
        "Free allocated quota exceeded.",
        "free_quota_over",
        "Choose another model",
    ),
    (429, "AllocationQuota.FreeTierOnly", "The free tier …", "free_quota_used", "turn off"),
    (429, "CommodityNotPurchased", "Commodity has not purchased yet.", "arrears", "good standing"),
    (
        429,
        "Throttling.RateQuota",
        "Requests rate limit exceeded.",
        "busy",
        r"too many requests right now \(Throttling.RateQuota\)",
    ),
    (400, "Arrearage", "Access denied, please make sure …", "arrears", "good standing"),
    (403, "DataInspectionFailed", "Input data may …", "content_refused", "content check"),
)


@pytest.mark.parametrize(("status", "code", "message", "key", "told"), MEANINGS)
async def test_a_refusal_is_told_by_what_it_means(gate, status, code, message, key, told):
    async with wire(reply(status, _no(code, message))) as server:
        connection = server.connection.model_copy(update={"region": "cn-beijing"})
        for ask in (gate.submit(connection, PAYLOAD), gate.ping(connection)):
            with pytest.raises((Refused, Throttled)) as refused:
                await ask
            assert (refused.value.message.key, refused.value.code) == (key, code)
            assert re.search(told, str(refused.value))
            assert "You weren't charged" in str(refused.value)
            assert isinstance(refused.value, Throttled) == (
                status == 429 and key in ("quota_used_up", "busy")
            )
    if status != 429:
        failed = task_failure(
            TaskSnapshot(TaskStatus.FAILED, "r", code=code, message=message), connection
        )
        assert failed.message.key == (key if key != "access_denied" else "task_failed")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            reply(500, _no("InternalError", "x")),
            r"127.0.0.1 gave no usable answer \(HTTP 500\)",
        ),
        (reply(200, {"hello": "world"}), r"127.0.0.1 gave no usable answer \(HTTP 200\)"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>",
            r"something in between.*HTTP 200.*The job waits",
        ),
    ],
)
async def test_an_answer_that_says_nothing_is_not_told_as_none(gate, answer, told):
    async with wire(answer) as server:
        with pytest.raises(BadResponse, match=told):
            await gate.fetch(server.connection, "task")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 451])
@pytest.mark.parametrize("body", [b"<html>Blocked by policy</html>", b"", b'{"error": "no route"}'])
async def test_what_something_on_the_way_answers_is_not_taken_for_the_service_s_word(
    gate, status, body
):
    async with wire(reply(status, body, kind="text/html")) as server:
        for ask in (
            gate.submit(server.connection, PAYLOAD),
            gate.fetch(server.connection, "t"),
            gate.ping(server.connection),
        ):
            with pytest.raises(Refused) as refused:
                await ask
            assert refused.value.message.key == "blocked"
            assert re.search(
                rf"come from the service but.*firewall.*HTTP {status}.*127\.0\.0\.1",
                str(refused.value),
            )


async def test_a_429_is_told_by_who_gives_it(gate):
    page = reply(429, b"<html>Slow down</html>", kind="text/html")
    for answer, told in (
        (page, r"come from the service but.*firewall.*HTTP 429"),
        (reply(429, b""), r"too many requests right now \(HTTP 429\)"),
        (reply(429, _no("Throttling")), r"too many requests right now \(Throttling\)"),
    ):
        async with wire(answer) as server:
            for ask in (gate.submit(server.connection, PAYLOAD), gate.ping(server.connection)):
                with pytest.raises(Throttled, match=told):
                    await ask


UNFETCHED = (
    ("InvalidURL", "Invalid URL provided in your request."),
    ("InvalidURL", "The request URL is invalid, make sure the url is correct and is an image."),
    ("InvalidURL.ConnectionRefused", "Connection to {} refused, please provide available URL."),
    ("InvalidURL.Timeout", "Download {} timeout, please check network connection."),
    (
        "InvalidParameter.DataInspection",
        "Unable to download the media resource during the data inspection process.",
    ),
    (
        "InvalidParameter.DataInspection",
        "Don't have authorization to access the media resource during the data inspection process.",
    ),
    (
        "InvalidParameter",
        "Failed to find the requested media resource during the data inspection process.",
    ),
    (
        "InvalidParameter",
        "Download the media resource timed out during the data inspection process.",
    ),
    ("InvalidParameter", "download image failed"),
    ("InvalidParameter", "oss download error."),
    ("BadRequest.InputDownloadFailed", "Failed to download the input file: {}."),
    ("InvalidFile.DownloadFailed", "The audio file cannot be downloaded."),
)
OF_SOUNDS = (
    "File type is not supported. Allowed types are: .wav, .mp3.",
    "The input audio is longer than 30s",
    "File size is larger than 15MB.",
)


@pytest.mark.parametrize("message", OF_SOUNDS)
async def test_a_sound_that_is_refused_is_told_with_what_is_allowed(gate, message):
    async with wire(reply(400, _no("InvalidURL", message))) as server:
        with pytest.raises(Refused) as refused:
            await gate.submit(server.connection, PAYLOAD)
    failed = task_failure(
        TaskSnapshot(TaskStatus.FAILED, "r", code="InvalidURL", message=message), CONNECTION
    )
    for one in (refused.value, failed):
        assert str(one) == (
            f"The service refused the audio file (InvalidURL): {message.rstrip('.')}. You "
            "weren't charged. Use WAV or MP3 of 3 to 30 s, up to 15 MB."
        )


SIGNED = "https://a.example/cat.png?OSSAccessKeyId=SECRET&Expires=SECRET&Signature=SECRET"


@pytest.mark.parametrize(("code", "message"), UNFETCHED)
async def test_an_address_that_cannot_be_fetched_is_told_with_what_to_do(gate, code, message):
    async with wire(reply(400, _no(code, message.format(SIGNED)))) as server:
        with pytest.raises(Refused) as refused:
            await gate.submit(server.connection, PAYLOAD)
    failed = task_failure(
        TaskSnapshot(TaskStatus.FAILED, "r", code=code, message=refused.value.detail),
        CONNECTION,
    )
    for one in (refused.value, failed):
        assert re.search(r"You weren't charged.*public internet.*https://.*not.*expired", str(one))
        assert code in str(one)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidURL", "The input audio is longer than 30s."),
        ("InvalidURL", "File size is larger than 15MB."),
        ("InvalidURL", "File type is not supported. Allowed types are: .wav, .mp3."),
        (
            "InvalidParameter.DataInspection",
            "The media format is not supported or incorrect for the data inspection.",
        ),
    ],
)
async def test_a_file_that_does_not_suit_is_not_told_as_one_that_cannot_be_fetched(
    gate, code, message
):
    async with wire(reply(400, _no(code, message))) as server:
        with pytest.raises(Refused, match=re.escape(message)) as refused:
            await gate.submit(server.connection, PAYLOAD)
    assert "public internet" not in str(refused.value)


async def test_no_signature_of_an_address_is_quoted(gate):
    message = f"Download {SIGNED} timeout, please check network connection."
    failed = {
        "output": {
            "task_id": "t",
            "task_status": "FAILED",
            "code": "InvalidURL.Timeout",
            "message": message,
        },
        "request_id": "r",
    }
    async with wire(reply(200, failed)) as server:
        snapshot = await gate.fetch(server.connection, "t")
    async with wire(reply(400, _no("InvalidURL.Timeout", message))) as server:
        with pytest.raises(Refused) as refused:
            await gate.submit(server.connection, PAYLOAD)
    for told in (
        f"{snapshot!r} {task_failure(snapshot, CONNECTION)}",
        f"{refused.value} {vars(refused.value)}",
    ):
        assert "https://a.example/cat.png timeout" in told
        assert "SECRET" not in told


@pytest.mark.parametrize(
    "message", ["The size is not right", "The size is not right.", "The size is not right. "]
)
def test_what_the_service_says_ends_before_we_go_on(message):
    failure = task_failure(
        TaskSnapshot(TaskStatus.FAILED, "r", code="InvalidParameter", message=message),
        CONNECTION,
    )
    assert re.search(r"The size is not right\. +You weren't charged\.", str(failure))


@pytest.mark.process
async def test_the_sdk_is_loaded_only_for_who_asks_a_service():
    code = (
        "import wan, wan.service.studio, wan.cli.main, sys; assert not {'gradio', 'dashscope'} & "
        "set(sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0
