"""The address, name and port at which the app listens.

Gradio looks for a port on IPv4 only, moves on to the next where the requested one is in use, and
cannot reach itself at an IPv6 address.
"""

import contextlib
import errno
import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from wan.domain.errors import SettingsError
from wan.domain.messages import Message
from wan.environment.settings import Settings

_FIRST, _ATTEMPTS = 7860, 100  # the default port, and how many are tried from there
# in brackets as in a URL, or without; not the * that some resolvers take for all
_NAME = re.compile(r"\[([^\s*\[\]]+)\]|[^\s*\[\]]+")
_MISSING_ERRORS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - and how this machine reaches itself there


@dataclass(frozen=True)
class Listener:
    """Sockets that already listen, all on one port.

    host: an address at which the app reaches itself; name: the one shown to people.
    """

    host: str
    name: str
    port: int
    sockets: list[socket.socket]

    @property
    def url(self) -> str:
        """The URL at which the app reaches itself; ends in a slash."""
        return f"http://{_bracket(self.host)}:{self.port}/"


def listen(settings: Settings) -> Listener:
    """Listen on the configured port, or the first free one. Raises SettingsError naming the
    setting.
    """
    known = _NAME.fullmatch(settings.server_name)
    if known is None:
        raise _bad_name(settings.server_name)
    name = known[1] or known[0]
    if settings.server_port is not None:
        return _listen_at(name, settings.server_port)
    for port in range(_FIRST, _FIRST + _ATTEMPTS):
        with contextlib.suppress(_PortTaken):
            return _listen_at(name, port)
    raise _PortTaken(_FIRST + _ATTEMPTS - 1)


class _PortTaken(SettingsError):
    """Something else listens there."""

    def __init__(self, port: int) -> None:
        super().__init__(Message.of("port_taken", field="GRADIO_SERVER_PORT", port=port))


def _listen_at(name: str, port: int) -> Listener:
    """Listen at every address of a name. Raises SettingsError."""
    try:
        known = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise _bad_name(name) from None
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as closing:
        for family, _, _, _, address in known:
            # like ::1 where a machine has no IPv6, but such a name for itself
            with contextlib.suppress(_AddressMissing):
                sockets.append(closing.enter_context(_open_socket(family, address, port)))
        if not sockets:
            raise _bad_name(name)
        closing.pop_all()
    host = str(sockets[0].getsockname()[0])
    return Listener(_EVERYWHERE.get(host, host), _bracket(name), port, sockets)


class _AddressMissing(Exception):
    """This machine has no such address, or none at which it could reach itself."""


def _open_socket(family: int, address: Any, port: int) -> socket.socket:
    """Return a listening socket. Raises SettingsError and _AddressMissing."""
    # No URL without a zone reaches a link-local address.
    if family == socket.AF_INET6 and ip_address(address[0].partition("%")[0]).is_link_local:
        raise _AddressMissing
    try:
        # With an explicit protocol: only there asyncio sets TCP_NODELAY, and otherwise each answer
        # waits 40 ms for an acknowledgement.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError:
        raise _AddressMissing from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            only = int(not _is_both(address[0]))
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        listener.bind(address)
        listener.listen()  # now, so that others find the port in use
    except OSError as error:
        listener.close()
        raise _listen_error(error, port) from None
    return listener


def _listen_error(error: OSError, port: int) -> Exception:
    """Return what an error of the system means for a port."""
    if error.errno == errno.EADDRINUSE:
        return _PortTaken(port)
    if error.errno in _MISSING_ERRORS:
        return _AddressMissing()
    given = f"{port} ({error.strerror})"
    return SettingsError.about("GRADIO_SERVER_PORT", given, "a port that this user may open")


def _is_both(address: str) -> bool:
    """Return whether an IPv6 address stands for IPv4 too: all addresses, or a mapped one."""
    return address == "::" or address.startswith("::ffff:")


def _bad_name(name: str) -> SettingsError:
    allowed = (
        "an address or name of this machine, without a port; 0.0.0.0 for all of IPv4, "
        ":: for all of both"
    )
    return SettingsError.about("GRADIO_SERVER_NAME", name, allowed)


def _bracket(host: str) -> str:
    """Return a host as a URL has it."""
    with contextlib.suppress(ValueError):
        return f"[{host}]" if ip_address(host).version == 6 else host
    return host
