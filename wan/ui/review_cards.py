"""The HTML of a review: the page behind its link, the same page to be opened from disk, and the
parts that the owner's tab shows too.

Both languages are in it, as everywhere (`cards.both`); addresses are relative, so that it works
under any root. What moves while somebody looks stands in elements with `data-part`, which
`assets/review.js` fills anew from what `parts` gives.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote as url_quote

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.messages import t
from wan.domain.reviews import COMMENT_LIMIT, NAME_LIMIT, VERDICTS, Review, Take, Verdict
from wan.ui import compare
from wan.ui.cards import both, measured, rate
from wan.web.paths import ASSETS

_SHOWN = 100  # comments of a take; everybody who looks gets them anew with each word that is said
Address = Callable[[int], tuple[str, str]]
"""Where a take's video and poster are, by its number."""

_ICON = "data:image/svg+xml," + url_quote((ASSETS / "favicon.svg").read_text(encoding="utf-8"))
_DOCUMENT = Markup(
    '<!doctype html><html lang="{language}" data-review><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="robots" content="noindex, nofollow"><meta name="referrer" '
    'content="no-referrer"><meta name="color-scheme" content="light dark">'
    '<title>{title} · Wan Studio</title><link rel="icon" href="{icon}"><style>{style}</style>'
    "<script>{script}</script></head>"
    '<body class="{look}">{body}</body></html>'
)
_HEAD = Markup(
    '<header class="rv-top"><p class="rv-brand"><span class="rv-mark" aria-hidden="true"></span>'
    "Wan Studio</p>"
    '<nav class="rv-lang"><button type="button" data-lang="zh" lang="zh-Hans">{zh}</button><i '
    'aria-hidden="true">/</i>'
    '<button type="button" data-lang="en">{en}</button></nav></header>'
)
_PAGE = Markup(
    '<a class="rv-skip" href="#takes">{skip}</a>{head}<main{live}><section class="rv-intro">'
    '<div class="rv-words"><h1>{title}</h1>{note}<p class="rv-meta">{meta}</p>'
    "</div>{asks}</section>"
    '{compare}<div id="takes" class="rv-takes">{takes}</div></main>{words}'
)
_TAKE = Markup(
    '<article class="rv-take" data-take="{number}" aria-labelledby="take-{number}">{stage}'
    '<header class="rv-name"><h2 id="take-{number}">{title}</h2><p '
    'class="rv-facts">{facts}</p></header>'
    '{form}<div class="rv-tally" data-part="tally-{number}">{tally}</div>'
    '<h3 class="wan-sr" id="said-{number}">{label}</h3>'
    '<div class="rv-said" role="region" aria-labelledby="said-{number}" tabindex="0" '
    'data-part="comments-{number}">{comments}</div></article>'
)
_VIDEO = Markup(
    '<figure class="rv-stage" style="--shape:{width}/{height}"><video src="{video}" '
    'poster="{poster}" width="{width}" height="{height}" '
    'data-fps="{fps}" controls playsinline preload="none" aria-labelledby="take-{number}">'
    "</video></figure>"
)
_FORM = Markup(
    '<form class="rv-form"><fieldset><legend class="wan-sr">{legend}</legend>{choices}</fieldset>'
    '<div class="rv-write"><label for="comment-{number}">{comment}</label>'
    '<textarea id="comment-{number}" name="comment" rows="2" maxlength="{limit}"></textarea>'
    '<div class="rv-row"><button type="button" class="rv-moment" data-moment '
    'aria-pressed="false">{at} <b translate="no">0:00.0</b>'
    '<span class="wan-sr">{note}</span></button>'
    '<button type="submit" class="rv-send">{send}</button></div></div><p class="rv-state" '
    'role="status"></p></form>'
)
_CHOICE = Markup(
    '<label class="rv-choice rv-{verdict}"><input type="radio" name="verdict" '
    'value="{verdict}"><span class="rv-sign" aria-hidden="true"></span>'
    "<span>{words}</span></label>"
)


def page(review: Review, *, token: str, language: str) -> str:
    """The page behind a link. token: the end of the link, to which addresses are relative.
    language: "en" or "zh".
    """

    def address(number: int) -> tuple[str, str]:
        return f"{token}/{number}/video.mp4", f"{token}/{number}/poster.webp"

    asks = Markup(
        '<div class="rv-who"><label for="name">{}</label><input id="name" maxlength="{}" '
        'autocomplete="name" aria-describedby="name-note">'
        '<p id="name-note">{}</p></div>'
    ).format(both("rv_name"), NAME_LIMIT, both("rv_name_note"))
    return _document(
        _page(
            review,
            address,
            ends=until(review),
            asks=asks,
            live=f"{token}/tally",
            send=f"{token}/verdict",
        ),
        review.title,
        language,
    )


def offline(review: Review, address: Address, *, now: float) -> str:
    """The page as one file, to be opened from disk: nothing can be said there, and it asks for
    nothing but the videos beside it.
    """
    return _document(
        _page(review, address, ends=_at("rv_saved_as", now)), review.title, "en", look="rv-offline"
    )


@cache
def gone(language: str) -> str:
    """What whoever has no open link sees, whatever is the matter with it."""
    body = Markup("{}<main>{}</main>").format(_head(), _message("rv_gone", "rv_gone_note"))
    return _document(body, t(language, "review"), language)


def parts(review: Review) -> dict[str, Markup]:
    """What may change while somebody looks: HTML by the name of the part that it fills."""
    found = {"people": people(review)}
    for take in review.takes:
        found |= {f"tally-{take.number}": tally(take), f"comments-{take.number}": comments(take)}
    return found


def until(review: Review) -> Markup | None:
    """How long the link leads somewhere; None where it does not end by itself."""
    return None if review.expires_at is None else _at("rv_until", review.expires_at)


def how_many(review: Review) -> Markup:
    """The number of takes."""
    count = len(review.takes)
    return both("rv_takes_one") if count == 1 else both("rv_takes", count=count)


def people(review: Review) -> Markup:
    """How many have answered."""
    count = review.people
    return (
        both("rv_people_none")
        if not count
        else both("rv_people_one")
        if count == 1
        else both("rv_people", count=count)
    )


def tally(take: Take) -> Markup:
    """The bar of yes, maybe, no, and their numbers."""
    counts = [(verdict, getattr(take.tally, verdict)) for verdict in VERDICTS]
    bar = Markup("").join(
        Markup('<i class="rv-{}" style="--n:{}"></i>').format(verdict, count)
        for verdict, count in counts
    )
    numbers = Markup("").join(
        Markup('<span class="rv-{}"><b>{}</b> {}</span>').format(
            verdict, count, both(f"rv_{verdict}")
        )
        for verdict, count in counts
    )
    sr = Markup('<span class="wan-sr">{}: </span>').format(both("rv_tally"))
    return Markup(
        '<div class="rv-bar" aria-hidden="true">{}</div><p class="rv-counts">{}{}</p>'
    ).format(bar, sr, numbers)


def comments(take: Take, most: int | None = _SHOWN) -> Markup:
    """What people wrote, newest first. most: how many of it, and then how many there are besides;
    None for all.
    """
    said = take.comments
    if not said:
        return Markup('<p class="rv-none">{}</p>').format(both("rv_comments_none"))
    minds = {
        one.reviewer: one.verdict for one in take.verdicts
    }  # oldest first: the last word of each, as the tally counts it
    shown = Markup("<ul>{}</ul>").format(
        Markup("").join(_comment(take, one, minds[one.reviewer]) for one in said[:most])
    )
    older = 0 if most is None else len(said) - most
    if older > 0:
        shown += Markup('<p class="rv-older">{}</p>').format(
            both("rv_older_one") if older == 1 else both("rv_older", count=older)
        )
    return shown


def facts(job: Job, *, seed: bool = True) -> Markup:
    """1280×720 · 24 fps · 5.0 s · seed 4711: never what it cost."""
    return Markup(" · ").join(
        [*measured(job), *([both("fact_seed", seed=job.seed)] if seed else [])]
    )


def _page(
    review: Review,
    address: Address,
    *,
    ends: Markup | None,
    asks: Markup | str = "",
    live: str = "",
    send: str = "",
) -> Markup:
    answered = Markup('<span data-part="people">{}</span>').format(people(review))
    meta = [how_many(review), answered, *([ends] if ends else [])]
    return _PAGE.format(
        skip=both("rv_skip"),
        head=_head(),
        live=Markup(' data-live="{}" data-send="{}"').format(live, send) if live else "",
        title=review.title,
        note=Markup('<p class="rv-note">{}</p>').format(review.note) if review.note else "",
        meta=Markup('<i aria-hidden="true"> · </i>').join(meta),
        asks=asks,
        compare=_compare(review, address),
        takes=Markup("").join(
            _take(take, *address(take.number), asked=bool(live), seed=review.with_settings)
            for take in review.takes
        ),
        words=_words() if live else "",
    )


def _take(take: Take, video: str, poster: str, *, asked: bool, seed: bool) -> Markup:
    job = take.job
    shown = Markup(
        '<figure class="rv-stage rv-deleted" style="--shape:16/9"><p>{}</p></figure>'
    ).format(both("rv_deleted"))
    if job is not None:
        shown = _VIDEO.format(
            width=job.width or 16,
            height=job.height or 9,
            video=video,
            poster=poster,
            number=take.number,
            fps=rate(job),
        )
    return _TAKE.format(
        number=take.number,
        stage=shown,
        title=both("take", number=take.number),
        facts=facts(job, seed=seed) if job is not None else "",
        tally=tally(take),
        form=_form(take) if asked and job is not None else "",
        label=both("rv_comments", number=take.number),
        comments=comments(take) if asked else comments(take, most=None),
    )


def _form(take: Take) -> Markup:
    return _FORM.format(
        number=take.number,
        legend=both("rv_your_verdict", number=take.number),
        choices=Markup("").join(
            _CHOICE.format(verdict=verdict, words=both(f"rv_{verdict}")) for verdict in VERDICTS
        ),
        comment=both("rv_comment"),
        limit=COMMENT_LIMIT,
        at=both("rv_moment"),
        note=both("rv_moment_note"),
        send=both("rv_send"),
    )


def _comment(take: Take, one: Verdict, verdict: str) -> Markup:
    """verdict: of whoever wrote it, as it is now."""
    seek = Markup("")
    if one.at_seconds is not None and take.job is not None:
        moment = Markup(
            '<button type="button" class="rv-seek" data-seek="{}"><span '
            'translate="no">{}</span><span class="wan-sr"> {}</span></button>'
        )
        seek = moment.format(one.at_seconds, _moment(one.at_seconds), both("rv_seek"))
    who = one.name or both("rv_somebody")
    return Markup(
        '<li><p class="rv-by"><b>{}</b><span class="rv-{verdict}">{}</span>{}</p><p '
        'class="rv-text">{}</p></li>'
    ).format(who, both(f"rv_{verdict}"), seek, one.comment, verdict=verdict)


def _compare(review: Review, address: Address) -> Markup | str:
    """Takes side by side, as many as a board holds; in templates, so that no video is loaded twice
    before somebody asks.
    """
    shown = [take for take in review.takes if take.job is not None]
    boards = -(-len(shown) // max(compare.TAKES))
    groups = [
        shown[at * len(shown) // boards : (at + 1) * len(shown) // boards] for at in range(boards)
    ]
    return Markup("").join(
        _board(group, address, alone=boards == 1, settings=review.with_settings)
        for group in groups
        if len(group) > 1
    )


def _board(takes: Sequence[Take], address: Address, *, alone: bool, settings: bool) -> Markup:
    numbers = [take.number for take in takes]
    words = (
        both("rv_compare")
        if alone
        else both("rv_compare_some", numbers=", ".join(map(str, numbers)))
    )
    words = Markup('<span class="rv-shut">{}</span><span class="rv-leave">{}</span>').format(
        words, both("rv_compare_close")
    )
    screens = [(take.job, *address(take.number)) for take in takes if take.job is not None]
    return Markup(
        '<section class="rv-compare"><button type="button" class="rv-open" data-open '
        'aria-expanded="false">{}</button>'
        "<template>{}</template></section>"
    ).format(words, compare.board(screens, numbers=numbers, priced=False, settings=settings))


def _words() -> Markup:
    """What the script may have to say."""
    lines = [(name, both(f"rv_{name}")) for name in ("saved", "nothing", "offline")]
    lines.append(("closed", _message("rv_closed", "rv_closed_note")))
    return Markup("").join(
        Markup('<template data-words="{}">{}</template>').format(*line) for line in lines
    )


def _message(title: str, note: str) -> Markup:
    return Markup(
        '<section class="rv-message" role="status"><span class="rv-mark" aria-hidden="true">'
        "</span><h1>{}</h1><p>{}</p></section>"
    ).format(both(title), both(note))


def _head() -> Markup:
    return _HEAD.format(zh=t("zh", "to_chinese"), en=t("en", "to_english"))


def _document(body: Markup, title: str, language: str, look: str = "") -> str:
    named = "zh-CN" if language == "zh" else "en"
    return str(
        _DOCUMENT.format(
            language=named,
            title=title,
            icon=_ICON,
            style=_own("css"),
            script=script(),
            look=look,
            body=body,
        )
    )


_FILES = {"css": ("review", "said", "compare"), "js": ("review", "compare")}


def script() -> Markup:
    """What the page runs inline."""
    return _own("js")


@cache
def _own(kind: str) -> Markup:
    """The styles or the scripts of the page."""
    return Markup(  # noqa: S704 - our own files
        "".join((ASSETS / f"{name}.{kind}").read_text(encoding="utf-8") for name in _FILES[kind])
    )


def _at(key: str, seconds: float) -> Markup:
    return Markup("{} {}").format(both(key), time_at(seconds))


def time_at(seconds: float) -> Markup:
    """A time, which the script puts as the reader's own clock has it. seconds: since 1970."""
    time = datetime.fromtimestamp(seconds, UTC)
    return Markup(
        '<time translate="no" datetime="{:%Y-%m-%dT%H:%MZ}">{:%Y-%m-%d %H:%M %Z}</time>'
    ).format(time, time)


def _moment(seconds: float) -> str:
    """A moment of a video: 0:01.6."""
    tenths = int(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
