"""Settings put back into the forms: those of a job in the library, or those in a video."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr

from wan.domain.catalog import MODELS
from wan.domain.errors import JobNotFound, WanError
from wan.domain.jobs import Job
from wan.domain.messages import Language, Message
from wan.media import embedded_settings, inputs
from wan.service.studio import Studio
from wan.storage.objects import require_room
from wan.ui import framing, image
from wan.ui.caller import Caller, Connection, Events, NotReady, explain
from wan.ui.components.component import OfJob
from wan.ui.components.lines import answer_of, filled, no_settings
from wan.ui.handling import arrival_time
from wan.ui.stage import TabStage

Runs = Mapping[str, TabStage]
"""The stages and forms of both tabs, by the tab."""

References = list[tuple[str, Path | str]]
"""What a job was made from, each with its kind: files among the uploads, and URLs."""

Form = tuple[str, dict[str, Any]]
"""A tab, and what its form is filled with."""


async def read_settings(studio: Studio, job_id: str, *, owner: str) -> Form:
    """Return the form that makes a job's video again. Raises JobNotFound, StorageUnavailable, and
    WanError for a film.
    """
    job = require_run(await studio.library.get(job_id, owner=owner))
    references = await copy_references(studio, job.id, owner=owner)
    tab = MODELS[job.model].makes
    return tab, make_form_values(tab, job.request, job.seed, references)


async def read_last_frame(studio: Studio, job_id: str, *, owner: str) -> Form:
    """Return the form for the next shot: its image is the last frame of a job's video. Raises
    JobNotFound, StorageUnavailable, and WanError where there is no video.
    """
    job = await studio.library.get(job_id, owner=owner)
    async with create_file(studio, "last-frame.png", [job.id], owner=owner) as path:
        frame = await studio.exports.extract_last_frame(job.id, owner=owner)
        await asyncio.to_thread(path.write_bytes, frame)
    form = {"image": str(path), "url": "", "seed": ""}
    form |= framing.show_size(
        embedded_settings.shots_of(job)[0]["request"]["size"]
    ) | framing.show_framing({})
    return image.TAB, form


def require_run(job: Job) -> Job:
    """Return a job that was made at the service. Raises WanError for a film."""
    if job.is_film:
        raise WanError(Message.of("film_again"))
    return job


def make_form_values(
    tab: str, asked: Mapping[str, Any], seed: int, references: References
) -> dict[str, Any]:
    """Return what a tab's form holds for a request as it was asked. seed: the one that was used."""
    seen = [one for kind, one in references if kind != "audio"]
    sounds = [str(one) for kind, one in references if kind == "audio" and isinstance(one, Path)]
    files = [str(one) for one in seen if isinstance(one, Path)]
    urls = [one for one in seen if isinstance(one, str)]
    fps, motion = asked.get("fps"), asked.get("motion_strength")
    given = dict(asked) | {"seed": str(seed), "fps": "" if fps is None else str(fps)}
    given |= framing.show_size(asked["size"])
    if tab != image.TAB:
        return given | {"files": files or None, "urls": "\n".join(urls)}
    return (
        given
        | framing.show_framing(asked)
        | {
            "image": files[0] if files else None,
            "url": "" if files else "".join(urls[:1]),
            "sound_file": sounds[0] if sounds else None,
            "motion_on": motion is not None,
            "motion_strength": 0.5 if motion is None else motion,
        }
    )


def list_outputs(runs: Runs) -> list[Any]:
    """Return the components that `fill_outputs` gives values for."""
    return [component for run in runs.values() for component in run.fields.values()]


def fill_outputs(runs: Runs, tab: str, given: Mapping[str, Any]) -> list[Any]:
    """Return values for `list_outputs`: one form is filled as far as there is something for it, the
    other stays as it is.
    """
    return [
        given[name] if of == tab and name in given else gr.skip()
        for of, run in runs.items()
        for name in run.fields
    ]


async def copy_references(studio: Studio, job_id: str, *, owner: str) -> References:
    """Return the references of a job as a form takes them: our files copied to the uploads, URLs as
    they are. Raises JobNotFound and StorageUnavailable.
    """
    sources = await studio.library.list_references(job_id, owner=owner)
    names = {
        Path(one.key).name: Path(one.name).stem
        for one in (await studio.library.get(job_id, owner=owner)).references
        if one.name
    }
    if files := [one for _, one in sources if isinstance(one, Path)]:
        await asyncio.to_thread(
            require_room, studio.uploads.folder, more=sum(file.stat().st_size for file in files)
        )
    shown: References = []
    for number, (kind, one) in enumerate(sources, 1):
        if isinstance(one, str):
            shown.append((kind, one))
            continue
        name = f"{names.get(one.name, f'reference-{number}')}{one.suffix}"
        async with create_file(studio, name, [job_id], owner=owner) as path:
            await asyncio.to_thread(shutil.copyfile, one, path)
        shown.append((kind, path))
    return shown


@asynccontextmanager
async def create_file(
    studio: Studio, name: str, job_ids: Sequence[str], *, owner: str, review: str = ""
) -> AsyncIterator[Path]:
    """Yield the path for a file of the page that the block makes from jobs, or a review of them.

    The file is deleted with any of them, and after a day. Nothing is left of it where the block
    fails, or where one of the jobs or the review was deleted meanwhile: that raises JobNotFound or
    ReviewNotFound.
    """
    path = await asyncio.to_thread(
        studio.uploads.new, name, *job_ids, *([review] if review else [])
    )
    try:
        yield path
        for job_id in job_ids:
            await studio.library.get(job_id, owner=owner)
        if review:
            await studio.reviews.get(review, owner=owner)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(studio.uploads.remove, path))
        raise


def wire(
    language: Language, studio: Studio, connection: Connection, tabs: gr.Tabs, runs: Runs
) -> None:
    """Connect the buttons that take settings from a video, dropped or on a stage."""
    events = Events(language, studio, connection)
    for run in runs.values():
        _StageReader(language, tabs, runs, run).connect(events)
    shown = [tabs, *(run.recalled for run in runs.values()), *list_outputs(runs)]
    for tab, run in runs.items():
        reader = _VideoReader(language, runs, tab)
        answered = events.connect(
            run.video.upload, reader.reuse, [run.video], shown, refuse=reader.refuse
        )
        notes = [of.recalled for of in runs.values()]
        then = f"(...notes) => window.wanForms.answered({list(runs)}, notes)"
        answered.then(None, notes, js=then)


class _StageReader:
    """Fills a form from a video on a stage."""

    def __init__(self, language: Language, tabs: gr.Tabs, runs: Runs, run: TabStage) -> None:
        self._language, self._tabs, self._runs, self._run = language, tabs, runs, run

    def connect(self, events: Events) -> None:
        """Connect the buttons of the stage."""
        view = self._run.view
        shown = [view, self._run.recalled, self._tabs, *list_outputs(self._runs)]
        for verb, act in (("use", self.use_settings), ("frame", self.use_last_frame)):
            answered = events.connect(
                getattr(view, verb),
                act,
                [self._run.job],
                shown,
                refuse=self._refuse,
                values=OfJob,
                trigger_mode="multiple",
            )
            answered.then(None, js=self._run.js("filled", verb))

    async def use_settings(self, caller: Caller, event: OfJob, _jobs: str) -> list[Any]:
        """Fill the form of its tab with a job's settings."""
        return self._fill(*await read_settings(caller.studio, event.job, owner=caller.owner))

    async def use_last_frame(self, caller: Caller, event: OfJob, _jobs: str) -> list[Any]:
        """Make the last frame of a job's video the image of the next shot."""
        return self._fill(*await read_last_frame(caller.studio, event.job, owner=caller.owner))

    def _fill(self, tab: str, form: Mapping[str, Any]) -> list[Any]:
        return [gr.skip(), "", gr.Tabs(selected=tab), *fill_outputs(self._runs, tab, form)]

    async def _refuse(self, caller: Caller, error: Exception, jobs: str) -> list[Any]:
        """Say why no form is filled: on the stage, or below the form where the stage belongs to a
        video that was begun meanwhile.
        """
        unchanged = [gr.skip()] * (1 + len(list_outputs(self._runs)))
        if await self._run.was_begun_since(caller, arrival_time()):
            why = explain(error)
            return [gr.skip(), answer_of(self._language, why), *unchanged]
        stage, _ = self._run.refuse_act(caller, error, jobs)
        return [stage, "", *unchanged]


class _VideoReader:
    """Fills a form with the settings in a video that was dropped on a tab."""

    def __init__(self, language: Language, runs: Runs, tab: str) -> None:
        self._language, self._runs, self._tab = language, runs, tab

    async def reuse(self, caller: Caller, path: Path | None) -> list[Any]:
        """Read the video, and fill the form of its kind of request."""
        if not path:
            return self._answer("")
        found = await inputs.run_in_sandbox(caller.asker(), inputs.read_settings, path)
        if found is None:
            return self._answer(no_settings(self._language))
        is_film = "shots" in found
        shot = found["shots"][0] if is_film else found
        references, whole = await _find_references(caller, shot)
        tab = MODELS[shot["model"]].makes
        key = "recall_without" if not whole else "recall_film" if is_film else "recall_done"
        values = make_form_values(tab, shot["request"], shot["seed"], references)
        return self._answer(filled(self._language, key), tab, values)

    def refuse(self, _caller: Caller, error: Exception, _path: object) -> list[Any]:
        """Say why no form is filled."""
        return self._answer(answer_of(self._language, explain(error)))

    def _answer(self, note: str, tab: str = "", values: Mapping[str, Any] = {}) -> list[Any]:
        """Return the outputs. tab: the one whose form is filled; "" for none."""
        notes = [note if of == (tab or self._tab) else "" for of in self._runs]
        selected = gr.Tabs(selected=tab) if tab else gr.skip()
        return [selected, *notes, *fill_outputs(self._runs, tab, values)]


async def _find_references(caller: Caller, shot: Mapping[str, Any]) -> tuple[References, bool]:
    """Return what a shot was made from, as far as it is known, and whether that is all.

    That is our own files where the job is this caller's, else its URLs.
    """
    with suppress(JobNotFound, NotReady):
        found = await copy_references(caller.studio, shot["job"], owner=caller.owner)
        return found, len(found) == len(shot["references"])
    urls: References = [(one["kind"], one["url"]) for one in shot["references"] if one["url"]]
    return urls, len(urls) == len(shot["references"])
