"""Client addresses: where a request comes from, and what counts as one address."""

import contextlib
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from wan.domain.turns import customer_network

Networks = Sequence[IPv4Network | IPv6Network]
_PROXY_HEADERS = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"}
)


def client_address(scope: Scope, trusted: Networks) -> str:
    """Return a request's address: the socket's peer, or what a trusted proxy forwards.

    Behind trusted proxies it is the right-most entry of X-Forwarded-For that none of them wrote.
    """
    address = str((scope.get("client") or ("",))[0])
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and is_within(address, trusted):
        address = hops.pop()
    return address


def may_be_shared(scope: Scope, trusted: Networks) -> bool:
    """Return whether a request's address may stand for many: an unnamed proxy, or one that hides
    them.
    """
    peer, headers = str((scope.get("client") or ("",))[0]), Headers(scope=scope)
    if is_within(peer, trusted):
        return is_within(client_address(scope, trusted), trusted)
    asked = host(headers.get("host", ""))[0]
    return any(name in headers for name in _PROXY_HEADERS) or (
        _is_loopback(peer) and not _is_loopback(asked)
    )


def is_local(scope: Scope) -> bool:
    """Return whether a program on this machine asks for itself: over loopback, by a name or address
    of it, and through no proxy, not even a trusted one.
    """
    peer = str((scope.get("client") or ("",))[0])
    return _is_loopback(peer) and not may_be_shared(scope, [])


def _is_loopback(name: str) -> bool:
    known = ip(name)
    return known.is_loopback if known else name == "localhost" or name.endswith(".localhost")


def ip(address: str) -> IPv4Address | IPv6Address | None:
    """Return an address given with or without a port; None for anything else."""
    for given in (address, host(address)[0]):
        with contextlib.suppress(ValueError):
            known = ip_address(given)
            return (known.ipv4_mapped if isinstance(known, IPv6Address) else None) or known
    return None


def is_within(address: str, networks: Networks) -> bool:
    """Return whether an address is in one of the networks."""
    known = ip(address)
    return known is not None and any(known in network for network in networks)


def group(address: str) -> str:
    """Return what counts as one address, without its port: an IPv6 customer has a whole /64."""
    known = ip(address)
    return (
        str(IPv6Network((known, 64), strict=False))
        if isinstance(known, IPv6Address)
        else str(known or address)
    )


def network(address: str) -> str:
    """Return what counts as one customer for long-lived data: an IPv6 site has a whole /48."""
    return customer_network(group(address))


def host(netloc: str) -> tuple[str, str]:
    """Split "name:port" into name and port; the ports of http and https are left out."""
    try:
        parts = urlsplit(f"//{netloc}")
        return (parts.hostname or ""), ("" if parts.port in (None, 80, 443) else str(parts.port))
    except ValueError:
        return "", ""
