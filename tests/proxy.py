"""A stretch of wire that breaks on demand: a TCP proxy in front of any server. It hands bytes on as
they are, so that whoever builds addresses from the Host header builds them to lead through here
again.

Troubles, by name; each hits whole connections:

* reset       the first bytes of a request arrive, none is handed on; then RST            the server
has seen nothing
* stall       accepted, never answered, nothing handed on                                 the server
has seen nothing
* drop-reply  the request is handed on; when the reply begins, RST                        the server
has done it
* cut-BYTES   that much of the reply, then an orderly end                                 the server
has done it
* delay-S     nothing is handed on for so long, then everything                           the server
does it late
* throttle-B  the reply comes at so many bytes a second                                   the server
has done it

And `refuse`: nobody listens, so that connecting is refused.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Self

_PIECE = 1 << 16  # bytes
_TICKS = 20  # pieces a second, when throttled


@dataclass
class Trouble:
    """A trouble that waits: its name without the figure, the figure, and how many connections it
    still hits (None: all).
    """

    name: str
    figure: float = 0
    count: int | None = None


class Proxy:
    """`async with Proxy(host, port) as proxy`: what connects to 127.0.0.1:`proxy.port` talks to
    host:port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._trouble: Trouble | None = None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def host(self) -> str:
        """What clients write into their Host header."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._holder = (
            socket.socket()
        )  # bound, never listening: it keeps the port ours while connecting is refused
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind(("127.0.0.1", 0))
        self.port: int = self._holder.getsockname()[1]
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        self._holder.close()

    async def accept(self) -> None:
        """Listens (again)."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self.port, reuse_port=True
            )

    async def refuse(self) -> None:
        """Stops listening until `accept`, and ends what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._end_all()

    async def set(self, trouble: str, count: int | None = None) -> None:
        """Sets a trouble for the next `count` connections, or until cleared; ends what is open, so
        that the next request connects anew.
        """
        name, _, figure = trouble.rpartition("-") if trouble[-1].isdigit() else (trouble, "", "0")
        if name not in ("reset", "stall", "drop-reply", "cut", "delay", "throttle"):
            raise ValueError(f"no such trouble: {trouble}")
        self._trouble = Trouble(name, float(figure), count)
        await self._end_all()

    def clear(self) -> None:
        """Lets every new connection through."""
        self._trouble = None

    def _take(self) -> Trouble:
        trouble = self._trouble
        if trouble is None:
            return Trouble("")
        if trouble.count is not None:
            trouble.count -= 1
            if trouble.count <= 0:
                self._trouble = None
        return trouble

    async def _end_all(self) -> None:
        ending = list(self._open)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._open.add(task)
        try:
            await self._carry(self._take(), reader, writer)
        except (
            ConnectionError,
            asyncio.CancelledError,
        ):  # one side went away, or we were told to end
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _carry(
        self, trouble: Trouble, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if trouble.name == "stall":
            await _drained(reader)
            return
        if trouble.name == "reset":
            await reader.read(1)
            _reset(writer)
            return
        if trouble.name == "delay":
            await asyncio.sleep(trouble.figure)
        async with _connected(*self._target) as (answers, requests):
            sending = asyncio.create_task(_hand_on(reader, requests))
            try:
                await _reply(trouble, answers, writer)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)


async def _reply(
    trouble: Trouble, answers: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if trouble.name == "drop-reply":
        await answers.read(1)
        _reset(writer)
    elif trouble.name == "cut":
        with contextlib.suppress(asyncio.IncompleteReadError):
            writer.write(await answers.readexactly(int(trouble.figure)))
            await writer.drain()
    elif trouble.name == "throttle":
        while piece := await answers.read(max(1, int(trouble.figure / _TICKS))):
            writer.write(piece)
            await asyncio.sleep(len(piece) / trouble.figure)
    else:
        await _hand_on(answers, writer)


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(_PIECE):
        pass


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )  # close() then sends RST
    writer.transport.abort()


@contextlib.asynccontextmanager
async def _connected(
    host: str, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.close()
