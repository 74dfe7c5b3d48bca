"""What helps with a prompt: a list of past ones, and ideas to add."""

from collections.abc import Sequence

from markupsafe import Markup
from pydantic import Field

from wan.domain.messages import Language, Message
from wan.ui.components.component import Component, EventValues
from wan.ui.components.templates import render

_IDEAS = {
    "ideas_camera": ("push_in", "pull_back", "pan_left", "tilt_up", "orbit", "static"),
    "ideas_light": ("morning", "golden_hour", "backlight", "overcast", "neon", "candles"),
}


class Opened(EventValues):
    """That the list is opened."""

    number: str = Field(default="", max_length=12)
    """Counts the times that a page has opened one: the script shows the answer to the last."""


class PastPrompts(Component):
    """The last prompts of whoever asks; a script asks for them."""

    event_names = ("look",)


def show_tools(language: Language, *, mentions: bool) -> Markup:
    """The buttons beside a prompt, and the ideas, which a script shows and adds. mentions: whether
    there is a place for the names of references.
    """
    return render("prompt_tools.html", language, ideas=_IDEAS, mentions=mentions)


def show_past(language: Language, prompts: Sequence[str], number: str) -> Markup:
    """The list of past prompts. number: see `Opened`."""
    return render("prompt_past.html", language, prompts=prompts, number=number, why=None)


def show_no_past(language: Language, why: Message, number: str = "") -> Markup:
    """Why there is no list. number: see `Opened`."""
    return render("prompt_past.html", language, prompts=(), number=number, why=why)
