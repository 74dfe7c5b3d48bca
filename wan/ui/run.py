"""What both tabs share: submit a brief, watch its takes, act on them. No job depends on its being
watched.
"""

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from wan.domain.catalog import TAKES_LIMIT
from wan.domain.errors import (
    AccessRefused,
    InvalidInput,
    JobNotFound,
    MayPayTwice,
    StorageUnavailable,
    WanError,
)
from wan.domain.jobs import JobEvent
from wan.domain.messages import Language, Message
from wan.domain.requests import Request
from wan.domain.turns import Asker
from wan.service.access import Permission
from wan.service.studio import Studio
from wan.ui import cards
from wan.ui.handling import whether_heard
from wan.ui.takes import Mark, Take, aimed, changed, read, written
from wan.ui.text import text, text_of
from wan.ui.visitor import (
    SECRET,
    NotReady,
    Visitor,
    address_of,
    asker_of,
    authorize,
    bare,
    hidden,
    owner_of,
)
from wan.web.capacity import Capacity
from wan.web.events import RECHECK

_VIEWERS = (
    300,
    30,
    20,
    # streams on one tab at once, in all, of an address and of an owner; whoever comes beyond is
    # shown the job as it is
)
Asking = Callable[[], tuple[str, Permission]]
Values = dict[str, Any]
"""What is in the form, by the names of the request's fields."""
Reader = Callable[[Values, Asker], Awaitable[Request]]
"""Makes the request that a form stands for, and opens its files where that takes it. Raises
InvalidInput.
"""
Act = Callable[[str, list[Take]], Awaitable[tuple[Any, list[Take]]]]
"""What a button does, given the owner and what the stage shows: the view and what the stage shows
then.
"""


class Idle(Protocol):
    """Shows the stage before a run, from the form, with a card. back: whether there is a video to
    go back to.
    """

    def __call__(
        self, values: Values, card: Markup, asker: Asker, /, *, back: bool
    ) -> Awaitable[str]:
        """Gives its HTML."""


_log = logging.getLogger(__name__)


class Run:
    """The stage of one tab, and the takes that it shows. Built where it stands on the page, wired
    by `wire` when the form is there.
    """

    fields: dict[str, Component]
    """The form, by the names of the request's fields."""
    takes: Component
    """How many are made of it at once."""
    video: gr.UploadButton
    """Takes a video whose settings fill the form."""
    recalled: gr.HTML
    """What came of that."""

    def __init__(
        self,
        language: Language,
        studio: Studio,
        tab: str,
        visitor: Visitor,
        models: Sequence[str],
        viewers: Capacity,
    ) -> None:
        self._language, self._studio, self._tab = language, studio, tab
        self._visitor, self._models, self._viewers = visitor, models, viewers
        self.job = gr.BrowserState("", storage_key=f"wan-{tab}-job-v1", secret=SECRET)
        """The takes on the stage, as `wan.ui.takes` writes them."""
        self._target = gr.Textbox(
            visible=False, elem_id=f"wan-{tab}-target"
        )  # the script puts in whose button was pressed
        self.ready = cards.ready(self._language, simulated=studio.backend == "simulator")
        self.view = gr.HTML(
            cards.idle(self._language, f"{tab}.webp", self.ready),
            elem_id=f"wan-{tab}-view",
            elem_classes="wan-run",
            **bare,
        )
        verbs = ("watch", "quiet", "cancel", "stop", "resume", "retry", "sure", "withdraw")
        self._buttons = {verb: self._button(verb) for verb in verbs}

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
        self.fields, self.takes, names = fields, takes, list(fields)
        known, shown = [self._visitor.owner, self.job], [self.view, self.job]
        paying = [*self._visitor.paying, self.job]
        watching = self._buttons["watch"].click(
            self.watch, known, self.view, trigger_mode="multiple", **hidden
        )

        async def start(
            token: str,
            key: str,
            region: str,
            workspace: str,
            code: str,
            jobs: str,
            takes: str,
            request: gr.Request,
            *given: Any,
        ) -> tuple[Any, str]:
            asking = partial(self._asking, token, request, key, region, workspace, code)
            asker, values = (
                asker_of(self._studio, token, request),
                dict(zip(names, given, strict=True)),
            )

            async def refused(card: Markup) -> str:
                return await idle(values, card, asker, back=bool(jobs))

            return await self._start(asking, jobs, takes, lambda: read_form(values, asker), refused)

        generate.click(start, [*paying, takes, *fields.values()], shown, **hidden).then(
            None, js=self._js("started")
        )
        acts: dict[str, Callable[..., Any]] = {
            "cancel": self._cancel,
            "stop": self._stop,
            "resume": self._resume,
            "withdraw": self._withdraw,
        }
        acts |= {"retry": self._retry, "sure": self._retry_surely}
        for verb, act in acts.items():
            spends = verb in ("retry", "sure")
            inputs = [*(paying if spends else known), self._target]
            aim = f"(...given) => window.wanStudio.aimed('{self._tab}', given)"
            # A stream that goes on would bring back what has just been changed; only a cancel
            # leaves all as it is.
            pressed = self._buttons[verb].click(
                act,
                inputs,
                shown,
                js=aim,
                cancels=None if verb == "cancel" else [watching],
                **hidden,
            )
            pressed.then(
                None,
                js=self._js(
                    "retried" if spends else "cancelled" if verb == "cancel" else "changed", verb
                ),
            )
        self._buttons["quiet"].click(None, cancels=[watching])

    def _asking(
        self, token: str, request: gr.Request, key: str, region: str, workspace: str, code: str
    ) -> tuple[str, Permission]:
        """Who asks, and what they may do. Raises NotReady, InvalidInput and AccessRefused."""
        return owner_of(self._studio, token, request), authorize(
            self._studio, request, key, region, workspace, code
        )

    async def watch(self, token: str, jobs: str, request: gr.Request) -> AsyncIterator[Any]:
        """The takes as they go on, for as long as somebody looks."""
        if not jobs:
            # a generator that yields nothing would empty the stage, and what it shows by now may be
            # a refusal
            yield gr.skip()
            return
        try:
            owner = owner_of(self._studio, token, request)
            shown = await self._there(owner, jobs)
            with self._viewers.reserve(address=address_of(request), owner=owner) as there:
                if not there:
                    yield await self._now(shown, owner)
                    return
                async with contextlib.aclosing(self._followed(owner, shown)) as views:
                    async for view in views:
                        yield view
        except (JobNotFound, NotReady):
            yield cards.idle(self._language, f"{self._tab}.webp", self.ready)

    async def _followed(self, owner: str, shown: Sequence[Take]) -> AsyncGenerator[str]:
        """The views of the takes until all have ended or nobody listens. One that is given again
        lets Gradio see that a page has been left.
        """
        is_heard = whether_heard()
        async for events in self._studio.watching.follow_all(
            [take.job_id for take in shown], owner=owner, again=RECHECK
        ):
            yield _drawn(self._language, shown, events)
            if not is_heard():
                return

    async def found(self, token: str, jobs: str, request: gr.Request) -> tuple[str, Any]:
        """The takes to show when the page is opened, and their view: those that this browser showed
        last, unless only others are on their way.
        """
        try:
            owner = owner_of(self._studio, token, request)
            shown = await self._chosen(owner, jobs)
            return written(shown), await self._now(shown, owner) if shown else gr.skip()
        except (WanError, NotReady):
            return jobs, gr.skip()

    async def _chosen(self, owner: str, jobs: str) -> list[Take]:
        known: list[Take] = []
        live = False
        for take in read(jobs):
            with contextlib.suppress(JobNotFound):
                live |= (await self._studio.library.job(take.job_id, owner=owner)).live
                known.append(take if take.mark is Mark.BEFORE else Take(take.job_id))
        if live:
            return known
        newest = await self._studio.watching.newest(owner=owner, models=self._models)
        if newest is None or (known and not newest.live):
            return known
        return [Take(job.id) for job in (await self._studio.watching.takes(newest))[-TAKES_LIMIT:]]

    async def live(self, token: str, jobs: str, request: gr.Request) -> bool:
        """Whether a job that this tab shows has not ended."""
        try:
            owner = owner_of(self._studio, token, request)
            return (
                any(
                    [
                        (await self._studio.library.job(take.job_id, owner=owner)).live
                        for take in await self._there(owner, jobs)
                    ]
                )
                if jobs
                else False
            )
        except (JobNotFound, NotReady):
            return False
        except StorageUnavailable:  # as far as anybody knows
            return True

    async def _start(
        self,
        asking: Asking,
        jobs: str,
        takes: str,
        read_form: Callable[[], Awaitable[Request]],
        refused: Callable[[Markup], Awaitable[str]],
    ) -> tuple[Any, str]:
        try:
            owner, permission = asking()
            request = await read_form()
            made = await self._studio.submission.submit_takes(
                request, owner=owner, permission=permission, takes=int(takes)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the form stays as it is and the person is told
            return await refused(self._refusal(error)), jobs
        several = len(made) > 1
        shown = [
            Take(job.id, Mark.BEFORE if several and not job.live else Mark.NONE) for job in made
        ]
        note = (
            Markup("{} ").format(text(self._language, "made_before"))
            if not several and not made[0].live
            else ""
        )
        return await self._shown(shown, owner, note), written(shown)

    def _refusal(self, error: Exception) -> Markup:
        """The card that says why nothing was done."""
        if isinstance(error, InvalidInput):
            return cards.refused(self._language, error.message, error.field)
        if isinstance(error, AccessRefused):
            return cards.refused(self._language, error.message, connect=True)
        if isinstance(error, WanError):
            return cards.refused(self._language, error.message)
        if isinstance(error, NotReady):
            return cards.not_started(self._language, "not_ready_note")
        _log.error("tab %s could not do what was asked", self._tab, exc_info=error)
        return cards.not_started(self._language, "broke_note")

    async def _cancel(
        self, token: str, jobs: str, target: str, request: gr.Request
    ) -> tuple[Any, str]:
        async def act(owner: str, shown: list[Take]) -> tuple[Any, list[Take]]:
            came = [
                await self._studio.submission.cancel(take.job_id, owner=owner)
                for take in aimed(shown, target)
            ]
            late = [
                Markup("{} ").format(text_of(self._language, one))
                for one in came
                if one.key == "cancel_late" and len(came) == 1
            ]
            return await self._now(shown, owner, note=Markup("").join(late)), shown

        return await self._acted(token, request, jobs, act)

    async def _stop(
        self, token: str, jobs: str, target: str, request: gr.Request
    ) -> tuple[Any, str]:
        async def act(owner: str, shown: list[Take]) -> tuple[Any, list[Take]]:
            shown = changed(shown, aimed(shown, target), mark=Mark.QUIET)
            return await self._now(shown, owner, watching=False), shown

        return await self._acted(token, request, jobs, act)

    async def _resume(
        self, token: str, jobs: str, target: str, request: gr.Request
    ) -> tuple[Any, str]:
        async def act(owner: str, shown: list[Take]) -> tuple[Any, list[Take]]:
            shown = changed(shown, aimed(shown, target), mark=Mark.NONE)
            return await self._now(shown, owner), shown

        return await self._acted(token, request, jobs, act)

    async def _withdraw(
        self, token: str, jobs: str, target: str, request: gr.Request
    ) -> tuple[Any, str]:
        async def act(owner: str, shown: list[Take]) -> tuple[Any, list[Take]]:
            for take in aimed(shown, target):
                await self._studio.library.withdraw_links(take.job_id, owner=owner)
            return await self._now(
                shown, owner, note=text(self._language, "links_withdrawn")
            ), shown

        return await self._acted(token, request, jobs, act)

    async def _retry(
        self,
        token: str,
        key: str,
        region: str,
        workspace: str,
        code: str,
        jobs: str,
        target: str,
        request: gr.Request,
    ) -> tuple[Any, str]:
        return await self._retried(
            token, request, jobs, target, (key, region, workspace, code), may_pay_twice=False
        )

    async def _retry_surely(
        self,
        token: str,
        key: str,
        region: str,
        workspace: str,
        code: str,
        jobs: str,
        target: str,
        request: gr.Request,
    ) -> tuple[Any, str]:
        return await self._retried(
            token, request, jobs, target, (key, region, workspace, code), may_pay_twice=True
        )

    async def _retried(
        self,
        token: str,
        request: gr.Request,
        jobs: str,
        target: str,
        given: tuple[str, str, str, str],
        *,
        may_pay_twice: bool,
    ) -> tuple[Any, str]:
        async def act(owner: str, shown: list[Take]) -> tuple[Any, list[Take]]:
            old, *others = aimed(shown, target)
            if others:
                raise JobNotFound
            permission = authorize(self._studio, request, *given)
            try:
                job = await self._studio.submission.retry(
                    old.job_id, owner=owner, permission=permission, may_pay_twice=may_pay_twice
                )
            except MayPayTwice as doubt:
                shown = changed(shown, [old], mark=Mark.ASKS)
                return await self._now(shown, owner, asks=doubt.message), shown
            shown = [Take(job.id) if take is old else take for take in shown]
            return await self._shown(shown, owner), shown

        return await self._acted(token, request, jobs, act)

    async def _acted(self, token: str, request: gr.Request, jobs: str, act: Act) -> tuple[Any, str]:
        """Stage and takes after a button of a card; a job that is gone leaves an empty stage that
        says so.
        """
        try:
            owner = owner_of(self._studio, token, request)
            view, shown = await act(owner, await self._there(owner, jobs))
            return view, written(shown)
        except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
            known = isinstance(error, WanError | NotReady)
            card = self._refusal(error) if known else self._act_broke(error)
            return cards.idle(self._language, f"{self._tab}.webp", card, back=bool(jobs)), jobs

    def _act_broke(self, error: Exception) -> Markup:
        """The card for a button that broke: what it may have done already, nobody can say here."""
        _log.error("tab %s: a button of the card broke", self._tab, exc_info=error)
        return cards.not_started(self._language, "act_broke_note", title="title_broke")

    async def _shown(self, shown: Sequence[Take], owner: str, note: Markup | str = "") -> Any:
        """The view of new jobs; whatever happens here, they are there, and the page must learn
        their ids.
        """
        try:
            return await self._now(shown, owner, note=note)
        except Exception:  # noqa: BLE001 - logged, and the jobs go on
            _log.exception("jobs %s could not be shown yet", written(shown))
            return gr.skip()

    async def _there(self, owner: str, jobs: str) -> list[Take]:
        """The takes that the stage shows. Of several, those that are gone are left out; whether one
        alone is there, the next step asks.
        """
        shown = read(jobs)
        if len(shown) == 1:
            return shown
        there = []
        for take in shown:
            with contextlib.suppress(JobNotFound):
                with contextlib.suppress(StorageUnavailable):  # as far as anybody knows
                    await self._studio.library.job(take.job_id, owner=owner)
                there.append(take)
        if not there:
            raise JobNotFound
        return there

    async def _now(
        self,
        shown: Sequence[Take],
        owner: str,
        *,
        note: Markup | str = "",
        watching: bool = True,
        asks: Message | None = None,
    ) -> str:
        """The takes as they are at this moment."""
        events = [await self._studio.watching.look(take.job_id, owner=owner) for take in shown]
        return _drawn(self._language, shown, events, note=note, watching=watching, asks=asks)

    def _button(self, verb: str) -> gr.Button:
        """A button that only the script presses, for a button in a card."""
        return gr.Button(verb, elem_id=f"wan-{self._tab}-{verb}", visible="hidden")

    def _js(self, then: str, verb: str = "") -> str:
        return f"() => window.wanStudio.{then}('{self._tab}', '{verb}')"


def viewers() -> Capacity:
    """Capacity for those who watch the jobs of one tab."""
    return Capacity(_VIEWERS[0], address=_VIEWERS[1], owner=_VIEWERS[2])


def _drawn(
    language: Language,
    shown: Sequence[Take],
    events: Sequence[JobEvent],
    *,
    note: Markup | str = "",
    watching: bool = True,
    asks: Message | None = None,
) -> str:
    """The stage: of one job its own, of several the grid. watching, asks: of one job; of several,
    their marks say it.
    """
    if len(events) == 1:
        return cards.view(language, events[0], watching=watching, note=note, asks=asks)
    marks = {take.job_id: take.mark for take in shown}
    return cards.takes(language, [(event, marks[event.job.id]) for event in events], note=note)
