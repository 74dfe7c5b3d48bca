"""The whole page: header, tabs, and what happens when somebody opens it."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from markupsafe import Markup

from wan.domain import ids
from wan.domain.messages import sentence
from wan.environment.settings import Settings
from wan.service.studio import Studio
from wan.storage.uploads import SAMPLES
from wan.ui import cards, image, library, reference, review
from wan.ui import visitor as visitors
from wan.ui.api import Api
from wan.ui.gradio_patches import deny_downloads
from wan.ui.inputs import Page
from wan.ui.text import label
from wan.ui.visitor import bare, hidden

_KEEP_UPLOADS = 24 * 3600  # seconds


def build(studio: Studio, opened: asyncio.Event) -> Page:
    """The page over a studio. opened: set when the studio can be asked; whoever comes earlier waits
    for it.
    """
    deny_downloads()
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
    with demo:
        language = gr.Textbox(visible=False)
        gr.HTML(_header(studio.settings), elem_id="wan-header", **bare)
        visitor = visitors.build(studio)
        chosen = gr.Textbox(visible="hidden", elem_id="wan-library-chosen")
        with gr.Tabs(elem_id="wan-tabs") as tabs:
            with gr.Tab(label("tab_image"), id=image.TAB):
                first = image.build(studio, visitor, language)
            with gr.Tab(label("tab_reference"), id=reference.TAB):
                second = reference.build(studio, visitor, language)
            with gr.Tab(label("tab_library"), id=library.TAB) as shelves:
                library.build(
                    studio,
                    visitor,
                    tabs,
                    shelves,
                    chosen,
                    {image.TAB: first[0], reference.TAB: second[0]},
                )
            with gr.Tab(label("review"), id=review.TAB) as reviewing:
                review.build(studio, visitor, chosen, reviewing)

        Api(studio).publish(demo)
        _share(visitor.owner)
        runs = [first[0], second[0]]

        async def greet(token: object, request: gr.Request, *jobs: str) -> tuple[Any, ...]:
            token = token if ids.is_token(token) else ids.new_link_token()
            found = [
                part
                for run, job in zip(runs, jobs, strict=True)
                for part in await run.found(token, job, request)
            ]
            return token, await first[2](), await second[2](), *found

        known = [visitor.owner, *(run.job for run in runs)]
        shown = [
            visitor.owner,
            first[1],
            second[1],
            *(part for run in runs for part in (run.job, run.view)),
        ]
        # Whoever opens a private link is asked first; the token stays behind the # and never goes
        # over the wire but as this event's input.
        greeted = demo.load(
            greet, known, shown, js="(...known) => window.wanStudio.claimed(known)", **hidden
        )
        greeted.then(None, js="() => window.wanStudio.arrived()")
    return demo


def _share(owner: gr.BrowserState) -> None:
    """What shows the private link: the script presses it, because only Gradio can read the token
    that it keeps in the browser.
    """
    gr.Button("share", elem_id="wan-share-press", visible="hidden").click(
        None, owner, None, js="(token) => window.wanStudio.share(token)"
    )


def _header(settings: Settings) -> str:
    connect, share = any(visitors.asked_for(settings)), not settings.users
    notes = [cards.both("fleeting")] if settings.is_ephemeral else []
    if settings.backend == "simulator":
        withheld = [cards.said(sentence("key_on_space"))] if settings.key_withheld else []
        return cards.header(
            cards.both("badge_demo"),
            short=cards.both("badge_demo_short"),
            notes=[*withheld, *notes],
            connect=connect,
            share=share,
        )
    connection = settings.connection()
    where = (
        cards.both(f"region_{connection.region}")
        if connection.region
        else Markup("{}").format(urlsplit(connection.base_url).hostname)
    )
    return cards.header(where, notes=notes, connect=connect, share=share)
