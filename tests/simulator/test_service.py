"""Shapes, headers, codes and limits of create, query, list and cancel."""

import base64
import io
import re
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from PIL import Image

from tests import plain_http
from tests.simulator.conftest import SUBMIT, Client, Served, image_order, reference_order
from tests.sounds import sound, wav

BEIJING = timezone(timedelta(hours=8))
SOUND_TYPES = "File type is not supported. Allowed types are: .wav, .mp3."
REFERENCE = "https://media.example.com/a.png"


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert set(body) == {"code", "message", "request_id"}
    uuid.UUID(body["request_id"])
    return answer.status_code, body["code"], body["message"]


def sounding(url: str, **parameters) -> dict:
    """A small request with a sound."""
    body = image_order(**{"audio": True} | parameters)
    return body | {"input": body["input"] | {"audio_url": url}}


def without(body: dict, block: str, field: str) -> dict:
    return body | {block: {name: value for name, value in body[block].items() if name != field}}


def test_a_task_from_create_to_video(shared: Served, client: Client):
    answer = client.create(image_order(audio=True))
    assert answer.status_code == 200
    assert set(answer.json()) == {"output", "request_id"}
    assert answer.json()["output"]["task_status"] == "PENDING"
    task_id = answer.json()["output"]["task_id"]
    pending = client.query(task_id)["output"]
    assert set(pending) == {"task_id", "task_status", "submit_time"}
    ended = client.ended(task_id)
    output = ended["output"]
    assert set(output) == {
        "task_id",
        "task_status",
        "submit_time",
        "scheduled_time",
        "end_time",
        "orig_prompt",
        "video_url",
    }
    assert output["orig_prompt"] == "a cat"
    assert ended["usage"] == {
        "duration": 2,
        "input_video_duration": 0,
        "output_video_duration": 2,
        "video_count": 1,
        "SR": 720,
        "audio": True,
    }
    assert all(
        re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", output[name])
        for name in ("submit_time", "scheduled_time", "end_time")
    )
    submitted = datetime.fromisoformat(output["submit_time"]).replace(tzinfo=BEIJING)
    assert abs(submitted.timestamp() - time.time()) < 30
    url = output["video_url"]
    assert url.startswith(f"{shared.root}/results/{task_id}/")
    later = re.sub(r"(?<=Expires=)\d+", lambda found: str(int(found[0]) + 1), url)
    answers = [
        client.http.get(one).status_code
        for one in (url, later, url.partition("&Signature")[0], url.partition("?")[0])
    ]
    assert answers == [200, 403, 403, 403], "as it was signed, and not longer"


def test_the_account_is_asked_for_first(idle: Served):
    for header, message in (
        ({}, "No API-key provided."),
        ({"Authorization": "Bearer"}, "No API-key provided."),
        ({"Authorization": "Bearer nonsense"}, "Invalid API-key provided."),
        ({"Authorization": "Bearer sk-abc"}, "Invalid API-key provided."),
        ({"Authorization": "Bearer sk-invalid123"}, "Invalid API-key provided."),
    ):
        for method, path in (
            ("POST", SUBMIT),
            ("GET", "/api/v1/tasks/x"),
            ("GET", "/api/v1/tasks/"),
            ("GET", "/api/v1/uploads"),
        ):
            answer = plain_http.request(method, idle.root + path, headers=header)
            assert refused(answer) == (401, "InvalidApiKey", message)


@pytest.mark.parametrize("key", ["sk-1234", "st-abcd_12", "sk-ws-12ab", "sk-sp-12ab"])
def test_every_key_of_the_service_s_shape_is_an_account(idle: Served, key: str):
    assert idle.client(key).listed()["total"] == 0


def test_create_is_asynchronous_only(waiting: Client):
    answer = waiting.http.post(SUBMIT, json=image_order())
    assert refused(answer) == (
        403,
        "AccessDenied",
        "current user api does not support synchronous calls",
    )


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        ({}, 400, "BadRequest.EmptyModel", ""),
        (
            image_order() | {"model": "wan9-i2v"},
            404,
            "ModelNotFound",
            "The model wan9-i2v does not exist.",
        ),
        (image_order() | {"input": {}}, 400, "BadRequest.EmptyInput", ""),
        (
            without(image_order(), "input", "img_url"),
            400,
            "InvalidParameter",
            "Field required: input.img_url",
        ),
        (
            without(reference_order(REFERENCE), "input", "reference_urls"),
            400,
            "InvalidParameter",
            "Field required: input.reference_urls",
        ),
        (
            without(reference_order(REFERENCE), "input", "prompt"),
            400,
            "InvalidParameter",
            "Field required: input.prompt",
        ),
        (image_order(duration=1), 400, "InvalidParameter", "duration"),
        (image_order(duration=16), 400, "InvalidParameter", "duration"),
        (image_order(duration=5.5), 400, "InvalidParameter", "duration"),
        (reference_order(REFERENCE, duration=11), 400, "InvalidParameter", "duration"),
        (image_order(resolution="480P"), 400, "InvalidParameter", "resolution"),
        (image_order(seed=2**31), 400, "InvalidParameter", "seed"),
        (image_order(watermark="yes"), 400, "InvalidParameter", "watermark"),
        (reference_order(*[REFERENCE] * 6), 400, "InvalidParameter", "reference_urls"),
        (image_order("file:///etc/hostname"), 400, "InvalidURL", ""),
        (image_order("/etc/hostname"), 400, "InvalidURL", ""),
        (image_order("data:text/plain;base64,AAAA"), 400, "InvalidURL", ""),
        (image_order("data:image/png;base64,!"), 400, "InvalidURL", ""),
        (reference_order("data:image/png;base64,AAAA"), 400, "InvalidURL", ""),
        *(
            (sounding(url), 400, "InvalidURL", SOUND_TYPES)
            for url in (
                "https://x.example/a.m4a",
                "https://x.example/a",
                "/etc/passwd",
                "file:///a.wav",
            )
        ),
        *(
            (sounding(url), 400, "InvalidURL", SOUND_TYPES)
            for url in ("https://x.example/a?b.wav", "data:audio/wav;base64,AAAA", "oss://a/b.ogg")
        ),
        (
            sounding("oss://dashscope-instant/none.wav"),
            400,
            "InvalidParameter.DataInspection",
            "Unable to download the media resource",
        ),
        (
            image_order("oss://dashscope-instant/none"),
            400,
            "InvalidParameter.DataInspection",
            "Unable to download the media resource",
        ),
    ],
)
def test_what_is_refused_at_once(waiting: Client, body: dict, status: int, code: str, message: str):
    answer = refused(waiting.create(body, **{"X-DashScope-OssResourceResolve": "enable"}))
    assert answer[:2] == (status, code)
    assert message in answer[2]
    assert waiting.listed()["total"] == 0


def test_an_uploaded_object_is_announced(waiting: Client, samples):
    answer = waiting.create(
        image_order(waiting.uploaded("wan2.6-i2v-flash", samples / "rocket.jpg"))
    )
    message = "The media format is not supported or incorrect for the data inspection."
    assert refused(answer) == (400, "InvalidParameter.DataInspection", message)


def test_a_body_that_is_no_object_is_refused(waiting: Client):
    for content in (b"", b"{", b"[]", b"\xff"):
        answer = waiting.http.post(SUBMIT, content=content, headers={"X-DashScope-Async": "enable"})
        assert refused(answer)[:2] == (400, "BadRequest.IllegalInput")


def test_what_is_accepted_and_fails_later(client: Client):
    output = client.ended(client.created(reference_order(REFERENCE, size="1280*719")))["output"]
    assert (output["task_status"], output["code"]) == ("FAILED", "InvalidParameter")
    assert output["message"].startswith("The size is not match ")
    assert "video_url" not in output
    broken = "data:image/png;base64," + base64.b64encode(b"no picture").decode()
    assert (
        client.ended(client.created(image_order(broken)))["output"]["code"]
        == "InvalidParameter.DataInspection"
    )
    small = io.BytesIO()
    Image.new("RGB", (100, 300)).save(small, "PNG")
    tiny = "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()
    assert (
        client.ended(client.created(image_order(tiny)))["output"]["code"]
        == "InvalidFile.Resolution"
    )
    clips = [f"https://media.example.com/{number}.mp4" for number in range(4)]
    assert (
        client.ended(client.created(reference_order(*clips)))["output"]["code"]
        == "InvalidParameter"
    )


def test_a_sound_is_looked_at_like_any_file(shared: Served, client: Client, tmp_path):
    resolved = {"X-DashScope-OssResourceResolve": "enable"}
    refusals = {
        "long.wav": (wav(31, rate=8_000), "The input audio is longer than 30s."),
        "short.wav": (wav(2), "The input audio is shorter than 3s."),
        "large.wav": (
            wav(29, rate=96_000, channels=3) + bytes(1),
            "File size is larger than 15MB.",
        ),
        "song.mp3": (sound("ipod", "aac"), SOUND_TYPES),
        "list.mp3": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.mp3\n", SOUND_TYPES),
    }
    tasks = {}
    for name, (data, _) in refusals.items():
        (tmp_path / name).write_bytes(data)
        tasks[name] = client.created(
            sounding(client.uploaded("wan2.6-i2v-flash", tmp_path / name)), **resolved
        )
    for name, (_, message) in refusals.items():
        output = client.ended(tasks[name])["output"]
        assert (output["task_status"], output["code"], output["message"]) == (
            "FAILED",
            "InvalidURL",
            message,
        )
    url = client.uploaded("wan2.6-i2v-flash", tmp_path / "song.mp3")
    other = shared.client()
    assert refused(other.create(sounding(url)))[1] == "InvalidParameter.DataInspection"
    assert refused(other.create(sounding(url), **resolved))[1] == "InvalidParameter.DataInspection"
    assert (
        other.create(sounding("/etc/passwd", audio=False)).status_code == 200
    )  # there is no sound anyway
    assert other.create(sounding("https://x.example/A.MP3?Expires=1")).status_code == 200


def test_a_prompt_can_order_a_failure(client: Client):
    body = image_order()
    body["input"]["prompt"] = "a cat simulate:DataInspectionFailed."
    answer = client.ended(client.created(body))
    assert (answer["output"]["task_status"], answer["output"]["code"]) == (
        "FAILED",
        "DataInspectionFailed",
    )
    assert "inappropriate content" in answer["output"]["message"]
    assert "usage" not in answer


def test_long_prompts_are_cut_and_unknown_fields_ignored(idle: Served, waiting: Client):
    body = image_order(fps=24, motion_strength=0.5)
    body["input"] |= {"prompt": "x" * 1600, "extend_prompt": True, "function": "video-synthesis"}
    task_id = waiting.created(body)
    stored = idle.stored(task_id)
    assert (stored["payload"], stored["order"]["prompt"]) == (body, "x" * 1500)


def test_usage_of_reference_to_video(client: Client):
    mixed = reference_order(
        "https://media.example.com/a.mp4?x=1",
        "https://media.example.com/b.MOV",
        "https://media.example.com/c.png",
        model="wan2.6-r2v",
    )
    task_id = client.created(mixed)
    old = reference_order()
    old["input"] |= {
        "reference_urls": None,
        "reference_video_urls": ["https://media.example.com/a.mp4"],
    }
    alone = client.created(old)
    usage = client.ended(task_id)["usage"]
    assert usage == {
        "duration": 5.3,
        "size": "832*1088",
        "input_video_duration": 3.3,
        "output_video_duration": 2,
        "video_count": 1,
        "SR": 720,
    }
    assert client.ended(alone)["usage"]["input_video_duration"] == 5


def test_inline_data_is_not_kept_in_the_record(idle: Served, waiting: Client, samples):
    url = (
        "data:image/jpeg;base64," + base64.b64encode((samples / "rocket.jpg").read_bytes()).decode()
    )
    task_id = waiting.created(image_order(url))
    kept = idle.stored(task_id)["payload"]["input"]["img_url"]
    assert f"{len(url)} characters" in kept
    assert len(kept) < 200


def test_other_accounts_and_unknown_ids_look_alike(idle: Served, waiting: Client):
    task_id = waiting.created(image_order())
    for stranger, asked in ((idle.client(), task_id), (waiting, "no-such-task")):
        answer = stranger.query(asked)
        assert answer["output"] == {"task_id": asked, "task_status": "UNKNOWN"}
        assert refused(stranger.cancel(asked))[:2] == (400, "UnsupportedOperation")
    assert idle.client().listed()["data"] == []


def test_cancel_only_while_pending(waiting: Client):
    task_id = waiting.created(image_order())
    answer = waiting.cancel(task_id)
    assert (answer.status_code, set(answer.json())) == (200, {"request_id"})
    assert waiting.query(task_id)["output"]["task_status"] == "CANCELED"
    message = "Failed to cancel the task, please confirm if the task is in PENDING status."
    assert refused(waiting.cancel(task_id)) == (400, "UnsupportedOperation", message)


def test_lists_are_filtered_and_paged(client: Client):
    failing = image_order()
    failing["input"]["prompt"] = "simulate:Arrearage"
    submits = [
        client.create(body).json()
        for body in (image_order(), failing, reference_order(REFERENCE, size="none"))
    ]
    ids = [submit["output"]["task_id"] for submit in submits]
    for task_id in ids:
        client.ended(task_id)
    everything = client.listed()
    assert set(everything) == {"data", "total", "total_page", "page_no", "page_size", "request_id"}
    assert [task["task_id"] for task in everything["data"]] == ids[::-1]
    assert [task["request_id"] for task in everything["data"]] == [
        submit["request_id"] for submit in submits
    ][::-1]
    assert everything["data"][0].keys() == {
        *(
            "api_key_id",
            "caller_parent_id",
            "caller_uid",
            "gmt_create",
            "start_time",
            "end_time",
            "model_name",
        ),
        *("region", "request_id", "status", "task_id", "user_api_unique_key"),
    }
    assert abs(everything["data"][0]["gmt_create"] / 1000 - time.time()) < 30
    second = client.listed(page_no=2, page_size=2)
    assert (
        second["total"],
        second["total_page"],
        [task["task_id"] for task in second["data"]],
    ) == (3, 2, [ids[0]])
    for query, expected in (
        ({"status": "SUCCEEDED"}, ids[:1]),
        ({"model_name": "wan2.6-r2v-flash"}, ids[2:]),
        ({"task_id": ids[0]}, ids[:1]),
        ({"start_time": "20250101000000", "end_time": "20250101120000"}, []),
        ({"start_time": datetime.now(BEIJING).strftime("%Y%m%d000000")}, ids[::-1]),
    ):
        assert [task["task_id"] for task in client.listed(**query)["data"]] == expected
    for query in (
        {"start_time": "yesterday"},
        {"start_time": "20250101000000", "end_time": "20250103000000"},
        {"page_no": "0"},
    ):
        assert refused(client.http.get("/api/v1/tasks/", params=query))[:2] == (
            400,
            "InvalidParameter",
        )


Call = Callable[[Client], httpx.Response]


def within_a_second(idle: Served, calls: Sequence[Call]) -> tuple[Client, list[httpx.Response]]:
    """Calls of a new account that are all answered within a second: tried again where the machine
    is too busy for that.
    """
    for _ in range(30):
        client, begun = idle.client(), time.monotonic()
        answers = [call(client) for call in calls]
        if time.monotonic() - begun < 1:
            return client, answers
    raise TimeoutError


def test_five_submits_per_second_for_an_account_and_model(idle: Served):
    def hopeless(client: Client) -> httpx.Response:
        return client.create(image_order("file:///x"))  # refused, and counted all the same

    client, answers = within_a_second(
        idle, [*[hopeless] * 7, lambda client: client.create(reference_order("file:///x"))]
    )
    assert [one.json()["code"] for one in answers] == [
        *["InvalidURL"] * 5,
        *["Throttling.RateQuota"] * 2,
        "InvalidURL",
    ]
    assert refused(answers[6]) == (
        429,
        "Throttling.RateQuota",
        "Requests rate limit exceeded, please try again later.",
    )
    assert answers[6].headers["retry-after"] == "1"
    assert hopeless(idle.client()).json()["code"] == "InvalidURL"
    time.sleep(1.05)  # what the answer says
    assert hopeless(client).json()["code"] == "InvalidURL"


def test_twenty_questions_per_second_of_each_kind(idle: Served):
    calls: tuple[Call, ...] = (
        lambda client: client.http.get("/api/v1/tasks/x"),
        lambda client: client.http.get("/api/v1/tasks/"),
        lambda client: client.cancel("x"),
    )
    for call in calls:
        _, answers = within_a_second(idle, [call] * 21)
        assert [one.status_code for one in answers].index(429) == 20


def test_the_most_that_ever_came_at_once_is_on_record(start):
    served = start("--pending", "3600")
    client, other = served.client(), served.client()
    assert served.stats()["most"] == {"live": 0, "submits": 0, "queries": 0}
    kept = [client.created(image_order()) for _ in range(3)]
    other.created(image_order())
    client.created(reference_order(REFERENCE))
    client.cancel(kept[0])
    client.created(image_order())
    stats = served.stats()
    assert (stats["most"]["live"], stats["throttled"]) == (3, 0)
    assert 1 <= stats["most"]["submits"] <= 4
    statuses = [client.http.get("/api/v1/tasks/x").status_code for _ in range(25)]
    stats = served.stats()
    assert stats["throttled"] == statuses.count(429)
    assert (stats["most"]["queries"] > 20) == (429 in statuses)


def test_the_record_counts_tasks_and_refusals_apart(idle: Served, waiting: Client):
    before = idle.stats()
    waiting.created(image_order())
    waiting.create(image_order("file:///x"))
    after = idle.stats()
    assert after["created"] - before["created"] == after["refused"] - before["refused"] == 1
    assert plain_http.get(f"{idle.root}/simulator/healthz").json()["ok"] is True
    assert refused(plain_http.get(f"{idle.root}/api/v1/nothing"))[:2] == (404, "NotFound")
