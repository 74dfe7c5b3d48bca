"""MCP for agents, where the operator asks for it by WAN_MCP: Gradio's server over the endpoints of `wan.ui.api`, called in this process."""

import copy
import json
from typing import Any

import gradio.mcp
from gradio.block_function import BlockFunction

from wan.errors import SettingsError
from wan.words import sentence


class _Direct(gradio.mcp.GradioMCPServer):
    """Gradio's server, which calls an event with a queue over HTTP, through a client of its own: under the caller's Host, from its own address.

    Behind a proxy that call comes back refused, and who asked is lost on the way (gradio 6.31.0); so every event is called directly.
    """

    def get_block_fn_from_endpoint_name(self, endpoint_name: str) -> BlockFunction | None:
        """An event by the name of its endpoint, as one without a queue."""
        found = super().get_block_fn_from_endpoint_name(endpoint_name)
        if found is None:
            return None
        direct: Any = copy.copy(found)
        direct.queue = False
        return direct  # type: ignore[no-any-return]

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Our answers, as JSON; Gradio would write them as Python does."""
        return [self.types.TextContent(type="text", text=json.dumps(one, ensure_ascii=False)) for one in data]


def speak_mcp() -> None:
    """Has Gradio serve MCP that way. Raises SettingsError where the package for it is missing."""
    if not hasattr(gradio.mcp.GradioMCPServer, "Server"):
        raise SettingsError(sentence("mcp_missing"))
    gradio.mcp.GradioMCPServer = _Direct  # type: ignore[misc]
