"""What is asked of the library: the filters, the part of it that is looked at, and the page."""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from pydantic import Field

from wan.domain.catalog import FILM, MODELS
from wan.domain.jobs import GROUPS
from wan.domain.messages import Language, t
from wan.service.library import VERDICTS
from wan.ui.components.component import EventValues

FILTERS = ("search", "model", "state", "verdict")
"""What is asked of the library, in the order of the controls."""


class Scope(EventValues):
    """Which part of the library is looked at."""

    project: str | None = Field(default=None, max_length=200)
    """The project; "" for what is in none, None for all."""
    starred: str = ""
    """Whether only what has a star is shown: "1" or ""."""
    number: str = Field(default="", max_length=20)
    """The look's, for the script, to which an older one may be answered later."""


class Place(Scope):
    """Which page of the jobs is wanted, as the page before it said."""

    offset: str = ""
    """How many jobs are before it."""
    until: str = ""
    """Up to which moment, in seconds since 1970; what came later is on no page."""
    note: str = ""
    """Whether the note stays, which says something else than how the last look ended: "1" or ""."""

    def read(self) -> tuple[int, float | None]:
        """Return both; those of the first page for what no page ever said."""
        try:
            return min(max(int(self.offset), 0), 10**9), float(self.until) if self.until else None
        except (ValueError, OverflowError):
            return 0, None


def read_asked(asked: Sequence[str | None], scope: Scope | None = None) -> dict[str, Any]:
    """Return what is asked of the library, by its names. asked: what stands in the filters, and
    what is looked at; "" for `scope`, without which that is everything.
    """
    *filters, _ = asked
    where = read_scope(asked, scope)
    named = {name: value or "" for name, value in zip(FILTERS, filters, strict=True)}
    return {**named, "project": where.project, "starred": bool(where.starred)}


def read_scope(asked: Sequence[str | None], scope: Scope | None = None) -> Scope:
    """Return what is looked at. asked, scope: as for `read_asked`."""
    return Scope.model_validate_json(asked[-1]) if asked[-1] else scope or Scope()


def make_filters(language: Language) -> list[Any]:
    """Return the controls, in the order of `FILTERS`."""
    everything = [(t(language, "library_any"), "")]
    models = everything + [(name, name) for name in MODELS]
    models.append((t(language, "film"), FILM))
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
