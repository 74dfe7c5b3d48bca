"""Pictures and clips: what comes in is checked and fitted, what comes out is measured and conformed. Pillow and PyAV; everything here blocks.

Files are recognised by their content, never by their names. Pictures are decoded and written anew, so that nothing but pixels goes on.
"""

import hashlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import av.filter
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageFilter, ImageOps

from wan import catalog
from wan.errors import InvalidInput, NoVideo
from wan.words import Sentence, sentence

_IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
# Demuxers that may look at a clip. Without the list FFmpeg opens a playlist and fetches the URLs in it.
_CLIP_OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2"}
_SENT_SIDE = 4096  # px: the longer side of a picture that goes up in its own shape; keeps every JPEG under the service's limit
_JPEG_QUALITY = 95
_CENTERING = (0.5, 0.25)  # of a crop: in a tall picture faces are in the upper part
_PREVIEW_SIDE = 960  # px
_MEGABYTE = 1_000_000

Image.MAX_IMAGE_PIXELS = catalog.IMAGE_SIDES[1] ** 2


@dataclass(frozen=True)
class Picture:
    """A checked picture: upright, opaque, RGB, without metadata."""

    image: Image.Image
    sha256: str
    """Of the bytes that were given."""
    adjustments: list[Sentence]

    @property
    def size(self) -> str:
        """`W*H` in px."""
        return f"{self.image.width}*{self.image.height}"


@dataclass(frozen=True)
class Clip:
    """What a video file is, measured: width and height in px, frames per second, seconds."""

    width: int
    height: int
    fps: float
    seconds: float
    has_audio: bool
    codec: str

    @property
    def size(self) -> str:
        """`W*H` in px."""
        return f"{self.width}*{self.height}"


def digest(source: bytes | Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with _opened(source) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_picture(field: str, source: bytes | Path) -> Picture:
    """Opens a picture and makes it what the service takes. Raises InvalidInput, which says what came and what is allowed."""
    _refuse_large(field, source, catalog.IMAGE_MEGABYTES)
    adjustments = []
    with _opened(source) as file:
        given = _decoded(field, file)
    upright = ImageOps.exif_transpose(given)
    if given.getexif().get(0x0112, 1) != 1:
        adjustments.append(sentence("image_upright"))
    if upright.has_transparency_data:
        adjustments.append(sentence("image_flattened"))
    return Picture(_opaque(upright), digest(source), adjustments)


def fitted(picture: Picture, size: str, fit: str) -> Picture:
    """The picture in exactly the shape of a size `W*H`, cropped or padded; for a tier ("720P") in its own shape. What was done is added to it."""
    image = picture.image
    target = _own_shape(image) if "*" not in size else catalog.pixels(size)
    if image.size == target:
        return picture
    same_shape = "*" not in size or image.width * target[1] == image.height * target[0]
    if same_shape:
        done, result = "image_scaled", image.resize(target, Image.Resampling.LANCZOS)
    elif fit == "pad":
        done, result = "image_padded", _padded(image, target)
    else:
        done, result = "image_cropped", ImageOps.fit(image, target, Image.Resampling.LANCZOS, centering=_CENTERING)
    said = sentence(done, given=picture.size, size=f"{target[0]}*{target[1]}")
    return Picture(result, picture.sha256, [*picture.adjustments, said])


def jpeg(image: Image.Image) -> bytes:
    """The picture as it is stored and sent."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return out.getvalue()


def preview(source: Path, size: str, fit: str) -> bytes:
    """A small WebP of what will be sent of a picture at this size and fit. Raises InvalidInput."""
    image = fitted(read_picture("reference_image", source), size, fit).image
    image.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    return _webp(image)


def check_clip(field: str, source: bytes | Path) -> Clip:
    """Opens a reference video. Raises InvalidInput for what is no MP4 or MOV, too large, too short or too long."""
    _refuse_large(field, source, catalog.VIDEO_MEGABYTES)
    try:
        with _opened(source) as file:
            clip = _measured(file)
    except (FFmpegError, ValueError, OSError):
        raise InvalidInput(field, "video_unreadable") from None
    low, high = catalog.VIDEO_SECONDS
    if not low <= round(clip.seconds, 1) <= high:
        raise InvalidInput(field, "video_length", given=round(clip.seconds, 1), low=low, high=high)
    return clip


def clip_seconds(path: Path) -> float:
    """How long a reference video is, in seconds. Raises InvalidInput as `check_clip` does."""
    return check_clip("reference_video", path).seconds


def measure(path: Path) -> Clip:
    """What a result is, measured in the file. Raises NoVideo for a file that does not play to its end."""
    try:
        with path.open("rb") as file:
            return _measured(file)
    except (FFmpegError, ValueError) as error:
        raise NoVideo(sentence("result_refused", message=f"the file is no video that opens ({type(error).__name__}).")) from None


def poster(path: Path) -> bytes:
    """The first frame of a video, as WebP: what a player shows before it plays, so that nothing jumps when it does."""
    with av.open(str(path), options=_CLIP_OPTIONS) as container:
        frame = next(container.decode(video=0), None)
        if frame is None:
            raise ValueError("no frames")
        return _webp(Image.fromarray(frame.to_ndarray(format="rgb24")))


def conform(source: Path, target: Path, *, size: str, fps: float, fit: str = "crop") -> None:
    """Writes a copy of a video at exactly this size (`W*H` px) and frame rate; the sound is copied as it is.

    Nothing is stretched: what sticks out of the new shape is cropped, or with `fit` "pad" the rest of it is black.
    """
    with (
        av.open(str(source), options=_CLIP_OPTIONS) as given,
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as made,
    ):
        width, height = catalog.pixels(size)
        picture = made.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "17", "preset": "veryfast"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        sound = made.add_stream_from_template(given.streams.audio[0]) if given.streams.audio else None
        for frame in _refitted(given, _shaped(width, height, fit), fps):
            made.mux(picture.encode(frame))
        made.mux(picture.encode(None))
        if sound is not None:
            given.seek(0)
            for packet in given.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = sound
                    made.mux(packet)


def _shaped(width: int, height: int, fit: str) -> list[tuple[str, str]]:
    """FFmpeg's filters, name and arguments, that bring a frame to a size without stretching it."""
    if fit == "pad":
        return [("scale", f"{width}:{height}:flags=lanczos:force_original_aspect_ratio=decrease"), ("pad", f"{width}:{height}:-1:-1")]
    return [("scale", f"{width}:{height}:flags=lanczos:force_original_aspect_ratio=increase"), ("crop", f"{width}:{height}")]


def _refitted(given: InputContainer, shaping: list[tuple[str, str]], fps: float) -> Iterator[VideoFrame]:
    """The frames of a video through FFmpeg's own scaler and rate converter."""
    graph = av.filter.Graph()
    source = graph.add_buffer(template=given.streams.video[0])
    steps = [graph.add(name, arguments) for name, arguments in [*shaping, ("fps", str(fps))]]
    graph.link_nodes(source, *steps, graph.add("buffersink")).configure()
    for frame in given.decode(video=0):
        graph.push(frame)
        yield from _pulled(graph)
    graph.push(None)
    yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        if isinstance(frame, VideoFrame):
            frame.pict_type = 0  # the encoder chooses its own key frames
            yield frame


def _measured(file: IO[bytes]) -> Clip:
    """Opens a video, decodes its first frame and walks to its end. Raises FFmpegError or ValueError for what cannot be played to the end."""
    with av.open(file, "r", options=_CLIP_OPTIONS) as container:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.average_rate is None or stream.duration is None or stream.time_base is None:
            raise ValueError("no video track")
        first = next(container.decode(stream), None)
        if first is None:
            raise ValueError("no frames")
        seconds = float(stream.duration * stream.time_base)
        if _end(container, stream) < seconds - 0.5:
            raise ValueError("the file breaks off")
        return Clip(
            width=first.width,
            height=first.height,
            fps=round(float(stream.average_rate), 3),
            seconds=round(seconds, 3),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
        )


def _end(container: InputContainer, stream: VideoStream) -> float:
    """Where the last whole packet of a track ends, in seconds. Nothing is decoded."""
    container.seek(0)
    last = max((packet.pts + (packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None), default=0)
    return float(last * (stream.time_base or 0))


def _decoded(field: str, file: IO[bytes]) -> Image.Image:
    """The picture in a file, every pixel of it read."""
    low, high = catalog.IMAGE_SIDES
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(file, formats=_IMAGE_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidInput(field, "image_sides", given="too many", low=low, high=high) from None
    except (OSError, ValueError, SyntaxError):
        raise InvalidInput(field, "image_unreadable") from None
    if not all(low <= side <= high for side in image.size):
        raise InvalidInput(field, "image_sides", given=f"{image.width}*{image.height}", low=low, high=high)
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise InvalidInput(field, "image_animated", given=frames)
    try:
        image.load()
    except (OSError, ValueError, SyntaxError):
        raise InvalidInput(field, "image_truncated") from None
    return image


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    ground = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(ground, rgba).convert("RGB")


def _padded(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    """The whole picture on a blurred copy of itself, which moves better than black bars."""
    ground = ImageOps.fit(image, target, Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(max(target) / 40))
    whole = ImageOps.contain(image, target, Image.Resampling.LANCZOS)
    ground.paste(whole, ((target[0] - whole.width) // 2, (target[1] - whole.height) // 2))
    return ground


def _own_shape(image: Image.Image) -> tuple[int, int]:
    """The picture's size, brought under `_SENT_SIDE` where neither side becomes too short by it."""
    scale = min(1.0, max(_SENT_SIDE / max(image.size), catalog.IMAGE_SIDES[0] / min(image.size)))
    return round(image.width * scale), round(image.height * scale)


def _webp(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=82)
    return out.getvalue()


def _opened(source: bytes | Path) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _refuse_large(field: str, source: bytes | Path, limit: int) -> None:
    """Refuses a file over `limit` megabytes before any of it is decoded, and one that is not there."""
    try:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        readable = isinstance(source, bytes) or source.is_file()
    except OSError:
        readable = False
    if not readable:
        raise InvalidInput(field, "file_missing", given=source.name if isinstance(source, Path) else "nothing")
    if size > limit * _MEGABYTE:
        raise InvalidInput(field, "file_large", given=round(size / _MEGABYTE, 1), high=limit)
