"""What is taken from a process before it opens a file that nobody vouches for, measure by measure.

Two walls stand behind each other: the process is in namespaces of its own, in which there is nobody
and nothing to reach, and the kernel refuses it every call that decoding does not need. Where a
system cannot do one of the measures, it is named, and the others hold.
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
_NEW_REST = (
    0x08000000 | 0x04000000 | 0x00020000
)  # messages and shared memory, the machine's name, mounts
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITIES = 0x20080522  # the version of the kernel's form for them
_MOST_OPEN = 4096  # descriptors; a fork server has a dozen
# a folder in which nobody can make a file, and which is empty with its process
_EMPTY = "/proc/self/fdinfo"


def separate() -> None:
    """Namespaces for the children of this process: of users, processes, network, mounts, shared
    memory. Raises OSError.

    They are made before the fork: in a namespace of processes that a process makes for itself it
    could start no thread.
    """
    rest = _NEW_PROCESSES | _NEW_NETWORK | _NEW_REST
    if seccomp.libc().unshare(_NEW_USER | rest) != 0 and seccomp.libc().unshare(rest) != 0:
        seccomp.raise_last("unshare")


def hide() -> None:
    """Nobody else of the same user may look into this process, trace it, or have its memory written
    to disk. Raises OSError.
    """
    call_prctl(_PR_SET_DUMPABLE, 0)


def _die_with_parent() -> None:
    call_prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()  # so that what it sends to its group reaches nobody


def _enter_empty_root() -> None:
    os.chroot(_EMPTY)
    os.chdir("/")


def _drop_capabilities() -> None:
    header, none = (
        ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITIES, 0)),
        ctypes.create_string_buffer(24),
    )
    if seccomp.libc().capset(header, none) != 0:
        seccomp.raise_last("capset")


def _forbid_privileges() -> None:
    call_prctl(_PR_SET_NO_NEW_PRIVS, 1)


BEFORE: dict[str, Callable[[], None]] = {"namespaces of its own": separate}
"""Measures that are taken before a child is forked, for it."""

WITHIN: dict[str, Callable[[], None]] = {
    "an end with its guard": _die_with_parent,
    "an empty root": _enter_empty_root,
    "the loss of capabilities": _drop_capabilities,
    "memory that is hidden": hide,
    "no new privileges": _forbid_privileges,
    "a filter of system calls": seccomp.install,
}
"""Measures that a child takes on itself, in this order: each of the last ones would keep it from
those before.
"""


def apply(measures: Mapping[str, Callable[[], None]]) -> list[str]:
    """Takes measures. Gives the names of those that this system refuses."""
    refused = []
    for name, measure in measures.items():
        try:
            measure()
        except (
            OSError,
            AttributeError,
        ):  # AttributeError: a C library or a Python without the call
            refused.append(name)
    return refused


def limit(*, megabytes: int, seconds: int, written: int) -> None:
    """What this process may take: memory, processor time, bytes of a file. It gets no descriptor
    any more.
    """
    limits = {
        resource.RLIMIT_AS: megabytes * 1_000_000,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: written,
        resource.RLIMIT_NOFILE: 0,  # no new ones: it can neither open a file nor connect
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def close_all_but(*kept: int) -> None:
    """Closes every descriptor but these. What is written to the standard ones goes nowhere, so that
    no text of a file reaches a log.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    ends = [2, *sorted(one for one in kept if one > 2), _MOST_OPEN]
    for one, following in pairwise(ends):
        if one + 1 < following:
            os.closerange(one + 1, following)
