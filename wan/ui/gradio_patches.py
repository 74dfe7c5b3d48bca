"""What is put in the place of Gradio's own: the servers that it makes and starts, its downloads,
and what it keeps of a session.
"""

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import httpx
from gradio import Blocks, http_server, processing_utils
from gradio.i18n import I18n
from gradio.routes import App
from gradio.state_holder import SessionState
from uvicorn.config import Config

from wan.domain.messages import t
from wan.web.languages import TAGS
from wan.web.listening import Listener
from wan.web.sockets import Connection, ConnectionRegistry, Limits


class _Server(http_server.Server):
    """Serves on sockets that listen already."""

    def __init__(self, config: Config, place: Listener) -> None:
        super().__init__(config)
        self._place = place

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        super().run(self._place.sockets)

    def run_in_thread(self) -> None:
        """Begin, and come back when it has begun: Gradio gives it five seconds, which a busy
        machine may not have.
        """
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        while not self.started:
            if not self.thread.is_alive():
                raise RuntimeError("the server did not start; what it said stands above")
            time.sleep(0.001)


@contextlib.contextmanager
def serve_within_limits(limits: Limits, place: Listener) -> Iterator[ConnectionRegistry]:
    """Let Gradio serve at this place and with these limits inside the block. Yields what will be
    its open connections.
    """
    registry, plain = ConnectionRegistry(limits), http_server.start_server

    def start(app: Any, *_: Any, **__: Any) -> tuple[str, int, str, http_server.Server]:
        # A web socket would leave the lobby without a word, and is refused anyway.
        # Without `workers`, uvicorn reads WEB_CONCURRENCY.
        config = Config(app, log_level="warning", ws="none", backlog=limits.backlog, workers=1)
        config.http = partial(Connection, registry)  # type: ignore[assignment]
        server = _Server(config, place)
        server.run_in_thread()
        return place.name, place.port, place.url, server

    http_server.start_server = start
    try:
        yield registry
    finally:
        http_server.start_server = plain


class _NoDownloads(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.UnsupportedProtocol("the page fetches nothing", request=request)


def deny_downloads() -> None:
    """Keeps Gradio from fetching the http(s) addresses that a forged form gives for files: whole
    into memory, without a limit.
    """
    processing_utils.async_transport = _NoDownloads()  # type: ignore[assignment]


def keep_no_values() -> None:
    """Keep Gradio from describing every component of every page in each session, and from putting
    the last value of each input there (gradio 6.31.0): keys, prompts and whole pictures have no
    place in it, and only deep links would read it, which are closed.
    """
    plain = SessionState.__init__
    if getattr(plain, "wan", False):
        return

    def begin(self: SessionState, blocks: Blocks) -> None:
        nothing: Any = SimpleNamespace(default_config=blocks.default_config, blocks={})
        plain(self, nothing)

    begin.wan = True  # type: ignore[attr-defined]
    SessionState.__init__ = begin  # type: ignore[method-assign]
    SessionState._update_value_in_config = lambda *_: None  # type: ignore[method-assign]


def expect_no_matplotlib() -> None:
    """Have Python remember that Matplotlib is not installed: Gradio tries to import it twice around
    each event, and each try would search the disk (gradio 6.31.0; 4 % of a busy server's time).
    """
    if find_spec("matplotlib") is None:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]


@contextlib.contextmanager
def making_no_server() -> Iterator[None]:
    """Keep Gradio inside the block from making a server of eighty routes after each step of the
    page, and describing the whole page for it: only the one counts that `launch` makes (gradio
    6.31.0), and five of them took a fifth of the start.
    """
    plain = App.create_app
    App.create_app = staticmethod(lambda *_, **__: None)  # type: ignore[assignment]
    try:
        yield
    finally:
        App.create_app = staticmethod(plain)  # type: ignore[method-assign]


def words() -> I18n:
    """Return our words for what Gradio has none for (gradio 6.31.0 shows `common.upload` as it
    stands), or puts another way than the rest of the page.
    """
    keys = {
        "common.upload": "file_upload",
        "upload_text.drop_file": "file_drop",
        "upload_text.click_to_upload": "file_browse",
    }
    return I18n(
        **{
            tag: {name: t(language, key) for name, key in keys.items()}
            for language, tag in TAGS.items()
        }
    )
