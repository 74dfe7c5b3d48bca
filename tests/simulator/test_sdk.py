"""Alibaba's own client works against the simulator without knowing it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import av

from tests import plain_http
from tests.simulator.conftest import Served

SCRIPT = """
import json
from dashscope import VideoSynthesis
common = {"duration": 2, "seed": 1}
made = [
    VideoSynthesis.call(
        model="wan2.6-i2v-flash", prompt="it flies", img_url=IMAGE,
        resolution="720P", audio=False, **common,
    ),
    VideoSynthesis.call(
        model="wan2.6-r2v", prompt="character1 waves", reference_urls=[CLIP, LINK],
        size="832*1088", **common,
    ),
]
answers = [(each.status_code, dict(each.output), dict(each.usage)) for each in made]
print(json.dumps([dict(zip(("status", "output", "usage"), answer)) for answer in answers]))
"""


def test_the_sdk_s_own_classes(shared: Served, samples: Path, tmp_path: Path):
    names = (
        f"IMAGE = {f'file://{samples}/rocket.jpg'!r}\nCLIP = "
        f"{str(samples / 'bigbuckbunny.mp4')!r}\nLINK = 'https://media.example.com/a.png'\n"
    )
    environment = os.environ | {
        "DASHSCOPE_HTTP_BASE_URL": f"{shared.root}/api/v1",
        "DASHSCOPE_API_KEY": "sk-test1234",
        "HOME": str(tmp_path),
    }
    ran = subprocess.run(
        [sys.executable, "-c", names + SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    for made, size, usage in zip(
        json.loads(ran.stdout),
        ((1174, 784), (832, 1088)),
        ({"duration": 2, "audio": False}, {"duration": 4.5, "input_video_duration": 2.5}),
        strict=True,
    ):
        assert (made["status"], made["output"]["task_status"]) == (200, "SUCCEEDED")
        assert made["usage"].items() >= usage.items()
        video = tmp_path / "video.mp4"
        video.write_bytes(plain_http.get(made["output"]["video_url"]).content)
        with av.open(str(video)) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == size
