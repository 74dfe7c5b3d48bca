"""Whatever happens to the page, the network or the server: the job goes on, the page finds it again, and it is one job."""

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.serving import App, generate, opened, reach, say, served
from tests.pictures import picture

LATER = ("PENDING", "RUNNING", "FETCHING", "SUCCEEDED")
# state -> the fault that keeps a job there, and whether it is set before Generate
HOLDS = {
    "QUEUED": ("policy", "status-503", True),
    "UPLOADING": ("upload", "delay-4", True),
    "SUBMITTING": ("create", "delay-4", True),
    "UNCERTAIN": ("create", "drop-after-accept", True),
    "PENDING": ("query", "status-503", False),
    "RUNNING": ("query", "status-503", False),
    "FETCHING": ("result", "status-503", True),
}


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor's browser whose console may complain: connections are cut here."""
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(30_000)
    yield context
    context.close()


def begin(page: Page, url: str, prompt: str) -> None:
    """Asks for a video of a picture that nobody has sent yet."""
    opened(page, url)
    choose(page)
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", prompt)
    generate(page, "image")


def choose(page: Page) -> None:
    sent = picture((400, 300), color=secrets.randbelow(2**24))
    page.locator("#wan-image-reference_image input[type=file]").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": sent})


def shown(page: Page) -> str:
    return page.locator("#wan-image-view .wan-view").get_attribute("data-state")


def settings_of(app: App) -> Path:
    return app.folder / "output" / "wan.sqlite3"


def jobs(app: App) -> int:
    with closing(sqlite3.connect(settings_of(app))) as database:
        return database.execute("SELECT count(*) FROM jobs").fetchone()[0]


@pytest.mark.parametrize("state", HOLDS)
def test_a_reload_in_every_state_shows_the_job_again(visitor: BrowserContext, app: App, state: str):
    page, before = visitor.new_page(), app.created()
    verb, fault, at_once = HOLDS[state]
    with app.fault(verb, fault) if at_once else nullcontext():
        begin(page, app.url, f"a reload while {state}")
        reach(page, "image", state)
        with nullcontext() if at_once else app.fault(verb, fault):
            page.reload()
            # Behind a fault the job goes to and fro: what matters is that it is on the stage.
            page.locator("#wan-image-view [data-live]").wait_for()
            expect(page).not_to_have_title("Wan Studio")
    reach(page, "image", "SUCCEEDED")
    assert app.created() - before == 1


@pytest.mark.parametrize(("prompt", "state"), [("simulate:InternalError", "FAILED"), ("a reload at the end", "SUCCEEDED")])
def test_a_reload_at_the_end_shows_the_end(visitor: BrowserContext, app: App, prompt: str, state: str):
    page = visitor.new_page()
    begin(page, app.url, prompt)
    reach(page, "image", state)
    page.reload()
    reach(page, "image", state)
    expect(page).to_have_title({"FAILED": "✕ Failed · Wan Studio", "SUCCEEDED": "✓ Done · Wan Studio"}[state])


def test_what_expired_says_so_and_asks_before_another_try(visitor: BrowserContext, app: App):
    page = visitor.new_page()
    begin(page, app.url, "a job of yesterday")
    reach(page, "image", "PENDING")
    with app.fault("query", "status-503"):
        with closing(sqlite3.connect(settings_of(app))) as database, database:
            # As a job with a key looks after a day without an answer: in the demo nothing is ever billed.
            database.execute("UPDATE jobs SET submitted_at = submitted_at - 90000 WHERE state IN ('PENDING', 'RUNNING')")
        reach(page, "image", "EXPIRED")
    with closing(sqlite3.connect(settings_of(app))) as database, database:
        database.execute("UPDATE jobs SET spent = 'maybe' WHERE state = 'EXPIRED'")
    page.reload()
    reach(page, "image", "EXPIRED")
    before = jobs(app)
    page.locator("#wan-image-view [data-press=retry]").click()
    reach(page, "image", "ASKS")
    expect(page.locator("#wan-image-view .wan-say")).to_contain_text("may be billed twice")
    page.locator("#wan-image-view [data-press=watch]").click()
    reach(page, "image", "EXPIRED")
    assert jobs(app) == before
    page.locator("#wan-image-view [data-press=retry]").click()
    page.locator("#wan-image-view [data-press=sure]").click()
    reach(page, "image", "SUCCEEDED")
    assert jobs(app) == before + 1


@pytest.mark.parametrize("state", ["QUEUED", "UPLOADING", "PENDING"])
def test_cancelling_in_every_state_in_which_it_is_free(visitor: BrowserContext, app: App, state: str):
    page = visitor.new_page()
    verb, fault, at_once = HOLDS[state]
    with app.fault(verb, fault) if at_once else nullcontext():
        begin(page, app.url, f"cancelled while {state}")
        reach(page, "image", state)
        page.locator("#wan-image-view [data-press=cancel]").click()
        expect(page.locator("#wan-image-view .wan-say")).to_contain_text("ancel")
    reach(page, "image", "CANCELLED")
    expect(page.locator("#wan-image-view .wan-say")).to_contain_text("It cost nothing")


def test_a_cancel_while_the_request_is_on_its_way_is_carried_out_with_the_answer(visitor: BrowserContext, tmp_path: Path):
    page = visitor.new_page()
    with served(tmp_path, pending=60) as app, app.fault("create", "delay-3"):
        begin(page, app.url, "cancelled while SUBMITTING")
        reach(page, "image", "SUBMITTING")
        page.locator("#wan-image-view [data-press=cancel]").click()
        expect(page.locator("#wan-image-view .wan-say")).to_contain_text("Cancelling is noted")
        reach(page, "image", "CANCELLED")


@pytest.mark.parametrize("state", ["RUNNING", "FETCHING", "UNCERTAIN"])
def test_what_cannot_be_cancelled_says_so_and_can_be_left(visitor: BrowserContext, app: App, state: str):
    page = visitor.new_page()
    verb, fault, at_once = HOLDS[state]
    with app.fault(verb, fault) if at_once else nullcontext():
        begin(page, app.url, f"left while {state}")
        reach(page, "image", state)
        with nullcontext() if at_once else app.fault(verb, fault):
            assert page.locator("#wan-image-view [data-press=cancel]").count() == 0
            page.locator("#wan-image-view [data-press=stop]").click()
            reach(page, "image", "STOPPED")
    page.locator("#wan-image-view [data-press=watch]").click()
    reach(page, "image", "SUCCEEDED")


def test_a_cancel_that_comes_too_late_ends_in_the_truth(visitor: BrowserContext, app: App):
    page = visitor.new_page()
    begin(page, app.url, "it starts between the click and the call")
    reach(page, "image", "PENDING")
    with app.fault("query", "status-503"):
        page.wait_for_timeout(2500)  # it starts at the simulator meanwhile, and nobody here can know
        page.locator("#wan-image-view [data-press=cancel]").click()
        expect(page.locator("#wan-image-view .wan-say")).to_contain_text("Cancelling is noted")
    reach(page, "image", "SUCCEEDED")


def test_a_double_click_is_one_job(visitor: BrowserContext, app: App):
    page, before = visitor.new_page(), jobs(app)
    opened(page, app.url)
    choose(page)
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", "a double click")
    page.locator("#wan-image-generate").dblclick()
    reach(page, "image", "SUCCEEDED")
    assert jobs(app) - before == 1


def test_a_closed_tab_and_a_second_one(visitor: BrowserContext, app: App):
    first, before = visitor.new_page(), app.created()
    begin(first, app.url, "a second tab")
    reach(first, "image", "PENDING")
    second = visitor.new_page()
    second.goto(app.url)
    reach(second, "image", *LATER)
    first.close()
    third = visitor.new_page()
    third.goto(app.url)
    reach(third, "image", "SUCCEEDED")
    reach(second, "image", "SUCCEEDED")
    assert app.created() - before == 1


def test_a_click_whose_answer_is_lost_still_leads_to_its_job(visitor: BrowserContext, app: App):
    page = visitor.new_page()
    opened(page, app.url)
    choose(page)
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", "the tab is closed at once")
    before = jobs(app)
    generate(page, "image")
    while jobs(app) == before:
        page.wait_for_timeout(20)
    page.close()
    again = visitor.new_page()
    again.goto(app.url)
    reach(again, "image", *LATER)
    reach(again, "image", "SUCCEEDED")


def test_a_private_link_opens_the_jobs_in_another_browser_when_it_is_meant(browser: Browser, visitor: BrowserContext, app: App):
    page = visitor.new_page()
    begin(page, app.url, "seen elsewhere")
    reach(page, "image", *LATER)
    page.locator("[data-share]").click()
    link = page.locator("#wan-share input").input_value()
    assert "#jobs=" in link
    other = browser.new_context(reduced_motion="reduce", locale="en-US")
    stranger = other.new_page()
    asked = []
    stranger.on("request", lambda request: asked.append(request.url))
    stranger.goto(link)
    stranger.locator("#wan-claim [value=stay]").click()
    stranger.locator("#wan-image-price strong").wait_for()
    assert shown(stranger) == "IDLE"
    assert "#" not in stranger.url
    stranger.goto("about:blank")
    stranger.goto(link)
    stranger.locator("#wan-claim [value=use]").click()
    reach(stranger, "image", *LATER)
    stranger.reload()
    reach(stranger, "image", "SUCCEEDED")
    token = link.partition("#jobs=")[2]
    assert asked
    assert not [url for url in asked if token in url]
    other.close()


def test_a_stream_that_ends_without_a_word_is_noticed(visitor: BrowserContext, app: App):
    page = visitor.new_page()
    page.clock.install()
    page.clock.resume()
    cut = []
    with app.fault("policy", "status-503"):
        begin(page, app.url, "a proxy ends the stream")
        page.locator("#wan-image-view [data-live]").wait_for()
        page.route("**/queue/data*", lambda route: (cut.append(route), route.fulfill(status=200, content_type="text/event-stream", body="")))
        page.evaluate("window.wanStudio.arrived()")  # takes the job up again, over a stream that ends at once
        page.wait_for_timeout(2000)
        page.unroute("**/queue/data*")
    assert cut
    say(page, "image", "what is typed meanwhile")
    page.wait_for_timeout(5000)
    assert page.locator("#wan-image-view [data-live]").count() == 1
    for _ in range(3):
        page.clock.fast_forward(21_000)
        page.wait_for_timeout(600)
    reach(page, "image", "SUCCEEDED")
    assert page.locator("#wan-image-prompt textarea").input_value() == "what is typed meanwhile"


def test_twenty_seconds_offline_lose_nothing(visitor: BrowserContext, app: App):
    page, before = visitor.new_page(), app.created()
    begin(page, app.url, "twenty seconds offline")
    reach(page, "image", "PENDING")
    visitor.set_offline(True)
    page.wait_for_timeout(20_000)
    visitor.set_offline(False)
    reach(page, "image", "SUCCEEDED")
    assert app.created() - before == 1


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "FETCHING"])
def test_a_server_that_is_killed_and_comes_back_goes_on(browser: Browser, visitor: BrowserContext, tmp_path: Path, state: str):
    page = visitor.new_page()
    with served(tmp_path, pending=1.5, running=1.5) as app:
        begin(page, app.url, f"killed while {state}")
        with app.fault("result", "status-503") if state == "FETCHING" else nullcontext():
            reach(page, "image", state)
            app.kill()
        time.sleep(1)
        with served(tmp_path, pending=1.5, running=1.5, port=app.port):
            reach(page, "image", "SUCCEEDED")
            assert app.created() == 1
            assert jobs(app) == 1


def test_a_space_without_lasting_storage_warns(visitor: BrowserContext, tmp_path: Path):
    page = visitor.new_page()
    with served(tmp_path, SPACE_ID="somebody/wan") as app:
        opened(page, app.url)
        expect(page.locator(".wan-banner")).to_contain_text("a restart loses jobs and videos")
