"""What columns hold that no database has a type for."""

from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import JSON, BigInteger, TypeDecorator

from wan.domain.jobs import Reference
from wan.domain.messages import Message

NOW: sa.ColumnElement[Any] = sa.cast(
    sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Float(53)
)
"""A PostgreSQL's own clock, in seconds since 1970: those of several machines differ."""


class Money(TypeDecorator[Decimal]):
    """An amount as whole millionths, so that every database adds it up exactly."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value.scaleb(6).to_integral_value())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-6)


class Messages(TypeDecorator[list[Message]]):
    """Messages as JSON: they are put into words when they are read."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: list[Message] | None, dialect: sa.Dialect) -> Any:
        return [one.model_dump() for one in value or []]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> list[Message]:
        return [Message(**one) for one in value or []]


_REFERENCE_FIELDS = frozenset(one.name for one in fields(Reference))


class References(TypeDecorator[list[Reference]]):
    """References as JSON, without their names.

    A version before names knows no other field, and has to read what this one writes: jobs on their
    way are its own too. So what comes in addition gets a column, and is passed over here.
    """

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: list[Reference] | None, dialect: sa.Dialect) -> Any:
        known = [asdict(one) for one in value or []]
        return [{key: one[key] for key in one if key != "name"} for one in known]

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> list[Reference]:
        return [
            Reference(**{key: one[key] for key in one if key in _REFERENCE_FIELDS})
            for one in value or []
        ]
