"""Small parts that several tabs show: lines of text, a button that copies, the player."""

from collections.abc import Sequence

from markupsafe import Markup

from wan.domain.jobs import Job
from wan.domain.messages import Language, Message
from wan.ui.components.component import Component
from wan.web.templating import render_macro
from wan.web.text import text, text_of


class Recalled(Component):
    """What came of a video that was asked for its settings."""

    event_names = ("move",)
    """Use it as a reference."""


def hint(language: Language, key: str, **values: str | int) -> Markup:
    """A quiet line of the form."""
    return render_macro("hint", language, key, **values)


def filled(language: Language, key: str) -> Markup:
    """Say what came of a press, with a mark for the script: the form of this tab was filled."""
    return render_macro("answer", language, text(language, key), filled=True)


def no_settings(language: Language) -> Markup:
    """What is said of a video without settings, which can still be a reference."""
    return render_macro("no_settings", language)


def answer_of(language: Language, message: Message, field: str = "") -> Markup:
    """A message as what came of a press. field: of a form that was refused, the one that is
    wrong.
    """
    return render_macro("answer", language, text_of(language, message), field)


def panel_head(language: Language, title: str, note: str) -> Markup:
    """What stands at the top of a panel. title, note: the keys of its texts."""
    return render_macro("panel_head", language, title, note)


def quiet(language: Language, key: str, value: str) -> Markup:
    """Something that is so and cannot be chosen."""
    return render_macro("quiet", language, key, value)


def copy_button(language: Language, key: str, *, look: str = "", is_icon: bool = False) -> Markup:
    """A button that copies what stands in the field, or in the `<code>`, beside it, and says what
    came of that. is_icon: whether only a screen reader hears its text.
    """
    return render_macro("copy_button", language, key, look=look, is_icon=is_icon)


def video(job: Job, *, preload: str = "metadata") -> Markup:
    """The player of a finished job."""
    return render_macro("video", "en", job, preload=preload)


def refusal(language: Language, why: Message, field: str) -> Markup:
    """Why a file cannot be used. field: the one that it is in."""
    return render_macro("refusal", language, text_of(language, why), field)


def sound_hint(language: Language, seconds: float, notes: Sequence[Message]) -> Markup:
    """A sound that can be used: how long it is, and what is done to it."""
    return render_macro("sound", language, f"{seconds:.1f}", notes)
