"""The last net under the rule that no key and no signature is written down.

Everything that is logged, and everything that the service says, passes through here. Nothing of
ours that holds a key should come this far.
"""

import logging
import re

from wan.domain.plain_text import indent

# A key's alphabet, without what ends a key in free text.
_SIGN = r"[!#$%&(*+\-./0-9:=?@A-Z\[\\^_`a-z{|~]"
# st-bernard and st-Germain-en-Laye: short words in lower case, to the end or a full stop. Keys are
# random: hex, or digits and letters of both cases, of which no sixteen in a row look like that.
_WORDS = rf"s[kt]-[A-Z]?[a-z]{{1,15}}(?:-[A-Z]?[a-z]{{1,15}})*[.:?!/*]*(?!{_SIGN})"
# Signatures in the query of a URL of OSS, S3, GCS, Azure, COS and CDNs: the last word of a name
# counts, so that security-token and access_token are among them. Also percent-encoded, as a URL in
# the query of another is, and as a field of a store's answer in JSON or XML.
_SIGNING = (
    r"signature(?:provided)?|sig|sign|(?:access)?token|credential|(?:oss|aws)?accesskeyid|(?:google)?accessid|expires|policy|secret|auth_?key|api_?key"
    r"|x-(?:amz|goog|oss|cos|obs|tos|ms)-[a-z0-9-]{1,40}|q-[a-z-]{2,20}|key-pair-id"
)
_BEGINS = r"(?:(?<![a-z0-9])|(?<=%[0-9a-f]{2})|(?<=%25[0-9a-f]{2})|(?<=\\u00[0-9a-f]{2}))"
_SIGNED = rf"""{_BEGINS}((?:{_SIGNING})(?:=|%(?:25){{0,4}}3d|["'][:,]\s?["']|>))[^&\s"'<>\\]+"""
# As a header: the same names are words there too, so only what is long and has a digit.
_TOLD = (
    rf"{_BEGINS}(?!expires|policy)((?:{_SIGNING})\s?[:=：]\s?)(?=[\w+/%.~-]*\d)[\w+/%.~-]{{12,}}=*"
)
_SECRET = re.compile(rf"\b{_WORDS}|\b(s[kt]-){_SIGN}{{4,}}|(?i:{_SIGNED}|{_TOLD})", re.ASCII)
# A URL in free text, up to the next space, since a query may have quotes and brackets in it. No
# word is tried twice, so that time grows with length alone.
_URL = re.compile(r"((?<!\w)\w++://)(?:[^\s/?#]*@)?([^\s?#]*)\S*")
_known: set[str] = set()


def register_key(key: str) -> None:
    """Hide this key from now on, whatever its shape."""
    _known.add(key)


def redact(text: str) -> str:
    """Mask known keys, what looks like one (sk-, sk-ws-, sk-sp-, st-), and signatures in URLs."""
    for key in tuple(_known):
        text = text.replace(key, f"{key[:3]}***")
    return _SECRET.sub(
        lambda found: f"{found[found.lastindex]}***" if found.lastindex else found[0], text
    )


def strip_signatures(text: str) -> str:
    """Redact a text and cut user, query and fragment from its URLs: each may grant access."""
    return redact(_URL.sub(r"\1\2", text))


class _Record(logging.LogRecord):
    """A log entry without keys, which steers no terminal and forges no other entry."""

    def getMessage(self) -> str:
        return indent(redact(super().getMessage()))

    @property
    def exc_text(self) -> str | None:
        """The traceback as a formatter wrote it."""
        return self._exc_text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._exc_text = None if text is None else indent(redact(text))


def guard_logs() -> None:
    """Make every logger of this process write through the net."""
    logging.setLogRecordFactory(_Record)
