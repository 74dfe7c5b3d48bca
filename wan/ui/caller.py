"""Who asks, and how an event of the page is answered: each handler gets a `Caller`, and none ends
in a traceback.
"""

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic import ValidationError

from wan.domain import ids
from wan.domain.errors import InvalidInput, WanError
from wan.domain.messages import Language, Message
from wan.domain.turns import Asker
from wan.service.access import Permission
from wan.service.studio import Studio
from wan.ui.components.browser_text import BrowserText
from wan.ui.components.component import EventValues
from wan.ui.handling import arrival_time
from wan.web.addresses import group

_log = logging.getLogger(__name__)


hidden: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_limit": None,
    "api_visibility": "private",
}
"""How every event of this page is declared."""


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


async def authorize(
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
    return await studio.access.policy.authorize(**words, address=address_of(request))


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


@dataclass(frozen=True)
class Connection:
    """The components that say who asks and with what."""

    owner: BrowserText
    """The unguessable token of this browser."""
    key: Component
    region: Component
    workspace: Component
    code: Component
    own: BrowserText
    """Whether a key has been typed ("yes" or ""): all that an event needs to know of it that only
    shows a price.
    """

    @property
    def typed(self) -> list[Component]:
        """What is typed under *Connection*: inputs of an event that may spend money."""
        return [self.key, self.region, self.workspace, self.code]


@dataclass(frozen=True)
class Caller:
    """Who asks: their browser or login, and what they typed under *Connection*."""

    studio: Studio
    request: gr.Request
    token: str
    """The unguessable token of the browser, as it came."""
    typed: tuple[str, ...] = ()
    """Key, region, workspace and access code as they came, of an event that may spend money."""

    @property
    def owner(self) -> str:
        """The owner that they are. Raises NotReady for a page that is still loading."""
        return owner_of(self.studio, self.token, self.request)

    @property
    def address(self) -> str:
        """What counts as their address; "" where nobody knows it."""
        return address_of(self.request)

    async def authorize(self) -> Permission:
        """Return what they may do. Raises InvalidInput and AccessRefused."""
        return await authorize(self.studio, self.request, *self.typed)

    def asker(self, shows: str = "") -> Asker:
        """For whom work on a file is done. shows: what on the page shows what comes of it, where
        only the newest counts.
        """
        return asker_of(self.studio, self.token, self.request, shows)


@dataclass(frozen=True)
class Events:
    """Connects the events of one page with what answers them."""

    language: Language
    studio: Studio
    connection: Connection

    def connect(
        self,
        event: Callable[..., Any],
        act: Callable[..., Any],
        inputs: Sequence[Component] = (),
        outputs: Component | Sequence[Component] | None = None,
        *,
        refuse: Callable[..., Any],
        values: type[EventValues] | None = None,
        pays: bool = False,
        **options: Any,
    ) -> Any:
        """Answer an event by `act(caller, *inputs)`, or by `act(caller, values, *inputs)`. An
        asynchronous generator is shown step by step.

        event: such as `button.click`. refuse: called as `act` is, with the error in place of the
        values, and gives the outputs. values: the model of what the event carries. pays: whether it
        may spend money. options: Gradio's own. Gives Gradio's dependency.
        """
        typed = self.connection.typed if pays else []
        handler = self._handler(act, refuse, values, len(typed))
        given = [self.connection.owner, *typed, *inputs]
        return event(handler, given, outputs, **options, **hidden)

    def _handler(
        self,
        act: Callable[..., Any],
        refuse: Callable[..., Any],
        values: type[EventValues] | None,
        typed: int,
    ) -> Callable[..., Any]:
        """What Gradio calls. typed: how many inputs belong to the connection."""

        def call(request: gr.Request, event: gr.EventData, given: Sequence[Any]) -> Any:
            carried = [] if values is None else [values.model_validate(event._data or {})]
            return act(caller(request, given), *carried, *given[1 + typed :])

        def caller(request: gr.Request, given: Sequence[Any]) -> Caller:
            return Caller(self.studio, request, given[0], tuple(given[1 : 1 + typed]))

        async def refusal(request: gr.Request, error: Exception, given: Sequence[Any]) -> Any:
            shown = refuse(caller(request, given), error, *given[1 + typed :])
            return await shown if inspect.isawaitable(shown) else shown

        async def answer(request: gr.Request, event: gr.EventData, *given: Any) -> Any:
            try:
                return await call(request, event, given)
            except Exception as error:  # noqa: BLE001 - no event ends in a traceback
                return await refusal(request, error, given)

        async def stream(
            request: gr.Request, event: gr.EventData, *given: Any
        ) -> AsyncIterator[Any]:
            try:
                async with aclosing(call(request, event, given)) as steps:
                    async for step in steps:
                        yield step
            except Exception as error:  # noqa: BLE001 - no event ends in a traceback
                yield await refusal(request, error, given)

        handler = stream if inspect.isasyncgenfunction(act) else answer
        handler.__name__ = act.__name__  # by which Gradio calls the event
        return handler


def field_of(error: Exception) -> str:
    """Return the field of a form that an error is about; "" where it is about none."""
    return error.field if isinstance(error, InvalidInput) else ""


def explain(
    error: Exception, *, not_ready: str = "not_ready_note", broke: str = "act_broke_note"
) -> Message:
    """Return what to say of an error, and log it where it is our fault. not_ready, broke: the keys
    of what is said of a page that is still loading, and of a fault of ours.
    """
    if isinstance(error, WanError):
        return error.message
    if isinstance(error, NotReady):
        return Message.of(not_ready)
    if isinstance(error, ValidationError):  # an event that no button of ours triggered
        return Message.of("form_bad")
    _log.error("an event of the page could not be answered", exc_info=error)
    return Message.of(broke)
