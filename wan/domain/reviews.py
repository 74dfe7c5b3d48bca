"""Reviews: takes that are shown to others by a link, and their verdicts. Pure.

Rows are in `wan.database.reviews`, pages in `wan.ui`. Everybody who has the link may say yes, maybe
or no to each take, as often as they change their mind: the tally counts the last verdict of each. A
token in their browser tells people apart; here it is a hash that holds for one review only.
Whoever has that token can change or delete what was written with it. It stays in that browser, and
nothing that others are shown leads back to it.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from wan.domain import ids
from wan.domain.errors import InvalidInput
from wan.domain.jobs import Job, JobState
from wan.domain.plain_text import is_blank
from wan.domain.validation import clean_text

VERDICTS = ("yes", "maybe", "no")
TITLE_LIMIT = 120  # characters, like the three below
NOTE_LIMIT = 2_000
COMMENT_LIMIT = 2_000
NAME_LIMIT = 80
TAKES_LIMIT = 12
# verdicts and replies of one review; a hundred people with twelve takes need 1,200
VERDICTS_LIMIT = 2_000
COMMENTS_LIMIT = 100  # of one person in one review, replies too, so that nobody fills it alone
REPLIES_LIMIT = 50  # of one comment
REVIEWS_LIMIT = 200  # reviews of one owner
DAYS_LIMIT = 365
_DAY = 24 * 3600.0
_REVIEWER = re.compile(r"[A-Za-z0-9_-]{20,64}")
_OVERHANG = 0.5  # seconds by which a sound, and so a player's clock, may outlast the frames


@dataclass(frozen=True)
class Person:
    """Who says something in a review: its owner, or somebody who has its link."""

    review_id: str
    owner: str = ""
    """"" for somebody who has the link."""
    reviewer: str | None = None
    """Tells those who have the link apart; None for the owner."""


@dataclass(frozen=True)
class Reply:
    """What somebody answers to a comment."""

    id: str
    comment_id: str
    """The id of the verdict with that comment."""
    text: str
    name: str
    """"" for somebody who gave none, and for the review's owner."""
    created_at: float
    """Seconds since 1970."""
    reviewer: str | None
    """As in a verdict; None for the review's owner."""
    edited_at: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One person's opinion of one take at one time."""

    id: str
    review_id: str
    job_id: str
    verdict: str
    """One of `VERDICTS`."""
    comment: str
    """"" for none, and for one that was deleted."""
    at_seconds: float | None
    """The moment of the video that the comment is about; the page gives the middle of a frame."""
    name: str
    """"" for somebody who gave none."""
    created_at: float
    """Seconds since 1970."""
    reviewer: str
    """Tells people apart within a review."""
    edited_at: float | None = None
    """When its comment was changed."""
    resolved_at: float | None = None
    """When the review's owner settled its comment."""
    replies: tuple[Reply, ...] = ()
    """Oldest first."""


@dataclass(frozen=True)
class Tally:
    """The number of people whose last verdict is yes, maybe, no."""

    yes: int = 0
    maybe: int = 0
    no: int = 0

    @property
    def people(self) -> int:
        """Number of people with a verdict."""
        return self.yes + self.maybe + self.no


@dataclass(frozen=True)
class Take:
    """One video of a review."""

    number: int
    """Its place in the review, from 1."""
    job_id: str
    job: Job | None
    """None where it was deleted."""
    verdicts: tuple[Verdict, ...] = ()
    """Oldest first."""
    label: str = ""
    """What it is called (`wan.domain.jobs.label_takes`); in an older review its place."""
    added_at: float | None = None
    """When it came to a review that was there already, in seconds since 1970."""

    def __post_init__(self) -> None:
        """Call it by its place where nothing else is given."""
        object.__setattr__(self, "label", self.label or str(self.number))

    @property
    def name(self) -> str:
        """What its owner has named it; "" for nothing, or where it was deleted."""
        return self.job.name if self.job else ""

    @property
    def is_film(self) -> bool:
        """Whether it is a combined video; nobody knows it of one that was deleted."""
        return self.job is not None and self.job.is_film

    @cached_property
    def tally(self) -> Tally:
        """Last verdicts, counted by people."""
        last = [one.verdict for one in latest_verdicts(self.verdicts)]
        return Tally(*(last.count(verdict) for verdict in VERDICTS))

    @property
    def comments(self) -> list[Verdict]:
        """Verdicts with a comment, newest first, and with one that was deleted but has replies."""
        return [one for one in reversed(self.verdicts) if one.comment or one.replies]


@dataclass(frozen=True)
class Review:
    """Takes in the order in which they were chosen, and the link that opens them."""

    id: str
    owner: str
    title: str
    note: str
    link_token: str | None
    """The end of the link; None once it is revoked."""
    created_at: float
    expires_at: float | None
    revoked_at: float | None
    takes: tuple[Take, ...] = ()
    with_settings: bool = False
    """Whether the link shows, also in the files, what the takes were made with."""
    people: int = 0
    """Number of people with a verdict."""

    def is_open(self, now: float) -> bool:
        """Tell whether the link still opens it. now: seconds since 1970."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def take(self, number: object) -> Take:
        """Return a take by its number. Raises InvalidInput."""
        if (
            not isinstance(number, int)
            or isinstance(number, bool)
            or not 1 <= number <= len(self.takes)
        ):
            raise InvalidInput("take", "review_take_unknown")
        return self.takes[number - 1]


def latest_verdicts(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the last verdict of each person. verdicts: of one take, oldest first."""
    return list({one.reviewer: one for one in verdicts}.values())


def hash_link(token: str) -> str:
    """Return the hash by which the database finds a link."""
    return hashlib.sha256(f"review\n{token}".encode()).hexdigest()


def check_take_ids(job_ids: Sequence[str]) -> list[str]:
    """Return the ids of chosen takes, each once, in their order. Raises InvalidInput."""
    chosen = list(dict.fromkeys(job_ids))
    if not 1 <= len(chosen) <= TAKES_LIMIT:
        raise InvalidInput(
            "takes",
            "review_takes_many" if chosen else "review_takes_none",
            given=len(chosen),
            high=TAKES_LIMIT,
        )
    return chosen


def require_video(job: Job | None) -> Job:
    """Return the job. Raises InvalidInput where it is missing or has no video."""
    if job is None or job.state is not JobState.SUCCEEDED or not job.video_key:
        raise InvalidInput("takes", "review_take_unmade")
    return job


def clean_title_and_note(title: object, note: object) -> tuple[str, str]:
    """Clean title and note. Raises InvalidInput."""
    plain = (
        clean_text("title", title, TITLE_LIMIT, line=True),
        _strip_text(clean_text("note", note, NOTE_LIMIT)),
    )
    if not plain[0]:
        raise InvalidInput("title", "review_title_missing")
    return plain


def compute_expiry(days: int | None, now: float) -> float | None:
    """Return the end of a new link in seconds since 1970, None for never. Raises InvalidInput."""
    if days is None:
        return None
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= DAYS_LIMIT:
        raise InvalidInput(
            "expires_days", "field_type", given=str(days)[:20], allowed=f"1-{DAYS_LIMIT}"
        )
    return now + days * _DAY


def check_verdict(review: Review, given: dict[str, Any], *, id_: str, now: float) -> Verdict:
    """Check what somebody sends for a take. Raises InvalidInput.

    given: take, verdict, comment, at_seconds, name, reviewer.
    """
    take = review.take(given.get("take"))
    if take.job is None:
        raise InvalidInput("take", "review_take_gone")
    if given.get("verdict") not in VERDICTS:
        raise InvalidInput("verdict", "review_verdict_unknown")
    reviewer = hash_reviewer(review.id, given.get("reviewer"))
    comment = _strip_text(clean_text("comment", given.get("comment") or "", COMMENT_LIMIT))
    return Verdict(
        id=id_,
        review_id=review.id,
        job_id=take.job_id,
        verdict=given["verdict"],
        comment=comment,
        at_seconds=_check_moment(given.get("at_seconds"), take.job.duration or 0.0)
        if comment
        else None,
        name=check_name(given.get("name")),
        created_at=now,
        reviewer=reviewer,
    )


def hash_reviewer(review_id: str, token: object) -> str:
    """Return what a review knows somebody by. token: their browser's. Raises InvalidInput."""
    if not isinstance(token, str) or not _REVIEWER.fullmatch(token):
        raise InvalidInput("reviewer", "review_reviewer_odd")
    return hashlib.sha256(f"{review_id}\n{token}".encode()).hexdigest()[:32]


def check_name(given: object) -> str:
    """Return the name that somebody gives; "" for none. Raises InvalidInput."""
    return clean_text("name", given or "", NAME_LIMIT, line=True)


def check_comment(given: object) -> str:
    """Return the text of a reply, or the new one of a comment. Raises InvalidInput."""
    text = _strip_text(clean_text("comment", given or "", COMMENT_LIMIT))
    if not text:
        raise InvalidInput("comment", "review_comment_empty")
    return text


def check_comment_id(given: object) -> str:
    """Return the id of a comment or a reply. Raises InvalidInput."""
    if not ids.has_shape(ids.REVIEW, given):
        raise comment_missing()
    return str(given)


def comment_missing() -> InvalidInput:
    """Return the refusal of an id that leads to no comment of this review, or to somebody else's,
    without saying which.
    """
    return InvalidInput("comment", "review_comment_missing")


def _strip_text(text: str) -> str:
    """Strip a text; "" where nothing of it is visible."""
    return "" if is_blank(text) else text.strip()


def _check_moment(given: object, duration: float) -> float | None:
    if given is None:
        return None
    if (
        isinstance(given, bool)
        or not isinstance(given, int | float)
        or not 0 <= given <= duration + _OVERHANG
    ):
        raise InvalidInput("at_seconds", "review_moment_beyond", high=f"{duration:.1f}")
    return min(float(given), duration)  # not rounded, or it might be the frame before
