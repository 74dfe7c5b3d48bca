"""The HTML of the page: stage, status card, cast and price line, as pure functions of what they show.

This is the one place where text from people and from the service becomes HTML: `Markup.format` escapes every value that is not Markup itself.
What is said is put in twice, `<span lang="en">` and `<span lang="zh">`, and the page's CSS shows the one of `<html lang>`.
"""

import base64
from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import quote as url_quote

from markupsafe import Markup

from wan.catalog import Price
from wan.jobs import CANCEL_IS_FREE, Job, JobEvent, JobState
from wan.ui.text import TEXT, say
from wan.words import Sentence

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
_UNTRANSLATED = ("gradio_upload", "gradio_footer", "gradio_remove")  # what Gradio says to screen readers in English only; the script puts it right
_SPAN = Markup('<span lang="en">{}</span><span lang="zh">{}</span>')
_VIEW = Markup('<div class="wan-view" data-state="{state}"{live}><figure class="wan-stage {look}">{stage}</figure>{card}</div>')
_CARD = Markup(
    '<section class="wan-card {tone}"{field}>{steps}'
    '<div class="wan-head"><strong class="wan-title">{title}</strong>{clock}{task}</div>'
    '<p class="wan-say">{said}</p><div class="wan-acts">{acts}</div>{more}</section>'
)
_CONNECT = Markup('<button type="button" class="{}" data-connect>{}</button>')
_BUTTON = Markup('<button type="button" class="wan-button {look}" data-press="{press}">{words}</button>')


def both(key: str, **values: str | int) -> Markup:
    """A string of the page in both languages."""
    return _SPAN.format(say(key, "en", **values), say(key, "zh", **values))


def said(sentence: Sentence) -> Markup:
    """A sentence of the service in both languages."""
    return _SPAN.format(sentence.say("en"), sentence.say("zh"))


def clock(seconds: float) -> str:
    """Seconds as people read a clock: 0:42, 1:15, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def price_line(price: Price | None, usual: tuple[int, int], *, simulated: bool) -> str:
    """What stands above Generate: what it costs and how long it usually takes."""
    low, high = usual
    unit, low, high = ("minutes", round(low / 60), round(high / 60)) if low >= 60 else ("seconds", low, high)
    key = unit if low < high else f"about_{unit}"
    parts = [*_costs(price, simulated=simulated), _SPAN.format(*(_usually(key, language, low, high) for language in ("en", "zh")))]
    return Markup('<p class="wan-price">{}</p>').format(Markup('<i aria-hidden="true">·</i>').join(parts))


def _usually(key: str, language: str, low: int, high: int) -> str:
    return say("quote_time", language, time=say(key, language, low=low, high=high))


def _costs(price: Price | None, *, simulated: bool) -> list[Markup]:
    strong = Markup("<strong>{}</strong>")
    if simulated:
        key = "" if price is None else "quote_key" if price.exact else "quote_key_most"
        return [strong.format(both("quote_free")), *([both(key, price=str(price))] if key else [])]
    if price is None:
        return [strong.format(both("quote_unpriced"))]
    return [strong.format(both("quote" if price.exact else "quote_most", price=str(price)))]


def idle(still: str, card: Markup, *, back: bool = False) -> str:
    """The stage before a run: a sample still, by the name of its file, and a card. back: whether there is a job to go back to."""
    caption = Markup("<span></span>{}").format(_press("watch", "back_to_job", look="glass")) if back else both("still")
    picture = Markup('<img src="still/{}" alt=""><figcaption>{}</figcaption>').format(still, caption)
    return _view("IDLE", "still", picture, card)


def previewed(webp: bytes, size: str, card: Markup, *, back: bool) -> str:
    """The stage with the picture as it will be sent. back: whether there is a video to go back to."""
    caption = both("will_send", size=size.replace("*", "×")) if "*" in size else both("will_send_own")
    button = _press("watch", "back_to_video", look="glass") if back else ""
    source = base64.b64encode(webp).decode()
    picture = Markup('<img src="data:image/webp;base64,{}" alt=""><figcaption>{}{}</figcaption>').format(source, caption, button)
    return _view("IDLE", "preview", picture, card)


def ready(*, simulated: bool) -> Markup:
    """The card before a run: what to do, and in the demo that it is one."""
    return _card(
        title=both("ready"), say_=both("ready_note"), more=Markup('<div class="wan-theirs">{}</div>').format(hint("demo_note")) if simulated else ""
    )


def refused(why: Sentence, field: str = "", *, connect: bool = False) -> Markup:
    """The card for a brief that was not sent, naming what is wrong. field: marked in the form. connect: with the way to the connection."""
    acts = [_CONNECT.format("wan-button main", both("connection"))] if connect else []
    return _card(tone="bad", title=both("title_refused"), say_=said(why), acts=acts, more=hint("refused_note"), field=field)


def panel_head(title: str, note: str) -> str:
    """What stands at the top of a panel."""
    return Markup('<h2 class="wan-panel-title">{}</h2><p class="wan-hint">{}</p>').format(both(title), both(note))


def finding(what: Sentence) -> str:
    """What came of a question about the connection."""
    return Markup('<p class="wan-found" role="status">{}</p>').format(said(what))


def not_started(key: str, title: str = "title_refused") -> Markup:
    """The card for something that could not be done for a reason of ours."""
    return _card(tone="bad", title=both(title), say_=both(key))


def view(event: JobEvent, *, watching: bool = True, note: Markup | str = "", asks: Sentence | None = None) -> str:
    """Stage and card of a job as it is now. note: stands before what the card says. asks: what to know before a retry is really wanted."""
    job = event.job
    if asks is not None:
        return _view("ASKS", "none", _prompt(job), _asked(job, asks))
    if job.state is JobState.SUCCEEDED:
        return _view(job.state, "video", _video(job), _done(job, note))
    stage = _prompt(job)
    if not job.live:
        return _view(job.state, "none", stage, _ended(job, event))
    if not watching:
        return _view("STOPPED", "none", stage, _stopped(job))
    return _view(job.state, "making", stage, _live(event, note), live=True)


def cast(names: Sequence[tuple[str, str, str]]) -> str:
    """The references in the order of their names. names: (kind "image" or "video", address to show or "", file name)."""
    tiles = Markup("").join(_tile(number, *one) for number, one in enumerate(names, 1))
    return Markup('<div class="wan-cast">{}</div><p class="wan-hint">{}</p>').format(tiles, both("cast_hint"))


def file_address(path: str) -> str:
    """Where the page finds a file that Gradio keeps."""
    return f"gradio_api/file={url_quote(path)}"


def _tile(number: int, kind: str, address: str, name: str) -> Markup:
    shown = {
        "image": Markup('<img src="{}" alt="">'),
        "video": Markup('<video src="{}#t=0.1" muted playsinline preload="metadata"></video>'),
    }[kind].format(address)
    picture = shown if address else Markup('<span class="wan-link">URL</span>')
    return Markup(
        '<button type="button" class="wan-tile" data-insert="character{n}" title="{name}">{picture}<span>character{n}</span></button>'
    ).format(n=number, name=name, picture=picture)


def _view(state: str, look: str, stage: Markup, card: Markup, *, live: bool = False) -> str:
    return _VIEW.format(state=state, live=Markup(" data-live") if live else "", look=look, stage=stage, card=card)


def _card(
    *,
    title: Markup,
    say_: Markup,
    tone: str = "calm",
    step: int = -1,
    ticking: Markup | str = "",
    task: Markup | str = "",
    acts: Sequence[Markup] = (),
    more: Markup | str = "",
    field: str = "",
) -> Markup:
    return _CARD.format(
        tone=tone,
        field=Markup(' data-field="{}"').format(field) if field else "",
        steps=_steps(step, tone),
        title=title,
        clock=ticking or Markup('<span class="wan-clock"></span>'),  # always there, so that Gradio does not make the one of the other
        task=task or Markup('<span class="wan-task"></span>'),
        said=say_,
        acts=Markup("").join(acts),
        more=more,
    )


def _steps(step: int, tone: str) -> Markup:
    """The line of five; those before `step` are done, and `step` is where it stands."""
    looks = ["done" if at < step else "now" if at == step else "" for at in range(len(STEPS))]
    items = [Markup('<li class="{}"><span>{}</span></li>').format(look, both(key)) for look, key in zip(looks, STEPS, strict=True)]
    return Markup('<ol class="wan-steps {}">{}</ol>').format(tone, Markup("").join(items))


def _prompt(job: Job) -> Markup:
    """The stage of a job that has no video to show."""
    return Markup('<blockquote>{}</blockquote><span class="wan-glow"></span>').format(str(job.request.get("prompt", "")))


def _live(event: JobEvent, note: Markup | str) -> Markup:
    job = event.job
    making = job.state is JobState.RUNNING
    about = both("of_about", time=clock(event.expected)) if making else ""
    ticking = Markup(
        '<span class="wan-clock" data-clock="{key}" data-elapsed="{elapsed:.1f}" data-expected="{expected:.1f}">'
        '<b>{now}</b> <span class="wan-about">{about}</span><span class="wan-late">{late}</span></span>'
    ).format(
        key=f"{job.id}:{job.state_at}",
        elapsed=event.elapsed,
        expected=event.expected if making else 0,
        now=clock(event.elapsed),
        about=about,
        late=both("late") if making else "",
    )
    late = Markup('<span class="wan-late"> {}</span>').format(both("late_note")) if making else ""
    return _card(
        tone="warn" if job.state is JobState.UNCERTAIN else "calm",
        title=both(f"title_{job.state}"),
        step=_STEP_OF[job.state],
        ticking=ticking,
        task=_task(job),
        say_=Markup("{}{}{}").format(note, _explained(event), late),  # last, so that nothing moves when it appears
        acts=_live_acts(job),
        more=_details(job),
    )


def _live_acts(job: Job) -> list[Markup]:
    if job.state in CANCEL_IS_FREE | {JobState.SUBMITTING} and not job.cancel_wanted:
        return [_press("cancel", "cancel")]
    again = [_press("retry", "retry", job=job)] if job.state is JobState.UNCERTAIN else []
    return [_press("stop", "stop"), *again]


def _explained(event: JobEvent) -> Markup:
    """What is happening, what it costs, and what can be done about it."""
    job = event.job
    noted = Markup("{} ").format(both("cancel_noted")) if job.cancel_wanted else ""
    if job.state is not JobState.RUNNING or job.said is not None:
        return Markup("{}{} {}").format(noted, said(event.sentence), both("goes_on"))
    if job.simulated:
        return both("cannot_stop_demo")
    return both("cannot_stop", price=str(job.price)) if job.price else both("cannot_stop_unpriced")


def _stopped(job: Job) -> Markup:
    return _card(
        title=both("not_watching"),
        step=_STEP_OF[job.state],
        task=_task(job),
        say_=both("stopped_note"),
        acts=[_press("watch", "watch", look="main")],
        more=_details(job),
    )


def _asked(job: Job, asks: Sentence) -> Markup:
    return _card(
        tone="warn",
        title=both("title_ask"),
        step=_furthest(job),
        task=_task(job),
        say_=said(asks),
        acts=[_press("sure", "sure", job=job), _press("watch", "leave", look="main")],
        more=_details(job),
    )


def _ended(job: Job, event: JobEvent) -> Markup:
    return _card(
        tone="calm" if job.state is JobState.CANCELLED else "bad",
        title=both(f"title_{job.state}"),
        step=_furthest(job),
        task=_task(job),
        say_=said(job.said or event.sentence),
        acts=[_press("retry", "retry", job=job)],
        more=_details(job),
    )


def _done(job: Job, note: Markup | str) -> Markup:
    download = Markup('<a class="wan-button main" href="media/{}/video.mp4" download="{}">{}</a>')
    acts = [download.format(job.media_token, f"wan-{job.seed}.mp4", both("download")), _press("retry", "new_take", job=job)]
    adjusted = Markup("").join(Markup("<li>{}</li>").format(said(one)) for one in job.adjustments)
    listed = Markup('<ul class="wan-adjusted">{}</ul>').format(adjusted) if job.adjustments else ""
    return _card(
        tone="good",
        title=both("title_SUCCEEDED"),
        step=_STEP_OF[job.state],
        task=_task(job),
        say_=_facts(job),
        acts=acts,
        more=Markup("{}{}{}").format(Markup('<p class="wan-hint">{}</p>').format(note) if note else "", listed, _details(job)),
    )


def measured(job: Job) -> list[Markup]:
    """What was measured in the file of a job's video: 1280×720, 24 fps, 5.0 s."""
    facts: list[Markup] = []
    if job.width and job.height:
        facts.append(Markup("{}×{}").format(job.width, job.height))
    if job.fps:
        facts.append(both("fact_fps", fps=f"{Decimal(str(round(job.fps, 2))).normalize():f}"))
    if job.duration:
        facts.append(both("fact_seconds", seconds=f"{job.duration:.1f}"))
    return facts


def _facts(job: Job) -> Markup:
    """1280×720 · 24 fps · 5.0 s · seed 4711 · ¥1.50"""
    facts = [*measured(job), both("fact_seed", seed=job.seed)]
    if job.simulated:
        facts.append(both("fact_free"))
    elif job.price:
        facts.append(Markup("{}").format(str(job.price)))
    return Markup('<span class="wan-facts">{}</span>').format(Markup(" · ").join(facts))


def _furthest(job: Job) -> int:
    """The step at which a job ended."""
    reached = (job.created_at, job.started_at, job.submitted_at, job.running_at, job.fetching_at)
    return max(step for step, at in enumerate(reached) if at is not None)


def _video(job: Job) -> Markup:
    poster = Markup(' poster="media/{}/poster.webp"').format(job.media_token) if job.poster_key else ""
    return Markup('<video src="media/{}/video.mp4"{} controls playsinline preload="metadata"></video>').format(job.media_token, poster)


def _press(press: str, key: str, *, look: str = "", job: Job | None = None) -> Markup:
    """A button; `assets/page.js` hands the click to Gradio. job: what pressing it costs is shown."""
    words = both(key)
    if job is not None and job.price and not job.simulated:
        words = Markup("{} · {}").format(words, str(job.price))
    return _BUTTON.format(press=press, words=words, look=look)


def _task(job: Job) -> Markup | str:
    if not job.task_id:
        return ""
    return Markup(
        '<span class="wan-task">{} <code>{}…</code><button type="button" data-copy="{}"><span class="wan-sr">{}</span></button></span>'
    ).format(both("task"), job.task_id[:8], job.task_id, both("copy"))


def _details(job: Job) -> Markup | str:
    """Ids to quote, folded away."""
    rows = (("task_id", job.task_id), ("request_id", job.request_id), ("code", job.code), ("fact_model", job.model), ("job_id", job.id))
    shown = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(both(key), value) for key, value in rows if value)
    if job.original_key and job.original_key != job.video_key:
        link = Markup('<dt>{}</dt><dd><a href="media/{}/original.mp4" download>original.mp4</a></dd>')
        shown += link.format(both("original"), job.media_token)
    withdraw = _press("withdraw", "withdraw") if job.video_key else ""
    return Markup('<details class="wan-details"><summary>{}</summary><dl>{}</dl>{}</details>').format(both("details"), shown, withdraw)


def hint(key: str, **values: str | int) -> Markup:
    """A quiet line of the form."""
    return Markup('<p class="wan-hint">{}</p>').format(both(key, **values))


def quiet(key: str, value: str) -> Markup:
    """Something that is so and cannot be chosen."""
    return Markup('<p class="wan-quiet"><span>{}</span><code>{}</code></p>').format(both(key), value)


def header(badge: Markup, *, short: Markup | None = None, notes: Sequence[Markup] = (), connect: bool = False, share: bool = True) -> str:
    """The head of the page: its name, where videos are made, and the switch of languages.

    short: the badge where there is little room. connect: whether there is a panel for keys and codes. share: whether jobs belong to a
    browser, so that a link opens them in another.
    """
    switch = Markup('<button type="button" data-lang="zh">{}</button><i>/</i><button type="button" data-lang="en">{}</button>')
    shown = Markup("").join(Markup('<p class="wan-banner">{}</p>').format(note) for note in notes)
    return Markup(
        '<header class="wan-header"><div class="wan-name"><span class="wan-mark" aria-hidden="true"></span><h1>Wan Studio</h1>'
        '<p>{tagline}</p></div><div class="wan-where">'
        '<span class="wan-badge"><span class="wan-wide">{badge}</span><span class="wan-narrow">{short}</span>'
        '<span class="wan-mine">{own}</span></span>'
        "{connect}"
        "{link}"
        '<nav class="wan-lang">{switch}</nav></div></header>'
        '{notes}{dialogs}<div id="wan-names" hidden>{names}</div><p id="wan-announcer" class="wan-sr" aria-live="polite"></p>'
    ).format(
        tagline=both("tagline"),
        badge=badge,
        short=short or badge,
        switch=switch.format(TEXT["to_chinese"][1], TEXT["to_english"][0]),
        notes=shown,
        link=Markup('<button type="button" class="wan-plain" data-share>{}</button>').format(both("link")) if share else "",
        own=both("badge_own"),
        connect=_CONNECT.format("wan-plain wan-key", both("connection")) if connect else "",
        dialogs=_dialogs() if share else "",
        names=Markup("").join(Markup('<span data-names="{}">{}</span>').format(say(key, "en"), both(key)) for key in _UNTRANSLATED),
    )


def _dialogs() -> Markup:
    """What the script opens: the private link to copy, and the question before somebody's link is taken for one's own."""
    form = Markup('<form method="dialog"><h2>{}</h2><p>{}</p>{}<div class="wan-acts">{}</div></form>')
    shape = Markup('<dialog id="wan-{}" class="wan-dialog">') + form + Markup("</dialog>")
    button = Markup('<button class="wan-button {}" value="{}"{}>{}</button>')
    field = Markup('<label><span class="wan-sr">{}</span><input type="text" readonly></label>').format(both("link"))
    copy = button.format("main", "copy", Markup(' type="button" data-link-copy'), both("link_copy"))
    mine = Markup('<div class="wan-own-link"><p>{}</p>{}{}</div>').format(both("claim_mine"), field, copy)
    share = shape.format("share", both("link"), both("link_note"), field, copy + button.format("", "close", "", both("close")))
    stay = button.format("main", "stay", Markup(" autofocus"), both("claim_stay"))
    return share + shape.format("claim", both("claim"), both("claim_note"), mine, button.format("", "use", "", both("claim_use")) + stay)
