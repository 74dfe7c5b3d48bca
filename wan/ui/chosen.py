"""What is chosen in the library, as its tabs ask for it: which videos those are, and work on them
that goes on for a while.
"""

from collections.abc import Callable
from typing import Any

from wan.domain.jobs import CHOSEN_LIMIT, Job
from wan.service.studio import Studio
from wan.ui.caller import Caller, Events, explain
from wan.ui.components import library as html
from wan.ui.components.browser_text import BrowserText

WITH_CHOSEN = "(token) => [token, window.wanSelection.chosen()]"
"""Puts what is chosen at this moment behind the browser's token."""
HELD = "files"
"""What an owner holds, and nobody twice, while a film or an archive is being made for them."""
_WITHOUT_PROGRESS = """(html) => (html.includes("<progress") ? "" : html)"""


def read_chosen(chosen: str) -> list[str]:
    """Return the chosen ids, each once, in the order of choosing, as many as can be chosen."""
    return list(dict.fromkeys(chosen.split()))[:CHOSEN_LIMIT]


async def find_videos(studio: Studio, chosen: str, owner: str) -> tuple[list[Job], list[str]]:
    """Return the chosen jobs that have a video, in the order of choosing, and the ids of those that
    are gone. Raises StorageUnavailable.
    """
    ids = read_chosen(chosen)
    jobs = await studio.library.list_by_ids(ids, owner=owner)
    there = {job.id for job in jobs}
    return [job for job in jobs if job.video_key], [one for one in ids if one not in there]


class ChosenWork:
    """Connects buttons that work on what is chosen, for a while and with progress."""

    def __init__(self, events: Events, chosen: BrowserText, work: html.LibraryWork) -> None:
        """work: shows how far it is, and why there is none."""
        self._events, self._chosen, self._work = events, chosen, work
        self._working: list[Any] = []

    def connect(self, event: Callable[..., Any], act: Callable[..., Any], **options: Any) -> Any:
        """Connect a button. options: as `Events.connect` takes them. Gives Gradio's dependency on
        the end of the work.
        """
        working = self._events.connect(
            event, act, [self._chosen], self._work, refuse=self.refuse, js=WITH_CHOSEN, **options
        )
        self._working.append(working)
        # Also when it was stopped: the last progress may have come after that.
        return working.then(None, self._work, self._work, js=_WITHOUT_PROGRESS)

    def connect_stop(self) -> None:
        """Connect the button that stops whatever work goes on."""
        self._work.stop(None, cancels=self._working)

    def refuse(self, _caller: Caller, error: Exception, *_chosen: str) -> str:
        """Say beside what is chosen why nothing is done with it."""
        why = explain(error, not_ready="library_not_ready")
        return html.show_note(self._events.language, why, beside="work")
