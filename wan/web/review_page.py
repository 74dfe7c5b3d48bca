"""What whoever has a review's link asks for: the page, its tally, its videos; and the verdicts and
comments that they send.

No account and no key: that a comment is somebody's own is told by a token that their browser made
and sends along. Every link that leads nowhere, for whatever reason, gets the same answer.
What is sent is checked in `wan.domain.reviews`; its origin, kind, size and rate are the guard's.
"""

import asyncio
import gzip
import hashlib
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from wan.domain.errors import (
    AccessRefused,
    InvalidInput,
    ReviewNotFound,
    StorageUnavailable,
    WanError,
)
from wan.domain.messages import Language
from wan.domain.reviews import Person, Review
from wan.service.studio import Studio
from wan.web import languages, review_html
from wan.web.addresses import network
from wan.web.paths import MEDIA

_CACHE_LIMIT = 12  # pages and tallies; one may have some megabytes
_SEEN_LIMIT = (
    1_000  # what somebody has seen last, as hashes; as many may look at something else at once
)
HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
"""Of whatever is behind a link: no-store for videos too, so that one that is revoked is closed in
every browser that had it open.
"""
_STATUS: dict[type[WanError], int] = {
    ReviewNotFound: 404,
    InvalidInput: 400,
    AccessRefused: 409,
    StorageUnavailable: 503,
}
_REFUSALS = tuple(_STATUS)

Result = TypeVar("Result")
Answering = Callable[[Request], Awaitable[Response]]


def routes(studio: Studio, opened: asyncio.Event) -> list[Route]:
    """Return every route of a review. opened: set when the studio can be asked; whoever comes
    earlier waits for it.
    """
    review, ready = _ReviewRoutes(studio), partial(_ready, opened)
    return [
        Route("/review/{token}", ready(review.page)),
        Route("/review/{token}/", drop_slash),
        Route("/review/{token}/tally", ready(review.tally)),
        *(
            Route(f"/review/{{token}}/{name}", ready(answer), methods=["POST"])
            for name, answer in review.writing().items()
        ),
        Route("/review/{token}/{number}/{name}", ready(review.media)),
        Route("/review", answer_not_found),
        Route("/review/{rest:path}", answer_not_found),
    ]


class _ReviewRoutes:
    """What the addresses of a review answer."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._cache, self._seen = studio, _PageCache(), SeenParts()

    async def page(self, request: Request) -> Response:
        """Answer with the page."""
        token, language = request.path_params["token"], language_of(request)
        try:
            version = await self._studio.reviews.get_version(token)
            html = await self._cache(
                f"{version} {language}",
                partial(self._write, token, partial(_page, token=token, language=language)),
            )
        except ReviewNotFound:
            return await answer_not_found(request)
        return HTMLResponse(html, headers=HEADERS)

    async def tally(self, request: Request) -> Response:
        """Answer with what has changed since the parts that the browser shows."""
        token, language = request.path_params["token"], language_of(request)
        version = f"{await self._studio.reviews.get_version(token)} {language}"
        vary = f"Accept-Encoding, {languages.VARY}"
        headers = HEADERS | {"ETag": f'"{version}"', "Vary": vary}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        packed = "gzip" in request.headers.get("accept-encoding", "")
        since = self._seen.find(request.query_params.get("since", ""))

        async def write_changes() -> bytes:
            parts = await self._cache(
                f"parts {version}",
                partial(self._write, token, partial(review_html.parts, language)),
            )
            return await asyncio.to_thread(self._seen.write, parts, since=since, packed=packed)

        headers |= {"Content-Encoding": "gzip"} if packed else {}
        return Response(
            await self._cache(f"{version} {since} {packed}", write_changes),
            headers=headers,
            media_type="application/json",
        )

    def writing(self) -> dict[str, Answering]:
        """What is sent, each by the end of its address."""
        return {
            "own": self.own,
            **{
                name: partial(self._write_down, write)
                for name, write in (
                    ("verdict", self._give_verdict),
                    ("reply", self._reply),
                    ("edit", self._edit),
                    ("delete", self._delete),
                    ("name", self._rename),
                )
            },
        }

    async def own(self, request: Request) -> Response:
        """Answer with the ids of what somebody's own browser has written."""
        person, _ = await self._read(request)
        own = await self._studio.discussion.list_own(person)
        return JSONResponse({"own": own}, headers=HEADERS)

    async def _write_down(
        self, write: Callable[[Request], Awaitable[None]], request: Request
    ) -> Response:
        """Take what somebody says, and answer with what has changed."""
        await write(request)
        return await self.tally(request)

    async def _give_verdict(self, request: Request) -> None:
        given = json.loads(await request.body())
        await self._studio.reviews.give_verdict(
            request.path_params["token"], given, network=_network_of(request)
        )

    async def _reply(self, request: Request) -> None:
        person, given = await self._read(request)
        await self._studio.discussion.reply(
            person,
            given.get("comment"),
            given.get("text"),
            given.get("name"),
            network=_network_of(request),
        )

    async def _edit(self, request: Request) -> None:
        person, given = await self._read(request)
        await self._studio.discussion.edit(person, given.get("comment"), given.get("text"))

    async def _delete(self, request: Request) -> None:
        person, given = await self._read(request)
        await self._studio.discussion.delete(person, given.get("comment"))

    async def _rename(self, request: Request) -> None:
        person, given = await self._read(request)
        await self._studio.discussion.rename(person, given.get("name"))

    async def _read(self, request: Request) -> tuple[Person, dict[str, Any]]:
        """Return who sends something, and what."""
        given = json.loads(await request.body())
        token = request.path_params["token"]
        person = await self._studio.discussion.find_reviewer(token, given.get("reviewer"))
        return person, given

    async def media(self, request: Request) -> Response:
        """Answer with a file of a take."""
        token, number, name = (request.path_params[part] for part in ("token", "number", "name"))
        # Starlette's own {number:int} breaks at 4,300 digits.
        known = name in MEDIA and re.fullmatch("[0-9]{1,2}", number)
        path = await self._studio.reviews.find_media(token, int(number), name) if known else None
        if path is None:
            return await answer_not_found(request)
        return FileResponse(path, media_type=MEDIA[name], headers=HEADERS)

    async def _write(self, token: str, write: Callable[[Review], Result]) -> Result:
        """Return what a function makes of the review behind a link. Raises ReviewNotFound."""
        return await asyncio.to_thread(write, await self._studio.reviews.get_by_link(token))


def _ready(opened: asyncio.Event, answering: Answering) -> Answering:
    async def answer(request: Request) -> Response:
        await opened.wait()
        try:
            return await answering(request)
        except _REFUSALS as trouble:
            return JSONResponse(
                {"detail": trouble.message.say(language_of(request))},
                _STATUS[type(trouble)],
                headers=HEADERS,
            )

    return answer


class _PageCache:
    """Pages and tallies, each written once for all who look at it, and kept until others have been
    looked at.
    """

    def __init__(self) -> None:
        self._kept: dict[str, asyncio.Task[Any]] = {}
        """By what it is and of which version; what was looked at last is last."""

    async def __call__(self, name: str, make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return what is kept under a name, or make it. name: of it and its version. Raises what
        making it does.
        """
        task = self._kept.pop(name, None)
        if task is None or (task.done() and task.exception()):  # no task is ever cancelled
            task = asyncio.create_task(make())
        self._kept[name] = task
        while len(self._kept) > _CACHE_LIMIT:
            del self._kept[next(iter(self._kept))]
        result: Result = await asyncio.shield(
            task
        )  # who goes away does not take it from the others
        return result


class SeenParts:
    """Which parts browsers show already, so that they are sent only those that have changed."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, dict[str, bytes]] = OrderedDict()
        """A hash of each part, by a name for all of them together, which is a hash of those."""
        self._lock = threading.Lock()

    def find(self, name: str) -> str:
        """Return the name; "" where it is not known, or not any more: then everything is sent."""
        return name if name in self._seen else ""

    def write(self, parts: Mapping[str, str], *, since: str, packed: bool) -> bytes:
        """Write the parts that have changed as JSON, with the name for all of them now. since: the
        name that a browser has. packed: whether as gzip.
        """
        hashes = {name: hashlib.sha256(html.encode()).digest()[:16] for name, html in parts.items()}
        name = hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()[:20]
        with self._lock:
            before = self._seen.get(since, {})
            self._seen[name] = hashes
            self._seen.move_to_end(name)
            while len(self._seen) > _SEEN_LIMIT:
                self._seen.popitem(last=False)
        changed = {part: html for part, html in parts.items() if before.get(part) != hashes[part]}
        body = json.dumps({"parts": changed, "at": name}, ensure_ascii=False).encode()
        return gzip.compress(body, 5, mtime=0) if packed else body


async def drop_slash(request: Request) -> Response:
    """Answer a link with a slash behind it, from which every address of its page would lead
    elsewhere; whether or not there is such a link.
    """
    return RedirectResponse(f"../{request.path_params['token']}", headers=HEADERS)


async def answer_not_found(request: Request) -> Response:
    """Answer a link that leads nowhere, whatever the reason."""
    return HTMLResponse(review_html.not_found(language_of(request)), 404, headers=HEADERS)


def language_of(request: Request) -> Language:
    """Return the language for an answer."""
    return languages.language_of(request.url.query, request.headers)


def _network_of(request: Request) -> str:
    """Return where somebody is, so that one network does not fill a review."""
    return network(request.client.host if request.client else "")


def _page(review: Review, *, token: str, language: Language) -> bytes:
    return review_html.page(review, token=token, language=language).encode()
