"""What is done to pictures and clips that are taken, and the plain refusals; tests/attacks has what
is sent in bad faith.
"""

import io
import os
import re
import struct
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms, ImageStat

from tests.boxes import box, edited
from tests.conftest import ROOT
from tests.disks import small_disk
from tests.pictures import clip, picture
from tests.sounds import sound
from wan.domain import catalog
from wan.domain.crop import Crop
from wan.domain.errors import InvalidInput, NotAVideo, ResultRefused, StorageUnavailable
from wan.media import encode, images, inputs

FIELD = "reference_image"


def taken(data: bytes | Path, size: str = catalog.ORIGINAL, fit: str = "crop") -> inputs.ImageInput:
    return inputs.prepare_image(FIELD, data, size=size, fit=fit)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def checked(source: bytes | Path) -> tuple[inputs.VideoInput, bytes]:
    """What a reference video is, and the copy that goes up."""
    with tempfile.TemporaryFile() as target:
        footage = inputs.prepare_video("reference_video", source, target)
        target.seek(0)
        return footage, target.read()


REFUSED = {
    "text named png": (
        b"this is no picture",
        "can't be opened as an image",
        "JPEG, PNG, BMP, WebP, HEIC or AVIF",
    ),
    "truncated": (
        picture((800, 800), color="red", kind="PNG", compress_level=0)[:5000],
        "this PNG file can't be read, because it's damaged, incomplete or",
        "Export or download it again",
    ),
    **{
        f"truncated {kind}": (
            whole[: len(whole) * 2 // 3],
            f"this {kind} file can't be read, because it's damaged, incomplete or",
            "Export or download it again",
        )
        for kind in ("JPEG", "WebP", "AVIF", "BMP")
        for whole in (picture((800, 800), kind=kind),)
    },
    "gif": (
        picture((300, 300), kind="GIF", mode="P", color=0),
        "GIF images",
        "Save yours as JPEG or PNG",
    ),
    "5 px": (picture((5, 5)), "5×5 px", "240 to 8000 px"),
    "20,000 px": (picture((20_000, 300), mode="L", color=0), "20000×300 px", "240 to 8000 px"),
    "21 MB": (b"\x89PNG\r\n\x1a\n" + bytes(21_000_000), "21.0 MB", "limit is 20 MB"),
    "nothing": (b"", "this file is empty", "use another file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_pictures(name):
    data, given, allowed = REFUSED[name]
    with pytest.raises(InvalidInput) as refusal:
        taken(data)
    said = str(refusal.value)
    assert said.startswith(f"{FIELD}: ")
    assert given in said
    assert allowed in said


def test_a_file_that_is_not_there_is_named_without_its_folder(tmp_path):
    with pytest.raises(InvalidInput, match=r"gone\.png wasn't found") as refusal:
        taken(tmp_path / "gone.png")
    assert str(tmp_path) not in str(refusal.value)
    with pytest.raises(InvalidInput, match="wasn't found"):
        taken(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_accepted_formats(kind):
    made = taken(picture((300, 240), kind=kind))
    assert (made.width, made.height, made.adjustments) == (300, 240, [])
    assert (opened(made.kept).format, opened(made.kept).mode) == ("JPEG", "RGB")
    assert made.sent == made.kept


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0)), ("PA", 0)])
def test_transparency_is_put_on_white_and_said(mode, color):
    data = picture(
        (300, 300),
        mode=mode if mode != "PA" else "P",
        color=color,
        **({"transparency": 0} if mode == "PA" else {}),
    )
    made = taken(data)
    assert opened(made.kept).getpixel((150, 150)) == (255, 255, 255)
    assert [one.key for one in made.adjustments] == ["image_flattened"]


def test_a_photo_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.new("RGB", (600, 300), "white")
    photo.paste("red", (0, 0, 100, 300))  # at the left, which is up
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=exif, quality=95)
    made = taken(out.getvalue())
    assert (made.width, made.height) == (300, 600)
    assert opened(made.kept).getpixel((150, 20))[1] < 60
    assert opened(made.kept).getpixel((150, 580))[1] > 200
    assert [one.key for one in made.adjustments] == ["image_upright"]


def test_broken_exif_in_a_whole_photo_is_passed_over():
    made = taken(
        picture((300, 300), kind="JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" + bytes(20))
    )
    assert (made.width, made.adjustments) == (300, [])


def test_a_photo_with_a_second_view_is_a_photo():
    out = io.BytesIO()
    Image.new("RGB", (300, 300), "red").save(
        out, "MPO", save_all=True, append_images=[Image.new("RGB", (300, 300), "blue")]
    )
    assert opened(taken(out.getvalue()).kept).getpixel((0, 0))[0] > 200


def test_grey_of_sixteen_bits_keeps_its_shades():
    out = io.BytesIO()
    Image.new("I;16", (300, 300), 0x8000).save(out, "PNG")
    assert opened(taken(out.getvalue()).kept).getpixel((0, 0)) == pytest.approx(
        (128, 128, 128), abs=1
    )


def test_inks_become_colours():
    assert (
        opened(
            taken(
                picture((300, 300), mode="CMYK", color=(0, 255, 255, 0), kind="JPEG", quality=95)
            ).kept
        ).getpixel((0, 0))[0]
        > 200
    )


def test_colours_are_those_that_the_profile_means():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = (
        srgb.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)
    )  # its red is green
    red, green, _ = opened(
        taken(picture((300, 300), icc_profile=swapped, color=(10, 200, 30))).kept
    ).getpixel((0, 0))
    assert red > 190
    assert green < 20


def test_a_profile_that_is_of_no_use_is_passed_over():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, b"no profile"):
        made = taken(picture((300, 300), icc_profile=profile, color=(10, 200, 30)))
        assert opened(made.kept).getpixel((0, 0)) == pytest.approx((10, 200, 30), abs=3)


@pytest.mark.parametrize("size", catalog.SIZES)
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_picture_gets_exactly_the_size(size, fit):
    made = taken(picture((451, 300)), size, fit)
    assert opened(made.sent).size == catalog.parse_size(size)
    assert opened(made.kept).size == (made.width, made.height) == (451, 300)
    assert "451×300" in str(made.adjustments[0])
    assert size.replace("*", "×") in str(made.adjustments[0])


def test_a_crop_of_a_tall_picture_keeps_what_is_above_its_middle():
    """Where a face is in a portrait."""
    tall = Image.new("RGB", (400, 1600), "white")
    tall.paste("red", (0, 320, 400, 480))
    out = io.BytesIO()
    tall.save(out, "PNG")
    red, green, _ = opened(taken(out.getvalue(), "960*960").sent).getpixel((480, 240))
    assert red > 200
    assert green < 80


def test_padding_keeps_the_whole_picture():
    wide = Image.new("RGB", (800, 400), "white")
    wide.paste("red", (0, 0, 10, 400))
    out = io.BytesIO()
    wide.save(out, "PNG")
    red, green, _ = opened(taken(out.getvalue(), "960*960", "pad").sent).getpixel((3, 480))
    assert red > 200
    assert green < 80


@pytest.mark.parametrize("size", ["720P", "1080P", catalog.ORIGINAL])
@pytest.mark.parametrize("given", [(451, 300), (1472, 828), (8000, 240)])
def test_a_picture_in_its_own_shape_is_left_alone(given, size):
    made = taken(picture(given), size)
    assert opened(made.sent).size == (made.width, made.height) == given
    assert made.kept == made.sent == taken(picture(given), "1280*720").kept
    assert made.adjustments == []


@pytest.mark.parametrize(
    ("given", "size", "sent"),
    [
        ((4000, 3000), "720P", (1275, 956)),
        ((4000, 3000), "1080P", (1912, 1434)),
        ((3000, 6000), "1080P", (1171, 2342)),
        ((1500, 850), "720P", (1467, 831)),
        ((8000, 300), "720P", (6400, 240)),  # as small as the service takes a side
        ((6000, 3000), catalog.ORIGINAL, (4096, 2048)),
    ],
)
def test_an_own_shape_has_few_more_pixels_than_its_video(given, size, sent):
    made = taken(picture(given), size)
    assert opened(made.sent).size == sent
    assert (made.width, made.height) == given
    assert made.kept == taken(picture(given), "1280*720").kept
    (note,) = made.adjustments
    of, to = (f"{width}×{height}" for width, height in (given, sent))
    assert note.say() == f"Your image ({of}) was scaled to {to}."


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((8160, 6120), (4096, 3072)),
        ((6120, 8160), (3072, 4096)),
        ((8160, 240), None),
        ((8160, 8160), None),
    ],
)
def test_a_photo_of_a_phone_may_be_larger_than_what_goes_up(size, sent):
    if sent:
        assert opened(taken(picture(size, kind="JPEG")).sent).size == sent
    else:
        with pytest.raises(InvalidInput, match="240 to 8000 px"):
            taken(picture(size, kind="JPEG"))


def test_preview_shows_the_crop(tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(picture((451, 300)))
    preview = inputs.preview_image(path, size="720*1280", fit="crop")
    with opened(preview.shown) as shown:
        assert shown.format == "WEBP"
        assert shown.width * 16 == shown.height * 9
    assert (preview.whole, preview.enlarged) == (b"", pytest.approx(1280 / 300))


def marked(size: tuple[int, int], orientation: int = 1) -> bytes:
    """A picture that is red at the left and blue at the right, green at the top and white at the
    bottom when it is held upright, each a twentieth wide.
    """
    width, height = size
    image = Image.new("RGB", size, "grey")
    for color, place in (
        ("red", (0, 0, width // 20, height)),
        ("blue", (width - width // 20, 0, width, height)),
        ("lime", (0, 0, width, height // 20)),
        ("white", (0, height - height // 20, width, height)),
    ):
        image.paste(color, place)
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}.get(orientation)
    out = io.BytesIO()
    (image if back is None else image.transpose(back)).save(out, "PNG", exif=exif)
    return out.getvalue()


def colors(data: bytes, *places: tuple[float, float]) -> list[str]:
    """The names of the colours at these places of a picture, as fractions of its sides."""
    known = {"red": (255, 0, 0), "blue": (0, 0, 255), "lime": (0, 255, 0)}
    known |= {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}
    with opened(data) as image:
        found = [
            image.convert("RGB").getpixel(
                (round(x * (image.width - 1)), round(y * (image.height - 1)))
            )
            for x, y in places
        ]
    return [
        min(known, key=lambda name: sum(abs(a - b) for a, b in zip(known[name], one, strict=True)))
        for one in found
    ]


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize(
    ("given", "crop", "left", "right", "top", "bottom"),
    [  # what is seen at the middle of each edge of the video
        ((900, 300), Crop(0, 0.25), "red", "grey", "lime", "white"),
        ((900, 300), Crop(1, 0.25), "grey", "blue", "lime", "white"),
        ((900, 300), Crop(), "grey", "grey", "lime", "white"),
        ((300, 900), Crop(0.5, 0), "red", "blue", "lime", "grey"),
        ((300, 900), Crop(0.5, 1), "red", "blue", "grey", "white"),
        ((640, 360), Crop(0.5, 0.5, 1), "red", "blue", "lime", "white"),
        ((640, 360), Crop(0.5, 0.5, 2), "grey", "grey", "grey", "grey"),
        ((640, 360), Crop(0, 1, 4), "red", "grey", "grey", "white"),
        ((1280, 720), Crop(1, 0, 8), "grey", "blue", "lime", "grey"),
        ((8000, 240), Crop(1, 1), "grey", "blue", "lime", "white"),
        ((241, 7999), Crop(0, 0.5), "red", "blue", "grey", "grey"),
    ],
)
def test_a_frame_shows_what_it_stands_on(given, crop, left, right, top, bottom, orientation):
    data = marked(given, orientation)
    made = inputs.prepare_image(FIELD, data, size="1280*720", fit="crop", crop=crop)
    shown = inputs.preview_image(data, size="1280*720", fit="crop", crop=crop)
    middles = (0, 0.5), (1, 0.5), (0.45, 0), (0.45, 1)
    assert (made.width, made.height) == given
    for one in (made.sent, shown.shown):
        assert colors(one, *middles) == [left, right, top, bottom]
    assert opened(made.sent).size == (1280, 720)
    assert made.enlarged == pytest.approx(shown.enlarged)
    whole = min(given[0] / 1280, given[1] / 720)
    assert made.enlarged == pytest.approx(crop.zoom / whole)


def test_a_frame_at_the_edge_is_exact_to_the_pixel():
    """Where nothing has to be scaled, the pixels are those of the picture."""
    given = Image.effect_noise((1500, 900), 90).convert("RGB")
    for crop, corner in (
        (Crop(0, 0, 1500 / 1280), (0, 0)),
        (Crop(1, 1, 1500 / 1280), (220, 180)),
        (Crop(0.5, 0.5, 1500 / 1280), (110, 90)),
    ):
        box = crop.box(given.size, (1280, 720))
        assert box == pytest.approx((*corner, corner[0] + 1280, corner[1] + 720))
        sent, _ = images._fit(given, "1280*720", images._Frame("crop", crop))
        part = given.crop((*corner, corner[0] + 1280, corner[1] + 720))
        assert ImageChops.difference(sent, part).getextrema() == ((0, 0),) * 3


def test_an_own_shape_has_no_frame_and_says_how_small_it_is():
    made = inputs.prepare_image(FIELD, marked((320, 240)), size="720P", fit="crop")
    assert opened(made.sent).size == (320, 240)
    assert made.enlarged == pytest.approx((1280 * 720 / (320 * 240)) ** 0.5)


def test_bars_have_the_colour_that_was_asked_for():
    data = marked((300, 600))
    asked = {"size": "960*960", "fit": "pad", "pad_color": "#000000"}
    made, shown = inputs.prepare_image(FIELD, data, **asked), inputs.preview_image(data, **asked)
    for one in (made.sent, shown.shown):
        seen = colors(one, (0, 0.5), (0.27, 0.5), (0.5, 0.02), (1, 0.5))
        assert seen == ["black", "red", "lime", "black"]
    assert made.enlarged == pytest.approx(1.6)
    (note,) = made.adjustments
    assert note.say() == "Your image (300×600) was padded to 960×960 with bars."


def test_what_a_browser_cannot_show_comes_whole():
    heic = (ROOT / "tests/data/field/picture.heic").read_bytes()
    preview = inputs.preview_image(heic, size="720*1280", fit="crop")
    with opened(preview.whole) as whole, opened(preview.shown) as shown:
        assert whole.width == whole.height == 320
        assert shown.width * 16 == shown.height * 9


@pytest.mark.parametrize(("seconds", "given"), [(0.5, "0.5 s"), (31, "31.0 s")])
def test_clips_of_a_wrong_length(tmp_path, seconds, given):
    path = clip(tmp_path / "clip.mp4", seconds=seconds, size=(64, 64), fps=10)
    with pytest.raises(InvalidInput) as refusal:
        checked(path)
    assert f"reference_video: {given}" in str(refusal.value)
    assert "1.0 to 30.0 s" in str(refusal.value)


@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_a_clip_is_measured_and_copied_as_it_is(tmp_path, kind):
    path = clip(tmp_path / f"clip.{kind}", seconds=2, fps=25, sound=True)
    footage, copy = checked(path)
    found = footage.clip
    assert (found.size, found.fps, found.seconds, found.has_audio, found.codec) == (
        "320*240",
        25,
        2,
        True,
        "h264",
    )
    assert (footage.kind, footage.sha256) == (kind, inputs.digest(path))
    with av.open(str(path)) as given, av.open(io.BytesIO(copy)) as made:
        for track in ("video", "audio"):
            before, after = (
                [bytes(packet) for packet in one.demux(**{track: 0}) if packet.size]
                for one in (given, made)
            )
            assert before == after
    assert checked(path)[1] == copy  # to the byte, so that it goes up once


@pytest.mark.parametrize(("fps", "warned"), [(15, True), (16, False), (1, True), (60, False)])
def test_a_slow_clip_is_taken_with_a_warning(tmp_path, fps, warned):
    path = clip(tmp_path / "clip.mp4", seconds=2, fps=fps, size=(64, 64))
    assert [one.key for one in checked(path)[0].adjustments] == ["video_slow"] * warned
    assert [one.key for one in inputs.preview_reference("reference_video", path).adjustments] == [
        "video_slow"
    ] * warned


def test_the_length_of_a_clip(tmp_path):
    assert inputs.video_seconds(clip(tmp_path / "clip.mp4", seconds=2)) == 2


def test_a_clip_filmed_upright_stays_upright(tmp_path):
    data = clip(tmp_path / "clip.mp4").read_bytes()
    at = data.index(b"tkhd") + 4 + 40  # the matrix of the track
    turned = b"".join(
        number.to_bytes(4, "big", signed=True)
        for number in (0, 1 << 16, 0, -(1 << 16), 0, 0, 240 << 16, 0, 1 << 30)
    )
    _, copy = checked(data[:at] + turned + data[at + 36 :])
    with (
        av.open(io.BytesIO(data[:at] + turned + data[at + 36 :])) as given,
        av.open(io.BytesIO(copy)) as made,
    ):
        rotations = [next(one.decode(video=0)).rotation for one in (given, made)]
    assert rotations[0] == rotations[1] != 0


@pytest.mark.parametrize(
    ("turn", "size", "corner"),
    [
        (90, "240*320", (-20, 20)),
        (180, "320*240", (-20, -20)),
        (270, "240*320", (20, -20)),
        (None, "320*240", (20, 20)),  # a matrix of zeros, as some recorders write it
    ],
)
def test_a_clip_has_the_size_in_which_players_show_it(tmp_path, turn, size, corner):
    path = named(tmp_path, "turned.mp4", turned(recorded(tmp_path / "clip.mp4"), turn))
    assert checked(path)[0].clip.size == size
    assert encode.measure(path).size == size
    shown = opened(encode.poster(path))
    assert f"{shown.width}*{shown.height}" == size
    red, green, _ = shown.getpixel(
        tuple(at % side for at, side in zip(corner, shown.size, strict=True))
    )
    assert red > 180 > 90 > green, "what is at the upper left of the frames"


def turned(data: bytes, degrees: int | None) -> bytes:
    """A clip of 320x240 whose camera was held otherwise: the matrix of its first track says so."""
    one = 1 << 16
    moved = {
        90: (0, one, -one, 0, 240 << 16, 0),
        180: (-one, 0, 0, -one, 320 << 16, 240 << 16),
        270: (0, -one, one, 0, 0, 320 << 16),
        None: (0, 0, 0, 0, 0, 0),
    }[degrees]
    a, b, c, d, x, y = moved
    at = data.index(b"tkhd") + 4 + 40
    return (
        data[:at]
        + b"".join(
            number.to_bytes(4, "big", signed=True) for number in (a, b, 0, c, d, 0, x, y, 1 << 30)
        )
        + data[at + 36 :]
    )


def recorded(
    path: Path, *, pictures: str = "libx264", sound: Sequence[tuple[str, int]] = (), **options: str
) -> bytes:
    """Two seconds as a camera records them, 320x240 at 15 frames per second, the upper left of them
    red; sound: codec and rate of each track.
    """
    with av.open(str(path), "w") as made:
        picture_track = made.add_stream(
            pictures,
            rate=15,
            options={"preset": "ultrafast", "bf": "0"} | options if pictures == "libx264" else {},
        )
        picture_track.width, picture_track.height, picture_track.pix_fmt = (
            320,
            240,
            "yuv422p10le" if pictures == "prores_ks" else "yuv420p",
        )
        tracks = [(made.add_stream(codec, rate=rate, layout="mono"), rate) for codec, rate in sound]
        shown = Image.new("RGB", (320, 240), "green")
        shown.paste("red", (0, 0, 80, 60))
        for _ in range(30):
            made.mux(picture_track.encode(av.VideoFrame.from_image(shown)))
        made.mux(picture_track.encode(None))
        for track, rate in tracks:
            tone = av.AudioFrame.from_ndarray(
                (np.sin(np.arange(2 * rate) / 20) * 8000).astype(np.int16)[None],
                format="s16",
                layout="mono",
            )
            tone.sample_rate, tone.pts = rate, 0
            made.mux(track.encode(tone))
            made.mux(track.encode(None))
    return path.read_bytes()


def done(footage: inputs.VideoInput) -> list[str]:
    """What was done to a clip, by the keys of the sentences; that it is slow is nothing that was
    done.
    """
    return [one.key for one in footage.adjustments if one.key != "video_slow"]


def as_mp4(data: bytes) -> bytes:
    """A MOV that calls itself an MP4, as cameras in a network write it."""
    return data[:8] + b"mp42" + data[12:]


def as_mov(data: bytes) -> bytes:
    return data[:8] + b"qt  " + data[12:]


def unknown(data: bytes, codec: bytes) -> bytes:
    """A clip whose sound nobody can decode."""
    return data.replace(b"mp4a", codec).replace(b"esds", b"esdx")


FIELD_CLIPS = {  # what is done to each, its codec, and its sound afterwards
    "sound_amr.3gp": (["clip_sound_converted"], "mp4", "aac"),
    "sound_pcm_mulaw.mp4": (["clip_sound_converted"], "mp4", "aac"),
    "sound_apac_first_aac_second.mp4": (["clip_sound_other"], "mp4", "aac"),
    "depth_track_first.mov": (["clip_picture_other"], "mov", "aac"),
    "slowmo_240_vfr.mp4": ([], "mp4", None),
}


@pytest.mark.parametrize("name", FIELD_CLIPS)
def test_clips_of_real_devices(name):
    changes, kind, sound = FIELD_CLIPS[name]
    footage, copy = checked(FILES / name)
    assert (done(footage), footage.kind, footage.clip.has_audio) == (
        changes,
        kind,
        sound is not None,
    )
    assert inputs.preview_reference(name, FILES / name).adjustments == footage.adjustments
    with av.open(io.BytesIO(copy)) as made:
        assert [one.codec_context.name for one in made.streams] == [
            "h264",
            *([sound] if sound else []),
        ]
        assert sum(1 for _ in made.decode(video=0)) > 20
        if sound:
            made.seek(0)
            assert sum(
                frame.samples / frame.sample_rate for frame in made.decode(audio=0)
            ) == pytest.approx(footage.clip.seconds, abs=0.2)


SOUNDS = {  # codec, rate, whether the file calls itself an MP4: what its copy has
    ("pcm_alaw", 8000, True): "aac",
    ("pcm_alaw", 8000, False): "pcm_alaw",
    ("adpcm_ima_qt", 44100, True): "aac",
    ("adpcm_ima_qt", 44100, False): "adpcm_ima_qt",
    ("pcm_s16be", 48000, True): "pcm_s16be",
}


@pytest.mark.parametrize("given", SOUNDS, ids=str)
def test_sound_is_copied_where_the_container_takes_it_and_becomes_aac_where_not(tmp_path, given):
    codec, rate, mp4 = given
    data = recorded(tmp_path / "clip.mov", sound=[(codec, rate)])
    footage, copy = checked(as_mp4(data) if mp4 else data)
    with av.open(io.BytesIO(copy)) as made:
        assert made.streams.audio[0].codec_context.name == SOUNDS[given]
        levels = np.concatenate(
            [frame.to_ndarray().astype(float).ravel() for frame in made.decode(audio=0)]
        )
    assert np.abs(levels).max() > 0
    assert done(footage) == (["clip_sound_converted"] if SOUNDS[given] == "aac" != codec else [])


def test_sound_that_nobody_can_decode_is_left_out(tmp_path):
    for codec in (b"apac", b"ac-4"):
        footage, copy = checked(
            unknown(recorded(tmp_path / "clip.mp4", sound=[("aac", 48000), ("aac", 48000)]), codec)
        )
        assert (done(footage), footage.clip.has_audio) == (["clip_sound_dropped"], False)
        assert codec not in copy


def test_pictures_and_sound_that_belong_in_the_other_kind_of_file(tmp_path):
    """Whatever it says that it is, the copy is one that can carry them."""
    footage, _ = checked(as_mp4(recorded(tmp_path / "clip.mov", pictures="prores_ks")))
    assert (footage.kind, footage.clip.codec, footage.clip.seconds, done(footage)) == (
        "mov",
        "prores",
        2,
        [],
    )
    footage, _ = checked(as_mov(recorded(tmp_path / "clip.mp4", pictures="libvpx-vp9")))
    assert (footage.kind, footage.clip.codec, footage.clip.seconds, done(footage)) == (
        "mp4",
        "vp9",
        2,
        [],
    )
    for codec in ("flac", "libopus"):
        footage, copy = checked(as_mov(recorded(tmp_path / "clip.mp4", sound=[(codec, 48000)])))
        assert (footage.kind, done(footage)) == ("mov", ["clip_sound_converted"])
        with av.open(io.BytesIO(copy)) as made:
            assert made.streams.audio[0].codec_context.name == "aac"


def test_a_clip_without_pictures_or_in_an_unknown_codec_says_so(tmp_path):
    data = recorded(tmp_path / "clip.mp4", sound=[("aac", 48000)])
    alone = edited(
        data, [b"moov", b"trak"], lambda body: box(b"trak", body) if b"soun" in body else b""
    )
    with pytest.raises(InvalidInput, match="no video track"):
        checked(alone)
    with pytest.raises(InvalidInput, match=r"codec can't be decoded here\. Use H\.264"):
        checked(data.replace(b"avc1", b"zzzz"))


@pytest.mark.parametrize(
    ("codec", "format_", "name"),
    [
        ("mpeg2video", "yuv420p", "MPEG-2"),
        ("mjpeg", "yuvj420p", "MJPEG"),
        ("png", "rgb24", "PNG"),
        ("cinepak", "rgb24", "Cinepak"),
    ],
)
def test_a_codec_is_called_as_people_call_it(tmp_path, codec, format_, name):
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w") as made:
        track = made.add_stream(codec, rate=25)
        track.width, track.height, track.pix_fmt = 320, 240, format_
        made.mux(track.encode(av.VideoFrame(320, 240, format_)))
        made.mux(track.encode(None))
    with pytest.raises(InvalidInput, match=rf": {name} video isn't supported\. Use H\.264"):
        checked(path)


TIMES = {  # of 30 frames in 2 s: how many, and the ticks to the next
    "some repeated": [(5, 1024), (5, 0), (5, 2048), (15, 1024)],
    "each second one repeated": [(1, 0), (1, 2048)] * 15,
    "all the same but the last": [(29, 0), (1, 30 * 1024)],
}


@pytest.mark.parametrize("name", TIMES)
def test_times_that_stand_still_are_put_in_order(tmp_path, name):
    lines = TIMES[name]
    table = box(
        b"stts",
        struct.pack(">II", 0, len(lines)) + b"".join(struct.pack(">II", *line) for line in lines),
    )
    data = edited(
        recorded(tmp_path / "clip.mp4"),
        [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"],
        lambda _: table,
    )
    footage, copy = checked(data)
    assert done(footage) == ["clip_timed"]
    assert footage.clip.seconds == pytest.approx(2, abs=0.01)
    with av.open(io.BytesIO(copy)) as made:
        times = [frame.pts for frame in made.decode(video=0)]
    assert len(times) == 30
    assert times == sorted(set(times))


def test_a_recorder_that_begins_anew_in_the_middle(tmp_path):
    """Each fragment says when it begins; from the sixteenth on the clock is back at nought."""
    path, fragment = tmp_path / "clip.mp4", count()
    with av.open(
        str(path), "w", options={"movflags": "frag_every_frame+empty_moov+default_base_moof"}
    ) as made:
        track = made.add_stream("libx264", rate=15, options={"bf": "0", "g": "5"})
        track.width, track.height, track.pix_fmt = 320, 240, "yuv420p"
        for _ in range(30):
            made.mux(track.encode(av.VideoFrame(320, 240, "yuv420p")))
        made.mux(track.encode(None))

    def back(body: bytes) -> bytes:
        time = int.from_bytes(body[4:], "big")
        return box(
            b"tfdt",
            body[:4]
            + (time - 15 * 1024 if next(fragment) >= 15 else time).to_bytes(len(body) - 4, "big"),
        )

    footage, copy = checked(edited(path.read_bytes(), [b"moof", b"traf", b"tfdt"], back))
    assert done(footage) == ["clip_timed"]
    assert footage.clip.seconds == pytest.approx(2, abs=0.1)
    with av.open(io.BytesIO(copy)) as made:
        assert sum(1 for _ in made.decode(video=0)) == 30


@pytest.mark.parametrize(("fps", "taken_"), [(241, True), (250, True), (260, False)])
def test_slow_motion_is_a_little_faster_than_it_says(tmp_path, fps, taken_):
    path = clip(tmp_path / "clip.mp4", seconds=1, size=(64, 64), fps=fps)
    if taken_:
        assert checked(path)[0].clip.fps == pytest.approx(fps, abs=0.5)
    else:
        with pytest.raises(InvalidInput, match="limit is 240"):
            checked(path)


def test_what_is_no_clip(tmp_path):
    whole = clip(tmp_path / "whole.mp4").read_bytes()
    for data, said in (
        (b"no video", "can't be opened as a video"),
        (whole[: len(whole) // 2], "this MP4 file can't be read, because it's damaged, incomplete"),
        (b"", "this file is empty"),
    ):
        with pytest.raises(InvalidInput, match=said):
            checked(data)
    with pytest.raises(InvalidInput, match=r"101\.0 MB is too large. The limit is 100 MB"):
        checked(bytes(101_000_000))


FILES = Path(__file__).parents[1] / "data" / "field"  # as phones and cameras write them
HEIC, JFIF = (FILES / name for name in ("picture.heic", "jpeg_named.jfif"))


def named(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["picture", "picture.mp4", "picture.tar.gz", "图.HEIC"])
def test_a_picture_is_one_whatever_it_is_called(tmp_path, name):
    for data, changes in (
        (HEIC.read_bytes(), ["heif_converted"]),
        (picture((320, 320), kind="AVIF"), ["avif_converted"]),
        (JFIF.read_bytes(), []),
    ):
        path = named(tmp_path, name, data)
        assert inputs.detect_kind("reference_video", path) == "image"
        look, made = inputs.preview_reference(name, path), taken(path)
        assert (look.kind, look.seconds, [one.key for one in look.adjustments]) == (
            "image",
            None,
            changes,
        )
        assert (opened(look.thumbnail).format, opened(look.thumbnail).size) == ("WEBP", (160, 160))
        assert (made.width, made.height, [one.key for one in made.adjustments]) == (
            320,
            320,
            changes,
        )
        assert opened(made.kept).format == "JPEG"
        with pytest.raises(
            InvalidInput, match=r"this is an image \((HEIC|AVIF|JPEG)\)\. Add a video instead"
        ):
            checked(path)


@pytest.mark.parametrize("name", ["clip", "clip.jpg", "clip.heic"])
def test_a_clip_is_one_whatever_it_is_called(tmp_path, name):
    path = named(tmp_path, name, clip(tmp_path / "made.mp4", seconds=2).read_bytes())
    look = inputs.preview_reference(name, path)
    assert (look.kind, look.seconds, look.adjustments) == ("video", 2, [])
    assert opened(look.thumbnail).size == (160, 120)
    with pytest.raises(InvalidInput, match=r"this is a video \(MP4\)\. Add an image instead"):
        taken(path)


def riff(kind: bytes) -> bytes:
    return b"RIFF\x10\x00\x00\x00" + kind + bytes(16)


NOT_TAKEN = {  # by what they are called: how each begins, and what it is
    "GIF": (picture((300, 300), kind="GIF"), "image"),
    "TIFF": (picture((300, 300), kind="TIFF"), "image"),
    "JPEG 2000": (picture((300, 300), kind="JPEG2000"), "image"),
    "JPEG XL": (b"\xff\x0a" + bytes(20), "image"),
    "ICO": (picture((256, 256), kind="ICO"), "image"),
    "SVG": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "image"),
    "Photoshop (PSD)": (b"8BPS\x00\x01" + bytes(20), "image"),
    "CR3": (b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom", "image"),
    "WebM": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video"),
    "Matroska (MKV)": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video"),
    "AVI": (riff(b"AVI "), "video"),
    "FLV": (b"FLV\x01\x05" + bytes(20), "video"),
    "MPEG-TS": ((b"G" + bytes(187)) * 4, "video"),
    "WMV": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(20), "video"),
    "PDF": (b"%PDF-1.7\n", "other"),
    "ZIP": (b"PK\x03\x04" + bytes(20), "other"),
    "WAV": (riff(b"WAVE"), "other"),
    "HTML": (b"\n<!DOCTYPE html><html><body>404</body></html>", "other"),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_is_known_and_not_taken_is_called_by_its_name(name):
    data, is_ = NOT_TAKEN[name]
    for door, wanted in (
        (taken, "image"),
        (checked, "video"),
        (lambda given: inputs.preview_reference("x.heic", given), "reference"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            door(data)
        found = refusal.value.message
        own = is_ if wanted == "reference" and is_ != "other" else wanted
        assert found.key == (f"{own}_kind" if own == is_ else f"{own}_is_{is_}")
        assert name in found.say("en")
        assert name in found.say("zh")


@pytest.mark.parametrize(
    ("kind", "codec", "name"),
    [
        ("ogg", "libopus", "Ogg"),
        ("webm", "libopus", "WebM"),
        ("matroska", "aac", "Matroska (MKA)"),
        ("asf", "wmav2", "WMA"),
    ],
)
def test_a_container_with_nothing_but_sound_is_no_video(kind, codec, name):
    for look, said in (
        (partial(inputs.preview_reference, "x"), f"neither an image nor a video ({name})"),
        (taken, f"this file isn't an image ({name})"),
        (checked, f"this file isn't a video ({name})"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            look(sound(kind, codec, rate=48_000))
        assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "codec", "name"),
    [
        ("matroska", "libx264", "Matroska (MKV)"),
        ("webm", "libvpx-vp9", "WebM"),
        ("asf", "msmpeg4v3", "WMV"),
    ],
)
def test_a_container_with_pictures_and_sound_is_a_video(tmp_path, kind, codec, name):
    path = tmp_path / "clip"
    with av.open(str(path), "w", format=kind) as made:
        heard = made.add_stream("wmav2" if kind == "asf" else "libopus", rate=48000, layout="mono")
        heard.bit_rate = 64_000
        track = made.add_stream(codec, rate=15)
        track.width, track.height, track.pix_fmt = 320, 240, "yuv420p"
        made.start_encoding()
        made.mux(track.encode(av.VideoFrame(320, 240, "yuv420p")))
        made.mux(track.encode(None))
    assert heard.index == 0
    with pytest.raises(InvalidInput, match=rf"{re.escape(name)} videos aren't supported"):
        inputs.preview_reference("x", path)


def test_an_m4a_is_no_picture_and_no_video():
    for look, said in (
        (taken, "this file isn't an image (M4A)"),
        (checked, "this file has no video track"),
    ):
        with pytest.raises(InvalidInput) as refusal:
            look(sound("ipod", "aac", rate=44_100))
        assert said in str(refusal.value)


def test_a_large_picture_is_too_large_as_a_reference_too():
    with pytest.raises(InvalidInput, match=r"21\.0 MB is too large. The limit is 20 MB"):
        inputs.preview_reference("large.png", b"\x89PNG\r\n\x1a\n" + bytes(21_000_000))


def test_a_heic_that_its_camera_held_upright_is_upright():
    made = taken(FILES / "rotated.heic")
    assert (made.width, made.height) == (240, 320)
    assert [one.key for one in made.adjustments] == ["heif_converted"]
    assert opened(made.kept).getpixel((10, 310)) == pytest.approx(
        (255, 255, 255), abs=12
    )  # where its upper left corner came to


def test_an_animation_is_refused_by_what_it_is():
    frames = {"save_all": True, "append_images": [Image.new("RGB", (300, 300), "red")]}
    with pytest.raises(InvalidInput, match="an animation of 2 frames"):
        taken(picture((300, 300), kind="AVIF", **frames))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {}),
        ("RGB", {"progressive": True}),
        ("RGB", {"restart_marker_rows": 1}),
        ("CMYK", {}),
    ],
    ids=str,
)
def test_a_jpeg_may_lack_its_end_mark_and_nothing_else(mode, options):
    out = io.BytesIO()
    scene((400, 300), mode).save(out, "JPEG", quality=90, **options)
    whole = out.getvalue()
    for ended in (whole[:-2], whole[:-1], whole[:-2] + bytes(64)):
        assert taken(ended).kept == taken(whole).kept
    at_a_mark = whole.rindex(b"\xff\xd5") if "restart_marker_rows" in options else -40
    for cut in (whole[:-40], whole[: len(whole) // 2], whole[:at_a_mark]):
        with pytest.raises(InvalidInput, match="incomplete"):
            taken(cut)


def breaks_off(folder: Path) -> bytes:
    """Two thirds of a video whose index is at its beginning, so that it opens and says that it is
    whole.
    """
    encode.tag(clip(folder / "made.mp4", seconds=3), folder / "whole.mp4", {})
    whole = (folder / "whole.mp4").read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")
    return whole[: len(whole) * 2 // 3]


def test_a_clip_that_breaks_off(tmp_path):
    with pytest.raises(InvalidInput, match="this video file is incomplete"):
        checked(breaks_off(tmp_path))


def test_a_video_without_a_single_frame_is_no_video(tmp_path):
    path = clip(tmp_path / "clip.mp4")
    data = path.read_bytes()
    path.write_bytes(
        data[: data.index(b"mdat") - 4] + data[data.index(b"moov") - 4 :]
    )  # the index is there, the frames are not
    with pytest.raises(InvalidInput, match="incomplete"):
        checked(path)
    with pytest.raises(NotAVideo):
        encode.measure(path)


@pytest.mark.parametrize(
    ("size", "fps", "fit", "seconds"),
    [
        ("640*360", 24, "crop", 2),
        ("360*640", 30, "pad", 2),
        ("322*240", 12, "crop", 2),
        ("320*240", 60, "crop", 2),
    ],
)
def test_conform_gives_exactly_what_was_asked(tmp_path, size, fps, fit, seconds):
    source = clip(tmp_path / "made.mp4", seconds=seconds, sound=True)
    encode.conform(source, tmp_path / "conformed.mp4", size=size, fps=fps, fit=fit)
    made = encode.measure(tmp_path / "conformed.mp4")
    assert (made.size, made.fps, made.has_audio, made.codec) == (size, fps, True, "h264")
    assert made.seconds == pytest.approx(seconds, abs=1 / fps)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize(
    ("made", "size", "edges"),
    [((330, 240), "328*240", True), ((240, 322), "240*326", True), ((330, 240), "320*240", False)],
)
def test_what_has_all_but_the_shape_is_scaled_whole(tmp_path, made, size, edges, fit):
    """Whether a line of two pixels along each edge is still there, and nothing beside it."""
    framed = Image.new("RGB", made, "red")
    framed.paste("blue", (2, 2, made[0] - 2, made[1] - 2))
    with av.open(str(tmp_path / "made.mp4"), "w") as container:
        track = container.add_stream("libx264", rate=30, options={"crf": "1"})
        track.width, track.height, track.pix_fmt = *made, "yuv444p"
        for _ in range(3):
            container.mux(track.encode(av.VideoFrame.from_image(framed)))
        container.mux(track.encode(None))
    encode.conform(tmp_path / "made.mp4", tmp_path / "conformed.mp4", size=size, fps=30, fit=fit)
    with av.open(str(tmp_path / "conformed.mp4")) as container:
        shown = next(container.decode(video=0)).to_image()
    width, height = catalog.parse_size(size)
    places = ((0, height // 2), (width - 1, height // 2), (width // 2, 0), (width // 2, height - 1))
    assert all(shown.getpixel(place)[0] > 100 for place in places) is edges


def test_poster_is_the_first_frame(tmp_path):
    with opened(encode.poster(clip(tmp_path / "clip.mp4"))) as still:
        assert (still.format, still.size) == ("WEBP", (320, 240))


def test_a_result_that_is_no_video(tmp_path):
    path = tmp_path / "result.mp4"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ResultRefused, match="it's billed, but it can't be saved"):
        encode.measure(path)


def test_a_result_that_breaks_off_is_no_video(tmp_path):
    path = tmp_path / "result.mp4"
    path.write_bytes(breaks_off(tmp_path))
    with pytest.raises(NotAVideo):
        encode.measure(path)
    assert encode.measure(tmp_path / "whole.mp4").seconds == 3


WORK = {
    "picture": lambda given: taken(given["picture"], "1280*720"),
    "preview": lambda given: inputs.preview_image(given["picture"], size="1280*720", fit="crop"),
    "clip": lambda given: inputs.video_seconds(given["clip"]),
    "settings": lambda given: inputs.read_settings(given["film"]),
}


@pytest.mark.parametrize("spare", [0, 8192])
@pytest.mark.parametrize("work", WORK)
def test_a_full_disk_is_never_the_fault_of_a_file(tmp_path, work, spare):
    """Its own disk, not the system's, is what counts; and when there is room again, the same goes
    well.
    """
    clip(tmp_path / "clip", seconds=2)
    encode.tag(tmp_path / "clip", tmp_path / "film", {"comment": "x" * 5000})
    (tmp_path / "picture").write_bytes(picture((640, 480)) + bytes(5000))
    with small_disk(tmp_path / "disk") as disk, inputs.use_work_folder(disk.folder / "cache"):
        given = {
            name: tmp_path / name if disk.own else (tmp_path / name).read_bytes()
            for name in ("picture", "clip", "film")
        }
        with disk.full():
            if disk.own:
                os.truncate(
                    disk.folder / "ballast", (disk.folder / "ballast").stat().st_size - spare
                )
            with pytest.raises(StorageUnavailable) as trouble:
                WORK[work](given)
        assert trouble.value.message.key == "disk_full"
        WORK[work](given)
        with pytest.raises(InvalidInput):
            WORK[work](dict.fromkeys(given, b"no such thing"))
        assert list((disk.folder / "cache").iterdir()) == []


def test_work_is_done_where_the_newest_open_studio_has_its_folder(tmp_path):
    with inputs.use_work_folder(tmp_path / "first"):
        with inputs.use_work_folder(tmp_path / "second"):
            taken(picture())
        assert not (tmp_path / "first").exists()
        taken(picture())
    taken(picture())
    assert (tmp_path / "first").exists()
    assert (tmp_path / "second").exists()


def scene(size: tuple[int, int], mode: str) -> Image.Image:
    """A picture in which every place looks different."""
    across = Image.linear_gradient("L").rotate(90).resize(size)
    down = Image.linear_gradient("L").resize(size)
    whole = Image.merge("RGB", (across, down, Image.new("L", size, 90)))
    whole.paste("white", (size[0] // 4, size[1] // 4, size[0] // 3, size[1] // 3))
    return across.convert("I;16") if mode == "I;16" else whole.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind", "size", "fit"),
    [
        *(("RGB", kind, "1280*720", "crop") for kind in ("JPEG", "PNG", "WEBP", "BMP")),
        *((mode, "PNG", "1280*720", "crop") for mode in ("RGBA", "P", "L", "I;16")),
        ("CMYK", "JPEG", "720*1280", "pad"),
        ("RGB", "JPEG", "720P", "crop"),
    ],
)
def test_a_preview_shows_what_is_sent(mode, kind, size, fit, monkeypatch):
    """Though it is made of fewer pixels."""
    monkeypatch.setattr(images, "_PREVIEW_SIDE", 160)
    exif = Image.Exif()
    exif[0x0112] = 6
    given, preview, made = io.BytesIO(), io.BytesIO(), io.BytesIO()
    scene((1000, 980), mode).save(given, kind, **({"exif": exif} if kind == "JPEG" else {}))
    images.preview(given, preview, field=FIELD, size=size, fit=fit)
    answer = images.prepare_image(given, made, field=FIELD, size=size, fit=fit)
    shown = opened(preview.getvalue()).convert("RGB")
    sent = (
        opened(made.getvalue()[-answer["sent"] :])
        .convert("RGB")
        .resize(shown.size, Image.Resampling.BOX)
    )
    assert max(shown.size) == 160
    difference = ImageChops.difference(shown.reduce(8), sent.reduce(8))
    assert ImageStat.Stat(difference).mean == pytest.approx([0, 0, 0], abs=5)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("RGB", "WEBP")],
)
def test_a_preview_is_worked_on_with_few_pixels(mode, kind):
    data = picture((2000, 2000), mode=mode, kind=kind, color=0)
    image, _ = images._read(FIELD, io.BytesIO(data), side=160)
    assert max(image.size) < 2 * 2 * 160


def scans(size: tuple[int, int], count: int) -> bytes:
    """A JPEG that goes over its pixels so many times more than it must."""
    out = io.BytesIO()
    Image.new("L", size).save(out, "JPEG", progressive=True, quality=1)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


COSTLY = {
    "a small JPEG of many scans": lambda: scans((300, 300), 200),
    "a large JPEG of some scans": lambda: scans((8000, 8000), 40),
    "a large JPEG of many scans": lambda: scans((8000, 8000), 400),
    "a WebP whose canvases take a gigabyte": lambda: picture((8000, 8000), kind="WEBP", method=0),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_take_too_much_is_refused_before_it_is_decoded(name, monkeypatch):
    data = COSTLY[name]()
    with pytest.raises(InvalidInput) as refusal:
        taken(data)
    assert refusal.value.message.key == "media_unsafe"
    monkeypatch.setattr(Image.Image, "load", None)  # nobody comes so far
    with pytest.raises(images.TooCostly):
        images._decode(FIELD, io.BytesIO(data))


@pytest.mark.parametrize(
    "data", [scans((300, 300), 40), scans((2000, 2000), 20)], ids=["small", "large"]
)
def test_some_scans_are_nobodys_fault(data):
    assert taken(data).adjustments == []
