"""Takes side by side: what differs is marked, what is the same is folded, and everything is
escaped.
"""

import dataclasses
import re
from decimal import Decimal

import pytest

from tests.ui.test_cards import EVIL, event
from wan.domain.jobs import Job, JobState, Reference
from wan.web.compare import board

ASKED = {
    "prompt": "A quiet sea.",
    "negative_prompt": "",
    "duration": 5,
    "size": "1280*720",
    "fps": None,
    "audio": True,
    "shot_type": "single",
}


def take(number: int = 1, *, asked: dict | None = None, **more) -> Job:
    """A take that has succeeded."""
    measured = {
        "id": f"job-{number}",
        "take": number,
        "width": 1280,
        "height": 720,
        "fps": 30.0,
        "duration": 5.0,
        "references": [],
        "has_audio": True,
    }
    return event(JobState.SUCCEEDED, request=ASKED | (asked or {}), **measured | more).job


def shown(*jobs: Job) -> str:
    """The board of these jobs."""
    return board(
        "en", [(job, f"media/{job.id}/video.mp4", f"media/{job.id}/poster.webp") for job in jobs]
    )


def parts(html: str) -> tuple[str, str]:
    """What is said to differ, and what to be the same, without tags."""
    differ, _, same = html[html.index("wan-compare-settings") :].partition("<details>")
    return tuple(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", part)) for part in (differ, same))


def test_what_differs_comes_first_and_the_rest_is_folded():
    differ, same = parts(shown(take(1, seed=1), take(2, seed=2, asked={"negative_prompt": "rain"})))
    assert "Seed 1" in differ
    assert "Seed 2" in differ
    assert "Negative prompt rain" in differ
    assert "Negative prompt –" in differ
    assert "Prompt A quiet sea." in same
    assert "Prompt A quiet sea." not in differ
    assert "Seed" not in same
    assert "1280×720 · 30 fps · 5.0 s" in same


@pytest.mark.parametrize(
    ("name", "asked", "more", "said"),
    [
        ("model", {}, {"model": "wan2.6-r2v"}, "Model wan2.6-r2v"),
        ("size", {"size": "960*960"}, {}, "Size 960×960"),
        ("fps", {"fps": 24}, {}, "Frames per second 24"),
        ("sound", {"audio": False}, {}, "Audio no"),
        ("shots", {"shot_type": "multi"}, {}, "Shots Multi-shot"),
        (
            "what one has and the other cannot have",
            {"motion_strength": 0.5},
            {},
            "Motion strength 0.5",
        ),
        ("price", {}, {"amount": Decimal("3")}, "Price ¥3.00"),
        ("file", {}, {"duration": 4.0}, "1280×720 · 30 fps · 4.0 s"),
        (
            "reference",
            {},
            {"references": [Reference("image", sha256="abcdef99", key="k")]},
            "References image abcdef",
        ),
    ],
)
def test_each_setting_that_differs_is_found(name, asked, more, said):
    differ, _ = parts(shown(take(1), take(2, asked=asked, **more)))
    assert said in differ
    assert differ.count("Take ") == 2


def test_equal_takes_are_said_to_be_equal():
    differ, same = parts(shown(take(1), take(2)))
    assert "All settings are the same" in differ
    assert "Seed 4711" in same


def test_a_signature_in_an_address_is_not_shown():
    secret = {"audio_url": "https://example.com/a.mp3?Signature=s3cret#s3cret"}
    html = shown(take(1), take(2, asked=secret))
    assert "https://example.com/a.mp3" in html
    assert "s3cret" not in html


def test_everything_is_escaped():
    values = dict.fromkeys(
        ("prompt", "negative_prompt", "size", "audio_url", "shot_type", "fit", "duration"), EVIL
    )
    evil = dataclasses.replace(
        take(2, asked=values), model=EVIL, references=[Reference("image", url=EVIL)]
    )
    html = board("en", [(take(1), EVIL, EVIL), (evil, EVIL, "")])
    assert "<script" not in html
    assert 'x")' not in html
    assert "alert('" not in html


def test_a_take_without_sound_cannot_be_heard_and_one_without_poster_has_none():
    html = board(
        "en",
        [(take(1, has_audio=False), "a.mp4", ""), (take(2, has_audio=None), "b.mp4", "b.webp")],
    )
    assert html.count(" disabled") == 1
    assert html.count("poster=") == 1


def test_two_boards_on_a_page_do_not_share_a_sound():
    names = {re.search(r'name="([^"]+)"', shown(take(1), take(number)))[1] for number in (2, 3)}
    assert len(names) == 2
