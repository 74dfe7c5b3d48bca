"""The settings of a video in the metadata of its MP4: written, and read from any MP4. No I/O.

They hold what is needed to make the video again: the request, the seed and the SHA-256 of each
reference. Never a key, an owner, an account or a file name; no query of a URL, since it may hold a
signature. What is read is untrusted and checked like a request.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from wan.domain import catalog
from wan.domain.catalog import MODELS
from wan.domain.errors import InvalidInput
from wan.domain.fields import BY_NAME
from wan.domain.jobs import Job, Reference
from wan.domain.public_url import check_public_url
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest

PRODUCT: Literal["Wan Studio"] = "Wan Studio"
FORMAT: Literal[1] = 1  # raised when older readers would misread the new format
SHOTS = range(2, 21)  # of a joined film
LIMIT = 600_000  # bytes read of a tag; twenty shots with the longest prompts and URLs are less
TAG = "comment"  # which holds the settings; every player shows it
TAGS = ("title", "description", TAG)  # all that are added to a video's own

_REFERENCES = max(model.max_references for model in MODELS.values())


def settings_of(job: Job) -> dict[str, Any]:
    """Return the settings of a job as embedded in its video."""
    return _describe_film(shots_of(job)) if job.is_film else _describe_shot(job)


def shots_of(job: Job) -> list[dict[str, Any]]:
    """Return the settings of each shot of a job's video: one, or those of a film."""
    return list(job.payload["shots"]) if job.is_film else [_describe_shot(job)]


def _describe_film(shots: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"product": PRODUCT, "format": FORMAT, "shots": list(shots)}


def _describe_shot(job: Job) -> dict[str, Any]:
    return {
        "product": PRODUCT,
        "format": FORMAT,
        "job": job.id,
        "model": job.model,
        "request": {
            name: strip_query(value) if name in BY_NAME and BY_NAME[name].is_url else value
            for name, value in job.request.items()
        },
        "seed": job.seed,
        "references": [_describe(reference) for reference in job.references],
        "simulated": job.simulated,
    }


def tags(shots: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the tags of an MP4 that shows shots with these settings in this order."""
    if len(shots) > 1:
        return {
            "title": f"{PRODUCT}: {len(shots)} shots",
            TAG: _json(_describe_film(shots)),
        }
    shot = shots[0]
    return {
        "title": f"{PRODUCT}: {shot['model']}, seed {shot['seed']}",
        "description": shot["request"]["prompt"],
        TAG: _json(shot),
    }


def read(tag: bytes) -> dict[str, Any] | None:
    """Return the settings in a tag, None where they are not ours or not in our format.

    They are as `settings_of` gives them, or `{"product", "format", "shots": [settings, …]}` for a
    joined film, and have passed the checks of a request.
    """
    try:
        return _EITHER.validate_json(tag).model_dump(mode="json")
    except (ValidationError, InvalidInput):
        return None


def strip_query(url: str) -> str:
    """Return a URL without its query and fragment, which may hold a signature."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _describe(reference: Reference) -> dict[str, str]:
    return {"kind": reference.kind, "sha256": reference.sha256, "url": strip_query(reference.url)}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Source(BaseModel):
    """A reference of a shot, as read."""

    model_config = ConfigDict(strict=True)

    kind: Literal["image", "video", "audio"]
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    url: str = ""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        return check_public_url("url", url) if url else ""


class _Shot(BaseModel):
    """A shot, as read."""

    model_config = ConfigDict(strict=True)

    product: Literal["Wan Studio"]
    format: Literal[1]
    job: Annotated[str, StringConstraints(pattern=r"^[\w-]{0,64}$")] = ""
    model: str
    request: dict[str, Any]
    seed: Annotated[int, Field(ge=0, le=catalog.SEED_LIMIT)]
    references: Annotated[list[_Source], Field(max_length=_REFERENCES)] = []
    simulated: bool = False

    @model_validator(mode="after")
    def _check_request(self) -> "_Shot":
        """Check and complete the request; fields of a later version are dropped."""
        kind = (
            ReferenceToVideoRequest
            if self.model in MODELS and MODELS[self.model].makes == "reference"
            else ImageToVideoRequest
        )
        known = {
            name: value
            for name, value in self.request.items()
            if name in kind.model_fields and not name.startswith("reference_")
        }
        self.request = kind(**{**known, "model": self.model, "reference_image": b"."}).to_json()
        return self


class _Film(BaseModel):
    """A film of several shots, as read."""

    model_config = ConfigDict(strict=True)

    product: Literal["Wan Studio"]
    format: Literal[1]
    shots: Annotated[list[_Shot], Field(min_length=1, max_length=SHOTS[-1])]


_EITHER: TypeAdapter[_Shot | _Film] = TypeAdapter(_Shot | _Film)
