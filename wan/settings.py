"""What the operator sets: the environment, then a `.env` file, then the credentials file for the key."""

import configparser
import hashlib
import re
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wan.catalog import BASE_URLS, Region
from wan.errors import SettingsError
from wan.words import sentence

Backend = Literal["dashscope", "simulator"]

SIMULATOR_KEY = "sk-simulator"  # what the bundled simulator is given; it is no secret and opens nothing else
CREDENTIALS_FILE = Path("~/.alibabacloud/credentials")
_KEY_SHAPE = re.compile(r"(sk|st)-[!-~]{4,}")  # printable ASCII without spaces; sk-, sk-ws-, sk-sp- and st- keys


class Connection(BaseModel):
    """A service and the key to it: everything that a request needs to be sent, and whose money it spends."""

    model_config = ConfigDict(frozen=True)

    backend: Backend
    base_url: str
    """Ends in /api/v1."""
    region: str
    """A region of the catalog's price table, or "" where prices are not known."""
    workspace: str
    key: SecretStr

    @property
    def account(self) -> str:
        """Names whose tasks and money these are without naming the key: 16 hexadecimal digits."""
        # The simulator's port differs from start to start; its tasks do not.
        where = self.base_url if self.backend == "dashscope" else self.backend
        secret = "\n".join((where, self.workspace, self.key.get_secret_value()))
        return hashlib.sha256(secret.encode()).hexdigest()[:16]


class Settings(BaseSettings):
    """The settings of the README's table, by the same names."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True)

    api_key: SecretStr | None = Field(default=None, alias="DASHSCOPE_API_KEY")
    region: Region = Field(default="cn-beijing", alias="DASHSCOPE_REGION")
    workspace: str = Field(default="", alias="DASHSCOPE_WORKSPACE")
    base_url: str = Field(default="", alias="DASHSCOPE_BASE_URL")
    output_dir: Path = Field(default=Path("output"), alias="OUTPUT_DIR")
    database_url: str = Field(default="", alias="WAN_DATABASE_URL")
    storage_url: str = Field(default="", alias="WAN_STORAGE_URL")
    poll_seconds: float = Field(default=15, alias="WAN_POLL_SECONDS", ge=1, le=600)
    uncertain_seconds: float = Field(default=900, alias="WAN_UNCERTAIN_SECONDS", ge=0, le=24 * 3600)
    keep_days: int = Field(default=0, alias="WAN_KEEP_DAYS", ge=0, le=36500)
    backend_wanted: Literal["auto", "dashscope", "simulator"] = Field(default="auto", alias="WAN_BACKEND")
    simulator_pending: float = Field(default=2, alias="WAN_SIMULATOR_PENDING", ge=0, le=3600)
    simulator_running: float = Field(default=6, alias="WAN_SIMULATOR_RUNNING", ge=0, le=3600)
    space_id: str = Field(default="", alias="SPACE_ID")

    @property
    def database(self) -> str:
        """The database's URL as SQLAlchemy takes it."""
        return self.database_url or f"sqlite:///{self.output_dir.absolute() / 'wan.sqlite3'}"

    @property
    def storage(self) -> str:
        """The storage's URL as obstore takes it."""
        return self.storage_url or (self.output_dir.absolute() / "storage").as_uri()

    def made_output_dir(self) -> Path:
        """OUTPUT_DIR, made where it is not there yet. Raises SettingsError where it cannot be written."""
        folder = self.output_dir.absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            given = f"{self.output_dir} ({error.strerror})"
            raise SettingsError(sentence("setting_bad", field="OUTPUT_DIR", given=given, allowed="a folder that can be written")) from None

    def key(self) -> str | None:
        """The operator's key, stripped and checked: the environment's, else the credentials file's. Raises SettingsError for what is no key."""
        raw = self.api_key.get_secret_value() if self.api_key else _credentials_key()
        if raw is None or not (key := raw.strip()):
            return None
        if not _KEY_SHAPE.fullmatch(key):
            raise SettingsError(sentence("key_malformed"))
        return key

    @property
    def key_withheld(self) -> bool:
        """Whether a key is set that must not be used: on a public Space, without access rules, anybody could spend it."""
        return bool(self.space_id) and self.backend_wanted != "simulator" and self.key() is not None

    @property
    def backend(self) -> Backend:
        """Where videos are made. `auto` is DashScope when there is a key that may be used, else the simulator."""
        if self.key_withheld:
            return "simulator"
        if self.backend_wanted == "auto":
            return "dashscope" if self.key() else "simulator"
        return self.backend_wanted

    def connection(self) -> Connection:
        """The connection to DashScope. Raises SettingsError where there is no key."""
        key = self.key()
        if key is None:
            raise SettingsError(sentence("key_missing"))
        base_url = (self.base_url or BASE_URLS[self.region]).rstrip("/")
        known = not self.base_url or any(base_url == url for url in BASE_URLS.values())
        region = next((name for name, url in BASE_URLS.items() if url == base_url), self.region) if known else ""
        return Connection(backend="dashscope", base_url=base_url, region=region, workspace=self.workspace, key=SecretStr(key))


def load_settings() -> Settings:
    """The settings as they are now. Raises SettingsError, which names the setting, what was given and what is allowed."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        given = "***" if "KEY" in field else str(first["input"])
        raise SettingsError(sentence("setting_bad", field=field, given=given, allowed=first["msg"])) from None
    if settings.base_url and not settings.base_url.rstrip("/").endswith("/api/v1"):
        allowed = "an address that ends in /api/v1"
        raise SettingsError(sentence("setting_bad", field="DASHSCOPE_BASE_URL", given=settings.base_url, allowed=allowed))
    settings.key()
    return settings


def _credentials_key() -> str | None:
    """`dashscope_api_key` under `[default]` in the credentials file, or None."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(CREDENTIALS_FILE.expanduser().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The parser's own message quotes the lines of the file, and one of them is the key.
        allowed = "a readable file of [sections] and name = value lines"
        raise SettingsError(sentence("setting_bad", field=str(CREDENTIALS_FILE), given=type(error).__name__, allowed=allowed)) from None
    return parser.get("default", "dashscope_api_key", fallback=None)
