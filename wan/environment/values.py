"""Settings as people write them: any usual encoding, every value cleaned in the same way."""

import codecs
import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from wan.domain.errors import SettingsError
from wan.domain.messages import Message
from wan.domain.plain_text import clean, find_control

# A shell removes them; `docker run --env-file` and web forms do not.
_QUOTES = frozenset({'""', "''", "``", "“”", "‘’", "„“", "「」", "＂＂", "＇＇"})
_NO_BREAK = re.compile(r"[\u00a0\u2007\u202f]")
# `clean` keeps joiners that shape a script or an emoji.
_JOINER = re.compile(r"(?<=[!-~])[\u200c\u200d]+|[\u200c\u200d]+(?=[!-~])")
# Byte order marks and their encodings, the longer ones first.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class Environment(EnvSettingsSource):
    """The settings in the environment."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _pick_settings(os.environ, self)


class DotEnv(DotEnvSettingsSource):
    """The settings in a file of NAME=value lines."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        return _pick_settings(dotenv_values(stream=StringIO(read_text(file_path))), self)


def clean_value(value: str) -> str:
    """Remove accidents from a value: outer space, invisible characters, quotes.

    A control character is no accident: it stays, and a check refuses it.
    """
    if find_control(value):
        return value
    value = _NO_BREAK.sub(" ", _JOINER.sub("", clean(value))).strip()
    while len(value) > 1 and value[0] + value[-1] in _QUOTES:
        value = value[1:-1].strip()
    return value


def read_text(path: Path) -> str:
    """Read a text file in any usual encoding. Raises SettingsError with file and reason."""
    try:
        return clean(decode_text(path.read_bytes()))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    except ValueError:
        reason = "it isn't text in UTF-8, UTF-16 or GBK"
    raise SettingsError(Message.of("settings_file", file=str(path), reason=reason))


def decode_text(content: bytes) -> str:
    """Decode UTF-8, UTF-16, UTF-32 or GBK. Raises ValueError for anything else."""
    marked = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), None)
    text = _decode_unmarked(content) if marked is None else content.decode(marked)
    if "\0" in text:
        raise ValueError("no text has zero bytes in it")
    return text


def _decode_unmarked(content: bytes) -> str:
    if b"\0" in content:  # UTF-16, where every second byte of plain English is zero
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("gb18030")


def _pick_settings(
    given: Mapping[str, str | None], source: EnvSettingsSource
) -> dict[str, str | None]:
    """Pick our settings that are not empty, cleaned, by lower-case name. Raises SettingsError."""
    names = {
        (field.alias or name).lower(): field.alias or name
        for name, field in source.settings_cls.model_fields.items()
    }
    values = {
        name.lower(): _clean_setting(names[name.lower()], value)
        for name, value in given.items()
        if value and name.lower() in names
    }
    return {name: value for name, value in values.items() if value}


def _clean_setting(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:  # the environment may hold any bytes, also broken ones
        raise SettingsError(Message.of("setting_no_text", field=name)) from None
    return clean_value(value)
