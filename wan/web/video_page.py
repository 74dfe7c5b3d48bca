"""The page of one video, for whoever has its link.

No account and no key. Its owner can reset the link, and then it leads nowhere, as every wrong one
does.
"""

import asyncio

from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    Response,
)
from starlette.routing import Route

from wan.domain.errors import JobNotFound, StorageUnavailable
from wan.domain.jobs import Job
from wan.domain.messages import Language, t
from wan.service.studio import Studio
from wan.web import review_html
from wan.web.downloads import name_download
from wan.web.paths import MEDIA
from wan.web.review_page import HEADERS, drop_slash, language_of

_TITLE_LENGTH = 60  # characters of the prompt


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Return every route of a video's page. opened: set when the studio can be asked; whoever comes
    earlier waits for it.
    """

    async def page(request: Request) -> Response:
        language = language_of(request)
        await opened.wait()
        try:
            job = await studio.library.get_by_link(request.path_params["token"])
        except JobNotFound:
            return await answer_not_found(request)
        except StorageUnavailable as trouble:
            return PlainTextResponse(trouble.message.say(language), 503, HEADERS)
        return HTMLResponse(show_video(language, job), headers=HEADERS)

    async def media(request: Request) -> Response:
        token, name = request.path_params["token"], request.path_params["name"]
        await opened.wait()
        try:
            path = await studio.library.find_linked(token, name) if name in MEDIA else None
            called = await name_download(studio, request, token, to_others=True)
        except StorageUnavailable as trouble:
            return PlainTextResponse(trouble.message.say(language_of(request)), 503, HEADERS)
        if path is None:
            return await answer_not_found(request)
        return FileResponse(path, media_type=MEDIA[name], headers=HEADERS, filename=called)

    return [
        Route("/video/{token}", page),
        Route("/video/{token}/", drop_slash),
        Route("/video/{token}/{name}", media),
        Route("/video", answer_not_found),
        Route("/video/{rest:path}", answer_not_found),
    ]


def show_video(language: Language, job: Job) -> str:
    """Return the page of a job's video: the prompt and what was measured, never what it cost."""
    prompt = " ".join(str(job.request.get("prompt", "")).split())
    long = len(prompt) > _TITLE_LENGTH
    return review_html.document(
        "video_page.html",
        language,
        title=f"{prompt[:_TITLE_LENGTH]}…" if long else prompt or t(language, "video_untitled"),
        look="",
        job=job,
        prompt=prompt,
        facts=review_html.facts(language, job),
    )


async def answer_not_found(request: Request) -> Response:
    """Answer a link that leads nowhere, whatever the reason."""
    language = language_of(request)
    gone = review_html.document("video_gone.html", language, title="Wan Studio", look="")
    return HTMLResponse(gone, 404, headers=HEADERS)
