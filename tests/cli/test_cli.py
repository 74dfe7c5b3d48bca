"""The command line as a script sees it: one JSON object, exit codes, bad input refused before
anything is sent.
"""

import contextlib
import json
import os
import pty
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import zipfile
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import ROOT
from tests.disks import small_disk
from tests.pictures import clip, picture
from tests.sounds import sound
from wan.cli.answers import Answer
from wan.cli.main import app, main
from wan.cli.run import _Run
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.media import encode
from wan.storage.record import FILES

COMMANDS = [command.name for command in app.registered_commands]
FIELD = ROOT / "tests" / "data" / "field"
# of a picture: the service fetches it, and no sandbox has to be started where the picture is not
# the subject
ADDRESS = "https://example.com/she.png"
FIELDS = {
    "video_url",
    "task_id",
    "request_id",
    "width",
    "height",
    "fps",
    "duration",
    "seed",
    "adjustments",
    "price",
    "simulated",
}


@pytest.fixture
def service(environment, simulator):
    """The environment of a command whose service is the simulator, with an account of its own."""
    key = {
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": f"sk-test{secrets.token_hex(8)}",
        "DASHSCOPE_BASE_URL": simulator.base_url,
    }
    return environment | key | {"WAN_POLL_SECONDS": "1"}


@pytest.fixture
def run(service, tmp_path):
    """Runs `python -m wan` against the simulator. Gives the finished process."""

    def run_(*arguments, agreed=True, **more):
        yes = ["--yes"] if str(arguments[0]).endswith("to-video") and agreed else []
        return warm.run(
            ["-m", "wan", *map(str, arguments), *yes], environment=service | more, folder=tmp_path
        )

    return run_


@pytest.mark.parametrize(
    ("name", "size"),
    [("astronaut.png", "1280*720"), ("chelsea.png", "720*1280"), ("chelsea.png", "1920*1080")],
)
def test_image_to_video(run, samples, tmp_path, name, size):
    out = tmp_path / "out.mp4"
    options = (
        "--prompt",
        "she smiles",
        "--size",
        size,
        "--fps",
        24,
        "--duration",
        2,
        "--json",
        "--out",
        out,
    )
    finished = run("image-to-video", samples / name, *options)
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert result.keys() >= FIELDS
    width, height = map(int, size.split("*"))
    assert (result["width"], result["height"], result["fps"], result["duration"]) == (
        width,
        height,
        24,
        2,
    )
    measured = encode.measure(out)
    assert (measured.width, measured.height, measured.fps, measured.seconds, measured.codec) == (
        width,
        height,
        24,
        2,
        "h264",
    )
    assert result["video_url"].startswith("file:///")
    assert any("converted to 24 fps" in said for said in result["adjustments"])
    assert "Your video is ready" in finished.stderr


def test_reference_to_video(run, samples, simulator):
    references = (
        "--reference-image",
        samples / "chelsea.png",
        "--reference",
        samples / "bigbuckbunny.mp4",
    )
    finished = run(
        "reference-to-video",
        *references,
        "--prompt",
        "character1 meets character2",
        "--duration",
        2,
        "--json",
    )
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert (result["model"], result["width"], result["height"], result["billed_seconds"]) == (
        "wan2.6-r2v-flash",
        1280,
        720,
        4.5,
    )
    assert [
        one["url"].rpartition(".")[2]
        for one in simulator.task(result["task_id"])["order"]["references"]
    ] == ["jpg", "mp4"]
    assert result["request_id"]


def test_what_is_left_out_is_as_everywhere(monkeypatch, samples):
    """A default that the command line had read in its own way would be another request, which is
    paid again.
    """
    made = []

    def note(self, request, options):
        made.append(request)
        return Answer({"ok": True})

    monkeypatch.setattr(_Run, "make", note)
    picture, bunny = samples / "astronaut.png", samples / "bigbuckbunny.mp4"
    assert main(["image-to-video", str(picture), "--prompt", "x"]) == 0
    assert main(["reference-to-video", "--reference", str(bunny), "--prompt", "x"]) == 0
    assert made == [
        ImageToVideoRequest(reference_image=picture, prompt="x"),
        ReferenceToVideoRequest(reference_video=[bunny], prompt="x", reference_order=["video"]),
    ]


def test_a_reference_is_what_its_content_says(run, samples, tmp_path):
    """A picture of a phone is billed as a picture, and a clip as a clip,
    whatever they are called.
    """
    shutil.copy(FIELD / "picture.heic", tmp_path / "walk.mp4")
    shutil.copy(samples / "bigbuckbunny.mp4", tmp_path / "cat.jpg")
    references = (
        "--reference",
        "walk.mp4",
        "--reference",
        FIELD / "jpeg_named.jfif",
        "--reference",
        "cat.jpg",
    )
    finished = run(
        "reference-to-video",
        *references,
        "--prompt",
        "character1 meets character2",
        "--duration",
        2,
        "--json",
    )
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert result["billed_seconds"] == 2 + 1.65
    assert result["adjustments"] == ["The image was converted from HEIC to JPEG."]


def test_a_sound_is_a_file_or_an_address(run, tmp_path, simulator):
    (tmp_path / "song.mp3").write_bytes(sound())
    given = ("image-to-video", ADDRESS, "--duration", 2, "--size", "720P", "--json")
    finished = run(*given, "--audio", tmp_path / "song.mp3")
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert (
        "The audio is 4.0 s long and the video 2 s. The service cuts off the rest of the audio."
        in result["adjustments"]
    )
    sent = simulator.task(result["task_id"])["payload"]["input"]["audio_url"]
    assert (sent[:6], sent[-4:]) == ("oss://", ".mp3")
    address = json.loads(run(*given, "--audio", "https://example.com/a.wav").stdout)
    assert (
        simulator.task(address["task_id"])["payload"]["input"]["audio_url"]
        == "https://example.com/a.wav"
    )


def test_a_failed_run_is_exit_1_and_says_why(run):
    finished = run("image-to-video", ADDRESS, "--prompt", "simulate:DataInspectionFailed", "--json")
    assert finished.returncode == 1
    result = json.loads(finished.stdout)
    assert (result["video_url"], result["state"]) == (None, "FAILED")
    assert (result["spent"], result["billed_seconds"]) == ("no", 0)
    assert "You weren't charged" in result["error"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--duration", "16"),
            "duration must be a whole number of seconds from 2 to 15 for wan2.6-i2v-flash (got 16)",
        ),
        (("--duration", "2.5"), "(got 2.5)"),
        (("--duration", "abc"), '(got "abc")'),
        (("--size", "1x1"), "size: 1x1 isn't supported"),
        (("--seed", "-2"), "seed must be a whole number from 0 to 2147483647 (got -2)"),
        (("--fps", "0"), "fps must be a whole number from 1 to 60 (got 0)"),
        (("--motion-strength", "7"), "motion_strength must be a number from 0 to 1 (got 7)"),
        (("--fit", "stretch"), "fit: stretch isn't an option"),
        (("--audio", "gone.wav"), "reference_audio: gone.wav wasn't found"),
        (("--audio", __file__), "reference_audio: this file can't be opened as audio"),
        (
            ("--model", "wan2.6-i2v-flash-2026-02-10"),
            "model: wan2.6-i2v-flash-2026-02-10 isn't available",
        ),
        (("--prompt", "x" * 1501), "prompt has 1501 characters"),
    ],
)
def test_bad_input_is_exit_2_and_sends_nothing(run, samples, simulator, options, said):
    before = simulator.stats()
    finished = run("image-to-video", samples / "astronaut.png", "--prompt", "x", *options, "--json")
    assert finished.returncode == 2
    assert said in finished.stderr
    assert said in json.loads(finished.stdout)["error"]
    assert "Traceback" not in finished.stderr
    assert simulator.stats() == before


def test_bad_references_are_exit_2(run, tmp_path, simulator):
    before = simulator.stats()
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "small.png").write_bytes(picture((5, 5)))
    short = clip(tmp_path / "short.mp4", seconds=0.5)
    (tmp_path / "still.gif").write_bytes(picture((300, 300), kind="GIF", mode="P", color=0))
    for said, *command in (
        ("reference_image: ", "image-to-video", tmp_path / "gone.png"),
        ("reference_image: ", "image-to-video", tmp_path / "text.png"),
        ("reference_image: ", "image-to-video", tmp_path / "small.png"),
        ("reference_image: ", "image-to-video", "file:///etc/passwd"),
        ("reference_image: ", "image-to-video", "ftp://example.com/a.png"),
        ("Field required: ", "reference-to-video"),
        ("reference_video: ", "reference-to-video", "--reference", short),
        (
            "--reference: GIF images aren't supported",
            "reference-to-video",
            "--reference",
            tmp_path / "still.gif",
        ),
        (
            "--reference: this file can't be opened",
            "reference-to-video",
            "--reference",
            tmp_path / "text.png",
        ),
        ("--reference: ", "reference-to-video", "--reference", tmp_path / "gone.mp4"),
        (
            "reference_video + reference_image: 6 is too many",
            "reference-to-video",
            *("--reference", tmp_path / "small.png") * 6,
        ),
        (
            "model: ",
            "reference-to-video",
            "--reference",
            tmp_path / "small.png",
            "--model",
            "wan2.6-r2v-2026-01-01",
        ),
    ):
        finished = run(*command, "--prompt", "x")
        assert finished.returncode == 2, command
        assert finished.stderr.startswith(said)
        assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr
    assert simulator.stats() == before


def test_settings_that_are_wrong_are_exit_2(run, samples):
    for wrong in (
        {"DASHSCOPE_API_KEY": "hello"},
        {"DASHSCOPE_API_KEY": ""},
        {"DASHSCOPE_REGION": "mars"},
        {"DASHSCOPE_BASE_URL": "https://x.y"},
        {"DASHSCOPE_BASE_URL": "notaurl/api/v1"},
        {"DASHSCOPE_WORKSPACE": "not a workspace"},
        {"OUTPUT_DIR": "/proc/nowhere"},
        {"WAN_DATABASE_URL": "nosql://x"},
        {"WAN_DATABASE_URL": "sqlite:////proc/nowhere/wan.sqlite3"},
    ):
        for command in (
            ("image-to-video", samples / "astronaut.png", "--prompt", "x"),
            ("jobs",),
            ("check",),
        ):
            if command[0] == "jobs" and not wrong.get("DASHSCOPE_API_KEY", "x"):
                continue  # what is kept can be looked at without a key
            if command[0] == "check" and "WAN_DATABASE_URL" in wrong:
                continue  # it asks the service alone
            finished = run(*command, **wrong)
            assert finished.returncode == 2, (wrong, command)
            assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr


@pytest.mark.parametrize(
    "more",
    [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}],
    ids=["locale", "output"],
)
def test_a_chinese_prompt_in_a_poor_locale(environment, tmp_path, samples, more):
    written = tmp_path / "猫🐱.json"
    command = [
        "-m",
        "wan",
        "prepare",
        "--prompt",
        "character1 追猫🐱",
        "--reference-video",
        samples / "bigbuckbunny.mp4",
        "--output",
        written,
    ]
    done = subprocess.run(
        [sys.executable, *command],
        env=environment | more | {"OUTPUT_DIR": str(tmp_path / "视频")},
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == {"ok": True, "request_path": str(written)}, done.stderr
    assert json.loads(written.read_text(encoding="utf-8"))["prompt"] == "character1 追猫🐱"


def test_importing_the_package_costs_nothing(environment):
    code = "import wan, sys; assert not {'gradio', 'dashscope'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_help_loads_nothing_that_takes_long(environment):
    slow = (
        "{'gradio', 'dashscope', 'pydantic', 'sqlalchemy', 'av', 'PIL', 'httpx', 'asyncio', "
        "'obstore', 'rich'}"
    )
    code = (
        "import sys\nfrom wan.cli.main import main\nassert main(['--help']) == 0\nassert not "
        f"{slow} & set(sys.modules)"
    )
    helped = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    for command in COMMANDS:
        assert f"\n  {command}" in helped.stdout
        about = subprocess.run(
            [sys.executable, "-m", "wan", command, "--help"],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert f"  Examples:\n    python -m wan {command}" in about


def test_the_shell_completes_commands_options_and_values(environment):
    """By the script that is printed, in a real bash."""
    typed = (
        ("wan", "im"),
        ("wan", "image-to-video", "--mo"),
        ("wan", "image-to-video", "--size", "720"),
        ("wan", "reference-to-video", "--model", ""),
    )
    script = subprocess.run(
        [sys.executable, "-m", "wan", "--show-completion"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for words in typed:
        quoted = " ".join(shlex.quote(word) for word in words)
        script += f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMPREPLY=()\n"
        script += '_wan_completion; echo "${COMPREPLY[*]}"\n'
    done = subprocess.run(
        ["bash", "-c", script], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "image-to-video",
        "--motion-strength --model",
        "720*1280 720P",
        "wan2.6-i2v-flash wan2.6-r2v-flash wan2.6-r2v",
    ]


def test_what_no_command_line_is_takes_one_line(environment, tmp_path):
    for wrong in (
        (),
        ("fly",),
        ("show",),
        ("jobs", "--limit", "many"),
        ("jobs", "--limit", "9" * 20),
        ("jobs", "--limit=-1"),
        ("image-to-video", "a.png"),
    ):
        finished = warm.run(["-m", "wan", *wrong], environment=environment, folder=tmp_path)
        assert finished.returncode == 2
        assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr


def test_nothing_is_spent_unasked(run, samples, simulator):
    before = simulator.stats()
    finished = run(
        "image-to-video",
        samples / "astronaut.png",
        "--prompt",
        "x",
        agreed=False,
        DASHSCOPE_REGION="cn-beijing",
    )
    assert finished.returncode == 2
    assert finished.stderr == (
        "Nothing was sent. wan2.6-i2v-flash, cn-beijing, 5 s at 1280×720, ¥1.50: this costs "
        "money, and there is no terminal to confirm it in. "
        "Add --yes to run it.\n"
    )
    assert simulator.stats() == before


def test_references_keep_the_order_in_which_they_were_typed(run, samples, simulator):
    """Across three options, each of which may be repeated."""
    typed = (
        ("--reference-image", samples / "chelsea.png"),
        ("--reference", samples / "bigbuckbunny.mp4"),
        ("--reference-image", samples / "astronaut.png"),
        ("--reference-video", "https://example.com/walk.mp4"),
        ("--reference", "https://example.com/she.png"),
    )
    options = ("--prompt", "character1 meets character5", "--duration", 2, "--json")
    references = [part for pair in typed for part in pair]
    finished = run("reference-to-video", *references[:4], *options, *references[4:])
    assert finished.returncode == 0, finished.stderr
    task = simulator.task(json.loads(finished.stdout)["task_id"])
    assert [one["url"].rpartition(".")[2] for one in task["order"]["references"]] == [
        "jpg",
        "mp4",
        "jpg",
        "mp4",
        "png",
    ]


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 2), ("n", 2)])
def test_the_question_at_a_terminal(service, simulator, samples, tmp_path, answer, code):
    """A real terminal: model, region, price, and that it spends money."""
    mine, theirs = pty.openpty()
    command = [
        "-m",
        "wan",
        "reference-to-video",
        "--reference",
        samples / "bigbuckbunny.mp4",
        "--prompt",
        "x",
        "--duration",
        "2",
    ]
    where, pipes = (
        service | {"DASHSCOPE_REGION": "ap-southeast-1"},
        {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE},
    )
    before = simulator.stats()
    with warm.start(command, environment=where, folder=tmp_path, stdin=theirs, **pipes) as asked:
        os.write(mine, f"{answer}\n".encode())
        said, out = asked.stderr.read(), asked.stdout.read()
    assert (
        "wan2.6-r2v-flash, ap-southeast-1, 2 s at 1280×720, $0.35. This costs money. Run it? "
        "[y/N] " in said
    )
    assert asked.returncode == code, said
    assert ("verified: the file plays" in out) is (code == 0)
    assert (simulator.stats() == before) is (code == 2)


def test_progress_at_a_terminal_takes_one_line(service, tmp_path):
    """Whatever is longer stands there whole, once, before the line that is written over."""
    mine, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 60))
    command = ["-m", "wan", "image-to-video", ADDRESS, "--prompt", "x", "--duration", "2", "--yes"]
    sized = {name: value for name, value in service.items() if name not in ("COLUMNS", "LINES")}
    with warm.start(
        command, environment=sized, folder=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs
    ) as run:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # the terminal is gone with the command
            while more := os.read(mine, 1000):
                said += more
    os.close(mine)
    assert run.returncode == 0, said
    shown = re.sub(r"\x1b\[(?!2K)[?\d;]*[a-zA-Z]", "", said.decode())  # without colours
    lines = [one for one in re.split("\r\x1b\\[2K|\r\n", shown) if "━" in one]
    assert any(one.endswith("…") for one in lines)
    assert max(map(len, lines)) <= 60
    assert "\x1b[1A" not in shown  # it never took a second line
    assert said.count(b"Sent to the service. Cancelling is free until it starts.\r\n") == 1


def test_ctrl_c_at_the_question_is_no(service, simulator):
    """Pressed once, at a terminal that the command controls."""
    command = [sys.executable, "-m", "wan", "image-to-video", ADDRESS, "--prompt", "x"]
    before = simulator.stats()
    child, terminal = pty.fork()
    if not child:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # a shell has whatever runs behind it ignore the key
        os.execve(sys.executable, command, service)  # noqa: S606
    said = b""
    while b"[y/N] " not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):  # the terminal is gone with the command
        while more := os.read(terminal, 1000):
            said += more
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2, said
    assert said.decode().split("[y/N] ")[1].split("\r\n")[1:] == [
        "Not run. Nothing was sent or charged.",
        "",
    ]
    assert simulator.stats() == before


def test_a_key_that_is_refused_stops_before_the_run(run, samples, simulator):
    with simulator.fault("list", "status-401"):
        created = simulator.stats()["created"]
        for command in (("check",), ("image-to-video", samples / "astronaut.png", "--prompt", "x")):
            finished = run(*command)
            assert finished.returncode == 1, finished.stderr
            assert "key" in finished.stdout + finished.stderr
    assert simulator.stats()["created"] == created


def test_check(run):
    finished = run("check", "--json", DASHSCOPE_WORKSPACE="ws-1")
    assert finished.returncode == 0
    assert json.loads(finished.stdout)["ok"] is True
    assert run("check", DASHSCOPE_BASE_URL="http://127.0.0.1:9/api/v1").returncode == 1


def test_jobs_one_after_the_other(run, samples, tmp_path, simulator):
    nothing = run("jobs")
    assert (nothing.returncode, json.loads(run("jobs", "--json").stdout)["jobs"]) == (0, [])
    made = json.loads(
        run(
            "image-to-video",
            samples / "astronaut.png",
            "--prompt",
            "she smiles",
            "--duration",
            2,
            "--json",
        ).stdout
    )
    job = made["job_id"]
    assert (made["ok"], made["verified"], made["evidence_lacks"]) == (True, True, [])
    assert json.loads(run("jobs", "--json").stdout)["jobs"][0]["job_id"] == job
    assert job in run("jobs").stdout
    shown = json.loads(run("show", job, "--json").stdout)
    assert (shown["state"], shown["prompt"], shown["task_id"]) == (
        "SUCCEEDED",
        "she smiles",
        made["task_id"],
    )
    assert shown["evidence"] == made["evidence"]
    away = Path(made["evidence"]).rename(tmp_path / "away")
    assert json.loads(run("show", job, "--json").stdout)["evidence"] is None  # it only looks
    away.rename(made["evidence"])
    before = simulator.stats()
    again = run("resume", job, "--json", "--out", tmp_path / "again.mp4")
    assert json.loads(again.stdout)["video_url"] == made["video_url"]
    assert encode.measure(tmp_path / "again.mp4").seconds == 2
    (tmp_path / "copies").mkdir()
    copied = run("resume", job, "--out", tmp_path / "copies").stdout.splitlines()[0]
    assert [Path(copied)] == list((tmp_path / "copies").iterdir())
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d she smiles {made['seed']}\.mp4", Path(copied).name)
    assert simulator.stats() == before
    named = json.loads(run("evidence", job, "--json").stdout)
    assert sorted(named["files"]) == sorted(FILES)
    packed = run("evidence", job, "--zip")
    assert zipfile.ZipFile(packed.stdout.strip()).testzip() is None
    late = run("cancel", job, "--json")
    assert (late.returncode, json.loads(late.stdout)["state"]) == (1, "SUCCEEDED")
    for command in ("show", "resume", "cancel", "evidence"):
        for name in ("../../etc/passwd", "\udcff"):
            unknown = run(command, name, "--json")
            assert (unknown.returncode, json.loads(unknown.stdout)["error"]) == (
                2,
                "No job with this ID.",
            )
    assert run("evidence", job, "--zip", "/proc/nowhere/a.zip").returncode == 2


def test_what_cannot_be_shown_after_it_was_paid_is_no_refusal(run, tmp_path):
    """Exit code 3 would say that nothing was sent."""
    job = json.loads(
        run("image-to-video", ADDRESS, "--prompt", "x", "--duration", 2, "--json").stdout
    )["job_id"]
    folder = tmp_path / "output" / "storage" / "videos" / job
    folder.rename(tmp_path / "away")
    folder.symlink_to(folder)  # a loop: neither there nor missing
    stuck = run("resume", job, "--json")
    answer = json.loads(stuck.stdout)
    assert (stuck.returncode, answer["ok"], answer["job_id"]) == (1, False, job)
    assert f"python -m wan resume {job}" in answer["error"]
    assert "nothing was sent" not in stuck.stderr
    folder.unlink()
    gone = run("resume", job, "--json", "--out", tmp_path / "copy.mp4")
    assert (gone.returncode, json.loads(gone.stdout)["error"]) == (
        1,
        "the file is not there any more",
    )
    (tmp_path / "away").rename(folder)
    assert run("resume", job).returncode == 0


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_sent(
    run, samples, tmp_path, simulator
):
    before = simulator.stats()
    for out in (
        "/proc/video.mp4",
        "/proc/version/video.mp4",
        "/proc",
        tmp_path / "nowhere" / "a.mp4",
        tmp_path / ("a" * 300),
    ):
        finished = run("image-to-video", samples / "astronaut.png", "--prompt", "x", "--out", out)
        assert finished.returncode == 2, out
        assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr
    assert simulator.stats() == before
    (tmp_path / "there.mp4").write_bytes(b"as it was")
    assert (
        run(
            "image-to-video",
            samples / "astronaut.png",
            "--prompt",
            "x",
            "--duration",
            99,
            "--out",
            tmp_path / "there.mp4",
        ).returncode
        == 2
    )
    assert (tmp_path / "there.mp4").read_bytes() == b"as it was"


def test_a_file_that_the_video_is_made_from_is_not_written_over(run, samples, tmp_path, simulator):
    before, given = simulator.stats(), tmp_path / "clip.mp4"
    given.write_bytes((samples / "bigbuckbunny.mp4").read_bytes())
    (tmp_path / "link.mp4").symlink_to(given)
    for command in (
        ("reference-to-video", "--reference", given, "--prompt", "x", "--out", given),
        (
            "reference-to-video",
            "--reference",
            given,
            "--prompt",
            "x",
            "--out",
            tmp_path / "link.mp4",
        ),
        ("prepare", "--reference-video", given, "--prompt", "x", "--output", given),
    ):
        finished = run(*command)
        assert (
            finished.returncode,
            "which the video is made from. Use another file." in finished.stderr,
        ) == (2, True), finished.stderr
    assert given.read_bytes() == (samples / "bigbuckbunny.mp4").read_bytes()
    assert simulator.stats() == before


def test_a_run_without_a_record_is_not_verified(run, tmp_path):
    (tmp_path / "ai-video-wan-video").write_text("in the way")
    finished = run(
        "image-to-video",
        ADDRESS,
        "--prompt",
        "x",
        "--duration",
        2,
        "--json",
        OUTPUT_DIR=str(tmp_path),
    )
    result = json.loads(finished.stdout)
    assert (finished.returncode, result["ok"], result["verified"], result["evidence"]) == (
        1,
        False,
        True,
        None,
    )
    assert "there is no record of this run" in result["error"]
    assert result["evidence_lacks"] == list(FILES)


def test_a_copy_that_fails_names_the_video(run, tmp_path):
    options = ("--prompt", "x", "--duration", 2, "--json", "--out", "/dev/full")
    full = run("image-to-video", ADDRESS, *options)
    made = json.loads(full.stdout)
    stored = tmp_path / "output" / "storage" / "videos" / made["job_id"] / "video.mp4"
    assert (full.returncode, made["ok"], made["verified"]) == (1, False, True)
    assert str(stored) in made["error"]
    assert str(stored) in full.stderr
    assert "Traceback" not in full.stderr
    itself = run("resume", made["job_id"], "--out", stored)
    assert (itself.returncode, itself.stdout.splitlines()[0]) == (1, str(stored))
    assert encode.measure(stored).seconds == 2


def test_a_name_that_is_no_text_ends_no_run(run, tmp_path):
    out = tmp_path / "\udcff.mp4"
    finished = run("image-to-video", ADDRESS, "--prompt", "x", "--duration", 2, "--out", out)
    assert (finished.returncode, out.is_file()) == (0, True), finished.stderr


def test_ctrl_c_loses_nothing_and_the_job_can_be_gone_on_with_and_cancelled(
    run, service, simulator
):
    command = ["-m", "wan", "image-to-video", ADDRESS, "--prompt", "x", "--duration", "2", "--yes"]
    with simulator.fault("query", "status-503"):
        with warm.start(
            command,
            environment=service,
            folder=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as stopped:
            assert any("Sent to the service" in line for line in stopped.stderr)
            stopped.send_signal(signal.SIGINT)
            out, said = stopped.stdout.read(), stopped.stderr.read()
        assert (stopped.returncode, out) == (1, "")
        assert "Traceback" not in said
    job = re.search(r"python -m wan resume (\S+)", said)[1]
    created = simulator.stats()["created"]
    resumed = run("resume", job, "--json")
    assert json.loads(resumed.stdout)["state"] == "SUCCEEDED"
    assert simulator.stats()["created"] == created
    elsewhere = run("resume", job, DASHSCOPE_API_KEY="sk-another12345")
    assert elsewhere.returncode == 0  # what has ended needs no key


def test_what_was_stopped_before_it_was_sent_is_sent_by_nobody_who_was_not_asked(
    run, service, simulator
):
    """Any other command would spend money on it unasked."""
    command = [
        "-m",
        "wan",
        "image-to-video",
        ADDRESS,
        "--prompt",
        "one",
        "--duration",
        "2",
        "--yes",
        "--json",
    ]
    jobs = []
    for prompt in ("one", "two"):
        command[5] = prompt
        started = warm.start(
            command,
            environment=service,
            folder=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with simulator.fault("create", "status-429"), started as stopped:
            assert any("Queued" in line for line in stopped.stderr)
            stopped.send_signal(signal.SIGINT)
            out, said = stopped.stdout.read(), stopped.stderr.read()
        answer = json.loads(out)
        assert (stopped.returncode, answer["ok"]) == (1, False)
        assert "Stopped before anything was sent or charged." in said
        assert "what was sent continues" not in said
        assert (
            f"python -m wan resume {answer['job_id']} (a running app sends it without this). "
            f"To drop it: python -m wan cancel {answer['job_id']}" in answer["error"]
        )
        jobs.append(answer["job_id"])
    created = simulator.stats()["created"]
    other = run("image-to-video", ADDRESS, "--prompt", "three", "--duration", 2, "--json")
    assert json.loads(other.stdout)["state"] == "SUCCEEDED"
    assert simulator.stats()["created"] == created + 1
    assert run("cancel", jobs[1]).returncode == 0
    assert simulator.stats()["created"] == created + 1
    assert [json.loads(run("show", job, "--json").stdout)["state"] for job in jobs] in (
        ["QUEUED", "CANCELLED"],
        ["UPLOADING", "CANCELLED"],
    )
    resumed = run("resume", jobs[0], "--json")
    assert json.loads(resumed.stdout)["state"] == "SUCCEEDED"
    assert simulator.stats()["created"] == created + 2


def test_ctrl_c_before_there_is_a_job_is_one_object_too(service, simulator):
    before = simulator.stats()["faults"]
    with (
        simulator.fault("list", "stall"),
        warm.start(
            ["-m", "wan", "check", "--json"],
            environment=service,
            folder=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as stopped,
    ):
        while simulator.stats()["faults"] == before:
            pass
        stopped.send_signal(signal.SIGINT)
        out, said = stopped.stdout.read(), stopped.stderr.read()
    answer = json.loads(out)
    assert (stopped.returncode, answer["ok"]) == (1, False)
    assert said.strip() == answer["error"] == "Stopped. To see your jobs: python -m wan jobs"


def test_what_breaks_is_one_object_too(environment, tmp_path):
    """Which nothing should."""
    breaks = "import sys, wan.cli.inspect as inspect\ninspect.jobs = lambda limit: 1 // 0\n"
    (tmp_path / "breaks.py").write_text(
        f"{breaks}from wan.cli.main import main\nsys.exit(main(['jobs', '--json']))"
    )
    broke = warm.run([tmp_path / "breaks.py"], environment=environment, folder=ROOT)
    assert (broke.returncode, json.loads(broke.stdout)["ok"]) == (1, False)
    assert "ZeroDivisionError" in broke.stderr


@pytest.mark.parametrize("both", [False, True])
def test_an_output_that_is_closed_ends_no_run(service, both):
    """`| true`, and `2>&1 | head -1`: nobody reads, and the run has the exit
    code that it deserves.
    """
    reader, writer = os.pipe()
    os.close(reader)
    command = [
        "-m",
        "wan",
        "image-to-video",
        ADDRESS,
        "--prompt",
        "x",
        "--duration",
        "2",
        "--json",
        "--yes",
    ]
    errors = writer if both else subprocess.PIPE
    with warm.start(
        command, environment=service, folder=ROOT, stdout=writer, stderr=errors
    ) as run_:
        os.close(writer)
        said = run_.stderr.read() if run_.stderr else ""
    assert run_.returncode == 0
    assert "Traceback" not in said
    listed = warm.run(["-m", "wan", "jobs", "--json"], environment=service, folder=ROOT)
    assert [one["state"] for one in json.loads(listed.stdout)["jobs"]] == ["SUCCEEDED"]


def test_an_output_that_is_full_takes_one_line(service):
    command = [
        "-m",
        "wan",
        "image-to-video",
        ADDRESS,
        "--prompt",
        "x",
        "--duration",
        "2",
        "--json",
        "--yes",
    ]
    with Path("/dev/full").open("w") as full:
        finished = warm.start(
            command, environment=service, folder=ROOT, stdout=full, stderr=subprocess.PIPE
        )
    with finished:
        said = finished.stderr.read()
    assert finished.returncode == 1
    last = said.strip().splitlines()[-1]
    assert re.fullmatch(
        r"The output could not be written: No space left on device. Nothing is lost: python -m "
        r"wan show \S{22}",
        last,
    ), last
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["--help", "jobs"])
def test_what_is_printed_without_a_run_may_meet_a_full_output_too(environment, command):
    with Path("/dev/full").open("w") as full:
        finished = warm.start(
            ["-m", "wan", command],
            environment=environment,
            folder=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    with finished:
        said = finished.stderr.read()
    assert (finished.returncode, said) == (
        1,
        "The output could not be written: No space left on device.\n",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ("jobs", "--json", "--bogus"),
        ("show", "--json"),
        ("--json",),
        ("jobs", "--json", "--limit", "x"),
        ("prepare", "--bogus"),
        ("fly", "--json"),
    ],
)
def test_a_program_gets_one_object_for_what_no_command_line_is_too(run, wrong):
    finished = run(*wrong)
    answer = json.loads(finished.stdout)
    assert (finished.returncode, answer["ok"]) == (2, False)
    assert finished.stderr.strip() == answer["error"]


def test_a_simulator_that_cannot_start_takes_one_line(run, tmp_path, simulator):
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "simulator").write_text("in the way")
    demo = {"WAN_BACKEND": "simulator", "OUTPUT_DIR": str(tmp_path / "output")}
    picture_ = tmp_path / "a.png"
    picture_.write_bytes(picture((400, 400)))
    for command in (
        ("check",),
        ("simulate", "--port", "0"),
        ("image-to-video", picture_, "--prompt", "x"),
        ("resume", "x"),
    ):
        finished = run(*command, **demo)
        assert (finished.returncode, len(finished.stderr.strip().splitlines())) == (2, 1), (
            finished.stderr
        )
        assert "OUTPUT_DIR: got" in finished.stderr
    assert (
        run("simulate", "--port", "0", OUTPUT_DIR=str(tmp_path / "output" / "simulator")).returncode
        == 2
    )
    (tmp_path / "log" / "simulator" / "server.log").mkdir(parents=True)
    down = run("resume", "x", WAN_BACKEND="simulator", OUTPUT_DIR=str(tmp_path / "log"))
    assert (down.returncode, len(down.stderr.strip().splitlines())) == (2, 1), down.stderr
    for wrong, said in (
        (("--port", "99999"), "allowed is a port"),
        (("--port", simulator.port), "cannot listen"),
        (("--pending=-5",), "allowed are seconds"),
        (("--running", "nan"), "allowed are seconds"),
        (("--fault", "bogus"), "no such verb: bogus"),
        (("--fault", "create:stall:x"), "create:stall:x"),
    ):
        finished = run("simulate", *wrong, OUTPUT_DIR=str(tmp_path / "new"))
        assert (finished.returncode, len(finished.stderr.strip().splitlines())) == (2, 1), (
            finished.stderr
        )
        assert said in finished.stderr


def test_prepare(run, samples, tmp_path, simulator):
    before = simulator.stats()
    clip_ = samples / "bigbuckbunny.mp4"
    options = (
        "--prompt",
        "character1 waves",
        "--reference-video",
        clip_,
        "--duration",
        4,
        "--size",
        "720*1280",
        "--seed",
        7,
    )
    prepared = run("prepare", *options, OUTPUT_DIR="output")
    assert (prepared.returncode, json.loads(prepared.stdout)) == (
        0,
        {"ok": True, "request_path": "output/aliyun-wan-r2v/request.json"},
    )
    given = json.loads((tmp_path / "output/aliyun-wan-r2v/request.json").read_text())
    assert given == {
        "prompt": "character1 waves",
        "reference_video": str(clip_),
        "duration": 4,
        "size": "720*1280",
        "seed": 7,
    }
    elsewhere = run(
        "prepare",
        *options,
        "--reference-video",
        "https://example.com/b.mp4",
        "--output",
        tmp_path / "new" / "r.json",
    )
    assert json.loads(elsewhere.stdout)["request_path"] == str(tmp_path / "new" / "r.json")
    assert json.loads((tmp_path / "new" / "r.json").read_text())["reference_video"] == [
        str(clip_),
        "https://example.com/b.mp4",
    ]
    odd = tmp_path / os.fsdecode(b"\xff.mp4")
    odd.symlink_to(clip_)
    assert (
        run("prepare", "--prompt", "x", "--reference-video", odd, OUTPUT_DIR="output").returncode
        == 0
    )
    assert json.loads((tmp_path / "output/aliyun-wan-r2v/request.json").read_text())[
        "reference_video"
    ] == str(odd)
    assert simulator.stats() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "Field required: prompt."),
        (("--prompt", "x"), "reference_video"),
        (
            ("--prompt", "x", "--reference-video", "gone.mp4"),
            "reference_video: gone.mp4 wasn't found",
        ),
        (
            ("--prompt", "x", "--reference-video", "example.com/a.mp4"),
            "starts with http:// or https://",
        ),
        (
            ("--prompt", "x", "--reference-video", "ftp://example.com/a.mp4"),
            "isn't a public link",
        ),
        (
            ("--prompt", "x", "--reference-video", "https://example.com/a.mp4", "--duration", "11"),
            "duration must be a whole number of seconds from 2 to 10",
        ),
        (
            ("--prompt", "x", "--reference-video", "https://example.com/a.mp4", "--size", "720P"),
            "size: 720P isn't supported",
        ),
        (
            (
                "--prompt",
                "x",
                "--reference-video",
                "https://example.com/a.mp4",
                "--output",
                "/proc/nowhere/a.json",
            ),
            "--output: got /proc/nowhere",
        ),
        (("--validate-response", "gone.json"), "--validate-response: got gone.json"),
    ],
)
def test_prepare_refuses(run, simulator, options, said):
    before = simulator.stats()
    finished = run("prepare", *options)
    assert finished.returncode == 2
    answer = json.loads(finished.stdout)
    assert (answer["ok"], said in answer["error"]) == (False, True), answer
    assert len(finished.stderr.strip().splitlines()) == 1
    assert simulator.stats() == before


def test_prepare_waits_for_no_pipe_and_names_what_it_has_written(run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        finished = run(
            "prepare",
            "--validate-response",
            path,
            "--prompt",
            "x",
            "--reference-video",
            "https://example.com/a.mp4",
        )
        answer = json.loads(finished.stdout)
        assert finished.returncode == 2
        assert re.search("it isn't a regular file|Is a directory", answer["error"]), answer
        assert Path(answer["request_path"]).is_file()


@pytest.mark.parametrize(
    ("response", "code", "said"),
    [
        ('{"video_url": "https://example.com/a.mp4", "task_id": "t", "request_id": "r"}', 0, ""),
        ('{"task_id": "t"}', 0, ""),
        ('{"request_id": "r"}', 1, "neither video_url nor task_id"),
        ('{"video_url": "", "task_id": null}', 1, "neither video_url nor task_id"),
        ('{"video_url": 7}', 1, "video_url: "),
        ('{"task_id": "t", "fps": "fast"}', 1, "fps: "),
        ('{"video_url": "not a url"}', 1, "video_url: it isn't a URL"),
        ('{"video_url": "https://"}', 1, "video_url: it isn't a URL"),
        ('{"video_url": "file:///srv/output/video.mp4"}', 0, ""),
        ('{"task_id": "   "}', 1, "task_id: it is blank"),
        ('{"task_id": "t", "fps": NaN}', 1, "fps: got nan"),
        ('{"task_id": "t", "seed": -1}', 1, "seed: got -1"),
        ('{"task_id": "t", "duration": -0.5}', 1, "duration: got -0.5"),
        ('{"task_id": "t", "seed": 1' + "0" * 5000 + "}", 2, "not JSON"),
        ('{"ok": false, "error": "No money.", "task_id": "t"}', 1, "it failed: No money."),
        ("[" * 200_000, 2, "not JSON"),
        (" " * 1_000_001, 2, "more than 1000000 bytes"),
        ("[]", 2, "one JSON object"),
        ("<html>", 2, "not JSON"),
        ("\udcff", 2, "not JSON"),
    ],
)
def test_prepare_checks_a_response(run, tmp_path, response, code, said):
    path = tmp_path / "response.json"
    path.write_bytes(response.encode(errors="surrogateescape"))
    finished = run("prepare", "--validate-response", path)
    answer = json.loads(finished.stdout)
    assert (finished.returncode, answer["ok"]) == (code, code == 0)
    assert said in answer.get("error", "")


def test_a_full_disk_is_exit_3_and_that_of_the_system_is_none_of_ours(
    run, samples, tmp_path, simulator
):
    before = simulator.stats()["created"]
    with small_disk(tmp_path / "disk") as disk, disk.full():
        full = run(
            "image-to-video",
            samples / "astronaut.png",
            "--prompt",
            "x",
            OUTPUT_DIR=str(disk.folder / "output"),
        )
        made = (
            run(
                "image-to-video",
                samples / "astronaut.png",
                "--prompt",
                "x",
                "--duration",
                "2",
                TMPDIR=str(disk.folder),
            )
            if disk.own
            else None
        )
    assert (full.returncode, simulator.stats()["created"] - before) == (3, disk.own), full.stderr
    assert "Traceback" not in full.stderr
    assert made is None or made.returncode == 0, made.stderr
