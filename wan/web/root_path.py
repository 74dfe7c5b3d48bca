"""The root of the app: scheme, host name and path in front of every address that it gives out.

A proxy may serve it under a path, and pass that path on or strip it. The configured root
(`GRADIO_ROOT_PATH`) counts first, then a trusted proxy's headers (`X-Forwarded-Proto`, `-Host`,
`-Port` and `-Prefix`), then the request itself. The result is put where ASGI has it, so that
nothing behind needs to know of proxies: `scheme`, the Host header, and `root_path` in front of
`path`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from wan.domain.errors import SettingsError
from wan.web.addresses import host

_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~-]+)*", re.ASCII)  # "" or "/wan"
_NETLOC = re.compile(r"(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?", re.I | re.ASCII)
_PORT = re.compile(r"\d{1,5}", re.ASCII)


@dataclass(frozen=True)
class Root:
    """A prefix of the app's own routes; its parts are "" where unknown."""

    scheme: str = ""
    netloc: str = ""
    """Name and port, as in a Host header."""
    path: str = ""
    """Begins with a slash and does not end with one."""

    def of(self, scope: Scope, *, proxied: bool) -> "Root":
        """Return the root of one request. proxied: whether a trusted proxy sends it."""
        asked = Headers(scope=scope)
        said = _from_proxy(asked) if proxied else Root()
        return Root(
            self.scheme or said.scheme or scope.get("scheme", "http"),
            self.netloc or said.netloc or asked.get("host", ""),
            self.path or said.path,
        )

    def route(self, path: str, is_open: Callable[[str], object]) -> str:
        """Return the route of a path, whether or not a proxy stripped our prefix.

        It is "" for the prefix without its trailing slash. is_open: whether there is such a route,
        since one of ours may be named like the prefix.
        """
        plain = f"/{path.lstrip('/')}"  # a proxy that strips too little leaves two slashes
        if not self.path or not f"{plain}/".startswith(f"{self.path}/"):
            return plain
        below = plain.removeprefix(self.path)
        return plain if below and not is_open(below) and is_open(plain) else below

    def apply(self, scope: Scope) -> Scope:
        """Return a request with its root in the places that ASGI has for it."""
        headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
        named = [(b"host", self.netloc.encode("latin-1"))] if self.netloc else []
        path = self.path + scope["path"]
        return {
            **scope,
            "scheme": self.scheme,
            "headers": named + headers,
            "root_path": self.path,
            "path": path,
            "raw_path": quote(path).encode(),
        }


def _from_proxy(asked: Headers) -> Root:
    """Return the root that proxies report. Of several the first, nearest to the browser."""

    def header(name: str) -> str:
        return asked.get(f"x-forwarded-{name}", "").partition(",")[0].strip()

    scheme, path = header("proto").lower(), header("prefix").rstrip("/")
    netloc = header("host") or asked.get("host", "")
    known = host(netloc)
    if (
        _PORT.fullmatch(port := header("port"))
        and port not in ("80", "443")
        and known == (known[0], "")
        and not netloc.endswith((":80", ":443"))
    ):
        netloc = f"{netloc}:{port}"
    return Root(
        scheme if scheme in ("http", "https") else "", netloc, path if _PATH.fullmatch(path) else ""
    )


def parse_root(given: str) -> Root:
    """Parse `GRADIO_ROOT_PATH`: a path, or a full URL. Raises SettingsError."""
    plain = given.strip().rstrip("/")
    if "://" in plain:
        root = _parse_url(plain)
    else:
        plain = plain and f"/{plain.lstrip('/')}"
        root = Root(path=plain) if _PATH.fullmatch(plain) else None
    if root is not None:
        return root
    allowed = "a path (/wan) or the full URL of the app (https://films.example/wan)"
    raise SettingsError.about("GRADIO_ROOT_PATH", given, allowed)


def _parse_url(given: str) -> Root | None:
    """Return the root in a full URL; None for anything else."""
    try:
        parts = urlsplit(given)
    except ValueError:  # one bracket of an IPv6 address is missing
        return None
    whole = (
        parts.scheme in ("http", "https")
        and _NETLOC.fullmatch(parts.netloc)
        and _PATH.fullmatch(parts.path)
    )
    known = whole and host(parts.netloc)[0] and not (parts.query or parts.fragment)
    return Root(parts.scheme, parts.netloc, parts.path) if known else None
