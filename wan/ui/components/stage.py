"""The stage of a tab: the status card and the video of a job, or of several takes."""

import base64
from collections.abc import Sequence

from markupsafe import Markup

from wan.domain.catalog import parse_size
from wan.domain.jobs import JobEvent, JobState, label_takes
from wan.domain.messages import Language, Message
from wan.media.inputs import ImagePreview
from wan.ui.components.component import Component
from wan.ui.components.status import Card, describe_job, describe_take, sum_up
from wan.ui.components.templates import render
from wan.ui.takes import Mark


class Stage(Component):
    """Shows what a tab is about. Its buttons work on one take, or on all that are shown."""

    event_names = (
        *("watch", "quiet", "cancel", "resume", "retry", "sure", "withdraw"),
        *("use", "frame", "move"),
    )


def show_idle(language: Language, tab: str, card: Card, *, back: int = 0) -> Markup:
    """The stage of a tab before a run: a sample still and a card. back: how many jobs there are to
    go back to.
    """
    return render(
        "idle.html",
        language,
        card=card,
        tab=tab,
        still=f"{tab}.webp",
        picture="",
        shape=None,
        back=back,
    )


def show_preview(
    language: Language, preview: ImagePreview, size: str, card: Card, *, back: int
) -> Markup:
    """The stage with the picture as it will be sent. back: how many videos there are to go
    back to.
    """
    sides = parse_size(size) if "*" in size else None
    return render(
        "idle.html",
        language,
        card=card,
        tab="",
        picture=base64.b64encode(preview.shown).decode(),
        whole=base64.b64encode(preview.whole).decode(),
        size="×".join(map(str, sides or ())),
        shape=sides,
        back=back,
    )


def show_stage(
    language: Language,
    shown: Sequence[tuple[JobEvent, Mark]],
    *,
    note: Message | None = None,
    asks: Message | None = None,
) -> Markup:
    """The stage: of one job its own, of several the grid. asks: of one job; of several, their marks
    say it.
    """
    if len(shown) == 1:
        return show_job(language, shown[0][0], note=note, asks=asks)
    return show_takes(language, shown, note=note)


def show_job(
    language: Language,
    event: JobEvent,
    *,
    note: Message | None = None,
    asks: Message | None = None,
) -> Markup:
    """Stage and card of a job as it is now. note: stands before what the card says. asks: what to
    know before a retry is really wanted.
    """
    card = describe_job(event, note=note, asks=asks)
    return render("job.html", language, card=card)


def show_takes(
    language: Language, shown: Sequence[tuple[JobEvent, Mark]], *, note: Message | None = None
) -> Markup:
    """Several takes as they are now, in a grid that keeps its shape, and one card for all of them.
    note: stands in that card.
    """
    labels = label_takes([event.job for event, _ in shown])
    takes = [
        (describe_take(event, mark), label, mark is Mark.BEFORE)
        for (event, mark), label in zip(shown, labels, strict=True)
    ]
    states = [event.job.state for event, _ in shown]
    done, over = states.count(JobState.SUCCEEDED), sum(not event.job.live for event, _ in shown)
    return render(
        "takes.html",
        language,
        takes=takes,
        state="TAKES" if over < len(shown) else JobState.SUCCEEDED if done else states[0],
        told=f"{done}/{over}",
        live=over < len(shown),
        card=sum_up(shown, note),
    )
