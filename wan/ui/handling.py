"""The event of Gradio's that is being handled: when it arrived, whether somebody still waits for
it, and how it is refused.
"""

from collections.abc import Callable
from time import monotonic

import gradio as gr
from gradio.context import LocalContext

from wan.web.events import Events


class EventError(gr.Error):
    """The end of a call or an event: one sentence for its sender, and nothing for the log."""

    def __init__(self, message: str) -> None:
        super().__init__(message, print_exception=False)

    def __str__(self) -> str:
        """Return the sentence as it is, for agents; Gradio's own is in quotes, and doubles each
        backslash.
        """
        return str(self.message)


def make_listener_check() -> Callable[[], bool]:
    """Return what tells whether somebody still waits for the event that is being handled.

    Of one past the queue nobody can say: always.
    """
    page, key = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    events: Events | None = getattr(page, "progress", None)
    return events.listener_check(key) if events and key else lambda: True


def arrival_time() -> float:
    """Return when the event that is being handled arrived, in seconds of the monotonic clock; now,
    for one past the queue.
    """
    page, key = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    events: Events | None = getattr(page, "progress", None)
    return events.arrival_time(key) if events and key else monotonic()
