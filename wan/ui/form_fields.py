"""The controls that both forms have, made from the table of request fields and the catalog."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio.components import Component

from wan.domain import catalog
from wan.domain.catalog import Model
from wan.domain.errors import InvalidInput
from wan.domain.fields import BY_NAME, Makes, RequestField, fields_of
from wan.domain.messages import Language, t
from wan.storage.uploads import UploadFolder
from wan.ui.caller import hidden
from wan.ui.components.component import plain_html
from wan.ui.components.lines import Recalled, hint
from wan.ui.components.price import PriceLine
from wan.ui.inputs import file_value

_REFERENCES = ("reference_image", "reference_video")


def element_id(tab: str, field: str) -> str:
    """Return the id of a field on the page, by which the script marks one that was refused."""
    return f"wan-{tab}-{field}"


def locate(tab: str, error: Exception, values: Mapping[str, Any]) -> None:
    """Have an error about a field of a request name the control in which that stands: references
    are files in one, and links in another. values: what is in the form.
    """
    if not isinstance(error, InvalidInput) or not error.field.startswith(_REFERENCES):
        return
    files, links = ("image", "url") if tab == "image" else ("files", "urls")
    is_link = values[links] and (error.message.key == "url_bad" or not values[files])
    error.field = links if is_link else f"reference_{'image' if tab == 'image' else 'video'}"


def add_field(language: Language, tab: str, name: str, **more: Any) -> Component:
    """Add the control of a request field: a switch, a choice or a text. more: for Gradio."""
    return _add(language, tab, BY_NAME[name], more)


def add_folded(language: Language, tab: Makes) -> dict[str, Component]:
    """Add the controls that stand under "More" and need nothing special; switches come last."""
    rows = sorted((row for row in fields_of(tab) if row.folded), key=lambda row: row.is_switch)
    return {row.name: _add(language, tab, row, {}) for row in rows}


def add_by_prompt(language: Language, tab: Makes) -> dict[str, Component]:
    """Add the controls that say what becomes of the prompt."""
    more = {"elem_classes": "wan-by-prompt"}
    return {row.name: _add(language, tab, row, more) for row in fields_of(tab) if row.by_prompt}


def _add(language: Language, tab: str, row: RequestField, more: dict[str, Any]) -> Component:
    shown: dict[str, Any] = {
        "label": t(language, row.label_key),
        "elem_id": element_id(tab, row.name),
    }
    if row.note:
        shown["info"] = t(language, row.note)
    if row.is_switch:
        return gr.Checkbox(**shown, value=bool(row.default), min_width=120, **more)
    if row.choices:
        choices = [(t(language, label), value) for value, label in row.choices.items()]
        return gr.Radio(choices, **shown, value=row.default, **more)
    if row.placeholder:
        shown["placeholder"] = t(language, row.placeholder)
    if row.longest:
        return gr.Textbox(lines=2, **shown, elem_classes=f"wan-of-{row.longest}", **more)
    return gr.Textbox(max_lines=1, **shown, **more)


def add_links(language: Language, tab: str, field: str, key: str, *, lines: int) -> gr.Textbox:
    """Add a place for URLs, one a line. lines: how many at most."""
    shown = t(language, key)
    return gr.Textbox(
        label=shown,
        placeholder=shown,
        show_label=False,
        container=False,
        lines=1,
        max_lines=lines,
        elem_id=element_id(tab, field),
    )


def add_duration(language: Language, tab: str, model: Model) -> gr.Slider:
    """Add the duration, in seconds within the model's limits."""
    low, high = model.durations[0], model.durations[-1]
    return gr.Slider(
        low,
        high,
        value=model.default_duration,
        step=1,
        label=t(language, "duration"),
        buttons=[],
        min_width=120,
        elem_id=element_id(tab, "duration"),
        elem_classes="wan-slider",
    )


def add_seed_and_fps(language: Language, tab: str) -> dict[str, Component]:
    """Add two numbers that may be left out.

    They are text fields: Gradio's number field turns "none given" into 0 as soon as it is shown.
    """
    placeholders = {"seed": t(language, "seed_placeholder"), "fps": str(catalog.SERVICE_FPS)}
    with gr.Row(elem_classes="wan-pair"):
        return {
            name: gr.Textbox(
                label=t(language, BY_NAME[name].label_key),
                placeholder=placeholder,
                elem_id=element_id(tab, name),
                max_lines=1,
                min_width=120,
            )
            for name, placeholder in placeholders.items()
        }


def parse_number(text: str | None) -> int | str | None:
    """Return a whole number that was typed, None for nothing; other text as it is, for the request
    to refuse.
    """
    typed = (text or "").strip()
    try:
        return int(typed) if typed else None
    except ValueError:
        return typed


def add_generate(
    language: Language, tab: str, price_line: str
) -> tuple[gr.Radio, PriceLine, gr.Button]:
    """Add the number of takes, their price and, directly under it, the button that spends it.

    price_line: its HTML.
    """
    with gr.Column(elem_classes="wan-go"):
        counts = [str(number) for number in range(1, catalog.TAKES_LIMIT + 1)]
        takes = gr.Radio(
            counts,
            value="1",
            label=t(language, "takes"),
            elem_id=element_id(tab, "takes"),
            elem_classes="wan-count",
        )
        price = PriceLine(price_line, elem_id=element_id(tab, "price"))
        button = gr.Button(
            t(language, "generate"),
            variant="primary",
            size="lg",
            elem_id=element_id(tab, "generate"),
        )
        return takes, price, button


def add_settings_upload(language: Language, tab: str) -> tuple[gr.UploadButton, Recalled]:
    """Add a button that fills the form with the settings in a video, and a place for the result."""
    button = gr.UploadButton(
        t(language, "recall"),  # what is no video is named by its content, in this language
        size="sm",
        elem_id=element_id(tab, "video"),
        elem_classes="wan-recall",
        min_width=0,
    )
    return button, Recalled("", elem_id=element_id(tab, "recalled"))


def add_samples(
    language: Language, uploads: UploadFolder, pictures: Mapping[str, Path]
) -> list[gr.Button]:
    """Add a row with a button for each sample; `fill_on_click` says what it fills in.

    pictures: small ones of the samples, by the keys of their names.
    """
    with gr.Row(elem_classes="wan-samples"):
        gr.HTML(hint(language, "samples"), **plain_html)
        return [
            gr.Button(
                t(language, key),
                icon=cast("Any", file_value(uploads, picture)),
                size="sm",
                elem_classes="wan-sample",
                min_width=0,
            )
            for key, picture in pictures.items()
        ]


def drop_new_take(tab: str, fields: Mapping[str, Component]) -> None:
    """Let a form that was filled for new takes be one of its own as soon as somebody adds a file or
    removes one, which no event of the browser says.
    """
    events = [
        getattr(part, name)
        for part in fields.values()
        for name in ("upload", "clear", "delete")
        if hasattr(part, name)
    ]
    gr.on(events, None, js=f"() => window.wanForms.newTake('{tab}', '')")


def fill_on_click(
    button: gr.Button, prompt: str, *, picture: Any, outputs: list[Component]
) -> None:
    """Let a sample fill the form; it never runs by itself. outputs: files, links, prompt."""

    def fill() -> tuple[Any, str, str]:
        return picture, "", prompt

    button.click(fill, None, outputs, **hidden)
