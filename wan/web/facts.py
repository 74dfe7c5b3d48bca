"""What the page says of a job's video in figures: how long, how large, how many frames a second."""

import re
from decimal import Decimal

from markupsafe import Markup

from wan.domain.catalog import parse_size
from wan.domain.jobs import Job
from wan.domain.messages import Language, Message
from wan.web.text import as_it_is, text

_UNSEEN = frozenset(
    {
        "image_scaled",
        "image_upright",
        "heif_converted",
        "avif_converted",
        "sound_converted",
        "clip_sound_converted",
        "clip_timed",
    }
)
"""Adjustments of the form of a file, which nobody sees or hears in the video."""
_SIZE = re.compile(r"\d+\*\d+")


def as_clock(seconds: float) -> str:
    """Return seconds as people read a clock: 0:42, 1:15, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def frame_rate(job: Job) -> str:
    """Return how many frames a second a job's video has, for the script."""
    return f"{job.fps or 30:.9g}"


def differences(job: Job) -> list[Message]:
    """Return the adjustments of a job that make its video another one than was asked for."""
    as_asked = str(job.request.get("size")) == f"{job.width}*{job.height}"
    unseen = _UNSEEN | ({"size_as_tier"} if as_asked else set())
    return [_with_signs(one) for one in job.adjustments if one.key not in unseen]


def _with_signs(adjustment: Message) -> Message:
    """Return an adjustment of an earlier version with × for the * of its sizes."""
    values = {
        name: value.replace("*", "×")
        if isinstance(value, str) and _SIZE.fullmatch(value)
        else value
        for name, value in adjustment.values.items()
    }
    return Message(key=adjustment.key, values=values)


def shape(job: Job) -> tuple[int, int]:
    """Return width and height of a job's video, or of what has the same shape: as measured, as
    asked for, or as in the image that it is made from.
    """
    asked = str(job.request.get("size", ""))
    if job.width and job.height:
        return job.width, job.height
    if "*" in asked:
        return parse_size(asked)
    sides = [(one.width, one.height) for one in job.references if one.width and one.height]
    return sides[0] if sides else (16, 9)


def measurements(language: Language, job: Job) -> list[Markup]:
    """Return what was measured in the file of a job's video: 1280×720, 24 fps, 5.0 s."""
    facts: list[Markup] = []
    if job.width and job.height:
        facts.append(as_it_is(f"{job.width}×{job.height}"))
    if job.fps:
        fps = f"{Decimal(str(round(job.fps, 2))).normalize():f}"
        facts.append(text(language, "fact_fps", fps=fps))
    if job.duration:
        facts.append(text(language, "fact_seconds", seconds=f"{job.duration:.1f}"))
    return facts
