"""Whose job is next, as it is worked out; see `tests/database/test_store.py` for what the database
makes of it.
"""

from hypothesis import given
from hypothesis import strategies as st

from wan.domain.line import Turn, order_by_turn

names = st.sampled_from("abcd")
turns = st.lists(st.tuples(names, st.one_of(st.none(), names), st.integers(0, 50)), max_size=40)


def made(known) -> list[Turn]:
    return [
        Turn(f"job{number}", f"owner {owner}", address and f"address {address}", float(at))
        for number, (owner, address, at) in enumerate(known)
    ]


def test_of_one_the_oldest_is_first():
    assert order_by_turn(made([("a", "x", 3), ("a", "x", 1), ("a", "x", 2)]), []) == [
        "job1",
        "job2",
        "job0",
    ]


def test_addresses_take_turns_and_then_their_owners():
    crowd = [("a", "x", 1), ("a", "x", 2), ("b", "x", 3), ("c", "y", 4), ("d", None, 5)]
    assert order_by_turn(made(crowd), []) == ["job0", "job3", "job4", "job2", "job1"]


def test_networks_take_turns_and_then_their_addresses_and_their_owners():
    crowd = [
        Turn(f"bad{number}", f"owner {number % 4}", f"site.address {number % 2}", float(number))
        for number in range(8)
    ]
    order = order_by_turn([*crowd, Turn("next", "me", "elsewhere.address", 99.0)], [])
    assert order == ["bad0", "next", "bad1", "bad2", "bad3", "bad4", "bad5", "bad6", "bad7"]
    greedy = [
        Turn(f"greedy{number}", f"owner {number}", "site.one", float(number)) for number in range(8)
    ]
    assert order_by_turn([*greedy, Turn("near", "me", "site.two", 99.0)], [])[:2] == [
        "greedy0",
        "near",
    ]
    begun = [Turn("begun", "another", "site.three", 50.0)]
    assert order_by_turn(
        [Turn("again", "me", "site.four", 1.0), Turn("first", "me", "elsewhere.one", 2.0)], begun
    ) == ["first", "again"]


def test_whoever_has_waited_longest_is_next():
    waiting = made([("a", "x", 1), ("b", "y", 2), ("c", "z", 3)])
    begun = [
        Turn("p", "owner a", "address x", 9.0),
        Turn("q", "owner b", "address y", 8.0),
        Turn("r", "owner b", "address y", 1.0),
    ]
    assert order_by_turn(waiting, begun) == ["job2", "job1", "job0"]


@given(turns, turns)
def test_everybody_is_in_line_once_and_no_address_waits_for_two_of_another(waiting, begun):
    queued = made(waiting)
    order = order_by_turn(queued, made(begun))
    assert sorted(order) == sorted(turn.job_id for turn in queued)
    places = {turn.job_id: turn.place for turn in queued}
    for place in set(places.values()):
        first = next(number for number, job_id in enumerate(order) if places[job_id] == place)
        before = [places[job_id] for job_id in order[:first]]
        assert len(before) == len(set(before))


@given(turns)
def test_nobody_starves(waiting):
    """Each is begun in turn: among so many addresses nobody waits longer than a round between two
    of theirs.
    """
    queued, begun, order = made(waiting), [], []
    while queued:
        first = order_by_turn(queued, begun)[0]
        turn = next(one for one in queued if one.job_id == first)
        queued.remove(turn)
        begun.append(Turn(turn.job_id, turn.owner, turn.address, 100.0 + len(begun)))
        order.append(turn.place)
        others = {one.place for one in queued}
        for place in others:
            since = len(order) - 1 - order[::-1].index(place) if place in order else -1
            assert len(order) - 1 - since <= len({one.place for one in made(waiting)})
