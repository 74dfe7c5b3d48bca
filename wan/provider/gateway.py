"""The way to the service, and the only file that imports dashscope.

The SDK's transport carries our requests, our own models read the answers. Its higher calls are not
used: they send the paid request again when an answer is lost, upload any text that happens to be
the path of a file, and list nothing (dashscope 2.0.2). No key and no workspace is on the client;
both go with every call, because the SDK would fill a gap from the operator's environment. Files
travel over a second client that never holds a key.
"""

import asyncio
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from wan.domain.errors import BadResponse, Refused, ResultRefused, UntrustedAddress
from wan.domain.messages import Message
from wan.environment.connection import Connection
from wan.environment.open_files import open_file
from wan.environment.surroundings import find_unused_proxy, plain_surroundings
from wan.provider.hosts import origin, resolve_service_url
from wan.provider.refusals import (
    describe_block,
    describe_unusable,
    host_of,
    is_html,
)
from wan.provider.tls import load_tls_context
from wan.provider.wire import (
    Accepted,
    ListAnswer,
    PolicyAnswer,
    TaskAnswer,
    TaskSnapshot,
    TaskStatus,
    judge_create,
    make_refusal,
    read_answer,
)

if TYPE_CHECKING:
    import dashscope

log = logging.getLogger("wan.provider.gateway")
# At INFO it logs every URL, and that of a result is signed.
logging.getLogger("httpx").setLevel(logging.WARNING)

CREATE_PATH = "services/aigc/video-generation/video-synthesis"
# Seconds for the whole paid request; httpx's own limit is per read, and a slow drip outlasts it.
SUBMIT_LIMIT = 30.0
ASK_LIMIT = 20.0  # seconds for a whole question
FILE_LIMIT = 60.0  # seconds between two pieces of a file
RESULT_LIMIT = 512 * 1_000_000  # bytes of a result; 15 s at 1080P are about 30 MB
_CHUNK = 1 << 18  # bytes

_LOOPBACK = ("localhost", "127.0.0.1", "::1")  # where no proxy leads


class Gateway:
    """Every call to the service. One per process; it holds connections, no keys.

    proxy: the URL of the proxy to the service, which may hold a password.
    """

    def __init__(self, proxy: SecretStr | None = None) -> None:
        self._proxy, self._trust = proxy, load_tls_context()
        self._clients: dict[str, dashscope.AsyncClient] = {}
        self._http: list[httpx.AsyncClient] = []
        self._files = self._new_http(timeout=httpx.Timeout(FILE_LIMIT, connect=10))

    def prepare(self, connection: Connection) -> None:
        """Load the SDK and make a connection's clients. Blocks, up to seconds the first time."""
        for pooled in (True, False):
            self._client(connection, pooled=pooled)

    async def close(self) -> None:
        """Close every connection."""
        for client in self._http:
            await client.aclose()

    async def submit(self, connection: Connection, payload: dict[str, Any]) -> Accepted:
        """Send the paid request, once. Raises what `judge_create` raises.

        Cancelling this call leaves the outcome unknown too; the caller must write that down.
        """
        uses_uploads = "oss://" in json.dumps(payload["input"])
        # A fresh connection: a pooled one that the server closes would leave the outcome unknown.
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
            return judge_create(
                error, connection, self._explain_failure(connection.base_url, error)
            )
        return judge_create(response, connection)

    async def fetch(self, connection: Connection, task_id: str) -> TaskSnapshot:
        """Ask for a task. Raises KeyRefused, Throttled or BadResponse."""
        response = await self._ask(connection, "GET", f"tasks/{quote(task_id, safe='')}")
        answer = read_answer(TaskAnswer, response)
        if answer.output.task_status not in TaskStatus.__members__:
            raise BadResponse(
                describe_unusable(response, host_of(connection)), request_id=answer.request_id
            )
        return TaskSnapshot(
            status=TaskStatus(answer.output.task_status),
            request_id=answer.request_id,
            video_url=answer.output.video_url,
            orig_prompt=answer.output.orig_prompt,
            code=answer.output.code,
            message=answer.output.message,
            billed_seconds=answer.usage.duration if answer.usage else None,
            wait_seconds=answer.output.wait_seconds,
            run_seconds=answer.output.run_seconds,
        )

    async def list_recent(self, connection: Connection, model: str) -> dict[str, float]:
        """List the account's tasks with this model in the last 24 h, with their creation times.

        Times are seconds since 1970. All pages or nothing: raises KeyRefused, Throttled or
        BadResponse. A task that is created meanwhile shifts others to a later page, so that one may
        be read twice, but none is missed.
        """
        found: dict[str, float] = {}
        page, pages = 1, 1
        while page <= pages:
            query = {"model_name": model, "page_no": str(page), "page_size": "50"}
            answer = read_answer(
                ListAnswer, await self._ask(connection, "GET", "tasks/", params=query)
            )
            found |= {task.task_id: task.gmt_create / 1000 for task in answer.data}
            page, pages = page + 1, answer.total_page
        return found

    async def ping(self, connection: Connection) -> None:
        """Ask for the first line of the account's list of tasks, which is free.

        Raises KeyRefused, Refused, Throttled or BadResponse.
        """
        read_answer(
            ListAnswer,
            await self._ask(connection, "GET", "tasks/", params={"page_no": "1", "page_size": "1"}),
        )

    async def cancel(self, connection: Connection, task_id: str) -> bool:
        """Cancel a PENDING task; False when the service says that it is past that.

        Raises KeyRefused, Throttled or BadResponse.
        """
        try:
            await self._ask(connection, "POST", f"tasks/{quote(task_id, safe='')}/cancel")
        except Refused as refusal:
            if refusal.code == "UnsupportedOperation":
                return False
            raise
        return True

    async def upload(self, connection: Connection, model: str, path: Path, name: str) -> str:
        """Stream a file into the service's temporary store and return its `oss://` URL.

        The URL is good for this model for 48 h. name: of our own making. Raises KeyRefused,
        Throttled, Refused or BadResponse.
        """
        query = {"action": "getPolicy", "model": model}
        policy = read_answer(
            PolicyAnswer, await self._ask(connection, "GET", "uploads", params=query)
        ).data
        host = resolve_service_url(policy.upload_host, connection)
        if host is None:
            raise UntrustedAddress(Message.of("upload_elsewhere", given=origin(policy.upload_host)))
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
        async with open_file(path, "rb") as file:
            files = {"file": (name, file)}  # the last part of the form, as the store wants it
            # In a thread, since the type of the file is looked up in the system's own tables.
            form = await asyncio.to_thread(
                self._files.build_request, "POST", host, data=fields, files=files
            )
            await self._post_form(form)
        return f"oss://{key}"

    async def download(self, connection: Connection, url: str, part: Path) -> None:
        """Stream a result into `part`.

        Raises ResultRefused for too many bytes, BadResponse for what may work the next time, and
        UntrustedAddress, without a request, for a URL that is not the service's.
        """
        source = resolve_service_url(url, connection)
        if source is None:
            raise UntrustedAddress(Message.of("result_elsewhere", given=origin(url)))
        try:
            async with self._files.stream("GET", source) as response:
                if response.status_code != httpx.codes.OK:
                    raise BadResponse(
                        describe_unusable(response, httpx.URL(source).host),
                        status=response.status_code,
                    )
                await _write(response.aiter_bytes(_CHUNK), part)
        except httpx.HTTPError as error:
            raise BadResponse(
                self._explain_failure(url, error), detail=type(error).__name__
            ) from error

    async def _ask(
        self,
        connection: Connection,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Ask a free question and return a 200; raise what `make_refusal` makes of any other."""
        client = self._client(connection, pooled=True)
        try:
            async with asyncio.timeout(ASK_LIMIT):
                key = connection.key.get_secret_value()
                response = await client.transport.request(
                    method, path, params=params, api_key=key, workspace=connection.workspace
                )
        except Exception as error:  # of the SDK, of httpx, or a timeout: all are no answer
            raise BadResponse(
                self._explain_failure(connection.base_url, error),
                detail=type(error.__cause__ or error).__name__,
            ) from error
        if response.status_code != httpx.codes.OK:
            raise make_refusal(response, connection)
        return response

    async def _post_form(self, form: httpx.Request) -> None:
        stream = form.stream
        if not isinstance(stream, httpx.SyncByteStream):
            raise TypeError("a form of files and fields can be read piece by piece")
        headers = {name: form.headers[name] for name in ("Content-Type", "Content-Length")}
        try:
            response = await self._files.post(
                form.url, content=_read_pieces(iter(stream)), headers=headers
            )
        except httpx.HTTPError as error:
            raise BadResponse(
                self._explain_failure(str(form.url), error), detail=type(error).__name__
            ) from error
        # The store answers with an empty body. A page comes from elsewhere, such as a proxy that
        # wants a login: then nothing was stored.
        if response.status_code == httpx.codes.OK and not is_html(response):
            return
        if response.status_code in (400, 403, 409, 413):
            said = Message.of(
                "upload_failed", message=f"the store answered {response.status_code}."
            )
            raise Refused(
                describe_block(response.status_code, form.url.host) if is_html(response) else said,
                status=response.status_code,
            )
        raise BadResponse(describe_unusable(response, form.url.host), status=response.status_code)

    def _client(self, connection: Connection, *, pooled: bool) -> "dashscope.AsyncClient":
        name = f"{connection.base_url} {pooled}"
        if name not in self._clients:
            self._clients[name] = self._new_client(connection.base_url, pooled=pooled)
        return self._clients[name]

    def _new_client(self, base_url: str, *, pooled: bool) -> "dashscope.AsyncClient":
        with plain_surroundings():
            import dashscope  # 0.4 s and 28 MB, only when needed

        limits = httpx.Limits(max_keepalive_connections=20 if pooled else 0)
        http = self._new_http(
            base_url=base_url, limits=limits, timeout=httpx.Timeout(SUBMIT_LIMIT, connect=3)
        )
        # Every argument is given, so that nothing comes from the environment or ~/.dashscope; the
        # key is a placeholder.
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

    def _explain_failure(self, url: str, error: BaseException) -> Message:
        """Explain why no answer came, by host alone: the rest of a URL may hold a signature."""
        asked = httpx.URL(url)
        where = f"{asked.scheme}://{asked.netloc.decode()}"
        for cause in _iterate_causes(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                return Message.of(
                    "not_reached_certificate", where=where, reason=cause.verify_message or "?"
                )
            if isinstance(cause, httpx.ProxyError):
                return Message.of(
                    "not_reached_through", where=where, proxy=f"WAN_SERVICE_PROXY: {cause}"
                )
        if self._proxy is not None and asked.host not in _LOOPBACK:
            return Message.of("not_reached_through", where=where, proxy="WAN_SERVICE_PROXY")
        if asked.scheme == "https" and (name := find_unused_proxy()):
            return Message.of("not_reached_unproxied", where=where, name=name)
        return Message.of("not_reached_at", where=where)


def _iterate_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def _read_pieces(stream: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a form piece by piece, read off the event loop."""
    while piece := await asyncio.to_thread(next, stream, b""):
        yield piece


async def _write(chunks: AsyncIterator[bytes], part: Path) -> None:
    """Write a stream to a file off the event loop. Raises ResultRefused above the limit."""
    written = 0
    async with open_file(part, "wb") as file:
        async for chunk in chunks:
            written += len(chunk)
            if written > RESULT_LIMIT:
                raise ResultRefused(
                    Message.of(
                        "result_refused",
                        message=f"it is larger than {RESULT_LIMIT // 1_000_000} MB.",
                    )
                )
            await asyncio.to_thread(file.write, chunk)
