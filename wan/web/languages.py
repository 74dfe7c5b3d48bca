"""The page of each language: its path, who is sent to it, and how its head begins.

A page is in one language throughout, Gradio's own words included: those follow the browser's
language, so a page's first script sets that to the page's.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers

from wan.domain.messages import Language
from wan.web.paths import read_assets

PATHS: Mapping[Language, str] = {"en": "/", "zh": "/zh"}
"""The path of each language's page."""
TAGS: Mapping[Language, str] = {"en": "en", "zh": "zh-CN"}
"""The language tag of a document."""
VARY = "Accept-Language, Cookie"
"""The headers that the choice of a page depends on."""
_COOKIE = "wan-language"
_KEPT = 365 * 24 * 3600  # seconds
_DOCUMENTS = ("document", "iframe", "frame")  # a Space is shown in a frame


def language_of(query: bytes | str, headers: Headers) -> Language:
    """Return the language for an answer: named in the URL (`?lang=`), chosen before, or the
    browser's.
    """
    asked = language_in(query) or _from_cookie(headers)
    if asked is not None:
        return asked
    return _parse_language(headers.get("accept-language", "")) or "en"


def language_in(query: bytes | str) -> Language | None:
    """Return the language named in a query, None for none."""
    plain = query.decode("latin-1") if isinstance(query, bytes) else query
    try:
        return _parse_language(parse_qs(plain, max_num_fields=100).get("lang", [""])[-1])
    except ValueError:  # more fields than that
        return None


def cookie(language: Language, root: str, *, framed: bool) -> str:
    """Return the Set-Cookie header that keeps a choice.

    root: the path under which the app is reached. framed: whether the page is shown inside another
    site's.
    """
    abroad = "; SameSite=None; Secure" if framed else ""
    return f"{_COOKIE}={language}; Path={root}/; Max-Age={_KEPT}{abroad}"


def is_document(headers: Headers) -> bool:
    """Return whether a browser asks for a page to show: it says so, or at least accepts HTML."""
    wanted = headers.get("sec-fetch-dest")
    return wanted in _DOCUMENTS if wanted else "text/html" in headers.get("accept", "")


def first_script(language: Language) -> str:
    """Return the script with which the page begins."""
    script = read_assets("js", "language")
    slash = read_assets("js", "slash") if PATHS[language] == "/" else ""
    return slash + script.replace("{language}", TAGS[language])


def _from_cookie(headers: Headers) -> Language | None:
    try:
        kept = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        return None
    return _parse_language(kept.value) if kept else None


def _parse_language(named: str) -> Language | None:
    plain = named.strip().lower()
    return "zh" if plain.startswith("zh") else "en" if plain.startswith("en") else None
