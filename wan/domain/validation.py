"""Types of a request's fields, and messages for a wrong value.

Limits stand in the fields themselves, so that they are in their JSON schemas too.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, GetCoreSchemaHandler, Strict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from wan.domain.errors import InvalidInput
from wan.domain.fields import BY_NAME
from wan.domain.plain_text import clean, clean_line, find_control
from wan.domain.quoting import quote_typed_value, quote_value

_UNSEEN = 10  # times its limit that a text may be long before invisible characters are removed

_YES_OR_NO = "true or false"
_ALLOWED = {"bool_parsing": _YES_OR_NO, "bool_type": _YES_OR_NO}  # by pydantic's type of error


def _make_whole(given: Any) -> Any:
    """Turn 5.0 into 5; leave anything else as it is."""
    if isinstance(given, float) and math.isfinite(given) and given == int(given):
        return int(given)
    return given


WHOLE = BeforeValidator(_make_whole)
"""Stands last in a field, behind its limits: before it, they would not be in the JSON schema."""
WholeNumber = Annotated[int, Strict(), WHOLE]
"""A whole number, 5.0 among them; no text, and no switch."""


@dataclass(frozen=True)
class OneOf:
    """Allows exactly these texts in a field."""

    allowed: tuple[str, ...]

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a Literal, whose texts have to stand in the source."""
        return core_schema.literal_schema(list(self.allowed))


def clean_text(field: str, given: Any, high: int, *, line: bool = False) -> str:
    """Check and clean a text from outside: no invisible characters, at most `high`.

    line: for a single line, whose outer spaces are removed too. Raises InvalidInput, also for a
    control character.
    """
    if not isinstance(given, str):
        raise InvalidInput(field, "field_type", given=quote_value(given), allowed="text")
    if len(given) > high * _UNSEEN:
        raise InvalidInput(field, "text_long", given=len(given), high=high)
    if odd := find_control(given):
        raise InvalidInput(field, "text_odd", given=odd[0], place=odd[1])
    text = clean_line(given) if line else clean(given)
    if len(text) > high:
        raise InvalidInput(field, "text_long", given=len(text), high=high)
    return text


def require_known(given: Mapping[Any, Any], fields: Mapping[str, FieldInfo]) -> None:
    """Raise InvalidInput for the first unknown field, and name the closest known one."""
    for field in given:
        if field not in fields:
            raise unknown_field(field, fields)


def unknown_field(field: Any, known: Iterable[str]) -> InvalidInput:
    """Return the refusal of an unknown field, which names the closest known one, or else all."""
    names = list(known)
    if near := difflib.get_close_matches(str(field), names, n=1):
        return InvalidInput(quote_value(field), "field_misspelt", near=near[0])
    return InvalidInput(quote_value(field), "field_unknown", known=", ".join(names))


def explain_error(error: ValidationError, of: type[BaseModel], model: str) -> InvalidInput:
    """Turn pydantic's first complaint into an InvalidInput. model: the requested one."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else "request"
    if first["type"] == "missing":
        return InvalidInput(field, "field_missing")
    known, given = of.model_fields.get(field), first["input"]
    key = BY_NAME[field].refusal if field in BY_NAME else ""
    if known and (texts := allowed_texts(known)):
        key, allowed = key or "choice_unknown", ", ".join(texts)
        return InvalidInput(field, key, given=quote_value(given), allowed=allowed)
    if known and key:
        return InvalidInput(
            field, key, given=quote_typed_value(given), model=model, **_limits(known)
        )
    allowed = _ALLOWED.get(first["type"], first["msg"])
    return InvalidInput(field, "field_type", given=quote_typed_value(given), allowed=allowed)


def allowed_texts(field: FieldInfo) -> tuple[str, ...]:
    """Return the texts that a field allows; empty where it is not a choice."""
    if get_origin(field.annotation) is Literal:
        return get_args(field.annotation)
    return next((part.allowed for part in field.metadata if isinstance(part, OneOf)), ())


def _limits(field: FieldInfo) -> dict[str, float]:
    """Return the `low` and `high` of a number that it has, also of an optional one."""
    parts = [FieldInfo.from_annotation(one) for one in get_args(field.annotation)]
    return {
        name: getattr(limit, bound)
        for part in (field, *parts)
        for limit in part.metadata
        for bound, name in (("ge", "low"), ("le", "high"))
        if hasattr(limit, bound)
    }
