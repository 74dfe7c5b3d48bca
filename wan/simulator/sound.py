"""A quiet pad of two chords, for videos that come with sound."""

import numpy as np
from numpy.typing import NDArray

RATE = 44_100  # samples per second, as in clips of June 2026 (orders.py)
OVERHANG_SECONDS = 0.007  # by which sound goes on after the last picture: those clips are 5.007 s long, of which 5 were ordered
FADE_SECONDS = (0.8, 1.2)  # in and out
LOUDNESS = 0.16  # RMS at full level; 1 is full scale
PARTIALS = (1.0, 0.42, 0.16, 0.07)  # strength of each harmonic

_CHORDS = (  # semitones above the root, and the chord that follows
    ((0, 7, 12, 16), (-3, 4, 12, 16)),
    ((0, 7, 14, 16), (-7, 5, 9, 16)),
    ((0, 7, 12, 15), (-4, 3, 12, 15)),
    ((0, 7, 10, 15), (-5, 2, 10, 14)),
)
_ROOTS = (110.0, 123.47, 130.81, 146.83, 98.0)  # Hz


def pad(seconds: int, seed: int) -> NDArray[np.float32]:
    """Stereo samples of that length and what the service lets hang over, shaped (samples, 2), from -1 to 1; the seed picks root and chords."""
    chance = np.random.default_rng(seed)
    time = np.arange(round((seconds + OVERHANG_SECONDS) * RATE), dtype=np.float64) / RATE
    root, chords = chance.choice(_ROOTS), _CHORDS[chance.integers(len(_CHORDS))]
    turn = 0.5 + 0.5 * np.tanh((time - seconds / 2) / 0.5)  # from the first chord to the second
    sound = _chord(time, root, chords[0], chance) * (1 - turn)[:, None] + _chord(time, root, chords[1], chance) * turn[:, None]
    sound *= LOUDNESS / max(float(np.sqrt(np.mean(sound**2))), 1e-9)
    fade = np.minimum(1, time / FADE_SECONDS[0]) * np.clip((seconds - time) / FADE_SECONDS[1], 0, 1)
    faded: NDArray[np.float64] = sound * (fade**2 * (3 - 2 * fade))[:, None]
    return faded.clip(-0.95, 0.95).astype(np.float32)


def _chord(time: NDArray[np.float64], root: float, steps: tuple[int, ...], chance: np.random.Generator) -> NDArray[np.float64]:
    sides = np.zeros((len(time), 2))
    for step in steps:
        pitch = root * 2 ** (step / 12)
        swell = 0.7 + 0.3 * np.sin(2 * np.pi * (chance.uniform(0.08, 0.2) * time + chance.uniform()))
        for side in (0, 1):  # the sides are a little out of tune with each other, which makes it wide
            sides[:, side] += _voice(time, pitch * (1 + chance.uniform(-0.0015, 0.0015)), chance.uniform()) * swell
    return sides


def _voice(time: NDArray[np.float64], pitch: float, phase: float) -> NDArray[np.float64]:
    angle = 2 * np.pi * (pitch * time + phase)
    voice: NDArray[np.float64] = sum((strength * np.sin(angle * (number + 1)) for number, strength in enumerate(PARTIALS)), np.zeros(len(time)))
    return voice
