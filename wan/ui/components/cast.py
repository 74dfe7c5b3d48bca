"""The references of a video: a tile each, and what is done to them."""

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from markupsafe import Markup

from wan.domain.messages import Language, Message
from wan.domain.plain_text import clean_line
from wan.ui.components.templates import render


@dataclass(frozen=True)
class Tile:
    """A reference on the page."""

    kind: Literal["video", "image", "refused"]
    name: str
    thumbnail: bytes = b""
    """A WebP; none of what is at an address, and of what cannot be used."""
    notes: Sequence[Message] = ()
    """What is done to it, or why it cannot be used."""

    @property
    def title(self) -> str:
        """Its name on one line."""
        return clean_line(self.name)

    @property
    def short_name(self) -> str:
        """Its name; of a link what the file is called there, or the host."""
        return shorten_link(self.title) if "://" in self.title else self.title

    @property
    def picture(self) -> str:
        """Its thumbnail as an address carries it."""
        return base64.b64encode(self.thumbnail).decode()


def shorten_link(link: str) -> str:
    """Return what a file is called at the end of a link; the host where it is called nothing."""
    with suppress(ValueError):
        parts = urlsplit(link)
        return parts.path.rpartition("/")[2] or parts.hostname or link
    return link


def show_cast(language: Language, tiles: Sequence[Tile]) -> Markup:
    """The references in the order of their names, and after them what cannot be used; below, what
    is done to them.
    """
    named = [tile for tile in tiles if tile.kind != "refused"]
    refused = [tile for tile in tiles if tile.kind == "refused"]
    return render("cast.html", language, tiles=tiles, named=named, refused=refused)


def show_missing(language: Language) -> Markup:
    """What is said below a prompt that names a character without a reference; a script does."""
    return render("cast_missing.html", language)
