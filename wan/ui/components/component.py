"""A part of the page with HTML of ours: what it shows is made by a template on the server, and its
buttons trigger events that handlers listen to.
"""

import json
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field

_NOT_HANDED_ON = frozenset({"share", "error", "warning", "info", "clear_status", "close_stream"})
"""Events that the page of Gradio 6.31.0 keeps for itself."""
_LISTENER = (Path(__file__).parent / "component.js").read_text(encoding="utf-8")

plain_html: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
"""How HTML of our own is shown: in its own colours, and a click on it is no event."""


class EventValues(BaseModel):
    """What a component's event carries: the `data-…` of the button, each a short text. An event
    with values of its own has a subclass.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


class OfJob(EventValues):
    """An event about one job."""

    job: str = Field(default="", max_length=100)
    """Its id; "" where the button names none."""


class Component(gr.HTML):
    """HTML of ours. `<button data-event="cancel" data-job="…">` in it triggers `cancel`.

    `html_template` stays Gradio's own and `css_template` empty: placeholders in them would run as
    code whatever stands in a text (tried with Gradio 6.31.0). The value is made by a template on
    the server, which escapes.
    """

    event_names: tuple[str, ...] = ()
    """The events that its buttons trigger; each is listened to as `component.NAME(handler, …)`."""

    def __init__(self, value: str = "", **options: Any) -> None:
        if kept := _NOT_HANDED_ON & set(self.event_names):
            raise ValueError(f"Gradio triggers no event of this name: {', '.join(kept)}")
        # An event would take the place of what Gradio sends to every browser under that name.
        if taken := signature(gr.HTML.__init__).parameters.keys() & set(self.event_names):
            raise ValueError(f"Gradio has a setting of this name: {', '.join(taken)}")
        # Gradio takes for events of its own those whose names are quoted in the script.
        listener = _LISTENER.replace("{events}", json.dumps(self.event_names))
        super().__init__(
            value,
            apply_default_css=False,
            js_on_load=listener if self.event_names else None,
            **options,
        )
