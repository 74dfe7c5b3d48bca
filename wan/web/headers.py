"""Headers of every answer: which scripts may run, who may embed the page, and whether a browser has
it already.
"""

import asyncio
import base64
import gzip
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from wan.web.cookies import harden
from wan.web.languages import VARY

_KEPT_PAGES = 8  # two languages, packed or not, under two names
_TAG_LENGTH = 32
_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>")
_HOLE = re.compile(r"\{\{.*?\}\}")  # of a Jinja template
_POLICY = {
    "default-src": "'none'",
    # Gradio compiles the page's `js=` with the Function constructor. Its configuration and `head`
    # are inline scripts, allowed by the hash of their text (`Scripts`), so that no script, no frame
    # with one and no handler in an attribute can be injected.
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",  # Svelte sets style attributes
    "img-src": "'self' data: blob:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'self'",
}
# a Space is shown inside huggingface.co
_ON_SPACE = {"frame-ancestors": "'self' https://huggingface.co https://*.hf.space"}
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), display-capture=(), "
    "payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Scripts:
    """The inline scripts that may run. One that somebody injects into a page is not among them.

    ours: those of our own pages. template: Gradio's page before it is filled in.
    """

    def __init__(self, ours: Iterable[str] = (), template: str = "") -> None:
        theirs = [_HOLE.split(script) for script in _inline_scripts(template)]
        self._known = [
            _digest(script)
            for script in [*ours, *(parts[0] for parts in theirs if len(parts) == 1)]
        ]
        self._filled = [
            re.compile("(.*)".join(map(re.escape, parts)), re.DOTALL)
            for parts in theirs
            if len(parts) > 1
        ]

    def digests(self, page: str) -> list[str]:
        """Return the digests for a page's policy: all known scripts, and each one filled with data
        alone.

        Of several scripts with the same template only the first counts.
        """
        found = list(_inline_scripts(page))
        first = [
            next((script for script in found if _is_filled_with_data(shape, script)), None)
            for shape in self._filled
        ]
        return self._known + [_digest(script) for script in first if script is not None]


def _inline_scripts(page: str) -> Iterator[str]:
    """Yield the texts of a page's inline scripts."""
    # A pattern that matched the end too would take 25 times as long over a script of 300 kB.
    end = 0
    while opening := _INLINE.search(page, end):
        if (end := page.find("</script>", opening.end())) < 0:
            return
        yield page[opening.end() : end]


def _is_filled_with_data(shape: re.Pattern[str], script: str) -> bool:
    if (filling := shape.fullmatch(script)) is None:
        return False
    try:
        for data in filling.groups():
            json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _digest(script: str) -> str:
    """Return an inline script as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def policy(digests: Iterable[str] = (), *, space: bool = False, media: str = "") -> str:
    """Return the Content-Security-Policy. digests: of inline scripts that may run. space: on a
    Space. media: an origin from which videos may come too.
    """
    values = _POLICY | (_ON_SPACE if space else {})
    if media:
        values |= {"media-src": f"{values['media-src']} {media}"}
    return "; ".join(
        " ".join([name, value, *(digests if name == "script-src" else ())])
        for name, value in values.items()
    )


@dataclass(frozen=True)
class _Page:
    """A page as it is sent."""

    policy: str
    body: bytes
    tag: str
    """The entity tag of all that."""


class Pages:
    """Pages as they are sent: with the start of their head, a policy that names their scripts, and
    packed. Gradio's are large and the same again and again: the last few are kept by their content.

    scripts: the inline ones that may run. space: whether this is a Space. media: gives the origin
    from which videos may come too; "" for none, or while it is not known.
    """

    def __init__(self, scripts: Scripts, *, space: bool, media: Callable[[], str] = str) -> None:
        self._scripts, self.space, self._media = scripts, space, media
        self._kept: OrderedDict[tuple[bytes, str, bool, str], _Page] = OrderedDict()

    @property
    def policy(self) -> str:
        """The policy of everything that is no page."""
        return policy(space=self.space, media=self._media())

    async def finish(self, body: bytes, head: str, *, packed: bool) -> _Page:
        """Return a page. head: what its head begins with; "" for none, and it is not kept. packed:
        whether as gzip.
        """
        key = (body, head, packed, self._media())
        if key in self._kept:
            return self._kept[key]
        page = await asyncio.to_thread(self._make, *key)  # a review may have megabytes
        if head:
            self._kept[key] = page
            if len(self._kept) > _KEPT_PAGES:
                self._kept.popitem(last=False)
        return page

    def _make(
        self,
        body: bytes,
        head: str,
        packed: bool,  # noqa: FBT001 - a key, unpacked
        media: str,
    ) -> _Page:
        body = body.replace(b"<head>", f"<head>{head}".encode(), 1)
        digests = self._scripts.digests(body.decode(errors="replace"))
        named = policy(digests, space=self.space, media=media)
        if packed:
            body = gzip.compress(body, 5, mtime=0)
        content = hashlib.sha256(named.encode() + body).hexdigest()
        return _Page(named, body, f'"{content[:_TAG_LENGTH]}"')


class ResponseHeaders:
    """A send channel that adds the headers; it delays a page until complete, to name its scripts.

    packed: whether the page may be sent as gzip; it must not be compressed before. https: whether
    the browser speaks https. known: the tags of those that it has (If-None-Match). `head`, once
    set, is what the page's head begins with; `cookie` is sent with a page and keeps its chosen
    language.
    """

    def __init__(
        self, send: Send, pages: Pages, *, packed: bool, https: bool, known: str = ""
    ) -> None:
        self._send, self._pages = send, pages
        self._packed, self._https, self._known = packed, https, known
        self.head = ""
        self.cookie = ""
        self._page: Message | None = None
        self._body = bytearray()
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Send a message of the app."""
        if message["type"] == "http.response.start":
            self.begun = True
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            headers.update(_ALWAYS | {"Content-Security-Policy": self._pages.policy})
            is_page = headers.get("content-type", "").startswith("text/html")
            if is_page and self.cookie:
                headers.append("set-cookie", self.cookie)
            self._harden_cookies(headers)
            headers.setdefault("Referrer-Policy", "same-origin")  # a review's page says less
            if is_page:
                self._page = message
                return
        elif self._page is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self._page, bytes(self._body))
            return
        await self._send(message)

    def _harden_cookies(self, headers: MutableHeaders) -> None:
        cookies = headers.getlist("set-cookie")
        del headers["set-cookie"]
        framed = self._pages.space
        for cookie in cookies:
            headers.append("set-cookie", harden(cookie, https=self._https, framed=framed))

    async def _send_page(self, start: Message, body: bytes) -> None:
        page = await self._pages.finish(body, self.head, packed=self._packed)
        headers, body = MutableHeaders(scope=start), page.body
        headers.add_vary_header(VARY)
        headers["Content-Security-Policy"] = page.policy
        if self._packed:
            headers["Content-Encoding"] = "gzip"
            headers.add_vary_header("Accept-Encoding")
        headers["Content-Length"] = str(len(body))
        # A page of Gradio's; where people sign in, what stands in its place has a rule of its own.
        if self.head and start["status"] == HTTPStatus.OK and "cache-control" not in headers:
            headers["ETag"], headers["Cache-Control"] = page.tag, "private, no-cache"
            if page.tag in self._known:
                start["status"], body = HTTPStatus.NOT_MODIFIED, b""
                for name in ("Content-Encoding", "Content-Length", "Content-Type"):
                    del headers[name]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})
