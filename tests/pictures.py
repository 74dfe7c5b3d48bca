"""Pictures and clips for tests, made on the spot."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def picture(size=(640, 480), *, mode="RGB", kind="PNG", color="teal", **options) -> bytes:
    """A picture as the bytes of a file."""
    out = io.BytesIO()
    Image.new(mode, size, color).save(out, kind, **options)
    return out.getvalue()


def clip(path: Path, *, seconds=2.0, size=(320, 240), fps=30, sound=False) -> Path:
    """A real MP4 (or MOV, by its name) with H.264, and AAC if there shall be sound."""
    with av.open(str(path), "w", format="mov" if path.suffix == ".mov" else "mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps), options={"preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        track = container.add_stream("aac", rate=48000) if sound else None
        for number in range(round(seconds * fps)):
            shade = np.full((size[1], size[0], 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        container.mux(stream.encode(None))
        if track is not None:
            tone = np.zeros((2, round(seconds * 48000)), np.float32)
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="stereo")
            frame.sample_rate = 48000
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path
