"""The frame on a picture, which shows what of it fills the video, and what is said beside it."""

import json

from markupsafe import Markup

from wan.domain import catalog
from wan.domain.catalog import ORIGINAL
from wan.domain.crop import ENLARGED
from wan.domain.messages import Language
from wan.ui.components.lines import hint
from wan.ui.components.templates import render


def show_frame(language: Language) -> Markup:
    """The frame, which the script moves; it is hidden as long as there is no picture to crop."""
    ratios = {
        shape: [catalog.parse_size(size) for size in sizes.values()]
        for shape, sizes in catalog.SHAPES.items()
        if shape != ORIGINAL
    }
    return render("frame.html", language, ratios=json.dumps(ratios))


def show_swatch(language: Language, text_id: str) -> Markup:
    """A colour that is chosen by eye; the script writes it into the text of that id."""
    return render("swatch.html", language, text_id=text_id)


def enlargement_hint(language: Language, times: float) -> Markup | str:
    """What to know of a picture that is shown so many times larger than it is."""
    return hint(language, "enlarged", times=f"{times:.1f}") if times > ENLARGED else ""
