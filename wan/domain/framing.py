"""The fields that say how a picture is brought to the shape of a video: cropped or padded, and with
what.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, Strict, field_validator

from wan.domain import catalog
from wan.domain.crop import ZOOMS, Crop
from wan.domain.errors import InvalidInput

_PLACES = 4  # decimals of a position: less than a pixel of the largest picture
_NEEDS = {"crop_x": "crop", "crop_y": "crop", "zoom": "crop", "pad_color": "pad"}
"""The fields that change something with one `fit` only, and with a size in pixels.

With their defaults they are no part of what was asked: requests from before these fields are the
same as those that leave them out.
"""

_PART = r"\s*(\d{1,3}(?:\.\d{0,9})?)\s*"
_RGB = re.compile(rf"rgba?\({_PART},{_PART},{_PART}(?:,[^,]*)?\)", re.ASCII)
_SHORT = re.compile(r"#([0-9a-f])([0-9a-f])([0-9a-f])")


def _round(position: float) -> float:
    """Return a number that means the same wherever it was typed, dragged or computed."""
    return abs(round(position, _PLACES))


Position = Annotated[float, Strict(), Field(ge=0, le=1), AfterValidator(_round)]
"""From 0 to 1."""


class Framing(BaseModel):
    """The fields of a request that say how its picture is framed."""

    fit: catalog.Fit = "crop"
    """How the picture is brought to the shape of `size`."""
    crop_x: Position = Crop().x
    crop_y: Position = Crop().y
    zoom: Annotated[float, Strict(), Field(ge=ZOOMS[0], le=ZOOMS[1]), AfterValidator(_round)] = (
        Crop().zoom
    )
    """Of a crop, as in `Crop`."""
    pad_color: Annotated[str, Field(pattern=r"^(#[0-9a-f]{6})?$")] = ""
    """`#rrggbb` of the bars; "" for a blurred copy of the picture."""

    @field_validator("pad_color", mode="before")
    @classmethod
    def _write_as_hexadecimal(cls, color: Any) -> Any:
        """Write #FFF and rgb(255, 255, 255) as #ffffff."""
        if not isinstance(color, str):
            return "" if color is None else color
        usual = color.strip().lower()
        if short := _SHORT.fullmatch(usual):
            return "#" + "".join(digit * 2 for digit in short.groups())
        if parts := _RGB.fullmatch(usual):
            return "#" + "".join(f"{min(255, round(float(part))):02x}" for part in parts.groups())
        return usual

    @property
    def framing(self) -> dict[str, Any]:
        """How the picture is framed, as `wan.media.inputs` takes it beside a size."""
        crop = Crop(self.crop_x, self.crop_y, self.zoom)
        return {"fit": self.fit, "crop": crop, "pad_color": self.pad_color}

    def drop_usual(self, whole: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a request without those that leave its framing as it usually is."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in whole.items()
            if name not in _NEEDS or value != fields[name].default
        }

    def check_framing(self, size: str, *, linked: bool) -> None:
        """Raise InvalidInput for a field that would change nothing.

        linked: whether the picture is at an address, where the service fetches it as it is.
        """
        kept = size in catalog.TIERS
        for field, needs in _NEEDS.items():
            if getattr(self, field) == type(self).model_fields[field].default:
                continue
            if kept or self.fit != needs:
                given = f"size {size}" if kept else f"fit {self.fit}"
                raise InvalidInput(field, "framing_unused", given=given, needs=needs)
            if linked and needs == "crop":
                raise InvalidInput(field, "crop_of_link")
