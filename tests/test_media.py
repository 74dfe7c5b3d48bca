"""Every refusal of a picture or a clip, and what is done to those that are taken."""

import io
import socket
import threading
import zlib

import pytest
from PIL import Image

from tests.pictures import clip, picture
from wan import catalog, media
from wan.errors import InvalidInput, NoVideo, ResultRefused

FIELD = "reference_image"


def _animated(kind: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (300, 300), color) for color in ("red", "blue")]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


def _bomb() -> bytes:
    """A PNG of a few kilobytes that says it is 60,000 px wide and high."""
    data = bytearray(picture((300, 300)))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    crc = zlib.crc32(bytes(data[12:29]))
    data[29:33] = crc.to_bytes(4, "big")
    return bytes(data)


REFUSED = {
    "text named png": (b"this is no picture", "does not open as a picture", "JPEG, PNG, BMP and WebP"),
    "truncated": (picture((800, 800), color="red", kind="PNG", compress_level=0)[:5000], "breaks off", "whole"),
    "truncated jpeg": (picture((800, 800), kind="JPEG")[:900], "breaks off", "whole"),
    "gif": (picture((300, 300), kind="GIF", mode="P", color=0), "does not open", "JPEG"),
    "tiff": (picture((300, 300), kind="TIFF"), "does not open", "JPEG"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' width='300' height='300'/>", "does not open", "JPEG"),
    "animated webp": (_animated("WEBP"), "2 frames", "one still picture"),
    "animated png": (_animated("PNG"), "2 frames", "one still picture"),
    "5 px": (picture((5, 5)), "5*5 px", "240 to 8000 px"),
    "20,000 px": (picture((20_000, 300), mode="L", color=0), "20000*300 px", "240 to 8000 px"),
    "bomb": (_bomb(), "px", "240 to 8000 px"),
    "21 MB": (b"\x89PNG\r\n\x1a\n" + bytes(21_000_000), "21.0 MB", "at most 20 MB"),
    "nothing": (b"", "does not open", "JPEG"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_pictures(name):
    data, given, allowed = REFUSED[name]
    with pytest.raises(InvalidInput) as refusal:
        media.read_picture(FIELD, data)
    said = str(refusal.value)
    assert said.startswith(f"{FIELD}: got")
    assert given in said
    assert allowed in said


def test_a_file_that_is_not_there_is_named_without_its_folder(tmp_path):
    with pytest.raises(InvalidInput, match=r"got gone\.png, which is not there") as refusal:
        media.read_picture(FIELD, tmp_path / "gone.png")
    assert str(tmp_path) not in str(refusal.value)
    with pytest.raises(InvalidInput, match="not there"):
        media.read_picture(FIELD, tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_accepted_formats(kind):
    taken = media.read_picture(FIELD, picture((300, 240), kind=kind))
    assert (taken.size, taken.image.mode, taken.adjustments) == ("300*240", "RGB", [])


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0)), ("PA", 0)])
def test_transparency_is_put_on_white_and_said(mode, color):
    data = picture((300, 300), mode=mode if mode != "PA" else "P", color=color, **({"transparency": 0} if mode == "PA" else {}))
    taken = media.read_picture(FIELD, data)
    assert taken.image.getpixel((150, 150)) == (255, 255, 255)
    assert [one.key for one in taken.adjustments] == ["image_flattened"]


def test_a_photo_is_turned_upright_and_loses_its_metadata():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera of Somebody"
    taken = media.read_picture(FIELD, picture((600, 300), kind="JPEG", exif=exif))
    assert taken.size == "300*600"
    assert [one.key for one in taken.adjustments] == ["image_upright"]
    assert b"Somebody" not in media.jpeg(taken.image)


@pytest.mark.parametrize("size", catalog.SIZES)
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_picture_gets_exactly_the_size(size, fit):
    taken = media.fitted(media.read_picture(FIELD, picture((451, 300))), size, fit)
    assert taken.size == size
    assert "451*300" in str(taken.adjustments[0])
    assert size in str(taken.adjustments[0])


def test_padding_keeps_the_whole_picture():
    wide = Image.new("RGB", (800, 400), "white")
    wide.paste("red", (0, 0, 10, 400))
    out = io.BytesIO()
    wide.save(out, "PNG")
    taken = media.fitted(media.read_picture(FIELD, out.getvalue()), "960*960", "pad")
    red, green, _ = taken.image.getpixel((3, 480))
    assert red > 200
    assert green < 80


def test_own_shape_is_left_alone():
    taken = media.read_picture(FIELD, picture((451, 300)))
    assert media.fitted(taken, "720P", "crop") is taken
    large = media.fitted(media.read_picture(FIELD, picture((6000, 3000))), "1080P", "crop")
    assert large.size == "4096*2048"
    narrow = media.fitted(media.read_picture(FIELD, picture((8000, 240))), "1080P", "crop")
    assert narrow.size == "8000*240"


def test_preview_shows_the_crop(tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(picture((451, 300)))
    with Image.open(io.BytesIO(media.preview(path, "720*1280", "crop"))) as shown:
        assert shown.format == "WEBP"
        assert shown.width * 16 == shown.height * 9


@pytest.mark.parametrize(("seconds", "given"), [(0.5, "0.5 s"), (31, "31.0 s")])
def test_clips_of_a_wrong_length(tmp_path, seconds, given):
    path = clip(tmp_path / "clip.mp4", seconds=seconds, size=(64, 64), fps=10)
    with pytest.raises(InvalidInput) as refusal:
        media.check_clip("reference_video", path)
    assert f"reference_video: got {given}" in str(refusal.value)
    assert "1.0 to 30.0 s" in str(refusal.value)


def test_a_clip_is_measured(tmp_path):
    found = media.check_clip("reference_video", clip(tmp_path / "clip", seconds=2, fps=25, sound=True))
    assert (found.size, found.fps, found.seconds, found.has_audio, found.codec) == ("320*240", 25, 2, True, "h264")


def test_what_is_no_clip(tmp_path):
    whole = clip(tmp_path / "whole.mp4").read_bytes()
    for name, data in {"text": b"no video", "picture": picture(), "cut": whole[: len(whole) // 2], "nothing": b""}.items():
        path = tmp_path / f"{name}.mp4"
        path.write_bytes(data)
        with pytest.raises(InvalidInput, match="does not open as a video; allowed are MP4 and MOV"):
            media.check_clip("reference_video", path)
    with pytest.raises(InvalidInput, match=r"got 101\.0 MB; allowed are at most 100 MB"):
        media.check_clip("reference_video", bytes(101_000_000))


def test_a_video_without_a_single_frame_is_no_video(tmp_path):
    path = clip(tmp_path / "clip.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") - 4] + data[data.index(b"moov") - 4 :])  # the index is there, the frames are not
    with pytest.raises(InvalidInput, match="does not open as a video"):
        media.check_clip("reference_video", path)
    with pytest.raises(NoVideo):
        media.measure(path)


def test_a_playlist_does_not_make_us_fetch(tmp_path):
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)

        def listen():
            try:
                server.accept()[0].close()
                asked.set()
            except TimeoutError:
                return

        listener = threading.Thread(target=listen)
        listener.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/secret.ts"
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n"
        for name in ("clip.mp4", "clip.m3u8"):
            path = tmp_path / name
            path.write_text(playlist)
            with pytest.raises(InvalidInput, match="does not open as a video"):
                media.check_clip("reference_video", path)
        listener.join()
    assert not asked.is_set()


@pytest.mark.parametrize(
    ("size", "fps", "fit", "seconds"), [("640*360", 24, "crop", 2), ("360*640", 30, "pad", 2), ("322*240", 12, "crop", 2), ("320*240", 60, "crop", 2)]
)
def test_conform_gives_exactly_what_was_asked(tmp_path, size, fps, fit, seconds):
    source = clip(tmp_path / "made.mp4", seconds=seconds, sound=True)
    media.conform(source, tmp_path / "conformed.mp4", size=size, fps=fps, fit=fit)
    made = media.measure(tmp_path / "conformed.mp4")
    assert (made.size, made.fps, made.has_audio, made.codec) == (size, fps, True, "h264")
    assert made.seconds == pytest.approx(seconds, abs=1 / fps)


def test_poster_is_the_first_frame(tmp_path):
    with Image.open(io.BytesIO(media.poster(clip(tmp_path / "clip.mp4")))) as still:
        assert (still.format, still.size) == ("WEBP", (320, 240))


def test_a_result_that_is_no_video(tmp_path):
    path = tmp_path / "result.mp4"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(ResultRefused, match="is billed, but it cannot be kept"):
        media.measure(path)
