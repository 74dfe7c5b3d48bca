"""The fields of a request: how each is called, described and shown.

The form, the API, the command line, the comparison, the settings in a video and the messages for
wrong values read this table. What a field may hold is checked in `wan.domain.requests`; what is
sent of it stands in `wan.provider.payload`. A new field is a line in each of these three files, and
its label in `locales/`. Nothing here needs pydantic, so that `--help` is quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from wan.domain import catalog
from wan.domain.catalog import IMAGE_TO_VIDEO, MODELS, REFERENCE_TO_VIDEO
from wan.domain.crop import ZOOMS, Crop

Makes = Literal["image", "reference"]
"""What a request makes its video from."""


@dataclass(frozen=True, kw_only=True)
class RequestField:
    """A field of a request. One that differs between the two kinds of request has a row for each.

    Fields that hold files are not here: each way in takes them in its own form.
    """

    name: str
    label: str = ""
    """Key of its label on the page; the name where none is given."""
    about: str
    """What it is, for programs and the command line."""
    only: Makes | None = None
    """The one kind of request that this row is for."""
    default: str | float | bool | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    """The texts that it may hold, each with the key of its label; "" where it has none."""
    unit: str = ""
    """What a number counts: "number" or "seconds"."""
    longest: int = 0
    """Characters of a text that may be long; 0 for one line."""
    is_url: bool = False
    """Whether it is a link, whose query may hold a signature and is shown to nobody."""
    refusal: str = ""
    """Key of its own message for a wrong value."""
    placeholder: str = ""
    """Key of the text in its empty control."""
    folded: bool = True
    """Whether the form makes its control from this row, under "More"; else the tab makes one."""
    by_prompt: bool = False
    """Whether the form makes its control from this row, under the prompt."""
    note: str = ""
    """Key of the sentence that its control has below it, on what it means."""
    compared: bool = True
    """Whether a comparison shows it."""
    option: bool = True
    """Whether the command line has an option for it."""
    option_help: str = ""
    """Help of that option where it differs from `about`, as for one that switches it off."""

    @property
    def label_key(self) -> str:
        """The key of its label."""
        return self.label or self.name

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off."""
        return isinstance(self.default, bool)


def _about_duration(model: str) -> str:
    durations = MODELS[model].durations
    return f"Length in whole seconds, {durations[0]} to {durations[-1]}."


_SIZES = dict.fromkeys(catalog.SIZES, "")
_MODELS = dict.fromkeys(MODELS, "")
_PROMPT = f"1 to {catalog.PROMPT_LIMIT:,} characters."
_FPS = f"{catalog.FPS_RANGE[0]} to {catalog.FPS_RANGE[1]}"

FIELDS = (  # in the order of the page
    RequestField(
        name="prompt",
        about=f"What happens in the video, {_PROMPT}",
        only="image",
        default="",
        longest=catalog.PROMPT_LIMIT,
        folded=False,
        option_help=f"What happens in the video, up to {catalog.PROMPT_LIMIT:,} characters. "
        "If left out, the image alone decides.",
    ),
    RequestField(
        name="prompt",
        about=f"What happens, {_PROMPT} The references are character1, character2 …",
        only="reference",
        default="",
        longest=catalog.PROMPT_LIMIT,
        folded=False,
    ),
    RequestField(
        name="negative_prompt",
        about=f"What to leave out of the video, up to {catalog.NEGATIVE_PROMPT_LIMIT} characters.",
        default="",
        longest=catalog.NEGATIVE_PROMPT_LIMIT,
        placeholder="negative_placeholder",
    ),
    RequestField(
        name="duration",
        about=_about_duration(IMAGE_TO_VIDEO),
        only="image",
        default=5,
        unit="seconds",
        refusal="duration_range",
        folded=False,
    ),
    RequestField(
        name="duration",
        about=_about_duration(REFERENCE_TO_VIDEO),
        only="reference",
        default=5,
        unit="seconds",
        refusal="duration_range",
        folded=False,
    ),
    RequestField(
        name="size",
        about=f"Width*height in pixels: {', '.join(_SIZES)}; or 720P or 1080P to keep the image's "
        "shape.",
        only="image",
        default="1280*720",
        choices=_SIZES | dict.fromkeys(catalog.TIERS, ""),
        refusal="size_unknown",
        folded=False,
    ),
    RequestField(
        name="size",
        about=f"Width*height in pixels: {', '.join(_SIZES)}.",
        only="reference",
        default="1280*720",
        choices=_SIZES,
        refusal="size_unknown",
        folded=False,
    ),
    RequestField(
        name="fps",
        about=f"Frames per second, {_FPS}. If left out, {catalog.SERVICE_FPS}, the rate at "
        "which the service renders.",
        unit="number",
        refusal="fps_range",
        folded=False,
    ),
    RequestField(
        name="seed",
        about=f"0 to {catalog.SEED_LIMIT}. The same seed gives similar results. "
        "Random if left out.",
        unit="number",
        refusal="seed_range",
        folded=False,
        compared=False,  # the one that was used is shown
    ),
    RequestField(
        name="fit",
        about="How the image is fitted to the size: crop to fill it, or pad with bars.",
        only="image",
        default="crop",
        choices={"crop": "fit_crop", "pad": "fit_pad"},
        folded=False,
    ),
    *(
        RequestField(
            name=name,
            about=about,
            only="image",
            default=default,
            unit="number",
            refusal="number_range",
            folded=False,
        )
        for name, about, default in (
            (
                "crop_x",
                "Where a crop is taken from: 0 at the left edge of the image, 1 at the right.",
                Crop().x,
            ),
            (
                "crop_y",
                "Where a crop is taken from: 0 at the top of the image, 1 at the bottom. The "
                "default is a little above the middle, where faces are.",
                Crop().y,
            ),
            (
                "zoom",
                f"How far a crop zooms in, {ZOOMS[0]} to {ZOOMS[1]}; {ZOOMS[0]} is the largest "
                "crop that fits.",
                Crop().zoom,
            ),
        )
    ),
    RequestField(
        name="pad_color",
        about="The colour of padded bars, #RRGGBB. If left out, the bars show a blurred copy of "
        "the image.",
        only="image",
        default="",
        refusal="color_unknown",
        folded=False,
    ),
    RequestField(
        name="motion_strength",
        label="motion",
        about="0 (almost still) to 1 (very strong), put into words in the prompt that is sent.",
        only="image",
        unit="number",
        refusal="motion_range",
        folded=False,
    ),
    RequestField(
        name="audio",
        label="sound",
        about="Whether the video has audio.",
        only="image",
        default=True,
        folded=False,
        option_help="Make the video without audio.",
    ),
    RequestField(
        name="audio",
        label="sound",
        about=f"Whether the video has audio ({REFERENCE_TO_VIDEO} only).",
        only="reference",
        default=True,
        folded=False,
        option_help=f"Make the video without audio ({REFERENCE_TO_VIDEO} only).",
    ),
    RequestField(
        name="audio_url",
        about="http(s) URL of an audio file to use.",
        only="image",
        default="",
        is_url=True,
        placeholder="url_placeholder",
        folded=False,
        option=False,  # `--audio` takes files and links
    ),
    RequestField(
        name="prompt_extend",
        about="Whether the service rewrites the prompt in more detail before it generates.",
        only="image",
        default=True,
        folded=False,
        by_prompt=True,
        note="prompt_extend_note",
        option=False,
    ),
    RequestField(
        name="shot_type",
        about="single for one shot, multi for several.",
        default="single",
        choices={"single": "shot_single", "multi": "shot_multi"},
    ),
    RequestField(
        name="watermark",
        about="Whether the service adds its watermark.",
        default=False,
        option_help="Add the service's watermark.",
    ),
    RequestField(
        name="model",
        about="The model that makes it.",
        only="image",
        default=IMAGE_TO_VIDEO,
        choices=_MODELS,
        refusal="model_unknown",
        folded=False,
        compared=False,  # the job says it
    ),
    RequestField(
        name="model",
        about=f"{REFERENCE_TO_VIDEO} is faster and cheaper, and can leave out audio.",
        only="reference",
        default=REFERENCE_TO_VIDEO,
        choices=_MODELS,
        refusal="model_unknown",
        folded=False,
        compared=False,
        option_help="The model that makes it.",
    ),
)

BY_NAME: dict[str, RequestField] = {}
"""A row for each name: the first, where the two kinds of request differ."""
for _row in FIELDS:
    BY_NAME.setdefault(_row.name, _row)

FIRST_PARAMETERS = (
    *("prompt", "duration", "size", "model", "fps", "seed", "negative_prompt", "fit"),
    *("motion_strength", "audio", "audio_url", "shot_type", "prompt_extend", "watermark"),
)
"""Fields whose place among the API's parameters is fixed: callers by plain HTTP count the values.

Newer fields come after all other parameters, in the order of the table.
"""

_FILES = {
    "reference_image": "image",
    "reference_video": "reference_videos",
    "reference_video + reference_image": "references",
    "reference_audio": "reference_audio",
}


def fields_of(makes: Makes) -> tuple[RequestField, ...]:
    """Return the fields of a kind of request, in the order of the page."""
    return tuple(row for row in FIELDS if row.only in (None, makes))


def label_of(name: str) -> str | None:
    """Return the key of a field's label on the page, files among them; None for no such field."""
    return BY_NAME[name].label_key if name in BY_NAME else _FILES.get(name)
