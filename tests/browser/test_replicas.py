"""Two replicas on one PostgreSQL and one bucket, behind HAProxy as assets/deploy/ has it: the one
that serves a visitor is killed while their job runs.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect

from tests import plain_http
from tests.browser import test_walk as walk
from tests.browser.fleet import NAMES, Fleet, fleet, serving_replica
from tests.browser.serving import SAMPLES, Visits, generate, opened, reach, say
from tests.patience import PATIENCE, wait_until
from tests.pictures import picture
from tests.postgres import Postgres

LARGE = 80_000_000  # bytes, of the 100 MB that one file may have


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("replicas"), postgres.database()) as made:
        yield made


@pytest.fixture(autouse=True)
def both(installation: Fleet) -> None:
    """Both run, also where one was killed before."""
    for name in NAMES:
        if name not in installation.running:
            installation.start(name)


def begin(page: Page) -> None:
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture((400, 300))}
    )
    page.locator("#wan-image-view .preview img").wait_for()
    say(page, "image", "killed while RUNNING")
    generate(page, "image")
    reach(page, "image", "RUNNING")


def test_programs_with_and_without_cookies_stay_with_their_replica(installation: Fleet):
    program = Client(installation.url, verbose=False, analytics_enabled=False)
    answer = program.predict(
        "a sea", handle_file(str(SAMPLES / "coffee.png")), 2, api_name="/image_to_video"
    )
    assert answer["state"] == "SUCCEEDED", answer
    assert answer["video_url"].startswith(f"{installation.url}/media/")
    video = plain_http.get(answer["video_url"], headers={"Range": "bytes=0-9"})
    assert (video.status_code, len(video.content)) == (206, 10)
    assert any(key.endswith("/video.mp4") for key in installation.bucket.list_keys())

    asking = f"{installation.url}/gradio_api/call/job"
    for _ in range(4):  # as curl does it: a call, and what becomes of it
        event = plain_http.post(asking, json={"data": [answer["job_id"]]}).json()["event_id"]
        told = plain_http.get(f"{asking}/{event}", timeout=PATIENCE).text
        assert '"state": "SUCCEEDED"' in told


def test_an_address_opens_no_more_sessions_at_two_replicas_than_at_one(installation: Fleet):
    urls = [replica.url for replica in installation.running.values()]
    since, mine = time.monotonic(), {"X-Forwarded-For": "192.0.2.9"}
    for number in range(100):
        stream = f"{urls[number % 2]}/gradio_api/queue/data?session_hash=flood{number}"
        with plain_http.stream("GET", stream, headers=mine) as answer:
            if answer.status_code == 429:
                break
    assert 60 <= number <= 61 + time.monotonic() - since
    assert answer.headers["retry-after"] == "1"


def test_a_large_upload_passes_the_balancer(installation: Fleet):
    files = {"files": ("clip.mp4", bytes(LARGE))}
    answer = plain_http.post(f"{installation.url}/gradio_api/upload", files=files, timeout=60)
    assert answer.status_code == 200, answer.text
    (path,) = answer.json()
    assert path


def test_visitors_are_served_while_the_bucket_is_away(installation: Fleet):
    balancer = installation.bucket.folder.parent / "haproxy" / "said"
    gone = "replicas has no server available"
    before = balancer.read_text().count(gone)  # none was, at first
    installation.bucket.stop()
    try:
        wait_until(lambda: balancer.read_text().count(gone) > before)
        page = plain_http.get(installation.url, headers={"Accept": "text/html"})
        assert page.status_code == 200, page.text
        ready = plain_http.get(f"{installation.url}/readyz")
        assert (ready.status_code, ready.json()["storage"]) == (503, "unavailable")
    finally:
        installation.bucket.start()
    wait_until(lambda: plain_http.get(f"{installation.url}/readyz").status_code == 200)


def test_a_job_and_its_viewer_outlive_the_replica_that_served_them(
    installation: Fleet, visit: Visits
):
    page, before = visit(installation.url), installation.service.stats()["created"]
    with installation.service.holding("RUNNING"):
        begin(page)
        killed = serving_replica(page)
        installation.kill(killed)
    reach(page, "image", "SUCCEEDED", within=PATIENCE)
    page.wait_for_function("document.querySelector('#wan-image-view video').readyState >= 1")
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#wan-library-room [data-choose]")).to_have_count(1)
    assert {serving_replica(page), killed} == set(NAMES)
    assert installation.service.stats()["created"] == before + 1


class Killer:
    """Kills the replica that serves somebody, once the one before is there again."""

    def __init__(self, installation: Fleet, starter: ThreadPoolExecutor) -> None:
        self._installation, self._starter = installation, starter
        self._started: Future[None] | None = None

    def kill(self, page: Page) -> None:
        self.wait()
        name = serving_replica(page)
        self._installation.kill(name)
        self._started = self._starter.submit(self._installation.start, name)

    def wait(self) -> None:
        """Returns when all are there."""
        if self._started:
            self._started.result()


def open_review(page: Page, url: str) -> None:
    """Opens the page anew, and the only review."""
    opened(page, url)
    page.get_by_role("tab", name="Review").click()
    page.locator("#wan-review-view [data-event=show]").click()


def test_from_a_brief_to_a_verdict_though_the_replica_dies_after_every_step(
    installation: Fleet, visit: Visits, tmp_path: Path
):
    """What goes on at the service goes on on the page; what somebody presses in the very moment may
    be lost, so that they open the page anew.
    """
    before = installation.service.stats()["created"]
    owner, *reviewers = (visit.blank(installation.url) for _ in range(3))
    opened(owner, installation.url)
    with ThreadPoolExecutor(1) as starter:
        killer = Killer(installation, starter)
        with installation.service.holding("RUNNING"):
            walk.ask_for_takes(owner)
            expect(owner.locator("#wan-image-view .wan-take[data-state=RUNNING]")).to_have_count(4)
            killer.kill(owner)
        takes = walk.await_takes(owner, tmp_path)
        killer.kill(owner)
        opened(owner, installation.url)
        walk.compared(owner, tmp_path)
        killer.kill(owner)
        opened(owner, installation.url)
        link = walk.review_of(owner, takes, tmp_path, "#wan-image-view [data-choose=review]")
        for reviewer, name in zip(reviewers, ("Mei", "Ann"), strict=True):
            killer.kill(owner)
            walk.said(reviewer, link, name, "yes")
        open_review(owner, installation.url)
        tally = owner.locator("[data-part=tally-1] .rv-counts b")
        expect(tally).to_have_text(["2", "0", "0"], timeout=PATIENCE * 1000)
        killer.kill(owner)
        open_review(owner, installation.url)
        walk.copied(owner, reviewers[0], tmp_path, ["2", "0", "0"])
        killer.wait()
    assert installation.service.stats()["created"] == before + 4
