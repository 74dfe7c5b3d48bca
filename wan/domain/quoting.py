"""How what was given is quoted in a sentence: short, and so that nothing in it is unseen."""

from typing import Any

from wan.domain.plain_text import escaped, is_blank

_UNSEEN = 10  # times its limit that a text is looked through


def shortened(text: str, high: int = 80) -> str:
    """A text that is short enough for a sentence."""
    text = " ".join(escaped(text[: high * _UNSEEN]).split())
    text = "nothing" if is_blank(text) else text
    return text if len(text) <= high else f"{text[: high - 1]}…"


def shown(given: Any) -> str:
    """What was given, short enough for a sentence."""
    if isinstance(given, str):
        return shortened(given)
    try:
        return shortened(repr(given))
    except ValueError:  # a number of thousands of digits
        return f"{type(given).__name__} that is too large to show"


def typed(given: Any) -> str:
    """The same where text is the wrong type, so that "5" is told from 5."""
    return f'"{shown(given)}"' if isinstance(given, str) and given.strip() else shown(given)
