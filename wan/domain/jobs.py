"""A job: one paid run from the click to the kept video; its states, and
the only ways between them.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from wan.domain.catalog import Price
from wan.domain.messages import Sentence


class JobState(StrEnum):
    """Where a job stands. QUEUED to FETCHING and UNCERTAIN are live; the last four are ends."""

    QUEUED = "QUEUED"
    UPLOADING = "UPLOADING"
    SUBMITTING = "SUBMITTING"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FETCHING = "FETCHING"
    UNCERTAIN = "UNCERTAIN"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


_S = JobState
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    _S.QUEUED: frozenset({_S.UPLOADING, _S.CANCELLED, _S.FAILED}),
    _S.UPLOADING: frozenset({_S.SUBMITTING, _S.CANCELLED, _S.FAILED, _S.QUEUED}),
    _S.SUBMITTING: frozenset({_S.PENDING, _S.QUEUED, _S.FAILED, _S.UNCERTAIN}),
    _S.PENDING: frozenset({_S.RUNNING, _S.FETCHING, _S.FAILED, _S.CANCELLED, _S.EXPIRED}),
    _S.RUNNING: frozenset({_S.FETCHING, _S.FAILED, _S.CANCELLED, _S.EXPIRED}),
    _S.FETCHING: frozenset({_S.SUCCEEDED, _S.EXPIRED, _S.FAILED}),
    _S.UNCERTAIN: frozenset({_S.PENDING, _S.FAILED, _S.EXPIRED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}
LIVE = frozenset(state for state, ways in TRANSITIONS.items() if ways)
UNSENT = frozenset({_S.QUEUED, _S.UPLOADING})
"""The states in which nothing has been asked of the service that costs; going on with such a job
spends money.
"""
GROUPS = {
    "live": LIVE,
    "done": frozenset({_S.SUCCEEDED}),
    "failed": frozenset({_S.FAILED, _S.EXPIRED}),
    "cancelled": frozenset({_S.CANCELLED}),
}
"""The states as a library is asked for them."""
CANCEL_IS_FREE = UNSENT | {_S.PENDING}  # the service cancels what is PENDING (S6, 2026-03-15)


class Spent(StrEnum):
    """Whether a job cost money, as far as anybody can know."""

    NO = "no"
    YES = "yes"
    MAYBE = "maybe"


@dataclass(frozen=True)
class Reference:
    """A picture, clip or sound that a job is made from, as its row keeps it: a key in our storage,
    or a URL that the service fetches itself.
    """

    kind: str
    """"image", "video" or "audio"."""
    url: str = ""
    """http(s) URL, where one was given instead of a file; then everything below is empty."""
    sha256: str = ""
    """Of the bytes as they were given."""
    key: str = ""
    """Where the checked file is kept in our storage."""
    sent_key: str = ""
    """Where the file that goes up is kept: the picture cropped or padded to the size; the same as
    `key` where nothing had to be done.
    """
    bytes: int = 0
    """Size of the file as it was given."""
    width: int = 0
    height: int = 0
    seconds: float | None = None
    """Length of a clip or a sound; None for a picture and for a URL."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row of the table of jobs. Times are seconds since 1970 by the clock of whoever wrote
    them; None means not yet.
    """

    id: str
    owner: str
    account: str
    backend: str
    base_url: str
    region: str
    workspace: str
    model: str = ""
    state: JobState = JobState.QUEUED
    due_at: float | None
    """When somebody looks at it next. A claim moves it on, so that it is a lease and a fencing
    token too. None at an end.
    """
    version: int = 0
    """Counts the changes that a viewer wants to see."""

    request: dict[str, Any] = field(default_factory=dict)
    """The request as it was asked, without the references."""
    references: list[Reference] = field(default_factory=list)
    payload: dict[str, Any] = field(default_factory=dict)
    """The wire JSON, with a slot where the URL of an uploaded reference goes."""
    cache_key: str = ""
    nonce: str = ""
    """Set for a take that was forced."""
    brief_id: str
    """Shared by the takes of one brief."""
    retried_from: str = ""
    cancel_wanted: bool = False
    attempts: int = 0
    """Consecutive transient troubles."""

    task_id: str | None = None
    foreign_tasks: list[str] = field(default_factory=list)
    """While UNCERTAIN: tasks of the account that turned out not to be ours."""
    absent_at: float | None = None
    """While UNCERTAIN: when a complete listing first showed no task that could be ours."""
    request_id: str = ""
    code: str = ""
    """The service's error code, where it gave one."""
    said: Sentence | None = None
    """How it ended when it did not end well, or what is the matter at the moment."""
    spent: Spent = Spent.NO
    adjustments: list[Sentence] = field(default_factory=list)

    address: str | None = None
    """A keyed hash of where it was asked for; None for this machine, and for what an earlier
    version wrote.
    """
    created_at: float
    started_at: float | None = None
    """Left our line: UPLOADING."""
    submitting_at: float | None = None
    submitted_at: float | None = None
    """The task id became known: PENDING."""
    running_at: float | None = None
    fetching_at: float | None = None
    ended_at: float | None = None
    state_at: float
    """The present state began."""

    media_token: str
    """Unguessable; opens this job's files and no others."""
    video_key: str = ""
    """The video to show: conformed where that was needed."""
    original_key: str = ""
    """The video as the service made it."""
    poster_key: str = ""
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    duration: float | None = None
    """Seconds, measured in the file; so are width and height (px) and fps."""
    has_audio: bool | None = None
    seed: int = 0
    billed_seconds: float | None = None
    amount: Decimal | None = None
    """What it costs: the estimate until it is made, then what the billed seconds come to. None
    where prices are not known.
    """
    currency: str = ""
    reserved: Decimal | None = None
    """What the day's budget keeps for this job: its price, or the upper bound of it. None where no
    budget counts it.
    """
    budget_day: str = ""
    """The UTC day whose budget holds the reservation; "" where none was made."""

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.state in LIVE

    @property
    def billed(self) -> tuple[float | None, Price | None]:
        """The seconds that are billed and what they cost, as far as that is known: nothing for what
        has ended at no cost and without a video.
        """
        if self.live or self.state is JobState.SUCCEEDED or self.spent is not Spent.NO:
            return self.billed_seconds, self.price
        return 0.0, self.price and Price(Decimal(0), self.currency, 0.0, exact=True)

    @property
    def sent_prompt(self) -> str:
        """The prompt as it is sent, by which the service's tasks are told apart; "" where there is
        none.
        """
        return str(self.payload["input"].get("prompt", "")).strip()

    @property
    def simulated(self) -> bool:
        """Whether the simulator makes it, so that nothing is charged."""
        return self.backend == "simulator"

    @property
    def price(self) -> Price | None:
        """What it costs at the service, or would cost there if it is simulated."""
        if self.amount is None:
            return None
        return Price(self.amount, self.currency, self.billed_seconds or 0.0, exact=not self.live)


@dataclass(frozen=True)
class Shelf:
    """One page of an owner's library."""

    jobs: list[Job]
    """Newest first."""
    total: int
    """How many jobs match what was asked for, on all pages."""
    of_owner: int
    """How many jobs the owner has."""
    live: int
    """How many of those have not ended."""


@dataclass(frozen=True)
class JobEvent:
    """What a viewer of a job is told when something has changed."""

    job: Job
    sentence: Sentence
    """What is happening, or how it ended, to be read by people."""
    elapsed: float
    """Seconds since the present state began."""
    expected: float
    """Seconds that RUNNING usually takes with this model and duration on this backend."""
    place: int | None = None
    """Place in our own line from 1, while QUEUED."""
