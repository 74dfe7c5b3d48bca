"""What is made of finished videos: their last frame, several of them joined to one film, and a bundle of a video with its settings. All of it blocks."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Progress = Callable[[float], None]


def join(paths: Sequence[Path], target: Path, *, size: str, fps: float, progress: Progress, tags: Mapping[str, str] | None = None) -> None:
    """Writes one MP4 of several, in their order, at a size (`W*H` px) and a frame rate; other shapes are padded, never stretched.

    Where any of them has sound the film has: silence stands for what is missing. progress: is told how much is done, 0 to 1, and may raise to stop it;
    then nothing is left of the film.
    """
    raise NotImplementedError


def last_frame(path: Path) -> bytes:
    """The very last frame that a video shows, as PNG."""
    raise NotImplementedError


def bundle(video: Path, settings: Mapping[str, Any], target: Path, *, name: str) -> None:
    """Writes a ZIP of a video and its settings, `name`.mp4 and `name`.json."""
    with zipfile.ZipFile(target, "w") as made:
        made.write(video, f"{name}.mp4")
        made.writestr(f"{name}.json", json.dumps(settings, ensure_ascii=False, indent=2), zipfile.ZIP_DEFLATED)
