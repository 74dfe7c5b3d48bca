"""The storyboard: which reference is seen when, how the camera moves, and how one shot passes into
the next.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from PIL import Image

from .lettering import name_tag
from .planes import Patch, Planes, Size
from .sources import CLOSEST, Media, Source, View, open_source

FADE_SECONDS = 0.5  # between shots, at most
TOGETHER_WEIGHT = (
    1.6  # length of the closing shot with everybody in it, against that of an opening shot
)
GUTTER_SHARE = 0.008  # between panels, of the shorter side
BACKGROUND = (12, 12, 17)  # RGB


@dataclass(frozen=True)
class Camera:
    """A move from one view to another, slow at both ends."""

    begin: View
    end: View

    def at(self, progress: float) -> View:
        """The view at a point of the move, 0 to 1."""
        eased = progress * progress * (3 - 2 * progress)
        return View(
            self.begin.zoom + (self.end.zoom - self.begin.zoom) * eased,
            self.begin.across + (self.end.across - self.begin.across) * eased,
            self.begin.down + (self.end.down - self.begin.down) * eased,
        )


class Scene(Protocol):
    """Something that fills a frame."""

    def frame(self, seconds: float, progress: float) -> Planes:
        """The picture so many seconds into the scene; `progress` is the same from 0 to 1."""


@dataclass
class Shot:
    """One reference, filmed."""

    source: Source
    camera: Camera
    size: Size
    tag: Patch | None = None

    def frame(self, seconds: float, progress: float) -> Planes:
        """See Scene."""
        picture = self.source.frame(seconds, self.camera.at(progress), self.size)
        if self.tag:
            self.tag.lay_on(picture)
        return picture


@dataclass
class Panels:
    """Several shots side by side, each at its place in pixels."""

    size: Size
    shots: list[tuple[Shot, tuple[int, int]]]

    def frame(self, seconds: float, progress: float) -> Planes:
        """See Scene."""
        picture = Planes.of(Image.new("RGB", self.size, BACKGROUND))
        for shot, place in self.shots:
            picture.paste(shot.frame(seconds, progress), *place)
        return picture


Open = Callable[[], Scene]


@dataclass
class Storyboard:
    """Scenes in a row, each with its weight in time. A scene is opened when it comes on and let go
    when it is over.
    """

    seconds: float
    scenes: list[tuple[Open, float]]
    _open: dict[int, Scene] = field(default_factory=dict)

    def frame(self, moment: float) -> Planes:
        """The picture at a moment of the film; moments are asked for in order."""
        starts = self._starts()
        number = max(index for index, start in enumerate(starts) if start <= moment)
        picture = self._scene_frame(number, moment, starts)
        fade = self._fade()
        into = (moment - starts[number]) / fade
        if number == 0 or into >= 1:
            self._open.pop(number - 1, None)
            return picture
        last = self._scene_frame(number - 1, moment, starts)
        return last.blend(picture, into * into * (3 - 2 * into))

    def _scene_frame(self, number: int, moment: float, starts: Sequence[float]) -> Planes:
        if number not in self._open:
            self._open[number] = self.scenes[number][0]()
        end = starts[number + 1] + self._fade() if number + 1 < len(starts) else self.seconds
        into = moment - starts[number]
        return self._open[number].frame(into, into / (end - starts[number]))

    def _starts(self) -> list[float]:
        total, passed, starts = sum(weight for _, weight in self.scenes), 0.0, []
        for _, weight in self.scenes:
            starts.append(self.seconds * passed / total)
            passed += weight
        return starts

    def _fade(self) -> float:
        lightest = min(weight for _, weight in self.scenes) / sum(
            weight for _, weight in self.scenes
        )
        return min(FADE_SECONDS, self.seconds * lightest * 0.6)


def single_image(
    media: Media, size: Size, seconds: int, seed: int, *, multi_shot: bool
) -> Storyboard:
    """One picture in one slow move, or in two moves with a fade between them."""
    chance = random.Random(seed)  # noqa: S311 - it chooses camera moves
    cameras = [_camera(chance), _camera(chance)] if multi_shot else [_camera(chance)]
    return Storyboard(seconds, [(_opener(media, camera, size), 1.0) for camera in cameras])


def montage(references: Sequence[Media], size: Size, seconds: int, seed: int) -> Storyboard:
    """Every reference in turn, then all of them together; one alone gets two shots."""
    chance = random.Random(seed)  # noqa: S311 - it chooses camera moves
    tags = [f"character{number}" for number in range(1, len(references) + 1)]
    scenes = [
        (_opener(media, _camera(chance), size, tag), 1.0)
        for media, tag in zip(references, tags, strict=True)
    ]
    if len(references) == 1:
        return Storyboard(
            seconds, [*scenes, (_opener(references[0], _camera(chance), size, tags[0]), 1.0)]
        )
    cameras = [_camera(chance) for _ in references]

    def together() -> Scene:
        return _panels(references, tags, cameras, size)

    return Storyboard(seconds, [*scenes, (together, TOGETHER_WEIGHT)])


def _opener(media: Media, camera: Camera, size: Size, tag: str = "") -> Open:
    return lambda: Shot(
        open_source(media, size), camera, size, name_tag(tag, size, min(size)) if tag else None
    )


def _panels(
    references: Sequence[Media], tags: Sequence[str], cameras: Sequence[Camera], size: Size
) -> Panels:
    shots = []
    for media, tag, camera, (left, top, width, height) in zip(
        references, tags, cameras, _places(len(references), size), strict=True
    ):
        panel = (width, height)
        shots.append(
            (
                Shot(open_source(media, panel), camera, panel, name_tag(tag, panel, min(size))),
                (left, top),
            )
        )
    return Panels(size, shots)


def _places(count: int, size: Size) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of each panel: up to three in a row (or a column, in an upright
    frame), more in two.
    """
    upright = size[1] > size[0]
    rows = [count] if count <= 3 else [count // 2, count - count // 2]
    along, over = (size[1], size[0]) if upright else size
    gutter = _even(max(2, min(size) * GUTTER_SHARE))
    places = []
    for row, panels in enumerate(rows):
        y, thick = _slice(over, len(rows), row, gutter)
        for panel in range(panels):
            x, wide = _slice(along, panels, panel, gutter)
            places.append((y, x, thick, wide) if upright else (x, y, wide, thick))
    return places


def _slice(length: int, parts: int, number: int, gutter: int) -> tuple[int, int]:
    begin, end = (_even((length + gutter) * edge / parts) for edge in (number, number + 1))
    return begin, end - gutter - begin


def _even(pixels: float) -> int:
    return round(pixels / 2) * 2


def _camera(chance: random.Random) -> Camera:
    near, far = CLOSEST - chance.uniform(0, 0.02), 1.0 + chance.uniform(0, 0.02)
    side, lift = chance.choice((-1, 1)) * chance.uniform(0.2, 0.5), chance.uniform(-0.35, 0.35)
    wide, close = View(far, 0.5 - side, 0.5 - lift), View(near, 0.5 + side, 0.5 + lift)
    return Camera(wide, close) if chance.random() < 0.6 else Camera(close, wide)
