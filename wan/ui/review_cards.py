"""The HTML of a review: the page behind its link, the same page to be opened from disk, and the
parts that the owner's tab shows too.

It says everything in one language; addresses are relative, so that it works under any root. What
moves while somebody looks stands in elements with `data-part`, which `assets/review.js` fills anew
from what `parts` gives.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote as url_quote

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.messages import Language, t
from wan.domain.reviews import COMMENT_LIMIT, NAME_LIMIT, VERDICTS, Review, Take, Verdict
from wan.web import compare
from wan.web.facts import frame_rate, measurements
from wan.web.languages import TAGS
from wan.web.paths import ASSETS
from wan.web.templating import render_macro
from wan.web.text import text

_SHOWN = 100  # comments of a take; everybody who looks gets them anew with each word that is said
Address = Callable[[int], tuple[str, str]]
"""Where a take's video and poster are, by its number."""
Pages = Mapping[Language, str]
"""Where the same page is in each language."""
_PAGES: Pages = {"zh": "?lang=zh", "en": "?lang=en"}

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
    '<nav class="rv-lang">{switch}</nav></header>'
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


def page(review: Review, *, token: str, language: Language) -> str:
    """The page behind a link. token: the end of the link, to which addresses are relative."""

    def address(number: int) -> tuple[str, str]:
        return f"{token}/{number}/video.mp4", f"{token}/{number}/poster.webp"

    asks = Markup(
        '<div class="rv-who"><label for="name">{}</label><input id="name" maxlength="{}" '
        'autocomplete="name" aria-describedby="name-note">'
        '<p id="name-note">{}</p></div>'
    ).format(text(language, "rv_name"), NAME_LIMIT, text(language, "rv_name_note"))
    return _document(
        _page(
            language,
            review,
            address,
            pages=_PAGES,
            ends=until(language, review),
            asks=asks,
            live=f"{token}/tally?lang={language}",
            send=f"{token}/verdict?lang={language}",
        ),
        review.title,
        language,
    )


def offline(
    language: Language, review: Review, address: Address, *, pages: Pages, now: float
) -> str:
    """The page as one file, to be opened from disk: nothing can be said there, and it asks for
    nothing but the videos beside it. pages: the file of each language.
    """
    ends = _at(language, "rv_saved_as", now)
    body = _page(language, review, address, pages=pages, ends=ends)
    return _document(body, review.title, language, look="rv-offline")


@cache
def gone(language: Language) -> str:
    """What whoever has no open link sees, whatever is the matter with it."""
    body = Markup("{}<main>{}</main>").format(
        _head(language, _PAGES), _message(language, "rv_gone", "rv_gone_note")
    )
    return _document(body, t(language, "review"), language)


def parts(language: Language, review: Review) -> dict[str, Markup]:
    """What may change while somebody looks: HTML by the name of the part that it fills."""
    found = {"people": people(language, review)}
    for take in review.takes:
        found |= {
            f"tally-{take.number}": tally(language, take),
            f"comments-{take.number}": comments(language, take),
        }
    return found


def until(language: Language, review: Review) -> Markup | None:
    """How long the link leads somewhere; None where it does not end by itself."""
    return None if review.expires_at is None else _at(language, "rv_until", review.expires_at)


def how_many(language: Language, review: Review) -> Markup:
    """The number of takes."""
    count = len(review.takes)
    return text(language, "rv_takes_one") if count == 1 else text(language, "rv_takes", count=count)


def people(language: Language, review: Review) -> Markup:
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
    """The bar of yes, maybe, no, and their numbers."""
    counts = [(verdict, getattr(take.tally, verdict)) for verdict in VERDICTS]
    bar = Markup("").join(
        Markup('<i class="rv-{}" style="--n:{}"></i>').format(verdict, count)
        for verdict, count in counts
    )
    numbers = Markup("").join(
        Markup('<span class="rv-{}"><b>{}</b> {}</span>').format(
            verdict, count, text(language, f"rv_{verdict}")
        )
        for verdict, count in counts
    )
    sr = Markup('<span class="wan-sr">{}: </span>').format(text(language, "rv_tally"))
    return Markup(
        '<div class="rv-bar" aria-hidden="true">{}</div><p class="rv-counts">{}{}</p>'
    ).format(bar, sr, numbers)


def comments(language: Language, take: Take, most: int | None = _SHOWN) -> Markup:
    """What people wrote, newest first. most: how many of it, and then how many there are besides;
    None for all.
    """
    said = take.comments
    if not said:
        return Markup('<p class="rv-none">{}</p>').format(text(language, "rv_comments_none"))
    minds = {
        one.reviewer: one.verdict for one in take.verdicts
    }  # oldest first: the last word of each, as the tally counts it
    shown = Markup("<ul>{}</ul>").format(
        Markup("").join(_comment(language, take, one, minds[one.reviewer]) for one in said[:most])
    )
    older = 0 if most is None else len(said) - most
    if older > 0:
        shown += Markup('<p class="rv-older">{}</p>').format(
            text(language, "rv_older_one")
            if older == 1
            else text(language, "rv_older", count=older)
        )
    return shown


def facts(language: Language, job: Job, *, seed: bool = True) -> Markup:
    """1280×720 · 24 fps · 5.0 s · seed 4711: never what it cost."""
    return Markup(" · ").join(
        [
            *measurements(language, job),
            *([text(language, "fact_seed", seed=job.seed)] if seed else []),
        ]
    )


def _page(
    language: Language,
    review: Review,
    address: Address,
    *,
    pages: Pages,
    ends: Markup | None,
    asks: Markup | str = "",
    live: str = "",
    send: str = "",
) -> Markup:
    answered = Markup('<span data-part="people">{}</span>').format(people(language, review))
    meta = [how_many(language, review), answered, *([ends] if ends else [])]
    return _PAGE.format(
        skip=text(language, "rv_skip"),
        head=_head(language, pages),
        live=Markup(' data-live="{}" data-send="{}"').format(live, send) if live else "",
        title=review.title,
        note=Markup('<p class="rv-note">{}</p>').format(review.note) if review.note else "",
        meta=Markup('<i aria-hidden="true"> · </i>').join(meta),
        asks=asks,
        compare=_compare(language, review, address),
        takes=Markup("").join(
            _take(
                language, take, *address(take.number), asked=bool(live), seed=review.with_settings
            )
            for take in review.takes
        ),
        words=_words(language) if live else "",
    )


def _take(
    language: Language, take: Take, video: str, poster: str, *, asked: bool, seed: bool
) -> Markup:
    job = take.job
    shown = Markup(
        '<figure class="rv-stage rv-deleted" style="--shape:16/9"><p>{}</p></figure>'
    ).format(text(language, "rv_deleted"))
    if job is not None:
        shown = _VIDEO.format(
            width=job.width or 16,
            height=job.height or 9,
            video=video,
            poster=poster,
            number=take.number,
            fps=frame_rate(job),
        )
    return _TAKE.format(
        number=take.number,
        stage=shown,
        title=text(language, "take", number=take.number),
        facts=facts(language, job, seed=seed) if job is not None else "",
        tally=tally(language, take),
        form=_form(language, take) if asked and job is not None else "",
        label=text(language, "rv_comments", number=take.number),
        comments=comments(language, take) if asked else comments(language, take, most=None),
    )


def _form(language: Language, take: Take) -> Markup:
    return _FORM.format(
        number=take.number,
        legend=text(language, "rv_your_verdict", number=take.number),
        choices=Markup("").join(
            _CHOICE.format(verdict=verdict, words=text(language, f"rv_{verdict}"))
            for verdict in VERDICTS
        ),
        comment=text(language, "rv_comment"),
        limit=COMMENT_LIMIT,
        at=text(language, "rv_moment"),
        note=text(language, "rv_moment_note"),
        send=text(language, "rv_send"),
    )


def _comment(language: Language, take: Take, one: Verdict, verdict: str) -> Markup:
    """verdict: of whoever wrote it, as it is now."""
    seek = Markup("")
    if one.at_seconds is not None and take.job is not None:
        moment = Markup(
            '<button type="button" class="rv-seek" data-seek="{}"><span '
            'translate="no">{}</span><span class="wan-sr"> {}</span></button>'
        )
        seek = moment.format(one.at_seconds, _moment(one.at_seconds), text(language, "rv_seek"))
    who = one.name or Markup("<i>{}</i>").format(text(language, "rv_somebody"))
    return Markup(
        '<li><p class="rv-by"><b>{}</b><span class="rv-{verdict}">{}</span>{}</p><p '
        'class="rv-text">{}</p></li>'
    ).format(who, text(language, f"rv_{verdict}"), seek, one.comment, verdict=verdict)


def _compare(language: Language, review: Review, address: Address) -> Markup | str:
    """Takes side by side, as many as a board holds; in templates, so that no video is loaded twice
    before somebody asks.
    """
    shown = [take for take in review.takes if take.job is not None]
    boards = -(-len(shown) // max(compare.TAKES))
    groups = [
        shown[at * len(shown) // boards : (at + 1) * len(shown) // boards] for at in range(boards)
    ]
    return Markup("").join(
        _board(language, group, address, alone=boards == 1, settings=review.with_settings)
        for group in groups
        if len(group) > 1
    )


def _board(
    language: Language, takes: Sequence[Take], address: Address, *, alone: bool, settings: bool
) -> Markup:
    numbers = [take.number for take in takes]
    words = (
        text(language, "rv_compare")
        if alone
        else text(language, "rv_compare_some", numbers=", ".join(map(str, numbers)))
    )
    words = Markup('<span class="rv-shut">{}</span><span class="rv-leave">{}</span>').format(
        words, text(language, "rv_compare_close")
    )
    screens = [(take.job, *address(take.number)) for take in takes if take.job is not None]
    return Markup(
        '<section class="rv-compare"><button type="button" class="rv-open" data-open '
        'aria-expanded="false">{}</button>'
        "<template>{}</template></section>"
    ).format(
        words, compare.board(language, screens, numbers=numbers, priced=False, settings=settings)
    )


def _words(language: Language) -> Markup:
    """What the script may have to say."""
    lines = [(name, text(language, f"rv_{name}")) for name in ("saved", "nothing", "offline")]
    lines.append(("closed", _message(language, "rv_closed", "rv_closed_note")))
    return Markup("").join(
        Markup('<template data-words="{}">{}</template>').format(*line) for line in lines
    )


def _message(language: Language, title: str, note: str) -> Markup:
    return Markup(
        '<section class="rv-message" role="status"><span class="rv-mark" aria-hidden="true">'
        "</span><h1>{}</h1><p>{}</p></section>"
    ).format(text(language, title), text(language, note))


def _head(language: Language, pages: Pages) -> Markup:
    return _HEAD.format(switch=render_macro("language_switch", language, pages))


def _document(body: Markup, title: str, language: Language, look: str = "") -> str:
    return str(
        _DOCUMENT.format(
            language=TAGS[language],
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


def _at(language: Language, key: str, seconds: float) -> Markup:
    return Markup("{} {}").format(text(language, key), time_at(seconds))


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
