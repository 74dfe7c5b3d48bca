"""How many bytes go up for a photo of 12 megapixels, as the image of image to video, beside the
SDK's upload of the file.

Counted is what the simulator has stored: for the first video and for a second take of the same
photo, which the service still has. The photo is a sample of this app, enlarged, with the grain of a
phone's camera, as a JPEG of quality 90. A frame of the service's has at most two of its twelve
megapixels: in the sizes `W*H` the photo is fitted to the frame, in its own shape ("720P", "1080P")
it goes up with sides 1.15 times those of its frame.
"""

import asyncio
import io
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image, ImageOps

from tests import simulators
from tests.bench.figures import Figure
from wan.domain.requests import ImageToVideoRequest
from wan.environment.settings import load_settings
from wan.service.studio import Studio

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
MEGABYTE = 1_000_000
KEY = "sk-photobench"
MODEL = "wan2.6-i2v-flash"
SHARE = 1 / 3  # of the SDK's bytes, at most: the mark
SIZES = ("1280*720", "1920*1080", "720P", "1080P")
GRAIN = 4  # standard deviation, in steps of 255


async def measure() -> list[Figure]:
    """A video and a second take in each size, then the SDK's own call."""
    with tempfile.TemporaryDirectory(prefix="wan-photo-") as name:
        folder = Path(name)
        photo = folder / "photo.jpg"
        photo.write_bytes(await asyncio.to_thread(_draw_photo))
        with simulators.serving(folder / "simulator") as simulator:
            settings = {
                "WAN_BACKEND": "dashscope",
                "DASHSCOPE_API_KEY": KEY,
                "DASHSCOPE_BASE_URL": simulator.base_url,
                "OUTPUT_DIR": str(folder / "output"),
            }
            with mock.patch.dict(os.environ, settings):
                sent = [await _send(simulator, photo, size) for size in SIZES]
                theirs = await _send_by_sdk(simulator, photo)
    return [
        figure
        for size, (first, again) in zip(SIZES, sent, strict=True)
        for figure in _figures(size, first, again, theirs)
    ]


def _figures(size: str, first: int, again: int, theirs: int) -> list[Figure]:
    row = "Upload of a photo of 12 megapixels"
    peer = {"the SDK": theirs / MEGABYTE}
    return [
        Figure(
            row,
            f"{size}, first video",
            first / MEGABYTE,
            "MB",
            "at most a third of the SDK's",
            first <= SHARE * theirs,
            peer,
        ),
        Figure(row, f"{size}, a second take", again / MEGABYTE, "MB", "nothing", again == 0, peer),
    ]


async def _send(simulator: simulators.Simulator, photo: Path, size: str) -> tuple[int, int]:
    """Bytes that go up for a video in this size, and for another take of it."""
    request = ImageToVideoRequest(
        prompt="it flies", reference_image=photo, duration=2, size=size, audio=False
    )
    before = _stored(simulator)
    async with Studio(load_settings()) as studio:
        await _submit(studio, request)
        first = _stored(simulator)
        await _submit(studio, request)
    return first - before, _stored(simulator) - first


async def _submit(studio: Studio, request: ImageToVideoRequest) -> None:
    """Submit a video and wait until the service has taken it."""
    job = await studio.submission.submit(request, owner="bench", new_take=True)
    async for event in studio.watching.follow(job.id, owner="bench"):
        if event.job.task_id:
            return
    raise RuntimeError("no task was made")


async def _send_by_sdk(simulator: simulators.Simulator, photo: Path) -> int:
    """Bytes that go up for the SDK's call with the same photo, in a process of its own."""
    before = _stored(simulator)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.photo_upload", simulator.base_url, str(photo)
    )
    if await child.wait():
        raise RuntimeError("the SDK's call failed")
    return _stored(simulator) - before


def _stored(simulator: simulators.Simulator) -> int:
    """Bytes of everything that was sent up."""
    objects = (simulator.folder / "objects").iterdir()
    return sum(path.stat().st_size for path in objects if path.suffix != ".json")


def _draw_photo() -> bytes:
    with Image.open(SAMPLES / "rocket.jpg") as sample:
        large = ImageOps.fit(sample.convert("RGB"), (4000, 3000), Image.Resampling.LANCZOS)
    grain = np.random.default_rng(0).normal(0, GRAIN, (3000, 4000, 1))
    pixels = (np.asarray(large) + grain).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


def _call_sdk(base_url: str, photo: str) -> None:
    import dashscope

    dashscope.base_http_api_url = base_url
    answer = dashscope.VideoSynthesis.async_call(
        model=MODEL,
        prompt="it flies",
        img_url=f"file://{photo}",
        resolution="1080P",
        duration=2,
        api_key=KEY,
    )
    if not answer.output.task_id:
        raise SystemExit(str(answer))


if __name__ == "__main__":
    _call_sdk(sys.argv[1], sys.argv[2])
