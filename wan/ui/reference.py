"""The tab that brings the people and things of clips and pictures into a new video."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from wan import media
from wan.catalog import INPUT_CAPS, MODELS, REFERENCE_TO_VIDEO, Model
from wan.errors import Crowded, InvalidInput, NotKept
from wan.requests import ReferenceToVideoRequest, kind_of
from wan.studio import Studio
from wan.turns import Asker, Overtaken
from wan.ui import brief, cards
from wan.ui.run import Run, Values
from wan.ui.text import label
from wan.ui.visitor import Visitor, asker_of, bare, hidden
from wan.uploads import SAMPLES, UploadFolder

TAB = "reference"
Media = Path | str
"""A file that was uploaded, or an address."""
_MODEL = MODELS[REFERENCE_TO_VIDEO]
_SHOWN = 20  # tiles; with so many the brief is refused anyway
_SAMPLES = (
    ("sample_meadow", "prompt_meadow", (SAMPLES / "bigbuckbunny.mp4", SAMPLES / "chelsea.png"), SAMPLES / "bigbuckbunny.webp"),
    ("sample_cafe", "prompt_cafe", (SAMPLES / "chelsea.png", SAMPLES / "coffee.png"), SAMPLES / "coffee.png"),
)


def build(studio: Studio, visitor: Visitor, language: gr.Textbox) -> tuple[Run, gr.HTML, Callable[[], Awaitable[str]]]:
    """Builds the tab. Gives its stage, its price line, and what that says at the start."""
    with gr.Row(elem_classes="wan-room", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_classes="wan-brief"):
            samples, fields, cast = _form(studio.uploads)
            video, recalled = brief.from_video(TAB)
            takes, price, generate = brief.generate(TAB)
        with gr.Column(scale=7, min_width=320, elem_classes="wan-show"):
            run = Run(studio, TAB, visitor, [model.name for model in MODELS.values() if model.makes == TAB])
    run.wire(generate, takes, fields, read, idle)
    run.video, run.recalled = video, recalled
    for button, (_, words, files, _) in zip(samples, _SAMPLES, strict=True):
        outputs = [fields["files"], fields["urls"], fields["prompt"]]
        brief.fill_on_click(button, words, language, picture=[str(file) for file in files], outputs=outputs)
    priced = [takes, *(fields[name] for name in ("model", "size", "duration", "audio", "files", "urls")), visitor.own, visitor.region]

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
        asked = {"model": model, "size": size, "duration": int(duration), "audio": sound, "own_region": region if own else None}
        asker = asker_of(studio, "", request, "price")
        try:
            return await _quote(studio, sorted_references(files, urls), asked, int(takes), asker)
        except Overtaken:
            return gr.skip()  # the form has changed meanwhile

    async def first_quote() -> str:
        asked = {"model": _MODEL.name, "size": _MODEL.default_size, "duration": _MODEL.default_duration}
        return await _quote(studio, ([], []), asked | {"audio": bool(_MODEL.audio_flag)}, 1, Asker())

    gr.on([part.change for part in priced], quote, priced, price, trigger_mode="always_last", **hidden)  # type: ignore[attr-defined]
    gathered = [fields["files"], fields["urls"]]

    def _cast(files: list[Path] | None, urls: str) -> str:
        return _named(studio.uploads, files, urls)

    gr.on([part.change for part in gathered], _cast, gathered, cast, trigger_mode="always_last", **hidden)  # type: ignore[attr-defined]
    fields["model"].change(_limits, fields["model"], [fields["duration"], fields["audio"]], **hidden)  # type: ignore[attr-defined]
    return run, price, first_quote


def read(values: Values) -> ReferenceToVideoRequest:
    """The request that the form makes. Raises InvalidInput."""
    given = dict(values)
    given |= {name: brief.number(given[name]) for name in ("seed", "fps")}
    videos, images = sorted_references(given.pop("files"), given.pop("urls"))
    return ReferenceToVideoRequest(**given, reference_video=tuple(videos), reference_image=tuple(images))


async def idle(_values: Values, card: Markup, _asker: Asker, *, back: bool) -> str:
    """The stage before a run."""
    _ = back  # there is no preview to come back from
    return cards.idle(f"{TAB}.webp", card)


def sorted_references(files: Sequence[Path] | None, urls: str | None) -> tuple[list[Media], list[Media]]:
    """Videos and pictures apart, each in the order given, files before addresses. What a file really is, its content says later."""
    given: list[Media] = [*(files or ())]
    given += [line.strip() for line in (urls or "").splitlines() if line.strip()]
    videos = [one for one in given if kind_of(one) == "video"]
    return videos, [one for one in given if kind_of(one) == "image"]


def _named(uploads: UploadFolder, files: list[Path] | None, urls: str) -> str:
    videos, images = sorted_references(files, urls)
    named = ([("video", one) for one in videos] + [("image", one) for one in images])[:_SHOWN]
    return cards.cast([(kind, *_shown(uploads, one)) for kind, one in named]) if named else _no_cast()


def _shown(uploads: UploadFolder, reference: Media) -> tuple[str, str]:
    """Where the page finds a reference, and its name. What has an address of its own is not loaded from there."""
    return (cards.file_address(uploads.name(reference)), reference.name) if isinstance(reference, Path) else ("", reference)


def _no_cast() -> str:
    return cards.hint("cast_empty", videos=_MODEL.max_videos, images=_MODEL.max_images, total=_MODEL.max_references)


async def _quote(studio: Studio, references: tuple[list[Media], list[Media]], asked: dict[str, Any], takes: int, asker: Asker) -> str:
    """The price line. Raises Overtaken."""
    videos, images = references
    count = min(len(videos) + len(images), max(INPUT_CAPS))  # with more it is refused later; until then the price of the most that are allowed
    lengths = [await _seconds(video, asker) for video in videos]
    quoted = await studio.quote(**asked, videos=lengths, references=count)
    return cards.price_line(quoted.price, quoted.usual, simulated=quoted.simulated, takes=takes)


async def _seconds(video: Media, asker: Asker) -> float | None:
    """How long a clip is; None where that is not known, and the price an upper bound."""
    if isinstance(video, str):
        return None
    try:
        return await media.apart(asker, media.clip_seconds, video)
    except (InvalidInput, NotKept, Crowded):
        return None


def _limits(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    model = MODELS[name]
    return gr.update(minimum=model.durations[0], maximum=model.durations[-1]), gr.update(visible=model.audio_flag)


def _form(uploads: UploadFolder) -> tuple[list[gr.Button], dict[str, Component], gr.HTML]:
    with gr.Row(elem_classes="wan-samples"):
        gr.HTML(cards.hint("samples"), **bare)
        samples = [brief.sample(key, uploads, picture) for key, _, _, picture in _SAMPLES]
    files = gr.File(
        label=label("references"),
        file_count="multiple",
        file_types=["image", "video"],
        height=148,
        elem_id=brief.identity(TAB, "reference_video"),
        elem_classes="wan-drop",
    )
    urls = brief.addresses(TAB, "urls", "references_url", lines=_MODEL.max_references)
    cast = gr.HTML(_no_cast(), elem_id=brief.identity(TAB, "cast"), **bare)
    fields: dict[str, Component] = {"files": files, "urls": urls, "prompt": brief.prompt(TAB)}
    fields["model"] = gr.Radio(_models(), value=_MODEL.name, label=label("model"), elem_id=brief.identity(TAB, "model"))
    with gr.Row(elem_classes="wan-pair"):
        fields["duration"] = brief.duration(TAB, _MODEL)
        fields["size"] = brief.size(TAB, _MODEL)
    with gr.Accordion(label("more"), open=False, elem_classes="wan-more"):
        fields |= brief.seed_and_fps(TAB)
        fields["audio"] = brief.flag(TAB, "audio", "sound", value=True, visible=_MODEL.audio_flag)
        fields |= brief.words_and_shots(TAB)
        fields["watermark"] = brief.flag(TAB, "watermark", "watermark", value=False)
    return samples, fields, cast


def _models() -> list[tuple[str, str]]:
    """The models with a word on the difference."""

    def named(model: Model) -> str:
        return str(label("model_flash" if model.audio_flag else "model_full"))

    return [(named(model), model.name) for model in MODELS.values() if model.makes == TAB]
