"""What each model takes, and how a request body becomes an Order.

Figures: Model Studio help centre, image-to-video API reference 2026-02-10 and reference-to-video
API reference 2026-02-11. As with the service, part of the checking happens here, at submit, and
part in the task: an unlisted `size` and unreadable media are accepted and fail later.
"""

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from .errors import Refusal

PROMPT_LIMIT = 1500  # characters; more is cut without a word
NEGATIVE_PROMPT_LIMIT = 500  # characters; the same
SEED_LIMIT = 2**31 - 1
SOUND_ENDINGS = (".wav", ".mp3")
SOUND_TYPES = "File type is not supported. Allowed types are: .wav, .mp3."
REFERENCE_LIMIT = 5  # images and videos together
TIER_PIXELS = {"720P": 1280 * 720, "1080P": 1920 * 1080}
# px; image to video rounds its sides down to multiples of this. The help centre says 16 (750x1000
# at 720P becomes 816x1104), but three clips of June 2026 say 2: 1024x768 at 720P became 1108x830
# (github.com/wangsheng1991/content-engine, research/wan-i2v, measured 2026-09-22).
SIDE_STEP = 2
SIZES = {  # `W*H` in px, and the tier that is billed
    **dict.fromkeys(("1280*720", "720*1280", "960*960", "1088*832", "832*1088"), "720P"),
    **dict.fromkeys(("1920*1080", "1080*1920", "1440*1440", "1632*1248", "1248*1632"), "1080P"),
}


@dataclass(frozen=True)
class Model:
    """One row of the documentation."""

    seconds: range
    """Whole seconds that a video may last."""
    silent: bool
    """Whether `audio: false` is understood; a model without the flag always makes sound."""
    from_image: bool
    """True: `img_url` and `resolution`. False: `reference_urls` and `size`."""


MODELS = {
    "wan2.6-i2v-flash": Model(seconds=range(2, 16), silent=True, from_image=True),
    "wan2.6-r2v-flash": Model(seconds=range(2, 11), silent=True, from_image=False),
    "wan2.6-r2v": Model(seconds=range(2, 11), silent=False, from_image=False),
}


class Reference(BaseModel):
    """A picture or clip to work from: `url` as given (inline data is named by its hash),
    `object_name` the stored file, empty for a web address.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    object_name: str = ""


class Order(BaseModel):
    """A request that was accepted, with every default filled in."""

    model_config = ConfigDict(frozen=True)

    model: str
    prompt: str
    negative_prompt: str
    references: tuple[Reference, ...]
    size: str
    """`W*H` in pixels for reference to video, not yet checked; empty for image to video, whose
    frame follows the image.
    """
    tier: str
    """`720P` or `1080P`; empty when `size` is none of the listed ones."""
    seconds: int
    audio: bool
    watermark: bool
    multi_shot: bool
    seed: int
    sound: Reference | None = None
    """What is laid under the video; None without a file, and where there is no sound at all."""

    @property
    def from_image(self) -> bool:
        """Whether this is image to video."""
        return MODELS[self.model].from_image


Find = Callable[[str], Reference]


def find_model(name: object) -> Model:
    """The row of a model name. Raises Refusal: BadRequest.EmptyModel without one, ModelNotFound for
    a name that is not served here.
    """
    if not name or not isinstance(name, str):
        raise Refusal("BadRequest.EmptyModel")
    if name not in MODELS:
        raise Refusal("ModelNotFound", f"The model {name} does not exist.")
    return MODELS[name]


def read_order(body: dict[str, Any], find: Find) -> Order:
    """Check a create request and fill in its defaults.

    `find` turns one URL into a Reference and raises Refusal for what it does not accept. Fields
    that are not documented are ignored: the 1.x SDK sends `input.extend_prompt` and
    `input.function` with every request. Raises Refusal.
    """
    model = find_model(body.get("model"))
    given, parameters = _block(body, "input"), _block(body, "parameters")
    if not given:
        raise Refusal("BadRequest.EmptyInput")
    urls = _image_url(given) if model.from_image else _reference_urls(given)
    prompt = _text(given, "prompt", required=not model.from_image)
    size = "" if model.from_image else _choice_later(parameters, "size", "1920*1080")
    audio = _flag(parameters, "audio", default=True) or not model.silent
    sound = _text(given, "audio_url") if model.from_image and audio else ""
    return Order(
        model=body["model"],
        prompt=prompt[:PROMPT_LIMIT],
        negative_prompt=_text(given, "negative_prompt")[:NEGATIVE_PROMPT_LIMIT],
        size=size,
        tier=_choice(parameters, "resolution", "1080P", tuple(TIER_PIXELS))
        if model.from_image
        else SIZES.get(size, ""),
        seconds=_whole(parameters, "duration", 5, model.seconds),
        audio=audio,
        watermark=_flag(parameters, "watermark", default=False),
        multi_shot=_choice(parameters, "shot_type", "single", ("single", "multi")) == "multi",
        seed=_whole(parameters, "seed", random.randrange(SEED_LIMIT), range(SEED_LIMIT + 1)),  # noqa: S311 - nobody must not guess it
        references=tuple(find(url) for url in urls),
        sound=find(_of_sound(sound)) if sound else None,
    )


def abridge(body: dict[str, Any]) -> dict[str, Any]:
    """The body for the record: the same, with inline data replaced by its length and hash."""
    return {key: _abridge(value) for key, value in body.items()}


def _abridge(value: Any) -> Any:
    if isinstance(value, dict):
        return abridge(value)
    if isinstance(value, str) and value.startswith("data:"):
        head = value.partition(",")[0]
        return (
            f"{head},({len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()})"
        )
    return value


def frame_size(order: Order, width: int, height: int) -> tuple[int, int]:
    """The frame in pixels for an image of that shape: the tier's pixel count in the image's own
    aspect, floored to even numbers.

    Reference to video has its exact size instead.
    """
    if not order.from_image:
        across, down = order.size.split("*")
        return int(across), int(down)
    pixels = TIER_PIXELS[order.tier]
    return _round_down(math.isqrt(pixels * width // height)), _round_down(
        math.isqrt(pixels * height // width)
    )


def _round_down(side: int) -> int:
    return max(SIDE_STEP, side // SIDE_STEP * SIDE_STEP)


def _block(body: dict[str, Any], name: str) -> dict[str, Any]:
    block = body.get(name) or {}
    if not isinstance(block, dict):
        raise Refusal("InvalidParameter", f"Input should be a valid dictionary: {name}")
    return block


def _image_url(given: dict[str, Any]) -> list[str]:
    return [_text(given, "img_url", required=True)]


def _reference_urls(given: dict[str, Any]) -> list[str]:
    urls = given.get("reference_urls") or given.get(
        "reference_video_urls"
    )  # the second is the deprecated name
    if not urls:
        raise Refusal("InvalidParameter", "Field required: input.reference_urls")
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise Refusal(
            "InvalidParameter", "Input should be a valid list of strings: input.reference_urls"
        )
    if len(urls) > REFERENCE_LIMIT:
        raise Refusal(
            "InvalidParameter",
            f"The number of input.reference_urls must not exceed {REFERENCE_LIMIT}",
        )
    if any(url.startswith("data:") for url in urls):
        raise Refusal("InvalidURL")
    return urls


def _of_sound(url: str) -> str:
    """The address of a sound, if it is one by its ending: what is at a web address is not looked at
    here.
    """
    path = url.partition("?")[0].partition("#")[0].lower()
    if not path.startswith(("http://", "https://", "oss://")) or not path.endswith(SOUND_ENDINGS):
        raise Refusal("InvalidURL", SOUND_TYPES)
    return url


def _text(given: dict[str, Any], name: str, *, required: bool = False) -> str:
    value = given.get(name)
    if required and not value:
        raise Refusal("InvalidParameter", f"Field required: input.{name}")
    if value is not None and not isinstance(value, str):
        raise Refusal("InvalidParameter", f"Input should be a valid string: input.{name}")
    return value or ""


def _whole(parameters: dict[str, Any], name: str, default: int, allowed: range) -> int:
    value = parameters.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise Refusal(
            "InvalidParameter", f"{name} must be an integer in [{allowed[0]}, {allowed[-1]}]"
        )
    return value


def _flag(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise Refusal("InvalidParameter", f"Input should be a valid boolean: parameters.{name}")
    return value


def _choice(parameters: dict[str, Any], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = _choice_later(parameters, name, default)
    if value not in allowed:
        raise Refusal("InvalidParameter", f"{name} must be one of {', '.join(allowed)}")
    return value


def _choice_later(parameters: dict[str, Any], name: str, default: str) -> str:
    value = parameters.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal("InvalidParameter", f"Input should be a valid string: parameters.{name}")
    return value or default
