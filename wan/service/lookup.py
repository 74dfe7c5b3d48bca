"""Look-ups by ids and tokens from outside."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from wan.domain import ids

Result = TypeVar("Result")


async def look_up(
    shape: re.Pattern[str], look: Callable[..., Awaitable[Result]], key: str, *more: Any
) -> Result | None:
    """Return what a statement finds for an id or token from outside; None for anything that has not
    its shape.
    """
    return await look(key, *more) if ids.has_shape(shape, key) else None
