"""File types by their first bytes, whatever a file is called. Nothing is decoded here."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Literal

from wan.domain.errors import InvalidInput

Medium = Literal["image", "video", "audio", "other"]

_HEAD = 4096  # bytes; the first box of an image or a video is shorter
_TRACKS_HEAD = 65_536  # bytes in which a container lists its tracks
# of MPEG-TS: start of the first, and bytes to the next; cameras put a timestamp before each
_TS_PACKETS = ((0, 188), (4, 192))
# samples per second, by the version of MPEG
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MP3_KILOBITS = {  # per second, of MPEG 1 and of the others; 0 for none or an unspecified one
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # possible bytes of a BMP's second header

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_HEIF_BRANDS = frozenset({b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_M4A = "M4A"
_M4A_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P "})
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # first box, no brand


@dataclass(frozen=True)
class FileType:
    """A type of file."""

    name: str
    """As people call it; "" for an unknown type."""
    medium: Medium
    decoder: str = ""
    """Pillow's name of an image format, or FFmpeg's muxer for a video or sound; "" if not accepted.
    """
    sound: str = ""
    """The name for a file of this container type that may hold nothing but sound."""


_REFUSALS = {  # of known types: by the required medium and the actual one
    ("image", "image"): "image_kind",
    ("image", "video"): "image_is_video",
    ("image", "audio"): "image_is_other",
    ("image", "other"): "image_is_other",
    ("video", "image"): "video_is_image",
    ("video", "video"): "video_kind",
    ("video", "audio"): "video_is_other",
    ("video", "other"): "video_is_other",
    ("audio", "image"): "sound_is_image",
    ("audio", "video"): "sound_is_video",
    ("audio", "audio"): "sound_kind",
    ("audio", "other"): "sound_is_other",
}
_UNREADABLE = {
    "image": "image_unreadable",
    "video": "video_unreadable",
    "audio": "sound_unreadable",
}
_UNKNOWN = FileType("", "other")
_ASF = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"
_ASF_KIND = b"\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"  # behind the marks of its tracks
_MATROSKA, _MATROSKA_FRAMES = b"\x1a\x45\xdf\xa3", b"\x1f\x43\xb6\x75"
_TRACK_MARKS = {  # by how a container begins: of a track of pictures, and of one of sound
    b"OggS": (
        (b"\x80theora", b"BBCD\0", b"OVP80", b"\1video"),
        (b"OpusHead", b"\1vorbis", b"\x7fFLAC", b"Speex   "),
    ),
    _MATROSKA: ((b"\x83\x81\1",), (b"\x83\x81\2",)),
    _ASF: ((b"\xc0\xef\x19\xbc" + _ASF_KIND,), (b"\x40\x9e\x69\xf8" + _ASF_KIND,)),
}
_SIGNATURES: tuple[tuple[bytes, FileType], ...] = (
    (b"\xff\xd8\xff", FileType("JPEG", "image", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", FileType("PNG", "image", "PNG")),
    (b"GIF8", FileType("GIF", "image")),
    *((mark, FileType("TIFF", "image")) for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    *((mark, FileType("JPEG 2000", "image")) for mark in (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
    *((mark, FileType("JPEG XL", "image")) for mark in (b"\0\0\0\x0cJXL ", b"\xff\x0a")),
    (b"II\xbc", FileType("JPEG XR", "image")),
    (b"8BPS", FileType("Photoshop (PSD)", "image")),
    (b"\0\0\1\0", FileType("ICO", "image")),
    (b"%!PS", FileType("PostScript", "image")),
    (b"FLV\1", FileType("FLV", "video")),
    (_ASF, FileType("WMV", "video", sound="WMA")),
    (b"\0\0\1\xba", FileType("MPEG", "video")),
    (b"\0\0\1\xb3", FileType("MPEG", "video")),
    (b"OggS", FileType("Ogg", "video", sound="Ogg")),
    (b"%PDF", FileType("PDF", "other")),
    (b"PK\3\4", FileType("ZIP", "other")),
    (b"ID3", FileType("MP3", "audio", "mp3")),
    (b"fLaC", FileType("FLAC", "audio")),
    (b"#!AMR", FileType("AMR", "audio")),
    *(
        (mark, FileType("AAC", "audio"))
        for mark in (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")
    ),
    *((mark, FileType("WAV (RF64)", "audio")) for mark in (b"RF64", b"BW64")),
)
_RIFF = {
    b"WEBP": FileType("WebP", "image", "WEBP"),
    b"AVI ": FileType("AVI", "video"),
    b"WAVE": FileType("WAV", "audio", "wav"),
}
_TEXTS = (
    (b"<svg", FileType("SVG", "image")),
    (b"<html", FileType("HTML", "other")),
    (b"<!doctype html", FileType("HTML", "other")),
)


def detect(file: IO[bytes]) -> FileType:
    """Return the type of an open file and rewind it."""
    file.seek(0)
    head = file.read(_TRACKS_HEAD)
    file.seek(0)
    kind = next(_guess(head[:_HEAD]), _UNKNOWN)
    return FileType(kind.sound, "audio") if kind.sound and _has_sound_alone(head) else kind


@contextmanager
def blame_file(field: str, kind: FileType) -> Iterator[None]:
    """Turn whatever a decoder raises in the block into InvalidInput, but for a lack of memory."""
    try:
        yield
    except (InvalidInput, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - whatever PyAV raises is the file's fault
        raise InvalidInput(field, "file_damaged", given=kind.name) from None


def require(field: str, file: IO[bytes], medium: Literal["image", "video", "audio"]) -> FileType:
    """Return the type of a file that must be an accepted image, video or sound.

    Raises InvalidInput, which names what it is.
    """
    kind = _detect_known(field, file, _UNREADABLE[medium])
    if kind.sound and (medium == "audio" or (medium == "image" and kind.sound == _M4A)):
        kind = FileType(kind.sound, "audio")
    if kind.medium != medium or not kind.decoder:
        raise InvalidInput(field, _REFUSALS[medium, kind.medium], given=kind.name)
    return kind


def require_reference(field: str, file: IO[bytes]) -> FileType:
    """Return the type of a file that must be an accepted image or video. Raises InvalidInput."""
    kind = _detect_known(field, file, "reference_unreadable")
    if kind.medium not in ("image", "video"):
        raise InvalidInput(field, "reference_is_other", given=kind.name)
    return require(field, file, kind.medium)


def _detect_known(field: str, file: IO[bytes], refusal: str) -> FileType:
    """Return the type of a file. Raises InvalidInput for an empty one, or by `refusal`."""
    kind = detect(file)
    if not kind.name:
        raise InvalidInput(field, refusal if file.read(1) else "file_empty")
    return kind


def _guess(head: bytes) -> Iterator[FileType]:
    """Yield the types that a file may have by its head, best guess first."""
    if head[4:8] == b"ftyp":
        yield _detect_by_brands(head)
    yield from (kind for mark, kind in _SIGNATURES if head.startswith(mark))
    if head[4:8] in _OLD_QUICKTIME:
        yield FileType("MOV", "video", "mov")
    if head.startswith(b"RIFF") and head[8:12] in _RIFF:
        yield _RIFF[head[8:12]]
    if head.startswith(_MATROSKA):
        name = "WebM" if b"webm" in head[:64] else "Matroska (MKV)"
        yield FileType(name, "video", sound=name.replace("MKV", "MKA"))
    if head.startswith(b"BM") and head[14:18] in {struct.pack("<I", size) for size in _BMP_HEADERS}:
        yield FileType("BMP", "image", "BMP")
    if any(head[at : at + 2 * step + 1 : step] == b"GGG" for at, step in _TS_PACKETS):
        yield FileType("MPEG-TS", "video")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    yield from (
        kind
        for mark, kind in _TEXTS
        if text.startswith(mark) or (text.startswith(b"<?xml") and mark in text)
    )
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        yield FileType("AIFF", "audio")
    if (step := _mp3_frame_length(head)) and _mp3_frame_length(head[step:]):
        yield FileType("MP3", "audio", "mp3")


def _has_sound_alone(head: bytes) -> bool:
    """Tell whether a container lists tracks of sound at its beginning and none of pictures."""
    begins = next((mark for mark in _TRACK_MARKS if head.startswith(mark)), None)
    if begins is None:
        return False
    listed = head.partition(_MATROSKA_FRAMES)[0] if begins == _MATROSKA else head
    pictures, sounds = (any(mark in listed for mark in marks) for marks in _TRACK_MARKS[begins])
    return sounds and not pictures


def _mp3_frame_length(head: bytes) -> int:
    """Return the bytes to the next frame of an untagged MP3; 0 where no frame begins.

    One header may be chance; two in a row are not.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # eleven set bits, layer III
        return 0
    version, rates = head[1] >> 3 & 3, _MP3_RATES.get(head[1] >> 3 & 3)
    kilobits, rate = _MP3_KILOBITS[version == 3][head[2] >> 4], head[2] >> 2 & 3
    if not rates or not kilobits or rate == 3:
        return 0
    return (144 if version == 3 else 72) * kilobits * 1000 // rates[rate] + (head[2] >> 1 & 1)


def _detect_by_brands(head: bytes) -> FileType:
    """Return the type of an ISO media file by its brands: images and videos alike have them."""
    first, box = head[8:12], head[: int.from_bytes(head[:4], "big")]
    brands = {first, *(box[at : at + 4] for at in range(16, len(box), 4))}
    if first in _AVIF_BRANDS or (first in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return FileType("AVIF", "image", "AVIF")
    if first in _HEIC_BRANDS | _HEIF_BRANDS:
        return FileType("HEIC" if brands & _HEIC_BRANDS else "HEIF", "image", "HEIF")
    if first == b"crx ":
        return FileType("CR3", "image")
    if first == b"qt  ":
        return FileType("MOV", "video", "mov")
    if first[:2] == b"3g":
        return FileType("3GP", "video", "mp4", sound="3GP")
    return FileType("MP4", "video", "mp4", sound=_M4A if first in _M4A_BRANDS else "")
