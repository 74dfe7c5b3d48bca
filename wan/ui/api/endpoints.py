"""The four endpoints for programs: what `gradio_client`, plain HTTP and MCP call by name.

Headers say who calls: a login, else `X-Wan-Token` (that of a private link: the same jobs as on that
page), else the hash of the key in `X-Wan-Key`. A caller who sends none of these gets a job id that
opens their job and nothing else; an agent keeps one identity for as long as its session lasts. What
may be spent is decided by the same policy as on the page: a key of the caller's own, or the
operator's within access code and budget.

Clients give up waiting and ask again for what they have not seen arrive. So a caller without those
headers who asks for the same from the same address within an hour gets a view of the job that is
there, which reads it and can do nothing else with it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from wan.domain import catalog, ids
from wan.domain.catalog import REFERENCE_TO_VIDEO
from wan.domain.errors import InvalidInput, WanError
from wan.domain.jobs import Job, JobEvent
from wan.domain.messages import Message, t
from wan.domain.plain_text import is_blank
from wan.domain.requests import (
    ImageToVideoRequest,
    ReferenceToVideoRequest,
    Request,
    arrange_references,
)
from wan.domain.turns import Asker
from wan.media import inputs
from wan.service.access import Permission
from wan.service.studio import Studio
from wan.ui.api.callers import Call, Callers, write_id
from wan.ui.api.files import File, read_file
from wan.ui.api.mcp import report_progress
from wan.ui.api.parameters import (
    AGENT_WAIT,
    JOB_ID,
    JOB_WAIT,
    LONGEST_WAIT,
    WAIT,
    Answer,
    Endpoint,
    list_image_parameters,
    list_reference_parameters,
    publish,
)
from wan.ui.caller import NotReady, address_of, authorize
from wan.ui.handling import EventError, make_listener_check
from wan.web.capacity import Capacity
from wan.web.events import RECHECK

_log = logging.getLogger(__name__)

# Calls that wait at once: in all, from an address and for an owner. One beyond is answered at once
# with how its job stands.
_CALLS = (200, 30, 16)
_CALLS_BYTES = 32_000_000  # of what they have sent


class Api:
    """The endpoints over a studio. Built inside Blocks: `Api(studio).publish(demo)`."""

    def __init__(self, studio: Studio) -> None:
        self._studio, self._callers, self._waiting = studio, Callers(studio), _WaitingCalls()

    def publish(self, demo: gr.Blocks) -> None:
        """Add the endpoints to the page's API."""
        for endpoint, parameters in (
            (self.image_to_video, list_image_parameters()),
            (self.reference_to_video, list_reference_parameters()),
            (self.job, [JOB_ID, JOB_WAIT]),
            (self.cancel, [JOB_ID]),
        ):
            publish(demo, report_refusals(endpoint), parameters)

    async def image_to_video(
        self,
        request: gr.Request,
        *,
        reference_image: File,
        reference_audio: File | None,
        new_take: bool,
        wait: float | None,
        **fields: Any,
    ) -> Answer:
        """Make a video from one image and a prompt. Takes minutes and, except in demo mode, costs
        money once generation starts. The same request again, while it runs or after it has
        succeeded, gives the same video at no extra cost. Unless the state is final (SUCCEEDED,
        FAILED, CANCELLED, EXPIRED), call job with the job_id. Files are http(s) URLs, uploads or
        data: URLs (up to 700 kB, over MCP up to 20 MB).

        Returns:
            job_id, state, status in words, video_url, measurements, seed, price, adjustments.
        """
        # The service would go by the picture alone, and a program that forgot it would pay.
        prompt, uploads = fields["prompt"], self._studio.uploads
        if prompt is None or (isinstance(prompt, str) and is_blank(prompt)):
            raise InvalidInput("prompt", "prompt_missing", high=catalog.PROMPT_LIMIT)
        fields["reference_image"] = await read_file(uploads, "reference_image", reference_image)
        if reference_audio not in (None, ""):
            fields["reference_audio"] = await read_file(uploads, "reference_audio", reference_audio)
        return await self._run(request, ImageToVideoRequest(**fields), new_take=new_take, wait=wait)

    async def reference_to_video(
        self,
        request: gr.Request,
        *,
        references: list[File],
        new_take: bool,
        wait: float | None,
        **fields: Any,
    ) -> Answer:
        """Make a video featuring the people and things in reference videos and images. Takes
        minutes and, except in demo mode, costs money once generation starts. The same request
        again, while it runs or after it has succeeded, gives the same video at no extra cost.
        Unless the state is final (SUCCEEDED, FAILED, CANCELLED, EXPIRED), call job with the job_id.
        Files are http(s) URLs, uploads or data: URLs (up to 700 kB, over MCP up to 20 MB).

        Returns:
            job_id, state, status in words, video_url, measurements, seed, price, adjustments.
        """
        _check_count(references, fields["model"])
        uploads = self._studio.uploads
        given = [await read_file(uploads, "references", one) for one in references]
        kinds = await inputs.detect_kinds(Asker(address_of(request)), "references", given)
        asked = ReferenceToVideoRequest(**fields, **arrange_references(kinds))
        return await self._run(request, asked, new_take=new_take, wait=wait)

    async def job(self, request: gr.Request, *, job_id: str, wait: float) -> Answer:
        """Get a job's status, and its video once it's ready. Costs nothing.

        Returns:
            The job, in the same form as from the call that started it.
        """
        seconds = check_wait(wait)
        owner, token, known = await self._callers.find_job(request, job_id)
        return await self._watch(Call(request), owner, token, known, seconds=seconds)

    async def cancel(self, request: gr.Request, *, job_id: str) -> Answer:
        """Cancel a job, which is free until the service starts generating. After that the job
        can't be cancelled and is billed if it succeeds. The status in the answer says which.

        Returns:
            The job, with the outcome in status.
        """
        owner, token, known = await self._callers.find_job(request, job_id)
        if token and self._callers.may_only_view(token, known):
            raise WanError(Message.of("view_only"))
        outcome = await self._studio.submission.cancel(known, owner=owner)
        event = await self._studio.watching.snapshot(known, owner=owner)
        return self._answer(Call(request), event, token) | {"status": outcome.say()}

    async def _run(
        self, request: gr.Request, asked: Request, *, new_take: bool, wait: float | None
    ) -> Answer:
        """Submit, and watch for as long as the caller wants to wait."""
        call = Call(request)
        usual = AGENT_WAIT if call.is_by_agent else WAIT
        seconds = check_wait(usual if wait is None else wait)
        again, token = _check_switch("new_take", new_take), ""
        permission = await authorize(self._studio, request, "", "", "", "")
        if owner := self._callers.identify(request):
            job = await self._studio.submission.submit(
                asked, owner=owner, permission=permission, new_take=again
            )
        else:
            token, job = await self._submit_for_nobody(call, asked, permission, new_take=again)
        before = not job.live and not again
        return await self._watch(
            call, job.owner, token, job.id, seconds=seconds, made_before=before
        )

    async def _submit_for_nobody(
        self, call: Call, asked: Request, permission: Permission, *, new_take: bool
    ) -> tuple[str, Job]:
        """Return the token that opens the job of a caller who is nobody yet, and the job."""
        studio, token = self._studio, call.session or ids.new_link_token()
        owner = studio.access.owners.of_caller(token)
        if new_take or not studio.settings.join_anonymous or call.is_shared:
            return token, await studio.submission.submit(
                asked, owner=owner, permission=permission, new_take=new_take
            )
        job = await studio.submission.submit_or_join(asked, owner=owner, permission=permission)
        return token if job.owner == owner else studio.access.owners.view_of(job.id), job

    async def _watch(
        self,
        call: Call,
        owner: str,
        token: str,
        job_id: str,
        *,
        seconds: float,
        made_before: bool = False,
    ) -> Answer:
        """Return a job at its end, or as it is when the time is over."""
        event = await self._studio.watching.snapshot(job_id, owner=owner)
        with self._waiting.reserve(address_of(call.request), owner, call.size) as reserved:
            if seconds and reserved:
                call.release_body()
                event = await self._wait_for_end(call, owner, event, seconds)
        return self._answer(call, event, token, made_before=made_before)

    async def _wait_for_end(
        self, call: Call, owner: str, event: JobEvent, seconds: float
    ) -> JobEvent:
        """Return a job at its end; as it is when the time is over or nobody waits any more."""
        is_heard, since = make_listener_check(), time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                events = self._studio.watching.follow(event.job.id, owner=owner, again=RECHECK)
                async for event in events:
                    await report_progress(event.message.say(), time.monotonic() - since)
                    if not is_heard() or await call.is_gone():
                        break
        return event

    def _answer(
        self, call: Call, event: JobEvent, token: str, *, made_before: bool = False
    ) -> Answer:
        """Return a job's result as every way in gives it, but with a URL and an id for callers."""
        job = event.job
        result: Answer = self._studio.library.result_of(job, made_before=made_before).model_dump(
            mode="json"
        )
        home = self._studio.settings.home_url or f"{call.root}/"
        if job.video_key:
            result["video_url"] = f"{home}media/{job.media_token}/video.mp4"
        return result | {"job_id": write_id(token, job.id), "status": event.message.say()}


class _WaitingCalls:
    """The calls that wait for a job's end: how many, and the bytes they have sent, which stay in
    memory.
    """

    def __init__(self) -> None:
        self._calls = Capacity(_CALLS[0], address=_CALLS[1], owner=_CALLS[2])
        self._bytes = Capacity(_CALLS_BYTES, share=1, address=_CALLS_BYTES)

    @contextlib.contextmanager
    def reserve(self, address: str, owner: str, size: int) -> Iterator[bool]:
        """Hold a place inside the block; False where there is none."""
        with (
            self._calls.reserve(address=address, owner=owner) as call,
            self._bytes.reserve(size, address=address) as room,
        ):
            yield call and room


def report_refusals(endpoint: Endpoint) -> Endpoint:
    """Wrap an endpoint, so that refusals reach the caller as one sentence, never as a traceback."""

    @wraps(endpoint)
    async def call(*given: Any, **named: Any) -> Answer:
        try:
            return await endpoint(*given, **named)
        except WanError as error:
            raise EventError(error.message.say()) from None
        except NotReady:
            raise EventError(t("en", "form_bad")) from None
        except Exception:  # noqa: BLE001 - MCP gives the caller whatever an error says, be it a path of the server
            _log.exception("a call of %s broke", endpoint.__name__)
            raise EventError(t("en", "call_broke")) from None

    return call


def check_wait(wait: object) -> float:
    """Return the seconds that a caller wants to wait. Raises InvalidInput."""
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= LONGEST_WAIT:
        raise InvalidInput("wait", "wait_range", given=_shorten(wait), high=round(LONGEST_WAIT))
    return float(wait)


def _check_switch(field: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidInput(field, "field_type", given=_shorten(given), allowed="true or false")
    return given


def _check_count(references: object, model: object) -> None:
    """Refuse too many references before any is read. Raises InvalidInput."""
    if not isinstance(references, list):
        named = "nothing" if references is None else type(references).__name__
        given = "one file" if isinstance(references, Path) else named
        raise InvalidInput("references", "field_type", given=given, allowed="a list")
    if not isinstance(model, str):
        raise InvalidInput("model", "field_type", given=type(model).__name__, allowed="text")
    most = max(
        catalog.MODELS[name].max_references
        for name in (model, REFERENCE_TO_VIDEO)
        if name in catalog.MODELS
    )
    if len(references) > most:
        raise InvalidInput("references", "references_many", given=len(references), high=most)


def _shorten(given: object) -> str:
    """Return a value as text that is short enough for a message."""
    try:
        return str(given)[:40]
    except ValueError:  # a number of thousands of digits
        return f"{type(given).__name__} that is too large to show"
