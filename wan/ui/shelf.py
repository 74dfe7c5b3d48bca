"""The HTML of the library: a page of cards, one job in all its details, and the frame into which
the script puts them. Escaped as in `cards`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from markupsafe import Markup

from wan.domain.jobs import Job, JobEvent, JobPage, JobState, Reference, Spent
from wan.domain.messages import Language, Message
from wan.media import embedded_settings
from wan.ui.components.lines import video
from wan.web.compare import TAKES, worded
from wan.web.facts import as_clock, measurements
from wan.web.text import as_it_is, text, text_of

_TONES = {
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    JobState.EXPIRED: "bad",
    JobState.UNCERTAIN: "warn",
    JobState.CANCELLED: "",
}
_STEPS = (  # what took how long: from one time of the row to the next that is known
    ("step_line", "created_at"),
    ("step_uploading", "started_at"),
    ("step_sending", "submitting_at"),
    ("step_waiting", "submitted_at"),
    ("step_making", "running_at"),
    ("step_fetching", "fetching_at"),
)
_SCROLLED = 160  # characters; a longer prompt may have to be scrolled, also by the keyboard
_FRAME = Markup(
    '<div id="wan-library" data-view="grid"><div class="wan-note" role="status"></div>'
    '<div class="wan-library-grid"><ul class="wan-shelf"></ul><div class="wan-pages"></div></div>'
    '<div class="wan-library-one"></div></div>'
)
_BAR = Markup(
    '<section class="wan-chosen" data-needed="{needed}" hidden><p role="status"><b>0</b> '
    '{chosen}</p><div class="wan-acts">{acts}</div></section>'
    '<div class="wan-work"></div>'
)
_CARD = Markup(
    '<li class="wan-item" data-job="{id}" data-state="{state}"><button type="button" '
    'class="wan-item-open" data-open>'
    '<span class="wan-item-picture">{picture}{length}</span><span class="wan-item-words" '
    'translate="no">{words}</span>'
    '<span class="wan-item-line"><span class="wan-item-state {tone}">{title}</span>'
    "<span>{cost}</span>{when}"
    '<code translate="no">{model}</code></span></button>{choose}</li>'
)
_CHOOSE = Markup(
    '<label class="wan-item-choose"><input type="checkbox" data-choose><b aria-hidden="true">'
    '</b><span class="wan-sr">{}</span></label>'
)
_JOB = Markup(
    '<article class="wan-job" data-job="{id}" data-state="{state}"{live}>'
    '<div class="wan-job-head"><button type="button" class="wan-button" '
    "data-back>{back}</button>{when}</div>"
    '<div class="wan-job-room"><div><figure class="wan-stage {look}">{stage}</figure></div>'
    '<div class="wan-job-side"><h2 class="wan-title {tone}">{title}</h2>{said}'
    '<p class="wan-job-prompt" translate="no"{reach}>{prompt}</p><p class="wan-facts">{facts}</p>'
    '<p class="wan-job-cost"><span>{cost_title}</span> <strong>{cost}</strong></p><div '
    'class="wan-acts">{acts}</div>{ask}'
    '<div class="wan-note" role="status"></div></div>'
    "{parts}</div></article>"
)
_PART = Markup('<section class="wan-job-part"><h3>{}</h3>{}</section>')
NEEDED = {"compare": TAKES, "join": embedded_settings.SHOTS}  # takes that have to be chosen for it
_ACT = Markup('<button type="button" class="wan-button {}" data-act="{}">{}</button>')


def frame() -> str:
    """Where the script shows the library."""
    return _FRAME


def bar(language: Language) -> str:
    """What can be done with the chosen takes."""
    verbs = (
        ("compare", "takes_compare"),
        ("join", "library_join"),
        ("review", "review"),
        ("clear", "library_clear"),
    )
    acts = [
        _ACT.format("main" if verb == "compare" else "", verb, text(language, key))
        for verb, key in verbs
    ]
    needed = json.dumps({verb: (counts[0], counts[-1]) for verb, counts in NEEDED.items()})
    return _BAR.format(
        needed=needed, chosen=text(language, "library_chosen"), acts=Markup("").join(acts)
    )


def page(language: Language, shelf: JobPage, offset: int, limit: int, until: float | None) -> str:
    """A page of cards, and the way to the others."""
    newest = shelf.jobs[0].created_at if shelf.jobs and until is None else until
    cards = Markup("").join(_card(language, job) for job in shelf.jobs)
    return Markup(
        '<div data-shelf data-going="{}" data-until="{}" data-offset="{}"><ul>{}</ul>'
        "<nav>{}</nav></div>"
    ).format(
        shelf.live,
        "" if newest is None else repr(newest),
        offset,
        cards,
        _pages(language, shelf, offset, limit) if shelf.jobs else _empty(language, shelf, offset),
    )


def note(language: Language, what: Message | str, gone: Sequence[str] = ()) -> str:
    """A sentence in place of what was asked for: of the service, or a string of the page by its
    key. gone: see `gone_mark`.
    """
    words = text_of(language, what) if isinstance(what, Message) else text(language, what)
    return Markup('<p class="wan-hint wan-bad" data-note{}>{}</p>').format(gone_mark(gone), words)


def went(tab: str, job_id: str = "") -> str:
    """What tells the script that somebody is taken to a tab, and which job is shown there now."""
    return Markup('<i data-went="{}" data-job="{}"></i>').format(tab, job_id)


def forgotten(gone: Sequence[str]) -> str:
    """What tells the script which jobs are not there any more. gone: their ids."""
    return Markup("<i{}></i>").format(gone_mark(gone))


def gone_mark(gone: Sequence[str]) -> Markup | str:
    """On whatever is shown: which of the chosen jobs are not there any more, for the script to
    forget. gone: their ids.
    """
    return Markup(' data-gone="{}"').format(" ".join(gone)) if gone else ""


def download(language: Language, address: str, name: str, key: str) -> str:
    """What was made, to be taken along. address: where the page finds it."""
    return Markup('<div><a class="wan-button main" href="{}" download="{}">{}</a>{}</div>').format(
        address, name, text(language, key), _ACT.format("", "dismiss", text(language, "close"))
    )


def progress(language: Language, done: float, gone: Sequence[str] = ()) -> str:
    """How far a film is. done: 0 to 1. gone: see `gone_mark`."""
    percent = int(done * 100)
    return Markup(
        '<div{} role="group"><label><span>{}</span> <progress max="100" value="{}">{} '
        "%</progress> <b>{} %</b></label>{}</div>"
    ).format(
        gone_mark(gone),
        text(language, "library_joining"),
        percent,
        percent,
        percent,
        _ACT.format("", "stop", text(language, "upload_stop")),
    )


def compared(language: Language, board: Markup, gone: Sequence[str] = ()) -> str:
    """The board of takes side by side, with the way back. gone: see `gone_mark`."""
    back = Markup('<button type="button" class="wan-button" data-back>{}</button>').format(
        text(language, "library_back")
    )
    return Markup("<div data-board{}>{}{}</div>").format(gone_mark(gone), back, board)


def job(language: Language, event: JobEvent) -> str:
    """One job with all that is known of it."""
    one = event.job
    film = one.state is JobState.SUCCEEDED
    words = text_of(language, one.said or event.message) if not film else ""
    return _JOB.format(
        id=one.id,
        state=one.state,
        live=Markup(" data-going") if one.live else "",
        back=text(language, "library_back"),
        when=_when(one.created_at),
        look="video" if film else "none",
        stage=video(one)
        if film
        else Markup('<blockquote translate="no">{}</blockquote>').format(_prompt(one)),
        tone=_TONES.get(one.state, ""),
        title=text(language, f"title_{one.state}"),
        said=Markup('<p class="wan-say">{}</p>').format(words) if words else "",
        facts=Markup(" · ").join(
            [*measurements(language, one), text(language, "fact_seed", seed=one.seed)]
        ),
        cost_title=text(language, "library_cost"),
        cost=_cost(language, one, long=True),
        acts=Markup("").join(_acts(language, one)),
        ask=_ask(language),
        reach=Markup(' tabindex="0"') if len(_prompt(one)) > _SCROLLED else "",
        prompt=_prompt(one),
        parts=Markup("").join(_parts(language, event)),
    )


def _card(language: Language, one: Job) -> Markup:
    film, poster = (
        one.state is JobState.SUCCEEDED,
        Markup('<img src="media/{}/poster.webp" alt="" loading="lazy" decoding="async">'),
    )
    quoted = Markup(
        '<span class="wan-item-none" aria-hidden="true" translate="no">{}</span>'
    ).format(_prompt(one))
    seconds = one.duration or one.request.get("duration")
    return _CARD.format(
        id=one.id,
        state=one.state,
        picture=poster.format(one.media_token) if one.poster_key else quoted,
        length=Markup('<span class="wan-item-length" translate="no">{}</span>').format(
            as_clock(float(seconds))
        )
        if film and seconds
        else "",
        words=_prompt(one),
        tone=_TONES.get(one.state, "live"),
        title=text(language, f"title_{one.state}"),
        cost=_cost(language, one, long=False),
        when=_when(one.created_at),
        model=one.model,
        choose=_CHOOSE.format(text(language, "library_choose")) if film else "",
    )


def _when(at: float) -> Markup:
    """A moment, which the script puts into the words of the place where it is read."""
    moment = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}" translate="no">{}</time>').format(
        moment.isoformat(timespec="seconds"), f"{moment:%Y-%m-%d %H:%M} UTC"
    )


def _cost(language: Language, one: Job, *, long: bool) -> Markup:
    if one.simulated:
        return text(language, "fact_free" if long else "cost_free")
    if not one.live and one.spent is Spent.NO:
        return text(language, "cost_none")
    if one.price is None:
        return text(language, "quote_unpriced" if long else "cost_unknown")
    key = "cost_if" if one.live and long else "cost_maybe" if one.spent is Spent.MAYBE else "quote"
    return text(language, key, price=str(one.price))


def _prompt(one: Job) -> str:
    return str(one.request.get("prompt", ""))


def _pages(language: Language, shelf: JobPage, offset: int, limit: int) -> Markup:
    first, last = offset + 1, offset + len(shelf.jobs)
    where = text(
        language, "library_pages", first=f"{first:,}", last=f"{last:,}", total=f"{shelf.total:,}"
    )
    newer = _turn(language, "library_newer", max(offset - limit, 0), there=offset > 0)
    return Markup("{}<span>{}</span>{}").format(
        newer, where, _turn(language, "library_older", offset + limit, there=last < shelf.total)
    )


def _turn(language: Language, key: str, offset: int, *, there: bool) -> Markup:
    return Markup('<button type="button" class="wan-button" data-turn="{}"{}>{}</button>').format(
        offset, "" if there else Markup(" disabled"), text(language, key)
    )


def _empty(language: Language, shelf: JobPage, offset: int) -> Markup:
    key = "library_nothing" if not shelf.of_owner else "library_no_match"
    way = _turn(language, "library_newer", 0, there=True) if offset and shelf.total else ""
    return Markup('<div class="wan-empty"><p>{}</p>{}</div>').format(text(language, key), way)


def _acts(language: Language, one: Job) -> list[Markup]:
    """What can be done with a job."""
    costs = (
        Markup(" · {}").format(as_it_is(str(one.price))) if one.price and not one.simulated else ""
    )
    acts = [_ACT.format("main", "use", text(language, "library_use"))]
    if one.live:
        return [*acts, _ACT.format("", "watch", text(language, "library_watch"))]
    again = "new_take" if one.state is JobState.SUCCEEDED else "retry"
    acts.append(_ACT.format("", "again", Markup("{}{}").format(text(language, again), costs)))
    if one.video_key:
        save = Markup(
            '<a class="wan-button" href="media/{}/video.mp4" download="wan-{}.mp4">{}</a>'
        )
        acts += [
            _ACT.format("", "frame", text(language, "library_frame")),
            save.format(one.media_token, one.seed, text(language, "download")),
        ]
        acts.append(_ACT.format("", "bundle", text(language, "library_bundle")))
    return [*acts, _ACT.format("bad", "ask", text(language, "library_delete"))]


def _ask(language: Language) -> Markup:
    """The question before a job is deleted."""
    acts = _ACT.format("bad", "delete", text(language, "library_delete_sure")) + _ACT.format(
        "", "keep", text(language, "keep")
    )
    return Markup(
        '<div class="wan-ask" hidden><p>{}</p><div class="wan-acts">{}</div></div>'
    ).format(text(language, "library_delete_ask"), acts)


def _parts(language: Language, event: JobEvent) -> list[Markup]:
    one = event.job
    made_with = {
        key: value
        for key, value in worded(language, one).items()
        if not key.startswith("compare_") and key != "prompt"
    }
    ids = {
        "task_id": one.task_id,
        "request_id": one.request_id,
        "code": one.code,
        "job_id": one.id,
        "library_retried": one.retried_from,
    }
    parts = [
        ("library_timeline", _timeline(language, event)),
        ("library_settings", _rows(language, made_with)),
        ("compare_made_from", _references(language, one.references)),
    ]
    if one.adjustments:
        adjusted = Markup("").join(
            Markup("<li>{}</li>").format(text_of(language, one_)) for one_ in one.adjustments
        )
        parts.append(
            ("library_adjusted", Markup('<ul class="wan-adjusted">{}</ul>').format(adjusted))
        )
    parts.append(
        (
            "details",
            _rows(
                language,
                {
                    key: Markup('<code translate="no">{}</code>').format(value)
                    for key, value in ids.items()
                    if value
                },
            ),
        )
    )
    return [_PART.format(text(language, key), part) for key, part in parts]


def _rows(language: Language, rows: dict[str, Markup]) -> Markup:
    return Markup("<dl>{}</dl>").format(
        Markup("").join(
            Markup("<dt>{}</dt><dd>{}</dd>").format(text(language, key), value)
            for key, value in rows.items()
            if value
        )
    )


def spans(event: JobEvent) -> list[tuple[str, float]]:
    """What took how long: the key of a step, and seconds. The one that is going on is as long as it
    has been.
    """
    one = event.job
    ended = one.ended_at if not one.live else one.state_at + event.elapsed
    known = [(key, at) for key, name in _STEPS if (at := getattr(one, name)) is not None]
    ends = [*(at for _, at in known[1:]), ended if ended is not None else known[-1][1]]
    return [(key, max(until - at, 0.0)) for (key, at), until in zip(known, ends, strict=True)]


def _timeline(language: Language, event: JobEvent) -> Markup:
    steps = spans(event)
    whole = sum(seconds for _, seconds in steps) or 1.0
    row = Markup(
        '<li><span>{}</span><meter min="0" max="{:.2f}" value="{:.2f}" aria-hidden="true">'
        "</meter><b>{}</b></li>"
    )
    shown = Markup("").join(
        row.format(
            text(language, key),
            whole,
            seconds,
            text(language, "fact_seconds", seconds=f"{seconds:.1f}"),
        )
        for key, seconds in steps
    )
    total = Markup('<p class="wan-hint">{}</p>').format(
        text(language, "library_took", seconds=f"{whole:.1f}")
    )
    return Markup('<ol class="wan-timeline">{}</ol>{}').format(
        shown, "" if event.job.live else total
    )


def _references(language: Language, references: Sequence[Reference]) -> Markup:
    return Markup('<ul class="wan-adjusted">{}</ul>').format(
        Markup("").join(
            _reference(language, number, one) for number, one in enumerate(references, 1)
        )
    )


def _reference(language: Language, number: int, one: Reference) -> Markup:
    facts: list[Markup] = [text(language, f"compare_{one.kind}")]
    if one.url:
        facts.append(Markup("{}").format(urlsplit(one.url).hostname or ""))
    elif one.width:
        facts.append(Markup("{}×{}").format(one.width, one.height))
    if one.seconds is not None:
        facts.append(text(language, "fact_seconds", seconds=f"{one.seconds:.1f}"))
    return Markup("<li>{}. {}</li>").format(number, Markup(" · ").join(facts))
