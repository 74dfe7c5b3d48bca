"""What people are told: complete in both languages, none left over, none missing, and the same in
numbers and names.
"""

import ast
import json
import re
import string
from functools import cache

import pytest

from tests.conftest import ROOT
from wan.domain import messages
from wan.domain.jobs import JobState
from wan.domain.messages import CAUSES, LOCALES, Message, t
from wan.provider import refusals

ENGLISH, CHINESE = LOCALES["en"], LOCALES["zh"]
SOURCES = [path for path in (ROOT / "wan").rglob("*.py") if "simulator" not in path.parts]
TEMPLATES = [path for path in (ROOT / "wan").rglob("*.html") if "simulator" not in path.parts]
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in [*SOURCES, *TEMPLATES])
BUILT = (  # beginnings of keys that are put together
    *("title_", "region_", "about_", "library_state_", "review_is_", "page_", "idea_"),
    *("minutes", "seconds", "prompt_", "image_placeholder"),
    *("compare_back", "compare_forward", "compare_loop"),
    *("compare_play", "compare_pause", "compare_image", "compare_video", "compare_audio"),
    *("rv_yes", "rv_maybe", "rv_no", "rv_saved", "rv_offline"),
    *(
        "review_never",
        "review_day",
        "review_week",
        "review_month",
        "review_revoke",
        "review_delete",
        "review_csv",
        "review_json",
        "review_zip",
    ),
)
NAMING = {
    "of": 0,
    "t": 1,
    "text": 1,
    "hint": 1,
    "told": 1,
    "InvalidInput": 1,
    "AccessRefused": 0,
    "Refused": 1,
}
"""Where the key stands among the arguments of what takes one."""


def _slots(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys():
    assert list(ENGLISH) == list(CHINESE)


@pytest.mark.parametrize("language", LOCALES)
def test_no_key_stands_twice(language: str):
    """JSON takes the later one, so that one of both would be said in the place of the other."""
    path = ROOT / "wan" / "domain" / "locales" / f"{language}.json"
    pairs = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    assert len(pairs) == len(dict(pairs))


@pytest.mark.parametrize("key", ENGLISH)
def test_both_languages_say_the_same(key: str):
    english, chinese = ENGLISH[key], CHINESE[key]
    assert english.strip()
    assert chinese.strip()
    if key not in ("queued", "page_queued"):  # an ordinal in English, a number in Chinese
        assert _slots(english) == _slots(chinese)
    assert "!" not in english
    assert "！" not in chinese


@pytest.mark.parametrize("key", ENGLISH)
def test_every_key_is_used(key: str):
    assert re.search(rf"[\"']{re.escape(key)}[\"']", TEXT) or key.startswith(BUILT)


@cache
def _named() -> set[str]:
    """Every key that stands in the source as it is."""
    found = set()
    for path in SOURCES:
        if path.parent.name == "database":  # whose `label` is SQL's
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = (
                NAMING.get(getattr(node.func, "id", getattr(node.func, "attr", "")))
                if isinstance(node, ast.Call)
                else None
            )
            if (
                place is not None
                and len(node.args) > place
                and isinstance(node.args[place], ast.Constant)
            ):
                found.add(node.args[place].value)
    for path in TEMPLATES:
        found |= set(re.findall(r"\bt(?:ext)?\(\s*[\"'](\w+)[\"']\s*[,)]", path.read_text("utf-8")))
    return {key for key in found if isinstance(key, str) and key}


def test_every_key_that_is_named_is_there():
    assert len(_named()) > 250
    assert {
        key for key in _named() if key not in ENGLISH and key.removesuffix("_waits") not in CAUSES
    } == set()


def test_every_state_has_a_title():
    assert {f"title_{state}" for state in JobState} <= set(ENGLISH)


@pytest.mark.parametrize("key", sorted(CAUSES))
def test_every_cause_is_found_and_told_in_its_own_words(key: str):
    assert key in {*refusals.CAUSES.values(), "access_denied", "blocked", "free_quota_over"}
    values = dict.fromkeys(_slots(ENGLISH[key]), "?")
    ends, waits = (
        Message.of(key, **values),
        messages.reword_as_waiting(Message.of(key, **values)),
    )
    assert str(ends).endswith(" You weren't charged.")
    assert str(waits).endswith(" The job waits and continues automatically once this is fixed.")


def test_a_slip_shows_where_it_is_made():
    with pytest.raises(KeyError):
        Message.of("no such sentence")
    with pytest.raises(KeyError):
        Message.of("seed_range", given=1)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "Cancel"), ("de", "Cancel"), ("zh", "取消"), ("zh-CN", "取消")]
)
def test_language(language: str, words: str):
    assert t(language, "cancel") == words
