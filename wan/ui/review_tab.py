"""The HTML of the owner's tab: what is chosen, the reviews, the one that is opened, exports."""

from collections.abc import Sequence

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.messages import Language
from wan.domain.reviews import Review, Take
from wan.ui.components.library import gone_mark
from wan.ui.components.lines import copy_button, video
from wan.web.paths import file_address
from wan.web.review_html import comments, count_people, count_takes, facts, tally, time_at, until
from wan.web.text import text

_ITEM = Markup(
    '<article class="wr-item{look}"><button type="button" class="wr-head" '
    'data-review-press="show" data-review="{picked}" aria-expanded="{expanded}">'
    '<strong>{title}</strong><span class="wr-state {state}">{is_}</span><span '
    'class="wr-meta">{meta}</span></button>{detail}</article>'
)
_PRESS = Markup(
    '<button type="button" class="wan-button {look}" data-review-press="{verb}" '
    'data-review="{id}">{words}</button>'
)
_ASK = Markup(
    '<details class="wr-ask" name="wr-ask"><summary class="wan-button">{what}</summary><div '
    'class="wr-sure"><p>{why}</p><div class="wan-acts">{sure}'
    '<button type="button" class="wan-button" data-review-keep>{keep}</button></div></div>'
    "</details>"
)
_LINK = Markup(
    '<div class="wr-link"><label><span class="wan-sr">{name}</span>'
    '<input type="text" readonly data-review-link="review/{token}" value="review/{token}"></label>'
    "{copy}"
    '<a class="wan-button" href="review/{token}" target="_blank" rel="noreferrer">{open_}</a></div>'
)


def chosen(language: Language, jobs: Sequence[Job], gone: Sequence[str] = ()) -> str:
    """The takes that a new review will have, in their order. gone: ids of chosen ones that are not
    there any more.
    """
    if not jobs:
        body = Markup('<p class="wan-hint">{}</p>').format(text(language, "review_chosen_none"))
    else:
        body = Markup("<ol>{}</ol>").format(
            Markup("").join(_tile(number, job) for number, job in enumerate(jobs, 1))
        )
    return Markup('<div class="wr-chosen"{}><h3>{}</h3>{}</div>').format(
        gone_mark(gone), text(language, "review_chosen"), body
    )


def listed(language: Language, reviews: Sequence[Review], opened: str, now: float) -> str:
    """An owner's reviews. opened: the id of the one that is shown whole.
    now: seconds since 1970.
    """
    if not reviews:
        items = Markup('<p class="wr-empty">{}</p>').format(text(language, "review_list_none"))
    else:
        items = Markup("").join(
            _item(language, review, now, opened=review.id == opened) for review in reviews
        )
    return Markup('<h2 class="wan-panel-title">{}</h2><div class="wr-list">{}</div>').format(
        text(language, "review_list"), items
    )


def packing(language: Language, share: float) -> str:
    """How far an export is, 0 to 1."""
    percent = int(share * 100)
    bar = Markup('<progress max="100" value="{}">{}%</progress>').format(percent, percent)
    return toast(
        Markup("<span>{}</span>{}{}").format(
            text(language, "review_packing", percent=percent),
            bar,
            _press(language, "stop", "upload_stop"),
        )
    )


def exported(language: Language, name: str, file: str) -> str:
    """The way to an export; the script takes it at once. name: as it is saved. file: as it is
    called outside (`wan.storage.uploads`).
    """
    link = Markup('<a class="wan-button main" href="{}" download="{}">{}</a>').format(
        file_address(file), name, text(language, "download")
    )
    return toast(
        Markup("<span>{}</span>{}{}").format(
            text(language, "review_exported", name=name), link, _press(language, "done", "close")
        )
    )


def toast(body: Markup | str) -> str:
    """Something that is said beside the reviews."""
    return Markup('<div class="wr-toast" role="status">{}</div>').format(body)


def broke(language: Language) -> str:
    """For what is our fault."""
    return Markup('<p class="wan-found" role="status">{}</p>').format(
        text(language, "review_broke")
    )


def _tile(number: int, job: Job) -> Markup:
    poster = (
        Markup('<img src="media/{}/poster.webp" alt="">').format(job.media_token)
        if job.poster_key
        else ""
    )
    return Markup("<li>{}<span>{}</span></li>").format(poster, number)


def _item(language: Language, review: Review, now: float, *, opened: bool) -> Markup:
    state = (
        "open" if review.is_open(now) else "revoked" if review.revoked_at is not None else "expired"
    )
    ends = until(language, review) if state == "open" else None
    meta = [
        count_takes(language, review),
        Markup('<span data-part="people">{}</span>').format(count_people(language, review)),
        *([ends] if ends else []),
        time_at(language, review.created_at),
    ]
    live = (
        Markup(' data-tally data-live="review/{}/tally?lang={}"').format(
            review.link_token, language
        )
        if opened and state == "open"
        else ""
    )
    item = _ITEM.format(
        look=" opened" if opened else "",
        picked="" if opened else review.id,
        expanded="true" if opened else "false",
        title=review.title,
        state=state,
        is_=text(language, f"review_is_{state}"),
        meta=Markup('<i aria-hidden="true"> · </i>').join(meta),
        detail=_detail(language, review, is_open=state == "open") if opened else "",
    )
    return Markup("<div{}>{}</div>").format(live, item)


def _detail(language: Language, review: Review, *, is_open: bool) -> Markup:
    link = (
        _LINK.format(
            token=review.link_token,
            name=text(language, "review_link"),
            copy=copy_button(language, "link_copy", look="wan-button main"),
            open_=text(language, "review_open"),
        )
        if is_open
        else ""
    )
    exports = Markup("").join(
        _press(language, kind, f"review_{kind}", review) for kind in ("csv", "json", "zip")
    )
    revoke = _ask(language, "revoke", review) if is_open else ""
    return Markup(
        '<div class="wr-body">{link}{note}<div class="wr-takes">{takes}</div>'
        '<div class="wr-acts"><span class="wr-label">{export}</span>{exports}<span '
        'class="wr-gap"></span>{revoke}{delete}</div></div>'
    ).format(
        link=link,
        note=Markup('<p class="wr-note">{}</p>').format(review.note) if review.note else "",
        takes=Markup("").join(_take(language, take) for take in review.takes),
        export=text(language, "review_export"),
        exports=exports,
        revoke=revoke,
        delete=_ask(language, "delete", review),
    )


def _take(language: Language, take: Take) -> Markup:
    job = take.job
    shown = (
        Markup('<p class="wr-gone">{}</p>').format(text(language, "rv_deleted"))
        if job is None
        else video(job, preload="none")
    )
    return Markup(
        '<section class="wr-take" data-take="{number}">{video}<div><h3 '
        'id="wr-take-{number}">{title}</h3><p class="wr-facts">{facts}</p>'
        '<div data-part="tally-{number}">{tally}</div></div>'
        '<div class="rv-said" role="region" aria-labelledby="wr-take-{number}" tabindex="0" '
        'data-part="comments-{number}">{comments}</div></section>'
    ).format(
        number=take.number,
        video=shown,
        title=text(language, "take", number=take.number),
        facts=facts(language, job) if job is not None else "",
        tally=tally(language, take),
        comments=comments(language, take),
    )


def _ask(language: Language, verb: str, review: Review) -> Markup:
    sure = _press(language, verb, f"review_{verb}_sure", review, look="bad")
    return _ASK.format(
        what=text(language, f"review_{verb}"),
        why=text(language, f"review_{verb}_ask"),
        sure=sure,
        keep=text(language, "keep"),
    )


def _press(
    language: Language, verb: str, key: str, review: Review | None = None, *, look: str = ""
) -> Markup:
    if review is None:
        return Markup(
            '<button type="button" class="wan-button" data-review-press="{}">{}</button>'
        ).format(verb, text(language, key))
    return _PRESS.format(look=look, verb=verb, id=review.id, words=text(language, key))
