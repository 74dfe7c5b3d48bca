"""Limits on connections: how many may be open, and how long one may be silent.

A client has ten seconds from connecting to send its headers. Nobody holds more connections than
leaves enough for others; when all are in use, the one that has waited longest is closed. A
connection whose request is being answered, a stream of events above all, is never closed for
another. So a client that pipelines requests is answered once and has to reconnect: otherwise a few
peers could keep all connections busy.

uvicorn has no such limits. HTTP is always parsed by h11, which is there with or without extras.
"""

import asyncio
import contextlib
import resource
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from wan.web.addresses import Networks, group, is_within

LOOPBACK: Networks = [ip_network("127.0.0.0/8"), ip_network("::1/128")]

_FILES_WANTED = 16_384
_TOTAL = 4_000  # each costs about 20 kB, and 16 kB more while its headers are on their way
_PER_ADDRESS = (
    256  # a class behind one address: sixty pages, each with two streams and some requests
)
_HEAD = 16_384  # bytes of headers
_AHEAD = _HEAD  # pipelined bytes after a request; browsers send none
_STEP = 4_096  # bytes parsed at once while headers come
_CHUNKS, _PER_CHUNK = 1_000, 64  # small chunks in a body; beyond, bytes that each has on average


@dataclass(frozen=True)
class Limits:
    """Limits on connections. exempt: networks of peers that are not counted by address."""

    total: int
    each: int
    backlog: int
    """Connections waiting to be accepted; asyncio accepts as many at once before it looks at one.
    """
    exempt: Networks = field(default_factory=list)
    header_seconds: float = 10
    """From connecting, or the first byte of a later request, until the headers are complete."""
    linger_seconds: float = 30
    """Time for the rest of a request that has been answered already."""
    send_seconds: float = 60
    """Time that an answer may wait for a peer that accepts nothing of it."""
    proxy_idle_seconds: float = 620
    """Time without a request after which the connection of an exempt peer is closed. A proxy that
    sends one just then answers 502, so it has to be the first to close; it does so after 60 s (AWS,
    nginx), 120 s (Caddy) or 600 s (Google Cloud). For others uvicorn's 5 s hold.
    """

    @classmethod
    def within_files(cls, files: int, exempt: Networks) -> "Limits":
        """Return the limits for a process that may have so many files open.

        A quarter of them are connections. As many are left for files sent over them, for
        connections accepted but not yet handled, and for the rest: database, storage, service.
        """
        total = max(1, min(_TOTAL, files // 4))
        # What is accepted in one turn of the loop is handled in the third after it.
        return cls(total, max(1, min(_PER_ADDRESS, total // 2)), max(1, total // 4), exempt)


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as allowed. Return the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    wanted = _FILES_WANTED if hard == endless else min(hard, _FILES_WANTED)
    if soft != endless and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return _FILES_WANTED if soft == endless else soft


class ConnectionRegistry:
    """The open connections, and which of them wait for a request."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: dict[Connection, str] = {}
        self._idle: dict[Connection, None] = {}  # longest waiting first
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: "Connection") -> bool:
        """Register a connection. Return False where all are in use and none can be closed."""
        limits, address = self.limits, group(connection.address)
        crowded = self._counts[address] >= limits.each
        if (
            crowded
            and not is_within(connection.address, limits.exempt)
            and not self._evict(address)
        ):
            return False
        if len(self._open) >= limits.total and not self._evict():
            return False
        self._open[connection] = address
        self._counts[address] += 1
        self.wait(connection)
        return True

    def wait(self, connection: "Connection") -> None:
        """Note that a connection waits for a request from now on."""
        self._idle.pop(connection, None)
        if connection in self._open:
            self._idle[connection] = None

    def work(self, connection: "Connection") -> None:
        """Note that a connection has a request."""
        self._idle.pop(connection, None)

    def leave(self, connection: "Connection") -> None:
        """Unregister a connection."""
        self._idle.pop(connection, None)
        if (address := self._open.pop(connection, None)) is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def break_off(self, is_over: Callable[[Mapping[str, Any]], bool]) -> None:
        """Break off the answers to those requests, in the middle: a browser asks anew."""
        for connection in list(self._open):
            cycle = connection.cycle
            if cycle is not None and not cycle.response_complete and is_over(cycle.scope):
                connection.transport.abort()

    def _evict(self, address: str | None = None) -> bool:
        """Close the connection that has waited longest: of all, or of an address."""
        waiting = (one for one in self._idle if address in (None, self._open[one]))
        if (oldest := next(waiting, None)) is None:
            return False
        self.leave(oldest)
        oldest.transport.abort()
        return True


class _Reader(h11.Connection):
    """A reader of requests with few small chunks: each costs as much as hundreds of bytes."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, _HEAD)
        self._chunks = self._bytes = 0

    def next_event(self) -> Any:
        """Return the next event. Raises RemoteProtocolError."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            if self._chunks > _CHUNKS + self._bytes / _PER_CHUNK:
                raise h11.RemoteProtocolError("too many small chunks")
        return event


class Connection(H11Protocol):
    """A connection within the limits of a registry."""

    def __init__(self, registry: ConnectionRegistry, **given: Any) -> None:
        super().__init__(**given)
        self.conn = _Reader()
        self._registry, self._limits = registry, registry.limits
        self._waiting = True  # for a request
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """The address of the peer."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers."""
        super().connection_made(transport)
        if is_within(self.address, self._limits.exempt):
            self.timeout_keep_alive = self._limits.proxy_idle_seconds  # type: ignore[assignment]
        if self._registry.enter(self):
            self._set_timer(self._limits.header_seconds, self._give_up)
        else:
            self._turn_away(b"503 Service Unavailable\r\nRetry-After: 5")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._registry.leave(self)
        for timer in (self._timer, self._stalled, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse data as it comes, in time."""
        if not self._waiting and self.conn.their_state is h11.MUST_CLOSE:
            return  # announced to be the last; uvicorn would break off its answer
        # h11 checks the length of headers only while they are incomplete: at once, a quarter of a
        # megabyte would pass.
        while (
            self.conn.their_state is h11.IDLE
            and len(data) > _STEP
            and not self.transport.is_closing()
        ):
            super().data_received(data[:_STEP])
            data = data[_STEP:]
        if not self.transport.is_closing():
            super().data_received(data)
        if self._waiting and self._timer is None:  # the first byte of a further request
            self._set_timer(self._limits.header_seconds, self._give_up)
        self._settle()
        ahead = len(self.conn.trailing_data[0]) if self.conn.their_state is h11.DONE else 0
        if ahead > _AHEAD:
            self.transport.abort()  # Gradio's streams keep receiving, and all of it would be kept
        elif ahead and self.cycle is not None:
            self.cycle.keep_alive = False
            headers: Any = self.cycle.scope["headers"]
            headers.append(CLOSE_HEADER)  # so that the answer says it

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; where an answer has begun, break it off."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def on_response_complete(self) -> None:
        """Wait for the next request, which may have come already."""
        super().on_response_complete()
        self._settle()

    def timeout_keep_alive_handler(self) -> None:
        """Close a silent connection."""
        super().timeout_keep_alive_handler()
        self._settle()

    def pause_writing(self) -> None:
        """Wait until the peer accepts what it was sent."""
        super().pause_writing()
        seconds = self._limits.send_seconds
        self._stalled = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue to send."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _settle(self) -> None:
        """Note whether the connection waits for a request now."""
        waiting = self.cycle is None or self.cycle.response_complete
        if self.transport.is_closing():  # the peer must accept the rest within that time
            self._set_timer(self._limits.send_seconds, self.transport.abort)
        elif waiting and not self._waiting:
            self._registry.wait(self)
            if self.conn.their_state is h11.SEND_BODY:
                self._set_timer(self._limits.linger_seconds, self.transport.abort)
        elif self._waiting and not waiting:
            self._registry.work(self)
            self._set_timer(0, None)
        self._waiting = waiting

    def _set_timer(self, seconds: float, act: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, act) if act else None

    def _give_up(self) -> None:
        """Close a connection whose headers did not come in time."""
        if self.conn.trailing_data[0]:
            self._turn_away(b"408 Request Timeout")
        else:
            self.transport.abort()

    def _turn_away(self, status: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n")
            self.transport.close()
        self._settle()
