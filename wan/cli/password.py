"""Hashes a password for `WAN_LOGINS`."""

import sys
from getpass import getpass

from wan.cli.answers import Answer
from wan.domain.errors import InvalidInput
from wan.domain.messages import t
from wan.environment.passwords import hash_password


def password() -> Answer:
    """Ask for a password and return its hash."""
    hashed = hash_password(_ask())
    return Answer({"ok": True, "password": hashed}, text=hashed)


def _ask() -> str:
    """Return the password: typed twice at a terminal, else a line of stdin."""
    if not sys.stdin.isatty():
        given = _decode(sys.stdin.buffer.readline()).rstrip("\r\n")
    elif (given := getpass(t("en", "cli_password"))) != getpass(t("en", "cli_password_again")):
        raise InvalidInput("password", "password_differs")
    if not given:
        raise InvalidInput("password", "field_missing")
    return given


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("password", "setting_no_text") from None
