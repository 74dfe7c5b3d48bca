"""What all attacks share: the app that is attacked, a victim, a listener that must hear nothing,
and the table at the end.
"""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests import plain_http
from tests.attacks.setups import attacked, victims_headers
from tests.attacks.visitor import Visitor, upload
from tests.browser.serving import SAMPLES, App, served
from tests.patience import PATIENCE

_ATTACK = "attack"  # what a row of the table is called on its way from another process
Record = Callable[[str, object, object], None]


@dataclass(frozen=True)
class Victim:
    """Somebody whose finished video others want."""

    visitor: Visitor
    job_id: str
    media: str
    """The token under which the video is served."""


@dataclass
class Listener:
    """A server on this machine, and what it was asked."""

    port: int
    heard: list[bytes] = field(default_factory=list)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Prints a table of the attacks; of those that succeeded, where tests run side by side."""
    reports = [
        one
        for reports in terminalreporter.stats.values()
        for one in reports
        if getattr(one, "when", "") == "call"
    ]
    rows = [row for one in reports for name, row in one.user_properties if name == _ATTACK]
    if rows:
        terminalreporter.section("attacks")
        for attack, expected, got in rows:
            if got != expected or not config.getoption("numprocesses"):
                terminalreporter.line(
                    f"{attack:76.76} {expected:22.22} {got if got != expected else ''}".rstrip()
                )
        terminalreporter.line(
            f"{len(rows)} attacks, {sum(expected != got for _, expected, got in rows)} succeeded"
        )


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Notes an attack for the table, and fails where it got something else than it should."""

    def note(attack: str, expected: object, got: object) -> None:
        request.node.user_properties.append((_ATTACK, (attack, str(expected), str(got))))
        assert str(got) == str(expected), attack

    return note


@pytest.fixture(scope="package")
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, with secrets beside it. In the end it must be well, and its log must hold no
    traceback.
    """
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "home" / ".alibabacloud").mkdir(parents=True)
    (folder / "home" / ".alibabacloud" / "credentials").write_text(
        "[default]\ndashscope_api_key = sk-secretsecret\n"
    )
    (folder / ".env").write_text("SECRET=sk-secretsecret\n")
    with attacked(request.config.getoption("--setup"), folder) as running:
        yield running
        assert plain_http.get(f"{running.url}/healthz").json()["status"] == "ok"
    assert "Traceback" not in running.log(), running.log()
    assert "a test connects to" not in running.log()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app behind a proxy of this machine: each test can come from addresses of its own. One a
    file, as some use up what all addresses share.
    """
    settings = {"WAN_TRUSTED_PROXIES": "127.0.0.1", "WAN_HOSTS": "films.example", "WAN_MCP": "true"}
    settings |= {"WAN_METRICS": "loopback"}
    with served(tmp_path_factory.mktemp("proxied"), **settings) as running:
        yield running


@pytest.fixture(scope="package")
def visitor(app: App) -> Iterator[Visitor]:
    """The attacker's own session."""
    attacker = Visitor(app.url)
    yield attacker
    attacker.close()


@pytest.fixture(scope="package")
def victim(app: App) -> Iterator[Victim]:
    """Somebody who has made a video."""
    someone = Visitor(app.url, headers=victims_headers(app))
    file = ("her.png", (SAMPLES / "astronaut.png").read_bytes())
    path = upload(app.url, [file], sender=someone.headers).json()[0]
    start, watch = someone.event("start"), someone.event("watch")
    picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
    well, given = someone.call(
        start,
        someone.form(
            start,
            token=someone.token,
            reference_image=picture,
            prompt="She smiles.",
            url="",
            audio_url="",
        ),
    )
    assert well, given
    job_id, give_up = given[1], time.monotonic() + PATIENCE
    while "SUCCEEDED" not in (shown := someone.call(watch, [someone.token, job_id])[1][0]):
        assert time.monotonic() < give_up, shown
    yield Victim(someone, job_id, shown.partition('src="media/')[2].partition("/")[0])
    someone.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Hears whoever asks it for something."""
    heard: list[bytes] = []

    class Hear(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            heard.append(self.request.recv(1000))
            self.request.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: "
                b"6\r\nConnection: close\r\n\r\ninside"
            )

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hear) as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        yield Listener(server.server_address[1], heard)
        server.shutdown()
