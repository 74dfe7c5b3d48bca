"""What a video file is, found out by decoding it to its end."""

from dataclasses import dataclass
from typing import IO, Any

import av
import av.audio.resampler  # which an encoder would import when it gets its first frame
import av.subtitles.codeccontext
import av.subtitles.stream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image

# Demuxers that may look at a clip. Without the list FFmpeg opens a playlist and fetches the URLs in
# it.
OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2"}
UNSPECIFIED = 2  # FFmpeg's number for colours of which a video says nothing
SLACK = 0.5  # seconds by which a file may end before it says


@dataclass(frozen=True)
class Clip:
    """What a video file is, measured: width and height in px as players show it, frames per second,
    seconds.
    """

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
    """Opens a video, decodes its first frame and walks to its end. Raises FFmpegError or ValueError
    for what cannot be played to the end.
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
        sides = (
            (first_frame.width, first_frame.height)
            if first_frame.rotation % 180 == 0
            else (first_frame.height, first_frame.width)
        )
        return Clip(
            width=sides[0],
            height=sides[1],
            fps=round(float(stream.average_rate), 3),
            seconds=round(seconds, 3),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
        )


def first_frame(file: IO[bytes]) -> Image.Image:
    """The first frame of a video as players show it: upright. Raises FFmpegError or ValueError."""
    file.seek(0)
    with av.open(file, "r", options=OPTIONS) as container:
        frame = next(container.decode(video=0), None)
        if frame is None:
            raise ValueError("no frames")
        return still(frame).rotate(frame.rotation, expand=True)


def still(frame: VideoFrame) -> Image.Image:
    """A frame as a picture, in the colours in which players show it: where a video does not say
    what its colours mean, they are those of HD.
    """
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
    """The frames in a packet; none where it is broken."""
    try:
        return list(packet.decode())
    except FFmpegError:
        return []


def _end_of(container: InputContainer, stream: VideoStream) -> float:
    """Where the last whole packet of a track ends, in seconds. Nothing is decoded."""
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
