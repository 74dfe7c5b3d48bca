"""The names under which the app answers.

Any web site can make a name of its own point to this machine, and its page would then be of the
same origin as the app. Nobody can do that with an IP address, or with a name that is not theirs.
"""

import contextlib
import re
import socket
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from wan.environment.settings import Settings
from wan.web.refusal import RequestRefused
from wan.web.root_path import parse_root

_HOST = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::(\d{1,5}))?", re.I | re.A)
_PORTS = 65_535
_HOSTS_FILE = Path("/etc/hosts")


class HostNames:
    """The names of the app; IP addresses and localhost are always among them.

    names: each a plain name, `*.name` for all below one, or `*` for any.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        plain = {name.lower() for name in names}
        self._any = "*" in plain
        self._exact = {name for name in plain if not name.startswith("*")} | {"localhost"}
        self._below = tuple(name[1:] for name in plain if name.startswith("*."))

    def check(self, headers: Headers, *, proxied: bool) -> None:
        """Check every name that a request gives the app. Raises RequestRefused, which says what to
        set.

        proxied: whether a trusted proxy sends it. The forwarded name is checked in addition, not
        instead: a page in a browser on the proxy's machine can send that header too.
        """
        for host in headers.getlist("host") or [""]:
            self._check(host)
        if proxied and (forwarded := forwarded_host(headers)):
            self._check(forwarded)

    def _check(self, host: str) -> None:
        if not host and self._any:
            return
        if (name := parse_host(host)) is None:
            raise RequestRefused(421, "host_bad")
        if not (self._any or self._knows(name)):
            raise RequestRefused(421, "host_unknown", given=name)

    def _knows(self, name: str) -> bool:
        return _is_address(name) or name in self._exact or name.endswith(self._below)


def forwarded_host(headers: Headers) -> str:
    """Return the name that a proxy was asked for; "" where it does not say."""
    return headers.get("x-forwarded-host", "").partition(",")[0].strip()


def parse_host(host: str) -> str | None:
    """Return the name or address in a Host header, in lower case and without a trailing dot."""
    parts = _HOST.fullmatch(host)
    if parts is None or int(parts[3] or 0) > _PORTS:
        return None
    if parts[1]:
        return parts[1] if _is_address(parts[1]) else None
    return parts[2].lower().removesuffix(".") or None


def host_names_of(settings: Settings) -> HostNames:
    """Return the names of this app: its Space's, this machine's, the operator's. Raises
    SettingsError.

    Only Hugging Face hands out names under hf.space, and not for other machines.
    """
    space = [settings.space_host, "*.hf.space"] if settings.space_id else []
    configured = (parse_root(settings.root_path).netloc, urlsplit(settings.home_url).netloc)
    own = _own_names(settings.server_name)
    return HostNames(
        [*space, *own, *settings.host_names, *filter(None, map(parse_host, configured))]
    )


def _own_names(asked_for: str) -> set[str]:
    """Return this machine's names, without asking a name server that may hang, and the configured
    one.
    """
    host = socket.gethostname()
    lines: list[list[str]] = []
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = _HOSTS_FILE.read_text(encoding="utf-8")
        lines = [line.partition("#")[0].split()[1:] for line in text.splitlines()]
    aliases = [name for names in lines if host in names for name in names]
    return {name for name in (host, asked_for, *aliases) if parse_host(name)}


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
