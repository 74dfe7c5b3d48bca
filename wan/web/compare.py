"""Two to four takes side by side: their videos, one set of controls, and what differs between their
settings.

`assets/compare.js` plays every `[data-compare]` of a document, and `assets/compare.css` dresses it
with the tokens of `tokens.css`. They need nothing else of the page, so that the same board stands
in the app, on a review's public page and in an export that is opened from disk.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from wan.domain.fields import BY_NAME, RequestField
from wan.domain.jobs import Job, Reference, label_takes
from wan.domain.messages import Language
from wan.media.embedded_settings import strip_query
from wan.web.facts import measurements
from wan.web.templating import render
from wan.web.text import as_it_is, text

TAKES = range(2, 5)
"""How many takes a board may have."""

Settings = dict[str, Markup]
"""What a take was made with, in words, by the key of its label."""


@dataclass(frozen=True)
class _Take:
    """A take as the template shows it."""

    label: str
    job: Job
    video: str
    """Address of its video."""
    poster: str
    """Address of its poster, or ""."""
    settings: Settings | None
    """What it was made with, where that is shown."""


def board(
    language: Language,
    takes: Sequence[tuple[Job, str, str]],
    *,
    labels: Sequence[str] = (),
    priced: bool = True,
    settings: bool = True,
) -> Markup:
    """Two to four takes side by side.

    takes: (job, address of its video, address of its poster or ""). labels: what the takes are
    called, where more of them are shown elsewhere (`wan.domain.jobs.label_takes`). priced: whether
    what they cost is shown. settings: whether what they were made with is.
    """
    labels = labels or label_takes([take[0] for take in takes])
    shown = [
        _Take(
            label,
            *take,
            settings=describe_settings(language, take[0], priced=priced) if settings else None,
        )
        for label, take in zip(labels, takes, strict=True)
    ]
    differing, same = differences([take.settings or {} for take in shown])
    ids = " ".join(take.job.id for take in shown)
    return render(
        "compare.html",
        language,
        name=f"wan-compare-{hashlib.sha256(ids.encode()).hexdigest()[:12]}",
        takes=shown,
        tall=all((take.job.height or 0) > (take.job.width or 0) for take in shown),
        differing=differing,
        same=same,
    )


def differences(takes: Sequence[Settings]) -> tuple[list[str], list[str]]:
    """The keys of the settings that differ, and of those that are the same in all, each in the
    order of the first take.
    """
    keys = list(dict.fromkeys(key for take in takes for key in take))
    differing = [key for key in keys if len({take.get(key) for take in takes}) > 1]
    return differing, [key for key in keys if key not in differing]


def describe_settings(language: Language, job: Job, *, priced: bool = True) -> Settings:
    """What a take was made with, and what came of it, in words: by the keys of the strings that
    name them.
    """
    price = (
        text(language, "cost_free" if job.is_film else "fact_free")
        if job.simulated or job.is_film
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
    made_by = (
        {"model": text(language, "film")}
        if job.is_film
        else {"model": as_it_is(job.model), "seed": as_it_is(job.seed)}
    )
    return (
        made_by
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
