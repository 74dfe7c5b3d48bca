"""Uploaded files, and files made for download: their names, places and removal.

Each lies in a folder of its own, `FOLDER/TOKEN/NAME`, whose token nobody can guess. Outside it is
called `uploads/TOKEN/NAME`, and a sample of the app `samples/NAME`: no path of the server leaves
it, and none is accepted. `UploadFolder.find` is the only way from such a name to a file.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import stat
import threading
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PosixPath
from typing import Any

from wan.storage.atomic_files import write_whole
from wan.storage.objects import last_change, translate_errors

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
_UPLOADS, _SAMPLES = "uploads", "samples"
_NAME = re.compile(rf"{_UPLOADS}/([\w-]{{43}})/([^/.\0][^/\0]{{0,254}})", re.ASCII)
_SAMPLE = re.compile(rf"{_SAMPLES}/([A-Za-z0-9][\w.-]{{0,80}})", re.ASCII)
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
_TOKEN_BYTES = 32
_NOTE = ".note"  # what is known of a file, whose own name never begins with a dot
# In file names, on this system or the one where the file is saved.
_FORBIDDEN = frozenset('/\\:*?"<>|#%&')
_STEM_BYTES, _ENDING_LENGTH = 160, 10


class Upload(PosixPath):
    """An uploaded file, the only kind of path that the app may replace by its clean copy."""


@dataclass(frozen=True)
class Original:
    """An upload before its clean copy replaced it."""

    sha256: str
    bytes: int
    key: str = ""
    """Storage key of the copy."""
    width: int = 0
    height: int = 0
    """px, upright, of a picture."""
    changes: tuple[str, ...] = ()
    """Changes made for the copy, by the keys of the messages about them."""


class UploadFolder:
    """The folder of these files. All of it blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._settling = threading.Lock()

    def find(self, name: object) -> Path | None:
        """Return the plain file of ours that an outside name leads to; None for anything else.

        An upload comes as Upload, a sample as a plain Path.
        """
        if not isinstance(name, str):
            return None
        if sample := _SAMPLE.fullmatch(name):
            return path if _is_plain(path := SAMPLES / sample[1]) else None
        if known := _NAME.fullmatch(name):
            path = Upload(self.folder / known[1] / known[2])
            return path if _is_folder(path.parent) and _is_plain(path, links=1) else None
        return None

    def name(self, path: Path) -> str:
        """Return the outside name of a file of ours. Raises ValueError for any other file."""
        for folder, prefix in ((self.folder, _UPLOADS), (SAMPLES, _SAMPLES)):
            if path.is_relative_to(folder):
                return f"{prefix}/{path.relative_to(folder).as_posix()}"
        raise ValueError("no file of the page")

    def new(self, name: str, *of: str) -> Path:
        """Make a place for a new file and return its path.

        name: as people know it. of: ids of the jobs and reviews that it is made from: it is removed
        with any of them.
        """
        folder = self.folder / secrets.token_urlsafe(_TOKEN_BYTES)
        with translate_errors():
            # Private: listing it would reveal every token.
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            folder.mkdir(0o700)
            if of:
                _write(folder, {"of": list(of)})
        return folder / clean_name(name)

    def remove(self, path: Path) -> None:
        """Remove a file that `new` gave a place, and all that is known of it."""
        shutil.rmtree(path.parent, ignore_errors=True)

    def original(self, upload: Upload) -> Original | None:
        """Return what an upload was before its clean copy replaced it, if one did."""
        known = _read(upload.parent).get("original")
        return None if known is None else Original(**known | {"changes": tuple(known["changes"])})

    def replace_by_copy(
        self, upload: Upload, copy: bytes | Path, original: Original, of: str
    ) -> Original:
        """Replace an upload by its clean copy for good, and return what it was at first.

        copy: the clean file's bytes, or its path, from where it is moved. original: what was
        measured just now; where a copy has replaced it meanwhile, what was known by then counts.
        of: what the upload is removed with.
        """
        with self._settling:
            if (known := self.original(upload)) is not None:
                return known
            # The note comes first: no reader may take the copy for what was uploaded.
            note = _read(upload.parent)
            _write(upload.parent, {"of": [*note.get("of", ()), of], "original": asdict(original)})
            with write_whole(upload) as part:
                part.write_bytes(copy) if isinstance(copy, bytes) else shutil.move(copy, part)
            return original

    def forget(self, of: Collection[str]) -> None:
        """Remove every file made from any of these: ids of jobs and reviews, keys of references."""
        for folder in self._folders():
            with contextlib.suppress(OSError):
                if not set(of).isdisjoint(_read(folder).get("of", ())):
                    shutil.rmtree(folder, ignore_errors=True)

    def clear(self, before: float) -> None:
        """Remove the files that were put here before a time, in seconds since 1970."""
        for folder in self._folders():
            if last_change(folder) < before:
                shutil.rmtree(folder, ignore_errors=True)

    def _folders(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.folder):
                if _TOKEN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    yield Path(entry.path)


def default_folder(beside: Path) -> Path:
    """Return the folder of uploads: GRADIO_TEMP_DIR, else beside what the app makes."""
    chosen = os.environ.get("GRADIO_TEMP_DIR")
    return Path(os.path.abspath(chosen or beside / "uploads"))  # noqa: PTH100 - as Gradio has it: links stay


def clean_name(name: str) -> str:
    """Return a file name that any system accepts, without folders in front."""
    kept = "".join(
        one for one in re.split(r"[/\\]", name)[-1] if one.isprintable() and one not in _FORBIDDEN
    )
    whole = Path(kept.strip(" .") or "file")
    stem = whole.stem.encode(errors="ignore")[:_STEM_BYTES].decode(errors="ignore").strip(" .")
    return f"{stem or 'file'}{whole.suffix[:_ENDING_LENGTH] if whole.suffix.isascii() else ''}"


def _is_plain(path: Path, *, links: int = 0) -> bool:
    """Tell whether a path is a plain file and no link.

    links: how many names it may have; any number unless given.
    """
    try:
        found = path.lstat()
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return False
    return stat.S_ISREG(found.st_mode) and (not links or found.st_nlink == links)


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _read(folder: Path) -> dict[str, Any]:
    """Read what is known of the file in a folder."""
    try:
        note: dict[str, Any] = json.loads((folder / _NOTE).read_bytes())
    except FileNotFoundError:
        return {}
    return note


def _write(folder: Path, note: dict[str, Any]) -> None:
    """Write a note whole or not at all."""
    with write_whole(folder / _NOTE) as part:
        part.write_text(json.dumps(note))
