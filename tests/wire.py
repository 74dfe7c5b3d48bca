"""A server that answers with exactly these bytes: what no well-behaved server does must be tested
too.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from pydantic import SecretStr

from tests.stream_server import stream_server
from wan.environment.connection import Connection

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Wire:
    """Where it listens, and the head and body of every request that arrived."""

    port: int
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        return Connection(
            backend="dashscope",
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            region="",
            workspace="",
            key=SecretStr("sk-test1234"),
        )


@contextlib.asynccontextmanager
async def wire(answer: bytes | None, *, then: Answer | None = None) -> AsyncIterator[Wire]:
    """Serves `answer` to every request and closes; None closes without a word. then: goes on after
    that.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (
                int(line.split(":")[1])
                for line in head.splitlines()
                if line.lower().startswith("content-length:")
            ),
            0,
        )
        made.requests.append((head, await reader.readexactly(length)))
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        if then is not None:
            await then(reader, writer)

    async with stream_server(handle) as port:
        made = Wire(port)
        yield made


def reply(
    status: int,
    body: object,
    *,
    headers: str = "",
    kind: str = "application/json",
    length: int | None = None,
) -> bytes:
    """An HTTP answer. length: what Content-Length says, where it shall lie."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(data) if length is None else length
    head = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: "
        f"{size}\r\n{headers}Connection: close\r\n\r\n"
    )
    return head.encode() + data
