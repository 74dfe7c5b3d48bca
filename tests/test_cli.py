"""The command line as a script sees it: one JSON object, exit codes, bad input refused before anything is sent."""

import json
import secrets
import subprocess
import sys

import pytest

from tests.pictures import clip, picture
from wan import media

FIELDS = {"video_url", "task_id", "request_id", "width", "height", "fps", "duration", "seed", "adjustments", "price", "simulated"}


@pytest.fixture
def run(environment, simulator, tmp_path):
    """Runs `python -m wan` against the simulator. Gives the finished process."""
    service = {"WAN_BACKEND": "dashscope", "DASHSCOPE_API_KEY": f"sk-test{secrets.token_hex(8)}", "DASHSCOPE_BASE_URL": simulator.base_url}

    def run_(*arguments, **more):
        command = [sys.executable, "-m", "wan", *map(str, arguments)]
        everything = environment | service | {"WAN_POLL_SECONDS": "1"} | more
        return subprocess.run(command, env=everything, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return run_


@pytest.mark.parametrize(("name", "size"), [("astronaut.png", "1280*720"), ("chelsea.png", "720*1280"), ("chelsea.png", "1920*1080")])
def test_image_to_video(run, samples, tmp_path, name, size):
    out = tmp_path / "out.mp4"
    options = ("--prompt", "she smiles", "--size", size, "--fps", 24, "--duration", 2, "--json", "--out", out)
    finished = run("image-to-video", samples / name, *options)
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert result.keys() >= FIELDS
    width, height = map(int, size.split("*"))
    assert (result["width"], result["height"], result["fps"], result["duration"]) == (width, height, 24, 2)
    measured = media.measure(out)
    assert (measured.width, measured.height, measured.fps, measured.seconds, measured.codec) == (width, height, 24, 2, "h264")
    assert result["video_url"].startswith("file:///")
    assert any("your 24 fps were made" in said for said in result["adjustments"])
    assert "Making the video" in finished.stderr


def test_reference_to_video(run, samples):
    references = ("--reference", samples / "bigbuckbunny.mp4", "--reference", samples / "chelsea.png")
    finished = run("reference-to-video", *references, "--prompt", "character1 meets character2", "--duration", 2, "--json")
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    assert (result["model"], result["width"], result["height"], result["billed_seconds"]) == ("wan2.6-r2v-flash", 1280, 720, 4.5)
    assert result["task_id"]
    assert result["request_id"]


def test_a_failed_run_is_exit_1_and_says_why(run, samples):
    finished = run("image-to-video", samples / "astronaut.png", "--prompt", "simulate:DataInspectionFailed", "--json")
    assert finished.returncode == 1
    result = json.loads(finished.stdout)
    assert (result["video_url"], result["state"]) == (None, "FAILED")
    assert "It cost nothing" in result["error"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--duration", "16"), "duration: got 16"),
        (("--duration", "2.5"), "duration: got 2.5"),
        (("--duration", "abc"), "duration: got abc"),
        (("--size", "1x1"), "size: got 1x1"),
        (("--seed", "-1"), "seed: got -1"),
        (("--fps", "0"), "fps: got 0"),
        (("--motion-strength", "7"), "motion_strength: got 7"),
        (("--fit", "stretch"), "fit: got stretch"),
        (("--model", "wan2.6-i2v-flash-2026-02-10"), "model: got wan2.6-i2v-flash-2026-02-10"),
        (("--prompt", ""), "prompt: it is empty"),
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


def test_bad_references_are_exit_2(run, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "small.png").write_bytes(picture((5, 5)))
    short = clip(tmp_path / "short.mp4", seconds=0.5)
    for command in (
        ("image-to-video", tmp_path / "gone.png"),
        ("image-to-video", tmp_path / "text.png"),
        ("image-to-video", tmp_path / "small.png"),
        ("image-to-video", "file:///etc/passwd"),
        ("image-to-video", "ftp://example.com/a.png"),
        ("reference-to-video",),
        ("reference-to-video", "--reference", short),
        ("reference-to-video", *("--reference", tmp_path / "small.png") * 6),
        ("reference-to-video", "--reference", tmp_path / "small.png", "--model", "wan2.6-r2v-2026-01-01"),
    ):
        finished = run(*command, "--prompt", "x")
        assert finished.returncode == 2, command
        assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr


def test_settings_that_are_wrong_are_exit_2(run, samples):
    for wrong in (
        {"DASHSCOPE_API_KEY": "hello"},
        {"DASHSCOPE_API_KEY": ""},
        {"DASHSCOPE_REGION": "mars"},
        {"DASHSCOPE_BASE_URL": "https://x.y"},
        {"OUTPUT_DIR": "/proc/nowhere"},
        {"WAN_DATABASE_URL": "nosql://x"},
        {"WAN_DATABASE_URL": "sqlite:////proc/nowhere/wan.sqlite3"},
    ):
        finished = run("image-to-video", samples / "astronaut.png", "--prompt", "x", **wrong)
        assert finished.returncode == 2, wrong
        assert len(finished.stderr.strip().splitlines()) == 1, finished.stderr


def test_importing_the_package_costs_nothing(environment):
    code = "import wan, sys; assert not {'gradio', 'dashscope'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
