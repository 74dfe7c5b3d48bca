"""The fork server, `python -m wan.media.sandbox_process`.

It forks a guard for each task, and the guard forks the child that opens the file.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

from wan.domain.errors import InvalidInput
from wan.media import confinement
from wan.media.opening import open_plain

SECONDS = 9  # wall-clock time of a task, so that nobody waits longer than 10 for a file
MEMORY_MEGABYTES = 1000  # address space of a child
LIMITS = {"seconds": SECONDS, "high": MEMORY_MEGABYTES}
_WRITE_LIMIT = 200_000_000  # bytes
MEGABYTE = 1_000_000
Task = Callable[..., dict[str, Any]]
Order = dict[str, Any]


def serve(tasks: dict[str, Task]) -> None:
    """Fork a guard for each delivery on stdin, until nobody is at the other end."""
    line = socket.socket(fileno=0)
    confinement.apply({"": confinement.hide})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # guards that have ended leave no zombie
    while True:
        word, descriptors, _, _ = socket.recv_fds(line, 1, 3)
        if not word:
            os.killpg(0, signal.SIGKILL)
        if _fork() == 0:
            confinement.close_all_but(*descriptors)
            _guard(tasks, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _fork() -> int:
    """Fork; return -1 where the machine cannot, so that the task goes unanswered and is refused."""
    try:
        return os.fork()
    except OSError:
        return -1


def _guard(tasks: dict[str, Task], line: int, made: int, given: int | None = None) -> NoReturn:
    """Run a guard: read the order, measure the file, start the child. A timer ends it and the
    child.
    """
    try:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with socket.socket(fileno=line) as talk:
            order = json.loads(_read_all(talk))
            try:
                with _open_source(order, given) as source, open(made, "r+b", 0) as target:
                    _send(talk, _measure(order, source))
                    _run_child(tasks, order, talk, source, target)
            except InvalidInput as refusal:
                _send(talk, _describe_refusal(refusal))
    finally:
        os._exit(0)


def _read_all(talk: socket.socket) -> bytes:
    """Return everything sent on a socket."""
    with talk.makefile("rb") as order:
        return order.read()


def _send(talk: socket.socket, said: dict[str, Any]) -> None:
    talk.sendall(json.dumps(said).encode() + b"\n")


def _open_source(order: Order, given: int | None) -> IO[bytes]:
    """Open the input. Raises the same InvalidInput for a file that is missing and one that is
    forbidden.
    """
    if given is not None:
        return os.fdopen(given, "rb")
    try:
        return open_plain(Path(os.fsdecode(order["path"].encode("latin-1"))))
    except (OSError, ValueError):
        raise InvalidInput(order["field"], "file_missing", given=order["name"]) from None


def _measure(order: Order, source: IO[bytes]) -> dict[str, Any]:
    """Return the bytes and SHA-256 of a file and rewind it.

    Raises InvalidInput for one that is too large, before a byte is read.
    """
    size, high = os.fstat(source.fileno()).st_size, order["high"]
    if size > high * MEGABYTE:
        raise InvalidInput(order["field"], "file_large", given=round(size / MEGABYTE, 1), high=high)
    source.seek(0)
    sha256 = hashlib.file_digest(source, "sha256").hexdigest() if order["digest"] else ""  # type: ignore[arg-type]
    source.seek(0)
    return {"bytes": size, "sha256": sha256}


def _run_child(
    tasks: dict[str, Task], order: Order, talk: socket.socket, source: IO[bytes], target: IO[bytes]
) -> None:
    """Fork a child for a task, and wait for its end."""
    order["without"] = confinement.apply(confinement.BEFORE)
    # The pipe breaks with this process, even before the kernel knows to kill the child with it.
    alive, held = os.pipe()
    child = _fork()
    if child == 0:
        os.close(held)
        _run_task(tasks, order, talk, source, target, alive)
    if child > 0:
        signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
        os.waitpid(child, 0)


def _run_task(
    tasks: dict[str, Task],
    order: Order,
    talk: socket.socket,
    source: IO[bytes],
    target: IO[bytes],
    alive: int,
) -> NoReturn:
    """Run a child: confine itself, perform the task, answer. alive: a pipe to its guard."""
    try:
        os.set_blocking(alive, False)
        confinement.limit(megabytes=MEMORY_MEGABYTES, seconds=SECONDS, written=_WRITE_LIMIT)
        without = confinement.apply(confinement.WITHIN)
        with contextlib.suppress(BlockingIOError):  # the guard is there
            os.read(alive, 1)
            os._exit(0)
        os.close(alive)
        answer = _perform(tasks, order, source, target) | {"without": [*order["without"], *without]}
        os.write(talk.fileno(), json.dumps(answer).encode())
    finally:
        os._exit(0)


def _perform(
    tasks: dict[str, Task], order: Order, given: IO[bytes], made: IO[bytes]
) -> dict[str, Any]:
    """Return the answer to an order."""
    try:
        return {"done": tasks[order["task"]](given, made, field=order["field"], **order["wanted"])}
    except InvalidInput as refusal:
        return _describe_refusal(refusal)
    except MemoryError:
        return {"refused": "media_unsafe", "values": LIMITS}
    except Exception as odd:  # noqa: BLE001 - unforeseen, but caused by the file
        return {"refused": "media_unsafe", "values": LIMITS, "odd": type(odd).__name__}


def _describe_refusal(refusal: InvalidInput) -> dict[str, Any]:
    said = refusal.message
    return {
        "refused": said.key,
        "values": {name: value for name, value in said.values.items() if name != "field"},
    }


def _tasks() -> dict[str, Task]:
    """Return the tasks by name. Imported here, because only the fork server opens anything."""
    from wan.media import clips, images, reference_preview, sounds

    return {
        "picture": images.prepare_image,
        "preview": images.preview,
        "clip": clips.prepare_video,
        "tag": clips.read_tag,
        "sort": reference_preview.detect_kind,
        "look": reference_preview.preview,
        "sound": sounds.prepare_sound,
    }


if __name__ == "__main__":
    serve(_tasks())
