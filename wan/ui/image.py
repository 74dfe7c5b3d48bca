"""The tab that turns one picture into a video."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from wan.domain.catalog import IMAGE_TO_VIDEO, MODELS
from wan.domain.errors import Crowded, InvalidInput, StorageUnavailable
from wan.domain.messages import Language, t
from wan.domain.plain_text import clean_line
from wan.domain.requests import ImageToVideoRequest
from wan.domain.turns import Asker, Overtaken
from wan.media import inputs
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES, UploadFolder
from wan.ui import cards, form_fields
from wan.ui.run import Run, Values
from wan.ui.visitor import Visitor, asker_of, bare, hidden
from wan.web.capacity import Capacity

TAB = "image"
_MODEL = MODELS[IMAGE_TO_VIDEO]
_SAMPLES = (
    ("sample_astronaut", "prompt_astronaut", SAMPLES / "astronaut.png"),
    ("sample_rocket", "prompt_rocket", SAMPLES / "rocket.jpg"),
)


def build(
    language: Language, studio: Studio, visitor: Visitor, viewers: Capacity
) -> tuple[Run, gr.HTML, Callable[[], Awaitable[str]]]:
    """Builds the tab. Gives its stage, its price line, and what that says at the start."""
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            samples, fields, heard = _form(language, studio.uploads)
            video, recalled = form_fields.from_video(language, TAB)
            takes, price, generate = form_fields.generate(language, TAB)
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show"):
            run = Run(language, studio, TAB, visitor, [_MODEL.name], viewers)
    run.wire(generate, takes, fields, requested, partial(idle, language))
    run.video, run.recalled = video, recalled
    _wire_preview(language, studio, run, visitor, fields)
    _wire_sound(language, studio, fields, heard)
    for button, (_, words, picture) in zip(samples, _SAMPLES, strict=True):
        form_fields.fill_on_click(
            button,
            t(language, words),
            picture=str(picture),
            outputs=[fields["image"], fields["url"], fields["prompt"]],
        )

    async def quote(
        takes: str,
        size: str,
        duration: float,
        sound: bool,  # noqa: FBT001 - Gradio gives values by place
        own: bool,  # noqa: FBT001 - Gradio gives values by place
        region: str,
    ) -> str:
        own_region = region if own else None
        quoted = await studio.submission.quote(
            model=_MODEL.name, size=size, duration=int(duration), audio=sound, own_region=own_region
        )
        return cards.price_line(
            language, quoted.price, quoted.usual, simulated=quoted.simulated, takes=int(takes)
        )

    priced = [
        takes,
        fields["size"],
        fields["duration"],
        fields["audio"],
        visitor.own,
        visitor.region,
    ]
    gr.on(
        [part.change for part in priced],  # type: ignore[attr-defined]
        quote,
        priced,
        price,
        trigger_mode="always_last",
        **hidden,
    )
    return (
        run,
        price,
        lambda: quote(
            "1", _MODEL.default_size, _MODEL.default_duration, sound=True, own=False, region=""
        ),
    )


def read(values: Values) -> ImageToVideoRequest:
    """The request that the form makes. Raises InvalidInput."""
    given = dict(values)
    path, url, motion = given.pop("image"), (given.pop("url") or "").strip(), given.pop("motion_on")
    given["reference_audio"] = given.pop("sound_file")
    given |= {name: form_fields.number(given[name]) for name in ("seed", "fps")}
    given["reference_image"] = path or url or None
    given["motion_strength"] = given["motion_strength"] if motion else None
    return ImageToVideoRequest(**given)


async def requested(values: Values, _asker: Asker) -> ImageToVideoRequest:
    """The same for whoever must not wait for it on this thread."""
    return await asyncio.to_thread(read, values)


async def idle(
    language: Language, values: Values, card: Markup, asker: Asker, *, back: bool
) -> str:
    """The stage before a run: the picture as it will be sent, or a still where there is none that
    can be shown. Raises Overtaken.
    """
    if values["image"]:
        try:
            webp = await inputs.run_in_sandbox(
                asker, inputs.preview_image, values["image"], size=values["size"], fit=values["fit"]
            )
            return cards.previewed(language, webp, values["size"], card, back=back)
        except InvalidInput as error:
            card = cards.refused(language, error.message, error.field)
        except (StorageUnavailable, Crowded) as error:
            card = card or cards.refused(language, error.message)
    return cards.idle(language, f"{TAB}.webp", card)


def _form(
    language: Language, uploads: UploadFolder
) -> tuple[list[gr.Button], dict[str, Component], gr.HTML]:
    with gr.Row(elem_classes="wan-samples"):
        gr.HTML(cards.hint(language, "samples"), **bare)
        samples = [
            form_fields.sample(language, key, uploads, picture) for key, _, picture in _SAMPLES
        ]
    fields: dict[str, Component] = {
        "image": _picture(language),
        "url": gr.Textbox(
            label=t(language, "image_url"),
            show_label=False,
            placeholder=t(language, "image_url"),
            container=False,
            elem_id=form_fields.identity(TAB, "url"),
            max_lines=1,
        ),
        "prompt": form_fields.prompt(language, TAB),
    }
    with gr.Row(elem_classes="wan-pair"):
        fields["duration"] = form_fields.duration(language, TAB, _MODEL)
        fields["size"] = form_fields.size(language, TAB, _MODEL, own_shape=True)
    with gr.Row(elem_classes="wan-pair wan-fit"):
        choices = [(t(language, "fit_crop"), "crop"), (t(language, "fit_pad"), "pad")]
        fields["fit"] = gr.Radio(
            choices,
            value="crop",
            label=t(language, "fit"),
            elem_id=form_fields.identity(TAB, "fit"),
            min_width=160,
        )
        gr.HTML(cards.quiet(language, "model", _MODEL.name), elem_classes="wan-model", **bare)
    with gr.Accordion(t(language, "more"), open=False, elem_classes="wan-more"):
        more, heard = _more(language)
    return samples, fields | more, heard


def _picture(language: Language) -> gr.Image:
    return gr.Image(
        label=t(language, "image"),
        type="filepath",
        sources=["upload"],
        height=148,
        placeholder=t(language, "image_placeholder"),
        buttons=[],
        elem_id=form_fields.identity(TAB, "reference_image"),
        elem_classes="wan-drop",
    )


def _more(language: Language) -> tuple[dict[str, Any], gr.HTML]:
    """What is folded away, and the place where a sound is told of."""
    fields: dict[str, Any] = form_fields.seed_and_fps(language, TAB)
    with gr.Group(elem_classes="wan-motion"):
        fields["motion_on"] = form_fields.flag(language, TAB, "motion_on", "motion_on", value=False)
        fields["motion_strength"] = gr.Slider(
            0,
            1,
            value=0.5,
            step=0.05,
            label=t(language, "motion"),
            elem_id=form_fields.identity(TAB, "motion_strength"),
            elem_classes="wan-slider",
            buttons=[],
        )
    fields["audio"] = form_fields.flag(language, TAB, "audio", "sound", value=True)
    fields["sound_file"] = gr.File(
        label=t(language, "reference_audio"),
        height=96,
        elem_id=form_fields.identity(TAB, "reference_audio"),
        elem_classes="wan-drop wan-sound",
    )
    heard = gr.HTML(
        cards.hint(language, "sound_kinds"), elem_id=form_fields.identity(TAB, "heard"), **bare
    )
    fields["audio_url"] = gr.Textbox(
        label=t(language, "audio_url"),
        placeholder=t(language, "url_placeholder"),
        max_lines=1,
        elem_id=form_fields.identity(TAB, "audio_url"),
    )
    fields |= form_fields.words_and_shots(language, TAB)
    fields["prompt_extend"] = form_fields.flag(
        language, TAB, "prompt_extend", "prompt_extend", value=True
    )
    fields["watermark"] = form_fields.flag(language, TAB, "watermark", "watermark", value=False)
    return fields, heard


def _wire_preview(
    language: Language, studio: Studio, run: Run, visitor: Visitor, fields: dict[str, Any]
) -> None:
    async def show(
        token: str, job_id: str, image: Path | None, size: str, fit: str, request: gr.Request
    ) -> Any:
        if not image or await run.live(token, job_id, request):
            return (
                gr.skip()
            )  # nothing to show, or the stage belongs to the video that is being made
        asker, given = (
            asker_of(studio, token, request, "stage"),
            {"image": image, "size": size, "fit": fit},
        )
        try:
            return await idle(language, given, run.ready, asker, back=bool(job_id))
        except Overtaken:
            return gr.skip()  # the page has asked for another meanwhile

    shaping = [fields["image"], fields["size"], fields["fit"]]
    triggers = [fields["image"].change, fields["size"].input, fields["fit"].input]
    gr.on(
        triggers,
        show,
        [visitor.owner, run.job, *shaping],
        run.view,
        trigger_mode="always_last",
        **hidden,
    )


def _wire_sound(language: Language, studio: Studio, fields: dict[str, Any], heard: gr.HTML) -> None:
    async def _hear(sound: Path | None, request: gr.Request) -> Any:
        if not sound:
            return cards.hint(language, "sound_kinds")
        try:
            found = await inputs.run_in_sandbox(
                asker_of(studio, "", request, "sound"),
                inputs.check_sound,
                clean_line(sound.name),
                sound,
            )
            return cards.sound_hint(language, found.seconds, found.adjustments)
        except InvalidInput as refusal:
            return cards.sound_refusal(language, refusal.message)
        except (StorageUnavailable, Crowded) as trouble:
            return cards.sound_refusal(language, trouble.message)
        except Overtaken:
            return gr.skip()  # another has been chosen meanwhile

    fields["sound_file"].change(
        _hear, fields["sound_file"], heard, trigger_mode="always_last", **hidden
    )
