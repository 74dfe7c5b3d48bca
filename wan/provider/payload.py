"""A normalised request in the service's format, and a message for each adjustment. Pure.

Sources: Model Studio help centre, image-to-video API reference (2026-02-10) and reference-to-video
API reference (2026-02-11). Every flag of a model is sent explicitly: the service's own defaults are
the dear ones (1080P, sound).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wan.domain import catalog
from wan.domain.messages import Message
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest, Request

_SLOT = "reference:{}"  # in place of the n-th reference's URL until that is known
_SINGLE = ("img_url", "audio_url")  # fields that hold one reference each


@dataclass(frozen=True)
class Payload:
    """The body of the create request, with slots for missing URLs, and the adjustments."""

    body: dict[str, Any]
    adjustments: list[Message]


def build(request: Request, *, seed: int, urls: Sequence[str]) -> Payload:
    """Build the payload of a request.

    seed: asked for or drawn. urls: one for each reference in order, "" for one that is uploaded
    first.
    """
    slots = [url or _SLOT.format(number) for number, url in enumerate(urls)]
    if isinstance(request, ImageToVideoRequest):
        return _image_to_video(request, seed, *slots)
    return _reference_to_video(request, seed, slots)


def fill_slots(body: dict[str, Any], urls: Sequence[str]) -> dict[str, Any]:
    """Return the body with the references' URLs in their slots."""
    slots = {_SLOT.format(number): url for number, url in enumerate(urls)}
    given = dict(body["input"])
    for name in _SINGLE:
        if name in given:
            given[name] = slots.get(given[name], given[name])
    if "reference_urls" in given:
        given["reference_urls"] = [slots.get(url, url) for url in given["reference_urls"]]
    return {**body, "input": given}


def has_slot(body: dict[str, Any], number: int) -> bool:
    """Tell whether the n-th reference, from 0, is sent; a sound is not if the video is silent."""
    given = body["input"]
    return _SLOT.format(number) in (
        *(given.get(name) for name in _SINGLE),
        *given.get("reference_urls", ()),
    )


def _image_to_video(request: ImageToVideoRequest, seed: int, url: str, sound: str = "") -> Payload:
    """Build an image-to-video payload. sound: the slot of a sound that is given as a file."""
    tier = catalog.tier_of(request.size)
    several = request.shot_type == "multi"
    adjustments: list[Message] = []
    if request.size != tier:
        size = request.size.replace("*", "×")
        adjustments.append(Message.of("size_as_tier", size=size, tier=tier))
    if request.motion_strength is not None:
        adjustments.append(
            Message.of("motion_worded", given=request.motion_strength, words=request.motion_words)
        )
    if several and not request.prompt_extend:
        adjustments.append(Message.of("shot_needs_extend"))
    sound = sound or request.audio_url
    if sound and not request.audio:
        adjustments.append(Message.of("audio_silent"))
    given = _texts(request) | {"img_url": url}
    if sound and request.audio:
        given["audio_url"] = sound
    parameters = {"resolution": tier, "prompt_extend": request.prompt_extend or several} | _flags(
        request, seed
    )
    return Payload({"model": request.model, "input": given, "parameters": parameters}, adjustments)


def _reference_to_video(request: ReferenceToVideoRequest, seed: int, urls: list[str]) -> Payload:
    parameters = {"size": request.size} | _flags(request, seed)
    return Payload(
        {
            "model": request.model,
            "input": _texts(request) | {"reference_urls": urls},
            "parameters": parameters,
        },
        [],
    )


def _texts(request: Request) -> dict[str, Any]:
    texts = {"prompt": request.sent_prompt, "negative_prompt": request.negative_prompt}
    return {name: text for name, text in texts.items() if text}


def _flags(request: Request, seed: int) -> dict[str, Any]:
    flags: dict[str, Any] = {
        "duration": request.duration,
        "shot_type": request.shot_type,
        "watermark": request.watermark,
        "seed": seed,
    }
    return flags | {"audio": request.audio} if request.catalog_model.audio_flag else flags
