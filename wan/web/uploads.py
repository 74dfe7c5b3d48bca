"""File uploads: received piece by piece, so that nobody can announce or send more than there is
room.

Gradio's own route keeps a plain form field in memory, whatever its size, and tells everybody the
server path of an uploaded file.
"""

import asyncio
import contextlib
import json
import math
import re
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from wan.domain.errors import StorageUnavailable
from wan.service.counts import Counts
from wan.service.metrics import Metrics
from wan.storage.objects import require_room
from wan.storage.uploads import UploadFolder
from wan.web.addresses import group
from wan.web.rate_limit import RateLimit, SharedRateLimit
from wan.web.refusal import RequestRefused

# bytes: one request may bring three videos of 100 MB and two images of 20 MB, and the form
UPLOAD_LIMIT = 360_000_000
IDLE_SECONDS = 20.0  # without a byte, after which an upload is aborted
_MEGABYTE = 1_000_000
_FILE_LIMIT = 100 * _MEGABYTE  # the service's own limit for a reference video
_FILES_LIMIT = 20
_FIELDS_LIMIT = 8
_FIELD_LIMIT = 16_000  # bytes of a plain field
_BOUNDARY_LIMIT = 200  # characters
_WHOLE_SECONDS = 900  # 100 MB at 1 Mbit/s
# seconds for one more MB from an address, and how many may come at once: a class of students, each
# with a video of 100 MB
_RATE = (1.0, 3_000)
_AHEAD = 10  # MB still to come that are counted at once, where that costs a statement
_TRACKED = 1_000  # uploads whose progress is reported
_TRACK_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_TRACK_SECONDS = 3.0  # for which the page's query waits for the upload to begin
_POLL_SECONDS = 0.2  # between two reports; each takes the event loop a moment for every stream


class UploadRate:
    """A limit on how much each address sends. counts: those of the installation."""

    def __init__(self, counts: Counts | None) -> None:
        self._pace = SharedRateLimit("upload", RateLimit(*_RATE), counts)

    async def count(self, address: str, megabytes: int, coming: int) -> int:
        """Count megabytes that have come. Return how many were counted: some of those that are
        coming may be among them.

        Raises RequestRefused while an address sends too much.
        """
        who, ahead = group(address), min(_AHEAD, megabytes + coming)
        if self._pace.is_shared and ahead > megabytes and not await self._pace.wait(who, ahead):
            return ahead
        if wait := await self._pace.wait(who, megabytes):
            raise RequestRefused(429, "too_much", wait)
        return megabytes


def _require_room(folder: Path, more: int) -> None:
    try:
        require_room(folder, more=more)
    except StorageUnavailable:
        raise RequestRefused(507, "upload_no_room") from None


class BodyUploads:
    """Bodies with files that are read as a whole, and how much each address has sent in them
    lately.

    folder: where they are written. counts: those of the installation.
    """

    def __init__(self, folder: Path, counts: Counts | None = None) -> None:
        self._folder, self._reserved = folder, 0
        self._pace = SharedRateLimit("body", RateLimit(*_RATE), counts)

    @contextlib.asynccontextmanager
    async def admit(self, size: int, address: str) -> AsyncIterator[None]:
        """Reserve disk space for a body inside the block.

        Raises RequestRefused where there is none, and while an address sends too much.
        """
        if wait := await self._pace.wait(group(address), math.ceil(size / _MEGABYTE)):
            raise RequestRefused(429, "too_much", wait)
        self._reserved += size
        try:
            await asyncio.to_thread(_require_room, self._folder, self._reserved)
            yield
        finally:
            self._reserved -= size


class UploadProgress:
    """A count of the bytes of each upload that have come since the last query."""

    def __init__(self) -> None:
        self._arrived: OrderedDict[str, tuple[str, int] | None] = OrderedDict()
        """By the page's id of an upload: its current file and the bytes of it; None at its end."""

    def add(self, upload: str, name: str, size: int) -> None:
        """Note that more of a file has come."""
        last = self._arrived.get(upload)
        self._arrived[upload] = (name, size + (last[1] if last and last[0] == name else 0))
        if len(self._arrived) > _TRACKED:
            self._arrived.popitem(last=False)

    def end(self, upload: str) -> None:
        """Note that an upload is over, however it ended."""
        if upload in self._arrived:
            self._arrived[upload] = None

    async def follow(self, upload: str) -> AsyncIterator[str]:
        """Yield an upload's progress as server-sent events for the page's script, until it ends:
        at once for one that does not begin within a moment, as on a busy line.
        """
        if not await self._wait_for_start(upload):
            yield _event(msg="done")
        while upload in self._arrived:
            if (arrival := self._arrived[upload]) is None:
                del self._arrived[upload]
                yield _event(msg="done")
            elif arrival[1]:
                self._arrived[upload] = (arrival[0], 0)
                yield _event(msg="update", orig_name=arrival[0], chunk_size=arrival[1])
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_for_start(self, upload: str) -> bool:
        """Return whether an upload is known, after waiting a moment for it to begin."""
        for _ in range(round(_TRACK_SECONDS / _POLL_SECONDS)):
            if upload in self._arrived:
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False


class _Form:
    """A form parsed piece by piece: files are written as they come, the rest is counted and
    dropped.

    report: called with a file's name and how many bytes of it have just come.
    """

    def __init__(
        self,
        kind: str,
        folder: UploadFolder,
        report: Callable[[str, int], None],
    ) -> None:
        media, options = parse_options_header(kind)
        boundary = options.get(b"boundary", b"")
        if media != b"multipart/form-data" or not 0 < len(boundary) <= _BOUNDARY_LIMIT:
            raise RequestRefused(400)
        self._folder, self._report = folder, report
        self.files: list[Path] = []
        self.size = 0
        """Bytes of what has come, files and all."""
        self.megabytes = 0
        """How many have begun to come; each file is one at least, so that many small ones count
        too.
        """
        self._file: Any = None  # the one that is being written
        self._header, self._disposition = b"", b""
        self._fields = self._part = 0  # number of fields; bytes of this part
        self._room = 0  # bytes that may come before more room is required
        self._over, self._lock = False, threading.Lock()
        self._parser = MultipartParser(boundary, self._callbacks())

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name_header(data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": lambda data, start, end: self._add(data[start:end]),
            "on_part_end": self._close,
            "on_end": self._end,
        }

    def feed(self, piece: bytes) -> None:
        """Parse the next piece. Blocks; raises RequestRefused."""
        self.size += len(piece)
        if self.size > UPLOAD_LIMIT:
            raise RequestRefused(413)
        with self._lock:
            try:
                self._parser.write(piece)
            except FormParserError:
                raise RequestRefused(400) from None

    def finish(self) -> list[Path]:
        """Return the files once all has come. Raises RequestRefused where it has not."""
        if not self._over or not self.files:
            raise RequestRefused(400)
        return self.files

    def drop(self) -> None:
        """Remove what has come. Blocks."""
        with self._lock:  # the last piece may still be being written
            self._close()
            for file in self.files:
                self._folder.remove(file)

    def _begin(self) -> None:
        self._disposition, self._part = b"", 0

    def _name_header(self, data: bytes) -> None:
        self._header += data.lower()

    def _add_header(self, data: bytes) -> None:
        if self._header == b"content-disposition":
            self._disposition += data

    def _end_header(self) -> None:
        self._header = b""

    def _open(self) -> None:
        """Begin a part: create a file, or count a field."""
        _, options = parse_options_header(self._disposition)
        if b"filename" not in options:
            self._fields += 1
            if self._fields > _FIELDS_LIMIT:
                raise RequestRefused(413)
            return
        if options.get(b"name") != b"files":
            raise RequestRefused(400)
        if len(self.files) == _FILES_LIMIT:
            raise RequestRefused(413)
        self._room = 0
        self._require()
        self.files.append(self._folder.new(options[b"filename"].decode(errors="replace")))
        self._file = self.files[-1].open("xb")

    def _add(self, data: bytes) -> None:
        self._part += len(data)
        if self._part > (_FIELD_LIMIT if self._file is None else _FILE_LIMIT):
            raise RequestRefused(413)
        if self._file is None:
            return
        self._room -= len(data)
        while self._room < 0:
            self._require()
        self._file.write(data)
        self._report(self.files[-1].name, len(data))

    def _require(self) -> None:
        """Count one more megabyte. Raises RequestRefused where the disk has no room for it."""
        _require_room(self._folder.folder, more=_MEGABYTE)
        self.megabytes += 1
        self._room += _MEGABYTE

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _end(self) -> None:
        self._over = True


def routes(
    folder: UploadFolder,
    is_signed_in: Callable[[Request], bool],
    *,
    idle: float = IDLE_SECONDS,
    metrics: Metrics | None = None,
    counts: Counts | None = None,
) -> list[Route]:
    """Return the upload routes.

    is_signed_in: whether the client may send files. idle: seconds without a byte that end an
    upload. metrics: where uploads are counted. counts: those of the installation.
    """
    rate, progress, counted = UploadRate(counts), UploadProgress(), metrics or Metrics()

    async def upload(request: Request) -> Response:
        if not is_signed_in(request):
            return PlainTextResponse("Not authenticated", 401)
        try:
            with counted.uploading():
                files = await _receive_files(request, folder, rate, progress, idle, counted)
        except RequestRefused as refused:
            return refused.response(request.headers.get("accept-language", ""))
        return JSONResponse([folder.name(file) for file in files])

    async def watch(request: Request) -> Response:
        asked = request.query_params.get("upload_id", "")
        if not is_signed_in(request) or not _TRACK_ID.fullmatch(asked):
            return PlainTextResponse("Upload not found", 404)
        return StreamingResponse(progress.follow(asked), media_type="text/event-stream")

    return [
        Route("/gradio_api/upload", upload, methods=["POST"]),
        Route("/gradio_api/upload_progress", watch),
    ]


async def _receive_files(
    request: Request,
    folder: UploadFolder,
    rate: UploadRate,
    progress: UploadProgress,
    idle: float,
    metrics: Metrics,
) -> list[Path]:
    """Return a request's files. Raises RequestRefused and then leaves nothing behind."""
    address = request.client.host if request.client else ""
    tracked = request.query_params.get("upload_id", "")
    is_tracked = _TRACK_ID.fullmatch(tracked) is not None
    report: Callable[[str, int], None] = (
        partial(progress.add, tracked) if is_tracked else lambda *_: None
    )
    form = _Form(request.headers.get("content-type", ""), folder, report)
    try:
        async with asyncio.timeout(_WHOLE_SECONDS):
            await _feed(request, form, partial(rate.count, address), idle, metrics)
        return form.finish()
    except BaseException as error:
        await asyncio.shield(asyncio.to_thread(form.drop))
        if isinstance(error, TimeoutError):
            raise RequestRefused(408) from None
        if isinstance(error, StorageUnavailable | OSError):
            raise RequestRefused(507, "upload_no_room") from None
        raise
    finally:
        if is_tracked:
            progress.end(tracked)


async def _feed(
    request: Request,
    form: _Form,
    count: Callable[[int, int], Awaitable[int]],
    idle: float,
    metrics: Metrics,
) -> None:
    """Feed a form with all that comes. count: see `UploadRate.count`.

    Raises TimeoutError where nothing comes for `idle` seconds, RequestRefused where it breaks off.
    """
    declared, counted = int(request.headers.get("content-length", "0")), 0
    while True:
        async with asyncio.timeout(idle):
            message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RequestRefused(400)
        if piece := message.get("body", b""):
            metrics.uploaded_bytes += len(piece)
            await asyncio.to_thread(form.feed, piece)
            if (more := form.megabytes - counted) > 0:
                counted += await count(more, max(declared - form.size, 0) // _MEGABYTE)
        if not message.get("more_body", False):
            return


def _event(**values: Any) -> str:
    return f"data: {json.dumps(values)}\n\n"
