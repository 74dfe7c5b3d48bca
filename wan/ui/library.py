"""The tab with all jobs of a visitor: to search, look at, use again and delete; `chosen_takes` puts
several together. `assets/library.js` adds what only a browser knows, such as where somebody was.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from wan.domain.catalog import MODELS
from wan.domain.errors import WanError
from wan.domain.jobs import CHOSEN_LIMIT
from wan.domain.messages import Language, Message
from wan.service.studio import Studio
from wan.ui import reuse_settings
from wan.ui.caller import Caller, Connection, Events, explain
from wan.ui.chosen_takes import ChosenTakes
from wan.ui.components import library as html
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.component import OfJob, plain_html
from wan.ui.components.lines import hint
from wan.ui.components.stage import show_job
from wan.ui.library_filters import Place, make_filters, read_asked, read_scope
from wan.ui.selection import Selection

TAB = "library"
PAGE = 24  # cards
_WITH_SCOPE = "(...given) => window.wanLibrary.withScope(given)"


def build(
    language: Language,
    studio: Studio,
    connection: Connection,
    tabs: gr.Tabs,
    tab: gr.Tab,
    chosen: BrowserText,
    runs: reuse_settings.Runs,
) -> None:
    """Build the tab. chosen: ids of takes in the order of choosing, also for other tabs. runs: the
    tabs on which jobs are made, by their ids.
    """
    events = Events(language, studio, connection)
    with gr.Column(elem_id="wan-library-room"):
        if studio.settings.shared_library:
            gr.HTML(hint(language, "library_shared"), elem_id="wan-library-shared", **plain_html)
        with gr.Row(elem_classes="wan-filters"):
            filters = make_filters(language)
        with gr.Column(elem_id="wan-library"):
            library = Library(events, tabs, runs)
        with gr.Column(elem_id="wan-library-foot"):
            takes = ChosenTakes(events, chosen)
    library.connect(tab, filters)
    takes.connect(library.detail)
    Selection(events).connect(takes.bar, takes.works)
    takes.works.connect_stop()
    reuse_settings.wire(language, studio, connection, tabs, runs)


class Library:
    """The cards, and one job in their place. Every id that comes from a page is looked up together
    with its owner.
    """

    def __init__(self, events: Events, tabs: gr.Tabs, runs: reuse_settings.Runs) -> None:
        self._events, self._tabs, self._runs = events, tabs, runs
        self._language, self._studio = events.language, events.studio
        self._scope = BrowserText("wan-library-scope-v1", restored=False)
        self._no_note = html.show_note(self._language)
        self._note = html.LibraryNote(self._no_note, elem_id="wan-library-note")
        self._grid = html.LibraryGrid(elem_id="wan-library-grid")
        self.detail = html.LibraryDetail(elem_id="wan-library-detail")

    def connect(self, tab: gr.Tab, filters: Sequence[Component]) -> None:
        """Connect the filters, the cards and the buttons of a job. tab: looks anew whenever it is
        opened.
        """
        self._asked = [*filters, self._scope]
        self._connect_list(filters)
        tab.select(None, js="() => window.wanLibrary.selected()")
        self._events.connect(
            self._grid.open,
            self.open,
            self._asked,
            [self.detail, self._note],
            refuse=self._refuse,
            values=html.Opening,
            js=_WITH_SCOPE,
            trigger_mode="multiple",
        )
        self._events.connect(
            self._grid.choose_all,
            self.choose_all,
            self._asked,
            self._note,
            refuse=self._refuse_note,
            js=_WITH_SCOPE,
        )
        self._events.connect(
            self.detail.annotate,
            self.annotate,
            outputs=self._note,
            refuse=self._refuse_note,
            values=html.Labels,
            trigger_mode="multiple",
        ).then(None, js="() => window.wanLibrary.refresh()")
        self._events.connect(
            self.detail.withdraw,
            self.withdraw,
            outputs=self._note,
            refuse=self._refuse_note,
            values=OfJob,
            trigger_mode="multiple",
        ).then(None, js="() => (window.wanLibrary.refresh(), window.wanStudio.showAgain())")
        self._events.connect(
            self._grid.annotate,
            self.star,
            outputs=self._note,
            refuse=self._refuse_note,
            values=html.Labels,
            trigger_mode="multiple",
        ).then(None, js="() => window.wanLibrary.look()")
        self.detail.close(None, None, [self.detail, self._note], js="() => ['', '']")
        forms = [self._tabs, *reuse_settings.list_outputs(self._runs)]
        views = [part for run in self._runs.values() for part in (run.view, run.job)]
        stages = [self._tabs, *views]
        self._connect_act(self.detail.use, self.use, forms)
        self._connect_act(self.detail.frame, self.frame, forms)
        self._connect_act(self.detail.watch, self.watch, stages)
        takes = [run.takes for run in self._runs.values()]
        self._connect_act(self.detail.again, self.again, [*forms, *takes])
        self._connect_act(self.detail.retry, self.retry, stages)
        self._connect_act(self.detail.delete, self.delete, [])

    def _connect_list(self, filters: Sequence[Any]) -> None:
        connect = partial(
            self._events.connect,
            act=self.list_jobs,
            inputs=self._asked,
            outputs=[self._grid, self._note],
            refuse=self._refuse_look,
            values=Place,
        )
        connect(
            partial(
                gr.on, [part.change for part in filters]
            ),  # `input` misses a first paste (6.31.0)
            trigger_mode="always_last",
            js="(...given) => window.wanLibrary.filtered(given)",
        )
        # With "always_last" Gradio would repeat the earlier place (6.31.0).
        connect(self._grid.look, trigger_mode="multiple")

    def _connect_act(
        self,
        event: Callable[..., Any],
        act: Callable[[Caller, str], Awaitable[list[Any]]],
        others: Sequence[Any],
    ) -> None:
        """Connect a button of the job that is shown. act: gives what the detail shows, then the
        other components. Where it is refused, all stay as they are, and the job says why.
        """
        unchanged = [gr.skip()] * len(others)

        async def answer(caller: Caller, event: OfJob) -> list[Any]:
            try:
                shown, *changed = await act(caller, event.job)
            except WanError as error:
                why = html.show_note(self._language, error.message, of_job=event.job)
                return [gr.skip(), why, *unchanged]
            return [shown, self._no_note, *changed]

        def refuse(caller: Caller, error: Exception) -> list[Any]:
            return [*self._refuse(caller, error), *unchanged]

        answer.__name__ = act.__name__
        self._events.connect(
            event,
            answer,
            outputs=[self.detail, self._note, *others],
            refuse=refuse,
            values=OfJob,
            trigger_mode="multiple",
        )

    def _refuse(self, _caller: Caller, error: Exception, *_filters: object) -> list[Any]:
        """What is shown stays, below a note."""
        why = explain(error, not_ready="library_not_ready")
        return [gr.skip(), html.show_note(self._language, why)]

    def _refuse_look(self, _caller: Caller, error: Exception, *_asked: object) -> list[Any]:
        """Do as `_refuse`, in a note that the next look takes away."""
        why = explain(error, not_ready="library_not_ready")
        return [gr.skip(), html.show_note(self._language, why, of_look=True)]

    def _refuse_note(self, caller: Caller, error: Exception, *_asked: object) -> Any:
        return self._refuse(caller, error)[1]

    async def list_jobs(self, caller: Caller, place: Place, *asked: str | None) -> list[Any]:
        """Show a page of cards. asked: what stands in the filters, and what is looked at, where
        another filter has changed.
        """
        offset, until = place.read()
        until = until if offset else None
        wanted = read_asked(asked, place)
        page = await self._studio.library.list_jobs(
            owner=caller.owner, until=until, offset=offset, limit=PAGE, **wanted
        )
        shown = html.show_page(
            self._language,
            page,
            offset,
            PAGE,
            until,
            project=wanted["project"],
            starred=wanted["starred"],
            number=read_scope(asked, place).number,
        )
        return [shown, gr.skip() if place.note else self._no_note]

    async def open(self, caller: Caller, event: html.Opening, *asked: str | None) -> list[Any]:
        """Show one job. asked: as for `list_jobs`. Where it is refused, what is shown stays."""
        try:
            shown = await self._show(caller, event.job, asked)
        except Exception as error:  # noqa: BLE001 - the script has to know of which job
            why, looked = explain(error, not_ready="library_not_ready"), bool(event.look)
            of_open = "" if looked else event.job
            note = html.show_note(self._language, why, of_look=looked, of_open=of_open)
            return [gr.skip(), note]
        return [shown, gr.skip() if event.note else self._no_note]

    async def _show(self, caller: Caller, job_id: str, asked: Sequence[str | None]) -> str:
        """Return a job, between those before and after it."""
        event = await self._studio.watching.snapshot(job_id, owner=caller.owner)
        place = await self._studio.library.find_place(
            event.job, owner=caller.owner, **read_asked(asked)
        )
        return html.show_job(
            self._language,
            event,
            place,
            thumbnail=self._studio.thumbnails.name,
            there=await self._studio.films.find_takes(event.job),
        )

    async def choose_all(self, caller: Caller, *asked: str | None) -> str:
        """Have every job chosen that matches the filters and has ended, also on other pages."""
        found = await self._studio.library.list_ended(
            owner=caller.owner, limit=CHOSEN_LIMIT, **read_asked(asked)
        )
        return html.show_picked(self._language, found, time.time())

    async def annotate(self, caller: Caller, event: html.Labels) -> str:
        """Name a job, star it, or move it to a project. Another may be shown by now: the script
        asks for that.
        """
        owner, note = caller.owner, Message.of("library_kept")
        try:
            await self._studio.library.label([event.job], owner=owner, **event.changes)
        except WanError as error:
            note = error.message
        good = note.key == "library_kept"
        return html.show_note(self._language, note, of_job=event.job, good=good)

    async def withdraw(self, caller: Caller, event: OfJob) -> str:
        """Make every link to a job's video that was given away lead nowhere."""
        await self._studio.library.withdraw_links(event.job, owner=caller.owner)
        note = Message.of("links_withdrawn")
        return html.show_note(self._language, note, of_job=event.job, good=True)

    async def star(self, caller: Caller, event: html.Labels) -> str:
        """Star a job among the cards, or take its star away."""
        await self._studio.library.label([event.job], owner=caller.owner, **event.changes)
        return self._no_note

    async def use(self, caller: Caller, job_id: str) -> list[Any]:
        """Fill the form of its tab with a job's settings, and go there."""
        form = await reuse_settings.read_settings(self._studio, job_id, owner=caller.owner)
        return self._fill(*form)

    async def again(self, caller: Caller, job_id: str) -> list[Any]:
        """Do as `use`, for a new take of the job, which draws a seed of its own. However many were
        made at once before, this is about one until somebody says otherwise.
        """
        tab, form = await reuse_settings.read_settings(self._studio, job_id, owner=caller.owner)
        takes = ["1" if of == tab else gr.skip() for of in self._runs]
        return [*self._fill(tab, form | {"seed": ""}, job_id=job_id), *takes]

    async def frame(self, caller: Caller, job_id: str) -> list[Any]:
        """Make the last frame of a job's video the picture of the next shot."""
        form = await reuse_settings.read_last_frame(self._studio, job_id, owner=caller.owner)
        return self._fill(*form, continues=True)

    def _fill(
        self, tab: str, form: dict[str, Any], *, job_id: str = "", continues: bool = False
    ) -> list[Any]:
        """job_id: of what the form shall make new takes. continues: see `show_departure`."""
        filled = reuse_settings.fill_outputs(self._runs, tab, form)
        departure = html.show_departure(
            self._language, tab, job_id, fresh=bool(job_id), continues=continues
        )
        return [departure, gr.Tabs(selected=tab), *filled]

    async def watch(self, caller: Caller, job_id: str) -> list[Any]:
        """Show a job on the tab on which it was made: there it is followed and cancelled."""
        return await self._resume(caller, job_id, again=False)

    async def retry(self, caller: Caller, job_id: str) -> list[Any]:
        """Show a job on the tab on which it was made, where the script makes it once more."""
        return await self._resume(caller, job_id, again=True)

    async def _resume(self, caller: Caller, job_id: str, *, again: bool) -> list[Any]:
        event = await self._studio.watching.snapshot(job_id, owner=caller.owner)
        tab = MODELS[reuse_settings.require_run(event.job).model].makes
        views: list[Any] = []
        for of in self._runs:
            shown = (show_job(self._language, event), event.job.id)
            views += shown if of == tab else (gr.skip(), gr.skip())
        departure = html.show_departure(self._language, tab, event.job.id, again=again)
        return [departure, gr.Tabs(selected=tab), *views]

    async def delete(self, caller: Caller, job_id: str) -> list[Any]:
        """Delete a job."""
        await self._studio.library.delete(job_id, owner=caller.owner)
        return [html.show_gone(self._language, job_id)]
