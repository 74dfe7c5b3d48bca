"""How quickly the simulator makes a film of 5 s at 1280x720, in how much memory and how smoothly,
beside ffmpeg's own zoompan.

Both move through the same picture, as far, and encode with the same preset and quality and a sound;
ours has a caption, a mark and darker corners besides. How smoothly is measured in the pixels of the
finished films: five bright dots are followed, and what counts is the worst second difference of a
dot's place, in pixels a frame squared; that of the move itself is below 0.05.
"""

import asyncio
import sys
import tempfile
import threading
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tests.bench import ffmpeg
from tests.bench.figures import Figure
from wan.simulator.films import FPS, PRESET, QUALITY, SEARCH, Style, film
from wan.simulator.orders import Order, Reference
from wan.simulator.sources import CLOSEST

SECONDS, SIZE = 5, (1280, 720)
TIMES = 5
FASTEST, MEGABYTES, JITTER = 2.5, 350, 0.3  # the marks
DOTS = ((0.3, 0.45), (0.7, 0.45), (0.5, 0.6), (0.3, 0.75), (0.7, 0.75))  # across and down, 0 to 1
_DOT_PIXELS = 7  # standard deviation of a dot
_AROUND = 40  # pixels to each side in which a dot is looked for
SAMPLES = Path(__file__).parents[2] / "assets" / "samples"


async def measure() -> list[Figure]:
    """Films a photo, the two ways by turns, and dots."""
    ffmpeg.find()
    with tempfile.TemporaryDirectory(prefix="wan-film-") as name:
        folder = Path(name)
        with Image.open(SAMPLES / "rocket.jpg") as photo:
            ImageOps.fit(photo, SIZE, Image.Resampling.LANCZOS).save(folder / "photo.png")
        _draw_dots().save(folder / "dots.png")
        costs: dict[str, list[ffmpeg.Cost]] = {"ours": [], "zoompan": []}
        for _ in range(TIMES):
            costs["ours"].append(await _film(folder, "photo"))
            costs["zoompan"].append(await _zoompan(folder, "photo"))
        await _film(folder, "dots")
        await _zoompan(folder, "dots")
        jitter = {way: await asyncio.to_thread(_jitter, folder / f"{way}.mp4") for way in costs}
    return _figures({way: ffmpeg.middle(each) for way, each in costs.items()}, jitter)


def _figures(costs: dict[str, ffmpeg.Cost], jitter: dict[str, float]) -> list[Figure]:
    row, (ours, peer) = "A simulated film", costs.values()
    fast = SECONDS / ours.seconds
    return [
        Figure(
            row,
            f"{SECONDS} s at 1280x720, median of {TIMES}",
            fast,
            "x real time",
            f"at least {FASTEST} x",
            fast >= FASTEST,
            {"zoompan": SECONDS / peer.seconds},
        ),
        Figure(
            row, "core seconds", ours.core_seconds, "s", "", True, {"zoompan": peer.core_seconds}
        ),
        Figure(
            row,
            "peak memory of the process",
            ours.megabytes,
            "MB",
            f"under {MEGABYTES}",
            ours.megabytes < MEGABYTES,
            {"zoompan": peer.megabytes},
        ),
        Figure(
            row,
            "jitter: worst second difference of a dot's place",
            jitter["ours"],
            "px",
            f"under {JITTER}",
            jitter["ours"] < JITTER,
            {"zoompan": jitter["zoompan"]},
        ),
    ]


async def _film(folder: Path, picture: str) -> ffmpeg.Cost:
    return await ffmpeg.cost_in_python("tests.bench.film", str(folder), picture)


async def _zoompan(folder: Path, picture: str) -> ffmpeg.Cost:
    """The same by ffmpeg: from the picture, enlarged as ours is, into its middle and a little to
    the side.
    """
    frames = SECONDS * FPS
    wide, high = (round(side * CLOSEST / 2) * 2 for side in SIZE)
    move = f"on/{frames - 1}"
    across, down = (f"(i{side}-i{side}/zoom)*(0.3+0.4*{move})" for side in "wh")
    zoom = f"z='1+{CLOSEST - 1:.2f}*{move}':x='{across}':y='{down}'"
    steps = f"scale={wide}:{high},zoompan={zoom}:d={frames}:s={SIZE[0]}x{SIZE[1]}:fps={FPS}"
    return await ffmpeg.cost_of(
        [
            *(ffmpeg.find(), "-y", "-v", "error", "-i", str(folder / f"{picture}.png")),
            *("-f", "lavfi", "-i", "sine=220:sample_rate=44100", "-t", str(SECONDS), "-vf", steps),
            *("-c:v", "libx264", "-preset", PRESET, "-crf", str(QUALITY)),
            *("-x264-params", SEARCH),
            *("-pix_fmt", "yuv420p", "-c:a", "aac", "-ac", "2", "-movflags", "+faststart"),
            str(folder / "zoompan.mp4"),
        ]
    )


def _make(folder: Path, picture: str) -> None:
    """A film as the simulator makes it when nothing else is asked for."""
    order = Order(
        model="wan2.6-i2v-flash",
        prompt="it flies up into the sky",
        negative_prompt="",
        references=(Reference(url="oss://picture", object_name=f"{picture}.png"),),
        size="",
        tier="720P",
        seconds=SECONDS,
        audio=True,
        watermark=False,
        multi_shot=False,
        seed=7,
    )
    film(folder.joinpath, Style(), order, folder / "ours.mp4", threading.Event())


def _draw_dots() -> Image.Image:
    down, across = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    light = np.full(down.shape, 30.0)
    for x, y in DOTS:
        away = (across - x * SIZE[0]) ** 2 + (down - y * SIZE[1]) ** 2
        light += 200 * np.exp(-away / (2 * _DOT_PIXELS**2))
    return Image.fromarray(light.clip(0, 255).astype(np.uint8)).convert("RGB")


def _jitter(path: Path) -> float:
    """The worst second difference of a dot's place in a film, across or down."""
    places = np.array(DOTS) * SIZE
    tracks = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            brightness = frame.to_ndarray()[: frame.height].astype(np.float64)
            places = np.array([_centre(brightness, place) for place in places])
            tracks.append(places)
    return float(np.abs(np.diff(tracks, n=2, axis=0)).max())


def _centre(brightness: NDArray[np.float64], near: NDArray[np.float64]) -> NDArray[np.float64]:
    """The centre of the light that is well above the ground, around a place."""
    left, top = (max(round(one) - _AROUND, 0) for one in near)
    piece = brightness[top : top + 2 * _AROUND, left : left + 2 * _AROUND]
    light = (piece - 80).clip(0)
    down, across = np.mgrid[0 : piece.shape[0], 0 : piece.shape[1]]
    return np.array(
        [left + (across * light).sum() / light.sum(), top + (down * light).sum() / light.sum()]
    )


if __name__ == "__main__":
    _watch = ffmpeg.Stopwatch()
    _make(Path(sys.argv[1]), sys.argv[2])
    _watch.tell()
