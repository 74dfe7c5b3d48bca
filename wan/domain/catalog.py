"""Limits, features and prices of the models: one table, each figure with source and date.

Sources, pages of the Model Studio help centre:
  S1 image-to-video API reference, 2026-02-10        S2 "image to video, first frame", mid 2026
  S3 reference-to-video API reference, 2026-02-11    S4 "reference to video", mid 2026
  S5 user guides, 2026-02-27                         S9 rate limits, 2026
  S10 model pricing, about Apr-Jun 2026 (Singapore in USD: the listed CNY divided by 7.33924)
Limits moved twice in eight months: the service's own answer has the last word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit

ModelName = Literal["wan2.6-i2v-flash", "wan2.6-r2v-flash", "wan2.6-r2v"]
Region = Literal["cn-beijing", "ap-southeast-1"]
Tier = Literal["720P", "1080P"]
Fit = Literal["crop", "pad"]
"""How a picture of another shape comes to a size."""

IMAGE_TO_VIDEO: ModelName = "wan2.6-i2v-flash"
REFERENCE_TO_VIDEO: ModelName = "wan2.6-r2v-flash"
FILM = "film"
"""What stands in place of a model where finished videos were joined to one."""
FILMS_LIMIT = 200  # films of one owner; ours: they cost nothing, and would fill any disk

PROMPT_LIMIT = 1500  # characters (S1, S3); the service cuts longer ones silently
NEGATIVE_PROMPT_LIMIT = 500  # characters (S1, S3)
SEED_LIMIT = 2**31 - 1  # S1, S3
TAKES_LIMIT = 4  # of one brief at once; ours: more are hard to compare and cost too much a click
SERVICE_FPS = 30  # frames per second, H.264 in MP4, for all three models (S5)
FPS_RANGE = (1, 60)  # frames per second that a copy can be conformed to; ours

IMAGE_SIDES = (240, 8000)  # px (S2, S4; the Feb 2026 pages said 360-2000)
PHOTO_SIDE = 8192  # px; ours: phone cameras go to 8160, and such a picture is sent smaller
IMAGE_MEGABYTES = 20  # S2, S4 (10 in Feb 2026)
VIDEO_SECONDS = (1.0, 30.0)  # S3, S4
VIDEO_MEGABYTES = 100  # S3, S4
SOUND_SECONDS = (3.0, 30.0)  # of a sound for image to video, WAV or MP3 (S1)
SOUND_MEGABYTES = 15  # S1
VIDEO_SIDES = (16, 4096)  # px; ours: a frame has to fit into the sandbox's memory
# Frames per second; fal.ai refuses fewer for wan/v2.6, and the service's InvalidFile.FPS means
# 15 to 60 for other models.
VIDEO_FPS_SURE = 16
VIDEO_FPS = 240  # frames per second; ours: slow motion of phones, whose mean may be a bit higher

TIER_PIXELS: dict[Tier, int] = {"720P": 1280 * 720, "1080P": 1920 * 1080}  # of a frame (S1)
TIERS = tuple(TIER_PIXELS)
ORIGINAL = "original"  # the shape of a picture that keeps its own
SHAPES: dict[str, dict[Tier, str]] = {  # sizes by the shape that people know them by, and tier (S3)
    "16:9": {"720P": "1280*720", "1080P": "1920*1080"},
    "9:16": {"720P": "720*1280", "1080P": "1080*1920"},
    "1:1": {"720P": "960*960", "1080P": "1440*1440"},
    "4:3": {"720P": "1088*832", "1080P": "1632*1248"},
    "3:4": {"720P": "832*1088", "1080P": "1248*1632"},
    ORIGINAL: {tier: tier for tier in TIERS},
}
SIZES: dict[str, Tier] = {  # `W*H` in px
    sizes[tier]: tier for tier in TIERS for shape, sizes in SHAPES.items() if shape != ORIGINAL
}
DEFAULT_SIZE = "1280*720"

# Billed seconds of each reference video at most, by the number of references with pictures (S10).
INPUT_CAPS = {
    1: Decimal("5"),
    2: Decimal("2.5"),
    3: Decimal("1.65"),
    4: Decimal("1.25"),
    5: Decimal("1"),
}

SUBMITS_PER_SECOND = 5  # per account and model (S9)
RUNNING_AT_ONCE = 5  # per account and model (S9)
QUERIES_PER_SECOND = 20  # per account (S9)
TASK_LIFETIME = 24 * 3600  # seconds for which the service keeps a task and its video (S2, S4)
UPLOAD_LIFETIME = 48 * 3600  # seconds of an upload ("get temporary file URL", 2026-02-04)

BASE_URLS: dict[str, str] = {  # S9
    "cn-beijing": "https://dashscope.aliyuncs.com/api/v1",
    "ap-southeast-1": "https://dashscope-intl.aliyuncs.com/api/v1",
}
# The host of a workspace with an address of its own: its id and region (base URL, 2026-10-11).
_WORKSPACE_HOST = re.compile(
    r"([a-z0-9][a-z0-9-]{0,62})\.([a-z0-9-]{1,40})\.maas\.aliyuncs\.com", re.IGNORECASE | re.ASCII
)
CURRENCIES: dict[str, str] = {"cn-beijing": "CNY", "ap-southeast-1": "USD"}
CURRENCY_SIGNS = {"CNY": "¥", "USD": "$"}
# One unit of a region's currency in the other, for accounts of the other site: Singapore on the
# Chinese one (S10: 0.366962 CNY for 0.05 USD), Beijing on the international one (litellm 1.110.2:
# 0.143353 USD for 1 CNY).
_EXCHANGE = {
    ("ap-southeast-1", "CNY"): Decimal("7.33924"),
    ("cn-beijing", "USD"): Decimal("0.143353"),
}


@dataclass(frozen=True)
class Rates:
    """Price of one second of video per tier, in the region's currency."""

    p720: Decimal
    p1080: Decimal

    def __getitem__(self, tier: str) -> Decimal:
        return self.p1080 if tier == "1080P" else self.p720


@dataclass(frozen=True)
class Model:
    """One model: its exact name, its limits, and the price of a second of it."""

    name: ModelName
    makes: Literal["image", "reference"]
    """What a video is made from."""
    durations: range
    """Whole seconds that can be ordered."""
    audio_flag: bool
    """Whether sound can be switched off; without the flag there is always sound."""
    audio_url: bool
    """Whether a sound file can be given."""
    bills_input: bool
    """Whether seconds of reference video are billed too."""
    usual_seconds: tuple[int, int]
    """Usual time of a run at the service, from and to, in seconds; single samples, see each entry.
    """
    rates: dict[tuple[str, bool], Rates]
    """Price per second by region and sound."""
    default_duration: int = 5
    default_size: str = DEFAULT_SIZE
    max_references: int = 0
    max_videos: int = 0
    max_images: int = 1


def _rates(beijing: tuple[str, str], singapore: tuple[str, str]) -> dict[str, Rates]:
    return {
        "cn-beijing": Rates(Decimal(beijing[0]), Decimal(beijing[1])),
        "ap-southeast-1": Rates(Decimal(singapore[0]), Decimal(singapore[1])),
    }


_SOUND = _rates(("0.3", "0.5"), ("0.05", "0.075"))
_SILENT = _rates(("0.15", "0.25"), ("0.025", "0.0375"))
_FULL = _rates(("0.6", "1.0"), ("0.10", "0.15"))
_FLASH: dict[tuple[str, bool], Rates] = {
    (region, sound): (_SOUND if sound else _SILENT)[region]
    for region in _SOUND
    for sound in (True, False)
}

MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="wan2.6-i2v-flash",
            makes="image",
            durations=range(2, 16),
            audio_flag=True,
            audio_url=True,
            bills_input=False,
            usual_seconds=(60, 120),  # S1's samples: 59 s and 73 s for 10 s at 720P with sound
            rates=_FLASH,
        ),
        Model(
            name="wan2.6-r2v-flash",
            makes="reference",
            durations=range(2, 11),
            audio_flag=True,
            audio_url=False,
            bills_input=True,
            usual_seconds=(60, 300),  # S4: "usually 1-5 minutes"
            rates=_FLASH,
            max_references=5,
            max_videos=3,
            max_images=5,
        ),
        Model(
            name="wan2.6-r2v",
            makes="reference",
            durations=range(2, 11),
            audio_flag=False,
            audio_url=False,
            bills_input=True,
            usual_seconds=(120, 300),  # S4; its sample took 4 min 35 s for 5 s at 720P
            rates={(region, True): rates for region, rates in _FULL.items()},
            max_references=5,
            max_videos=3,
            max_images=5,
        ),
    )
}


@dataclass(frozen=True)
class Price:
    """The price of a run: `amount` in `currency`. `exact` is False for an upper bound."""

    amount: Decimal
    currency: str
    billed_seconds: float
    exact: bool = True

    def __str__(self) -> str:
        return format_money(self.amount, self.currency)


def format_money(amount: Decimal, currency: str) -> str:
    """Format an amount for people: two decimals, or three where two would hide something."""
    digits = 2 if amount == amount.quantize(Decimal("0.01")) else 3
    return f"{CURRENCY_SIGNS[currency]}{amount:.{digits}f}"


def tier_of(size: str) -> Tier:
    """Return the resolution tier of a size: one of the ten `W*H`, "720P" or "1080P"."""
    return SIZES.get(size, "1080P" if size == "1080P" else "720P")


def sizes_of(tier: Tier) -> list[str]:
    """Return every size of a resolution tier, as `tier_of` takes them."""
    return [tier, *(size for size, its in SIZES.items() if its == tier)]


def shape_of(size: str) -> str:
    """Return the shape of a size: one of `SHAPES`."""
    return next(shape for shape, sizes in SHAPES.items() if size in sizes.values())


def parse_size(size: str) -> tuple[int, int]:
    """Return width and height in px of a size `W*H`."""
    width, height = size.split("*")
    return int(width), int(height)


def workspace_at(host: str) -> tuple[str, str] | None:
    """Return id and region of the workspace whose own host this is; None for any other host."""
    found = _WORKSPACE_HOST.fullmatch(host)
    return (found[1].lower(), found[2].lower()) if found else None


def region_at(base_url: str) -> str:
    """Return the region whose prices hold at an address of the service, "" for any other address.

    The address is the shared one of a region or that of a workspace in it.
    """
    host = (urlsplit(base_url).hostname or "").removesuffix(".")
    shared = next(
        (region for region, url in BASE_URLS.items() if urlsplit(url).hostname == host), ""
    )
    own = workspace_at(host)
    return shared or (own[1] if own and own[1] in BASE_URLS else "")


def bill(
    model: Model, *, region: str, size: str, audio: bool, seconds: Decimal, currency: str = ""
) -> Price | None:
    """Return the price of this many billed seconds; None in a region without known prices.

    currency: the account's; the region's unless given.
    """
    rates = model.rates.get((region, audio or not model.audio_flag))
    if rates is None:
        return None
    currency = currency or CURRENCIES[region]
    return Price(
        rates[tier_of(size)] * seconds * _EXCHANGE.get((region, currency), 1),
        currency,
        float(seconds),
    )


def price(
    model: Model,
    *,
    region: str,
    size: str,
    duration: int,
    audio: bool,
    videos: Sequence[float | None] = (),
    references: int = 0,
    currency: str = "",
) -> Price | None:
    """Return the price of a run, or None in a region without known prices.

    duration: seconds of output. videos: the length of each reference video in seconds, None where
    it is unknown (a URL): the cap is counted, and the price is an upper bound. references: the
    number of references, pictures included. currency: the account's; the region's unless given.
    """
    seconds = Decimal(duration)
    if model.bills_input and videos:
        cap = INPUT_CAPS[references]
        seconds += sum(
            (cap if length is None else min(Decimal(str(length)), cap) for length in videos),
            Decimal(0),
        )
    known = bill(model, region=region, size=size, audio=audio, seconds=seconds, currency=currency)
    return known if known is None else replace(known, exact=None not in videos)
