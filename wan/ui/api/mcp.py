"""MCP for agents, where the operator asks for it by WAN_MCP: Gradio's server over the endpoints of
`wan.ui.api.endpoints`, called in this process.
"""

import copy
import json
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import partialmethod
from typing import Any

import gradio.mcp
from gradio.block_function import BlockFunction
from gradio.blocks import Blocks
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message as AsgiMessage
from starlette.types import Receive, Scope, Send

from wan.domain import ids
from wan.domain.errors import SettingsError
from wan.domain.messages import Message
from wan.web.parameters import require_parameters

try:
    from mcp.server.lowlevel.server import request_ctx
except ImportError:  # gradio[mcp] is not installed, and no agent calls
    request_ctx = ContextVar("request_ctx")

_SESSION = "mcp-session-id"
_App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


class _Direct(gradio.mcp.GradioMCPServer):
    """Gradio's server, which calls an event with a queue over HTTP, through a client of its own:
    under the caller's Host, from its own address.

    Behind a proxy that call comes back refused, and who asked is lost on the way (gradio 6.31.0);
    so every event is called directly.
    """

    def __init__(self, blocks: Blocks) -> None:
        self.Server = _without_validation(self.Server)
        super().__init__(blocks)
        self.handle_streamable_http = _with_sessions(self.handle_streamable_http)  # type: ignore[assignment]

    def get_block_fn_from_endpoint_name(self, endpoint_name: str) -> BlockFunction | None:
        """An event by the name of its endpoint, as one without a queue."""
        found = super().get_block_fn_from_endpoint_name(endpoint_name)
        if found is None:
            return None
        direct: Any = copy.copy(found)
        direct.queue = False
        return direct  # type: ignore[no-any-return]

    def _prepare_tool_call_args(self, name: str, arguments: dict[str, Any]) -> Any:
        """As Gradio does it, but for what is missing, or stands in no parameter's place. Raises
        InvalidInput.
        """
        require_parameters(
            self.api_info["named_endpoints"],
            self.tool_to_endpoint.get(name, "").removeprefix("/"),
            arguments,
        )
        return super()._prepare_tool_call_args(name, arguments)

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Our answers, as JSON; Gradio would write them as Python does."""
        return [
            self.types.TextContent(type="text", text=json.dumps(one, ensure_ascii=False))
            for one in data
        ]


def session_of(headers: Headers) -> str:
    """The session of an agent, which is a secret of the two; "" where there is none."""
    given = headers.get(_SESSION)
    return given if given and ids.has_shape(ids.CALLER, given) else ""


async def report(said: str, seconds: float) -> None:
    """Tells the agent whose call is being handled how its job stands, if its client wants to know.
    seconds: for how long it has waited.
    """
    context = request_ctx.get(None)
    token = context.meta.progressToken if context is not None and context.meta else None
    if context is not None and token is not None:
        await context.session.send_progress_notification(
            token, seconds, message=said, related_request_id=str(context.request_id)
        )


def _without_validation(server: Any) -> Any:
    """A kind of server that leaves to the request what is wrong with its values: the check of the
    package for MCP names no field, shows all that came, and refuses what every other door takes.
    """
    return type(
        server.__name__,
        (server,),
        {"call_tool": partialmethod(server.call_tool, validate_input=False)},
    )


def _with_sessions(app: _App) -> _App:
    """Gives an agent that has no session one. Nothing is kept of it here (Gradio's server has none,
    gradio 6.31.0): it is who the agent is.
    """

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        session = session_of(Headers(scope=scope)) or ids.new_link_token()

        async def tell(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_SESSION] = session
            await send(message)

        await app(scope, receive, tell)

    return named


def speak_mcp() -> None:
    """Has Gradio serve MCP that way. Raises SettingsError where the package for it is missing."""
    if not hasattr(gradio.mcp.GradioMCPServer, "Server"):
        raise SettingsError(Message.of("mcp_missing"))
    gradio.mcp.GradioMCPServer = _Direct  # type: ignore[misc]
