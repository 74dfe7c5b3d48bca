"""Checks of single settings: addresses, host names, logins, folders."""

import errno
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, SecretStr

from wan.domain.catalog import workspace_at
from wan.domain.errors import SettingsError
from wan.environment.passwords import HASHED, PREFIX

KEY_SHAPE = re.compile(r"(sk|st)-[!-~]{4,200}")  # sk-, sk-ws-, sk-sp- and st- keys
_HOST_SHAPE = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
WORKSPACE_SHAPE = re.compile(r"[\w-]{0,64}", re.ASCII)  # it goes into a header
_WORKSPACE_ADDRESS = re.compile(
    r"(?:https://)?([a-z0-9.-]+)(?:/(?:api/v1/?)?)?", re.ASCII | re.IGNORECASE
)
_PROXY_SHAPE = re.compile(
    r"https?://([^@/?#\s]+@)?([a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(:\d{1,5})?/?", re.I
)
METRICS_TOKEN = re.compile(r"[!-~]{16,200}")  # it comes in a header
SAFE_IN_ADDRESSES = "16 to 200 letters of English, digits and signs out of - . _ ~"
_EVENT_SECRET = re.compile(r"[\w.~-]{16,200}", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}", re.I)
# what a shell leaves of a hashed password in double quotes
_MANGLED = re.compile(r"[0-7]-[1-9]-[1-9][\w-]*", re.ASCII)
LOGINS = (
    "name:password, several separated by commas; a password with a comma in it needs "
    'JSON: {"name": "password", "other": "another"}; a hashed one is what '
    "python -m wan password prints, whole"
)


@contextmanager
def require_writable(field: str, folder: Path) -> Iterator[None]:
    """Turn the failure of a block that makes and tries a folder into SettingsError."""
    try:
        yield
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError)
        reason = os.strerror(errno.ENOTDIR) if in_the_way else error.strerror
        given = f"{folder} ({reason})"
        raise SettingsError.about(field, given, "a writable folder") from None


def _require_event_secret(given: SecretStr) -> SecretStr:
    """Return the secret of whoever sends events. Raises ValueError for what is none."""
    if not _EVENT_SECRET.fullmatch(given.get_secret_value()):
        raise ValueError(SAFE_IN_ADDRESSES)
    return given


EventSecret = Annotated[SecretStr, AfterValidator(_require_event_secret)]


def is_proxy_url(url: str) -> bool:
    """Tell whether a text is the URL of an HTTP proxy."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        return False
    return _PROXY_SHAPE.fullmatch(url) is not None


def mask_url(url: str) -> str:
    """Return an address without the parts that may be secret."""
    scheme = url.partition("://")[0]
    return (
        f"{scheme}://…"
        if _SCHEME.fullmatch(scheme) and scheme != url
        else "something that is no address"
    )


def parse_network(given: str) -> IPv4Network | IPv6Network:
    """Parse an address or network. Raises SettingsError."""
    try:
        return ip_network(given.strip("[]"), strict=False)
    except ValueError:
        allowed = (
            "addresses and networks separated by commas, such as 127.0.0.1,10.0.0.0/8,fd00::/8"
        )
        raise SettingsError.about("WAN_TRUSTED_PROXIES", given, allowed) from None


def parse_host_name(given: str) -> str:
    """Return a host name or pattern in ASCII. Raises ValueError, which quotes the given one."""
    name = given.strip()
    below = "*." if name.startswith("*.") else ""
    try:
        plain = name.removeprefix(below).removesuffix(".").encode("idna").decode().lower()
    except UnicodeError:
        raise ValueError(name) from None
    if name != "*" and not _HOST_SHAPE.fullmatch(plain):
        raise ValueError(name)
    return below + plain


def parse_workspace_address(given: str) -> tuple[str, str] | None:
    """Return id and region of a workspace given by its URL or host; None for any other text."""
    found = _WORKSPACE_ADDRESS.fullmatch(given)
    return workspace_at(found[1]) if found else None


def is_plain_url(url: str) -> bool:
    """Tell whether a URL is http(s), with nothing behind its path."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    return (
        whole
        and not parts.query
        and not parts.fragment
        and not any(character.isspace() for character in url)
    )


def is_service_url(url: str) -> bool:
    """Tell whether a URL may be that of the service."""
    return is_plain_url(url) and urlsplit(url).path.rstrip("/").endswith("/api/v1")


def parse_logins(given: str) -> Iterable[tuple[str, str]]:
    """Parse names and passwords as in `LOGINS`; a malformed one comes with an empty part."""
    return [(name.strip(), _password(given)) for name, given in _pairs(given)]


def _pairs(given: str) -> list[tuple[str, Any]]:
    if not given.startswith("{"):
        pairs = [pair.strip().partition(":") for pair in given.split(",")]
        return [(name, password) for name, _, password in pairs]
    try:
        return list(json.loads(given).items()) or [("", "")]
    except ValueError:
        return [("", "")]


def _password(given: Any) -> str:
    """Return a password, or "" where it is none, or a hashed one that is not whole."""
    if not isinstance(given, str) or _MANGLED.fullmatch(given):
        return ""
    return given if HASHED.fullmatch(given) or not given.startswith(PREFIX) else ""
