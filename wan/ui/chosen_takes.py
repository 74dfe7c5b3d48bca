"""What the library does with the chosen takes: compare them, move them to a project, join them; and
where what was made is downloaded.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Literal

import gradio as gr

from wan.domain.catalog import Fit
from wan.domain.errors import InvalidInput
from wan.domain.jobs import Job
from wan.domain.messages import Message
from wan.service.films import differ_in_shape
from wan.ui import long_work, reuse_settings
from wan.ui.caller import Caller, Events
from wan.ui.chosen import HELD, WITH_CHOSEN, ChosenWork, find_videos
from wan.ui.components import library as html
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.component import EventValues, OfJob
from wan.web import compare
from wan.web.paths import file_address


class Joining(EventValues):
    """A press on *Combine*, or on what it asks."""

    fit: Fit | Literal[""] = ""
    """How takes of another shape come to that of the first; "" as long as nobody has chosen."""


class ChosenTakes:
    """The foot of the library. Every id that comes from a page is looked up together with its
    owner.
    """

    def __init__(self, events: Events, chosen: BrowserText) -> None:
        self._events, self._chosen = events, chosen
        self._language, self._studio = events.language, events.studio
        self.bar = html.LibraryBar(html.show_bar(self._language), elem_id="wan-library-bar")
        self.work = html.LibraryWork(elem_id="wan-library-work")
        self._note = html.LibraryNote(elem_id="wan-library-refusal")
        self.works = ChosenWork(events, chosen, self.work)

    def connect(self, detail: html.LibraryDetail) -> None:
        """Connect the buttons. detail: shows a comparison, and has the button for a bundle."""
        chosen, work = self._chosen, self.work
        self.bar.choose(None, None, chosen, js="() => window.wanSelection.chosen()")
        self.bar.clear(None, None, chosen, js="() => window.wanSelection.clear()")
        self.bar.review(None, js="() => window.wanStudio.turn('review')")
        self._note.hush(None, None, self._note, js="() => ''")
        self._events.connect(
            self.bar.compare,
            self.compare,
            [chosen],
            [detail, self._note],
            refuse=self._refuse_comparison,
            js=WITH_CHOSEN,
            trigger_mode="multiple",
        )
        self._events.connect(
            self.bar.move,
            self.move,
            [chosen],
            self._note,
            refuse=self.works.refuse,
            values=html.Labels,
            js=WITH_CHOSEN,
            trigger_mode="multiple",
        ).then(None, js="() => window.wanLibrary.look()")
        done = self.works.connect(self.bar.join, self.join, values=Joining)
        done.then(None, js="() => window.wanLibrary.look()")  # a film is a job by now
        work.dismiss(None, None, work, js="() => ''")
        self._events.connect(
            detail.bundle,
            self.bundle,
            outputs=work,
            refuse=self.works.refuse,
            values=OfJob,
            trigger_mode="multiple",
        )

    def _refuse_comparison(self, caller: Caller, error: Exception, _chosen: str) -> list[Any]:
        return [gr.skip(), self.works.refuse(caller, error)]

    async def compare(self, caller: Caller, chosen: str) -> list[Any]:
        """Show the chosen takes side by side."""
        jobs, gone = await find_videos(self._studio, chosen, caller.owner)
        if len(jobs) not in html.NEEDED["compare"]:
            why = Message.of("library_compare_some")
            return [gr.skip(), html.show_note(self._language, why, gone, beside="work")]
        media = [
            (
                job,
                f"media/{job.media_token}/video.mp4",
                f"media/{job.media_token}/poster.webp" if job.poster_key else "",
            )
            for job in jobs
        ]
        board = compare.board(self._language, media)
        return [html.show_board(self._language, board, gone), ""]

    async def move(self, caller: Caller, event: html.Labels, chosen: str) -> str:
        """Move the chosen takes to a project, or out of any. Raises InvalidInput where it is not
        said which.
        """
        if event.project is None:
            raise InvalidInput("project", "library_move_none")
        ids = list(dict.fromkeys(chosen.split()))
        await self._studio.library.label(ids, owner=caller.owner, project=event.project)
        return ""

    async def join(self, caller: Caller, event: Joining, chosen: str) -> AsyncIterator[str]:
        """Show how far the joining of the chosen takes is, and then the film. One at a time of an
        owner. Before takes of different shapes are joined, it is asked how.
        """
        owner = caller.owner
        jobs, gone = await find_videos(self._studio, chosen, owner)
        if len(jobs) not in html.NEEDED["join"]:
            why = Message.of("library_join_some")
            yield html.show_note(self._language, why, gone, beside="work")
            return
        async with self._studio.counts.hold(HELD, owner) as is_held:
            if not is_held:
                why = Message.of("library_join_busy")
                yield html.show_note(self._language, why, beside="work")
            elif not event.fit and differ_in_shape(jobs):
                yield html.show_shapes(self._language, jobs, gone)
            else:
                joining = self._join(jobs, gone, owner, event.fit or "pad")
                async with contextlib.aclosing(joining) as steps:
                    async for step in steps:
                        yield step

    def _join(
        self, jobs: Sequence[Job], gone: Sequence[str], owner: str, fit: Fit
    ) -> AsyncGenerator[str]:
        def join(progress: Callable[[float], None]) -> Coroutine[Any, Any, Job]:
            ids = [job.id for job in jobs]
            return self._studio.films.make(ids, owner=owner, fit=fit, progress=progress)

        def show_share(done: float) -> str:
            return html.show_progress(self._language, done, gone)

        def show_film(film: Job) -> str:
            return html.show_download(
                self._language,
                f"media/{film.media_token}/video.mp4",
                f"{self._studio.file_names.of(film)}.mp4",
                "library_film",
                job=film.id,
            )

        return long_work.follow(join, show_share, show_film)

    async def bundle(self, caller: Caller, event: OfJob) -> str:
        """Offer a video with its settings, whose download begins by itself."""
        owner = caller.owner
        job = await self._studio.library.get(event.job, owner=owner)
        name = "wan-film.zip" if job.is_film else f"wan-{job.seed}.zip"
        async with reuse_settings.create_file(self._studio, name, [job.id], owner=owner) as path:
            await self._studio.exports.bundle(job.id, owner=owner, target=path)
        address = file_address(self._studio.uploads.name(path))
        # Not the file here, which no text of somebody's names.
        called = f"{self._studio.file_names.of(job)}.zip"
        return html.show_download(self._language, address, called, "library_bundle", at_once=True)
