"""*Connection*: the panel that asks for a key of somebody's own and for the access code."""

from contextlib import suppress
from functools import partial
from typing import Any

import gradio as gr

from wan.domain.catalog import BASE_URLS
from wan.domain.errors import AccessRefused
from wan.domain.messages import Language, Message, t
from wan.environment.settings import Settings
from wan.service.studio import Studio
from wan.ui.caller import Caller, Connection, Events, NotReady, explain, field_of
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.component import plain_html
from wan.ui.components.connection import show_head, show_steps
from wan.ui.components.lines import answer_of

_USE = "wan-connection-use"
_BLAMED = {"key_unknown": "key", "workspace_denied": "workspace"}
"""The field that the service finds wrong, by what it says."""


def accepted_credentials(settings: Settings) -> tuple[bool, bool]:
    """Whether visitors may give a key of their own, and whether they need the access code."""
    return (
        settings.backend_wanted != "simulator",
        settings.access_code is not None and settings.backend == "dashscope",
    )


def build(language: Language, studio: Studio) -> Connection:
    """The panel, which the header's button opens. Whatever does not apply here is not shown."""
    settings = studio.settings
    keys, codes = accepted_credentials(settings)
    owner = BrowserText("wan-owner-v1")
    with gr.Column(elem_id="wan-connection", visible=keys or codes):
        gr.HTML(show_head(language), **plain_html)
        code = _secret(language, "code") if codes else gr.State("")
        key = _secret(language, "key", visible=keys)
        gr.HTML(show_steps(language), visible=keys, **plain_html)
        region = gr.Dropdown(
            [(t(language, f"region_{name}"), name) for name in BASE_URLS],
            value=settings.home_region,
            label=t(language, "region"),
            visible=keys,
            elem_id="wan-connection-region",
        )
        workspace = gr.Textbox(
            label=t(language, "workspace"),
            placeholder=t(language, "workspace_placeholder"),
            info=t(language, "workspace_note"),
            max_lines=1,
            visible=keys,
            elem_id="wan-connection-workspace",
        )
        with gr.Row(elem_classes="wan-pair"):
            use, forget = (
                gr.Button(t(language, "use_key"), size="sm", variant="primary", elem_id=_USE),
                gr.Button(t(language, "forget"), size="sm"),
            )
        found = gr.HTML("", elem_id="wan-connection-found", **plain_html)
    own = BrowserText("wan-own-key-v1", restored=False)
    connection = Connection(owner, key, region, workspace, code, own)
    _wire(Events(language, studio, connection), use, forget, found)
    return connection


def _wire(events: Events, use: gr.Button, forget: gr.Button, found: gr.HTML) -> None:
    language, studio, connection = events.language, events.studio, events.connection

    async def ask(caller: Caller) -> str:
        said = await studio.access.check(await caller.authorize(), owner=caller.owner)
        return answer_of(language, said, _BLAMED.get(said.key, ""))

    def refuse(_caller: Caller, error: Exception) -> str:
        if isinstance(error, NotReady):
            return ""
        field = "code" if isinstance(error, AccessRefused) else field_of(error)
        return answer_of(language, explain(error), field)

    async def drop(caller: Caller) -> tuple[str, str, str]:
        dropped = 0
        with suppress(NotReady):
            dropped = studio.access.forget_keys(owner=caller.owner)
        said = Message.of("forgotten_jobs" if dropped else "forgotten")
        return "", "", answer_of(language, said)

    def refuse_drop(caller: Caller, error: Exception) -> tuple[str, str, str]:
        return "", "", refuse(caller, error)

    # Enter does the same as the button.
    typed: list[Any] = [connection.key, connection.code, connection.workspace]
    entered = [part.submit for part in typed if isinstance(part, gr.Textbox)]
    pressed = partial(gr.on, [use.click, *entered])
    events.connect(pressed, ask, [], found, refuse=refuse, pays=True).then(
        None, js=f"() => window.wanFields.answered('{_USE}')"
    )
    emptied = [connection.key, connection.code, found]
    events.connect(forget.click, drop, [], emptied, refuse=refuse_drop)
    connection.key.change(  # type: ignore[attr-defined]
        None,
        connection.key,
        connection.own,
        js="(key) => window.wanConnection.typed(key)",
    )


def _secret(language: Language, name: str, *, visible: bool = True) -> gr.Textbox:
    return gr.Textbox(
        label=t(language, "access_code" if name == "code" else name),
        type="password",
        visible=visible,
        max_lines=1,
        elem_id=f"wan-connection-{name}",
    )
