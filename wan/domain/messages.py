"""Texts for people, in English and Chinese: templates by key in `locales/`.

A `Message` is a key with its values: it is stored on a job as it is and put into words for a
reader, in their language.
"""

import json
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, field_validator

from wan.domain.plain_text import escape

Language = Literal["en", "zh"]

CAUSES = frozenset(
    {
        "key_unknown",
        "free_quota_used",
        "free_quota_over",
        "quota_used_up",
        "not_activated",
        "model_denied",
        "workspace_denied",
        "model_withdrawn",
        "model_missing",
        "access_denied",
        "arrears",
        "blocked",
    }
)
"""Reasons why the service, or something on the way to it, refuses an account, and what to do.

Source: help centre, error codes, May 2026. A job that has ended shows the key itself, one that goes
on once the cause is gone shows the key with `_waits`.
"""

_FOLDER = Path(__file__).parent / "locales"
# Read at import: the sandbox reports what it did to a file, and may open no other file by then.
LOCALES: dict[Language, dict[str, str]] = {
    language: json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    for language in get_args(Language)
}
"""Every template by its key, for each language."""


class Message(BaseModel):
    """A text for people to read: the key of a template and its values."""

    model_config = ConfigDict(frozen=True)

    key: str
    values: dict[str, str | int | float] = {}

    @field_validator("values")
    @classmethod
    def _plain(cls, values: dict[str, str | int | float]) -> dict[str, str | int | float]:
        """Escape quoted texts (of the service, names of files), so that none steers a terminal."""
        return {
            name: escape(value) if isinstance(value, str) else value
            for name, value in values.items()
        }

    @classmethod
    def of(cls, key: str, /, **values: str | int | float) -> Self:
        """Make a message by its key. Raises KeyError for a key or value that the template lacks."""
        made = cls(key=key, values=values)
        made.say()
        return made

    def say(self, language: Language = "en") -> str:
        """Return its text."""
        return t(language, self.key, **self.values)

    def __str__(self) -> str:
        return self.say()


def reword_as_waiting(said: Message) -> Message | None:
    """Return a cause as said of a job that goes on; None for a message that is not a cause."""
    return Message(key=f"{said.key}_waits", values=said.values) if said.key in CAUSES else None


def t(language: str, key: str, /, **values: object) -> str:
    """Return a template's text with its values. language: "zh…" is Chinese, all else English."""
    return template(language, key).format(**values)


def template(language: str, key: str) -> str:
    """Return a template in one language, with the names of its values in braces."""
    known = LOCALES["zh" if language.startswith("zh") else "en"]
    cause = key.removesuffix("_waits")
    if cause not in CAUSES:
        return known[key]
    return known["cause_free" if cause == key else "cause_waits"].replace("{cause}", known[cause])
