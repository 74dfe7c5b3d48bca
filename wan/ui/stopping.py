"""The end of an app that serves: what is open is answered, and the balancer, the other replicas and
the pages each learn of it in time to go on elsewhere.

1. At once `/readyz` says so, and what was in hand is left to other replicas. Requests are still
   served: what is submitted now is written down, and driven by another replica, or by this one
   after its next start.
2. A balancer that asks `/readyz` is given the time to hear it. Then nothing new is let in, and the
   streams of pages break, at which a page opens itself anew, at another replica.
3. What is open is answered, for some seconds more.

A second signal cuts 2 and 3 short, and never the wait for the answer to a paid request.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from uvicorn import Server

from wan.service.studio import Studio
from wan.web.events import Events, stream_key
from wan.web.sockets import ConnectionRegistry

ALL_SECONDS = 55.0  # from the signal to the end, whatever hangs: a service manager is told 60
_ASKED = 10.0  # seconds since the last question, after which no balancer asks any more
_HEARD = 2.5  # seconds in which one that asks every second hears it twice
_OPEN = 20.0  # seconds, from the signal on, for what is open
_LOOK = 0.1  # seconds between two looks at what is open


class Stopping:
    """Whether and how the app ends. clock: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._signals = 0
        self._asked_at = -math.inf

    def begin(self, *_: object) -> None:
        """Tell it to end: a signal handler, so it takes no lock."""
        self._signals += 1

    @property
    def has_begun(self) -> bool:
        """Whether it has been told to end."""
        return self._signals > 0

    def note_question(self) -> None:
        """Note that somebody asks whether the app is ready."""
        self._asked_at = self._clock()

    async def drain(
        self, studio: Studio | None, server: Server, connections: ConnectionRegistry, events: Events
    ) -> None:
        """Take the three steps; after that the server ends, and then the studio. studio: None where
        it is not open.
        """
        since = self._clock()
        is_watched = since - self._asked_at < _ASKED
        handing_over = asyncio.create_task(studio.hand_over() if studio else asyncio.sleep(0))
        try:
            await self._wait_until(since + (_HEARD if is_watched else 0.0), lambda: False)
            for listening in server.servers:
                listening.close()

            def is_answered() -> bool:
                connections.break_off(partial(_is_view, events))
                return not events.is_at_work()

            await self._wait_until(since + _OPEN, is_answered)
        finally:
            left = since + _OPEN - self._clock()
            server.config.timeout_graceful_shutdown = max(1, math.ceil(left))
            server.should_exit = True
        await self._wait_until(since + _OPEN, lambda: not len(connections))
        connections.break_off(lambda _: True)
        await asyncio.wait([handing_over])

    @property
    def _is_hurried(self) -> bool:
        return self._signals > 1

    async def _wait_until(self, end: float, is_enough: Callable[[], bool]) -> None:
        """Wait until a time, or until it is enough, or somebody is in a hurry."""
        while not is_enough() and self._clock() < end and not self._is_hurried:  # noqa: ASYNC110 - a signal handler, and Gradio, set no event
            await asyncio.sleep(_LOOK)


def _is_view(events: Events, scope: Mapping[str, Any]) -> bool:
    """Return whether a request is for a stream that reports on nothing but how jobs stand."""
    if not scope["path"].endswith("/queue/data"):
        return False
    session = stream_key(scope["path"], scope["query_string"])
    return not events.is_at_work(session)
