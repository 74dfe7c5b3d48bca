"""The operator's key in the credentials file of the home folder."""

import configparser
import logging
from pathlib import Path

from wan.domain.errors import SettingsError
from wan.domain.messages import Message
from wan.domain.redact import register_key
from wan.environment.checks import KEY_SHAPE
from wan.environment.surroundings import home
from wan.environment.values import clean_value, read_text

log = logging.getLogger("wan.environment.settings")
CREDENTIALS = Path(".alibabacloud/credentials")  # in the home folder
FILE = f"~/{CREDENTIALS}"
_noted: set[str] = set()


def check_key(field: str, raw: str) -> str | None:
    """Return a clean key, None for an empty one. Raises SettingsError for a malformed one."""
    if not (key := clean_value(raw)):
        return None
    if not KEY_SHAPE.fullmatch(key):
        raise SettingsError(Message.of("key_malformed", field=field))
    register_key(key)
    return key


def read_key_file() -> str:
    """Read the key from the credentials file, "" for none.

    It is `dashscope_api_key` under `[default]`. Raises SettingsError for an unreadable file.
    """
    if (folder := home()) is None:
        return ""
    path = folder / CREDENTIALS
    try:
        if not path.exists():
            return ""
    except OSError as error:  # somebody else's home
        note_once(f"{path} can't be checked: {error.strerror}. It is treated as missing.")
        return ""
    parser = configparser.ConfigParser(interpolation=None, strict=False, default_section="")
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        # The parser's own message quotes the lines of the file, and one of them is the key.
        raise SettingsError(
            Message.of("settings_file", file=FILE, reason=_describe_wrong_line(error))
        ) from None
    section = next(
        (name for name in parser.sections() if name.strip().lower() == "default"), "default"
    )
    return parser.get(section, "dashscope_api_key", fallback="")


def note_once(said: str) -> None:
    """Log a warning once, since the settings are read again and again."""
    if said not in _noted:
        _noted.add(said)
        log.warning("%s", said)


def _describe_wrong_line(error: configparser.Error) -> str:
    line = getattr(error, "lineno", None) or next(
        (one[0] for one in getattr(error, "errors", [])), 1
    )
    return f"line {line} is neither a [section] nor a name = value line under one"
