"""What is known of a video, in words."""

from decimal import Decimal

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.messages import Language
from wan.web.text import as_it_is, text


def measured(language: Language, job: Job) -> list[Markup]:
    """What was measured in the file of a job's video: 1280×720, 24 fps, 5.0 s."""
    facts: list[Markup] = []
    if job.width and job.height:
        facts.append(as_it_is(f"{job.width}×{job.height}"))
    if job.fps:
        facts.append(
            text(language, "fact_fps", fps=f"{Decimal(str(round(job.fps, 2))).normalize():f}")
        )
    if job.duration:
        facts.append(text(language, "fact_seconds", seconds=f"{job.duration:.1f}"))
    return facts


def rate(job: Job) -> str:
    """How many pictures a second a job's video has, for the script."""
    return f"{job.fps or 30:.9g}"
