"""Sounds for tests, made on the spot: a steady tone."""

import io
import wave

import av
import numpy as np

SECRET = b"recorded at home"


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    """Samples of 440 Hz from -0.3 to 0.3, shaped (samples, channels)."""
    wave_ = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave_[:, None], channels, axis=1).astype(np.float32)


def wav(seconds: float = 4.0, *, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    """A plain WAV. width: bytes of a sample."""
    out = io.BytesIO()
    whole = (tone(seconds, rate, channels) * (2 ** (8 * width - 1) - 1)).astype("<i4")
    with wave.open(out, "wb") as made:
        made.setparams((channels, width, rate, 0, "NONE", ""))
        made.writeframes(
            (whole + 128 if width == 1 else whole)
            .astype("<i4")
            .view(np.uint8)
            .reshape(-1, 4)[:, :width]
            .tobytes()
        )
    return out.getvalue()


def sound(
    kind: str = "mp3",
    codec: str = "mp3",
    seconds: float = 4.0,
    *,
    rate: int = 16_000,
    layout: str = "mono",
    **options: str,
) -> bytes:
    """A sound as FFmpeg writes it, with a title that is nobody's business. kind: a muxer. options:
    of the muxer.
    """
    out = io.BytesIO()
    with av.open(out, "w", format=kind, options=options) as made:
        made.metadata["title"] = SECRET.decode()
        track = made.add_stream(codec, rate=rate, layout=layout)
        track.bit_rate = 64_000
        whole = np.ascontiguousarray(tone(seconds, rate, track.channels).T)
        frame = av.AudioFrame.from_ndarray(whole, format="fltp", layout=layout)
        frame.sample_rate = rate
        plain = av.AudioResampler(
            track.format.name, layout, rate, track.codec_context.frame_size or None
        )
        for one in [*plain.resample(frame), *plain.resample(None)]:
            made.mux(track.encode(one))
        made.mux(track.encode(None))
    return out.getvalue()
