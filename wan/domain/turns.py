"""A thread pool that takes turns: between addresses, and within an address between owners.

So nobody waits for all that another has asked for. An address gets all threads but one, so that one
is left for the next to come. What it may have waiting is bounded.
"""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Generic, TypeVar

from wan.domain.errors import Crowded

Result = TypeVar("Result")
_HERE = ip_address("::1")
_SITE = 48  # bits


@dataclass(frozen=True)
class Asker:
    """The caller that work is done for.

    address: "" where it tells nobody apart, as on this machine: then each owner counts as an
    address. page: a page that shows the result of its last question only; an earlier one that still
    waits is given up.
    """

    address: str = ""
    owner: str = ""
    page: str = ""
    came: float = field(default=0.0, compare=False)
    """When they asked, in seconds of any clock, since concurrent calls may arrive in another order.
    """

    @property
    def place(self) -> str:
        """The unit that takes turns: an owner here, else the address, or its /48 in IPv6."""
        return f"owner {self.owner}" if is_here(self.address) else customer_network(self.address)


@lru_cache(10_000)
def customer_network(address: str) -> str:
    """Return the network that may be one customer's: the /48 of an IPv6 address, else the address.

    One customer may have a whole /48, with 65,536 networks. What is not an address is returned as
    it is.
    """
    try:
        network = ip_network(address, strict=False)
    except ValueError:
        return address
    wide = network.version == _HERE.version and network.prefixlen > _SITE
    return str(network.supernet(new_prefix=_SITE)) if wide else address


def is_here(address: str) -> bool:
    """Tell whether an address, or the network for it, is empty or this machine's own."""
    try:
        network = ip_network(address or "::1")
    except ValueError:
        return False
    return network.is_loopback or (network.version == _HERE.version and _HERE in network)


@dataclass(frozen=True)
class Bounds:
    """Limits of what may wait: of an owner, of an address, in all.

    share: an address gets one part in so many of what the others leave.
    """

    owner: int = 40
    address: int = 80
    everybody: int = 720
    share: int = 8


class Overtaken(Exception):
    """The page that asked has asked again since."""


@dataclass
class _WorkItem(Generic[Result]):
    """Work that waits for its turn."""

    asker: Asker
    work: Callable[[], Result]
    future: "Future[Result]" = field(default_factory=Future)

    def run(self) -> None:
        """Do the work, unless nobody waits for it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.work())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            self.future.set_exception(error)


class Line:
    """The order of waiting work. Knows nothing of threads."""

    def __init__(self, at_once: int, bounds: Bounds) -> None:
        self._most, self._bounds = max(at_once - 1, 1), bounds
        self._places: OrderedDict[str, OrderedDict[str, deque[_WorkItem[Any]]]] = OrderedDict()
        self._busy: Counter[str] = Counter()

    def add(self, errand: _WorkItem[Any]) -> None:
        """Put work in line. Raises Crowded, or Overtaken where its page has asked again by now."""
        asker = errand.asker
        self._overtake(asker)
        if self._is_crowded(asker):
            raise Crowded
        owners = self._places.setdefault(asker.place, OrderedDict())
        owners.setdefault(asker.owner, deque()).append(errand)

    def next(self) -> _WorkItem[Any] | None:
        """Return the work to do now, if any; it counts as busy until `release`."""
        for place in list(self._places):
            if self._busy[place] < self._most:
                self._busy[place] += 1
                return self._pop(place)
        return None

    def release(self, errand: _WorkItem[Any]) -> None:
        """Free its place for other work."""
        place = errand.asker.place
        self._busy[place] -= 1
        if not self._busy[place]:
            del self._busy[place]

    def _pop(self, place: str) -> _WorkItem[Any]:
        """Take the first work of the next owner; owner and place go to the end of their lines."""
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
        """Give up what the same page has waiting. Raises Overtaken where that was asked later."""
        owners = self._places.get(asker.place, OrderedDict())
        waiting = owners.get(asker.owner, ()) if asker.page else ()
        same = [one for one in waiting if one.asker == asker]
        if any(one.asker.came > asker.came for one in same):
            raise Overtaken
        for errand in same:
            self._remove(errand)
            if errand.future.set_running_or_notify_cancel():
                errand.future.set_exception(Overtaken())

    def _remove(self, errand: _WorkItem[Any]) -> None:
        owners = self._places[errand.asker.place]
        owners[errand.asker.owner].remove(errand)
        if not owners[errand.asker.owner]:
            del owners[errand.asker.owner]
        if not owners:
            del self._places[errand.asker.place]


class Turns:
    """A pool of threads that work in turn. at_once: their number."""

    def __init__(self, at_once: int, *, name: str, bounds: Bounds | None = None) -> None:
        self._line, self._alone = Line(at_once, bounds or Bounds()), threading.Lock()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=name)

    def submit(self, asker: Asker, work: Callable[[], Result]) -> "Future[Result]":
        """Have work done when its turn comes.

        Raises Crowded where too much waits already. This call or the future raises Overtaken where
        the same page has asked again.
        """
        errand = _WorkItem(asker, work)
        with self._alone:
            self._line.add(errand)
        self._threads.submit(self._work)
        return errand.future

    def _work(self) -> None:
        """Work until nothing is left that may be done now: each end may let another begin."""
        while True:
            with self._alone:
                errand = self._line.next()
            if errand is None:
                return
            try:
                errand.run()
            finally:
                with self._alone:
                    self._line.release(errand)
