"""The app under a path of a proxy, at a port that nobody guesses: the page, the API, MCP's and
reviews' addresses lead through the proxy again.
"""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect

from tests import plain_http
from tests.browser.proxies import LOCATIONS, caddy, nginx
from tests.browser.serving import (
    SAMPLES,
    App,
    Visits,
    generate,
    go,
    opened,
    reach,
    say,
    served,
    switch,
)

WAYS = ("README", "Caddy", *LOCATIONS)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app, which is told its path."""
    settings = {"GRADIO_ROOT_PATH": "/wan", "WAN_TRUSTED_PROXIES": "127.0.0.1", "WAN_MCP": "true"}
    with served(tmp_path_factory.mktemp("behind"), pending=0.2, running=0.3, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def ways(behind: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where the app is reached, by the proxy in front and how it passes the path on."""
    folder = tmp_path_factory.mktemp("proxies")
    with (
        nginx(behind.port, folder / "nginx") as known,
        caddy(behind.port, folder / "caddy") as other,
    ):
        yield known | {"Caddy": other}


def watched(page: Page) -> list[str]:
    """What was asked for beside the path, or was not there, from now on."""
    lost = []
    page.on(
        "response",
        lambda answer: (
            lost.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
        ),
    )
    page.on(
        "request",
        lambda asked: (
            lost.append(asked.url)
            if asked.url.startswith("http") and "/wan" not in asked.url
            else None
        ),
    )
    return lost


@pytest.mark.parametrize("way", WAYS)
def test_the_page_opens_under_a_path_without_its_slash_too(
    way: str, ways: dict[str, str], visit: Visits
):
    whole = plain_http.get(f"{ways[way]}/?lang=en")
    assert f'"root":"{ways[way]}"' in whole.text.replace(": ", ":")
    page = visit.blank(ways[way])
    lost = watched(page)
    go(page, f"{ways[way]}?lang=en")
    expect(page).to_have_url(f"{ways[way]}/?lang=en")
    page.locator(".wan-sample").first.click()
    page.locator("#wan-image-view .preview img").wait_for()
    assert not lost


@pytest.mark.parametrize("way", WAYS)
def test_each_language_has_its_page_under_a_path(way: str, ways: dict[str, str], visit: Visits):
    page = visit.blank(ways[way], locale="zh-CN")
    lost = watched(page)
    opened(page, f"{ways[way]}?a=b")
    expect(page).to_have_url(f"{ways[way]}/zh?a=b")
    page.locator(".wan-sample").first.click()
    page.locator("#wan-image-view .preview img").wait_for()
    switch(page, "en")
    expect(page).to_have_url(f"{ways[way]}/?lang=en")
    switch(page, "zh")
    go(page, f"{ways[way]}/zh/?a=b")
    expect(page).to_have_url(f"{ways[way]}/zh?a=b")
    assert not lost


def test_from_a_picture_to_a_verdict_under_a_path(ways: dict[str, str], visit: Visits):
    base = ways["README"]
    page = visit.blank(base)
    lost = watched(page)
    opened(page, f"{base}/")
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        SAMPLES / "astronaut.png"
    )
    page.locator("#wan-image-view .preview img").wait_for()
    say(page, "image", "She turns to the camera.")
    generate(page, "image")
    reach(page, "image", "SUCCEEDED")
    page.wait_for_function("document.querySelector('#wan-image-view video').readyState >= 1")
    page.locator("[data-event=private_link]").click()
    expect(page.locator("#wan-share input")).to_have_value(
        re.compile(rf"^{re.escape(base)}/#jobs=[\w-]+$")
    )
    page.locator("#wan-share [value=close]").click()

    page.get_by_role("tab", name="Library").click()
    page.locator("[data-choose]").first.check()
    page.locator("#wan-library-room [data-event=review]").click()
    page.locator("#wan-review-title input, #wan-review-title textarea").fill("Opening shot")
    page.locator("#wan-review-create").click()
    link = page.locator("input[data-review-link]")
    expect(link).to_have_value(re.compile(rf"^{re.escape(base)}/review/[\w-]+$"))

    address = link.input_value()
    reviewer = visit.blank(base)
    missed = watched(reviewer)
    go(reviewer, f"{address}/")
    expect(reviewer).to_have_url(address)
    reviewer.locator(".rv-yes").first.click()
    expect(reviewer.locator(".rv-form .rv-state")).to_contain_text("Saved")
    reviewer.locator("video").first.evaluate(
        "video => { video.muted = true; return video.play(); }"
    )
    assert not lost + missed


@pytest.mark.parametrize("way", WAYS)
def test_addresses_that_programs_get_lead_through_the_proxy(way: str, ways: dict[str, str]):
    program = Client(ways[way], verbose=False, analytics_enabled=False)
    answer = program.predict(
        "a sea", handle_file(str(SAMPLES / "coffee.png")), 2, api_name="/image_to_video"
    )
    assert answer["state"] == "SUCCEEDED", answer
    assert answer["video_url"].startswith(f"{ways[way]}/media/")
    video = plain_http.get(answer["video_url"], headers={"Range": "bytes=0-9"})
    assert (video.status_code, len(video.content)) == (206, 10)


@pytest.mark.parametrize("way", ["README", "cut off"])
def test_addresses_that_agents_get_lead_through_the_proxy(way: str, ways: dict[str, str]):
    picture = (
        f"data:image/png;base64,{base64.b64encode((SAMPLES / 'coffee.png').read_bytes()).decode()}"
    )
    asked = {
        "name": "image_to_video",
        "arguments": {"prompt": "a sea", "reference_image": picture, "duration": 2},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
    accept = {"Accept": "application/json, text/event-stream"}
    answer = plain_http.post(f"{ways[way]}/gradio_api/mcp/", json=call, headers=accept, timeout=60)
    found = re.search(rf"{re.escape(ways[way])}/media/[\w-]+/video\.mp4", answer.text)
    assert found, answer.text
    assert plain_http.head(found[0]).status_code == 200


def test_signing_in_and_out_under_a_path(tmp_path: Path, visit: Visits):
    settings = {
        "GRADIO_ROOT_PATH": "/wan/",
        "WAN_TRUSTED_PROXIES": "127.0.0.1",
        "WAN_LOGINS": "ann:secret-of-ann",
    }
    with served(tmp_path / "app", **settings) as app, nginx(app.port, tmp_path / "nginx") as ways:
        page = visit.blank(ways["cut off"])
        lost = watched(page)
        go(page, ways["cut off"])
        page.locator("input").first.fill("ann")
        page.locator("input[type=password]").fill("secret-of-ann")
        page.get_by_role("button", name="Sign in").click()
        page.locator(".wan-leave").click()
        expect(page.locator("input[type=password]")).to_be_visible()
        expect(page).to_have_url(re.compile(rf"^{re.escape(ways['cut off'])}/?$"))
        assert [one for one in lost if "/wan" not in one] == []
