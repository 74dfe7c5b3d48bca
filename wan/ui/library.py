"""The tab with all jobs of a visitor: to search, look at, use again and delete; `chosen_takes` puts
several together. `assets/library.js` adds what only a browser knows, such as where somebody was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic import Field

from wan.domain.catalog import MODELS
from wan.domain.errors import WanError
from wan.domain.jobs import GROUPS
from wan.domain.messages import Language, Message, t
from wan.service.library import VERDICTS
from wan.service.studio import Studio
from wan.ui import image, reuse_settings
from wan.ui.caller import Caller, Connection, Events, explain
from wan.ui.chosen_takes import ChosenTakes
from wan.ui.components import library as html
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.component import EventValues, OfJob
from wan.ui.components.stage import show_job

TAB = "library"
PAGE = 24  # cards


class Shelf(EventValues):
    """Which part of the library is looked at."""

    project: str | None = Field(default=None, max_length=200)
    """The project; "" for what is in none, None for all."""
    starred: str = ""
    """Whether only what has a star is shown: "1" or ""."""


class Place(Shelf):
    """Which page of the jobs is wanted, as the page before it said."""

    offset: str = ""
    """How many jobs are before it."""
    until: str = ""
    """Up to which moment, in seconds since 1970; what came later is on no page."""

    def read(self) -> tuple[int, float | None]:
        """Return both; those of the first page for what no page ever said."""
        try:
            return min(max(int(self.offset), 0), 10**9), float(self.until) if self.until else None
        except (ValueError, OverflowError):
            return 0, None


def build(
    language: Language,
    studio: Studio,
    connection: Connection,
    tabs: gr.Tabs,
    tab: gr.Tab,
    chosen: BrowserText,
    runs: reuse_settings.Runs,
    joining: set[str],
) -> None:
    """Build the tab. chosen: ids of takes in the order of choosing, also for other tabs. runs: the
    tabs on which jobs are made, by their ids. joining: owners for whom a film is being joined.
    """
    events = Events(language, studio, connection)
    with gr.Column(elem_id="wan-library-room"):
        with gr.Row(elem_classes="wan-filters"):
            filters = _filters(language)
        with gr.Column(elem_id="wan-library"):
            library = Library(events, tabs, runs)
        with gr.Column(elem_id="wan-library-foot"):
            takes = ChosenTakes(events, chosen, joining)
    library.connect(tab, filters)
    takes.connect(library.detail)
    reuse_settings.wire(language, studio, connection, tabs, runs)


class Library:
    """The cards, and one job in their place. Every id that comes from a page is looked up together
    with its owner.
    """

    def __init__(self, events: Events, tabs: gr.Tabs, runs: reuse_settings.Runs) -> None:
        self._events, self._tabs, self._runs = events, tabs, runs
        self._language, self._studio = events.language, events.studio
        self._shelf = BrowserText("wan-library-shelf-v1", restored=False)
        self._no_note = html.show_note(self._language)
        self._note = html.LibraryNote(self._no_note, elem_id="wan-library-note")
        self._grid = html.LibraryGrid(elem_id="wan-library-grid")
        self.detail = html.LibraryDetail(elem_id="wan-library-detail")

    def connect(self, tab: gr.Tab, filters: Sequence[Component]) -> None:
        """Connect the filters, the cards and the buttons of a job. tab: looks anew whenever it is
        opened.
        """
        self._connect_list(filters)
        tab.select(None, js="() => window.wanLibrary.look()")
        self._events.connect(
            self._grid.open,
            self.open,
            outputs=[self.detail, self._note],
            refuse=self._refuse,
            values=OfJob,
            trigger_mode="multiple",
        )
        self._events.connect(
            self.detail.annotate,
            self.annotate,
            outputs=[self.detail, self._note],
            refuse=self._refuse,
            values=html.Labels,
            trigger_mode="multiple",
        )
        self._events.connect(
            self._grid.annotate,
            self.star,
            outputs=self._note,
            refuse=lambda caller, error: self._refuse(caller, error)[1],
            values=html.Labels,
            trigger_mode="multiple",
        ).then(None, js="() => window.wanLibrary.look()")
        self.detail.close(None, None, self.detail, js="() => ''")
        forms = [self._tabs, *reuse_settings.list_outputs(self._runs)]
        views = [part for run in self._runs.values() for part in (run.view, run.job)]
        stages = [self._tabs, *views]
        self._connect_act(self.detail.use, self.use, forms)
        self._connect_act(self.detail.frame, self.frame, forms)
        self._connect_act(self.detail.watch, self.watch, stages)
        self._connect_act(self.detail.again, self.again, forms)
        self._connect_act(self.detail.retry, self.retry, stages)
        self._connect_act(self.detail.delete, self.delete, [])

    def _connect_list(self, filters: Sequence[Any]) -> None:
        connect = partial(
            self._events.connect,
            act=self.list_jobs,
            inputs=[*filters, self._shelf],
            outputs=[self._grid, self._note],
            refuse=self._refuse,
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
        other components. Where it is refused, these stay as they are, and the job says why.
        """
        unchanged = [gr.skip()] * len(others)

        async def answer(caller: Caller, event: OfJob) -> list[Any]:
            try:
                shown, *changed = await act(caller, event.job)
            except WanError as error:
                job = await self._studio.watching.snapshot(event.job, owner=caller.owner)
                return [
                    html.show_job(self._language, job, error.message),
                    self._no_note,
                    *unchanged,
                ]
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

    async def list_jobs(
        self,
        caller: Caller,
        place: Place,
        search: str | None,
        model: str,
        state: str,
        verdict: str,
        shelf: str,
    ) -> list[Any]:
        """Show a page of cards. shelf: what is looked at, where another filter has changed."""
        offset, until = place.read()
        until = until if offset else None
        where = Shelf.model_validate_json(shelf) if shelf else place
        page = await self._studio.library.list_jobs(
            owner=caller.owner,
            search=search or "",
            model=model,
            state=state,
            verdict=verdict,
            project=where.project,
            starred=bool(where.starred),
            until=until,
            offset=offset,
            limit=PAGE,
        )
        shown = html.show_page(
            self._language,
            page,
            offset,
            PAGE,
            until,
            project=where.project,
            starred=bool(where.starred),
        )
        return [shown, self._no_note]

    async def open(self, caller: Caller, event: OfJob) -> list[Any]:
        """Show one job."""
        job = await self._studio.watching.snapshot(event.job, owner=caller.owner)
        return [html.show_job(self._language, job), self._no_note]

    async def annotate(self, caller: Caller, event: html.Labels) -> list[Any]:
        """Name a job, star it, or move it to a project."""
        owner, note = caller.owner, Message.of("library_kept")
        try:
            await self._studio.library.label([event.job], owner=owner, **event.changes)
        except WanError as error:
            note = error.message
        job = await self._studio.watching.snapshot(event.job, owner=owner)
        kept = note.key == "library_kept"
        return [html.show_job(self._language, job, note, kept=kept), self._no_note]

    async def star(self, caller: Caller, event: html.Labels) -> str:
        """Star a job among the cards, or take its star away."""
        await self._studio.library.label([event.job], owner=caller.owner, **event.changes)
        return self._no_note

    async def use(self, caller: Caller, job_id: str) -> list[Any]:
        """Fill the form of its tab with a job's settings, and go there."""
        tab, form = await self._recall(caller.owner, job_id)
        return self._fill(tab, form)

    async def again(self, caller: Caller, job_id: str) -> list[Any]:
        """Do as `use`, for new takes of the job: each draws a seed of its own."""
        tab, form = await self._recall(caller.owner, job_id)
        return self._fill(tab, form | {"seed": ""}, job_id=job_id)

    async def _recall(self, owner: str, job_id: str) -> tuple[str, dict[str, Any]]:
        """The tab on which a job was made, and what its form held."""
        job = await self._studio.library.get(job_id, owner=owner)
        references = await reuse_settings.copy_references(self._studio, job.id, owner=owner)
        tab = MODELS[job.model].makes
        return tab, reuse_settings.make_form_values(tab, job.request, job.seed, references)

    async def frame(self, caller: Caller, job_id: str) -> list[Any]:
        """Make the last frame of a job's video the picture of the next shot."""
        owner = caller.owner
        job = await self._studio.library.get(job_id, owner=owner)
        async with reuse_settings.create_file(
            self._studio, "last-frame.png", [job.id], owner=owner
        ) as path:
            frame = await self._studio.exports.extract_last_frame(job.id, owner=owner)
            await asyncio.to_thread(path.write_bytes, frame)
        form = {
            "image": str(path),
            "url": "",
            "size": job.request["size"],
            "fit": "crop",
            "seed": "",
        }
        return self._fill(image.TAB, form, continues=True)

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
        tab = MODELS[event.job.model].makes
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


def _filters(language: Language) -> list[Any]:
    everything = [(t(language, "library_any"), "")]
    models = everything + [(name, name) for name in MODELS]
    states = everything + [(t(language, f"library_state_{name}"), name) for name in GROUPS]
    verdicts = everything + [
        (t(language, "library_verdict_none" if name == "none" else f"rv_{name}"), name)
        for name in VERDICTS
    ]
    search = gr.Textbox(
        label=t(language, "library_search"),
        placeholder=t(language, "library_search_placeholder"),
        max_lines=1,
        max_length=200,
        elem_id="wan-library-search",
        scale=3,
        min_width=200,
    )
    return [
        search,
        *(
            _filter(language, name, choices)
            for name, choices in (
                ("model", models),
                ("library_state", states),
                ("library_verdict", verdicts),
            )
        ),
    ]


def _filter(language: Language, key: str, choices: list[tuple[Any, str]]) -> gr.Dropdown:
    identity = f"wan-library-{key.removeprefix('library_')}"
    return gr.Dropdown(
        choices,
        value="",
        label=t(language, key),
        elem_id=identity,
        filterable=False,
        scale=1,
        min_width=130,
    )
