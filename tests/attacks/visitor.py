"""A visitor without a browser: raw requests, and events of the page as its script sends them."""

import base64
import http.client
import json
import secrets
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.pictures import picture

API = "/gradio_api"
HEADERS: dict[str, dict[str, str]] = {}
"""What is sent with every request to an app, by its address: an attacker's login."""
CODES: dict[str, str] = {}
"""The access code of an app, by its address: an attacker knows it."""


@dataclass(frozen=True)
class Answer:
    """An answer, as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)

    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, method: str, target: str, *, headers: dict[str, str] | None = None, body: Any = None, chunked: bool = False) -> Answer:
    """One request with exactly this target: nothing in it is made better on the way. body: bytes, or their pieces."""
    headers = HEADERS.get(url, {}) | (headers or {})
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        try:
            connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered before it had everything
        with connection.getresponse() as response:
            try:
                body = response.read()
            except http.client.IncompleteRead as cut:
                body = cut.partial
        given = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, given, body, response.headers.get_all("Set-Cookie", []))
    finally:
        connection.close()


def post(url: str, target: str, given: Any, **headers: str) -> Answer:
    """JSON by POST."""
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    return ask(url, "POST", target, headers={"Content-Type": "application/json", "Content-Length": str(len(body))} | headers, body=body)


def spoken(url: str, request: bytes, *, listen: bool = True) -> bytes:
    """The first bytes of the answer to a request that no client would write. listen: whether to wait for them, and not go away."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536) if listen else b""


def upload(url: str, files: list[tuple[str, bytes]], *, name: str = "files", kind: str = "application/octet-stream") -> Answer:
    """Files by POST, each with its name as it is. Gives their paths on the server."""
    pieces = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: {kind}\r\n\r\n'.encode() + content + b"\r\n"
        for file, content in files
    )
    body = pieces + b"--edge--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge", "Content-Length": str(len(body))}
    return ask(url, "POST", f"{API}/upload", headers=headers, body=body)


def picture_url() -> str:
    """A small picture as a call may have it."""
    return f"data:image/png;base64,{base64.b64encode(picture((240, 240))).decode()}"


def called(url: str, name: str, given: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[str, Any]:
    """Calls an endpoint as any program may: how it ended ("complete", "error", or a status), and what it gave."""
    begun = post(url, f"{API}/call/v2/{name}", given, **headers or {})
    if begun.status != 200:
        return str(begun.status), begun.body.decode(errors="replace")
    with httpx.stream("GET", f"{url}{API}/call/{name}/{begun.json()['event_id']}", headers=headers, trust_env=False, timeout=90) as stream:
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
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=60, headers=self.headers)
        config = self.http.get("/config").json()
        self.components = {one["id"]: one for one in config["components"]}
        self.events = {one["id"]: one for one in config["dependencies"]}

    def event(self, name: str) -> int:
        """The number of an event by the name of its handler."""
        return next(number for number, one in self.events.items() if one["api_name"] == name)

    def inputs(self, event: int) -> list[dict]:
        """The components that an event reads."""
        return [self.components[number] for number in self.events[event]["inputs"]]

    def form(self, event: int, **given: Any) -> list[Any]:
        """What the page would send: each component's first value, or what is given by the last part of its id ("prompt", "token", "job")."""
        given = {"code": CODES.get(self.url, "")} | given
        return [given.get(named(one), one["props"].get("value")) for one in self.inputs(event)]

    def join(self, event: Any, data: Any, **more: Any) -> Answer:
        """Asks for an event."""
        return post(self.url, f"{API}/queue/join", {"session_hash": self.session, "fn_index": event, "data": data} | more, **self.headers)

    def call(self, event: int, data: Any, **more: Any) -> tuple[bool, Any]:
        """Asks for an event and waits until it is over: whether it went well, and what it gave."""
        joined = self.join(event, data, **more)
        if joined.status != 200:
            return False, joined.status
        wanted = joined.json()["event_id"]
        with self.http.stream("GET", f"{API}/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("event_id") == wanted and message["msg"] == "process_completed":
                    return message["success"], message["output"].get("data", message["output"].get("error"))
        return False, "the stream ended"


def named(component: dict) -> str:
    """What a component is called here: the last part of its id, or of the name under which the browser keeps it."""
    props = component["props"]
    if component["type"] == "browserstate":
        return "token" if "owner" in props["storage_key"] else "job"
    return (props.get("elem_id") or "").rpartition("-")[2] or component["type"]
