"""Paths of the page's files."""

from pathlib import Path

ASSETS = Path(__file__).parents[2] / "assets"
STILLS = ASSETS / "stills"
MEDIA = {"video.mp4": "video/mp4", "original.mp4": "video/mp4", "poster.webp": "image/webp"}
"""The files of a result, each with its media type."""
