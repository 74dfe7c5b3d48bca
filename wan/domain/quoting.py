"""Quotes of given values in messages: short, and with nothing invisible in them."""

from typing import Any

from wan.domain.plain_text import escaped, is_blank

_UNSEEN = 10  # times its limit that a text is looked through


def shortened(text: str, high: int = 80) -> str:
    """Shorten a text for a message."""
    text = " ".join(escaped(text[: high * _UNSEEN]).split())
    text = "nothing" if is_blank(text) else text
    return text if len(text) <= high else f"{text[: high - 1]}…"


def shown(given: Any) -> str:
    """Quote a value in a message, shortened."""
    if isinstance(given, str):
        return shortened(given)
    try:
        return shortened(repr(given))
    except ValueError:  # a number of thousands of digits
        return f"{type(given).__name__} that is too large to show"


def typed(given: Any) -> str:
    """Quote a value where text is the wrong type, so that "5" differs from 5."""
    return f'"{shown(given)}"' if isinstance(given, str) and given.strip() else shown(given)
