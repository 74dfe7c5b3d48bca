"""The characters that a text may have, decided once for everything that comes in or goes out. Pure.

Control characters steer a terminal; format characters (zero-width spaces, direction overrides,
tags) show nothing and make a text look like another. Both are removed. What some scripts and emoji
need stays: U+200C and U+200D between two characters (Persian, the Indic scripts, 👩‍🚀), one
variation selector behind a character, combining marks, the flags of England, Scotland and Wales.
Every function takes time in proportion to the length of its text.
"""

import re
from collections.abc import Iterator
from unicodedata import category

_MARKS = 10  # combining marks on one character; no script needs as many

# C0 but for tab and line feed, DEL, C1, surrogates, non-characters. Line ends are normalised first.
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
# Unicode's category Cf without the few visible ones (U+0600, U+06DD), and its reserved ranges.
_FORMAT = (
    r"\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_JOINERS = r"\u200c\u200d"
# Not part of a word or an emoji: spaces, punctuation, controls, format characters.
_OUTSIDE = rf"\s!-/:-@\[-`{{-\xbf\u2000-\u206f\u3000-\u303f{_CONTROL}{_FORMAT}"
# A joiner behind one of these shapes it, also at a word's end.
_VIRAMAS = r"\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"
_SELECTORS = r"\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_FLAG = "\U0001f3f4(?:{})\U000e007f".format(
    "|".join(
        "".join(chr(0xE0000 + ord(sign)) for sign in name) for name in ("gbeng", "gbsct", "gbwls")
    )
)

_LINE_END = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_REFUSED = re.compile(f"[{_CONTROL}]")
_REMOVED = re.compile(rf"({_FLAG})|[{_CONTROL}{_FORMAT}]")
_JOINED = re.compile(
    rf"(?:(?<=[^{_OUTSIDE}])|(?<=[{_SELECTORS}]))([{_JOINERS}])[{_JOINERS}]*(?=[^{_OUTSIDE}])"
    rf"|(?<=[{_VIRAMAS}])([{_JOINERS}])[{_JOINERS}]*"
    rf"|([{_SELECTORS}])(?:[{_JOINERS}]*[{_SELECTORS}])+"
    rf"|[{_JOINERS}]"
)
_UNSEEMLY = re.compile(f"{_REMOVED.pattern}|{_JOINED.pattern}")
_SPACES = re.compile(r"\s+")
# Without Cn, which has the emoji that are newer than this Python.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"})
# Letters and symbols that show nothing; U+FFFC stands for what was not pasted along.
_FILLERS = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\U0001d159"


def find_control(text: str) -> tuple[str, int] | None:
    """Find the first control character: as U+…, and its place from 1. None if there is none."""
    found = _REFUSED.search(_LINE_END.sub("\n", text))
    return None if found is None else (f"U+{ord(found[0]):04X}", found.start() + 1)


def clean(text: str) -> str:
    """Remove what nobody sees from a text. Its line ends become line feeds."""
    if text.isascii() and text.isprintable():
        return text
    return _limit_marks(
        _JOINED.sub(_keep_group, _REMOVED.sub(_keep_group, _LINE_END.sub("\n", text)))
    )


def clean_line(text: str) -> str:
    """Clean a single line: runs of space become one, outer space goes. "" if nothing is visible."""
    line = _SPACES.sub(" ", clean(text)).strip()
    return "" if is_blank(line) else line


def is_blank(text: str) -> bool:
    """Tell whether nothing of a text is visible."""
    return all(category(sign) in _UNSEEN or sign in _FILLERS for sign in clean(text))


def escape(text: str) -> str:
    r"""Write out, as JSON does (\u009b), what `clean` removes, for terminals and logs."""
    return _UNSEEMLY.sub(
        lambda found: _keep_group(found) or write_as_escapes(found[0]), _LINE_END.sub("\n", text)
    )


def indent(text: str, by: int = 4) -> str:
    """Escape a text for a log and indent all but its first line: none looks like an entry."""
    return escape(text).replace("\n", "\n" + " " * by)


def _keep_group(found: re.Match[str]) -> str:
    """Keep the flag, joiner or selector of a match; drop anything else."""
    return found[found.lastindex] if found.lastindex else ""


def write_as_escapes(signs: str) -> str:
    r"""Write characters as JSON escapes (\u009b); an emoji takes two."""
    units = signs.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _limit_marks(text: str) -> str:
    """Drop heaps of combining marks, which cover the lines above and below."""
    return text if text.isascii() else "".join(_skip_excess_marks(text))


def _skip_excess_marks(text: str) -> Iterator[str]:
    marks = 0
    for sign in text:
        if sign > "\u02ff" and category(sign)[0] == "M":
            marks += 1
        elif sign not in "\u200c\u200d":
            marks = 0
        if marks <= _MARKS:
            yield sign
