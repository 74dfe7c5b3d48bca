"""The HTML of a review: the page behind its link, the same page to be opened from disk, and the
parts that the owner's tab shows too.

It says everything in one language; addresses are relative, so that it works under any root. What
moves while somebody looks stands in elements with `data-part`, which `assets/review.js` fills anew
from what `parts` gives.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any
from urllib.parse import quote as url_quote

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.messages import Language, t
from wan.domain.reviews import (
    COMMENT_LIMIT,
    NAME_LIMIT,
    VERDICTS,
    Review,
    Take,
    latest_verdicts,
)
from wan.web import compare
from wan.web.facts import measurements
from wan.web.languages import TAGS
from wan.web.paths import ASSETS, read_assets
from wan.web.templating import render
from wan.web.text import text

_NAMES_SHOWN = 12  # of those with the same verdict on a take
_COMMENTS_SHOWN = 100  # of a take; everybody who looks gets them anew with each that is written
Address = Callable[[int], tuple[str, str]]
"""Where a take's video and poster are, by its number."""
Pages = Mapping[Language, str]
"""Where the same page is in each language."""
PAGES: Pages = {"zh": "?lang=zh", "en": "?lang=en"}
"""Where the page behind a link is, as seen from itself."""

_ICON = "data:image/svg+xml," + url_quote((ASSETS / "favicon.svg").read_text(encoding="utf-8"))
_FILES = {
    "css": (
        *("tokens", "base", "review", "review_form", "verdicts", "discussion", "video"),
        "compare",
    ),
    "js": ("shared", "player", "review", "discussion", "compare"),
}


def page(review: Review, *, token: str, language: Language) -> str:
    """The page behind a link. token: the end of the link, to which addresses are relative."""

    def address(number: int) -> tuple[str, str]:
        return f"{token}/{number}/video.mp4", f"{token}/{number}/poster.webp"

    return _page(language, review, address, pages=PAGES, ends=until(language, review), link=token)


def offline(
    language: Language, review: Review, address: Address, *, pages: Pages, now: float
) -> str:
    """The page as one file, to be opened from disk: nothing can be said there, and it asks for
    nothing but the videos beside it. pages: the file of each language. now: seconds since 1970.
    """
    ends = _at(language, "rv_saved_as", now)
    return _page(language, review, address, pages=pages, ends=ends, look="rv-offline")


@cache
def not_found(language: Language) -> str:
    """What whoever has no open link sees, whatever is the matter with it."""
    return document("review_gone.html", language, title=t(language, "review"), pages=PAGES, look="")


def parts(language: Language, review: Review) -> dict[str, Markup]:
    """What may change while somebody looks: HTML by the name of the part that it fills."""
    found = {"people": count_people(language, review)}
    for take in review.takes:
        found |= {
            f"tally-{take.number}": tally(language, take),
            f"comments-{take.number}": comments(language, take),
        }
    return found


def until(language: Language, review: Review) -> Markup | None:
    """How long the link leads somewhere; None where it does not end by itself."""
    return None if review.expires_at is None else _at(language, "rv_until", review.expires_at)


def since(language: Language, review: Review) -> Markup:
    """When it was made."""
    return _at(language, "rv_created", review.created_at)


def added(language: Language, take: Take) -> Markup | None:
    """When a take came to a review that was there already."""
    return None if take.added_at is None else _at(language, "rv_added", take.added_at)


def count_takes(language: Language, review: Review) -> Markup:
    """The number of takes."""
    count = len(review.takes)
    return text(language, "rv_takes_one") if count == 1 else text(language, "rv_takes", count=count)


def count_people(language: Language, review: Review) -> Markup:
    """How many have answered."""
    count = review.people
    return (
        text(language, "rv_people_none")
        if not count
        else text(language, "rv_people_one")
        if count == 1
        else text(language, "rv_people", count=count)
    )


def tally(language: Language, take: Take) -> Markup:
    """The bar of yes, maybe, no, and their numbers, with the names of those who gave one."""
    last = latest_verdicts(take.verdicts)
    names = {
        verdict: [one.name for one in last if one.verdict == verdict and one.name]
        for verdict in VERDICTS
    }
    counts = [
        (
            verdict,
            getattr(take.tally, verdict),
            names[verdict][:_NAMES_SHOWN],
            max(0, len(names[verdict]) - _NAMES_SHOWN),
        )
        for verdict in VERDICTS
    ]
    return render("review_tally.html", language, counts=counts)


def comments(
    language: Language, take: Take, most: int | None = _COMMENTS_SHOWN, *, live: bool = True
) -> Markup:
    """What people wrote, newest first, with its replies. most: how many of it, and then how many
    there are besides; None for all. live: with buttons, of which `assets/discussion.js` shows those
    that somebody may use.
    """
    written = take.comments
    return render(
        "review_comments.html",
        language,
        comments=written[:most],
        older=0 if most is None else len(written) - most,
        # Oldest first: the last verdict of each, as the tally counts it.
        verdicts={one.reviewer: one.verdict for one in take.verdicts},
        has_video=take.job is not None,
        moment=_moment,
        time_at=partial(time_at, language),
        live=live,
    )


def facts(language: Language, job: Job, *, seed: bool = True) -> Markup:
    """1280×720 · 24 fps · 5.0 s · seed 4711: never what it cost."""
    return Markup(" · ").join(
        [
            *measurements(language, job),
            *([text(language, "fact_seed", seed=job.seed)] if seed and not job.is_film else []),
        ]
    )


def time_at(language: Language, seconds: float) -> Markup:
    """A time, which the script puts as the reader's own clock has it. seconds: since 1970."""
    return render("time.html", language, at=datetime.fromtimestamp(seconds, UTC))


def script() -> Markup:
    """What the page runs inline."""
    return _assets("js")


def _page(
    language: Language,
    review: Review,
    address: Address,
    *,
    ends: Markup | None,
    link: str = "",
    look: str = "",
    pages: Pages,
) -> str:
    """link: the end of the link, where verdicts can be given."""
    return document(
        "review_page.html",
        language,
        title=review.title,
        pages=pages,
        look=look,
        review=review,
        link=link,
        ends=ends,
        address=address,
        boards=_boards(language, review, address),
        since=partial(since, language),
        added=partial(added, language),
        count_takes=partial(count_takes, language),
        people=partial(count_people, language),
        facts=partial(facts, language, seed=review.with_settings),
        tally=partial(tally, language),
        comments=partial(
            comments, language, most=_COMMENTS_SHOWN if link else None, live=bool(link)
        ),
        NAME_LIMIT=NAME_LIMIT,
        COMMENT_LIMIT=COMMENT_LIMIT,
        VERDICTS=VERDICTS,
    )


def document(template: str, language: Language, *, pages: Pages = PAGES, **values: Any) -> str:
    """A page behind a link. pages: where it is in each language."""
    return str(
        render(
            template,
            language,
            tag=TAGS[language],
            icon=_ICON,
            style=_assets("css"),
            script=script(),
            pages=pages,
            **values,
        )
    )


def _boards(language: Language, review: Review, address: Address) -> list[dict[str, Any]]:
    """Takes side by side, as many as a board holds; in templates, so that no video is loaded twice
    before somebody asks.
    """
    shown = [(take, take.job) for take in review.takes if take.job is not None]
    count = -(-len(shown) // max(compare.TAKES))
    groups = [
        shown[at * len(shown) // count : (at + 1) * len(shown) // count] for at in range(count)
    ]
    return [
        {
            "labels": [take.label for take, _ in group],
            "html": compare.board(
                language,
                [(job, *address(take.number)) for take, job in group],
                labels=[take.label for take, _ in group],
                priced=False,
                settings=review.with_settings,
            ),
        }
        for group in groups
        if len(group) > 1
    ]


@cache
def _assets(kind: str) -> Markup:
    """The styles or the scripts of the page."""
    return Markup(read_assets(kind, *_FILES[kind]))  # noqa: S704 - our own files


def _at(language: Language, key: str, seconds: float) -> Markup:
    return Markup("{} {}").format(text(language, key), time_at(language, seconds))


def _moment(seconds: float) -> str:
    """A moment of a video: 0:01.6."""
    tenths = int(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
