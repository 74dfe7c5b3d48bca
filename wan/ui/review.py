"""The owner's tab: a review is made from the chosen takes, its link given away, what comes back is
watched and exported.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from wan.domain import review_exports, reviews
from wan.domain.messages import Language, Message, t
from wan.domain.reviews import Review
from wan.service.studio import Studio
from wan.ui import long_work, reuse_settings
from wan.ui.caller import Caller, Connection, Events, explain, field_of
from wan.ui.chosen import find_videos
from wan.ui.components import review as html
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.component import plain_html
from wan.ui.components.lines import answer_of, panel_head
from wan.ui.components.review import OfReview
from wan.ui.review_discussion import OwnersDiscussion
from wan.web import review_zip
from wan.web.text import text, text_of

TAB = "review"
_EXPIRY = {"never": None, "day": 1, "week": 7, "month": 30}
"""Days for which a link leads somewhere, by the choice."""
_CONTROLS = {"takes": "chosen"}
"""Where a field of a new review stands in the form, if not under its own name."""
_ENDED = "(html) => window.wanReview.exported(html)"


def build(
    language: Language,
    studio: Studio,
    connection: Connection,
    chosen: BrowserText,
    opened: BrowserText,
    tab: gr.Tab,
) -> None:
    """Build the tab. chosen: ids of the takes for a new review, separated by spaces. opened: the id
    of the review that is open, or "". tab: shows the reviews whenever it is opened.
    """
    events = Events(language, studio, connection)
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            form = _Form(language)
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show-reviews"):
            tab_reviews = ReviewTab(events, opened)
    tab_reviews.connect(tab)
    tab_reviews.connect_form(form, chosen)


class _Form:
    """What a new review is made from."""

    def __init__(self, language: Language) -> None:
        gr.HTML(panel_head(language, "review_new", "review_new_note"), **plain_html)
        self.takes = gr.HTML(
            html.show_chosen(language, []), elem_id="wan-review-chosen", **plain_html
        )
        self.title = gr.Textbox(
            label=t(language, "review_title"),
            placeholder=t(language, "review_title_placeholder"),
            max_lines=1,
            elem_id="wan-review-title",
        )
        self.note = gr.Textbox(
            label=t(language, "review_note"),
            placeholder=t(language, "review_note_placeholder"),
            lines=3,
            elem_id="wan-review-note",
        )
        self.expiry = gr.Radio(
            [(t(language, f"review_{name}"), name) for name in _EXPIRY],
            value="week",
            label=t(language, "review_expiry"),
            elem_id="wan-review-expiry",
        )
        self.settings = gr.Checkbox(
            value=False,
            label=t(language, "review_settings"),
            info=t(language, "review_settings_note"),
            elem_id="wan-review-settings",
        )
        self.refusal = gr.HTML("", elem_id="wan-review-refusal", **plain_html)
        self.create = gr.Button(
            t(language, "review_create"), variant="primary", elem_id="wan-review-create"
        )

    def inputs(self, chosen: BrowserText) -> list[Component]:
        """The components whose values a new review is made from, in the order of
        `ReviewTab.create_review`.
        """
        return [self.title, self.note, self.expiry, chosen, self.settings]


class ReviewTab:
    """The owner's reviews, of which one is open, and their exports. Every id that comes from a page
    is looked up together with its owner.
    """

    def __init__(self, events: Events, opened: BrowserText) -> None:
        self._events, self._opened = events, opened
        self._language, self._studio = events.language, events.studio
        nothing = html.show_reviews(self._language, [], "", 0.0)
        self._panel = html.ReviewPanel(nothing, elem_id="wan-review-view")
        self._export = html.ReviewExport("", elem_id="wan-review-export")

    def connect(self, tab: gr.Tab) -> None:
        """Connect the buttons of the reviews. tab: shows them anew whenever it is opened."""
        panel, opened, export = self._panel, self._opened, self._export
        self._events.connect(
            tab.select, self.list_reviews, [opened], [panel, opened], refuse=self._refuse
        )
        OwnersDiscussion(self._studio, self._show).connect(
            self._events, panel, opened, self._refuse
        )
        acts = ((panel.show, self.open_review), (panel.revoke, self.revoke))
        for event, act in (*acts, (panel.delete, self.delete_review)):
            self._events.connect(
                event,
                act,
                [opened],
                [panel, opened],
                refuse=self._refuse,
                values=OfReview,
                trigger_mode="multiple",
            )
        packing = [
            self._connect_export(event, act)
            for event, act in (
                (panel.csv, self.export_csv),
                (panel.json, self.export_json),
                (panel.zip, self.export_zip),
            )
        ][-1]
        self._events.connect(
            export.stop,
            self.stop,
            outputs=export,
            refuse=self._refuse_export,
            cancels=[packing],
            trigger_mode="multiple",
        )
        export.done(None, None, export, js="() => ''")

    def _connect_export(self, event: Callable[..., Any], act: Callable[..., Any]) -> Any:
        """Connect a button that exports a review. Gives Gradio's dependency."""
        exporting = self._events.connect(
            event, act, outputs=self._export, refuse=self._refuse_export, values=OfReview
        )
        # Also when it was stopped: the last progress may have come after that.
        exporting.then(None, self._export, self._export, js=_ENDED)
        return exporting

    def connect_form(self, form: _Form, chosen: BrowserText) -> None:
        """Connect the form for a new review. chosen: ids of the takes for it."""
        self._events.connect(
            form.create.click,
            self.create_review,
            form.inputs(chosen),
            [self._panel, self._opened, form.refusal, form.title, form.note],
            refuse=self._refuse_creation,
        ).then(None, js="() => window.wanFields.answered('wan-review-create')")
        self._events.connect(
            self._panel.more,
            self.add_takes,
            [self._opened, chosen],
            [self._panel, self._opened],
            refuse=self._refuse,
            values=OfReview,
            trigger_mode="multiple",
        )
        self._events.connect(
            chosen.change, self.show_chosen, [chosen], form.takes, refuse=self._refuse_chosen
        ).then(None, form.takes, None, js="(html) => window.wanSelection.forget(html)")

    async def list_reviews(self, caller: Caller, opened: str) -> tuple[str, str]:
        """Show the owner's reviews."""
        return await self._show(caller, opened)

    async def open_review(self, caller: Caller, event: OfReview, _opened: str) -> tuple[str, str]:
        """Open another review, or close the one that is open."""
        return await self._show(caller, event.review)

    async def revoke(self, caller: Caller, event: OfReview, opened: str) -> tuple[str, str]:
        """Close a link."""
        await self._studio.reviews.revoke(event.review, owner=caller.owner)
        return await self._show(caller, opened)

    async def delete_review(self, caller: Caller, event: OfReview, opened: str) -> tuple[str, str]:
        """Delete a review."""
        await self._studio.reviews.delete(event.review, owner=caller.owner)
        return await self._show(caller, opened)

    async def add_takes(
        self, caller: Caller, event: OfReview, opened: str, chosen: str
    ) -> tuple[str, str]:
        """Put the chosen takes behind those of a review."""
        jobs, _ = await find_videos(self._studio, chosen, caller.owner)
        ids = [job.id for job in jobs]
        await self._studio.reviews.add_takes(event.review, ids, owner=caller.owner)
        return await self._show(caller, opened)

    async def _refuse(
        self, caller: Caller, error: Exception, opened: str, *_chosen: str
    ) -> tuple[str, str]:
        """Say why something could not be done, above the reviews as they are."""
        why = _explain(error)
        try:
            return await self._show(caller, opened, why)
        except Exception as again:  # noqa: BLE001 - then there is nothing else to show
            return answer_of(self._language, _explain(again)), opened

    async def _show(
        self, caller: Caller, opened: str, note: Message | None = None
    ) -> tuple[str, str]:
        """The reviews, and the id of the one that is open; "" for one that is not the owner's."""
        found = await self._studio.reviews.list_reviews(owner=caller.owner, whole=opened)
        shown = await asyncio.to_thread(
            html.show_reviews, self._language, found, opened, time.time(), note
        )
        return shown, opened if any(review.id == opened for review in found) else ""

    async def create_review(
        self,
        caller: Caller,
        title: str | None,
        note: str | None,
        expiry: str,
        chosen: str,
        settings: bool,  # noqa: FBT001 - Gradio gives values by their place
    ) -> tuple[str, str, str, str, str]:
        """Create a review and open it; its form is empty then."""
        jobs, _ = await find_videos(self._studio, chosen, caller.owner)
        about: dict[str, Any] = {
            "title": title or "",
            "note": note or "",
            "expires_days": _EXPIRY.get(expiry),
            "with_settings": settings,
        }
        review, _ = await self._studio.reviews.create(
            [job.id for job in jobs], owner=caller.owner, **about
        )
        return *await self._show(caller, review.id), "", "", ""

    def _refuse_creation(self, _caller: Caller, error: Exception, *_form: Any) -> tuple[Any, ...]:
        """Say why there is no new review, and leave the form as it is."""
        field = field_of(error)
        why = answer_of(self._language, _explain(error), _CONTROLS.get(field, field))
        return gr.skip(), gr.skip(), why, gr.skip(), gr.skip()

    async def show_chosen(self, caller: Caller, chosen: str) -> str:
        """Show what is chosen for a new review."""
        jobs, gone = await find_videos(self._studio, chosen, caller.owner)
        return html.show_chosen(self._language, jobs[: reviews.TAKES_LIMIT], gone)

    def _refuse_chosen(self, _caller: Caller, error: Exception, _chosen: str) -> str:
        return answer_of(self._language, _explain(error))

    async def export_csv(self, caller: Caller, event: OfReview) -> str:
        """Offer the verdicts as a table."""
        return await self._write(caller, event, "csv", review_exports.export_csv)

    async def export_json(self, caller: Caller, event: OfReview) -> str:
        """Offer the verdicts for programs."""
        return await self._write(caller, event, "json", review_exports.export_json)

    async def _write(
        self, caller: Caller, event: OfReview, kind: str, export: Callable[[Review], bytes]
    ) -> str:
        review = await self._studio.reviews.get(event.review, owner=caller.owner)
        async with self._create_file(review, kind) as target:
            await asyncio.to_thread(target.write_bytes, await asyncio.to_thread(export, review))
        return self._offer(target)

    async def export_zip(self, caller: Caller, event: OfReview) -> AsyncIterator[str]:
        """Show how far the packing of the page with its videos is, and then offer it. One at a time
        of an owner.
        """
        review = await self._studio.reviews.get(event.review, owner=caller.owner)
        async with self._studio.counts.hold("review", review.owner) as is_held:
            if not is_held:
                yield html.show_toast(self._language, text(self._language, "review_zip_busy"))
                return
            async with contextlib.aclosing(self._pack(review)) as steps:
                async for step in steps:
                    yield step

    def _pack(self, review: Review) -> AsyncGenerator[str]:
        async def pack(progress: Callable[[float], None]) -> Path:
            async with self._create_file(review, "zip") as target:
                await review_zip.pack(
                    self._language, self._studio, review, target, now=time.time(), progress=progress
                )
            return target

        def show_share(done: float) -> str:
            return html.show_progress(self._language, done)

        return long_work.follow(pack, show_share, self._offer)

    async def stop(self, _caller: Caller) -> str:
        """Say that an export was stopped."""
        return html.show_toast(self._language, text(self._language, "review_stopped"))

    def _refuse_export(self, _caller: Caller, error: Exception) -> str:
        return html.show_toast(self._language, text_of(self._language, _explain(error)))

    def _create_file(self, review: Review, kind: str) -> AbstractAsyncContextManager[Path]:
        """Where an export may be written: it goes with the review, and with any job in it."""
        return reuse_settings.create_file(
            self._studio,
            f"review-{datetime.now(UTC):%Y-%m-%d}.{kind}",
            [take.job_id for take in review.takes if take.job],
            owner=review.owner,
            review=review.id,
        )

    def _offer(self, target: Path) -> str:
        name = self._studio.uploads.name(target)
        return html.show_download(self._language, target.name, name)


def _explain(error: Exception) -> Message:
    return explain(error, not_ready="review_broke", broke="review_broke")
