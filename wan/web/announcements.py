"""Announcements of the service: that a task has ended, as EventBridge sends it to an HTTP target.

Nothing of an event is believed but which task it is about, and that task is polled at once. So
whoever knows WAN_EVENT_SECRET and lies can cost a query for each task; to everybody else the
address leads nowhere.

Source: Model Studio help centre, "receive asynchronous task completion notifications", 2026-10; the
retries, EventBridge, "event target parameters", 2026.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qs

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from wan.domain.errors import StorageUnavailable
from wan.environment.settings import Settings
from wan.service.studio import Studio
from wan.web.secrets import bearer_token, is_secret

PATH = "/events/dashscope"
_TYPE = "dashscope:System:AsyncTaskFinish"
_PARAMETER = "secret"
_TRIES, _PAUSE = 20, 0.2  # seconds; a poll that is in hand takes less than all of them
_LATER = {"Retry-After": "10"}  # seconds, after which EventBridge comes again at the earliest


class _Data(BaseModel):
    task_id: str = Field(min_length=1, max_length=128)


class _Event(BaseModel):
    """What is read of an event."""

    type: str
    data: _Data


def may_announce(settings: Settings, scope: Scope) -> bool:
    """Tell whether a request brings the secret, in a header or, where none can be sent, in the
    address.
    """
    if settings.event_secret is None:
        return False
    query = parse_qs(scope["query_string"].decode("latin-1"))
    given = bearer_token(scope) or query.get(_PARAMETER, [""])[0]
    return is_secret(given, settings.event_secret)


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Return the route, where there is a secret; the guard asks `may_announce`. opened: set once
    the studio is ready.
    """
    if studio.settings.event_secret is None:
        return []

    async def hear(request: Request) -> Response:
        try:
            event = _Event.model_validate_json(await request.body())
        except ValidationError:
            return Response(status_code=400)
        if event.type != _TYPE:
            return Response(status_code=204)
        heard = opened.is_set() and await _say(studio.runner.announce, event.data.task_id)
        return Response(status_code=204) if heard else Response(status_code=503, headers=_LATER)

    return [Route(PATH, hear, methods=["POST"])]


async def _say(announce: Callable[[str], Coroutine[Any, Any, bool]], task_id: str) -> bool:
    """Announce the end of a task, again while its job is in hand. Return whether that was heard."""
    for _ in range(_TRIES):
        try:
            if await announce(task_id):
                return True
        except StorageUnavailable:
            return False
        await asyncio.sleep(_PAUSE)
    return False
