"""What came of a request, as the normalised calls give it."""

from pydantic import BaseModel, ConfigDict

from wan.domain.errors import WanError
from wan.domain.messages import sentence


class VideoResult(BaseModel):
    """What came of a request: measured in the file, never echoed from what was asked."""

    model_config = ConfigDict(frozen=True)

    video_url: str | None
    """Of the video in our storage; None when there is none."""
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
    """What had to be done differently from what was asked, a sentence each."""
    billed_seconds: float | None
    """Seconds of video that this run is billed for, 0 where it cost nothing; None where prices are
    not known, and the service says nothing.
    """
    price: str | None
    """What that costs at the service, and would cost if it is simulated; while it is made, what it
    will come to. None where prices are not known.
    """
    made_before: bool
    """True when the same request had succeeded before, and its video was given back without a new
    run.
    """
    simulated: bool
    """True when the simulator made it: then nothing was charged."""
    spent: str
    """Whether it cost money: "no", "yes", or "maybe" where nobody can know."""
    error: str | None
    """How it ended when it did not end well."""
    evidence: str | None = None
    """The folder of its record on this machine."""


class RunFailed(WanError):
    """A run of `wan.video` that ended without a video: refused, failed, cancelled, or lost at the
    service. `result` is the job as far as it went.
    """

    def __init__(self, result: VideoResult) -> None:
        self.result = result
        super().__init__(sentence("run_failed", message=result.error or result.state))
