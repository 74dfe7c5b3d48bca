"""The parts of a brief that both tabs have: built here once, from the catalog."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from wan.domain import catalog
from wan.domain.catalog import Model
from wan.domain.messages import Language, t
from wan.domain.requests import OWN_SHAPE
from wan.storage.uploads import UploadFolder
from wan.ui.inputs import file_value
from wan.ui.visitor import bare, hidden

_SHAPES = {True: "landscape", False: "portrait"}


def size_choices(language: Language, *, own_shape: bool) -> list[tuple[str, str]]:
    """Every size with a name that people know. own_shape: whether the picture's own shape may be
    kept.
    """
    choices = [
        (f"{size.replace('*', '×')} · {t(language, _shape(size))}", size) for size in catalog.SIZES
    ]
    return choices + [
        (f"{t(language, 'own_shape')} · {tier}", tier) for tier in OWN_SHAPE if own_shape
    ]


def _shape(size: str) -> str:
    width, height = catalog.parse_size(size)
    return "square" if width == height else _SHAPES[width > height]


def identity(tab: str, field: str) -> str:
    """The id of a field on the page; the script marks a field that was refused by it."""
    return f"wan-{tab}-{field}"


def prompt(language: Language, tab: str) -> gr.Textbox:
    """The prompt."""
    placeholder = t(language, f"prompt_{tab}_placeholder")
    counted = f"wan-of-{catalog.PROMPT_LIMIT}"
    return gr.Textbox(
        label=t(language, "prompt"),
        placeholder=placeholder,
        lines=3,
        max_lines=10,
        elem_id=identity(tab, "prompt"),
        elem_classes=counted,
    )


def addresses(language: Language, tab: str, field: str, key: str, *, lines: int) -> gr.Textbox:
    """A place for URLs, up to so many lines."""
    shown = t(language, key)
    return gr.Textbox(
        label=shown,
        placeholder=shown,
        show_label=False,
        container=False,
        lines=1,
        max_lines=lines,
        elem_id=identity(tab, field),
    )


def duration(language: Language, tab: str, model: Model) -> gr.Slider:
    """How long the video is, within the model's limits."""
    low, high = model.durations[0], model.durations[-1]
    return gr.Slider(
        low,
        high,
        value=model.default_duration,
        step=1,
        label=t(language, "duration"),
        buttons=[],
        min_width=120,
        elem_id=identity(tab, "duration"),
        elem_classes="wan-slider",
    )


def size(language: Language, tab: str, model: Model, *, own_shape: bool = False) -> gr.Dropdown:
    """How large the video is."""
    choices = size_choices(language, own_shape=own_shape)
    return gr.Dropdown(
        choices,
        value=model.default_size,
        label=t(language, "size"),
        elem_id=identity(tab, "size"),
        filterable=False,
        min_width=180,
    )


def seed_and_fps(language: Language, tab: str) -> dict[str, Component]:
    """Two numbers that may be left out. They are text fields: Gradio's number field turns "none
    given" into 0 as soon as it is shown.
    """
    with gr.Row(elem_classes="wan-pair"):
        seed = gr.Textbox(
            label=t(language, "seed"),
            placeholder=t(language, "seed_placeholder"),
            elem_id=identity(tab, "seed"),
            max_lines=1,
            min_width=120,
        )
        fps = gr.Textbox(
            label=t(language, "fps"),
            placeholder=str(catalog.SERVICE_FPS),
            elem_id=identity(tab, "fps"),
            max_lines=1,
            min_width=120,
        )
    return {"seed": seed, "fps": fps}


def number(text: str | None) -> int | str | None:
    """A whole number that was typed; None where nothing was, and what is no number as it is, for
    the request to refuse.
    """
    typed = (text or "").strip()
    try:
        return int(typed) if typed else None
    except ValueError:
        return typed


def words_and_shots(language: Language, tab: str) -> dict[str, Component]:
    """What to leave out, and how many shots."""
    shots = [(t(language, "shot_single"), "single"), (t(language, "shot_multi"), "multi")]
    return {
        "negative_prompt": gr.Textbox(
            label=t(language, "negative_prompt"),
            placeholder=t(language, "negative_placeholder"),
            lines=2,
            elem_id=identity(tab, "negative_prompt"),
            elem_classes=f"wan-of-{catalog.NEGATIVE_PROMPT_LIMIT}",
        ),
        "shot_type": gr.Radio(
            shots,
            value="single",
            label=t(language, "shot_type"),
            elem_id=identity(tab, "shot_type"),
        ),
    }


def flag(
    language: Language, tab: str, field: str, key: str, *, value: bool, visible: bool = True
) -> gr.Checkbox:
    """A thing to switch on or off."""
    return gr.Checkbox(
        value=value,
        label=t(language, key),
        elem_id=identity(tab, field),
        visible=visible,
        min_width=120,
    )


def generate(language: Language, tab: str) -> tuple[gr.Radio, gr.HTML, gr.Button]:
    """How many takes, the price of them and, directly under it, the button that spends it."""
    with gr.Column(elem_classes="wan-go"):
        counts = [str(number) for number in range(1, catalog.TAKES_LIMIT + 1)]
        takes = gr.Radio(
            counts,
            value="1",
            label=t(language, "takes"),
            elem_id=identity(tab, "takes"),
            elem_classes="wan-count",
        )
        price = gr.HTML('<p class="wan-price">&nbsp;</p>', elem_id=identity(tab, "price"), **bare)
        return (
            takes,
            price,
            gr.Button(
                t(language, "generate"),
                variant="primary",
                size="lg",
                elem_id=identity(tab, "generate"),
            ),
        )


def from_video(language: Language, tab: str) -> tuple[gr.UploadButton, gr.HTML]:
    """A way to fill the form with the settings that stand in a video, and what came of it."""
    words, kinds = t(language, "recall"), [".mp4", ".mov"]
    button = gr.UploadButton(
        words,
        file_types=kinds,
        size="sm",
        elem_id=identity(tab, "video"),
        elem_classes="wan-recall",
        min_width=0,
    )
    return button, gr.HTML("", elem_id=identity(tab, "recalled"), **bare)


def sample(language: Language, key: str, uploads: UploadFolder, picture: Path) -> gr.Button:
    """A sample that fills the form."""
    icon: Any = file_value(uploads, picture)
    return gr.Button(t(language, key), icon=icon, size="sm", elem_classes="wan-sample", min_width=0)


def fill_on_click(
    button: gr.Button, prompt: str, *, picture: Any, outputs: list[Component]
) -> None:
    """Lets a sample fill the form; it never runs by itself. outputs: files, addresses, prompt."""

    def fill() -> tuple[Any, str, str]:
        return picture, "", prompt

    button.click(fill, None, outputs, **hidden)
