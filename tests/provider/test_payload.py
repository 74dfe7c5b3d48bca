"""The exact wire JSON per model."""

import pytest

from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.provider import payload

URL = "https://example.com/a.png"


def test_image_to_video():
    built = payload.build(
        ImageToVideoRequest(prompt="she smiles", reference_image=b"x"), seed=7, urls=[""]
    )
    assert built.body == {
        "model": "wan2.6-i2v-flash",
        "input": {"prompt": "she smiles", "img_url": "reference:0"},
        "parameters": {
            "resolution": "720P",
            "duration": 5,
            "prompt_extend": True,
            "shot_type": "single",
            "audio": True,
            "watermark": False,
            "seed": 7,
        },
    }
    assert (
        payload.fill_slots(built.body, ["oss://up/1.jpg"])["input"]["img_url"] == "oss://up/1.jpg"
    )
    assert built.body["input"]["img_url"] == "reference:0"
    assert [one.key for one in built.adjustments] == ["size_as_tier"]


def test_image_to_video_with_everything():
    request = ImageToVideoRequest(
        prompt="she smiles",
        reference_image=URL,
        negative_prompt="blur",
        duration=15,
        size="1080P",
        fps=24,
        motion_strength=0.9,
        audio_url="https://example.com/a.mp3",
        shot_type="multi",
        prompt_extend=False,
        watermark=True,
    )
    built = payload.build(request, seed=0, urls=[URL])
    assert built.body == {
        "model": "wan2.6-i2v-flash",
        "input": {
            "prompt": "she smiles Very strong, fast and dynamic movement.",
            "negative_prompt": "blur",
            "img_url": URL,
            "audio_url": "https://example.com/a.mp3",
        },
        "parameters": {
            "resolution": "1080P",
            "duration": 15,
            "prompt_extend": True,
            "shot_type": "multi",
            "audio": True,
            "watermark": True,
            "seed": 0,
        },
    }
    assert [one.key for one in built.adjustments] == ["motion_worded", "shot_needs_extend"]


def test_silence_leaves_the_sound_file_out():
    request = ImageToVideoRequest(
        prompt="x", reference_image=URL, audio=False, audio_url="https://example.com/a.mp3"
    )
    built = payload.build(request, seed=1, urls=[URL])
    assert "audio_url" not in built.body["input"]
    assert built.body["parameters"]["audio"] is False
    assert "audio_silent" in [one.key for one in built.adjustments]


@pytest.mark.parametrize(
    ("model", "audio"), [("wan2.6-r2v-flash", {"audio": True}), ("wan2.6-r2v", {})]
)
def test_reference_to_video(model, audio):
    request = ReferenceToVideoRequest(
        model=model,
        prompt="character1 meets character2",
        reference_video=[b"x"],
        reference_image=[URL],
    )
    built = payload.build(request, seed=7, urls=["", URL])
    assert built.body == {
        "model": model,
        "input": {"prompt": "character1 meets character2", "reference_urls": ["reference:0", URL]},
        "parameters": {
            "size": "1280*720",
            "duration": 5,
            "shot_type": "single",
            "watermark": False,
            "seed": 7,
        }
        | audio,
    }
    assert payload.fill_slots(built.body, ["oss://up/1.mp4", URL])["input"]["reference_urls"] == [
        "oss://up/1.mp4",
        URL,
    ]
    assert built.adjustments == []


def test_a_prompt_that_looks_like_a_slot_stays_a_prompt():
    built = payload.build(
        ImageToVideoRequest(prompt="reference:0", reference_image=b"x"), seed=7, urls=[""]
    )
    assert payload.fill_slots(built.body, ["oss://up/1.jpg"])["input"]["prompt"] == "reference:0"


def test_a_sound_that_is_a_file_has_a_slot_beside_the_picture():
    built = payload.build(
        ImageToVideoRequest(prompt="x", reference_image=b"x", reference_audio=b"y"),
        seed=7,
        urls=["", ""],
    )
    assert {name: built.body["input"][name] for name in ("img_url", "audio_url")} == {
        "img_url": "reference:0",
        "audio_url": "reference:1",
    }
    assert [payload.has_slot(built.body, number) for number in range(3)] == [True, True, False]
    sent = payload.fill_slots(built.body, ["oss://up/1.jpg", "oss://up/2.wav"])["input"]
    assert (sent["img_url"], sent["audio_url"]) == ("oss://up/1.jpg", "oss://up/2.wav")


def test_without_sound_the_file_has_no_slot():
    built = payload.build(
        ImageToVideoRequest(prompt="x", reference_image=b"x", reference_audio=b"y", audio=False),
        seed=7,
        urls=["", ""],
    )
    assert [payload.has_slot(built.body, number) for number in range(2)] == [True, False]
    assert "audio_url" not in built.body["input"]
    assert "audio_silent" in [one.key for one in built.adjustments]


def test_every_reference_has_a_slot():
    built = payload.build(
        ReferenceToVideoRequest(prompt="x", reference_image=[b"x", URL, b"y"]),
        seed=7,
        urls=["", URL, ""],
    )
    assert [payload.has_slot(built.body, number) for number in range(3)] == [True, False, True]
