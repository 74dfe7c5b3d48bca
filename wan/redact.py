"""The last net under the rule that a key is never written down: whatever is logged goes through here. Nothing that holds a key should come so far."""

import logging
import re

from wan.plain_text import indented

# A key's alphabet, but for what ends one in free text.
_SIGN = r"[!#$%&(*+\-./0-9:=?@A-Z\[\\^_`a-z{|~]"
# What st-bernard and st-Germain-en-Laye are: short words of small letters, to the end or to the dot behind them. Keys are chance: hex, or digits and
# letters of both cases, of which no sixteen in a row look like that.
_WORDS = rf"s[kt]-[A-Z]?[a-z]{{1,15}}(?:-[A-Z]?[a-z]{{1,15}})*[.:?!/*]*(?!{_SIGN})"
_SECRET = re.compile(rf"\b{_WORDS}|\b(s[kt]-){_SIGN}{{4,}}|((?:Signature|OSSAccessKeyId|security-token)=)[^&\s\"']+", re.ASCII)
_known: set[str] = set()


def know(key: str) -> None:
    """From now on this key never comes through, whatever its shape."""
    _known.add(key)


def redacted(text: str) -> str:
    """The text without the keys that are known, what has the shape of one (sk-, sk-ws-, sk-sp-, st-), and signatures in URLs."""
    for key in tuple(_known):
        text = text.replace(key, f"{key[:3]}***")
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}***" if found.lastindex else found[0], text)


class _Record(logging.LogRecord):
    """An entry of the log that never says a key, in its words or in a traceback, steers no terminal and forges no other entry."""

    def getMessage(self) -> str:
        return indented(redacted(super().getMessage()))

    @property
    def exc_text(self) -> str | None:
        """The traceback as a formatter wrote it."""
        return self._exc_text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._exc_text = None if text is None else indented(redacted(text))


def guard_logs() -> None:
    """From now on every logger of this process writes through the net."""
    logging.setLogRecordFactory(_Record)
