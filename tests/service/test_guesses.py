"""The access code is guessed no faster than is said, and whoever knows it gets in. The clock is the
test's.
"""

from ipaddress import IPv4Address, IPv6Address

import pytest

from wan.service.guesses import Guesses

SITE = int(IPv6Address("2001:db8:7::"))


def tried(guesses: Guesses, address: str, now: float) -> bool:
    """Whether a wrong code from an address is looked at."""
    if guesses.wait(address, now):
        return False
    guesses.note_wrong(address, now)
    return True


def net(number: int) -> str:
    """One of a /48's /64s, as the guard names them."""
    return f"{IPv6Address(SITE + (number % 65_536 << 64))}/64"


def spread(guesses: Guesses, addresses, seconds: int, *, start: int = 0) -> int:
    """How many wrong tries are looked at of four in each second, always from the next address."""
    return sum(
        tried(guesses, addresses(4 * second + number), float(second))
        for second in range(start, start + seconds)
        for number in range(4)
    )


def test_an_address_waits_ever_longer():
    guesses = Guesses()
    looked_at = [
        second for second in range(4 * 3600) if tried(guesses, "198.51.100.7", float(second))
    ]
    assert looked_at[:6] == [0, 1, 2, 3, 5, 9]
    assert looked_at[-1] - looked_at[-2] == 900


@pytest.mark.parametrize(
    ("what", "addresses", "most"),
    [
        ("a /48 by its /64s", net, 12 + 15),
        ("a /56 by its /64s", lambda number: net(number % 256), 6 + 8),
        ("a /48 by one /64 of each /56", lambda number: net(number % 256 << 8), 12 + 15),
        ("a /24 by its addresses", lambda number: f"203.0.113.{number % 256}", 12 + 15),
        (
            "the whole of IPv4",
            lambda number: str(IPv4Address(0x0B000000 + number * 256)),
            120 + 450,
        ),
        ("the whole of IPv6", lambda number: f"{IPv6Address(SITE + (number << 80))}/64", 120 + 450),
        (
            "both at once",
            lambda number: (
                net(number << 16) if number % 2 else str(IPv4Address(0x0B000000 + number * 256))
            ),
            120 + 450,
        ),
    ],
)
def test_what_is_guessed_in_a_quarter_of_an_hour(what: str, addresses, most: int):
    guesses = Guesses()
    looked_at = spread(guesses, addresses, 900)
    assert 6 <= looked_at <= most, what


def test_whoever_has_given_the_right_code_is_not_held_up():
    guesses = Guesses()
    for address in ("192.0.2.7", net(5)):
        assert guesses.wait(address, 0.0) == 0
        guesses.note_right(address, 0.0)
    spread(guesses, net, 600)
    spread(guesses, lambda number: str(IPv4Address(0x0B000000 + number * 256)), 600, start=600)
    for second in range(1200, 1260):
        assert guesses.wait("192.0.2.7", float(second)) == guesses.wait(net(5), float(second)) == 0


def test_a_good_name_allows_no_guessing():
    guesses = Guesses()
    guesses.note_right("192.0.2.7", 0.0)
    assert sum(tried(guesses, "192.0.2.7", float(second)) for second in range(3600)) < 20


def test_a_site_that_guesses_holds_up_no_other():
    guesses = Guesses()
    spread(guesses, net, 600)
    assert guesses.wait("2001:db8:8::/64", 600.0) == guesses.wait("198.51.100.7", 600.0) == 0


def test_a_newcomer_gets_in_while_the_whole_world_guesses():
    """A thousand networks that never stop: the try that waited its turn is looked at, whatever the
    others do meanwhile.
    """
    guesses = Guesses()
    others = [str(IPv4Address(0x0B000000 + number * 256)) for number in range(300)]
    for second in range(120):
        for address in others:
            tried(guesses, address, float(second))
    first = guesses.wait("198.51.100.7", 120.0)
    assert 0 < first <= 900
    for second in range(120, int(120 + first)):
        for address in others:
            tried(guesses, address, float(second))
        assert guesses.wait("198.51.100.7", float(second)) == pytest.approx(120 + first - second)
    assert guesses.wait("198.51.100.7", 120 + first) == 0


def test_one_with_many_addresses_takes_one_place_in_the_line():
    guesses = Guesses()
    spread(guesses, lambda number: str(IPv4Address(0x0B000000 + number * 256)), 40)
    before = guesses.wait("198.51.100.7", 40.0)
    for number in range(200):
        guesses.wait(net(number), 40.0)
    assert guesses.wait("192.0.2.9", 40.0) <= before + 2 * 2.0 + 0.01


def test_a_class_behind_one_address_is_let_in():
    guesses = Guesses()
    for number in range(30):  # each with the right code, every second one after a slip
        if number % 2:
            assert tried(guesses, "198.51.100.7", float(number))
        assert guesses.wait("198.51.100.7", number + 0.5) == 0
        guesses.note_right("198.51.100.7", number + 0.5)


def test_what_is_no_address_counts_as_one():
    guesses = Guesses()
    assert [tried(guesses, "", 0.0) for _ in range(5)] == [True] * 3 + [False] * 2


def test_memory_is_bounded():
    guesses = Guesses()
    for number in range(11_000):
        tried(guesses, f"{IPv6Address(SITE + (number << 80))}/64", number * 3.0)
        right = f"{IPv6Address(SITE + (number << 80) + (1 << 64))}/64"
        guesses.note_right(right, number * 3.0)
    assert max(map(len, (guesses._wrong, guesses._right, guesses._networks))) == 10_000
    assert len(guesses._all.given) < 1000
