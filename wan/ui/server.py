"""Serves the page until the process is told to stop: the studio opens and closes on the server's
own event loop.
"""

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.routes import App
from gradio.utils import get_upload_folder
from starlette.routing import Route
from starlette.types import ASGIApp

from wan.environment.credentials import CREDENTIALS
from wan.environment.passwords import is_password_of
from wan.environment.settings import Settings
from wan.environment.surroundings import home
from wan.environment.time_limit import exit_within
from wan.service.studio import Studio
from wan.storage import buckets
from wan.storage.uploads import SAMPLES
from wan.ui.api.mcp import install_mcp
from wan.ui.gradio_patches import making_no_server, serve_within_limits, words
from wan.ui.inputs import Page
from wan.ui.stopping import ALL_SECONDS, Stopping
from wan.ui.theme import WanTheme
from wan.web import (
    announcements,
    metrics,
    readiness,
    review_html,
    review_page,
    spending_page,
    video_page,
)
from wan.web.events import SLOTS
from wan.web.guard import Guard
from wan.web.headers import Scripts
from wan.web.host_names import host_names_of
from wan.web.kept_answers import KeptAnswers
from wan.web.languages import PATHS, first_script
from wan.web.listening import listen
from wan.web.paths import ASSETS, read_assets
from wan.web.root_path import parse_root
from wan.web.routes import routes
from wan.web.sessions import KNOWN, Sessions
from wan.web.sign_in import SignIn
from wan.web.sockets import LOOPBACK, ConnectionRegistry, Limits, raise_file_limit
from wan.web.templating import compile_templates
from wan.web.uploads import BodyUploads

_UPLOAD_LIMIT = "100mb"  # the service's own limit for a reference video
_STYLES = (
    *("patterns", "page", "form", "prompt", "frame", "stage", "tell", "first"),
    *("library", "library_job", "reviews", "verdicts", "discussion"),
)
_EVENT_SECONDS = 0.01  # an event waits no longer than this until it is begun
_PROGRESS_SECONDS = 0.25  # between two reports of how far a program's call is
_STOP_LOOK = 0.1  # seconds between two looks whether somebody asked for the end


class Server:
    """The page, being served. Raises SettingsError where the settings do not say under which names
    and which path, before anything listens.
    """

    def __init__(self, demo: Page, studio: Studio, opened: asyncio.Event) -> None:
        self._demo, self._studio, self._opened = demo, studio, opened
        self._names = host_names_of(studio.settings)
        self._root = parse_root(studio.settings.root_path)
        self._stopping = Stopping()
        self._loop: asyncio.AbstractEventLoop
        self._authenticating = asyncio.Semaphore(2)  # each takes 32 MB for a moment
        self._trouble: Exception | None = None

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT. Raises what kept the studio from opening, SettingsError
        above all.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stopping.begin)
        with making_no_server():
            self._demo.queue(default_concurrency_limit=None, max_size=500, api_open=False)
        self._demo._queue.pending_messages_per_session.max_size = (
            KNOWN  # else a stream goes silent when 2,000 younger sessions have come
        )
        # Gradio 6.31.0 looks every millisecond whether an event has come, which costs an idle app
        # some 7 % of a core; with these, under 2 %. Whether one has gone on it asks each of a
        # thousand slots.
        self._demo._queue.sleep_when_free = _EVENT_SECONDS
        self._demo._queue.progress_update_sleep_when_free = _PROGRESS_SECONDS
        self._demo._queue.ANALYTICS_MAX_EVENTS = (
            0  # nobody sees them, and after each refusal Gradio makes a table of all
        )
        if self._studio.settings.mcp:
            install_mcp()
        exempt = [*LOOPBACK, *self._studio.settings.trusted_proxies]
        with serve_within_limits(
            Limits.within_files(raise_file_limit(), exempt), listen(self._studio.settings)
        ) as connections:
            self._demo.launch(**self._options())
        # A signal that another thread takes does not end a wait without a limit.
        while not self._stopping.has_begun:
            time.sleep(_STOP_LOOK)
        self._stop(connections)
        if self._trouble is not None:
            raise self._trouble

    def _stop(self, connections: ConnectionRegistry) -> None:
        """End what serves, and then the studio, which waits for the answer to a paid request."""
        exit_within(ALL_SECONDS, 2 if self._trouble else 0)
        server = self._demo.server
        studio = self._studio if self._opened.is_set() and not self._trouble else None
        draining = self._stopping.drain(studio, server, connections, self._demo.progress)
        asyncio.run_coroutine_threadsafe(draining, self._loop)
        while server.thread.is_alive():  # with a limit, so that a second signal is heard
            server.thread.join(_STOP_LOOK)
        self._demo.close()

    def _options(self) -> dict[str, Any]:
        return {
            "prevent_thread_lock": True,
            # It would ask itself for the page, and give up after three seconds on a busy machine.
            "_frontend": False,
            "max_threads": SLOTS,
            "state_session_capacity": SLOTS,
            "max_file_size": _UPLOAD_LIMIT,
            "allowed_paths": [str(SAMPLES)],
            "blocked_paths": blocked_paths(self._studio.settings),
            "run_history": False,  # it would keep every prompt in plain localStorage
            "enable_monitoring": False,
            "mcp_server": self._studio.settings.mcp,
            "ssr_mode": False,
            "pwa": False,
            "show_error": False,
            "auth": self._authenticate if self._studio.settings.users else None,
            "footer_links": ["api"],
            "root_path": "",  # the guard says in each request where the app is reached
            "i18n": words(),
            "theme": WanTheme(),
            "css": read_assets("css", *_STYLES),
            # What stands here is not prefixed as `css` is, so that the same files dress pages that
            # are not Gradio's.
            "head": self._media_life()
            + f"<style>{read_assets('css', 'tokens', 'base', 'compare')}</style>"
            + "".join(f"<script>{script}</script>" for script in _scripts()),
            "favicon_path": ASSETS / "favicon.svg",
            "app_kwargs": {
                "lifespan": self._lifespan,
                "routes": self._routes(),
                "docs_url": None,
                "redoc_url": None,
                "openapi_url": None,
            },
        }

    async def _authenticate(self, name: str, password: str) -> bool:
        users = self._studio.settings.users
        async with self._authenticating:
            return await asyncio.to_thread(is_password_of, users, name, password)

    def _routes(self) -> list[Route]:
        return [
            *routes(self._studio, self._opened),
            *review_page.routes(self._studio, self._opened),
            *video_page.routes(self._studio, self._opened),
            *spending_page.routes(self._studio, self._opened),
            *readiness.routes(
                self._studio,
                self._opened,
                lambda: self._stopping.has_begun,
                self._stopping.note_question,
            ),
            *metrics.routes(self._studio, self._opened),
            *announcements.routes(self._studio, self._opened),
        ]

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: App) -> AsyncIterator[None]:
        # Given as `middleware` the guard would stand behind Gradio's own, which answers whatever
        # crosses origins.
        self._loop = asyncio.get_running_loop()
        sign_in = SignIn(app) if self._studio.settings.users else None
        guarded = app.middleware_stack or app.build_middleware_stack()
        pages = () if sign_in else PATHS.values()
        app.middleware_stack = self._guard(KeptAnswers(guarded, pages), sign_in)
        # Gradio gives the server five seconds to start, and a cold simulator may need more: so the
        # studio opens beside it.
        leave = asyncio.Event()
        task = asyncio.create_task(self._hold(leave), name="studio")
        yield
        leave.set()
        await task

    def _guard(self, app: ASGIApp, sign_in: SignIn | None) -> ASGIApp:
        settings, demo = self._studio.settings, self._demo
        public = [
            str(handler.api_name)
            for handler in demo.fns.values()
            if handler.api_visibility == "public"
        ]
        events = {number: event for number, event in demo.fns.items() if event.fn is not None}
        first = {path: first_script(language) for language, path in PATHS.items()}
        return Guard(
            app,
            sessions=Sessions(self._forget, counts=self._studio.counts),
            uploads=BodyUploads(self._studio.uploads.folder, self._studio.counts),
            progress=demo.progress,
            events=events.keys(),
            direct={number for number, event in events.items() if not event.queue},
            public=public,
            trusted=settings.trusted_proxies,
            names=self._names,
            root=self._root,
            hosts=[settings.space_host],
            scripts=Scripts([*_scripts(), review_html.script(), *first.values()], _template()),
            first=first,
            sign_in=sign_in,
            mcp=settings.mcp,
            space=bool(settings.space_id),
            private={
                metrics.PATH: partial(metrics.may_read, settings),
                announcements.PATH: partial(announcements.may_announce, settings),
            },
            media=self._media_origin,
            counts=self._studio.counts,
        )

    def _media_life(self) -> str:
        """Return for the page how long an address can be used to which players are sent."""
        life = f'<meta name="wan-media" content="{buckets.SIGNED:g}">'
        return life if self._studio.settings.media_redirect else ""

    def _media_origin(self) -> str:
        """Return from where players get videos too; "" before the studio is open."""
        signed = self._studio.stores.signed if self._opened.is_set() else None
        return signed.origin if signed else ""

    def _forget(self, session: str) -> None:
        """Lets Gradio forget a session: by itself it keeps those for ever that joined and never
        listened.
        """
        queue, states = self._demo._queue, self._demo.state_holder
        for kept in (
            queue.pending_messages_per_session,
            queue.pending_event_ids_session,
            states.session_data,
            states.time_last_used,
        ):
            kept.pop(session, None)

    async def _hold(self, leave: asyncio.Event) -> None:
        try:
            async with self._studio:
                self._opened.set()
                threading.Thread(target=compile_templates, daemon=True).start()
                await leave.wait()
        except Exception as error:  # noqa: BLE001 - raised again by `run`, on the thread that waits
            self._trouble = error
            self._stopping.begin()


def blocked_paths(settings: Settings) -> list[str]:
    """Paths that Gradio must never serve or copy: what we keep, the sources, and the home folder as
    far as nothing that is served lies in it.
    """
    served = [Path(get_upload_folder()).resolve(), SAMPLES.resolve()]
    local = [
        url.partition("://")[2]
        for url in (settings.database, settings.storage)
        if url.startswith(("sqlite:", "file:"))
    ]
    private = [] if (ours := home()) is None else [ours / CREDENTIALS.parent, ours]
    paths = [
        settings.output_dir,
        *map(Path, local),
        *ASSETS.parent.iterdir(),
        *ASSETS.iterdir(),
        *private,
    ]
    return [
        str(path.absolute())
        for path in paths
        if not any(folder.is_relative_to(path.resolve()) for folder in served)
    ]


def _scripts() -> list[str]:
    """The scripts of the page, which run inline."""
    names = (
        *("shared", "player", "tell", "page", "private_link", "forms", "fields", "connection"),
        *("prompt", "mentions", "frame", "copy", "uploads", "compare", "selection", "library"),
        *("previews", "review", "discussion", "first"),
    )
    return [read_assets("js", name) for name in names]


def _template() -> str:
    """Gradio's page before it is filled in."""
    return (Path(gr.__file__).parent / "templates" / "frontend" / "index.html").read_text(
        encoding="utf-8"
    )
