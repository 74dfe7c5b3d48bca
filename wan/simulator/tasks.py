"""Tasks: one JSON file each, a state that follows from the clock, and five running at a time.

A task is PENDING for `pending` seconds and until one of the five places of its account and model is
free, in the order of submission; then RUNNING for `running` seconds or as long as its video takes,
whichever is longer; then SUCCEEDED or FAILED. Everything is on disk before it is said, so a restart
on the same folder goes on where the last process stopped; a video that was cut is made again.

Figures: Model Studio help centre, rate limits, 2026 (five running per account and model); "manage
asynchronous tasks", 2026-03-15 (24 h); the console's catalogue of models, 2026-05-28
(`async_user_queue_limit` 500; with which code the next one is refused is not documented).
"""

import logging
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from .accounts import Clock
from .errors import Refusal
from .orders import Order

_log = logging.getLogger(__name__)

RUNNING_AT_ONCE = 5  # per account and model
WAITING_AT_ONCE = 500  # per account and model
RENDERS_AT_ONCE = 2


class State(StrEnum):
    """The service's words; CANCELED has one L. UNKNOWN is never stored: it is the answer for a task
    that is not there.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"


class Task(BaseModel):
    """One task as it lies on disk. Times are seconds since the epoch."""

    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    request_id: str
    """That of the create request; lists repeat it."""
    account: str
    order: Order
    payload: dict[str, Any]
    """The request body as it arrived, inline data abridged."""
    state: State = State.PENDING
    submitted: float
    started: float | None = None
    ended: float | None = None
    code: str = ""
    message: str = ""
    video: str = Field(default_factory=lambda: uuid.uuid4().hex)
    """The unguessable part of the video's name."""
    input_seconds: float = 0
    """Seconds of reference video that are billed."""

    @property
    def queue(self) -> tuple[str, str]:
        """Whose places it takes when it runs: account and model."""
        return self.account, self.order.model

    @property
    def live(self) -> bool:
        """Whether it has still to end."""
        return self.state in (State.PENDING, State.RUNNING)


@dataclass(frozen=True)
class Pace:
    """How long things take, in seconds."""

    pending: float = 2
    running: float = 6
    expire: float = 24 * 3600
    """The age from which a task is unknown; a video's link works as long after its end."""


Make = Callable[[Order, Path, threading.Event], float]
"""Renders an order to a path, gives up when the event is set, returns the seconds of reference
video to bill. Raises Refusal for a FAILED task.
"""


class TaskBook:
    """All tasks of one folder. Not thread-safe: one event loop owns it, and only the rendering
    leaves that.
    """

    def __init__(self, folder: Path, clock: Clock, pace: Pace, make: Make) -> None:
        self._tasks_folder, self._results_folder = folder / "tasks", folder / "results"
        self._clock, self._pace, self._make = clock, pace, make
        self._leaving = threading.Event()
        self._renders: dict[str, Future[float]] = {}
        self._pool = ThreadPoolExecutor(RENDERS_AT_ONCE, thread_name_prefix="render")
        self._tasks_folder.mkdir(parents=True, exist_ok=True)
        self._tasks = {task.id: task for task in self._load_tasks()}
        self.held: State | None = None
        """Tasks that are in this state stay in it, whatever the clock says: for tests."""
        self.most_live = 0
        """The most tasks of one account and model that waited or ran at once. More than five, and
        the line is here.
        """
        self.tell_end: Callable[[Task], None] = lambda _: None
        """Called with each task that has ended."""

    def add(self, task: Task) -> None:
        """Take a new task. Raises Refusal Throttling where as many of its account and model wait
        already as may.
        """
        if (
            sum(
                each.state is State.PENDING and each.queue == task.queue
                for each in self._tasks.values()
            )
            >= WAITING_AT_ONCE
        ):
            raise Refusal("Throttling")
        self._save(task)
        self._tasks[task.id] = task
        self.most_live = max(
            self.most_live,
            sum(each.live and each.queue == task.queue for each in self._tasks.values()),
        )

    def find(self, task_id: str, account: str) -> Task | None:
        """The task, if this account may see it and it is not too old."""
        task = self._tasks.get(task_id)
        return task if task and task.account == account and not self._is_expired(task) else None

    def any_account(self, task_id: str) -> Task | None:
        """The task, whoever owns it: for tests."""
        return self._tasks.get(task_id)

    def of(self, account: str) -> list[Task]:
        """The tasks of an account, newest first."""
        mine = [
            task
            for task in self._tasks.values()
            if task.account == account and not self._is_expired(task)
        ]
        return sorted(mine, key=lambda task: task.submitted, reverse=True)

    def states(self) -> Counter[str]:
        """How many tasks there are in each state."""
        return Counter(task.state.value for task in self._tasks.values())

    def cancel(self, task_id: str, account: str) -> None:
        """End a PENDING task. Raises Refusal UnsupportedOperation for any other."""
        self.advance()
        task = self.find(task_id, account)
        if task is None or task.state is not State.PENDING:
            raise Refusal("UnsupportedOperation")
        self._end(task, State.CANCELED)

    def advance(self) -> None:
        """Move every task to where the clock says that it is."""
        live = sorted(
            (task for task in self._tasks.values() if task.live and task.state != self.held),
            key=lambda task: task.submitted,
        )
        for task in live:
            if task.state is State.RUNNING:
                self._settle(task)
        taken = Counter(task.queue for task in self._tasks.values() if task.state is State.RUNNING)
        for task in live:
            if (
                task.state is State.PENDING
                and self._clock() >= task.submitted + self._pace.pending
                and taken[task.queue] < RUNNING_AT_ONCE
            ):
                taken[task.queue] += 1
                self._start(task)

    def sweep(self) -> None:
        """Delete tasks and videos that nobody can ask for any more."""
        gone = [
            task
            for task in self._tasks.values()
            if not task.live and self._clock() > self.link_expires(task)
        ]
        for task in gone:
            shutil.rmtree(self.video_path(task.id, task.video).parent, ignore_errors=True)
            (self._tasks_folder / f"{task.id}.json").unlink(missing_ok=True)
            del self._tasks[task.id]

    def link_expires(self, task: Task) -> float:
        """Until when a task's video can be fetched, in seconds since the epoch."""
        return (task.ended or task.submitted) + self._pace.expire

    def video_path(self, task_id: str, video: str) -> Path:
        """Where the video of a task lies."""
        return self._results_folder / task_id / f"{video}.mp4"

    def close(self) -> None:
        """Stop rendering; what is cut is made again by the next process."""
        self._leaving.set()
        self._pool.shutdown(cancel_futures=True)

    def _is_expired(self, task: Task) -> bool:
        return self._clock() - task.submitted > self._pace.expire

    def _start(self, task: Task) -> None:
        task.state, task.started = State.RUNNING, self._clock()
        self._save(task)
        self._render(task)

    def _render(self, task: Task) -> None:
        target = self.video_path(task.id, task.video)
        target.parent.mkdir(parents=True, exist_ok=True)
        self._renders[task.id] = self._pool.submit(self._make, task.order, target, self._leaving)

    def _settle(self, task: Task) -> None:
        if task.id not in self._renders:  # the process that began it is gone
            self._render(task)
        render = self._renders[task.id]
        if not render.done() or self._clock() < (task.started or 0) + self._pace.running:
            return
        del self._renders[task.id]
        trouble = render.exception()
        if trouble is None:
            task.input_seconds = render.result()
            self._end(task, State.SUCCEEDED)
        else:
            refusal = _refusal_for(trouble)
            task.code, task.message = refusal.code, refusal.message
            self._end(task, State.FAILED)

    def _end(self, task: Task, state: State) -> None:
        task.state, task.ended = state, self._clock()
        self._save(task)
        self.tell_end(task)

    def _save(self, task: Task) -> None:
        path = self._tasks_folder / f"{task.id}.json"
        writing = path.with_suffix(".part")
        writing.write_text(task.model_dump_json(indent=1))
        writing.replace(path)

    def _load_tasks(self) -> list[Task]:
        tasks = [
            Task.model_validate_json(path.read_bytes())
            for path in self._tasks_folder.glob("*.json")
        ]
        return sorted(tasks, key=lambda task: task.submitted)


def _refusal_for(trouble: BaseException) -> Refusal:
    """What the account is told: the refusal itself, or an internal error for what should not have
    happened, which goes to the log.
    """
    if isinstance(trouble, Refusal):
        return trouble
    _log.error("a render broke", exc_info=trouble)
    return Refusal("InternalError.Algo")
