"""Paths of the page's files."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import quote

ASSETS = Path(__file__).parents[2] / "assets"
STILLS = ASSETS / "stills"
MEDIA = {"video.mp4": "video/mp4", "original.mp4": "video/mp4", "poster.webp": "image/webp"}
"""The files of a result, each with its media type."""

_COMMENTS = {
    "js": re.compile(r"^[ \t]*//.*\n", re.MULTILINE),  # those with a line of their own
    "css": re.compile(r"/\*.*?\*/\s*", re.DOTALL),
}


@cache  # nobody waits for the disk where people sign in
def read_assets(kind: str, *names: str) -> str:
    """Return the text of style sheets or scripts, one behind the other, without their comments, an
    eighth of it. kind: "css" or "js".
    """
    texts = ((ASSETS / f"{name}.{kind}").read_text(encoding="utf-8") for name in names)
    return "".join(_COMMENTS[kind].sub("", text) for text in texts)


def file_address(name: str) -> str:
    """Return where the page finds a file by its outside name (`wan.storage.uploads`)."""
    return f"gradio_api/file={quote(name)}"
