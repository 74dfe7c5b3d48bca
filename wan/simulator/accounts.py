"""Who asks, and how often they may.

Figures: Model Studio help centre, rate limits, 2026, and "manage asynchronous tasks", 2026-03-15.
"""

import hashlib
import hmac
import re
import secrets
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from pathlib import Path

from .errors import Refusal

Clock = Callable[[], float]
"""Seconds since the epoch."""

SUBMITS_PER_SECOND = 5  # per account and model
QUERIES_PER_SECOND = 20  # per account; query, list and cancel have this many each
POLICIES_PER_SECOND = 100  # per account and model

_KEY = re.compile(r"(sk|st)-[A-Za-z0-9_-]{4,}")


def account_of(authorization: str | None) -> str:
    """The account behind an Authorization header: 16 hexadecimal digits, never the key. Each key is
    an account of its own here.

    Accepted is every key of the service's shape, except those that begin with `sk-invalid`. Raises
    Refusal InvalidApiKey.
    """
    scheme, _, key = (authorization or "").partition(" ")
    if scheme != "Bearer" or not key:
        raise Refusal("InvalidApiKey", "No API-key provided.")
    if not _KEY.fullmatch(key) or key.startswith("sk-invalid"):
        raise Refusal("InvalidApiKey")
    return hashlib.sha256(key.encode()).hexdigest()[:16]


class RateLimit:
    """At most so many calls per second for each key. A call that is refused does not count, so that
    waiting helps.

    `most` is how many came for one key in any second, those that were refused among them; `refused`
    is how many those were in all.
    """

    def __init__(self, per_second: int, clock: Clock) -> None:
        self._per_second, self._clock = per_second, clock
        self._taken: defaultdict[Hashable, deque[float]] = defaultdict(deque)
        self._came: defaultdict[Hashable, deque[float]] = defaultdict(deque)
        self.most = self.refused = 0

    def take(self, *key: Hashable) -> None:
        """Count a call now. Raises Refusal Throttling.RateQuota when the second is full."""
        now, taken, came = self._clock(), self._taken[key], self._came[key]
        for calls in (taken, came):
            while calls and calls[0] <= now - 1:
                calls.popleft()
        came.append(now)
        self.most = max(self.most, len(came))
        if len(taken) >= self._per_second:
            self.refused += 1
            raise Refusal("Throttling.RateQuota")
        taken.append(now)


class Signer:
    """Signs links and policies with a secret that is kept in `folder`, so that they outlive a
    restart.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "secret"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        self._secret = path.read_bytes()

    def sign(self, text: str) -> str:
        """The signature of a text, hexadecimal."""
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def verify(self, text: str, signature: str) -> bool:
        """Whether the signature is this signer's for that text."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())
