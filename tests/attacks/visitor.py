"""A visitor without a browser: raw requests, and events of the page as its script sends them."""

import base64
import copy
import http.client
import json
import secrets
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests import plain_http
from tests.patience import PATIENCE
from tests.pictures import picture

API = "/gradio_api"
HEADERS: dict[str, dict[str, str]] = {}
"""What is sent with every request to an app, by its address: an attacker's login."""
CODES: dict[str, str] = {}
"""The access code of an app, by its address: an attacker knows it."""
BALANCED: set[str] = set()
"""The addresses of balancers: while a body is being sent that the app refuses, they may hang up as
the app does, and not pass its answer on.
"""


@dataclass(frozen=True)
class Answer:
    """An answer, as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    method: str,
    target: str,
    *,
    headers: dict[str, str] | None = None,
    body: Any = None,
    chunked: bool = False,
) -> Answer:
    """One request with exactly this target: nothing in it is made better on the way. body: bytes,
    or their pieces. A balancer that hangs up on a body counts as having refused it.
    """
    headers = HEADERS.get(url, {}) | (headers or {})
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        try:
            connection.putrequest(
                method, target, skip_host="Host" in headers, skip_accept_encoding=True
            )
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered before it had everything
        return _read(connection.getresponse())
    except http.client.RemoteDisconnected:
        if body is None or url not in BALANCED:
            raise
        return Answer(413, {}, b"")
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse) -> Answer:
    with response:
        try:
            body = response.read()
        except http.client.IncompleteRead as cut:
            body = cut.partial
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body, response.headers.get_all("Set-Cookie", []))


def post(url: str, target: str, given: Any, **headers: str) -> Answer:
    """JSON by POST."""
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    return ask(
        url,
        "POST",
        target,
        headers={"Content-Type": "application/json", "Content-Length": str(len(body))} | headers,
        body=body,
    )


def spoken(url: str, request: bytes, *, listen: bool = True) -> bytes:
    """The first bytes of the answer to a request that no client would write. listen: whether to
    wait for them, and not go away.
    """
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        return connection.recv(65536) if listen else b""


def upload(
    url: str,
    files: list[tuple[str, bytes]],
    *,
    name: str = "files",
    kind: str = "application/octet-stream",
    sender: dict[str, str] | None = None,
) -> Answer:
    """Files by POST, each with its name as it is. sender: headers that say who sends them. Gives
    their paths on the server.
    """
    pieces = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"; '
        f'filename="{file}"\r\nContent-Type: {kind}\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for file, content in files
    )
    body = pieces + b"--edge--\r\n"
    headers = {
        "Content-Type": "multipart/form-data; boundary=edge",
        "Content-Length": str(len(body)),
        **(sender or {}),
    }
    return ask(url, "POST", f"{API}/upload", headers=headers, body=body)


def picture_url() -> str:
    """A small picture as a call may have it."""
    return f"data:image/png;base64,{base64.b64encode(picture((240, 240))).decode()}"


def called(
    url: str, name: str, given: dict[str, Any], headers: dict[str, str] | None = None
) -> tuple[str, Any]:
    """Calls an endpoint as any program may: how it ended ("complete", "error", or a status), and
    what it gave.
    """
    headers = HEADERS.get(url, {}) | (headers or {})
    begun = post(url, f"{API}/call/v2/{name}", given, **headers)
    if begun.status != 200:
        return str(begun.status), begun.body.decode(errors="replace")
    with plain_http.stream(
        "GET", f"{url}{API}/call/{name}/{begun.json()['event_id']}", headers=headers, timeout=90
    ) as stream:
        event = ""
        for line in stream.iter_lines():
            event = line.removeprefix("event: ") if line.startswith("event: ") else event
            if line.startswith("data: ") and event in ("complete", "error"):
                return event, json.loads(line.removeprefix("data: "))
    return "the stream ended", None


@dataclass
class Visitor:
    """One session, with a token of its own."""

    url: str
    session: str = field(default_factory=lambda: secrets.token_hex(6))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every event: where the visitor seems to come from, behind a proxy."""

    def __post_init__(self) -> None:
        self.headers = HEADERS.get(self.url, {}) | self.headers
        self._line, self._awaited = _Line(self.url), set[str]()
        config = ask(self.url, "GET", "/config", headers=self.headers).json()
        self.components = {one["id"]: one for one in config["components"]}
        self.events = {one["id"]: one for one in config["dependencies"]}

    def event(self, name: str) -> int:
        """The number of an event by the name of its handler."""
        return next(number for number, one in self.events.items() if one["api_name"] == name)

    def inputs(self, event: int) -> list[dict]:
        """The components that an event reads."""
        return [self.components[number] for number in self.events[event]["inputs"]]

    def form(self, event: int, **given: Any) -> list[Any]:
        """What the page would send: each component's first value, or what is given by the last part
        of its id ("prompt", "token", "job").
        """
        given = {"code": CODES.get(self.url, "")} | given
        return [given.get(named(one), one["props"].get("value")) for one in self.inputs(event)]

    def close(self) -> None:
        """Hangs up."""
        self._line.close()

    def another(self, **changed: Any) -> "Visitor":
        """Somebody else on the same page, in a session of their own."""
        someone = copy.copy(self)
        for name, value in {
            "session": secrets.token_hex(6),
            "token": secrets.token_urlsafe(32),
            **changed,
        }.items():
            setattr(someone, name, value)
        someone._line, someone._awaited = _Line(self.url), set()
        return someone

    def join(self, event: Any, data: Any, **more: Any) -> Answer:
        """Asks for an event."""
        body = json.dumps(
            {"session_hash": self.session, "fn_index": event, "data": data} | more
        ).encode()
        headers = (
            {"Content-Type": "application/json", "Content-Length": str(len(body))}
            | HEADERS.get(self.url, {})
            | self.headers
        )
        answer = _read(self._line.ask("POST", f"{API}/queue/join", headers, body))
        if answer.status == 200:
            self._awaited.add(answer.json()["event_id"])
        return answer

    def call(self, event: int, data: Any, **more: Any) -> tuple[bool, Any]:
        """Asks for an event and waits until it is over: whether it went well, and what it gave."""
        return self.calls(event, [data], **more)[0]

    def predict(self, event: Any, data: Any, **more: Any) -> tuple[bool, Any]:
        """As `call`, past the queue."""
        body = {"session_hash": self.session, "fn_index": event, "data": data} | more
        answer = post(self.url, f"{API}/run/predict", body, **self.headers)
        well = answer.status == 200
        return well, answer.json()["data"] if well else answer.status

    def calls(
        self, event: int, several: Sequence[Any], carried: Sequence[Any] = (), **more: Any
    ) -> list[tuple[bool, Any]]:
        """As `call` with each of several forms, and with what its event carries. All are sent
        before the first answer is read: one stream tells of them all.
        """
        each = [more | {"event_data": one} for one in carried] or [more] * len(several)
        joined = [self.join(event, data, **its) for data, its in zip(several, each, strict=True)]
        ids = [one.json()["event_id"] if one.status == 200 else "" for one in joined]
        ended = self._ended({one for one in ids if one})
        return [
            ended.get(key, (False, "the stream ended")) if key else (False, one.status)
            for key, one in zip(ids, joined, strict=True)
        ]

    def _ended(self, wanted: set[str]) -> dict[str, tuple[bool, Any]]:
        """How events ended, by their ids."""
        ended: dict[str, tuple[bool, Any]] = {}
        if not wanted:
            return ended
        for line in self._line.ask(
            "GET",
            f"{API}/queue/data?session_hash={self.session}",
            HEADERS.get(self.url, {}) | self.headers,
        ):
            message = (
                json.loads(line.removeprefix(b"data: ")) if b"process_completed" in line else {}
            )
            if message.get("msg") != "process_completed":
                continue
            self._awaited.discard(message["event_id"])
            if message["event_id"] in wanted:
                ended[message["event_id"]] = (
                    message["success"],
                    message["output"].get("data", message["output"].get("error")),
                )
            if ended.keys() == wanted and self._awaited:  # the stream goes on for the others
                self._line.close()
                break
        return ended


class _Line:
    """A connection that is kept from one request to the next, and hung up with its owner."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)

    def __del__(self) -> None:
        self.close()

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None = None
    ) -> http.client.HTTPResponse:
        """One request. Gives its answer, of which the head has come."""
        kept = self._connection.sock
        if kept is not None and select.select([kept], [], [], 0)[0]:  # the other end has hung up
            self.close()
        self._connection.request(method, target, body, headers)
        return self._connection.getresponse()

    def close(self) -> None:
        """Hangs up; the next request connects anew."""
        self._connection.close()


def named(component: dict) -> str:
    """What a component is called here: the last part of its id, or of the name under which the
    browser keeps it.
    """
    props = component["props"]
    if component["type"] == "browserstate":
        names = {"owner": "token", "chosen": "chosen"}
        return next((name for key, name in names.items() if key in props["storage_key"]), "job")
    return (props.get("elem_id") or "").rpartition("-")[2] or component["type"]
