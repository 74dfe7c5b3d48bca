"""What helps whoever is here for the first time."""

import pytest
from playwright.sync_api import expect

from tests.browser.serving import App, Visits, reach, say


@pytest.mark.parametrize("tab", ["image", "reference"])
def test_in_the_demo_a_sample_is_made_at_one_click_and_free(visit: Visits, app: App, tab: str):
    page = visit(app.url)
    if tab == "reference":
        page.get_by_role("tab", name="Reference to video").click()
    button = page.locator(f"#wan-{tab}-view").get_by_role("button", name="sample video, free")
    button.click()
    reach(page, tab, "SUCCEEDED")
    expect(page.locator(f"#wan-{tab}-prompt textarea")).not_to_be_empty()
    expect(button).to_have_count(0)


def test_a_form_that_is_begun_is_not_offered_another_filling(visit: Visits, app: App):
    page = visit(app.url)
    button = page.locator("#wan-image-view [data-sample]")
    expect(button).to_be_visible()
    say(page, "image", "my own words")
    expect(button).to_be_hidden()


def test_with_a_key_a_sample_fills_the_form_and_sends_nothing(visit: Visits, app: App):
    """The button is the one that `tests/ui/test_cards.py` finds where there is a key."""
    page, before = visit(app.url), app.jobs()
    button = page.locator("#wan-image-view [data-sample]")
    button.evaluate("button => { button.dataset.sample = 'fill'; }")
    button.click()
    expect(page.locator("#wan-image-generate")).to_be_focused()
    expect(page.locator("#wan-image-prompt textarea")).not_to_be_empty()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    assert app.jobs() == before


def test_empty_lists_lead_to_where_something_begins(visit: Visits, app: App):
    page = visit(app.url)
    page.get_by_role("tab", name="Review").click()
    page.get_by_role("button", name="Choose takes in the Library").click()
    page.get_by_role("button", name="Make a video").click()
    expect(page.get_by_role("tab", name="Image to video")).to_have_attribute(
        "aria-selected", "true"
    )


def test_the_price_explains_itself_to_pointer_keyboard_and_screen_reader(visit: Visits, app: App):
    page = visit(app.url)
    why = page.locator("#wan-image-price").get_by_role("button", name="you pay only for videos")
    tip = why.locator(".wan-tip")

    def shown() -> bool:
        return tip.bounding_box()["height"] > 20

    assert not shown()
    why.hover()
    assert shown()
    page.mouse.move(0, 0)
    why.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert shown()
    page.keyboard.press("Escape")
    assert not shown()
