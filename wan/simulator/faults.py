"""Trouble on demand, per verb, as the outermost layer in front of the service.

Verbs: policy, upload, create, query, cancel, list, result. Faults, by name:

* status-NNN         that HTTP status with the service's JSON error body, `Retry-After: 1` with 429
not handled
* code-CODE          that code of the service's (errors.py), with its status and message
not handled
* html-NNN           that HTTP status with an HTML page, as a firewall gives it
not handled
* drop-before        the connection is reset
not handled
* html               200 with an HTML page, as a proxy gives it
not handled
* drop-after-accept  the connection is reset without an answer
handled
* delay-SECONDS      the answer comes late
handled
* stall              no answer ever, until the client goes away
handled
* drip-SECONDS       the answer's body comes a byte at a time, over that long (large ones in 1000
pieces)     handled
* bad-json           200 with JSON that breaks off
handled
* cut-body           half of the body that Content-Length promised, then the end of the connection
handled
* wrong-content      200 with JSON that means nothing; for `result` text where an MP4 should be
handled
* link-http          the address in the answer says http:// under aliyuncs.com (text-to-video page,
2026)     handled
* link-elsewhere     the address in the answer is on a host that is not the service's
handled

Handled means that the service did what it was asked to do, so a task exists and would be billed
although the client cannot know it.
"""

import asyncio
import contextlib
import json
import re
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import CODES, Refusal, refusal_of_status

Verb = Literal["policy", "upload", "create", "query", "cancel", "list", "result"]
VERBS: tuple[Verb, ...] = get_args(Verb)

DRIP_PIECES = 1000  # at most

_ROUTES: tuple[tuple[str, re.Pattern[str], Verb], ...] = (
    ("POST", re.compile(r"/api/v1/services/aigc/video-generation/video-synthesis"), "create"),
    ("POST", re.compile(r"/api/v1/tasks/[^/]+/cancel"), "cancel"),
    ("GET", re.compile(r"/api/v1/tasks/?"), "list"),
    ("GET", re.compile(r"/api/v1/tasks/[^/]+"), "query"),
    ("GET", re.compile(r"/api/v1/uploads"), "policy"),
    ("POST", re.compile(r"/upload-store/?"), "upload"),
    ("GET", re.compile(r"/results/.+"), "result"),
)


def verb_of(method: str, path: str) -> Verb | None:
    """Which verb a request is; None for what is not the service's."""
    return next(
        (verb for wanted, pattern, verb in _ROUTES if method == wanted and pattern.fullmatch(path)),
        None,
    )


@dataclass
class Fault:
    """A fault that waits: its name, the figure (HTTP status or seconds) or the code, and how many
    requests it still hits (None: all).
    """

    name: str
    figure: float = 0
    count: int | None = None
    code: str = ""

    @classmethod
    def parse(cls, text: str, count: int | None = None) -> "Fault":
        """Read `stall`, `delay-2.5`, `status-503`, `code-Model.AccessDenied`. Raises ValueError."""
        match = re.fullmatch(r"(status|html|delay|drip)-(\d+(?:\.\d+)?)", text)
        if match:
            return cls(match[1], float(match[2]), count)
        if (code := text.removeprefix("code-")) in CODES:
            return cls("code", 0, count, code)
        if text not in _PLAYS or text in ("code", "status", "delay", "drip"):
            raise ValueError(f"no such fault: {text}")
        return cls(text, 0, count)


class FaultBoard:
    """Which fault is set for which verb, and for requests to which host."""

    def __init__(self) -> None:
        self._set: dict[tuple[Verb, str], Fault] = {}
        self.hits = 0

    def set(self, verb: str, fault: str, count: int | None = None, host: str = "") -> None:
        """Set a fault for the next `count` requests of a verb, or until cleared. Raises ValueError
        for a verb or fault that is none.

        host: only for requests whose Host header says this (`name:port`), so that many who come by
        different ways are told apart, with a key or without one.
        """
        known = next((each for each in VERBS if each == verb), None)
        if known is None:
            raise ValueError(f"no such verb: {verb}")
        self._set[known, host] = Fault.parse(fault, count)

    def clear(self) -> None:
        """Let everything work again."""
        self._set.clear()

    def take(self, verb: Verb, host: str) -> Fault | None:
        """The fault for a request of that verb to that host, counted down."""
        which = (verb, host) if (verb, host) in self._set else (verb, "")
        fault = self._set.get(which)
        if fault is None:
            return None
        self.hits += 1
        if fault.count is not None:
            fault.count -= 1
            if fault.count <= 0:
                del self._set[which]
        return fault


@dataclass
class Answer:
    """An answer that was held back."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    @classmethod
    def of(
        cls, status: int, content_type: str, body: bytes, *headers: tuple[bytes, bytes]
    ) -> "Answer":
        """An answer of our own."""
        length = (b"content-length", str(len(body)).encode())
        return cls(status, [(b"content-type", content_type.encode()), length, *headers], body)


@dataclass
class Exchange:
    """One request under a fault, and everything that can be done to it."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    verb: Verb
    code: str = ""

    async def read(self) -> None:
        """Take the whole request and do nothing with it."""
        more = True
        while more:
            message = await self.receive()
            more = message["type"] == "http.request" and message.get("more_body", False)

    async def handle(self) -> Answer:
        """Let the service do it, and hold the answer back."""
        answer = Answer()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            else:
                answer.body += message.get("body", b"")

        await self.app(self.scope, self.receive, hold)
        return answer

    async def start(self, answer: Answer) -> None:
        """Send an answer's head."""
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )

    async def give(self, answer: Answer) -> None:
        """Send an answer."""
        await self.start(answer)
        await self.send({"type": "http.response.body", "body": answer.body})

    async def wait_until_gone(self) -> None:
        """Wait until the client has gone away."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def pause(self, seconds: float) -> None:
        """Wait, but not for a client that has gone away."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait_until_gone()

    async def reset(self) -> None:
        """Reset the connection: the client sees RST, not an orderly end."""
        linger = struct.pack("ii", 1, 0)  # on, for no time at all: close() then sends RST
        self._transport().get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self._transport().abort()
        await self.wait_until_gone()

    async def hang_up(self) -> None:
        """End the connection after what was sent."""
        self._transport().close()
        await self.wait_until_gone()

    def _transport(self) -> asyncio.Transport:
        # ASGI has no way to cut a connection; uvicorn's `receive` is a method of the cycle that
        # holds the transport.
        transport: asyncio.Transport = self.receive.__self__.transport  # type: ignore[attr-defined]
        return transport


async def _status(exchange: Exchange, figure: float) -> None:
    await _refuse(exchange, refusal_of_status(int(figure)))


async def _code(exchange: Exchange, _: float) -> None:
    await _refuse(exchange, Refusal(exchange.code))


async def _refuse(exchange: Exchange, refusal: Refusal) -> None:
    await exchange.read()
    body = json.dumps(refusal.body(str(uuid.uuid4()))).encode()
    wait = ((b"retry-after", b"1"),) if refusal.status == 429 else ()
    await exchange.give(Answer.of(refusal.status, "application/json", body, *wait))


async def _drop_before(exchange: Exchange, _: float) -> None:
    await exchange.read()  # a client that is still writing would see an orderly end instead
    await exchange.reset()


async def _html(exchange: Exchange, status: float) -> None:
    await exchange.read()
    await exchange.give(
        Answer.of(
            int(status) or 200,
            "text/html",
            b"<!doctype html><title>Welcome</title><p>Please sign in to this network.",
        )
    )


async def _drop_after_accept(exchange: Exchange, _: float) -> None:
    await exchange.handle()
    await exchange.reset()


async def _delay(exchange: Exchange, seconds: float) -> None:
    answer = await exchange.handle()
    await exchange.pause(seconds)
    await exchange.give(answer)


async def _stall(exchange: Exchange, _: float) -> None:
    await exchange.handle()
    await exchange.wait_until_gone()


async def _drip(exchange: Exchange, seconds: float) -> None:
    answer = await exchange.handle()
    await exchange.start(answer)
    step = max(1, -(-len(answer.body) // DRIP_PIECES))
    starts = range(0, len(answer.body), step)
    for start in starts:
        await exchange.send(
            {
                "type": "http.response.body",
                "body": answer.body[start : start + step],
                "more_body": True,
            }
        )
        await exchange.pause(seconds / len(starts))
    await exchange.send({"type": "http.response.body", "body": b""})


async def _bad_json(exchange: Exchange, _: float) -> None:
    await exchange.handle()
    await exchange.give(Answer.of(200, "application/json", b'{"output": {"task_status": "PEND'))


async def _cut_body(exchange: Exchange, _: float) -> None:
    answer = await exchange.handle()
    await exchange.start(answer)
    await exchange.send(
        {
            "type": "http.response.body",
            "body": answer.body[: len(answer.body) // 2],
            "more_body": True,
        }
    )
    await exchange.hang_up()


async def _wrong_content(exchange: Exchange, _: float) -> None:
    await exchange.handle()
    if exchange.verb == "result":
        await exchange.give(Answer.of(200, "video/mp4", b"This is no video.\n" * 64))
    else:
        await exchange.give(Answer.of(200, "application/json", b'{"hello": "world"}'))


async def _link_http(exchange: Exchange, _: float) -> None:
    await exchange.give(
        _relink(b"http://dashscope-result-sh.oss-cn-shanghai.aliyuncs.com", await exchange.handle())
    )


async def _link_elsewhere(exchange: Exchange, _: float) -> None:
    await exchange.give(_relink(b"http://elsewhere.example", await exchange.handle()))


def _relink(root: bytes, answer: Answer) -> Answer:
    """An answer whose address of a video, or of the store, has this scheme and host."""
    body = re.sub(rb'("(?:video_url|upload_host)": ?")\w+://[^/"]+', rb"\1" + root, answer.body)
    return Answer.of(answer.status, "application/json", body)


_PLAYS: dict[str, Callable[[Exchange, float], Awaitable[None]]] = {
    "status": _status,
    "code": _code,
    "drop-before": _drop_before,
    "html": _html,
    "drop-after-accept": _drop_after_accept,
    "delay": _delay,
    "stall": _stall,
    "drip": _drip,
    "bad-json": _bad_json,
    "cut-body": _cut_body,
    "wrong-content": _wrong_content,
    "link-http": _link_http,
    "link-elsewhere": _link_elsewhere,
}


class FaultLayer:
    """ASGI middleware: passes requests on, or plays the fault that is set for them."""

    def __init__(self, app: ASGIApp, board: FaultBoard) -> None:
        self._app, self._board = app, board

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        verb = verb_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        fault = (
            self._board.take(verb, dict(scope["headers"]).get(b"host", b"").decode("latin-1"))
            if verb
            else None
        )
        if verb is None or fault is None:
            await self._app(scope, receive, send)
        else:
            await _PLAYS[fault.name](
                Exchange(self._app, scope, receive, send, verb, fault.code), fault.figure
            )
