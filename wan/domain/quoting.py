"""Quotes of given values in messages: short, and with nothing invisible in them."""

from typing import Any

from wan.domain.plain_text import escape, is_blank

_UNSEEN = 10  # times its limit that a text is searched for visible characters


def shorten(text: str, high: int = 80) -> str:
    """Shorten a text for a message."""
    text = " ".join(escape(text[: high * _UNSEEN]).split())
    text = "nothing" if is_blank(text) else text
    return text if len(text) <= high else f"{text[: high - 1]}…"


def quote_value(given: Any) -> str:
    """Quote a value in a message, shortened."""
    if isinstance(given, str):
        return shorten(given)
    try:
        return shorten(repr(given))
    except ValueError:  # a number with thousands of digits
        return f"{type(given).__name__} that is too large to show"


def quote_typed_value(given: Any) -> str:
    """Quote a value where text is the wrong type, so that "5" differs from 5."""
    return (
        f'"{quote_value(given)}"'
        if isinstance(given, str) and given.strip()
        else quote_value(given)
    )
