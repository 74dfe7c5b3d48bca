"""The HTML of the page: stage, status card, cast and price line, as pure functions of what they
show.

Everything that is said is said in one language, which each function is given first.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Literal

from markupsafe import Markup

from wan.domain.catalog import Price, format_money
from wan.domain.jobs import CANCEL_IS_FREE, Job, JobEvent, JobState, Spent
from wan.domain.messages import Language, Message, t
from wan.domain.plain_text import clean_line
from wan.ui.components.lines import copy_button, hint, video
from wan.ui.takes import Mark
from wan.web.facts import as_clock, measurements
from wan.web.templating import render_macro
from wan.web.text import as_it_is, text, text_of

STEPS = ("step_line", "step_sending", "step_waiting", "step_making", "step_fetching")
_STEP_OF = {
    JobState.QUEUED: 0,
    JobState.UPLOADING: 1,
    JobState.SUBMITTING: 1,
    JobState.UNCERTAIN: 1,
    JobState.PENDING: 2,
    JobState.RUNNING: 3,
    JobState.FETCHING: 4,
    JobState.SUCCEEDED: 5,
}
_VIEW = Markup(
    '<div class="wan-view" data-state="{state}"{of}{live}><figure class="wan-stage '
    '{look}">{stage}</figure>{card}</div>'
)
_CARD = Markup(
    '<section class="wan-card {tone}"{field}>{steps}'
    '<div class="wan-head"><strong class="wan-title">{title}</strong>{clock}{task}</div>'
    '<p class="wan-say">{said}</p><div class="wan-acts">{acts}</div>{more}</section>'
)
_PAGES: dict[Language, str] = {"zh": "zh?lang=zh", "en": "./?lang=en"}
"""Where the page of each language is, with what says that it was chosen."""
_CONNECT = Markup('<button type="button" class="{}" data-connect>{}</button>')
_SIGN_OUT = Markup(
    '<form method="post" action="logout"><button class="wan-plain wan-leave">{}</button></form>'
)
_BUTTON = Markup(
    '<button type="button" class="wan-button {look}" data-press="{press}"{at}>{words}</button>'
)
_TAKE = Markup(
    '<section class="wan-take {tone}" data-state="{state}"{live}><figure class="wan-stage '
    '{look}">{stage}</figure>{steps}'
    '<div class="wan-head"><strong>{title}</strong>{clock}<span class="wan-task">{seed}</span>'
    "</div>"
    '<p class="wan-take-say">{said}</p><div class="wan-acts">{acts}</div>{more}</section>'
)
_TAKES = Markup(
    '<div class="wan-view" data-state="{state}" data-told="{told}"{live}><div '
    'class="wan-takes">{tiles}</div>{card}</div>'
)
_COPY = Markup(
    '<span class="wan-copy"><button type="button" class="{look}" data-copy>{words}</button>'
    '<span class="wan-copy-said" role="status">'
    "<span data-copied hidden>{copied}</span><span data-selected hidden>{selected}</span>"
    "</span></span>"
)
_CHOOSE = Markup(
    '<button type="button" class="wan-button {}" data-choose="{}" data-jobs="{}">{}</button>'
)


def price_line(
    language: Language,
    price: Price | None,
    usual: tuple[int, int],
    *,
    simulated: bool,
    takes: int = 1,
) -> str:
    """What stands above Generate: what it costs and how long it usually takes. price: of each of
    the takes, which are made side by side.
    """
    low, high = usual
    unit, low, high = (
        ("minutes", round(low / 60), round(high / 60)) if low >= 60 else ("seconds", low, high)
    )
    key = unit if low < high else f"about_{unit}"
    parts = [
        *_costs(language, price, takes, simulated=simulated),
        text(language, "quote_time", time=t(language, key, low=low, high=high)),
    ]
    return Markup('<p class="wan-price">{}</p>').format(
        Markup("").join(Markup("<span>{}</span>").format(part) for part in parts)
    )


def _costs(language: Language, price: Price | None, takes: int, *, simulated: bool) -> list[Markup]:
    strong = Markup("<strong>{}</strong>")
    if simulated:
        key = "" if price is None else "quote_key" if price.exact else "quote_key_most"
        return [
            strong.format(text(language, "quote_free")),
            *([_amount(language, key, price, takes)] if price else []),
        ]
    if price is None:
        return [strong.format(text(language, "quote_unpriced"))]
    return [
        strong.format(_amount(language, "quote" if price.exact else "quote_most", price, takes))
    ]


def _amount(language: Language, key: str, price: Price, takes: int) -> Markup:
    """What one take costs, or what several do, and each of them."""
    if takes == 1:
        return text(language, key, price=str(price))
    total = format_money(price.amount * takes, price.currency)
    all_takes = text(language, "quote_takes", price=total, takes=takes, each=str(price))
    return text(language, key, price=all_takes)


def idle(language: Language, still: str, card: Markup, *, back: bool = False) -> str:
    """The stage before a run: a sample still, by the name of its file, and a card. back: whether
    there is a job to go back to.
    """
    caption = (
        Markup("<span></span>{}").format(_press(language, "watch", "back_to_job", look="glass"))
        if back
        else text(language, "still")
    )
    picture = Markup('<img src="still/{}" alt=""><figcaption>{}</figcaption>').format(
        still, caption
    )
    return _view("IDLE", "still", picture, card)


def previewed(language: Language, webp: bytes, size: str, card: Markup, *, back: bool) -> str:
    """The stage with the picture as it will be sent. back: whether there is
    a video to go back to.
    """
    caption = (
        text(language, "will_send", size=size.replace("*", "×"))
        if "*" in size
        else text(language, "will_send_own")
    )
    button = _press(language, "watch", "back_to_video", look="glass") if back else ""
    source = base64.b64encode(webp).decode()
    picture = Markup(
        '<img src="data:image/webp;base64,{}" alt=""><figcaption>{}{}</figcaption>'
    ).format(source, caption, button)
    return _view("IDLE", "preview", picture, card)


def ready(language: Language, *, simulated: bool) -> Markup:
    """The card before a run: what to do, and in the demo that it is one."""
    return _card(
        language,
        title=text(language, "ready"),
        say_=text(language, "ready_note"),
        more=Markup('<div class="wan-theirs">{}</div>').format(hint(language, "demo_note"))
        if simulated
        else "",
    )


def refused(language: Language, why: Message, field: str = "", *, connect: bool = False) -> Markup:
    """The card for a brief that was not sent, naming what is wrong. field: marked in the form.
    connect: with the way to the connection.
    """
    acts = [_CONNECT.format("wan-button main", text(language, "connection"))] if connect else []
    return _card(
        language,
        tone="bad",
        title=text(language, "title_refused"),
        say_=text_of(language, why),
        acts=acts,
        more=hint(language, "refused_note"),
        field=field,
    )


def not_started(language: Language, key: str, title: str = "title_refused") -> Markup:
    """The card for something that could not be done for a reason of ours."""
    return _card(language, tone="bad", title=text(language, title), say_=text(language, key))


def view(
    language: Language,
    event: JobEvent,
    *,
    watching: bool = True,
    note: Markup | str = "",
    asks: Message | None = None,
) -> str:
    """Stage and card of a job as it is now. note: stands before what the card says. asks: what to
    know before a retry is really wanted.
    """
    job = event.job
    shown = partial(_view, of=job.id)
    if asks is not None:
        return shown("ASKS", "none", _prompt(job), _asked(language, job, asks))
    if job.state is JobState.SUCCEEDED:
        return shown(job.state, "video", video(job), _done(language, job, note))
    stage = _prompt(job)
    if not job.live:
        return shown(job.state, "none", stage, _ended(language, job, event))
    if not watching:
        return shown("STOPPED", "none", stage, _stopped(language, job))
    return shown(job.state, "making", stage, _live(language, event, note), live=True)


def takes(
    language: Language, shown: Sequence[tuple[JobEvent, Mark]], *, note: Markup | str = ""
) -> str:
    """Several takes as they are now, in a grid that keeps its shape, and one card for all of them.
    note: stands in that card.
    """
    tiles = [
        _take(language, number, event, mark) for number, (event, mark) in enumerate(shown, start=1)
    ]
    live = any(event.job.live and mark is not Mark.QUIET for event, mark in shown)
    states = [event.job.state for event, _ in shown]
    done, over = states.count(JobState.SUCCEEDED), sum(not event.job.live for event, _ in shown)
    state = "TAKES" if over < len(shown) else JobState.SUCCEEDED if done else states[0]
    return _TAKES.format(
        state=state,
        live=Markup(" data-live") if live else "",
        told=f"{done}/{over}",
        tiles=Markup("").join(tiles),
        card=_summary(language, shown, note),
    )


@dataclass(frozen=True)
class Tile:
    """A reference on the page."""

    kind: Literal["video", "image", "refused"]
    name: str
    thumbnail: bytes = b""
    """A WebP; none of what is at an address, and of what cannot be used."""
    notes: Sequence[Message] = ()
    """What is done to it, or why it cannot be used."""


def cast(language: Language, tiles: Sequence[Tile]) -> str:
    """The references in the order of their names, and after them what cannot be used; below, what
    is done to them.
    """
    named = [tile for tile in tiles if tile.kind != "refused"]
    drawn = [_tile(number, tile) for number, tile in enumerate(named, 1)] + [
        _refused_tile(tile) for tile in tiles if tile.kind == "refused"
    ]
    notes = [_note(language, tile, one) for tile in tiles for one in tile.notes]
    return Markup('<div class="wan-cast">{}</div>{}{}').format(
        Markup("").join(drawn), Markup("").join(notes), hint(language, "cast_hint") if named else ""
    )


def sound_hint(language: Language, seconds: float, notes: Sequence[Message]) -> str:
    """A sound that can be used: how long it is, and what is done to it."""
    done = Markup("").join(
        Markup('<p class="wan-hint" role="status">{}</p>').format(text_of(language, one))
        for one in notes
    )
    return hint(language, "sound_hint", seconds=f"{seconds:.1f}") + done


def sound_refusal(language: Language, why: Message) -> str:
    """A sound that cannot be used."""
    return Markup('<p class="wan-hint wan-bad" role="status">{}</p>').format(text_of(language, why))


def _tile(number: int, tile: Tile) -> Markup:
    source = base64.b64encode(tile.thumbnail).decode()
    picture = (
        Markup('<img src="data:image/webp;base64,{}" alt="">').format(source)
        if source
        else Markup('<span class="wan-link">URL</span>')
    )
    return Markup(
        '<button type="button" class="wan-tile" data-insert="character{n}" title="{name}" '
        'translate="no">{picture}<span>character{n}</span></button>'
    ).format(n=number, name=clean_line(tile.name), picture=picture)


def _refused_tile(tile: Tile) -> Markup:
    return Markup(
        '<span class="wan-tile wan-unusable" title="{0}"><span class="wan-link" '
        'aria-hidden="true">✕</span><span>{0}</span></span>'
    ).format(clean_line(tile.name))


def _note(language: Language, tile: Tile, note: Message) -> Markup:
    """A refusal calls the file by its name; what is done to one does not."""
    if tile.kind == "refused":
        return Markup('<p class="wan-hint wan-bad" role="status">{}</p>').format(
            text_of(language, note)
        )
    return Markup('<p class="wan-hint" role="status">{}: {}</p>').format(
        clean_line(tile.name), text_of(language, note)
    )


def _view(
    state: str, look: str, stage: Markup, card: Markup, *, of: str = "", live: bool = False
) -> str:
    """of: the id of the one job that is shown."""
    of = Markup(' data-of="{}"').format(of) if of else ""
    return _VIEW.format(
        state=state,
        of=of,
        live=Markup(" data-live") if live else "",
        look=look,
        stage=stage,
        card=card,
    )


def _card(
    language: Language,
    *,
    title: Markup,
    say_: Markup,
    tone: str = "calm",
    step: int | None = -1,
    ticking: Markup | str = "",
    task: Markup | str = "",
    acts: Sequence[Markup] = (),
    more: Markup | str = "",
    field: str = "",
) -> Markup:
    return _CARD.format(
        tone=tone,
        field=Markup(' data-field="{}"').format(field) if field else "",
        steps="" if step is None else _steps(language, step, tone),
        title=title,
        clock=ticking
        or Markup(
            '<span class="wan-clock"></span>'
        ),  # always there, so that Gradio does not make the one of the other
        task=task or Markup('<span class="wan-task"></span>'),
        said=say_,
        acts=Markup("").join(acts),
        more=more,
    )


def _steps(language: Language, step: int, tone: str) -> Markup:
    """The line of five; those before `step` are done, and `step` is where it stands."""
    looks = ["done" if at < step else "now" if at == step else "" for at in range(len(STEPS))]
    items = [
        Markup('<li class="{}"><span>{}</span></li>').format(look, text(language, key))
        for look, key in zip(looks, STEPS, strict=True)
    ]
    return Markup('<ol class="wan-steps {}">{}</ol>').format(tone, Markup("").join(items))


def _prompt(job: Job) -> Markup:
    """The stage of a job that has no video to show."""
    return Markup(
        '<blockquote translate="no">{}</blockquote><span class="wan-glow"></span>'
    ).format(str(job.request.get("prompt", "")))


def _ticking(language: Language, event: JobEvent) -> Markup:
    """The clock of a state."""
    job = event.job
    making = job.state is JobState.RUNNING
    about = text(language, "of_about", time=as_clock(event.expected)) if making else ""
    return Markup(
        '<span class="wan-clock" data-clock="{key}" data-elapsed="{elapsed:.1f}" '
        'data-expected="{expected:.1f}">'
        '<b translate="no">{now}</b> <span class="wan-about">{about}</span><span '
        'class="wan-late">{late}</span></span>'
    ).format(
        key=f"{job.id}:{job.state_at}",
        elapsed=event.elapsed,
        expected=event.expected if making else 0,
        now=as_clock(event.elapsed),
        about=about,
        late=text(language, "late") if making else "",
    )


def _live(language: Language, event: JobEvent, note: Markup | str) -> Markup:
    job = event.job
    making = job.state is JobState.RUNNING
    late = (
        Markup('<span class="wan-late"> {}</span>').format(text(language, "late_note"))
        if making
        else ""
    )
    return _card(
        language,
        tone="warn" if job.state is JobState.UNCERTAIN else "calm",
        title=text(language, f"title_{job.state}"),
        step=_STEP_OF[job.state],
        ticking=_ticking(language, event),
        task=_task(language, job),
        say_=Markup("{}{}{}").format(
            note, _explained(language, event, text(language, "goes_on")), late
        ),  # last, so that nothing moves when it appears
        acts=_live_acts(language, job),
        more=_details(language, job),
    )


def _live_acts(language: Language, job: Job, at: str = "") -> list[Markup]:
    if _cancels(job):
        return [_press(language, "cancel", "cancel", at=at)]
    again = (
        [_press(language, "retry", "retry", job=job, at=at)]
        if job.state is JobState.UNCERTAIN
        else []
    )
    return [_press(language, "stop", "stop", at=at), *again]


def _cancels(job: Job) -> bool:
    """Whether a cancel would still come in time, and is not on its way."""
    return job.state in CANCEL_IS_FREE | {JobState.SUBMITTING} and not job.cancel_wanted


def _explained(language: Language, event: JobEvent, goes_on: Markup | str = "") -> Markup:
    """What is happening, what it costs, and what can be done about it."""
    job = event.job
    noted = Markup("{} ").format(text(language, "page_cancel_noted")) if job.cancel_wanted else ""
    if job.state is not JobState.RUNNING or job.said is not None:
        return Markup("{}{} {}").format(noted, text_of(language, event.message), goes_on)
    if job.simulated:
        return text(language, "cannot_stop_demo")
    return (
        text(language, "cannot_stop", price=str(job.price))
        if job.price
        else text(language, "cannot_stop_unpriced")
    )


def _stopped(language: Language, job: Job) -> Markup:
    return _card(
        language,
        title=text(language, "not_watching"),
        step=_STEP_OF[job.state],
        task=_task(language, job),
        say_=text(language, "stopped_note"),
        acts=[_press(language, "watch", "watch", look="main")],
        more=_details(language, job),
    )


def _asked(language: Language, job: Job, asks: Message) -> Markup:
    return _card(
        language,
        tone="warn",
        title=text(language, "title_ask"),
        step=_furthest(job),
        task=_task(language, job),
        say_=text_of(language, asks),
        acts=[
            _press(language, "sure", "sure", job=job),
            _press(language, "watch", "leave", look="main"),
        ],
        more=_details(language, job),
    )


def _ended(language: Language, job: Job, event: JobEvent) -> Markup:
    return _card(
        language,
        tone="calm" if job.state is JobState.CANCELLED else "bad",
        title=text(language, f"title_{job.state}"),
        step=_furthest(job),
        task=_task(language, job),
        say_=text_of(language, job.said or event.message),
        acts=[_press(language, "retry", "retry", job=job)],
        more=_details(language, job),
    )


def _done(language: Language, job: Job, note: Markup | str) -> Markup:
    listed = _adjusted(language, job.adjustments)
    return _card(
        language,
        tone="good",
        title=text(language, "title_SUCCEEDED"),
        step=_STEP_OF[job.state],
        task=_task(language, job),
        say_=_facts(language, job),
        acts=_done_acts(language, job),
        more=Markup("{}{}{}").format(
            Markup('<p class="wan-hint">{}</p>').format(note) if note else "",
            listed,
            _details(language, job),
        ),
    )


def _done_acts(language: Language, job: Job, at: str = "") -> list[Markup]:
    download = Markup('<a class="wan-button main" href="media/{}/video.mp4" download="{}">{}</a>')
    return [
        download.format(job.media_token, f"wan-{job.seed}.mp4", text(language, "download")),
        _press(language, "retry", "new_take", job=job, at=at),
    ]


def _adjusted(language: Language, adjustments: Sequence[Message]) -> Markup | str:
    """What was adjusted, in plain words."""
    listed = Markup("").join(
        Markup("<li>{}</li>").format(text_of(language, one)) for one in adjustments
    )
    return Markup('<ul class="wan-adjusted">{}</ul>').format(listed) if listed else ""


def _take(language: Language, number: int, event: JobEvent, mark: Mark) -> Markup:
    """A tile of the grid; what pressing its buttons does, it does to this take alone."""
    job, at = event.job, event.job.id
    stage, look, tone, acts = (
        _prompt(job),
        "none",
        "calm",
        [_press(language, "retry", "retry", job=job, at=at)],
    )
    title, words, state, step = (
        text(language, f"title_{job.state}"),
        text_of(language, job.said or event.message),
        str(job.state),
        _furthest(job),
    )
    live = job.live and mark not in (Mark.ASKS, Mark.QUIET)
    if mark is Mark.ASKS:
        state, tone, title, words = (
            "ASKS",
            "warn",
            text(language, "title_ask"),
            text_of(language, Message.of("may_pay_twice")),
        )
        acts = [
            _press(language, "sure", "sure", job=job, at=at),
            _press(language, "resume", "leave", look="main", at=at),
        ]
    elif live:
        look, tone, step = (
            "making",
            "warn" if job.state is JobState.UNCERTAIN else "calm",
            _STEP_OF[job.state],
        )
        words, acts = _explained(language, event), _live_acts(language, job, at)
    elif job.live:
        state, title, words, acts = (
            "STOPPED",
            text(language, "not_watching"),
            text(language, "stopped_note"),
            [_press(language, "resume", "watch", look="main", at=at)],
        )
    elif job.state is JobState.SUCCEEDED:
        before = (
            Markup("{} · ").format(text(language, "take_before")) if mark is Mark.BEFORE else ""
        )
        stage, look, tone, step = video(job), "video", "good", _STEP_OF[job.state]
        words, acts = (
            Markup("{}{}").format(before, _facts(language, job)),
            _done_acts(language, job, at),
        )
    elif job.state is not JobState.CANCELLED:
        tone = "bad"
    return _TAKE.format(
        tone=tone,
        state=state,
        live=Markup(" data-live") if live else "",
        look=look,
        stage=stage,
        steps=_steps(language, step, tone),
        title=Markup("{} · {}").format(text(language, "take", number=number), title),
        clock=_ticking(language, event) if live else "",
        seed="" if job.state is JobState.SUCCEEDED else text(language, "fact_seed", seed=job.seed),
        said=words,
        acts=Markup("").join(acts),
        more=_details(language, job, at),
    )


def _summary(
    language: Language, shown: Sequence[tuple[JobEvent, Mark]], note: Markup | str
) -> Markup:
    """The card under several takes: how many are done, what they cost together, and what can be
    done with all of them.
    """
    jobs = [event.job for event, _ in shown]
    done, going = (
        [job for job in jobs if job.state is JobState.SUCCEEDED],
        [job for job in jobs if job.live],
    )
    lost = [job for job in jobs if job.state in (JobState.FAILED, JobState.EXPIRED)]
    cancelled = len(jobs) - len(done) - len(going) - len(lost)
    counted = {"takes_lost": len(lost), "takes_cancelled": cancelled, "takes_going": len(going)}
    words = [text(language, key, number=number) for key, number in counted.items() if number]
    cost = _total(language, [event.job for event, mark in shown if mark is not Mark.BEFORE])
    chosen = " ".join(job.id for job in done)
    ways = (("compare", "takes_compare", "main"), ("review", "review", ""))
    acts = [
        _CHOOSE.format(look, verb, chosen, text(language, key))
        for verb, key, look in ways
        if len(done) > 1
    ]
    if sum(map(_cancels, jobs)) > 1:
        acts.append(_press(language, "cancel", "cancel_all"))
    adjusted = list({str(one): one for job in done for one in job.adjustments}.values())
    return _card(
        language,
        title=text(language, "takes_done", done=len(done), takes=len(jobs)),
        tone="calm" if going else "good" if done else "bad" if lost else "calm",
        step=None,
        say_=Markup(" ").join([*words, *cost]),
        acts=acts,
        more=Markup("{}{}").format(
            Markup('<p class="wan-hint">{}</p>').format(note) if note else "",
            _adjusted(language, adjusted),
        ),
    )


def _total(language: Language, jobs: Sequence[Job]) -> list[Markup]:
    """What jobs cost together, as far as prices are known: while some are on their way, at most."""
    if any(job.simulated for job in jobs):
        return [text(language, "takes_free")]
    charged = [job for job in jobs if job.live or job.spent is not Spent.NO]
    if not jobs or any(job.amount is None for job in charged):
        return []
    total = format_money(
        sum((job.amount or Decimal(0) for job in charged), Decimal(0)), jobs[0].currency
    )
    return [
        text(
            language,
            "takes_price_most" if any(job.live for job in jobs) else "takes_price",
            price=total,
        )
    ]


def _facts(language: Language, job: Job) -> Markup:
    """1280×720 · 24 fps · 5.0 s · seed 4711 · ¥1.50"""
    facts = [*measurements(language, job), text(language, "fact_seed", seed=job.seed)]
    if job.simulated:
        facts.append(text(language, "fact_free"))
    elif job.price:
        facts.append(as_it_is(str(job.price)))
    return Markup('<span class="wan-facts">{}</span>').format(Markup(" · ").join(facts))


def _furthest(job: Job) -> int:
    """The step at which a job ended."""
    reached = (job.created_at, job.started_at, job.submitted_at, job.running_at, job.fetching_at)
    return max(step for step, at in enumerate(reached) if at is not None)


def _press(
    language: Language,
    press: str,
    key: str,
    *,
    look: str = "",
    job: Job | None = None,
    at: str = "",
) -> Markup:
    """A button; `assets/page.js` hands the click to Gradio. job: what pressing it costs is shown.
    at: the id of the one job that is meant.
    """
    words = text(language, key)
    if job is not None and job.price and not job.simulated:
        words = Markup("{} · {}").format(words, as_it_is(str(job.price)))
    return _BUTTON.format(
        press=press, words=words, look=look, at=Markup(' data-job="{}"').format(at) if at else ""
    )


def _task(language: Language, job: Job) -> Markup | str:
    if not job.task_id:
        return ""
    return Markup('<span class="wan-task">{} <code translate="no">{}</code>{}</span>').format(
        text(language, "task"), job.task_id, copy_button(language, "copy", is_icon=True)
    )


def _details(language: Language, job: Job, at: str = "") -> Markup | str:
    """Ids to quote, folded away."""
    rows = (
        ("task_id", job.task_id),
        ("request_id", job.request_id),
        ("code", job.code),
        ("model", job.model),
        ("job_id", job.id),
    )
    shown = Markup("").join(
        Markup('<dt>{}</dt><dd translate="no">{}</dd>').format(text(language, key), value)
        for key, value in rows
        if value
    )
    if job.original_key and job.original_key != job.video_key:
        link = Markup(
            '<dt>{}</dt><dd><a href="media/{}/original.mp4" download>original.mp4</a></dd>'
        )
        shown += link.format(text(language, "original"), job.media_token)
    withdraw = _press(language, "withdraw", "withdraw", at=at) if job.video_key else ""
    return Markup(
        '<details class="wan-details" data-details="{}"><summary>{}</summary>'
        "<dl>{}</dl>{}</details>"
    ).format(job.id, text(language, "details"), shown, withdraw)


_UPLOAD = Markup(  # what the script puts beside a file on its way
    '<div id="wan-upload" hidden><div class="wan-upload"><label><span class="wan-sr">{}</span>'
    '<progress max="1" value="0"></progress></label>'
    '<span translate="no"></span><button type="button" class="wan-button">{}</button></div></div>'
)


def header(
    language: Language,
    badge: Markup,
    *,
    short: Markup | None = None,
    notes: Sequence[Markup] = (),
    connect: bool = False,
    share: bool = True,
) -> str:
    """The head of the page: its name, where videos are made, and the switch of languages.

    short: the badge where there is little room. connect: whether there is a panel for keys and
    codes. share: whether jobs belong to a browser, so that a link opens them in another; where they
    do not, whoever is signed in can sign out.
    """
    shown = Markup("").join(Markup('<p class="wan-banner">{}</p>').format(note) for note in notes)
    return Markup(
        '<header class="wan-header"><div class="wan-name"><span class="wan-mark" '
        'aria-hidden="true"></span><h1>Wan Studio</h1>'
        '<p>{tagline}</p></div><div class="wan-where">'
        '<span class="wan-badge"><span class="wan-wide">{badge}</span><span '
        'class="wan-narrow">{short}</span>'
        '<span class="wan-mine">{own}</span></span>'
        "{connect}"
        "{link}"
        '<nav class="wan-lang">{switch}</nav></div></header>'
        '{notes}{dialogs}{upload}<p id="wan-announcer" '
        'class="wan-sr" aria-live="polite"></p>'
    ).format(
        tagline=text(language, "tagline"),
        badge=badge,
        short=short or badge,
        switch=render_macro("language_switch", language, _PAGES),
        notes=shown,
        link=Markup(
            '<button type="button" class="wan-plain" data-event="share">{}</button>'
        ).format(text(language, "link"))
        if share
        else _SIGN_OUT.format(text(language, "sign_out")),
        own=text(language, "badge_own"),
        connect=_CONNECT.format("wan-plain wan-key", text(language, "connection"))
        if connect
        else "",
        dialogs=Markup("{}{}").format(
            _dialogs(language) if share else "", _leaving(language) if connect else ""
        ),
        upload=_UPLOAD.format(text(language, "upload_going"), text(language, "upload_stop")),
    )


_DIALOG = Markup(
    '<dialog id="wan-{}" class="wan-dialog"><form method="dialog"><h2>{}</h2><p>{}</p>{}'
    '<div class="wan-acts">{}</div></form></dialog>'
)
_ANSWER = Markup('<button class="wan-button {}" value="{}"{}>{}</button>')
_AT_ONCE = Markup(" autofocus")


def _dialogs(language: Language) -> Markup:
    """What the script opens: the private link to copy, and the question before somebody's link is
    taken for one's own.
    """
    field = Markup(
        '<label><span class="wan-sr">{}</span><input type="text" readonly></label>'
    ).format(text(language, "link"))
    copy = copy_button(language, "link_copy", look="wan-button main")
    mine = Markup('<div class="wan-own-link"><p>{}</p>{}{}</div>').format(
        text(language, "claim_mine"), field, copy
    )
    close = _ANSWER.format("", "close", "", text(language, "close"))
    use = _ANSWER.format("", "use", "", text(language, "claim_use"))
    stay = _ANSWER.format("main", "stay", _AT_ONCE, text(language, "claim_stay"))
    return _dialog(language, "share", "link", "link_note", field, copy + close) + _dialog(
        language, "claim", "claim", "claim_note", mine, use + stay
    )


def _leaving(language: Language) -> Markup:
    """The question before the page in the other language, where a key has to be typed anew."""
    go = _ANSWER.format("", "go", "", text(language, "switch_go"))
    stay = _ANSWER.format("main", "stay", _AT_ONCE, text(language, "switch_stay"))
    return _dialog(language, "switch", "switch", "switch_note", "", go + stay)


def _dialog(
    language: Language, name: str, title: str, note: str, more: Markup | str, acts: Markup
) -> Markup:
    return _DIALOG.format(name, text(language, title), text(language, note), more, acts)
