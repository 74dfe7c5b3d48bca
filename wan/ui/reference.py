"""The tab that brings the people and things of clips and pictures into a new video."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from wan.domain.catalog import INPUT_CAPS, MODELS, REFERENCE_TO_VIDEO, Model
from wan.domain.errors import Crowded, InvalidInput, StorageUnavailable
from wan.domain.messages import Language, t
from wan.domain.plain_text import clean_line
from wan.domain.requests import ReferenceToVideoRequest, arrange_references, guess_kind
from wan.domain.turns import Asker, Overtaken
from wan.media import inputs
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES, UploadFolder
from wan.ui import cards, form_fields
from wan.ui.run import Run, Values
from wan.ui.visitor import Visitor, asker_of, bare, hidden
from wan.web.capacity import Capacity

TAB = "reference"
Media = Path | str
"""A file that was uploaded, or an address."""
_MODEL = MODELS[REFERENCE_TO_VIDEO]
_SHOWN = 20  # tiles; with so many the brief is refused anyway
_KNOWN = 500  # files of which is remembered what they are; five kilobytes each
_SAMPLES = (
    (
        "sample_meadow",
        "prompt_meadow",
        (SAMPLES / "bigbuckbunny.mp4", SAMPLES / "chelsea.png"),
        SAMPLES / "bigbuckbunny.webp",
    ),
    (
        "sample_cafe",
        "prompt_cafe",
        (SAMPLES / "chelsea.png", SAMPLES / "coffee.png"),
        SAMPLES / "coffee.png",
    ),
)


def build(
    language: Language, studio: Studio, visitor: Visitor, viewers: Capacity
) -> tuple[Run, gr.HTML, Callable[[], Awaitable[str]]]:
    """Builds the tab. Gives its stage, its price line, and what that says at the start."""
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            samples, fields, cast = _form(language, studio.uploads)
            video, recalled = form_fields.from_video(language, TAB)
            takes, price, generate = form_fields.generate(language, TAB)
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show"):
            run = Run(
                language,
                studio,
                TAB,
                visitor,
                [model.name for model in MODELS.values() if model.makes == TAB],
                viewers,
            )
    run.wire(generate, takes, fields, read, partial(idle, language))
    run.video, run.recalled = video, recalled
    for button, (_, words, files, _) in zip(samples, _SAMPLES, strict=True):
        outputs = [fields["files"], fields["urls"], fields["prompt"]]
        form_fields.fill_on_click(
            button, t(language, words), picture=[str(file) for file in files], outputs=outputs
        )
    looks = Looks()
    priced = [
        takes,
        *(fields[name] for name in ("model", "size", "duration", "audio", "files", "urls")),
        visitor.own,
        visitor.region,
    ]

    async def quote(
        takes: str,
        model: str,
        size: str,
        duration: float,
        sound: bool,  # noqa: FBT001 - Gradio gives values by place
        request: gr.Request,
        *rest: Any,
    ) -> Any:
        files, urls, own, region = rest
        asked = {
            "model": model,
            "size": size,
            "duration": int(duration),
            "audio": sound,
            "own_region": region if own else None,
        }
        asker = asker_of(studio, "", request, "price")
        try:
            return await _quote(
                language, studio, looks, listed(files, urls), asked, int(takes), asker
            )
        except Overtaken:
            return gr.skip()  # the form has changed meanwhile

    async def first_quote() -> str:
        asked = {
            "model": _MODEL.name,
            "size": _MODEL.default_size,
            "duration": _MODEL.default_duration,
        }
        return await _quote(
            language, studio, looks, [], asked | {"audio": bool(_MODEL.audio_flag)}, 1, Asker()
        )

    gathered = [fields["files"], fields["urls"]]
    gr.on(
        [part.change for part in priced if part not in gathered],  # type: ignore[attr-defined]
        quote,
        priced,
        price,
        trigger_mode="always_last",
        **hidden,
    )

    async def _cast(files: list[Path] | None, urls: str, request: gr.Request) -> Any:
        asker = asker_of(studio, "", request, "cast")
        try:
            return await _drawn(language, looks, listed(files, urls), asker)
        except Overtaken:
            return gr.skip()  # the references have changed meanwhile

    cast_drawn = gr.on(
        [part.change for part in gathered],  # type: ignore[attr-defined]
        _cast,
        gathered,
        cast,
        trigger_mode="always_last",
        **hidden,
    )
    cast_drawn.then(quote, priced, price, **hidden)  # by now it is known how long each is
    fields["model"].change(  # type: ignore[attr-defined]
        _limits, fields["model"], [fields["duration"], fields["audio"]], **hidden
    )
    return run, price, first_quote


async def read(values: Values, asker: Asker) -> ReferenceToVideoRequest:
    """The request that the form makes. Raises InvalidInput."""
    given = dict(values)
    given |= {name: form_fields.number(given[name]) for name in ("seed", "fps")}
    references = listed(given.pop("files"), given.pop("urls"))
    made = partial(
        ReferenceToVideoRequest,
        **given,
        **arrange_references(await inputs.detect_kinds(asker, "reference_video", references)),
    )
    return await asyncio.to_thread(made)


async def idle(
    language: Language, _values: Values, card: Markup, _asker: Asker, *, back: bool
) -> str:
    """The stage before a run."""
    _ = back  # there is no preview to come back from
    return cards.idle(language, f"{TAB}.webp", card)


def listed(files: Sequence[Path] | None, urls: str | None) -> list[Media]:
    """The references of the form in the order given, files before addresses."""
    return [*(files or ()), *(line.strip() for line in (urls or "").splitlines() if line.strip())]


class Looks:
    """What the files of the page are. Each is looked into once, however often the form changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, inputs.ReferencePreview] = OrderedDict()

    async def at(self, path: Path, asker: Asker) -> inputs.ReferencePreview:
        """What a file is. Raises InvalidInput, which calls it by its name; StorageUnavailable,
        Crowded and Overtaken.
        """
        if path not in self._known:
            self._known[path] = await inputs.run_in_sandbox(
                asker, inputs.preview_reference, clean_line(path.name), path
            )
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return self._known[path]

    async def lengths(self, references: Sequence[Media], asker: Asker) -> list[float | None]:
        """How long each video among the references is, in seconds; None where that is not known,
        and the price an upper bound. Raises Overtaken.
        """
        sizes = [await self._size(one, asker) for one in references[: max(INPUT_CAPS)]]
        return [seconds for kind, seconds in sizes if kind == "video"]

    async def _size(self, reference: Media, asker: Asker) -> tuple[str, float | None]:
        if isinstance(reference, str):
            return guess_kind(reference), None
        try:
            look = await self.at(reference, asker)
        except (InvalidInput, StorageUnavailable, Crowded):
            return "video", None
        return look.kind, look.seconds


async def _drawn(
    language: Language, looks: Looks, references: Sequence[Media], asker: Asker
) -> str:
    """The references as the page shows them, each by its name, and last what cannot be used. Raises
    Overtaken.
    """
    if not references:
        return _no_cast(language)
    tiles = [await _tile(looks, one, asker) for one in references[:_SHOWN]]
    return cards.cast(language, tiles)


async def _tile(looks: Looks, reference: Media, asker: Asker) -> cards.Tile:
    """A reference as it is shown. What has an address of its own is not loaded from there."""
    if isinstance(reference, str):
        return cards.Tile(guess_kind(reference), reference)
    name = clean_line(reference.name)
    try:
        look = await looks.at(reference, asker)
    except InvalidInput as refusal:
        return cards.Tile("refused", name, notes=[refusal.message])
    except (StorageUnavailable, Crowded) as trouble:
        return cards.Tile("refused", name, notes=[trouble.message])
    return cards.Tile(look.kind, name, look.thumbnail, look.adjustments)


def _no_cast(language: Language) -> str:
    return cards.hint(
        language,
        "cast_empty",
        videos=_MODEL.max_videos,
        images=_MODEL.max_images,
        total=_MODEL.max_references,
    )


async def _quote(
    language: Language,
    studio: Studio,
    looks: Looks,
    references: Sequence[Media],
    asked: dict[str, Any],
    takes: int,
    asker: Asker,
) -> str:
    """The price line. Raises Overtaken."""
    count = min(
        len(references), max(INPUT_CAPS)
    )  # with more it is refused later; until then the price of the most that are allowed
    quoted = await studio.submission.quote(
        **asked, videos=await looks.lengths(references, asker), references=count
    )
    return cards.price_line(
        language, quoted.price, quoted.usual, simulated=quoted.simulated, takes=takes
    )


def _limits(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    model = MODELS[name]
    return gr.update(minimum=model.durations[0], maximum=model.durations[-1]), gr.update(
        visible=model.audio_flag
    )


def _form(
    language: Language, uploads: UploadFolder
) -> tuple[list[gr.Button], dict[str, Component], gr.HTML]:
    with gr.Row(elem_classes="wan-samples"):
        gr.HTML(cards.hint(language, "samples"), **bare)
        samples = [
            form_fields.sample(language, key, uploads, picture) for key, _, _, picture in _SAMPLES
        ]
    files = gr.File(
        label=t(language, "references"),
        file_count="multiple",
        allow_reordering=True,
        height=148,
        elem_id=form_fields.identity(TAB, "reference_video"),
        elem_classes="wan-drop",
    )
    urls = form_fields.addresses(
        language, TAB, "urls", "references_url", lines=_MODEL.max_references
    )
    cast = gr.HTML(_no_cast(language), elem_id=form_fields.identity(TAB, "cast"), **bare)
    fields: dict[str, Component] = {
        "files": files,
        "urls": urls,
        "prompt": form_fields.prompt(language, TAB),
    }
    fields["model"] = gr.Radio(
        _models(language),
        value=_MODEL.name,
        label=t(language, "model"),
        elem_id=form_fields.identity(TAB, "model"),
    )
    with gr.Row(elem_classes="wan-pair"):
        fields["duration"] = form_fields.duration(language, TAB, _MODEL)
        fields["size"] = form_fields.size(language, TAB, _MODEL)
    with gr.Accordion(t(language, "more"), open=False, elem_classes="wan-more"):
        fields |= form_fields.seed_and_fps(language, TAB)
        fields["audio"] = form_fields.flag(
            language, TAB, "audio", "sound", value=True, visible=_MODEL.audio_flag
        )
        fields |= form_fields.words_and_shots(language, TAB)
        fields["watermark"] = form_fields.flag(language, TAB, "watermark", "watermark", value=False)
    return samples, fields, cast


def _models(language: Language) -> list[tuple[str, str]]:
    """The models with a word on the difference."""

    def named(model: Model) -> str:
        return t(language, "model_flash" if model.audio_flag else "model_full")

    return [(named(model), model.name) for model in MODELS.values() if model.makes == TAB]
