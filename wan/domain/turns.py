"""Takes work in turn: address by address, and within an address owner by owner, so that nobody
waits for all that another has asked for.

An address holds all threads but one, so that one is left for whoever comes next. What it may have
waiting is bounded.
"""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Generic, TypeVar

from wan.domain.errors import Crowded

Result = TypeVar("Result")
_HERE = ip_address("::1")
_SITE = 48  # bits


@dataclass(frozen=True)
class Asker:
    """For whom work is done.

    address: from which they ask; "" where that tells nobody apart, as on this machine: then each
    owner counts as an address. page: of a page that shows what comes of its last question only; an
    earlier one that still waits is given up.
    """

    address: str = ""
    owner: str = ""
    page: str = ""
    came: float = field(default=0.0, compare=False)
    """When they asked, in seconds of any clock: what is at work at once may come here in another
    order.
    """

    @property
    def place(self) -> str:
        """What has a turn of its own: of IPv6 a whole /48, which one customer may have, with 65,536
        networks.
        """
        return f"owner {self.owner}" if is_here(self.address) else site(self.address)


def site(address: str) -> str:
    """The network that may be one customer's: of an IPv6 address its /48; of IPv4, and of what is
    no address, that itself.
    """
    try:
        network = ip_network(address, strict=False)
    except ValueError:
        return address
    wide = network.version == _HERE.version and network.prefixlen > _SITE
    return str(network.supernet(new_prefix=_SITE)) if wide else address


def is_here(address: str) -> bool:
    """Whether an address, or the network that stands for it, is none or this machine's own."""
    try:
        network = ip_network(address or "::1")
    except ValueError:
        return False
    return network.is_loopback or (network.version == _HERE.version and _HERE in network)


@dataclass(frozen=True)
class Bounds:
    """How much may be waiting: of an owner, of an address, in all.

    share: of what the others leave of all, an address gets this part, as a divisor: twelve leave a
    fifth.
    """

    owner: int = 40
    address: int = 80
    everybody: int = 720
    share: int = 8


class Overtaken(Exception):
    """The page that asked has asked anew meanwhile."""


@dataclass
class _Errand(Generic[Result]):
    """Work that waits for its turn."""

    asker: Asker
    work: Callable[[], Result]
    future: "Future[Result]" = field(default_factory=Future)

    def run(self) -> None:
        """Does it, unless nobody waits for it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self.future.set_exception(error)


class Line:
    """Who is next. Knows nothing of threads."""

    def __init__(self, at_once: int, bounds: Bounds) -> None:
        self._most, self._bounds = max(at_once - 1, 1), bounds
        self._places: OrderedDict[str, OrderedDict[str, deque[_Errand[Any]]]] = OrderedDict()
        self._busy: Counter[str] = Counter()

    def add(self, errand: _Errand[Any]) -> None:
        """Puts work in line. Raises Crowded where too much waits there already, Overtaken where its
        page has asked anew by now.
        """
        asker = errand.asker
        self._overtake(asker)
        if self._is_crowded(asker):
            raise Crowded
        owners = self._places.setdefault(asker.place, OrderedDict())
        owners.setdefault(asker.owner, deque()).append(errand)

    def next(self) -> _Errand[Any] | None:
        """The work that is to be done now, if any; it counts as busy until `done`."""
        for place in list(self._places):
            if self._busy[place] < self._most:
                self._busy[place] += 1
                return self._pop(place)
        return None

    def done(self, errand: _Errand[Any]) -> None:
        """Its place may have another in work."""
        place = errand.asker.place
        self._busy[place] -= 1
        if not self._busy[place]:
            del self._busy[place]

    def _pop(self, place: str) -> _Errand[Any]:
        """The first of the owner whose turn it is; owner and place go to the end of their lines."""
        owners = self._places.pop(place)
        owner, errands = owners.popitem(last=False)
        errand = errands.popleft()
        if errands:
            owners[owner] = errands
        if owners:
            self._places[place] = owners
        return errand

    def _is_crowded(self, asker: Asker) -> bool:
        bounds, owners = self._bounds, self._places.get(asker.place, OrderedDict())
        whole = sum(len(errands) for others in self._places.values() for errands in others.values())
        own = sum(map(len, owners.values()))
        most = min(bounds.address, max((bounds.everybody - whole + own) // bounds.share, 1))
        return (
            len(owners.get(asker.owner, ())) >= bounds.owner
            or own >= most
            or whole >= bounds.everybody
        )

    def _overtake(self, asker: Asker) -> None:
        """Gives up what the same page has waiting. Raises Overtaken where that was asked later."""
        owners = self._places.get(asker.place, OrderedDict())
        waiting = owners.get(asker.owner, ()) if asker.page else ()
        same = [one for one in waiting if one.asker == asker]
        if any(one.asker.came > asker.came for one in same):
            raise Overtaken
        for errand in same:
            self._remove(errand)
            if errand.future.set_running_or_notify_cancel():
                errand.future.set_exception(Overtaken())

    def _remove(self, errand: _Errand[Any]) -> None:
        owners = self._places[errand.asker.place]
        owners[errand.asker.owner].remove(errand)
        if not owners[errand.asker.owner]:
            del owners[errand.asker.owner]
        if not owners:
            del self._places[errand.asker.place]


class Turns:
    """Threads that work in turn. at_once: how many there are."""

    def __init__(self, at_once: int, *, name: str, bounds: Bounds | None = None) -> None:
        self._line, self._alone = Line(at_once, bounds or Bounds()), threading.Lock()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)

    def submit(self, asker: Asker, work: Callable[[], Result]) -> "Future[Result]":
        """Has work done when its turn comes.

        Raises Crowded where too much waits already. Overtaken is raised, by this or by the future,
        where the same page has asked anew.
        """
        errand = _Errand(asker, work)
        with self._alone:
            self._line.add(errand)
        self._threads.submit(self._work)
        return errand.future

    def _work(self) -> None:
        """Goes on until nothing is left that may be done now: each that ends may let another of its
        address begin.
        """
        while True:
            with self._alone:
                errand = self._line.next()
            if errand is None:
                return
            try:
                errand.run()
            finally:
                with self._alone:
                    self._line.done(errand)
