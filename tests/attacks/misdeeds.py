"""What the code in a sandbox might do if a file took it over: a sandbox with tasks that misbehave,
`python -m tests.attacks.misdeeds`.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import struct
import time
from pathlib import Path

import av

import wan.media.clips  # noqa: F401 - loads what PyAV would load later
from wan.media.sandbox_process import serve

LIBC = ctypes.CDLL(None, use_errno=True)
COLUMN = int(os.uname().machine != "x86_64")
SYSTEM_CALLS = {  # by name: x86_64, aarch64
    "fork": (57, -1),
    "vfork": (58, -1),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "prlimit64": (302, 261),
    "setpriority": (141, 140),
    "sched_setaffinity": (203, 122),
    "openat": (257, 56),
    "openat2": (437, 437),
    "open_by_handle_at": (304, 265),
    "unlinkat": (263, 35),
    "renameat2": (316, 276),
    "linkat": (265, 37),
    "symlinkat": (266, 36),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "ftruncate": (77, 46),
    "truncate": (76, 45),
    "fchmod": (91, 52),
    "fchown": (93, 55),
    "fsetxattr": (190, 7),
    "utimensat": (280, 88),
    "fallocate": (285, 47),
    "chdir": (80, 49),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "unshare": (272, 97),
    "setns": (308, 268),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "sendmsg": (46, 211),
    "dup": (32, 23),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "setrlimit": (160, 164),
    "setitimer": (38, 103),
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "capset": (126, 91),
    "setuid": (105, 146),
    "setsid": (112, 157),
    "personality": (135, 92),
    "syslog": (103, 116),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "kexec_load": (246, 104),
    "swapon": (167, 224),
    "settimeofday": (164, 170),
    "name_to_handle_at": (303, 264),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "splice": (275, 76),
    "vmsplice": (278, 75),
    "getdents64": (217, 61),
    "readlinkat": (267, 78),
}
_WHOLE = {"kept": 1, "sent": 0, "width": 1, "height": 1, "enlarged": 1.0, "adjustments": []}
PROMISES = {
    "less than nothing": _WHOLE | {"kept": -1},
    "a word for a number": _WHOLE | {"sent": "much"},
    "nothing for a number": _WHOLE | {"width": None},
    "larger without end": _WHOLE | {"enlarged": float("inf")},
    "half of a pixel": _WHOLE | {"height": 0.5},
    "words that there are not": _WHOLE | {"adjustments": [{"key": "no such words"}]},
    "words with a hole": _WHOLE | {"adjustments": [{"key": "image_scaled"}]},
    "a thousand words": _WHOLE | {"adjustments": [{"key": "image_upright"}] * 1000},
    "nothing": {},
}
_SIGKILL, _TIOCSTI, _SEIZE = 9, 0x5412, 0x4206


def _call(name: str, *given: object) -> dict:
    """What a system call gave, and its error. -1: there is no such call here."""
    number = SYSTEM_CALLS[name][COLUMN]
    arguments = [ctypes.c_void_p(one) if isinstance(one, int) else one for one in given]
    ctypes.set_errno(0)
    came = LIBC.syscall(ctypes.c_long(number), *arguments)
    return {"came": came, "errno": ctypes.get_errno()}


def _system_call(given, made, *, field, name, number="0", text="/etc/passwd"):
    """A system call with arguments that would do something. number: a process, as its starter sees
    it.
    """
    path, process, zeros = text.encode(), int(number), ctypes.create_string_buffer(4096)
    here, held = -100, made.fileno()
    memory = struct.pack("PP", ctypes.addressof(zeros), 64)
    arguments = {
        "clone": (signal.SIGCHLD, 0, 0, 0, 0),
        "clone3": (struct.pack("8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64),
        "execve": (b"/bin/true", 0, 0),
        "execveat": (here, b"/bin/true", 0, 0, 0),
        "kill": (process, _SIGKILL),
        "tkill": (process, _SIGKILL),
        "tgkill": (process, process, _SIGKILL),
        "rt_sigqueueinfo": (process, _SIGKILL, zeros),
        "pidfd_open": (process, 0),
        "pidfd_send_signal": (held, _SIGKILL, 0, 0),
        "pidfd_getfd": (held, 0, 0),
        "ptrace": (_SEIZE, process, 0, 0),
        "process_vm_readv": (process, memory, 1, memory, 1, 0),
        "process_vm_writev": (process, memory, 1, memory, 1, 0),
        "kcmp": (process, process, 0, 0, 0),
        "prlimit64": (process, resource.RLIMIT_CORE, struct.pack("QQ", 0, 0), 0),
        "setpriority": (0, process, 19),
        "sched_setaffinity": (process, 8, struct.pack("Q", 1)),
        "openat": (here, path, os.O_RDONLY, 0),
        "openat2": (here, path, bytes(24), 24),
        "unlinkat": (here, path, 0),
        "renameat2": (here, path, here, path + b"2", 0),
        "linkat": (here, path, here, path + b"2", 0),
        "symlinkat": (path, here, path + b"2"),
        "mkdirat": (here, path + b"2", 0o700),
        "mknodat": (here, path + b"2", 0o100600, 0),
        "ftruncate": (held, 0),
        "truncate": (path, 0),
        "fchmod": (held, 0o777),
        "fchown": (held, 0, 0),
        "fsetxattr": (held, b"user.x", b"x", 1, 0),
        "utimensat": (here, path, 0, 0),
        "fallocate": (held, 0, 0, 4096),
        "chdir": (b"/",),
        "chroot": (b"/",),
        "mount": (b"none", b"/tmp", b"tmpfs", 0, 0),
        "umount2": (b"/proc", 2),
        "unshare": (0x10000000,),
        "setns": (held, 0),
        "socket": (socket.AF_INET, socket.SOCK_STREAM, 0),
        "socketpair": (socket.AF_UNIX, socket.SOCK_STREAM, 0, zeros),
        "dup": (held,),
        "memfd_create": (b"x", 0),
        "shmget": (0, 4096, 0o1600),
        "msgget": (0, 0o1600),
        "semget": (0, 1, 0o1600),
        "ioctl": (held, _TIOCSTI, b"x"),
        "fcntl": (held, 0, 0),
        "setrlimit": (resource.RLIMIT_CORE, struct.pack("QQ", 0, 0)),
        "setitimer": (0, struct.pack("4Q", 0, 0, 0, 0), 0),
        "prctl": (1, 0, 0, 0, 0),
        "setuid": (0,),
        "getdents64": (held, zeros, 4096),
        "readlinkat": (here, b"/proc/self/exe", zeros, 4096),
    }.get(name, (0, 0, 0, 0, 0, 0))
    return _call(name, *arguments)


def _runnable(given, made, *, field):
    """Memory that can be written and run: first got so, then made so."""
    LIBC.mmap.restype = ctypes.c_void_p
    nowhere = ctypes.c_void_p(-1).value
    found = LIBC.mmap(None, 4096, 7, 0x22, -1, 0)
    plain = LIBC.mmap(None, 4096, 3, 0x22, -1, 0)
    return {
        "got": found != nowhere,
        "made": LIBC.mprotect(ctypes.c_void_p(plain), 4096, 5) == 0,
    }


def _threads(given, made, *, field):
    """What it may do: decode with four threads."""
    with av.open(given, "r", format="mov") as container:
        stream = container.streams.video[0]
        stream.thread_count, stream.thread_type = 4, "AUTO"
        return {"frames": sum(1 for _ in container.decode(stream))}


def _dumpable(given, made, *, field):
    return {"dumpable": LIBC.prctl(3, 0, 0, 0, 0)}


def _whereabouts(given, made, *, field):
    return {
        "process": os.getpid(),
        "standard": [_is_open(one) for one in (0, 1, 2)],
        "descriptors": sum(_is_open(one) for one in range(3, 1000)),
        "passwd": _is_there("/etc/passwd"),
    }


def _is_open(descriptor: int) -> bool:
    try:
        return os.fstat(descriptor).st_rdev != os.makedev(1, 3)
    except OSError:
        return False


def _is_there(path: str) -> bool:
    """Asked in the one way that the filter leaves."""
    held = ctypes.create_string_buffer(512)
    fstatat, empty = (262, 79)[COLUMN], 0x1000
    return LIBC.syscall(ctypes.c_long(fstatat), -100, path.encode(), held, empty) == 0


def _outlive(given, made, *, field):
    """It does not heed the clock, and answers when it is long over."""
    for one in (signal.SIGALRM, signal.SIGXCPU, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    time.sleep(3600)


def _trickle(given, made, *, field):
    """It goes on talking, so that nobody gives up waiting for it."""
    while True:
        for descriptor in range(3, 10):
            with contextlib.suppress(OSError):
                os.write(descriptor, b" ")
        time.sleep(0.5)


def _overwrite(given, made, *, field):
    """The file that it was given, under its feet."""
    return {"written": os.pwrite(given.fileno(), b"x", 0)}


def _lie(given, made, *, field):
    """It says what only its guard may say."""
    line = '{"done": {"lie": 1}, "sha256": "%s", "bytes": 1}' % ("0" * 64)
    for descriptor in range(3, 10):
        if descriptor not in (given.fileno(), made.fileno()):
            with contextlib.suppress(OSError):
                os.write(descriptor, line.encode())
    os._exit(0)


def _picture(given, made, *, field, size, fit):
    """The shape of an answer, with what is none in it."""
    return PROMISES[size] if isinstance(PROMISES[size], dict) else {}


def _clip(given, made, *, field):
    return {
        "kind": "../../x",
        "clip": {
            "width": 1,
            "height": 1,
            "fps": 1.0,
            "seconds": 1.0,
            "has_audio": True,
            "codec": "x",
        },
    }


def _open(given, made, *, field):
    Path("/etc/passwd").read_bytes()
    return {}


def _connect(given, made, *, field):
    socket.create_connection(("127.0.0.1", 9))
    return {}


def _tell(given, made, *, field):
    return {"environment": sorted(os.environ)}


def _hoard(given, made, *, field):
    return {"bytes": len(bytearray(1_000_000_000))}


def _write(given, made, *, field):
    for _ in range(300):
        made.write(bytes(1_000_000))
    return {}


def _fall(given, made, *, field):
    ctypes.string_at(0)


def _sleep(given, made, *, field):
    time.sleep(3600)


def _babble(given, made, *, field):
    return {"words": "word " * 100_000}


def _mumble(given, made, *, field):
    return "nothing of use"


def _trip(given, made, *, field):
    return {}[field]


TASKS = {
    name.removeprefix("_"): task
    for name, task in globals().items()
    if name.startswith("_") and getattr(task, "__module__", "") == __name__
}

if __name__ == "__main__":
    serve(TASKS)
