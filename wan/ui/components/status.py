"""What the status card under the stage says before a run, of a job and of several takes: which step
is reached, in which tone, with which buttons. `stage.html` shows it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from wan.domain.catalog import TAKES_LIMIT, format_money
from wan.domain.jobs import CANCEL_IS_FREE, Job, JobEvent, JobState, Spent
from wan.domain.messages import Message
from wan.ui.takes import Mark
from wan.web.facts import differences

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


_REFERENCES = ("MP4", "MOV", "3GP")
"""Videos that can be references, as refusals name them."""
_CHECKED = (JobState.PENDING, JobState.RUNNING)
"""What is known of these is as old as the last poll."""
_WAIT_FOR_KEY = ("waits_for_key", "waits_for_key_until")
"""What a job says that goes on only when its owner has typed their key again."""
_TITLE_SAYS_IT = ("submitting",)
_SHORTER = ("queued", "uploading", "pending", "fetching")
"""What a job says of its state that begins with the title of its card."""


@dataclass(frozen=True)
class Button:
    """A button of a card; `assets/page.js` triggers the stage's event when it is its turn."""

    press: str
    """The event."""
    key: str
    """The key of its text."""
    is_main: bool = False
    price: str = ""
    """What pressing it costs."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A status card."""

    title: Message
    says: Sequence[Message] = ()
    """Sentences, one after the other."""
    tone: Literal["calm", "good", "warn", "bad"] = "calm"
    buttons: Sequence[Button] = ()
    note: Message | None = None
    """What came of a button."""
    adjustments: Sequence[Message] = ()
    """What was adjusted in the video."""
    hint: str = ""
    """The key of a quiet line below."""
    is_demo: bool = False
    field: str = ""
    """The field of the form that is wrong."""
    connects: bool = False
    """Whether it leads to *Connection*."""
    sample: Literal["", "run", "fill"] = ""
    """What a button does with the first sample: make it, where that is free, or fill the form."""
    chosen: str = ""
    """Ids of the jobs that can be compared and reviewed together."""


@dataclass(frozen=True, kw_only=True)
class JobCard(Card):
    """A status card of one job."""

    event: JobEvent
    state: str
    """The job's state; ASKS before it is made again at double cost."""
    step: int
    """Of the line of five the one where it stands; those before it are done."""
    look: Literal["none", "making", "video"] = "none"
    """What the stage shows: the prompt, the prompt with a glow, or the video."""

    @property
    def job(self) -> Job:
        """The job."""
        return self.event.job

    @property
    def live(self) -> bool:
        """Whether its clock ticks."""
        return self.look == "making"

    @property
    def making(self) -> bool:
        """Whether it is being made at this moment, so that it is known how long that takes."""
        return self.live and self.job.state is JobState.RUNNING


def ready(*, simulated: bool) -> Card:
    """The card before a run: what to do, and in the demo that it is one."""
    return Card(
        title=Message.of("ready"),
        says=[Message.of("ready_note")],
        is_demo=simulated,
        sample="run" if simulated else "fill",
    )


def refusal_card(why: Message, field: str = "", *, connect: bool = False) -> Card:
    """The card for a request that was not sent, naming what is wrong. field: marked in the form.
    connect: with the way to the connection. A video in the place of a picture can be a reference.
    """
    moves = why.key == "image_is_video" and why.values["given"] in _REFERENCES
    return Card(
        tone="bad",
        title=Message.of("title_refused"),
        says=[why],
        hint="refused_note",
        field=field,
        connects=connect,
        buttons=[Button("move", "use_as_reference")] if moves else (),
    )


def failure_card(key: str, title: str = "title_refused") -> Card:
    """The card for something that could not be done for a reason of ours."""
    return Card(tone="bad", title=Message.of(title), says=[Message.of(key)])


def describe_job(
    event: JobEvent,
    *,
    note: Message | None = None,
    asks: Message | None = None,
    is_take: bool = False,
) -> JobCard:
    """Describe a job as it is now. note: what came of a button. asks: what to know before a retry
    is really wanted. is_take: whether it is one of several, whose buttons name it.
    """
    if asks is not None:
        return _describe_doubt(event, asks, "resume" if is_take else "watch")
    if event.job.state is JobState.SUCCEEDED:
        return _describe_result(event, note)
    if not event.job.live:
        return _describe_failure(event)
    return _describe_progress(event, note, is_take=is_take)


def _describe_doubt(event: JobEvent, asks: Message, again: str) -> JobCard:
    """Describe a job that may be paid twice when it is made again."""
    return JobCard(
        event=event,
        state="ASKS",
        tone="warn",
        title=Message.of("title_ask"),
        step=_furthest_step(event.job),
        says=[asks],
        buttons=[_priced_button("sure", "sure", event.job), Button(again, "leave", is_main=True)],
    )


def _describe_result(event: JobEvent, note: Message | None) -> JobCard:
    job = event.job
    return JobCard(
        event=event,
        state=job.state,
        look="video",
        tone="good",
        title=Message.of(f"title_{job.state}"),
        step=_STEP_OF[job.state],
        buttons=[_priced_button("retry", "new_take", job)],
        note=note,
        adjustments=differences(job),
    )


def _describe_failure(event: JobEvent) -> JobCard:
    """Describe a job that ended without a video."""
    job = event.job
    return JobCard(
        event=event,
        state=job.state,
        tone="calm" if job.state is JobState.CANCELLED else "bad",
        title=Message.of(f"title_{job.state}"),
        step=_furthest_step(job),
        says=[job.said or event.message],
        buttons=[_priced_button("retry", "retry", job)],
    )


def _describe_progress(event: JobEvent, note: Message | None, *, is_take: bool) -> JobCard:
    job = event.job
    waits = event.message.key in _WAIT_FOR_KEY
    return JobCard(
        event=event,
        state=job.state,
        look="making",
        tone="warn" if waits or job.state is JobState.UNCERTAIN else "calm",
        title=Message.of(f"title_{job.state}"),
        step=_STEP_OF[job.state],
        says=_explain(event, note, goes_on=not (waits or is_take)),
        buttons=_live_buttons(job),
        hint=(
            "checked_now_and_then"
            if job.state in _CHECKED and not job.simulated and not waits
            else ""
        ),
        connects=waits,
    )


def describe_take(event: JobEvent, mark: Mark) -> JobCard:
    """Describe one of several takes."""
    is_asked = mark is Mark.ASKS and event.job.spent is Spent.MAYBE
    asks = Message.of("may_pay_twice") if is_asked else None
    return describe_job(event, asks=asks, is_take=True)


def sum_up(shown: Sequence[tuple[JobEvent, Mark]], note: Message | None) -> Card:
    """The card under several takes: how many are done, what they cost together, and what can be
    done with all of them.
    """
    jobs = [event.job for event, _ in shown]
    done = [job for job in jobs if job.state is JobState.SUCCEEDED]
    going = [job for job in jobs if job.live]
    states = Counter(job.state for job in jobs)
    counts = {
        "takes_failed": states[JobState.FAILED],
        "takes_lost": states[JobState.EXPIRED],
        "takes_cancelled": states[JobState.CANCELLED],
        "takes_going": len(going),
    }
    is_bad = states[JobState.FAILED] + states[JobState.EXPIRED] > 0
    cost = _total([event.job for event, mark in shown if mark is not Mark.BEFORE])
    has_more = len(jobs) == TAKES_LIMIT and max(job.take for job in jobs) > TAKES_LIMIT
    return Card(
        title=Message.of("takes_done", done=len(done), takes=len(jobs)),
        tone="calm" if going else "good" if done else "bad" if is_bad else "calm",
        says=[
            *(Message.of(key, number=number) for key, number in counts.items() if number),
            *cost,
            *([Message.of("takes_more", number=TAKES_LIMIT)] if has_more else []),
        ],
        chosen=" ".join(job.id for job in done) if len(done) > 1 else "",
        buttons=[Button("cancel", "cancel_all")] if sum(map(_can_cancel, jobs)) > 1 else [],
        note=note,
        adjustments=list({str(one): one for job in done for one in differences(job)}.values()),
    )


def _total(jobs: Sequence[Job]) -> list[Message]:
    """What jobs cost together, as far as prices are known: at most, while some are on their way or
    nobody knows whether one is billed.
    """
    if any(job.simulated for job in jobs):
        return [Message.of("takes_free")]
    charged = [job for job in jobs if job.live or job.spent is not Spent.NO]
    if not jobs or any(job.amount is None for job in charged):
        return []
    amount = sum((job.amount or Decimal(0) for job in charged), Decimal(0))
    open_ended = any(job.live or job.spent is Spent.MAYBE for job in charged)
    key = "takes_price_most" if open_ended else "takes_price"
    return [Message.of(key, price=format_money(amount, jobs[0].currency))]


def _explain(event: JobEvent, note: Message | None, *, goes_on: bool) -> list[Message]:
    """What is happening, as far as the title does not say it, what it costs, and what can be done
    about it. goes_on: whether it is said here that the job does without the page; of several takes
    their card says it.
    """
    job = event.job
    before = [note] if note else []
    after = [Message.of("goes_on")] if goes_on else []
    if job.state is JobState.RUNNING and job.said is None:
        return [*before, _explain_running(job), *after]
    if job.cancel_wanted:
        before.append(Message.of("page_cancel_noted"))
    return [*before, *_shorten(event.message), *after]


def _explain_running(job: Job) -> Message:
    if job.simulated:
        return Message.of("cannot_stop_demo")
    if job.price:
        return Message.of("cannot_stop", price=str(job.price))
    return Message.of("cannot_stop_unpriced")


def _shorten(message: Message) -> list[Message]:
    """Return what a message says besides the title of its card."""
    if message.key in _TITLE_SAYS_IT:
        return []
    key = f"page_{message.key}" if message.key in _SHORTER else message.key
    return [Message.of(key, **message.values)]


def _live_buttons(job: Job) -> list[Button]:
    if _can_cancel(job):
        return [Button("cancel", "cancel")]
    return [_priced_button("retry", "retry", job)] if job.state is JobState.UNCERTAIN else []


def _priced_button(press: str, key: str, job: Job) -> Button:
    """A button that shows what pressing it costs."""
    return Button(press, key, price=str(job.price) if job.price and not job.simulated else "")


def _can_cancel(job: Job) -> bool:
    """Whether a cancel would still come in time, and is not on its way."""
    return job.state in CANCEL_IS_FREE | {JobState.SUBMITTING} and not job.cancel_wanted


def _furthest_step(job: Job) -> int:
    """The step at which a job ended."""
    reached = (job.created_at, job.started_at, job.submitted_at, job.running_at, job.fetching_at)
    return max(step for step, at in enumerate(reached) if at is not None)
