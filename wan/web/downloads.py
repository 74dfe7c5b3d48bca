"""What browsers call the videos that they download."""

from starlette.requests import Request

from wan.domain.errors import JobNotFound
from wan.service.studio import Studio

_ENDINGS = {"video.mp4": ".mp4", "original.mp4": " original.mp4"}


async def name_download(
    studio: Studio, request: Request, link: str, *, to_others: bool = False
) -> str | None:
    """Return the name of a video that is asked for with `?download`; None where it is only shown.
    link: to its page. to_others: see `FileNames.of`. Raises StorageUnavailable.
    """
    ending = _ENDINGS.get(request.path_params["name"])
    if ending is None or "download" not in request.query_params:
        return None
    try:
        job = await studio.library.get_by_link(link)
    except JobNotFound:  # deleted a moment ago
        return None
    return studio.file_names.of(job, to_others=to_others) + ending
