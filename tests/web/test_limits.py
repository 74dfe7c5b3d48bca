"""Bodies, places and events, part by part; that they hold as a whole is shown by tests/attacks."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from gradio.queueing import Event
from gradio.server_messages import HeartbeatMessage
from starlette.requests import Request

from tests.patience import PATIENCE
from wan.web import bodies, events
from wan.web.bodies import Bodies, Limit, Scan, limit_of, parse_body
from wan.web.capacity import Capacity
from wan.web.events import GROUP, SIZE, Events, stream_key
from wan.web.refusal import RequestRefused


def scanned(body: bytes, step: int) -> int:
    """The status with which a body is refused, read so many bytes at a time; 200 for one that is
    not.
    """
    scan = Scan()
    try:
        for at in range(0, len(body), step):
            scan.feed(body[at : at + step])
    except RequestRefused as refused:
        return refused.status
    return 200


ODD = '[{"}]' * 400 + '\\"' * 500
SCANS = [
    (json.dumps({"data": [ODD, {ODD: [ODD]}], "fn_index": 1}).encode(), 200),
    (json.dumps([[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]).encode(), 200),
    (json.dumps([[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]).encode(), 400),
    (b'"' + rb"\\" * 999 + b'",' + b"[" * 17, 400),
    (rb'"\"' + b"[" * 17 + b'"', 200),
    (b"]", 400),
    (json.dumps([""] * 1_000).encode(), 200),
    (json.dumps([""] * 1_001).encode(), 413),
    (json.dumps({str(number): number for number in range(1_100)}).encode(), 413),
    (b" " * 64_000, 200),
    (b" " * 64_001, 413),
    (json.dumps(["汉" * 10_000] * 6).encode(), 200),
    (rb'"' + rb"\n" * 70_000 + b'"', 413),
    *(
        (json.dumps(["\u0122", [[]] * 30, "\u0122"], ensure_ascii=False).encode(code), 400)
        for code in ("utf-16", "utf-16-be", "utf-32-le")
    ),
]


@pytest.mark.parametrize("step", [1, 3, 4096])
@pytest.mark.parametrize(
    ("body", "status"), SCANS, ids=[str(number) for number in range(len(SCANS))]
)
def test_a_body_is_counted_the_same_in_whatever_pieces_it_comes(
    body: bytes, status: int, step: int
):
    assert scanned(body, step) == status


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_a_body_is_utf8_and_nothing_else(encoding: str):
    body = json.dumps({"a": 1}).encode(encoding)
    assert json.loads(body) == {"a": 1}, "Python itself would read it"
    with pytest.raises(RequestRefused):
        parse_body(body)


def test_what_each_route_takes():
    api = "/gradio_api"
    sizes = {
        path: limit_of(path).size
        for path in (
            f"{api}/mcp",
            f"{api}/call/v2/job",
            f"{api}/cancel",
            "/review/x/verdict",
            "/login",
        )
    }
    assert list(sizes.values()) == [28_000_000, 1_000_000, 64_000, 32_000, 4_000]


class Sender:
    """Somebody who sends a body piece by piece, as they are told to."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def __call__(self) -> dict[str, Any]:
        piece = await self.pieces.get()
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}


async def sent(
    all_bodies: Bodies, sender: Sender, address: str, held: asyncio.Event, most: int = 100
) -> int:
    """Receives a body and holds it until it may go. Gives the status of its refusal, or 200."""
    try:
        async with all_bodies.receive(sender, Limit(most, json=False), address, 0):
            await held.wait()
    except RequestRefused as refused:
        return refused.status
    return 200


@pytest.mark.anyio
async def test_whoever_holds_most_makes_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "_ROOM", 100)
    all_bodies, held = Bodies(), asyncio.Event()
    senders = {address: Sender() for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3")}
    tasks = {
        address: asyncio.create_task(sent(all_bodies, sender, address, held))
        for address, sender in senders.items()
    }
    for address, size in (("192.0.2.1", 60), ("192.0.2.2", 30), ("192.0.2.3", 20)):
        senders[address].pieces.put_nowait(b"x" * size)
        for _ in range(5):
            await asyncio.sleep(0)
    assert await tasks["192.0.2.1"] == 408, "it held most when there was no more room"
    for address in ("192.0.2.2", "192.0.2.3"):
        senders[address].pieces.put_nowait(None)
    held.set()
    assert [await tasks["192.0.2.2"], await tasks["192.0.2.3"]] == [200, 200]
    assert not all_bodies._held
    assert not all_bodies._here


@pytest.mark.anyio
async def test_whoever_holds_most_is_refused_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bodies, "_ROOM", 100)
    all_bodies, held, one, other = Bodies(), asyncio.Event(), Sender(), Sender()
    first = asyncio.create_task(sent(all_bodies, one, "192.0.2.1", held))
    second = asyncio.create_task(sent(all_bodies, other, "192.0.2.1", held))
    one.pieces.put_nowait(b"x" * 60)
    for _ in range(5):
        await asyncio.sleep(0)
    other.pieces.put_nowait(b"x" * 60)
    assert await second == 429
    one.pieces.put_nowait(None)
    held.set()
    assert await first == 200


@pytest.mark.anyio
async def test_what_agents_send_leaves_the_page_its_room():
    """Pictures that are being looked at, and nobody can break off."""
    all_bodies, held = Bodies(), asyncio.Event()
    senders = [Sender() for _ in range(4)]
    tasks = [
        asyncio.create_task(sent(all_bodies, one, "192.0.2.1", held, 28_000_000)) for one in senders
    ]
    for one in senders[:3]:
        for piece in (b"x" * 28_000_000, None):
            one.pieces.put_nowait(piece)
            for _ in range(5):
                await asyncio.sleep(0)
    assert await tasks[2] == 429, "there is room for two"
    for piece in (b"x" * 64_000, None):
        senders[3].pieces.put_nowait(piece)
    held.set()
    assert [await tasks[0], await tasks[1], await tasks[3]] == [200, 200, 200]


def test_whoever_comes_next_finds_a_place():
    places = Capacity(200, address=20)
    with contextlib.ExitStack() as held:
        came = [
            sum(held.enter_context(places.reserve(address=str(number))) for _ in range(200))
            for number in range(25)
        ]
        assert came[0] == 20, "its limit"
        assert came[:12] == sorted(came[:12], reverse=True)
        assert came[11] >= 5
        assert all(came), "each found one"
    assert (places._used, places._held) == (0, {})


def test_an_ipv6_site_has_no_more_places_for_all_its_addresses_than_its_part():
    places = Capacity(200, address=20)
    with contextlib.ExitStack() as held:
        came = [
            held.enter_context(places.reserve(address=f"2001:db8:1:{number:x}::/64"))
            for number in range(200)
        ]
        assert sum(came) == 200 // 9, "an eighth of what is left free"
        assert held.enter_context(places.reserve(address="2001:db8:2:1::/64"))
        assert held.enter_context(places.reserve(address="192.0.2.1"))
    assert (places._used, places._held) == (0, {})


def test_what_is_large_is_taken_where_it_fits():
    places = Capacity(64, share=1, address=32)
    with (
        places.reserve(28, address="a") as first,
        places.reserve(28, address="b") as second,
        places.reserve(28, address="c") as third,
    ):
        assert (first, second, third) == (True, True, False)
    with places.reserve(33, address="a") as over:
        assert not over, "more than its limit"


@pytest.fixture
async def page() -> gr.Blocks:
    """A page with an event of its own, and one that programs call. Gradio wants a loop to be
    running.
    """
    with gr.Blocks() as demo:
        gr.Button().click(lambda: None, api_visibility="private")
        gr.Button().click(lambda: None, api_name="called")
    return demo.queue()


def scope(address: str, size: int = 0) -> dict[str, Any]:
    """A request as the guard hands it on."""
    return {"type": "http", "headers": [], GROUP: address, SIZE: size}


def come(page: gr.Blocks, number: int, address: str, size: int = 0) -> Event:
    """Puts an event among those in progress."""
    event = Event(f"of {address}", page.fns[number], Request(scope(address, size)), None)
    page._queue.event_ids_to_events[event._id] = event
    page._queue.pending_event_ids_session.setdefault(event.session_hash, set()).add(event._id)
    return event


def let_in(progress: Events, page: gr.Blocks, number: int, address: str, size: int = 0) -> int:
    """How many events are let in before the first refusal."""
    for count in range(2000):
        try:
            with progress.join(scope(address, size), public=progress.is_public(number)):
                come(page, number, address, size)
        except RequestRefused:
            return count
    return 2000


@pytest.mark.anyio
async def test_an_address_has_its_share_of_the_slots_and_each_kind_its_own(page: gr.Blocks):
    progress = Events(page)
    assert let_in(progress, page, 1, "192.0.2.1") == 30
    assert let_in(progress, page, 0, "192.0.2.1") == 75, "those of the page are others"
    came = [let_in(progress, page, 0, f"198.51.100.{number}") for number in range(12)]
    assert all(came)
    assert let_in(progress, page, 0, "203.0.113.1") >= 10, "a newcomer finds room"


@pytest.mark.anyio
async def test_an_ipv6_site_has_its_share_of_the_slots_too(page: gr.Blocks):
    progress = Events(page)
    assert (
        sum(let_in(progress, page, 0, f"2001:db8:1:{number:x}::/64") for number in range(200))
        == 700 // 9
    )
    assert let_in(progress, page, 0, "2001:db8:2:1::/64") > 30


@pytest.mark.anyio
async def test_events_on_their_way_to_the_queue_count(page: gr.Blocks):
    progress = Events(page)
    with contextlib.ExitStack() as held:
        for _ in range(30):
            held.enter_context(progress.join(scope("192.0.2.1"), public=True))
        with pytest.raises(RequestRefused):
            held.enter_context(progress.join(scope("192.0.2.1"), public=True))
    with progress.join(scope("192.0.2.1"), public=True):
        pass


@pytest.mark.anyio
async def test_what_calls_have_sent_is_bounded_too(page: gr.Blocks):
    progress = Events(page)
    assert let_in(progress, page, 1, "192.0.2.1", size=1_000_000) == 24
    assert let_in(progress, page, 1, "192.0.2.2", size=1_000_000) == 20, "as many as are left free"


def unread(page: gr.Blocks, session: str, count: int) -> None:
    """Leave so many messages where nobody fetches them."""
    messages = page._queue.pending_messages_per_session.setdefault(session, asyncio.Queue())
    for _ in range(count):
        messages.put_nowait(HeartbeatMessage())


def join(progress: Events, address: str, session: str) -> None:
    """Asks for an event in a session."""
    with progress.join(scope(address), public=False, session=session):
        pass


@pytest.mark.anyio
async def test_of_what_nobody_fetches_so_much_is_kept_and_no_neighbour_is_refused(page: gr.Blocks):
    progress, kept = Events(page), page._queue.pending_messages_per_session
    join(progress, "192.0.2.1", "honest")
    with progress.listen("honest", never, scope("192.0.2.1")):
        for session, count in (("honest", 290), ("most", 200), ("less", 90)):
            join(progress, "192.0.2.1", session)
            unread(page, session, count)
        page._queue.pending_event_ids_session["most"] = {"done"}
        join(progress, "192.0.2.1", "less")
        assert {session: kept[session].qsize() for session in ("honest", "most", "less")} == {
            "honest": 290,
            "most": 200,
            "less": 90,
        }
        unread(page, "less", 11)
        join(progress, "192.0.2.1", "less")
        assert {session: kept[session].qsize() for session in ("honest", "most", "less")} == {
            "honest": 290,
            "most": 0,
            "less": 101,
        }
        assert page._queue.pending_event_ids_session["most"] == set()
        for number in range(20):
            unread(page, f"s{number}", 200)
            join(progress, f"198.51.100.{number}", f"s{number}")
        assert sum(messages.qsize() for messages in kept.values()) <= 3_000 + 290


@pytest.mark.anyio
async def test_what_nobody_fetches_is_dropped_in_the_end(
    page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
):
    progress, now, queue = Events(page), [0.0], page._queue
    monkeypatch.setattr(events, "monotonic", lambda: now[0])
    names = ("left", "heard", "late", "busy")
    for session in names:
        with progress.join(scope("192.0.2.1"), public=False, session=session):
            unread(page, session, 1)
            queue.pending_event_ids_session[session] = {f"of {session}"}
    come(page, 0, "192.0.2.1").session_hash = "busy"
    queue.pending_event_ids_session["busy"] |= queue.event_ids_to_events.keys()
    unread(page, "nameless", 1)
    with progress.listen("heard", never, scope("192.0.2.1")):
        for now[0] in range(60, 701, 40):
            late = "late" if now[0] > 300 else None
            with progress.join(scope("192.0.2.1"), public=False, session=late):
                pass
    kept = {"heard", "late", "busy"}
    assert set(queue.pending_messages_per_session) == kept
    assert set(progress._addresses) == kept
    assert kept >= {session for session in names if session in queue.pending_event_ids_session}


async def never() -> Any:
    await asyncio.Event().wait()


@pytest.mark.anyio
async def test_a_stream_that_has_nothing_to_tell_is_closed(
    page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "_IDLE", 0.02)
    progress, event = Events(page), come(page, 0, "192.0.2.1")
    with progress.listen(event.session_hash, never, scope("192.0.2.1")) as receive:
        waiting = asyncio.create_task(receive())
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done, "an event is in progress"
        page._queue.event_ids_to_events.clear()
        assert (await waiting)["type"] == "http.disconnect"


@pytest.mark.anyio
async def test_a_body_that_never_ends_keeps_no_stream_open(
    page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "_IDLE", 0.02)

    async def drip() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with Events(page).listen("s", drip, scope("192.0.2.1")) as receive:
        async with asyncio.timeout(PATIENCE):
            while (await receive())["type"] != "http.disconnect":
                pass


@pytest.mark.anyio
async def test_an_event_that_joins_while_its_stream_is_closed_is_answered_after_that(
    page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
):
    progress, waited = Events(page), []
    monkeypatch.setattr(
        events.asyncio,
        "sleep",
        lambda seconds: waited.append(seconds) or asyncio.wait_for(_done(), 1),
    )

    async def answered(session: str) -> float:
        sent = []
        await progress.wait_until_closed(
            {"wan.session": session}, lambda message: _kept(sent, message)
        )({"type": "http.response.start"})
        assert sent == [{"type": "http.response.start"}]
        return waited.pop() if waited else 0.0

    assert await answered("s") == 0
    with progress.listen("s", never, scope("192.0.2.1")):
        assert await answered("s") == 0, "its stream is open"
    assert 0 < await answered("s") <= events._CLOSING
    assert await answered("t") == 0


async def _done() -> None:
    pass


async def _kept(sent: list[Any], message: Any) -> None:
    sent.append(message)


@pytest.mark.anyio
async def test_streams_are_counted(page: gr.Blocks):
    progress = Events(page)
    with contextlib.ExitStack() as held:
        for _ in range(110):
            held.enter_context(progress.listen("s", never, scope("192.0.2.1")))
        with pytest.raises(RequestRefused):
            held.enter_context(progress.listen("s", never, scope("192.0.2.1")))
        held.enter_context(progress.listen("s", never, scope("192.0.2.2")))


@pytest.mark.anyio
async def test_who_listens_is_waited_for(page: gr.Blocks, monkeypatch: pytest.MonkeyPatch):
    progress, event, now = Events(page), come(page, 0, "192.0.2.1"), [0.0]
    event.enqueue_time = 0.0
    monkeypatch.setattr(events, "monotonic", lambda: now[0])
    is_heard: Callable[[], bool] = progress.listener_check(event._id)
    assert is_heard(), "it has just come"
    now[0] = 61.0
    assert not is_heard(), "nobody ever listened"
    for key in (event.session_hash, event._id):
        with progress.listen(key, never, scope("192.0.2.1")):
            assert is_heard()
    assert not is_heard()
    now[0], event.alive = 0.0, False
    assert not is_heard(), "the page was left"


STREAMS = [
    ("/gradio_api/queue/data", b"session_hash=a&session_hash=b", "b"),
    ("/gradio_api/queue/data", b"session_hash=a&session_hash=", ""),
    ("/gradio_api/call/v2/job/e1", b"", "e1"),
    ("/gradio_api/call/job/e1", b"", "e1"),
    ("/config", b"session_hash=a", None),
]


@pytest.mark.parametrize(("path", "query", "key"), STREAMS)
def test_what_a_stream_tells_of(path: str, query: bytes, key: str | None):
    assert stream_key(path, query) == key
