"""What a browser keeps for its visitor."""

from typing import Any

import gradio as gr
from gradio.blocks import Block

# It is sent to every browser. Without a fixed one the kept values die with each restart.
_SECRET = "wan-studio"  # noqa: S105


class BrowserText(gr.BrowserState):
    """A short text in the browser's storage, "" at first.

    Gradio's own takes the first value that it reads for a change, "" too: opening the page would
    ask the server for everything that depends on it (tried with Gradio 6.31.0). So one that is not
    restored, since the page empties it as it opens, begins with its default; one that begins with
    a value is not read from the storage in time for the page's first event.
    """

    is_template = True  # by which Gradio knows that its browser state shows it

    def __init__(self, storage_key: str, *, restored: bool = True, render: bool = True) -> None:
        """restored: whether the page's first event gets what the browser has kept. render: False
        where Gradio makes another one for a session.
        """
        self._start = {} if restored else {"value": ""}
        super().__init__("", storage_key=storage_key, secret=_SECRET, render=render)

    def get_config(self, cls: type[Block] | None = None) -> dict[str, Any]:
        """Add what it begins with."""
        return super().get_config(cls or gr.BrowserState) | self._start
