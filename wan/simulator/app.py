"""The routes: what the service answers, byte for byte where the documentation says so.

Sources: Model Studio help centre, image-to-video API reference 2026-02-10, reference-to-video API
reference 2026-02-11, "manage asynchronous tasks" 2026-03-15, "get temporary file URL" 2026-02-04,
rate limits 2026. Quirks kept on purpose: a FAILED task is an HTTP 200, so is the UNKNOWN of a task
that is foreign or old; lists say `data` and carry no prompt.

Beside the service's own paths there are `/simulator/healthz`, `/simulator/stats`,
`/simulator/faults`, `/simulator/hold` and `/simulator/tasks/{id}` for tests.
"""

import asyncio
import contextlib
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast
from xml.sax.saxutils import escape

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .accounts import (
    POLICIES_PER_SECOND,
    QUERIES_PER_SECOND,
    SUBMITS_PER_SECOND,
    Clock,
    RateLimit,
    Signer,
    account_of,
)
from .errors import Refusal, refusal_of_status
from .events import EventTarget
from .faults import FaultBoard, FaultLayer
from .films import Style, film
from .orders import abridge, find_model, read_order
from .tasks import Pace, State, Task, TaskBook
from .times import BEIJING, wall_time
from .uploads import OBJECT_MEGABYTES, ObjectStore, StoreRefusal

LIST_SPAN = timedelta(hours=24)  # the longest stretch that a list may cover
TICK_SECONDS = 0.05
SWEEP_SECONDS = 60


@dataclass(frozen=True)
class Setup:
    """What a simulator is started with."""

    folder: Path
    pace: Pace = field(default_factory=Pace)
    style: Style = field(default_factory=Style)
    clock: Clock = time.time
    events: EventTarget | None = None
    """Where it is announced that a task has ended."""


class FaultRequest(BaseModel):
    """The body of POST /simulator/faults; no `count` means until cleared, no
    `host` every request.
    """

    verb: str
    fault: str
    count: int | None = None
    host: str = ""


class HoldRequest(BaseModel):
    """The body of POST /simulator/hold: the state that no task leaves by itself until that is
    cleared.
    """

    state: Literal[State.PENDING, State.RUNNING]


class Service:
    """The routes and what they share."""

    def __init__(self, setup: Setup, board: FaultBoard) -> None:
        self.setup, self.board = setup, board
        setup.folder.mkdir(parents=True, exist_ok=True)
        self.signer = Signer(setup.folder)
        self.objects = ObjectStore(setup.folder / "objects", setup.clock, self.signer)
        self.book = TaskBook(
            setup.folder, setup.clock, setup.pace, partial(film, self.objects.path, setup.style)
        )
        if setup.events is not None:
            self.book.tell_end = setup.events.announce
        self.counts: Counter[str] = Counter()
        self.submits = RateLimit(SUBMITS_PER_SECOND, setup.clock)
        self.policies = RateLimit(POLICIES_PER_SECOND, setup.clock)
        self.asked = RateLimit(QUERIES_PER_SECOND, setup.clock)

    async def create(self, request: Request) -> Response:
        """POST .../video-synthesis: a new task, or a refusal."""
        try:
            task = await self._accept(request)
            self.book.add(task)
        except Refusal:
            self.counts["refused"] += 1
            raise
        self.counts["created"] += 1
        output = {"task_status": task.state, "task_id": task.id}
        return JSONResponse({"output": output, "request_id": task.request_id})

    async def _accept(self, request: Request) -> Task:
        account = account_of(request.headers.get("authorization"))
        if request.headers.get("x-dashscope-async") != "enable":
            raise Refusal("AccessDenied", "current user api does not support synchronous calls")
        body = await _json_object(request)
        find_model(body.get("model"))
        self.submits.take(account, body["model"])
        resolve = request.headers.get("x-dashscope-ossresourceresolve") == "enable"
        find = partial(self.objects.find, account=account, model=body["model"], resolve=resolve)
        order = await asyncio.to_thread(read_order, body, find)
        return Task(
            request_id=_request_id(),
            account=account,
            order=order,
            payload=abridge(body),
            submitted=self.setup.clock(),
        )

    async def query(self, request: Request) -> Response:
        """GET /tasks/{id}: always 200 for an account; UNKNOWN for what is not its own, or is too
        old.
        """
        account, task_id = self._asking(request, "queries"), request.path_params["task_id"]
        self.book.advance()
        task = self.book.find(task_id, account)
        output = (
            self._output(task, request)
            if task
            else {"task_id": task_id, "task_status": State.UNKNOWN}
        )
        usage = {"usage": _usage(task)} if task and task.state is State.SUCCEEDED else {}
        return JSONResponse({"request_id": _request_id(), "output": output, **usage})

    async def cancel(self, request: Request) -> Response:
        """POST /tasks/{id}/cancel: only while PENDING."""
        self.book.cancel(request.path_params["task_id"], self._asking(request, "cancels"))
        return JSONResponse({"request_id": _request_id()})

    async def listing(self, request: Request) -> Response:
        """GET /tasks/: the account's tasks, newest first, filtered and in pages."""
        account = self._asking(request, "lists")
        self.book.advance()
        wanted = TaskFilter.read(dict(request.query_params), self.setup.clock())
        found = [task for task in self.book.of(account) if wanted.matches(task)]
        first = (wanted.page_no - 1) * wanted.page_size
        page = {
            "total": len(found),
            "total_page": -(-len(found) // wanted.page_size),
            "page_no": wanted.page_no,
            "page_size": wanted.page_size,
        }
        data = [_list_entry(task) for task in found[first : first + wanted.page_size]]
        return JSONResponse({"data": data, **page, "request_id": _request_id()})

    async def policy(self, request: Request) -> Response:
        """GET /uploads?action=getPolicy&model=NAME: leave to upload."""
        account = account_of(request.headers.get("authorization"))
        if request.query_params.get("action") != "getPolicy":
            raise Refusal("InvalidParameter", "action must be getPolicy")
        model = request.query_params.get("model", "")
        find_model(model)
        self.policies.take(account, model)
        self.counts["policies"] += 1
        issued = self.objects.policy(account, model, f"{request.base_url}upload-store")
        return JSONResponse({"request_id": _request_id(), "data": issued})

    async def upload(self, request: Request) -> Response:
        """POST /upload-store: the object store's form. The file comes last and goes to disk as it
        arrives.
        """
        if int(request.headers.get("content-length", "0")) > (OBJECT_MEGABYTES + 1) * 2**20:
            raise StoreRefusal(
                400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"
            )
        async with request.form() as form:
            *fields, (name, last) = form.multi_items() or [("", "")]
            if name != "file" or not isinstance(last, UploadFile):
                raise StoreRefusal(
                    400,
                    "MalformedPOSTRequest",
                    "The body of your POST request is not well-formed: file must be its last "
                    "field.",
                )
            texts = {key: value for key, value in fields if isinstance(value, str)}
            await asyncio.to_thread(self.objects.put, texts, last.file)
        self.counts["uploads"] += 1
        return Response(status_code=200 if texts.get("success_action_status") == "200" else 204)

    async def result(self, request: Request) -> Response:
        """GET /results/{task}/{video}.mp4: the video, or a part of it, for whoever holds the link.
        No key is asked for.
        """
        task_id, video = request.path_params["task_id"], request.path_params["video"]
        expires = request.query_params.get("Expires", "")
        if not self.signer.verify(
            f"{task_id}/{video}?{expires}", request.query_params.get("Signature", "")
        ):
            raise StoreRefusal(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        if self.setup.clock() > int(expires):
            raise StoreRefusal(403, "AccessDenied", "Request has expired.")
        path = self.book.video_path(task_id, video)
        if not path.exists():
            raise StoreRefusal(404, "NoSuchKey", "The specified key does not exist.")
        self.counts["downloads"] += 1
        return FileResponse(path, media_type="video/mp4")

    async def health(self, _: Request) -> Response:
        """GET /simulator/healthz."""
        return JSONResponse({"ok": True, "dir": str(self.setup.folder.resolve())})

    async def stats(self, _: Request) -> Response:
        """GET /simulator/stats, since the start: requests handled by kind, the most of one account
        (and model) at once, 429s, faults; tasks by state.

        `most`: `live` tasks that waited or ran; `submits`, and `queries` (or lists, or cancels), in
        any second.
        """
        kinds = (
            "created",
            "refused",
            "queries",
            "lists",
            "cancels",
            "policies",
            "uploads",
            "downloads",
        )
        most = {
            "live": self.book.most_live,
            "submits": self.submits.most,
            "queries": self.asked.most,
        }
        throttled = self.submits.refused + self.policies.refused + self.asked.refused
        seen = {
            "most": most,
            "throttled": throttled,
            "faults": self.board.hits,
            "tasks": self.book.states(),
        }
        return JSONResponse({kind: self.counts[kind] for kind in kinds} | seen)

    async def set_fault(self, request: Request) -> Response:
        """POST /simulator/faults."""
        try:
            wanted = FaultRequest.model_validate(await _json_object(request))
            self.board.set(wanted.verb, wanted.fault, wanted.count, wanted.host)
        except ValueError as wrong:
            raise Refusal("InvalidParameter", str(wrong)) from wrong
        return JSONResponse({"ok": True})

    async def clear_faults(self, _: Request) -> Response:
        """DELETE /simulator/faults."""
        self.board.clear()
        return JSONResponse({"ok": True})

    async def hold(self, request: Request) -> Response:
        """POST /simulator/hold."""
        try:
            self.book.held = HoldRequest.model_validate(await _json_object(request)).state
        except ValueError as wrong:
            raise Refusal("InvalidParameter", str(wrong)) from wrong
        return JSONResponse({"ok": True})

    async def let_go(self, _: Request) -> Response:
        """DELETE /simulator/hold."""
        self.book.held = None
        return JSONResponse({"ok": True})

    async def show_task(self, request: Request) -> Response:
        """GET /simulator/tasks/{id}: the task as it lies on disk, with the payload that arrived."""
        task = self.book.any_account(request.path_params["task_id"])
        if task is None:
            raise Refusal("NotFound")
        return JSONResponse(task.model_dump(mode="json"))

    async def run(self) -> None:
        """Move tasks on as time goes by, and tidy up now and then; for ever."""
        while True:
            self.book.sweep()
            await asyncio.to_thread(self.objects.sweep)
            for _ in range(int(SWEEP_SECONDS / TICK_SECONDS)):
                self.book.advance()
                await asyncio.sleep(TICK_SECONDS)

    def _asking(self, request: Request, kind: str) -> str:
        account = account_of(request.headers.get("authorization"))
        self.asked.take(account, kind)
        self.counts[kind] += 1
        return account

    def _output(self, task: Task, request: Request) -> dict[str, Any]:
        times = {
            "submit_time": task.submitted,
            "scheduled_time": task.started,
            "end_time": task.ended,
        }
        shown = {name: wall_time(moment) for name, moment in times.items() if moment is not None}
        output: dict[str, Any] = {"task_id": task.id, "task_status": task.state, **shown}
        if task.state is State.SUCCEEDED:
            output |= {"orig_prompt": task.order.prompt, "video_url": self._link(task, request)}
        if task.state is State.FAILED:
            output |= {"code": task.code, "message": task.message}
        return output

    def _link(self, task: Task, request: Request) -> str:
        expires = int(self.book.link_expires(task))
        signature = self.signer.sign(f"{task.id}/{task.video}?{expires}")
        return (
            f"{request.base_url}results/{task.id}/{task.video}.mp4"
            f"?Expires={expires}&Signature={signature}"
        )


class TaskFilter(BaseModel):
    """What a list was asked for. Times in seconds since the epoch."""

    task_id: str | None = None
    model_name: str | None = None
    status: str | None = None
    since: float
    until: float
    page_no: int
    page_size: int

    @classmethod
    def read(cls, query: dict[str, str], now: float) -> "TaskFilter":
        """Read the query string. Raises Refusal InvalidParameter for times or page numbers that are
        none, or a span of more than 24 h.
        """
        until = _moment(query, "end_time")
        since = _moment(query, "start_time")
        if since is None:
            since = (until or now) - LIST_SPAN.total_seconds()
        until = until or min(now + 1, since + LIST_SPAN.total_seconds())
        if not 0 <= until - since <= LIST_SPAN.total_seconds() + 1:
            raise Refusal(
                "InvalidParameter",
                "The time span between start_time and end_time must be within 24 hours",
            )
        named = {name: query.get(name) or None for name in ("task_id", "model_name", "status")}
        return cls(
            **named,
            since=since,
            until=until,
            page_no=_count(query, "page_no", 1),
            page_size=_count(query, "page_size", 10),
        )

    def matches(self, task: Task) -> bool:
        """Whether a task belongs in the list."""
        pairs = (
            (self.task_id, task.id),
            (self.model_name, task.order.model),
            (self.status, task.state),
        )
        return self.since <= task.submitted <= self.until and all(
            wanted in (None, found) for wanted, found in pairs
        )


def create_app(setup: Setup, board: FaultBoard | None = None) -> ASGIApp:
    """The whole service as an ASGI application, faults in front."""
    board = board or FaultBoard()
    service = Service(setup, board)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = asyncio.create_task(service.run())
        yield
        running.cancel()
        service.book.close()
        if setup.events is not None:
            setup.events.close()

    says_no = {
        Refusal: _answer_refusal,
        StoreRefusal: _answer_store_refusal,
        HTTPException: _no_such_route,
        ClientDisconnect: _nobody_there,
    }
    return FaultLayer(
        Starlette(routes=_routes(service), exception_handlers=says_no, lifespan=lifespan), board
    )


def _routes(service: Service) -> list[Route]:
    handlers = (
        ("POST", "/api/v1/services/aigc/video-generation/video-synthesis", service.create),
        ("GET", "/api/v1/tasks/", service.listing),
        ("GET", "/api/v1/tasks", service.listing),
        ("GET", "/api/v1/tasks/{task_id}", service.query),
        ("POST", "/api/v1/tasks/{task_id}/cancel", service.cancel),
        ("GET", "/api/v1/uploads", service.policy),
        ("POST", "/upload-store", service.upload),
        ("GET", "/results/{task_id}/{video}.mp4", service.result),
        ("GET", "/simulator/healthz", service.health),
        ("GET", "/simulator/stats", service.stats),
        ("POST", "/simulator/faults", service.set_fault),
        ("DELETE", "/simulator/faults", service.clear_faults),
        ("POST", "/simulator/hold", service.hold),
        ("DELETE", "/simulator/hold", service.let_go),
        ("GET", "/simulator/tasks/{task_id}", service.show_task),
    )
    routes = [Route(path, handler, methods=[method]) for method, path, handler in handlers]
    for route in routes:
        cast(set[str], route.methods).discard(
            "HEAD"
        )  # a link that is signed for GET is good for nothing else
    return routes


async def _answer_refusal(_: Request, refusal: Exception) -> Response:
    refusal = cast(Refusal, refusal)
    headers = {"Retry-After": "1"} if refusal.status == 429 else {}
    return JSONResponse(refusal.body(_request_id()), refusal.status, headers)


async def _answer_store_refusal(_: Request, refusal: Exception) -> Response:
    refusal = cast(StoreRefusal, refusal)
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n'
        f"  <Code>{refusal.code}</Code>\n  <Message>{escape(refusal.message)}</Message>\n"
        f"  <RequestId>{uuid.uuid4().hex[:24].upper()}</RequestId>\n</Error>\n"
    )
    return Response(body, refusal.status, media_type="application/xml")


async def _no_such_route(request: Request, error: Exception) -> Response:
    return await _answer_refusal(request, refusal_of_status(cast(HTTPException, error).status_code))


async def _nobody_there(_: Request, error: Exception) -> Response:
    """The client went away in the middle of its request: nothing was done,
    and nobody reads this.
    """
    return Response(status_code=400)


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as broken:  # UnicodeDecodeError and JSONDecodeError are both
        raise Refusal("BadRequest.IllegalInput") from broken
    if not isinstance(body, dict):
        raise Refusal("BadRequest.IllegalInput")
    return body


def _request_id() -> str:
    return str(uuid.uuid4())


def _moment(query: dict[str, str], name: str) -> float | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).timestamp()
    except ValueError as wrong:
        raise Refusal("InvalidParameter", f"{name} must be YYYYMMDDhhmmss") from wrong


def _count(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise Refusal("InvalidParameter", f"{name} must be a positive integer")
    return int(text)


def _list_entry(task: Task) -> dict[str, Any]:
    times = {"gmt_create": task.submitted, "start_time": task.started, "end_time": task.ended}
    return {
        "api_key_id": str(int(task.account[:6], 16)),
        "caller_parent_id": str(int(task.account[:12], 16)),
        "caller_uid": str(int(task.account[:12], 16)),
        **{name: round(moment * 1000) for name, moment in times.items() if moment is not None},
        "model_name": task.order.model,
        "region": "cn-beijing",
        "request_id": task.request_id,
        "status": task.state,
        "task_id": task.id,
        "user_api_unique_key": (
            f"apikey:v1:aigc:video-generation:video-synthesis:{task.order.model}"
        ),
    }


def _usage(task: Task) -> dict[str, Any]:
    order = task.order
    billed = {
        "input_video_duration": _trim(task.input_seconds),
        "output_video_duration": order.seconds,
        "video_count": 1,
        "SR": int(order.tier.removesuffix("P")),
    }
    if not order.from_image:
        return {
            "duration": round(order.seconds + task.input_seconds, 2),
            "size": order.size,
            **billed,
        }
    return {"duration": order.seconds, **billed, "audio": order.audio}


def _trim(seconds: float) -> float | int:
    return int(seconds) if seconds == int(seconds) else round(seconds, 2)
