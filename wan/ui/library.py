"""The tab with all jobs of a visitor: to search, look at, use again, put together and delete.
`assets/library.js` shows what the events give.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from wan.domain.catalog import MODELS
from wan.domain.errors import JobNotFound, WanError
from wan.domain.jobs import GROUPS, Job
from wan.domain.messages import Language, t
from wan.service.library import VERDICTS
from wan.service.studio import Studio
from wan.ui import image, long_work, reuse_settings, shelf
from wan.ui.caller import Connection, NotReady, hidden, owner_of
from wan.ui.components.component import bare
from wan.ui.components.stage import show_job
from wan.web import compare
from wan.web.paths import file_address

TAB = "library"
PAGE = 24  # cards
_VERBS = (
    "refresh",
    "open",
    "use",
    "again",
    "watch",
    "frame",
    "bundle",
    "delete",
    "compare",
    "join",
    "stop",
    "review",
)
_WITH_ONE = "(token) => [token, window.wanLibrary.asked()]"
_WITH_CHOSEN = "(token) => [token, window.wanLibrary.chosen()]"

_log = logging.getLogger(__name__)


def build(
    language: Language,
    studio: Studio,
    visitor: Connection,
    tabs: gr.Tabs,
    tab: gr.Tab,
    chosen: gr.Textbox,
    runs: reuse_settings.Runs,
    joining: set[str],
) -> None:
    """Builds the tab. chosen: ids of takes in the order of choosing, also for other tabs. runs: the
    tabs on which jobs are made, by their ids. joining: owners for whom a film is being joined.
    """
    with gr.Column(elem_id="wan-library-room"):
        with gr.Row(elem_classes="wan-filters"):
            filters = _filters(language)
        gr.HTML(shelf.frame(), **bare)
        with gr.Column(elem_id="wan-library-foot"):
            gr.HTML(shelf.bar(language), **bare)
    page, asked = (_hidden(name) for name in ("page", "asked"))
    told, one, work = (_hidden(name) for name in ("told", "one", "work"))
    press = {
        verb: gr.Button(verb, elem_id=f"wan-library-{verb}", visible="hidden") for verb in _VERBS
    }
    shown = Library(language, studio, runs, joining)

    found = [part.change for part in filters]  # `input` misses what is pasted first (gradio 6.31.0)
    look = gr.on(
        [*found, press["refresh"].click, tab.select],
        shown.shelf,
        [visitor.owner, *filters, page],
        told,
        js="(...given) => window.wanLibrary.page(given)",
        trigger_mode="always_last",
        **hidden,
    )
    look.then(None, told, None, js="(html) => window.wanLibrary.shelf(html)")

    def wire(
        verb: str,
        act: Callable[..., Any],
        given: gr.Textbox,
        js: str,
        outputs: list[Any],
        after: str,
        **more: Any,
    ) -> Any:
        done = press[verb].click(act, [visitor.owner, given], outputs, js=js, **more, **hidden)
        done.then(None, outputs[0], None, js=f"(html) => window.wanLibrary.{after}(html)")
        return done

    taken = [one, tabs, *(part for run in runs.values() for part in (run.view, run.job))]
    wire(
        "open", shown.open, asked, _WITH_ONE, [one], "one", trigger_mode="always_last"
    )  # of two cards the one that was clicked last opens
    wire(
        "use", shown.use, asked, _WITH_ONE, [one, tabs, *reuse_settings.list_outputs(runs)], "went"
    )
    wire(
        "frame",
        shown.frame,
        asked,
        _WITH_ONE,
        [one, tabs, *reuse_settings.list_outputs(runs)],
        "went",
    )
    wire("again", shown.take_up, asked, _WITH_ONE, taken, "again")
    wire("watch", shown.take_up, asked, _WITH_ONE, taken, "went")
    wire("delete", shown.delete, asked, _WITH_ONE, [one], "deleted")
    wire("bundle", shown.bundle, asked, _WITH_ONE, [work], "saved")
    wire("compare", shown.compare, chosen, _WITH_CHOSEN, [one], "board")
    films = press["join"].click(
        shown.join, [visitor.owner, chosen], work, js=_WITH_CHOSEN, **hidden
    )
    work.change(None, work, None, js="(html) => window.wanLibrary.working(html)")
    press["stop"].click(None, cancels=[films])
    press["review"].click(None, js="() => window.wanStudio.turn('review')")
    reuse_settings.wire(language, studio, visitor, tabs, runs)


class Library:
    """What the tab's events do. Every id that comes from a page is looked up together with its
    owner.
    """

    def __init__(
        self, language: Language, studio: Studio, runs: reuse_settings.Runs, joining: set[str]
    ) -> None:
        self._language, self._studio, self._runs, self._joining = language, studio, runs, joining

    async def shelf(
        self,
        token: str,
        search: str | None,
        model: str,
        state: str,
        verdict: str,
        page: str | None,
        request: gr.Request,
    ) -> str:
        """A page of cards. page: from which job on, and up to which moment, as the page before it
        said.
        """

        async def act(owner: str) -> str:
            offset, until = place(page)
            asked = {"search": search or "", "model": model, "state": state, "verdict": verdict}
            found = await self._studio.library.list_jobs(
                owner=owner, **asked, until=until if offset else None, offset=offset, limit=PAGE
            )
            return shelf.page(self._language, found, offset, PAGE, until if offset else None)

        return await self._told(token, request, act)

    async def open(self, token: str, job_id: str | None, request: gr.Request) -> str:
        """One job."""

        async def act(owner: str) -> str:
            return shelf.job(
                self._language, await self._studio.watching.snapshot(job_id or "", owner=owner)
            )

        return await self._told(token, request, act)

    async def use(self, token: str, job_id: str | None, request: gr.Request) -> list[Any]:
        """Fills the form of its tab with a job's settings, and goes there."""

        async def act(owner: str) -> list[Any]:
            job = await self._studio.library.get(job_id or "", owner=owner)
            references = await reuse_settings.copy_references(self._studio, job.id, owner=owner)
            tab = MODELS[job.model].makes
            return self._filled(
                tab, reuse_settings.make_form_values(tab, job.request, job.seed, references)
            )

        return await self._filling(token, request, act)

    async def frame(self, token: str, job_id: str | None, request: gr.Request) -> list[Any]:
        """Makes the last frame of a job's video the picture of the next shot."""

        async def act(owner: str) -> list[Any]:
            job = await self._studio.library.get(job_id or "", owner=owner)
            async with reuse_settings.create_file(
                self._studio, "last-frame.png", [job.id], owner=owner
            ) as path:
                await asyncio.to_thread(
                    path.write_bytes,
                    await self._studio.exports.extract_last_frame(job.id, owner=owner),
                )
            return self._filled(
                image.TAB,
                {"image": str(path), "url": "", "size": job.request["size"], "fit": "crop"},
            )

        return await self._filling(token, request, act)

    async def take_up(self, token: str, job_id: str | None, request: gr.Request) -> list[Any]:
        """Shows a job on the tab on which it was made: there it is followed, cancelled, and made
        again.
        """

        async def act(owner: str) -> list[Any]:
            event = await self._studio.watching.snapshot(job_id or "", owner=owner)
            tab = MODELS[event.job.model].makes
            views = [
                part
                for of in self._runs
                for part in (
                    (show_job(self._language, event), event.job.id)
                    if of == tab
                    else (gr.skip(), gr.skip())
                )
            ]
            return [shelf.went(tab, event.job.id), gr.Tabs(selected=tab), *views]

        return await self._done(token, request, act, 1 + 2 * len(self._runs))

    async def delete(self, token: str, job_id: str | None, request: gr.Request) -> str:
        """Deletes a job; gives its id, or why it stays."""

        async def act(owner: str) -> str:
            await self._studio.library.delete(job_id or "", owner=owner)
            return shelf.forgotten([job_id or ""])

        return await self._told(token, request, act)

    async def bundle(self, token: str, job_id: str | None, request: gr.Request) -> str:
        """A video with its settings, to be downloaded."""

        async def act(owner: str) -> str:
            job = await self._studio.library.get(job_id or "", owner=owner)
            name = f"wan-{job.seed}.zip"
            async with reuse_settings.create_file(
                self._studio, name, [job.id], owner=owner
            ) as path:
                await self._studio.exports.bundle(job.id, owner=owner, target=path)
            return shelf.download(
                self._language,
                file_address(self._studio.uploads.name(path)),
                name,
                "library_bundle",
            )

        return await self._told(token, request, act)

    async def compare(self, token: str, chosen: str | None, request: gr.Request) -> str:
        """The chosen takes side by side."""

        async def act(owner: str) -> str:
            jobs, gone = await self._chosen(chosen, owner)
            if len(jobs) not in shelf.NEEDED["compare"]:
                return shelf.note(self._language, "library_compare_some", gone)
            media = [
                (
                    job,
                    f"media/{job.media_token}/video.mp4",
                    f"media/{job.media_token}/poster.webp" if job.poster_key else "",
                )
                for job in jobs
            ]
            return shelf.compared(self._language, compare.board(self._language, media), gone)

        return await self._told(token, request, act)

    async def join(self, token: str, chosen: str | None, request: gr.Request) -> AsyncIterator[str]:
        """The chosen takes as one film: how far it is, and then the way to it. One at a time of an
        owner.
        """
        try:
            owner = owner_of(self._studio, token, request)
            jobs, gone = await self._chosen(chosen, owner)
            if len(jobs) not in shelf.NEEDED["join"]:
                yield shelf.note(self._language, "library_join_some", gone)
            elif owner in self._joining:
                yield shelf.note(self._language, "library_join_busy")
            else:
                async with contextlib.aclosing(self._joined(jobs, gone, owner)) as steps:
                    async for step in steps:
                        yield step
        except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
            yield self._refusal(error)

    async def _joined(
        self, jobs: Sequence[Job], gone: Sequence[str], owner: str
    ) -> AsyncGenerator[str]:
        async def join(progress: Callable[[float], None]) -> Path:
            ids = [job.id for job in jobs]
            async with reuse_settings.create_file(
                self._studio, "wan-film.mp4", ids, owner=owner
            ) as path:
                await self._studio.exports.join(ids, owner=owner, target=path, progress=progress)
            return path

        def share(done: float) -> str:
            return shelf.progress(self._language, done, gone)

        def joined(path: Path) -> str:
            address = file_address(self._studio.uploads.name(path))
            return shelf.download(self._language, address, "wan-film.mp4", "library_film")

        self._joining.add(owner)
        try:
            async with contextlib.aclosing(long_work.follow(join, share, joined)) as steps:
                async for step in steps:
                    yield step
        finally:
            self._joining.discard(owner)

    async def _chosen(self, chosen: str | None, owner: str) -> tuple[list[Job], list[str]]:
        """The chosen takes, in the order of choosing, as many as can ever be used; and the ids of
        those that are gone.
        """
        jobs, gone = [], []
        for one in _ids(chosen):
            try:
                jobs.append(await self._studio.library.get(one, owner=owner))
            except JobNotFound:
                gone.append(one)
        return jobs, gone

    def _filled(self, tab: str, given: dict[str, Any]) -> list[Any]:
        return [
            shelf.went(tab),
            gr.Tabs(selected=tab),
            *reuse_settings.fill_outputs(self._runs, tab, given),
        ]

    async def _filling(
        self, token: str, request: gr.Request, act: Callable[[str], Awaitable[list[Any]]]
    ) -> list[Any]:
        return await self._done(
            token, request, act, 1 + len(reuse_settings.list_outputs(self._runs))
        )

    async def _done(
        self,
        token: str,
        request: gr.Request,
        act: Callable[[str], Awaitable[list[Any]]],
        others: int,
    ) -> list[Any]:
        """What an act gives; where it fails, why, and nothing else changes."""
        try:
            return await act(owner_of(self._studio, token, request))
        except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
            return [self._refusal(error), *[gr.skip()] * others]

    async def _told(
        self, token: str, request: gr.Request, act: Callable[[str], Awaitable[str]]
    ) -> str:
        try:
            return await act(owner_of(self._studio, token, request))
        except Exception as error:  # noqa: BLE001 - a button never ends in a traceback
            return self._refusal(error)

    def _refusal(self, error: Exception) -> str:
        if isinstance(error, WanError):
            return shelf.note(self._language, error.message)
        if isinstance(error, NotReady):
            return shelf.note(self._language, "library_not_ready")
        _log.error("the library could not do what was asked", exc_info=error)
        return shelf.note(self._language, "act_broke_note")


def _ids(chosen: str | None) -> list[str]:
    return list(dict.fromkeys((chosen or "").split()))[: shelf.NEEDED["join"].stop]


def place(page: str | None) -> tuple[int, float | None]:
    """From which job on a page is wanted, and up to which moment; the first page for what no page
    ever said.
    """
    offset, _, until = (page or "").partition(" ")
    try:
        return min(max(int(offset), 0), 10**9), float(until) if until else None
    except (ValueError, OverflowError):
        return 0, None


def _hidden(name: str) -> gr.Textbox:
    """Text that only the script and the events read."""
    return gr.Textbox(elem_id=f"wan-library-{name}", visible="hidden", show_label=False)


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
