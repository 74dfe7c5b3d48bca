"""Routes beside Gradio's: uploaded files, results by their tokens, stills, and a health check."""

import asyncio
import mimetypes
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from wan.domain import ids
from wan.domain.errors import Crowded, StorageUnavailable
from wan.service.studio import Studio
from wan.storage.uploads import Upload
from wan.web import uploads
from wan.web.addresses import group
from wan.web.downloads import name_download
from wan.web.paths import MEDIA, STILLS
from wan.web.sign_in import name_of

_STILLS = frozenset({"image.webp", "reference.webp"})


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Return all routes. opened: set once the studio is ready; requests for results wait for it."""
    return [
        _file_route(studio),
        *uploads.routes(studio.uploads, is_signed_in, metrics=studio.metrics, counts=studio.counts),
        Route("/healthz", _health),
        _media_route(studio, opened),
        _thumbnail_route(studio, opened),
        Route("/still/{name}", _still),
    ]


def _media_route(studio: Studio, opened: asyncio.Event) -> Route:
    """Return the route of results by their tokens."""

    async def media(request: Request) -> Response:
        token, name = request.path_params["token"], request.path_params["name"]
        await opened.wait()
        try:
            if studio.stores.signed and _is_played(request):
                address = await studio.library.find_media_address(token)
                return _not_found() if address is None else _elsewhere(address)
            path = await studio.library.find_media(token, name) if name in MEDIA else None
            called = await name_download(studio, request, token[: ids.VIDEO_LENGTH])
        except StorageUnavailable as trouble:
            return PlainTextResponse(str(trouble), status_code=503)
        if path is None:
            return _not_found()
        headers = {"Cache-Control": "private, max-age=3600"}
        return FileResponse(path, media_type=MEDIA[name], headers=headers, filename=called)

    return Route("/media/{token}/{name}", media)


def _thumbnail_route(studio: Studio, opened: asyncio.Event) -> Route:
    """Return the route of small pictures of what a job was made from."""

    async def thumbnail(request: Request) -> Response:
        token, job, number = (request.path_params[part] for part in ("token", "job", "number"))
        # Starlette's own {number:int} breaks at 4,300 digits.
        if not re.fullmatch("[0-9]{1,2}", number):
            return _not_found()
        address = group(request.client.host) if request.client else ""
        await opened.wait()
        try:
            webp = await studio.thumbnails.find(token, job, int(number), address)
        except (StorageUnavailable, Crowded) as trouble:
            return PlainTextResponse(str(trouble), status_code=503)
        if webp is None:
            return _not_found()
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(webp, media_type="image/webp", headers=headers)

    return Route("/reference/{token}/{job}/{number}", thumbnail)


def _file_route(studio: Studio) -> Route:
    """Return the route of uploads, which replaces Gradio's: that one relays URLs and headers."""

    async def file(request: Request) -> Response:
        if not is_signed_in(request):
            return PlainTextResponse("Not authenticated", 401)
        path = await asyncio.to_thread(studio.uploads.find, request.path_params["path"])
        if path is None:
            return _not_found()
        kind = mimetypes.guess_type(path.name)[0] or ""
        # What is deleted must be gone from the page too; samples stay.
        kept = "no-cache" if isinstance(path, Upload) else "max-age=86400"
        headers = {"Cache-Control": f"private, {kept}"}
        if kind.startswith(("image/", "video/")) and kind != "image/svg+xml":
            return FileResponse(path, media_type=kind, headers=headers)
        # Without a name, so that the link to it can give one; else it is the end of the address.
        headers["Content-Disposition"] = "attachment"
        return FileResponse(path, media_type="application/octet-stream", headers=headers)

    return Route("/gradio_api/file={path:path}", file)


def _is_played(request: Request) -> bool:
    """Return whether a player asks for a video. What is downloaded has to come from here: else
    browsers would not give it its name. They send the header over https and on this machine alone.
    """
    plays = request.headers.get("sec-fetch-dest") == "video"
    return plays and request.path_params["name"] == "video.mp4"


def _elsewhere(address: str) -> Response:
    """Answer that a video is at an address, which nobody may keep: the next piece gets its own."""
    return RedirectResponse(address, headers={"Cache-Control": "no-store"})


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def is_signed_in(request: Request) -> bool:
    """Return whether somebody is signed in, where people sign in; Gradio knows who is."""
    app: Any = request.app
    if getattr(app, "auth", None) is None:
        return True
    return name_of(app, request) is not None


async def _still(request: Request) -> Response:
    name = request.path_params["name"]
    return (
        FileResponse(STILLS / name, headers={"Cache-Control": "public, max-age=86400"})
        if name in _STILLS
        else _not_found()
    )


def _not_found() -> Response:
    return PlainTextResponse("Not found", status_code=404)
