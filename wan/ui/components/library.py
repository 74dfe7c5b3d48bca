"""The parts of the library: the cards, what is shown in their place, what is chosen, and the work
that goes on. The functions give their values as HTML.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal
from urllib.parse import urlsplit

from markupsafe import Markup
from pydantic import Field

from wan.domain.ids import OPERATOR
from wan.domain.jobs import (
    CHOSEN_LIMIT,
    NAME_LIMIT,
    PROJECT_LIMIT,
    Job,
    JobEvent,
    JobPage,
    JobPlace,
    JobState,
    Reference,
    Spent,
)
from wan.domain.messages import Language, Message
from wan.media import embedded_settings
from wan.media.embedded_settings import strip_query
from wan.service import exports
from wan.ui.components.cast import shorten_link
from wan.ui.components.component import Component, OfJob
from wan.ui.components.templates import render
from wan.web.compare import TAKES, describe_settings
from wan.web.templating import render_macro
from wan.web.text import text

NEEDED = {
    "compare": TAKES,
    "join": embedded_settings.SHOTS,
    "pack": exports.ARCHIVED,
    "move": range(1, CHOSEN_LIMIT + 1),
    "delete": range(1, CHOSEN_LIMIT + 1),
}
"""How many have to be chosen for it: takes with a video, and for the last two jobs of any kind."""
_TONES = {
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    JobState.EXPIRED: "bad",
    JobState.UNCERTAIN: "warn",
    JobState.CANCELLED: "",
}
_STEPS = (  # from one time of the row to the next that is known
    ("step_line", "created_at"),
    ("step_uploading", "started_at"),
    ("step_sending", "submitting_at"),
    ("step_waiting", "submitted_at"),
    ("step_making", "running_at"),
    ("step_fetching", "fetching_at"),
)
_LONG_PROMPT = 160  # characters; it may have to be scrolled, also by the keyboard


class Labels(OfJob):
    """What an owner says of a job; None stays as it is."""

    name: str | None = None
    starred: Literal["0", "1"] | None = None
    project: str | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """As `wan.service.library.EditableLibrary.label` takes it."""
        starred = None if self.starred is None else self.starred == "1"
        return {"name": self.name, "starred": starred, "project": self.project}


class Opening(OfJob):
    """That a job is opened."""

    look: str = Field(default="", max_length=1)
    """Whether it is shown and only looked at again: "1" or ""."""
    note: str = Field(default="", max_length=1)
    """Whether the note stays: "1" or ""."""


class LibraryGrid(Component):
    """A page of cards, and the way to the others. A script may open a job too."""

    event_names = ("look", "open", "choose_all", "annotate")


class LibraryDetail(Component):
    """One job, or takes side by side, in place of the cards; without either they are shown."""

    event_names = (
        *("close", "annotate", "use", "frame", "again", "retry", "watch"),
        *("bundle", "withdraw", "delete"),
    )


class LibraryBar(Component):
    """What can be done with the chosen jobs."""

    event_names = (*("choose", "clear", "compare", "join", "review", "move", "pack", "delete"),)


class LibraryWork(Component):
    """What has to be chosen before some work, how far it is, and what came of it."""

    event_names = ("stop", "dismiss")


class LibraryNote(Component):
    """Why something could not be done, or a mark for the script of what is to be chosen."""

    event_names = ("hush",)


def show_page(
    language: Language,
    page: JobPage,
    offset: int,
    limit: int,
    until: float | None,
    *,
    project: str | None = None,
    starred: bool = False,
    number: str = "",
) -> Markup:
    """A page of cards, and the way to the others. offset: number of the jobs before it; limit: of
    its cards at most; until: the moment up to which the jobs of all pages are, in seconds since
    1970, None for the first look. project, starred: which of them are shown, as
    `wan.service.library.Library.list_jobs` has it. number: of the look, for the script.
    """
    newest = page.jobs[0].created_at if page.jobs and until is None else until
    return render(
        "library_page.html",
        language,
        page=page,
        operator=OPERATOR,
        offset=offset,
        limit=limit,
        until="" if newest is None else repr(newest),
        project=project,
        starred=starred,
        number=number,
        most=CHOSEN_LIMIT,
        projects=page.projects
        if not project or project in page.projects
        else [*page.projects, project],
        PROJECT_LIMIT=PROJECT_LIMIT,
        tones=_TONES,
        cost=partial(_cost, language, long=False),
        moment=_moment,
    )


def show_note(
    language: Language,
    what: Message | None = None,
    gone: Sequence[str] = (),
    *,
    beside: str = "",
    of_look: bool = False,
    of_open: str = "",
    of_job: str = "",
    good: bool = False,
) -> Markup:
    """A message, or none. gone: ids of chosen jobs that are not there any more, for the script to
    forget. beside: "work" for one that stands beside the chosen takes. of_look: whether it says why
    a look was refused. of_open: the job that could not be opened. of_job: the job beside whose
    fields it stands. good: whether all is well.
    """
    return render(
        "library_note.html",
        language,
        what=what,
        gone=gone,
        beside=beside,
        of_look=of_look,
        of_open=of_open,
        at=time.time(),  # the script hears of the same refusal a second time too
        of_job=of_job,
        good=good,
    )


def show_departure(
    language: Language,
    tab: str,
    job_id: str = "",
    *,
    again: bool = False,
    fresh: bool = False,
    continues: bool = False,
) -> Markup:
    """A mark for the script: somebody is taken to a tab. job_id: the job that is shown there now.
    again: whether it shall be made once more. fresh: whether the form there is filled for new takes
    of it. continues: whether the form there is filled for the next shot.
    """
    return render(
        "library_departure.html",
        language,
        tab=tab,
        job_id=job_id,
        again=again,
        fresh=fresh,
        continues=continues,
    )


def show_gone(language: Language, job_id: str) -> Markup:
    """A mark for the script: a job is not there any more."""
    return render("library_gone.html", language, job_id=job_id)


def gone_mark(gone: Sequence[str]) -> Markup:
    """An attribute of whatever is shown: which of the chosen jobs are not there any more, for the
    script to forget. gone: their ids.
    """
    return render_macro("gone", "en", list(gone))


def show_picked(language: Language, jobs: Sequence[tuple[str, bool]], at: float) -> Markup:
    """A mark for the script: these jobs are to be chosen. jobs: each its id, and whether it has a
    video. at: when that was asked for, by which one mark differs from the next.
    """
    videos, others = ([job_id for job_id, video in jobs if video == kind] for kind in (True, False))
    return render("library_picked.html", language, videos=videos, others=others, at=at)


def show_bar(language: Language) -> Markup:
    """What can be done with the chosen jobs, which the script counts."""
    needed = json.dumps({verb: (counts[0], counts[-1]) for verb, counts in NEEDED.items()})
    return render("library_bar.html", language, needed=needed, PROJECT_LIMIT=PROJECT_LIMIT)


def show_shapes(language: Language, takes: Sequence[Job], gone: Sequence[str] = ()) -> Markup:
    """The question before takes of different shapes are joined. gone: see `gone_mark`."""
    shapes = dict.fromkeys(f"{take.width}×{take.height}" for take in takes)
    return render("library_shapes.html", language, shapes=list(shapes), gone=gone)


def show_progress(
    language: Language, done: float, gone: Sequence[str] = (), key: str = "library_joining"
) -> Markup:
    """How far some work is. done: 0 to 1. gone: see `gone_mark`. key: of its name."""
    return render("library_work.html", language, percent=int(done * 100), gone=gone, key=key)


def show_deleted(language: Language, gone: Sequence[str], kept: int) -> Markup:
    """What came of deleting jobs. gone: the ids of those that are not there any more. kept: how
    many are still on their way and stay.
    """
    return render("library_deleted.html", language, gone=gone, kept=kept)


def show_download(
    language: Language, address: str, name: str, key: str, *, at_once: bool = False, job: str = ""
) -> Markup:
    """What was made, to be downloaded. address: where the page finds it. key: of what the link
    says. at_once: whether the download begins without a click. job: the id of what was made, where
    it is in the library.
    """
    return render(
        "library_download.html",
        language,
        address=address,
        name=name,
        key=key,
        at_once=at_once,
        job=job,
    )


def show_board(language: Language, board: Markup, gone: Sequence[str] = ()) -> Markup:
    """A comparison board, with the way back. gone: see `gone_mark`."""
    return render("library_board.html", language, board=board, gone=gone)


def show_job(
    language: Language,
    event: JobEvent,
    place: JobPlace | None = None,
    *,
    thumbnail: Callable[[str, int], str] = lambda _job_id, _number: "",
    there: Mapping[str, Job] | None = None,
) -> Markup:
    """One job with all that is known of it. place: where it stands among the cards. thumbnail:
    gives the name of that of a reference, by the job and its number. there: those takes of a film
    that are in the library, by their ids.
    """
    job = event.job
    steps = durations(event)
    return render(
        "library_job.html",
        language,
        job=job,
        place=place or JobPlace(),
        has_video=job.state is JobState.SUCCEEDED,
        say=job.said or event.message,
        NAME_LIMIT=NAME_LIMIT,
        PROJECT_LIMIT=PROJECT_LIMIT,
        tone=_TONES.get(job.state, ""),
        cost=_cost(language, job, long=True),
        long_prompt=_LONG_PROMPT,
        moment=_moment,
        steps=steps,
        whole=sum(seconds for _, seconds in steps) or 1.0,
        settings=_settings(language, job),
        references=[
            _describe(language, one, thumbnail(job.id, number))
            for number, one in enumerate(job.references, 1)
        ],
        shots=embedded_settings.shots_of(job) if job.is_film else [],
        there=there or {},
        ids=_ids(job),
    )


def durations(event: JobEvent) -> list[tuple[str, float]]:
    """What took how long: the key of a step, and seconds. The one that is going on is as long as it
    has been.
    """
    one = event.job
    ended = one.ended_at if not one.live else one.state_at + event.elapsed
    known = [(key, at) for key, name in _STEPS if (at := getattr(one, name)) is not None]
    ends = [*(at for _, at in known[1:]), ended if ended is not None else known[-1][1]]
    return [(key, max(until - at, 0.0)) for (key, at), until in zip(known, ends, strict=True)]


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _cost(language: Language, job: Job, *, long: bool) -> Markup:
    if job.is_film:
        return text(language, "cost_free")
    if job.simulated:
        return text(language, "fact_free" if long else "cost_free")
    if not job.live and job.spent is Spent.NO:
        return text(language, "cost_none")
    if job.price is None:
        return text(language, "quote_unpriced" if long else "cost_unknown")
    key = "cost_if" if job.live and long else "cost_maybe" if job.spent is Spent.MAYBE else "quote"
    return text(language, key, price=str(job.price))


def _settings(language: Language, job: Job) -> dict[str, Markup]:
    """What a job was made with, by the keys of the labels, without what stands elsewhere."""
    stands_elsewhere = {"prompt", "model"} if job.is_film else {"prompt"}
    return {
        key: value
        for key, value in describe_settings(language, job).items()
        if value and not key.startswith("compare_") and key not in stands_elsewhere
    }


@dataclass(frozen=True)
class _Reference:
    """A reference as a job shows it."""

    name: str
    """What it is called; "" where nobody knows."""
    facts: Sequence[Markup | str]
    thumbnail: str
    """Name of its picture; "" for a sound and a link, which nothing is loaded from."""


def _describe(language: Language, reference: Reference, thumbnail: str) -> _Reference:
    pictured = reference.key and reference.kind != "audio"
    name = shorten_link(strip_query(reference.url)) if reference.url else reference.name
    return _Reference(name, _facts_of(language, reference), thumbnail if pictured else "")


def _facts_of(language: Language, reference: Reference) -> list[Markup | str]:
    facts: list[Markup | str] = [text(language, f"compare_{reference.kind}")]
    if reference.url:
        facts.append(urlsplit(reference.url).hostname or "")
    elif reference.width:
        facts.append(f"{reference.width}×{reference.height}")
    if reference.seconds is not None:
        facts.append(text(language, "fact_seconds", seconds=f"{reference.seconds:.1f}"))
    return facts


def _ids(job: Job) -> dict[str, str]:
    """What a job is known by, by the keys of the labels."""
    ids = {
        "task_id": job.task_id,
        "request_id": job.request_id,
        "code": job.code,
        "job_id": job.id,
        "library_retried": job.retried_from,
    }
    return {key: value for key, value in ids.items() if value}
