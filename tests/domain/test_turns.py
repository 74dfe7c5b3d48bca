"""Work is taken in turn, by address and owner, and one address never has all the threads."""

import asyncio
import contextlib
import threading
from concurrent.futures import Future

import pytest

from tests.patience import PATIENCE
from wan.domain.errors import Crowded
from wan.domain.turns import Asker, Bounds, Line, Overtaken, Turns, _WorkItem
from wan.media import inputs

BAD, GOOD, OTHER = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def line(at_once: int = 2, **bounds: int) -> Line:
    return Line(at_once, Bounds(**bounds))


def add(to: Line, address: str, owner: str = "", page: str = "") -> _WorkItem:
    errand = _WorkItem(Asker(address, owner, page), lambda: None)
    to.add(errand)
    return errand


def served(from_: Line) -> list[Asker]:
    """Who is served, one after the other, until nobody waits."""
    came = []
    while errand := from_.next():
        came.append(errand.asker)
        from_.release(errand)
    return came


def test_addresses_take_turns_however_much_one_asks_for():
    waiting = line()
    for _ in range(20):
        add(waiting, BAD)
    add(waiting, GOOD)
    add(waiting, OTHER)
    assert [one.address for one in served(waiting)][:4] == [BAD, GOOD, OTHER, BAD]


def test_made_up_owners_do_not_multiply_the_turns_of_an_address():
    waiting = line()
    for number in range(20):
        add(waiting, BAD, f"owner {number}")
    add(waiting, GOOD, "me")
    add(waiting, GOOD, "me")
    assert [one.address for one in served(waiting)][:4] == [BAD, GOOD, BAD, GOOD]


def test_owners_of_one_address_take_turns():
    waiting = line()
    for _ in range(5):
        add(waiting, BAD, "greedy")
    add(waiting, BAD, "modest")
    assert [one.owner for one in served(waiting)][:3] == ["greedy", "modest", "greedy"]


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.9", "::1", "::/64"])
def test_on_this_machine_each_owner_has_turns_of_its_own(address):
    waiting = line()
    for _ in range(5):
        add(waiting, address, "greedy")
    add(waiting, address, "modest")
    first, second = waiting.next(), waiting.next()
    assert (first.asker.owner, second.asker.owner) == ("greedy", "modest")


def test_one_address_leaves_a_thread_for_others():
    waiting = line(at_once=3)
    for _ in range(5):
        add(waiting, BAD)
    first, second = waiting.next(), waiting.next()
    assert (first.asker.address, second.asker.address, waiting.next()) == (BAD, BAD, None)
    add(waiting, GOOD)
    assert waiting.next().asker.address == GOOD
    waiting.release(first)
    assert waiting.next().asker.address == BAD


def test_what_waits_is_bounded():
    waiting = line(owner=2, address=3, everybody=4, share=1)
    add(waiting, BAD, "a")
    add(waiting, BAD, "a")
    with pytest.raises(Crowded):
        add(waiting, BAD, "a")
    add(waiting, BAD, "b")
    with pytest.raises(Crowded):
        add(waiting, BAD, "c")
    add(waiting, GOOD, "a")
    with pytest.raises(Crowded):
        add(waiting, OTHER, "a")
    assert len(served(waiting)) == 4
    assert add(waiting, BAD, "a")


def fill(to: Line, addresses: list[str]) -> None:
    """Has each ask for all that it may have waiting, under as many names as it likes."""
    for address in addresses:
        with contextlib.suppress(Crowded):
            for number in range(1000):
                add(to, address, f"owner {number % 20}")
            pytest.fail(f"{address} may have a thousand waiting")


def test_twelve_addresses_leave_room_for_the_next_ones():
    waiting = line()
    fill(waiting, [f"198.51.100.{number}" for number in range(12)])
    for number in range(100):
        add(waiting, f"203.0.113.{number}")


def test_an_ipv6_customer_is_one_address_in_however_many_networks():
    waiting = line()
    for number in range(20):
        add(waiting, f"2001:db8:0:{number:x}::/64", f"owner {number}")
    add(waiting, "2001:db8:1::/64", "me")
    assert [one.owner for one in served(waiting)][:2] == ["owner 0", "me"]
    greedy = line(at_once=3)
    for number in range(5):
        add(greedy, f"2001:db8:0:{number:x}::/64")
    assert greedy.next()
    assert greedy.next()
    assert greedy.next() is None, "one thread is left for others"


def test_a_page_has_its_newest_question_waiting_alone():
    waiting = line()
    older, other = add(waiting, GOOD, "me", "stage"), add(waiting, GOOD, "me", "price")
    newer = add(waiting, GOOD, "me", "stage")
    assert isinstance(older.future.exception(timeout=0), Overtaken)
    assert not other.future.done()
    assert not newer.future.done()
    assert [one.page for one in served(waiting)] == ["price", "stage"]


def test_an_older_question_of_a_page_does_not_overtake_its_newest():
    """Handlers are at work side by side: what was asked first may be in line last."""
    waiting, newest = line(), _WorkItem(Asker(GOOD, "me", "stage", came=2.0), lambda: None)
    waiting.add(newest)
    with pytest.raises(Overtaken):
        waiting.add(_WorkItem(Asker(GOOD, "me", "stage", came=1.0), lambda: None))
    assert not newest.future.done()
    assert len(served(waiting)) == 1


def test_nobody_overtakes_another_or_what_shows_on_no_page():
    waiting = line()
    mine = add(waiting, GOOD, "me", "stage")
    for address, owner, page in ((GOOD, "you", "stage"), (BAD, "me", "stage"), (GOOD, "me", "")):
        add(waiting, address, owner, page)
        add(waiting, address, owner, page)
    assert not mine.future.done()
    assert len(served(waiting)) == 1 + 1 + 1 + 2


class Gate:
    """Work that goes on until it is let go, and what has begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._changed, self._open = threading.Condition(), threading.Event()

    def work(self, name: str) -> str:
        with self._changed:
            self.begun.append(name)
            self._changed.notify_all()
        assert self._open.wait(PATIENCE)
        return name

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, 30)

    def let_go(self) -> None:
        self._open.set()


def test_an_honest_one_begins_while_a_greedy_one_has_work_in_hand():
    turns, gate = Turns(2, name="test"), Gate()
    greedy = [turns.submit(Asker(BAD), lambda: gate.work("greedy")) for _ in range(20)]
    gate.wait_for(1)
    honest = turns.submit(Asker(GOOD), lambda: gate.work("honest"))
    gate.wait_for(2)
    assert sorted(gate.begun) == ["greedy", "honest"]
    gate.let_go()
    assert honest.result(30) == "honest"
    assert [one.result(30) for one in greedy] == ["greedy"] * 20


def test_what_nobody_waits_for_is_not_done_and_errors_come_out():
    turns, gate = Turns(1, name="test"), Gate()
    first = turns.submit(Asker(BAD), lambda: gate.work("first"))
    gate.wait_for(1)
    dropped = turns.submit(Asker(BAD), lambda: gate.work("dropped"))
    broken: Future[float] = turns.submit(Asker(GOOD), lambda: 1 / 0)
    assert dropped.cancel()
    gate.let_go()
    assert first.result(30) == "first"
    assert isinstance(broken.exception(30), ZeroDivisionError)
    assert gate.begun == ["first"]


def test_work_comes_back_to_whichever_loop_asked():
    def asked() -> int:
        return asyncio.run(inputs.run_in_sandbox(Asker(owner="me"), sum, [1, 2]))

    came = []
    threads = [threading.Thread(target=lambda: came.append(asked())) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert came == [3] * 4
