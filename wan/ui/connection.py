"""Who is in front of the page: their browser's token or their login, a key of their own, the access
code. *Connection* asks for these.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from wan.domain import ids
from wan.domain.catalog import BASE_URLS
from wan.domain.errors import WanError
from wan.domain.messages import Language, Message, t
from wan.domain.turns import Asker
from wan.environment.settings import Settings
from wan.service.access import Permission
from wan.service.studio import Studio
from wan.ui.components.lines import answer_of, panel_head
from wan.ui.handling import arrival_time
from wan.web.addresses import group

SECRET = "wan-studio"  # noqa: S105 - it is sent to every browser; without a fixed one the stored values die with each restart

hidden: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_limit": None,
    "api_visibility": "private",
}
"""How every event of this page is declared."""

bare: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
"""How HTML of our own is shown: in its own colours, and a click on it is no event."""


class NotReady(Exception):
    """The browser has no token yet: its page is still loading."""


def owner_of(studio: Studio, token: object, request: gr.Request) -> str:
    """The owner that somebody is: whoever is signed in, else whoever has the browser's token.
    Raises NotReady for no token.
    """
    if request.username:
        return studio.access.owners.of_login(request.username)
    if not ids.is_token(token):
        raise NotReady
    return studio.access.owners.of_token(token)


@dataclass(frozen=True)
class Connection:
    """The components that say who asks and with what."""

    owner: gr.BrowserState
    """The unguessable token of this browser."""
    key: Component
    region: Component
    workspace: Component
    code: Component
    own: gr.BrowserState
    """Whether a key has been typed ("yes" or ""): all that an event needs to know of it that only
    shows a price.
    """

    @property
    def typed(self) -> list[Component]:
        """What is typed under *Connection*: inputs of an event that may spend money."""
        return [self.key, self.region, self.workspace, self.code]


def asked_for(settings: Settings) -> tuple[bool, bool]:
    """Whether visitors may give a key of their own, and whether they need the access code."""
    return (
        settings.backend_wanted != "simulator",
        settings.access_code is not None and settings.backend == "dashscope",
    )


def build(language: Language, studio: Studio) -> Connection:
    """The panel, which the header's button opens. Whatever does not apply here is not shown."""
    settings = studio.settings
    keys, codes = asked_for(settings)
    owner = gr.BrowserState("", storage_key="wan-owner-v1", secret=SECRET)
    with gr.Column(elem_id="wan-connection", visible=keys or codes):
        gr.HTML(panel_head(language, "connection", "connection_note"), **bare)
        code = _secret(language, "code", visible=codes)
        key = _secret(language, "key", visible=keys)
        with gr.Row(visible=keys, elem_classes="wan-pair"):
            region = gr.Dropdown(
                [(t(language, f"region_{name}"), name) for name in BASE_URLS],
                value=settings.home_region,
                label=t(language, "region"),
                min_width=120,
            )
            workspace = gr.Textbox(
                label=t(language, "workspace"),
                placeholder=t(language, "workspace_placeholder"),
                max_lines=1,
                min_width=120,
            )
        with gr.Row(elem_classes="wan-pair"):
            check, forget = (
                gr.Button(t(language, "check"), size="sm", variant="primary"),
                gr.Button(t(language, "forget"), size="sm"),
            )
        found = gr.HTML("", elem_id="wan-connection-found", **bare)
    own = gr.BrowserState("", storage_key="wan-own-key-v1", secret=SECRET)
    visitor = Connection(owner, key, region, workspace, code, own)
    _wire(language, visitor, studio, check, forget, found)
    return visitor


def _wire(
    language: Language,
    visitor: Connection,
    studio: Studio,
    check: gr.Button,
    forget: gr.Button,
    found: gr.HTML,
) -> None:
    async def ask(
        token: str, key: str, region: str, workspace: str, code: str, request: gr.Request
    ) -> str:
        try:
            permission = authorize(studio, request, key, region, workspace, code)
            return answer_of(
                language,
                await studio.access.check(permission, owner=owner_of(studio, token, request)),
            )
        except WanError as error:
            return answer_of(language, error.message)
        except NotReady:
            return ""

    def drop(token: str, request: gr.Request) -> tuple[str, str, str]:
        dropped = 0
        with suppress(NotReady):
            dropped = studio.access.forget_keys(owner=owner_of(studio, token, request))
        return (
            "",
            "",
            answer_of(language, Message.of("forgotten_jobs" if dropped else "forgotten")),
        )

    check.click(ask, [visitor.owner, *visitor.typed], found, **hidden)
    forget.click(drop, visitor.owner, [visitor.key, visitor.code, found], **hidden)
    visitor.key.change(  # type: ignore[attr-defined]
        None, visitor.key, visitor.own, js="(key) => window.wanStudio.own(Boolean(key?.trim()))"
    )


def authorize(
    studio: Studio, request: gr.Request, key: str, region: str, workspace: str, code: str
) -> Permission:
    """What this visitor may do. A program sends in headers what a person types: X-Wan-Key and the
    like. Raises InvalidInput and AccessRefused.
    """
    typed = {"key": key, "region": region, "workspace": workspace, "code": code}
    sent = {name: request.headers.get(f"x-wan-{name}") for name in typed}
    words = {
        name: sent[name] or (value if isinstance(value, str) else "")
        for name, value in typed.items()
    }
    if sent["key"]:  # what the form has beside it belongs to another key
        words |= {"region": sent["region"] or "", "workspace": sent["workspace"] or ""}
    return studio.access.policy.authorize(**words, address=address_of(request))


def address_of(request: gr.Request) -> str:
    """What counts as the address of whoever asks; "" where nobody knows it."""
    client = getattr(request, "client", None)
    return group(client.host) if client else ""


def asker_of(studio: Studio, token: object, request: gr.Request, shows: str = "") -> Asker:
    """For whom work on a file is done. shows: what on the page shows what comes of it, if only the
    newest counts there.
    """
    owner, session = "", request.session_hash or ""
    with suppress(NotReady):
        owner = owner_of(studio, token, request)
    address = address_of(request)
    return Asker(
        address,
        owner or f"session {session}",
        f"{session} {shows}" if shows else "",
        arrival_time(),
    )


def _secret(language: Language, name: str, *, visible: bool) -> gr.Textbox:
    return gr.Textbox(
        label=t(language, "access_code" if name == "code" else name),
        type="password",
        visible=visible,
        max_lines=1,
        elem_id=f"wan-{name}",
    )
