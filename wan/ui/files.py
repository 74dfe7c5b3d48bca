"""Where the files of the page are."""

from pathlib import Path

ASSETS = Path(__file__).parents[2] / "assets"
SAMPLES = ASSETS / "samples"
STILLS = ASSETS / "stills"
