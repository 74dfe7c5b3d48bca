"""The normalised requests: what a person or a script asks for, independent of the service.

Wrong input raises InvalidInput, which names the field, what was given and what is allowed; nothing
has been opened or sent by then. Files are opened by `wan.media.inputs`.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    Strict,
    ValidationError,
    field_validator,
    model_validator,
)

from wan.domain import catalog
from wan.domain.catalog import MODELS, Model
from wan.domain.errors import InvalidInput
from wan.domain.framing import Framing
from wan.domain.plain_text import is_blank
from wan.domain.public_url import check_public_url
from wan.domain.quoting import quote_value
from wan.domain.validation import (
    WHOLE,
    OneOf,
    WholeNumber,
    allowed_texts,
    clean_text,
    explain_error,
    require_known,
)

Media = bytes | Path | str
"""The bytes of a file, its path, or a URL that the service fetches. A `str` is always a URL."""

ReferenceKind = Literal["video", "image"]

OWN_SHAPE = catalog.TIERS  # "sizes" that keep the picture's own shape

_PICTURE_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".heic", ".heif", ".hif", ".avif"}
)

# What people write between width and height.
_TIMES = re.compile(
    r"\s*[*xX\u0445\u0425\u00d7\u2715\u2716\u2a09\u2217\u204e\uff0a\uff38\uff58]\s*"
)
_NO_SEED = ("", "-1", "random", -1)
_LOWEST_FPS, _HIGHEST_FPS = catalog.FPS_RANGE

MOTION_WORDS = (  # words up to this strength
    (0.2, "The camera and the subject are almost still, with the faintest movement."),
    (0.4, "Slow, gentle movement."),
    (0.6, "Natural, moderate movement."),
    (0.8, "Lively, energetic movement."),
    (1.0, "Very strong, fast and dynamic movement."),
)


def _model_names(makes: str) -> tuple[str, ...]:
    """Return the models that make a video from this kind of input."""
    return tuple(model.name for model in MODELS.values() if model.makes == makes)


def _duration_limits(makes: str) -> dict[str, Any]:
    """Return the limits of the duration, which are the same for all these models."""
    [durations] = {model.durations for model in MODELS.values() if model.makes == makes}
    return {"ge": durations[0], "le": durations[-1]}


class _Request(BaseModel):
    """The fields of both kinds of request."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    model: str
    prompt: str = Field(max_length=catalog.PROMPT_LIMIT)
    negative_prompt: str = Field(default="", max_length=catalog.NEGATIVE_PROMPT_LIMIT)
    duration: WholeNumber = 5
    """Seconds of video."""
    size: Annotated[str, OneOf(tuple(catalog.SIZES))] = "1280*720"
    """`W*H` in px."""
    fps: Annotated[int, Strict(), Field(ge=_LOWEST_FPS, le=_HIGHEST_FPS), WHOLE] | None = None
    """Frames per second; None keeps the service's own."""
    seed: Annotated[int, Strict(), Field(ge=0, le=catalog.SEED_LIMIT), WHOLE] | None = None
    """None lets one be drawn."""
    audio: bool = True
    """Whether there is sound, for a model where it can be switched off."""
    watermark: bool = False
    shot_type: Literal["single", "multi"] = "single"

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Turn pydantic's complaints into InvalidInput."""
        if isinstance(given, Mapping):
            require_known(given, cls.model_fields)
        try:
            return handler(given)
        except ValidationError as error:
            asked = str(given.get("model")) if isinstance(given, Mapping) else ""
            model = asked if asked in MODELS else cls.model_fields["model"].default
            raise explain_error(error, cls, model) from None

    @field_validator("prompt", mode="before")
    @classmethod
    def _clean_prompt(cls, prompt: Any) -> str:
        text = clean_text("prompt", prompt, catalog.PROMPT_LIMIT)
        if is_blank(text):
            raise InvalidInput("prompt", "prompt_missing", high=catalog.PROMPT_LIMIT)
        return text

    @field_validator("negative_prompt", mode="before")
    @classmethod
    def _clean_negative_prompt(cls, prompt: Any) -> str:
        text = clean_text(
            "negative_prompt", "" if prompt is None else prompt, catalog.NEGATIVE_PROMPT_LIMIT
        )
        return "" if is_blank(text) else text

    @field_validator("size", mode="before")
    @classmethod
    def _normalise_size(cls, size: Any) -> Any:
        """Write 1280x720 and 720p as 1280*720 and 720P."""
        usual = _TIMES.sub("*", size.strip()).upper() if isinstance(size, str) else size
        return usual if usual in allowed_texts(cls.model_fields["size"]) else size

    @field_validator("seed", mode="before")
    @classmethod
    def _drop_absent_seed(cls, seed: Any) -> Any:
        """Take -1 and "random" for no seed, as most tools of this kind do."""
        given = seed.strip().lower() if isinstance(seed, str) else seed
        return None if given in _NO_SEED and not isinstance(given, bool) else seed

    @classmethod
    def makes(cls) -> Literal["image", "reference"]:
        """Return what this request makes a video from, which decides the models it may name."""
        raise TypeError("ask one of the two kinds")

    @property
    def catalog_model(self) -> Model:
        """The model's entry in the catalog."""
        return MODELS[self.model]

    @property
    def sent_prompt(self) -> str:
        """The prompt as sent."""
        return self.prompt

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON, without its references, which are kept elsewhere."""
        return self.model_dump(
            mode="json", exclude={"reference_image", "reference_video", "reference_audio"}
        )


class ImageToVideoRequest(Framing, _Request):
    """A request to turn one picture and a prompt into a video."""

    model: Annotated[str, OneOf(_model_names("image"))] = catalog.IMAGE_TO_VIDEO
    prompt: str = Field(default="", max_length=catalog.PROMPT_LIMIT)
    """What happens; without it the service goes by the picture alone."""
    duration: WholeNumber = Field(5, **_duration_limits("image"))
    size: Annotated[str, OneOf((*catalog.SIZES, *OWN_SHAPE))] = "1280*720"
    """`W*H` in px, or a tier, which keeps the picture's own shape."""
    reference_image: Media = Field(default=b"", repr=False, validate_default=True)
    motion_strength: Annotated[float, Strict(), Field(ge=0, le=1)] | None = None
    """0 to 1, sent as words in the prompt."""
    prompt_extend: bool = True
    audio_url: str = ""
    """Public URL of the sound for the video, fetched by the service."""
    reference_audio: bytes | Path | None = Field(default=None, repr=False)
    """The sound as a file, WAV or MP3; a URL given here becomes `audio_url`."""

    @classmethod
    def makes(cls) -> Literal["image", "reference"]:
        """Return "image"."""
        return "image"

    @field_validator("prompt", mode="before")
    @classmethod
    def _clean_prompt(cls, prompt: Any) -> str:
        text = clean_text("prompt", "" if prompt is None else prompt, catalog.PROMPT_LIMIT)
        return "" if is_blank(text) else text

    @field_validator("reference_image", mode="before")
    @classmethod
    def _check_image(cls, media: Any) -> Media:
        if media is None or (isinstance(media, bytes | str) and not media):
            raise InvalidInput("reference_image", "image_missing")
        return _check_media("reference_image", media)

    @field_validator("reference_audio", mode="before")
    @classmethod
    def _check_sound(cls, media: Any) -> Media | None:
        return None if media in (None, "", b"") else _check_media("reference_audio", media)

    @field_validator("audio_url", mode="before")
    @classmethod
    def _check_audio_url(cls, url: Any) -> str:
        return "" if url in (None, "") else check_public_url("audio_url", url)

    @model_validator(mode="before")
    @classmethod
    def _merge_sounds(cls, given: Any) -> Any:
        """Move a URL in `reference_audio` to `audio_url`; refuse two different sounds."""
        if not isinstance(given, Mapping) or given.get("reference_audio") in (None, "", b""):
            return given
        sound, url = (
            _check_media("reference_audio", given["reference_audio"]),
            given.get("audio_url"),
        )
        if url not in (None, "", sound):
            raise InvalidInput(
                "reference_audio",
                "sound_twice",
                given=quote_value(sound) if isinstance(sound, str) else "a file",
            )
        rest = {name: value for name, value in given.items() if name != "reference_audio"}
        return (
            {**rest, "audio_url": sound}
            if isinstance(sound, str)
            else {**rest, "reference_audio": sound}
        )

    @model_validator(mode="after")
    def _check_crop(self) -> Self:
        self.check_framing(self.size, linked=isinstance(self.reference_image, str))
        return self

    @model_validator(mode="after")
    def _check_motion_fits(self) -> Self:
        if (length := len(self.sent_prompt)) > catalog.PROMPT_LIMIT:
            raise InvalidInput(
                "prompt", "prompt_long_with_motion", given=length, high=catalog.PROMPT_LIMIT
            )
        return self

    @property
    def motion_words(self) -> str:
        """`motion_strength` in words; "" where it was not set."""
        if self.motion_strength is None:
            return ""
        return next(words for limit, words in MOTION_WORDS if self.motion_strength <= limit)

    @property
    def sent_prompt(self) -> str:
        """The prompt with the words for the motion."""
        return (
            f"{self.prompt.rstrip()} {self.motion_words}".lstrip()
            if self.motion_words
            else self.prompt
        )

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON; of its framing only what is not as usual."""
        return self.drop_usual(super().to_json())


class ReferenceToVideoRequest(_Request):
    """A request for a video with the people and things of up to five references.

    character1 is the first in `reference_order`, or else of the videos, which come before the
    pictures.
    """

    model: Annotated[str, OneOf(_model_names("reference"))] = catalog.REFERENCE_TO_VIDEO
    duration: WholeNumber = Field(5, **_duration_limits("reference"))
    reference_video: tuple[Media, ...] = Field(default=(), repr=False)
    reference_image: tuple[Media, ...] = Field(default=(), repr=False)
    reference_order: tuple[ReferenceKind, ...] = ()
    """Whether each character in turn is the next video or picture; empty for videos first."""

    @classmethod
    def makes(cls) -> Literal["image", "reference"]:
        """Return "reference"."""
        return "reference"

    @field_validator("reference_video", "reference_image", mode="before")
    @classmethod
    def _make_tuple(cls, media: Any, info: Any) -> tuple[Media, ...]:
        field = str(info.field_name)
        several = media if isinstance(media, list | tuple) else [] if media is None else [media]
        return tuple(_check_media(field, one) for one in several)

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
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
    def _check_order(self) -> Self:
        if self.reference_order and sorted(self.reference_order) != sorted(self._videos_first):
            allowed = (
                f"each of {len(self.reference_video)} videos and "
                f"{len(self.reference_image)} images once"
            )
            raise InvalidInput(
                "reference_order",
                "field_type",
                given=quote_value(", ".join(self.reference_order)),
                allowed=allowed,
            )
        return self

    @property
    def in_order(self) -> list[tuple[ReferenceKind, Media]]:
        """The references with their kinds, in the order of the characters."""
        videos, images = iter(self.reference_video), iter(self.reference_image)
        return [
            (kind, next(videos if kind == "video" else images))
            for kind in self.reference_order or self._videos_first
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the request as JSON; the order only where it is not the usual one.

        So a request with the usual order is the same whether or not that was named.
        """
        usual = self.reference_order in ((), self._videos_first)
        return {
            name: value
            for name, value in super().to_json().items()
            if name != "reference_order" or not usual
        }

    @property
    def _videos_first(self) -> tuple[ReferenceKind, ...]:
        videos: list[ReferenceKind] = ["video" for _ in self.reference_video]
        images: list[ReferenceKind] = ["image" for _ in self.reference_image]
        return (*videos, *images)


Request = ImageToVideoRequest | ReferenceToVideoRequest


def arrange_references(
    references: Sequence[tuple[ReferenceKind, Media]],
) -> dict[str, tuple[Any, ...]]:
    """Return the fields of a request for references in this order."""
    apart = {
        f"reference_{kind}": tuple(one for of, one in references if of == kind)
        for kind in ("video", "image")
    }
    return apart | {"reference_order": tuple(kind for kind, _ in references)}


def guess_kind(address: str) -> Literal["image", "video"]:
    """Guess by its name what the file at a URL is.

    It is a video unless it ends like a picture, so that the price is never quoted too low.
    """
    try:
        name = urlsplit(address).path
    except ValueError:
        return "video"
    return "image" if Path(name).suffix.lower() in _PICTURE_ENDINGS else "video"


def _check_media(field: str, given: Any) -> Media:
    if isinstance(given, bytes | bytearray):
        return bytes(given)
    if not isinstance(given, Path | str):
        raise InvalidInput(
            field,
            "field_type",
            given=_describe_type(given),
            allowed="one file as its bytes or its path, or a link (https://…)",
        )
    return given if isinstance(given, Path) else check_public_url(field, given)


def _describe_type(given: Any) -> str:
    """Describe the type of a value that is too long to show."""
    return f"a list of {len(given)}" if isinstance(given, list | tuple) else type(given).__name__
