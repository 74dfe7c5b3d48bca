"""Ids and tokens that are given away and come back: how each is made, and the exact shape by which
it is told.

Text from outside is matched before anything is made of it. What rows are found by, and nobody needs
to see again, they keep as a keyed hash only.
"""

import base64
import hashlib
import hmac
import re
import secrets
from re import Pattern
from typing import TypeGuard

JOB = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_-]{19,21}"
)  # a dash in front, and a command line takes it for an option
REVIEW = re.compile(r"[A-Za-z0-9_-]{22}")
MEDIA = re.compile(r"[A-Za-z0-9_-]{32}")
LINK = re.compile(r"[A-Za-z0-9_-]{43}")
CALLER = LINK
"""The token that is made for a program that has none, in front of its job's id."""
CALLERS = "caller."
"""What owners begin with that are programs without a token."""
OPERATOR = "command line"
"""The owner of what scripts and commands on this machine make: anybody who can run them here."""
TOKEN_LENGTH = range(32, 513)
"""Characters of a visitor's token, which may be of their own choosing."""


def has_shape(shape: Pattern[str], given: object) -> TypeGuard[str]:
    """Whether something from outside can be an id of this kind."""
    return isinstance(given, str) and shape.fullmatch(given) is not None


def is_token(given: object) -> TypeGuard[str]:
    """Whether something from outside can be a visitor's token: printable, so that no two lines ever
    stand in it.
    """
    return isinstance(given, str) and len(given) in TOKEN_LENGTH and given.isprintable()


def new_job() -> str:
    """The id of a new job, which no command line takes for an option."""
    made = secrets.token_urlsafe(16)
    return f"_{made[1:]}" if made.startswith("-") else made


def new_review() -> str:
    """The id of a new review, or of a verdict."""
    return secrets.token_urlsafe(16)


def new_media() -> str:
    """The token that opens a new job's files."""
    return secrets.token_urlsafe(24)


def new_link() -> str:
    """The token at the end of a review's link; for a program that has none of its own too."""
    return secrets.token_urlsafe(32)


class Seal:
    """Hashes with a key: whoever sees one, and does not know the key, cannot try what it was made
    of.

    key: 32 bytes, the same for every process on a database.
    """

    LENGTH = 43
    """Characters of a hash."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, purpose: str, text: str) -> str:
        """What text becomes, for one purpose. purpose: without line breaks."""
        made = hmac.digest(self._key, f"{purpose}\n{text}".encode(), "sha256")
        return base64.urlsafe_b64encode(made).decode().rstrip("=")


class Owners:
    """Who somebody is, as rows know it. Each way to say it is a domain of its own: none gives an
    owner of another.
    """

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def of_login(self, name: str) -> str:
        """Whoever is signed in under a name."""
        return self._of(f"login\n{name}")

    def of_key(self, key: str) -> str:
        """Whoever brings a key of their own and nothing else."""
        return self._of(f"key\n{key}")

    def of_token(self, token: str) -> str:
        """Whoever has a token, of a browser or a program. Raises ValueError for what is none: it
        has no line break in it.
        """
        if not is_token(token):
            raise ValueError("no token")
        return self._of(token)

    def of_caller(self, token: str) -> str:
        """A program without a token of its own, by the one that was made for it. Its rows are told
        from all others (`CALLERS`).
        """
        return CALLERS + self._of(f"caller\n{token}")

    def view_of(self, job_id: str) -> str:
        """What opens a job and can do nothing else with it, in the place of a caller's token."""
        return self._seal.hash("view", job_id)

    def _of(self, whole: str) -> str:
        return self._seal.hash("owner", hashlib.sha256(whole.encode()).hexdigest())
