"""The check of a connection: one question to the service that costs nothing."""

import asyncio
from urllib.parse import urlsplit

from wan.domain.errors import ServiceError, Throttled
from wan.domain.messages import Message, reword_as_waiting
from wan.environment.connection import Connection
from wan.provider.gateway import Gateway

GOOD = frozenset({"check_good", "check_simulator"})  # what a check says of a connection that works

_UNREACHED = {  # what a check says where a job would say this
    "not_reached_at": "check_unreached",
    "not_reached_unproxied": "check_unproxied",
    "not_reached_through": "check_through",
    "not_reached_certificate": "check_certificate",
}


async def check_connection(gateway: Gateway, connection: Connection) -> Message:
    """Ask the service one question that costs nothing, and return what came of it."""
    where = f"{connection.region or urlsplit(connection.base_url).hostname}" + (
        f", {connection.workspace}" if connection.workspace else ""
    )
    try:
        await asyncio.to_thread(gateway.prepare, connection)
        await gateway.ping(connection)
    except ServiceError as trouble:
        return _explain(trouble, where)
    return Message.of("check_good", where=where)


def _explain(trouble: ServiceError, where: str) -> Message:
    """Return what a failed check of the connection means."""
    code = trouble.code or str(trouble.status or "")
    if (
        reword_as_waiting(trouble.message) is not None
    ):  # about the account, or about the way to the service
        return trouble.message
    if isinstance(trouble, Throttled):
        return Message.of("check_busy")
    if trouble.status is None:
        said = trouble.message
        return (
            Message.of(_UNREACHED[said.key], **said.values)
            if said.key in _UNREACHED
            else Message.of("check_unreached", where=where)
        )
    return Message.of("check_odd", code=code, where=where)
