"""Images as Pillow sees them: decoded, upright, opaque, sRGB, fitted and re-encoded as bare pixels.

Runs in the sandbox only, since its input is untrusted. `prepare_image` and `preview` read an open
file, write to another and answer in JSON.
"""

import hashlib
import io
import math
from collections.abc import Sequence
from typing import IO, Any, NamedTuple

import pi_heif
from PIL import Image, ImageCms, ImageColor, ImageFilter, ImageOps

from wan.domain import catalog
from wan.domain.crop import Crop, enlargement
from wan.domain.errors import InvalidInput
from wan.domain.messages import Message
from wan.domain.requests import OWN_SHAPE
from wan.media import file_type
from wan.media.file_type import FileType

_CONVERSIONS = {"HEIF": "heif_converted", "AVIF": "avif_converted"}  # not accepted by the service
# Further images in these are no animation but a second view, a gain map or a burst: the main one
# counts.
_ALBUM_FORMATS = ("MPO", "HEIF")
_SENT_SIDE = 4096  # px, the longer side of an own shape; keeps a JPEG under the service's limit
_SPARE = 1.15  # times the sides of a tier's frame; ours: more of an own shape would not be seen
_OWN_SHAPE = (catalog.ORIGINAL, *OWN_SHAPE)
_JPEG_QUALITY = 95
_PREVIEW_SIDE = 960  # px
_WHOLE_SIDE = 640  # px, of an image that a browser cannot show by itself
_THUMBNAIL_SIDE = 160  # px
_FINE = 2  # pixels decoded for one of a preview, each way; more would look no better
_SCANS = 100  # of a JPEG; a progressive one has about ten
_SCAN_MEGAPIXELS = 2000  # over all scans of a JPEG; 64 megapixels with thirty take two seconds
# at the peak of decoding: the decoder's memory, the data read, and the image
_BYTES_PER_PIXEL = {"WEBP": 16, "HEIF": 12, "AVIF": 12}
_END_MARK = b"\xff\xd9"  # of a JPEG
# image data, for a JPEG that still expects some
_FILLER = b"".join(bytes(range(1, 255)) + bytes((0xFF, mark)) for mark in range(0xD0, 0xD8)) * 2
_MEMORY_LIMIT = 800_000_000  # bytes of a task's memory that an image may take
_ORIENTATION = 0x0112  # the number of the EXIF tag
_UPRIGHT = {  # by orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)  # orientations in which width and height change places
_SRGB = ImageCms.createProfile("sRGB")


class TooCostly(MemoryError):
    """Decoding an image would exceed a task's limits, judging by its header."""


Image.MAX_IMAGE_PIXELS = None  # we check sides ourselves, before anything is decoded
Image.init()  # loads every decoder now: the sandbox opens no file later
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)


class _Frame(NamedTuple):
    """How an image is brought to a shape."""

    fit: str = "crop"
    crop: Crop = Crop()
    pad_color: str = ""
    """`#rrggbb`; "" for a blurred copy of the image."""

    @classmethod
    def of(cls, fit: str, crop: Sequence[float] = (), pad_color: str = "") -> "_Frame":
        """Make it of what came as JSON."""
        return cls(fit, Crop(*crop), pad_color)


def prepare_image(
    given: IO[bytes], made: IO[bytes], *, field: str, size: str, **framing: Any
) -> dict[str, Any]:
    """Write two JPEGs, one after the other: the image in its own shape, and fitted as it is sent.

    size: as for `_fit`. framing: as `wan.domain.framing` gives it. Returns the bytes of each (0 for
    the second where it is the same), the width and height as given in px, how many times it is
    enlarged, and the adjustments. Raises InvalidInput.
    """
    picture, adjustments = _read(field, given)
    frame = _Frame.of(**framing)
    kept, scaled = _fit(picture, catalog.ORIGINAL, _Frame())
    is_same = size in _OWN_SHAPE and _own_shape(picture, size) == kept.size
    sent, fitted = (kept, scaled) if is_same else _fit(picture, size, frame)
    kept.save(made, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    kept_bytes = made.seek(0, io.SEEK_END)
    if sent is not kept:
        sent.save(made, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return {
        "kept": kept_bytes,
        "sent": made.seek(0, io.SEEK_END) - kept_bytes,
        "width": picture.width,
        "height": picture.height,
        "enlarged": enlargement(picture.size, size, frame.fit, frame.crop),
        "adjustments": [one.model_dump() for one in (*adjustments, *fitted)],
    }


def preview(
    given: IO[bytes], made: IO[bytes], *, field: str, size: str, **framing: Any
) -> dict[str, Any]:
    """Write a small WebP of what is sent for an image, and one of the whole image where browsers
    cannot show it.

    Returns the bytes of each (0 for the second where there is none), and how many times the image
    is enlarged. Raises InvalidInput.
    """
    frame = _Frame.of(**framing)
    image, converted = _read(field, given, side=round(_PREVIEW_SIDE * frame.crop.zoom))
    width, height = _own_shape(image) if size in OWN_SHAPE else catalog.parse_size(size)
    scale = min(1.0, _PREVIEW_SIDE / max(width, height))
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    _resize(image, shape, frame, keep=size in OWN_SHAPE)[0].save(made, "WEBP", quality=82)
    shown = made.seek(0, io.SEEK_END)
    if any(one.key in _CONVERSIONS.values() for one in converted):
        image.thumbnail((_WHOLE_SIDE, _WHOLE_SIDE))
        image.save(made, "WEBP", quality=82)
    return {
        "shown": shown,
        "whole": made.seek(0, io.SEEK_END) - shown,
        "enlarged": enlargement(_measure(field, given), size, frame.fit, frame.crop),
    }


def thumbnail(field: str, file: IO[bytes]) -> tuple[bytes, list[dict[str, Any]]]:
    """Return a small WebP of an image and the adjustments of any run. Raises InvalidInput."""
    image, adjustments = _read(field, file, side=_THUMBNAIL_SIDE)
    return encode_thumbnail(image), [one.model_dump() for one in adjustments]


def encode_thumbnail(image: Image.Image) -> bytes:
    """Return an image as a WebP thumbnail."""
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=70)
    return out.getvalue()


def _read(field: str, file: IO[bytes], side: int = 0) -> tuple[Image.Image, list[Message]]:
    """Return the image in a file, upright, opaque, RGB and without metadata, and the adjustments.

    side: px at which it is shown, where that is all it is for; then it is decoded no larger than
    that needs. Raises InvalidInput and TooCostly.
    """
    image = _decode(field, file, side)
    turn, clear = _UPRIGHT.get(_orientation(image)), image.has_transparency_data
    adjustments = [Message.of(_CONVERSIONS[image.format])] if image.format in _CONVERSIONS else []
    adjustments += [Message.of("image_upright")] if turn is not None else []
    adjustments += [Message.of("image_flattened")] if clear else []
    profile = image.info.get("icc_profile")
    image = _reduce(image, side) if side else image
    image = _to_srgb(_flatten(image) if clear else _to_eight_bit(image), profile)
    image = image if turn is None else image.transpose(turn)
    image.info = {}  # else Pillow would write its comment into every file that it saves
    return image, adjustments


def _decode(field: str, file: IO[bytes], side: int = 0) -> Image.Image:
    """Return the image in a file, fully decoded. Whatever Pillow raises is the file's fault."""
    kind = file_type.require(field, file, "image")
    image = _open(field, file, kind)
    _check_sides(field, image)
    _require_cheap(image, file)
    try:
        image = _load(image, side)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        image = _load_without_end(field, file, side, kind.name)
    return image


def _open(field: str, file: IO[bytes], kind: FileType) -> Image.Image:
    """Read the header of an image. Raises InvalidInput for no image or an animation."""
    try:
        image: Image.Image = Image.open(file, formats=(kind.decoder,))
        frames = 1 if image.format in _ALBUM_FORMATS else getattr(image, "n_frames", 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        raise InvalidInput(field, "file_damaged", given=kind.name) from None
    if frames > 1:
        raise InvalidInput(field, "image_animated", given=frames)
    return image


def _measure(field: str, file: IO[bytes]) -> tuple[int, int]:
    """Return the width and height in px of an image that has been read before, upright."""
    image = _open(field, file, file_type.require(field, file, "image"))
    is_turned = _orientation(image) in _SIDEWAYS
    return image.size[::-1] if is_turned else image.size


def _check_sides(field: str, image: Image.Image) -> None:
    """Raise InvalidInput for an image outside the limits of the service or of memory."""
    low, high = catalog.IMAGE_SIDES
    fits = (
        min(image.size) >= low
        and max(image.size) <= catalog.PHOTO_SIDE
        and image.width * image.height <= high * high
    )
    if not fits or max(_own_shape(image)) > high:
        raise InvalidInput(
            field, "image_sides", given=f"{image.width}×{image.height}", low=low, high=high
        )


def _load(image: Image.Image, side: int) -> Image.Image:
    """Decode the pixels of an image; side: as for `_read`."""
    if side:
        image.draft(None, (_FINE * side, _FINE * side))
    image.load()
    return image


def _load_without_end(field: str, file: IO[bytes], side: int, name: str) -> Image.Image:
    """Return the image in a JPEG that lacks nothing but its end mark. Raises InvalidInput for
    others.

    The decoder silently fills what is missing with grey. So the file is decoded twice, the second
    time with filler data appended: that changes a truncated image, and no other.
    """
    file.seek(0)
    data, digests = file.read().removesuffix(_END_MARK[:1]), set()
    try:
        for more in (b"", _FILLER):
            image = _load(Image.open(io.BytesIO(data + more + _END_MARK), formats=("JPEG",)), side)
            digests.add(hashlib.sha256(image.tobytes()).digest())
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - it is no JPEG, or a broken one
        digests.clear()
    if len(digests) != 1:
        raise InvalidInput(field, "file_damaged", given=name)
    return image


def _require_cheap(image: Image.Image, file: IO[bytes]) -> None:
    """Raise TooCostly before decoding would hit a task's limits, as far as the header shows."""
    pixels = image.width * image.height
    if pixels * _BYTES_PER_PIXEL.get(image.format or "", 0) > _MEMORY_LIMIT:
        raise TooCostly
    if image.format in ("JPEG", "MPO"):
        place = file.tell()
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        file.seek(place)
        if scans > _SCANS or scans * pixels > _SCAN_MEGAPIXELS * 1_000_000:
            raise TooCostly


def _reduce(image: Image.Image, side: int) -> Image.Image:
    """Return an image with only the pixels that a good one of `side` px needs, for cheap
    processing.
    """
    factor = min(image.size) // (_FINE * side)
    if factor < 2:
        return image
    if image.mode in ("1", "P") and not image.has_transparency_data:  # else dots become a pattern
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode in ("L", "RGB", "CMYK"):
        return image.reduce(factor)
    return image.resize((image.width // factor, image.height // factor), Image.Resampling.NEAREST)


def _orientation(image: Image.Image) -> int:
    """Return how the camera was held, 1 to 8; 1 where the EXIF data is missing or broken."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken EXIF data in an intact image
        return 1


def _flatten(image: Image.Image) -> Image.Image:
    """Return an image on white."""
    clear = image if image.mode == "RGBA" else image.convert("RGBA")
    ground = Image.new("RGB", clear.size, "white")
    ground.paste(clear, mask=clear.getchannel("A"))
    return ground


def _to_eight_bit(image: Image.Image) -> Image.Image:
    """Convert 16-bit grey to 8 bits, which Pillow would clip to white, and palettes to colours."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an image to sRGB, the colours that viewers assume without a profile."""
    if profile:
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            shown = ImageCms.profileToProfile(image, given, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            shown = None  # a broken profile or one for another mode is ignored, as by browsers
        if shown is not None:
            return shown
    return image.convert("RGB")


def _fit(image: Image.Image, size: str, frame: _Frame) -> tuple[Image.Image, list[Message]]:
    """Return an image in exactly the shape of a size `W*H`, cropped or padded, and the adjustments.

    For a tier ("720P") it keeps its own shape, and only the pixels that the service can use; for
    `ORIGINAL` all of them, as far as the service takes them.
    """
    keep = size in _OWN_SHAPE
    target = _own_shape(image, size) if keep else catalog.parse_size(size)
    return _resize(image, target, frame, keep=keep)


def _resize(
    image: Image.Image, target: tuple[int, int], frame: _Frame, *, keep: bool
) -> tuple[Image.Image, list[Message]]:
    """Resize an image and return the adjustments. keep: the shape differs by rounding only."""
    is_closer = not keep and frame.fit == "crop" and frame.crop.zoom > 1
    if image.size == target and not is_closer:
        return image, []
    is_alike = image.width * target[1] == image.height * target[0]
    if keep or (is_alike and not is_closer):
        done, result = "image_scaled", image.resize(target, Image.Resampling.LANCZOS)
    elif frame.fit == "pad":
        done, result = "image_padded", _pad(image, target, frame.pad_color)
    else:
        box = frame.crop.box(image.size, target)
        done, result = (
            "image_cropped",
            image.resize(target, Image.Resampling.LANCZOS, box=box),
        )
    return result, [
        Message.of(done, given=f"{image.width}×{image.height}", size=f"{target[0]}×{target[1]}")
    ]


def _pad(image: Image.Image, target: tuple[int, int], color: str) -> Image.Image:
    """Return the whole image on a colour, or on a blurred copy of itself, which animates better
    than plain bars.
    """
    if color:
        ground = Image.new("RGB", target, ImageColor.getrgb(color))
    else:
        ground = ImageOps.fit(image, target, Image.Resampling.BILINEAR).filter(
            ImageFilter.GaussianBlur(max(target) / 40)
        )
    whole = ImageOps.contain(image, target, Image.Resampling.LANCZOS)
    ground.paste(whole, ((target[0] - whole.width) // 2, (target[1] - whole.height) // 2))
    return ground


def _own_shape(image: Image.Image, size: str = catalog.ORIGINAL) -> tuple[int, int]:
    """Return an image's size, within `_SENT_SIDE` and what its video in a tier needs, unless that
    makes a side too short.
    """
    scale = _SENT_SIDE / max(image.size)
    if size in catalog.TIER_PIXELS:
        pixels = catalog.TIER_PIXELS[size]
        scale = min(scale, _SPARE * math.sqrt(pixels / (image.width * image.height)))
    scale = min(1.0, max(scale, catalog.IMAGE_SIDES[0] / min(image.size)))
    return round(image.width * scale), round(image.height * scale)
