"""Sounds for image to video: checked, and copied without anything but what is heard.

A WAV is decoded and rewritten as 16-bit PCM, which is lossless for one that is 16-bit PCM; of an
MP3 the decodable frames are copied as they are.

`prepare_sound` runs in the sandbox only, since its input is untrusted: it reads an open file,
writes to another and answers in JSON.
"""

from collections.abc import Callable
from typing import IO, Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from wan.domain import catalog
from wan.domain.errors import InvalidInput
from wan.domain.messages import Message
from wan.media import file_type

# Nothing that the file names is opened or fetched. A sound has one track, and one more for each
# picture in its tag.
_OPTIONS = {"protocol_whitelist": "none", "max_streams": "32"}
_WITHOUT_TAGS = {  # muxer options
    "wav": {"fflags": "+bitexact"},
    "mp3": {"fflags": "+bitexact", "id3v2_version": "0", "write_id3v1": "0"},
}
_PLAIN = "pcm_s16le"
_RATES = (8_000, 48_000)  # samples per second of a WAV that is sent
_COUNT_ONLY_SECONDS = 1.0  # above the limit; what follows is not decoded

_Write = Callable[["Packet[Any]", list[AudioFrame]], None]


def prepare_sound(given: IO[bytes], made: IO[bytes], *, field: str) -> dict[str, Any]:
    """Copy a sound without tags, cover art and whatever else is in its file.

    Returns its format, "wav" or "mp3", its seconds, and the adjustments. Raises InvalidInput for
    what is no WAV or MP3, or is outside the limits. A truncated file counts as long as what is left
    of it.
    """
    named = file_type.require(field, given, "audio")
    kind = named.decoder
    with (
        file_type.blame_file(field, named),
        av.open(
            given,
            "r",
            format=kind,
            options=_OPTIONS | {"format_whitelist": kind},
            metadata_errors="replace",
        ) as whole,
        av.open(made, "w", format=kind, options=_WITHOUT_TAGS[kind]) as clean,
    ):
        copy = _copy_mp3 if kind == "mp3" else _write_wav
        seconds, adjustments = copy(whole, whole.streams.audio[0], clean)
    _check(field, seconds)
    return {
        "kind": kind,
        "seconds": round(seconds, 3),
        "adjustments": [one.model_dump() for one in adjustments],
    }


def _copy_mp3(
    whole: InputContainer, track: AudioStream, clean: OutputContainer
) -> tuple[float, list[Message]]:
    """Copy the frames of an MP3. Return its seconds and no adjustments."""
    copy = clean.add_stream_from_template(track)

    def write(packet: "Packet[Any]", _frames: list[AudioFrame]) -> None:
        packet.stream = copy
        clean.mux(packet)

    return _decode(whole, track, write), []


def _write_wav(
    whole: InputContainer, track: AudioStream, clean: OutputContainer
) -> tuple[float, list[Message]]:
    """Rewrite a WAV. Return its seconds and the adjustments."""
    layout = "mono" if track.channels == 1 else "stereo"
    rate = min(max(track.rate, _RATES[0]), _RATES[1])
    plain = AudioResampler("s16", layout, rate)
    copy: AudioStream = clean.add_stream(_PLAIN, rate=rate, layout=layout)  # type: ignore[assignment]  # no literal, so that mypy cannot tell
    same = (track.codec_context.name, track.rate, track.channels) == (_PLAIN, rate, copy.channels)

    def write(_packet: "Packet[Any]", frames: list[AudioFrame]) -> None:
        for frame in frames:
            for one in plain.resample(frame):
                clean.mux(copy.encode(one))

    seconds = _decode(whole, track, write)
    for one in plain.resample(None):
        clean.mux(copy.encode(one))
    return seconds, [] if same else [Message.of("sound_converted")]


def _decode(whole: InputContainer, track: AudioStream, write: _Write) -> float:
    """Decode a sound, pass on each decodable packet and return its seconds.

    What exceeds the limit is only counted. Raises ValueError where nothing can be heard.
    """
    seconds = 0.0
    for packet in whole.demux(track):
        if seconds > catalog.SOUND_SECONDS[1] + _COUNT_ONLY_SECONDS:
            seconds += float((packet.duration or 0) * packet.time_base)
            continue
        try:
            frames = packet.decode()
        except FFmpegError:  # broken, not heard
            continue
        seconds += sum(frame.samples / frame.sample_rate for frame in frames)
        if packet.dts is not None:
            write(packet, frames)
    if not seconds:
        raise ValueError("no sound")
    return seconds


def _check(field: str, seconds: float) -> None:
    """Raise InvalidInput for a sound outside the limits."""
    shortest, longest = catalog.SOUND_SECONDS
    if not shortest <= round(seconds, 1) <= longest:
        raise InvalidInput(
            field, "sound_length", given=round(seconds, 1), low=f"{shortest:g}", high=f"{longest:g}"
        )
