"""A job, one paid run from the click to the stored video: its states and their transitions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from string import ascii_uppercase, digits
from typing import Any

from wan.domain import ids
from wan.domain.catalog import FILM, Price
from wan.domain.messages import Message


class JobState(StrEnum):
    """The state of a job. QUEUED to FETCHING and UNCERTAIN are live; the last four are ends."""

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
"""States in which nothing that costs has been asked of the service; going on spends money."""
GROUPS = {
    "live": LIVE,
    "done": frozenset({_S.SUCCEEDED}),
    "failed": frozenset({_S.FAILED, _S.EXPIRED}),
    "cancelled": frozenset({_S.CANCELLED}),
}
"""States by the names that the library's filter has for them."""
NAME_LIMIT = 80  # characters of a take's name
PROJECT_LIMIT = 60  # characters of a project's
CHOSEN_LIMIT = 500  # jobs that somebody chooses at once
CANCEL_IS_FREE = UNSENT | {_S.PENDING}  # the service cancels what is PENDING (S6, 2026-03-15)


class Spent(StrEnum):
    """Whether a job cost money, as far as anybody can know."""

    NO = "no"
    YES = "yes"
    MAYBE = "maybe"


@dataclass(frozen=True)
class Reference:
    """A picture, clip or sound that a job is made from: a key in our storage, or a public URL."""

    kind: str
    """"image", "video" or "audio"."""
    url: str = ""
    """http(s) URL, where one was given instead of a file; then everything below is empty."""
    name: str = ""
    """What the file was called, for the library; "" where nobody knows."""
    sha256: str = ""
    """Of the bytes as they were given."""
    key: str = ""
    """Where the checked file is kept in our storage."""
    sent_key: str = ""
    """Storage key of the file that goes up, cropped or padded; `key` where nothing had to be done.
    """
    bytes: int = 0
    """Size of the file as it was given."""
    width: int = 0
    height: int = 0
    seconds: float | None = None
    """Length of a clip or a sound; None for a picture and for a URL."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row of the table of jobs. Times are seconds since 1970; None means not yet."""

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
    """When it is handled next. A claim moves it on: a lease and fencing token. None at an end."""
    version: int = 0
    """Counts the changes that a viewer sees."""

    request: dict[str, Any] = field(default_factory=dict)
    """The request as it was asked, without the references."""
    references: list[Reference] = field(default_factory=list)
    payload: dict[str, Any] = field(default_factory=dict)
    """The wire JSON, with a slot where the URL of an uploaded reference goes."""
    cache_key: str = ""
    nonce: str = ""
    """Set for a forced new take."""
    brief_id: str
    """Shared by the takes of one brief."""
    take: int = 1
    """Its number among them, from 1, which it keeps. Of a new row: the wanted one; 0 for the next.
    """
    name: str = ""
    """What it is called in the library; shown to whoever has a link to it, too."""
    starred: bool = False
    project: str = ""
    """Where it is kept in the library; "" for nowhere in particular."""
    retried_from: str = ""
    cancel_wanted: bool = False
    attempts: int = 0
    """Consecutive transient failures."""

    task_id: str | None = None
    not_ours: list[str] = field(default_factory=list)
    """While UNCERTAIN: tasks of the account that turned out not to be ours."""
    first_absent_at: float | None = None
    """While UNCERTAIN: when a complete listing first showed no task that could be ours."""
    request_id: str = ""
    code: str = ""
    """The service's error code, where it gave one."""
    said: Message | None = None
    """How it ended, unless it succeeded, or what is the matter at the moment."""
    spent: Spent = Spent.NO
    adjustments: list[Message] = field(default_factory=list)

    address: str | None = None
    """Keyed hash of the client's address; None for this machine and for rows of earlier versions.
    """
    created_at: float
    started_at: float | None = None
    """When it left our line: UPLOADING."""
    submitting_at: float | None = None
    submitted_at: float | None = None
    """When the task id became known: PENDING."""
    running_at: float | None = None
    """When the service began to make it, as near as it tells."""
    run_seconds: float | None = None
    """How long the service took to make it, by its own clock, where it told."""
    fetching_at: float | None = None
    ended_at: float | None = None
    state_at: float
    """When the present state began."""

    media_token: str
    """Unguessable; opens this job's files and no others."""
    video_key: str = ""
    """The video to show: conformed where needed."""
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
    """The cost: an estimate until it ends, then that of the billed seconds. None for unknown."""
    currency: str = ""
    reserved: Decimal | None = None
    """Part of the day's budget kept for this job, an upper bound. None where no budget counts it.
    """
    budget_day: str = ""
    """The UTC day whose budget holds the reservation; "" where none was made."""
    counts_for_person: bool | None = None
    """Whether its owner's own budget holds it too; None in rows of an earlier version."""

    @property
    def video_link(self) -> str:
        """What opens the page of its video."""
        return self.media_token[: ids.VIDEO_LENGTH]

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.state in LIVE

    @property
    def is_film(self) -> bool:
        """Whether it is finished videos joined to one: made here, free, and by no task."""
        return self.model == FILM

    @property
    def billed(self) -> tuple[float | None, Price | None]:
        """Billed seconds and their price, as far as known; zero for a free end without a video, and
        for a film, which has no price.
        """
        if self.is_film:
            return 0.0, None
        if self.live or self.state is JobState.SUCCEEDED or self.spent is not Spent.NO:
            return self.billed_seconds, self.price
        return 0.0, self.price and Price(Decimal(0), self.currency, 0.0, exact=True)

    @property
    def sent_prompt(self) -> str:
        """The prompt as sent, by which the service's tasks are told apart; "" for none."""
        return str(self.payload["input"].get("prompt", "")).strip()

    @property
    def simulated(self) -> bool:
        """Whether the simulator makes it, free of charge."""
        return self.backend == "simulator"

    @property
    def price(self) -> Price | None:
        """Its price at the service, or what it would be there if it is simulated."""
        if self.amount is None:
            return None
        return Price(self.amount, self.currency, self.billed_seconds or 0.0, exact=not self.live)


@dataclass(frozen=True)
class JobFilter:
    """What a job of the library has to be like; empty for any."""

    words: tuple[str, ...] = ()
    """Each is somewhere in it; casefolded."""
    model: str = ""
    """Its exact name."""
    state: str = ""
    """One of `GROUPS`."""
    verdict: str = ""
    """Somebody's latest verdict in a review, or "none"."""
    project: str | None = None
    """Its project; "" for none, None for any."""
    starred: bool = False
    """Whether it has to have a star."""


@dataclass(frozen=True)
class JobPlace:
    """Where a job stands in the library, newest first, among the jobs that match a filter."""

    previous: str = ""
    """The id of the job before it; "" for none."""
    next: str = ""
    place: int = 0
    """From 1; 0 for a job that does not match."""
    total: int = 0
    """Number of jobs that match."""


@dataclass(frozen=True)
class JobPage:
    """One page of the library that an owner sees: theirs, or the shared one."""

    jobs: list[Job]
    """Newest first."""
    total: int
    """Number of jobs that match the filter, on all pages."""
    has_jobs: bool
    """Whether there are any jobs in that library."""
    live: int
    """Number of those that have not ended."""
    projects: list[str] = field(default_factory=list)
    """The projects in that library, the one with the newest job first."""
    starred: int = 0
    """Number of jobs in that library with a star."""
    ended: int = 0
    """Number of jobs that match the filter and have ended, on all pages."""


@dataclass(frozen=True)
class JobEvent:
    """A change of a job, as its viewers get it."""

    job: Job
    message: Message
    """What is happening, or how it ended, for people to read."""
    elapsed: float
    """Seconds since the present state began."""
    expected: float
    """Usual seconds in RUNNING for this model and duration on this backend; 0 in other states."""
    place: int | None = None
    """Place in our own line from 1, while QUEUED."""


def select_takes(jobs: Sequence[Job], limit: int) -> list[Job]:
    """Return the takes to show of a brief's jobs, oldest first: as many as allowed, those on their
    way before all others, then the newest.

    A take that was tried again, which keeps number and seed, stands once, as its last try, in the
    place of its first.
    """
    last = {(job.take, job.seed): job for job in sorted(jobs, key=lambda job: job.created_at)}
    first = sorted(last.values(), key=lambda job: (job.live, job.created_at), reverse=True)
    shown = {job.id for job in first[:limit]}
    return [job for job in last.values() if job.id in shown]


def label_takes(jobs: Sequence[Job], there: Sequence[tuple[str, str]] = ()) -> list[str]:
    """Return what takes that are shown together are called: each by its number among the takes of
    its brief and, where they are of several, by the letter of its brief too: 1A, 2A, 1B.

    there: what others beside them are called already, oldest first, each with its brief, "" where
    nobody knows it any more. A brief keeps the letter, or the lack of one, that it has there.
    """
    used, named = {label for label, _ in there}, {label.lstrip(digits) for label, _ in there}
    free = (letter for letter in ascii_uppercase if letter not in named)
    several = bool(there) or len({job.brief_id for job in jobs}) > 1
    letters = {brief: label.lstrip(digits) for label, brief in reversed(there) if brief}
    labels: list[str] = []
    for job in jobs:
        if job.brief_id not in letters:
            letters[job.brief_id] = next(free) if several else ""
        label = f"{job.take}{letters[job.brief_id]}"
        # Of a take that was deleted, or of an older review, which counted its takes itself
        labels.append(label if label not in used else f"{job.take}{next(free)}")
        used.add(labels[-1])
    return labels
