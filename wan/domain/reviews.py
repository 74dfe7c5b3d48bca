"""Reviews: takes that are shown to others by a link, and their verdicts. Pure.

Rows are in `wan.database.reviews`, pages in `wan.ui`. Everybody who has the link may say yes, maybe
or no to each take, as often as they change their mind: the tally counts the last verdict of each. A
token in their browser tells people apart; here it is a hash that holds for one review only.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from wan.domain.errors import InvalidInput
from wan.domain.jobs import Job, JobState
from wan.domain.plain_text import is_blank
from wan.domain.spreadsheets import escape_cell
from wan.domain.validation import clean_text

VERDICTS = ("yes", "maybe", "no")
TITLE_LIMIT = 120  # characters, like the three below
NOTE_LIMIT = 2_000
COMMENT_LIMIT = 2_000
NAME_LIMIT = 80
TAKES_LIMIT = 12
VERDICTS_LIMIT = 2_000  # rows of one review; a hundred people with twelve takes need 1,200
COMMENTS_LIMIT = 100  # of one person in one review, so that nobody fills it alone
REVIEWS_LIMIT = 200  # reviews of one owner
DAYS_LIMIT = 365
_DAY = 24 * 3600.0
_REVIEWER = re.compile(r"[A-Za-z0-9_-]{20,64}")
_OVERHANG = 0.5  # seconds by which a sound, and so a player's clock, may outlast the frames


@dataclass(frozen=True)
class Verdict:
    """One person's opinion of one take at one time."""

    id: str
    review_id: str
    job_id: str
    verdict: str
    """One of `VERDICTS`."""
    comment: str
    """"" for none."""
    at_seconds: float | None
    """The moment of the video that the comment is about; the page gives the middle of a frame."""
    name: str
    """"" for somebody who gave none."""
    created_at: float
    """Seconds since 1970."""
    reviewer: str
    """Tells people apart within a review."""


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

    def __post_init__(self) -> None:
        """Call it by its place where nothing else is given."""
        object.__setattr__(self, "label", self.label or str(self.number))

    @property
    def name(self) -> str:
        """What its owner has named it; "" for nothing, or where it was deleted."""
        return self.job.name if self.job else ""

    @cached_property
    def tally(self) -> Tally:
        """Last verdicts, counted by people."""
        last = [one.verdict for one in latest_verdicts(self.verdicts)]
        return Tally(*(last.count(verdict) for verdict in VERDICTS))

    @property
    def comments(self) -> list[Verdict]:
        """Verdicts with a comment, newest first."""
        return [one for one in reversed(self.verdicts) if one.comment]


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
    if not isinstance(token := given.get("reviewer"), str) or not _REVIEWER.fullmatch(token):
        raise InvalidInput("reviewer", "review_reviewer_odd")
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
        name=clean_text("name", given.get("name") or "", NAME_LIMIT, line=True),
        created_at=now,
        reviewer=hashlib.sha256(f"{review.id}\n{token}".encode()).hexdigest()[:32],
    )


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


def export_json(review: Review) -> bytes:
    """Export a review with its tallies and all verdicts as JSON (UTF-8)."""
    plain = {
        "title": review.title,
        "note": review.note,
        "created_at": _format_time(review.created_at),
        "takes": [_export_take(take) for take in review.takes],
    }
    return json.dumps(plain, ensure_ascii=False, indent=2).encode()


def export_csv(review: Review) -> bytes:
    """Export all verdicts, one per row, as CSV (UTF-8 with the BOM that spreadsheets need).

    No cell can be read as a formula.
    """
    out = io.StringIO(newline="")
    rows = csv.writer(out, quoting=csv.QUOTE_ALL)
    rows.writerow(
        [
            *("take", "take_name", "seed", "person", "name", "verdict", "latest", "comment"),
            *("at_seconds", "given_at"),
        ]
    )
    for take in review.takes:
        for one in _export_verdicts(take):
            seed = take.job.seed if take.job else ""
            cells = [
                take.label,
                take.name,
                seed,
                one["person"],
                one["name"],
                one["verdict"],
                "yes" if one["latest"] else "no",
                one["comment"],
            ]
            rows.writerow(
                [escape_cell(cell) for cell in (*cells, one["at_seconds"], one["given_at"])]
            )
    return out.getvalue().encode("utf-8-sig")


def _export_take(take: Take) -> dict[str, Any]:
    job = take.job
    facts = (
        {}
        if job is None
        else {"prompt": job.request.get("prompt", ""), "model": job.model, "seed": job.seed}
    )
    measured = (
        {}
        if job is None
        else {name: getattr(job, name) for name in ("width", "height", "duration")}
    )
    tally = {verdict: getattr(take.tally, verdict) for verdict in VERDICTS}
    return {
        "number": take.number,
        "take": take.label,
        "name": take.name,
        "deleted": job is None,
        **facts,
        **measured,
        "tally": tally,
        "verdicts": _export_verdicts(take),
    }


def _export_verdicts(take: Take) -> list[dict[str, Any]]:
    """Return the verdicts on a take; of each person only as much as tells people apart."""
    last = {one.id for one in latest_verdicts(take.verdicts)}
    return [
        {
            "person": one.reviewer[:6],
            "name": one.name,
            "verdict": one.verdict,
            "latest": one.id in last,
            "comment": one.comment,
            "at_seconds": one.at_seconds,
            "given_at": _format_time(one.created_at),
        }
        for one in take.verdicts
    ]


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
