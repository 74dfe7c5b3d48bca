"""Where the app listens: an address or a name of this machine, and a port that is free.

Gradio looks for a port on IPv4 alone, goes on to the next where the one that was asked for is
taken, and cannot ask itself at an IPv6 address.
"""

import contextlib
import errno
import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from wan.domain.errors import SettingsError
from wan.domain.messages import sentence
from wan.environment.settings import Settings

_FIRST, _TRIED = (
    7860,
    100,
)  # the port that is taken where none is asked for, and how many are tried from there
_NAME = re.compile(
    r"\[([^\s*\[\]]+)\]|[^\s*\[\]]+"
)  # in brackets as in a URL, or without; not the * that some resolvers take for all
_MISSING_ERRORS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and how this machine reaches itself there


@dataclass(frozen=True)
class Listener:
    """Sockets that listen already, all on one port. host: an address at which the app reaches
    itself; name: the one that people are told.
    """

    host: str
    name: str
    port: int
    sockets: list[socket.socket]

    @property
    def url(self) -> str:
        """Where the app reaches itself; ends in a slash."""
        return f"http://{_bracket(self.host)}:{self.port}/"


def listen(settings: Settings) -> Listener:
    """Takes the port that is asked for, or the first that is free. Raises SettingsError, which
    names the setting.
    """
    known = _NAME.fullmatch(settings.server_name)
    if known is None:
        raise _bad_name(settings.server_name)
    name = known[1] or known[0]
    if settings.server_port is not None:
        return _listen_at(name, settings.server_port)
    for port in range(_FIRST, _FIRST + _TRIED):
        with contextlib.suppress(_PortTaken):
            return _listen_at(name, port)
    raise _PortTaken(_FIRST + _TRIED - 1)


class _PortTaken(SettingsError):
    """Something else listens there."""

    def __init__(self, port: int) -> None:
        super().__init__(sentence("port_taken", field="GRADIO_SERVER_PORT", port=port))


def _listen_at(name: str, port: int) -> Listener:
    """Listens at every address of a name. Raises SettingsError."""
    try:
        known = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise _bad_name(name) from None
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as closing:
        for family, _, _, _, address in known:
            with contextlib.suppress(
                _AddressMissing
            ):  # as ::1 where a machine has no IPv6, but calls itself so
                sockets.append(closing.enter_context(_open_socket(family, address, port)))
        if not sockets:
            raise _bad_name(name)
        closing.pop_all()
    host = str(sockets[0].getsockname()[0])
    return Listener(_EVERYWHERE.get(host, host), _bracket(name), port, sockets)


class _AddressMissing(Exception):
    """This machine has no such address, or none at which it could reach itself."""


def _open_socket(family: int, address: Any, port: int) -> socket.socket:
    try:
        # With its protocol named: only on such sockets asyncio sends at once, and else each answer
        # waits 40 ms for an acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError:
        raise _AddressMissing from None
    if (
        family == socket.AF_INET6 and ip_address(address[0].partition("%")[0]).is_link_local
    ):  # which no URL without a zone reaches
        listener.close()
        raise _AddressMissing
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not _is_both(address[0]))
            )
        listener.bind(address)
        listener.listen()  # now, so that whoever comes next finds the port taken
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _PortTaken(port) from None
        if error.errno in _MISSING_ERRORS:
            raise _AddressMissing from None
        given = f"{port} ({error.strerror})"
        raise SettingsError.about(
            "GRADIO_SERVER_PORT", given, "a port that this user may open"
        ) from None
    return listener


def _is_both(address: str) -> bool:
    """Whether an IPv6 address is one of IPv4 too: all addresses, or one that is written as IPv6."""
    return address == "::" or address.startswith("::ffff:")


def _bad_name(name: str) -> SettingsError:
    allowed = (
        "an address or name of this machine, without a port; 0.0.0.0 for all of IPv4, "
        ":: for all of both"
    )
    return SettingsError.about("GRADIO_SERVER_NAME", name, allowed)


def _bracket(host: str) -> str:
    """A host as a URL has it."""
    with contextlib.suppress(ValueError):
        return f"[{host}]" if ip_address(host).version == 6 else host
    return host
