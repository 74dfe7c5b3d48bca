"""Files that are sent in bad faith, each with what it gets: a refusal in our words, or a clean
copy. Nothing is fetched, nothing hangs.
"""

import contextlib
import gzip
import io
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import HealthCheck, given, settings, strategies
from PIL import Image, PngImagePlugin
from pydantic import RootModel

from tests.bench.mutations import damaged, outcome, subjects
from tests.boxes import box, boxes, edited
from tests.patience import PATIENCE
from tests.pictures import clip, picture
from tests.sounds import sound, wav
from wan.domain.errors import InvalidInput
from wan.domain.jobs import JobState
from wan.domain.messages import LOCALES
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.environment.settings import load_settings
from wan.media import inputs
from wan.media.sandbox import SANDBOX, Sandbox
from wan.service.studio import Studio


def refusal_of_picture(source: bytes | Path) -> str:
    """By which sentence a picture is refused; "" where it is taken."""
    try:
        inputs.prepare_image("reference_image", source, size="1280*720", fit="crop")
    except InvalidInput as refusal:
        return refusal.message.key
    return ""


def refusal_of_clip(source: bytes | Path) -> str:
    """By which sentence a reference video is refused; "" where it is taken."""
    try:
        cleaned(source)
    except InvalidInput as refusal:
        return refusal.message.key
    return ""


def cleaned(source: bytes | Path) -> bytes:
    """The copy of a reference video that goes up."""
    with tempfile.TemporaryFile() as target:
        inputs.prepare_video("reference_video", source, target)
        target.seek(0)
        return target.read()


# pictures -----------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, packed: bytes = b"") -> bytes:
    """A PNG with what we want in it. packed: its pixels; without, they are black, and there are
    none where it would be very large.
    """
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(
        b"IDAT", packed or zlib.compress(bytes(height * (1 + width * 3) if height < 10_000 else 0))
    )
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (300, 300), color) for color in ("red", "blue")]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:])
    return out.getvalue()


def bmp(width: int, height: int, *, compression: int = 0) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1000, 0, 0, 54) + header + bytes(1000)


def zeros(megabytes: int) -> bytes:
    """What `zlib.compress` would make of so many megabytes of zeros, with one of them compressed:
    each is whole by itself, and like the others.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    one, count = (
        packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH),
        megabytes * 1_000_000,
    )
    return b"\x78\xda" + one * megabytes + b"\x03\x00" + struct.pack(">HH", count % 65521, 1)


ZEROS = zeros(200)  # in 200 kB
JPEG = picture((300, 300), kind="JPEG")

PICTURES = {
    "a PNG that says it is 60,000 px wide and high": (png(60_000, 60_000), "image_sides"),
    "a PNG that says it is 2 billion px wide": (png(2**31 - 1, 2**31 - 1), "image_sides"),
    "a PNG of 8000 px with no pixels in it": (
        png(8000, 8000, packed=zlib.compress(b"\0")),
        "file_damaged",
    ),
    "200 MB of text in a PNG": (
        png(300, 300, chunk(b"zTXt", b"note\0\0" + ZEROS)),
        "file_damaged",
    ),
    "200 MB of translated text in a PNG": (
        png(300, 300, chunk(b"iTXt", b"note\0\x01\0\0\0" + ZEROS)),
        "file_damaged",
    ),
    "200 MB of colour profile in a PNG": (
        png(300, 300, chunk(b"iCCP", b"sRGB\0\0" + ZEROS)),
        "file_damaged",
    ),
    "a thousand texts in a PNG": (
        png(300, 300, *[chunk(b"zTXt", b"note\0\0" + zeros(1))] * 1000),
        "file_damaged",
    ),
    "200 MB of pixels in a PNG of 300 px": (png(300, 300, packed=ZEROS), ""),
    "a BMP that says it is 2 billion px wide": (bmp(2**31 - 1, 300), "image_sides"),
    "a BMP that says it is 2 billion px high, upside down": (bmp(300, -(2**31)), "image_sides"),
    "a BMP of 8000 px with no pixels in it": (bmp(8000, 8000), "file_damaged"),
    "a BMP in a compression that there is not": (bmp(300, 300, compression=77), "file_damaged"),
    "an animated WebP": (animated("WEBP"), "image_animated"),
    "an animated PNG": (animated("PNG"), "image_animated"),
    "an animated GIF": (animated("GIF"), "image_kind"),
    "SVG": (
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd' width='300' "
        b"height='300'/></svg>",
        "image_kind",
    ),
    "SVG, compressed": (
        gzip.compress(b"<svg xmlns='http://www.w3.org/2000/svg' width='300' height='300'/>"),
        "image_unreadable",
    ),
    "TIFF": (picture((300, 300), kind="TIFF"), "image_kind"),
    "ICO": (picture((256, 256), kind="ICO"), "image_kind"),
    "PSD": (
        b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 300, 300, 8, 3) + bytes(300),
        "image_kind",
    ),
    "PDF": (picture((300, 300), kind="PDF"), "image_is_other"),
    "PostScript, for which Pillow would start Ghostscript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 300\n%%EndComments\n(%pipe%touch "
        b"ps-was-here) (w) file closefile\nshowpage\n%%EOF\n",
        "image_kind",
    ),
    "a picture of another kind in the coat of a PNG": (
        b"\x89PNG\r\n\x1a\n" + picture((300, 300), kind="TIFF"),
        "file_damaged",
    ),
    "a web page": (b"<html><img src=x onerror=alert(1)></html>", "image_is_other"),
    "a video": (
        (Path(__file__).parents[2] / "assets" / "samples" / "bigbuckbunny.mp4").read_bytes(),
        "image_is_video",
    ),
    "nothing": (b"", "file_empty"),
    "EXIF data that is rubbish": (
        picture((300, 300), kind="JPEG", exif=b"Exif\0\0" + b"\xff" * 60_000),
        "",
    ),
    "a JPEG that breaks off": (JPEG[: len(JPEG) // 2], "file_damaged"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name):
    data, refusal = PICTURES[name]
    assert refusal_of_picture(data) == refusal


def test_a_webp_whose_decoder_wants_a_gigabyte():
    assert refusal_of_picture(picture((8000, 8000), kind="WEBP", method=0)) == "media_unsafe"


def test_postscript_did_not_run():
    refusal_of_picture(PICTURES["PostScript, for which Pillow would start Ghostscript"][0])
    assert not Path("ps-was-here").exists()


POLYGLOTS = {
    "JPEG and ZIP": JPEG + b"PK\x03\x04 evil.exe",
    "JPEG with a comment": picture((300, 300), kind="JPEG", comment=b"evil.exe"),
    "PNG and script": picture((300, 300)) + b"<script>evil.exe</script>",
    "PNG with text": png(
        300,
        300,
        chunk(b"tEXt", b"Comment\0evil.exe"),
        chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0evil.exe"),
    ),
    "BMP and PHP": picture((300, 300), kind="BMP") + b"<?php evil.exe ?>",
    "WebP with XMP": picture((300, 300), kind="WEBP", xmp=b"<x:xmpmeta>evil.exe</x:xmpmeta>"),
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_nothing_but_pixels_of_a_picture_goes_on(name, tmp_path):
    path = tmp_path / "given"
    path.write_bytes(POLYGLOTS[name])
    assert b"evil.exe" in path.read_bytes()
    made = inputs.prepare_image("reference_image", path, size="1280*720", fit="pad")
    for data in (
        made.kept,
        made.sent,
        inputs.preview_image(path, size="1280*720", fit="pad").shown,
    ):
        assert b"evil.exe" not in data


def test_no_metadata_of_a_photo_goes_on():
    exif = Image.Exif()
    exif[0x010F] = "Camera of Somebody"
    exif.get_ifd(0x8825)[1] = "N Somebody's home"
    noted = PngImagePlugin.PngInfo()
    noted.add_text("Author", "Somebody", zip=False)
    noted.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>Somebody</x:xmpmeta>")
    for data in (
        picture(
            (600, 300),
            kind="JPEG",
            exif=exif,
            comment=b"Somebody",
            xmp=b"<x:xmpmeta>Somebody</x:xmpmeta>",
            dpi=(301, 302),
        ),
        picture((600, 300), kind="PNG", exif=exif, pnginfo=noted, icc_profile=b"Somebody's own"),
        picture((600, 300), kind="WEBP", exif=exif, xmp=b"<x:xmpmeta>Somebody</x:xmpmeta>"),
    ):
        assert b"Somebody" in data
        made = inputs.prepare_image("reference_image", data, size="720P", fit="crop")
        with Image.open(io.BytesIO(made.kept)) as kept:
            assert not {"exif", "comment", "xmp", "icc_profile", "dpi"} & set(kept.info)
            assert not kept.getexif()
        assert b"Somebody" not in made.kept + made.sent


# videos -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> bytes:
    """An honest clip, whose index is at its end, so that it can be changed freely."""
    return clip(tmp_path_factory.mktemp("clips") / "clip.mp4", sound=True).read_bytes()


@contextlib.contextmanager
def listening():
    """A server that must not be asked for anything: its address, and who came."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen():
            while (heard := hear()) != b"over":
                came.append(heard)

        def hear() -> bytes:
            with server.accept()[0] as caller:
                return caller.recv(100)

        listener = threading.Thread(target=listen)
        listener.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/secret.ts", came
        with socket.create_connection(server.getsockname()) as last:
            last.sendall(b"over")  # all who came before have been heard when this is
        listener.join()


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
    "m3u8 of a local file": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-KEY:METHOD=AES-128,URI={url}\n#EXT-X-ENDLIST\n",
    "m3u8 that concatenates": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nconcat:{url}|file:///etc/passwd\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile 'file:///etc/passwd'\nfile '{url}'\n",
    "DASH": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period>"
    "<BaseURL>{url}</BaseURL></Period></MPD>",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP "
    "96\na=control:{url}\n",
    "SMIL": "<smil><body><video src='{url}'/></body></smil>",
    "subtitles that include": "[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: {url}\n",
    "a web page": "<html><video src='{url}'></video></html>",
    "an MP4's first bytes, then a playlist": "\0\0\0\x18ftypisom\0\0\0\0isomiso2"
    "#EXTM3U\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_nothing_that_a_text_names_is_fetched(name, tmp_path):
    with listening() as (url, came):
        for ending in (".mp4", ".m3u8"):
            path = tmp_path / f"clip{ending}"
            path.write_text(PLAYLISTS[name].format(url=url))
            assert refusal_of_clip(path) in ("video_unreadable", "video_is_other", "file_damaged")
    assert came == []


REFERENCE = [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"]


def alias(path: bytes) -> bytes:
    """The record by which a QuickTime file says that its frames are in another file."""
    folder, name = path.rpartition(b"/")[0], path.rpartition(b"/")[2]
    head = (
        bytes(10)
        + bytes([len(b"disk")])
        + b"disk".ljust(27, b"\0")
        + bytes(12)
        + bytes([len(name)])
        + name.ljust(63, b"\0")
        + bytes(16)
    )
    head += struct.pack(">hh", 1, 1) + bytes(16)
    records = b"".join(
        struct.pack(">HH", kind, len(body)) + body + bytes(len(body) % 2)
        for kind, body in ((2, path), (18, path), (0, folder))
    )
    return head + records + struct.pack(">hH", -1, 0)


@pytest.mark.parametrize("kind", [b"url ", b"urn ", b"alis", b"rsrc"])
def test_frames_that_are_said_to_be_elsewhere_are_not_looked_for(plain, kind, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"the secret" * 10_000)
    with listening() as (url, came):
        for target in (url.encode(), str(secret).encode(), b"file:///etc/passwd"):
            record = alias(target) if kind in (b"alis", b"rsrc") else target + b"\0"
            data = edited(
                plain,
                REFERENCE,
                lambda _, record=record: box(
                    b"dref", struct.pack(">II", 0, 1) + box(kind, bytes(4) + record)
                ),
            )
            assert target in data
            if (
                kind == b"alis"
            ):  # the one that FFmpeg knows: without leave to follow it, it reads nothing
                assert refusal_of_clip(data) == "video_truncated"
            else:
                copy = cleaned(data)
                assert target not in copy
                assert b"the secret" not in copy
    assert came == []


def tracks(data: bytes) -> list[bytes]:
    """The tracks of a clip: first the pictures, then the sound."""
    return [body for kind, body in boxes(dict(boxes(data))[b"moov"]) if kind == b"trak"]


def with_tracks(data: bytes, kept: list[bytes]) -> bytes:
    """A clip with these of its tracks alone."""
    return edited(
        data, [b"moov", b"trak"], lambda body: box(b"trak", body) if body in kept else b""
    )


def with_more(plain: bytes, *more: bytes) -> bytes:
    """A clip with more boxes in its index."""
    return edited(plain, [b"moov"], lambda body: box(b"moov", body + b"".join(more)))


def test_hundreds_of_tracks(plain):
    assert (
        refusal_of_clip(with_more(plain, *[box(b"trak", tracks(plain)[0])] * 300)) == "media_unsafe"
    )


@pytest.mark.parametrize(
    "handler", [b"sbtl", b"text", b"subp", b"clcp", b"meta", b"tmcd", b"hint", b"data"]
)
def test_tracks_that_are_neither_picture_nor_sound_are_left_out(plain, handler):
    def renamed(body: bytes) -> bytes:
        return box(b"hdlr", body[:8] + handler + body[12:24] + b"file:///etc/passwd.srt\0")

    more = box(b"trak", edited(tracks(plain)[0], [b"mdia", b"hdlr"], renamed))
    data = with_more(plain, more)
    assert b"passwd" in data
    copy = cleaned(data)
    assert b"passwd" not in copy
    with av.open(io.BytesIO(copy)) as made:
        assert [one.type for one in made.streams] == ["video", "audio"]


def test_no_metadata_of_a_clip_goes_on(plain):
    place = box(b"\xa9xyz", struct.pack(">HH", 18, 0x15C7) + b"+48.8584+002.2945/")
    device = box(b"\xa9mod", struct.pack(">HH", 16, 0x15C7) + b"Somebody's phone")
    strange = box(
        b"\xa9nam", struct.pack(">HH", 4, 0x15C7) + b"\xff\xfe\xfd\xfc"
    )  # no text in any encoding
    udta, uuid = (
        box(b"udta", place + device + strange),
        box(b"uuid", bytes(16) + b"<x:xmpmeta>Somebody</x:xmpmeta>"),
    )
    data = with_more(plain, udta) + uuid + box(b"free", b"Somebody hid this")
    data = edited(
        data, [b"moov", b"mvhd"], lambda body: box(b"mvhd", body[:4] + b"TIMEtime" + body[12:])
    )
    assert b"+48.8584" in data
    copy = cleaned(data)
    assert not [
        word
        for word in (b"+48.8584", b"Somebody", b"TIME", b"time", b"xyz", b"Lavf")
        if word in copy
    ]
    with av.open(io.BytesIO(copy)) as made:
        assert made.duration / av.time_base == pytest.approx(2, abs=0.1)


def test_what_somebody_cut_away_does_not_go_on(tmp_path):
    """A phone cuts by an edit list: the rest stays in the file, and players do not show it."""
    data = clip(tmp_path / "clip.mp4", seconds=4).read_bytes()
    cut = struct.pack(">IIIii", 0, 1, 2000, 0, 1 << 16)
    copy = cleaned(edited(data, [b"moov", b"trak", b"edts", b"elst"], lambda _: box(b"elst", cut)))
    with av.open(io.BytesIO(copy)) as made:
        assert len([packet for packet in made.demux(video=0) if packet.size]) == 60


TABLES = [b"moov", b"trak", b"mdia", b"minf", b"stbl"]


def header(change, *, names=(b"moov", b"trak", b"mdia", b"mdhd")):
    return lambda data: edited(data, names, lambda body: box(names[-1], change(body)))


def table(name: bytes, body: bytes):
    return lambda data: edited(data, [*TABLES, name], lambda _: box(name, body))


LIES = {
    "a million frames per second": (
        header(lambda body: body[:12] + struct.pack(">I", 512_000_000) + body[16:]),
        {"video_length", "file_damaged", "video_rate"},
    ),
    "no frames per second": (
        header(lambda body: body[:12] + struct.pack(">I", 0) + body[16:]),
        {"", "video_length", "file_damaged"},
    ),
    "136 years": (
        header(lambda body: body[:16] + struct.pack(">I", 2**32 - 1) + body[20:]),
        {""},
    ),  # the frames themselves know better
    "a thousand million frames in one line": (
        table(b"stts", struct.pack(">IIII", 0, 1, 10**9, 1)),
        {"", "video_length", "video_truncated"},
    ),
    "two thousand million frames of one size": (
        table(b"stsz", struct.pack(">III", 0, 1, 2**31 - 1)),
        {"video_truncated", "media_unsafe"},
    ),
    "two thousand million lines of times": (
        table(b"stts", struct.pack(">II", 0, 2**31 - 1) + bytes(800)),
        {"media_unsafe"},
    ),
    "frames that lie beyond the end": (
        table(b"stco", struct.pack(">III", 0, 1, 2**32 - 1)),
        {"file_damaged"},
    ),
    "all frames at one place, a megabyte each": (
        table(b"stsz", struct.pack(">III", 0, 10**6, 60)),
        {"video_truncated"},
    ),
    "an edit list of a million lines": (
        lambda data: edited(
            data,
            [b"moov", b"trak", b"edts", b"elst"],
            lambda _: box(b"elst", struct.pack(">II", 0, 10**6) + bytes(12 * 10**6)),
        ),
        {"", "video_length", "file_damaged", "media_unsafe"},
    ),
    "an edit list that goes back in time": (
        lambda data: edited(
            data,
            [b"moov", b"trak", b"edts", b"elst"],
            lambda _: box(
                b"elst", struct.pack(">II", 0, 3) + struct.pack(">Iii", 1000, 15360, 1 << 16) * 3
            ),
        ),
        {"", "file_damaged"},
    ),
    "boxes in boxes, ten thousand deep": (lambda data: with_more(data, _nested(10_000)), {""}),
    "a box longer than the file": (lambda data: data[:-4] + b"\xff\xff\xff\xff", {""}),
    "a box of no length": (lambda data: data + bytes(8) + b"moov", {""}),
}


def _nested(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(b"trak", inner)
    return inner


@pytest.mark.parametrize("name", LIES)
def test_headers_that_lie(name, plain):
    change, refusals = LIES[name]
    data = change(plain)
    assert data != plain
    assert refusal_of_clip(data) in refusals


def test_a_few_bytes_that_stand_for_many_frames(plain):
    """Sixty frames of 2.5 MB, all at the same place: 2.6 MB that would go up as 150."""
    data = plain + box(b"free", bytes(2_600_000))
    sizes, places = (
        struct.pack(">III", 0, 2_500_000, 60),
        struct.pack(">II", 0, 60) + struct.pack(">I", len(plain) + 8) * 60,
    )
    data = edited(data, [*TABLES, b"stsz"], lambda _: box(b"stsz", sizes))
    data = edited(
        data, [*TABLES, b"stsc"], lambda _: box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1))
    )
    data = edited(data, [*TABLES, b"stco"], lambda _: box(b"stco", places))
    data = with_tracks(data, tracks(data)[:1])
    assert refusal_of_clip(data) == "file_large"


def test_more_frames_per_second_than_anybody_films(tmp_path):
    assert (
        refusal_of_clip(clip(tmp_path / "clip.mp4", seconds=1, size=(64, 64), fps=1000))
        == "video_rate"
    )


def test_more_pixels_than_anybody_films(tmp_path):
    assert (
        refusal_of_clip(clip(tmp_path / "clip.mp4", seconds=1, size=(4160, 64), fps=5))
        == "image_sides"
    )


def test_a_codec_that_is_not_allowed(tmp_path):
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w", format="mov") as made:
        stream = made.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for _ in range(20):
            made.mux(stream.encode(av.VideoFrame(64, 64, "yuvj420p")))
        made.mux(stream.encode(None))
    assert refusal_of_clip(path) == "video_codec"


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        *((kind, "video_kind") for kind in ("avi", "matroska", "webm", "mpegts", "flv")),
        ("jpeg", "video_is_image"),
        ("mp4 of nothing", "video_without_pictures"),
        ("mp4 of sound alone", "video_without_pictures"),
    ],
)
def test_other_kinds_by_the_name_of_a_clip(kind, refusal, plain, tmp_path):
    path = tmp_path / "clip.mp4"
    if kind == "jpeg":
        path.write_bytes(JPEG)
    elif kind == "mp4 of nothing":
        path.write_bytes(box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", b""))
    elif kind == "mp4 of sound alone":
        path.write_bytes(with_tracks(plain, tracks(plain)[1:]))
    else:
        with av.open(str(path), "w", format=kind) as made:
            stream = made.add_stream(
                {"webm": "libvpx", "flv": "flv"}.get(kind, "mpeg4"), rate=10, width=64, height=64
            )
            for _ in range(20):
                made.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
            made.mux(stream.encode(None))
    assert refusal_of_clip(path) == refusal


# sounds -------------------------------------------------------------------------------------------


def refusal_of_sound(source: bytes | Path) -> str:
    """By which sentence a sound is refused; "" where it is taken."""
    try:
        inputs.check_sound("reference_audio", source)
    except InvalidInput as refusal:
        return refusal.message.key
    return ""


def with_header(at: int, value: bytes) -> bytes:
    """A WAV of 4 s with other bytes in its header."""
    return SPOKEN[:at] + value + SPOKEN[at + len(value) :]


def cover(kind: bytes, shown: bytes) -> bytes:
    """A tag of an MP3 with a picture in it."""
    frame = b"\0" + kind + b"\0\3\0" + shown
    body = b"APIC" + len(frame).to_bytes(4, "big") + bytes(2) + frame
    sizes = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + sizes + body


def hours(megabytes: float) -> bytes:
    """An MP3 that says as little as it can for as long as it can: 15 MB of it are four hours."""
    frames = sound(rate=8_000, write_xing="0", id3v2_version="0")
    quiet = bytes((0xFF, 0xE3, 0x18, 0xC4)) + bytes(68)  # 8 kbit/s at 8 kHz: 72 ms in 72 bytes
    return frames + quiet * round(megabytes * 1_000_000 / len(quiet))


SPOKEN, SUNG = wav(), sound()
SOUNDS = {
    "a WAV that claims a billion samples": (
        with_header(40, (2_000_000_000).to_bytes(4, "little")),
        "",
    ),
    "a WAV of no channels": (with_header(22, bytes(2)), "file_damaged"),
    "a WAV of 65,535 channels": (with_header(22, b"\xff\xff"), "file_damaged"),
    "a WAV at no rate": (with_header(24, bytes(4)), "file_damaged"),
    "a WAV at four billion samples per second": (with_header(24, b"\xff" * 4), "file_damaged"),
    "a WAV at one sample per second": (with_header(24, b"\1\0\0\0"), "sound_length"),
    "a WAV of samples of no bits": (with_header(34, bytes(2)), "file_damaged"),
    "a WAV in a codec that there is none of": (with_header(20, b"\x99\x99"), "file_damaged"),
    "a WAV that is nothing but its header": (SPOKEN[:44], "file_damaged"),
    "four hours in an MP3 of 14 MB": (hours(14), "sound_length"),
    "an MP3 whose cover says it is 60,000 px wide": (
        cover(b"image/png", png(60_000, 60_000)) + SUNG,
        "",
    ),
    "an MP3 with 200 MB of pixels for a cover": (
        cover(b"image/png", png(300, 300, packed=ZEROS)) + SUNG,
        "",
    ),
    "an MP3 with a cover of 14 MB": (cover(b"image/jpeg", JPEG + bytes(14_000_000)) + SUNG, ""),
    "an MP3 that is all cover": (cover(b"image/jpeg", JPEG), "file_damaged"),
    "an MP3 whose tag says it is 256 MB": (b"ID3\3\0\0\x7f\x7f\x7f\x7f" + SUNG, "file_damaged"),
    "an MP3 with a cover at an address": (
        cover(b"-->", b"http://127.0.0.1:9/cover.png") + SUNG,
        "",
    ),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds(name):
    data, refusal = SOUNDS[name]
    assert refusal_of_sound(data) == refusal


def test_no_playlist_is_a_sound(tmp_path):
    with listening() as (url, came):
        for number, text in enumerate(PLAYLISTS.values()):
            path = tmp_path / f"{number}.mp3"
            path.write_text(text.format(url=url))
            assert refusal_of_sound(path).startswith("sound_")
            path.write_bytes(b"ID3\4\0\0\0\0\0\0" + text.format(url=url).encode() * 5)
            assert refusal_of_sound(path) == "file_damaged"
    assert came == []


@pytest.mark.parametrize(("whole", "kind"), [(SPOKEN, "wav"), (SUNG, "mp3")], ids=["WAV", "MP3"])
def test_what_else_a_sound_is_stays_behind(whole, kind):
    """A program, a page or an archive at its end, and a place in its tags."""
    for more in (
        b"PK\3\4 secret",
        b"<html><script>secret()</script></html>" * 20,
        b"TAGsecret" + bytes(119),
        b"LIST\x0e\0\0\0INFOsecret\0\0\0\0",
    ):
        with tempfile.TemporaryFile() as target:
            assert inputs.prepare_sound("reference_audio", whole + more, target).kind == kind
            target.seek(0)
            assert b"secret" not in target.read()


# damaged files ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    return subjects(
        tmp_path_factory.mktemp("subjects"), large=False
    )  # which takes two seconds each time


@settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(dice=strategies.randoms(use_true_random=False), which=strategies.integers(0, 99))
def test_damaged_files_are_taken_or_refused_in_our_words(whole, dice, which):
    name = sorted(whole)[which % len(whole)]
    assert outcome(name, damaged(whole[name], dice), dice) in ("taken", *LOCALES["en"])


# what is no file ----------------------------------------------------------------------------------


def test_what_is_no_plain_file(tmp_path):
    pipe, link, loop, empty = (tmp_path / name for name in ("pipe", "link", "loop", "empty"))
    os.mkfifo(pipe)
    link.symlink_to("/etc/passwd")
    loop.symlink_to(loop)
    empty.touch()
    for path, picture_refusal, clip_refusal in (
        (pipe, "file_missing", "file_missing"),  # and nobody waits for its other end
        (tmp_path, "file_missing", "file_missing"),
        (loop, "file_missing", "file_missing"),
        (Path("/dev/zero"), "file_missing", "file_missing"),
        (Path("/dev/tty"), "file_missing", "file_missing"),
        (tmp_path / ("x" * 300), "file_missing", "file_missing"),
        (link, "image_unreadable", "video_unreadable"),
        (empty, "file_empty", "file_empty"),
        (Path("/proc/self/maps"), "image_unreadable", "video_unreadable"),
    ):
        assert (refusal_of_picture(path), refusal_of_clip(path)) == (picture_refusal, clip_refusal)


def test_a_pipe_does_not_hold_up_the_command_line(tmp_path, environment):
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-m", "wan", "image-to-video", tmp_path / "pipe", "--prompt", "x"]
    finished = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (finished.returncode, "pipe isn't a file" in finished.stderr) == (2, True)


# everything together ------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_nothing_that_is_kept_or_sent_tells_of_somebody(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("WAN_SIMULATOR_PENDING", "0")
    monkeypatch.setenv("WAN_SIMULATOR_RUNNING", "0")
    exif = Image.Exif()
    exif[0x010F] = "Somebody"
    photo = picture((640, 480), kind="JPEG", exif=exif, comment=b"Somebody")
    film = with_more(
        plain, box(b"udta", box(b"\xa9xyz", struct.pack(">HH", 8, 0x15C7) + b"Somebody"))
    )
    requests = [
        ImageToVideoRequest(prompt="x", reference_image=photo, duration=2),
        ReferenceToVideoRequest(
            prompt="x", reference_video=film, reference_image=photo, duration=2
        ),
    ]
    async with Studio(load_settings()) as studio:
        for request in requests:
            job = await studio.submission.submit(request, owner="owner")
            async for event in studio.watching.follow(job.id, owner="owner"):
                job = event.job
            assert job.state is JobState.SUCCEEDED
    kept = [path for path in (tmp_path / "output").rglob("*") if path.is_file()]
    assert len([path for path in kept if "references" in path.parts]) == 3
    assert not [path for path in kept if b"Somebody" in path.read_bytes()]


# the sandbox --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def misbehaving():
    sandbox = Sandbox("tests.attacks.misdeeds")
    yield sandbox
    sandbox.stop()


def attempt(sandbox: Sandbox, task: str) -> dict | str:
    """What comes of a task: its answer, or the sentence that refuses it."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as made:
        try:
            return sandbox.run(
                task, given, made, RootModel[dict[str, Any]], field="reference_image"
            ).done.root
        except InvalidInput as refusal:
            return refusal.message.key


@pytest.mark.parametrize(
    "task", ["open", "connect", "hoard", "write", "fall", "babble", "mumble", "trip", "not there"]
)
def test_code_in_the_sandbox_can_do_nothing(misbehaving, task):
    assert attempt(misbehaving, task) == "media_unsafe"


def test_the_sandbox_knows_no_secret(monkeypatch):
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")
    sandbox = Sandbox("tests.attacks.misdeeds")
    try:
        assert set(attempt(sandbox, "tell")["environment"]) <= {
            "PATH",
            "PYTHONHOME",
            "PYTHONPATH",
            "LD_LIBRARY_PATH",
            "LANG",
            "LC_CTYPE",
        }
    finally:
        sandbox.stop()


def many_scans() -> bytes:
    """A JPEG of 8000 px in which every pixel is gone over thousands of times: the classic that no
    limit on size catches.
    """
    out = io.BytesIO()
    Image.new("L", (8000, 8000)).save(out, "JPEG", progressive=True, quality=1)
    data = out.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * min(5000, 15_000_000 // len(data[last:-2])) + data[-2:]


def test_what_hangs_is_ended_in_time_while_others_go_on(misbehaving):
    bomb = many_scans()
    assert len(bomb) < 20_000_000
    with ThreadPoolExecutor() as threads:
        attempt(misbehaving, "tell")  # both sandboxes have started
        refusal_of_picture(JPEG)
        hanging = [
            threads.submit(refusal_of_picture, bomb),
            threads.submit(attempt, misbehaving, "sleep"),
        ]
        assert refusal_of_picture(JPEG) == ""
        assert not hanging[-1].done()
        assert [one.result() for one in hanging] == ["media_unsafe", "media_unsafe"]


def test_a_sandbox_that_died_is_started_again():
    refusal_of_picture(JPEG)
    for _ in range(3):
        os.kill(SANDBOX.pid, 9)
        assert refusal_of_picture(JPEG) == ""


@pytest.mark.parametrize("signal", [2, 9, 15])
def test_the_sandbox_goes_with_the_process_that_started_it(signal, tmp_path, environment):
    """However that ends, and whatever is in hand."""
    script = (
        "import signal, sys, tempfile, threading\nfrom wan.media.sandbox import Sandbox\n"
        # whoever starts the tests may have it ignored
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sandbox = Sandbox('tests.attacks.misdeeds')\nfile = tempfile.TemporaryFile()\n"
        "from pydantic import RootModel\n"
        "threading.Thread(target=sandbox.run, args=('sleep', file, file, RootModel[dict]), "
        "kwargs={'field': 'x'}, daemon=True).start()\n"
        "sandbox.run('tell', file, file, RootModel[dict], field='x')\nprint(sandbox.pid, "
        "flush=True)\nthreading.Event().wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        group = int(process.stdout.readline())
        os.killpg(group, 0)  # it is there
        process.send_signal(signal)
        process.wait(PATIENCE)
    until = time.monotonic() + PATIENCE
    with contextlib.suppress(ProcessLookupError):
        while os.killpg(group, 0) is None:
            assert time.monotonic() < until, "the sandbox outlives its starter"
            time.sleep(0.01)
