"""What a file could do that has taken over the code which decodes it: every attempt is made, in the
real sandbox, and none comes through.
"""

import errno
import logging
import os
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import RootModel

from tests.attacks import unfiltered, unseparated
from tests.attacks.misdeeds import PROMISES, SYSTEM_CALLS
from tests.patience import PATIENCE
from tests.pictures import clip, picture
from wan.domain.errors import InvalidInput
from wan.media import inputs, seccomp
from wan.media.sandbox import Outcome, Sandbox

Anything = RootModel[dict[str, Any]]


@pytest.fixture(scope="module")
def misbehaving():
    sandbox = Sandbox("tests.attacks.misdeeds")
    yield sandbox
    sandbox.stop()


@pytest.fixture(scope="module")
def victim():
    """A process of the same user, which must live on."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        assert process.poll() is None
        process.kill()


@pytest.fixture
def prey(tmp_path):
    """A file of the same user, which must stay as it is."""
    path = tmp_path / "prey"
    path.write_bytes(b"prey")
    yield path
    assert path.read_bytes() == b"prey"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("prey")] == ["prey"]


def run(sandbox: Sandbox, task: str, given: Path | None = None, **wanted: str) -> Outcome:
    with tempfile.TemporaryFile() as empty, tempfile.TemporaryFile() as made:
        return sandbox.run(task, given or empty, made, Anything, field="reference_image", **wanted)


def attempt(sandbox: Sandbox, task: str, given: Path | None = None, **wanted: str) -> dict | str:
    """What comes of a task: its answer, or the sentence that refuses it."""
    try:
        return run(sandbox, task, given, **wanted).done.root
    except InvalidInput as refusal:
        return refusal.message.key


def refused(came: dict | str) -> str:
    """Whether a system call was refused, and how."""
    assert isinstance(came, dict), came
    return (
        "refused"
        if came["came"] == -1 and came["errno"] in (errno.EPERM, errno.ENOSYS)
        else str(came)
    )


# the filter --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SYSTEM_CALLS)
def test_no_system_call_but_those_of_decoding(name, misbehaving, victim, prey, record):
    came = attempt(misbehaving, "system_call", name=name, number=str(victim.pid), text=str(prey))
    record(f"in the sandbox: {name}", "refused", refused(came))


@pytest.mark.parametrize(
    "name",
    [
        "kill",
        "tgkill",
        "tkill",
        "rt_sigqueueinfo",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "prlimit64",
    ],
)
def test_nothing_reaches_the_sandbox_or_the_app(name, misbehaving, record):
    run(misbehaving, "tell")
    for whose, process in (("its sandbox", misbehaving.pid), ("the app", os.getppid())):
        came = attempt(misbehaving, "system_call", name=name, number=str(process))
        record(f"in the sandbox: {name} of {whose}", "refused", refused(came))


@pytest.mark.parametrize(
    "path",
    [
        "/proc/{app}/mem",
        "/proc/{app}/environ",
        "/proc/{app}/fd/0",
        "/proc/self/mem",
        "/etc/passwd",
        "/dev/mem",
    ],
)
def test_no_file_opens(path, misbehaving, record):
    came = attempt(misbehaving, "system_call", name="openat", text=path.format(app=os.getpid()))
    record(f"in the sandbox: open {path}", "refused", refused(came))


def test_a_sibling_lives_on(misbehaving, record):
    with ThreadPoolExecutor() as threads:
        sleeper = threads.submit(attempt, misbehaving, "threads", _sample())
        while not (siblings := _workers(misbehaving)) and not sleeper.done():
            time.sleep(0.001)
        for process in siblings:
            for name in ("kill", "ptrace", "process_vm_writev"):
                came = attempt(misbehaving, "system_call", name=name, number=process)
                record(f"in the sandbox: {name} of a sibling", "refused", refused(came))
        assert sleeper.result()["frames"] > 100


def _sample() -> Path:
    return Path(__file__).parents[2] / "assets" / "samples" / "bigbuckbunny.mp4"


def _workers(sandbox: Sandbox) -> list[str]:
    """The processes that decode, as this one sees them."""
    return [child for guard in _children(sandbox.pid) for child in _children(guard)]


def _children(process: int | str | None) -> list[str]:
    try:
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []


def test_no_memory_can_be_run(misbehaving, record):
    record(
        "in the sandbox: memory that can be run",
        {"got": False, "made": False},
        attempt(misbehaving, "runnable"),
    )


def test_four_threads_decode(misbehaving):
    assert attempt(misbehaving, "threads", _sample())["frames"] > 100


def decide(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter does with a call: BPF, as far as it is used."""
    own, _ = seccomp._ARCHITECTURES[machine]
    whole = (
        number.to_bytes(4, "little")
        + (own if architecture is None else architecture).to_bytes(4, "little")
        + bytes(8)
    )
    whole += b"".join(one.to_bytes(8, "little") for one in (*arguments, 0, 0, 0, 0, 0, 0)[:6])
    steps, at, held = seccomp.program(machine), 0, 0
    while True:
        code, when, otherwise, constant = steps[at]
        at += 1
        if code == 0x20:
            held = int.from_bytes(whole[constant : constant + 4], "little")
        elif code == 0x54:
            held &= constant
        elif code == 0x15:
            at += when if held == constant else otherwise
        else:
            return constant


ALLOW, KILL, DENY, MISSING = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_the_filter_denies_by_default(machine, column):
    free = {numbers[column] for numbers in seccomp._FREE.values()}
    bound = {numbers[column]: name for name, (numbers, _) in seccomp._BOUND.items()}
    threads = 0x3D0F00
    assert {
        number: decide(machine, number) for number in range(600) if decide(machine, number) == ALLOW
    }.keys() == (
        free
        | {number for number, name in bound.items() if name in ("mmap", "mprotect", "prlimit64")}
    )
    assert decide(machine, 435) == MISSING
    assert (
        decide(machine, 0, architecture=0x40000003) == KILL
    )  # calls of another kind of processor, by their old gate
    assert decide(machine, 0x40000000 + 1) == DENY
    numbers = {name: number for number, name in bound.items()}
    for name, given, verdict in (
        ("clone", [threads], ALLOW),
        ("clone", [17], DENY),
        ("clone", [threads & ~0x10000], DENY),
        ("clone", [threads | 0x10000000], DENY),
        ("clone", [threads | 0x20000000], DENY),
        ("mmap", [0, 4096, 3], ALLOW),
        ("mmap", [0, 4096, 7], DENY),
        ("mprotect", [0, 4096, 5], DENY),
        ("newfstatat", [5, 0, 0, 0x1000], ALLOW),
        ("newfstatat", [5, 0, 0, 0x100], DENY),
        ("prlimit64", [0, 7, 0, 99], ALLOW),
        ("prlimit64", [0, 7, 99, 0], DENY),
        ("prlimit64", [0, 7, 99 << 32, 0], DENY),
        ("prlimit64", [1, 7, 0, 99], DENY),
    ):
        assert decide(machine, numbers[name], *given) == verdict, (name, given)


# one wall where the other is missing --------------------------------------------------------------


def test_without_the_filter_there_is_nobody_and_nothing_to_reach(victim, prey, caplog, record):
    sandbox = Sandbox("tests.attacks.unfiltered")
    try:
        for name in (
            "kill",
            "tgkill",
            "tkill",
            "rt_sigqueueinfo",
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "pidfd_open",
            "prlimit64",
        ):
            came = attempt(sandbox, "system_call", name=name, number=str(victim.pid))
            record(
                f"without the filter: {name} of another process",
                (-1, True),
                (came["came"], came["errno"] in (errno.ESRCH, errno.EPERM)),
            )
        for name in (
            "openat",
            "unlinkat",
            "renameat2",
            "truncate",
            "symlinkat",
            "mkdirat",
            "mount",
            "chroot",
            "unshare",
            "setns",
            "socket",
            "bpf",
        ):
            came = attempt(sandbox, "system_call", name=name, text=str(prey))
            record(f"without the filter: {name}", -1, came["came"])
        assert attempt(sandbox, "dumpable") == {"dumpable": 0}
        assert attempt(sandbox, "whereabouts") == {
            "process": 1,
            "standard": [False] * 3,
            "descriptors": 3,
            "passwd": False,
        }
        assert attempt(sandbox, "threads", _sample())["frames"] > 100
    finally:
        sandbox.stop()
    assert [one.args[0] for one in caplog.records if "without" in one.msg] == [unfiltered.WITHOUT]


def test_without_namespaces_the_filter_holds(victim, prey, caplog, record):
    sandbox = Sandbox("tests.attacks.unseparated")
    try:
        for name in (
            "kill",
            "ptrace",
            "process_vm_readv",
            "openat",
            "unlinkat",
            "socket",
            "clone",
            "prlimit64",
        ):
            came = attempt(
                sandbox, "system_call", name=name, number=str(victim.pid), text=str(prey)
            )
            record(f"without namespaces: {name}", "refused", refused(came))
        assert attempt(sandbox, "threads", _sample())["frames"] > 100
    finally:
        sandbox.stop()
    assert [one.args[0] for one in caplog.records if "without" in one.msg] == [
        ", ".join(unseparated.WITHOUT)
    ]


def test_where_everything_can_be_had_the_log_says_nothing(misbehaving, caplog):
    with caplog.at_level(logging.INFO):
        run(misbehaving, "tell")
    assert not caplog.records


# what it has in its hands -------------------------------------------------------------------------


def test_it_holds_its_own_three_descriptors_and_no_log(misbehaving, record):
    came = attempt(misbehaving, "whereabouts")
    record(
        "in the sandbox: descriptors, of them standard",
        (3, [False] * 3),
        (came["descriptors"], came["standard"]),
    )
    record(
        "in the sandbox: who it is, and whether it sees files",
        (1, False),
        (came["process"], came["passwd"]),
    )


def test_a_file_given_by_its_path_cannot_be_written_to(misbehaving, prey, record):
    record(
        "in the sandbox: writing to the given file",
        "media_unsafe",
        attempt(misbehaving, "overwrite", prey),
    )


def test_what_the_guard_has_measured_stays(misbehaving, prey, record):
    with tempfile.TemporaryFile() as made:
        outcome = misbehaving.run("lie", prey, made, Anything, field="reference_image", digest=True)
    record(
        "in the sandbox: another SHA-256 and size",
        (inputs.digest(prey), 4),
        (outcome.sha256, outcome.bytes),
    )


@pytest.mark.parametrize("size", PROMISES)
def test_an_answer_that_is_none_is_refused_in_words(size, misbehaving, monkeypatch, record):
    monkeypatch.setattr(inputs, "SANDBOX", misbehaving)
    with pytest.raises(InvalidInput) as refusal:
        inputs.prepare_image("reference_image", picture((300, 300)), size=size, fit="crop")
    record(f"in the sandbox: an answer of {size}", "media_unsafe", refusal.value.message.key)


def test_a_clip_of_a_kind_that_there_is_not(misbehaving, monkeypatch, tmp_path, record):
    monkeypatch.setattr(inputs, "SANDBOX", misbehaving)
    with pytest.raises(InvalidInput) as refusal:
        inputs.video_seconds(clip(tmp_path / "clip.mp4"))
    record(
        "in the sandbox: a name of a file for its kind", "media_unsafe", refusal.value.message.key
    )


def timed(sandbox: Sandbox, task: str) -> tuple[float, str]:
    """How long a task took, in seconds, and what became of it."""
    since = time.monotonic()
    refusal = attempt(sandbox, task)
    return time.monotonic() - since, refusal


def test_the_clock_ends_it_whatever_it_does(misbehaving, record):
    run(misbehaving, "tell")  # the sandbox has started
    with ThreadPoolExecutor() as threads:
        measure, *tasks = [
            (task, threads.submit(timed, misbehaving, task))
            for task in ("sleep", "outlive", "trickle")
        ]
        usual, _ = measure[1].result()
        for task, came in tasks:
            seconds, refusal = came.result()
            record(f"in the sandbox: {task}", "media_unsafe", refusal)
            assert seconds < 2 * usual  # the clock alone ends both
    assert not _workers(misbehaving)


def test_a_guard_that_dies_takes_its_child_along(misbehaving):
    with ThreadPoolExecutor() as threads:
        sleeper = threads.submit(attempt, misbehaving, "sleep")
        while not (workers := _workers(misbehaving)):
            assert not sleeper.done()
            time.sleep(0.01)
        guards = _children(misbehaving.pid)
        for guard in guards:
            os.kill(int(guard), signal.SIGKILL)
        assert sleeper.result() == "media_unsafe"
    until = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{one}").exists() for one in workers):
        assert time.monotonic() < until, "it outlives its guard"
        time.sleep(0.01)


def test_another_user_is_confined_alike(tmp_path, victim, prey, caplog, record):
    """Not root, as in most containers. What that user may not open is not there."""
    sandbox = Sandbox("tests.attacks.unprivileged")
    prey.chmod(0o600)
    try:
        for name in ("clone", "openat", "kill", "ptrace", "unlinkat"):
            came = attempt(
                sandbox, "system_call", name=name, number=str(victim.pid), text=str(prey)
            )
            record(f"as another user: {name}", "refused", refused(came))
        came = attempt(sandbox, "whereabouts")
        record(
            "as another user: who it is, and whether it sees files",
            (1, False),
            (came["process"], came["passwd"]),
        )
        if os.getuid() == 0:
            for path in (prey, tmp_path / "gone"):
                record(
                    "as another user: a file that it may not open",
                    "file_missing",
                    attempt(sandbox, "tell", path),
                )
    finally:
        sandbox.stop()
    assert not [one for one in caplog.records if "without" in one.msg]
