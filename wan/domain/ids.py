"""Ids and tokens that are handed out and come back: how each is made, and its exact shape.

Text from outside is matched before anything is made of it. Rows keep a keyed hash of what only
serves to find them.
"""

import base64
import hashlib
import hmac
import re
import secrets
from re import Pattern
from typing import TypeGuard

# A dash in front would make it an option on a command line.
JOB = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{19,21}")
REVIEW = re.compile(r"[A-Za-z0-9_-]{22}")
MEDIA = re.compile(r"[A-Za-z0-9_-]{32}")
VIDEO_LENGTH = 22
"""Characters of the link to the page of a video: the first of its `MEDIA` token. Nobody guesses the
ten others, which open more: the video with its settings, and the original.
"""
VIDEO = re.compile(rf"[A-Za-z0-9_-]{{{VIDEO_LENGTH}}}")
LINK = re.compile(r"[A-Za-z0-9_-]{43}")
CALLER = LINK
"""Token for a program that has none, in front of its job's id."""
CALLERS = "caller."
"""Prefix of owners that are programs without a token of their own."""
OPERATOR = "command line"
"""Owner of the jobs of scripts and commands on this machine, shared by all who can run them."""
TOKEN_LENGTH = range(32, 513)
"""Characters of a visitor's token, which may be of their own choosing."""


def has_shape(shape: Pattern[str], given: object) -> TypeGuard[str]:
    """Tell whether a value from outside can be an id of this kind."""
    return isinstance(given, str) and shape.fullmatch(given) is not None


def is_token(given: object) -> TypeGuard[str]:
    """Tell whether a value from outside can be a visitor's token: printable, so a single line."""
    return isinstance(given, str) and len(given) in TOKEN_LENGTH and given.isprintable()


def new_job_id() -> str:
    """Make the id of a new job; no command line reads it as an option."""
    made = secrets.token_urlsafe(16)
    return f"_{made[1:]}" if made.startswith("-") else made


def new_review_id() -> str:
    """Make the id of a new review, or of a verdict."""
    return secrets.token_urlsafe(16)


def new_media_token() -> str:
    """Make the token that opens a new job's files."""
    return secrets.token_urlsafe(24)


def new_link_token() -> str:
    """Make the token of a review's link, or of a program without one of its own."""
    return secrets.token_urlsafe(32)


class Seal:
    """Keyed hashes: without the key nobody can guess what one was made of.

    key: 32 bytes, the same for every process on a database.
    """

    LENGTH = 43
    """Characters of a hash."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, purpose: str, text: str) -> str:
        """Hash a text for one purpose. purpose: without line breaks."""
        made = hmac.digest(self._key, f"{purpose}\n{text}".encode(), "sha256")
        return base64.urlsafe_b64encode(made).decode().rstrip("=")


class Owners:
    """Owners as rows know them; each kind of credential has a domain of its own."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def of_login(self, name: str) -> str:
        """Return the owner for somebody who is signed in."""
        return self._of(f"login\n{name}")

    def of_key(self, key: str) -> str:
        """Return the owner for somebody who brings a key and nothing else."""
        return self._of(f"key\n{key}")

    def of_token(self, token: str) -> str:
        """Return the owner for the token of a browser or program. Raises ValueError."""
        if not is_token(token):
            raise ValueError("no token")
        return self._of(token)

    def of_caller(self, token: str) -> str:
        """Return the owner for a program by the token that was made for it (prefix `CALLERS`)."""
        return CALLERS + self._of(f"caller\n{token}")

    def view_of(self, job_id: str) -> str:
        """Return what opens a job in place of a caller's token, and can do nothing else."""
        return self._seal.hash("view", job_id)

    def thumbnails_of(self, job_id: str) -> str:
        """Return what opens the thumbnails of what a job was made from, and nothing else."""
        return self._seal.hash("thumbnails", job_id)

    def _of(self, whole: str) -> str:
        return self._seal.hash("owner", hashlib.sha256(whole.encode()).hexdigest())
