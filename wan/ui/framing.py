"""The controls of a video's shape and quality, and of what of a picture fills it. A form holds
these and not the size, which is made from them.
"""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from wan.domain import catalog
from wan.domain.catalog import DEFAULT_SIZE, ORIGINAL, Price, Tier
from wan.domain.crop import ZOOMS, Crop
from wan.domain.fields import BY_NAME
from wan.domain.messages import Language, t
from wan.domain.requests import OWN_SHAPE
from wan.ui.caller import hidden
from wan.ui.components.component import plain_html
from wan.ui.components.frame import show_swatch
from wan.ui.form_fields import element_id

Prices = Mapping[Tier, Price | None]
"""What a take costs in each tier; None where that is not known."""

CROP_FIELDS = ("crop_x", "crop_y", "zoom")
FIELDS = ("shape", "quality", "fit", "pad_color", *CROP_FIELDS)
"""What a form has of all this; one for references has the first two."""
_USUAL_CROP = Crop()
_BLACK = "#000000"
_BLURRED, _COLORED = "pad", "color"
"""How a form says what a picture is padded with."""


def add_shape(language: Language, tab: str, *, own_shape: bool = False) -> gr.Radio:
    """Add the shape. own_shape: whether a picture may keep its own."""
    choices = [(shape, shape) for shape in catalog.SHAPES if shape != ORIGINAL]
    choices += [(t(language, "own_shape"), ORIGINAL)] if own_shape else []
    return gr.Radio(
        choices,
        value=catalog.shape_of(DEFAULT_SIZE),
        label=t(language, "shape"),
        elem_id=element_id(tab, "shape"),
        elem_classes="wan-chips wan-shape",
    )


def add_quality(language: Language, tab: str, prices: Prices) -> gr.Radio:
    """Add the quality: a resolution tier, with what it costs and the exact size."""
    size = DEFAULT_SIZE
    return gr.Radio(
        list_qualities(language, catalog.shape_of(size), prices),
        value=catalog.tier_of(size),
        label=t(language, "quality"),
        elem_id=element_id(tab, "quality"),
        elem_classes="wan-chips wan-quality",
        min_width=180,
    )


def list_qualities(language: Language, shape: str, prices: Prices) -> list[tuple[str, Tier]]:
    """Return the choices of the quality: each tier, its price, and below it its size in px."""
    return [
        (f"{_name_tier(language, tier, prices.get(tier))}\n{_name_size(language, size)}", tier)
        for tier, size in catalog.SHAPES[shape].items()
    ]


def _name_tier(language: Language, tier: Tier, price: Price | None) -> str:
    if price is None:
        return tier.lower()
    cost = t(language, "quote" if price.exact else "quote_most", price=price)
    return f"{tier.lower()} · {cost}"


def _name_size(language: Language, size: str) -> str:
    return t(language, "own_shape") if size in OWN_SHAPE else size.replace("*", "×")


def price_qualities(language: Language, shape: str, prices: Prices) -> Any:
    """Return what changes of the quality when a shape or a price does."""
    return gr.update(choices=list_qualities(language, shape, prices))


def size_in(values: Mapping[str, Any]) -> str:
    """Return the size that a form stands for. values: what is in it."""
    return catalog.SHAPES[values["shape"]][values["quality"]]


def show_size(size: str) -> dict[str, str]:
    """Return what a form holds for a size."""
    return {"shape": catalog.shape_of(size), "quality": catalog.tier_of(size)}


def add_fit(language: Language, tab: str) -> dict[str, Component]:
    """Add how a picture is brought to the shape, and the colour of its bars where it has one."""
    name = element_id(tab, "pad_color")
    with gr.Column(elem_classes="wan-fit"):
        fit = gr.Radio(
            [
                (t(language, "fit_crop"), "crop"),
                (t(language, "fit_blur"), _BLURRED),
                (t(language, "fit_color"), _COLORED),
            ],
            value="crop",
            label=t(language, "fit"),
            elem_id=element_id(tab, "fit"),
            elem_classes="wan-chips",
        )
        with gr.Row(elem_classes="wan-color"):
            color = gr.Textbox(
                _BLACK, label=t(language, "pad_color"), elem_id=name, max_lines=1, min_width=90
            )
            gr.HTML(show_swatch(language, name), elem_classes="wan-swatch", **plain_html)
    return {"fit": fit, "pad_color": color}


def add_crop(language: Language, tab: str) -> dict[str, Component]:
    """Add where a picture is cropped: what the frame on it sets too."""
    with gr.Row(elem_classes="wan-pair wan-crop"):
        return {
            name: gr.Slider(
                low,
                high,
                value=usual,
                step=step,
                label=t(language, name),
                buttons=[],
                min_width=90,
                elem_id=element_id(tab, name),
                elem_classes="wan-slider",
            )
            for name, usual, (low, high), step in (
                ("crop_x", _USUAL_CROP.x, (0, 1), 0.005),
                ("crop_y", _USUAL_CROP.y, (0, 1), 0.005),
                ("zoom", _USUAL_CROP.zoom, ZOOMS, 0.05),
            )
        }


def reset_crop(event: Any, fields: Mapping[str, Component], crop: Crop = _USUAL_CROP) -> None:
    """Put the frame where it usually stands, or at `crop`, when there is another picture."""
    parts = [fields[name] for name in CROP_FIELDS]
    event(None, None, parts, js=f"() => {json.dumps(crop)}", **hidden)


def framing_in(values: Mapping[str, Any], size: str) -> dict[str, Any]:
    """Return the fields that frame a picture, as far as they mean something for a size.

    values: what is in the form, without a picture if that is at an address.
    """
    fit = "crop" if values["fit"] == "crop" else "pad"
    if size in OWN_SHAPE:
        return {"fit": fit}
    if fit == "pad":
        return {"fit": fit, "pad_color": _color_in(values)}
    moved = {name: values[name] for name in CROP_FIELDS} if values["image"] else {}
    return {"fit": fit, **moved}


def _color_in(values: Mapping[str, Any]) -> str:
    typed = (values["pad_color"] or "").strip()
    return (typed or _BLACK) if values["fit"] == _COLORED else ""


def show_framing(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a form holds for the framing of a request, as `to_json` gives it."""
    color = asked.get("pad_color") or ""
    fit = _COLORED if color else asked.get("fit", "crop")
    crop = {name: asked.get(name, BY_NAME[name].default) for name in CROP_FIELDS}
    return {"fit": fit, "pad_color": color or _BLACK, **crop}
