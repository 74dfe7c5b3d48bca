# ruff: noqa: FBT001, FBT002 - callers name every value
"""The four endpoints for programs: what `gradio_client`, plain HTTP and MCP call by name.

Who asks is told by headers: whoever is signed in, else `X-Wan-Token` (that of a private link: the
same jobs as on that page), else the hash of the key in `X-Wan-Key`. Whoever sends none of these
gets a job id that opens their job and nothing else; an agent keeps one identity for as long as its
session lasts. What may be spent is decided by the same door as on the page: a key of the caller's
own, or the operator's within access code and budget.

Clients give up, and ask again for what they have not seen come. So whoever sends none of these
headers, and asks for the same from the same address within an hour, gets a view of the job that is
there: it is read by it, and nothing else can be done with it.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import inspect
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import gradio as gr
from starlette.requests import Request as HttpRequest

from wan.domain import catalog, ids
from wan.domain.catalog import IMAGE_TO_VIDEO, REFERENCE_TO_VIDEO
from wan.domain.errors import InvalidInput, JobNotFound, WanError
from wan.domain.jobs import Job, JobEvent
from wan.domain.messages import Message, t
from wan.domain.plain_text import is_blank
from wan.domain.quoting import shorten
from wan.domain.requests import (
    ImageToVideoRequest,
    Media,
    ReferenceToVideoRequest,
    Request,
    arrange_references,
)
from wan.domain.turns import Asker
from wan.media import inputs
from wan.service.access import Permission
from wan.service.studio import Studio
from wan.ui.api.mcp import report, session_of
from wan.ui.handling import Told, whether_heard
from wan.ui.inputs import describe
from wan.ui.visitor import NotReady, address_of, authorize
from wan.web.capacity import Capacity
from wan.web.events import RECHECK, RELEASE, SHARED, SIZE

_log = logging.getLogger(__name__)

_LONGEST_WAIT = 600.0  # seconds that one call may stay open
_WAIT = 240.0  # seconds; longer than most runs, shorter than what most clients put up with
_AGENT_WAIT = 40.0  # seconds; agents' clients give up after 60, and do not see the answer
_CALLS = (
    200,
    30,
    16,
    # calls that wait at once, in all, from an address and for an owner; one beyond says at once
    # where its job stands
)
_CALLS_BYTES = 32_000_000  # of what they have sent
# stands in a job id between the token that was made for a caller without one, and the job; neither
# contains it
_BETWEEN = "."

_FILES = ("reference_image", "references", "reference_audio")  # parameters that hold files
_FILE_ROUTE = "/gradio_api/file="
_PATH = re.compile(
    r"\s*(?:file:|[a-z]:[\\/]|(?![a-z][a-z0-9+.-]*:)\S)", re.IGNORECASE
)  # a path of this machine or the caller's: no scheme but file:

File = str | dict[str, Any]
"""A file as programs give it: an http(s) URL that the service fetches, a `data:` URL (over HTTP up
to 700 kB, as a call may have 1 MB), or an upload: what `gradio_client.handle_file` makes of a local
file, of which `wan.ui.inputs` gives its path, or the address that `gradio upload-mcp` says."""

Answer = dict[str, Any]
Given = ParamSpec("Given")


class _Waiting:
    """The calls that wait for a job's end: how many there are, and how large what they have sent,
    which stays in memory.
    """

    def __init__(self) -> None:
        self._calls = Capacity(_CALLS[0], address=_CALLS[1], owner=_CALLS[2])
        self._bytes = Capacity(_CALLS_BYTES, share=1, address=_CALLS_BYTES)

    @contextlib.contextmanager
    def place(self, address: str, owner: str, size: int) -> Iterator[bool]:
        """Hold a place inside the block; False where there is none, and the call is answered at
        once.
        """
        with (
            self._calls.reserve(address=address, owner=owner) as call,
            self._bytes.reserve(size, address=address) as room,
        ):
            yield call and room


class Api:
    """The endpoints over a studio. Built inside Blocks: `Api(studio).publish(demo)`."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._waiting = studio, _Waiting()

    def publish(self, demo: gr.Blocks) -> None:
        """Adds the endpoints to the page's API."""
        for endpoint in (self.image_to_video, self.reference_to_video, self.job, self.cancel):
            gr.events.api(_told(endpoint), api_name=endpoint.__name__, concurrency_limit=None)
            parameters = [
                one
                for name, one in inspect.signature(endpoint).parameters.items()
                if name != "request"
            ]
            for parameter, part in zip(parameters, max(demo.fns.items())[1].inputs, strict=True):
                describe(part, parameter, files=parameter.name in _FILES)

    async def image_to_video(
        self,
        request: gr.Request,
        prompt: str,
        reference_image: File,
        duration: float = 5,
        size: str = "1280*720",
        fps: float | None = None,
        seed: int | None = None,
        negative_prompt: str = "",
        fit: Literal["crop", "pad"] = "crop",
        motion_strength: float | None = None,
        audio: bool = True,
        audio_url: str = "",
        shot_type: Literal["single", "multi"] = "single",
        prompt_extend: bool = True,
        watermark: bool = False,
        new_take: bool = False,
        wait: float | None = None,
        reference_audio: File
        | None = None,  # the last, since callers by plain HTTP count the values
    ) -> Answer:
        """Make a video from one image and a prompt. Takes minutes and, except in demo mode, costs
        money once generation starts. The same request again, while it runs or after it has
        succeeded, gives the same video at no extra cost. Unless the state is final (SUCCEEDED,
        FAILED, CANCELLED, EXPIRED), call job with the job_id. Files are http(s) URLs, uploads or
        data: URLs (up to 700 kB, over MCP up to 20 MB).

        Parameters:
            prompt: What happens in the video, 1 to 1,500 characters.
            reference_image: First frame: JPEG, PNG, BMP, WebP, HEIC or AVIF up to 20 MB.
            duration: Length in whole seconds, 2 to 15.
            size: Width*height, such as 1280*720, or 720P or 1080P to keep the image's shape.
            fps: Frames per second, 1 to 60. Left out: 30, as the service renders.
            seed: 0 to 2147483647. The same seed gives similar results. Random if left out.
            negative_prompt: What to leave out of the video, up to 500 characters.
            fit: How the image is fitted to the size: crop to fill it, or pad with bars.
            motion_strength: 0 (almost still) to 1 (very strong).
            audio: Whether the video has audio.
            audio_url: http(s) URL of an audio file to use.
            shot_type: single shot, or multi for several.
            prompt_extend: Whether the service may enhance the prompt.
            watermark: Whether the service adds its watermark.
            new_take: Run and pay again, even if the same video was made before.
            wait: Seconds to wait for the video, 0 to 600. Left out: 240, over MCP 40.
            reference_audio: Use instead of audio_url: WAV or MP3 of 3 to 30 s, up to 15 MB.
        Returns:
            job_id, state, status in words, video_url, measurements, seed, price, adjustments.
        """
        # The service would go by the picture alone, and a program that forgot it would pay.
        if prompt is None or (isinstance(prompt, str) and is_blank(prompt)):
            raise InvalidInput("prompt", "prompt_missing", high=catalog.PROMPT_LIMIT)
        asked = ImageToVideoRequest(
            model=IMAGE_TO_VIDEO,
            prompt=prompt,
            reference_image=await self._media("reference_image", reference_image),
            duration=duration,  # 5.0 is 5
            size=size,
            fps=fps,
            seed=seed,
            negative_prompt=negative_prompt,
            fit=fit,
            motion_strength=motion_strength,
            audio=audio,
            audio_url=audio_url,
            shot_type=shot_type,
            prompt_extend=prompt_extend,
            watermark=watermark,
            reference_audio=None
            if reference_audio in (None, "")
            else await self._media("reference_audio", reference_audio),
        )
        return await self._run(request, asked, new_take=new_take, wait=wait)

    async def reference_to_video(
        self,
        request: gr.Request,
        prompt: str,
        references: list[File],
        duration: float = 5,
        size: str = "1280*720",
        model: Literal["wan2.6-r2v-flash", "wan2.6-r2v"] = "wan2.6-r2v-flash",
        fps: float | None = None,
        seed: int | None = None,
        negative_prompt: str = "",
        audio: bool = True,
        shot_type: Literal["single", "multi"] = "single",
        watermark: bool = False,
        new_take: bool = False,
        wait: float | None = None,
    ) -> Answer:
        """Make a video featuring the people and things in reference videos and images. Takes
        minutes and, except in demo mode, costs money once generation starts. The same request
        again, while it runs or after it has succeeded, gives the same video at no extra cost.
        Unless the state is final (SUCCEEDED, FAILED, CANCELLED, EXPIRED), call job with the job_id.
        Files are http(s) URLs, uploads or data: URLs (up to 700 kB, over MCP up to 20 MB).

        Parameters:
            prompt: What happens, 1 to 1,500 characters. The references are character1, character2 …
            references: 1 to 5 files, at most 3 of them videos (MP4 or MOV, 1 to 30 s).
            duration: Length in whole seconds, 2 to 10.
            size: Width*height in pixels, such as 1280*720, 720*1280, 960*960 or 1920*1080.
            model: wan2.6-r2v-flash is faster and cheaper, and can leave out audio.
            fps: Frames per second, 1 to 60. Left out: 30, as the service renders.
            seed: 0 to 2147483647. The same seed gives similar results. Random if left out.
            negative_prompt: What to leave out of the video, up to 500 characters.
            audio: Whether the video has audio (wan2.6-r2v-flash only).
            shot_type: single shot, or multi for several.
            watermark: Whether the service adds its watermark.
            new_take: Run and pay again, even if the same video was made before.
            wait: Seconds to wait for the video, 0 to 600. Left out: 240, over MCP 40.
        Returns:
            job_id, state, status in words, video_url, measurements, seed, price, adjustments.
        """
        if not isinstance(references, list):
            raise InvalidInput(
                "references", "field_type", given=type(references).__name__, allowed="a list"
            )
        if not isinstance(model, str):
            raise InvalidInput("model", "field_type", given=type(model).__name__, allowed="text")
        most = max(
            catalog.MODELS[name].max_references
            for name in (model, REFERENCE_TO_VIDEO)
            if name in catalog.MODELS
        )
        if len(references) > most:  # before any of them is read
            raise InvalidInput("references", "references_many", given=len(references), high=most)
        given = [await self._media("references", one) for one in references]
        kinds = await inputs.detect_kinds(Asker(address_of(request)), "references", given)
        asked = ReferenceToVideoRequest(
            model=model,
            prompt=prompt,
            **arrange_references(kinds),
            duration=duration,
            size=size,
            fps=fps,
            seed=seed,
            negative_prompt=negative_prompt,
            audio=audio,
            shot_type=shot_type,
            watermark=watermark,
        )
        return await self._run(request, asked, new_take=new_take, wait=wait)

    async def job(self, request: gr.Request, job_id: str, wait: float = 0) -> Answer:
        """Get a job's status, and its video once it's ready. Costs nothing.

        Parameters:
            job_id: The ID that image_to_video or reference_to_video returned.
            wait: Seconds to wait for the job to end, 0 to 600.
        Returns:
            The job, in the same form as from the call that started it.
        """
        seconds = _seconds(wait)
        owner, token, known = await self._of(request, job_id)
        return await self._watched(request, owner, token, known, seconds=seconds)

    async def cancel(self, request: gr.Request, job_id: str) -> Answer:
        """Cancel a job, which is free until the service starts generating. After that the job
        can't be cancelled and is billed if it succeeds. The status in the answer says which.

        Parameters:
            job_id: The ID that image_to_video or reference_to_video returned.
        Returns:
            The job, with the outcome in status.
        """
        owner, token, known = await self._of(request, job_id)
        if token and hmac.compare_digest(token, self._studio.access.owners.view_of(known)):
            raise WanError(Message.of("view_only"))
        came = await self._studio.submission.cancel(known, owner=owner)
        event = await self._studio.watching.look(known, owner=owner)
        return self._answer(request, event, token) | {"status": came.say()}

    async def _run(
        self, request: gr.Request, asked: Request, *, new_take: bool, wait: float | None
    ) -> Answer:
        """Submits, and watches for as long as the caller wants to wait."""
        seconds, again = (
            _seconds(_usual_wait(request) if wait is None else wait),
            _flag("new_take", new_take),
        )
        permission = authorize(self._studio, request, "", "", "", "")
        if owner := self._known(request):
            token, job = (
                "",
                await self._studio.submission.submit(
                    asked, owner=owner, permission=permission, new_take=again
                ),
            )
        else:
            token, job = await self._for_nobody(request, asked, permission, new_take=again)
        return await self._watched(
            request,
            job.owner,
            token,
            job.id,
            seconds=seconds,
            made_before=not job.live and not again,
        )

    async def _for_nobody(
        self, request: gr.Request, asked: Request, permission: Permission, *, new_take: bool
    ) -> tuple[str, Job]:
        """A job for a caller who is nobody yet, and the token that opens it."""
        studio, token = self._studio, _session(request) or ids.new_link_token()
        owner = studio.access.owners.of_caller(token)
        if new_take or not studio.settings.join_anonymous or _scope(request).get(SHARED, True):
            return token, await studio.submission.submit(
                asked, owner=owner, permission=permission, new_take=new_take
            )
        job = await studio.submission.submit_or_join(asked, owner=owner, permission=permission)
        return token if job.owner == owner else studio.access.owners.view_of(job.id), job

    async def _watched(
        self,
        request: gr.Request,
        owner: str,
        token: str,
        job_id: str,
        *,
        seconds: float,
        made_before: bool = False,
    ) -> Answer:
        """A job at its end, or as it is when the time is over."""
        event = await self._studio.watching.look(job_id, owner=owner)
        with self._waiting.place(address_of(request), owner, _size(request)) as there:
            if seconds and there:
                _let_go(request)
                event = await self._awaited(request, owner, event, seconds)
        return self._answer(request, event, token, made_before=made_before)

    async def _awaited(
        self, request: gr.Request, owner: str, event: JobEvent, seconds: float
    ) -> JobEvent:
        """A job at its end; as it is when the time is over, or when nobody waits
        for it any more.
        """
        is_heard, since = whether_heard(), time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                events = self._studio.watching.follow(event.job.id, owner=owner, again=RECHECK)
                async for event in events:
                    await report(event.message.say(), time.monotonic() - since)
                    if not is_heard() or await _is_gone(request):
                        break
        return event

    def _answer(
        self, request: gr.Request, event: JobEvent, token: str, *, made_before: bool = False
    ) -> Answer:
        """What callers are given: the result as every other door gives it, with addresses and a job
        id that lead through this one.
        """
        job = event.job
        result: Answer = self._studio.library.result(job, made_before=made_before).model_dump(
            mode="json"
        )
        if job.video_key:
            result["video_url"] = f"{_root(request)}/media/{job.media_token}/video.mp4"
        return result | {
            "job_id": f"{token}{_BETWEEN}{job.id}" if token else job.id,
            "status": event.message.say(),
        }

    async def _media(self, field: str, given: File | Path) -> Media:
        """A file that a program gave: bytes, the path of an upload, or a URL for the service.
        Raises InvalidInput; no other path is ever opened.
        """
        if isinstance(given, Path):
            return given
        if not isinstance(given, str):
            kind = "nothing" if given is None else type(given).__name__
            raise InvalidInput(
                field, "field_type", given=kind, allowed="a URL, a data: URL or an uploaded file"
            )
        return await asyncio.to_thread(self._read, field, given)

    def _read(self, field: str, given: str) -> Media:
        """What a text stands for. Blocks."""
        if given.startswith("data:"):
            return _decoded(field, given)
        if upload := self._upload_at(given):
            return upload
        if _PATH.match(given):
            raise InvalidInput(field, "path_given", given=shorten(given))
        return given

    def _upload_at(self, url: str) -> Path | None:
        """The upload that an address of this app leads to: its name says that it is ours, whatever
        the app is called there. Blocks.
        """
        with contextlib.suppress(ValueError):
            _, route, name = urlsplit(url).path.partition(_FILE_ROUTE)
            return self._studio.uploads.find(unquote(name)) if route else None
        return None

    async def _of(self, request: gr.Request, job_id: str) -> tuple[str, str, str]:
        """The owner by whom a job is asked for, the token in its id where there is one, and the
        job's own id.

        Raises InvalidInput; JobNotFound for what is no id, before anything is made of it.
        """
        if not isinstance(job_id, str):
            raise InvalidInput("job_id", "field_type", given=type(job_id).__name__, allowed="text")
        token, between, known = job_id.rpartition(_BETWEEN)
        if not ids.has_shape(ids.JOB, known) or (between and not ids.has_shape(ids.CALLER, token)):
            raise JobNotFound
        owner = await self._opened_by(token, known) if between else self._known(request)
        if not owner:
            raise JobNotFound
        return owner, token, known

    async def _opened_by(self, token: str, job_id: str) -> str:
        """The owner of a job that a token opens; "" where it does not. Raises JobNotFound."""
        owners, owner = self._studio.access.owners, await self._studio.library.owner_of(job_id)
        theirs = owner in (
            owners.of_caller(token),
            owners.of_token(token),
        )  # the latter is how earlier versions made them
        return owner if theirs or hmac.compare_digest(token, owners.view_of(job_id)) else ""

    def _known(self, request: gr.Request) -> str:
        """The owner that a caller is by login or headers; "" for one who is nobody yet. Raises
        InvalidInput.
        """
        owners = self._studio.access.owners
        if name := getattr(
            request, "username", None
        ):  # MCP gives Starlette's own request, which has none
            return owners.of_login(name)
        if token := request.headers.get("x-wan-token"):
            if not ids.is_token(token):
                low, high = ids.TOKEN_LENGTH[0], ids.TOKEN_LENGTH[-1]
                raise InvalidInput("X-Wan-Token", "token_odd", given=len(token), low=low, high=high)
            return owners.of_token(token)
        key = (request.headers.get("x-wan-key") or "").strip()
        return owners.of_key(key) if key else ""


def _told(
    endpoint: Callable[Given, Coroutine[Any, Any, Answer]],
) -> Callable[Given, Awaitable[Answer]]:
    """An endpoint whose refusals reach the caller as one sentence, and never as a traceback."""

    @wraps(endpoint)
    async def told(*given: Given.args, **named: Given.kwargs) -> Answer:
        try:
            return await endpoint(*given, **named)
        except WanError as error:
            raise Told(error.message.say()) from None
        except NotReady:
            raise Told(t("en", "form_bad")) from None
        except Exception:  # noqa: BLE001 - MCP gives the caller whatever an error says, be it a path of the server
            _log.exception("a call of %s broke", endpoint.__name__)
            raise Told(t("en", "call_broke")) from None

    return told


def _decoded(field: str, url: str) -> bytes:
    head, comma, body = url.partition(",")
    try:
        if not comma:
            raise ValueError
        return (
            base64.b64decode(unquote_to_bytes(body), validate=True)
            if head.endswith(";base64")
            else unquote_to_bytes(body)
        )
    except (ValueError, binascii.Error):
        raise InvalidInput(field, "url_bad", given=url[:60]) from None


def _usual_wait(request: gr.Request) -> float:
    """Seconds that a caller is made to wait who has not said how long."""
    return _AGENT_WAIT if isinstance(request, HttpRequest) else _WAIT


def _session(request: gr.Request) -> str:
    return session_of(request.headers) if isinstance(request, HttpRequest) else ""


def _seconds(wait: object) -> float:
    if (
        isinstance(wait, bool)
        or not isinstance(wait, int | float)
        or not 0 <= wait <= _LONGEST_WAIT
    ):
        raise InvalidInput("wait", "wait_range", given=_short(wait), high=round(_LONGEST_WAIT))
    return float(wait)


def _flag(field: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidInput(field, "field_type", given=_short(given), allowed="true or false")
    return given


def _short(given: object) -> str:
    """What was given, short enough for a sentence."""
    try:
        return str(given)[:40]
    except ValueError:  # a number of thousands of digits
        return f"{type(given).__name__} that is too large to show"


def _scope(request: gr.Request) -> dict[str, Any]:
    """What the guard has noted of a request."""
    asked: Any = getattr(request, "request", request)  # MCP gives Starlette's own
    return getattr(asked, "scope", {})


def _size(request: gr.Request) -> int:
    """Bytes that a call has sent."""
    return int(_scope(request).get(SIZE, 0))


def _let_go(request: gr.Request) -> None:
    """Give back the room of what a call has sent; while it waits, it counts among those that do."""
    _scope(request).get(RELEASE, lambda: None)()


async def _is_gone(request: gr.Request) -> bool:
    """Whether an agent has hung up. Of a call by HTTP the queue knows; its request has been
    answered long ago.
    """
    return isinstance(request, HttpRequest) and await request.is_disconnected()


def _root(request: gr.Request) -> str:
    """The app's own address as the caller knows it."""
    asked: Any = getattr(request, "request", request)
    return str(asked.base_url).rstrip("/")
