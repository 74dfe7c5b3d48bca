"""The last net under the rule that a key is never written down: whatever is logged goes through here. Nothing that holds a key should come so far."""

import logging
import re

_SECRET = re.compile(r"\b(s[kt]-)[^\s\"'<>,;)\]}]{4,}|((?:Signature|OSSAccessKeyId|security-token)=)[^&\s\"']+", re.ASCII)


def redacted(text: str) -> str:
    """The text without what has the shape of a key (sk-, sk-ws-, sk-sp-, st-) or of a signature in a URL."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}***", text)


class _Record(logging.LogRecord):
    """A line of the log that never says a key, in its words or in a traceback."""

    def getMessage(self) -> str:
        return redacted(super().getMessage())

    @property
    def exc_text(self) -> str | None:
        """The traceback as a formatter wrote it."""
        return self._exc_text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._exc_text = None if text is None else redacted(text)


def guard_logs() -> None:
    """From now on every logger of this process writes through the net."""
    logging.setLogRecordFactory(_Record)
