"""Passwords of the people who sign in, plain or hashed with scrypt (RFC 7914).

A hashed one is `$scrypt$LN-R-P$SALT$HASH`: the costs (2^LN blocks of R * 128 bytes, P times), then
salt and hash in URL-safe base64 without padding. There is no comma in it, which would end a login
in `WAN_LOGINS`.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

PREFIX = "$scrypt$"
HASHED = re.compile(r"\$scrypt\$(1[0-7])-([1-9])-([1-9])\$([\w-]{22})\$([\w-]{43})", re.ASCII)
_COSTS = (15, 8, 3)  # 32 MiB, three times: OWASP's Password Storage Cheat Sheet, November 2026
_SALT_BYTES, _HASH_BYTES = 16, 32


def hash_password(password: str) -> str:
    """Hash a password with a new salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    costs = "-".join(map(str, _COSTS))
    return f"{PREFIX}{costs}${_encode(salt)}${_encode(_scrypt(password, salt, *_COSTS))}"


def is_password_of(logins: Mapping[str, str], name: str, password: str) -> bool:
    """Return whether a password is the one of this name. It takes as long for an unknown name.

    logins: passwords by name, plain or hashed.
    """
    known = logins.get(name)
    expected = known if known is not None else next(iter(logins.values()), "")
    return _matches(password, expected) and known is not None


def _matches(password: str, expected: str) -> bool:
    if not (hashed := HASHED.fullmatch(expected)):
        return hmac.compare_digest(password.encode(), expected.encode())
    ln, r, p = map(int, hashed.group(1, 2, 3))
    salt, digest = map(_decode, hashed.group(4, 5))
    return hmac.compare_digest(_scrypt(password, salt, ln, r, p), digest)


def _scrypt(password: str, salt: bytes, ln: int, r: int, p: int) -> bytes:
    room = 2 * 128 * r * (1 << ln)  # bytes; what it needs, and as much again for its own
    return hashlib.scrypt(
        password.encode(), salt=salt, n=1 << ln, r=r, p=p, maxmem=room, dklen=_HASH_BYTES
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
