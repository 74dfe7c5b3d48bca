"""Gradio's current work: events that run or wait for a slot, and streams that report on them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from wan.domain.errors import InvalidInput
from wan.domain.turns import customer_network
from wan.web.capacity import Capacity, is_fair
from wan.web.parameters import require_parameters
from wan.web.refusal import RequestRefused

SLOTS = 1000  # events that run at once
RECHECK = 5.0  # seconds between two checks whether somebody still listens
GROUP = "wan.group"  # in a request's scope: what counts as the address that it comes from
SESSION = "wan.session"  # in a request's scope: the session in which an event is asked for
SIZE = "wan.size"  # in a request's scope: bytes of its body
# in a request's scope: whether many may share its address, behind an unnamed proxy
SHARED = "wan.crowd"
RELEASE = "wan.let_go"  # in a request's scope: called when its body is no longer needed
_STREAMS = (1000, 110)  # open at once, in all and from one address
_IDLE = 30  # seconds between checks; a stream with nothing to report at two is closed
_LISTENER_SECONDS = 60  # for which an event runs while nobody listens
# messages not yet fetched, in all and for one address; an event has three or four
_UNREAD_LIMITS = (3000, 300)
_KEEP_SECONDS = 600  # after which unfetched messages are dropped; Gradio keeps them for ever
_VIEW = "watch"  # the name of events that show how jobs stand, for as long as they go on
_CLOSING = 0.15  # seconds until a browser has surely noticed that its stream was closed
_LATER = 5  # seconds, to retry where no slot is free


@dataclass(frozen=True)
class _Share:
    """Slots, and bytes of bodies, for events of one kind in all and per address."""

    slots: int
    own_slots: int
    room: int
    own_room: int


_PUBLIC = _Share(300, 30, 64_000_000, 24_000_000)  # what programs call
# per address a class of students: two tabs each, and a click
_PAGE = _Share(SLOTS - _PUBLIC.slots, 75, 64_000_000, 10_000_000)


class Events:
    """A page's events in progress, and who listens to them. page: Gradio's Blocks."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._joining: Counter[tuple[str, bool]] = Counter()
        self._listening: Counter[str] = Counter()
        self._closed: dict[str, float] = {}  # when a session's stream was just closed
        self._streams = Capacity(_STREAMS[0], address=_STREAMS[1])
        self._addresses: dict[str, str] = {}  # of a session's last request
        self._silent: dict[str, float] = {}  # since when nobody listens to a session
        self._next_look = 0.0

    @contextlib.contextmanager
    def join(self, scope: Scope, *, public: bool, session: str | None = None) -> Iterator[None]:
        """Admit an event while it is on its way to the queue. Raises RequestRefused when there are
        too many.

        public: whether programs call it. session: where it belongs; None for one of its own.
        """
        who = (scope[GROUP], public)
        self._require_slot(*who, scope[SIZE])
        self._drop_forgotten()
        self._drop_unread(scope[GROUP])
        if session is not None:
            self._addresses[session] = scope[GROUP]
            self._silent.pop(session, None)
        self._joining[who] += 1
        try:
            yield
        finally:
            self._joining[who] -= 1
            if not self._joining[who]:
                del self._joining[who]

    def _require_slot(self, address: str, public: bool, size: int) -> None:  # noqa: FBT001
        """Raise RequestRefused where an address has used its share of slots or bytes."""
        kind = _PUBLIC if public else _PAGE
        scopes = [
            event.request.scope for event in self._events.values() if _is_public(event.fn) is public
        ]
        coming = [
            its
            for (its, kinds), number in self._joining.items()
            if kinds is public
            for _ in range(number)
        ]
        free = kind.slots - len(scopes) - len(coming)
        free_bytes = kind.room - sum(scope.get(SIZE, 0) for scope in scopes)
        # All addresses of an IPv6 site together get twice as much as one.
        for of, times in ((str, 1), (customer_network, 2)):
            if not (who := of(address)):
                continue
            sizes = [scope.get(SIZE, 0) for scope in scopes if of(scope.get(GROUP, "")) == who]
            held = len(sizes) + [of(its) for its in coming].count(who)
            if not is_fair(held, 1, free, times * kind.own_slots) or not is_fair(
                sum(sizes), size, free_bytes, times * kind.own_room, 1
            ):
                raise RequestRefused(429, "too_much", _LATER)

    def _drop_unread(self, address: str) -> None:
        """Drop messages that nobody reads where there are too many, of whoever has most.

        A refusal would hit their neighbours too.
        """
        unread = Counter(
            {
                one: told.qsize()
                for one, told in self._messages.items()
                if one not in self._listening and told.qsize()
            }
        )
        own = Counter(
            {one: count for one, count in unread.items() if self._addresses.get(one) == address}
        )
        for kept, most in ((own, _UNREAD_LIMITS[1]), (unread, _UNREAD_LIMITS[0])):
            while kept.total() > most:
                session = kept.most_common(1)[0][0]
                del own[session], unread[session]
                self._drop_messages(session)

    def _drop_messages(self, session: str) -> None:
        """Drop a session's messages; events in progress may add more."""
        queue, messages = self._page._queue, self._messages[session]
        while not messages.empty():
            messages.get_nowait()
        queue.pending_event_ids_session.get(session, set()).intersection_update(self._events)

    def _drop_forgotten(self) -> None:
        """Drop what has long gone unread. Runs once a minute at most."""
        now, ids = monotonic(), self._page._queue.pending_event_ids_session
        if now < self._next_look:
            return
        self._next_look = now + _LISTENER_SECONDS
        silent = [
            session
            for session in {**self._messages, **ids, **self._addresses}
            if session not in self._listening and not self._is_busy(session)
        ]
        self._silent = {session: self._silent.get(session, now) for session in silent}
        for session in [
            session for session, since in self._silent.items() if now - since >= _KEEP_SECONDS
        ]:
            for kept in (self._messages, ids, self._addresses, self._silent):
                kept.pop(session, None)

    def is_public(self, number: int) -> bool:
        """Return whether programs call an event."""
        return _is_public(self._page.fns[number])

    def require_parameters(self, endpoint: str, given: Mapping[str, Any]) -> None:
        """Check the named parameters of a call against its endpoint. Raises RequestRefused."""
        try:
            require_parameters(self._endpoints, endpoint, given)
        except InvalidInput as refusal:
            raise RequestRefused(422, said=refusal.message) from None

    @cached_property
    def _endpoints(self) -> dict[str, Any]:
        """Gradio's description of the public endpoints, read once they are all there."""
        known: dict[str, Any] = self._page.get_api_info()["named_endpoints"]
        return known

    @property
    def _events(self) -> dict[str, Any]:
        events: dict[str, Any] = self._page._queue.event_ids_to_events
        return events

    @property
    def _messages(self) -> dict[str, Any]:
        """The pending messages of each session."""
        messages: dict[str, Any] = self._page._queue.pending_messages_per_session
        return messages

    @contextlib.contextmanager
    def hold_stream(self, scope: Scope) -> Iterator[None]:
        """Hold a place for a stream inside the block. Raises RequestRefused where there are too
        many.
        """
        with self._streams.reserve(address=scope[GROUP]) as there:
            if not there:
                raise RequestRefused(429, "too_much", _LATER)
            yield

    @contextlib.contextmanager
    def listen(self, key: str, receive: Receive, scope: Scope) -> Iterator[Receive]:
        """Hold a place for a stream; yield its receive channel, which ends it after a long silence.

        key: the session or event that it reports on. Raises RequestRefused where there are too
        many.
        """
        with self.hold_stream(scope):
            self._listening[key] += 1
            try:
                yield self._receive_while_busy(key, receive)
            finally:
                self._listening[key] -= 1
                if not self._listening[key]:
                    del self._listening[key]
                    now = monotonic()
                    self._closed = {
                        one: at for one, at in self._closed.items() if now - at < _CLOSING
                    } | {key: now}

    def wait_until_closed(self, scope: Scope, send: Send) -> Send:
        """Return a send channel that delays the answer to an event until a just-closed stream is
        noticed.

        Otherwise the browser takes its stream for open, opens no other, and hears nothing of the
        event, which may have been paid for (gradio 6.31.0).
        """

        async def send_late(message: Message) -> None:
            session = str(scope.get(SESSION, ""))
            if message["type"] == "http.response.start" and session not in self._listening:
                await asyncio.sleep(
                    max(0.0, self._closed.get(session, -_CLOSING) + _CLOSING - monotonic())
                )
            await send(message)

        return send_late

    def _receive_while_busy(self, key: str, receive: Receive) -> Receive:
        clock, idle = asyncio.get_running_loop().time, False
        look = clock() + _IDLE  # whatever comes: a body that never ends keeps no stream open

        async def receive_or_end() -> Message:
            nonlocal idle, look
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(look):
                        return await receive()
                if clock() < look:  # Gradio receives twice at a time, and the other has checked
                    continue
                if idle and not self._is_busy(key):
                    return {"type": "http.disconnect"}
                idle, look = not self._is_busy(key), clock() + _IDLE

        return receive_or_end

    def _is_busy(self, key: str) -> bool:
        """Return whether an event is in progress that a stream reports on."""
        of_session = self._page._queue.pending_event_ids_session.get(key, ())
        return key in self._events or any(one in self._events for one in of_session)

    def is_at_work(self, session: str | None = None) -> bool:
        """Return whether an event is in progress, of a session or of any, that does more than show
        how jobs stand, or the session has yet to be sent an answer.
        """
        unsent = self._messages.get(session or "")
        return bool(unsent and unsent.qsize()) or any(
            event.fn.name != _VIEW and session in (None, event.session_hash)
            for event in self._events.values()
        )

    def has_listener(self, event: Any) -> bool:
        """Return whether somebody waits for a queued event: it has just come, or is listened to."""
        if not event.alive:
            return False
        listening = event.session_hash in self._listening or event._id in self._listening
        return listening or monotonic() - event.enqueue_time < _LISTENER_SECONDS

    def arrival_time(self, key: str) -> float:
        """Return when an event came. key: its id."""
        return float(self._events[key].enqueue_time) if key in self._events else monotonic()

    def listener_check(self, key: str) -> Callable[[], bool]:
        """Return a function that tells whether somebody still waits for an event. key: its id."""
        return (
            partial(self.has_listener, self._events[key]) if key in self._events else lambda: True
        )


def _is_public(handler: Any) -> bool:
    return bool(handler.api_visibility == "public")


def stream_key(path: str, query: bytes) -> str | None:
    """Return what a stream reports on: a session, or an event by its id; None for other paths."""
    if path.endswith("/queue/data"):
        return parse_qs(query.decode("latin-1"), keep_blank_values=True).get("session_hash", [""])[
            -1
        ]
    return path.rpartition("/")[2] if "/call/" in path else None
