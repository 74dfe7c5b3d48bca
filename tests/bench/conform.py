"""How long it takes to bring a video of 15 s at 1646x1258 to the 1632*1248 that was asked for, and
what it loses: ours beside the naive way.

Image to video at 4:3 never has exactly the size that was asked for, so that every such run is
conformed. Each way runs in a process of its own. The loss is that against the service's frames
scaled by Lanczos, in the brightness of every tenth frame: PSNR in dB, of which more than 40 nobody
sees.
"""

import argparse
import asyncio
import math
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from wan.domain import catalog
from wan.media import encode, inputs
from wan.simulator.films import Style, film
from wan.simulator.orders import Order, Reference

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
SIZE = "1632*1248"
EVERY = 10  # frames, of which one is looked at
MEGABYTE = 1_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for."""
    parser.add_argument(
        "--seconds", type=int, default=15, help="how long the video is (default 15)"
    )


async def run(seconds: int = 15) -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory(prefix="wan-conform-") as folder:
        source = Path(folder) / "made.mp4"
        await asyncio.to_thread(_made, source, seconds)
        made = await asyncio.to_thread(encode.measure, source)
        print(
            f"{made.size} of {made.seconds:g} s, {source.stat().st_size / MEGABYTE:.1f} MB, to "
            f"{SIZE}"
        )
        print(
            f"{'':26}{'seconds':>9}{'of a core':>11}{'times ours':>12}"
            f"{'MB':>7}{'PSNR dB':>9}{'peak MB':>9}"
        )
        ours = 0.0
        for way in WAYS:
            took, cpu, peak = await _measured(way, source)
            ours = ours or took
            result = source.with_name(f"{way}.mp4")
            loss = await asyncio.to_thread(_psnr, source, result)
            size = result.stat().st_size / MEGABYTE
            print(
                f"{way:26}{took:9.1f}{cpu:11.1f}{took / ours:11.1f}x"
                f"{size:7.1f}{loss:9.1f}{peak:9.0f}",
                flush=True,
            )


def _made(target: Path, seconds: int) -> None:
    """A film as the service makes it of a picture at 4:3."""
    picture = target.with_name("picture.jpg")
    picture.write_bytes(
        inputs.prepare_image("reference_image", SAMPLES / "rocket.jpg", size=SIZE, fit="crop").sent
    )
    settings = {
        "negative_prompt": "",
        "size": "",
        "tier": "1080P",
        "audio": True,
        "watermark": False,
        "multi_shot": False,
        "seed": 7,
    }
    reference = Reference(url="oss://picture", object_name=picture.name)
    order = Order(
        model="wan2.6-i2v-flash",
        prompt="it flies",
        references=(reference,),
        seconds=seconds,
        **settings,
    )
    film(target.parent.joinpath, Style("veryfast"), order, target, threading.Event())


async def _measured(way: str, source: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of a core, and the peak of memory in megabytes, of one way in a
    process of its own.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.conform",
        way,
        str(source),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"{way} failed")
    took, cpu, peak = map(float, out.split())
    return took, cpu, peak


def _ours(source: Path, target: Path) -> None:
    encode.conform(source, target, size=SIZE, fps=catalog.SERVICE_FPS)


def _naive(source: Path, target: Path) -> None:
    """Each frame a picture of Pillow's, resized and encoded as the encoder would have it; sound as
    it is.
    """
    size = catalog.parse_size(SIZE)
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        picture, sound = (
            made.add_stream("libx264", rate=catalog.SERVICE_FPS),
            made.add_stream_from_template(given.streams.audio[0]),
        )
        picture.width, picture.height, picture.pix_fmt = *size, "yuv420p"
        for number, frame in enumerate(given.decode(video=0)):
            resized = av.VideoFrame.from_image(frame.to_image().resize(size))
            resized.pts = number
            made.mux(picture.encode(resized))
        made.mux(picture.encode(None))
        given.seek(0)
        for packet in given.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                made.mux(packet)


WAYS: dict[str, Callable[[Path, Path], None]] = {"ours": _ours, "frame by frame, by Pillow": _naive}


def _psnr(source: Path, result: Path) -> float:
    """Of all the pixels that are looked at together."""
    width, height = catalog.parse_size(SIZE)
    with av.open(str(source)) as given, av.open(str(result)) as made:
        scaled = encode.filter_frames(given, ("scale", f"{width}:{height}:flags=lanczos"))
        pairs = islice(zip(scaled, made.decode(video=0), strict=True), 0, None, EVERY)
        errors = [np.square(_brightness(one) - _brightness(other)).mean() for one, other in pairs]
    return 10 * math.log10(255**2 / max(float(np.mean(errors)), 1e-9))


def _brightness(frame: av.VideoFrame) -> NDArray[np.float32]:
    return frame.to_ndarray()[: frame.height].astype(np.float32)


if __name__ == "__main__":
    _way, _source = sys.argv[1], Path(sys.argv[2])
    _since, _cpu = time.monotonic(), time.process_time()
    WAYS[_way](_source, _source.with_name(f"{_way}.mp4"))
    _took, _used = time.monotonic() - _since, time.process_time() - _cpu
    _peak = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    print(_took, _used, _peak / MEGABYTE)
