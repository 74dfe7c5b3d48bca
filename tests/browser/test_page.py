"""The page as a person uses it: the real app, the real simulator, a real browser."""

import re
import shutil

import pytest
from playwright.sync_api import Page, Route, expect

from tests import plain_http
from tests.browser.serving import (
    ARRIVED,
    SAMPLES,
    App,
    Visits,
    case,
    generate,
    go,
    opened,
    reach,
    say,
    served,
    switch,
)
from tests.conftest import ROOT
from tests.files import below
from tests.sounds import sound, wav

FIELD = ROOT / "tests" / "data" / "field"
EVIL = "<img src=x onerror=\"document.title='owned'\"> a quiet sea"


def plays(page: Page, tab: str) -> None:
    """The video of a tab is there, and its time goes on."""
    video = page.locator(f"#wan-{tab}-view video")
    video.evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_function(
        "tab => document.querySelector(`#wan-${tab}-view video`).currentTime > 0.3", arg=tab
    )


def test_opening_the_page_asks_the_server_once(blank: Page, app: App):
    events = plain_http.get(f"{app.url}/config").json()["dependencies"]
    names = {event["id"]: event["api_name"] for event in events}
    asked = []
    blank.on(
        "request",
        lambda request: (
            asked.append(names[request.post_data_json["fn_index"]])
            if request.url.rstrip("?").endswith(("/queue/join", "/run/predict"))
            else None
        ),
    )
    opened(blank, app.url)
    with blank.expect_response("**/queue/join*"):
        blank.locator("#wan-image-takes").get_by_label("4", exact=True).check()
    assert asked == ["greet", "quote"]
    blank.get_by_role("tab", name="Review").click()
    expect(blank.locator("#wan-review-chosen")).to_contain_text("Select takes in the Library.")


def test_a_form_that_is_changed_before_the_page_is_answered_keeps_its_own_price(
    blank: Page, app: App
):
    held: list[Route] = []
    blank.route("**/run/predict*", lambda route: route.continue_() if held else held.append(route))
    go(blank, app.url)
    price = blank.locator("#wan-image-price .wan-price")
    expect(price).to_contain_text("¥1.50")  # as it is served
    length = blank.locator("#wan-image-duration input[type=number]")
    length.fill("15")
    length.blur()
    expect(price).to_contain_text("¥4.50")
    [greeting] = held
    greeting.continue_()
    blank.locator(ARRIVED).wait_for()
    expect(price).to_contain_text("¥4.50")


def test_a_picture_becomes_a_video(page: Page, app: App):
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        SAMPLES / "astronaut.png"
    )
    expect(page.locator("#wan-image-view .preview img")).to_be_visible()
    say(page, "image", EVIL)
    page.locator(".wan-more:visible button").first.click()
    page.locator("#wan-image-fps input, #wan-image-fps textarea").first.fill("24")
    with app.holding("RUNNING"):
        generate(page, "image")
        reach(page, "image", "RUNNING")
        expect(page.locator("#wan-image-view blockquote")).to_have_text(EVIL)
        expect(page.locator("#wan-image-generate")).to_be_disabled()
    reach(page, "image", "SUCCEEDED")
    plays(page, "image")
    facts = page.locator("#wan-image-view .wan-facts")
    expect(facts).to_contain_text("1280×720 · 24 fps · 5.0 s · seed", use_inner_text=True)
    expect(page.locator("#wan-image-view .wan-adjusted")).to_contain_text("converted to 24 fps")
    expect(page.locator("#wan-image-generate")).to_be_enabled()
    assert page.title() == "✓ Done · Wan Studio"
    source = page.locator("#wan-image-view video").get_attribute("src")
    part = plain_http.get(f"{app.url}/{source}", headers={"Range": "bytes=0-99"})
    assert part.status_code == 206
    assert part.headers["cache-control"].startswith("private")
    generate(page, "image")
    expect(page.locator("#wan-image-view .wan-card")).to_contain_text(
        "You already made exactly this video"
    )
    assert page.locator("#wan-image-view video").get_attribute("src") == source


def test_references_become_a_video(page: Page):
    page.get_by_role("tab", name="Reference to video").click()
    page.locator("#wan-reference-reference_video input[type=file]").set_input_files(
        [SAMPLES / "chelsea.png", SAMPLES / "bigbuckbunny.mp4"]
    )
    tiles = page.locator(".wan-tile")
    expect(tiles.locator(".wan-chip")).to_have_text(["character1", "character2"])
    names = ["chelsea.png", "bigbuckbunny.mp4"]
    expect(tiles.locator(".wan-tile-name")).to_have_text(names)
    expect(page.locator("#wan-reference-price")).to_contain_text(
        "includes 2.5 s of reference video"
    )
    assert "chelsea" in tiles.first.get_attribute("title")
    tiles.first.click()
    expect(page.locator("#wan-reference-prompt textarea")).to_have_value("character1 ")
    say(page, "reference", "character1 meets character2.")
    generate(page, "reference")
    reach(page, "reference", "SUCCEEDED")
    plays(page, "reference")


def test_references_are_looked_into_when_they_are_dropped(page: Page, tmp_path):
    page.get_by_role("tab", name="Reference to video").click()
    (tmp_path / "film.webm").write_bytes(b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm")
    shutil.copy(FIELD / "picture.heic", tmp_path / "walk.mov")
    files = [FIELD / "jpeg_named.jfif", tmp_path / "walk.mov", tmp_path / "film.webm"]
    page.locator("#wan-reference-reference_video input[type=file]").set_input_files(files)
    cast = page.locator("#wan-reference-cast")
    expect(cast.locator("[data-insert] .wan-chip")).to_have_text(["character1", "character2"])
    expect(cast.locator(".wan-unusable")).to_contain_text("film.webm")
    expect(cast.locator(".wan-hint").nth(0)).to_contain_text(
        "walk.mov: The image was converted from HEIC to JPEG", use_inner_text=True
    )
    expect(cast.locator(".wan-bad")).to_contain_text(
        "film.webm: WebM videos aren't supported. Save yours as MP4", use_inner_text=True
    )
    assert cast.locator("img").evaluate_all("images => images.map(one => one.naturalWidth)") == [
        160,
        160,
    ]
    rows = page.locator("#wan-reference-reference_video tr")
    rows.nth(1).drag_to(rows.nth(0))
    expect(cast.locator("[data-insert]").first).to_have_attribute("title", "walk.mov")
    missing = page.locator("#wan-reference-missing [data-missing]")
    say(page, "reference", "character2 hands character3 a cup.")
    expect(missing).to_have_text("character3 has no reference; the last one is character2.")
    say(page, "reference", "character2 hands character1 a cup.")
    expect(missing).to_be_hidden()


def test_a_picture_without_a_name_that_says_so_is_shown(page: Page, tmp_path):
    shutil.copy(FIELD / "picture.heic", tmp_path / "photo")
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(tmp_path / "photo")
    shown = page.locator("#wan-image-view .preview img")
    expect(shown).to_be_visible()
    assert shown.evaluate("one => one.decode().then(() => one.naturalWidth)") == 960
    page.wait_for_function(
        "() => document.querySelector('#wan-image-reference_image img')?.naturalWidth === 320"
    )


@pytest.mark.parametrize("kind", ["WebM", "MP4"])
def test_a_video_in_the_place_of_a_picture_is_called_by_its_name(page: Page, tmp_path, kind):
    """Whatever the browser takes it for: Gradio would speak of image/* alone."""
    film = SAMPLES / "bigbuckbunny.mp4"
    if kind == "WebM":
        film = tmp_path / "film.webm"
        film.write_bytes(b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm")
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(film)
    expect(page.locator("#wan-image-view .wan-card.bad")).to_contain_text(
        f"this is a video ({kind}). Add an image instead"
    )
    expect(page.locator(".toast-body")).to_have_count(0)
    line = page.locator("#wan-image-reference_image-wrong")
    expect(line).to_contain_text(f"this is a video ({kind})")
    if kind == "WebM":  # no reference either
        expect(line.locator("button")).to_have_count(0)
        page.get_by_role("button", name="Remove Image").click()
        expect(page.locator("#wan-image-view .wan-title")).to_have_text("Ready")
        expect(line).to_have_count(0)
        return
    line.get_by_role("button", name="Use it in Reference to video").click()
    expect(page.locator("#wan-reference-cast .wan-tile-name")).to_have_text("bigbuckbunny.mp4")
    page.get_by_role("tab", name="Image to video").click()
    expect(page.locator("#wan-image-view .wan-title")).to_have_text("Ready", use_inner_text=True)
    expect(page.locator(".wan-wrong")).to_have_count(0)


def test_a_sample_fills_the_form_and_does_not_run(page: Page):
    page.locator(".wan-sample").first.click()
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    assert "astronaut" in page.locator("#wan-image-prompt textarea").input_value()
    page.wait_for_timeout(700)
    assert page.locator("#wan-image-view [data-state=IDLE]").count() == 1
    top = page.locator("#wan-image-crop_y input[type=range]")
    expect(top).to_have_value("0")  # where her hair is
    page.locator(".wan-sample").nth(1).click()
    expect(top).to_have_value("0.25")


def test_refused_input_says_why_and_keeps_the_form(page: Page):
    say(page, "image", "A quiet sea.")
    page.locator("#wan-image-url input, #wan-image-url textarea").first.fill("file:///etc/passwd")
    generate(page, "image")
    card = page.locator("#wan-image-view .wan-card.bad")
    expect(card).to_contain_text("Reference image: file:///etc/passwd isn't a public link")
    expect(card).to_contain_text("Nothing was sent or charged")
    assert page.locator("#wan-image-prompt textarea").input_value() == "A quiet sea."
    box = page.locator("#wan-image-url").locator("input, textarea").first
    at_the_field(page, "#wan-image-url", "file:///etc/passwd isn't a public link")
    box.fill("https://example.com/her.png")
    expect(page.locator(".wan-error")).to_have_count(0)
    expect(page.locator(".wan-wrong")).to_have_count(0)
    more = page.locator(".wan-more:visible > button")
    more.click()
    page.locator("#wan-image-seed").locator("input, textarea").fill("a lot")
    more.click()
    generate(page, "image")
    at_the_field(page, "#wan-image-seed", "Seed must be a whole number")


def at_the_field(page: Page, field: str, said: str) -> None:
    """A field is marked, has the focus, and says what is wrong, to a screen reader too."""
    expect(page.locator(field)).to_have_class(re.compile("wan-wrong"))
    box = page.locator(field).locator("input, textarea").first
    expect(box).to_be_focused()
    expect(box).to_have_attribute("aria-invalid", "true")
    line = page.locator(f"#{box.get_attribute('aria-describedby')}")
    expect(line).to_contain_text(said)
    expect(line).to_be_in_viewport()


def test_a_file_that_is_no_picture_is_refused_in_words(page: Page, tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(tmp_path / "a.png")
    say(page, "image", "A quiet sea.")
    generate(page, "image")
    expect(page.locator("#wan-image-view .wan-card.bad")).to_contain_text(
        "can't be opened as an image"
    )
    expect(page.locator("#wan-image-reference_image img")).to_be_hidden()  # a broken one
    assert page.locator("#wan-image-reference_image").bounding_box()["height"] > 140
    assert "Traceback" not in page.content()


def test_the_answer_about_a_video_comes_into_view(page: Page):
    page.set_viewport_size({"width": 1440, "height": 700})
    page.locator("#wan-image-video").locator("xpath=preceding-sibling::input").set_input_files(
        SAMPLES / "bigbuckbunny.mp4"
    )
    expect(page.locator("#wan-image-recalled")).to_contain_text(
        "This video has no Wan Studio settings"
    )
    page.wait_for_function("""() => {
        const box = one => document.querySelector(one).getBoundingClientRect();
        const [answer, generate] = ['#wan-image-recalled .wan-found', '.wan-go'].map(box);
        return answer.top >= 0 && answer.bottom <= generate.top;
    }""")
    page.locator("#wan-image-recalled button").click()
    expect(page.locator("#wan-reference-cast .wan-tile-name")).to_have_text("bigbuckbunny.mp4")


def test_the_clock_ticks_and_a_reload_takes_the_job_up_again(page: Page, app: App):
    page.locator(".wan-sample").first.click()
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    page.locator("#wan-image-duration input[type=number]").fill(
        "4"
    )  # a brief of its own: the same one would be joined
    with app.holding("PENDING"):
        generate(page, "image")
        reach(page, "image", "PENDING")
        before = page.locator("#wan-image-view .wan-clock b").inner_text()
        page.wait_for_function(
            "before => document.querySelector('#wan-image-view .wan-clock b')?.textContent !== "
            "before",
            arg=before,
        )
    page.reload()
    opened(page, app.url)
    reach(page, "image", "PENDING", "RUNNING", "FETCHING", "SUCCEEDED")
    reach(page, "image", "SUCCEEDED")


def test_the_price_follows_the_form(page: Page):
    price = page.locator("#wan-image-price")
    expect(price).to_contain_text("Free in demo mode")
    expect(price).to_contain_text("¥1.50 with a key")
    page.locator("#wan-image-duration input[type=number]").fill("10")
    page.locator("#wan-image-duration input[type=number]").blur()
    expect(price).to_contain_text("¥3.00 with a key")


def test_sound_is_asked_for_only_where_it_can_be_left_out(page: Page):
    page.get_by_role("tab", name="Reference to video").click()
    page.locator(".wan-more:visible button").first.click()
    sound = page.locator("#wan-reference-audio")
    expect(sound).to_be_visible()
    page.get_by_label("Standard · finer detail").click()
    expect(sound).to_be_hidden()


def test_the_language_follows_the_browser_and_the_switch(visit: Visits, page: Page, app: App):
    shown = visit(app.url, locale="zh-CN")
    expect(shown.locator("#wan-image-generate")).to_have_text("生成视频")
    expect(shown.locator("#wan-image-view .wan-title")).to_have_text("就绪", use_inner_text=True)
    expect(page.locator("#wan-image-view .wan-title")).to_have_text("Ready", use_inner_text=True)
    switch(page, "zh")
    expect(page.locator("#wan-image-generate")).to_have_text("生成视频")
    expect(page.locator("#wan-image-view .wan-title")).to_have_text("就绪", use_inner_text=True)
    page.reload()
    expect(page.locator("#wan-image-generate")).to_have_text("生成视频")
    page.goto(app.url)
    expect(page.locator("#wan-image-generate")).to_have_text("生成视频")


def test_the_keyboard_alone_goes_from_the_top_of_the_page_to_a_video(page: Page, app: App):
    page.keyboard.press("Tab")
    expect(page.locator(".wan-skip")).to_be_focused()
    expect(page.locator(".wan-skip")).to_have_css("background-color", "rgb(101, 68, 227)")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('.wan-brief') !== null")
    page.locator(".wan-sample:visible").first.press("Enter")
    expect(page.locator("#wan-image-reference_image img")).to_be_visible()
    page.locator("#wan-image-prompt textarea").fill("by the keyboard alone")
    stops = []
    while "wan-image-generate" not in stops:
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.id || document.activeElement.outerHTML"))
        assert len(stops) <= 15, stops  # three of them help: past prompts, ideas, the price
    page.locator("#wan-image-prompt textarea").press("Control+Enter")
    expect(page.locator("#wan-image-view .wan-card")).to_be_focused()
    reach(page, "image", "SUCCEEDED")
    expect(page.locator("#wan-image-view .wan-card")).to_be_focused()


def test_a_phone_has_no_sideways_scroll_and_generate_at_hand(visit: Visits, app: App):
    page = visit(app.url, size={"width": 390, "height": 844}, phone=True)
    for tab, there in enumerate(
        ("#wan-image-reference_image img", "#wan-reference-reference_video a[download]")
    ):
        with case(f"tab {tab}"):
            page.get_by_role("tab").nth(tab).click()
            page.locator(".wan-sample:visible").first.click()
            expect(page.locator(there).first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            button = page.locator(".wan-go:visible button.primary").bounding_box()
            assert button["y"] + button["height"] <= 844
            if tab:
                expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
            takes = page.locator(".wan-go:visible .wan-count").bounding_box()
            assert takes["x"] + takes["width"] <= button["x"]  # beside it: little is covered


def test_what_is_not_there_is_not_found(app: App):
    for path in ("/media/nobody/video.mp4", "/media/x/..%2Fwan.sqlite3", "/still/page.css"):
        assert plain_http.get(app.url + path).status_code == 404


def test_it_stops_when_it_is_told_to(tmp_path):
    with served(tmp_path) as app:
        assert app.stop() == 0


def test_an_upload_says_how_far_it_is_and_can_be_stopped(page: Page, app: App, tmp_path):
    """Through a thin wire: nothing is kept of what was stopped, and the next
    file goes up as ever.
    """
    large = tmp_path / "large.png"
    large.write_bytes((SAMPLES / "astronaut.png").read_bytes() + bytes(15_000_000))
    wire = page.context.new_cdp_session(page)
    wire.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1_000_000},
    )
    for number, (field, kept) in enumerate(
        [("image-reference_image", "img"), ("reference-reference_video", "a[download]")]
    ):
        with case(field):
            page.locator("#wan-tabs [role=tab]").nth(number).click()
            box = page.locator(f"#wan-{field}")
            box.locator("input[type=file]").set_input_files(large)
            line = box.locator(".wan-upload")
            expect(line).to_contain_text(re.compile(r"[1-9]\d*\.\d / 15\.8 MB"))
            assert 0 < float(line.locator("progress").get_attribute("value")) < 1
            line.get_by_role("button", name="Stop").click()
            expect(line).to_have_count(0)
            expect(box).not_to_contain_text("Error")
            page.wait_for_timeout(500)  # in which the rest of it would still be written
            assert not [one for one in below(app.folder / "uploads") if one.name == "large.png"]
            box.locator("input[type=file]").set_input_files(SAMPLES / "chelsea.png")
            expect(box.locator(kept).first).to_be_visible()
    wire.detach()  # and with it the thin wire


def test_a_sound_is_looked_into_when_it_is_dropped_and_comes_back_with_its_video(
    page: Page, app: App, tmp_path
):
    (tmp_path / "note.m4a").write_bytes(sound("ipod", "aac"))
    (tmp_path / "song.wav").write_bytes(wav(7, rate=8_000))
    box, told = page.locator("#wan-image-reference_audio"), page.locator("#wan-image-heard")
    page.locator("#wan-image-url textarea, #wan-image-url input").first.fill(
        "https://example.com/her.png"
    )
    say(page, "image", "She sings.")
    page.locator(".wan-more:visible button").first.click()
    before = app.created()
    box.locator("input[type=file]").set_input_files(tmp_path / "note.m4a")
    expect(told).to_contain_text(
        "note.m4a: M4A audio isn't supported. Save it as WAV or MP3.",
        use_inner_text=True,
    )
    generate(page, "image")
    expect(page.locator('#wan-image-view [data-field="reference_audio"]')).to_contain_text(
        "Audio file: M4A audio isn't supported", use_inner_text=True
    )
    expect(box).to_have_class(re.compile("wan-wrong"))
    assert app.created() == before
    clear = box.get_by_role("button", name="Clear")
    expect(
        clear
    ).to_be_focused()  # the page scrolls to what was refused, under a mouse that is down
    clear.click()
    expect(told).to_have_text("WAV or MP3, 3 to 30 s")
    box.locator("input[type=file]").set_input_files(tmp_path / "song.wav")
    expect(told).to_contain_text("Audio: 7.0 s", use_inner_text=True)
    generate(page, "image")
    reach(page, "image", "SUCCEEDED")
    expect(page.locator("#wan-image-view .wan-adjusted")).to_contain_text(
        "The audio is 7.0 s long and the video 5 s", use_inner_text=True
    )
    box.get_by_role("button", name="Clear").click()
    expect(told).to_have_text("WAV or MP3, 3 to 30 s")
    page.get_by_role("tab", name="Library").click()
    page.locator("[data-event=open]").first.click()
    expect(page.locator(".wan-job")).to_contain_text("audio · 7.0 s", use_inner_text=True)
    page.locator(".wan-job [data-event=use]").click()
    expect(box.get_by_role("cell", name="song.wav")).to_be_visible()
    expect(told).to_contain_text("Audio: 7.0 s", use_inner_text=True)
