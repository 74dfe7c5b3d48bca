"""The hosts that are the service's: the one that we ask, and those of its stored objects."""

import httpx

from wan.domain.quoting import shorten
from wan.domain.redact import strip_signatures
from wan.environment.connection import Connection

_RESULT_HOSTS = ".aliyuncs.com"  # signed results and uploads have many hosts below it
_NAMED = 100  # characters of an address that a message has room for


def resolve_service_url(url: str, connection: Connection) -> httpx.URL | None:
    """Return the URL to ask for one that the service named; None if that is not its own.

    Its own are those on the host that we ask anyway, and those under Alibaba's domain for stored
    objects, over https. Its answers now and then say http:// of an object (text-to-video page,
    2026): the same is there over https, and no signature covers the scheme.
    """
    try:
        target, service = httpx.URL(url.strip()), httpx.URL(connection.base_url)
    except httpx.InvalidURL:
        return None
    secure = (
        target.copy_with(scheme="https", port=None)
        if target.scheme == "http" and target.port in (None, 80)
        else target
    )
    return next((one for one in (target, secure) if _is_trusted(one, service)), None)


def _is_trusted(target: httpx.URL, service: httpx.URL) -> bool:
    if target.userinfo or not target.host:
        return False
    same = (target.scheme, target.netloc) == (service.scheme, service.netloc)
    return same or (target.scheme == "https" and target.host.endswith(_RESULT_HOSTS))


def origin(url: str) -> str:
    """Return what to call a URL: scheme, host and port. One without a host is quoted, shortened."""
    try:
        parts = httpx.URL(url.strip())
    except httpx.InvalidURL:
        parts = httpx.URL()
    if not parts.host:
        return shorten(strip_signatures(url), _NAMED)
    user = "***@" if parts.userinfo else ""
    return f"{parts.scheme}://{user}{parts.netloc.decode()}"[:_NAMED]
