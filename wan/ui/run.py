"""What both tabs share: submit a brief, watch the job, act on it. The job never depends on its being watched."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from wan.errors import InvalidInput, JobNotFound, WanError
from wan.jobs import JobEvent
from wan.requests import Request
from wan.studio import Studio
from wan.ui import cards

Values = dict[str, Any]
"""What is in the form, by the names of the request's fields."""


class Idle(Protocol):
    """Shows the stage before a run, from the form, with a card. back: whether there is a video to go back to."""

    def __call__(self, values: Values, card: Markup, /, *, back: bool) -> Awaitable[str]:
        """Gives its HTML."""


_log = logging.getLogger(__name__)
_SECRET = "wan-studio"  # noqa: S105 - it is sent to every browser; without a fixed one the stored values die with each restart
_TOKEN_LENGTH = 32  # characters of a visitor's token at least

hidden: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None, "api_visibility": "private"}
"""How every event of this page is declared."""


bare: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
"""How HTML of our own is shown: in its own colours, and a click on it is no event."""


def owner_state() -> gr.BrowserState:
    """The visitor's own unguessable token, kept in their browser."""
    return gr.BrowserState("", storage_key="wan-owner-v1", secret=_SECRET)


def owner_of(token: object) -> str:
    """The owner that a token stands for. Raises JobNotFound for what is no token."""
    if not isinstance(token, str) or len(token) < _TOKEN_LENGTH:
        raise JobNotFound
    return hashlib.sha256(token.encode()).hexdigest()


class Run:
    """The stage of one tab, and the job that it shows. Built where it stands on the page, wired by `wire` when the form is there."""

    def __init__(self, studio: Studio, tab: str, owner: gr.BrowserState) -> None:
        self._studio, self._tab, self._owner = studio, tab, owner
        self.job = gr.BrowserState("", storage_key=f"wan-{tab}-job-v1", secret=_SECRET)
        self.ready = cards.ready(simulated=studio.backend == "simulator")
        self.view = gr.HTML(cards.idle(f"{tab}.webp", self.ready), elem_id=f"wan-{tab}-view", elem_classes="wan-run", **bare)
        self._buttons = {verb: self._button(verb) for verb in ("watch", "quiet", "cancel", "stop", "retry")}

    def wire(self, generate: gr.Button, fields: dict[str, Component], read: Callable[[Values], Request], idle: Idle) -> None:
        """Connects the form. fields: its components by the names of the request's fields; read: the request they make."""
        names = list(fields)
        known = [self._owner, self.job]
        watching = self._buttons["watch"].click(self.watch, known, self.view, trigger_mode="multiple", **hidden)

        async def start(token: str, job_id: str, *given: Any) -> tuple[str, str]:
            return await self._start(token, job_id, dict(zip(names, given, strict=True)), read, idle)

        generate.click(start, [*known, *fields.values()], [self.view, self.job], **hidden).then(None, js=self._js("started"))
        self._buttons["retry"].click(self._retry, known, [self.view, self.job], **hidden).then(None, js=self._js("started"))
        self._buttons["cancel"].click(self._cancel, known, self.view, **hidden)
        self._buttons["stop"].click(self._stop, known, self.view, cancels=[watching], **hidden)
        self._buttons["quiet"].click(None, cancels=[watching])

    async def watch(self, token: str, job_id: str) -> AsyncIterator[str]:
        """The job as it goes on, for as long as somebody looks."""
        if not job_id:
            yield cards.idle(f"{self._tab}.webp", self.ready)  # a generator that yields nothing would empty the stage
            return
        try:
            async for event in self._studio.follow(job_id, owner=owner_of(token)):
                yield cards.view(event)
        except JobNotFound:
            yield cards.idle(f"{self._tab}.webp", self.ready)

    async def live(self, token: str, job_id: str) -> bool:
        """Whether the job that this tab shows has not ended."""
        try:
            return bool(job_id) and (await self._studio.job(job_id, owner=owner_of(token))).live
        except JobNotFound:
            return False

    async def _start(self, token: str, job_id: str, values: Values, read: Callable[[Values], Request], idle: Idle) -> tuple[str, str]:
        try:
            owner = owner_of(token)
            request = await asyncio.to_thread(read, values)
            job = await self._studio.submit(request, owner=owner)
        except Exception as error:  # noqa: BLE001 - whatever it is, the form stays as it is and the person is told
            return await idle(values, self._refusal(error), back=bool(job_id)), job_id
        return cards.view(await self._now(job.id, owner)), job.id

    def _refusal(self, error: Exception) -> Markup:
        """The card that says why a brief was not sent."""
        if isinstance(error, InvalidInput):
            return cards.refused(error.sentence, error.field)
        if isinstance(error, JobNotFound):
            return cards.not_started("not_ready_note")  # no token yet
        if isinstance(error, WanError):
            return cards.refused(error.sentence)
        _log.error("a brief of tab %s could not be submitted", self._tab, exc_info=error)
        return cards.not_started("broke_note")

    async def _cancel(self, token: str, job_id: str) -> str:
        owner = owner_of(token)
        note = cards.said(await self._studio.cancel(job_id, owner=owner))
        return cards.view(await self._now(job_id, owner), note=Markup("{} ").format(note))

    async def _stop(self, token: str, job_id: str) -> str:
        return cards.view(await self._now(job_id, owner_of(token)), watching=False)

    async def _retry(self, token: str, job_id: str) -> tuple[str, str]:
        owner = owner_of(token)
        job = await self._studio.retry(job_id, owner=owner)
        return cards.view(await self._now(job.id, owner)), job.id

    async def _now(self, job_id: str, owner: str) -> JobEvent:
        """The job as it is at this moment."""
        return await anext(aiter(self._studio.follow(job_id, owner=owner)))

    def _button(self, verb: str) -> gr.Button:
        """A button that only the script presses, for a button in a card."""
        return gr.Button(verb, elem_id=f"wan-{self._tab}-{verb}", visible="hidden")

    def _js(self, verb: str) -> str:
        return f"() => window.wanStudio.{verb}('{self._tab}')"
