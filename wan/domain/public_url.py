"""Check for addresses that the service fetches: only those that it can reach."""

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from wan.domain.errors import InvalidInput
from wan.domain.quoting import quote_value

_HOST = re.compile(r"[\w-]+(\.[\w-]+)+")
_PRIVATE_ENDINGS = frozenset(
    {"local", "localhost", "internal", "invalid", "test", "lan", "arpa", "onion"}
)
_UNICAST = ipaddress.IPv6Network("2000::/3")


def check_public_url(field: str, given: Any) -> str:
    """Return an http(s) URL with a public host, which we never fetch. Raises InvalidInput."""
    refusal = InvalidInput(field, "url_bad", given=quote_value(given))
    if (
        not isinstance(given, str)
        or len(given) > 2048
        or any(character.isspace() or not character.isprintable() for character in given.strip())
    ):
        raise refusal
    try:
        parts = urlsplit(given.strip())
        host = (parts.hostname or "").rstrip(".")
        _ = parts.port
    except ValueError:
        raise refusal from None
    if parts.scheme not in ("http", "https") or parts.username is not None or not _is_public(host):
        raise refusal
    return given.strip()


def _is_public(host: str) -> bool:
    """Tell whether a host looks reachable: a dotted name, or a global address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        last = host.rpartition(".")[2].lower()
        # No top-level domain begins with a digit; 0x1 does, and stands for an address.
        return (
            bool(_HOST.fullmatch(host)) and last not in _PRIVATE_ENDINGS and not last[:1].isdigit()
        )
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in _UNICAST or address.sixtofour or address.teredo
    ):
        return False  # these include every way to wrap an IPv4 address
    return address.is_global and not address.is_multicast
