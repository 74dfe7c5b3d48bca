"""What whoever has a review's link asks for: the page, its tally, its videos; and the verdicts that they send.

No account and no key. Every link that leads nowhere, for whatever reason, gets the same answer. What is sent is checked in `wan.reviews`; its origin,
kind, size and rate are the guard's.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from wan.errors import AccessRefused, InvalidInput, NotKept, ReviewNotFound, WanError
from wan.reviews import Review
from wan.studio import Studio
from wan.ui import review_cards
from wan.ui.files import MEDIA
from wan.words import Language

_KEPT = 8  # pages and tallies; one may have some megabytes
# no-store for the videos too: a link that is revoked is closed in every browser that had it open.
_HEADERS = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
_STATUS: dict[type[WanError], int] = {ReviewNotFound: 404, InvalidInput: 400, AccessRefused: 409, NotKept: 503}
_TROUBLES = tuple(_STATUS)

Answering = Callable[[Request], Awaitable[Response]]


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Every route of a review. opened: set when the studio can be asked; whoever comes earlier waits for it."""
    built = _Built(studio)

    async def page(request: Request) -> Response:
        token, language = request.path_params["token"], language_of(request)
        try:
            version = await studio.review_version(token)
            html = await built(token, f"{version} {language}", partial(_page, token=token, language=language))
        except ReviewNotFound:
            return await gone(request)
        return HTMLResponse(html, headers=_HEADERS)

    async def tally(request: Request) -> Response:
        token = request.path_params["token"]
        version = await studio.review_version(token)
        headers = _HEADERS | {"ETag": f'"{version}"'}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(await built(token, version, _parts), headers=headers, media_type="application/json")

    async def verdict(request: Request) -> Response:
        await studio.give_verdict(request.path_params["token"], json.loads(await request.body()))
        return await tally(request)

    async def media(request: Request) -> Response:
        token, number, name = (request.path_params[part] for part in ("token", "number", "name"))
        known = name in MEDIA and re.fullmatch("[0-9]{1,2}", number)  # Starlette's own {number:int} breaks at 4,300 digits
        path = await studio.review_media(token, int(number), name) if known else None
        if path is None:
            return await gone(request)
        return FileResponse(path, media_type=MEDIA[name], headers=_HEADERS)

    ready = partial(_ready, opened)
    return [
        Route("/review/{token}", ready(page)),
        Route("/review/{token}/tally", ready(tally)),
        Route("/review/{token}/verdict", ready(verdict), methods=["POST"]),
        Route("/review/{token}/{number}/{name}", ready(media)),
        Route("/review", gone),
        Route("/review/{rest:path}", gone),
    ]


def _ready(opened: asyncio.Event, answering: Answering) -> Answering:
    async def answer(request: Request) -> Response:
        await opened.wait()
        try:
            return await answering(request)
        except _TROUBLES as trouble:
            return JSONResponse({"detail": trouble.sentence.say(language_of(request))}, _STATUS[type(trouble)], headers=_HEADERS)

    return answer


class _Built:
    """What reviews look like: put together off the event loop, once for all who look, and kept until others have been looked at."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._kept: dict[str, asyncio.Task[bytes]] = {}
        """By what it is and of which version; what was looked at last is last."""

    async def __call__(self, token: str, name: str, write: Callable[[Review], bytes]) -> bytes:
        """What `write` makes of a review. name: of that, in the version that was asked for. Raises what `Studio.review_by_link` does."""
        task = self._kept.pop(name, None)
        if task is None or (task.done() and task.exception()):  # no task is ever cancelled
            task = asyncio.create_task(self._build(token, write))
        self._kept[name] = task
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return await asyncio.shield(task)  # who goes away does not take it from the others

    async def _build(self, token: str, write: Callable[[Review], bytes]) -> bytes:
        return await asyncio.to_thread(write, await self._studio.review_by_link(token))


async def gone(request: Request) -> Response:
    """What every link gets that leads nowhere."""
    return HTMLResponse(review_cards.gone(language_of(request)), 404, headers=_HEADERS)


def language_of(request: Request) -> Language:
    """The language that a browser asks for first."""
    return "zh" if request.headers.get("accept-language", "").strip().lower().startswith("zh") else "en"


def _page(review: Review, *, token: str, language: Language) -> bytes:
    return review_cards.page(review, token=token, language=language).encode()


def _parts(review: Review) -> bytes:
    return json.dumps({"parts": review_cards.parts(review)}, ensure_ascii=False).encode()
