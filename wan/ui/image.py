"""The tab that turns one picture into a video."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gradio as gr
from gradio.components import Component

from wan.domain.catalog import IMAGE_TO_VIDEO, MODELS
from wan.domain.crop import Crop
from wan.domain.errors import Crowded, InvalidInput, StorageUnavailable
from wan.domain.messages import Language, t
from wan.domain.plain_text import clean_line
from wan.domain.requests import ImageToVideoRequest
from wan.domain.turns import Asker, Overtaken
from wan.media import inputs
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES
from wan.ui import form_fields, framing
from wan.ui.caller import Caller, Connection, Events, asker_of, hidden
from wan.ui.components.component import plain_html
from wan.ui.components.frame import enlargement_hint, show_frame
from wan.ui.components.lines import answer_of, hint, quiet, refusal, sound_hint
from wan.ui.components.price import PriceLine, price_line
from wan.ui.components.stage import show_idle, show_preview
from wan.ui.components.status import Card, refusal_card
from wan.ui.first_price import FirstPrice
from wan.ui.form_fields import element_id
from wan.ui.handling import arrival_time
from wan.ui.prompt import add_prompt, count_motion
from wan.ui.stage import TabStage, Values
from wan.ui.takes import read_takes
from wan.web.capacity import Capacity

TAB: Literal["image"] = "image"
_MODEL = MODELS[IMAGE_TO_VIDEO]
_SAMPLES = (
    # her hair begins at the upper edge
    ("sample_astronaut", "prompt_astronaut", SAMPLES / "astronaut.png", Crop(y=0)),
    ("sample_rocket", "prompt_rocket", SAMPLES / "rocket.jpg", Crop()),
)


class _Notes(NamedTuple):
    """What is said of the files in the form."""

    sound: gr.HTML
    enlarged: gr.HTML


def build(
    language: Language, studio: Studio, visitor: Connection, viewers: Capacity
) -> tuple[TabStage, PriceLine, FirstPrice]:
    """Build the tab. Returns its stage, its price line, and what stands there at first."""
    first, events = FirstPrice(language, studio, _MODEL), Events(language, studio, visitor)
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            samples, fields, notes = _add_form(events, first.by_tier)
            video, recalled = form_fields.add_settings_upload(language, TAB)
            takes, price, generate = form_fields.add_generate(language, TAB, first.line)
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show"):
            run = TabStage(events, TAB, [_MODEL.name], viewers)
    run.wire(generate, takes, fields, read_in_thread, partial(draw_idle, language))
    run.video, run.recalled = video, recalled
    _wire_preview(language, studio, run, visitor, notes.enlarged)
    _wire_sound(language, studio, fields, notes.sound)
    for button, (_, words, picture, crop) in zip(samples, _SAMPLES, strict=True):
        form_fields.fill_on_click(
            button,
            t(language, words),
            picture=str(picture),
            outputs=[fields["image"], fields["url"], fields["prompt"]],
        )
        framing.reset_crop(button.click, fields, crop)
    framing.reset_crop(fields["image"].upload, fields)  # type: ignore[attr-defined]
    form_fields.drop_new_take(TAB, fields)
    count_motion(TAB, fields["motion_on"], fields["motion_strength"])
    _wire_price(language, studio, run, visitor, price)
    return run, price, first


def read(values: Values) -> ImageToVideoRequest:
    """Return the request that the form makes. Raises InvalidInput."""
    given = {name: value for name, value in values.items() if name not in framing.FIELDS}
    path, url, motion = given.pop("image"), (given.pop("url") or "").strip(), given.pop("motion_on")
    given["reference_audio"] = given.pop("sound_file")
    given |= _frame(values)
    given |= {name: form_fields.parse_number(given[name]) for name in ("seed", "fps")}
    given["reference_image"] = path or url or None
    given["motion_strength"] = given["motion_strength"] if motion else None
    return ImageToVideoRequest(**given)


def _frame(values: Values) -> dict[str, Any]:
    """Return the fields of a request that say which shape a video has, and what of the picture
    fills it.
    """
    size = framing.size_in(values)
    return {"size": size, **framing.framing_in(values, size)}


async def read_in_thread(values: Values, _asker: Asker) -> ImageToVideoRequest:
    """Do as `read`, off the event loop."""
    return await asyncio.to_thread(read, values)


async def draw_idle(
    language: Language, values: Values, card: Card, asker: Asker, *, back: int
) -> str:
    """Return the stage before a run: the picture as it will be sent, or a still where there is none
    that can be shown. Raises Overtaken.
    """
    return (await _draw(language, values, card, asker, back=back))[0]


async def _draw(
    language: Language, values: Values, card: Card, asker: Asker, *, back: int
) -> tuple[str, str]:
    """Return the stage before a run, and what is to be known of the picture."""
    if values["image"]:
        try:
            asked = ImageToVideoRequest(reference_image=values["image"], **_frame(values))
            preview = await inputs.run_in_sandbox(
                asker, inputs.preview_image, values["image"], size=asked.size, **asked.framing
            )
            stage = show_preview(language, preview, asked.size, card, back=back)
            return stage, enlargement_hint(language, preview.enlarged)
        except InvalidInput as error:
            if error.field == "pad_color":  # the picture itself can be shown
                usual = values | {"pad_color": ""}
                shown, _ = await _draw(language, usual, card, asker, back=back)
                return shown, answer_of(language, error.message, error.field)
            card = refusal_card(error.message, error.field)
        except (StorageUnavailable, Crowded) as error:
            card = card or refusal_card(error.message)
    return show_idle(language, TAB, card, back=back), ""


def _add_form(
    events: Events, prices: framing.Prices
) -> tuple[list[gr.Button], dict[str, Component], "_Notes"]:
    """Add samples, fields and the notes below the files."""
    language = events.language
    pictures = {key: picture.with_suffix(".webp") for key, _, picture, _ in _SAMPLES}
    samples = form_fields.add_samples(language, events.studio.uploads, pictures)
    with gr.Column(elem_classes="wan-picture"):
        fields: dict[str, Component] = {"image": _add_image(language)}
        gr.HTML(show_frame(language), elem_id=element_id(TAB, "frame"), **plain_html)
        fields |= framing.add_crop(language, TAB)
        enlarged = gr.HTML("", elem_id=element_id(TAB, "enlarged"), **plain_html)
    fields |= {
        "url": gr.Textbox(
            label=t(language, "image_url"),
            show_label=False,
            placeholder=t(language, "image_url"),
            container=False,
            elem_id=element_id(TAB, "url"),
            max_lines=1,
        ),
    }
    fields |= add_prompt(events, TAB)
    fields["shape"] = framing.add_shape(language, TAB, own_shape=True)
    fields |= framing.add_fit(language, TAB)
    with gr.Row(elem_classes="wan-pair"):
        fields["quality"] = framing.add_quality(language, TAB, prices)
        fields["duration"] = form_fields.add_duration(language, TAB, _MODEL)
    with gr.Accordion(t(language, "more"), open=False, elem_classes="wan-more"):
        more, sound_note = _add_more(language)
    return samples, fields | more, _Notes(sound_note, enlarged)


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
    gr.HTML(quiet(language, "model", _MODEL.name), elem_classes="wan-model", **plain_html)
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
    sound_note = gr.HTML(
        hint(language, "sound_kinds"), elem_id=element_id(TAB, "heard"), **plain_html
    )
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
    language: Language, studio: Studio, run: TabStage, visitor: Connection, price: PriceLine
) -> None:
    """Keep the prices up to date. price: their line."""

    async def quote(
        takes: str,
        shape: str,
        quality: str,
        duration: float,
        sound: bool,  # noqa: FBT001 - Gradio gives values by place
        own: str,
        region: str,
    ) -> list[Any]:
        quoted = await studio.submission.quote(
            model=_MODEL.name,
            size=framing.size_in({"shape": shape, "quality": quality}),
            duration=int(duration),
            audio=sound,
            own_region=region if own else None,
            takes=int(takes),
        )
        line = price_line(
            language, quoted.price, quoted.usual, simulated=quoted.simulated, takes=int(takes)
        )
        return [line, framing.price_qualities(language, shape, quoted.by_tier)]

    form = [run.fields[name] for name in ("shape", "quality", "duration", "audio")]
    priced = [run.takes, *form, visitor.own, visitor.region]
    changes = [part.change for part in priced]  # type: ignore[attr-defined]
    shown = [price, run.fields["quality"]]
    gr.on(changes, quote, priced, shown, trigger_mode="always_last", **hidden)
    price.ask(quote, priced, shown, **hidden)


def _wire_preview(
    language: Language, studio: Studio, run: TabStage, visitor: Connection, enlarged: gr.HTML
) -> None:
    """Show on the stage how the picture will be cropped or padded, and say what is to be known of
    it.
    """
    names = ("image", *framing.FIELDS)
    filled = ("image", *framing.CROP_FIELDS)  # not only by hand

    async def show(token: str, job_id: str, request: gr.Request, *given: Any) -> tuple[Any, Any]:
        *form, found = given  # what is on the stage, as `stageOf` in `assets/forms.js` has it
        caller = Caller(studio, request, token)
        values = dict(zip(names, form, strict=True))
        if not values["image"] and found != "idle":
            return gr.skip(), ""
        is_busy = await run.is_live(caller, job_id)
        asker = asker_of(studio, token, request, "stage")
        try:
            stage, note = await _draw(
                language, values, run.ready, asker, back=len(read_takes(job_id))
            )
        except Overtaken:
            return gr.skip(), gr.skip()  # the page has asked for another meanwhile
        # The stage belongs to the video that is being made, or has been begun meanwhile.
        if found == "kept" or is_busy or await run.was_begun_since(caller, arrival_time()):
            return gr.skip(), note
        return stage, note

    shaping: list[Any] = [run.fields[name] for name in names]
    triggers = [
        part.change if name in filled else part.blur if name == "pad_color" else part.input
        for name, part in zip(names, shaping, strict=True)
    ]
    gr.on(
        triggers,
        show,
        [visitor.owner, run.job, *shaping, run.again],
        [run.view, enlarged],
        js="(...given) => given.with(-1, window.wanForms.stageOf('image'))",
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
