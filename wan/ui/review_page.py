"""What whoever has a review's link asks for: the page, its tally, its videos; and the verdicts that they send.

No account and no key. Every link that leads nowhere, for whatever reason, gets the same answer. What is sent is checked in `wan.reviews`; its origin,
kind, size and rate are the guard's.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from wan.errors import AccessRefused, InvalidInput, NotKept, ReviewNotFound, WanError
from wan.reviews import Review
from wan.studio import Studio
from wan.ui import review_cards
from wan.ui.files import MEDIA
from wan.words import Language

# no-store for the videos too: a link that is revoked is closed in every browser that had it open.
_HEADERS = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
_STATUS: dict[type[WanError], int] = {ReviewNotFound: 404, InvalidInput: 400, AccessRefused: 409, NotKept: 503}
_TROUBLES = tuple(_STATUS)

Answering = Callable[[Request], Awaitable[Response]]


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Every route of a review. opened: set when the studio can be asked; whoever comes earlier waits for it."""

    async def page(request: Request) -> Response:
        token, language = request.path_params["token"], language_of(request)
        try:
            review = await studio.review_by_link(token)
        except ReviewNotFound:
            return await gone(request)
        return HTMLResponse(review_cards.page(review, token=token, language=language), headers=_HEADERS)

    async def tally(request: Request) -> Response:
        body = _parts(await studio.review_by_link(request.path_params["token"]))
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        same = request.headers.get("if-none-match") == etag
        return Response(b"" if same else body, 304 if same else 200, _HEADERS | {"ETag": etag}, "application/json")

    async def verdict(request: Request) -> Response:
        review = await studio.give_verdict(request.path_params["token"], json.loads(await request.body()))
        return Response(_parts(review), headers=_HEADERS, media_type="application/json")

    async def media(request: Request) -> Response:
        token, number, name = (request.path_params[part] for part in ("token", "number", "name"))
        known = name in MEDIA and re.fullmatch("[0-9]{1,2}", number)  # Starlette's own {number:int} breaks at 4,300 digits
        path = await studio.review_media(token, int(number), name) if known else None
        if path is None:
            return await gone(request)
        return FileResponse(path, media_type=MEDIA[name], headers=_HEADERS)

    def ready(answering: Answering) -> Answering:
        async def answer(request: Request) -> Response:
            await opened.wait()
            try:
                return await answering(request)
            except _TROUBLES as trouble:
                return JSONResponse({"detail": trouble.sentence.say(language_of(request))}, _STATUS[type(trouble)], headers=_HEADERS)

        return answer

    return [
        Route("/review/{token}", ready(page)),
        Route("/review/{token}/tally", ready(tally)),
        Route("/review/{token}/verdict", ready(verdict), methods=["POST"]),
        Route("/review/{token}/{number}/{name}", ready(media)),
        Route("/review", gone),
        Route("/review/{rest:path}", gone),
    ]


async def gone(request: Request) -> Response:
    """What every link gets that leads nowhere."""
    return HTMLResponse(review_cards.gone(language_of(request)), 404, headers=_HEADERS)


def language_of(request: Request) -> Language:
    """The language that a browser asks for first."""
    return "zh" if request.headers.get("accept-language", "").strip().lower().startswith("zh") else "en"


def _parts(review: Review) -> bytes:
    return json.dumps({"parts": review_cards.parts(review)}, ensure_ascii=False).encode()
