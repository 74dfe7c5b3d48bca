"""What the page says of a job's video in figures: how long, how large, how many frames a second."""

from decimal import Decimal

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.messages import Language
from wan.web.text import as_it_is, text


def as_clock(seconds: float) -> str:
    """Return seconds as people read a clock: 0:42, 1:15, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def frame_rate(job: Job) -> str:
    """Return how many frames a second a job's video has, for the script."""
    return f"{job.fps or 30:.9g}"


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
