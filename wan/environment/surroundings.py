"""Proxies, certificates and variables that are meant for other programs, and the home folder.

The app calls itself on loopback, where no proxy belongs; the service has a setting of its own,
WAN_SERVICE_PROXY.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from wan.environment.values import clean_value

# What libraries read by themselves, and fail on or obey. GRADIO_TEMP_DIR is what we tell Gradio.
_FOREIGN = re.compile(
    r"\w+_proxy|(gradio|hf)_(?!temp_dir$)\w+|ssl(keylogfile|_cert_file|_cert_dir)|log_level", re.I
)
# dashscope reads the first at import; Python the other one for each TLS context, of aiohttp at
# import too.
_READ_EVERYWHERE = ("LOG_LEVEL", "SSLKEYLOGFILE")
_HTTPS_PROXIES = ("HTTPS_PROXY", "ALL_PROXY")
_AUTHORITIES = {"SSL_CERT_FILE": "cafile", "SSL_CERT_DIR": "capath"}
_NO_HOME = "/nonexistent"  # as Debian calls it
_aside: dict[str, str] = {}


def set_aside() -> None:
    """Remove what keeps Gradio from starting from Python's environment, before its import.

    Only the app does this. httpx refuses proxies and exceptions that it cannot read, and
    certificates that are missing, as soon as a client is made; Gradio has some forty variables
    beside our settings.
    """
    for name in list(filter(_FOREIGN.fullmatch, os.environ)):
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
def plain_surroundings() -> Iterator[None]:
    """Hide what libraries fail on at import; provide a home folder, if need be a missing one."""
    changes: dict[str, str | None] = dict.fromkeys(_READ_EVERYWHERE)
    if home() is None:
        changes["HOME"] = _NO_HOME
    before = {name: os.environ.get(name) for name in changes}
    _change_environment(changes)
    try:
        yield
    finally:
        _change_environment(before)


def _change_environment(values: Mapping[str, str | None]) -> None:
    """Set variables of the environment, or remove those that are None."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _variables() -> dict[str, str]:
    return {**os.environ, **_aside}
