"""Proxies and certificates that are meant for other programs, and the home folder.

The app calls itself on loopback, where no proxy belongs; the service has a setting of its own,
WAN_SERVICE_PROXY.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wan.environment.values import clean_value

_PROXY = re.compile(r"\w+_proxy", re.I)
_HTTPS_PROXIES = ("HTTPS_PROXY", "ALL_PROXY")
_AUTHORITIES = {"SSL_CERT_FILE": "cafile", "SSL_CERT_DIR": "capath"}
# Settings of ours, which Gradio would read too.
_PLACES = ("GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT", "GRADIO_NUM_PORTS")
_NO_HOME = "/nonexistent"  # as Debian calls it
_aside: dict[str, str] = {}


def set_aside() -> None:
    """Remove what keeps Gradio from starting from Python's environment, before its import.

    Only the app does this. httpx refuses proxies and exceptions that it cannot read, and
    certificates that are missing, as soon as a client is made.
    """
    for name in [
        name for name in os.environ if _PROXY.fullmatch(name) or name in (*_AUTHORITIES, *_PLACES)
    ]:
        _aside[name] = os.environ.pop(name)
        # obstore, which is not Python, still needs them on its way to a bucket.
        os.putenv(name, _aside[name])


def find_unused_proxy() -> str:
    """Return the variable that sets an unused proxy for the service; "" for none."""
    names = sorted(
        (name for name, value in _variables().items() if name.upper() in _HTTPS_PROXIES and value),
        key=str.upper,
        reverse=True,
    )
    return names[0] if names else ""  # HTTPS_PROXY before ALL_PROXY, as everywhere


def extra_authorities() -> dict[str, dict[str, str]]:
    """Return additional certificate authorities by the variable that names them.

    Each value is an argument of `SSLContext.load_verify_locations`.
    """
    given = {
        name: clean_value(value) for name, value in _variables().items() if name in _AUTHORITIES
    }
    return {name: {_AUTHORITIES[name]: place} for name, place in given.items() if place}


def home() -> Path | None:
    """Return the home folder; None for a user without one, as in some containers."""
    with suppress(RuntimeError):
        return Path.home()
    return None


@contextmanager
def ensure_home() -> Iterator[None]:
    """Provide a home folder, if need be a missing one: some libraries want one at import."""
    if home() is not None:
        yield
        return
    os.environ["HOME"] = _NO_HOME
    try:
        yield
    finally:
        del os.environ["HOME"]


def _variables() -> dict[str, str]:
    return {**os.environ, **_aside}
