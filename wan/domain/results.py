"""The outcome of a request, as the normalised calls return it."""

from pydantic import BaseModel, ConfigDict

from wan.domain.errors import WanError
from wan.domain.messages import Message


class VideoResult(BaseModel):
    """The outcome of a request: measured in the file, never echoed from the request."""

    model_config = ConfigDict(frozen=True)

    video_url: str | None
    """URL of the video in our storage; None when there is none."""
    task_id: str | None
    request_id: str
    job_id: str
    state: str
    model: str
    width: int | None
    height: int | None
    """px"""
    fps: float | None
    duration: float | None
    """Seconds."""
    seed: int
    adjustments: list[str]
    """What had to be done differently from the request, a sentence each."""
    billed_seconds: float | None
    """Billed seconds of video, 0 for a free run; None where neither we nor the service know."""
    price: str | None
    """What that costs, or would cost if simulated; an estimate until it ends. None if unknown."""
    made_before: bool
    """True when the same request had succeeded before and its video was returned."""
    simulated: bool
    """True when the simulator made it, free of charge."""
    spent: str
    """Whether it cost money: "no", "yes", or "maybe" where nobody can know."""
    error: str | None
    """How it ended, unless it succeeded."""
    evidence: str | None = None
    """The folder of its record on this machine; a copy where records are kept in a bucket."""


class RunFailed(WanError):
    """A run that ended without a video: refused, failed, cancelled, or lost at the service.

    `result` is the job as far as it went.
    """

    def __init__(self, result: VideoResult) -> None:
        self.result = result
        super().__init__(Message.of("run_failed", message=result.error or result.state))
