"""What both tabs share: submit a brief, watch its takes, act on them. No job depends on its being
watched.
"""

import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component

from wan.domain.errors import (
    AccessRefused,
    JobNotFound,
    MayPayTwice,
    StorageUnavailable,
    WanError,
)
from wan.domain.jobs import JobEvent
from wan.domain.messages import Message
from wan.domain.requests import Request
from wan.domain.turns import Asker
from wan.ui import form_fields
from wan.ui.caller import Caller, Events, NotReady, explain, field_of
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.component import OfJob
from wan.ui.components.lines import Recalled
from wan.ui.components.stage import Stage, show_idle, show_stage
from wan.ui.components.status import Card, failure_card, ready, refusal_card
from wan.ui.handling import make_listener_check
from wan.ui.takes import Mark, Take, mark_takes, place_take, read_takes, select_takes, write_takes
from wan.web.capacity import Capacity
from wan.web.events import RECHECK

_VIEWERS = (
    300,
    30,
    20,
    # streams on one tab at once, in all, of an address and of an owner; whoever comes beyond is
    # shown the job as it is
)
Values = dict[str, Any]
"""What is in the form, by the names of the request's fields."""
Reader = Callable[[Values, Asker], Awaitable[Request]]
"""Makes the request that a form stands for, and opens its files where that takes it. Raises
InvalidInput.
"""
View = tuple[Any, Any]
"""The view of the stage, and the takes on it as the browser keeps them; `gr.skip()` for what stays
as it is by then.
"""


class Idle(Protocol):
    """Shows the stage before a run, from the form, with a card. back: how many videos there are
    to go back to.
    """

    def __call__(self, values: Values, card: Card, asker: Asker, /, *, back: int) -> Awaitable[str]:
        """Gives its HTML."""


_log = logging.getLogger(__name__)


class TabStage:
    """The stage of one tab, and the takes that it shows. `wire` connects it with the form."""

    fields: dict[str, Component]
    """The form, by the names of the request's fields."""
    takes: Component
    """How many are made of it at once."""
    video: gr.UploadButton
    """Takes a video whose settings fill the form."""
    recalled: Recalled
    """What came of that."""

    def __init__(
        self,
        events: Events,
        tab: str,
        models: Sequence[str],
        viewers: Capacity,
    ) -> None:
        self._events, self._tab = events, tab
        self._language, self._studio = events.language, events.studio
        self._models, self._viewers = models, viewers
        self._newest: dict[str, object] = {}  # session -> the stream that its page listens to
        self.job = BrowserText(f"wan-{tab}-job-v1")
        """The takes on the stage, as `wan.ui.takes` writes them."""
        self.again = BrowserText(f"wan-{tab}-again-v1", restored=False)
        """Of what video the form was filled for new takes: only the script knows it, by its id."""
        self.ready = ready(simulated=self._studio.backend == "simulator")
        self.view = Stage(
            self._empty(self.ready), elem_id=f"wan-{tab}-view", elem_classes="wan-run"
        )

    def wire(
        self,
        generate: gr.Button,
        takes: Component,
        fields: dict[str, Component],
        read_form: Reader,
        idle: Idle,
    ) -> None:
        """Connects the form. takes: how many; fields: the others by the names of the request's
        fields; read_form: the request they make.
        """
        self.fields, self.takes = fields, takes

        async def start(caller: Caller, jobs: str, takes: str, *given: Any) -> View:
            *known, again = given
            values = dict(zip(fields, known, strict=True))
            asked = partial(read_form, values, caller.asker())
            return await self._start(caller, jobs, int(takes), again, asked)

        async def refuse(
            caller: Caller, error: Exception, jobs: str, _takes: str, *given: Any
        ) -> View:
            values = dict(zip(fields, given[:-1], strict=True))
            form_fields.locate(self._tab, error, values)
            card = self._refusal(error, "broke_note")
            return await idle(values, card, caller.asker(), back=len(read_takes(jobs))), gr.skip()

        self._events.connect(
            generate.click,
            start,
            [self.job, takes, *fields.values(), self.again],
            [self.view, self.job],
            refuse=refuse,
            pays=True,
            js=f"(...given) => given.with(-1, window.wanForms.newTakeOf('{self._tab}'))",
        ).then(None, js=self.js("generated"))
        self._wire_stage()

    def _wire_stage(self) -> None:
        """Connects the buttons of the stage."""
        watching = self._events.connect(
            self.view.watch,
            self.watch,
            [self.job],
            self.view,
            refuse=self._refuse_watch,
            trigger_mode="multiple",
        )
        self.view.quiet(None, cancels=[watching])
        self._press("cancel", self._cancel)
        self._press("resume", self._resume)
        self._press("withdraw", self._withdraw)
        self._press("retry", self._retry, pays=True)
        self._press("sure", self._retry_surely, pays=True)

    def _press(self, verb: str, act: Callable[..., Awaitable[View]], *, pays: bool = False) -> None:
        """Connect a button of the stage."""
        self._events.connect(
            getattr(self.view, verb),
            act,
            [self.job],
            [self.view, self.job],
            refuse=self.refuse_act,
            values=OfJob,
            pays=pays,
            trigger_mode="multiple",
        ).then(None, js=self.js("acted", verb))

    async def watch(self, caller: Caller, jobs: str) -> AsyncIterator[Any]:
        """The takes as they go on, for as long as somebody looks."""
        if not jobs:
            # a generator that yields nothing would empty the stage, and what it shows by now may be
            # a refusal
            yield gr.skip()
            return
        owner = caller.owner
        shown = await self._find_takes(owner, jobs)
        with self._viewers.reserve(address=caller.address, owner=owner) as there:
            if not there:
                yield await self._draw_now(shown, owner)
                return
            session, stream = str(caller.request.session_hash), object()
            self._newest[session] = stream
            try:
                async with contextlib.aclosing(self._follow(owner, shown)) as views:
                    async for view in views:
                        # Gradio forgets a stream that was taken up anew while it was being ended
                        # (6.31.0): it would show for ever what was there before
                        if self._newest.get(session) is not stream:
                            return
                        yield view
            finally:
                if self._newest.get(session) is stream:
                    del self._newest[session]

    def _refuse_watch(self, _caller: Caller, error: Exception, _jobs: str) -> str:
        """The stage for jobs that cannot be watched: those that are gone leave it empty."""
        gone = isinstance(error, JobNotFound | NotReady)
        return self._empty(self.ready if gone else self._refusal(error, "act_broke_note"))

    async def _follow(self, owner: str, shown: Sequence[Take]) -> AsyncGenerator[str]:
        """The views of the takes until all have ended or nobody listens. What is given again only
        lets us see that a page has been left: to send it once more would cost as much as news.
        """
        is_heard, drawn = make_listener_check(), None
        async for events in self._studio.watching.follow_all(
            [take.job_id for take in shown], owner=owner, again=RECHECK
        ):
            if events is not drawn:
                yield self._draw(shown, events)
            if not is_heard():
                return
            drawn = events

    async def find(self, caller: Caller, jobs: str) -> View:
        """The takes to show when the page is opened, and their view: those that this browser showed
        last, unless only others are on their way.
        """
        try:
            owner = caller.owner
            shown = await self._choose_takes(owner, jobs)
            return await self._draw_now(shown, owner) if shown else gr.skip(), write_takes(shown)
        except (WanError, NotReady):
            return gr.skip(), jobs

    async def _choose_takes(self, owner: str, jobs: str) -> list[Take]:
        known: list[Take] = []
        live = False
        for take in read_takes(jobs):
            with contextlib.suppress(JobNotFound):
                live |= (await self._studio.library.get(take.job_id, owner=owner)).live
                known.append(take if take.mark is Mark.BEFORE else Take(take.job_id))
        if live:
            return known
        newest = await self._studio.watching.find_newest(owner=owner, models=self._models)
        if newest is None or (known and not newest.live):
            return known
        return [Take(job.id) for job in await self._studio.watching.list_takes(newest)]

    async def is_live(self, caller: Caller, jobs: str) -> bool:
        """Whether a job that this tab shows has not ended."""
        try:
            owner = caller.owner
            there = await self._find_takes(owner, jobs) if jobs else []
            known = [await self._studio.library.get(take.job_id, owner=owner) for take in there]
            return any(job.live for job in known)
        except (JobNotFound, NotReady):
            return False
        except StorageUnavailable:  # as far as anybody knows
            return True

    async def was_begun_since(self, caller: Caller, arrival: float) -> bool:
        """Whether a video of this tab was begun after an event had come. arrival: of the event, on
        the monotonic clock.
        """
        since = time.time() - (time.monotonic() - arrival)
        with contextlib.suppress(NotReady, StorageUnavailable):
            newest = await self._studio.watching.find_newest(
                owner=caller.owner, models=self._models
            )
            return newest is not None and newest.created_at >= since
        return False

    async def _start(
        self, caller: Caller, jobs: str, takes: int, again: str, read: Callable[[], Awaitable[Any]]
    ) -> View:
        owner, permission = caller.owner, await caller.authorize()
        made = await self._studio.submission.submit_takes(
            await read(), owner=owner, permission=permission, takes=takes, again=again
        )
        is_one = len(made) == 1
        shown = [Take(job.id, Mark.NONE if is_one or job.live else Mark.BEFORE) for job in made]
        note = Message.of("made_before") if is_one and not made[0].live else None
        return await self._show_new(shown, owner, note), write_takes(shown)

    def _refusal(self, error: Exception, broke: str) -> Card:
        """The card that says why nothing was done. broke: the key of what is said of a fault of
        ours.
        """
        why = explain(error, broke=broke)
        if isinstance(error, WanError):
            return refusal_card(why, field_of(error), connect=isinstance(error, AccessRefused))
        title = "title_broke" if why.key == "act_broke_note" else "title_refused"
        return failure_card(why.key, title=title)

    def refuse_act(self, _caller: Caller, error: Exception, jobs: str) -> View:
        """The stage after a button that could not do its work; what it may have done already,
        nobody can say here.
        """
        card = self._refusal(error, "act_broke_note")
        return self._empty(card, back=len(read_takes(jobs))), gr.skip()

    async def _cancel(self, caller: Caller, event: OfJob, jobs: str) -> View:
        owner = caller.owner
        shown = await self._find_takes(owner, jobs)
        came = [
            await self._studio.submission.cancel(take.job_id, owner=owner)
            for take in select_takes(shown, event.job)
        ]
        late = came[0] if len(came) == 1 and came[0].key == "cancel_late" else None
        return await self._draw_now(shown, owner, note=late), write_takes(shown)

    async def _resume(self, caller: Caller, event: OfJob, jobs: str) -> View:
        shown = await self._find_takes(caller.owner, jobs)
        shown = mark_takes(shown, select_takes(shown, event.job), mark=Mark.NONE)
        return await self._draw_now(shown, caller.owner), write_takes(shown)

    async def _withdraw(self, caller: Caller, event: OfJob, jobs: str) -> View:
        owner = caller.owner
        shown = await self._find_takes(owner, jobs)
        for take in select_takes(shown, event.job):
            await self._studio.library.withdraw_links(take.job_id, owner=owner)
        note = Message.of("links_withdrawn")
        return await self._draw_now(shown, owner, note=note), write_takes(shown)

    async def _retry(self, caller: Caller, event: OfJob, jobs: str) -> View:
        return await self._make_again(caller, event, jobs, may_pay_twice=False)

    async def _retry_surely(self, caller: Caller, event: OfJob, jobs: str) -> View:
        return await self._make_again(caller, event, jobs, may_pay_twice=True)

    async def _make_again(
        self, caller: Caller, event: OfJob, jobs: str, *, may_pay_twice: bool
    ) -> View:
        owner, permission = caller.owner, await caller.authorize()
        shown = await self._find_takes(owner, jobs)
        old, *others = select_takes(shown, event.job)
        if others:
            raise JobNotFound
        # Before anything is paid: from then on nothing may keep the new id from the page
        made = [await self._studio.library.get(take.job_id, owner=owner) for take in shown]
        try:
            job = await self._studio.submission.retry(
                old.job_id, owner=owner, permission=permission, may_pay_twice=may_pay_twice
            )
        except MayPayTwice as doubt:
            shown = mark_takes(shown, [old], mark=Mark.ASKS)
            return await self._draw_now(shown, owner, asks=doubt.message), write_takes(shown)
        shown = place_take(shown, made, old, job)
        return await self._show_new(shown, owner), write_takes(shown)

    async def _show_new(
        self, shown: Sequence[Take], owner: str, note: Message | None = None
    ) -> Any:
        """The view of new jobs; whatever happens here, they are there, and the page must learn
        their ids.
        """
        try:
            return await self._draw_now(shown, owner, note=note)
        except Exception:  # noqa: BLE001 - logged, and the jobs go on
            _log.exception("jobs %s could not be shown yet", write_takes(shown))
            return gr.skip()

    def _empty(self, card: Card, *, back: int = 0) -> str:
        """The stage without a job, with a card. back: how many there are to go back to."""
        return show_idle(self._language, self._tab, card, back=back)

    async def _find_takes(self, owner: str, jobs: str) -> list[Take]:
        """The takes that the stage shows. Of several, those that are gone are left out; whether one
        alone is there, the next step asks.
        """
        shown = read_takes(jobs)
        if len(shown) == 1:
            return shown
        there = []
        for take in shown:
            with contextlib.suppress(JobNotFound):
                with contextlib.suppress(StorageUnavailable):  # as far as anybody knows
                    await self._studio.library.get(take.job_id, owner=owner)
                there.append(take)
        if not there:
            raise JobNotFound
        return there

    async def _draw_now(
        self,
        shown: Sequence[Take],
        owner: str,
        *,
        note: Message | None = None,
        asks: Message | None = None,
    ) -> str:
        """The takes as they are at this moment."""
        events = [await self._studio.watching.snapshot(take.job_id, owner=owner) for take in shown]
        return self._draw(shown, events, note=note, asks=asks)

    def _draw(self, shown: Sequence[Take], events: Sequence[JobEvent], **more: Any) -> str:
        marks = {take.job_id: take.mark for take in shown}
        marked = [(event, marks[event.job.id]) for event in events]
        return show_stage(self._language, marked, **more)

    def js(self, then: str, verb: str = "") -> str:
        """Return the script that calls a function of `assets/page.js` for this tab."""
        return f"() => window.wanStudio.{then}('{self._tab}', '{verb}')"


def make_viewers() -> Capacity:
    """Capacity for those who watch the jobs of one tab."""
    return Capacity(_VIEWERS[0], address=_VIEWERS[1], owner=_VIEWERS[2])
