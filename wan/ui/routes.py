"""What the server answers beside Gradio: results by their tokens, stills of the empty stage, and whether it is well."""

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from wan.errors import NotKept
from wan.studio import Studio
from wan.ui.files import STILLS

_TYPES = {"video.mp4": "video/mp4", "original.mp4": "video/mp4", "poster.webp": "image/webp"}
_STILLS = frozenset({"image.webp", "reference.webp"})


def routes(studio: Studio) -> list[Route]:
    """Every route of our own."""

    async def media(request: Request) -> Response:
        token, name = request.path_params["token"], request.path_params["name"]
        try:
            path = await studio.media(token, name) if name in _TYPES else None
        except NotKept as trouble:
            return PlainTextResponse(str(trouble), status_code=503)
        if path is None:
            return _nothing()
        return FileResponse(path, media_type=_TYPES[name], headers={"Cache-Control": "private, max-age=3600"})

    return [Route("/healthz", _health), Route("/media/{token}/{name}", media), Route("/still/{name}", _still)]


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _still(request: Request) -> Response:
    name = request.path_params["name"]
    return FileResponse(STILLS / name, headers={"Cache-Control": "public, max-age=86400"}) if name in _STILLS else _nothing()


def _nothing() -> Response:
    return PlainTextResponse("Not found", status_code=404)
