"""Two replicas on one PostgreSQL and one bucket, behind HAProxy as assets/deploy/ has it: the one
that serves a visitor is killed while their job runs.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect

from tests import buckets, plain_http
from tests.browser.proxies import haproxy
from tests.browser.serving import SAMPLES, App, Visits, generate, reach, say, served
from tests.buckets import Bucket
from tests.patience import PATIENCE, wait_until
from tests.pictures import picture
from tests.postgres import Postgres
from tests.simulators import Simulator, serving

LARGE = 80_000_000  # bytes, of the 100 MB that one file may have


@dataclass(frozen=True)
class Installation:
    """Two replicas, and what they share."""

    url: str
    """Where visitors go."""
    replicas: dict[str, App]
    """By the name that the balancer has for them."""
    bucket: Bucket
    service: Simulator


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("replicas")
    with contextlib.ExitStack() as opened:
        service = opened.enter_context(
            serving(folder / "service", "--pending", "0.2", "--running", "0.4")
        )
        bucket = opened.enter_context(buckets.serving(folder / "bucket"))
        settings = {
            "WAN_DATABASE_URL": postgres.database(),
            "WAN_BACKEND": "dashscope",
            "DASHSCOPE_API_KEY": "sk-operator-0a1b2c3d4e5f",
            "DASHSCOPE_BASE_URL": service.base_url,
            "DASHSCOPE_REGION": "cn-beijing",
            "WAN_TRUSTED_PROXIES": "127.0.0.1",
            "WAN_POLL_SECONDS": "1",
            **bucket.settings,
        }
        replicas = {
            name: opened.enter_context(served(folder / name, **settings)) for name in ("one", "two")
        }
        ports = [replica.port for replica in replicas.values()]
        url = opened.enter_context(haproxy(ports, folder / "haproxy"))
        yield Installation(url, replicas, bucket, service)


def serving_replica(page: Page) -> str:
    """The replica that a visitor's browser is sent to."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    return cookies["wan_replica"]


def begin(page: Page) -> None:
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture((400, 300))}
    )
    page.locator("#wan-image-view .preview img").wait_for()
    say(page, "image", "killed while RUNNING")
    generate(page, "image")
    reach(page, "image", "RUNNING")


def test_programs_with_and_without_cookies_stay_with_their_replica(installation: Installation):
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


def test_a_large_upload_passes_the_balancer(installation: Installation):
    files = {"files": ("clip.mp4", bytes(LARGE))}
    answer = plain_http.post(f"{installation.url}/gradio_api/upload", files=files, timeout=60)
    assert answer.status_code == 200, answer.text
    (path,) = answer.json()
    assert path


def test_visitors_are_served_while_the_bucket_is_away(installation: Installation):
    balancer = installation.bucket.folder.parent / "haproxy" / "said"
    installation.bucket.stop()
    try:
        wait_until(lambda: "replicas has no server available" in balancer.read_text())
        page = plain_http.get(installation.url, headers={"Accept": "text/html"})
        assert page.status_code == 200, page.text
        ready = plain_http.get(f"{installation.url}/readyz")
        assert (ready.status_code, ready.json()["storage"]) == (503, "unavailable")
    finally:
        installation.bucket.start()
    wait_until(lambda: plain_http.get(f"{installation.url}/readyz").status_code == 200)


def test_a_job_and_its_viewer_outlive_the_replica_that_served_them(
    installation: Installation, visit: Visits
):
    page, before = visit(installation.url), installation.service.stats()["created"]
    with installation.service.holding("RUNNING"):
        begin(page)
        killed = serving_replica(page)
        installation.replicas[killed].kill()
    reach(page, "image", "SUCCEEDED", within=PATIENCE)
    page.wait_for_function("document.querySelector('#wan-image-view video').readyState >= 1")
    page.get_by_role("tab", name="Library").click()
    expect(page.locator("#wan-library-room [data-choose]")).to_have_count(1)
    assert {serving_replica(page), killed} == installation.replicas.keys()
    assert installation.service.stats()["created"] == before + 1
