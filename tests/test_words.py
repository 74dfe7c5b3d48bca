"""Every sentence exists in both languages, takes the same values in both, and is said somewhere."""

import re
import string

import pytest

from tests.conftest import ROOT
from wan.domain import messages
from wan.provider import gateway

SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "wan").rglob("*.py") if path.name != "messages.py")


def _slots(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", messages.SENTENCES)
def test_both_languages_say_the_same(key):
    english, chinese = messages.SENTENCES[key]
    assert english
    assert re.search("[\u4e00-\u9fff]", chinese)
    assert not re.search("[\u4e00-\u9fff]", english)
    if key != "queued":  # an ordinal in English, a number in Chinese
        assert _slots(english) == _slots(chinese)
    assert "!" not in english
    assert "！" not in chinese


@pytest.mark.parametrize("key", messages.SENTENCES)
def test_every_sentence_is_used(key):
    assert key.removesuffix("_waits") in messages.CAUSES or re.search(rf"[\"']{key}[\"']", SOURCES)


@pytest.mark.parametrize("key", messages.CAUSES)
def test_every_cause_is_found_and_told_in_its_own_words(key):
    assert key in {*gateway._CAUSES.values(), "access_denied", "blocked", "free_quota_over"}
    values = dict.fromkeys(_slots(messages.CAUSES[key][0]), "?")
    ends, waits = messages.sentence(key, **values), messages.waiting(messages.sentence(key, **values))
    assert str(ends).endswith(" It cost nothing.")
    assert str(waits).endswith(" The job waits, and goes on by itself when that is put right.")


def test_a_slip_shows_where_it_is_made():
    with pytest.raises(KeyError):
        messages.sentence("no such sentence")
    with pytest.raises(KeyError):
        messages.sentence("seed_range", given=1)
