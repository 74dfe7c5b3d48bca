"""The strings of the page: complete in both languages, none left over, none missing."""

import re
from pathlib import Path

import pytest

import wan.ui
from wan.domain.jobs import JobState
from wan.ui.text import TEXT, say

SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in Path(wan.ui.__file__).parent.glob("*.py") if path.name != "text.py")


@pytest.mark.parametrize("key", list(TEXT))
def test_both_languages_are_there_with_the_same_values(key):
    english, chinese = TEXT[key]
    assert english.strip()
    assert chinese.strip()
    assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", chinese))
    assert "!" not in english


@pytest.mark.parametrize("key", list(TEXT))
def test_no_string_is_left_over(key):
    built = (
        "title_",
        "region_",
        "landscape",
        "portrait",
        "square",
        "prompt_",
        "minutes",
        "seconds",
        "about_",
        "image_placeholder",
        "compare_play",
        "compare_pause",
        "compare_image",
        "compare_video",
        "compare_audio",
        "library_state_",
        *("rv_yes", "rv_maybe", "rv_no", "rv_saved", "rv_offline", "review_is_"),
        *("review_never", "review_day", "review_week", "review_month", "review_revoke", "review_delete", "review_csv", "review_json", "review_zip"),
    )
    assert re.search(rf"[\"']{key}[\"']", SOURCE) or key.startswith(built)


def test_every_state_has_a_title():
    assert {f"title_{state}" for state in JobState} <= set(TEXT)


@pytest.mark.parametrize(("language", "said"), [("en", "Cancel"), ("de", "Cancel"), ("zh", "取消"), ("zh-CN", "取消")])
def test_language(language, said):
    assert say("cancel", language) == said
