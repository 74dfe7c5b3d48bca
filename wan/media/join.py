"""The last frame of a finished video, a joined film, a ZIP with settings. All block."""

import io
import json
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from math import floor
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.frame import Frame
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from wan.domain import catalog
from wan.media import encode, probe

Progress = Callable[[float], None]
Pictures: TypeAlias = "Iterator[tuple[Fraction, list[Packet[VideoStream]]]]"
"""Encoded pictures, and until when they last, in seconds of the film."""
Block = NDArray[np.float32]  # of sound: two rows, a column for each sample

# Where no picture is decoded: else FFmpeg decodes the first of each file that it opens, which takes
# 16 ms at 1080p, where the rest takes 2.
_UNDECODED = probe.OPTIONS | {"skip_frame": "all"}
_RATE = 48_000  # samples of sound per second
_BLOCK = 4_800  # samples of silence written at once
_GAP = 480  # samples; anything shorter is no gap
_PIECE = 1 << 18  # bytes; between two of them the writing of an archive can be stopped


def last_frame(path: Path) -> bytes:
    """Return the very last frame that a video shows, as PNG."""
    with av.open(str(path), options=probe.OPTIONS) as container:
        stream = container.streams.video[0]
        container.seek(stream.duration or 0, stream=stream)  # to the last key frame
        frames = deque(container.decode(stream), maxlen=1)  # decoded in the order they are shown
        if not frames:
            raise ValueError("no frames")
        out = io.BytesIO()
        probe.still(frames[0]).save(out, "PNG")
        return out.getvalue()


def join(
    paths: Sequence[Path],
    target: Path,
    *,
    size: str,
    fps: float,
    progress: Progress,
    fit: str = "pad",
    tags: Mapping[str, str] | None = None,
) -> None:
    """Join videos into one MP4 of a size (`W*H` px) and frame rate; other shapes are padded, or
    cropped with `fit` "crop". Pictures that are all of that size and rate already, and of one
    encoder's settings, are copied as they are.

    The film has sound where any video has, with silence for what is missing. progress: called with
    the fraction done, 0 to 1, and may raise to stop. Stopped or failed, nothing is left at
    `target`.
    """
    try:
        with encode.open_mp4(target, tags or {}) as made:
            _write_clips(made, paths, size, fps, fit, progress)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def bundle(video: Path, settings: Mapping[str, Any], target: Path, *, name: str) -> None:
    """Write a ZIP of a video and its settings, `name`.mp4 and `name`.json; nothing if it fails."""
    try:
        with zipfile.ZipFile(target, "w") as made:
            made.write(video, f"{name}.mp4")
            made.writestr(
                f"{name}.json",
                json.dumps(settings, ensure_ascii=False, indent=2),
                zipfile.ZIP_DEFLATED,
            )
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def archive(
    videos: Sequence[tuple[str, Path, Mapping[str, Any]]], target: Path, *, progress: Progress
) -> None:
    """Write a ZIP of videos, each with its settings beside it; nothing if it fails.

    videos: name without ending, path and settings of each. progress: called with the fraction done,
    0 to 1, and may raise to stop.
    """
    total, done = sum(path.stat().st_size for _, path, _ in videos) or 1, 0
    try:
        with zipfile.ZipFile(target, "w") as made:
            for name, path, settings in videos:
                entry = zipfile.ZipInfo.from_file(path, f"{name}.mp4")
                with path.open("rb") as source, made.open(entry, "w") as file:
                    while piece := source.read(_PIECE):
                        progress(done / total)
                        file.write(piece)
                        done += len(piece)
                words = json.dumps(settings, ensure_ascii=False, indent=2)
                made.writestr(f"{name}.json", words, zipfile.ZIP_DEFLATED)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _write_clips(
    made: OutputContainer,
    paths: Sequence[Path],
    size: str,
    fps: float,
    fit: str,
    progress: Progress,
) -> None:
    """Write clip after clip, each starting at the exact end of the last, so that rounding never
    adds up.
    """
    seams = list(accumulate((_seconds(path) for path in paths), initial=Fraction(0)))
    rate = Fraction(fps).limit_denominator(1001)
    is_copied = _can_copy(paths, size, rate)
    with av.open(str(paths[0]), options=probe.OPTIONS) as first:
        like = first.streams.video[0]
        picture = (
            made.add_stream_from_template(like)
            if is_copied
            else encode.add_video_track(made, like, *catalog.parse_size(size), fps)
        )
    sound = _SoundTrack(made) if any(_has_sound(path) for path in paths) else None
    for path, (begins, ends) in zip(paths, pairwise(seams), strict=True):
        heard = (
            _read_sound(path, floor(ends * _RATE) - floor(begins * _RATE)) if sound else iter(())
        )
        packets = (
            _copy_pictures(path, begins, picture, rate)
            if is_copied
            else _encode_pictures(path, (begins, ends), (size, fit), picture, rate)
        )
        for until, several in packets:
            made.mux(several)
            if sound is not None:
                sound.write(heard, until=floor(until * _RATE))
            progress(min(float(until / seams[-1]), 1.0))
        if sound is not None:
            sound.write(heard)
    if not is_copied:
        made.mux(picture.encode(None))
    if sound is not None:
        sound.end()


def _seconds(path: Path) -> Fraction:
    """Return the exact length of a video."""
    with av.open(str(path), options=_UNDECODED) as given:
        stream = given.streams.video[0]
        return (stream.duration or 0) * (stream.time_base or Fraction(0))


def _has_sound(path: Path) -> bool:
    with av.open(str(path), options=_UNDECODED) as given:
        return bool(given.streams.audio)


def _can_copy(paths: Sequence[Path], size: str, rate: Fraction) -> bool:
    """Return whether clips can follow each other in one track without being encoded again."""
    tracks = set()
    for path in paths:
        with av.open(str(path), options=_UNDECODED) as given:
            stream, codec = given.streams.video[0], given.streams.video[0].codec_context
            if codec.name != "h264" or not _is_steady(given, rate):
                return False
            shape = f"{codec.width}*{codec.height}"
            tracks.add((shape, codec.extradata, stream.time_base))
    return len(tracks) == 1 and tracks.pop()[0] == size


def _is_steady(given: InputContainer, rate: Fraction) -> bool:
    """Return whether the pictures of a video come at a rate exactly, from first to last."""
    stream = given.streams.video[0]
    step = 1 / (rate * (stream.time_base or 1))
    shown = sorted(packet.pts for packet in given.demux(stream) if packet.pts is not None)
    return stream.duration == len(shown) * step and all(
        pts == shown[0] + number * step for number, pts in enumerate(shown)
    )


def _copy_pictures(path: Path, begins: Fraction, picture: VideoStream, rate: Fraction) -> Pictures:
    """Yield the pictures of a clip as they are, shown from `begins` s of the film."""
    with av.open(str(path), options=_UNDECODED) as given:
        stream = given.streams.video[0]
        later = round(begins / (stream.time_base or 1)) - (stream.start_time or 0)
        packets = (packet for packet in given.demux(stream) if packet.dts is not None)
        for number, packet in enumerate(packets):
            packet.pts, packet.dts = (packet.pts or 0) + later, (packet.dts or 0) + later
            packet.stream = picture
            yield begins + (number + 1) / rate, [packet]


def _encode_pictures(
    path: Path,
    span: tuple[Fraction, Fraction],
    shape: tuple[str, str],
    picture: VideoStream,
    rate: Fraction,
) -> Pictures:
    """Yield the pictures of a clip, encoded. span: when they are shown, in s of the film."""
    for number, frame in _read_pictures(path, *span, shape, rate):
        frame.pts, frame.time_base, frame.pict_type = number, 1 / rate, 0
        yield (number + 1) / rate, picture.encode(frame)


def _read_pictures(
    path: Path, begins: Fraction, ends: Fraction, shape: tuple[str, str], rate: Fraction
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield the pictures of a clip shown from `begins` to `ends` s of the film, each with its
    number. shape: the film's size, and how the clip comes to it.
    """

    def number(at: Fraction) -> int:
        return floor(at * rate + Fraction(1, 2))

    with av.open(str(path), options=probe.OPTIONS) as given:
        upcoming, shown, start = number(begins), None, _start_of(given)
        size, fit = shape
        steps = encode.fit_filters(given.streams.video[0], *catalog.parse_size(size), fit)
        for frame in encode.filter_frames(given, *steps):
            while shown is not None and upcoming < number(begins + _time_of(frame) - start):
                yield upcoming, shown
                upcoming += 1
            shown = frame
        while shown is not None and upcoming < number(ends):
            yield upcoming, shown
            upcoming += 1


class _SoundTrack:
    """The sound of a film being written."""

    def __init__(self, made: OutputContainer) -> None:
        self._made, self._samples = made, 0
        self._track: AudioStream = made.add_stream("aac", rate=_RATE, layout="stereo")

    def write(self, blocks: Iterator[Block], until: int | None = None) -> None:
        """Write blocks, all or until the film has so many samples, in step with the pictures to
        save memory.
        """
        while until is None or self._samples < until:
            block = next(blocks, None)
            if block is None:
                return
            frame = AudioFrame.from_ndarray(
                np.ascontiguousarray(block), format="fltp", layout="stereo"
            )
            frame.sample_rate, frame.pts, frame.time_base = _RATE, self._samples, Fraction(1, _RATE)
            self._samples += block.shape[1]
            self._made.mux(self._track.encode(frame))

    def end(self) -> None:
        """Write what the encoder holds."""
        self._made.mux(self._track.encode(None))


def _read_sound(path: Path, samples: int) -> Iterator[Block]:
    """Yield the sound of a clip, exactly so many samples: cut, or filled up with silence."""
    written = 0
    with av.open(str(path), options=_UNDECODED) as given:
        for begins, block in _resample(given):
            if begins - written > _GAP:
                yield from _silence(min(begins, samples) - written)
                written = min(begins, samples)
            fitting = block[:, max(-begins, 0) :][:, : samples - written]
            written += fitting.shape[1]
            if fitting.shape[1]:
                yield fitting
    yield from _silence(samples - written)


def _resample(given: InputContainer) -> Iterator[tuple[int, Block]]:
    """Yield blocks of sound at the film's rate, each with its first sample, from the first picture
    on.
    """
    if not given.streams.audio:
        return
    resampler, start = AudioResampler("fltp", "stereo", _RATE), _start_of(given)
    for frame in chain(given.decode(audio=0), [None]):
        for block in resampler.resample(frame):
            yield (
                floor((_time_of(block) - start) * _RATE),
                block.to_ndarray().astype(np.float32, copy=False),
            )


def _silence(samples: int) -> Iterator[Block]:
    for begins in range(0, samples, _BLOCK):
        yield np.zeros((2, min(_BLOCK, samples - begins)), np.float32)


def _time_of(frame: Frame) -> Fraction:
    """Return when a frame is due, in seconds by the video's own clock."""
    return (frame.pts or 0) * (frame.time_base or Fraction(0))


def _start_of(given: InputContainer) -> Fraction:
    """Return when the first picture of a video is shown by its own clock, in seconds."""
    stream = given.streams.video[0]
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))
