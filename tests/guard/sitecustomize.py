"""Tests cannot spend: a connection outside loopback raises, in the test's own process and, by
PYTHONPATH, in every Python that it starts.

Nor do they wait for what nobody reads.
"""

import importlib.abc
import importlib.machinery
import ipaddress
import socket
import sys

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


class _WithoutStubs(importlib.abc.MetaPathFinder):
    """Gradio 6.31.0 writes the type stubs of its components anew whenever it is imported: 1.2 of
    the 3 seconds of a core that this takes.
    """

    def find_spec(self, name, path, target=None):
        if name != "gradio.component_meta":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def execute_without(module) -> None:
            execute(module)
            module.create_or_modify_pyi = lambda *_: None

        spec.loader.exec_module = execute_without
        return spec


sys.meta_path.insert(0, _WithoutStubs())
