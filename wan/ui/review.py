"""The owner's tab: a review is made from the chosen takes, its link given away, what comes back is
watched and exported.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr

from wan.domain import reviews
from wan.domain.errors import JobNotFound, WanError
from wan.domain.jobs import Job
from wan.domain.messages import Language, t
from wan.domain.reviews import Review
from wan.service.studio import Studio
from wan.ui import long_work, reuse_settings
from wan.ui import review_tab as html
from wan.ui.caller import Connection, NotReady, hidden, owner_of
from wan.ui.components.component import bare
from wan.ui.components.lines import answer_of, panel_head
from wan.web import review_zip
from wan.web.text import text

TAB = "review"
_EXPIRY = {"never": None, "day": 1, "week": 7, "month": 30}
_PICKED = "(token, ..._) => [token, window.wanReview.picked()]"

_log = logging.getLogger(__name__)


def build(
    language: Language,
    studio: Studio,
    visitor: Connection,
    chosen: gr.BrowserState,
    tab: gr.Tab,
    packing: set[str],
) -> None:
    """Builds the tab. chosen: ids of the takes for a new review, separated by spaces. tab: shows
    the reviews whenever it is opened. packing: owners for whom a review is being packed.
    """
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            gr.HTML(panel_head(language, "review_new", "review_new_note"), **bare)
            posters = gr.HTML(html.chosen(language, []), elem_id="wan-review-chosen", **bare)
            title = gr.Textbox(
                label=t(language, "review_title"),
                placeholder=t(language, "review_title_placeholder"),
                max_lines=1,
                elem_id="wan-review-title",
            )
            note = gr.Textbox(
                label=t(language, "review_note"),
                placeholder=t(language, "review_note_placeholder"),
                lines=3,
                elem_id="wan-review-note",
            )
            choices = [(t(language, f"review_{name}"), name) for name in _EXPIRY]
            expiry = gr.Radio(
                choices,
                value="week",
                label=t(language, "review_expiry"),
                elem_id="wan-review-expiry",
            )
            settings = gr.Checkbox(
                value=False,
                label=t(language, "review_settings"),
                info=t(language, "review_settings_note"),
                elem_id="wan-review-settings",
            )
            refusal = gr.HTML("", elem_id="wan-review-refusal", **bare)
            create = gr.Button(
                t(language, "review_create"), variant="primary", elem_id="wan-review-create"
            )
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show-reviews"):
            view = gr.HTML(html.listed(language, [], "", 0.0), elem_id="wan-review-view", **bare)
            export = gr.HTML("", elem_id="wan-review-export", **bare)
    picked = gr.Textbox(visible="hidden", elem_id="wan-review-picked")
    room = _Room(language, studio, packing)
    mine = [visitor.owner, picked]

    made = create.click(
        room.create,
        [visitor.owner, title, note, expiry, chosen, settings],
        [view, refusal, title, note, picked],
        **hidden,
    )
    made.then(None, picked, js="(review) => void window.wanReview.made(review)")
    shown = chosen.change(room.posters, [visitor.owner, chosen], posters, **hidden)
    shown.then(None, posters, None, js="(html) => window.wanLibrary.forget(html)")
    tab.select(room.show, mine, view, js=_PICKED, **hidden)
    for verb, act in (("show", room.show), ("revoke", room.revoke), ("delete", room.delete)):
        _button(verb).click(act, mine, view, js=_PICKED, **hidden)
    for verb, write in (("csv", room.csv), ("json", room.json)):
        _button(verb).click(write, mine, export, js=_PICKED, **hidden).then(
            None, js="() => window.wanReview.download()"
        )
    zipping = _button("zip").click(room.zip, mine, export, js=_PICKED, **hidden)
    zipping.then(None, js="() => window.wanReview.download()")
    _button("stop").click(room.stopped, None, export, cancels=[zipping], **hidden)
    _button("done").click(room.nothing, None, export, **hidden)


class _Room:
    """What the tab's events do. Each asks who it is for, and looks up every id together with that
    owner.
    """

    def __init__(self, language: Language, studio: Studio, packing: set[str]) -> None:
        self._language, self._studio, self._packing = language, studio, packing

    async def show(self, token: str, picked: str | None, request: gr.Request) -> str:
        """The owner's reviews, with one of them opened."""
        return await self._listed(token, picked, request)

    async def posters(self, token: str, chosen: str | None, request: gr.Request) -> str:
        """What is chosen for a new review."""

        async def act(owner: str) -> str:
            there, gone = await self._there(chosen, owner)
            return html.chosen(
                self._language, [job for job in there if job.video_key][: reviews.TAKES_LIMIT], gone
            )

        return await self._acted(token, request, act)

    async def create(
        self,
        token: str,
        title: str | None,
        note: str | None,
        expiry: str,
        chosen: str | None,
        settings: bool,  # noqa: FBT001 - Gradio gives values by their place
        request: gr.Request,
    ) -> tuple[Any, str, Any, Any, Any]:
        """A new review, opened; or why there is none, and the form as it was."""
        try:
            owner = owner_of(self._studio, token, request)
            ids = [job.id for job in (await self._there(chosen, owner))[0]]
            about: dict[str, Any] = {
                "title": title or "",
                "note": note or "",
                "expires_days": _EXPIRY.get(expiry),
                "with_settings": settings,
            }
            review, _ = await self._studio.reviews.create(ids, owner=owner, **about)
            listed = html.listed(
                self._language,
                await self._studio.reviews.list_reviews(owner=owner, whole=review.id),
                review.id,
                time.time(),
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the form stays as it is and the person is told
            return gr.skip(), self._told(error), gr.skip(), gr.skip(), ""
        return listed, "", "", "", review.id

    async def revoke(self, token: str, picked: str | None, request: gr.Request) -> str:
        """Closes a link."""
        return await self._listed(token, picked, request, self._studio.reviews.revoke)

    async def delete(self, token: str, picked: str | None, request: gr.Request) -> str:
        """Deletes a review."""
        return await self._listed(token, picked, request, self._studio.reviews.delete)

    async def csv(self, token: str, picked: str | None, request: gr.Request) -> str:
        """What was said, as a table."""
        return await self._written(token, picked, request, "csv", reviews.export_csv)

    async def json(self, token: str, picked: str | None, request: gr.Request) -> str:
        """What was said, for programs."""
        return await self._written(token, picked, request, "json", reviews.export_json)

    async def zip(self, token: str, picked: str | None, request: gr.Request) -> AsyncIterator[str]:
        """The page with its videos, and how far it is. One at a time of an owner."""
        try:
            review = await self._studio.reviews.get(
                picked or "", owner=owner_of(self._studio, token, request)
            )
            if review.owner in self._packing:
                yield html.toast(text(self._language, "review_zip_busy"))
                return
            async with contextlib.aclosing(self._packed(review)) as steps:
                async for step in steps:
                    yield step
        except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
            yield html.toast(self._told(error))

    async def _packed(self, review: Review) -> AsyncGenerator[str]:
        async def pack(progress: Callable[[float], None]) -> Path:
            async with _placed(self._studio, review, "zip") as target:
                await review_zip.pack(
                    self._language, self._studio, review, target, now=time.time(), progress=progress
                )
            return target

        def share(done: float) -> str:
            return html.packing(self._language, done)

        def packed(target: Path) -> str:
            return html.exported(self._language, target.name, self._studio.uploads.name(target))

        self._packing.add(review.owner)
        try:
            async with contextlib.aclosing(long_work.follow(pack, share, packed)) as steps:
                async for step in steps:
                    yield step
        finally:
            self._packing.discard(review.owner)

    def stopped(self) -> str:
        """After Stop."""
        return html.toast(text(self._language, "review_stopped"))

    def nothing(self) -> str:
        """The export is put away."""
        return ""

    async def _written(
        self,
        token: str,
        picked: str | None,
        request: gr.Request,
        kind: str,
        write: Callable[[Review], bytes],
    ) -> str:
        async def act(owner: str) -> str:
            review = await self._studio.reviews.get(picked or "", owner=owner)
            async with _placed(self._studio, review, kind) as target:
                await asyncio.to_thread(target.write_bytes, await asyncio.to_thread(write, review))
            return html.exported(self._language, target.name, self._studio.uploads.name(target))

        return await self._acted(token, request, act)

    async def _there(self, chosen: str | None, owner: str) -> tuple[list[Job], list[str]]:
        """The chosen jobs, as many as can ever be used, and the ids of those that are gone."""
        there, gone = [], []
        for job_id in (chosen or "").split()[: reviews.TAKES_LIMIT + 1]:
            try:
                there.append(await self._studio.library.get(job_id, owner=owner))
            except JobNotFound:
                gone.append(job_id)
        return there, gone

    async def _listed(
        self,
        token: str,
        picked: str | None,
        request: gr.Request,
        act: Callable[..., Awaitable[object]] | None = None,
    ) -> str:
        """The owner's reviews after something was done with the picked one; where that failed, why,
        above them as they are.
        """

        async def shown(owner: str) -> str:
            refusal = ""
            try:
                if act is not None:
                    await act(picked or "", owner=owner)
            except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
                refusal = self._told(error)
            listed = await self._studio.reviews.list_reviews(owner=owner, whole=picked or "")
            return refusal + await asyncio.to_thread(
                html.listed, self._language, listed, picked or "", time.time()
            )

        return await self._acted(token, request, shown)

    async def _acted(
        self, token: str, request: gr.Request, act: Callable[[str], Awaitable[str]]
    ) -> str:
        try:
            return await act(owner_of(self._studio, token, request))
        except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
            return self._told(error)

    def _told(self, error: Exception) -> str:
        if isinstance(error, WanError):
            return answer_of(self._language, error.message)
        if not isinstance(error, NotReady):
            _log.error("the tab of reviews could not do what was asked", exc_info=error)
        return html.broke(self._language)


def _placed(studio: Studio, review: Review, kind: str) -> AbstractAsyncContextManager[Path]:
    """Where an export may be written: it goes with the review, and with any job that is in it."""
    name = f"review-{datetime.now(UTC):%Y-%m-%d}.{kind}"
    return reuse_settings.create_file(
        studio,
        name,
        [take.job_id for take in review.takes if take.job],
        owner=review.owner,
        review=review.id,
    )


def _button(verb: str) -> gr.Button:
    """A button that only the script presses, for a button of ours."""
    return gr.Button(verb, elem_id=f"wan-review-{verb}", visible="hidden")
