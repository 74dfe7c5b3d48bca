"""Texts: what nobody sees goes, what scripts and emoji need stays, and none takes longer than its
length says.
"""

import json
import logging
import time
from collections.abc import Callable
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan.domain.errors import InvalidInput
from wan.domain.messages import Message
from wan.domain.plain_text import clean, clean_line, escape, find_control, is_blank
from wan.domain.quoting import shorten
from wan.domain.redact import guard_logs, redact, strip_signatures
from wan.domain.spreadsheets import escape_cell
from wan.domain.validation import clean_text
from wan.storage import record

STAYS = (
    "می‌خواهم",  # Persian, with U+200C
    "क्‍ष क्‍",  # half forms, with U+200D, one at a word's end
    "👩‍🚀 👨‍👩‍👧‍👦 👩🏽‍🚀 ❤️‍🔥 🙂‍↔️ 🏳️‍🌈 ©️",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland
    "Tiếng Việt e\u0301 שָׁלוֹם ཧཱུྃ",
    "两只猫，走。\n\t🫨 ۝",
)
GOES = {
    "zero-width space": "a\u200bb",
    "byte order mark": "a\ufeffb",
    "soft hyphen": "a\u00adb",
    "override": "a\u202eb\u202c",
    "embedding": "a\u202ab",
    "isolate": "a\u2066b\u2069",
    "mark of direction": "a\u200fb",
    "word joiner": "a\u2060b",
    "reserved": "a\u2065b\ufff3",
    "tags": "a" + "".join(chr(0xE0000 + ord(sign)) for sign in "ignore all") + "b",
    "joiner at the end": "ab\u200d",
    "joiner at the beginning": "\u200cab",
    "shorthand": "a\U0001bca0b",
    "musical": "a\U0001d173b",
}
CONTROLS = ("\x00", "\x07", "\x0b", "\x1b", "\x7f", "\x80", "\x9b", "\ud800", "\ufdd0", "\uffff")


@pytest.mark.parametrize("text", STAYS)
def test_what_scripts_and_emoji_need_stays(text: str):
    assert clean(text) == escape(text) == clean_text("prompt", text, 1000) == text


@pytest.mark.parametrize("name", GOES)
def test_what_nobody_sees_goes(name: str):
    assert clean(GOES[name]) == "ab"
    assert clean_text("prompt", GOES[name], 2) == "ab"


@pytest.mark.parametrize("sign", CONTROLS)
def test_a_control_character_is_refused_by_its_place(sign: str):
    with pytest.raises(InvalidInput, match=rf"prompt contains U\+{ord(sign):04X} at character 3"):
        clean_text("prompt", f"ab{sign}c", 100)


def test_line_ends_are_of_one_kind():
    assert clean_text("note", "a\r\nb\rc\x85d\u2028e\u2029f\n", 100) == "a\nb\nc\nd\ne\nf\n"
    assert clean_text("title", " a\r\nb\tc \u2028", 100, line=True) == "a b c"


def test_a_heap_of_marks_is_bounded():
    assert len(clean("e" + "\u0301" * 300)) == 11
    assert len(clean("e" + "\u0301\u200d" * 300 + "x")) < 40
    assert clean("a\ufe0f\ufe00\U000e0100b") == "a\ufe0fb"


def test_what_only_seems_to_be_there_is_nothing():
    for text in (
        "",
        " \n",
        "\u200b",
        "\u3164",
        "\u2800",
        "\u200d\u200c",
        "\u0301",
        "\U000e0041",
        "\u00a0\u3000",
        "\u2065\U000e0fff",  # reserved for more that shows nothing
        "\ufffc\U0001d159",
    ):
        assert is_blank(text), ascii(text)
        assert clean_line(text) == ""
    assert _request("\u200b\ufeff\u3164 \u2060").prompt == ""
    assert not any(map(is_blank, ("a", "。", "👩", "🫨")))


def test_the_same_words_are_one_request():
    from wan.domain.fingerprint import fingerprint

    keys = {
        fingerprint(_request(text), "simulator", ["x"])
        for text in ("she smiles", "she\u200b smiles\u202c", "\ufeffshe smiles")
    }
    assert len(keys) == 1


def test_a_limit_counts_what_stays():
    assert clean_text("name", "ab" + "\u200b" * 15, 2) == "ab"
    for text in ("abc", "ab" + "\u200b" * 1_000_000):
        with pytest.raises(InvalidInput, match="The limit is 2"):
            clean_text("name", text, 2)


def test_what_is_quoted_is_written_out():
    said = Message.of(
        "field_type", field="x\x9b31m", given="\u202egnp.exe\x07", allowed="text"
    ).say()
    assert "\\u009b" in said
    assert "\\u202e" in said
    assert "\\u0007" in said
    assert (
        Message.model_validate_json(
            json.dumps({"key": "refused", "values": {"code": "a\x1b[2J", "message": "b"}})
        ).values["code"]
        == "a\\u001b[2J"
    )
    assert shorten("a\x9bb\nc") == "a\\u009bb c"
    with pytest.raises(InvalidInput) as refusal:
        _request("x", **{"bad\u202e\x9bfield": 1})
    assert not _unseen(str(refusal.value) + refusal.value.field)


def test_escapes_are_as_json_writes_them():
    text = "a\x9b\u202e\U000e0041"
    assert json.loads(f'"{escape(text)}"') == text
    assert escape("\ud800") == "\\ud800"


def test_no_entry_of_the_log_is_forged(caplog: pytest.LogCaptureFixture):
    factory = logging.getLogRecordFactory()
    guard_logs()
    try:
        with caplog.at_level(logging.ERROR):
            logging.getLogger("wan.test").error(
                "odd: %s", "a\x9b2J\u202eb\n2026-01-01 ERROR forged\r\x1b[1A"
            )
            try:
                raise ValueError("x\nERROR forged\u2028ERROR forged")
            except ValueError:
                logging.getLogger("wan.test").exception("broke")
    finally:
        logging.setLogRecordFactory(factory)
    lines = caplog.text.splitlines()
    assert not _unseen(caplog.text)
    assert [line for line in lines if line.startswith(("ERROR forged", "2026"))] == []
    assert sum("forged" in line for line in lines) >= 3


@given(st.text())
def test_what_is_clean_stays_clean(text: str):
    once = clean(text)
    assert clean(once) == once
    assert not _unseen(once)
    assert not _unseen(escape(text))
    assert find_control(once) is None
    assert escape(once) == once


@given(
    st.text(
        alphabet="a \u200b\u200c\u200d\u0301\u094d\ufe0f\U0001f3f4\U000e0067\U000e007f\r\n\x9b👩می",
        max_size=40,
    )
)
def test_what_is_clean_stays_clean_of_odd_things(text: str):
    once = clean(text)
    assert clean(once) == once
    assert not _unseen(once)


HOSTILE = {
    "letters": "a",
    "underscores": "_",
    "addresses": "a://",
    "users": "a://x@",
    "keys": "sk-a-",
    "words like keys": "st-Abcdef-",
    "signatures": "Signature=",
    "signs": "=",
    "signing names": "x-amz-",
    "encoded": "%3d%26",
    "separators": ";\n",
    "joiners": "\u200d",
    "joined": "a\u200d",
    "marks": "\u0301",
    "selectors": "\ufe0f",
    "flags": "\U0001f3f4\U000e0067",
    "line ends": "\r",
    "spaces": " ",
}


@pytest.mark.parametrize(
    "door",
    [record.clean, redact, strip_signatures, clean, escape, escape_cell, clean_line, is_blank],
    ids=lambda door: door.__name__,
)
def test_time_grows_with_length_alone(door: Callable[[str], object]):
    """Four times the text takes about four times as long, where what grows with the square takes
    sixteen times.
    """
    for name, unit in HOSTILE.items():
        once, more = (_seconds(door, unit * (4_000 * times // len(unit))) for times in (1, 4))
        assert more < 10 * once + 0.005, (name, once, more)


def _seconds(door: Callable[[str], object], text: str) -> float:
    def one() -> float:
        start = time.thread_time()
        door(text)
        return time.thread_time() - start

    return min(one() for _ in range(3))


def _request(prompt: str, **more: object):
    from wan.domain.requests import ImageToVideoRequest

    return ImageToVideoRequest(reference_image=b"x", prompt=prompt, **more)


def _unseen(text: str) -> list[str]:
    """What may not come out: controls, halves, and format characters but for the joiners, the
    flags' tags, and the few with a shape.
    """
    shaped = (
        "\n\t\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f"
        "\u0890\u0891\u08e2\U000110bd\U000110cd"
    )
    whole = text.replace("\U0001f3f4\U000e0067\U000e0062", "") if "\U000e007f" in text else text
    return [
        ascii(sign)
        for sign in whole
        if category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in shaped
    ]
