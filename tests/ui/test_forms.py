"""What the forms make of their fields, and that their limits are the catalog's."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from wan.domain import catalog, ids, reviews
from wan.domain.errors import InvalidInput
from wan.domain.ids import Owners, Seal
from wan.ui import framing, image, reference
from wan.ui.api import endpoints
from wan.ui.caller import NotReady, owner_of
from wan.ui.components.review import OfComment
from wan.ui.inputs import _short_texts

IMAGE = {
    "image": Path("/uploads/a.png"),
    "url": "",
    "prompt": "She smiles.",
    "duration": 5,
    "shape": "16:9",
    "quality": "720P",
    "fit": "crop",
    "pad_color": "#000000",
    "crop_x": 0.5,
    "crop_y": 0.25,
    "zoom": 1,
    "seed": "",
    "fps": "",
    "motion_on": False,
    "motion_strength": 0.5,
    "audio": True,
    "sound_file": None,
    "audio_url": "",
    "negative_prompt": "",
    "shot_type": "single",
    "prompt_extend": True,
    "watermark": False,
}


def test_motion_strength_counts_only_when_it_is_switched_on():
    assert image.read(IMAGE).motion_strength is None
    assert image.read(IMAGE | {"motion_on": True}).motion_strength == 0.5


def test_numbers_that_are_left_out_are_none_and_typed_ones_count():
    assert (image.read(IMAGE).seed, image.read(IMAGE).fps) == (None, None)
    assert image.read(IMAGE | {"seed": " 4711 ", "fps": "24"}).seed == 4711


def test_an_upload_is_a_path_and_text_never_is():
    assert image.read(IMAGE).reference_image == Path("/uploads/a.png")
    assert (
        image.read(IMAGE | {"image": None, "url": " https://example.com/a.png "}).reference_image
        == "https://example.com/a.png"
    )
    with pytest.raises(InvalidInput, match="reference_image"):
        image.read(IMAGE | {"image": None, "url": "/etc/passwd"})


WRONG = [
    ({"prompt": "x" * 1501}, "prompt"),
    ({"seed": "1.5"}, "seed"),
    ({"fps": "90"}, "fps"),
    ({"fps": "fast"}, "fps"),
    ({"duration": 99}, "duration"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_the_requests_do_the_checking(wrong, field):
    with pytest.raises(InvalidInput) as refused:
        image.read(IMAGE | wrong)
    assert refused.value.field == field


def test_references_are_listed_files_first():
    files = [Path("/u/cat.png"), Path("/u/walk.mp4")]
    listed = reference.list_references(
        files, " https://example.com/x.mov?y=1\n\nhttps://example.com/x.jpg\n"
    )
    assert listed == [*files, "https://example.com/x.mov?y=1", "https://example.com/x.jpg"]
    assert reference.list_references(None, None) == []


def test_every_size_can_be_chosen():
    sizes = {
        framing.size_in({"shape": shape, "quality": tier}): (shape, tier)
        for shape, of in catalog.SHAPES.items()
        for _, tier in framing.list_qualities("en", shape, {})
        if of[tier]
    }
    assert sizes.keys() == {*catalog.SIZES, "720P", "1080P"}
    for size, (shape, tier) in sizes.items():
        assert framing.show_size(size) == {"shape": shape, "quality": tier}
        assert catalog.tier_of(size) == tier
        if shape != catalog.ORIGINAL:
            (width, height), (across, down) = catalog.parse_size(size), map(int, shape.split(":"))
            assert width / height == pytest.approx(across / down, rel=0.02)


def test_each_quality_says_its_price_and_its_size():
    prices = {"720P": catalog.Price(Decimal("1.5"), "CNY", 5), "1080P": None}
    assert framing.list_qualities("en", "9:16", prices) == [
        ("720p · ¥1.50\n720×1280", "720P"),
        ("1080p\n1080×1920", "1080P"),
    ]
    most = {"720P": catalog.Price(Decimal("1.5"), "CNY", 5, exact=False)}
    assert framing.list_qualities("en", "1:1", most)[0][0].startswith("720p · up to ¥1.50\n")


FRAMED = [
    ({}, {}),
    ({"crop_x": 0.2, "zoom": 2}, {"crop_x": 0.2, "zoom": 2}),
    ({"crop_x": 0.2, "shape": "original"}, {}),
    ({"crop_x": 0.2, "image": None, "url": "https://example.com/a.png"}, {}),
    ({"crop_x": 0.2, "fit": "pad"}, {"fit": "pad"}),
    ({"fit": "color", "pad_color": "#112233"}, {"fit": "pad", "pad_color": "#112233"}),
    ({"fit": "color", "pad_color": None}, {"fit": "pad", "pad_color": "#000000"}),
]


@pytest.mark.parametrize(("form", "asked"), FRAMED)
def test_the_form_asks_for_a_framing_where_it_means_something(form, asked):
    request = image.read(IMAGE | form).to_json()
    usual = {"fit": "crop", "crop_x": 0.5, "crop_y": 0.25, "zoom": 1, "pad_color": ""}
    assert {name: request.get(name, value) for name, value in usual.items()} == usual | asked
    shown = framing.show_framing(request)
    assert framing.framing_in(shown | {"image": "a.png"}, request["size"]).items() >= asked.items()


STUDIO = SimpleNamespace(access=SimpleNamespace(owners=Owners(Seal(bytes(32)))))


@pytest.mark.parametrize(
    "token",
    ["", None, 7, "short", ["x" * 40], "x" * 31, "x" * 513, f"login\nada{'x' * 40}", "\ud800" * 40],
)
def test_what_is_no_token_is_no_owner(token):
    with pytest.raises(NotReady):
        owner_of(STUDIO, token, gr.Request())
    with pytest.raises(ValueError, match="no token"):
        STUDIO.access.owners.of_token(token)


def test_an_owner_does_not_tell_the_token():
    known = owner_of(STUDIO, "x" * 43, gr.Request())
    assert "x" * 8 not in known
    assert len(known) == Seal.LENGTH == 43
    assert known != Owners(Seal(bytes(31) + b"1")).of_token("x" * 43)


def test_nobody_is_another_by_what_they_say():
    said = "a-name-or-a-key-or-a-token-of-43-characters"
    owners = STUDIO.access.owners
    assert (
        len(
            {
                owners.of_login(said),
                owners.of_key(said),
                owners.of_token(said),
                owners.of_login("ada"),
                owners.of_key("ada"),
            }
        )
        == 5
    )


@pytest.mark.anyio
async def test_what_breaks_in_a_call_says_no_path_of_the_server(caplog):
    """MCP gives the caller whatever an error says."""

    async def image_to_video() -> dict[str, str]:
        raise OSError(24, "Too many open files", "/srv/wan/output/cache/clip")

    with pytest.raises(gr.Error) as refusal:
        await endpoints.report_refusals(image_to_video)()
    assert "/srv" not in str(refusal.value)
    assert "/srv/wan/output/cache/clip" in caplog.text, "the log has it"


@pytest.mark.parametrize(
    "given",
    [10**5000, [10**5000], "x" * 5000, float("nan"), True],
    ids=["huge", "list", "text", "nan", "true"],
)
def test_a_wait_that_is_none_is_refused_in_words(given):
    with pytest.raises(InvalidInput, match="wait") as refusal:
        endpoints.check_wait(given)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("characters", [reviews.COMMENT_LIMIT + 1, 10_000, 20_500])
def test_a_comment_that_is_too_long_is_refused_in_words(characters):
    known = {"review": ids.new_review_id(), "comment": ids.new_review_id()}
    event = OfComment.model_validate(_short_texts(known | {"text": "x" * characters}))
    assert (event.review, event.comment) == tuple(known.values())
    with pytest.raises(InvalidInput, match=f"has {characters} characters. The limit is 2000"):
        reviews.check_comment(event.text)
