"""JSON bodies: each is scanned as it arrives, within the limits of its route.

Python's parser holds the interpreter's lock while it works, and a megabyte of nested lists keeps it
and the validator of its result (pydantic) busy for seconds. So size, number of values and depth are
counted here, piece by piece and in linear time, before anything is parsed. The memory of all bodies
together is bounded too: when it runs out, whoever holds most is cut off.
"""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message, Receive

from wan.web.addresses import group
from wan.web.capacity import Capacity
from wan.web.rate_limit import RateLimit
from wan.web.refusal import RequestRefused

# bytes of an event of the page; its largest form has 5 kB, with 1,500 Chinese characters
EVENT_LIMIT = 64_000
_VALUES = 1_000  # in one body; the largest form has 34
_DEPTH = 16  # levels of lists and objects; the deepest form has 5
_PLAIN = 64  # bytes outside of strings for each value: a number, a comma, and spaces
_ESCAPES = 64_000  # each costs; a prompt of 20,000 characters has two for each outside ASCII

# bytes of all unanswered bodies; each takes four times as much while it is parsed
_ROOM = 64_000_000
# of these for bodies no larger than an event of the page, whatever agents and programs send
_EVENT_RESERVE = 8_000_000
_UNFINISHED = (400, 40)  # arriving bodies, in all and from one address
_SECONDS = 20  # for any body,
_PER_SECOND = 500_000  # and one more for this many bytes
_FAULT_RATE = (0.5, 120)  # bad bodies from an address: seconds for one more, and at once

_OPENING, _CLOSING = b"[{", b"]}"
_BRACKET = re.compile(rb"[][{}]")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Limit:
    """Limits of a body. size: bytes. json: whether it is JSON."""

    size: int
    json: bool = True


_LIMITS = (
    # data: URLs of images of 20 MB and 700 kB
    (re.compile(r"/gradio_api/mcp/?"), Limit(28_000_000)),
    (re.compile(r"/gradio_api/(?:queue/join|call/.+)"), Limit(1_000_000)),
    # 2,000 characters are 24,000 bytes where each is escaped as a surrogate pair
    (re.compile(r"/review/.+"), Limit(32_000)),
    (re.compile(r"/log(?:in|out)/?"), Limit(4_000, json=False)),
)


def limit_of(path: str) -> Limit:
    """Return the limits of a body sent to a path."""
    return next(
        (limit for pattern, limit in _LIMITS if pattern.fullmatch(path)), Limit(EVENT_LIMIT)
    )


class Scan:
    """A scan of JSON that counts values and levels, piece by piece and in linear time.

    It counts UTF-8. JSON in any other encoding contains a zero byte, which UTF-8 must not.
    """

    def __init__(self) -> None:
        self._inside, self._tail = False, b""
        self._values = self._depth = self._plain = self._quotes = self._escapes = 0

    def feed(self, piece: bytes) -> None:
        """Scan the next piece. Raises RequestRefused for too much, and for other encodings."""
        if b"\0" in piece:
            raise RequestRefused(400, "body_odd")
        text = self._tail + piece
        self._escapes += text.count(b"\\")
        if self._escapes > _ESCAPES:
            raise RequestRefused(413)
        # From the left, as they are parsed: a backslash that is left before a quote escapes it.
        text = text.replace(rb"\\", b"")
        self._tail = b"\\" if text.endswith(b"\\") else b""
        self._escapes -= len(self._tail)
        text = text.removesuffix(b"\\").replace(rb"\"", b"")
        self._quotes += text.count(b'"')
        if self._quotes > 4 * _VALUES:  # a name and a text, each in two quotes
            raise RequestRefused(413)
        parts = text.split(b'"')
        plain = b"".join(parts[self._inside :: 2])
        self._inside ^= len(parts) % 2 == 0
        self._count(plain)

    def _count(self, plain: bytes) -> None:
        self._plain += len(plain)
        self._values += plain.count(b",") + sum(plain.count(one) for one in (b"[", b"{"))
        if self._values > _VALUES or self._plain > _PLAIN * _VALUES:
            raise RequestRefused(413)
        for bracket in _BRACKET.findall(plain):  # no more than twice the values
            self._depth += 1 if bracket in _OPENING else -1
            if not -1 < self._depth <= _DEPTH:
                raise RequestRefused(400)


@dataclass(eq=False)
class Body:
    """A received body. address: whom it counts against. size: bytes reserved for it."""

    address: str
    pieces: deque[bytes] = field(default_factory=deque)
    size: int = 0
    coming: asyncio.Timeout | None = None
    """While it arrives: the time-out that can end it."""

    def content(self) -> bytes:
        """Return the whole body."""
        whole = b"".join(self.pieces)
        self.pieces = deque([whole])
        return whole

    def replay(self, receive: Receive) -> Receive:
        """Return a channel that receives the body once more, and then what follows."""

        async def receive_again() -> Message:
            if not self.pieces:
                return await receive()
            return {
                "type": "http.request",
                "body": self.pieces.popleft(),
                "more_body": bool(self.pieces),
            }

        return receive_again


class Bodies:
    """All unanswered bodies, and how many bad ones each address has sent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._here: set[Body] = set()
        self._held: Counter[str] = Counter()
        self._arriving = Capacity(_UNFINISHED[0], address=_UNFINISHED[1])
        self._faults = RateLimit(*_FAULT_RATE, clock)

    @contextlib.asynccontextmanager
    async def receive(
        self, receive: Receive, limit: Limit, address: str, size: int
    ) -> AsyncIterator[Body]:
        """Receive a whole body and keep its memory reserved inside the block, or until it is
        released.

        size: its declared bytes. Raises RequestRefused; a bad body counts against its address.
        """
        body = Body(group(address))
        if wait := self._faults.look(body.address):
            raise RequestRefused(429, "too_much", wait)
        self._here.add(body)
        try:
            await self._read(body, receive, limit, size)
            yield body
        except RequestRefused as refused:
            if refused.status in (400, 408, 413, 415, 422):
                self._faults.wait(body.address)
            raise
        finally:
            self.release(body)

    async def _read(self, body: Body, receive: Receive, limit: Limit, size: int) -> None:
        if size > limit.size:
            raise RequestRefused(413)
        with self._arriving.reserve(address=body.address) as there:
            if not there:
                raise RequestRefused(429, "too_much", 5)
            try:
                async with asyncio.timeout(_SECONDS + size / _PER_SECOND) as body.coming:
                    await self._fill(body, receive, limit)
            except TimeoutError:
                raise RequestRefused(408) from None
            finally:
                body.coming = None

    async def _fill(self, body: Body, receive: Receive, limit: Limit) -> None:
        scan = Scan()
        while True:
            message = await receive()
            if body.coming is None:  # it was cut off
                raise TimeoutError
            piece = message.get("body", b"")
            if message["type"] == "http.disconnect":
                raise RequestRefused(400)
            if body.size + len(piece) > limit.size:
                raise RequestRefused(413)
            if limit.json:
                scan.feed(piece)
            self._reserve(body, len(piece))
            body.pieces.append(piece)
            if not message.get("more_body", False):
                return

    def _reserve(self, body: Body, more: int) -> None:
        """Reserve bytes; where there are too few, cut off the arriving body of whoever holds most.

        Raises RequestRefused where nobody holds more.
        """
        room = _ROOM if body.size + more <= EVENT_LIMIT else _ROOM - _EVENT_RESERVE
        while self._held.total() + more > room:
            least = self._held[body.address] + more
            rivals = [one for one in self._here if one.coming and self._held[one.address] > least]
            if not rivals:
                raise RequestRefused(429, "too_much", 5)
            self._break_off(max(rivals, key=lambda one: (self._held[one.address], one.size)))
        self._grow(body, more)

    def _break_off(self, body: Body) -> None:
        if body.coming is not None:
            body.coming.reschedule(0)
            body.coming = None
        self.release(body)

    def release(self, body: Body) -> None:
        """Release the memory reserved for a body."""
        self._here.discard(body)
        self._grow(body, -body.size)
        body.pieces.clear()

    def _grow(self, body: Body, more: int) -> None:
        body.size += more
        self._held[body.address] += more
        if not self._held[body.address]:
            del self._held[body.address]


def parse_body(body: bytes) -> dict[str, Any]:
    """Parse a JSON body into an object. Raises RequestRefused for anything else.

    It is read as UTF-8 only, as it was scanned: `json.loads` would accept bytes in UTF-16 too. A
    byte order mark, which Windows puts before what it saves, is no part of it.
    """
    try:
        given = json.loads(body.decode("utf-8-sig"))
        halves = next(_find_half_characters(given), "") if b"\\u" in body else ""
    except (ValueError, RecursionError):
        raise RequestRefused(400, "body_odd") from None
    if halves:  # it would break whatever encodes it later, the stream of events too
        raise RequestRefused(400, "half_character", given=halves)
    if not isinstance(given, dict):
        raise RequestRefused(400, "body_odd")
    return given


def _find_half_characters(value: Any, where: str = "") -> Iterator[str]:
    """Yield where in a body half of a surrogate pair stands, and which: `data[0]: U+D83D`."""
    if isinstance(value, str) and (found := _HALF_CHARACTER.search(value)):
        yield f"{where}: U+{ord(found[0]):04X}"
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _find_half_characters(one, f"{where}[{place}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _find_half_characters(name, where or "body")
            yield from _find_half_characters(one, f"{where}.{name}" if where else name)
