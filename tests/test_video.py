"""The two normalised calls as a script makes them: what goes in, what comes back, and what is
refused before anything is sent.
"""

import asyncio
import json
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import ROOT
from tests.pictures import clip, picture
from tests.sounds import wav
from wan import video
from wan.domain.errors import InvalidInput, JobNotFound, SettingsError, WanError
from wan.domain.ids import OPERATOR
from wan.domain.jobs import UNSENT
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.domain.results import RunFailed
from wan.environment.settings import load_settings
from wan.media import encode, inputs
from wan.service import polling
from wan.service.library import open_library

IMAGE = {"prompt": "she smiles", "duration": 2, "size": "1280*720", "fps": 24}


@pytest.fixture(autouse=True)
def _service(simulator, monkeypatch):
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-test{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setenv("DASHSCOPE_REGION", "cn-beijing")
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)


def sent(simulator) -> dict[str, int]:
    """What came to the service so far. How its tasks stand changes by itself."""
    return {what: count for what, count in simulator.stats().items() if what != "tasks"}


def file_of(result) -> Path:
    return Path(unquote(urlsplit(result.video_url).path))


def test_a_picture_by_its_path(samples):
    made = video.generate(
        IMAGE | {"reference_image": str(samples / "astronaut.png"), "motion_strength": 0.5}
    )
    measured = encode.measure(file_of(made))
    assert (
        (made.duration, made.fps, made.width, made.height)
        == (measured.seconds, measured.fps, measured.width, measured.height)
        == (2, 24, 1280, 720)
    )
    assert 0 <= made.seed < 2**31
    assert made.task_id and made.request_id and made.state == "SUCCEEDED"  # noqa: PT018
    assert Path(made.evidence).parent.name == "ai-video-wan-video"
    assert any("Motion strength" in said for said in made.adjustments)
    again = video.generate(
        IMAGE | {"reference_image": samples / "astronaut.png", "motion_strength": 0.5}
    )
    assert (again.job_id, again.made_before, again.spent) == (made.job_id, True, "no")
    assert (made.billed_seconds, made.price, again.billed_seconds, again.price) == (
        2,
        "¥0.60",
        0,
        "¥0.00",
    )
    assert not video.generate(
        IMAGE | {"reference_image": samples / "astronaut.png", "motion_strength": 0.5},
        new_take=True,
    ).made_before


def test_what_is_given_back_was_measured_and_not_echoed(samples):
    made = video.generate(
        IMAGE | {"reference_image": picture((750, 1000)), "size": "720P", "fps": 30}
    )
    assert (made.width, made.height) != (1280, 720)
    assert (made.width, made.height) == (
        encode.measure(file_of(made)).width,
        encode.measure(file_of(made)).height,
    )


def test_references_in_their_order(samples, simulator, tmp_path):
    second = clip(tmp_path / "second.mp4", seconds=2)
    given = {
        "prompt": "character1 meets character2",
        "reference_image": ["https://example.com/third.png", picture((400, 400))],
        "reference_video": [str(samples / "bigbuckbunny.mp4"), second.read_bytes()],
        "duration": 2,
    }
    made = video.generate_reference(given)
    assert made.video_url and made.task_id and made.request_id  # noqa: PT018
    assert (made.duration, made.width, made.height) == (2, 1280, 720)
    payload = json.loads((Path(made.evidence) / "payload.json").read_bytes())
    assert [url.startswith("oss://") for url in payload["input"]["reference_urls"]] == [
        True,
        True,
        False,
        True,
    ]
    assert Path(made.evidence).parent.name == "aliyun-wan-r2v"


def test_a_model_as_the_request(samples):
    request = ImageToVideoRequest(reference_image=samples / "astronaut.png", **IMAGE)
    assert video.generate(request).duration == 2
    reference = ReferenceToVideoRequest(
        prompt="character1 waves", reference_video=(samples / "bigbuckbunny.mp4",), duration=2
    )
    assert video.generate_reference(reference).duration == 2


def test_a_sound_by_its_path(tmp_path, simulator):
    (tmp_path / "song.wav").write_bytes(wav(3, rate=8_000))
    made = video.generate(
        IMAGE
        | {
            "reference_image": "https://example.com/a.png",
            "reference_audio": str(tmp_path / "song.wav"),
        }
    )
    assert simulator.task(made.task_id)["payload"]["input"]["audio_url"].startswith("oss://")
    references = json.loads((Path(made.evidence) / "references.json").read_bytes())
    known = [(one["kind"], one["seconds"], one["sha256"]) for one in references]
    assert known == [
        ("image", None, ""),
        ("audio", 3.0, inputs.digest((tmp_path / "song.wav").read_bytes())),
    ]
    assert (tmp_path / "song.wav").read_bytes() == wav(3, rate=8_000)


def test_submit_now_and_go_on_later(samples, simulator):
    before = simulator.stats()["created"]
    sent = video.generate(IMAGE | {"reference_image": samples / "astronaut.png"}, wait=False)
    assert sent.task_id and sent.job_id and sent.video_url is None  # noqa: PT018
    made = video.resume(sent.job_id)
    assert (made.task_id, made.state, made.duration) == (sent.task_id, "SUCCEEDED", 2)
    assert simulator.stats()["created"] == before + 1


def test_a_failed_run_carries_its_result(samples):
    with pytest.raises(RunFailed, match="You weren't charged") as failed:
        video.generate(
            IMAGE
            | {
                "reference_image": samples / "astronaut.png",
                "prompt": "simulate:DataInspectionFailed",
            }
        )
    result = failed.value.result
    assert (result.state, result.spent, result.video_url) == ("FAILED", "no", None)
    assert (result.billed_seconds, result.price) == (0, "¥0.00")
    outcome = json.loads((Path(result.evidence) / "outcome.json").read_bytes())
    assert (outcome["billed_seconds"], outcome["price"]) == (0, "¥0.00")
    assert result.task_id
    with pytest.raises(RunFailed):
        video.resume(result.job_id)


@pytest.mark.anyio
async def test_inside_a_running_loop(samples):
    """A notebook's cell: the blocking call works there too, and the twin for async code does."""
    request = IMAGE | {"reference_image": samples / "astronaut.png"}
    made = video.generate(request)
    assert (await video.agenerate(request)).job_id == made.job_id
    with pytest.raises(RunFailed):
        video.generate(request | {"prompt": "simulate:InternalError"})


@pytest.mark.anyio
async def test_several_at_once(samples):
    asked = [
        IMAGE | {"reference_image": samples / "astronaut.png", "prompt": f"take {number}"}
        for number in range(3)
    ]
    made = await asyncio.gather(*(video.agenerate(one) for one in asked))
    assert len({one.task_id for one in made}) == 3


@pytest.mark.anyio
async def test_a_call_sends_no_job_but_its_own(samples, simulator):
    """Another's that was stopped before it was sent would cost money that nobody wants to spend any
    more.
    """
    request, before = IMAGE | {"reference_image": samples / "astronaut.png"}, simulator.stats()
    created = before["created"]
    with simulator.fault("create", "status-429"):
        stopped = asyncio.create_task(video.agenerate(request | {"prompt": "one"}))
        while (await asyncio.to_thread(simulator.stats))["faults"] == before["faults"]:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.05)
        stopped.cancel()
        await asyncio.gather(stopped, return_exceptions=True)
    async with open_library(load_settings()) as library:
        (job,) = (await library.list_jobs(owner=OPERATOR)).jobs
    assert job.state in UNSENT
    await video.agenerate(request | {"prompt": "two"})
    assert simulator.stats()["created"] == created + 1
    assert (await video.aresume(job.id)).state == "SUCCEEDED"
    assert simulator.stats()["created"] == created + 2


def test_an_interrupt_in_a_notebook_ends_the_call_in_order():
    """Where it runs, on its own thread: so that the answer to a paid request
    is still written down.
    """
    begun, ended = threading.Event(), []

    async def call():
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def cell():
        video._run_blocking(call())

    def interrupt():
        begun.wait()
        time.sleep(0.1)  # until the call is waited for
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    loop = asyncio.new_event_loop()
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(cell())
    loop.close()
    assert ended == [True]


def test_a_job_of_other_settings_is_not_waited_for(samples, simulator, monkeypatch):
    with simulator.fault("query", "status-503"):
        sent = video.generate(IMAGE | {"reference_image": samples / "astronaut.png"}, wait=False)
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-another1234")
    with pytest.raises(WanError, match="other than the current one"):
        video.resume(sent.job_id)
    with pytest.raises(JobNotFound):
        video.resume("nobody's")


@pytest.mark.parametrize(
    ("call", "change", "said"),
    [
        ("generate", {"durations": 5}, 'Unknown field "durations". Did you mean "duration"?'),
        ("generate", {"reference_imag": "a"}, 'Did you mean "reference_image"?'),
        ("generate", {"duration": None}, "Field required: duration."),
        ("generate", {"fps": None}, "Field required: fps."),
        ("generate", {"size": None}, "Field required: size."),
        ("generate", {"prompt": None}, "Field required: prompt."),
        (
            "generate",
            {"duration": "5"},
            "duration must be a whole number of seconds from 2 to 15 for "
            'wan2.6-i2v-flash (got "5").',
        ),
        ("generate", {"prompt": 5}, "prompt: got 5. Use text."),
        ("generate", {"audio": "perhaps"}, 'audio: got "perhaps". Use true or false.'),
        ("generate", {"reference_image": None}, "Field required: input.img_url."),
        (
            "generate",
            {"reference_image": ["a.png"]},
            "reference_image: got a list of 1. Use one file",
        ),
        ("generate", {"reference_image": 7}, "reference_image: got int. Use one file"),
        (
            "generate",
            {"reference_image": b"no picture"},
            "reference_image: this file can't be opened as an image",
        ),
        (
            "generate",
            {"reference_image": "gone.png"},
            "reference_image: gone.png wasn't found",
        ),
        (
            "generate",
            {"seed": 10**5000},
            "(got int that is too large to show)",
        ),
        ("generate", {"seed": "7"}, 'seed must be a whole number from 0 to 2147483647 (got "7")'),
        (
            "generate",
            {"reference_image": Path("some/where/gone.png")},
            "reference_image: some/where/gone.png wasn't found",
        ),
        (
            "generate",
            {"reference_image": "/dev/zero"},
            "reference_image: /dev/zero isn't a file",
        ),
        (
            "generate",
            {"reference_image": "data:image/png;base64," + "A" * 9000},
            "AAAAAA… wasn't found",
        ),
        ("generate", {"reference_image": "a" * 9000}, "aaa… wasn't found"),
        ("generate", {"reference_image": "~nobody-here/a\0.png"}, "wasn't found"),
        (
            "generate",
            {"reference_image": "example.com/a.png"},
            "example.com/a.png wasn't found. Use a readable file, or a link that starts with",
        ),
        ("generate", {"reference_image": "ftp://example.com/a.png"}, "isn't a public link"),
        ("generate", {"reference_image": "file:///etc/passwd"}, "isn't a public link"),
        (
            "generate",
            {"reference_audio": "gone.wav"},
            "reference_audio: gone.wav wasn't found",
        ),
        (
            "generate",
            {"reference_audio": b"no sound"},
            "reference_audio: this file can't be opened as audio",
        ),
        (
            "generate",
            {"reference_audio": ["a.wav"]},
            "reference_audio: got a list of 1. Use one file",
        ),
        ("generate", {"reference_audio": "ftp://example.com/a.wav"}, "isn't a public link"),
        (
            "generate",
            {"reference_audio": b"x", "audio_url": "https://example.com/a.wav"},
            "reference_audio: got both a file and audio_url",
        ),
        (
            "generate_reference",
            {"reference_audio": b"x"},
            'Unknown field "reference_audio"',
        ),
        ("generate", {"reference_video": "a.mp4"}, 'Unknown field "reference_video"'),
        ("generate_reference", {}, "reference_video"),
        ("generate_reference", {"reference_image": b"x"}, "Field required: reference_video."),
        (
            "generate_reference",
            {"reference_video": [["a.mp4"]]},
            "reference_video: got a list of 1. Use one file",
        ),
        (
            "generate_reference",
            {"reference_video": ["https://example.com/a.mp4"] * 4},
            "reference_video: 4 is too many. The limit is 3.",
        ),
        (
            "generate_reference",
            {"reference_video": "https://example.com/a.mp4", "motion_strength": 1},
            'Unknown field "motion_strength"',
        ),
    ],
)
def test_bad_input_is_named_and_sends_nothing(samples, simulator, call, change, said):
    before = sent(simulator)
    whole = (
        IMAGE | {"reference_image": samples / "astronaut.png"}
        if call == "generate"
        else {"prompt": "x"}
    )
    with pytest.raises(InvalidInput) as refused:
        getattr(video, call)(whole | change)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert sent(simulator) == before


@pytest.mark.parametrize(
    "request_", [None, "a.png", 7, ReferenceToVideoRequest(prompt="x", reference_video=(b"x",))]
)
def test_what_is_no_request(request_):
    with pytest.raises(InvalidInput, match="Use a dict or ImageToVideoRequest"):
        video.generate(request_)


def test_a_copy_of_a_request_is_checked_again(samples, simulator):
    before, request = (
        sent(simulator),
        ImageToVideoRequest(reference_image=samples / "astronaut.png", **IMAGE),
    )
    for change, said in (
        ({"duration": 99}, "got 99"),
        ({"bogus": 1}, 'Unknown field "bogus"'),
    ):
        with pytest.raises(InvalidInput, match=said):
            video.generate(request.model_copy(update=change))
    with pytest.raises(InvalidInput, match=r"job_id: got NoneType\. Use text"):
        video.resume(None)
    assert sent(simulator) == before


def test_settings_that_are_wrong(samples, monkeypatch, tmp_path):
    request = IMAGE | {"reference_image": samples / "astronaut.png"}
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    with pytest.raises(SettingsError, match="DASHSCOPE_API_KEY, or dashscope_api_key under"):
        video.generate(request)
    credentials = tmp_path / "home" / ".alibabacloud" / "credentials"
    credentials.parent.mkdir()
    credentials.write_text("[default]\naccess_key = x\n")
    with pytest.raises(SettingsError, match="dashscope_api_key under"):
        video.generate(request)


def test_the_package_loads_nothing_that_takes_long(environment):
    code = (
        "import wan, sys; assert not {'gradio', 'dashscope', 'sqlalchemy', 'av', "
        "'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=ROOT)
