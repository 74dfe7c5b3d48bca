"""The certificate authorities that are trusted when the service shows its certificate."""

import logging
import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from wan.domain.messages import Message
from wan.environment.surroundings import extra_authorities, plain_surroundings

log = logging.getLogger("wan.provider.tls")


def load_tls_context() -> ssl.SSLContext:
    """Return the TLS context: the usual authorities, and a company's own."""
    own = ((name, *next(iter(place.items()))) for name, place in extra_authorities().items())
    return _ssl_context(
        tuple((name, kind, place, _change_time(place)) for name, kind, place in own)
    )


@lru_cache(maxsize=1)  # reading them takes 25 ms of CPU, for each client
def _ssl_context(own: tuple[tuple[str, str, str, float | None], ...]) -> ssl.SSLContext:
    """Make a context. own: variable, kind of place, place and change time of each authority."""
    with plain_surroundings():
        context = httpx.create_ssl_context(trust_env=False)
    for name, kind, place, _ in own:
        try:
            Path(place).stat()  # OpenSSL does not report a missing folder
            context.load_verify_locations(**{kind: place})
        except OSError as error:  # also SSLError, for a file without certificates
            log.warning(
                "%s", Message.of("authority_unused", name=name, reason=error.strerror or "?")
            )
    return context


def _change_time(place: str) -> float | None:
    try:
        return Path(place).stat().st_mtime
    except OSError:
        return None
