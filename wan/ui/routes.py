"""What the server answers beside Gradio: files of the page, results by their tokens, stills of the empty stage, and whether it is well."""

import asyncio
import mimetypes
from pathlib import Path

from gradio.utils import get_upload_folder
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from wan.errors import NotKept
from wan.studio import Studio
from wan.ui.files import MEDIA, SAMPLES, STILLS

_STILLS = frozenset({"image.webp", "reference.webp"})


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Every route of our own. opened: set when the studio can be asked; whoever wants a result earlier waits for it."""

    async def media(request: Request) -> Response:
        token, name = request.path_params["token"], request.path_params["name"]
        await opened.wait()
        try:
            path = await studio.media(token, name) if name in MEDIA else None
        except NotKept as trouble:
            return PlainTextResponse(str(trouble), status_code=503)
        if path is None:
            return _nothing()
        return FileResponse(path, media_type=MEDIA[name], headers={"Cache-Control": "private, max-age=3600"})

    return [
        Route("/gradio_api/file={path:path}", _file),
        Route("/healthz", _health),
        Route("/media/{token}/{name}", media),
        Route("/still/{name}", _still),
    ]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _file(request: Request) -> Response:
    """In place of Gradio's own route, which fetches URLs too and echoes the headers of the request."""
    path = await asyncio.to_thread(_kept, request.path_params["path"])
    if path is None:
        return _nothing()
    kind = mimetypes.guess_type(path.name)[0] or ""
    if kind.startswith(("image/", "video/")) and kind != "image/svg+xml":
        return FileResponse(path, media_type=kind)
    return FileResponse(path, media_type="application/octet-stream", filename=path.name)


def _kept(name: str) -> Path | None:
    """A file that Gradio keeps for the page, or a sample; None for any other. Where a link leads counts, not where it stands."""
    try:
        path = Path(name).resolve(strict=True)
    except (OSError, ValueError):
        return None
    folders = (Path(get_upload_folder()).resolve(), SAMPLES.resolve())
    return path if path.is_file() and any(path.is_relative_to(folder) for folder in folders) else None


async def _still(request: Request) -> Response:
    name = request.path_params["name"]
    return FileResponse(STILLS / name, headers={"Cache-Control": "public, max-age=86400"}) if name in _STILLS else _nothing()


def _nothing() -> Response:
    return PlainTextResponse("Not found", status_code=404)
