"""What stands around Gradio: whatever it leaves open is closed here, and every answer gets its
headers.

Gradio 6.31 answers on some eighty routes. The page and `gradio_client` need about twenty, and only
those are let through (`_READ`, `_WRITE`). Gone with the rest: fetching URLs for anybody
(`proxy=`), `process_recording` (FFmpeg for anybody), `deep_link` (writes a visitor's form to disk),
`monitoring`, `runs` and `run-history`, `component_server`, `vibe-*`, `stream`, `run/` and `api/`
(they pass the queue by), and `call/` with a name that is not public. Files are answered by
`wan.web.routes`, from two folders only; Gradio's own way relays URLs and echoes request headers.

What stays: an event of the page itself can be called by its number through `queue/join`, because
that is how the page calls it. `wan.ui.inputs` sees to it that a handler gets the types which its
components give, and the handlers check who asks. A file that somebody uploaded can be read by
whoever knows its name, which nobody can guess, and is signed in where people sign in.
"""

import contextlib
import logging
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wan.web import languages
from wan.web.addresses import Networks, client_address, group, host, is_within, may_be_shared
from wan.web.bodies import EVENT_LIMIT, Bodies, Body, limit_of, parse_body
from wan.web.capacity import Capacity
from wan.web.events import GROUP, RELEASE, SESSION, SHARED, SIZE, Events, stream_key
from wan.web.headers import ResponseHeaders, Scripts
from wan.web.host_names import HostNames
from wan.web.rate_limit import RateLimit
from wan.web.refusal import LanguageRedirect, Redirect, RequestRefused
from wan.web.root_path import Root
from wan.web.sessions import Sessions
from wan.web.uploads import UPLOAD_LIMIT, BodyUploads

_log = logging.getLogger(__name__)

_API = "/gradio_api"
_READ = (
    r"/|/zh|/config|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon|/(?:assets|static)/.+|/healthz|/media/.+|/still/.+|/review(?:/.*)?"
    rf"|{_API}/(?:info|startup-events|app_id|queue/data|upload_progress|file=.+)"
)
_PAGES = frozenset(path for path in languages.PATHS.values() if path != "/")
_MCP = f"{_API}/mcp"  # where it is asked for: each call is a POST of its own
_NAMED = f"{_API}/call/v2/"  # calls that name their parameters
_REVIEW = "/review/"
_WRITE = rf"{_API}/(?:queue/join|cancel|reset|upload)|{_REVIEW}[\w-]{{1,100}}/verdict"
_LOGIN = r"/login/?|/gradio_api/login_check"  # where logins are set
_LOGOUT = "/logout"  # by POST only, which no link and no picture can make a browser send
_ODD = re.compile(r"[\x00-\x1f\\]|(?:^|/)\.\.(?:/|$)")  # no address of ours has these

_SECRET = re.compile(
    r"(?<=^/media/)[^/]+|(?<=^/review/)[^/]+"
)  # whoever knows it sees what it leads to

_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UPLOAD_LIMITS = (600, 60)  # uploads on their way, in all and from one address: a class at once
_LATER = 5  # seconds until whoever finds no place may try again
_OWN_SITES = ("same-origin", "none")  # whose pages may open streams; a program says nothing of that
_REVIEW_WRITE_RATE = (1.0, 60)  # what one address may send to reviews
_REVIEW_READ_RATE = (
    0.02,
    600,
    # what one address may ask of reviews: thirty people look at a tally every 3 s, and each video
    # comes in pieces
)


class Guard:
    """The whole app, guarded.

    progress: the events in progress. uploads: what comes in bodies with files. events: numbers of
    those that have a handler. public: names of the handlers that may be called by name. trusted:
    networks of the proxies that are believed. names, root: under which the app is reached, as the
    operator says. hosts: those whose pages are its own beside the one that a request names.
    scripts: the inline ones that may run. first: the one of them with which a page begins, by the
    page's path.
    logins: whether people sign in. mcp: whether agents may call. space: whether this is a Space.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: Sessions,
        progress: Events,
        uploads: BodyUploads,
        events: Container[object],
        public: Iterable[str],
        trusted: Networks,
        names: HostNames,
        hosts: Sequence[str],
        scripts: Scripts,
        first: Mapping[str, str] = {},
        root: Root = Root(),  # noqa: B008 - it is frozen
        logins: bool = False,
        mcp: bool = False,
        space: bool = False,
    ) -> None:
        self._app, self._sessions, self._events, self._trusted, self._hosts = (
            app,
            sessions,
            events,
            trusted,
            hosts,
        )
        self._progress, self._bodies, self._uploads = progress, Bodies(), uploads
        self._review_writes, self._review_reads = (
            RateLimit(*_REVIEW_WRITE_RATE),
            RateLimit(*_REVIEW_READ_RATE),
        )
        self._uploading = Capacity(_UPLOAD_LIMITS[0], address=_UPLOAD_LIMITS[1])
        self._scripts, self._first = scripts, first
        self._names, self._root, self._space = names, root, space
        handlers = "|".join(re.escape(name) for name in public) or r"(?!)"
        self._calls = rf"{_API}/call/(?:v2/)?(?:{handlers})"
        login, logout = (_LOGIN, _LOGOUT) if logins else (r"(?!)", r"(?!)")
        agents = f"{_MCP}/?" if mcp else r"(?!)"
        read, written = (
            rf"{_READ}|{login}|{self._calls}/\w+",
            rf"{_WRITE}|{login}|{logout}|{agents}|{self._calls}",
        )
        self._open = {"GET": re.compile(read), "POST": re.compile(written)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, refuses, or hands on."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        asked = Headers(scope=scope)
        packed = "gzip" in asked.get("accept-encoding", "")
        proxied = is_within(str((scope.get("client") or ("",))[0]), self._trusted)
        root = self._root.of(scope, proxied=proxied)
        answer = ResponseHeaders(
            send, self._scripts, packed=packed, https=root.scheme == "https", space=self._space
        )
        try:
            scope = self._sanitize(scope, root, proxied=proxied)
            if chosen := languages.named_in(scope["query_string"]):
                answer.cookie = languages.cookie(chosen, root.path, framed=self._space)
            if scope["path"] in self._first:
                answer.head = self._head_start(root.path, self._first[scope["path"]])
            async with contextlib.AsyncExitStack() as held:
                body = await self._admit(scope, receive, held)
                if size := _file_bytes(scope):
                    await held.enter_async_context(self._uploads.admit(size, scope["client"][0]))
                # Gradio signs out by GET, which any page could make a browser send; and of the
                # pages but one it knows no HEAD.
                by_get = scope["path"] == _LOGOUT or scope["path"] in self._first
                method = "GET" if by_get else scope["method"]
                await self._app(
                    root.apply({**scope, "method": method}),
                    body,
                    self._progress.wait_until_closed(scope, answer),
                )
        except RequestRefused as refused:
            named = languages.named_in(scope["query_string"])
            language = named or asked.get("accept-language", "")
            await refused.response(language)(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - Starlette has answered it by now; here its traceback is kept out of the log where it is Gradio's
            if not answer.begun:
                await RequestRefused(500).response("")(scope, receive, answer)
            ours = error if not scope["path"].startswith(_API) else None
            _log.error(
                "%s %r: %r",
                scope["method"],
                _SECRET.sub("***", scope["path"]),
                error,
                exc_info=ours,
            )

    def _sanitize(self, scope: Scope, root: Root, *, proxied: bool) -> Scope:
        """The request as Gradio may see it: on an open route, from our own page, and without what a
        client could forge. Raises Refused.
        """
        headers = Headers(scope=scope)
        if (
            "transfer-encoding" in headers and "content-length" in headers
        ):  # a proxy in front may believe the other one
            raise RequestRefused(400)
        self._names.check(headers, proxied=proxied)
        reading = scope["method"] in ("GET", "HEAD")
        table = self._open.get("GET" if reading else scope["method"])
        path = root.route(scope["path"], table.fullmatch if table else bool)
        nameless = "origin" not in headers and path.startswith(
            (_REVIEW, _LOGOUT)
        )  # a browser always says where it is from
        if not reading and (nameless or not self._is_own_origin(headers, root)):
            raise RequestRefused(403)
        if table is None:
            raise RequestRefused(405)
        if reading and not path:  # from here every address of the page would lead beside it
            raise Redirect(f"{root.path}/", scope["query_string"])
        if reading and path.endswith("/") and path.rstrip("/") in _PAGES:
            raise Redirect(f"{root.path}{path.rstrip('/')}", scope["query_string"])
        if path == "/" and scope["method"] == "GET" and languages.is_document(headers):
            self._require_language(scope["query_string"], headers, root)
        if _ODD.search(path) or not table.fullmatch(path):
            raise RequestRefused(404)
        kept = [(name, value) for name, value in scope["headers"] if not _is_hidden(name, path)]
        address = client_address(scope, self._trusted)
        known = {
            GROUP: group(address),
            SHARED: may_be_shared(scope, self._trusted),
            SIZE: 0,
        }
        return {**scope, "path": path, "headers": kept, "client": (address, 0), **known}

    def _require_language(self, query: bytes, headers: Headers, root: Root) -> None:
        """Raise LanguageRedirect for a browser that wants another page than the one at "/"."""
        language = languages.language_of(query, headers)
        if (page := languages.PATHS[language]) != "/":
            raise LanguageRedirect(f"{root.path}{page}", query)

    def _head_start(self, path: str, first: str) -> str:
        """What a page's head begins with. path: under which the app is reached, as far as anybody
        here knows. first: its first script.
        """
        base = (
            f'<base href="{path}/">' if path else ""
        )  # the first one counts, also for what browsers fetch before they run a script
        return f"{base}<script>{first}</script>"

    def _is_own_origin(self, headers: Headers, root: Root) -> bool:
        """Whether the app's own page asks, or no page at all."""
        if (origin := headers.get("origin")) is None:
            return True
        named = [headers.get("host", ""), root.netloc, *self._hosts]
        return host(origin.partition("://")[2]) in [host(name) for name in named if name]

    async def _admit(
        self, scope: Scope, receive: Receive, held: contextlib.AsyncExitStack
    ) -> Receive:
        """How the body is received from here on, within its limits; new sessions are counted.
        Raises Refused.

        held: what is kept until the request has been answered.
        """
        path, address = scope["path"], scope["client"][0]
        headers = Headers(scope=scope)
        limit = limit_of(path)
        most = UPLOAD_LIMIT if path == f"{_API}/upload" else limit.size
        if (
            not re.fullmatch(r"\d{1,12}", length := headers.get("content-length", "0"))
            or int(length) > most
        ):
            raise RequestRefused(413, "rv_too_long" if path.startswith(_REVIEW) else "")
        if path.startswith(_REVIEW):
            self._admit_reviewer(scope["method"], headers, address)
        if scope["method"] != "POST":
            return self._admit_reader(scope, receive, held)
        if path == f"{_API}/upload":
            if not held.enter_context(self._uploading.reserve(address=scope[GROUP])):
                raise RequestRefused(429, "too_much", _LATER)
            return receive  # `wan.web.uploads` counts what comes
        alone = path.startswith(_MCP) or not limit.json
        if alone:
            self._sessions.admit(
                None, address
            )  # passwords are guessed no faster than pages are opened, and agents call no faster
        body = await held.enter_async_context(
            self._bodies.receive(receive, limit, address, int(length))
        )
        scope[SIZE], scope[RELEASE] = body.size, partial(self._bodies.release, body)
        if not alone:
            self._admit_event(scope, body, held)
        return body.replay(receive)

    def _admit_event(self, scope: Scope, body: Body, held: contextlib.AsyncExitStack) -> None:
        """Count the session and the event that a body of JSON asks for. Raises Refused."""
        path, asked = scope["path"], parse_body(body.content())
        public = path.startswith(f"{_API}/call/")
        if path == f"{_API}/queue/join":
            if type(event := asked.get("fn_index")) is not int or event not in self._events:
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
        nameless = session is None and path != f"{_API}/queue/join"
        known = None if nameless else _require_session(session)
        self._sessions.admit(known, scope["client"][0])
        held.enter_context(self._progress.join(scope, public=public, session=known))

    def _admit_reviewer(self, method: str, headers: Headers, address: str) -> None:
        """Counts what is asked of reviews and sent to them; it comes from their own page and is
        small. Raises Refused.
        """
        pace = self._review_writes if method == "POST" else self._review_reads
        if wait := pace.wait(group(address)):
            raise RequestRefused(429, "too_much", wait)
        if method != "POST":
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise RequestRefused(415)

    def _admit_reader(
        self, scope: Scope, receive: Receive, held: contextlib.AsyncExitStack
    ) -> Receive:
        """Count a stream, and the session that it is for. Gives how it receives. Raises Refused."""
        key = stream_key(scope["path"], scope["query_string"])
        watching = scope["path"] == f"{_API}/upload_progress"
        # A page elsewhere cannot read an answer, but it could use up what its visitor's address may
        # ask for.
        if (key or watching) and Headers(scope=scope).get(
            "sec-fetch-site", "none"
        ) not in _OWN_SITES:
            raise RequestRefused(403)
        if watching:  # it ends with the upload
            held.enter_context(self._progress.hold_stream(scope))
        if key is None:
            return receive
        if scope["path"].startswith(f"{_API}/queue/"):
            self._sessions.admit(_require_session(key), scope["client"][0])
        return held.enter_context(self._progress.listen(key, receive, scope))


def _file_bytes(scope: Scope) -> int:
    """Bytes of files that a request brings in one piece: as many as it may where it does not say; 0
    where it brings none. Checked by `_admit`.
    """
    most = (
        limit_of(_MCP).size
        if scope["method"] == "POST" and scope["path"].rstrip("/") == _MCP
        else 0
    )
    return most and int(Headers(scope=scope).get("content-length", most))


def _require_session(given: object) -> str:
    """A session's name. Raises Refused for what is none."""
    if not isinstance(given, str) or not _SESSION.fullmatch(given):
        raise RequestRefused(400)
    return given


def _is_hidden(name: bytes, path: str) -> bool:
    """Whether Gradio must not see a header: it gives every Origin leave to use the visitor's
    cookies, and takes its own address from others, which anybody may send. Where the app is reached
    stands in the request by then (`wan.web.root_path`).
    """
    if name == b"accept-encoding":
        return path == "/" or path in _PAGES  # a page is looked through before it is packed
    return name in (b"origin", b"x-gradio-server") or name.startswith(b"x-forwarded-")
