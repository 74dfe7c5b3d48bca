"""Two to four takes side by side: their videos, one set of controls, and what differs between their
settings.

`assets/compare.js` plays every `[data-compare]` of a document and `assets/compare.css` dresses it.
Neither needs anything else of the page, so that the same board stands in the app, on a review's
public page and in an export that is opened from disk.
"""

import hashlib
from collections.abc import Sequence

from markupsafe import Markup

from wan.domain.fields import BY_NAME, RequestField
from wan.domain.jobs import Job, Reference
from wan.domain.messages import Language
from wan.media.embedded_settings import strip_query
from wan.web.facts import frame_rate, measurements
from wan.web.text import as_it_is, text

TAKES = range(2, 5)
"""How many takes a board may have."""

_BOARD = Markup(
    '<section class="wan-compare" data-compare="{name}" data-takes="{count}"{tall} '
    'tabindex="-1" aria-labelledby="{name}">'
    '<h2 class="wan-sr" id="{name}">{title}</h2><div '
    'class="wan-compare-grid">{screens}</div>{bar}{settings}</section>'
)
_SCREEN = Markup(
    '<figure><div class="wan-compare-screen" style="aspect-ratio: {width} / {height}">'
    '<video src="{video}"{poster} data-fps="{fps}" data-seconds="{seconds}" preload="auto" '
    "muted playsinline></video>"
    '<p class="wan-compare-lost">{lost}</p></div>'
    "<figcaption><strong>{take}</strong>{sound}</figcaption></figure>"
)
_SOUND = Markup(
    '<label><input type="radio" name="{name}-sound" data-sound="{number}"{state}>'
    "<span>{words}</span></label>"
)
_BAR = Markup(
    '<div class="wan-compare-bar"><label class="wan-compare-seek"><span '
    'class="wan-sr">{position}</span>'
    '<input type="range" min="0" max="0" step="1" value="0" aria-valuetext="0:00.00"></label>'
    '<div class="wan-compare-row">{back}{play}{forward}'
    '<span class="wan-compare-time"><b data-time translate="no">0:00.00</b> '
    '<span>{frame} <b data-frame translate="no">1</b> / <b data-frames translate="no">1</b>'
    "</span></span>"
    '<span class="wan-compare-wait" role="status">{waiting}</span>{mute}'
    '<label class="wan-compare-pick"><span>{speed}</span><select data-speed>'
    '<option value="0.25">0.25×</option><option value="0.5">0.5×</option><option value="1" '
    "selected>1×</option></select></label>{loop}</div>"
    '<p class="wan-compare-help">{help}</p></div>'
)
_BUTTON = Markup('<button type="button" data-do="{verb}"{more}>{icon}{words}</button>')
_ICON = Markup(
    '<svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="{path}"/></svg>'
)
_PATHS = {
    "play": "M5 3l12 7-12 7z",
    "pause": "M5 3h4v14H5zM11 3h4v14h-4z",
    "back": "M4 4h2.500v12H4zM16 4v12l-8-6z",
    "forward": "M13.500 4H16v12h-2.500zM4 4v12l8-6z",
    "loop": "M5 4h8a4 4 0 0 1 4 4h-2a2 2 0 0 0-2-2H5v3L1 5l4-4zM15 16H7a4 4 0 0 1-4-4h2a2 2 0 "
    "0 0 2 2h8v-3l4 4-4 4z",
}
Settings = dict[str, Markup]
"""What a take was made with, in words, by the key of its label."""


def board(
    language: Language,
    takes: Sequence[tuple[Job, str, str]],
    *,
    numbers: Sequence[int] = (),
    priced: bool = True,
    settings: bool = True,
) -> Markup:
    """Two to four takes side by side.

    takes: (job, address of its video, address of its poster or ""). numbers: what the takes are
    called, 1, 2, … unless given. priced: whether what they cost is shown. settings: whether what
    they were made with is.
    """
    jobs, numbers = [job for job, _, _ in takes], numbers or range(1, len(takes) + 1)
    name = (
        f"wan-compare-{hashlib.sha256(' '.join(job.id for job in jobs).encode()).hexdigest()[:12]}"
    )
    screens = Markup("").join(
        _screen(language, name, number, *take) for number, take in zip(numbers, takes, strict=True)
    )
    tall = all((job.height or 0) > (job.width or 0) for job in jobs)
    return _BOARD.format(
        name=name,
        count=len(takes),
        tall=Markup(" data-tall") if tall else "",
        title=text(language, "compare"),
        screens=screens,
        bar=_bar(language, name),
        settings=_settings(
            language, [worded(language, job, priced=priced) for job in jobs], numbers
        )
        if settings
        else "",
    )


def differences(takes: Sequence[Settings]) -> tuple[list[str], list[str]]:
    """The keys of the settings that differ, and of those that are the same in all, each in the
    order of the first take.
    """
    keys = list(dict.fromkeys(key for take in takes for key in take))
    differing = [key for key in keys if len({take.get(key) for take in takes}) > 1]
    return differing, [key for key in keys if key not in differing]


def _screen(
    language: Language, name: str, number: int, job: Job, video: str, poster: str
) -> Markup:
    silent = job.has_audio is False
    words = (
        text(language, "compare_silent")
        if silent
        else Markup("{}{}").format(
            text(language, "sound"), _hidden(text(language, "take", number=number))
        )
    )
    return _SCREEN.format(
        width=job.width or 16,
        height=job.height or 9,
        video=video,
        poster=Markup(' poster="{}"').format(poster) if poster else "",
        fps=frame_rate(job),
        seconds=f"{job.duration or 0:.3f}",
        lost=text(language, "compare_lost"),
        take=text(language, "take", number=number),
        sound=_SOUND.format(
            name=name, number=number, state=Markup(" disabled") if silent else "", words=words
        ),
    )


def _bar(language: Language, name: str) -> Markup:
    when = Markup('<span class="wan-compare-{}">{}</span>')
    play = [
        when.format(
            state, Markup("{}{}").format(_icon(key), _hidden(text(language, f"compare_{key}")))
        )
        for state, key in _STATES
    ]
    return _BAR.format(
        position=text(language, "compare_position"),
        back=_button("back", _icon("back"), _hidden(text(language, "compare_back"))),
        play=_button("play", "", Markup("").join(play)),
        forward=_button("forward", _icon("forward"), _hidden(text(language, "compare_forward"))),
        frame=text(language, "compare_frame"),
        waiting=text(language, "compare_waiting"),
        mute=_SOUND.format(
            name=name, number="", state=Markup(" checked"), words=text(language, "compare_mute")
        ),
        speed=text(language, "compare_speed"),
        loop=_button(
            "loop",
            _icon("loop"),
            _hidden(text(language, "compare_loop")),
            Markup(' aria-pressed="false"'),
        ),
        help=text(language, "compare_help"),
    )


_STATES = (("paused", "play"), ("playing", "pause"))


def _button(verb: str, icon: Markup | str, words: Markup, more: Markup | str = "") -> Markup:
    return _BUTTON.format(verb=verb, icon=icon, words=words, more=more)


def _icon(name: str) -> Markup:
    return _ICON.format(path=_PATHS[name])


def _hidden(words: Markup) -> Markup:
    """Words for those who cannot see the icon."""
    return Markup('<span class="wan-sr"> {}</span>').format(words)


def _settings(language: Language, takes: Sequence[Settings], numbers: Sequence[int]) -> Markup:
    """What differs, a column for each take, and below it what is the same in all."""
    differing, same = differences(takes)
    columns = Markup("").join(
        Markup("<div><h4>{}</h4>{}</div>").format(
            text(language, "take", number=number), _rows(language, take, differing)
        )
        for number, take in zip(numbers, takes, strict=True)
    )
    differ = Markup('<h3>{}</h3><div class="wan-compare-grid wan-compare-differ">{}</div>').format(
        text(language, "compare_differences"), columns
    )
    return Markup(
        '<div class="wan-compare-settings">{}<details><summary>{}</summary>{}</details></div>'
    ).format(
        differ if differing else Markup("<h3>{}</h3>").format(text(language, "compare_equal")),
        text(language, "compare_same"),
        _rows(language, takes[0], same),
    )


def _rows(language: Language, take: Settings, keys: Sequence[str]) -> Markup:
    row = Markup("<div><dt>{}</dt><dd>{}</dd></div>")
    return Markup("<dl>{}</dl>").format(
        Markup("").join(row.format(text(language, key), take.get(key) or "–") for key in keys)
    )


def worded(language: Language, job: Job, *, priced: bool = True) -> Settings:
    """What a take was made with, and what came of it, in words: by the keys of the strings that
    name them.
    """
    price = (
        text(language, "fact_free")
        if job.simulated
        else as_it_is(str(job.price))
        if job.price
        else Markup("")
    )
    asked = {
        field.label_key: _value(language, field, job.request[field.name])
        for field in BY_NAME.values()
        if field.compared and field.name in job.request
    }
    made_from = Markup(" · ").join(_reference(language, one) for one in job.references)
    facts = Markup(" · ").join(measurements(language, job))
    return (
        {"model": as_it_is(job.model), "seed": as_it_is(job.seed)}
        | asked
        | {
            "compare_made_from": made_from,
            "compare_measured": facts,
        }
        | ({"compare_price": price} if priced else {})
    )


def _value(language: Language, field: RequestField, given: object) -> Markup:
    if isinstance(given, bool):
        return text(language, "yes" if given else "no")
    if not isinstance(given, str):
        return as_it_is(given) if given is not None else Markup("")
    if label := field.choices.get(given):
        return text(language, label)
    if field.name == "size":
        given = given.replace("*", "×")
    elif field.is_url:
        given = strip_query(given)  # the board is shown to others
    return as_it_is(given) if given else Markup("")


def _reference(language: Language, one: Reference) -> Markup:
    """A reference by a short mark of its content, so that another one is seen to be another."""
    mark = one.sha256 or hashlib.sha256(one.url.encode()).hexdigest()
    return Markup("{} {}").format(text(language, f"compare_{one.kind}"), mark[:6])
