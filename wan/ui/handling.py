"""The event of Gradio's that is being handled: when it came, whether somebody still waits for it,
and how it is refused.
"""

from collections.abc import Callable
from time import monotonic

import gradio as gr
from gradio.context import LocalContext

from wan.web.events import Events


class Told(gr.Error):
    """A call or an event that goes no further: one sentence for whoever sent it, and nothing for
    the log.
    """

    def __init__(self, said: str) -> None:
        super().__init__(said, print_exception=False)

    def __str__(self) -> str:
        """The sentence as it is, which agents are given; Gradio's own is in quotes, and doubles
        each backslash.
        """
        return str(self.message)


def whether_heard() -> Callable[[], bool]:
    """What tells whether somebody still waits for the event that is being handled. Of one past the
    queue nobody can say: always.
    """
    page, key = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    events: Events | None = getattr(page, "progress", None)
    return events.listener_check(key) if events and key else lambda: True


def came_at() -> float:
    """When the event that is being handled came, in seconds of the monotonic clock; now, of one
    past the queue.
    """
    page, key = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    events: Events | None = getattr(page, "progress", None)
    return events.arrival_time(key) if events and key else monotonic()
