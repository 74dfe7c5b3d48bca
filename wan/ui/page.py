"""The page in each language: header, tabs, and what happens when somebody opens it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from wan.domain import ids
from wan.domain.messages import Language, Message, t
from wan.environment.settings import Settings
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES
from wan.ui import connection as connections
from wan.ui import image, library, other_tab, reference, review
from wan.ui.api.endpoints import Api
from wan.ui.api.snippets import install_snippets
from wan.ui.caller import Caller, Events, explain
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.header import Header, show_header
from wan.ui.first_price import FirstPrice
from wan.ui.gradio_patches import (
    deny_downloads,
    expect_no_matplotlib,
    keep_no_values,
    making_no_server,
)
from wan.ui.inputs import Page
from wan.ui.stage import TabStage, make_viewers
from wan.web.capacity import Capacity
from wan.web.languages import PATHS

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - names of all addresses of a machine
_KEEP_UPLOADS = 24 * 3600  # seconds


@dataclass(frozen=True)
class _Shared:
    """What counts in the pages of all languages together."""

    viewers: dict[str, Capacity] = field(
        default_factory=lambda: {tab: make_viewers() for tab in (image.TAB, reference.TAB)}
    )
    """Who watches jobs, by the tab."""


@making_no_server()
def build(studio: Studio, opened: asyncio.Event) -> Page:
    """The pages over a studio, one for each language. opened: set when the studio can be asked;
    whoever comes earlier waits for it.
    """
    deny_downloads()
    keep_no_values()
    expect_no_matplotlib()
    install_snippets()
    gr.set_static_paths(
        [SAMPLES]
    )  # else Gradio copies them among the uploads, which go after a day
    demo = Page(
        opened=opened,
        uploads=studio.uploads,
        title="Wan Studio",
        analytics_enabled=False,
        delete_cache=(3600, _KEEP_UPLOADS),
    )
    shared = _Shared()
    with demo:
        _build("en", studio, shared, demo)
        Api(studio).publish(demo)
    with demo.route(t("zh", "to_chinese"), PATHS["zh"]):
        _build("zh", studio, shared, demo)
    return demo


def _build(language: Language, studio: Studio, shared: _Shared, demo: Page) -> None:
    """The page of one language."""
    header = Header(_header(language, studio.settings), elem_id="wan-header")
    connection = connections.build(language, studio)
    chosen = BrowserText("wan-library-chosen-v1", restored=False)
    opened = BrowserText("wan-review-opened-v1", restored=False)
    # Whoever opens the page has chosen nothing yet, and opened no review.
    demo.load(None, None, [chosen, opened], js="() => ['', '']")
    with gr.Tabs(elem_id="wan-tabs") as tabs:
        with gr.Tab(t(language, "tab_image"), id=image.TAB):
            first = image.build(language, studio, connection, shared.viewers[image.TAB])
        with gr.Tab(t(language, "tab_reference"), id=reference.TAB):
            second = reference.build(language, studio, connection, shared.viewers[reference.TAB])
        runs = {image.TAB: first[0], reference.TAB: second[0]}
        with gr.Tab(t(language, "tab_library"), id=library.TAB) as library_tab:
            library.build(language, studio, connection, tabs, library_tab, chosen, runs)
        with gr.Tab(t(language, "review"), id=review.TAB) as reviewing:
            review.build(language, studio, connection, chosen, opened, reviewing)
    other_tab.wire(Events(language, studio, connection), tabs, runs)
    # The token and what is in the forms only Gradio can read.
    header.private_link(
        None, connection.owner, None, js="(token) => window.wanPrivateLink.share(token)"
    )
    forms = [part for one in runs.values() for part in (*one.fields.values(), one.takes)]
    gr.on(
        [part.change for part in forms],  # type: ignore[attr-defined]
        None,
        forms,
        None,
        js="(...forms) => window.wanForms.remember(forms)",
    )
    header.carry(None, forms, None, js="(...forms) => window.wanForms.carry(forms)")

    greeting = _Greeting(runs, (first[2], second[2]), partial(_header, language, studio.settings))
    shown = [
        connection.owner,
        connection.own,
        first[1],
        second[1],
        *(part for one in runs.values() for part in (one.view, one.job)),
        header,
    ]
    # Whoever opens a private link is asked first; the token stays behind the # and never goes
    # over the wire but as this event's input.
    greeted = Events(language, studio, connection).connect(
        demo.load,
        greeting.greet,
        [one.job for one in runs.values()],
        shown,
        refuse=greeting.refuse,
        js="(...known) => window.wanPrivateLink.claimed(known)",
        queue=False,  # every visit asks it: one request, where the queue takes two and a stream
    )
    greeted.then(None, forms, forms, js="(...forms) => window.wanStudio.arrived(forms)")


@dataclass(frozen=True)
class _Greeting:
    """What a page shows when somebody opens it."""

    stages: Mapping[str, TabStage]
    prices: Sequence[FirstPrice]
    """What stands in the price line of each tab."""
    header: Callable[[str], str]
    """The head of the page for whoever is signed in, by their name."""

    async def greet(self, caller: Caller, *jobs: str) -> list[Any]:
        """Give the browser a token, and show the prices and each stage's jobs."""
        caller = replace(caller, token=_token_of(caller))
        found = [
            part
            for stage, job in zip(self.stages.values(), jobs, strict=True)
            for part in await stage.find(caller, job)
        ]
        name = caller.request.username
        header = self.header(name) if name else gr.skip()
        prices = [await price.update() for price in self.prices]
        return [caller.token, "", *prices, *found, header]

    def refuse(self, caller: Caller, error: Exception, *jobs: str) -> list[Any]:
        """Give the browser a token; the page shows what it would without jobs."""
        explain(error)
        return [_token_of(caller), "", *[gr.skip()] * (len(self.prices) + 2 * len(jobs) + 1)]


def _token_of(caller: Caller) -> str:
    """The token of somebody's browser; a new one for a browser that has none."""
    return caller.token if ids.is_token(caller.token) else ids.new_link_token()


def _header(language: Language, settings: Settings, name: str = "") -> str:
    """The head of the page. name: of whoever is signed in."""
    connect, share = any(connections.accepted_credentials(settings)), not settings.users
    served = settings.server_name.strip(" []") in _EVERYWHERE
    notes = [Message.of("fleeting")] if settings.is_ephemeral else []
    show = partial(
        show_header,
        language,
        connect=connect,
        share=share,
        name=name,
        is_operator=name in settings.operators,
        home=settings.home_url,
        served=served,
    )
    if settings.backend == "simulator":
        withheld = [Message.of("key_on_space")] if settings.key_withheld else []
        short = Message.of("badge_demo_short")
        return show(Message.of("badge_demo"), short=short, notes=[*withheld, *notes])
    connection = settings.connection()
    where: Message | str = urlsplit(connection.base_url).hostname or ""
    if connection.region:
        where = Message.of(f"region_{connection.region}")
    return show(where, notes=notes)
