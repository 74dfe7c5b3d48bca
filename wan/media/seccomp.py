"""The system calls left to a process that decodes a file: a kernel filter, denied by default.

Everything not listed below fails with EPERM. The list was found with `strace` under every accepted
type of file: memory, threads, time, and reading and writing what is already open. Linux on x86_64
and aarch64.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator

# AUDIT_ARCH_*, and the column below
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

_FREE = {
    "read": (0, 63),
    "write": (1, 64),
    "readv": (19, 65),
    "writev": (20, 66),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "lseek": (8, 62),
    "close": (3, 57),
    "fstat": (5, 80),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "membarrier": (324, 283),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "getrandom": (318, 278),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "exit": (60, 93),
    "exit_group": (231, 94),
}

_ALL = 0xFFFFFFFF
_HIGH = 8  # added to an argument's number for its upper half
_CLONE_THREAD = 0x10000
_THREADS = 0x7D0F00  # all flags with which C libraries start a thread
_PROT_EXEC = 4
_AT_EMPTY_PATH = 0x1000

# Allowed depending on arguments: the number of one, a mask, and its value under that mask.
_BOUND = {
    # threads, never a process
    "clone": ((56, 220), [(0, _ALL & ~_THREADS | _CLONE_THREAD, _CLONE_THREAD)]),
    "mmap": ((9, 222), [(2, _PROT_EXEC, 0)]),  # no executable memory
    "mprotect": ((10, 226), [(2, _PROT_EXEC, 0)]),
    "newfstatat": ((262, 79), [(3, _AT_EMPTY_PATH, _AT_EMPTY_PATH)]),  # fstat in C libraries
    # its own limits, read only
    "prlimit64": ((302, 261), [(0, _ALL, 0), (2, _ALL, 0), (2 + _HIGH, _ALL, 0)]),
}
# On every architecture. Its flags are in memory, where no filter sees them; C libraries fall back
# to clone where it is missing.
_CLONE3 = 435

_LOAD, _AND, _JUMP_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x06  # BPF: ld [k], and k, jeq k, ret k
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000  # SECCOMP_RET_*
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]
"""Code, instructions to skip where a comparison holds and where it does not, constant."""


def program(machine: str) -> list[Instruction]:
    """Return the filter for a machine, named as in `os.uname`. Raises OSError if unknown."""
    if machine not in _ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter is known for {machine}")
    architecture, column = _ARCHITECTURES[machine]
    return [
        *(
            (_LOAD, 0, 0, 4),
            (_JUMP_EQUAL, 1, 0, architecture),
            (_RETURN, 0, 0, _KILL),
            (_LOAD, 0, 0, 0),
        ),
        *_rule(_CLONE3, [], _ERROR | errno.ENOSYS),
        *(step for numbers in _FREE.values() for step in _rule(numbers[column], [])),
        *(step for numbers, checks in _BOUND.values() for step in _rule(numbers[column], checks)),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
    ]


def install() -> None:
    """Install the filter on this process for good. Raises OSError.

    The process must have a single thread, and `no_new_privs` set.
    """
    steps = b"".join(struct.pack("HBBI", *step) for step in program(os.uname().machine))
    held = ctypes.create_string_buffer(steps, len(steps))
    whole = ctypes.create_string_buffer(struct.pack("HP", len(steps) // 8, ctypes.addressof(held)))
    call_prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(whole))


def call_prctl(option: int, *given: int) -> None:
    """Call prctl(2). Raises OSError."""
    arguments = [ctypes.c_ulong(one) for one in (*given, 0, 0, 0, 0)[:4]]
    if libc().prctl(option, *arguments) != 0:
        raise_last("prctl")


def libc() -> ctypes.CDLL:
    """Return the C library of this process. Raises OSError where this is not Linux."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "this is not Linux")
    return _LIBC


def raise_last(call: str) -> None:
    """Raise OSError for the call that has just failed."""
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}")


def _rule(
    number: int, checks: list[tuple[int, int, int]], action: int = _ALLOW
) -> Iterator[Instruction]:
    """Yield the filter of one call: its number is loaded, and stays loaded where it is another."""
    length = 3 * len(checks)
    yield _JUMP_EQUAL, 0, length + 1 + bool(checks), number
    for place, (argument, mask, value) in enumerate(checks, 1):
        yield _LOAD, 0, 0, 16 + 8 * (argument % _HIGH) + 4 * (argument // _HIGH)
        yield _AND, 0, 0, mask
        yield _JUMP_EQUAL, 0, length - 3 * place + 1, value
    yield _RETURN, 0, 0, action
    if checks:
        yield _RETURN, 0, 0, _ERROR | errno.EPERM


_LIBC = ctypes.CDLL(None, use_errno=True)
