"""What the files of a video are called where people keep them, on any file system. Pure."""

import hashlib
import re
from base64 import b32encode
from datetime import UTC, datetime
from string import Formatter
from unicodedata import normalize

from wan.domain.jobs import Job
from wan.domain.plain_text import clean_line

TEMPLATE = "{date} {title} {seed}"
"""The names unless the operator wants others."""
_FIELDS = ("date", "time", "title", "prompt", "take", "seed", "model", "id")
ALLOWED = (
    f"text without slashes and other signs that file systems refuse, with one of "
    f"{', '.join(f'{{{name}}}' for name in _FIELDS)} at least; 100 characters at most"
)
"""What a template may be."""
_TEMPLATE_LIMIT = 100  # characters
_SEPARATORS = re.compile(r'[<>:"/\\|?*]+')  # refused by Windows; the slash everywhere
_LEADING, _TRAILING = " .-_", " ._-"
"""A leading dot hides a file, a leading hyphen is an option, and Windows drops what trails."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_LIMIT = 160  # bytes of UTF-8; file systems have 255, for a number, a copy's mark and an ending too
_WORDS, _LETTERS = 6, 40  # of a prompt, at most
_CODE = 5  # letters and digits, of 32 each


class FileNames:
    """The names of the files of videos, by a template. Those of two videos differ: by their ids or
    by seeds that nobody chose; where neither is in a name, or it had to be cut, a code ends it.
    """

    def __init__(self, template: str = TEMPLATE) -> None:
        """Raises ValueError for a template that is not as `ALLOWED` says."""
        self._template = check_template(template)
        self._used = _fields_of(template)

    def of(self, job: Job, *, to_others: bool = False) -> str:
        """Return what the files of a job are called, without an ending. to_others: whoever has a
        link, to whom its id is not told.
        """
        values = _values_of(job) | ({"id": ""} if to_others else {})
        name = _make_safe(self._template.format_map(values))
        if name and len(name.encode()) <= _LIMIT and self._is_distinct(job, values):
            return name
        code = b32encode(hashlib.sha256(job.id.encode()).digest()).decode().lower()[:_CODE]
        return f"{_cut(name, _LIMIT) or 'wan'} {code}"

    def _is_distinct(self, job: Job, values: dict[str, str]) -> bool:
        is_drawn = not job.is_film and job.request.get("seed") is None
        return bool("id" in self._used and values["id"]) or ("seed" in self._used and is_drawn)


def check_template(template: str) -> str:
    """Return a template as it is. Raises ValueError for one that is not as `ALLOWED` says."""
    parts = [(text, spec, how) for text, _, spec, how in Formatter().parse(template)]
    is_plain = not any(_SEPARATORS.search(text) or spec or how for text, spec, how in parts)
    used, is_clean = _fields_of(template), clean_line(template) == template.strip()
    fits = len(template) <= _TEMPLATE_LIMIT
    if used and used <= set(_FIELDS) and is_plain and is_clean and fits:
        return template
    raise ValueError(ALLOWED)


def _fields_of(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def _values_of(job: Job) -> dict[str, str]:
    """What stands for each field: "" for what a film has none of."""
    asked = datetime.fromtimestamp(job.created_at, UTC)
    name, prompt = clean_line(job.name), _begin(clean_line(str(job.request.get("prompt", ""))))
    take = "" if job.is_film else f"take {job.take}"
    named = f"{name} - {take}" if take else name
    values = {
        "date": f"{asked:%Y-%m-%d}",
        "time": f"{asked:%H%M%S}",
        "title": named if name else "film" if job.is_film else prompt,
        "prompt": prompt,
        "take": take,
        "seed": "" if job.is_film else str(job.seed),
        "model": job.model,
        "id": job.id,
    }
    return {field: _SEPARATORS.sub("-", value) for field, value in values.items()}


def _begin(prompt: str) -> str:
    """The first words of a prompt; of one without spaces, the first letters."""
    words = prompt.split(" ")[:_WORDS]
    while len(words) > 1 and len(" ".join(words)) > _LETTERS:
        words.pop()
    return " ".join(words)[:_LETTERS].rstrip(".,;:!?。，；：！？、 ")


def _make_safe(name: str) -> str:
    name = normalize("NFC", clean_line(name)).lstrip(_LEADING).rstrip(_TRAILING)
    return f"wan-{name}" if _DEVICES.match(name) else name


def _cut(name: str, most: int) -> str:
    return name.encode()[:most].decode(errors="ignore").rstrip(_TRAILING)
