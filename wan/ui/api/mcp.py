"""MCP for agents, where the operator switches it on by WAN_MCP.

It is Gradio's server over `wan.ui.api.endpoints`, which are called in this process.
"""

import copy
import inspect
import json
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import partial, partialmethod
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
from wan.web.bodies import limit_of
from wan.web.parameters import require_parameters

try:
    from mcp.server.lowlevel.server import request_ctx
except ImportError:  # gradio[mcp] is not installed, and no agent calls
    request_ctx = ContextVar("request_ctx")

_SESSION = "mcp-session-id"
_App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


class _DirectServer(gradio.mcp.GradioMCPServer):
    """Gradio's server, which calls each event directly.

    Gradio calls one with a queue over HTTP, through a client of its own: under the caller's Host,
    from its own address. Behind a proxy that call comes back refused, and the caller is lost on the
    way (gradio 6.31.0).
    """

    def __init__(self, blocks: Blocks) -> None:
        self.Server = _without_validation(self.Server)
        self.StreamableHTTPSessionManager = _with_our_limit(self.StreamableHTTPSessionManager)
        super().__init__(blocks)
        self.handle_streamable_http = _with_sessions(self.handle_streamable_http)  # type: ignore[assignment]

    def get_block_fn_from_endpoint_name(self, endpoint_name: str) -> BlockFunction | None:
        """Return an event by the name of its endpoint, as one without a queue."""
        function = super().get_block_fn_from_endpoint_name(endpoint_name)
        if function is None:
            return None
        direct: Any = copy.copy(function)
        direct.queue = False
        return direct  # type: ignore[no-any-return]

    def _prepare_tool_call_args(self, name: str, arguments: dict[str, Any]) -> Any:
        """Do as Gradio does, but refuse unknown and missing parameters. Raises InvalidInput."""
        require_parameters(
            self.api_info["named_endpoints"],
            self.tool_to_endpoint.get(name, "").removeprefix("/"),
            arguments,
        )
        return super()._prepare_tool_call_args(name, arguments)

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Return answers as JSON; Gradio would write them as Python does."""
        return [
            self.types.TextContent(type="text", text=json.dumps(one, ensure_ascii=False))
            for one in data
        ]


def read_session(headers: Headers) -> str:
    """Return the session of an agent, a secret that only the two know; "" where there is none."""
    given = headers.get(_SESSION)
    return given if given and ids.has_shape(ids.CALLER, given) else ""


async def report_progress(status: str, seconds: float) -> None:
    """Tell the agent whose call is being handled how its job stands, if its client wants to know.

    seconds: for which it has waited.
    """
    context = request_ctx.get(None)
    token = context.meta.progressToken if context is not None and context.meta else None
    if context is not None and token is not None:
        await context.session.send_progress_notification(
            token, seconds, message=status, related_request_id=str(context.request_id)
        )


def _without_validation(server: Any) -> Any:
    """Return a class of server that leaves wrong values to the request.

    The check of the package for MCP names no field, shows everything that was given, and refuses
    what every other way in accepts.
    """
    return type(
        server.__name__,
        (server,),
        {"call_tool": partialmethod(server.call_tool, validate_input=False)},
    )


def _with_our_limit(manager: Any) -> Any:
    """Return a class of session manager that takes bodies as large as the guard lets through.

    Since mcp 1.30 it would refuse more than 4 MiB; the versions before it have no such limit.
    """
    name = "max_request_body_size"
    limited = name in inspect.signature(manager).parameters
    return partial(manager, **{name: limit_of("/gradio_api/mcp").size}) if limited else manager


def _with_sessions(app: _App) -> _App:
    """Give an agent without a session one: it is the agent's identity.

    Nothing is kept of it here (Gradio's server has none, gradio 6.31.0).
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        session = read_session(Headers(scope=scope)) or ids.new_link_token()

        async def send_with_session(message: AsgiMessage) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[_SESSION] = session
            await send(message)

        await app(scope, receive, send_with_session)

    return serve


def install_mcp() -> None:
    """Have Gradio serve MCP that way. Raises SettingsError where the package for it is missing."""
    if not hasattr(gradio.mcp.GradioMCPServer, "Server"):
        raise SettingsError(Message.of("mcp_missing"))
    gradio.mcp.GradioMCPServer = _DirectServer  # type: ignore[misc]
