"""The links that the app gives out: what they begin with, and from where they work."""

import re
from pathlib import Path

from gradio_client import Client, handle_file
from playwright.sync_api import Page, expect

from tests import plain_http
from tests.browser.serving import SAMPLES, App, Visits, generate, reach, say, served

PUBLIC = "https://films.example/wan/"
BEYOND = "To share it more widely, give the app a public address and set WAN_PUBLIC_URL to it."
HERE = (
    "This link only works on this computer. To share it on your network, start the app with "
    f"GRADIO_SERVER_NAME=0.0.0.0. {BEYOND}"
)
NEARBY = f"This link only works on this network. {BEYOND}"
REACH = {
    "127.0.0.1": "computer",
    "127.1.2.3": "computer",
    "0.0.0.0": "computer",  # noqa: S104 - where a browser opened it
    "localhost": "computer",
    "LOCALHOST": "computer",
    "films.localhost": "computer",
    "[::1]": "computer",
    "10.0.0.1": "network",
    "172.16.0.1": "network",
    "172.31.9.9": "network",
    "192.168.1.5": "network",
    "169.254.1.1": "network",
    "100.64.0.1": "network",
    "[fd12::5]": "network",
    "[fe80::5]": "network",
    "films": "network",
    "nas.local": "network",
    "films.home.arpa": "network",
    "films.example": "",
    "10.films.example": "",
    "127.films.example": "",
    "local.example": "",
    "8.8.8.8": "",
    "11.0.0.1": "",
    "172.32.0.1": "",
    "100.128.0.1": "",
    "192.169.1.5": "",
    "[2001:db8::9]": "",
}


def private(home: str) -> re.Pattern[str]:
    """A private link to the app at this address."""
    return re.compile(rf"^{re.escape(home)}#jobs=[\w-]+$")


def test_from_where_a_link_works(page: Page):
    names = [f"http://{name}:7860/wan/" for name in REACH]
    found = page.evaluate("links => links.map(window.wan.reach)", names)
    assert dict(zip(REACH, found, strict=True)) == REACH


def test_a_link_that_works_nearby_only_says_so(page: Page, app: App):
    note = page.locator("#wan-share .wan-near:visible")
    for home, said in (("", HERE), ("http://nas.local:7860/", NEARBY), (PUBLIC, None)):
        page.locator("[data-home]").evaluate("(head, home) => (head.dataset.home = home)", home)
        page.locator("[data-event=private_link]").click()
        expect(page.locator("#wan-share input")).to_have_value(private(home or f"{app.url}/"))
        expect(note).to_have_count(1 if said else 0)
        if said:
            expect(note).to_have_text(said)
        if said == HERE:  # as where the app listens at all addresses already
            page.locator("[data-home]").evaluate("head => (head.dataset.served = '')")
            expect(note).to_contain_text(
                "open the app at this computer's network name or IP address"
            )
            page.locator("[data-home]").evaluate("head => delete head.dataset.served")
        page.keyboard.press("Escape")


def test_links_begin_with_what_the_operator_says(tmp_path: Path, visit: Visits):
    with served(tmp_path, WAN_PUBLIC_URL=PUBLIC.rstrip("/")) as app:
        page = visit(app.url)
        page.locator("[data-event=private_link]").click()
        expect(page.locator("#wan-share input")).to_have_value(private(PUBLIC))
        expect(page.locator(".wan-near:visible")).to_have_count(0)
        page.keyboard.press("Escape")
        page.locator(".wan-sample:visible").first.click()
        expect(page.locator("#wan-image-view .preview img")).to_be_visible()
        say(page, "image", "She turns to the camera.")
        generate(page, "image")
        reach(page, "image", "SUCCEEDED")
        page.get_by_role("tab", name="Library").click()
        page.locator("[data-choose]").first.check()
        page.locator("#wan-library-room [data-event=review]").click()
        page.locator("#wan-review-title input, #wan-review-title textarea").fill("Opening shot")
        page.locator("#wan-review-create").click()
        link = page.locator("input[data-review-link]")
        expect(link).to_have_value(re.compile(rf"^{re.escape(PUBLIC)}review/[\w-]{{43}}$"))
        expect(page.locator(".wan-near:visible")).to_have_count(0)
        program = Client(app.url, verbose=False)
        made = program.predict(
            "a sea", handle_file(str(SAMPLES / "coffee.png")), 2, api_name="/image_to_video"
        )
        assert re.fullmatch(rf"{re.escape(PUBLIC)}media/[\w-]+/video\.mp4", made["video_url"])
        for name, status in (("films.example", 200), ("other.example", 421)):
            answer = plain_http.get(f"{app.url}/healthz", headers={"Host": name})
            assert answer.status_code == status
