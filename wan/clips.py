"""Clips as PyAV sees them: measured, and reference videos checked and copied clean, so that nothing but pictures and sound goes on.

`take` runs in the sandbox alone: the files that come to it are anybody's. It reads an open file, writes to another, and answers in JSON.
"""

import os
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import IO, Any

import av
import av.subtitles.codeccontext
import av.subtitles.stream  # PyAV would import it when it meets such a track, and the sandbox opens no file then
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image

from wan import catalog, kinds
from wan.errors import InvalidInput
from wan.words import Sentence, sentence

# Demuxers that may look at a clip. Without the list FFmpeg opens a playlist and fetches the URLs in it.
OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2"}
_TRACKS = 32  # a phone writes about eight
_GIVEN_OPTIONS = OPTIONS | {
    "protocol_whitelist": "none",  # nothing that is named in the file is opened,
    "enable_drefs": "0",  # neither a file that is said to hold its frames
    "use_absolute_path": "0",
    "max_streams": str(_TRACKS),
}
_CODECS = {"h264": "H.264", "hevc": "H.265", "mpeg4": "MPEG-4", "vp9": "VP9", "av1": "AV1", "prores": "ProRes"}
_UNSAID = 2  # FFmpeg's number for colours of which a video says nothing
_SLACK = 0.5  # seconds by which a file may end before it says


@dataclass(frozen=True)
class Clip:
    """What a video file is, measured: width and height in px, frames per second, seconds."""

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


def take(given: IO[bytes], made: IO[bytes], *, field: str) -> dict[str, Any]:
    """Copies a reference video without anything that is no picture or sound: no place, no device, no further tracks. Nothing is encoded anew.

    Answers with its kind, "mp4" or "mov", and the `Clip` that the copy is. Raises InvalidInput for what is no whole MP4 or MOV, or out of the limits.
    """
    kind = kinds.required(field, given, "video").decoder
    try:
        _copy(field, given, made, kind)
        _refuse_grown(field, made.seek(0, os.SEEK_END))
        made.seek(0)
        clip = measured(made)
    except (InvalidInput, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - whatever PyAV raises over it is the file's fault
        raise InvalidInput(field, "video_unreadable") from None
    _check(field, clip)
    return {"kind": kind, "clip": asdict(clip), "adjustments": [one.model_dump() for one in _warnings(clip)]}


def tag(given: IO[bytes], made: IO[bytes], *, field: str, name: str) -> dict[str, Any]:
    """Writes out the tag of this name that stands in a video, if any. Raises InvalidInput for what is no MP4 or MOV with pictures."""
    kinds.required(field, given, "video")
    try:
        with av.open(given, "r", format="mov", options=_GIVEN_OPTIONS, metadata_errors="replace") as whole:
            if not whole.streams.video:
                raise ValueError("no video track")
            made.write(whole.metadata.get(name, "").encode())
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever PyAV raises over it is the file's fault
        raise InvalidInput(field, "video_unreadable") from None
    return {}


def measured(file: IO[bytes]) -> Clip:
    """Opens a video, decodes its first frame and walks to its end. Raises FFmpegError or ValueError for what cannot be played to the end."""
    with av.open(file, "r", options=OPTIONS) as container:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.average_rate is None or stream.duration is None or stream.time_base is None:
            raise ValueError("no video track")
        stream.thread_count = 1
        first = next(container.decode(stream), None)
        if first is None:
            raise ValueError("no frames")
        seconds = float(stream.duration * stream.time_base)
        if _end(container, stream) < seconds - _SLACK:
            raise ValueError("the file breaks off")
        return Clip(
            width=first.width,
            height=first.height,
            fps=round(float(stream.average_rate), 3),
            seconds=round(seconds, 3),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
        )


def first(file: IO[bytes]) -> Image.Image:
    """The first frame of a video as players show it: upright. Raises FFmpegError or ValueError."""
    file.seek(0)
    with av.open(file, "r", options=OPTIONS) as container:
        frame = next(container.decode(video=0), None)
        if frame is None:
            raise ValueError("no frames")
        return still(frame).rotate(frame.rotation, expand=True)


def still(frame: VideoFrame) -> Image.Image:
    """A frame as a picture, in the colours in which players show it: where a video does not say what its colours mean, they are those of HD."""
    meaning = Colorspace.ITU709 if frame.colorspace == _UNSAID else None
    shown = frame.reformat(format="rgb24", src_colorspace=meaning)
    return Image.frombytes("RGB", (shown.width, shown.height), bytes(shown.planes[0]), "raw", "RGB", shown.planes[0].line_size)


def _copy(field: str, given: IO[bytes], made: IO[bytes], kind: str) -> None:
    """Copies the first picture track and the first sound track into a new file. Raises InvalidInput, FFmpegError or ValueError."""
    # Words that nobody can read are no reason to refuse a clip: they are left out anyway.
    with av.open(given, "r", format="mov", options=_GIVEN_OPTIONS, metadata_errors="replace") as whole:
        picture = _picture(field, whole)
        with av.open(made, "w", format=kind, options={"fflags": "+bitexact"}) as clean:
            end = copied(whole, [picture, *whole.streams.audio[:1]], clean)
        if picture.duration is not None and end < (picture.duration * (picture.time_base or 0)) - _SLACK:
            raise ValueError("the file breaks off")


def _picture(field: str, container: InputContainer) -> VideoStream:
    """The track that moves; a cover is one too. Raises InvalidInput for a codec that is not allowed, ValueError where there is no track."""
    track = next((one for one in container.streams.video if not one.disposition & Disposition.attached_pic), None)
    if track is None:
        raise ValueError("no video track")
    codec = track.codec_context.codec.canonical_name
    if codec not in _CODECS:
        raise InvalidInput(field, "video_codec", given=codec, allowed=", ".join(_CODECS.values()))
    return track


def copied(whole: InputContainer, tracks: list[Stream], clean: OutputContainer) -> float:
    """Copies tracks packet by packet. Gives where the first of them ends, in seconds.

    What somebody cut away is still in the file, marked. At the end it is left out; further on it stays marked, because other frames are built on it.
    """
    made = {track.index: clean.add_stream_from_template(track, opaque=True) for track in tracks}
    held: dict[int, list[Packet[Stream]]] = {track.index: [] for track in tracks}
    end = Fraction(0)
    for packet in whole.demux(tracks):
        number = packet.stream_index
        if packet.dts is None or packet.pts is None:
            continue
        held[number].append(packet)
        if packet.is_discard:
            continue
        if number == tracks[0].index:
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        for one in held[number]:
            one.stream = made[number]
            clean.mux(one)
        held[number].clear()
    return float(end)


def _refuse_grown(field: str, size: int) -> None:
    """A few bytes of a file may stand for many frames, which the copy holds one by one. Raises InvalidInput."""
    if size > catalog.VIDEO_MEGABYTES * 1_000_000:
        raise InvalidInput(field, "file_large", given=round(size / 1_000_000, 1), high=catalog.VIDEO_MEGABYTES)


def _check(field: str, clip: Clip) -> None:
    """Raises InvalidInput for a clip out of the limits."""
    low, high = catalog.VIDEO_SIDES
    if not all(low <= side <= high for side in (clip.width, clip.height)):
        raise InvalidInput(field, "image_sides", given=clip.size, low=low, high=high)
    if clip.fps > catalog.VIDEO_FPS:
        raise InvalidInput(field, "video_rate", given=clip.fps, high=catalog.VIDEO_FPS)
    shortest, longest = catalog.VIDEO_SECONDS
    if not shortest <= round(clip.seconds, 1) <= longest:
        raise InvalidInput(field, "video_length", given=round(clip.seconds, 1), low=shortest, high=longest)


def _warnings(clip: Clip) -> list[Sentence]:
    """What is allowed here and may yet be refused by the service."""
    slow = clip.fps < catalog.VIDEO_FPS_SURE
    return [sentence("video_slow", given=f"{clip.fps:g}", low=catalog.VIDEO_FPS_SURE)] if slow else []


def _end(container: InputContainer, stream: VideoStream) -> float:
    """Where the last whole packet of a track ends, in seconds. Nothing is decoded."""
    container.seek(0)
    last = max((packet.pts + (packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None), default=0)
    return float(last * (stream.time_base or 0))
