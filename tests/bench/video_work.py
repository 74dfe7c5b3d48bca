"""How long it takes to bring a video to another frame rate, to make its poster and to join two,
beside ffmpeg's command line doing the same with the same preset and quality.

The video is one of the simulator's, 10 s at 1920x1080 and 30 frames a second with sound. Joined are
two that have the same shape and rate, so that their pictures can be copied, and two of which one is
1280x720, so that they cannot. Each way runs in a process of its own; ours is timed from where its
libraries are loaded, as they are in the app, ffmpeg from its start, which takes a tenth of a second
or two: see "ffmpeg's start".
"""

import asyncio
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import ffmpeg
from tests.bench.figures import Figure
from wan.media import encode, join
from wan.simulator.films import Style, film
from wan.simulator.orders import SIZES, Order, Reference

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
TIMES = 3
SLOWEST = 1.3  # times ffmpeg, at most: the mark
FPS = 24
LARGE, SMALL = "1920*1080", "1280*720"
FILMS = {"large": (LARGE, 10), "again": (LARGE, 10), "small": (SMALL, 10)}  # size, seconds
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "17", "-pix_fmt", "yuv420p")
MP4 = ("-movflags", "+faststart")
NOTHING = ("-v", "error", "-f", "lavfi", "-i", "anullsrc", "-t", "0.1", "-f", "null", "-")


async def measure() -> list[Figure]:
    """Each piece of work, the two ways by turns."""
    ffmpeg.find()
    with tempfile.TemporaryDirectory(prefix="wan-videos-") as name:
        folder = Path(name)
        for number, (film_name, (size, seconds)) in enumerate(FILMS.items()):
            await asyncio.to_thread(_make, folder / f"{film_name}.mp4", size, seconds, number)
        start = ffmpeg.middle(
            [await ffmpeg.cost_of([ffmpeg.find(), *NOTHING]) for _ in range(TIMES)]
        )
        figures = [figure for work in WORK for figure in await _compare(work, folder)]
    start_figure = Figure(ROW, "ffmpeg's start", start.seconds, "s", "", True)
    return [*figures, start_figure]


ROW = "Work on videos"


async def _compare(work: str, folder: Path) -> list[Figure]:
    _, arguments = WORK[work]
    ours, peer = [], []
    for _ in range(TIMES):
        ours.append(await ffmpeg.cost_in_python("tests.bench.video_work", work, str(folder)))
        peer.append(await ffmpeg.cost_of([ffmpeg.find(), "-y", "-v", "error", *arguments(folder)]))
    one, other = ffmpeg.middle(ours), ffmpeg.middle(peer)
    return [
        Figure(
            ROW,
            f"{work}, median of {TIMES}",
            one.seconds,
            "s",
            f"at most {SLOWEST} x ffmpeg",
            one.seconds <= SLOWEST * other.seconds,
            {"ffmpeg": other.seconds},
        ),
        Figure(
            ROW,
            "core seconds of that",
            one.core_seconds,
            "s",
            "",
            True,
            {"ffmpeg": other.core_seconds},
        ),
    ]


def _make(target: Path, size: str, seconds: int, seed: int) -> None:
    order = Order(
        model="wan2.6-r2v",
        prompt="it flies up into the sky",
        negative_prompt="",
        references=(Reference(url="oss://picture", object_name="rocket.jpg"),),
        size=size,
        tier=SIZES[size],
        seconds=seconds,
        audio=True,
        watermark=False,
        multi_shot=False,
        seed=seed,
    )
    film(SAMPLES.joinpath, Style(), order, target, threading.Event())


def _conform(folder: Path) -> None:
    encode.conform(folder / "large.mp4", folder / "ours.mp4", size=LARGE, fps=FPS)


def _conform_peer(folder: Path) -> Sequence[str]:
    given, made = str(folder / "large.mp4"), str(folder / "theirs.mp4")
    return ["-i", given, "-vf", f"fps={FPS}", *X264, "-c:a", "copy", *MP4, made]


def _poster(folder: Path) -> None:
    (folder / "ours.webp").write_bytes(encode.poster(folder / "large.mp4"))


def _poster_peer(folder: Path) -> Sequence[str]:
    given, made = str(folder / "large.mp4"), str(folder / "theirs.webp")
    return ["-i", given, "-frames:v", "1", "-c:v", "libwebp", "-quality", "82", made]


def _join(folder: Path, *names: str) -> None:
    join.join(
        [folder / f"{name}.mp4" for name in names],
        folder / "ours.mp4",
        size=LARGE,
        fps=30,
        progress=lambda _: None,
    )


def _join_copied_peer(folder: Path) -> Sequence[str]:
    parts = folder / "parts.txt"
    parts.write_text("".join(f"file '{folder}/{name}.mp4'\n" for name in ("large", "again")))
    sound = ("-c:a", "aac", "-ar", "48000")
    made = str(folder / "theirs.mp4")
    return ["-f", "concat", "-safe", "0", "-i", str(parts), "-c:v", "copy", *sound, *MP4, made]


def _join_encoded_peer(folder: Path) -> Sequence[str]:
    inputs = [part for name in ("large", "small") for part in ("-i", str(folder / f"{name}.mp4"))]
    fitted = "[1:v]scale=1920:1080:flags=lanczos,setsar=1[v1];[0:v]setsar=1[v0]"
    graph = f"{fitted};[v0][0:a][v1][1:a]concat=n=2:v=1:a=1[v][a]"
    chosen = ("-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-r", "30")
    sound = ("-c:a", "aac", "-ar", "48000")
    return [*inputs, *chosen, *X264, *sound, *MP4, str(folder / "theirs.mp4")]


WORK: dict[str, tuple[Callable[[Path], None], Callable[[Path], Sequence[str]]]] = {
    "10 s from 30 to 24 frames a second": (_conform, _conform_peer),
    "poster": (_poster, _poster_peer),
    "two of 10 s joined, alike": (
        lambda folder: _join(folder, "large", "again"),
        _join_copied_peer,
    ),
    "two of 10 s joined, one enlarged": (
        lambda folder: _join(folder, "large", "small"),
        _join_encoded_peer,
    ),
}


if __name__ == "__main__":
    _watch = ffmpeg.Stopwatch()
    WORK[sys.argv[1]][0](Path(sys.argv[2]))
    _watch.tell()
