"""The panel behind *Connection*, in a real browser: the key is kept nowhere, money is spoken of
truly, and nothing that people write is run.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.serving import SAMPLES, App, Visits, reach, say, served
from tests.simulators import serving

KEY, CODE = "sk-visitor-1a2b3c4d5e6f", "sesame-0815"
EVIL = '"><img src=x onerror="document.body.dataset.owned=1">\'.png'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with an operator's key behind an access code; the service is a simulator."""
    folder = tmp_path_factory.mktemp("connection")
    with serving(folder / "service", "--pending", "0.5", "--running", "1") as simulator:
        settings = {
            "WAN_BACKEND": "auto",
            "DASHSCOPE_API_KEY": "sk-operator-1234",
            "DASHSCOPE_BASE_URL": simulator.base_url,
            "WAN_POLL_SECONDS": "1",
        }
        with served(
            folder / "app", **settings, DASHSCOPE_REGION="cn-beijing", WAN_ACCESS_CODE=CODE
        ) as app:
            yield app


@pytest.fixture
def visitor(visit: Visits, shop: App) -> Page:
    """The page for somebody new."""
    return visit(shop.url)


def brief(page: Page, prompt: str) -> None:
    page.locator(".wan-sample").first.click()
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", prompt)
    page.locator("#wan-image-generate").click()


def test_the_access_code_is_asked_for_where_it_is_needed(visitor: Page):
    brief(visitor, "the operator pays")
    card = visitor.locator("#wan-image-view .wan-card.bad")
    expect(card).to_contain_text("needs the access code")
    card.locator("[data-connect]").click()
    visitor.locator("#wan-connection-code input").fill("wrong")
    visitor.get_by_role("button", name="Use", exact=True).click()
    wrong = visitor.locator("#wan-connection-code .wan-error")
    expect(wrong).to_contain_text("isn't the access code")
    expect(visitor.locator("#wan-connection-code input")).to_be_focused()
    visitor.locator("#wan-connection-code input").fill(CODE)
    expect(wrong).to_have_count(0)
    visitor.keyboard.press("Enter")
    expect(visitor.locator("#wan-connection-found")).to_contain_text("The key works: cn-beijing")
    visitor.locator("#wan-connection-key input").fill("no key")
    visitor.keyboard.press("Enter")
    expect(visitor.locator("#wan-connection-key .wan-error")).to_contain_text("isn't an API key")
    # What Generate would send is what the page speaks of.
    expect(visitor.locator("body")).to_have_class(re.compile("wan-own"))
    visitor.get_by_role("button", name="Forget").click()
    expect(visitor.locator("body")).not_to_have_class(re.compile("wan-own"))
    expect(visitor.locator("#wan-connection .wan-error")).to_have_count(0)
    visitor.locator("#wan-connection-code input").fill(CODE)
    visitor.locator("#wan-connection summary").click()
    sites = visitor.locator("#wan-connection a").evaluate_all("all => all.map(one => one.host)")
    assert len(sites) == 6
    assert {site.split(".", 1)[1] for site in sites} >= {"alibabacloud.com", "aliyun.com"}
    visitor.locator("#wan-connection").get_by_role("button", name="Close").click()
    expect(visitor.locator("#wan-connection")).to_be_hidden()
    expect(visitor.locator("#wan-header .wan-key")).to_be_focused()
    assert visitor.locator("#wan-image-prompt textarea").input_value() == "the operator pays"
    visitor.locator("#wan-image-generate").click()
    reach(visitor, "image", "SUCCEEDED")


def test_a_key_of_ones_own_is_kept_nowhere_in_the_browser_and_can_be_forgotten(
    visitor: Page, shop: App
):
    visitor.locator("#wan-header [data-connect]").click()
    visitor.locator("#wan-connection-key input").fill(KEY)
    expect(visitor.locator(".wan-badge")).to_have_text("Your API key", use_inner_text=True)
    expect(visitor.locator("#wan-image-price")).to_contain_text("¥1.50")
    visitor.get_by_label("Region").click()
    visitor.get_by_role("option", name="Singapore").click()
    expect(visitor.locator("#wan-image-price")).to_contain_text(
        "¥1.50"
    )  # the operator's address is a region's whose prices they have named
    visitor.get_by_role("button", name="Use", exact=True).click()
    expect(visitor.locator("#wan-connection-found")).to_contain_text("The key works")
    visitor.keyboard.press("Escape")
    brief(visitor, "my own money")
    reach(visitor, "image", "SUCCEEDED")
    kept = visitor.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
    )
    assert "wan-owner" in kept
    assert KEY not in kept
    assert KEY not in visitor.content()
    visitor.locator("#wan-header [data-connect]").click()
    visitor.get_by_role("button", name="Forget").click()
    expect(visitor.locator("#wan-connection-found")).to_contain_text("removed")
    expect(visitor.locator("#wan-connection-key input")).to_have_value("")
    assert KEY not in (shop.folder / "app.log").read_text()


def test_names_of_files_and_words_of_people_are_not_run(visitor: Page):
    picture = {
        "name": EVIL,
        "mimeType": "image/png",
        "buffer": (SAMPLES / "coffee.png").read_bytes(),
    }
    visitor.get_by_role("tab").nth(1).click()
    visitor.locator("#wan-reference-reference_video input[type=file]").set_input_files(picture)
    visitor.locator(".wan-tile").first.wait_for()
    visitor.locator("#wan-reference-urls textarea").fill(
        'https://example.com/"onload="document.body.dataset.owned=1".mp4\njavascript:alert(1)'
    )
    say(
        visitor,
        "reference",
        "<script>document.body.dataset.owned=1</script><svg "
        "onload='document.body.dataset.owned=1'>",
    )
    visitor.locator("#wan-reference-generate").click()
    expect(visitor.locator("#wan-reference-view .wan-card.bad")).to_be_visible()
    visitor.wait_for_timeout(500)
    assert visitor.evaluate("document.body.dataset.owned") is None


def test_links_that_are_withdrawn_lead_nowhere(visitor: Page):
    visitor.locator("#wan-header [data-connect]").click()
    visitor.locator("#wan-connection-key input").fill(KEY + "x")
    visitor.keyboard.press("Escape")
    brief(visitor, "a link is given away")
    reach(visitor, "image", "SUCCEEDED")
    source = visitor.locator("#wan-image-view video").get_attribute("src")
    assert visitor.request.get(f"{visitor.url}{source}").status == 200
    visitor.locator("#wan-image-view [data-copy=link]").click()
    visitor.locator("#wan-image-view .wr-ask summary").click()
    visitor.locator("#wan-image-view [data-press=withdraw]").click()
    expect(visitor.locator("#wan-image-view video")).not_to_have_attribute("src", source)
    assert visitor.request.get(f"{visitor.url}{source}").status == 404
    assert (
        visitor.request.get(
            f"{visitor.url}{visitor.locator('#wan-image-view video').get_attribute('src')}"
        ).status
        == 200
    )
