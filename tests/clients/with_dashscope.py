"""The service's own SDK, by its older functions and by its newer client."""

import sys
import urllib.request
from pathlib import Path

import dashscope

root, samples = sys.argv[1], Path(sys.argv[2])
LINK = "https://media.example.com/a.png"
dashscope.base_http_api_url = f"{root}/api/v1"
quick = {"duration": 2, "seed": 1}


def whole(name: str, url: str) -> None:
    """Says that a video came, or breaks."""
    with urllib.request.urlopen(url) as video:  # noqa: S310 - of the simulator
        assert video.read(8)[4:] == b"ftyp"
    print(f"dashscope {dashscope.version.__version__}, {name}: a video came")


made = dashscope.VideoSynthesis.call(
    model="wan2.6-i2v-flash",
    prompt="it flies",
    img_url=f"file://{samples}/rocket.jpg",
    resolution="720P",
    audio=False,
    **quick,
)
assert (made.status_code, made.output.task_status) == (200, "SUCCEEDED"), made
whole("VideoSynthesis, image to video", made.output.video_url)
made = dashscope.VideoSynthesis.call(
    model="wan2.6-r2v",
    prompt="character1 waves",
    reference_urls=[str(samples / "bigbuckbunny.mp4"), LINK],
    size="832*1088",
    **quick,
)
assert (made.status_code, made.output.task_status) == (200, "SUCCEEDED"), made
whole("VideoSynthesis, reference to video", made.output.video_url)

jobs = dashscope.Client(api_key="sk-test1234", base_url=f"{root}/api/v1").videos.jobs
job = jobs.wait(
    jobs.create(
        model="wan2.6-i2v-flash",
        prompt="it flies",
        extra_input={"img_url": LINK},
        resolution="720P",
        **quick,
    ),
    poll_interval=0.2,
)
whole("Client, image to video", job.output["video_url"])
order = {
    "model": "wan2.6-r2v-flash",
    "prompt": "character1 waves",
    "extra_input": {"reference_urls": [LINK]},
    "size": "1280*720",
}
job = jobs.wait(jobs.create(**order, **quick), poll_interval=0.2)
whole("Client, reference to video", job.output["video_url"])
