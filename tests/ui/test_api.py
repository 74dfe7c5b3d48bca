"""The endpoints for programs, as programs call them: gradio_client and an MCP client against the
running app, and the command line beside it.
"""

import ast
import asyncio
import base64
import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import gradio.mcp
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests import plain_http, warm
from tests.attacks.visitor import API, called, post
from tests.browser.serving import App, served
from tests.conftest import ROOT, clean_environment
from tests.files import contents
from tests.patience import PATIENCE
from tests.pictures import picture
from tests.simulators import Simulator
from tests.sounds import wav
from wan.domain.errors import JobNotFound, SettingsError
from wan.domain.messages import Message
from wan.environment.settings import load_settings
from wan.ui.api.mcp import install_mcp

MINE = {"X-Wan-Token": "m" * 40}
SAME = (
    "state",
    "model",
    "width",
    "height",
    "fps",
    "duration",
    "seed",
    "adjustments",
    "billed_seconds",
    "price",
    "simulated",
    "made_before",
    "error",
)
_CALLERS = count()
UNASKED = (
    "1280*720",
    None,
    None,
    "",
    "crop",
    None,
    True,
    "",
    "single",
    True,
    False,
    False,
)  # from size to new_take
PICTURE = ROOT / "assets" / "samples" / "astronaut.png"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, with MCP, behind a proxy that tells addresses: one that calls as often as these
    tests do has to wait.
    """
    settings = {"WAN_MCP": "true", "WAN_TRUSTED_PROXIES": "127.0.0.1"}
    with served(tmp_path_factory.mktemp("api"), pending=0.2, running=0.4, **settings) as running:
        yield running
        assert "Traceback" not in running.log(), running.log()


def client(app: App, **headers: str) -> Client:
    return Client(app.url, headers=(headers or MINE) | elsewhere(), verbose=False)


def elsewhere() -> dict[str, str]:
    """What a proxy says of somebody who has not called before."""
    return {"X-Forwarded-For": f"198.18.{next(_CALLERS)}.1"}


@contextlib.asynccontextmanager
async def agent(app: App, headers: dict[str, str]) -> AsyncIterator[ClientSession]:
    """An agent's session."""
    async with (
        plain_http.AsyncClient(headers=elsewhere() | headers, timeout=PATIENCE) as web,
        streamable_http_client(f"{app.url}{API}/mcp/", http_client=web) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def tool(
    app: App, name: str, given: dict[str, Any], headers: dict[str, str] | None = None
) -> tuple[bool, Any]:
    """Calls a tool as an agent does: whether it went well, and what it said."""
    async with agent(app, headers or MINE) as session:
        came = await session.call_tool(name, given)
        said = came.content[0].text
        return (False, said) if came.isError else (True, json.loads(said))


def data_url(path: Path | None = None) -> str:
    """A picture as its bytes; a small one unless a path says which."""
    given = path.read_bytes() if path else picture((400, 300))
    return f"data:image/png;base64,{base64.b64encode(given).decode()}"


@pytest.mark.process
def test_every_door_gives_the_same(app: App, tmp_path: Path):
    asked = {"prompt": "She smiles.", "duration": 2, "size": "960*960", "fps": 24, "seed": 7}
    by_client = client(app).predict(
        **asked, reference_image=handle_file(PICTURE), api_name="/image_to_video"
    )
    other = {"X-Wan-Token": "o" * 40}
    well, by_agent = asyncio.run(
        tool(app, "image_to_video", asked | {"reference_image": data_url(PICTURE)}, other)
    )
    assert well, by_agent
    command = [
        "-m",
        "wan",
        "image-to-video",
        str(PICTURE),
        "--prompt",
        "She smiles.",
        "--duration",
        "2",
        "--size",
        "960*960",
    ]
    environment = clean_environment(tmp_path) | {"OUTPUT_DIR": str(app.folder / "output")}
    ran = warm.run(
        [*command, "--fps", "24", "--seed", "7", "--json"], environment=environment, folder=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    by_command = json.loads(ran.stdout)
    results = [{name: one[name] for name in SAME} for one in (by_client, by_agent, by_command)]
    assert results[0] == results[1] == results[2]
    assert results[0] | {"adjustments": 0} == {
        **{
            "state": "SUCCEEDED",
            "model": "wan2.6-i2v-flash",
            "width": 960,
            "height": 960,
            "fps": 24.0,
            "duration": 2.0,
            "seed": 7,
        },
        **{
            "adjustments": 0,
            "billed_seconds": 2.0,
            "price": "¥0.60",
            "simulated": True,
            "made_before": False,
            "error": None,
        },
    }
    assert len({one["task_id"] for one in (by_client, by_agent, by_command)}) == 3
    for one in (by_client, by_agent):
        video = plain_http.get(one["video_url"])
        assert video.status_code == 200
        assert video.content[4:8] == b"ftyp"


def test_a_sound_is_uploaded_sent_along_or_fetched_by_the_service(app: App, tmp_path: Path):
    given = {
        "prompt": "She sings.",
        "reference_image": "https://example.com/a.png",
        "duration": 2,
        "size": "720P",
        "seed": 7,
    }
    (tmp_path / "song.wav").write_bytes(song := wav(3, rate=8_000))
    uploaded = client(app).predict(
        **given, reference_audio=handle_file(tmp_path / "song.wav"), api_name="/image_to_video"
    )
    assert (
        "The audio is 3.0 s long and the video 2 s. The service cuts off the rest of the audio."
        in uploaded["adjustments"]
    )
    data = f"data:audio/wav;base64,{base64.b64encode(song).decode()}"
    well, sent = asyncio.run(tool(app, "image_to_video", given | {"reference_audio": data}))
    assert (well, sent["job_id"], sent["made_before"]) == (True, uploaded["job_id"], True)
    address = client(app).predict(
        **given, reference_audio="https://example.com/a.wav", api_name="/image_to_video"
    )
    same = client(app).predict(
        **given, audio_url="https://example.com/a.wav", api_name="/image_to_video"
    )
    assert (same["job_id"], address["state"]) == (address["job_id"], "SUCCEEDED")


def test_an_agent_sends_a_picture_as_large_as_is_offered(app: App):
    large = picture((2500, 2500), kind="BMP")
    assert 18_000_000 < len(large) < 20_000_000
    given = {
        "prompt": "She is large.",
        "reference_image": f"data:image/bmp;base64,{base64.b64encode(large).decode()}",
        "duration": 2,
    }
    well, made = asyncio.run(tool(app, "image_to_video", given))
    assert (well, made["state"]) == (True, "SUCCEEDED"), made


@pytest.mark.process
def test_an_agent_uploads_by_gradios_own_tool(app: App, tmp_path: Path):
    """`gradio upload-mcp` sends no token; the address that it gives opens the upload, here and
    nowhere else.
    """
    (tmp_path / "she.png").write_bytes(PICTURE.read_bytes())
    beside = clean_environment(tmp_path) | {"NO_PROXY": "127.0.0.1"}
    command = str(Path(sys.executable).with_name("gradio"))
    started = StdioServerParameters(
        command=command, args=["upload-mcp", app.url, str(tmp_path)], env=beside
    )

    async def uploaded() -> str:
        async with stdio_client(started) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            came = await session.call_tool(
                "upload_file_to_gradio", {"file": str(tmp_path / "she.png")}
            )
            return came.content[0].text

    address = asyncio.run(uploaded())
    assert re.fullmatch(rf"{app.url}{API}/file=uploads/[\w-]{{43}}/she\.png", address)
    asked = {"prompt": "She is uploaded.", "reference_image": address, "duration": 2, "seed": 7}
    well, made = asyncio.run(tool(app, "image_to_video", asked))
    assert (well, made["state"]) == (True, "SUCCEEDED"), made
    well, again = asyncio.run(tool(app, "image_to_video", asked))
    assert (again["job_id"], again["made_before"]) == (made["job_id"], True)
    for other in (
        address[:-5],
        address.replace("she.png", "he.png"),
        f"{app.url}{API}/file=/etc/passwd",
    ):
        well, said = asyncio.run(tool(app, "image_to_video", asked | {"reference_image": other}))
        assert not well, said


def test_the_same_again_is_the_same_video(app: App):
    asked = {
        "prompt": "She nods.",
        "reference_image": handle_file(PICTURE),
        "duration": 2,
        "api_name": "/image_to_video",
    }
    caller = client(app)
    first, again = caller.predict(**asked), caller.predict(**asked)
    assert (again["job_id"], again["made_before"], again["price"]) == (
        first["job_id"],
        True,
        "¥0.00",
    )
    assert tasks(app, asked["prompt"]) == 1
    assert caller.predict(**asked, new_take=True)["job_id"] != first["job_id"]
    assert tasks(app, asked["prompt"]) == 2


def test_references_in_their_order(app: App):
    clip = handle_file(ROOT / "assets" / "samples" / "bigbuckbunny.mp4")
    made = client(app).predict(
        prompt="character1 meets character2.",
        references=[handle_file(PICTURE), clip],
        duration=2,
        api_name="/reference_to_video",
    )
    assert (made["state"], made["model"], made["width"]) == ("SUCCEEDED", "wan2.6-r2v-flash", 1280)
    task = json.loads(
        (app.folder / "output/simulator/tasks" / f"{made['task_id']}.json").read_bytes()
    )
    kinds = [one["url"].rpartition(".")[2] for one in task["order"]["references"]]
    assert kinds == ["jpg", "mp4"]


def test_a_job_is_watched_and_cancelled(app: App):
    caller = client(app)
    with app.fault("create", "status-429"):
        made = caller.predict(
            prompt="She waits.",
            reference_image=handle_file(PICTURE),
            duration=2,
            wait=0,
            api_name="/image_to_video",
        )
        assert made["state"] in ("QUEUED", "UPLOADING", "SUBMITTING")
        assert made["video_url"] is None
        assert made["status"]
        gone = caller.predict(
            prompt="She goes.",
            reference_image=handle_file(PICTURE),
            duration=2,
            wait=0,
            api_name="/image_to_video",
        )
        caller.predict(job_id=gone["job_id"], api_name="/cancel")
    assert caller.predict(job_id=gone["job_id"], wait=60, api_name="/job")["state"] == "CANCELLED"
    ended = caller.predict(job_id=made["job_id"], wait=60, api_name="/job")
    assert ended["state"] == "SUCCEEDED"
    assert ended["video_url"]
    assert (
        caller.predict(job_id=made["job_id"], api_name="/cancel")["status"]
        == "This job has already finished, so there's nothing to cancel."
    )


def test_whoever_is_nobody_gets_an_id_that_opens_their_job(app: App):
    stranger = Client(app.url, verbose=False)
    asked = {
        "prompt": "Nobody asks.",
        "reference_image": handle_file(PICTURE),
        "duration": 2,
        "api_name": "/image_to_video",
    }
    mine, theirs = stranger.predict(**asked), Client(app.url, verbose=False).predict(**asked)
    assert mine["video_url"] != theirs["video_url"]
    assert not theirs["made_before"], "the cache is within one owner"
    assert (
        Client(app.url, verbose=False).predict(job_id=mine["job_id"], api_name="/job")["video_url"]
        == mine["video_url"]
    )
    token, _, bare = mine["job_id"].partition(".")
    swapped = f"{theirs['job_id'].partition('.')[0]}.{bare}"
    for guessed in (bare, swapped, f"{token}.", f".{bare}", "x" * 9000):
        with pytest.raises(AppError, match=r"No job with this ID|couldn't be read"):
            stranger.predict(job_id=guessed, api_name="/job")


def tasks(app: App, prompt: str) -> int:
    """How many tasks the simulator was ever asked for in these words."""
    kept = (app.folder / "output/simulator/tasks").glob("*.json")
    return sum(json.loads(one.read_bytes())["order"]["prompt"] == prompt for one in kept)


def curled(app: App, headers: dict[str, str], endpoint: str, *given: Any) -> Any:
    """What an endpoint answers to plain HTTP: its answer, or what it says is wrong."""
    call = post(app.url, f"{API}/call/{endpoint}", {"data": given}, **headers)
    assert call.status == 200, (call.status, call.json(), given)
    said = plain_http.get(
        f"{app.url}{API}/call/{endpoint}/{call.json()['event_id']}",
        headers=headers,
        timeout=PATIENCE,
    ).text
    event, _, data = said.strip().rpartition("event: ")[2].partition("\ndata: ")
    return json.loads(data)[0] if event == "complete" else json.loads(data)


def test_whoever_gives_up_and_asks_again_is_shown_the_same_job(app: App):
    """By plain HTTP, by gradio_client and as an agent, from one address: one task, whose owner
    alone can cancel it.
    """
    there = elsewhere()
    asked = {"prompt": "She is asked for again.", "reference_image": data_url(), "duration": 2}
    others = {"wait": 0, "api_name": "/image_to_video"}
    with app.holding("PENDING"):
        first = curled(app, there, "image_to_video", *asked.values(), *UNASKED, 0)
        again = Client(app.url, headers=there, verbose=False).predict(**asked, **others)
        well, by_agent = asyncio.run(tool(app, "image_to_video", asked | {"wait": 0}, there))
        assert well, by_agent
        bare = first["job_id"].rpartition(".")[2]
        assert all(one["job_id"].rpartition(".")[2] == bare for one in (again, by_agent))
        assert again["job_id"] == by_agent["job_id"] != first["job_id"]
        assert "only view" in curled(app, there, "cancel", again["job_id"])["error"]
        assert curled(app, there, "job", again["job_id"], 0)["state"] != "CANCELLED"
    video = curled(app, there, "job", first["job_id"], 60)["video_url"]
    assert video
    assert curled(app, elsewhere(), "job", again["job_id"], 60)["video_url"] == video
    assert (
        Client(app.url, headers=there, verbose=False).predict(**asked, **others)["video_url"]
        == video
    )
    assert tasks(app, asked["prompt"]) == 1
    for another in (
        asked | {"prompt": "She is another."},
        asked | {"new_take": True},
        asked | {"seed": 3},
    ):
        assert (
            Client(app.url, headers=there, verbose=False)
            .predict(**another, **others)["job_id"]
            .rpartition(".")[2]
            != bare
        )
    for stranger in (
        elsewhere(),
        {},
        {"X-Forwarded-For": "127.0.0.1"},
        there | {"X-Wan-Token": "t" * 40},
    ):
        assert (
            Client(app.url, headers=stranger, verbose=False)
            .predict(**asked, **others)["job_id"]
            .rpartition(".")[2]
            != bare
        )


def test_an_agent_whose_client_gives_up_finds_its_job(app: App):
    """Within its session it is its own, and the next session is shown it."""
    there, told, running = elsewhere(), [], asyncio.Event()
    asked = {
        "prompt": "She takes longer than the client.",
        "reference_image": data_url(),
        "duration": 2,
    }

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append((done, message))
        if message == str(Message.of("running")):
            running.set()

    async def session() -> tuple[Any, Any]:
        async with agent(app, there) as session:
            call = asyncio.create_task(
                session.call_tool("image_to_video", asked, progress_callback=progress)
            )
            await asyncio.wait_for(running.wait(), 60)
            call.cancel()
            again = json.loads(
                (await session.call_tool("image_to_video", asked | {"wait": 0})).content[0].text
            )
            return again, json.loads(
                (await session.call_tool("cancel", {"job_id": again["job_id"]})).content[0].text
            )

    with app.holding("RUNNING"):
        mine, cancelled = asyncio.run(session())
        assert "can't be cancelled" in cancelled["status"]
        well, shown = asyncio.run(tool(app, "image_to_video", asked | {"wait": 0}, there))
        assert well, shown
        assert shown["job_id"].rpartition(".")[2] == mine["job_id"].rpartition(".")[2]
        assert not asyncio.run(tool(app, "cancel", {"job_id": shown["job_id"]}, there))[0]
    well, done = asyncio.run(tool(app, "job", {"job_id": shown["job_id"], "wait": 60}, there))
    assert (well, done["state"]) == (True, "SUCCEEDED")
    assert tasks(app, asked["prompt"]) == 1
    assert told
    assert all(message for _, message in told)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_what_is_left_out_is_as_said_or_is_named(app: App):
    before, there = app.jobs(), elsewhere()
    for given, said in (
        ([], "Field required: prompt."),
        (["She smiles."], "Field required: reference_image."),
        (
            ["She smiles.", "https://example.com/a.png", *[None] * 30],
            "data: 32 values are too many. The limit is 21.",
        ),
    ):
        refused = curled(app, there, "image_to_video", *given)["error"]
        assert said in refused
        assert "Reload" not in refused
    for body, said in (
        (b"prompt=x", "The request body isn't a JSON object in UTF-8. "),
        (b'{"data": ["\xff"]}', "The request body isn't a JSON object in UTF-8. "),
        (b"[]", "The request body isn't a JSON object in UTF-8. "),
        ('{"data": []}'.encode("utf-16"), "The request body isn't a JSON object in UTF-8. "),
        (b'\xef\xbb\xbf{"data": 5}', "data must be a list of values in the order of the "),
        (
            b'{"prompt": "x"}',
            "data must be a list of values in the order of the parameters (got nothing)",
        ),
        (
            b'{"data": {"prompt": "x"}}',
            "data must be a list of values in the order of the parameters (got dict)",
        ),
    ):
        odd = plain_http.post(
            f"{app.url}{API}/call/image_to_video",
            content=body,
            headers=there | {"Content-Type": "application/json"},
        )
        assert odd.json()["detail"].startswith(said)
    for body, said in (
        ({}, "Field required: prompt."),
        ({"prompt": "x"}, "Field required: reference_image."),
        (
            {"prompt": "x", "resolution": "720P"},
            'Unknown field "resolution". Use prompt, ',
        ),
    ):
        named = post(app.url, f"{API}/call/v2/image_to_video", body, **there)
        assert (named.status, named.json()["detail"][: len(said)]) == (422, said)
    assert called(app.url, "job", {"job_id": "x"}, there)[1]["error"] == str(JobNotFound())
    half = post(
        app.url,
        f"{API}/call/image_to_video",
        {"data": ["She \ud83d", "https://example.com/a.png"]},
        **there,
    )
    assert (half.status, half.json()["detail"].partition(" is ")[0]) == (400, "data[0]: U+D83D")
    assert app.jobs() == before
    marked = b"\xef\xbb\xbf" + json.dumps({"data": ["She is left alone.", data_url(), 2]}).encode()
    assert post(app.url, f"{API}/call/image_to_video", marked, **there).status == 200
    made = curled(app, there, "image_to_video", "She is left alone.", data_url(), 2)
    assert tasks(app, "She is left alone.") == 1
    assert (made["state"], made["width"], made["fps"]) == ("SUCCEEDED", 1280, 30)


def test_an_agent_is_told_what_is_wrong_in_the_words_of_every_door(app: App):
    before, good = (
        app.jobs(),
        {"prompt": "She is asked for by an agent.", "reference_image": data_url(), "duration": 2},
    )
    for name, given, said in (
        ("image_to_video", {}, "Field required: prompt."),
        ("image_to_video", {"prompt": "x"}, "Field required: reference_image."),
        (
            "image_to_video",
            good | {"resolution": "720P"},
            'Unknown field "resolution". Use prompt, ',
        ),
        ("image_to_video", good | {"prompt": 5}, "prompt: got 5. Use text."),
        ("image_to_video", good | {"prompt": None}, "prompt is empty. "),
        (
            "image_to_video",
            good | {"reference_image": None},
            "reference_image: got nothing. Use a URL, ",
        ),
        (
            "image_to_video",
            good | {"duration": "2s"},
            "duration must be a whole number of seconds from 2 to 15 for "
            'wan2.6-i2v-flash (got "2s")',
        ),
        (
            "image_to_video",
            good | {"seed": 7.5},
            "seed must be a whole number from 0 to 2147483647 (got 7.5)",
        ),
        (
            "image_to_video",
            good | {"motion_strength": "strong"},
            "motion_strength must be a number from 0 to 1 (got ",
        ),
        ("image_to_video", good | {"audio": "loud"}, "audio: got "),
        ("image_to_video", good | {"wait": "no"}, "wait must be 0 to 600 seconds (got no)"),
        (
            "reference_to_video",
            {"prompt": "x", "references": good["reference_image"]},
            "references: got str. Use a list.",
        ),
        (
            "reference_to_video",
            {"prompt": "x", "references": None},
            "references: got nothing. Use a list.",
        ),
        (
            "image_to_video",
            good | {"reference_image": "C:\\me.png"},
            "reference_image: C:\\me.png is a path or raw data",
        ),
        ("job", {"job_id": 5}, "job_id: got int. Use text."),
    ):
        well, refused = asyncio.run(tool(app, name, given, MINE))
        assert not well
        assert refused.startswith(said), (given, refused)
    assert app.jobs() == before
    made = [
        asyncio.run(tool(app, "image_to_video", good | {"seed": seed}, MINE))[1]["job_id"]
        for seed in (-1, "-1", " random ")
    ]
    assert len(set(made)) == 1
    assert tasks(app, good["prompt"]) == 1


@pytest.mark.parametrize("endpoint", ["/job", "/cancel"])
def test_nobody_gets_anothers_job(endpoint: str, app: App):
    made = client(app).predict(
        prompt="Mine.",
        reference_image=handle_file(PICTURE),
        duration=2,
        wait=0,
        api_name="/image_to_video",
    )
    for other in (
        {"X-Wan-Token": "x" * 40},
        {"X-Wan-Key": "sk-another"},
        {"X-Forwarded-For": "127.0.0.1"},
    ):
        with pytest.raises(AppError, match="No job with this ID"):
            client(app, **other).predict(job_id=made["job_id"], api_name=endpoint)
        well, said = asyncio.run(tool(app, endpoint[1:], {"job_id": made["job_id"]}, other))
        assert not well
        assert "No job with this ID" in said


@pytest.mark.parametrize("endpoint", ["/job", "/cancel"])
@pytest.mark.parametrize("odd", ["a.b", "../x", "", ".", f"{'a' * 40}.b", "\0"])
def test_an_odd_id_is_no_job(endpoint: str, odd: str, app: App):
    with pytest.raises(AppError, match="No job with this ID"):
        client(app).predict(job_id=odd, api_name=endpoint)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"reference_image": "/etc/passwd"}, "reference_image: /etc/passwd is a path"),
        (
            {"reference_image": "file:///etc/passwd"},
            "reference_image: file:///etc/passwd is a path",
        ),
        ({"reference_image": "C:\\me.png"}, "reference_image: C:\\me.png is a path"),
        ({"reference_image": "../me.png"}, "reference_image: ../me.png is a path"),
        ({"reference_image": "me.png"}, "reference_image: me.png is a path"),
        (
            {"reference_image": "iVBORw0KGgo="},
            "reference_image: iVBORw0KGgo= is a path or raw data, which isn't opened here",
        ),
        (
            {"reference_image": "ftp://example.com/me.png"},
            "reference_image: ftp://example.com/me.png isn't a public link",
        ),
        (
            {"reference_image": {"path": "/etc/passwd"}},
            "reference_image: This file wasn't uploaded here",
        ),
        (
            {
                "reference_image": {
                    "path": f"{'../' * 20}etc/passwd",
                    "meta": {"_type": "gradio.FileData"},
                }
            },
            "",
        ),
        (
            {"reference_image": {"path": "a" * 300}},
            "reference_image: This file wasn't uploaded here",
        ),
        (
            {"reference_image": "http://127.0.0.1:1/a.png"},
            "isn't a public link. Use one that starts with http:// or https:// and opens",
        ),
        (
            {"reference_image": f"http://127.0.0.1:1{API}/file=uploads/{'a' * 43}/me.png"},
            "reference_image: this upload isn't here, or it's no longer available",
        ),
        (
            {"reference_image": f"http://127.0.0.1:1{API}/file=/etc/passwd"},
            "file=/etc/passwd isn't a public link",
        ),
        ({"reference_image": "data:image/png;base64,AAAA"}, "can't be opened as an image"),
        ({"reference_image": "data:image/png;base64,!"}, "base64,! isn't a readable data: URL"),
        ({"reference_image": 7}, "reference_image: got int"),
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "\u200b\u2065\U000e0fff"}, "prompt is empty"),
        ({"prompt": None}, "prompt is empty"),
        ({"prompt": ["a"]}, "prompt: got"),
        (
            {"duration": "long"},
            "duration must be a whole number of seconds from 2 to 15 for "
            'wan2.6-i2v-flash (got "long")',
        ),
        ({"size": "1*1"}, "size: 1*1 isn't supported"),
        ({"seed": -2}, "seed must be a whole number from 0 to 2147483647 (got -2)"),
        ({"fps": 24.5}, "fps must be a whole number from 1 to 60 (got 24.5)"),
        ({"fit": "stretch"}, "fit: stretch isn't an option"),
        ({"motion_strength": 2}, "motion_strength must be a number from 0 to 1 (got 2)"),
        ({"audio": {}}, "audio: got {}. Use text, a number, true or false."),
        (
            {"size": {"width": 1280, "height": 720}},
            "size: got {'width': 1280, 'height': 720}. Use text, a number, true or false.",
        ),
        ({"seed": [{"path": "x"}]}, "seed: got [{'path': 'x'}]. Use text, a number, "),
        ({"audio_url": "file:///etc/passwd"}, "audio_url: file:///etc/passwd isn't a public link"),
        ({"reference_audio": "/etc/passwd"}, "reference_audio: /etc/passwd is a path"),
        (
            {"reference_audio": {"path": "/etc/passwd"}},
            "reference_audio: This file wasn't uploaded here",
        ),
        ({"reference_audio": 7}, "reference_audio: got int"),
        (
            {"reference_audio": "data:audio/wav;base64,AAAA"},
            "reference_audio: this file can't be opened as audio",
        ),
        (
            {
                "reference_audio": "data:audio/wav;base64,AAAA",
                "audio_url": "https://example.com/a.wav",
            },
            "reference_audio: got both a file and audio_url",
        ),
        ({"wait": 601}, "wait must be 0 to 600 seconds (got 601)"),
        ({"new_take": "yes"}, "new_take: got yes"),
    ],
)
def test_wrong_input_is_one_sentence_and_spends_nothing(given: dict[str, Any], said: str, app: App):
    before = app.jobs()
    good = {"prompt": "She smiles.", "reference_image": "https://example.com/a.png"}
    with pytest.raises(AppError) as refused:
        client(app).predict(**good | given, api_name="/image_to_video")
    assert said in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert app.jobs() == before


def test_one_file_is_no_list_of_references(app: App):
    with pytest.raises(AppError, match=r"^references: got one file\. Use a list\.$"):
        client(app).predict(
            prompt="x", references=handle_file(PICTURE), api_name="/reference_to_video"
        )


def test_too_many_references_are_refused_before_they_are_read(app: App):
    many = ["https://example.com/a.png"] * 9
    with pytest.raises(AppError, match="references: 9 is too many"):
        client(app).predict(prompt="All.", references=many, api_name="/reference_to_video")
    with pytest.raises(AppError, match="references: got str"):
        client(app).predict(
            prompt="All.", references="https://example.com/a.png", api_name="/reference_to_video"
        )
    with pytest.raises(AppError, match="model: got list"):
        client(app).predict(
            prompt="All.",
            references=["https://example.com/a.png"],
            model=[],
            api_name="/reference_to_video",
        )


def test_what_is_for_callers_is_described_and_nothing_else(app: App):
    named = plain_http.get(f"{app.url}{API}/info").json()["named_endpoints"]
    assert set(named) == {"/image_to_video", "/reference_to_video", "/job", "/cancel"}
    for one in named.values():
        assert one["description"]
        for part in one["parameters"]:  # what the page writes of each: its label and this
            assert part["label"] == part["parameter_name"]
            assert part["python_type"]["description"] == part["type"]["description"] != ""

    async def tools() -> list[Any]:
        async with agent(app, {}) as session:
            return (await session.list_tools()).tools

    offered = asyncio.run(tools())
    assert {one.name for one in offered} == {
        "image_to_video",
        "reference_to_video",
        "job",
        "cancel",
    }
    for one in offered:
        assert "cost" in one.description.lower() or "free" in one.description
        assert all(part.get("description") for part in one.inputSchema["properties"].values()), (
            one.name
        )


def test_the_examples_of_a_call_work_and_carry_the_token(app: App, tmp_path: Path, capsys):
    named = plain_http.get(f"{app.url}{API}/info").json()["named_endpoints"]
    snippets = named["/image_to_video"]["code_snippets"]
    shutil.copy(PICTURE, tmp_path / "picture.png")
    python = snippets["python"].replace('"picture.png"', repr(str(tmp_path / "picture.png")))
    exec(python, {})  # noqa: S102 - it is what people copy
    made = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    assert made["state"] == "SUCCEEDED"
    assert "." not in made["job_id"], "the token says whose it is, not the id"

    words = shlex.split(
        snippets["bash"].replace("\\\n", " ").partition("$(")[2].partition(" | ")[0]
    )
    headers = dict(word.split(": ", 1) for word in words if word.startswith(("X-", "Content-")))
    called = plain_http.post(words[2], headers=headers | elsewhere(), content=words[-1])
    event = called.json()["event_id"]
    assert f"{API}/call/image_to_video/$EVENT_ID" in snippets["bash"]
    answer = plain_http.get(f"{app.url}{API}/call/image_to_video/{event}", timeout=120).text
    assert '"state": "SUCCEEDED"' in answer
    assert (
        f"headers: {json.dumps({'X-Wan-Token': headers['X-Wan-Token']})}"
        in (snippets["javascript"])
    )
    assert "..." not in snippets["cli"]
    assert "references=[handle_file(" in named["/reference_to_video"]["code_snippets"]["python"]


def test_only_calls_reach_the_agents_door(app: App):
    for method, path in (
        ("GET", "/mcp"),
        ("GET", "/mcp/sse"),
        ("POST", "/mcp/messages/"),
        ("GET", "/mcp/schema"),
        ("DELETE", "/mcp"),
    ):
        assert plain_http.request(method, f"{app.url}{API}{path}").status_code in (404, 405), path


@pytest.mark.process
def test_without_the_settings_there_is_no_agents_door_and_nobody_is_shown_what_another_asked_for(
    tmp_path: Path,
):
    with served(
        tmp_path, pending=0.2, running=0.4, GRADIO_MCP_SERVER="true", WAN_JOIN_ANONYMOUS="false"
    ) as plain:
        assert (
            post(
                plain.url, f"{API}/mcp/", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            ).status
            == 404
        )
        picture = data_url()
        asked = [
            curled(plain, {}, "image_to_video", "She is asked for twice.", picture, 2, *UNASKED, 0)
            for _ in range(2)
        ]
        assert asked[0]["job_id"] != asked[1]["job_id"]
        assert all(
            curled(plain, {}, "job", one["job_id"], 60)["state"] == "SUCCEEDED" for one in asked
        )
        assert tasks(plain, "She is asked for twice.") == 2


@pytest.mark.process
def test_the_operators_key_is_spent_by_code_and_a_callers_own_by_header(
    simulator: Simulator, tmp_path: Path
):
    paid = {
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": "sk-operator",
        "DASHSCOPE_BASE_URL": simulator.base_url,
        "WAN_ACCESS_CODE": "letmein99",
    }
    with served(
        tmp_path, pending=0.2, running=0.4, WAN_MCP="true", WAN_POLL_SECONDS="1", **paid
    ) as app:
        asked = {"prompt": "She smiles.", "reference_image": data_url(PICTURE), "duration": 2}
        for headers in (MINE, MINE | {"X-Wan-Code": "guess"}, MINE | {"X-Wan-Key": "no key"}):
            well, said = asyncio.run(tool(app, "image_to_video", asked, headers))
            assert not well, said
        well, made = asyncio.run(
            tool(app, "image_to_video", asked, MINE | {"X-Wan-Code": "letmein99"})
        )
        assert (well, made["state"]) == (True, "SUCCEEDED")
        well, own = asyncio.run(tool(app, "image_to_video", asked, {"X-Wan-Key": "sk-callers-own"}))
        assert (well, own["state"], own["made_before"]) == (True, "SUCCEEDED", False)
        well, again = asyncio.run(
            tool(app, "job", {"job_id": own["job_id"]}, {"X-Wan-Key": "sk-callers-own"})
        )
        assert well
        assert again["video_url"] == own["video_url"]
        kept = b"".join(contents(app.folder).values())
        assert b"sk-callers-own" not in kept
        assert b"sk-operator" not in kept
        assert b"letmein99" not in kept


@pytest.mark.parametrize(
    "beside",
    [
        {"WAN_LOGINS": "ada:secret"},
        {"WAN_BACKEND": "dashscope", "DASHSCOPE_API_KEY": "sk-operator"},
    ],
)
def test_settings_under_which_agents_are_not_let_in(
    beside: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WAN_MCP", "true")
    for name, value in beside.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="WAN_MCP"):
        load_settings()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(gradio.mcp.GradioMCPServer, "Server")
    with pytest.raises(SettingsError, match=r"gradio\[mcp\]"):
        install_mcp()


@pytest.mark.process
def test_the_readmes_example_runs_and_says_what_it_shows(app: App, tmp_path: Path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(from gradio_client .+?)```\n\n```\n(.+?)```", readme, re.DOTALL)
    assert found
    script = found[1].replace("http://127.0.0.1:7860", app.url)
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=clean_environment(tmp_path),
        cwd=ROOT,
        timeout=PATIENCE,
    )
    assert (ran.stdout, ran.returncode) == (found[2], 0), ran.stderr


def test_what_is_offered_carries_the_limits_of_the_requests(app: App):
    async def offer() -> dict[str, dict[str, Any]]:
        async with agent(app, {}) as session:
            return {one.name: one.inputSchema for one in (await session.list_tools()).tools}

    tools = asyncio.run(offer())
    named = plain_http.get(f"{app.url}{API}/info").json()["named_endpoints"]
    for name, longest, sizes in (("image_to_video", 15, 12), ("reference_to_video", 10, 10)):
        listed = {one["parameter_name"]: one["type"] for one in named[f"/{name}"]["parameters"]}
        assert list(tools[name]["properties"]) == list(listed)
        for fields in (tools[name]["properties"], listed):
            assert (fields["duration"]["minimum"], fields["duration"]["maximum"]) == (2, longest)
            assert fields["duration"]["type"] == "integer"
            assert len(fields["size"]["enum"]) == sizes
            assert (fields["prompt"]["minLength"], fields["prompt"]["maxLength"]) == (1, 1500)
            assert fields["negative_prompt"]["maxLength"] == 500
            seeds, none = fields["seed"]["anyOf"]
            assert (seeds["minimum"], seeds["maximum"], none["type"]) == (0, 2**31 - 1, "null")
            assert fields["shot_type"]["enum"] == ["single", "multi"]
            if name == "image_to_video":
                assert [
                    (fields[one]["minimum"], fields[one]["maximum"], fields[one]["type"])
                    for one in ("crop_x", "crop_y", "zoom")
                ] == [(0, 1, "number"), (0, 1, "number"), (1, 8, "number")]
            assert fields["wait"]["anyOf"][0]["maximum"] == 600
            assert all(one["description"] for one in fields.values())
        assert {one: tools[name]["properties"][one]["default"] for one in ("duration", "size")} == {
            "duration": 5,
            "size": "1280*720",
        }
    assert tools["reference_to_video"]["properties"]["references"]["maxItems"] == 5
    assert tools["image_to_video"]["required"] == ["prompt", "reference_image"]


def test_the_parameters_stand_in_the_order_that_callers_by_plain_http_count(app: App):
    named = plain_http.get(f"{app.url}{API}/info").json()["named_endpoints"]
    listed = {
        name: " ".join(one["parameter_name"] for one in known["parameters"])
        for name, known in named.items()
    }
    assert listed == {
        "/image_to_video": "prompt reference_image duration size fps seed negative_prompt fit "
        "motion_strength audio audio_url shot_type prompt_extend watermark new_take wait "
        "reference_audio crop_x crop_y zoom pad_color",
        "/reference_to_video": "prompt references duration size model fps seed negative_prompt "
        "audio shot_type watermark new_take wait",
        "/job": "job_id wait",
        "/cancel": "job_id",
    }
