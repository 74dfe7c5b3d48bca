"""The guard around Gradio: closes what Gradio leaves open, and gives every answer its headers.

Gradio 6.31 answers on some eighty routes. The page and `gradio_client` need about twenty, and only
those are let through (`_READ`, `_WRITE`). The rest is blocked: fetching URLs for anybody
(`proxy=`), `process_recording` (FFmpeg for anybody), `deep_link` (writes a visitor's form to disk),
`monitoring`, `runs` and `run-history`, `component_server`, `vibe-*`, `stream`, `run/` and `api/`
(they bypass the queue; `run/predict` is open for the events that are declared so), and `call/` with
a name that is not public. Files are served by `wan.web.routes`, from two folders only; Gradio's own
route relays URLs and echoes request headers.

What stays: an event of the page itself can be called by its number through `queue/join` or
`run/predict`, because that is how the page calls it. `wan.ui.inputs` makes sure that a handler gets
the types which its components give, and the handlers check who asks. Anyone who knows an uploaded
file's name, which cannot be guessed, can read it, once signed in where people sign in.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wan.domain.messages import Language
from wan.service.counts import Counts
from wan.web import languages
from wan.web.addresses import Networks, client_address, group, host, is_within, may_be_shared
from wan.web.bodies import EVENT_LIMIT, Bodies, Body, limit_of, parse_body
from wan.web.capacity import Capacity
from wan.web.events import GROUP, RELEASE, SESSION, SHARED, SIZE, Events, stream_key
from wan.web.headers import Pages, ResponseHeaders, Scripts
from wan.web.host_names import HostNames
from wan.web.rate_limit import RateLimit, SharedRateLimit
from wan.web.refusal import LanguageRedirect, Redirect, RequestRefused
from wan.web.root_path import Root
from wan.web.sessions import Sessions
from wan.web.sign_in import SignIn, SignInRequired, refuse_form, sign_in_page
from wan.web.uploads import UPLOAD_LIMIT, BodyUploads

_log = logging.getLogger(__name__)

_API = "/gradio_api"
_JOIN, _PREDICT = f"{_API}/queue/join", f"{_API}/run/predict"  # events by their numbers
_READ = (
    r"/|/zh|/config|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon"
    r"|/(?:assets|static)/.+|/healthz|/readyz|/metrics|/media/.+|/reference/.+|/still/.+"
    r"|/(?:review|video)(?:/.*)?"
    r"|/spending(?:\.csv)?"
    rf"|{_API}/(?:info|startup-events|app_id|queue/data|upload_progress|file=.+)"
)
_PAGES = frozenset(path for path in languages.PATHS.values() if path != "/")
_MCP = f"{_API}/mcp"  # if enabled; each call is a POST of its own
_NAMED = f"{_API}/call/v2/"  # calls with named parameters
_REVIEW = "/review/"
_BEHIND_LINKS = (_REVIEW, "/video/")
_REVIEW_ACTIONS = "verdict|reply|edit|delete|name|own"
_METRICS, _EVENTS = "/metrics", "/events/dashscope"
_WRITE = (
    rf"{_JOIN}|{_PREDICT}|{_API}/(?:cancel|reset|upload)|{_EVENTS}"
    rf"|{_REVIEW}[\w-]{{1,100}}/(?:{_REVIEW_ACTIONS})"
)
_LOGIN = r"/login/?|/gradio_api/login_check"  # if logins are set
_LOGOUT = "/logout"  # by POST only, which no link or image can trigger
_ODD = re.compile(r"[\x00-\x1f\\]|(?:^|/)\.\.(?:/|$)")  # in no path of ours

# knowing it gives access
_SECRET = re.compile(r"(?<=^/(?:media|video)/)[^/]+|(?<=^/reference/)[^/]+|(?<=^/review/)[^/]+")

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UPLOAD_LIMITS = (600, 60)  # at the same time, in all and from one address: a class of students
_LATER = 5  # seconds, to retry where no place is free
_OWN_SITES = ("same-origin", "none")  # sites that may open streams; programs send no such header
# requests to what is behind links from one address: thirty people poll a review's tally every 3 s,
# and each video comes in pieces
_REVIEW_WRITE_RATE, _REVIEW_READ_RATE = (1.0, 60), (0.02, 600)
_EVENT_RATE = (0.05, 100)  # as many as the service answers queries a second


class Guard:
    """The whole app, guarded.

    progress: the events in progress. uploads: what comes in bodies with files. events: numbers of
    those that have a handler. direct: of those among them that pass the queue by. public: names of
    handlers that may be called by name. trusted: networks of trusted proxies. names, root: where
    the app is reached, as configured. hosts: further hosts whose pages are its own. scripts: the
    inline scripts that may run. first: the one that a page begins with, by the page's path.
    sign_in: how people sign in, where they do. mcp: whether agents may call. space: whether this is
    a Space. private: whether a request, as it came from its socket, may use one of the paths that
    are there for some alone. media: see `Pages`. counts: the installation's.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: Sessions,
        progress: Events,
        uploads: BodyUploads,
        events: Container[object],
        direct: Container[object] = (),
        public: Iterable[str],
        trusted: Networks,
        names: HostNames,
        hosts: Sequence[str],
        scripts: Scripts,
        first: Mapping[str, str] = {},
        root: Root = Root(),  # noqa: B008 - it is frozen
        sign_in: SignIn | None = None,
        mcp: bool = False,
        space: bool = False,
        private: Mapping[str, Callable[[Scope], bool]],
        media: Callable[[], str] = str,
        counts: Counts | None = None,
    ) -> None:
        self._app, self._sessions = app, sessions
        self._numbers = {_JOIN: events, _PREDICT: direct}
        self._trusted, self._hosts = trusted, hosts
        self._progress, self._bodies, self._uploads = progress, Bodies(), uploads
        self._review_writes = SharedRateLimit("review", RateLimit(*_REVIEW_WRITE_RATE), counts)
        self._review_reads = RateLimit(*_REVIEW_READ_RATE)
        self._announced = RateLimit(*_EVENT_RATE)
        self._uploading = Capacity(_UPLOAD_LIMITS[0], address=_UPLOAD_LIMITS[1])
        self._finished, self._first = Pages(scripts, space=space, media=media), first
        self._names, self._root, self._space = names, root, space
        self._sign_in, self._private = sign_in, private
        self._open = _open_routes(public, logins=sign_in is not None, mcp=mcp)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        asked = Headers(scope=scope)
        packed = "gzip" in asked.get("accept-encoding", "")
        proxied = is_within(str((scope.get("client") or ("",))[0]), self._trusted)
        root = self._root.of(scope, proxied=proxied)
        answer = ResponseHeaders(
            send,
            self._finished,
            packed=packed,
            https=root.scheme == "https",
            known=asked.get("if-none-match", ""),
        )
        try:
            scope = self._sanitize(scope, root, proxied=proxied)
            chosen = languages.language_in(scope["query_string"])
            if chosen and scope["method"] != "POST":  # a form names only what it is in itself
                answer.cookie = languages.cookie(chosen, root.path, framed=self._space)
            if scope["path"] in self._first:
                answer.head = self._head_start(root.path, self._first[scope["path"]])
                if self._sign_in and self._sign_in.is_needed(scope):
                    raise SignInRequired
            async with contextlib.AsyncExitStack() as held:
                body = await self._admit(scope, receive, held)
                if size := _file_bytes(scope):
                    await held.enter_async_context(self._uploads.admit(size, scope["client"][0]))
                await self._pass_on(scope, body, root, answer)
        except RequestRefused as refused:
            await self._refusal(refused, scope)(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - Starlette has answered by now
            if not answer.begun:
                await RequestRefused(500).response("")(scope, receive, answer)
            _log_error(scope, error)

    async def _pass_on(
        self, scope: Scope, receive: Receive, root: Root, answer: ResponseHeaders
    ) -> None:
        """Let Gradio answer."""
        # It signs out by GET, which any page could make a browser send; and of the pages but one it
        # knows no HEAD.
        by_get = scope["path"] == _LOGOUT or scope["path"] in self._first
        asked = root.apply({**scope, "method": "GET" if by_get else scope["method"]})
        if self._sign_in and _is_sign_in_form(scope):
            response = await self._sign_in.answer_form(self._app, asked, receive)
            await response(scope, receive, answer)
        else:
            send = self._progress.wait_until_closed(scope, answer)
            await self._app(asked, receive, send)

    def _refusal(self, refused: RequestRefused, scope: Scope) -> Response:
        """Return the answer to a request that is refused."""
        if isinstance(refused, SignInRequired):
            return sign_in_page(_language_of_page(scope["path"]))
        if self._sign_in and _is_sign_in_form(scope):
            return refuse_form(scope, refused)
        return refused.response(languages.language_of(scope["query_string"], Headers(scope=scope)))

    def _sanitize(self, scope: Scope, root: Root, *, proxied: bool) -> Scope:
        """Return the request as Gradio may see it, without what a client could forge.

        Raises RequestRefused unless it is for an open route and, where it changes things, from our
        own page.
        """
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:
            raise RequestRefused(400)  # a proxy in front may believe the other one
        self._names.check(headers, proxied=proxied)
        reading = scope["method"] in ("GET", "HEAD")
        table = self._open.get("GET" if reading else scope["method"])
        path = root.route(scope["path"], table.fullmatch if table else bool)
        # There a browser always sends its origin.
        nameless = "origin" not in headers and path.startswith((_REVIEW, _LOGOUT))
        if not reading and (nameless or not self._is_own_origin(headers, root)):
            raise RequestRefused(403)
        if table is None:
            raise RequestRefused(405)
        if reading and not path:  # from here every relative URL of the page would be wrong
            raise Redirect(f"{root.path}/", scope["query_string"])
        if reading and path.endswith("/") and path.rstrip("/") in _PAGES:
            raise Redirect(f"{root.path}{path.rstrip('/')}", scope["query_string"])
        if reading and self._sign_in and path.rstrip("/") == "/login":  # a reload, a bookmark
            raise Redirect(f"{root.path}/", b"")
        if path == "/" and scope["method"] == "GET" and languages.is_document(headers):
            self._require_language(scope["query_string"], headers, root)
        if _ODD.search(path) or not table.fullmatch(path):
            raise RequestRefused(404)
        if path in (_METRICS, _EVENTS) and not self._private[path](scope):
            raise RequestRefused(404)
        kept = [(name, value) for name, value in scope["headers"] if not _is_hidden(name, path)]
        address = client_address(scope, self._trusted)
        known = {GROUP: group(address), SHARED: may_be_shared(scope, self._trusted), SIZE: 0}
        return {**scope, "path": path, "headers": kept, "client": (address, 0), **known}

    def _require_language(self, query: bytes, headers: Headers, root: Root) -> None:
        """Raise LanguageRedirect for a browser that wants another page than the one at "/"."""
        language = languages.language_of(query, headers)
        if (page := languages.PATHS[language]) != "/":
            raise LanguageRedirect(f"{root.path}{page}", query)

    def _head_start(self, path: str, first: str) -> str:
        """Return the start of a page's head. path: under which the app is reached, as far as known.
        first: its first script.
        """
        # The first base counts, also for what browsers fetch before they run a script.
        base = f'<base href="{path}/">' if path else ""
        return f"{base}<script>{first}</script>"

    def _is_own_origin(self, headers: Headers, root: Root) -> bool:
        """Return whether the app's own page asks, or no page at all."""
        if (origin := headers.get("origin")) is None:
            return True
        named = [headers.get("host", ""), root.netloc, *self._hosts]
        return host(origin.partition("://")[2]) in [host(name) for name in named if name]

    async def _admit(
        self, scope: Scope, receive: Receive, held: contextlib.AsyncExitStack
    ) -> Receive:
        """Return the channel that receives the body within its limits, and count a new session.

        held: keeps reservations until the request has been answered. Raises RequestRefused.
        """
        path, address, limit = scope["path"], scope["client"][0], limit_of(scope["path"])
        headers = Headers(scope=scope)
        length = _require_length(path, headers)
        if path.startswith(_BEHIND_LINKS):
            await self._admit_reviewer(scope["method"], headers, address)
        if path == _EVENTS and (wait := self._announced.wait(group(address))):
            raise RequestRefused(429, "too_much", wait)
        if scope["method"] != "POST":
            return await self._admit_reader(scope, receive, held)
        if path == f"{_API}/upload":
            if not held.enter_context(self._uploading.reserve(address=scope[GROUP])):
                raise RequestRefused(429, "too_much", _LATER)
            return receive  # `wan.web.uploads` counts what comes
        alone = path.startswith(_MCP) or not limit.json
        if alone:
            # Nobody guesses passwords, and no agent calls, faster than pages may be opened.
            await self._sessions.admit(None, address)
        body = await held.enter_async_context(self._bodies.receive(receive, limit, address, length))
        scope[SIZE], scope[RELEASE] = body.size, partial(self._bodies.release, body)
        if not alone:
            await self._admit_event(scope, body, held)
        return body.replay(receive)

    async def _admit_event(self, scope: Scope, body: Body, held: contextlib.AsyncExitStack) -> None:
        """Count the session and the event that a JSON body asks for. Raises RequestRefused."""
        path, asked = scope["path"], parse_body(body.content())
        public = path.startswith(f"{_API}/call/")
        if (numbers := self._numbers.get(path)) is not None:
            if type(event := asked.get("fn_index")) is not int or event not in numbers:
                raise RequestRefused(404)
            public, scope[SESSION] = self._progress.is_public(event), asked.get("session_hash")
            if not public and body.size > EVENT_LIMIT:
                raise RequestRefused(413)
        elif not public:
            return
        elif path.startswith(_NAMED):
            self._progress.require_parameters(path.removeprefix(_NAMED), asked)
        elif not isinstance(values := asked.get("data"), list):
            raise RequestRefused(
                422, "values_odd", given="nothing" if values is None else type(values).__name__
            )
        session = asked.get("session_hash")
        nameless = session is None and path not in self._numbers
        known = None if nameless else _require_session(session)
        await self._sessions.admit(known, scope["client"][0])
        held.enter_context(self._progress.join(scope, public=public, session=known))

    async def _admit_reviewer(self, method: str, headers: Headers, address: str) -> None:
        """Count a request to what is behind a link; what is sent must be JSON. Raises
        RequestRefused.
        """
        who, is_read = group(address), method != "POST"
        if wait := self._review_reads.wait(who) if is_read else await self._review_writes.wait(who):
            raise RequestRefused(429, "too_much", wait)
        if is_read:
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RequestRefused(415)

    async def _admit_reader(
        self, scope: Scope, receive: Receive, held: contextlib.AsyncExitStack
    ) -> Receive:
        """Count a stream and its session. Return its receive channel. Raises RequestRefused."""
        key = stream_key(scope["path"], scope["query_string"])
        watching = scope["path"] == f"{_API}/upload_progress"
        # Another site's page cannot read an answer, but could use up its visitor's limits.
        origin = Headers(scope=scope).get("sec-fetch-site", "none")
        if (key or watching) and origin not in _OWN_SITES:
            raise RequestRefused(403)
        if watching:  # it ends with the upload
            held.enter_context(self._progress.hold_stream(scope))
        if key is None:
            return receive
        if scope["path"].startswith(f"{_API}/queue/"):
            await self._sessions.admit(_require_session(key), scope["client"][0])
        return held.enter_context(self._progress.listen(key, receive, scope))


def _open_routes(public: Iterable[str], *, logins: bool, mcp: bool) -> dict[str, re.Pattern[str]]:
    """Return the paths that are let through, by method."""
    never = r"(?!)"
    handlers = "|".join(re.escape(name) for name in public) or never
    calls = rf"{_API}/call/(?:v2/)?(?:{handlers})"
    login, logout = (_LOGIN, _LOGOUT) if logins else (never, never)
    agents = f"{_MCP}/?" if mcp else never
    return {
        "GET": re.compile(rf"{_READ}|{login}|{calls}/\w+"),
        "POST": re.compile(rf"{_WRITE}|{login}|{logout}|{agents}|{calls}"),
    }


def _is_sign_in_form(scope: Scope) -> bool:
    """Return whether the form of the page where people sign in was sent."""
    is_login = scope["method"] == "POST" and scope["path"] == "/login"
    return is_login and languages.is_document(Headers(scope=scope))


def _language_of_page(path: str) -> Language:
    return next((language for language, at in languages.PATHS.items() if at == path), "en")


def _require_length(path: str, headers: Headers) -> int:
    """Return the declared bytes of a body. Raises RequestRefused for more than its path allows."""
    most = UPLOAD_LIMIT if path == f"{_API}/upload" else limit_of(path).size
    length = headers.get("content-length", "0")
    if not re.fullmatch(r"\d{1,12}", length) or int(length) > most:
        raise RequestRefused(413, "rv_too_long" if path.startswith(_REVIEW) else "")
    return int(length)


def _log_error(scope: Scope, error: Exception) -> None:
    """Log an error, with its traceback unless it is Gradio's."""
    ours = error if not scope["path"].startswith(_API) else None
    path = _SECRET.sub("***", scope["path"])
    _log.error("%s %r: %r", scope["method"], path, error, exc_info=ours)


def _file_bytes(scope: Scope) -> int:
    """Return the declared bytes of files in a request's body: its limit if undeclared, 0 for none.

    Checked by `_admit`.
    """
    if scope["method"] != "POST" or scope["path"].rstrip("/") != _MCP:
        return 0
    return int(Headers(scope=scope).get("content-length", limit_of(_MCP).size))


def _require_session(given: object) -> str:
    """Return a session's name. Raises RequestRefused for anything else."""
    if not isinstance(given, str) or not _SESSION.fullmatch(given):
        raise RequestRefused(400)
    return given


def _is_hidden(name: bytes, path: str) -> bool:
    """Return whether Gradio must not see a header.

    It lets every Origin use the visitor's cookies, and takes its own address from headers that
    anybody may send. Where the app is reached is in the request by then (`wan.web.root_path`).
    """
    if name == b"accept-encoding":
        return path == "/" or path in _PAGES  # a page is looked through before it is packed
    return name in (b"origin", b"x-gradio-server") or name.startswith(b"x-forwarded-")
