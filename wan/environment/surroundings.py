"""What the surroundings of a process add or lack: proxies and certificate authorities that are
meant for other programs, a home folder.

The app asks itself on loopback, where no proxy has a place; the service has a setting of its own,
WAN_SERVICE_PROXY.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wan.environment.values import cleaned

_PROXY = re.compile(r"\w+_proxy", re.I)
_HTTPS_PROXIES = ("HTTPS_PROXY", "ALL_PROXY")
_AUTHORITIES = {"SSL_CERT_FILE": "cafile", "SSL_CERT_DIR": "capath"}
_PLACES = (
    "GRADIO_SERVER_NAME",
    "GRADIO_SERVER_PORT",
    "GRADIO_NUM_PORTS",
)  # settings of ours, which Gradio would read too
_NO_HOME = "/nonexistent"  # Debian's word for it
_aside: dict[str, str] = {}


def set_aside() -> None:
    """Takes out of Python's environment what keeps Gradio from starting, whatever its spelling. To
    be called before it is imported, by the app alone.

    httpx refuses proxies and exceptions that it cannot read, and certificates that are not there,
    as soon as a client is made.
    """
    for name in [
        name for name in os.environ if _PROXY.fullmatch(name) or name in (*_AUTHORITIES, *_PLACES)
    ]:
        _aside[name] = os.environ.pop(name)
        os.putenv(
            name, _aside[name]
        )  # where obstore, which is not Python, finds its way to a bucket


def unused_proxy() -> str:
    """The name of a variable that sets a proxy for the way to the service, and is not used; ""
    where there is none.
    """
    names = sorted(
        (name for name, value in _given().items() if name.upper() in _HTTPS_PROXIES and value),
        key=str.upper,
        reverse=True,
    )
    return names[0] if names else ""  # HTTPS_PROXY before ALL_PROXY, as everywhere


def authorities() -> dict[str, dict[str, str]]:
    """Whom to believe besides the authorities that everybody does: by the variable that says so, as
    `SSLContext.load_verify_locations` takes it.
    """
    given = {name: cleaned(value) for name, value in _given().items() if name in _AUTHORITIES}
    return {name: {_AUTHORITIES[name]: place} for name, place in given.items() if place}


def home() -> Path | None:
    """The home folder; None for a user who has none, as the arbitrary ones of containers, whom no
    list of users knows.
    """
    with suppress(RuntimeError):
        return Path.home()
    return None


@contextmanager
def some_home() -> Iterator[None]:
    """Inside the block there is a home folder, even if nothing is in it: some libraries want one
    when they are imported.
    """
    if home() is not None:
        yield
        return
    os.environ["HOME"] = _NO_HOME
    try:
        yield
    finally:
        del os.environ["HOME"]


def _given() -> dict[str, str]:
    return {**os.environ, **_aside}
