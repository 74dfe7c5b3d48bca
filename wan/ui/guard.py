"""What stands around Gradio: whatever it leaves open is closed here, and every answer gets its headers.

Gradio 6.31 answers on some eighty routes. The page and `gradio_client` need about twenty, and only those are let through (`_READ`, `_WRITTEN`).
Gone with the rest: fetching URLs for anybody (`proxy=`), `process_recording` (FFmpeg for anybody), `deep_link` (writes a visitor's form to disk),
`monitoring`, `runs` and `run-history`, `component_server`, `vibe-*`, `stream`, `run/` and `api/` (they pass the queue by), and `call/` with a name
that is not public. Files are answered by `wan.ui.routes`, from two folders only; Gradio's own way relays URLs and echoes request headers.

What stays: an event of the page itself can be called by its number through `queue/join`, because that is how the page calls it. `wan.ui.inputs`
sees to it that a handler gets the types which its components give, and the handlers check who asks. A file that somebody uploaded can be read by
whoever knows its path; that holds the SHA-256 of its content.
"""

import asyncio
import contextlib
import json
import logging
import math
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Container, Iterable, Sequence
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from gradio import processing_utils
from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wan.errors import NotKept
from wan.storage import require_room
from wan.ui.headers import Answer, Scripts
from wan.ui.pace import Pace
from wan.ui.text import say

Networks = Sequence[IPv4Network | IPv6Network]

_log = logging.getLogger(__name__)

_API = "/gradio_api"
_READ = (
    r"/|/config|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon|/(?:assets|static)/.+|/healthz|/media/.+|/still/.+|/review(?:/.*)?"
    rf"|{_API}/(?:info|startup-events|app_id|queue/data|upload_progress|heartbeat/[^/]+|file=.+)"
)
_MCP = f"{_API}/mcp"  # where it is asked for: each call is a POST of its own
_REVIEW = "/review/"
_WRITTEN = rf"{_API}/(?:queue/join|cancel|reset|upload)|{_REVIEW}[\w-]{{1,100}}/verdict"
_LOGIN = r"/login/?|/logout|/gradio_api/login_check"  # where logins are set
_ODD = re.compile(r"[\x00-\x1f\\]|(?:^|/)\.\.(?:/|$)")  # no address of ours has these

_SECRET = re.compile(r"(?<=^/media/)[^/]+|(?<=^/review/)[^/]+")  # whoever knows it sees what it leads to

_JSON_LIMIT = 1_000_000  # bytes; the largest form is a prompt and five addresses
_JSON_SECONDS = 30
_MCP_LIMIT = 28_000_000  # bytes; a picture of 20 MB as a data: URL
_VERDICT_LIMIT = 32_000  # bytes; 2,000 characters are 24,000 where each is written as two halves
_UPLOAD_LIMIT = 360_000_000  # bytes: three clips of 100 MB and two pictures of 20 MB come in one request, and the form around them
_FILES = {f"{_API}/upload": _UPLOAD_LIMIT, _MCP: _MCP_LIMIT}  # where a body may hold files, which Gradio writes to the disk before anybody looks
_UPLOAD_PARTS = 20
_UPLOAD_SECONDS = 900  # a 100 MB clip over 1 Mbit/s
_MEGABYTE = 1_000_000
_UPLOAD_RATE = (1.0, 3_000)  # seconds for one more MB from an address, and how many may come at once: a class, each with a clip of 100 MB

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
KNOWN = 10_000  # sessions that are remembered; Gradio's own memory of them is bounded by it too
_ADDRESS_RATE = (1.0, 60)  # seconds for one new session from an address, and how many may come at once: a class behind one address
_TOTAL_RATE = (0.1, 100)  # the same for all addresses together: each costs Gradio about 13 ms
_VERDICT_RATE = (1.0, 60)  # what one address may send to reviews
_LOOK_RATE = (0.02, 600)  # what one address may ask of reviews: thirty people look at a tally every 3 s, and each video comes in pieces


class Refused(Exception):
    """A request that goes no further. key: what people are told, where they can do something about it. wait: seconds, where waiting helps."""

    def __init__(self, status: int, key: str = "", wait: float = 0) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self._status, self._key, self._wait = status, key, math.ceil(wait)

    def response(self, language: str) -> JSONResponse:
        """The answer. language: the request's Accept-Language."""
        detail = say(self._key, language, seconds=self._wait) if self._key else str(self)
        # What comes next over this connection may be the rest of a body that nobody wants, or was put there by somebody else.
        headers = {"Connection": "close"} if self._status in (400, 408, 413) else {}
        headers |= {"Retry-After": str(self._wait)} if self._wait else {}
        return JSONResponse({"detail": detail}, self._status, headers=headers)


def client_address(scope: Scope, trusted: Networks) -> str:
    """Whom a request comes from: the socket's peer; behind a trusted proxy the right-most entry of X-Forwarded-For that no trusted proxy wrote."""
    address = str((scope.get("client") or ("",))[0])
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and _within(address, trusted):
        address = hops.pop()
    return address


def _ip(address: str) -> IPv4Address | IPv6Address | None:
    """An address with or without a port; None for what is none."""
    for given in (address, _host(address)[0]):
        with contextlib.suppress(ValueError):
            known = ip_address(given)
            return (known.ipv4_mapped if isinstance(known, IPv6Address) else None) or known
    return None


def _within(address: str, networks: Networks) -> bool:
    known = _ip(address)
    return known is not None and any(known in network for network in networks)


def group(address: str) -> str:
    """What counts as one address, without its port: an IPv6 customer has a whole /64."""
    known = _ip(address)
    return str(IPv6Network((known, 64), strict=False)) if isinstance(known, IPv6Address) else str(known or address)


class Sessions:
    """The sessions that are known, and at which rate new ones may come: each costs Gradio time and memory.

    forget: told of each session that is no longer known. clock: seconds; passed in by tests.
    """

    def __init__(self, forget: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._forget = forget
        self._known: OrderedDict[str, None] = OrderedDict()
        self._own, self._all = Pace(*_ADDRESS_RATE, clock), Pace(*_TOTAL_RATE, clock)

    def admit(self, session: str | None, address: str) -> None:
        """Lets a session in. session: None for one that nobody can come back to. Raises Refused while too many come."""
        if session is not None and session in self._known:
            self._known.move_to_end(session)
            return
        if wait := self._own.wait(group(address)) or self._all.wait(""):  # in this order, so that nobody uses up what is there for all
            raise Refused(429, "too_many_pages", wait)
        if session is not None:
            self._remember(session)

    def _remember(self, session: str) -> None:
        self._known[session] = None
        if len(self._known) > KNOWN:
            self._forget(self._known.popitem(last=False)[0])


class Uploads:
    """The files that are on their way here, and how much each address has sent lately."""

    def __init__(self) -> None:
        self._pace, self._coming = Pace(*_UPLOAD_RATE), 0

    @contextlib.asynccontextmanager
    async def admitted(self, size: int, address: str) -> AsyncIterator[None]:
        """Keeps room for so many bytes while they come. Raises Refused where there is none, and while an address sends too much."""
        if wait := self._pace.wait(group(address), math.ceil(size / _MEGABYTE)):
            raise Refused(429, "too_much", wait)
        self._coming += size
        try:
            await asyncio.to_thread(_require_room, self._coming)
            yield
        finally:
            self._coming -= size


def _require_room(more: int) -> None:
    try:
        require_room(Path(get_upload_folder()), more=more)
    except NotKept:
        raise Refused(507, "upload_no_room") from None


class Guard:
    """The whole app, guarded.

    events: numbers of the events that have a handler. public: names of the handlers that may be called by name. trusted: networks of the proxies that
    are believed. hosts: names under which the app is reached beside the one that a request names. scripts: the inline ones that may run. logins:
    whether people sign in. mcp: whether agents may call.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: Sessions,
        events: Container[object],
        public: Iterable[str],
        trusted: Networks,
        hosts: Sequence[str],
        scripts: Scripts,
        logins: bool = False,
        mcp: bool = False,
    ) -> None:
        self._app, self._sessions, self._events, self._trusted, self._hosts = app, sessions, events, trusted, hosts
        self._uploads = Uploads()
        self._verdicts, self._looks = Pace(*_VERDICT_RATE), Pace(*_LOOK_RATE)
        self._scripts = scripts
        names = "|".join(re.escape(name) for name in public) or r"(?!)"
        self._called = rf"{_API}/call/(?:v2/)?(?:{names})"
        login = _LOGIN if logins else r"(?!)"
        agents = f"{_MCP}/?" if mcp else r"(?!)"
        self._open = {"GET": re.compile(rf"{_READ}|{login}|{self._called}/\w+"), "POST": re.compile(rf"{_WRITTEN}|{login}|{agents}|{self._called}")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, refuses, or hands on."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        asked = Headers(scope=scope)
        answer = Answer(send, self._scripts, packed="gzip" in asked.get("accept-encoding", ""))
        try:
            scope = self._own(scope)
            body = await self._received(scope, receive)
            size = _of_files(scope)
            async with self._uploads.admitted(size, scope["client"][0]) if size else contextlib.nullcontext():
                await self._app(scope, body, answer)
        except Refused as refused:
            await refused.response(asked.get("accept-language", ""))(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - Starlette has answered it by now; here its traceback is kept out of the log where it is Gradio's
            if not answer.begun:
                await Refused(500).response("")(scope, receive, answer)
            ours = error if not scope["path"].startswith(_API) else None
            _log.error("%s %r: %r", scope["method"], _SECRET.sub("***", scope["path"]), error, exc_info=ours)

    def _own(self, scope: Scope) -> Scope:
        """The request as Gradio may see it: on an open route, from our own page, and without what a client could forge. Raises Refused."""
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:  # a proxy in front may believe the other one
            raise Refused(400)
        proxied = _within(str((scope.get("client") or ("",))[0]), self._trusted)
        self._check_host(scope, headers, proxied=proxied)
        nameless = "origin" not in headers and scope["path"].startswith(_REVIEW)  # its page always says where it is from
        if scope["method"] not in ("GET", "HEAD") and (nameless or not self._is_ours(headers, proxied=proxied)):
            raise Refused(403)
        table = self._open.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if table is None:
            raise Refused(405)
        if _ODD.search(scope["path"]) or not table.fullmatch(scope["path"]):
            raise Refused(404)
        kept = [(name, value) for name, value in scope["headers"] if not _is_hidden(name, scope["path"], proxied=proxied)]
        return {**scope, "headers": kept, "client": (client_address(scope, self._trusted), 0)}

    def _check_host(self, scope: Scope, headers: Headers, *, proxied: bool) -> None:
        """On loopback no foreign name is answered: any web site could make its own point here, and would then be the same origin as the app."""
        server, name = _ip((scope.get("server") or ("",))[0]), _host(headers.get("host", ""))[0]
        if not proxied and server and server.is_loopback and not _ip(name) and name != "localhost":
            raise Refused(421, "host_unknown")

    def _is_ours(self, headers: Headers, *, proxied: bool) -> bool:
        """Whether the app's own page asks, or no page at all."""
        if (origin := headers.get("origin")) is None:
            return True
        named = [headers.get("host", ""), *self._hosts]
        if proxied:
            named.append(headers.get("x-forwarded-host", "").split(",")[0].strip())
        return _host(origin.partition("://")[2]) in [_host(name) for name in named if name]

    async def _received(self, scope: Scope, receive: Receive) -> Receive:
        """How the body is received from here on, within its limits; new sessions are counted. Raises Refused."""
        path, address = scope["path"], scope["client"][0]
        headers = Headers(scope=scope)
        limit = _FILES.get(path.rstrip("/"), _JSON_LIMIT)
        if not re.fullmatch(r"\d{1,12}", length := headers.get("content-length", "0")) or int(length) > limit:
            raise Refused(413)
        if path.startswith(_REVIEW):
            self._admit_reviewer(scope["method"], headers, address)
        if scope["method"] != "POST":
            self._admit_reader(scope)
            return receive
        if path == f"{_API}/upload":
            return _Upload(receive, headers.get("content-type", ""))
        body = await _read(receive, limit)
        if path.startswith(("/login", _MCP)):
            self._sessions.admit(None, address)  # passwords are guessed no faster than pages are opened, and agents call no faster
            return _again(body, receive)
        asked = _asked(body)
        if path == f"{_API}/queue/join":
            if not isinstance(event := asked.get("fn_index"), int) or event not in self._events:
                raise Refused(404)
            self._sessions.admit(_session(asked.get("session_hash")), address)
        elif path.startswith(f"{_API}/call/"):
            session = asked.get("session_hash")
            self._sessions.admit(None if session is None else _session(session), address)
        return _again(body, receive)

    def _admit_reviewer(self, method: str, headers: Headers, address: str) -> None:
        """Counts what is asked of reviews and sent to them; it comes from their own page and is small. Raises Refused."""
        pace = self._verdicts if method == "POST" else self._looks
        if wait := pace.wait(group(address)):
            raise Refused(429, "too_much", wait)
        if method != "POST":
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415)
        if int(headers.get("content-length", _JSON_LIMIT)) > _VERDICT_LIMIT:
            raise Refused(413, "rv_too_long")

    def _admit_reader(self, scope: Scope) -> None:
        """Counts the session that a stream of events is for."""
        path = scope["path"]
        if path == f"{_API}/queue/data":
            session = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[-1]
        elif path.startswith(f"{_API}/heartbeat/"):
            session = path.rpartition("/")[2]
        else:
            return
        self._sessions.admit(_session(session), scope["client"][0])


class _Upload:
    """Receives an upload up to its size, its time and its number of parts. What breaks them raises what makes Gradio delete the pieces it has."""

    def __init__(self, receive: Receive, kind: str) -> None:
        self._receive, self._until = receive, asyncio.get_running_loop().time() + _UPLOAD_SECONDS
        found = re.search(r'boundary="?([^";,]+)', kind)
        self._boundary = b"--" + found[1].encode("latin-1") if found else b"--"
        self._size, self._parts, self._tail, self._whole = 0, 0, b"", False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise MultiPartException("The upload took too long.") from None
        if message["type"] == "http.disconnect":
            raise MultiPartException("The upload broke off.")
        self._count(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        return message

    def _count(self, piece: bytes) -> None:
        self._size += len(piece)
        seen = self._tail + piece
        self._parts += seen.count(self._boundary)
        self._tail = seen[-(len(self._boundary) - 1) :]
        if self._size > _UPLOAD_LIMIT or self._parts > _UPLOAD_PARTS:
            raise MultiPartException("The upload exceeded the maximum allowed size.")  # by these words Gradio makes it a 413


def _of_files(scope: Scope) -> int:
    """Bytes that a request brings for the disk: as many as it may where it does not say; 0 where it brings no files. Checked by `_received`."""
    most = _FILES.get(scope["path"].rstrip("/"), 0) if scope["method"] == "POST" else 0
    return most and int(Headers(scope=scope).get("content-length", most))


async def _read(receive: Receive, limit: int) -> bytes:
    """A body of JSON of at most `limit` bytes as a whole. Raises Refused."""
    body = bytearray()
    try:
        async with asyncio.timeout(_JSON_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if message["type"] == "http.disconnect" or len(body) > limit:
                    raise Refused(413)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Refused(408) from None


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives a body that has been read once more."""
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return whole.pop() if whole else await receive()

    return replayed


def _asked(body: bytes) -> dict[str, Any]:
    """What a body of JSON asks for. Raises Refused for what asks for nothing."""
    try:
        given = json.loads(body)
        json.dumps(given, ensure_ascii=False).encode()  # half a character would break whatever writes it down later, the stream of events too
    except (ValueError, RecursionError):
        raise Refused(400) from None
    if not isinstance(given, dict):
        raise Refused(400)
    return given


def _session(given: object) -> str:
    """A session's name. Raises Refused for what is none."""
    if not isinstance(given, str) or not _SESSION.fullmatch(given):
        raise Refused(400)
    return given


def _is_hidden(name: bytes, path: str, *, proxied: bool) -> bool:
    """Whether Gradio must not see a header: it gives every Origin leave to use the visitor's cookies, and takes its own address from forged ones."""
    if name == b"accept-encoding":
        return path == "/"  # the page is looked through before it is packed
    return name in (b"origin", b"x-gradio-server") or (not proxied and name.startswith(b"x-forwarded-"))


def _host(netloc: str) -> tuple[str, str]:
    """Name and port of "name:port"; the ports of http and https are left out."""
    try:
        parts = urlsplit(f"//{netloc}")
        return (parts.hostname or ""), ("" if parts.port in (None, 80, 443) else str(parts.port))
    except ValueError:
        return "", ""


class _NoDownloads(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.UnsupportedProtocol("the page fetches nothing", request=request)


def deny_downloads() -> None:
    """Keeps Gradio from fetching the http(s) addresses that a forged form gives for files: whole into memory, without a limit."""
    processing_utils.async_transport = _NoDownloads()  # type: ignore[assignment]
