"""The normalised requests: what a person or a script asks for, before any of it is put into the
service's words.

Whatever is wrong raises InvalidInput, which names the field, what was given and what is allowed;
nothing has been opened or sent by then. Files are opened by `wan.media.inputs`.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from wan.domain import catalog
from wan.domain.catalog import MODELS, Model
from wan.domain.errors import InvalidInput
from wan.domain.plain_text import clean, clean_line, control_in, is_blank
from wan.domain.public_url import public_url
from wan.domain.quoting import shown, typed

Media = bytes | Path | str
"""The bytes of a file, its path, or an http(s) URL that the service fetches itself. A `str` is only
ever a URL: whoever has a path says Path.
"""

ReferenceKind = Literal["video", "image"]

OWN_SHAPE = tuple(
    catalog.TIER_PIXELS
)  # sizes of image to video that keep the picture's own shape: "720P", "1080P"

_PICTURE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".heic", ".heif", ".hif", ".avif"}
)

_TIMES = re.compile(
    r"\s*[*xX\u00d7\u2715\u2716\u2a09\u2217\u204e\uff0a\uff38\uff58]\s*"
)  # what people write between width and height
_NO_SEED = frozenset({"", "-1", "random"})

_MOTION_WORDS = (  # up to this strength, these words
    (0.2, "The camera and the subject are almost still, with the faintest movement."),
    (0.4, "Slow, gentle movement."),
    (0.6, "Natural, moderate movement."),
    (0.8, "Lively, energetic movement."),
    (1.0, "Very strong, fast and dynamic movement."),
)


class _Request(BaseModel):
    """What both kinds of request share."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    model: str
    prompt: str
    negative_prompt: str = ""
    duration: int = 5
    """Seconds of video."""
    size: str = "1280*720"
    """`W*H` in px."""
    fps: int | None = None
    """Frames per second; None keeps the service's own."""
    seed: int | None = None
    audio: bool = True
    """Whether there is sound, for a model that can leave it out."""
    watermark: bool = False
    shot_type: Literal["single", "multi"] = "single"

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Puts pydantic's own complaints (unknown field, wrong type, nothing
        given) into our words.
        """
        if isinstance(given, Mapping):
            _refuse_unknown(given, list(cls.model_fields))
        try:
            return handler(given)
        except ValidationError as error:
            raise _in_our_words(error) from None

    @field_validator("model", mode="before")
    @classmethod
    def _known_model(cls, name: Any) -> str:
        return _one_of(
            "model",
            name,
            [model.name for model in MODELS.values() if model.makes == cls.makes()],
            key="model_unknown",
        )

    @field_validator("prompt", mode="before")
    @classmethod
    def _short_prompt(cls, prompt: Any) -> str:
        text = written("prompt", prompt, catalog.PROMPT_LIMIT)
        if is_blank(text):
            raise InvalidInput("prompt", "prompt_missing", high=catalog.PROMPT_LIMIT)
        return text

    @field_validator("negative_prompt", mode="before")
    @classmethod
    def _short_negative_prompt(cls, prompt: Any) -> str:
        return written(
            "negative_prompt", "" if prompt is None else prompt, catalog.NEGATIVE_PROMPT_LIMIT
        )

    @field_validator("size", mode="before")
    @classmethod
    def _known_size(cls, size: Any) -> str:
        usual = (
            _TIMES.sub("*", size.strip()).upper() if isinstance(size, str) else size
        )  # 1280x720, 720p
        return _one_of(
            "size", usual if usual in cls.sizes() else size, cls.sizes(), key="size_unknown"
        )

    @field_validator("seed", mode="before")
    @classmethod
    def _seed_in_range(cls, seed: Any) -> int | None:
        if seed is None or (isinstance(seed, str) and seed.strip().lower() in _NO_SEED):
            return None
        number = _whole(seed)
        if number == -1:  # as most tools of this kind say it
            return None
        if number is None or not 0 <= number <= catalog.SEED_LIMIT:
            raise InvalidInput("seed", "seed_range", given=typed(seed), high=catalog.SEED_LIMIT)
        return number

    @field_validator("fps", mode="before")
    @classmethod
    def _fps_in_range(cls, fps: Any) -> int | None:
        if fps is None:
            return None
        low, high = catalog.FPS_RANGE
        number = _whole(fps)
        if number is None or not low <= number <= high:
            raise InvalidInput("fps", "fps_range", given=typed(fps), low=low, high=high)
        return number

    @field_validator("shot_type", mode="before")
    @classmethod
    def _known_shot(cls, shot: Any) -> str:
        return _one_of("shot_type", shot, ["single", "multi"])

    @field_validator("duration", mode="before")
    @classmethod
    def _whole_seconds(cls, duration: Any) -> Any:
        number = _whole(duration)
        return duration if number is None else number

    @model_validator(mode="before")
    @classmethod
    def _duration_in_range(cls, given: Any) -> Any:
        """Checks duration beside the model, whose range it is."""
        if not isinstance(given, Mapping) or "duration" not in given:
            return given
        model = MODELS.get(str(given.get("model", cls.model_fields["model"].default)))
        number = _whole(given["duration"])
        if model is not None and number not in model.durations:
            low, high = model.durations[0], model.durations[-1]
            raise InvalidInput(
                "duration",
                "duration_range",
                given=typed(given["duration"]),
                model=model.name,
                low=low,
                high=high,
            )
        return given

    @classmethod
    def makes(cls) -> Literal["image", "reference"]:
        """What this request makes a video from; says which models it may name."""
        raise TypeError("ask one of the two kinds")

    @classmethod
    def sizes(cls) -> list[str]:
        """The sizes that may be asked for."""
        return list(catalog.SIZES)

    @property
    def catalog_model(self) -> Model:
        """The model's line of the catalog."""
        return MODELS[self.model]

    @property
    def sent_prompt(self) -> str:
        """The prompt as it is sent."""
        return self.prompt

    def asked(self) -> dict[str, Any]:
        """The request as JSON, without the references: their bytes have no place in a row."""
        return self.model_dump(
            mode="json", exclude={"reference_image", "reference_video", "reference_audio"}
        )


class ImageToVideoRequest(_Request):
    """One picture and a prompt become a clip."""

    model: str = catalog.IMAGE_TO_VIDEO
    prompt: str = ""
    """What happens; without it the service goes by the picture alone."""
    reference_image: Media = Field(default=b"", repr=False, validate_default=True)
    fit: Literal["crop", "pad"] = "crop"
    """How the picture gets the shape of `size`."""
    motion_strength: float | None = None
    """0 to 1, put into words in the prompt that is sent."""
    prompt_extend: bool = True
    audio_url: str = ""
    """Of the sound that is laid under the video; public, and fetched by the service."""
    reference_audio: bytes | Path | None = Field(default=None, repr=False)
    """The same as a file, WAV or MP3; an address that is given here is an `audio_url`."""

    @classmethod
    def makes(cls) -> Literal["image", "reference"]:
        """A picture."""
        return "image"

    @classmethod
    def sizes(cls) -> list[str]:
        """The ten sizes, and the two tiers that keep the picture's own shape."""
        return [*catalog.SIZES, *OWN_SHAPE]

    @field_validator("prompt", mode="before")
    @classmethod
    def _short_prompt(cls, prompt: Any) -> str:
        text = written("prompt", "" if prompt is None else prompt, catalog.PROMPT_LIMIT)
        return "" if is_blank(text) else text

    @field_validator("reference_image", mode="before")
    @classmethod
    def _one_image(cls, media: Any) -> Media:
        if media is None or (isinstance(media, bytes | str) and not media):
            raise InvalidInput("reference_image", "image_missing")
        return _media("reference_image", media)

    @field_validator("fit", mode="before")
    @classmethod
    def _known_fit(cls, fit: Any) -> str:
        return _one_of("fit", fit, ["crop", "pad"])

    @field_validator("motion_strength", mode="before")
    @classmethod
    def _motion_in_range(cls, strength: Any) -> float | None:
        if strength is None:
            return None
        if (
            isinstance(strength, bool)
            or not isinstance(strength, int | float)
            or not 0 <= strength <= 1
        ):
            raise InvalidInput("motion_strength", "motion_range", given=typed(strength))
        return float(strength)

    @field_validator("reference_audio", mode="before")
    @classmethod
    def _no_sound(cls, media: Any) -> Media | None:
        return None if media in (None, "", b"") else _media("reference_audio", media)

    @field_validator("audio_url", mode="before")
    @classmethod
    def _public_audio(cls, url: Any) -> str:
        return "" if url in (None, "") else public_url("audio_url", url)

    @model_validator(mode="before")
    @classmethod
    def _one_sound(cls, given: Any) -> Any:
        """An address of a sound is one request, wherever it stands; a second sound beside it is
        none.
        """
        if not isinstance(given, Mapping) or given.get("reference_audio") in (None, "", b""):
            return given
        sound, url = _media("reference_audio", given["reference_audio"]), given.get("audio_url")
        if url not in (None, "", sound):
            raise InvalidInput(
                "reference_audio",
                "sound_twice",
                given=shown(sound) if isinstance(sound, str) else "a file",
            )
        rest = {name: value for name, value in given.items() if name != "reference_audio"}
        return (
            {**rest, "audio_url": sound}
            if isinstance(sound, str)
            else {**rest, "reference_audio": sound}
        )

    @model_validator(mode="after")
    def _room_for_motion(self) -> Self:
        if (length := len(self.sent_prompt)) > catalog.PROMPT_LIMIT:
            raise InvalidInput(
                "prompt", "prompt_long_with_motion", given=length, high=catalog.PROMPT_LIMIT
            )
        return self

    @property
    def motion_words(self) -> str:
        """motion_strength in words; "" where none was asked for."""
        if self.motion_strength is None:
            return ""
        return next(words for limit, words in _MOTION_WORDS if self.motion_strength <= limit)

    @property
    def sent_prompt(self) -> str:
        """The prompt with the words for the motion."""
        return (
            f"{self.prompt.rstrip()} {self.motion_words}".lstrip()
            if self.motion_words
            else self.prompt
        )


class ReferenceToVideoRequest(_Request):
    """The people and things of up to five references appear in a new clip.

    character1 is the first in `reference_order`, or else of the videos, which come before the
    pictures.
    """

    model: str = catalog.REFERENCE_TO_VIDEO
    reference_video: tuple[Media, ...] = Field(default=(), repr=False)
    reference_image: tuple[Media, ...] = Field(default=(), repr=False)
    reference_order: tuple[ReferenceKind, ...] = ()
    """For each character in turn, whether it is the next of the videos or of the pictures; empty
    where the videos come first.
    """

    @classmethod
    def makes(cls) -> Literal["image", "reference"]:
        """References."""
        return "reference"

    @field_validator("reference_video", "reference_image", mode="before")
    @classmethod
    def _a_list(cls, media: Any, info: Any) -> tuple[Media, ...]:
        field = str(info.field_name)
        several = media if isinstance(media, list | tuple) else [] if media is None else [media]
        return tuple(_media(field, one) for one in several)

    @model_validator(mode="after")
    def _not_too_many(self) -> Self:
        model, videos, images = (
            self.catalog_model,
            len(self.reference_video),
            len(self.reference_image),
        )
        if not videos + images:
            raise InvalidInput("reference_video", "references_missing", high=model.max_references)
        for field, given, high in (
            ("reference_video", videos, model.max_videos),
            ("reference_image", images, model.max_images),
            ("reference_video + reference_image", videos + images, model.max_references),
        ):
            if given > high:
                raise InvalidInput(field, "references_many", given=given, high=high)
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if self.reference_order and sorted(self.reference_order) != sorted(self._videos_first):
            allowed = (
                f"each of {len(self.reference_video)} videos and "
                f"{len(self.reference_image)} pictures once"
            )
            raise InvalidInput(
                "reference_order",
                "field_type",
                given=shown(", ".join(self.reference_order)),
                allowed=allowed,
            )
        return self

    @property
    def in_order(self) -> list[tuple[ReferenceKind, Media]]:
        """The references as the characters are numbered, each with what it is."""
        videos, images = iter(self.reference_video), iter(self.reference_image)
        return [
            (kind, next(videos if kind == "video" else images))
            for kind in self.reference_order or self._videos_first
        ]

    def asked(self) -> dict[str, Any]:
        """As of any request; the order only where it is not the usual one, so that it is the same
        request whether or not that was named.
        """
        usual = self.reference_order in ((), self._videos_first)
        return {
            name: value
            for name, value in super().asked().items()
            if name != "reference_order" or not usual
        }

    @property
    def _videos_first(self) -> tuple[ReferenceKind, ...]:
        videos: list[ReferenceKind] = ["video" for _ in self.reference_video]
        images: list[ReferenceKind] = ["image" for _ in self.reference_image]
        return (*videos, *images)


Request = ImageToVideoRequest | ReferenceToVideoRequest


def ordered(references: Sequence[tuple[ReferenceKind, Media]]) -> dict[str, tuple[Any, ...]]:
    """The fields of a request for references that are numbered in this order."""
    apart = {
        f"reference_{kind}": tuple(one for of, one in references if of == kind)
        for kind in ("video", "image")
    }
    return apart | {"reference_order": tuple(kind for kind, _ in references)}


def kind_of(address: str) -> Literal["image", "video"]:
    """What the file at an address is taken for by its name: a video unless it ends like a picture,
    so that the price is never quoted too low.
    """
    try:
        name = urlsplit(address).path
    except ValueError:
        return "video"
    return "image" if Path(name).suffix.lower() in _PICTURE_ENDINGS else "video"


def _media(field: str, given: Any) -> Media:
    if isinstance(given, bytes | bytearray):
        return bytes(given)
    if not isinstance(given, Path | str):
        raise InvalidInput(
            field,
            "field_type",
            given=_kind(given),
            allowed="one file as its bytes or its path, or an address (https://…)",
        )
    return given if isinstance(given, Path) else public_url(field, given)


_UNSEEN = 10  # times its limit that a text may have in characters that are then removed


def written(field: str, given: Any, high: int, *, line: bool = False) -> str:
    """A text of at most `high` characters, without those that nobody sees. Every text that people
    give comes through here.

    line: whether it is a single line, whose outer spaces go too. Raises InvalidInput, also for a
    control character: no words have one.
    """
    if not isinstance(given, str):
        raise InvalidInput(field, "field_type", given=shown(given), allowed="text")
    if len(given) > high * _UNSEEN:
        raise InvalidInput(field, "text_long", given=len(given), high=high)
    if odd := control_in(given):
        raise InvalidInput(field, "text_odd", given=odd[0], place=odd[1])
    text = clean_line(given) if line else clean(given)
    if len(text) > high:
        raise InvalidInput(field, "text_long", given=len(text), high=high)
    return text


def _one_of(field: str, given: Any, allowed: Sequence[str], *, key: str = "choice_unknown") -> str:
    if given not in allowed:
        raise InvalidInput(field, key, given=shown(given), allowed=", ".join(allowed))
    return str(given)


def _whole(given: Any) -> int | None:
    """A whole number, 5.0 among them; None for anything else."""
    if (
        isinstance(given, bool)
        or not isinstance(given, int | float)
        or given != given
        or given in (float("inf"), float("-inf"))
    ):
        return None
    return int(given) if given == int(given) else None


def _kind(given: Any) -> str:
    """What sort of thing was given, where the thing itself is too long to show."""
    return f"a list of {len(given)}" if isinstance(given, list | tuple) else type(given).__name__


def _refuse_unknown(given: Mapping[Any, Any], fields: list[str]) -> None:
    """Names the first field that there is none of, with the nearest known one."""
    for field in given:
        if field not in fields:
            near = difflib.get_close_matches(str(field), fields, n=1)
            raise InvalidInput(shown(field), "field_unknown", known=", ".join(near or fields))


def _in_our_words(error: ValidationError) -> InvalidInput:
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "request"
    if first["type"] == "missing":
        return InvalidInput(field, "field_missing")
    allowed = {"bool_parsing": "true or false", "bool_type": "true or false"}.get(
        first["type"], first["msg"]
    )
    return InvalidInput(field, "field_type", given=typed(first["input"]), allowed=allowed)
