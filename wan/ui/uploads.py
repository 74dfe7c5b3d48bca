"""Files that are on their way here."""

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from gradio import processing_utils
from gradio.utils import get_upload_folder
from starlette.formparsers import MultiPartException
from starlette.types import Message, Receive

from wan.errors import NotKept
from wan.storage import require_room
from wan.ui.addresses import group
from wan.ui.pace import Pace
from wan.ui.refusal import Refused

UPLOAD_LIMIT = 360_000_000  # bytes: three clips of 100 MB and two pictures of 20 MB come in one request, and the form around them
_UPLOAD_PARTS = 20
_UPLOAD_SECONDS = 900  # a 100 MB clip over 1 Mbit/s
_MEGABYTE = 1_000_000
_UPLOAD_RATE = (1.0, 3_000)  # seconds for one more MB from an address, and how many may come at once: a class, each with a clip of 100 MB


class Uploads:
    """The files that are on their way here, and how much each address has sent lately."""

    def __init__(self) -> None:
        self._pace, self._coming = Pace(*_UPLOAD_RATE), 0

    @contextlib.asynccontextmanager
    async def admitted(self, size: int, address: str) -> AsyncIterator[None]:
        """Keeps room for so many bytes while they come. Raises Refused where there is none, and while an address sends too much."""
        if wait := self._pace.wait(group(address), math.ceil(size / _MEGABYTE)):
            raise Refused(429, "too_much", wait)
        self._coming += size
        try:
            await asyncio.to_thread(_require_room, self._coming)
            yield
        finally:
            self._coming -= size


def _require_room(more: int) -> None:
    try:
        require_room(Path(get_upload_folder()), more=more)
    except NotKept:
        raise Refused(507, "upload_no_room") from None


class Upload:
    """Receives an upload up to its size, its time and its number of parts. What breaks them raises what makes Gradio delete the pieces it has."""

    def __init__(self, receive: Receive, kind: str) -> None:
        self._receive, self._until = receive, asyncio.get_running_loop().time() + _UPLOAD_SECONDS
        found = re.search(r'boundary="?([^";,]+)', kind)
        self._boundary = b"--" + found[1].encode("latin-1") if found else b"--"
        self._size, self._parts, self._tail, self._whole = 0, 0, b"", False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise MultiPartException("The upload took too long.") from None
        if message["type"] == "http.disconnect":
            raise MultiPartException("The upload broke off.")
        self._count(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        return message

    def _count(self, piece: bytes) -> None:
        self._size += len(piece)
        seen = self._tail + piece
        self._parts += seen.count(self._boundary)
        self._tail = seen[-(len(self._boundary) - 1) :]
        if self._size > UPLOAD_LIMIT or self._parts > _UPLOAD_PARTS:
            raise MultiPartException("The upload exceeded the maximum allowed size.")  # by these words Gradio makes it a 413


class _NoDownloads(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.UnsupportedProtocol("the page fetches nothing", request=request)


def deny_downloads() -> None:
    """Keeps Gradio from fetching the http(s) addresses that a forged form gives for files: whole into memory, without a limit."""
    processing_utils.async_transport = _NoDownloads()  # type: ignore[assignment]
