"""What people are told, in English and Chinese: templates by key in `locales/`, the same keys and
values in both.

A `Sentence` is a key and its values: it is stored on a job as it is and put into words when
somebody reads it, in their language.
"""

import json
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, field_validator

from wan.domain.plain_text import escaped

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
"""Why the service, or something on the way to it, serves an account nothing: what is the matter and
what to do (help centre, error codes, May 2026).

Each is said of a job that has ended by it, and with `_waits` behind its key of one that goes on
when it is put right.
"""

_FOLDER = Path(__file__).parent / "locales"
# Read at once: the process that opens given files says what it did to them, and may open no other
# file by then.
LOCALES: dict[Language, dict[str, str]] = {
    language: json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    for language in get_args(Language)
}
"""Every template by its key, for each language."""


class Sentence(BaseModel):
    """Something to be read by people: the key of a template and the values that go into it."""

    model_config = ConfigDict(frozen=True)

    key: str
    values: dict[str, str | int | float] = {}

    @field_validator("values")
    @classmethod
    def _plain(cls, values: dict[str, str | int | float]) -> dict[str, str | int | float]:
        """Whatever is quoted, be it the service's or a file's name, steers no terminal and hides
        nothing.
        """
        return {
            name: escaped(value) if isinstance(value, str) else value
            for name, value in values.items()
        }

    def say(self, language: Language = "en") -> str:
        """The sentence in words."""
        return t(language, self.key, **self.values)

    def __str__(self) -> str:
        return self.say()


def sentence(key: str, **values: str | int | float) -> Sentence:
    """A sentence by its key; raises KeyError for a key or a value that the template lacks, so that
    a slip shows where it is made.
    """
    made = Sentence(key=key, values=values)
    made.say()
    return made


def waiting(said: Sentence) -> Sentence | None:
    """The same cause said of a job that is not over by it; None for a sentence that is none of the
    `CAUSES`.
    """
    return Sentence(key=f"{said.key}_waits", values=said.values) if said.key in CAUSES else None


def t(language: str, key: str, /, **values: object) -> str:
    """A template in words. language: "zh…" is Chinese, anything else English."""
    return template(language, key).format(**values)


def template(language: str, key: str) -> str:
    """A template in one language, with the names of its values in braces."""
    known = LOCALES["zh" if language.startswith("zh") else "en"]
    cause = key.removesuffix("_waits")
    if cause not in CAUSES:
        return known[key]
    return known["cause_free" if cause == key else "cause_waits"].replace("{cause}", known[cause])
