"""A video that was given where it cannot be used, taken to the tab where it is a reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from wan.domain.messages import Language
from wan.ui import image, reference
from wan.ui.caller import Caller, Events, explain
from wan.ui.components.lines import answer_of
from wan.ui.components.stage import show_idle
from wan.ui.components.status import Card
from wan.ui.stage import TabStage

Files = Sequence[Path] | None
"""The references in the form."""


def wire(events: Events, tabs: Any, runs: Mapping[str, TabStage]) -> None:
    """Connect the buttons that say so: at a picture's place, and under a video without settings."""
    files, first = runs[reference.TAB].fields["files"], runs[image.TAB]
    picture = first.fields["image"]
    mover = _Mover(events.language, first.ready)
    moved = events.connect(
        first.view.move,
        mover.move_picture,
        [first.job, picture, files],
        [tabs, picture, files, first.view],
        refuse=lambda *_: [gr.skip()] * 4,
        trigger_mode="multiple",
    )
    moved.then(None, js=f"() => window.wanStudio.acted('{image.TAB}', 'move')")
    for run in runs.values():
        events.connect(
            run.recalled.move,
            mover.move_video,
            [run.video, files],
            [tabs, files, run.recalled],
            refuse=mover.refuse_video,
        )


class _Mover:
    """Adds a file to the references, and shows them. ready: the card of an empty stage."""

    def __init__(self, language: Language, ready: Card) -> None:
        self._language, self._ready = language, ready

    async def move_picture(
        self, _caller: Caller, job: str, picture: Path | None, files: Files
    ) -> list[Any]:
        """Move what was given as a picture. job: what the stage can go back to."""
        stage = show_idle(self._language, image.TAB, self._ready, back=bool(job))
        return [gr.Tabs(selected=reference.TAB), None, _add(files, picture), stage]

    async def move_video(self, _caller: Caller, video: Path | None, files: Files) -> list[Any]:
        """Use a video that has no settings."""
        return [gr.Tabs(selected=reference.TAB), _add(files, video), ""]

    def refuse_video(self, _caller: Caller, error: Exception, *_: Any) -> list[Any]:
        """Say why it cannot be used."""
        return [gr.skip(), gr.skip(), answer_of(self._language, explain(error))]


def _add(files: Files, one: Path | None) -> list[str]:
    """Return the references of the form with one more behind them."""
    return [str(file) for file in (*(files or ()), *([one] if one else ()))]
