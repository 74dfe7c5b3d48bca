"""Which authorities are believed when the service shows its certificate."""

import logging
import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from wan.domain.messages import sentence
from wan.environment.surroundings import authorities

log = logging.getLogger("wan.provider.tls")


def trust() -> ssl.SSLContext:
    """Whose certificates are believed: a company's own authority counts besides those that
    everybody believes.
    """
    own = ((name, *next(iter(place.items()))) for name, place in authorities().items())
    return _ssl_context(tuple((name, kind, place, _changed_at(place)) for name, kind, place in own))


@lru_cache(maxsize=1)  # reading them takes 25 ms of a core, and each of the clients would do it
def _ssl_context(own: tuple[tuple[str, str, str, float | None], ...]) -> ssl.SSLContext:
    """A context that believes the usual authorities and these: each the variable that names it,
    file or folder, where it is, when it was changed.
    """
    context = httpx.create_ssl_context(trust_env=False)
    for name, kind, place, _ in own:
        try:
            Path(place).stat()  # OpenSSL says nothing about a folder that is not there
            context.load_verify_locations(**{kind: place})
        except OSError as error:  # an SSLError is one too, for a file that holds no certificate
            log.warning("%s", sentence("authority_unused", name=name, reason=error.strerror or "?"))
    return context


def _changed_at(place: str) -> float | None:
    try:
        return Path(place).stat().st_mtime
    except OSError:
        return None
