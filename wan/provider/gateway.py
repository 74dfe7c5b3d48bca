"""The way to the service, and the only file that imports dashscope: its transport carries our
requests, our own models read the answers.

The SDK's higher calls are not used: they send the paid request again when an answer is lost, upload
any text that happens to be the path of a file, and list nothing (dashscope 2.0.2). No key and no
workspace is on the client; both go with every call, because the SDK would fill a gap from the
operator's environment. Files travel over a second client that never holds a key.
"""

import asyncio
import json
import logging
import math
import os
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    SecretStr,
    ValidationError,
    model_validator,
)

from wan.domain.catalog import BASE_URLS, SOUND_MEGABYTES, SOUND_SECONDS
from wan.domain.errors import (
    KeyRefused,
    NotSent,
    OddAddress,
    Refused,
    ResultRefused,
    ServiceError,
    Throttled,
    Unclear,
    Unreadable,
)
from wan.domain.messages import Sentence, sentence
from wan.domain.plain_text import clean
from wan.domain.redact import unsigned
from wan.environment.settings import Connection
from wan.environment.surroundings import authorities, some_home, unused_proxy

if TYPE_CHECKING:
    import dashscope

log = logging.getLogger("wan.provider.gateway")
logging.getLogger("httpx").setLevel(
    logging.WARNING
)  # at INFO it writes down every URL, and a result's is a signed one

CREATE_PATH = "services/aigc/video-generation/video-synthesis"
# seconds for the whole paid request; httpx's own limit is per read, and a slow drip outlasts it
SUBMIT_LIMIT = 30.0
ASK_LIMIT = 20.0  # seconds for a whole question
FILE_LIMIT = 60.0  # seconds between two pieces of a file
RESULT_LIMIT = 512 * 1_000_000  # bytes of a result; 15 s at 1080P are about 30 MB
# signed result URLs and the object store of uploads lie under many names below it
_RESULT_HOSTS = ".aliyuncs.com"
_CHUNK = 1 << 18  # bytes
_NAMED = 100  # characters of an address that a sentence has room for

_LOOPBACK = ("localhost", "127.0.0.1", "::1")  # where no proxy leads

# What proves that a request never left: the connection was not made, nothing was written to it, or
# a proxy made none to the service.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)
# What codes mean that are about the account and not about the request, by their letters: the
# service writes some of them in two ways (help centre, error codes, May 2026). The values are keys
# of `wan.domain.messages.CAUSES`.
_CAUSES = {
    "invalidapikey": "key_unknown",
    "invalidaccesstokenortokenexpired": "key_unknown",
    "allocationquotafreetieronly": "free_quota_used",
    "throttlingallocationquota": "quota_used_up",
    "insufficientquota": "quota_used_up",
    "accessdeniedunpurchased": "not_activated",
    "modelaccessdenied": "model_denied",
    "workspaceaccessdenied": "workspace_denied",
    "workspacenotfound": "workspace_denied",
    "notauthorized": "workspace_denied",
    "endpointaccessdenied": "model_withdrawn",
    "modelnotfound": "model_missing",
    "arrearage": "arrears",
    "commoditynotpurchased": "arrears",
    "prepaidbilloverdue": "arrears",
    "postpaidbilloverdue": "arrears",
}
_PASSING_429 = frozenset(
    {"", "quota_used_up"}
)  # causes of a 429 after which the same request may be sent again
# Failures of a task after which the same request may well succeed (help centre, error codes)
_PASSES = (
    "InternalError",
    "SystemError",
    "ModelServ",
    "ModelUnavailable",
    "RewriteFailed",
    "RequestTimeOut",
    "Throttling",
    "InvalidURL.Timeout",
)
# The service could not fetch an address that it was given; of the same family are codes about what
# it found there, which the message tells apart
_UNFETCHED = ("InvalidURL", "BadRequest.InputDownloadFailed", "InvalidFile.DownloadFailed")
_FETCHING = re.compile(r"\bdownload|media resource", re.IGNORECASE)
_OF_FILE = re.compile(r"(?:larger|longer|shorter) than|type is not supported", re.IGNORECASE)
# What it says of a sound that it does not take, under codes that it has for everything (help
# centre, error codes, May 2026)
_OF_SOUND = re.compile(
    r"input audio|allowed types are: *\.wav|size is larger than 15 *MB", re.IGNORECASE
)
_CONTENT = ("DataInspectionFailed", "IPInfringementSuspect", "CustomRoleBlocked")


class _Wire(BaseModel):
    """Part of an answer. A null is as good as nothing: it must not hide the task id beside it."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        return (
            {name: value for name, value in given.items() if value is not None}
            if isinstance(given, dict)
            else given
        )


def _quotable(words: str) -> str:
    """The service's own words for people: what could steer a terminal or hide in a page stays
    outside, and so do signatures of addresses in them.
    """
    return unsigned(clean(words))


_Words = Annotated[str, AfterValidator(_quotable)]


class _TaskOutput(_Wire):
    task_id: str = ""
    task_status: str = ""
    video_url: str = ""
    orig_prompt: str = ""
    code: _Words = ""
    message: _Words = ""


class _Usage(_Wire):
    duration: float | None = None


class _TaskAnswer(_Wire):
    """The answer to create and to query; an error has `code` and `message` at the top."""

    output: _TaskOutput = _TaskOutput()
    usage: _Usage | None = None
    request_id: _Words = ""
    code: _Words = ""
    message: _Words = ""


class _ListedTask(_Wire):
    task_id: str
    gmt_create: float
    """Milliseconds since 1970."""


class _ListAnswer(_Wire):
    """The documented body; the SDK looks for `tasks` and finds nothing."""

    data: list[_ListedTask]
    total_page: int


class _Policy(_Wire):
    policy: str
    signature: str
    upload_dir: str
    upload_host: str
    oss_access_key_id: str
    x_oss_object_acl: str = "private"
    x_oss_forbid_overwrite: str = "true"


class _PolicyAnswer(_Wire):
    data: _Policy
    request_id: str = ""


_Answer = TypeVar("_Answer", bound=_Wire)


class TaskStatus(StrEnum):
    """The service's own states of a task, in its own spelling."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Accepted:
    """The paid request was taken: this is its task."""

    task_id: str
    request_id: str


@dataclass(frozen=True)
class TaskSnapshot:
    """What the service says about a task at one moment."""

    status: TaskStatus
    request_id: str
    video_url: str = ""
    orig_prompt: str = ""
    """The prompt as the service got it; said only once a task has SUCCEEDED."""
    code: str = ""
    message: str = ""
    billed_seconds: float | None = None
    """Seconds of video that are billed, where the service has said so."""


class Gateway:
    """All that is ever asked of the service. One for a process; it holds connections, no keys.

    proxy: the URL of the proxy on the way, which may hold a password.
    """

    def __init__(self, proxy: SecretStr | None = None) -> None:
        self._proxy, self._trust = proxy, _trust()
        self._clients: dict[str, dashscope.AsyncClient] = {}
        self._http: list[httpx.AsyncClient] = []
        self._files = self._new_http(timeout=httpx.Timeout(FILE_LIMIT, connect=10))

    def prepare(self, connection: Connection) -> None:
        """Loads the SDK and makes the clients for a connection. Blocks for up to seconds; later
        calls find them there.
        """
        for pooled in (True, False):
            self._client(connection, pooled=pooled)

    async def close(self) -> None:
        """Closes every connection."""
        for client in self._http:
            await client.aclose()

    async def submit(self, connection: Connection, payload: dict[str, Any]) -> Accepted:
        """Sends the paid request, once. Raises NotSent, Throttled, Refused, or Unclear: see
        `judge_create`.

        Cancelling this call leaves the request unclear as well; whoever cancels must write that
        down.
        """
        uses_uploads = "oss://" in json.dumps(payload["input"])
        # A connection of its own: one from the pool that the server is just closing would make a
        # needless Unclear.
        headers = {"X-DashScope-Async": "enable", "Connection": "close"}
        if uses_uploads:
            headers["X-DashScope-OssResourceResolve"] = "enable"
        client = self._client(connection, pooled=False)
        try:
            async with asyncio.timeout(SUBMIT_LIMIT):
                key = connection.key.get_secret_value()
                response = await client.transport.request(
                    "POST",
                    CREATE_PATH,
                    json=payload,
                    headers=headers,
                    api_key=key,
                    workspace=connection.workspace,
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the request may be at the service; nothing is swallowed
            return judge_create(error, connection, self._unreached(connection.base_url, error))
        return judge_create(response, connection)

    async def fetch(self, connection: Connection, task_id: str) -> TaskSnapshot:
        """Asks for a task. Raises KeyRefused, Throttled or Unreadable."""
        response = await self._ask(connection, "GET", f"tasks/{quote(task_id, safe='')}")
        answer = _read(_TaskAnswer, response)
        if answer.output.task_status not in TaskStatus.__members__:
            raise Unreadable(_unusable(response, _host(connection)), request_id=answer.request_id)
        return TaskSnapshot(
            status=TaskStatus(answer.output.task_status),
            request_id=answer.request_id,
            video_url=answer.output.video_url,
            orig_prompt=answer.output.orig_prompt,
            code=answer.output.code,
            message=answer.output.message,
            billed_seconds=answer.usage.duration if answer.usage else None,
        )

    async def recent(self, connection: Connection, model: str) -> dict[str, float]:
        """Every task of the account with this model in the last 24 h: its id, and when it was
        created in seconds since 1970.

        All pages or nothing: raises KeyRefused, Throttled or Unreadable. A task that is created
        meanwhile shifts others to a later page, so that one may be read twice, but none is missed.
        """
        found: dict[str, float] = {}
        page, pages = 1, 1
        while page <= pages:
            query = {"model_name": model, "page_no": str(page), "page_size": "50"}
            answer = _read(_ListAnswer, await self._ask(connection, "GET", "tasks/", params=query))
            found |= {task.task_id: task.gmt_create / 1000 for task in answer.data}
            page, pages = page + 1, answer.total_page
        return found

    async def ping(self, connection: Connection) -> None:
        """One question that costs nothing: the first line of the account's list of tasks. Raises
        KeyRefused, Refused, Throttled or Unreadable.
        """
        _read(
            _ListAnswer,
            await self._ask(connection, "GET", "tasks/", params={"page_no": "1", "page_size": "1"}),
        )

    async def cancel(self, connection: Connection, task_id: str) -> bool:
        """Cancels a task that is PENDING. False when the service says that it is past that. Raises
        KeyRefused, Throttled or Unreadable.
        """
        try:
            await self._ask(connection, "POST", f"tasks/{quote(task_id, safe='')}/cancel")
        except Refused as refusal:
            if refusal.code == "UnsupportedOperation":
                return False
            raise
        return True

    async def upload(self, connection: Connection, model: str, path: Path, name: str) -> str:
        """Puts a file into the service's temporary store, streamed. name: of our own making. Gives
        its `oss://` URL, good for this model for 48 h.

        Raises KeyRefused, Throttled, Refused or Unreadable.
        """
        query = {"action": "getPolicy", "model": model}
        policy = _read(
            _PolicyAnswer, await self._ask(connection, "GET", "uploads", params=query)
        ).data
        host = _of_service(policy.upload_host, connection)
        if host is None:
            raise OddAddress(sentence("upload_elsewhere", given=_place(policy.upload_host)))
        key = f"{policy.upload_dir}/{name}"
        fields = {
            "OSSAccessKeyId": policy.oss_access_key_id,
            "policy": policy.policy,
            "Signature": policy.signature,
            "key": key,
            "x-oss-object-acl": policy.x_oss_object_acl,
            "x-oss-forbid-overwrite": policy.x_oss_forbid_overwrite,
            "success_action_status": "200",
        }
        with await asyncio.to_thread(path.open, "rb") as file:
            form = self._files.build_request(
                "POST", host, data=fields, files={"file": (name, file)}
            )  # httpx puts files last
            await self._post_form(form)
        return f"oss://{key}"

    async def download(self, connection: Connection, url: str, part: Path) -> None:
        """Streams a result into `part`. Raises ResultRefused for too many bytes, and Unreadable for
        what may work the next time.

        OddAddress, without a request, for an address that is not the service's.
        """
        source = _of_service(url, connection)
        if source is None:
            raise OddAddress(sentence("result_elsewhere", given=_place(url)))
        try:
            async with self._files.stream("GET", source) as response:
                if response.status_code != httpx.codes.OK:
                    raise Unreadable(
                        _unusable(response, httpx.URL(source).host), status=response.status_code
                    )
                await _write(response.aiter_bytes(_CHUNK), part)
        except httpx.HTTPError as error:
            raise Unreadable(self._unreached(url, error), message=type(error).__name__) from error

    async def _ask(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
    ) -> httpx.Response:
        """A question that costs nothing. Gives a 200; raises what `_refusal` makes of anything
        else.
        """
        client = self._client(connection, pooled=True)
        try:
            async with asyncio.timeout(ASK_LIMIT):
                key = connection.key.get_secret_value()
                response = await client.transport.request(
                    method, path, params=params, api_key=key, workspace=connection.workspace
                )
        except (
            Exception
        ) as error:  # the SDK's own errors, httpx's, a timeout: no answer is no answer
            raise Unreadable(
                self._unreached(connection.base_url, error),
                message=type(error.__cause__ or error).__name__,
            ) from error
        if response.status_code != httpx.codes.OK:
            raise _refusal(response, connection)
        return response

    async def _post_form(self, form: httpx.Request) -> None:
        stream = form.stream
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError("a form of files and fields can be read piece by piece")
        headers = {name: form.headers[name] for name in ("Content-Type", "Content-Length")}
        try:
            response = await self._files.post(
                form.url, content=_pieces(iter(stream)), headers=headers
            )
        except httpx.HTTPError as error:
            raise Unreadable(
                self._unreached(str(form.url), error), message=type(error).__name__
            ) from error
        # The store answers with an empty body. A page is somebody else's, a proxy's that wants a
        # login: then nothing was stored.
        if response.status_code == httpx.codes.OK and not _is_page(response):
            return
        if response.status_code in (400, 403, 409, 413):
            said = sentence("upload_failed", message=f"the store answered {response.status_code}.")
            raise Refused(
                _blocked(response.status_code, form.url.host) if _is_page(response) else said,
                status=response.status_code,
            )
        raise Unreadable(_unusable(response, form.url.host), status=response.status_code)

    def _client(self, connection: Connection, *, pooled: bool) -> "dashscope.AsyncClient":
        name = f"{connection.base_url} {pooled}"
        if name not in self._clients:
            self._clients[name] = self._new_client(connection.base_url, pooled=pooled)
        return self._clients[name]

    def _new_client(self, base_url: str, *, pooled: bool) -> "dashscope.AsyncClient":
        with some_home():
            import dashscope  # 0.4 s and 28 MB: only who talks to a service pays for it

        limits = httpx.Limits(max_keepalive_connections=20 if pooled else 0)
        http = self._new_http(
            base_url=base_url, limits=limits, timeout=httpx.Timeout(SUBMIT_LIMIT, connect=3)
        )
        # Every argument is given, so that nothing of the environment or ~/.dashscope comes in; the
        # key here is no key.
        return dashscope.AsyncClient(
            api_key="goes with every call",
            base_url=base_url,
            region="cn-beijing",
            protocol="native",
            timeout=SUBMIT_LIMIT,
            max_retries=0,
            config_path=os.devnull,
            http_client=http,
        )

    def _new_http(self, **options: Any) -> httpx.AsyncClient:
        if self._proxy is not None:
            url = httpx.URL(self._proxy.get_secret_value())
            context = self._trust if url.scheme == "https" else None  # httpx wants none for http
            options |= {"proxy": httpx.Proxy(url, ssl_context=context)}
            options |= {
                "mounts": {
                    f"all://{f'[{host}]' if ':' in host else host}": None for host in _LOOPBACK
                }
            }
        client = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, verify=self._trust, **options
        )
        self._http.append(client)
        return client

    def _unreached(self, url: str, error: BaseException) -> Sentence:
        """What to say where no answer came, as far as it is known why. Names the host alone: what
        follows it may hold a signature.
        """
        asked = httpx.URL(url)
        where = f"{asked.scheme}://{asked.netloc.decode()}"
        for cause in _chain(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return sentence(
                    "not_reached_certificate", where=where, reason=cause.verify_message or "?"
                )
            if isinstance(cause, httpx.ProxyError):
                return sentence(
                    "not_reached_through", where=where, proxy=f"WAN_SERVICE_PROXY: {cause}"
                )
        if self._proxy is not None and asked.host not in _LOOPBACK:
            return sentence("not_reached_through", where=where, proxy="WAN_SERVICE_PROXY")
        if asked.scheme == "https" and (name := unused_proxy()):
            return sentence("not_reached_unproxied", where=where, name=name)
        return sentence("not_reached_at", where=where)


def _trust() -> ssl.SSLContext:
    """Whose certificates are believed: a company's own authority counts besides those that
    everybody believes.
    """
    own = ((name, *next(iter(place.items()))) for name, place in authorities().items())
    return _ssl_context(tuple((name, kind, place, _changed_at(place)) for name, kind, place in own))


@lru_cache(maxsize=1)  # reading them takes 25 ms of a core, and each of the clients would do it
def _ssl_context(own: tuple[tuple[str, str, str, float | None], ...]) -> ssl.SSLContext:
    """A context that believes the usual authorities and these: each the variable that names it,
    file or folder, where it is, when it was changed.
    """
    context = httpx.create_ssl_context(trust_env=False)
    for name, kind, place, _ in own:
        try:
            Path(place).stat()  # OpenSSL says nothing about a folder that is not there
            context.load_verify_locations(**{kind: place})
        except OSError as error:  # an SSLError is one too, for a file that holds no certificate
            log.warning("%s", sentence("authority_unused", name=name, reason=error.strerror or "?"))
    return context


def _changed_at(place: str) -> float | None:
    try:
        return Path(place).stat().st_mtime
    except OSError:
        return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def judge_create(
    outcome: httpx.Response | BaseException,
    connection: Connection,
    unreached: Sentence | None = None,
) -> Accepted:
    """What the outcome of the paid request proves.

    Accepted: 200 (or another 2xx) with a task id. Raises NotSent when the connection was never
    made; Throttled for a 429 that passes; Refused (KeyRefused for 401 and 403) for the other 4xx
    but 408 and 409, and for a 200 with a `code` and no task id. Everything else raises Unclear:
    timeouts, resets, cut or garbled answers, 5xx, HTML. Judged by wire status and `__cause__`,
    never by the SDK's classes, which map by body code. unreached: what to say where the connection
    was not made.
    """
    if isinstance(outcome, BaseException):
        if isinstance(outcome, _NEVER_LEFT) or isinstance(outcome.__cause__, _NEVER_LEFT):
            raise NotSent(unreached or sentence("not_reached"), message=str(outcome)) from outcome
        raise Unclear(
            sentence("uncertain"), message=type(outcome.__cause__ or outcome).__name__
        ) from outcome
    status = outcome.status_code
    if 400 <= status < 500 and status not in (408, 409):
        raise _refusal(outcome, connection)
    answer = _parsed(_TaskAnswer, outcome) if outcome.is_success else None
    if answer is not None and answer.output.task_id:
        return Accepted(answer.output.task_id, answer.request_id)
    if answer is not None and answer.code:
        raise _refusal(outcome, connection)
    raise Unclear(
        sentence("uncertain"), status=status, request_id=answer.request_id if answer else ""
    )


def task_failure(snapshot: TaskSnapshot, connection: Connection) -> ServiceError:
    """A FAILED task as the error to show: the service bills only what succeeds."""
    otherwise = "task_failed_for_now" if snapshot.code.startswith(_PASSES) else "task_failed"
    said = _said(snapshot.code, snapshot.message, otherwise, connection)
    return Refused(said, code=snapshot.code, message=snapshot.message)


def _refusal(response: httpx.Response, connection: Connection) -> ServiceError:
    """An answer that is a no, by its status and the service's code. One without a code is not the
    service's.
    """
    answer = _parsed(_TaskAnswer, response) or _TaskAnswer()
    code, status = answer.code or answer.output.code, response.status_code
    about: dict[str, Any] = {
        "code": code,
        "message": answer.message,
        "request_id": answer.request_id,
        "status": status,
    }
    cause = _cause(code, answer.message)
    if status == httpx.codes.TOO_MANY_REQUESTS and cause in _PASSING_429:
        said = _said(code, answer.message, "busy", connection)
        return Throttled(said, retry_after=_seconds(response.headers.get("retry-after")), **about)
    if status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
        return Unreadable(_unusable(response, _host(connection)), **about)
    if not code:
        return (KeyRefused if status in (401, 403) else Refused)(
            _blocked(status, _host(connection)), **about
        )
    if status in (401, 403):
        return KeyRefused(_said(code, answer.message, "access_denied", connection), **about)
    return Refused(_said(code, answer.message, "refused", connection), **about)


def _said(code: str, message: str, otherwise: str, connection: Connection) -> Sentence:
    """What to tell people of a code: what it means, where that is known; `otherwise` with the
    service's own words.
    """
    where, others = (
        connection.region or _host(connection),
        ", ".join(region for region in BASE_URLS if region != connection.region),
    )
    if cause := _cause(code, message):
        return sentence(cause, code=code, where=where, others=others)
    if code.startswith(_CONTENT):
        return sentence("content_refused", code=code)
    if _OF_SOUND.search(message):
        low, high = SOUND_SECONDS
        return sentence(
            "sound_refused",
            code=code,
            message=_as_sentence(message),
            low=f"{low:g}",
            high=f"{high:g}",
            most=SOUND_MEGABYTES,
        )
    if _is_unfetched(code, message):
        otherwise = "address_unfetched"
    return sentence(otherwise, code=code, message=_as_sentence(message), where=where)


def _as_sentence(message: str) -> str:
    """The service's words as a sentence: what follows is one of its own."""
    return message if message.rstrip()[-1:] in (*".!?…。！？", "") else f"{message.rstrip()}."


def _blocked(status: int, where: str) -> Sentence:
    return sentence("blocked", code=f"HTTP {status}", where=where)


def _unusable(response: httpx.Response, where: str) -> Sentence:
    """What to tell people of an answer that nothing can be made of, and that is asked for again.
    where: the host that was asked.
    """
    return sentence(
        "blocked_waits" if _is_page(response) else "unusable",
        code=f"HTTP {response.status_code}",
        where=where,
    )


def _is_page(response: httpx.Response) -> bool:
    return "html" in response.headers.get("content-type", "")


def _host(connection: Connection) -> str:
    return httpx.URL(connection.base_url).host


def _cause(code: str, message: str) -> str:
    """The key of the sentence about what is the matter with the account; "" where it is about
    something else.
    """
    if "Free allocated quota" in message:
        return "free_quota_over"
    if "Model not exist" in message:
        return "model_missing"
    return _CAUSES.get(re.sub("[^a-z]", "", code.lower()), "")


def _is_unfetched(code: str, message: str) -> bool:
    told = code.startswith(_UNFETCHED) or (
        code.startswith("InvalidParameter") and _FETCHING.search(message)
    )
    return bool(told) and not _OF_FILE.search(message)


def _read(kind: type[_Answer], response: httpx.Response) -> _Answer:
    """A 200 in our own model. Raises Unreadable for HTML, broken JSON, or JSON about something
    else.
    """
    answer = _parsed(kind, response)
    if answer is None:
        raise Unreadable(
            _unusable(response, response.request.url.host), status=response.status_code
        )
    return answer


def _parsed(kind: type[_Answer], response: httpx.Response) -> _Answer | None:
    try:
        return kind.model_validate_json(response.content)
    except ValidationError:
        return None


def _of_service(url: str, connection: Connection) -> httpx.URL | None:
    """Under which address a URL that the service names is asked for; None where it is not the
    service's.

    The service's are those on the host that we ask anyway, and those under Alibaba's own domain for
    stored objects, over https. Its answers now and then say http:// of an object (text-to-video
    page, 2026): the same is there over https, and no signature covers the scheme.
    """
    try:
        target, service = httpx.URL(url), httpx.URL(connection.base_url)
    except httpx.InvalidURL:
        return None
    secure = (
        target.copy_with(scheme="https", port=None)
        if target.scheme == "http" and target.port in (None, 80)
        else target
    )
    return next((one for one in (target, secure) if _is_trusted(one, service)), None)


def _is_trusted(target: httpx.URL, service: httpx.URL) -> bool:
    if target.userinfo or not target.host:
        return False
    same = (target.scheme, target.netloc) == (service.scheme, service.netloc)
    return same or (target.scheme == "https" and target.host.endswith(_RESULT_HOSTS))


def _place(url: str) -> str:
    """Scheme and host of an address, to name it by."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        return "?"
    return f"{parts.scheme}://{parts.host}"[:_NAMED] if parts.host else "?"


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds; the form with a date is not used by the service."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


async def _pieces(stream: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A form, read piece by piece off the event loop."""
    while piece := await asyncio.to_thread(next, stream, b""):
        yield piece


async def _write(chunks: AsyncIterator[bytes], part: Path) -> None:
    """Writes a stream to a file off the event loop. Raises ResultRefused when it grows over the
    limit.
    """
    written = 0
    with await asyncio.to_thread(part.open, "wb") as file:
        async for chunk in chunks:
            written += len(chunk)
            if written > RESULT_LIMIT:
                raise ResultRefused(
                    sentence(
                        "result_refused",
                        message=f"it is larger than {RESULT_LIMIT // 1_000_000} MB.",
                    )
                )
            await asyncio.to_thread(file.write, chunk)
