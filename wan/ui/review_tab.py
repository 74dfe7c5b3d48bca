"""The HTML of the owner's tab: what is chosen, the reviews, the one that is opened, exports."""

from collections.abc import Sequence

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.reviews import Review, Take
from wan.ui.cards import both, copy_button, file_address, video
from wan.ui.review_cards import comments, facts, how_many, people, tally, time_at, until
from wan.ui.shelf import gone_mark

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


def chosen(jobs: Sequence[Job], gone: Sequence[str] = ()) -> str:
    """The takes that a new review will have, in their order. gone: ids of chosen ones that are not
    there any more.
    """
    if not jobs:
        body = Markup('<p class="wan-hint">{}</p>').format(both("review_chosen_none"))
    else:
        body = Markup("<ol>{}</ol>").format(
            Markup("").join(_tile(number, job) for number, job in enumerate(jobs, 1))
        )
    return Markup('<div class="wr-chosen"{}><h3>{}</h3>{}</div>').format(
        gone_mark(gone), both("review_chosen"), body
    )


def listed(reviews: Sequence[Review], opened: str, now: float) -> str:
    """An owner's reviews. opened: the id of the one that is shown whole.
    now: seconds since 1970.
    """
    if not reviews:
        items = Markup('<p class="wr-empty">{}</p>').format(both("review_list_none"))
    else:
        items = Markup("").join(
            _item(review, now, opened=review.id == opened) for review in reviews
        )
    return Markup('<h2 class="wan-panel-title">{}</h2><div class="wr-list">{}</div>').format(
        both("review_list"), items
    )


def packing(share: float) -> str:
    """How far an export is, 0 to 1."""
    percent = int(share * 100)
    bar = Markup('<progress max="100" value="{}">{}%</progress>').format(percent, percent)
    return toast(
        Markup("<span>{}</span>{}{}").format(
            both("review_packing", percent=percent), bar, _press("stop", "upload_stop")
        )
    )


def exported(name: str, file: str) -> str:
    """The way to an export; the script takes it at once. name: as it is saved. file: as it is
    called outside (`wan.storage.uploads`).
    """
    link = Markup('<a class="wan-button main" href="{}" download="{}">{}</a>').format(
        file_address(file), name, both("download")
    )
    return toast(
        Markup("<span>{}</span>{}{}").format(
            both("review_exported", name=name), link, _press("done", "close")
        )
    )


def toast(body: Markup | str) -> str:
    """Something that is said beside the reviews."""
    return Markup('<div class="wr-toast" role="status">{}</div>').format(body)


def broke() -> str:
    """For what is our fault."""
    return Markup('<p class="wan-found" role="status">{}</p>').format(both("review_broke"))


def _tile(number: int, job: Job) -> Markup:
    poster = (
        Markup('<img src="media/{}/poster.webp" alt="">').format(job.media_token)
        if job.poster_key
        else ""
    )
    return Markup("<li>{}<span>{}</span></li>").format(poster, number)


def _item(review: Review, now: float, *, opened: bool) -> Markup:
    state = (
        "open" if review.is_open(now) else "revoked" if review.revoked_at is not None else "expired"
    )
    ends = until(review) if state == "open" else None
    meta = [
        how_many(review),
        Markup('<span data-part="people">{}</span>').format(people(review)),
        *([ends] if ends else []),
        time_at(review.created_at),
    ]
    live = (
        Markup(' data-tally data-live="review/{}/tally"').format(review.link_token)
        if opened and state == "open"
        else ""
    )
    item = _ITEM.format(
        look=" opened" if opened else "",
        picked="" if opened else review.id,
        expanded="true" if opened else "false",
        title=review.title,
        state=state,
        is_=both(f"review_is_{state}"),
        meta=Markup('<i aria-hidden="true"> · </i>').join(meta),
        detail=_detail(review, is_open=state == "open") if opened else "",
    )
    return Markup("<div{}>{}</div>").format(live, item)


def _detail(review: Review, *, is_open: bool) -> Markup:
    link = (
        _LINK.format(
            token=review.link_token,
            name=both("review_link"),
            copy=copy_button("link_copy", look="wan-button main"),
            open_=both("review_open"),
        )
        if is_open
        else ""
    )
    exports = Markup("").join(
        _press(kind, f"review_{kind}", review) for kind in ("csv", "json", "zip")
    )
    revoke = _ask("revoke", review) if is_open else ""
    return Markup(
        '<div class="wr-body">{link}{note}<div class="wr-takes">{takes}</div>'
        '<div class="wr-acts"><span class="wr-label">{export}</span>{exports}<span '
        'class="wr-gap"></span>{revoke}{delete}</div></div>'
    ).format(
        link=link,
        note=Markup('<p class="wr-note">{}</p>').format(review.note) if review.note else "",
        takes=Markup("").join(map(_take, review.takes)),
        export=both("review_export"),
        exports=exports,
        revoke=revoke,
        delete=_ask("delete", review),
    )


def _take(take: Take) -> Markup:
    job = take.job
    shown = (
        Markup('<p class="wr-gone">{}</p>').format(both("rv_deleted"))
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
        title=both("take", number=take.number),
        facts=facts(job) if job is not None else "",
        tally=tally(take),
        comments=comments(take),
    )


def _ask(verb: str, review: Review) -> Markup:
    sure = _press(verb, f"review_{verb}_sure", review, look="bad")
    return _ASK.format(
        what=both(f"review_{verb}"), why=both(f"review_{verb}_ask"), sure=sure, keep=both("keep")
    )


def _press(verb: str, key: str, review: Review | None = None, *, look: str = "") -> Markup:
    if review is None:
        return Markup(
            '<button type="button" class="wan-button" data-review-press="{}">{}</button>'
        ).format(verb, both(key))
    return _PRESS.format(look=look, verb=verb, id=review.id, words=both(key))
