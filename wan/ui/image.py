"""The tab that turns one picture into a video."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import gradio as gr
from gradio.components import Component

from wan.domain.catalog import IMAGE_TO_VIDEO, MODELS
from wan.domain.errors import Crowded, InvalidInput, StorageUnavailable
from wan.domain.messages import Language, t
from wan.domain.plain_text import clean_line
from wan.domain.requests import ImageToVideoRequest
from wan.domain.turns import Asker, Overtaken
from wan.media import inputs
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES, UploadFolder
from wan.ui import form_fields
from wan.ui.caller import Caller, Connection, Events, asker_of, hidden
from wan.ui.components.component import bare
from wan.ui.components.lines import hint, quiet, refusal, sound_hint
from wan.ui.components.price import price_line
from wan.ui.components.stage import show_idle, show_preview
from wan.ui.components.status import Card, refusal_card
from wan.ui.form_fields import element_id
from wan.ui.handling import arrival_time
from wan.ui.stage import TabStage, Values
from wan.web.capacity import Capacity

TAB: Literal["image"] = "image"
_MODEL = MODELS[IMAGE_TO_VIDEO]
_SAMPLES = (
    ("sample_astronaut", "prompt_astronaut", SAMPLES / "astronaut.png"),
    ("sample_rocket", "prompt_rocket", SAMPLES / "rocket.jpg"),
)


def build(
    language: Language, studio: Studio, visitor: Connection, viewers: Capacity
) -> tuple[TabStage, gr.HTML, Callable[[], Awaitable[str]]]:
    """Build the tab. Returns its stage, its price line, and what gives the first price."""
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            samples, fields, sound_note = _add_form(language, studio.uploads)
            video, recalled = form_fields.add_settings_upload(language, TAB)
            takes, price, generate = form_fields.add_generate(language, TAB)
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show"):
            run = TabStage(Events(language, studio, visitor), TAB, [_MODEL.name], viewers)
    run.wire(generate, takes, fields, read_in_thread, partial(draw_idle, language))
    run.video, run.recalled = video, recalled
    _wire_preview(language, studio, run, visitor, fields)
    _wire_sound(language, studio, fields, sound_note)
    for button, (_, words, picture) in zip(samples, _SAMPLES, strict=True):
        form_fields.fill_on_click(
            button,
            t(language, words),
            picture=str(picture),
            outputs=[fields["image"], fields["url"], fields["prompt"]],
        )
    return run, price, _wire_price(language, studio, run, visitor, price)


def read(values: Values) -> ImageToVideoRequest:
    """Return the request that the form makes. Raises InvalidInput."""
    given = dict(values)
    path, url, motion = given.pop("image"), (given.pop("url") or "").strip(), given.pop("motion_on")
    given["reference_audio"] = given.pop("sound_file")
    given |= {name: form_fields.parse_number(given[name]) for name in ("seed", "fps")}
    given["reference_image"] = path or url or None
    given["motion_strength"] = given["motion_strength"] if motion else None
    return ImageToVideoRequest(**given)


async def read_in_thread(values: Values, _asker: Asker) -> ImageToVideoRequest:
    """Do as `read`, off the event loop."""
    return await asyncio.to_thread(read, values)


async def draw_idle(
    language: Language, values: Values, card: Card, asker: Asker, *, back: bool
) -> str:
    """Return the stage before a run: the picture as it will be sent, or a still where there is none
    that can be shown. Raises Overtaken.
    """
    if values["image"]:
        try:
            webp = await inputs.run_in_sandbox(
                asker, inputs.preview_image, values["image"], size=values["size"], fit=values["fit"]
            )
            return show_preview(language, webp, values["size"], card, back=back)
        except InvalidInput as error:
            card = refusal_card(error.message, error.field)
        except (StorageUnavailable, Crowded) as error:
            card = card or refusal_card(error.message)
    return show_idle(language, f"{TAB}.webp", card)


def _add_form(
    language: Language, uploads: UploadFolder
) -> tuple[list[gr.Button], dict[str, Component], gr.HTML]:
    """Add samples, fields and the note below a sound."""
    pictures = {key: picture for key, _, picture in _SAMPLES}
    samples = form_fields.add_samples(language, uploads, pictures)
    fields: dict[str, Component] = {
        "image": _add_image(language),
        "url": gr.Textbox(
            label=t(language, "image_url"),
            show_label=False,
            placeholder=t(language, "image_url"),
            container=False,
            elem_id=element_id(TAB, "url"),
            max_lines=1,
        ),
    }
    fields |= form_fields.add_prompt(language, TAB)
    with gr.Row(elem_classes="wan-pair"):
        fields["duration"] = form_fields.add_duration(language, TAB, _MODEL)
        fields["size"] = form_fields.add_size(language, TAB, _MODEL, own_shape=True)
    with gr.Row(elem_classes="wan-pair wan-fit"):
        fields["fit"] = form_fields.add_field(language, TAB, "fit", min_width=160)
        gr.HTML(quiet(language, "model", _MODEL.name), elem_classes="wan-model", **bare)
    with gr.Accordion(t(language, "more"), open=False, elem_classes="wan-more"):
        more, sound_note = _add_more(language)
    return samples, fields | more, sound_note


def _add_image(language: Language) -> gr.Image:
    return gr.Image(
        label=t(language, "image"),
        type="filepath",
        sources=["upload"],
        height=148,
        placeholder=t(language, "image_placeholder"),
        buttons=[],
        elem_id=element_id(TAB, "reference_image"),
        elem_classes="wan-drop",
    )


def _add_more(language: Language) -> tuple[dict[str, Component], gr.HTML]:
    """Add what is folded away. Returns the fields, and the note below the sound."""
    fields = form_fields.add_seed_and_fps(language, TAB)
    with gr.Group(elem_classes="wan-motion"):
        fields |= _add_motion(language)
    fields["audio"] = form_fields.add_field(language, TAB, "audio")
    fields["sound_file"] = gr.File(
        label=t(language, "reference_audio"),
        height=96,
        elem_id=element_id(TAB, "reference_audio"),
        elem_classes="wan-drop wan-sound",
    )
    sound_note = gr.HTML(hint(language, "sound_kinds"), elem_id=element_id(TAB, "heard"), **bare)
    fields["audio_url"] = form_fields.add_field(language, TAB, "audio_url")
    return fields | form_fields.add_folded(language, TAB), sound_note


def _add_motion(language: Language) -> dict[str, Component]:
    """Add the strength of the motion, and the switch without which it does not count."""
    return {
        "motion_on": gr.Checkbox(
            value=False,
            label=t(language, "motion_on"),
            elem_id=element_id(TAB, "motion_on"),
            min_width=120,
        ),
        "motion_strength": gr.Slider(
            0,
            1,
            value=0.5,
            step=0.05,
            label=t(language, "motion"),
            elem_id=element_id(TAB, "motion_strength"),
            elem_classes="wan-slider",
            buttons=[],
        ),
    }


def _wire_price(
    language: Language, studio: Studio, run: TabStage, visitor: Connection, price: gr.HTML
) -> Callable[[], Awaitable[str]]:
    """Keep the price line up to date. Returns what gives it for an untouched form."""

    async def quote(
        takes: str,
        size: str,
        duration: float,
        sound: bool,  # noqa: FBT001 - Gradio gives values by place
        own: str,
        region: str,
    ) -> str:
        own_region = region if own else None
        quoted = await studio.submission.quote(
            model=_MODEL.name,
            size=size,
            duration=int(duration),
            audio=sound,
            own_region=own_region,
            takes=int(takes),
        )
        return price_line(
            language, quoted.price, quoted.usual, simulated=quoted.simulated, takes=int(takes)
        )

    form = [run.fields[name] for name in ("size", "duration", "audio")]
    priced = [run.takes, *form, visitor.own, visitor.region]
    changes = [part.change for part in priced]  # type: ignore[attr-defined]
    gr.on(changes, quote, priced, price, trigger_mode="always_last", **hidden)
    return partial(
        quote, "1", _MODEL.default_size, _MODEL.default_duration, sound=True, own="", region=""
    )


def _wire_preview(
    language: Language, studio: Studio, run: TabStage, visitor: Connection, fields: dict[str, Any]
) -> None:
    """Show on the stage how the picture will be cropped or padded."""

    async def show(
        token: str, job_id: str, image: Path | None, size: str, fit: str, request: gr.Request
    ) -> Any:
        caller = Caller(studio, request, token)
        if not image or await run.is_live(caller, job_id):
            return gr.skip()  # no picture, or the stage belongs to the video that is being made
        asker = asker_of(studio, token, request, "stage")
        given = {"image": image, "size": size, "fit": fit}
        try:
            preview = await draw_idle(language, given, run.ready, asker, back=bool(job_id))
        except Overtaken:
            return gr.skip()  # the page has asked for another meanwhile
        # or has begun a video, which has the stage now
        return gr.skip() if await run.was_begun_since(caller, arrival_time()) else preview

    shaping = [fields["image"], fields["size"], fields["fit"]]
    gr.on(
        [fields["image"].change, fields["size"].input, fields["fit"].input],
        show,
        [visitor.owner, run.job, *shaping],
        run.view,
        trigger_mode="always_last",
        **hidden,
    )


def _wire_sound(language: Language, studio: Studio, fields: dict[str, Any], note: gr.HTML) -> None:
    """Say in the note what a sound is, as soon as it is there."""

    async def check_sound(sound: Path | None, request: gr.Request) -> Any:
        if not sound:
            return hint(language, "sound_kinds")
        try:
            found = await inputs.run_in_sandbox(
                asker_of(studio, "", request, "sound"),
                inputs.check_sound,
                clean_line(sound.name),
                sound,
            )
            return sound_hint(language, found.seconds, found.adjustments)
        except (InvalidInput, StorageUnavailable, Crowded) as error:
            return refusal(language, error.message, "reference_audio")
        except Overtaken:
            return gr.skip()  # another has been chosen meanwhile

    fields["sound_file"].change(
        check_sound, fields["sound_file"], note, trigger_mode="always_last", **hidden
    )
