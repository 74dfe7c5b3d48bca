"""Results: measured, brought to the requested size and rate, tagged, and their posters. All block.

They come from the service's own hosts and are opened in this process: a video that was paid for
must not be lost to a limit on time or memory.
"""

import io
import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import av.filter
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from wan.domain import catalog
from wan.domain.errors import NotAVideo
from wan.domain.messages import Message
from wan.media import clips, embedded_settings, probe
from wan.media.probe import Clip

# How much two shapes may differ before stretching one to the other shows. 1096x838, which is made
# for 1088*832, differs by 0.0002.
ALIKE = 0.02
# As x264 takes of itself, up to a limit: at 1080p each takes 30 MB, for decoding and encoding.
_THREADS = min((os.cpu_count() or 1) * 3 // 2, 6)
_PLAIN_TAGS = frozenset(
    {
        "title",
        "artist",
        "album_artist",
        "composer",
        "album",
        "date",
        "comment",
        "genre",
        "copyright",
        "grouping",
        "lyrics",
    }
) | {
    *("description", "synopsis", "show", "episode_id", "network", "keywords", "encoder"),
    *("major_brand", "minor_version", "compatible_brands", "creation_time"),
}


def measure(path: Path) -> Clip:
    """Measure a result. Raises NotAVideo for a file that does not play to its end."""
    try:
        with path.open("rb") as file:
            return probe.probe(file)
    except (FFmpegError, ValueError) as error:
        raise NotAVideo(
            Message.of(
                "result_refused",
                message=f"the file doesn't open as a video ({type(error).__name__}).",
            )
        ) from None


def poster(path: Path) -> bytes:
    """Return the first frame of a result as WebP: shown before it plays, so that nothing jumps."""
    out = io.BytesIO()
    with path.open("rb") as file:
        # Half the time of the usual method, for a twentieth more bytes
        probe.first_frame(file).save(out, "WEBP", quality=82, method=2)
    return out.getvalue()


def tag(source: Path, target: Path, tags: Mapping[str, str]) -> None:
    """Copy a video with these tags added to its own. Pictures and sound stay bit-identical."""
    with (
        av.open(str(source), options=probe.OPTIONS) as given,
        open_mp4(target, {**given.metadata, **tags}) as made,
    ):
        clips.copy_tracks(given, [*given.streams.video[:1], *given.streams.audio[:1]], made)


def untag(source: Path, target: Path) -> None:
    """Copy a video without the tags that `tag` wrote. Pictures and sound stay bit-identical."""
    with av.open(str(source), options=probe.OPTIONS) as given:
        kept = {
            name: value
            for name, value in given.metadata.items()
            if name not in embedded_settings.TAGS
        }
        with open_mp4(target, kept) as made:
            clips.copy_tracks(given, [*given.streams.video[:1], *given.streams.audio[:1]], made)


def conform(
    source: Path,
    target: Path,
    *,
    size: str,
    fps: float,
    fit: str = "crop",
    pad_color: str = "",
) -> None:
    """Copy a video at exactly this size (`W*H` px) and frame rate; sound and tags are copied as
    they are.

    A shape that is nearly the new one is scaled to it. Otherwise nothing is stretched: the picture
    is cropped to the new shape, or with `fit` "pad" padded with a colour, `#rrggbb`, or black.
    """
    with (
        av.open(str(source), options=probe.OPTIONS) as given,
        open_mp4(target, given.metadata) as made,
    ):
        width, height = catalog.parse_size(size)
        before = given.streams.video[0]
        steps = [*fit_filters(before, width, height, fit, pad_color), ("fps", str(fps))]
        if before.average_rate is not None and fps < before.average_rate:
            steps.insert(0, steps.pop())  # scales only those frames that stay
        picture = add_video_track(made, before, width, height, fps)
        sound = (
            made.add_stream_from_template(given.streams.audio[0]) if given.streams.audio else None
        )
        for frame in filter_frames(given, *steps):
            made.mux(picture.encode(frame))
        made.mux(picture.encode(None))
        if sound is not None:
            given.seek(0)
            for packet in given.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = sound
                    made.mux(packet)


def open_mp4(target: Path, tags: Mapping[str, str]) -> OutputContainer:
    """Open an MP4 for writing, one that plays while it loads.

    Plain MP4 tags are what every player reads. Only where there are others, such as the service's
    AI label, all of them go into metadata that allows any name.
    """
    flags = "+faststart" if _PLAIN_TAGS.issuperset(tags) else "+faststart+use_metadata_tags"
    made = av.open(str(target), "w", format="mp4", options={"movflags": flags})
    made.metadata.update(tags)
    return made


def add_video_track(
    made: OutputContainer, like: VideoStream, width: int, height: int, fps: float
) -> VideoStream:
    """Add an H.264 track to encode, with the colours of another track."""
    picture = made.add_stream(
        "libx264",
        rate=Fraction(fps).limit_denominator(1001),
        options={"crf": "17", "preset": "veryfast"},
    )
    picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
    _use_threads(picture)
    for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(picture.codec_context, name, getattr(like.codec_context, name))
    return picture


def fit_filters(
    given: VideoStream, width: int, height: int, fit: str, pad_color: str = ""
) -> list[tuple[str, str]]:
    """Return FFmpeg's filters, name and arguments, that fit a video to a size unstretched: one
    whose shape is nearly that of the size is scaled to it.
    """
    if (given.width, given.height) == (width, height):
        return []  # FFmpeg's scale would work on each frame all the same (8.1)
    if abs(given.width * height / (given.height * width) - 1) <= ALIKE:
        return [("scale", f"{width}:{height}:flags=lanczos")]
    if fit == "pad":
        return [
            ("scale", f"{width}:{height}:flags=lanczos:force_original_aspect_ratio=decrease"),
            ("pad", f"{width}:{height}:-1:-1:{pad_color or 'black'}"),
        ]
    return [
        ("scale", f"{width}:{height}:flags=lanczos:force_original_aspect_ratio=increase"),
        ("crop", f"{width}:{height}"),
    ]


def filter_frames(given: InputContainer, *steps: tuple[str, str]) -> Iterator[VideoFrame]:
    """Yield the frames of a video after FFmpeg's filters, each a name and its arguments."""
    _use_threads(given.streams.video[0])
    graph = av.filter.Graph()
    source = graph.add_buffer(template=given.streams.video[0])
    graph.link_nodes(
        source, *(graph.add(*step) for step in steps), graph.add("buffersink")
    ).configure()
    for frame in given.decode(video=0):
        graph.push(frame)
        yield from _pull_frames(graph)
    graph.push(None)
    yield from _pull_frames(graph)


def _use_threads(picture: VideoStream) -> None:
    """Have several frames of a track decoded or encoded at once; PyAV's default is slices of one,
    which x264 fills half as well, in a file an eighth larger.
    """
    picture.thread_type, picture.thread_count = "AUTO", _THREADS


def _pull_frames(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        if isinstance(frame, VideoFrame):
            frame.pict_type = 0  # the encoder chooses its own key frames
            yield frame
