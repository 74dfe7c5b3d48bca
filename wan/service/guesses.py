"""Limits on how often the access code may be guessed. Pure; times are seconds of a clock that is
passed in.

Wrong tries count three times: by address, by its networks, and in all.

An address (IPv6: a /64) has 3 tries at once. Then it waits 1 s, 2 s, 4 s … and at most 15 min
between two. A /56 has 6 at once and one more every 2 min; a /48, and of IPv4 a /24, 12 at once and
one more a minute. All together have 120 at once and one more every 2 s.

Whoever has given the right code from an address is never held up by its networks or by all
together, so that nobody who guesses shuts out those who know. Newcomers may be, in the last resort:
they are given a moment at which their try is looked at, in the order in which they came, and one
for each network, so that one with many addresses does not push the others back.

What a try from an address reads and changes can be taken out and put back, count by count, so that
several processes count together.
"""

import math
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Network, ip_network
from typing import Self, TypeVar

from wan.database.limits import Count, Key

_Value = TypeVar("_Value")

_FREE_TRIES = 3  # wrong ones from an address before the next has to wait
_LONGEST_WAIT = (
    900.0  # seconds; also how long a moment that was given is kept for whoever does not come
)
_DAY = 24 * 3600.0  # seconds
_REMEMBERED = 10_000  # addresses, or networks, of each kind; the oldest go first


@dataclass(frozen=True)
class _Rate:
    """How many tries may come at once, and the seconds after which there is one more."""

    at_once: int
    every: float


_BY_PREFIX = {56: _Rate(6, 120.0), 48: _Rate(12, 60.0), 24: _Rate(12, 60.0)}
_ALL = _Rate(120, 2.0)
_EVERYBODY = ""  # the network of all

TURN: Key = ("turns", _EVERYBODY)
"""The count of all together: every try that is looked at changes it."""
KEPT = {"wrong": 30 * _DAY, "right": 30 * _DAY, "given": _LONGEST_WAIT}
"""Seconds for which counts that are due still tell something, by kind, where they are not in
memory.
"""


@dataclass
class _Turns:
    """The tries of one network, or of all."""

    rate: _Rate
    due: float = -math.inf
    """When the allowance is whole again."""
    given: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """The moments that were given, by who has them; the earliest is first."""

    def wait(self, member: str, now: float) -> float:
        """Return the seconds until a try of this member is looked at; 0 for now."""
        while self.given and next(iter(self.given.values())) < now - _LONGEST_WAIT:
            self.given.popitem(last=False)
        if member in self.given:
            return max(self.given[member] - now, 0.0)
        due = max(self.due, now)
        wait = due - now - self.rate.every * (self.rate.at_once - 1)
        if 0 < wait <= _LONGEST_WAIT:
            self.given[member], self.due = now + wait, due + self.rate.every
        return min(max(wait, 0.0), _LONGEST_WAIT)

    def count(self, member: str, now: float) -> None:
        """Count one try that is looked at. It was counted already where a moment was
        given for it.
        """
        if self.given.pop(member, None) is None:
            self.due = max(self.due, now) + self.rate.every


class Guesses:
    """The wrong tries so far, and who has given the right code."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = (
            OrderedDict()
        )  # address: wrong ones in a row, and when the next may be made
        self._right: OrderedDict[str, float] = OrderedDict()  # address: when, to the day
        self._networks: OrderedDict[str, _Turns] = OrderedDict()
        self._all = _Turns(_ALL)

    @classmethod
    def restore(cls, address: str, counts: Mapping[Key, Count]) -> Self:
        """Return what the counts of `keys_of` say: all that a try from an address needs."""
        guesses = cls()
        if wrong := counts.get(("wrong", address)):
            guesses._wrong[address] = wrong[1], wrong[0]
        if right := counts.get(("right", address)):
            guesses._right[address] = right[0]
        for network, rate, member in _levels(address):
            turns = guesses._turns_of(network, rate)
            turns.due = counts.get(("turns", network), (-math.inf, 0))[0]
            if given := counts.get(_moment_key(network, member)):
                turns.given[member] = given[0]
        return guesses

    def counts_of(self, address: str) -> dict[Key, Count]:
        """Return the counts of `keys_of` that there are; the opposite of `restore`."""
        counts: dict[Key, Count] = {}
        if wrong := self._wrong.get(address):
            counts["wrong", address] = wrong[1], wrong[0]
        if address in self._right:
            counts["right", address] = self._right[address], 0
        for network, rate, member in _levels(address):
            turns = self._turns_of(network, rate)
            if turns.due > -math.inf:
                counts["turns", network] = turns.due, 0
            if member in turns.given:
                counts[_moment_key(network, member)] = turns.given[member], 0
        return counts

    def attempt(self, address: str, now: float, *, right: bool) -> float:
        """Count a try with the right or a wrong code. Return the seconds until one from its address
        is looked at; 0 where this one is.
        """
        if wait := self.wait(address, now):
            return wait
        self.note(address, now, right=right)
        return 0.0

    def note(self, address: str, now: float, *, right: bool) -> None:
        """Note what came from an address."""
        if right:
            self.note_right(address, now)
        else:
            self.note_wrong(address, now)

    def wait(self, address: str, now: float) -> float:
        """Return the seconds until a try from an address is looked at; 0 where this one is, and
        that is counted. address: an IPv6 one may be its /64.
        """
        own = self._wrong.get(address, (0, 0.0))[1] - now
        if own > 0 or address in self._right:
            return max(own, 0.0)
        turns = self._turns(address)
        wait = max(turn.wait(member, now) for turn, member in turns)
        if not wait:
            for turn, member in turns:
                turn.count(member, now)
        return wait

    def note_right(self, address: str, now: float) -> None:
        """Note that the right code came from an address."""
        self._wrong.pop(address, None)
        before = self._right.get(address, -math.inf)
        # Whoever comes back changes nothing, but once a day.
        _remember(self._right, address, now if now - before > _DAY else before)

    def note_wrong(self, address: str, now: float) -> None:
        """Note that a wrong code came from an address."""
        tries = self._wrong.get(address, (0, 0.0))[0] + 1
        wait = (
            min(2.0 ** min(tries - _FREE_TRIES, 10), _LONGEST_WAIT) if tries >= _FREE_TRIES else 0.0
        )
        _remember(self._wrong, address, (tries, now + wait))

    def _turns(self, address: str) -> list[tuple[_Turns, str]]:
        """Return what a try from an address counts for, the nearest first, and as whom."""
        return [
            (self._turns_of(network, rate), member) for network, rate, member in _levels(address)
        ]

    def _turns_of(self, network: str, rate: _Rate) -> _Turns:
        if network == _EVERYBODY:
            return self._all
        known = self._networks.get(network) or _Turns(rate)
        _remember(self._networks, network, known)
        return known


def keys_of(address: str) -> Collection[Key]:
    """Return the counts that a try from an address may read and change."""
    keys = [("wrong", address), ("right", address)]
    for network, _, member in _levels(address):
        keys += [("turns", network), _moment_key(network, member)]
    return keys


def _moment_key(network: str, member: str) -> Key:
    """Return under what the moment is that was given to a member of a network."""
    return "given", f"{network} {member}"


def _levels(address: str) -> list[tuple[str, _Rate, str]]:
    """Return the networks that a try from an address counts for, the nearest first and that of all
    last; their rates; and as whom it counts there.
    """
    levels, member = [], address
    for prefix, network in _networks(address):
        levels.append((network, _BY_PREFIX[prefix], member))
        member = network
    return [*levels, (_EVERYBODY, _ALL, member)]


def _networks(address: str) -> list[tuple[int, str]]:
    """Return the wider networks of an address, the narrower first; none for what is no address."""
    try:
        own = ip_network(address, strict=False)
    except ValueError:
        return []
    prefixes = (56, 48) if isinstance(own, IPv6Network) else (24,)
    return [
        (prefix, str(own.supernet(new_prefix=prefix)))
        for prefix in prefixes
        if own.prefixlen > prefix
    ]


def _remember(known: OrderedDict[str, _Value], name: str, value: _Value) -> None:
    known[name] = value
    known.move_to_end(name)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)
