"""Cells of a CSV file that a spreadsheet shows, and never calculates. Pure."""

import re

# What a spreadsheet may split a row at: by its locale, or because it ignores quotes.
_SEPARATORS = frozenset(";,|\t\n\r")
_BEFORE = r";,|\s\"'`´‘’“”„«»"  # may stand between the start of a cell and a formula
_FORMULA = re.compile(
    rf"(\A[{_BEFORE}]*+|(?<![{_BEFORE}])[{_BEFORE}]++)([=+\-@＝＋－＠﹢﹣﹦﹫])(?=(\S?))"
)


def escape_cell(value: object) -> str:
    """Return a value as a cell in which no formula begins; "" for None."""
    return "" if value is None else _FORMULA.sub(_mark_as_text, str(value))


def _mark_as_text(found: re.Match[str]) -> str:
    """Mark a character that may begin a formula as text.

    After a mere space it begins none unless more follows: a dash stays a dash.
    """
    before, sign, after = found.groups()
    begins = (
        found.start() == 0
        or not _SEPARATORS.isdisjoint(before)
        or (after and before[-1:].isspace())
    )
    return f"{before}'{sign}" if begins else f"{before}{sign}"
