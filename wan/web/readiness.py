"""Whether the app can work: a route for whatever starts it, sends it visitors and restarts it."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wan.service.studio import Studio

_HEADERS = {"Cache-Control": "no-store"}


def routes(
    studio: Studio,
    opened: asyncio.Event,
    is_stopping: Callable[[], bool],
    note_question: Callable[[], None] = lambda: None,
) -> list[Route]:
    """Return the route. opened: set once the studio is ready. is_stopping: whether the app has been
    told to end. note_question: called whenever somebody asks.
    """

    async def ready(request: Request) -> Response:
        note_question()
        if is_stopping():
            return _answer("stopping")
        if not opened.is_set():
            return _answer("starting")
        answers = await studio.monitoring.ask_stores()
        parts = {name: "ok" if there else "unavailable" for name, there in answers.items()}
        return _answer("ok" if all(answers.values()) else "unavailable", **parts)

    return [Route("/readyz", ready)]


def _answer(status: str, **parts: str) -> Response:
    code = HTTPStatus.OK if status == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({"status": status, **parts}, code, headers=_HEADERS)
