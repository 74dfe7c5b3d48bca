"""What both tabs share: submit a brief, watch the job, act on it. The job never depends on its being watched."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from wan.access import Leave
from wan.errors import AccessRefused, InvalidInput, JobNotFound, MayPayTwice, NotKept, WanError
from wan.jobs import Job, JobEvent
from wan.requests import Request
from wan.studio import Studio
from wan.ui import cards
from wan.ui.visitor import SECRET, NotReady, Visitor, admitted, bare, hidden, owner_of

_VIEWERS = 20  # streams of one owner's on one tab at once; more would take the places of others, and are shown the job as it is
Asking = Callable[[], tuple[str, Leave]]
Values = dict[str, Any]
"""What is in the form, by the names of the request's fields."""


class Idle(Protocol):
    """Shows the stage before a run, from the form, with a card. back: whether there is a video to go back to."""

    def __call__(self, values: Values, card: Markup, /, *, back: bool) -> Awaitable[str]:
        """Gives its HTML."""


_log = logging.getLogger(__name__)


class Run:
    """The stage of one tab, and the job that it shows. Built where it stands on the page, wired by `wire` when the form is there."""

    fields: dict[str, Component]
    """The form, by the names of the request's fields."""
    video: gr.UploadButton
    """Takes a video whose settings fill the form."""
    recalled: gr.HTML
    """What came of that."""

    def __init__(self, studio: Studio, tab: str, visitor: Visitor, models: Sequence[str]) -> None:
        self._studio, self._tab, self._visitor, self._models = studio, tab, visitor, models
        self.job = gr.BrowserState("", storage_key=f"wan-{tab}-job-v1", secret=SECRET)
        self._viewers: Counter[str] = Counter()
        self.ready = cards.ready(simulated=studio.backend == "simulator")
        self.view = gr.HTML(cards.idle(f"{tab}.webp", self.ready), elem_id=f"wan-{tab}-view", elem_classes="wan-run", **bare)
        self._buttons = {verb: self._button(verb) for verb in ("watch", "quiet", "cancel", "stop", "retry", "sure", "withdraw")}

    def wire(self, generate: gr.Button, fields: dict[str, Component], read: Callable[[Values], Request], idle: Idle) -> None:
        """Connects the form. fields: its components by the names of the request's fields; read: the request they make."""
        self.fields, names = fields, list(fields)
        known, shown = [self._visitor.owner, self.job], [self.view, self.job]
        paying = [*self._visitor.paying, self.job]
        watching = self._buttons["watch"].click(self.watch, known, self.view, trigger_mode="multiple", **hidden)

        async def start(
            token: str, key: str, region: str, workspace: str, code: str, job_id: str, request: gr.Request, *given: Any
        ) -> tuple[str, str]:
            asking = partial(self._asking, token, request, key, region, workspace, code)
            return await self._start(asking, job_id, dict(zip(names, given, strict=True)), read, idle)

        generate.click(start, [*paying, *fields.values()], shown, **hidden).then(None, js=self._js("started"))
        self._buttons["retry"].click(self._retry, paying, shown, cancels=[watching], **hidden).then(None, js=self._js("started"))
        self._buttons["sure"].click(self._retry_surely, paying, shown, **hidden).then(None, js=self._js("started"))
        self._buttons["cancel"].click(self._cancel, known, shown, **hidden)
        self._buttons["stop"].click(self._stop, known, shown, cancels=[watching], **hidden)
        self._buttons["withdraw"].click(self._withdraw, known, shown, **hidden)
        self._buttons["quiet"].click(None, cancels=[watching])

    def _asking(self, token: str, request: gr.Request, key: str, region: str, workspace: str, code: str) -> tuple[str, Leave]:
        """Who asks, and what they may do. Raises NotReady, InvalidInput and AccessRefused."""
        return owner_of(token, request), admitted(self._studio, request, key, region, workspace, code)

    async def watch(self, token: str, job_id: str, request: gr.Request) -> AsyncIterator[Any]:
        """The job as it goes on, for as long as somebody looks."""
        if not job_id:
            yield gr.skip()  # a generator that yields nothing would empty the stage, and what it shows by now may be a refusal
            return
        try:
            owner = owner_of(token, request)
            if self._viewers[owner] >= _VIEWERS:
                yield cards.view(await self._now(job_id, owner))
                return
            async with contextlib.aclosing(self._followed(owner, job_id)) as views:
                async for view in views:
                    yield view
        except (JobNotFound, NotReady):
            yield cards.idle(f"{self._tab}.webp", self.ready)

    async def _followed(self, owner: str, job_id: str) -> AsyncGenerator[str]:
        self._viewers[owner] += 1
        try:
            async for event in self._studio.follow(job_id, owner=owner):
                yield cards.view(event)
        finally:
            self._viewers[owner] -= 1
            if not self._viewers[owner]:
                del self._viewers[owner]

    async def found(self, token: str, job_id: str, request: gr.Request) -> tuple[str, Any]:
        """The job to show when the page is opened, and its view: the one that this browser showed last, unless only another one is on its way."""
        try:
            owner = owner_of(token, request)
            job = await self._chosen(owner, job_id)
            return ("", gr.skip()) if job is None else (job.id, cards.view(await self._now(job.id, owner)))
        except (WanError, NotReady):
            return job_id, gr.skip()

    async def _chosen(self, owner: str, job_id: str) -> Job | None:
        known = None
        if job_id:
            with contextlib.suppress(JobNotFound):
                known = await self._studio.job(job_id, owner=owner)
        if known is not None and known.live:
            return known
        newest = await self._studio.newest(owner=owner, models=self._models)
        return newest if newest is not None and (newest.live or known is None) else known

    async def live(self, token: str, job_id: str, request: gr.Request) -> bool:
        """Whether the job that this tab shows has not ended."""
        try:
            return bool(job_id) and (await self._studio.job(job_id, owner=owner_of(token, request))).live
        except (JobNotFound, NotReady):
            return False
        except NotKept:  # as far as anybody knows
            return True

    async def _start(self, asking: Asking, job_id: str, values: Values, read: Callable[[Values], Request], idle: Idle) -> tuple[str, str]:
        try:
            owner, leave = asking()
            request = await asyncio.to_thread(read, values)
            job = await self._studio.submit(request, owner=owner, leave=leave)
        except Exception as error:  # noqa: BLE001 - whatever it is, the form stays as it is and the person is told
            return await idle(values, self._refusal(error), back=bool(job_id)), job_id
        return await self._shown(job.id, owner, made_before=not job.live), job.id

    def _refusal(self, error: Exception) -> Markup:
        """The card that says why nothing was done."""
        if isinstance(error, InvalidInput):
            return cards.refused(error.sentence, error.field)
        if isinstance(error, AccessRefused):
            return cards.refused(error.sentence, connect=True)
        if isinstance(error, WanError):
            return cards.refused(error.sentence)
        if isinstance(error, NotReady):
            return cards.not_started("not_ready_note")
        _log.error("tab %s could not do what was asked", self._tab, exc_info=error)
        return cards.not_started("broke_note")

    async def _cancel(self, token: str, job_id: str, request: gr.Request) -> tuple[str, str]:
        async def act(owner: str) -> tuple[str, str]:
            came = await self._studio.cancel(job_id, owner=owner)
            late = Markup("{} ").format(cards.said(came)) if came.key == "cancel_late" else ""
            return cards.view(await self._now(job_id, owner), note=late), job_id

        return await self._acted(token, request, job_id, act)

    async def _stop(self, token: str, job_id: str, request: gr.Request) -> tuple[str, str]:
        async def act(owner: str) -> tuple[str, str]:
            return cards.view(await self._now(job_id, owner), watching=False), job_id

        return await self._acted(token, request, job_id, act)

    async def _withdraw(self, token: str, job_id: str, request: gr.Request) -> tuple[str, str]:
        async def act(owner: str) -> tuple[str, str]:
            await self._studio.withdraw_links(job_id, owner=owner)
            return cards.view(await self._now(job_id, owner), note=cards.both("links_withdrawn")), job_id

        return await self._acted(token, request, job_id, act)

    async def _retry(self, token: str, key: str, region: str, workspace: str, code: str, job_id: str, request: gr.Request) -> tuple[str, str]:
        return await self._retried(token, request, job_id, (key, region, workspace, code), may_pay_twice=False)

    async def _retry_surely(self, token: str, key: str, region: str, workspace: str, code: str, job_id: str, request: gr.Request) -> tuple[str, str]:
        return await self._retried(token, request, job_id, (key, region, workspace, code), may_pay_twice=True)

    async def _retried(
        self, token: str, request: gr.Request, job_id: str, given: tuple[str, str, str, str], *, may_pay_twice: bool
    ) -> tuple[str, str]:
        async def act(owner: str) -> tuple[str, str]:
            leave = admitted(self._studio, request, *given)
            try:
                job = await self._studio.retry(job_id, owner=owner, leave=leave, may_pay_twice=may_pay_twice)
            except MayPayTwice as doubt:
                return cards.view(await self._now(job_id, owner), asks=doubt.sentence), job_id
            return await self._shown(job.id, owner), job.id

        return await self._acted(token, request, job_id, act)

    async def _acted(self, token: str, request: gr.Request, job_id: str, act: Callable[[str], Awaitable[tuple[str, str]]]) -> tuple[str, str]:
        """Stage and job after a button of the card; a job that is gone leaves an empty stage that says so."""
        try:
            return await act(owner_of(token, request))
        except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
            known = isinstance(error, WanError | NotReady)
            card = self._refusal(error) if known else self._act_broke(error)
            return cards.idle(f"{self._tab}.webp", card, back=bool(job_id)), job_id

    def _act_broke(self, error: Exception) -> Markup:
        """The card for a button that broke: what it may have done already, nobody can say here."""
        _log.error("tab %s: a button of the card broke", self._tab, exc_info=error)
        return cards.not_started("act_broke_note", title="title_broke")

    async def _shown(self, job_id: str, owner: str, *, made_before: bool = False) -> Any:
        """The new job's view; whatever happens here, the job is there, and the page must learn its id."""
        try:
            note = Markup("{} ").format(cards.both("made_before")) if made_before else ""
            return cards.view(await self._now(job_id, owner), note=note)
        except Exception:  # noqa: BLE001 - logged, and the job goes on
            _log.exception("job %s could not be shown yet", job_id)
            return gr.skip()

    async def _now(self, job_id: str, owner: str) -> JobEvent:
        """The job as it is at this moment."""
        return await self._studio.look(job_id, owner=owner)

    def _button(self, verb: str) -> gr.Button:
        """A button that only the script presses, for a button in a card."""
        return gr.Button(verb, elem_id=f"wan-{self._tab}-{verb}", visible="hidden")

    def _js(self, verb: str) -> str:
        return f"() => window.wanStudio.{verb}('{self._tab}')"
