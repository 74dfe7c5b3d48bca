"""Tests cannot spend: a connection outside loopback raises, in the test's own process and, by PYTHONPATH, in every Python that it starts."""

import ipaddress
import socket

_connect = socket.socket.connect


def _guarded(self: socket.socket, address, *rest):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
        raise AssertionError(f"a test connects to {address}")
    return _connect(self, address, *rest)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


socket.socket.connect = _guarded
