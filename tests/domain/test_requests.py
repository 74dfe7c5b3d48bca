"""Every refusal names the field, what came and what is allowed; nothing has been opened or sent by
then.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wan.domain import catalog
from wan.domain.errors import InvalidInput
from wan.domain.fingerprint import fingerprint
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest, arrange_references
from wan.domain.validation import allowed_texts

IMAGE = {"prompt": "she smiles", "reference_image": b"picture"}
CLIP = {"prompt": "character1 waves", "reference_video": b"clip"}

REFUSED = [
    ({"reference_image": None}, "reference_image", "", "Field required: input.img_url"),
    ({"reference_image": b""}, "reference_image", "", "Field required: input.img_url"),
    ({"prompt": "x" * 1501}, "prompt", "1501", "limit is 1500"),
    ({"prompt": "x" * 1490, "motion_strength": 0.5}, "prompt", "1518", "limit is 1500"),
    ({"prompt": 7}, "prompt", "7", "text"),
    ({"negative_prompt": "x" * 501}, "negative_prompt", "501", "limit is 500"),
    ({"duration": 1}, "duration", "1", "whole number of seconds from 2 to 15"),
    ({"duration": 16}, "duration", "16", "whole number of seconds from 2 to 15"),
    ({"duration": 2.5}, "duration", "2.5", "whole number of seconds from 2 to 15"),
    ({"duration": "abc"}, "duration", "abc", "whole number of seconds from 2 to 15"),
    ({"duration": float("nan")}, "duration", "nan", "whole number of seconds from 2 to 15"),
    ({"duration": None}, "duration", "None", "whole number of seconds from 2 to 15"),
    ({"size": "1280x721"}, "size", "1280x721", "1280*720"),
    ({"size": "1280**720"}, "size", "1280**720", "1280*720"),
    ({"size": "640*360"}, "size", "640*360", "1280*720"),
    ({"size": ["1280*720"]}, "size", "['1280*720']", "1280*720"),
    ({"seed": -2}, "seed", "-2", "0 to 2147483647"),
    ({"seed": "any"}, "seed", "any", "0 to 2147483647"),
    ({"seed": 2**31}, "seed", "2147483648", "0 to 2147483647"),
    ({"seed": True}, "seed", "True", "0 to 2147483647"),
    ({"fps": 0}, "fps", "0", "1 to 60"),
    ({"fps": 61}, "fps", "61", "1 to 60"),
    ({"fps": 23.976}, "fps", "23.976", "1 to 60"),
    ({"motion_strength": 7}, "motion_strength", "7", "0 to 1"),
    ({"motion_strength": "strong"}, "motion_strength", "strong", "0 to 1"),
    ({"fit": "stretch"}, "fit", "stretch", "crop, pad"),
    ({"crop_x": 1.5}, "crop_x", "1.5", "from 0 to 1"),
    ({"crop_y": "top"}, "crop_y", "top", "from 0 to 1"),
    ({"crop_y": float("nan")}, "crop_y", "nan", "from 0 to 1"),
    ({"zoom": 0.5}, "zoom", "0.5", "from 1 to 8"),
    ({"zoom": True}, "zoom", "True", "from 1 to 8"),
    ({"zoom": 2, "fit": "pad"}, "zoom", "fit pad", "fit is crop"),
    ({"crop_x": 0, "size": "720P"}, "crop_x", "size 720P", "size is in pixels"),
    ({"crop_x": 0, "reference_image": "https://example.com/a.png"}, "crop_x", "", "a file"),
    ({"pad_color": "#ff0000"}, "pad_color", "fit crop", "fit is pad"),
    ({"pad_color": "red", "fit": "pad"}, "pad_color", "red", "#000000"),
    ({"shot_type": "many"}, "shot_type", "many", "single, multi"),
    ({"audio": "perhaps"}, "audio", "perhaps", "true or false"),
    (
        {"model": "wan2.6-i2v-flash-2026-02-10"},
        "model",
        "wan2.6-i2v-flash-2026-02-10",
        "exactly one of wan2.6-i2v-flash",
    ),
    ({"model": "wan2.6-r2v"}, "model", "wan2.6-r2v", "exactly one of wan2.6-i2v-flash"),
    ({"modle": "wan2.6-i2v-flash"}, "modle", "modle", 'Did you mean "model"?'),
]
BAD_URLS = [
    "file:///etc/passwd",
    "/etc/passwd",
    "~/picture.png",
    "picture.png",
    "ftp://example.com/a.png",
    "http:///a.png",
    "https://",
    "http://localhost/a.png",
    "http://127.0.0.1/a.png",
    "http://[::1]/a.png",
    "http://169.254.169.254/latest",
    "http://10.0.0.1/a.png",
    "http://2130706433/a.png",
    "http://0x7f.1/a.png",
    "http://user:secret@example.com/a.png",
    "http://example.com:port/a.png",
    "http://exa mple.com/a.png",
    "https://printer.local/a.png",
    "https://router.lan/a.png",
    "http://127.0.0.0x1/a.png",
    "http://%31%32%37.0.0.1/a.png",
    "http://127。0。0。1/a.png",
    "http://example.com\\@127.0.0.1/a.png",
    "http://[::ffff:127.0.0.1]/a.png",
    "http://[64:ff9b::7f00:1]/a.png",
    "http://[2002:7f00:1::]/a.png",
    "http://[2001:0:53aa:64c:0:7bbb:80ff:fffe]/a.png",
    "http://224.0.0.1/a.png",
    "javascript:alert(1)",
    "oss://bucket/key",
]


@pytest.mark.parametrize(("wrong", "field", "given_", "allowed"), REFUSED)
def test_wrong_input_is_named(wrong, field, given_, allowed):
    with pytest.raises(InvalidInput) as refusal:
        ImageToVideoRequest(**IMAGE | wrong)
    said = str(refusal.value)
    assert refusal.value.field == field
    assert field in said
    assert given_ in said
    assert allowed in said
    assert "None" not in refusal.value.message.say("zh") or given_ == "None"


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize(
    "field", ["reference_image", "reference_video", "audio_url", "reference_audio"]
)
def test_a_url_is_public_http_or_refused(field, url):
    kind, rest = (
        (ReferenceToVideoRequest, {"prompt": "x"})
        if field == "reference_video"
        else (ImageToVideoRequest, IMAGE)
    )
    with pytest.raises(InvalidInput) as refusal:
        kind(**rest | {field: url})
    assert refusal.value.field == field
    assert url[:79] in str(refusal.value)
    assert "http" in str(refusal.value)


@pytest.mark.parametrize(
    ("references", "said"),
    [
        ({}, "Field required: input.reference_urls"),
        ({"reference_image": [b"x"] * 6}, "reference_image: 6 is too many. The limit is 5"),
        ({"reference_video": [b"x"] * 4}, "reference_video: 4 is too many. The limit is 3"),
        (
            {"reference_video": [b"x"] * 3, "reference_image": [b"x"] * 3},
            "6 is too many. The limit is 5",
        ),
    ],
)
def test_number_of_references(references, said):
    with pytest.raises(InvalidInput, match="^.*" + said.split(":")[0]) as refusal:
        ReferenceToVideoRequest(prompt="x", **references)
    assert said in str(refusal.value)


def test_reference_to_video_has_its_own_limits():
    with pytest.raises(InvalidInput, match="whole number of seconds from 2 to 10"):
        ReferenceToVideoRequest(**CLIP, duration=11)
    with pytest.raises(InvalidInput, match="size: 720P isn't supported"):
        ReferenceToVideoRequest(**CLIP, size="720P")


def test_defaults_are_not_the_dear_ones():
    assert catalog.tier_of(ImageToVideoRequest(**IMAGE).size) == "720P"
    assert catalog.tier_of(ReferenceToVideoRequest(**CLIP).size) == "720P"


def test_whole_floats_are_whole():
    request = ImageToVideoRequest(**IMAGE, duration=5.0, fps=24.0, seed=7.0)
    assert (request.duration, request.fps, request.seed) == (5, 24, 7)
    assert all(isinstance(value, int) for value in (request.duration, request.fps, request.seed))


@pytest.mark.parametrize("blank", ["", " \n", "\u3164\u200b", None])
def test_a_picture_needs_no_prompt_and_references_do(blank):
    assert ImageToVideoRequest(**IMAGE | {"prompt": blank}).prompt == ""
    worded = ImageToVideoRequest(**IMAGE | {"prompt": blank}, motion_strength=0.1)
    assert worded.sent_prompt == worded.motion_words
    assert ImageToVideoRequest(**IMAGE, negative_prompt=blank).negative_prompt == ""
    with pytest.raises(InvalidInput, match=r"^prompt\b"):
        ReferenceToVideoRequest(**CLIP | {"prompt": blank})


def test_references_are_numbered_as_they_are_given():
    several = [("image", b"cat"), ("video", b"walk"), ("image", b"dog")]
    request = ReferenceToVideoRequest(prompt="character2 walks", **arrange_references(several))
    assert request.in_order == several
    assert request.to_json()["reference_order"] == ["image", "video", "image"]
    usual = {
        "prompt": "character1 walks",
        "reference_video": b"walk",
        "reference_image": [b"cat", b"dog"],
    }
    assert ReferenceToVideoRequest(**usual).in_order == [
        ("video", b"walk"),
        ("image", b"cat"),
        ("image", b"dog"),
    ]
    assert (
        ReferenceToVideoRequest(**usual).to_json()
        == ReferenceToVideoRequest(**usual, reference_order=["video", "image", "image"]).to_json()
    )
    for odd in (["video"], ["image", "image", "image"], ["video", "image", "sound"], "video"):
        with pytest.raises(InvalidInput, match="reference_order: got"):
            ReferenceToVideoRequest(**usual, reference_order=odd)


def test_an_address_of_a_sound_is_the_same_request_wherever_it_stands():
    url = "https://example.com/a.mp3"
    usual = ImageToVideoRequest(**IMAGE, audio_url=url)
    for named in (
        {"reference_audio": url},
        {"reference_audio": url, "audio_url": ""},
        {"reference_audio": url, "audio_url": url},
    ):
        request = ImageToVideoRequest(**IMAGE, **named)
        assert (request, request.audio_url, request.reference_audio) == (usual, url, None)
    for twice, came in (
        (b"sound", "a file"),
        (Path("a.wav"), "a file"),
        ("https://example.com/b.mp3", "https://example.com/b.mp3"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            ImageToVideoRequest(**IMAGE, reference_audio=twice, audio_url=url)
        assert (
            str(refusal.value)
            == f"reference_audio: got both {came} and audio_url. Use only one of them."
        )
    for odd in (7, [b"sound"], {"path": "a.wav"}):
        with pytest.raises(InvalidInput, match="reference_audio: got"):
            ImageToVideoRequest(**IMAGE, reference_audio=odd)


def test_a_sound_is_another_request_and_none_is_the_same_as_ever():
    without = ImageToVideoRequest(**IMAGE)
    assert (
        without
        == ImageToVideoRequest(**IMAGE, reference_audio=None)
        == ImageToVideoRequest(**IMAGE, reference_audio="")
    )
    # As the versions before sounds wrote it: a change of the key would pay again for every video
    # that is kept.
    assert (
        fingerprint(without, "simulator", ["a"])
        == "a0a7806d0eef28a7a4c0ca1ebdd3fbcd7c4833674b6900e7a341b951ef612f43"
    )
    sounding = ImageToVideoRequest(**IMAGE, reference_audio=b"sound")
    assert sounding.to_json() == without.to_json()
    assert fingerprint(sounding, "simulator", ["a", "b"]) != fingerprint(
        without, "simulator", ["a"]
    )
    assert b"sound" not in repr(sounding).encode()


@pytest.mark.parametrize("seed", [None, -1, -1.0, "-1", "random", " Random ", ""])
def test_no_seed_as_callers_say_it(seed):
    assert ImageToVideoRequest(**IMAGE, seed=seed) == ImageToVideoRequest(**IMAGE)


@pytest.mark.parametrize(
    "size",
    [
        "720x1280",
        "720X1280",
        "720×1280",
        "720 * 1280",
        " 720＊1280\n",
        "720 x 1280",
        "720\u04451280",
    ],
)
def test_a_size_as_callers_write_it(size):
    assert (
        ImageToVideoRequest(**IMAGE, size=size).size
        == ReferenceToVideoRequest(**CLIP, size=size).size
        == "720*1280"
    )
    assert ImageToVideoRequest(**IMAGE, size="1080p").size == "1080P"


def test_motion_is_put_into_words_of_growing_strength():
    words = [
        ImageToVideoRequest(**IMAGE, motion_strength=strength).motion_words
        for strength in (0, 0.3, 0.5, 0.7, 1)
    ]
    assert len(set(words)) == 5
    assert ImageToVideoRequest(**IMAGE, motion_strength=0.5).sent_prompt == f"she smiles {words[2]}"
    assert ImageToVideoRequest(**IMAGE).sent_prompt == "she smiles"


def test_fingerprint_tells_apart_what_matters():
    def key(backend="simulator", digests=("a",), nonce="", **changes):
        return fingerprint(ImageToVideoRequest(**IMAGE | changes), backend, list(digests), nonce)

    keys = [
        key(),
        key(backend="https://dashscope.aliyuncs.com/api/v1"),
        key(digests=("b",)),
        key(nonce="again"),
        key(prompt="she frowns"),
        key(negative_prompt="blur"),
        key(duration=6),
        key(fps=24),
        key(size="720*1280"),
        key(fit="pad"),
        key(fit="pad", pad_color="#000000"),
        key(crop_x=0),
        key(crop_y=0),
        key(zoom=2),
        key(seed=1),
        key(motion_strength=0.5),
        key(audio=False),
        key(watermark=True),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == key()
    assert key(crop_x=0.1 + 0.2) == key(crop_x=0.3)
    assert key(fit="pad", pad_color=" #FFF ") == key(fit="pad", pad_color="rgb(255, 255, 255)")


def test_videos_from_before_a_crop_could_be_moved_are_found():
    """The keys of these two requests in the version that had no such fields."""
    for fit, before in (
        ("crop", "a0a7806d0eef28a7a4c0ca1ebdd3fbcd7c4833674b6900e7a341b951ef612f43"),
        ("pad", "07887f47531ec3efa1b5bae43ebedc8fd8041c6e9825a59693426d6f94ad992b"),
    ):
        plain = ImageToVideoRequest(**IMAGE, fit=fit)
        usual = {"crop_x": 0.5, "crop_y": 0.25, "zoom": 1, "pad_color": ""}
        named = ImageToVideoRequest(**IMAGE, fit=fit, **usual)
        for request in (plain, named):
            assert fingerprint(request, "simulator", ["a"]) == before
            assert not usual.keys() & request.to_json().keys()


@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # the machine may be busy; speed is no subject here
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text("aZ0*.- 图", max_size=12)
            | st.lists(st.integers(), max_size=2)
            for name in sorted(
                {*ImageToVideoRequest.model_fields, "extra"} - {"model", "reference_image"}
            )
        },
    )
)
def test_anything_at_all_is_accepted_or_refused_in_words(changes):
    refusal = None
    try:
        request = ImageToVideoRequest(**IMAGE | changes)
    except InvalidInput as error:
        refusal = error
    if refusal is not None:
        assert refusal.field in str(refusal)
    else:
        assert request.duration in request.catalog_model.durations
        assert len(request.sent_prompt) <= catalog.PROMPT_LIMIT


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "http://8.8.8.8/a.png",
        "http://[2606:4700::1111]:8080/a.png",
        "https://b\u00fccher.example/a.png",
    ],
)
def test_a_public_url_is_taken_as_it_is(url):
    assert ImageToVideoRequest(**IMAGE | {"reference_image": url}).reference_image == url


@pytest.mark.parametrize(
    ("kind", "longest", "sizes"), [(ImageToVideoRequest, 15, 12), (ReferenceToVideoRequest, 10, 10)]
)
def test_the_json_schema_has_the_limits(kind, longest, sizes):
    fields = kind.model_json_schema()["properties"]
    assert (fields["duration"]["minimum"], fields["duration"]["maximum"]) == (2, longest)
    assert len(fields["size"]["enum"]) == sizes
    assert (fields["prompt"]["maxLength"], fields["negative_prompt"]["maxLength"]) == (1500, 500)
    assert [fields[name]["anyOf"][0]["maximum"] for name in ("fps", "seed")] == [60, 2**31 - 1]
    assert fields["shot_type"]["enum"] == ["single", "multi"]
    assert fields["model"].get("enum", [fields["model"].get("const")]) == list(
        allowed_texts(kind.model_fields["model"])
    )


def test_of_two_wrong_fields_the_model_is_told_first():
    with pytest.raises(InvalidInput, match=r"^model: x isn't available\. Use exactly one of"):
        ImageToVideoRequest(**IMAGE | {"model": "x", "duration": 99})
