"""What the files of a video are called where people keep them, on any file system. Pure."""

import re
from unicodedata import normalize

from wan.domain.jobs import Job
from wan.domain.plain_text import clean_line

_SEPARATORS = re.compile(r'[<>:"/\\|?*]+')  # refused by Windows; the slash everywhere
_LEADING, _TRAILING = " .-_", " ._-"
"""A leading dot hides a file, a leading hyphen is an option, and Windows drops what trails."""
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
_LIMIT = 160  # bytes of UTF-8; file systems have 255, for a number, a copy's mark and an ending too


def name_file(job: Job) -> str:
    """Return what the files of a job are called, without an ending: as its owner named it, else by
    its seed, which a film has none of.
    """
    return read_name(job) or ("wan-film" if job.is_film else f"wan-{job.seed}")


def read_name(job: Job) -> str:
    """Return the name that its owner gave a job as a file may have it, with the number of the take;
    "" where there is none.
    """
    name = _SEPARATORS.sub("-", normalize("NFC", clean_line(job.name)))
    name = name.encode()[:_LIMIT].decode(errors="ignore").lstrip(_LEADING).rstrip(_TRAILING)
    if not name:
        return ""
    named = name if job.is_film else f"{name} - take {job.take}"
    return f"wan-{named}" if _DEVICES.match(named) else named
