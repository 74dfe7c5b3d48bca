"""Pictures as Pillow sees them: decoded, made upright, opaque, sRGB and RGB, fitted, and written
anew, so that nothing but pixels goes on.

Runs in the sandbox only, since its input is untrusted. `prepare_image` and `preview` read an open
file, write to another and answer in JSON.
"""

import hashlib
import io
from typing import IO, Any

import pi_heif
from PIL import Image, ImageCms, ImageFilter, ImageOps

from wan.domain import catalog
from wan.domain.errors import InvalidInput
from wan.domain.messages import Sentence, sentence
from wan.domain.requests import OWN_SHAPE
from wan.media import file_type

_CONVERSIONS = {
    "HEIF": "heif_converted",
    "AVIF": "avif_converted",
}  # what the service does not take; the others it does
_ALBUM_FORMATS = (
    "MPO",
    "HEIF",
    # several pictures in one of these are no animation: a second view, a map of light, a burst, of
    # which the main one counts
)
# px: the longer side of a picture that goes up in its own shape; keeps every JPEG under the
# service's limit
_SENT_SIDE = 4096
_JPEG_QUALITY = 95
_CENTERING = (0.5, 0.25)  # of a crop: in a tall picture faces are in the upper part
_PREVIEW_SIDE = 960  # px
_THUMBNAIL_SIDE = 160  # px
# pixels that are decoded for one of a preview, each way: what is scaled from more looks no better
_FINE = 2
_SCANS = 100  # of a JPEG; a progressive one has about ten
_SCAN_MEGAPIXELS = (
    2000  # megapixels that all scans of a JPEG may go over: 64 with thirty scans take two seconds
)
_BYTES_PER_PIXEL = {
    "WEBP": 16,
    "HEIF": 12,
    "AVIF": 12,
}  # at the peak of opening one: what the decoder holds, what is read of it, and the picture
_END_MARK = b"\xff\xd9"  # of a JPEG
_FILLER = (
    b"".join(bytes(range(1, 255)) + bytes((0xFF, mark)) for mark in range(0xD0, 0xD8)) * 2
)  # pixels, for a JPEG that still waits for some
_MEMORY_LIMIT = 800_000_000  # bytes of a task's memory that a picture may take
_ORIENTATION = 0x0112  # the number of the EXIF tag
_UPRIGHT = {  # what brings a picture of each orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SRGB = ImageCms.createProfile("sRGB")


class TooCostly(MemoryError):
    """Opening a picture would take more than a task may, by what its first bytes say."""


Image.MAX_IMAGE_PIXELS = None  # sides are checked below, before anything is decoded
Image.init()  # every decoder is loaded by now: the sandbox opens no file later
pi_heif.register_heif_opener(
    decode_threads=1, thumbnails=False, depth_images=False, aux_images=False
)


def prepare_image(
    given: IO[bytes], made: IO[bytes], *, field: str, size: str, fit: str
) -> dict[str, Any]:
    """Writes two JPEGs, one after the other: the picture in its own shape, and as it goes up at
    this size and fit. Raises InvalidInput.

    Answers with the bytes of each (0 for the second where it is the same), the width and height
    that were given in px, and what was done.
    """
    picture, adjustments = _read(field, given)
    kept, scaled = _fit(picture, OWN_SHAPE[0], fit)
    sent, fitted = (kept, scaled) if size in OWN_SHAPE else _fit(picture, size, fit)
    kept.save(made, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    kept_bytes = made.seek(0, io.SEEK_END)
    if sent is not kept:
        sent.save(made, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return {
        "kept": kept_bytes,
        "sent": made.seek(0, io.SEEK_END) - kept_bytes,
        "width": picture.width,
        "height": picture.height,
        "adjustments": [one.model_dump() for one in (*adjustments, *fitted)],
    }


def preview(
    given: IO[bytes], made: IO[bytes], *, field: str, size: str, fit: str
) -> dict[str, Any]:
    """Writes a small WebP of what will be sent of a picture at this size and fit. Raises
    InvalidInput.
    """
    image, _ = _read(field, given, side=_PREVIEW_SIDE)
    width, height = _own_shape(image) if size in OWN_SHAPE else catalog.parse_size(size)
    scale = min(1.0, _PREVIEW_SIDE / max(width, height))
    shape = max(1, round(width * scale)), max(1, round(height * scale))
    _resize(image, shape, fit, keep=size in OWN_SHAPE)[0].save(made, "WEBP", quality=82)
    return {}


def thumbnail(field: str, file: IO[bytes]) -> tuple[bytes, list[dict[str, Any]]]:
    """A small WebP of the picture in a file, and what is done to the picture whatever is asked of
    it. Raises InvalidInput.
    """
    image, adjustments = _read(field, file, side=_THUMBNAIL_SIDE)
    return encode_thumbnail(image), [one.model_dump() for one in adjustments]


def encode_thumbnail(image: Image.Image) -> bytes:
    """A picture as a WebP that a page shows among others."""
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=70)
    return out.getvalue()


def _read(field: str, file: IO[bytes], side: int = 0) -> tuple[Image.Image, list[Sentence]]:
    """The picture in a file, upright, opaque, RGB and without metadata, and what was done to get
    there. Raises InvalidInput and Costly.

    side: px of what it is shown at, if that is all that it is for; it is then as small as that
    allows.
    """
    image = _decode(field, file, side)
    turn, clear = _UPRIGHT.get(_orientation(image)), image.has_transparency_data
    adjustments = [sentence(_CONVERSIONS[image.format])] if image.format in _CONVERSIONS else []
    adjustments += [sentence("image_upright")] if turn is not None else []
    adjustments += [sentence("image_flattened")] if clear else []
    profile = image.info.get("icc_profile")
    image = _reduce(image, side) if side else image
    image = _to_srgb(_flatten(image) if clear else _to_eight_bit(image), profile)
    image = image if turn is None else image.transpose(turn)
    image.info = {}  # Pillow would write the comment in it into every file that it saves
    return image, adjustments


def _decode(field: str, file: IO[bytes], side: int = 0) -> Image.Image:
    """The picture in a file, every pixel of it read. Whatever Pillow raises over it is the file's
    fault.
    """
    image = _open(field, file, file_type.require(field, file, "image").decoder)
    _check_sides(field, image)
    _require_cheap(image, file)
    try:
        image = _load(image, side)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        image = _load_without_end(field, file, side)
    return image


def _open(field: str, file: IO[bytes], decoder: str) -> Image.Image:
    """The picture in a file, of which the header is read. Raises InvalidInput for what is none, and
    for an animation.
    """
    try:
        image: Image.Image = Image.open(file, formats=(decoder,))
        frames = 1 if image.format in _ALBUM_FORMATS else getattr(image, "n_frames", 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        raise InvalidInput(field, "image_unreadable") from None
    if frames > 1:
        raise InvalidInput(field, "image_animated", given=frames)
    return image


def _check_sides(field: str, image: Image.Image) -> None:
    """Raises InvalidInput for a picture out of the limits: of what goes up, and of the pixels that
    there is memory for.
    """
    low, high = catalog.IMAGE_SIDES
    fits = (
        min(image.size) >= low
        and max(image.size) <= catalog.PHOTO_SIDE
        and image.width * image.height <= high * high
    )
    if not fits or max(_own_shape(image)) > high:
        raise InvalidInput(
            field, "image_sides", given=f"{image.width}*{image.height}", low=low, high=high
        )


def _load(image: Image.Image, side: int) -> Image.Image:
    """A picture with its pixels; side: as for `_read`."""
    if side:
        image.draft(None, (_FINE * side, _FINE * side))
    image.load()
    return image


def _load_without_end(field: str, file: IO[bytes], side: int) -> Image.Image:
    """The picture in a JPEG that lacks its end mark and nothing else. Raises InvalidInput for any
    other that cannot be read to its end.

    Its decoder would fill what is missing with grey, and says nothing of it. So it is read twice,
    the second time with more pixels behind those that are there: they change what breaks off, and
    nothing else.
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
        raise InvalidInput(field, "image_truncated")
    return image


def _require_cheap(image: Image.Image, file: IO[bytes]) -> None:
    """Raises Costly before anything is decoded, where decoding would end at the limits of a task.
    What stands in no header, they bound.
    """
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
    """A picture with no more pixels than one of `side` px is well made of: whatever is done to it
    then is cheap.
    """
    factor = min(image.size) // (_FINE * side)
    if factor < 2:
        return image
    if (
        image.mode in ("1", "P") and not image.has_transparency_data
    ):  # else the dots become a pattern
        image = image.convert("L" if image.mode == "1" else "RGB")
    if image.mode in ("L", "RGB", "CMYK"):
        return image.reduce(factor)
    return image.resize((image.width // factor, image.height // factor), Image.Resampling.NEAREST)


def _orientation(image: Image.Image) -> int:
    """How the camera was held, 1 to 8; 1 where the EXIF data does not say or cannot be read."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken EXIF data in a picture that is whole
        return 1


def _flatten(image: Image.Image) -> Image.Image:
    """A picture on white."""
    clear = image if image.mode == "RGBA" else image.convert("RGBA")
    ground = Image.new("RGB", clear.size, "white")
    ground.paste(clear, mask=clear.getchannel("A"))
    return ground


def _to_eight_bit(image: Image.Image) -> Image.Image:
    """Sixteen bits of grey to eight, which Pillow would cut off at white; palettes to colours."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """A picture in the colours that everybody expects of one without a profile."""
    if profile:
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            shown = ImageCms.profileToProfile(image, given, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            # the profile is broken, or of another kind of picture: it is passed over, as browsers
            # do
            shown = None
        if shown is not None:
            return shown
    return image.convert("RGB")


def _fit(image: Image.Image, size: str, fit: str) -> tuple[Image.Image, list[Sentence]]:
    """A picture in exactly the shape of a size `W*H`, cropped or padded; for a tier ("720P") in its
    own. With what was done to it.
    """
    target = _own_shape(image) if size in OWN_SHAPE else catalog.parse_size(size)
    return _resize(image, target, fit, keep=size in OWN_SHAPE)


def _resize(
    image: Image.Image, target: tuple[int, int], fit: str, *, keep: bool
) -> tuple[Image.Image, list[Sentence]]:
    """A picture at exactly this size, with what was done to it. keep: the size is of its own shape
    but for rounding.
    """
    if image.size == target:
        return image, []
    if keep or image.width * target[1] == image.height * target[0]:
        done, result = "image_scaled", image.resize(target, Image.Resampling.LANCZOS)
    elif fit == "pad":
        done, result = "image_padded", _pad(image, target)
    else:
        done, result = (
            "image_cropped",
            ImageOps.fit(image, target, Image.Resampling.LANCZOS, centering=_CENTERING),
        )
    return result, [
        sentence(done, given=f"{image.width}*{image.height}", size=f"{target[0]}*{target[1]}")
    ]


def _pad(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    """The whole picture on a blurred copy of itself, which moves better than black bars."""
    ground = ImageOps.fit(image, target, Image.Resampling.BILINEAR).filter(
        ImageFilter.GaussianBlur(max(target) / 40)
    )
    whole = ImageOps.contain(image, target, Image.Resampling.LANCZOS)
    ground.paste(whole, ((target[0] - whole.width) // 2, (target[1] - whole.height) // 2))
    return ground


def _own_shape(image: Image.Image) -> tuple[int, int]:
    """The picture's size, brought under `_SENT_SIDE` where neither side becomes too short by it."""
    scale = min(1.0, max(_SENT_SIDE / max(image.size), catalog.IMAGE_SIDES[0] / min(image.size)))
    return round(image.width * scale), round(image.height * scale)
