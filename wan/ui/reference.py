"""The tab that brings the people and things of clips and pictures into a new video."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import gradio as gr
from gradio.components import Component

from wan.domain import catalog
from wan.domain.catalog import INPUT_CAPS, MODELS, REFERENCE_TO_VIDEO
from wan.domain.errors import Crowded, InvalidInput, StorageUnavailable
from wan.domain.messages import Language, t
from wan.domain.plain_text import clean_line
from wan.domain.requests import ReferenceToVideoRequest, arrange_references, guess_kind
from wan.domain.turns import Asker, Overtaken
from wan.media import inputs
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES
from wan.ui import form_fields, framing
from wan.ui.caller import Connection, Events, asker_of, hidden
from wan.ui.components.cast import Tile, show_cast, show_missing
from wan.ui.components.component import plain_html
from wan.ui.components.lines import hint
from wan.ui.components.price import PriceLine, price_line
from wan.ui.components.stage import show_idle
from wan.ui.components.status import Card
from wan.ui.first_price import FirstPrice
from wan.ui.form_fields import element_id
from wan.ui.prompt import add_prompt
from wan.ui.stage import TabStage, Values
from wan.web.capacity import Capacity

TAB: Literal["reference"] = "reference"
Media = Path | str
"""A file that was uploaded, or a link."""
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
        SAMPLES / "coffee.webp",
    ),
)


def build(
    language: Language, studio: Studio, visitor: Connection, viewers: Capacity
) -> tuple[TabStage, PriceLine, FirstPrice]:
    """Build the tab. Returns its stage, its price line, and what stands there at first."""
    first, events = FirstPrice(language, studio, _MODEL), Events(language, studio, visitor)
    models = [model.name for model in MODELS.values() if model.makes == TAB]
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            samples, fields, cast = _add_form(events, first.by_tier)
            video, recalled = form_fields.add_settings_upload(language, TAB)
            takes, price, generate = form_fields.add_generate(language, TAB, first.line)
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show"):
            run = TabStage(events, TAB, models, viewers)
    run.wire(generate, takes, fields, read, partial(draw_idle, language))
    run.video, run.recalled = video, recalled
    for button, (_, words, files, _) in zip(samples, _SAMPLES, strict=True):
        outputs = [fields["files"], fields["urls"], fields["prompt"]]
        form_fields.fill_on_click(
            button, t(language, words), picture=[str(file) for file in files], outputs=outputs
        )
    form_fields.drop_new_take(TAB, fields)
    fields["model"].change(  # type: ignore[attr-defined]
        _limit_to_model, fields["model"], [fields["duration"], fields["audio"]], **hidden
    )
    _Prices(language, studio).wire(run, visitor, price, cast)
    return run, price, first


class _Prices:
    """Keeps the references' tiles and the prices of the form up to date.

    A price depends on how long the clips are, so it follows the tiles, for which they are opened.
    """

    def __init__(self, language: Language, studio: Studio) -> None:
        self._language, self._studio, self._previews = language, studio, Previews()

    def wire(self, run: TabStage, visitor: Connection, price: PriceLine, cast: gr.HTML) -> None:
        """Connect them with the form. cast: the place of the tiles."""
        shown = [price, run.fields["quality"]]
        form = [run.fields[name] for name in ("model", "shape", "quality", "duration", "audio")]
        references = [run.fields["files"], run.fields["urls"]]
        others = [run.takes, *form, visitor.own, visitor.region]
        priced = [run.takes, *form, *references, visitor.own, visitor.region]
        once = {"trigger_mode": "always_last", **hidden}
        gr.on([part.change for part in others], self.quote, priced, shown, **once)  # type: ignore[attr-defined]
        changes = [part.change for part in references]  # type: ignore[attr-defined]
        drawn = gr.on(changes, self.draw, references, cast, **once)
        drawn.then(self.quote, priced, shown, **hidden)
        price.ask(self.quote, priced, shown, **hidden)

    async def quote(
        self,
        takes: str,
        model: str,
        shape: str,
        quality: str,
        duration: float,
        sound: bool,  # noqa: FBT001 - Gradio gives values by place
        request: gr.Request,
        *rest: Any,
    ) -> Any:
        """Return the prices for what is in the form."""
        files, urls, own, region = rest
        asked = {
            "model": model,
            "size": framing.size_in({"shape": shape, "quality": quality}),
            "duration": int(duration),
            "audio": sound,
            "own_region": region if own else None,
        }
        asker = asker_of(self._studio, "", request, "price")
        try:
            return await self._quote(list_references(files, urls), asked, int(takes), asker)
        except Overtaken:
            return gr.skip(), gr.skip()  # the form has changed meanwhile

    async def draw(self, files: list[Path] | None, urls: str, request: gr.Request) -> Any:
        """Return the tiles of what is in the form."""
        asker = asker_of(self._studio, "", request, "cast")
        try:
            references = list_references(files, urls)
            return await _draw_cast(self._language, self._previews, references, asker)
        except Overtaken:
            return gr.skip()  # the references have changed meanwhile

    async def _quote(
        self, references: Sequence[Media], asked: dict[str, Any], takes: int, asker: Asker
    ) -> list[Any]:
        """Return the price line, and what changes of the quality. Raises Overtaken."""
        # With more references it is refused later; until then the price of the most allowed.
        count = min(len(references), max(INPUT_CAPS))
        lengths = await self._previews.measure_videos(references, asker)
        quoted = await self._studio.submission.quote(
            **asked, videos=lengths, references=count, takes=takes
        )
        billed = quoted.price.billed_seconds if quoted.price else 0.0
        line = price_line(
            self._language,
            quoted.price,
            quoted.usual,
            simulated=quoted.simulated,
            takes=takes,
            clips=round(max(billed - asked["duration"], 0.0), 2),
        )
        shape = catalog.shape_of(asked["size"])
        return [line, framing.price_qualities(self._language, shape, quoted.by_tier)]


async def read(values: Values, asker: Asker) -> ReferenceToVideoRequest:
    """Return the request that the form makes. Raises InvalidInput."""
    given = dict(values)
    given |= {name: form_fields.parse_number(given[name]) for name in ("seed", "fps")}
    given["size"] = framing.size_in({name: given.pop(name) for name in framing.FIELDS[:2]})
    references = list_references(given.pop("files"), given.pop("urls"))
    made = partial(
        ReferenceToVideoRequest,
        **given,
        **arrange_references(await inputs.detect_kinds(asker, "reference_video", references)),
    )
    return await asyncio.to_thread(made)


async def draw_idle(
    language: Language, _values: Values, card: Card, _asker: Asker, *, back: int
) -> str:
    """Return the stage before a run."""
    _ = back  # there is no preview to come back from
    return show_idle(language, TAB, card)


def list_references(files: Sequence[Path] | None, urls: str | None) -> list[Media]:
    """Return the references of the form in the order given, files before links."""
    return [*(files or ()), *(line.strip() for line in (urls or "").splitlines() if line.strip())]


class Previews:
    """What the files of the page are. Each is opened once, however often the form changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, inputs.ReferencePreview] = OrderedDict()

    async def get(self, path: Path, asker: Asker) -> inputs.ReferencePreview:
        """Return what a file is.

        Raises InvalidInput, which calls it by its name; StorageUnavailable, Crowded and Overtaken.
        """
        if path not in self._known:
            self._known[path] = await inputs.run_in_sandbox(
                asker, inputs.preview_reference, clean_line(path.name), path
            )
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return self._known[path]

    async def measure_videos(self, references: Sequence[Media], asker: Asker) -> list[float | None]:
        """Return the seconds of each video among the references; None where that is not known, and
        the price an upper bound. Raises Overtaken.
        """
        known = [await self._measure(one, asker) for one in references[: max(INPUT_CAPS)]]
        return [seconds for kind, seconds in known if kind == "video"]

    async def _measure(self, reference: Media, asker: Asker) -> tuple[str, float | None]:
        if isinstance(reference, str):
            return guess_kind(reference), None
        try:
            preview = await self.get(reference, asker)
        except (InvalidInput, StorageUnavailable, Crowded):
            return "video", None
        return preview.kind, preview.seconds


async def _draw_cast(
    language: Language, previews: Previews, references: Sequence[Media], asker: Asker
) -> str:
    """Return tiles of the references, each by its name, those that cannot be used too.

    Raises Overtaken.
    """
    if not references:
        return _draw_no_cast(language)
    tiles = [await _make_tile(previews, one, asker) for one in references[:_SHOWN]]
    return show_cast(language, tiles)


async def _make_tile(previews: Previews, reference: Media, asker: Asker) -> Tile:
    """Make the tile of a reference. A link is not loaded from where it leads."""
    if isinstance(reference, str):
        return Tile(guess_kind(reference), reference)
    name = clean_line(reference.name)
    try:
        preview = await previews.get(reference, asker)
    except InvalidInput as refusal:
        return Tile("refused", name, notes=[refusal.message])
    except (StorageUnavailable, Crowded) as trouble:
        return Tile("refused", name, notes=[trouble.message])
    return Tile(preview.kind, name, preview.thumbnail, preview.adjustments)


def _draw_no_cast(language: Language) -> str:
    return hint(
        language,
        "cast_empty",
        videos=_MODEL.max_videos,
        images=_MODEL.max_images,
        total=_MODEL.max_references,
    )


def _limit_to_model(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what changes in the form with the model: duration and sound."""
    model = MODELS[name]
    return gr.update(minimum=model.durations[0], maximum=model.durations[-1]), gr.update(
        visible=model.audio_flag
    )


def _add_form(
    events: Events, prices: framing.Prices
) -> tuple[list[gr.Button], dict[str, Component], gr.HTML]:
    """Add samples, fields and the place for the references' tiles."""
    language, uploads = events.language, events.studio.uploads
    pictures = {key: picture for key, _, _, picture in _SAMPLES}
    samples = form_fields.add_samples(language, uploads, pictures)
    fields: dict[str, Component] = {
        "files": gr.File(
            label=t(language, "references"),
            file_count="multiple",
            allow_reordering=True,
            height=148,
            elem_id=element_id(TAB, "reference_video"),
            elem_classes="wan-drop",
        ),
        "urls": form_fields.add_links(
            language, TAB, "urls", "references_url", lines=_MODEL.max_references
        ),
    }
    cast = gr.HTML(_draw_no_cast(language), elem_id=element_id(TAB, "cast"), **plain_html)
    fields |= add_prompt(events, TAB)
    gr.HTML(show_missing(language), elem_id=element_id(TAB, "missing"), **plain_html)
    fields["model"] = gr.Radio(
        _list_models(language),
        value=_MODEL.name,
        label=t(language, "model"),
        elem_id=element_id(TAB, "model"),
    )
    fields["shape"] = framing.add_shape(language, TAB)
    with gr.Row(elem_classes="wan-pair"):
        fields["quality"] = framing.add_quality(language, TAB, prices)
        fields["duration"] = form_fields.add_duration(language, TAB, _MODEL)
    with gr.Accordion(t(language, "more"), open=False, elem_classes="wan-more"):
        fields |= form_fields.add_seed_and_fps(language, TAB)
        fields["audio"] = form_fields.add_field(language, TAB, "audio", visible=_MODEL.audio_flag)
        fields |= form_fields.add_folded(language, TAB)
    return samples, fields, cast


def _list_models(language: Language) -> list[tuple[str, str]]:
    """Return the models with a word on the difference."""
    return [
        (t(language, "model_flash" if model.audio_flag else "model_full"), model.name)
        for model in MODELS.values()
        if model.makes == TAB
    ]
