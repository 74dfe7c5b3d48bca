"""The whole page: header, tabs, and what happens when somebody opens it."""

import asyncio
import secrets
from urllib.parse import urlsplit

import gradio as gr
from markupsafe import Markup

from wan.settings import Settings
from wan.studio import Studio
from wan.ui import cards, image, reference
from wan.ui.guard import deny_downloads
from wan.ui.inputs import Page
from wan.ui.run import bare, hidden, owner_state
from wan.ui.text import label
from wan.words import sentence

_KEEP_UPLOADS = 24 * 3600  # seconds


def build(studio: Studio, opened: asyncio.Event) -> gr.Blocks:
    """The page over a studio. opened: set when the studio can be asked; whoever comes earlier waits for it."""
    deny_downloads()
    demo = Page(opened=opened, title="Wan Studio", analytics_enabled=False, delete_cache=(3600, _KEEP_UPLOADS))
    with demo:
        owner = owner_state()
        language = gr.Textbox(visible=False)
        gr.HTML(_header(studio.settings), elem_id="wan-header", **bare)
        with gr.Tabs(elem_id="wan-tabs"):
            with gr.Tab(label("tab_image"), id=image.TAB):
                first = image.build(studio, owner, language)
            with gr.Tab(label("tab_reference"), id=reference.TAB):
                second = reference.build(studio, owner, language)

        async def greet(token: object) -> tuple[str, str, str]:
            known = isinstance(token, str) and len(token) >= 32
            return str(token) if known else secrets.token_urlsafe(32), await first[2](), await second[2]()

        demo.load(greet, owner, [owner, first[1], second[1]], **hidden).then(None, js="() => window.wanStudio.attach()")
    return demo


def _header(settings: Settings) -> str:
    if settings.backend == "simulator":
        notes = [cards.said(sentence("key_on_space"))] if settings.key_withheld else []
        return cards.header(cards.both("badge_demo"), short=cards.both("badge_demo_short"), notes=notes)
    connection = settings.connection()
    where = cards.both(f"region_{connection.region}") if connection.region else Markup("{}").format(urlsplit(connection.base_url).hostname)
    return cards.header(where)
