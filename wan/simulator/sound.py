"""What is heard: the sound that was sent up, or a quiet pad of two chords.

Limits: Model Studio help centre, image-to-video API reference, 2026-02-10; what is said of a sound
out of them is of the error codes, May 2026.
"""

import math
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from .errors import Refusal
from .orders import SOUND_TYPES

RATE = 44_100  # samples per second, as in clips of June 2026 (orders.py)
# by which sound goes on after the last picture: those clips are 5.007 s long, of which 5 were
# ordered
OVERHANG_SECONDS = 0.007
FADE_SECONDS = (0.8, 1.2)  # in and out
LOUDNESS = 0.16  # RMS at full level; 1 is full scale
GIVEN_SECONDS = (2.95, 30.1)  # of 3 to 30; the rest is for the first and the last frame of an MP3
GIVEN_MEGABYTES = 15
PARTIALS = (1.0, 0.42, 0.16, 0.07)  # strength of each harmonic

_CHORDS = (  # semitones above the root, and the chord that follows
    ((0, 7, 12, 16), (-3, 4, 12, 16)),
    ((0, 7, 14, 16), (-7, 5, 9, 16)),
    ((0, 7, 12, 15), (-4, 3, 12, 15)),
    ((0, 7, 10, 15), (-5, 2, 10, 14)),
)
_ROOTS = (110.0, 123.47, 130.81, 146.83, 98.0)  # Hz


def pad(seconds: int, seed: int) -> NDArray[np.float32]:
    """Stereo samples of that length and what the service lets hang over, shaped (samples, 2), from
    -1 to 1; the seed picks root and chords.
    """
    chance = np.random.default_rng(seed)
    time = np.arange(round((seconds + OVERHANG_SECONDS) * RATE), dtype=np.float64) / RATE
    root, chords = chance.choice(_ROOTS), _CHORDS[chance.integers(len(_CHORDS))]
    turn = 0.5 + 0.5 * np.tanh((time - seconds / 2) / 0.5)  # from the first chord to the second
    sound = (
        _chord(time, root, chords[0], chance) * (1 - turn)[:, None]
        + _chord(time, root, chords[1], chance) * turn[:, None]
    )
    sound *= LOUDNESS / max(float(np.sqrt(np.mean(sound**2))), 1e-9)
    fade = np.minimum(1, time / FADE_SECONDS[0]) * np.clip((seconds - time) / FADE_SECONDS[1], 0, 1)
    faded: NDArray[np.float64] = sound * (fade**2 * (3 - 2 * fade))[:, None]
    return faded.clip(-0.95, 0.95).astype(np.float32)


def load_sound(path: Path, seconds: int) -> NDArray[np.float32]:
    """The sound in a WAV or MP3, as `pad` gives one: what goes beyond the video is cut off, and
    where it ends before, there is silence.

    Raises Refusal for what is neither, and out of the limits.
    """
    if path.stat().st_size > GIVEN_MEGABYTES * 2**20:
        raise Refusal("InvalidURL", f"File size is larger than {GIVEN_MEGABYTES}MB.")
    heard = _decode(path)
    if len(heard) > GIVEN_SECONDS[1] * RATE:
        raise Refusal(
            "InvalidURL", f"The input audio is longer than {math.floor(GIVEN_SECONDS[1])}s."
        )
    if len(heard) < GIVEN_SECONDS[0] * RATE:
        raise Refusal(
            "InvalidURL", f"The input audio is shorter than {math.ceil(GIVEN_SECONDS[0])}s."
        )
    whole = np.zeros((round((seconds + OVERHANG_SECONDS) * RATE), 2), np.float32)
    heard = heard[: seconds * RATE]
    whole[: len(heard)] = heard
    return whole


def _decode(path: Path) -> NDArray[np.float32]:
    """A little more of a sound than is allowed, at most."""
    plain = av.AudioResampler("flt", "stereo", RATE)
    pieces, count = [np.zeros((0, 2), np.float32)], 0
    try:
        with av.open(
            str(path), options={"format_whitelist": "wav,mp3", "protocol_whitelist": "file"}
        ) as container:
            for frame in container.decode(audio=0):
                for one in plain.resample(frame):
                    pieces.append(one.to_ndarray().astype(np.float32).reshape(-1, 2))
                    count += len(pieces[-1])
                if count > (GIVEN_SECONDS[1] + 1) * RATE:
                    break
    except (av.error.FFmpegError, IndexError) as unreadable:
        raise Refusal("InvalidURL", SOUND_TYPES) from unreadable
    return np.concatenate(pieces)


def _chord(
    time: NDArray[np.float64], root: float, steps: tuple[int, ...], chance: np.random.Generator
) -> NDArray[np.float64]:
    sides = np.zeros((len(time), 2))
    for step in steps:
        pitch = root * 2 ** (step / 12)
        swell = 0.7 + 0.3 * np.sin(
            2 * np.pi * (chance.uniform(0.08, 0.2) * time + chance.uniform())
        )
        for side in (
            0,
            1,
        ):  # the sides are a little out of tune with each other, which makes it wide
            sides[:, side] += (
                _voice(time, pitch * (1 + chance.uniform(-0.0015, 0.0015)), chance.uniform())
                * swell
            )
    return sides


def _voice(time: NDArray[np.float64], pitch: float, phase: float) -> NDArray[np.float32]:
    turns = pitch * time + phase
    # Within one turn single precision is enough, and its sine takes a fifth of the time.
    angle = (2 * np.pi * (turns - np.floor(turns))).astype(np.float32)
    voice = np.zeros(len(time), np.float32)
    for number, strength in enumerate(PARTIALS):
        voice += np.float32(strength) * np.sin(angle * np.float32(number + 1))
    return voice
