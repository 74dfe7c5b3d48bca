"""Confinement of a process before it opens an untrusted file, measure by measure.

There are two lines of defence: the process is in namespaces of its own, in which there is nobody
and nothing to reach, and the kernel refuses every system call that decoding does not need. A
measure that the system does not support is named, and the others hold.
"""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Callable, Mapping
from itertools import pairwise

from wan.media import seccomp
from wan.media.seccomp import call_prctl

_NEW_USER, _NEW_PROCESSES, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
_NEW_REST = 0x08000000 | 0x04000000 | 0x00020000  # IPC, host name, mounts
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITIES = 0x20080522  # version of the kernel's structure for them
_MOST_OPEN = 4096  # descriptors; a fork server has a dozen
# a folder where no file can be created, and which is empty once its process has ended
_EMPTY = "/proc/self/fdinfo"


def separate() -> None:
    """Create namespaces for the children of this process: users, processes, network, mounts,
    memory.

    It happens before the fork: after unsharing its own process namespace, a process could start no
    thread. Raises OSError.
    """
    rest = _NEW_PROCESSES | _NEW_NETWORK | _NEW_REST
    if seccomp.libc().unshare(_NEW_USER | rest) != 0 and seccomp.libc().unshare(rest) != 0:
        seccomp.raise_last("unshare")


def hide() -> None:
    """Keep other processes of the user from inspecting this one, and avoid core dumps. Raises
    OSError.
    """
    call_prctl(_PR_SET_DUMPABLE, 0)


def _die_with_parent() -> None:
    """Have the kernel kill this process with its parent, and leave the parent's session."""
    call_prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()  # so that signals to its group reach nobody else


def _enter_empty_root() -> None:
    """Make an empty folder the root."""
    os.chroot(_EMPTY)
    os.chdir("/")


def _drop_capabilities() -> None:
    """Give up all capabilities."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITIES, 0))
    none = ctypes.create_string_buffer(24)
    if seccomp.libc().capset(header, none) != 0:
        seccomp.raise_last("capset")


def _forbid_privileges() -> None:
    call_prctl(_PR_SET_NO_NEW_PRIVS, 1)


BEFORE: dict[str, Callable[[], None]] = {"namespaces of its own": separate}
"""Measures taken before a child is forked, for it."""

WITHIN: dict[str, Callable[[], None]] = {
    "an end with its guard": _die_with_parent,
    "an empty root": _enter_empty_root,
    "the loss of capabilities": _drop_capabilities,
    "memory that is hidden": hide,
    "no new privileges": _forbid_privileges,
    "a filter of system calls": seccomp.install,
}
"""Measures that a child applies to itself, in this order: the last ones would prevent the others.
"""


def apply(measures: Mapping[str, Callable[[], None]]) -> list[str]:
    """Apply measures and return the names of those that this system refuses."""
    refused = []
    for name, measure in measures.items():
        try:
            measure()
        except (OSError, AttributeError):  # the latter: a C library or Python without the call
            refused.append(name)
    return refused


def limit(*, megabytes: int, seconds: int, written: int) -> None:
    """Limit this process: memory in MB, CPU seconds, bytes of a file; no new descriptors."""
    limits = {
        resource.RLIMIT_AS: megabytes * 1_000_000,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: written,
        resource.RLIMIT_NOFILE: 0,  # it can neither open a file nor connect
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def close_all_but(*kept: int) -> None:
    """Close every descriptor but these, and silence the standard ones so that no file's text is
    logged.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    ends = [2, *sorted(one for one in kept if one > 2), _MOST_OPEN]
    for one, following in pairwise(ends):
        if one + 1 < following:
            os.closerange(one + 1, following)
