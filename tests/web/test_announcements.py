"""Events of the service: who may send them, and that they only make a task be polled at once. Of a
real app, at a simulator that sends them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import plain_http
from tests.attacks.visitor import Answer, ask, called, picture_url, post
from tests.browser.serving import App, served
from tests.patience import wait_until
from tests.simulators import Simulator, serving

pytestmark = pytest.mark.process

SECRET, KEY = "an-event-secret.of~24_ch", "sk-operator-0a1b2c3d4e5f"
PATH = "/events/dashscope"
BEARER = {"Authorization": f"Bearer {SECRET}"}
CHANGING = ("date",)


@dataclass(frozen=True)
class Shop:
    app: App
    simulator: Simulator

    def order(self, prompt: str) -> str:
        """Asks for a video of 2 s, and waits until its task is at the service; the task's id."""
        request = {"prompt": prompt, "reference_image": picture_url(), "duration": 2, "wait": 0}
        how, said = called(self.app.url, "image_to_video", request)
        assert how == "complete", said
        newest = "SELECT task_id FROM jobs ORDER BY created_at DESC LIMIT 1"
        wait_until(lambda: self.app.rows(newest)[0][0] is not None)
        return self.app.rows(newest)[0][0]

    def state(self, task_id: str) -> str:
        ((state,),) = self.app.rows(f"SELECT state FROM jobs WHERE task_id = '{task_id}'")  # noqa: S608
        return state

    def queries(self) -> int:
        return self.simulator.stats()["queries"]


def event(task_id: str, kind: str = "dashscope:System:AsyncTaskFinish", **data) -> dict:
    return {"type": kind, "source": "acs.dashscope", "data": {"task_id": task_id} | data}


def told(answer: Answer) -> tuple:
    """All that an answer tells whoever asked."""
    kept = {name: value for name, value in answer.headers.items() if name not in CHANGING}
    return answer.status, answer.body, kept


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Runs take 0.2 s here, and are first polled after some fifty."""
    folder = tmp_path_factory.mktemp("announced")
    times = ("--pending", "0", "--running", "0.2")
    with serving(folder / "service", *times) as simulator:
        settings = {
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": KEY,
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "DASHSCOPE_REGION": "cn-beijing",
            "WAN_EVENT_SECRET": SECRET,
            "GRADIO_ROOT_PATH": "/wan",
        }
        with served(folder / "app", **settings) as app:
            yield Shop(app, simulator)


def test_without_the_secret_it_is_a_path_that_leads_nowhere(shop: Shop):
    nowhere = told(post(shop.app.url, "/nothing-of-ours", event("x")))
    assert nowhere[0] == 404
    for sent in ("", "Bearer", f"Bearer {SECRET[:-1]}", f"Basic {SECRET}", SECRET, "Bearer é"):
        for path in (PATH, f"/wan{PATH}", f"{PATH}?secret=", f"{PATH}?secret={SECRET}x"):
            headers = {"Authorization": sent} if sent else {}
            assert told(post(shop.app.url, path, event("x"), **headers)) == nowhere, (sent, path)
    assert ask(shop.app.url, "GET", PATH, headers=BEARER).status == 404
    assert SECRET not in shop.app.log()


def test_an_end_that_is_announced_is_seen_at_once_for_two_queries(shop: Shop):
    before = shop.queries()
    task = shop.order("Announced once.")
    wait_until(lambda: shop.simulator.task(task)["state"] == "SUCCEEDED")
    assert shop.state(task) in ("PENDING", "RUNNING"), "nobody has looked"
    for number in range(3):
        target = f"/wan{PATH}?secret={SECRET}" if number else PATH
        headers = {} if number else BEARER
        answer = post(shop.app.url, target, event(task, task_status="FAILED"), **headers)
        assert (answer.status, answer.body) == (204, b"")
    wait_until(lambda: shop.state(task) == "SUCCEEDED")
    assert shop.queries() - before == 2, "one for its end, one for the address of its video"
    assert SECRET not in shop.app.log()


def test_a_lie_costs_one_query_however_often_it_is_told(shop: Shop):
    with shop.simulator.holding("RUNNING"):
        before = shop.queries()
        task = shop.order("Not over yet.")
        for _ in range(3):
            assert post(shop.app.url, PATH, event(task), **BEARER).status == 204
        wait_until(lambda: shop.queries() > before)
        assert post(shop.app.url, PATH, event(task), **BEARER).status == 204
    # What has been asked for a video since, and made, shows that the runner has had its turn.
    other = shop.order("Over by then.")
    wait_until(lambda: shop.simulator.task(other)["state"] == "SUCCEEDED")
    assert post(shop.app.url, PATH, event(other), **BEARER).status == 204
    wait_until(lambda: shop.state(other) == "SUCCEEDED")
    assert shop.queries() - before == 1 + 2
    assert shop.state(task) == "RUNNING"


def test_what_is_no_such_event_does_nothing(shop: Shop):
    with shop.simulator.holding("RUNNING"):
        task, before = shop.order("Left alone."), shop.queries()
        others = event(task, kind="dashscope:System:BatchTaskFinish")
        assert post(shop.app.url, PATH, others, **BEARER).status == 204
        for odd in ({}, {"type": 1}, event(""), event("x" * 129), event(task) | {"data": task}):
            assert post(shop.app.url, PATH, odd, **BEARER).status == 400, odd
        assert post(shop.app.url, PATH, b"no JSON", **BEARER).status == 400
        assert post(shop.app.url, PATH, event("nobody's"), **BEARER).status == 204
        assert shop.queries() == before


def test_the_simulator_sends_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with served(tmp_path / "off") as app:
        assert post(app.url, PATH, event("x"), **BEARER).status == 404, "off unless it is set"
        port = app.port
    monkeypatch.setenv("WAN_EVENT_SECRET", SECRET)
    target = f"http://127.0.0.1:{port}{PATH}"
    times = ("--pending", "0", "--running", "0.5", "--events", target)
    with serving(tmp_path / "service", *times) as simulator:
        settings = {
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": KEY,
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "WAN_EVENT_SECRET": SECRET,
        }
        with served(tmp_path / "app", port=port, **settings) as app:
            request = {"prompt": "Seen at once.", "reference_image": picture_url(), "duration": 2}
            how, said = called(app.url, "image_to_video", request | {"wait": 60})
            assert (how, said[0]["state"]) == ("complete", "SUCCEEDED"), said
            # The second by its event: a poll before the end would be one more
            assert simulator.stats()["queries"] == 2
            assert SECRET not in app.log()
        plain_http.get(f"{simulator.root}/simulator/healthz").raise_for_status()
