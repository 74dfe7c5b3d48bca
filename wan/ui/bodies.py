"""Bodies of JSON: read as a whole within their limits, before anybody else sees them."""

import asyncio
import json
from typing import Any

from starlette.types import Message, Receive

from wan.ui.refusal import Refused

_JSON_SECONDS = 30


async def read(receive: Receive, limit: int) -> bytes:
    """A body of JSON of at most `limit` bytes as a whole. Raises Refused."""
    body = bytearray()
    try:
        async with asyncio.timeout(_JSON_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if message["type"] == "http.disconnect" or len(body) > limit:
                    raise Refused(413)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Refused(408) from None


def again(body: bytes, receive: Receive) -> Receive:
    """Receives a body that has been read once more."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return whole.pop() if whole else await receive()

    return replayed


def asked_in(body: bytes) -> dict[str, Any]:
    """What a body of JSON asks for. Raises Refused for what asks for nothing."""
    try:
        given = json.loads(body)
        json.dumps(given, ensure_ascii=False).encode()  # half a character would break whatever writes it down later, the stream of events too
    except (ValueError, RecursionError):
        raise Refused(400) from None
    if not isinstance(given, dict):
        raise Refused(400)
    return given
