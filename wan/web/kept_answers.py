"""Answers of Gradio's that are the same for everybody, kept in memory: the page, its scripts and
its styles.

Gradio makes them anew for each request: 40 ms of a core for a page of this size, and some
milliseconds to read and pack a script, of which a first visit takes eighty. What is kept depends on
the address alone: Gradio is asked without cookie, query or header, but for the one that is part of
the key.
"""

import re
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FILES = re.compile(r"/(?:assets|static)/.+|/theme\.css")
_NAMED_BY_CONTENT = re.compile(r"/assets/.+|/theme\.css\?v=.+")
_FOREVER = "public, max-age=31536000, immutable"
_CODINGS = ("br", "gzip")  # as Gradio prefers them
_ROOM = 16_000_000  # bytes; a first visit takes one, each further name of the app half of one

_Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class _Answer:
    start: Message
    body: bytes

    async def send(self, send: Send, caching: str) -> None:
        """caching: for whom asks; "" for what Gradio says."""
        start = {**self.start, "headers": [*self.start["headers"]]}  # who sends it on adds to them
        if caching:
            MutableHeaders(scope=start)["Cache-Control"] = caching
        await send(start)
        await send({"type": "http.response.body", "body": self.body})


class KeptAnswers:
    """Gradio's app, with these answers kept; all others are passed on.

    pages: paths of pages that everybody gets alike; none where people sign in, whose names stand
    there.
    """

    def __init__(self, app: ASGIApp, pages: Collection[str]) -> None:
        self._app, self._pages = app, pages
        self._kept: OrderedDict[_Key, _Answer] = OrderedDict()
        self._size = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        route = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] == "GET" and route in self._pages:
            header = ("host", Headers(scope=scope).get("host", ""))
        elif scope["method"] == "GET" and _FILES.fullmatch(route):
            header = ("accept-encoding", _coding(scope))
        else:
            await self._app(scope, receive, send)
            return
        answer = await self._find((scope["scheme"], scope["path"], *header), scope, receive)
        address = f"{route}?{scope['query_string'].decode('latin-1')}"
        named = answer.start["status"] == 200 and _NAMED_BY_CONTENT.fullmatch(address)
        await answer.send(send, _FOREVER if named else "")

    async def _find(self, key: _Key, scope: Scope, receive: Receive) -> _Answer:
        """Return the answer for a key, which Gradio is asked for the first time."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        headers = [(key[2].encode(), key[3].encode("latin-1"))] if key[3] else []
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        asked = {**scope, "headers": headers, "query_string": b""}
        await self._app(asked, receive, collect)
        body = b"".join(message.get("body", b"") for message in messages[1:])
        answer = _Answer(messages[0], body)
        if answer.start["status"] == 200 and key not in self._kept:  # by another request meanwhile
            self._keep(key, answer)
        return answer

    def _keep(self, key: _Key, answer: _Answer) -> None:
        self._kept[key] = answer
        self._size += len(answer.body)
        while self._size > _ROOM:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.body)


def _coding(scope: Scope) -> str:
    """Return the coding in which Gradio packs a file for a browser; "" for none."""
    accepted = Headers(scope=scope).get("accept-encoding", "")
    return next((coding for coding in _CODINGS if coding in accepted), "")
