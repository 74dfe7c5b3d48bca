"""The words in the picture: the SIMULATED mark, the prompt as a caption, names of the references,
the watermark.

They are drawn once and laid over each frame. Latin letters come from the font that Pillow brings
along; for others an installed one is looked for, and words that no font can write are left out
rather than drawn as boxes.
"""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .planes import Patch

FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
FONT_NAMES = (
    "wqy-microhei.ttc",
    "NotoSansCJK-Regular.ttc",
    "PingFang.ttc",
    "msyh.ttc",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
)
CAPTION_LINES = 2
ACCENT = (150, 138, 255)  # RGB

_NO_GLYPH = "\U0010fffe"  # a character that no font has
_TOKENS = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u30ff]|\S+\s*|\s+"
)  # Chinese and Japanese break anywhere


def font_for(text: str, pixels: float) -> ImageFont.FreeTypeFont | None:
    """A font of that size that can write every character of the text; None if there is none."""
    characters = frozenset(text) - frozenset(" \t\n")
    for font in _fonts(max(8, round(pixels))):
        if all(_writes(font, character) for character in characters):
            return font
    return None


def simulated_mark(size: tuple[int, int]) -> Patch:
    """The pill in the upper left corner that says what this picture is."""
    unit = min(size)
    return _pill(
        "SIMULATED", unit * 0.025, round(unit * 0.04), round(unit * 0.04), spacing=0.16, dot=True
    )


def name_tag(name: str, size: tuple[int, int], unit: int) -> Patch:
    """A small pill with a reference's name for the upper right corner of a picture of that size;
    `unit` is the shorter side of the whole frame.
    """
    pill = _pill(name, unit * 0.021, 0, 0, spacing=0.04)
    margin = round(min(size) * 0.04)
    return Patch(pill.ink, size[0] - pill.ink.width - margin, margin)


def watermark(size: tuple[int, int]) -> Patch:
    """The service's own mark in the lower right corner."""
    unit = min(size)
    font = font_for("AI生成", unit * 0.032)
    text = "AI生成" if font else "AI"
    font = font or _fonts(round(unit * 0.032))[0]
    ink = Image.new("RGBA", (round(font.getlength(text)) + 8, round(unit * 0.05)))
    draw = ImageDraw.Draw(ink)
    draw.text(
        (4, ink.height / 2),
        text,
        (255, 255, 255, 165),
        font,
        anchor="lm",
        stroke_width=1,
        stroke_fill=(0, 0, 0, 60),
    )
    margin = round(unit * 0.035)
    return Patch(ink, size[0] - ink.width - margin, size[1] - ink.height - margin)


def caption(prompt: str, size: tuple[int, int]) -> Patch | None:
    """The prompt in at most two lines below the mark, on a shade that falls from the upper edge:
    players have their controls at the lower one. None without words, or without a font for them.
    """
    words = " ".join(prompt.split())
    width = size[0]
    font = font_for(words + "…", min(min(size) * 0.042, width * 0.045)) if words else None
    if font is None:
        return None
    mark = simulated_mark(size)
    margin = mark.left
    step = round(font.size * 1.42)
    lines = _wrap(words, font, width - 2 * margin - round(font.size * 4))
    first = mark.top + mark.ink.height + round(font.size * 0.5)
    ink = _shade(width, first + step * len(lines), margin * 2)
    draw = ImageDraw.Draw(ink)
    bar = max(2, round(font.size * 0.12))
    draw.rectangle(
        (margin, first + step * 0.12, margin + bar - 1, first + step * (len(lines) - 0.12)),
        (*ACCENT, 235),
    )
    for number, line in enumerate(lines):
        draw.text(
            (margin + round(font.size * 0.7), first + step * (number + 0.5)),
            line,
            (255, 255, 255, 242),
            font,
            anchor="lm",
        )
    return Patch(ink, 0, 0)


def _shade(width: int, dark: int, fading: int) -> Image.Image:
    """A shade from the upper edge down: as dark for so many pixels, then fading for so many."""
    height = dark + fading
    light = (np.arange(height) - dark * 0.8).clip(0) / (height - dark * 0.8)
    darkness = (1 - light * light * (3 - 2 * light)) * 165
    dither = np.random.default_rng(0).uniform(
        -0.5, 0.5, (height, width)
    )  # keeps the shade from banding
    ink = np.zeros((height, width, 4), np.uint8)
    ink[..., :3] = (8, 8, 14)
    ink[..., 3] = (darkness[:, None] + dither).clip(0, 255)
    return Image.fromarray(ink, "RGBA")


def _pill(
    text: str, pixels: float, left: int, top: int, *, spacing: float, dot: bool = False
) -> Patch:
    fine = 4  # drawn larger and shrunk, as Pillow's round corners are jagged
    font = font_for(text, pixels * fine) or _fonts(round(pixels * fine))[0]
    gap = font.size * spacing
    lead = font.size * (1.5 if dot else 0.8)
    width = lead + sum(font.getlength(letter) + gap for letter in text) - gap + font.size * 0.8
    height = font.size * 1.9
    ink = Image.new("RGBA", (round(width), round(height)), (10, 10, 16, 0))
    draw = ImageDraw.Draw(ink)
    draw.rounded_rectangle((0, 0, ink.width - 1, ink.height - 1), height / 2, (10, 10, 16, 150))
    if dot:
        radius, x = font.size * 0.24, font.size * 0.95
        draw.ellipse(
            (x - radius, height / 2 - radius, x + radius, height / 2 + radius), (*ACCENT, 255)
        )
    x = lead
    for letter in text:
        draw.text((x, height / 2), letter, (255, 255, 255, 235), font, anchor="lm")
        x += font.getlength(letter) + gap
    return Patch(
        ink.resize((ink.width // fine, ink.height // fine), Image.Resampling.LANCZOS), left, top
    )


def _wrap(words: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines = [""]
    for token in _pieces(words, font, width):
        if not lines[-1] or font.getlength((lines[-1] + token).rstrip()) <= width:
            lines[-1] += token
        elif len(lines) < CAPTION_LINES:
            lines.append(token)
        else:
            lines[-1] = _shorten(lines[-1], font, width)
            break
    return [line.strip() for line in lines]


def _pieces(words: str, font: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    for token in _TOKENS.findall(words):
        if font.getlength(token) <= width:
            yield token
        else:
            yield from token


def _shorten(line: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    while line and font.getlength(line.rstrip() + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…"


def _writes(font: ImageFont.FreeTypeFont, character: str) -> bool:
    return _shape(font, character) != _shape(font, _NO_GLYPH)


def _shape(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@functools.lru_cache(maxsize=32)
def _fonts(pixels: int) -> tuple[ImageFont.FreeTypeFont, ...]:
    own = cast(ImageFont.FreeTypeFont, ImageFont.load_default(pixels))  # as it is with a size given
    return own, *(ImageFont.truetype(path, pixels) for path in _find_fonts())


@functools.cache
def _find_fonts() -> tuple[str, ...]:
    found = {
        path.name: str(path) for folder in FONT_FOLDERS for path in Path(folder).rglob("*.tt[cf]")
    }
    return tuple(found[name] for name in FONT_NAMES if name in found)
