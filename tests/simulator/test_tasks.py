"""The clock, the five places and the memory of tasks, with a clock that the test moves."""

import threading
from pathlib import Path

import pytest

from wan.simulator import tasks
from wan.simulator.errors import Refusal
from wan.simulator.orders import Order, Reference, frame_size
from wan.simulator.tasks import Pace, State, Task, TaskBook


def order(model: str = "wan2.6-i2v-flash", prompt: str = "a cat") -> Order:
    return Order(
        model=model,
        prompt=prompt,
        negative_prompt="",
        references=(Reference(url="https://media.example.com/a.png"),),
        size="",
        tier="720P",
        seconds=2,
        audio=False,
        watermark=False,
        multi_shot=False,
        seed=1,
    )


class World:
    """A task book, its clock, and renders that the test can hold up."""

    def __init__(self, folder: Path):
        self.folder, self.now, self.rendered = folder, 1000.0, []
        self.go = threading.Event()
        self.go.set()
        self.book = self.opened()

    def opened(self) -> TaskBook:
        return TaskBook(
            self.folder, lambda: self.now, Pace(pending=2, running=6, expire=100), self.make
        )

    def make(self, order: Order, target: Path, leaving: threading.Event) -> float:
        while not self.go.wait(0.01):
            if leaving.is_set():
                raise RuntimeError("cut")
        if order.prompt == "no":
            raise Refusal("DataInspectionFailed")
        self.rendered.append(target)
        target.write_bytes(b"video")
        return 2.5

    def task(self, account: str = "me", **given) -> Task:
        self.now += 0.001
        task = Task(
            request_id="r", account=account, order=order(**given), payload={}, submitted=self.now
        )
        self.book.add(task)
        return task

    def at(self, now: float) -> None:
        self.now = now
        self.book.advance()
        for render in list(self.book._renders.values()):
            if self.go.is_set():
                render.exception(5)
        self.book.advance()


@pytest.fixture
def world(tmp_path: Path):
    world = World(tmp_path)
    yield world
    world.book.close()


def test_states_follow_the_clock(world: World):
    task = world.task()
    world.at(1001)
    assert task.state is State.PENDING
    world.at(1003)
    assert (task.state, task.started) == (State.RUNNING, 1003)
    world.at(1008)
    assert task.state is State.RUNNING
    world.at(1009)
    assert (task.state, task.ended, task.input_seconds) == (State.SUCCEEDED, 1009, 2.5)


def test_a_state_that_is_held_is_left_when_it_is_let_go(world: World):
    tasks = [world.task() for _ in range(6)]
    world.book.held = State.RUNNING
    world.at(1003)
    world.at(1050)
    assert [task.state for task in tasks] == [
        *[State.RUNNING] * 5,
        State.PENDING,
    ]  # they keep their places
    world.book.held = State.PENDING
    world.at(1051)
    assert [task.state for task in tasks] == [*[State.SUCCEEDED] * 5, State.PENDING]
    world.book.held = None
    world.at(1052)
    assert tasks[5].state is State.RUNNING


def test_a_video_that_takes_longer_is_waited_for(world: World):
    world.go.clear()
    task = world.task()
    world.at(1003)
    world.at(1050)
    assert task.state is State.RUNNING
    world.go.set()
    world.at(1051)
    assert task.state is State.SUCCEEDED


def test_failures_end_like_successes(world: World):
    task = world.task(prompt="no")
    world.at(1003)
    world.at(1009)
    assert (task.state, task.code) == (State.FAILED, "DataInspectionFailed")


def test_five_run_at_once_the_rest_wait_in_order(world: World):
    tasks = [world.task() for _ in range(7)]
    others = [world.task(account="you"), world.task(model="wan2.6-r2v")]
    world.at(1003)
    running = [task.state is State.RUNNING for task in [*tasks, *others]]
    assert running == [True] * 5 + [False] * 2 + [True] * 2
    world.book.cancel(tasks[5].id, "me")
    world.at(1009.5)
    assert [task.state for task in tasks[4:]] == [State.SUCCEEDED, State.CANCELED, State.RUNNING]


def test_a_cancelled_task_renders_nothing(world: World):
    task = world.task()
    world.book.cancel(task.id, "me")
    world.at(1020)
    assert (task.state, world.rendered) == (State.CANCELED, [])
    running = world.task()
    world.at(1023)
    with pytest.raises(Refusal, match="PENDING status"):
        world.book.cancel(running.id, "me")


def test_old_tasks_are_unknown_and_swept(world: World):
    task = world.task()
    world.at(1003)
    world.at(1009)
    world.at(1101)
    assert world.book.find(task.id, "me") is None
    assert world.book.of("me") == []
    world.book.sweep()
    assert world.book.video_path(
        task.id, task.video
    ).exists()  # its link lives for as long after the end
    world.at(1110)
    world.book.sweep()
    assert not list(world.folder.rglob("*.mp4"))
    assert not list((world.folder / "tasks").iterdir())


def test_a_restart_forgets_nothing(world: World):
    ended, cut, waiting = world.task(), world.task(), world.task()
    world.book.cancel(ended.id, "me")
    world.go.clear()
    world.at(1002.0025)
    world.book.close()
    world.book = world.opened()
    world.go.set()
    again = {task.id: task for task in world.book.of("me")}
    assert [again[task.id].state for task in (ended, cut, waiting)] == [
        State.CANCELED,
        State.RUNNING,
        State.PENDING,
    ]
    world.at(1005)
    world.at(1011)
    assert [again[task.id].state for task in (cut, waiting)] == [State.SUCCEEDED, State.SUCCEEDED]


def test_so_many_wait_and_no_more(world: World, monkeypatch):
    assert tasks.WAITING_AT_ONCE == 500
    monkeypatch.setattr(tasks, "WAITING_AT_ONCE", 2)
    waiting = [world.task(), world.task()]
    with pytest.raises(Refusal) as refused:
        world.task()
    assert (refused.value.status, refused.value.code) == (429, "Throttling")
    world.task(account="another")
    world.task(model="wan2.6-r2v")
    world.book.cancel(waiting[0].id, "me")
    world.task()
    world.at(world.now + 3)
    assert [task.state for task in world.book.of("me") if task.queue == waiting[1].queue].count(
        State.RUNNING
    ) == 2
    world.task()


@pytest.mark.parametrize(
    ("tier", "image", "frame"),
    [
        ("720P", (1024, 768), (1108, 830)),  # as measured in June 2026
        ("720P", (750, 1000), (830, 1108)),
        ("720P", (1280, 720), (1280, 720)),
        ("720P", (720, 1280), (720, 1280)),
        ("720P", (960, 960), (960, 960)),
        ("720P", (1088, 832), (1096, 838)),
        ("720P", (832, 1088), (838, 1096)),
        ("720P", (8000, 240), (5542, 166)),
        ("1080P", (1920, 1080), (1920, 1080)),
        ("1080P", (1080, 1920), (1080, 1920)),
        ("1080P", (1440, 1440), (1440, 1440)),
        ("1080P", (1632, 1248), (1646, 1258)),
        ("1080P", (1248, 1632), (1258, 1646)),
    ],
)
def test_the_frame_follows_the_image(tier, image, frame):
    assert frame_size(order().model_copy(update={"tier": tier}), *image) == frame
