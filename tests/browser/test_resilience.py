"""Whatever happens to the page, the network or the server: the job goes on, the page finds it
again, and it is one job.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests import plain_http
from tests.browser.serving import (
    ARRIVED,
    App,
    Visits,
    case,
    generate,
    opened,
    reach,
    say,
    served,
)
from tests.patience import PATIENCE
from tests.pictures import picture

LATER = ("PENDING", "RUNNING", "FETCHING", "SUCCEEDED")
# state -> the fault that keeps a job there
FAULTS = {
    "QUEUED": ("policy", "status-503"),
    "UPLOADING": ("upload", "delay-4"),
    "SUBMITTING": ("create", "delay-4"),
    "UNCERTAIN": ("create", "drop-after-accept"),
    "PENDING": ("query", "status-503"),
    "FETCHING": ("result", "status-503"),
}
# state -> the one that its task does not leave at the simulator, which keeps the job there, or from
# its end at least
TASKS = {
    "UPLOADING": "PENDING",
    "SUBMITTING": "PENDING",
    "UNCERTAIN": "PENDING",
    "RUNNING": "RUNNING",
}


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor's browser of its own: connections are cut here."""
    context = browser.new_context(
        reduced_motion="reduce", viewport={"width": 1280, "height": 900}, locale="en-US"
    )
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app whose jobs wait for as long as anybody looks."""
    with served(tmp_path_factory.mktemp("waiting"), pending=600) as running:
        yield running


def begin(page: Page, prompt: str) -> None:
    """Asks for a video of a picture that nobody has sent yet."""
    choose(page)
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", prompt)
    generate(page, "image")


def choose(page: Page) -> None:
    sent = picture((400, 300), color=secrets.randbelow(2**24))
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": sent}
    )


@contextmanager
def held(page: Page, app: App, state: str) -> Iterator[None]:
    """Asks for a video; its job is in this state on the page, and stays in it inside the block."""
    with ExitStack() as held_up:
        if state in FAULTS:
            held_up.enter_context(app.fault(*FAULTS[state]))
        if state in TASKS:
            held_up.enter_context(app.holding(TASKS[state]))
        begin(page, f"held while {state}")
        reach(page, "image", state)
        yield


def newest(app: App) -> str:
    """The state of the job that was asked for last."""
    return app.rows("SELECT state FROM jobs ORDER BY created_at DESC LIMIT 1")[0][0]


def wait_for(true: Callable[[], bool]) -> None:
    """Waits for what the page does not show."""
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def shown(page: Page) -> str:
    return page.locator("#wan-image-view .wan-view").get_attribute("data-state")


def test_a_reload_in_every_state_shows_the_job_again(visit: Visits, app: App):
    page = visit(app.url)
    for state in FAULTS | TASKS:
        with case(state):
            before = app.created()
            with held(page, app, state):
                page.reload()
                # Behind a fault the job goes to and fro: what matters is that it is on the stage.
                page.locator("#wan-image-view [data-live]").wait_for()
                expect(page).not_to_have_title("Wan Studio")
            reach(page, "image", "SUCCEEDED")
            assert app.created() - before == 1


@pytest.mark.parametrize(
    ("prompt", "state"),
    [("simulate:InternalError", "FAILED"), ("a reload at the end", "SUCCEEDED")],
)
def test_a_reload_at_the_end_shows_the_end(visit: Visits, app: App, prompt: str, state: str):
    page = visit(app.url)
    begin(page, prompt)
    reach(page, "image", state)
    page.reload()
    reach(page, "image", state)
    expect(page).to_have_title(
        {"FAILED": "✕ Failed · Wan Studio", "SUCCEEDED": "✓ Done · Wan Studio"}[state]
    )


def test_what_expired_says_so_and_asks_before_another_try(visit: Visits, app: App):
    page = visit(app.url)
    with held(page, app, "PENDING"):
        # As a job with a key looks after a day without an answer: in the demo nothing is ever
        # billed.
        app.rows(
            "UPDATE jobs SET submitted_at = submitted_at - 90000 WHERE state IN ('PENDING', "
            "'RUNNING')"
        )
        reach(page, "image", "EXPIRED")
    app.rows("UPDATE jobs SET spent = 'maybe' WHERE state = 'EXPIRED'")
    page.reload()
    reach(page, "image", "EXPIRED")
    before = app.jobs()
    page.locator("#wan-image-view [data-press=retry]").click()
    reach(page, "image", "ASKS")
    expect(page.locator("#wan-image-view .wan-say")).to_contain_text("may be charged twice")
    page.locator("#wan-image-view [data-press=watch]").click()
    reach(page, "image", "EXPIRED")
    assert app.jobs() == before
    page.locator("#wan-image-view [data-press=retry]").click()
    page.locator("#wan-image-view [data-press=sure]").click()
    reach(page, "image", "SUCCEEDED")
    assert app.jobs() == before + 1


def test_cancelling_in_every_state_in_which_it_is_free(visit: Visits, app: App, waiting: App):
    page = visit(app.url)
    for state in ("QUEUED", "UPLOADING"):
        with case(state):
            opened(page, app.url)
            with held(page, app, state):
                cancelled(page, "ancel")
            reach(page, "image", "CANCELLED")
            expect(page.locator("#wan-image-view .wan-say")).to_contain_text("You weren't charged")
    page = visit(waiting.url)
    with case("PENDING"):
        begin(page, "cancelled while PENDING")
        reach(page, "image", "PENDING")
        cancelled(page, "ancel")
        reach(page, "image", "CANCELLED")
        expect(page.locator("#wan-image-view .wan-say")).to_contain_text("You weren't charged")
    with (
        case("SUBMITTING, where it is carried out with the answer"),
        waiting.fault("create", "delay-3"),
    ):
        opened(page, waiting.url)
        begin(page, "cancelled while SUBMITTING")
        reach(page, "image", "SUBMITTING")
        cancelled(page, "Cancellation requested")
        reach(page, "image", "CANCELLED")


def cancelled(page: Page, answer: str) -> None:
    """Asks for a cancel, and waits for what is said of it."""
    page.locator("#wan-image-view [data-press=cancel]").click()
    expect(page.locator("#wan-image-view .wan-say")).to_contain_text(answer)


def test_details_that_are_read_and_the_focus_outlive_every_state(visit: Visits, app: App):
    page = visit(app.url)
    details = page.locator("#wan-image-view .wan-details")
    with app.holding("PENDING"):
        begin(page, "read meanwhile")
        reach(page, "image", "PENDING")
        details.locator("summary").click()
    reach(page, "image", "SUCCEEDED")
    expect(details.locator("dl")).to_be_visible()
    expect(details.locator("summary")).to_be_focused()


def test_what_cannot_be_cancelled_says_so_and_can_be_left(visit: Visits, app: App):
    page = visit(app.url)
    for state in ("RUNNING", "FETCHING", "UNCERTAIN"):
        with case(state):
            opened(page, app.url)
            with held(page, app, state):
                assert page.locator("#wan-image-view [data-press=cancel]").count() == 0
                expect(page.locator("#wan-image-view .wan-say")).to_contain_text("close this page")
                page.goto("about:blank")
            opened(page, app.url)
            reach(page, "image", "SUCCEEDED")


def test_a_cancel_that_comes_too_late_ends_in_the_truth(visit: Visits, app: App):
    page, pending = (
        visit(app.url),
        lambda: (
            plain_http.get(f"{app.simulator}/simulator/stats").json()["tasks"].get("PENDING", 0)
        ),
    )
    with held(page, app, "PENDING"):
        wait_for(
            lambda: not pending()
        )  # it starts at the simulator meanwhile, and nobody here can know
        cancelled(page, "Cancellation requested")
    reach(page, "image", "SUCCEEDED")


def test_a_double_click_is_one_job(visit: Visits, app: App):
    page, before = visit(app.url), app.jobs()
    choose(page)
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", "a double click")
    page.locator("#wan-image-generate").dblclick()
    reach(page, "image", "SUCCEEDED")
    assert app.jobs() - before == 1


def test_a_closed_tab_and_a_second_one(visit: Visits, app: App):
    second, before = visit.blank(app.url), app.created()
    first = second.context.new_page()
    opened(first, app.url)
    with app.holding("PENDING"):
        begin(first, "a second tab")
        reach(first, "image", "PENDING")
    second.goto(app.url)
    reach(second, "image", *LATER)
    first.close()
    third = second.context.new_page()
    third.goto(app.url)
    reach(third, "image", "SUCCEEDED")
    reach(second, "image", "SUCCEEDED")
    assert app.created() - before == 1


def test_a_click_whose_answer_is_lost_still_leads_to_its_job(visit: Visits, app: App):
    again = visit.blank(app.url)
    page = again.context.new_page()
    opened(page, app.url)
    choose(page)
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", "the tab is closed at once")
    before = app.jobs()
    generate(page, "image")
    wait_for(lambda: app.jobs() > before)
    page.close()
    again.goto(app.url)
    reach(again, "image", *LATER)
    reach(again, "image", "SUCCEEDED")


def test_a_private_link_opens_the_jobs_in_another_browser_when_it_is_meant(visit: Visits, app: App):
    page = visit(app.url)
    begin(page, "seen elsewhere")
    reach(page, "image", *LATER)
    page.locator("[data-event=private_link]").click()
    link = page.locator("#wan-share[open] input").input_value()
    assert "#jobs=" in link
    stranger = visit.blank(app.url)
    asked = []
    note = lambda request: asked.append(request.url)  # noqa: E731
    stranger.on("request", note)
    stranger.goto(link)
    stranger.locator("#wan-claim [value=stay]").click()
    stranger.locator(ARRIVED).wait_for()
    assert shown(stranger) == "IDLE"
    assert "#" not in stranger.url
    stranger.goto(f"{app.url}/healthz")
    stranger.goto(link)
    stranger.locator("#wan-claim [value=use]").click()
    reach(stranger, "image", *LATER)
    stranger.reload()
    reach(stranger, "image", "SUCCEEDED")
    stranger.remove_listener("request", note)
    token = link.partition("#jobs=")[2]
    assert asked
    assert not [url for url in asked if token in url]


def test_a_stream_that_ends_without_a_word_is_noticed(visitor: BrowserContext, app: App):
    page = visitor.new_page()
    page.clock.install()
    page.clock.resume()
    cut = []
    with app.holding("PENDING"):
        opened(page, app.url)
        begin(page, "a proxy ends the stream")
        page.locator("#wan-image-view [data-live]").wait_for()
        page.route(
            "**/queue/data*",
            lambda route: (
                cut.append(route),
                route.fulfill(status=200, content_type="text/event-stream", body=""),
            ),
        )
        opened(page, app.url)  # takes the job up again, over a stream that ends at once
        until = time.monotonic() + PATIENCE
        while not cut:
            assert time.monotonic() < until, "no stream was asked for"
            page.wait_for_timeout(20)
        page.wait_for_timeout(500)  # for a stream that it would open after that
        page.unroute("**/queue/data*")
    say(page, "image", "what is typed meanwhile")
    wait_for(lambda: newest(app) == "SUCCEEDED")
    page.wait_for_timeout(500)  # in which a stream that had gone on would have told
    assert page.locator("#wan-image-view [data-live]").count() == 1
    for _ in range(3):
        page.clock.fast_forward(21_000)
        page.wait_for_timeout(600)
    reach(page, "image", "SUCCEEDED")
    assert page.locator("#wan-image-prompt textarea").input_value() == "what is typed meanwhile"


def test_twenty_seconds_offline_lose_nothing(visitor: BrowserContext, app: App):
    """Twenty by the page's clock; for the server it is until it has nothing
    more to say of the job.
    """
    page, before = visitor.new_page(), app.created()
    page.clock.install()
    page.clock.resume()
    opened(page, app.url)
    with app.holding("PENDING"):
        begin(page, "twenty seconds offline")
        reach(page, "image", "PENDING")
        visitor.set_offline(True)
    wait_for(lambda: newest(app) == "SUCCEEDED")
    page.clock.run_for(20_000)
    visitor.set_offline(False)
    reach(page, "image", "SUCCEEDED")
    assert app.created() - before == 1


def test_a_server_that_is_killed_and_comes_back_goes_on(visitor: BrowserContext, tmp_path: Path):
    page, times = visitor.new_page(), {"pending": 0.2, "running": 0.2}
    with ExitStack() as running:
        app = running.enter_context(served(tmp_path, **times))
        opened(page, app.url)
        for number, state in enumerate(("PENDING", "RUNNING", "FETCHING"), 1):
            with case(state):
                with (
                    app.fault("result", "status-503") if state == "FETCHING" else app.holding(state)
                ):
                    begin(page, f"killed while {state}")
                    reach(page, "image", state)
                    app.kill()
                app.expire_leases()
                app = running.enter_context(served(tmp_path, port=app.port, **times))
                reach(page, "image", "SUCCEEDED")
                assert app.created() == number
                assert app.jobs() == number
                page.reload()
                reach(page, "image", "SUCCEEDED")  # it is shown again, before anything is chosen


def test_a_space_without_lasting_storage_warns(visit: Visits, tmp_path: Path):
    with served(tmp_path, SPACE_ID="somebody/wan") as app:
        page = visit(app.url)
        expect(page.locator(".wan-banner")).to_contain_text(
            "jobs and videos are lost when it restarts"
        )
