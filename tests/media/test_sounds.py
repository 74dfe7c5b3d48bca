"""What is done to sounds that are taken, and the plain refusals; tests/attacks has what is sent in
bad faith.
"""

import io
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest

from tests.pictures import clip, picture
from tests.sounds import SECRET, sound, tone, wav
from wan.domain.errors import InvalidInput
from wan.media import file_type, inputs

FIELD = "reference_audio"
MP3 = sound()


def taken(source: bytes | Path) -> tuple[inputs.SoundInput, bytes]:
    """What a sound is, and the copy that goes up."""
    with tempfile.TemporaryFile() as target:
        found = inputs.prepare_sound(FIELD, source, target)
        target.seek(0)
        return found, target.read()


def heard(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data)) as container:
        plain = av.AudioResampler("flt", "mono", 16_000)
        pieces = [
            one.to_ndarray().ravel()
            for frame in container.decode(audio=0)
            for one in plain.resample(frame)
        ]
    return np.concatenate(pieces)


def test_a_plain_wav_is_the_same_without_what_stands_around_it():
    plain = wav()
    tagged = sound("wav", "pcm_s16le")
    assert SECRET in tagged
    for data in (plain, tagged, plain + b"id3 \x14\0\0\0ID3\4\0\0\0\0\0\x0a" + bytes(10)):
        found, copy = taken(data)
        assert (found.kind, found.seconds, found.bytes, found.adjustments) == (
            "wav",
            4.0,
            len(data),
            [],
        )
        assert found.sha256 == inputs.digest(data)
        assert copy[:4] + copy[8:16] + copy[36:40] == b"RIFFWAVEfmt data"  # and no other chunk
        assert np.abs(heard(copy) - tone(4, 16_000).ravel()).max() < 0.001
    assert taken(plain)[1] == plain


@pytest.mark.parametrize(
    "data",
    [
        wav(width=1),
        wav(width=3),
        wav(channels=6),
        wav(3, rate=96_000),
        sound("wav", "pcm_mulaw"),
        sound("wav", "adpcm_ms"),
        sound("wav", "pcm_f32le"),
    ],
    ids=["8 bits", "24 bits", "six channels", "96 kHz", "mu-law", "ADPCM", "numbers"],
)
def test_a_wav_of_another_make_becomes_a_plain_one_and_that_is_said(data):
    found, copy = taken(data)
    assert [one.key for one in found.adjustments] == ["sound_converted"]
    with av.open(io.BytesIO(copy)) as container:
        track = container.streams.audio[0]
        assert (track.codec_context.name, track.rate <= 48_000, track.channels <= 2) == (
            "pcm_s16le",
            True,
            True,
        )
    again, same = taken(copy)
    assert (again.adjustments, same) == ([], copy)
    assert 0.25 < np.abs(heard(copy)).max() < 0.5


@pytest.mark.parametrize(
    "data",
    [MP3, sound(write_xing="0", id3v2_version="0"), sound(rate=44_100, layout="stereo")],
    ids=["tags", "bare", "stereo"],
)
def test_an_mp3_keeps_its_frames_and_loses_its_tags(data):
    found, copy = taken(data)
    assert (found.kind, found.adjustments, found.bytes) == ("mp3", [], len(data))
    assert found.seconds == pytest.approx(4, abs=0.11)
    assert SECRET not in copy
    assert copy[0] == 0xFF
    assert len(heard(copy)) == pytest.approx(len(heard(data)), abs=2000)
    assert data[-1000:] == copy[-1000:]


def test_an_mp3_with_a_broken_frame_is_heard_without_it():
    broken = bytearray(MP3)
    broken[3000:3400] = bytes(400)
    found, copy = taken(bytes(broken))
    assert 3.5 < found.seconds < 4
    assert len(heard(copy)) / 16_000 == pytest.approx(found.seconds, abs=0.2)


def test_a_wav_that_was_written_as_it_came_is_as_long_as_it_is():
    for size in (b"\xff\xff\xff\xff", b"\xf0\xff\xff\x7f", bytes(4)):
        plain = bytearray(wav())
        plain[40:44] = size
        found, copy = taken(bytes(plain))
        assert (found.seconds, copy) == (4.0, wav())


@pytest.mark.parametrize(
    ("seconds", "allowed"), [(2.9, False), (3, True), (30, True), (30.2, False), (200, False)]
)
@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_length(seconds, allowed, kind):
    data = wav(seconds, rate=8_000) if kind == "wav" else sound(seconds=seconds, rate=8_000)
    if allowed:
        assert taken(data)[0].seconds == pytest.approx(seconds, abs=0.1)
        return
    with pytest.raises(
        InvalidInput,
        match=rf"^{FIELD}: {seconds:.1f} s is outside the limits\. Use audio of 3 to 30 s\.$",
    ):
        taken(data)


def test_size():
    with pytest.raises(InvalidInput, match=rf"^{FIELD}: 15\.1 MB is too large. The limit is 15 MB"):
        taken(wav() + bytes(15_000_000))


REFUSED = {
    "AAC": (
        sound("adts", "aac"),
        "AAC audio isn't supported. Save it as WAV or MP3",
    ),
    "M4A": (
        sound("ipod", "aac"),
        "M4A audio isn't supported. Save it as WAV or MP3",
    ),
    "FLAC": (sound("flac", "flac"), "FLAC audio isn't supported"),
    "Ogg": (sound("ogg", "libopus", rate=48_000), "Ogg audio isn't supported"),
    "AIFF": (sound("aiff", "pcm_s16be"), "AIFF audio isn't supported"),
    "WMA": (sound("asf", "wmav2", rate=44_100), "WMA audio isn't supported"),
    "AMR": (b"#!AMR\n" + bytes(1000), "AMR audio isn't supported"),
    "RF64": (b"RF64" + wav()[4:], "WAV (RF64) audio isn't supported"),
    "picture": (picture(), "this is an image (PNG). Add audio instead"),
    "PDF": (b"%PDF-1.4\n", "this file isn't audio (PDF)"),
    "text": (
        b"She sings.\n" * 100,
        "this file can't be opened as audio. Use WAV or MP3",
    ),
    "UTF-16": ("她唱歌".encode("utf-16") * 100, "can't be opened as audio"),
    "ones": (b"\xff" * 5000, "can't be opened as audio"),
    "one frame": (b"\xff\xfb\x90\x00" + bytes(5000), "can't be opened as audio"),
    "nothing": (b"", "this file is empty"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_wav_or_mp3_is_called_by_its_name(name):
    data, said = REFUSED[name]
    with pytest.raises(InvalidInput) as refusal:
        taken(data)
    assert str(refusal.value).startswith(f"{FIELD}: ")
    assert said in str(refusal.value)


def test_a_video_is_no_sound(tmp_path):
    with pytest.raises(
        InvalidInput,
        match=r"MP4 files can't be used as audio\. Save the audio as WAV or MP3",
    ):
        taken(clip(tmp_path / "clip.mp4", seconds=0.5, sound=True))


@pytest.mark.parametrize(
    ("data", "name"),
    [(wav(), "WAV"), (MP3, "MP3"), (sound(id3v2_version="0"), "MP3")],
    ids=["WAV", "MP3", "MP3 without tags"],
)
def test_a_sound_is_no_picture_and_no_reference(data, name):
    for required, said in (
        (
            lambda file: file_type.require("x", file, "image"),
            rf"this file isn't an image \({name}\)",
        ),
        (
            lambda file: file_type.require("x", file, "video"),
            rf"this file isn't a video \({name}\)",
        ),
        (
            lambda file: file_type.require_reference("x", file),
            rf"this file is neither an image nor a video \({name}\)",
        ),
    ):
        with pytest.raises(InvalidInput, match=said):
            required(io.BytesIO(data))
