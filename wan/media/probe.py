"""Measuring a video file by reading it to its end."""

from dataclasses import dataclass
from typing import IO, Any

import av
import av.audio.resampler  # else imported by an encoder at its first frame
import av.subtitles.codeccontext
import av.subtitles.stream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image

# Demuxers that may read a clip. Without this list FFmpeg opens playlists and fetches their URLs.
OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2"}
UNSPECIFIED = 2  # FFmpeg's number for a video that does not name its colour space
SLACK = 0.5  # seconds by which a file may fall short of its stated length


@dataclass(frozen=True)
class Clip:
    """Measurements of a video file: width and height in px as shown, frames per second, seconds."""

    width: int
    height: int
    fps: float
    seconds: float
    has_audio: bool
    codec: str

    @property
    def size(self) -> str:
        """`W*H` in px."""
        return f"{self.width}*{self.height}"


def probe(file: IO[bytes]) -> Clip:
    """Measure a video: decode its first frame and read to its end.

    Raises FFmpegError or ValueError for what cannot be played to the end.
    """
    with av.open(file, "r", options=OPTIONS) as container:
        stream = next(iter(container.streams.video), None)
        if (
            stream is None
            or stream.average_rate is None
            or stream.duration is None
            or stream.time_base is None
        ):
            raise ValueError("no video track")
        stream.thread_count = 1
        first_frame = next(container.decode(stream), None)
        if first_frame is None:
            raise ValueError("no frames")
        seconds = float(stream.duration * stream.time_base)
        if _end_of(container, stream) < seconds - SLACK:
            raise ValueError("the file breaks off")
        width, height = first_frame.width, first_frame.height
        if _turn(first_frame) % 180:
            width, height = height, width
        return Clip(
            width=width,
            height=height,
            fps=round(float(stream.average_rate), 3),
            seconds=round(seconds, 3),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
        )


def first_frame(file: IO[bytes]) -> Image.Image:
    """Return the first frame of a video, upright as players show it. Raises FFmpegError or
    ValueError.
    """
    file.seek(0)
    with av.open(file, "r", options=OPTIONS) as container:
        frame = next(container.decode(video=0), None)
        if frame is None:
            raise ValueError("no frames")
        return still(frame).rotate(_turn(frame), expand=True)


def _turn(frame: VideoFrame) -> int:
    """Return the degrees by which players turn a frame: quarter turns. Some recorders write a
    matrix of zeros, for which FFmpeg gives an angle all the same.
    """
    return 0 if frame.rotation % 90 else frame.rotation


def still(frame: VideoFrame) -> Image.Image:
    """Return a frame as an image in the colours players show: HD ones where unspecified."""
    meaning = Colorspace.ITU709 if frame.colorspace == UNSPECIFIED else None
    shown = frame.reformat(format="rgb24", src_colorspace=meaning)
    return Image.frombytes(
        "RGB",
        (shown.width, shown.height),
        bytes(shown.planes[0]),
        "raw",
        "RGB",
        shown.planes[0].line_size,
    )


def decode_packet(packet: "Packet[Any]") -> list[Any]:
    """Return the frames in a packet; none where it is broken."""
    try:
        return list(packet.decode())
    except FFmpegError:
        return []


def _end_of(container: InputContainer, stream: VideoStream) -> float:
    """Return where the last complete packet of a track ends, in seconds, without decoding."""
    container.seek(0)
    last = max(
        (
            packet.pts + (packet.duration or 0)
            for packet in container.demux(stream)
            if packet.pts is not None
        ),
        default=0,
    )
    return float(last * (stream.time_base or 0))
