"""Which characters a text may have, decided once for every text that comes in and every one that
goes out. Pure.

Control characters steer a terminal; format characters (zero-width spaces, the overrides of writing
direction, tags) show nothing and make a text look like another. Neither has a place in words. What
some scripts and emoji need stays: U+200C and U+200D between two signs (Persian, the Indic scripts,
👩‍🚀), one variation selector behind a sign, combining marks, the flags of England, Scotland and
Wales. Every function takes time in proportion to the length of its text.
"""

import re
from collections.abc import Iterator
from unicodedata import category

_MARKS = 10  # combining marks on one sign; no script needs as many

# C0 but for tab and line feed, DEL, C1, halves of characters, what never is one. Line ends of other
# systems are made ours before.
_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
# Unicode's category Cf without the few that have a shape (U+0600, U+06DD), and what is reserved for
# more of its kind.
_FORMAT = (
    r"\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_JOINERS = r"\u200c\u200d"
# What is no part of a word or an emoji: spaces, punctuation, controls, format characters.
_OUTSIDE = rf"\s!-/:-@\[-`{{-\xbf\u2000-\u206f\u3000-\u303f{_CONTROL}{_FORMAT}"
# a joiner behind one shapes it, also at a word's end
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
_UNSEEN = frozenset(
    {"Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"}
)  # not Cn: emoji that are younger than this Python
_FILLERS = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # letters and signs that show nothing


def control_in(text: str) -> tuple[str, int] | None:
    """The first character of a text that no words have: as U+…, and its place from 1. None where
    there is none.
    """
    found = _REFUSED.search(_LINE_END.sub("\n", text))
    return None if found is None else (f"U+{ord(found[0]):04X}", found.start() + 1)


def clean(text: str) -> str:
    """A text without what nobody sees in it. Its line ends are line feeds."""
    return _bounded(_JOINED.sub(_kept, _REMOVED.sub(_kept, _LINE_END.sub("\n", text))))


def clean_line(text: str) -> str:
    """The same for what is one line: whatever space is in it is a single one, and none is around
    it. "" where nothing of it would be seen.
    """
    line = _SPACES.sub(" ", clean(text)).strip()
    return "" if is_blank(line) else line


def is_blank(text: str) -> bool:
    """Whether nothing of a text would be seen."""
    return all(category(sign) in _UNSEEN or sign in _FILLERS for sign in text)


def escaped(text: str) -> str:
    r"""A text for terminals and logs: what `clean` removes is written out, as JSON does (\u009b).

    So it does nothing, and can be found.
    """
    return _UNSEEMLY.sub(
        lambda found: _kept(found) or written_out(found[0]), _LINE_END.sub("\n", text)
    )


def indented(text: str, by: int = 4) -> str:
    """The same for a log: lines that are not the first stand further in, so that none of them is
    taken for an entry of its own.
    """
    return escaped(text).replace("\n", "\n" + " " * by)


def _kept(found: re.Match[str]) -> str:
    """What stays of a match: one flag, joiner or selector; of anything else nothing."""
    return found[found.lastindex] if found.lastindex else ""


def written_out(signs: str) -> str:
    r"""Signs as JSON writes them where they cannot stand as they are: \u009b; an emoji is two."""
    units = signs.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _bounded(text: str) -> str:
    """A text without heaps of combining marks, which cover what stands above and below."""
    return text if text.isascii() else "".join(_few_marks(text))


def _few_marks(text: str) -> Iterator[str]:
    marks = 0
    for sign in text:
        if sign > "\u02ff" and category(sign)[0] == "M":
            marks += 1
        elif sign not in "\u200c\u200d":
            marks = 0
        if marks <= _MARKS:
            yield sign
