"""Thousands of damaged pictures, videos and sounds through the doors of the Studio: each is taken
or refused in our words, soon, within its memory.

Damaged are the sample media and some that are made here, one of each kind: bytes are flipped, cut
out, repeated, and the lengths of boxes and chunks changed. Ends with 1 when a file got an error
without words, took over 10 seconds, or had the process that opened it take a gigabyte.
"""

import argparse
import asyncio
import io
import logging
import random
import resource
import struct
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import av
from PIL import Image

from tests.pictures import clip, picture
from tests.sounds import sound, wav
from wan.domain.catalog import SIZES
from wan.domain.errors import InvalidInput
from wan.media import encode, inputs
from wan.media.sandbox import SANDBOX
from wan.media.sandbox_process import MEMORY_MEGABYTES, SECONDS

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
FIELD = Path(__file__).parents[1] / "data" / "field"
_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"stsd", b"avc1")
_ODD = (0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_TWO_AT_ONCE = 2  # as the app does


def subjects(folder: Path, *, large: bool = True) -> dict[str, bytes]:
    """Whole files of every kind that is taken, by name. large: whether one is among them that takes
    long.
    """
    found = {
        path.name: path.read_bytes()
        for path in sorted(SAMPLES.iterdir())
        if path.suffix in (".png", ".jpg", ".mp4")
    }
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    rocket = Image.open(SAMPLES / "rocket.jpg").resize((320, 240))
    for name, kind, mode, options in (
        ("plain.jpg", "JPEG", "RGB", {"exif": exif}),
        ("progressive.jpg", "JPEG", "RGB", {"progressive": True}),
        ("inks.jpg", "JPEG", "CMYK", {}),
        ("clear.png", "PNG", "RGBA", {}),
        ("palette.png", "PNG", "P", {"transparency": 3}),
        ("sixteen.png", "PNG", "I;16", {}),
        ("plain.bmp", "BMP", "RGB", {}),
        ("palette.bmp", "BMP", "P", {}),
        ("lossy.webp", "WEBP", "RGB", {"xmp": b"<x/>"}),
        ("lossless.webp", "WEBP", "RGBA", {"lossless": True}),
        ("plain.avif", "AVIF", "RGB", {}),
    ):
        out = io.BytesIO()
        shown = rocket.convert("L").convert("I;16") if mode == "I;16" else rocket.convert(mode)
        shown.save(out, kind, **options)
        found[name] = out.getvalue()
    found |= {
        path.name.replace(".3gp", ".mp4"): path.read_bytes() for path in sorted(FIELD.iterdir())
    }
    if large:
        found["large.webp"] = picture((8000, 6000), kind="WEBP", method=0)
    found["animated.webp"] = picture(
        (320, 240), kind="WEBP", save_all=True, append_images=[Image.new("RGB", (320, 240))]
    )
    for name in ("made.mp4", "made.mov"):
        found[name] = clip(folder / name, sound=True).read_bytes()
    for codec in ("mpeg4", "libx265", "libvpx-vp9"):
        found[f"{codec}.mp4"] = _coded(folder / f"{codec}.mp4", codec)
    return found | {
        "plain.wav": wav(),
        "six.wav": wav(channels=6),
        "adpcm.wav": sound("wav", "adpcm_ms"),
        "tagged.mp3": sound(),
    }


def _coded(path: Path, codec: str) -> bytes:
    with av.open(str(path), "w") as made:
        stream = made.add_stream(
            codec,
            rate=15,
            width=96,
            height=64,
            options={"x265-params": "log-level=none"} if codec == "libx265" else {},
        )
        for _ in range(30):
            made.mux(stream.encode(av.VideoFrame(96, 64, "yuv420p")))
        made.mux(stream.encode(None))
    return path.read_bytes()


def damaged(data: bytes, dice: random.Random) -> bytes:
    """A file with one to four things done to it."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        dice.choice(_DAMAGES)(out, dice)
    return _summed(bytes(out)) if dice.random() < 0.7 else bytes(out)


def _somewhere(data: bytearray, dice: random.Random) -> int:
    """A place in a file: as often as not near its beginning or its end, where the headers are."""
    near = dice.choice((200, 4000, len(data)))
    place = dice.randrange(max(1, min(near, len(data))))
    return place if dice.random() < 0.5 else max(0, len(data) - 1 - place)


def _flip(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.choice((1, 1, 4, 64))):
        if data:
            data[_somewhere(data, dice)] ^= 1 << dice.randrange(8)


def _overwrite(data: bytearray, dice: random.Random) -> None:
    at, width = _somewhere(data, dice), dice.choice((1, 2, 4))
    data[at : at + width] = (dice.choice(_ODD) & (256**width - 1)).to_bytes(
        width, dice.choice(("big", "little"))
    )


def _truncate(data: bytearray, dice: random.Random) -> None:
    del data[_somewhere(data, dice) :]


def _cut(data: bytearray, dice: random.Random) -> None:
    at = _somewhere(data, dice)
    del data[at : at + dice.choice((1, 8, 100, 5000))]


def _repeat(data: bytearray, dice: random.Random) -> None:
    at, length = _somewhere(data, dice), dice.choice((1, 12, 500, 20_000))
    data[at:at] = data[at : at + length] * dice.choice((1, 2, 50))


def _resize_box(data: bytearray, dice: random.Random) -> None:
    """Another length for a box of MP4 or a chunk of PNG."""
    places = _lengths(data)
    if places:
        at = dice.choice(places)
        length = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = (
            dice.choice((0, 1, 7, 8, length - 1, length + 1, length * 2, *_ODD)) & 0xFFFFFFFF
        ).to_bytes(4, "big")


def _fill_box(data: bytearray, dice: random.Random) -> None:
    """Another number in a table of MP4: how many lines it has, or what is in them."""
    places = _lengths(data)
    if places:
        at = dice.choice(places) + dice.choice((8, 12, 16, 20, 24))
        data[at : at + 4] = dice.choice(_ODD).to_bytes(4, "big")


def _lengths(data: bytearray) -> list[int]:
    """Where the lengths of boxes and chunks are."""
    if data.startswith(b"\x89PNG"):
        at, found = 8, []
        while at + 8 <= len(data) and len(found) < 1000:
            found.append(at)
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        return found
    return _box_lengths(data, 0, len(data)) if data[4:8] == b"ftyp" else []


def _box_lengths(data: bytearray, at: int, end: int) -> list[int]:
    found = []
    while at + 8 <= end and len(found) < 1000:
        length = max(8, int.from_bytes(data[at : at + 4], "big"))
        found.append(at)
        if data[at + 4 : at + 8] in _BOXES:
            found += _box_lengths(data, at + 8, min(end, at + length))
        at += length
    return found


_DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(
        _flip,
        _flip,
        _flip,
        _overwrite,
        _overwrite,
        _truncate,
        _cut,
        _repeat,
        _resize_box,
        _fill_box,
        _fill_box,
    ),
)


def _summed(data: bytes) -> bytes:
    """A PNG with checksums that are right again, so that the damage is not found by them."""
    if not data.startswith(b"\x89PNG"):
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        end = at + 8 + int.from_bytes(out[at : at + 4], "big")
        if end + 4 > len(out):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(out[at + 4 : end]))
        at = end + 4
    return bytes(out)


def outcome(name: str, data: bytes, dice: random.Random) -> str:
    """What comes of a file at one of the doors: "taken", or the key of the sentence that refuses
    it. What was taken opens.
    """
    is_clip = name.endswith((".mp4", ".mov"))
    try:
        if name.endswith((".wav", ".mp3")):
            _sound_taken(data)
        elif is_clip if dice.random() < 0.95 else not is_clip:
            _clip_taken(data)
        else:
            _picture_taken(data, dice)
    except InvalidInput as refusal:
        return refusal.message.key
    return "taken"


def _clip_taken(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "copy").open("w+b") as target:
        taken = inputs.prepare_video("reference_video", data, target)
        assert encode.measure(Path(target.name)) == taken.clip


def _sound_taken(data: bytes) -> None:
    with tempfile.TemporaryFile() as target:
        seconds = inputs.prepare_sound("reference_audio", data, target).seconds
        target.seek(0)
        again = inputs.check_sound("reference_audio", target.read())
    assert abs(again.seconds - seconds) < 0.2
    assert again.adjustments == []


def _picture_taken(data: bytes, dice: random.Random) -> None:
    size = dice.choice([*SIZES, "720P", "1080P"])
    taken = inputs.prepare_image(
        "reference_image", data, size=size, fit=dice.choice(("crop", "pad"))
    )
    for jpeg in (taken.kept, taken.sent):
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as made:
            made.load()


@dataclass
class Memory:
    """Watches how much memory the children of the sandbox take, many times a second; `peak` in
    megabytes.
    """

    peak: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.003):
            for guard in _children(SANDBOX.pid):
                for child in _children(guard):
                    said = _read(f"/proc/{child}/status").partition("VmHWM:")[2].split()
                    self.peak = max(self.peak, int(said[0]) / 1024 if said else 0)


def _children(process: int | str | None) -> list[str]:
    return _read(f"/proc/{process}/task/{process}/children").split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


class Given(logging.Handler):
    """Counts why files were given up."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.reasons[str(record.args[-1])] += 1


def arguments(parser: argparse.ArgumentParser) -> None:
    """What can be asked for."""
    parser.add_argument("--count", type=int, default=2000, help="files (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed damages alike")


async def run(count: int = 2000, seed: int = 0) -> int:
    """Prints the figures. Gives the exit code."""
    return await asyncio.to_thread(_run, count, seed)


def _run(count: int, seed: int) -> int:
    given = Given()
    logging.getLogger("wan.media.sandbox").addHandler(given)
    with tempfile.TemporaryDirectory(prefix="wan-mutations-") as folder:
        whole = subjects(Path(folder))
    print(f"{count} files from {len(whole)}, seed {seed}")
    with Memory() as memory, ThreadPoolExecutor(_TWO_AT_ONCE) as threads:
        results = list(threads.map(lambda number: _case(whole, f"{seed} {number}"), range(count)))
    for kind, outcomes in sorted(
        {
            kind: Counter(what for of, what, _ in results if of == kind) for kind, _, _ in results
        }.items()
    ):
        print(f"{kind:7}{', '.join(f'{what} {times}' for what, times in outcomes.most_common())}")
    slowest = max(seconds for _, _, seconds in results)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"given up: {dict(given.reasons) or 'none'}")
    print(
        f"slowest {slowest:.2f} s; peak memory of the process that opens a file "
        f"{memory.peak:.0f} MB, of this one {own:.0f} MB"
    )
    errors = sum(what.startswith("ERROR") for _, what, _ in results)
    return int(
        errors > 0 or slowest > 10 or memory.peak > MEMORY_MEGABYTES or own > MEMORY_MEGABYTES
    )


def _case(whole: dict[str, bytes], name: str) -> tuple[str, str, float]:
    """Kind of the file, outcome, seconds. `name` is all that the damage depends on."""
    dice = random.Random(name)
    subject = dice.choice(sorted(whole))
    data = damaged(whole[subject], dice)
    since = time.monotonic()
    try:
        what = outcome(subject, data, dice)
    except Exception as error:  # noqa: BLE001 - which is what we look for
        what = f"ERROR {type(error).__name__}"
        print(f"{subject}, {name}: {error!r}")
    seconds = time.monotonic() - since
    if what == "media_unsafe" or seconds > SECONDS / 2:
        print(f"{name}, from {subject}: {what} after {seconds:.2f} s")
    return Path(subject).suffix[1:], what, seconds
