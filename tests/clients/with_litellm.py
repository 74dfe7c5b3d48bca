"""litellm, which calls many services in one way. It knows no references
for these models (1.110.2).
"""

import sys
import time
from importlib.metadata import version

import litellm

root = sys.argv[1]
LINK = "https://media.example.com/a.png"
where = {"api_base": root, "api_key": "sk-test1234"}


def ended(video: litellm.types.videos.main.VideoObject) -> None:
    """Waits for a video, and says that it came, or breaks."""
    until = time.monotonic() + 60
    while video.status not in ("completed", "failed", "cancelled"):
        assert time.monotonic() < until, video
        time.sleep(0.2)
        video = litellm.video_status(video_id=video.id, **where)
    assert video.status == "completed", video
    assert litellm.video_content(video_id=video.id, **where)[4:8] == b"ftyp"


image = {"model": "dashscope/wan2.6-i2v-flash", "input_reference": LINK}
ended(
    litellm.video_generation(
        prompt="it flies", seconds="2", parameters={"resolution": "720P"}, **image, **where
    )
)
print(f"litellm {version('litellm')}, image to video: a video came")
