"""What helps with a prompt: the visitor's past ones, ideas to add, the names of references, and how
long it is as the service counts it.
"""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.findings import findings, too_wide
from tests.browser.serving import SAMPLES, App, Visits, generate, opened, say
from wan.domain.requests import ImageToVideoRequest

PHONE = {"width": 360, "height": 780}
FIRST, SECOND = "A cat walks in.\nIt sits down.", 'Ünder <b>the</b> "moon" & 月'
BOX, LIST = "#wan-{}-prompt textarea", "#wan-{}-past [role=listbox]"
OPTIONS = "#wan-{}-past [role=option]"
HELD = "words => sessionStorage.getItem('wan-forms')?.includes(JSON.stringify(words))"


def asked(page: Page, *prompts: str) -> None:
    """Asks for a video with each of these prompts."""
    page.locator(".wan-sample:visible").first.click()
    page.locator("#wan-image-view .preview img").wait_for()
    for prompt in prompts:
        before = page.locator("#wan-image-view .wan-view").get_attribute("data-of")
        say(page, "image", prompt)
        generate(page, "image")
        page.wait_for_function(
            "before => { const { of } = document.querySelector('#wan-image-view .wan-view')"
            ".dataset; return of && of !== before; }",
            arg=before,
        )
        page.locator("#wan-image-generate:enabled").wait_for()


def idea(page: Page, words: str):
    """The button of an idea."""
    return page.locator(f"[data-idea={words!r}]:visible")


def test_past_prompts_are_one_key_away_and_nobody_elses(page: Page, visit: Visits, app: App):
    asked(page, FIRST, SECOND)
    box, options = page.locator(BOX.format("image")), page.locator(OPTIONS.format("image"))
    past = page.locator("[data-past]:visible")
    box.press("ArrowUp")  # in what is written it moves the caret
    assert past.get_attribute("aria-busy") != "true"
    page.locator("[data-ideas]:visible").click()
    say(page, "image", "")
    box.press("ArrowUp")
    expect(page.locator(LIST.format("image"))).to_be_focused()
    assert [one.text_content() for one in options.all()] == [SECOND, FIRST]
    expect(page.get_by_role("listbox", name="Past prompts")).to_be_visible()
    ring = page.locator(LIST.format("image")).evaluate(
        "list => getComputedStyle(list).outlineStyle"
    )
    assert ring == "none", "what is chosen in it has one"
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("option", selected=True).text_content() == FIRST
    assert not findings(page, "light", "dark")
    page.keyboard.press("Enter")
    expect(box).to_have_value(FIRST)
    expect(box).to_be_focused()
    page.wait_for_function(HELD, arg=FIRST)

    past.click()
    expect(past).to_have_attribute("aria-expanded", "true")
    expect(page.locator(LIST.format("image"))).to_be_focused()
    page.keyboard.press("Escape")
    expect(past).to_be_focused()
    expect(past).to_have_attribute("aria-expanded", "false")
    expect(box).to_have_value(FIRST)
    past.click()
    expect(page.locator(LIST.format("image"))).to_be_focused()
    past.click()
    expect(page.locator("#wan-image-past")).to_be_hidden()
    past.click()
    options.first.click()
    expect(box).to_have_value(SECOND)
    page.keyboard.press("Control+z")
    expect(box).to_have_value(FIRST)
    page.get_by_role("tab").nth(1).click()
    page.locator("[data-past]:visible").click()
    expect(page.locator(OPTIONS.format("reference"))).to_have_text(
        [SECOND, FIRST.replace("\n", " ")]
    )

    other = visit(app.url, locale="zh-CN")
    other.locator(BOX.format("image")).press("ArrowUp")
    expect(other.locator("#wan-image-past")).to_contain_text("还没有提示词")
    expect(other.locator(OPTIONS.format("image"))).to_have_count(0)
    other.keyboard.press("Escape")
    expect(other.locator("#wan-image-past")).to_be_hidden()
    expect(other.locator(BOX.format("image"))).to_be_focused()


@pytest.mark.parametrize(
    ("locale", "idea_of", "between"),
    [
        ("en-US", ("slow push-in", "golden hour"), ", "),
        ("zh-CN", ("镜头缓缓推近", "日落金光"), "，"),
    ],
)
def test_ideas_are_added_and_taken_out_again(
    visit: Visits, app: App, locale: str, idea_of: tuple[str, str], between: str
):
    page = visit(app.url, locale=locale)
    box, (camera, light) = page.locator(BOX.format("image")), idea_of
    expect(page.locator("[data-idea]:visible")).to_have_count(0)
    page.locator("[data-ideas]:visible").press("Enter")
    expect(page.locator("[data-idea]:visible")).to_have_count(12)
    say(page, "image", "A fox ")
    idea(page, camera).press("Enter")
    idea(page, light).click()
    expect(box).to_have_value(f"A fox{between}{camera}{between}{light}")
    page.wait_for_function(HELD, arg=f"A fox{between}{camera}{between}{light}")
    for one in idea_of:
        expect(idea(page, one)).to_have_attribute("aria-pressed", "true")
    idea(page, camera).click()
    expect(box).to_have_value(f"A fox{between}{light}")
    expect(idea(page, camera)).to_have_attribute("aria-pressed", "false")
    page.wait_for_function(HELD, arg=f"A fox{between}{light}")

    opened(page, page.url)  # as they were left
    expect(box).to_have_value(f"A fox{between}{light}")
    expect(idea(page, light)).to_have_attribute("aria-pressed", "true")
    for before, after in (
        ("", camera),
        (f"{light}{between}a fox", f"{light}{between}a fox{between}{camera}"),
        (f"a fox{between}", f"a fox{between}{camera}"),
        ("One line.\n", f"One line.\n{camera}"),
        ("It runs.", f"It runs. {camera[0].upper()}{camera[1:]}"),
        ("它跑。", f"它跑。{camera[0].upper()}{camera[1:]}"),
    ):
        say(page, "image", before)
        idea(page, camera).click()
        expect(box).to_have_value(after)
        idea(page, camera).click()
        expect(box).to_have_value(before.rstrip(" ,，\n"))
    say(page, "image", f"By {light}er she reads, her {camera} hand")
    expect(idea(page, light)).to_have_attribute("aria-pressed", "false")
    expect(idea(page, camera)).to_have_attribute("aria-pressed", "false")


def test_the_names_of_the_references_are_offered_while_somebody_types(page: Page):
    page.get_by_role("tab").nth(1).click()
    box, names = page.locator(BOX.format("reference")), page.locator("#wan-mentions [role=option]")
    box.press_sequentially("@")
    expect(names).to_have_count(0)
    page.locator(".wan-sample:visible").first.click()
    expect(page.locator(".wan-tile")).to_have_count(2)
    box.fill("")
    box.press_sequentially("Here ch")
    expect(names.locator("b")).to_have_text(["character1", "character2"])
    expect(names.first).to_have_attribute("aria-selected", "true")
    found = findings(page)
    assert not [one for one in found if "icon-button" not in one]  # those are Gradio's
    box.press("ArrowDown")
    expect(box).to_have_attribute("aria-activedescendant", "wan-mention-1")
    box.press("Enter")
    expect(box).to_have_value("Here character2 ")
    page.wait_for_function(HELD, arg="Here character2 ")
    box.press_sequentially("和@1")
    box.press("Tab")
    expect(box).to_have_value("Here character2 和character1 ")
    expect(box).to_be_focused()
    box.press_sequentially("meets @c")
    names.last.click()
    expect(box).to_have_value("Here character2 和character1 meets character2 ")
    expect(box).to_be_focused()
    for typed in ("@", "@3", "me@c", "character1"):
        box.fill("")
        box.press_sequentially(typed)
        expect(names).to_have_count(2 if typed == "@" else 0)
        box.press("Escape")
        expect(page.locator("#wan-mentions")).to_be_hidden()
    box.fill("")
    box.press_sequentially("ch")
    box.press("Escape")
    box.press_sequentially("a")
    expect(page.locator("#wan-mentions")).to_be_hidden()
    box.press("Enter")
    expect(box).to_have_value("cha\n")

    box.fill("")
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "ch", "selectionStart": 2, "selectionEnd": 2})
    expect(box).to_have_value("ch")
    expect(page.locator("#wan-mentions")).to_be_hidden()
    keyboard.send("Input.insertText", {"text": "吃"})
    expect(box).to_have_value("吃")
    expect(page.locator("#wan-mentions")).to_be_hidden()


def test_the_count_is_the_services_and_has_the_words_for_the_motion(page: Page):
    words = "猫 👩‍🚀 e\u0301\n\u200bnext"
    sent = ImageToVideoRequest(
        reference_image=SAMPLES / "astronaut.png", prompt=words, size="1280*720"
    )
    for number, tab in enumerate(("image", "reference")):
        page.get_by_role("tab").nth(number).click()
        say(page, tab, words)
        count = page.locator(f"#wan-{tab}-prompt")
        expect(count).to_have_attribute("data-signs", f"{len(sent.sent_prompt)} / 1500")
    page.get_by_role("tab").first.click()
    page.locator(".wan-more:visible > button").click()
    page.locator("#wan-image-motion_on input").check()
    strength = page.locator("#wan-image-motion_strength input[type=number]")
    for given in (0.5, 0.95, 0.2):
        strength.fill(str(given))
        strength.blur()
        moving = sent.model_copy(update={"motion_strength": given})
        expect(page.locator("#wan-image-prompt")).to_have_attribute(
            "data-signs", f"{len(moving.sent_prompt)} / 1500"
        )
    say(page, "image", "x" * (1500 - len(moving.motion_words)))
    expect(page.locator("#wan-image-prompt.wan-over")).to_have_attribute(
        "data-signs", "1501 / 1500"
    )
    page.locator("#wan-image-motion_on input").uncheck()
    expect(page.locator("#wan-image-prompt.wan-over")).to_have_count(0)


def test_a_phone_has_room_for_all_of_it(visit: Visits, app: App):
    page = visit(app.url, size=PHONE, phone=True)
    go = page.locator("#wan-image-generate")
    place = go.bounding_box()
    page.locator("[data-ideas]:visible").tap()
    for row in page.locator(".wan-idea-row:visible").all():
        assert row.bounding_box()["height"] < 44
        assert row.evaluate("row => row.scrollWidth > row.clientWidth")
    page.locator("[data-idea]:visible").first.tap()
    expect(page.locator(BOX.format("image"))).to_have_value("slow push-in")
    expect(page.locator(BOX.format("image"))).not_to_be_focused()  # no keyboard comes up
    assert go.bounding_box() == place
    asked(page, "She smiles.")
    page.locator("[data-past]:visible").tap()
    options = page.locator(OPTIONS.format("image"))
    expect(options).to_have_text(["She smiles."])
    assert not too_wide(page)
    shown = page.locator("#wan-image-past").bounding_box()
    assert shown["y"] >= 0
    assert shown["y"] + shown["height"] <= PHONE["height"]
    options.first.tap()
    expect(page.locator(BOX.format("image"))).to_have_value("She smiles.")
