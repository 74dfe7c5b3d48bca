"""The parts of the review tab: the takes chosen for a new review, the owner's reviews, and their
exports. The functions give their values as HTML.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup
from pydantic import Field

from wan.domain.jobs import Job, label_takes
from wan.domain.messages import Language, Message
from wan.domain.reviews import COMMENT_LIMIT, Review
from wan.ui.components.component import Component, EventValues
from wan.ui.components.templates import render
from wan.web import review_html
from wan.web.paths import file_address


class OfReview(EventValues):
    """An event about one review."""

    review: str = Field(default="", max_length=100)
    """Its id; "" where the button names none."""


class OfComment(OfReview):
    """An event about one comment in a review."""

    comment: str = Field(default="", max_length=100)
    """Its id."""
    text: str = ""
    """What is written, of any length: the discussion says in words how long it may be."""


class ReviewPanel(Component):
    """The owner's reviews, of which one is open."""

    event_names = (
        *("show", "more", "revoke", "delete", "csv", "json", "zip"),
        *("reply", "rewrite", "take_back", "resolve", "reopen"),
    )


class ReviewExport(Component):
    """How far an export is, and the way to it."""

    event_names = ("stop", "done")


@dataclass(frozen=True)
class _Row:
    """A review as the list shows it."""

    review: Review
    state: str
    """`open`, `revoked` or `expired`: whether its link leads somewhere."""
    opened: bool
    """Whether it is shown whole."""


def show_chosen(language: Language, jobs: Sequence[Job], gone: Sequence[str] = ()) -> Markup:
    """The takes that a new review will have, in their order. gone: ids of chosen ones that are not
    there any more.
    """
    named = list(zip(jobs, label_takes(jobs), strict=True))
    return render("review_chosen.html", language, jobs=named, gone=gone)


def show_reviews(
    language: Language,
    reviews: Sequence[Review],
    opened: str,
    now: float,
    note: Message | None = None,
) -> Markup:
    """An owner's reviews. opened: the id of the one that is shown whole. now: seconds since 1970.
    note: why something could not be done.
    """
    rows = [_Row(review, _state_of(review, now), review.id == opened) for review in reviews]
    return render(
        "review_list.html",
        language,
        rows=rows,
        now=now,
        note=note,
        until=partial(review_html.until, language),
        since=partial(review_html.since, language),
        added=partial(review_html.added, language),
        count_takes=partial(review_html.count_takes, language),
        count_people=partial(review_html.count_people, language),
        time_at=partial(review_html.time_at, language),
        facts=partial(review_html.facts, language),
        tally=partial(review_html.tally, language),
        comments=partial(review_html.comments, language),
        limit=COMMENT_LIMIT,
    )


def show_progress(language: Language, done: float) -> Markup:
    """How far an export is. done: 0 to 1."""
    return render("review_packing.html", language, percent=int(done * 100))


def show_download(language: Language, name: str, file: str) -> Markup:
    """The way to an export; the script takes it at once. name: as it is saved. file: as it is
    called outside (`wan.storage.uploads`).
    """
    return render("review_download.html", language, name=name, address=file_address(file))


def show_toast(language: Language, body: Markup) -> Markup:
    """Something that is said beside the reviews."""
    return render("review_toast.html", language, body=body)


def _state_of(review: Review, now: float) -> str:
    if review.is_open(now):
        return "open"
    return "expired" if review.revoked_at is None else "revoked"
