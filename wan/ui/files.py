"""Where the files of the page are."""

from pathlib import Path

from gradio.utils import get_upload_folder

from wan.environment.settings import CREDENTIALS, Settings
from wan.environment.surroundings import home
from wan.storage.uploads import SAMPLES

ASSETS = Path(__file__).parents[2] / "assets"
STILLS = ASSETS / "stills"
MEDIA = {"video.mp4": "video/mp4", "original.mp4": "video/mp4", "poster.webp": "image/webp"}
"""The files of a result, each with its kind."""


def closed(settings: Settings) -> list[str]:
    """Paths that Gradio must never serve or copy: what we keep, the sources, and the home folder as far as nothing that is served lies in it."""
    served = [Path(get_upload_folder()).resolve(), SAMPLES.resolve()]
    local = [url.partition("://")[2] for url in (settings.database, settings.storage) if url.startswith(("sqlite:", "file:"))]
    private = [] if (ours := home()) is None else [ours / CREDENTIALS.parent, ours]
    paths = [settings.output_dir, *map(Path, local), *ASSETS.parent.iterdir(), *ASSETS.iterdir(), *private]
    return [str(path.absolute()) for path in paths if not any(folder.is_relative_to(path.resolve()) for folder in served)]
