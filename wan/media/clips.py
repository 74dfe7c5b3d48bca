"""Reference videos as PyAV sees them: checked, and copied without anything but pictures and sound.

A bad part does not condemn the whole file: the first decodable track of each kind is copied, sound
that the copy cannot carry is converted to AAC, and timestamps that repeat or go back are corrected.

`prepare_video` and `read_tag` run in the sandbox only, since their input is untrusted: they read an
open file, write to another and answer in JSON.
"""

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import islice
from typing import IO, Any, TypeVar

import av
import av.audio.resampler  # else imported by an encoder at its first frame
import av.subtitles.codeccontext
import av.subtitles.stream  # else imported at such a track, when the sandbox opens no file
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from wan.domain import catalog
from wan.domain.errors import InvalidInput
from wan.domain.messages import Message
from wan.media import file_type
from wan.media.probe import OPTIONS, SLACK, Clip, decode_packet, probe

_TRACKS = 32  # a phone writes about eight
_UNTRUSTED_OPTIONS = OPTIONS | {
    "protocol_whitelist": "none",  # nothing that the file names is opened,
    "enable_drefs": "0",  # nor a file that is said to hold its frames
    "use_absolute_path": "0",
    "max_streams": str(_TRACKS),
}
_CODECS = {
    "h264": "H.264",
    "hevc": "H.265",
    "mpeg4": "MPEG-4",
    "vp9": "VP9",
    "av1": "AV1",
    "prores": "ProRes",
}
_FORMATS = ("mp4", "mov")  # of copies: MP4 carries no ProRes; MOV no VP9, AV1, Opus or FLAC
_JUMP = 0.5  # seconds; where timestamps go back by more, what follows is shifted to the end
_TRIAL_PACKETS = (
    100  # packets of a track in which one frame at least must be, if it can be decoded at all
)
_SOUND_RATE = 48_000  # samples per second of re-encoded sound
_RATE_SLACK = 1.05  # by which a mean rate may exceed a camera's nominal one; clocks differ

Track = TypeVar("Track", VideoStream, AudioStream)


def prepare_video(given: IO[bytes], made: IO[bytes], *, field: str) -> dict[str, Any]:
    """Copy the pictures and sound of a reference video and drop all else: place, device, other
    tracks.

    Pictures are not re-encoded. Returns the format, "mp4" or "mov", the `Clip` that was measured in
    the copy, and the adjustments. Raises InvalidInput for what is no complete MP4 or MOV, or is
    outside the limits.
    """
    kind = file_type.require(field, given, "video")
    with file_type.blame_file(field, kind):
        carrier, adjustments = _copy(field, given, made, kind.decoder)
        _require_size(field, made.seek(0, os.SEEK_END))
        made.seek(0)
        clip = probe(made)
    _check(field, clip)
    return {
        "kind": carrier,
        "clip": asdict(clip),
        "adjustments": [one.model_dump() for one in (*adjustments, *_warnings(clip))],
    }


def read_tag(given: IO[bytes], made: IO[bytes], *, field: str, name: str) -> dict[str, Any]:
    """Write out a tag of a video, if it has it. Raises InvalidInput for what is no video."""
    kind = file_type.require(field, given, "video")
    with (
        file_type.blame_file(field, kind),
        av.open(
            given, "r", format="mov", options=_UNTRUSTED_OPTIONS, metadata_errors="replace"
        ) as whole,
    ):
        if not whole.streams.video:
            raise ValueError("no video track")
        made.write(whole.metadata.get(name, "").encode())
    return {}


def _copy(field: str, given: IO[bytes], made: IO[bytes], kind: str) -> tuple[str, list[Message]]:
    """Write the clean copy. Return its format and the adjustments.

    Raises InvalidInput, FFmpegError or ValueError.
    """
    with _open(given) as whole:
        picture, adjustments = _choose_picture(field, given, whole)
        sound, sound_adjustments = _choose_sound(given, whole)
        clock = _Timestamps()
        kind = next((one for one in (kind, *_FORMATS) if _can_carry(one, picture)), kind)
        convert = sound is not None and not _can_carry(kind, sound)
        with av.open(made, "w", format=kind, options={"fflags": "+bitexact"}) as clean:
            end = copy_tracks(
                whole, [picture, sound] if sound else [picture], clean, clock, convert=convert
            )
        if (
            picture.duration is not None
            and end < (picture.duration * (picture.time_base or 0)) - SLACK
        ):
            raise InvalidInput(field, "video_truncated")
    done = [("clip_sound_converted", convert), ("clip_timed", clock.changed)]
    return kind, [
        *adjustments,
        *sound_adjustments,
        *(Message.of(key) for key, is_so in done if is_so),
    ]


@contextmanager
def _open(given: IO[bytes]) -> Iterator[InputContainer]:
    """Open an untrusted clip. Text in it that cannot be decoded is ignored, as it is dropped
    anyway.
    """
    given.seek(0)
    with av.open(
        given, "r", format="mov", options=_UNTRUSTED_OPTIONS, metadata_errors="replace"
    ) as whole:
        yield whole


def _can_carry(kind: str, track: Stream) -> bool:
    """Return whether a file of this format can carry a track as it is.

    The muxer lists more codecs than it can write, so it is asked to write this one.
    """
    try:
        with av.open(io.BytesIO(), "w", format=kind) as trial:
            trial.add_stream_from_template(track, opaque=True)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


def _choose_picture(
    field: str, given: IO[bytes], whole: InputContainer
) -> tuple[VideoStream, list[Message]]:
    """Return the track that moves, not a cover, and what to say about the choice.

    Raises InvalidInput where there is none, or none in an allowed codec; ValueError where none can
    be decoded.
    """
    tracks = [one for one in whole.streams.video if not one.disposition & Disposition.attached_pic]
    if not tracks:
        raise InvalidInput(field, "video_without_pictures")
    allowed = [
        one
        for one in tracks
        if one.codec_context is not None and one.codec_context.codec.canonical_name in _CODECS
    ]
    if not allowed:
        raise _codec_refusal(field, tracks)
    # Whether a single track can be decoded, its copy will show.
    track = allowed[0] if len(allowed) == 1 else _first_decodable(given, allowed)
    if track is None:
        raise ValueError("its pictures cannot be decoded")
    return track, [] if track is _order_by_preference(tracks)[0] else [
        Message.of("clip_picture_other")
    ]


def _codec_refusal(field: str, tracks: Sequence[VideoStream]) -> InvalidInput:
    """Return the refusal of tracks that are in no allowed codec."""
    codecs = [one.codec_context.codec for one in tracks if one.codec_context is not None]
    allowed = ", ".join(_CODECS.values())
    if not codecs:
        return InvalidInput(field, "video_codec_unknown", allowed=allowed)
    return InvalidInput(field, "video_codec", given=_spell(codecs[0]), allowed=allowed)


def _spell(codec: Codec) -> str:
    """Return the name of a codec as people know it: "MPEG-2", not FFmpeg's "mpeg2video"."""
    return re.split(r" [/(]", codec.long_name)[0].removesuffix(" video")


def _choose_sound(
    given: IO[bytes], whole: InputContainer
) -> tuple[AudioStream | None, list[Message]]:
    """Return the track that is heard, or None, and what to say about the choice."""
    tracks = list(whole.streams.audio)
    track = _first_decodable(given, tracks)
    if not tracks or track is _order_by_preference(tracks)[0]:
        return track, []
    return track, [Message.of("clip_sound_dropped" if track is None else "clip_sound_other")]


def _order_by_preference(tracks: Sequence[Track]) -> list[Track]:
    """Return tracks in their order, enabled ones first: players show no others."""
    return sorted(tracks, key=lambda one: not one.disposition & Disposition.default)


def _first_decodable(given: IO[bytes], tracks: Sequence[Track]) -> Track | None:
    """Return the first track that can be decoded, None where there is none."""
    return next(
        (
            one
            for one in _order_by_preference(tracks)
            if one.codec_context is not None and _can_decode(given, one.index)
        ),
        None,
    )


def _can_decode(given: IO[bytes], number: int) -> bool:
    """Return whether any frame of a track can be decoded."""
    with _open(given) as whole:
        track = whole.streams[number]
        track.codec_context.thread_count = 1
        return any(decode_packet(packet) for packet in islice(whole.demux(track), _TRIAL_PACKETS))


@dataclass
class _Timestamps:
    """Timestamps of packets, put in order by track: some recorders repeat or restart them."""

    changed: bool = False
    _last: dict[int, int] = field(default_factory=dict)
    """When the last packet of each track is decoded."""
    _shift: dict[int, int] = field(default_factory=dict)

    def set(self, packet: "Packet[Any]", track: Stream) -> None:
        """Move a packet behind the one before it, in the time base of its new track."""
        number, base = track.index, track.time_base or Fraction(1)
        step, shift = packet.time_base / base, self._shift.get(number, 0)
        pts, dts, length = (
            round((value or 0) * step) for value in (packet.pts, packet.dts, packet.duration)
        )
        late = self._last.get(number, dts + shift - 1) + 1 - (dts + shift)
        if late > 0:
            self.changed = True
            if late * base > _JUMP:
                self._shift[number] = shift = shift + late + length
                late = 0
        packet.dts = dts + shift + max(late, 0)
        packet.pts = max(pts + shift, packet.dts)
        packet.duration, packet.time_base = length, base
        self._last[number] = packet.dts


def copy_tracks(
    whole: InputContainer,
    tracks: list[Stream],
    clean: OutputContainer,
    clock: _Timestamps | None = None,
    *,
    convert: bool = False,
) -> float:
    """Copy tracks packet by packet. Return where the first of them ends, in seconds.

    convert: whether the second, of sound, becomes AAC. Frames that an edit cut away are still in
    the file, marked: at the end they are left out; elsewhere they stay, marked, because other
    frames build on them.
    """
    clock = clock or _Timestamps()
    kept = tracks[:1] if convert else tracks
    made = {track.index: clean.add_stream_from_template(track, opaque=True) for track in kept}
    encoder = _add_aac_track(clean, tracks[1]) if convert else None
    clean.start_encoding()
    held: dict[int, list[Packet[Stream]]] = {track.index: [] for track in tracks}
    end = Fraction(0)
    for packet in whole.demux(tracks):
        number = packet.stream_index
        if encoder is not None and number not in made:
            for frame in decode_packet(packet):
                clean.mux(encoder.encode(frame))
        elif packet.dts is not None and packet.pts is not None:
            held[number].append(packet)
            if not packet.is_discard:
                last = _write_packets(held[number], made[number], clean, clock)
                end = max(end, last) if number == tracks[0].index else end
                held[number].clear()
    if encoder is not None:
        clean.mux(encoder.encode(None))
    return float(end)


def _write_packets(
    packets: "list[Packet[Stream]]", track: Stream, clean: OutputContainer, clock: _Timestamps
) -> Fraction:
    """Write packets to a track. Return where the last of them ends, in seconds."""
    end = Fraction(0)
    for packet in packets:
        clock.set(packet, track)
        end = max(end, ((packet.pts or 0) + (packet.duration or 0)) * packet.time_base)
        packet.stream = track
        clean.mux(packet)
    return end


def _add_aac_track(clean: OutputContainer, like: Stream) -> AudioStream:
    """Add a track of sound to encode."""
    mono = isinstance(like, AudioStream) and like.codec_context.layout.nb_channels == 1
    return clean.add_stream("aac", rate=_SOUND_RATE, layout="mono" if mono else "stereo")


def _require_size(field: str, size: int) -> None:
    """Raise InvalidInput for a copy that is too large: a few bytes may stand for many frames."""
    if size > catalog.VIDEO_MEGABYTES * 1_000_000:
        raise InvalidInput(
            field, "file_large", given=round(size / 1_000_000, 1), high=catalog.VIDEO_MEGABYTES
        )


def _check(field: str, clip: Clip) -> None:
    """Raise InvalidInput for a clip outside the limits."""
    low, high = catalog.VIDEO_SIDES
    if not all(low <= side <= high for side in (clip.width, clip.height)):
        raise InvalidInput(field, "image_sides", given=clip.size, low=low, high=high)
    if clip.fps > catalog.VIDEO_FPS * _RATE_SLACK:
        raise InvalidInput(field, "video_rate", given=clip.fps, high=catalog.VIDEO_FPS)
    shortest, longest = catalog.VIDEO_SECONDS
    if not shortest <= round(clip.seconds, 1) <= longest:
        raise InvalidInput(
            field, "video_length", given=round(clip.seconds, 1), low=shortest, high=longest
        )


def _warnings(clip: Clip) -> list[Message]:
    """Return what is allowed here but may be refused by the service."""
    slow = clip.fps < catalog.VIDEO_FPS_SURE
    return (
        [Message.of("video_slow", given=f"{clip.fps:g}", low=catalog.VIDEO_FPS_SURE)]
        if slow
        else []
    )
