"""What lies in a folder in which a running app makes and removes files."""

import contextlib
import os
from pathlib import Path


def below(folder: Path) -> list[Path]:
    """Everything below a folder. What goes meanwhile is left out: before Python 3.13 `Path.rglob`
    breaks there.
    """
    return [
        Path(place) / name
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
    ]


def contents(folder: Path) -> dict[Path, bytes]:
    """What is in the plain files below a folder."""
    found = {}
    for path in below(folder):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                found[path] = path.read_bytes()
    return found
