"""Settings put back into the forms: those of a job in the library, or those that stand in a video
that somebody has.
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr

from wan.domain.catalog import MODELS
from wan.domain.errors import JobNotFound, WanError
from wan.domain.messages import Language
from wan.media import inputs
from wan.service.studio import Studio
from wan.storage.objects import require_room
from wan.ui import image
from wan.ui.components.lines import answer, answer_of
from wan.ui.connection import Connection, NotReady, asker_of, hidden, owner_of
from wan.ui.stage import TabStage

_log = logging.getLogger(__name__)

Runs = Mapping[str, TabStage]
"""The stages and forms of both tabs, by the tab."""


References = list[tuple[str, Path | str]]
"""What a job was made from, each with its kind: files of Gradio's, and URLs."""


def values(tab: str, asked: Mapping[str, Any], seed: int, references: References) -> dict[str, Any]:
    """What a tab's form holds for a request as it was asked. seed: the one that was used."""
    seen = [one for kind, one in references if kind != "audio"]
    sound = next(
        (str(one) for kind, one in references if kind == "audio" and isinstance(one, Path)), None
    )
    files, urls = (
        [str(one) for one in seen if isinstance(one, Path)],
        [one for one in seen if isinstance(one, str)],
    )
    given = dict(asked) | {
        "seed": str(seed),
        "fps": "" if asked.get("fps") is None else str(asked["fps"]),
    }
    if tab != image.TAB:
        return given | {"files": files or None, "urls": "\n".join(urls)}
    motion = asked.get("motion_strength")
    shown = {
        "image": files[0] if files else None,
        "url": "" if files else "".join(urls[:1]),
        "sound_file": sound,
    }
    return (
        given
        | shown
        | {"motion_on": motion is not None, "motion_strength": 0.5 if motion is None else motion}
    )


def outputs(runs: Runs) -> list[Any]:
    """The components that `filled` gives values for."""
    return [component for run in runs.values() for component in run.fields.values()]


def filled(runs: Runs, tab: str, given: Mapping[str, Any]) -> list[Any]:
    """Values for `outputs`: one form is filled as far as there is something for it, the other stays
    as it is.
    """
    return [
        given[name] if of == tab and name in given else gr.skip()
        for of, run in runs.items()
        for name in run.fields
    ]


async def copy_references(studio: Studio, job_id: str, *, owner: str) -> References:
    """The references of a job as a form takes them: copies of our files among the uploads; URLs as
    they are. Raises JobNotFound and StorageUnavailable.
    """
    sources = await studio.library.list_references(job_id, owner=owner)
    if files := [one for _, one in sources if isinstance(one, Path)]:
        await asyncio.to_thread(
            require_room, studio.uploads.folder, more=sum(file.stat().st_size for file in files)
        )
    shown: References = []
    for number, (kind, one) in enumerate(sources, 1):
        if isinstance(one, str):
            shown.append((kind, one))
            continue
        async with placed(studio, f"reference-{number}{one.suffix}", [job_id], owner=owner) as path:
            await asyncio.to_thread(shutil.copyfile, one, path)
        shown.append((kind, path))
    return shown


@asynccontextmanager
async def placed(
    studio: Studio, name: str, job_ids: Sequence[str], *, owner: str, review: str = ""
) -> AsyncIterator[Path]:
    """Where a file for the page may be written that is made from jobs, or a review of them: it goes
    with any of them, and after a day.

    Nothing is left of it where the block fails, or where one of the jobs or the review was deleted
    meanwhile: that raises JobNotFound or ReviewNotFound.
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
    language: Language, studio: Studio, visitor: Connection, tabs: gr.Tabs, runs: Runs
) -> None:
    """Connects the buttons that take settings from a video."""
    shown = [tabs, *(run.recalled for run in runs.values()), *outputs(runs)]

    def told(tab: str, note: str, selected: Any, values_: list[Any]) -> list[Any]:
        return [selected, *(note if of == tab else "" for of in runs), *values_]

    def reader(tab: str) -> Callable[..., Any]:
        async def recall(token: str, path: Path | None, request: gr.Request) -> list[Any]:
            unchanged = filled(runs, "", {})
            if not path:
                return told(tab, "", gr.skip(), unchanged)
            try:
                found = await inputs.run_in_sandbox(
                    asker_of(studio, token, request), inputs.read_settings, path
                )
                if found is None:
                    return told(tab, answer(language, "recall_none"), gr.skip(), unchanged)
                shot = found["shots"][0] if "shots" in found else found
                references, whole = await _references(studio, token, shot, request)
            except WanError as error:
                return told(tab, answer_of(language, error.message), gr.skip(), unchanged)
            except Exception:  # noqa: BLE001 - a button never ends in a traceback
                _log.exception("a video could not be asked for its settings")
                return told(tab, answer(language, "act_broke_note"), gr.skip(), unchanged)
            of = MODELS[shot["model"]].makes
            key = (
                "recall_without"
                if not whole
                else "recall_film"
                if "shots" in found
                else "recall_done"
            )
            given = values(of, shot["request"], shot["seed"], references)
            return told(of, answer(language, key), gr.Tabs(selected=of), filled(runs, of, given))

        return recall

    for tab, run in runs.items():
        answered = run.video.upload(reader(tab), [visitor.owner, run.video], shown, **hidden)
        answered.then(None, js="() => window.wanStudio.answered()")


async def _references(
    studio: Studio, token: str, shot: Mapping[str, Any], request: gr.Request
) -> tuple[References, bool]:
    """What a shot was made from, as far as it is known, and whether that is all: our own files
    where the job is this visitor's, else its URLs.
    """
    with suppress(JobNotFound, NotReady):
        found = await copy_references(studio, shot["job"], owner=owner_of(studio, token, request))
        return found, len(found) == len(shot["references"])
    urls: References = [(one["kind"], one["url"]) for one in shot["references"] if one["url"]]
    return urls, len(urls) == len(shot["references"])
