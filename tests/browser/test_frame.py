"""Shape, quality and the frame on the picture, as a person uses them."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.serving import App, Visits, generate, reach, say, switch
from tests.pictures import picture

PHONE = {"width": 390, "height": 844}
GIVEN = "#wan-image-reference_image"


def add(page: Page, size: tuple[int, int]) -> None:
    """Puts a picture of this size into the form, and waits for its frame and its preview."""
    file = {"name": "a.png", "mimeType": "image/png", "buffer": picture(size)}
    page.locator(f"{GIVEN} input[type=file]").set_input_files(file)
    expect(page.locator(f"{GIVEN} img")).to_be_visible()
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()


def choose(page: Page, name: str, value: str, tab: str = "image") -> None:
    page.locator(f"#wan-{tab}-{name} input[value='{value}']").check(force=True)


def crop(page: Page) -> dict[str, float]:
    """What the sliders say."""
    return {
        name: float(page.locator(f"#wan-image-{name} input[type=range]").input_value())
        for name in ("crop_x", "crop_y", "zoom")
    }


def expect_crop(page: Page, **wanted: float) -> None:
    for name, value in wanted.items():
        expect(page.locator(f"#wan-image-{name} input[type=range]")).to_have_value(f"{value:g}")


def drag(page: Page, part: Locator, right: float, below: float) -> None:
    box = part.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y + below / 2)
    page.mouse.move(x + right, y + below)
    page.mouse.up()


def test_the_frame_is_moved_by_pointer_and_keys_and_is_what_is_made(page: Page, app: App):
    frame, quality = page.locator(".wan-frame"), page.locator("#wan-image-quality label")
    expect(frame).to_be_hidden()
    expect(page.locator("#wan-image-zoom")).to_be_hidden()
    expect(quality).to_have_text(["720p · ¥1.50\n1280×720", "1080p · ¥2.50\n1920×1080"])
    add(page, (1600, 800))
    choose(page, "shape", "9:16")
    expect(quality).to_have_text(["720p · ¥1.50\n720×1280", "1080p · ¥2.50\n1080×1920"])
    expect_crop(page, crop_x=0.5, crop_y=0.25, zoom=1)
    across, down = (page.locator(f"#wan-image-{name}") for name in ("crop_x", "crop_y"))
    expect(across).not_to_have_attribute("inert", "")
    expect(down).to_have_attribute("inert", "")  # the frame is as high as the picture
    number = down.locator("input[type=number]")
    assert number.evaluate("box => box.scrollWidth <= box.clientWidth")
    shown, box = page.locator(f"{GIVEN} img").bounding_box(), frame.bounding_box()
    assert abs(box["width"] / box["height"] - 9 / 16) < 0.02
    assert abs(box["x"] + box["width"] / 2 - shown["x"] - shown["width"] / 2) < 2
    drag(page, frame, 1000, 0)
    expect_crop(page, crop_x=1, crop_y=0.25)
    frame.focus()
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect_crop(page, crop_x=0.88)
    drag(page, frame.locator("i").nth(2), -box["width"] / 4, -box["height"] / 4)
    assert 1.7 < crop(page)["zoom"] < 2.7
    page.keyboard.press("-")
    page.locator("#wan-image-zoom input[type=number]").fill("2")
    expect_crop(page, zoom=2)
    expect(page.locator("#wan-image-enlarged")).to_contain_text("enlarged 3.2×")
    choose(page, "quality", "1080P")
    expect(page.locator("#wan-image-enlarged")).to_contain_text("enlarged 4.8×")
    choose(page, "quality", "720P")
    asked = crop(page)
    say(page, "image", "What stands in the frame.")
    page.locator("#wan-image-duration input[type=number]").fill("2")
    generate(page, "image")
    reach(page, "image", "SUCCEEDED")
    expect(page.locator("#wan-image-view .wan-facts")).to_contain_text("720×1280")
    switch(page, "zh")
    assert crop(page) == asked
    expect(page.locator("#wan-image-shape input[value='9:16']")).to_be_checked()
    page.get_by_role("tab", name="作品").click()
    page.locator(".wan-item").first.click()
    page.locator("[data-event=use]").click()
    expect(page.locator("#wan-image-shape")).to_be_visible()
    expect_crop(page, **asked)
    choose(page, "shape", "original")
    expect(frame).to_be_hidden()
    expect(page.locator("#wan-image-zoom")).to_be_hidden()
    expect(page.locator("#wan-image-fit")).to_be_hidden()


def test_a_chosen_shape_is_one_stop_of_the_keyboard(page: Page):
    page.locator("#wan-image-prompt textarea").focus()
    stops = []
    for _ in range(13):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.closest('[id^=wan-]')?.id"))
        if stops[-1] == "wan-image-generate":
            break
    assert stops[-1] == "wan-image-generate", stops
    assert len(stops) <= 12
    page.locator("#wan-image-shape input:checked").focus()
    for value in ("9:16", "1:1", "4:3"):
        page.keyboard.press("ArrowRight")
        expect(page.locator(f"#wan-image-shape input[value='{value}']")).to_be_checked()
        expect(page.locator("#wan-image-shape input:checked")).to_have_count(1)
    expect(page.locator("#wan-image-quality label").first).to_contain_text("1088×832")


def test_bars_of_a_colour_and_a_phone(visit: Visits, app: App):
    page = visit(app.url, size=PHONE, phone=True)
    add(page, (600, 900))
    expect(page.locator(".wan-frame")).to_be_visible()
    expect(page.locator("#wan-image-pad_color")).to_be_hidden()
    choose(page, "fit", "color")
    expect(page.locator(".wan-frame")).to_be_hidden()
    color = page.locator("#wan-image-pad_color input")
    expect(color).to_have_value("#000000")
    page.locator(".wan-swatch input").fill("#20c040")
    expect(color).to_have_value("#20c040")
    expect(page.locator("#wan-image-enlarged")).to_be_empty()
    page.wait_for_function(
        """() => {
            const image = document.querySelector('#wan-image-view .preview img');
            const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            const [red, green, blue] = context.getImageData(5, 5, 1, 1).data;
            return red < 60 && green > 160 && blue < 100;
        }"""
    )
    color.fill("nosuch")
    color.press("Tab")
    wrong = page.locator("#wan-image-pad_color .wan-error")
    expect(wrong).to_contain_text("nosuch", use_inner_text=True)
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    expect(page.locator("#wan-image-view .wan-card.bad")).to_have_count(0)  # nothing was sent
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
