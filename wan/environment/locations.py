"""The settings that say where things are kept."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from wan.environment.checks import require_writable
from wan.environment.private import make_folder


def _expand_home(path: Path) -> Path:
    """Expand ~ as a shell does, which nobody does for a file of settings."""
    with suppress(RuntimeError):  # no home folder is known
        return path.expanduser()
    return path


class Locations(BaseSettings):
    """The places of database, storage, uploads and unfinished files."""

    output_dir: Annotated[Path, AfterValidator(_expand_home)] = Field(
        default=Path("output"), alias="OUTPUT_DIR"
    )
    database_url: str = Field(default="", alias="WAN_DATABASE_URL")
    storage_url: str = Field(default="", alias="WAN_STORAGE_URL")
    storage_shared: bool = Field(default=False, alias="WAN_STORAGE_SHARED")
    space_id: str = Field(default="", alias="SPACE_ID")

    @property
    def database(self) -> str:
        """The database's URL for SQLAlchemy."""
        url = self.database_url or f"sqlite:///{self.output_dir.absolute() / 'wan.sqlite3'}"
        # Platforms write postgres://.
        return f"postgresql{url[8:]}" if url.startswith("postgres://") else url

    @property
    def database_setting(self) -> str:
        """The name of the setting that says where the database is."""
        return "WAN_DATABASE_URL" if self.database_url else "OUTPUT_DIR"

    @property
    def storage(self) -> str:
        """The storage's URL for obstore."""
        return self.storage_url or (self.output_dir.absolute() / "storage").as_uri()

    @property
    def storage_place(self) -> str:
        """The storage's URL without what may be secret in it."""
        parts = urlsplit(self.storage)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def work_dir(self) -> Path:
        """The folder for unfinished files and for copies of what is kept elsewhere."""
        return self.output_dir.absolute() / "cache"

    def make_output_dir(self) -> Path:
        """Make OUTPUT_DIR for us alone if missing. Raises SettingsError if it is not writable."""
        folder = self.output_dir.absolute()
        with require_writable("OUTPUT_DIR", self.output_dir):
            make_folder(folder)
            TemporaryFile(dir=folder).close()
        return folder

    def make_upload_dir(self) -> Path:
        """Make the folder of the page's uploads: GRADIO_TEMP_DIR, or in OUTPUT_DIR.

        Raises SettingsError where it cannot be written.
        """
        folder = self.make_output_dir() / "uploads"
        if not (chosen := os.environ.get("GRADIO_TEMP_DIR")):
            return folder
        with require_writable("GRADIO_TEMP_DIR", Path(chosen)):
            Path(chosen).mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=chosen).close()
        return Path(chosen)

    @property
    def is_ephemeral(self) -> bool:
        """Whether a restart loses our data: on a Space without mounted disk or other stores."""
        elsewhere = not self.database.startswith("sqlite") and not self.storage.startswith("file:")
        folder = self.output_dir.absolute()
        mounted = any(one.is_mount() for one in (folder, *folder.parents) if one != one.parent)
        return bool(self.space_id) and not elsewhere and not mounted
