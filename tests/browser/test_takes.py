"""Several takes of one brief, as a person makes them: a grid that fills, and buttons that mean one
take.
"""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.serving import App, Visits, case, generate, opened, say, served
from tests.pictures import picture

LONG = 120_000  # ms for several videos on a small machine


def begin(page: Page, prompt: str, takes: int, *, seed: str = "") -> None:
    """Asks for short takes of a picture that nobody has sent yet."""
    sent = picture((400, 300), color=secrets.randbelow(2**24))
    page.locator("#wan-image-reference_image input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": sent}
    )
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", prompt)
    page.locator("#wan-image-duration input[type=number]").fill("2")
    if seed:
        page.locator(".wan-more:visible button").first.click()
        page.locator("#wan-image-seed :is(input, textarea)").fill(seed)
    count(page, takes)
    generate(page, "image")


def count(page: Page, takes: int) -> None:
    """Chooses how many takes."""
    page.locator("#wan-image-takes").get_by_label(str(takes), exact=True).check()


def tiles(page: Page, state: str = "") -> Locator:
    """The takes on the stage; those in a state where one is given."""
    return page.locator("#wan-image-view .wan-take" + (f'[data-state="{state}"]' if state else ""))


def tile(page: Page, number: int) -> Locator:
    """A take by its number from 1."""
    return tiles(page).nth(number - 1)


def standing(page: Page) -> list[list[float]]:
    """Left, top, width and height of every take's picture while the page is at its top: the stage
    stays in sight as it is scrolled.
    """
    page.evaluate("scrollTo(0, 0)")
    return page.locator("#wan-image-view .wan-take .wan-stage").evaluate_all(
        "stages => stages.map(stage => stage.getBoundingClientRect()).map(({ x, y, width, "
        "height }) => [x, y, width, height])"
    )


def title(page: Page) -> Locator:
    """What the card under the takes says first."""
    return page.locator("#wan-image-view .wan-title")


def told(page: Page, words: str) -> None:
    """Waits until the card says so."""
    expect(title(page)).to_have_text(words, use_inner_text=True, timeout=LONG)


def rows(app: App, what: str) -> list[tuple]:
    """What the database says."""
    with closing(sqlite3.connect(app.folder / "output" / "wan.sqlite3")) as database:
        return database.execute(what).fetchall()


def test_the_price_says_what_all_takes_cost_and_each(page: Page):
    price = page.locator("#wan-image-price")
    expect(price).to_contain_text("¥1.50 with a key")
    count(page, 4)
    expect(price).to_contain_text("Free in demo mode")
    expect(price).to_contain_text("¥6.00 for 4 takes (¥1.50 each) with a key")
    page.get_by_role("tab", name="Reference to video").click()
    page.locator("#wan-reference-takes").get_by_label("2", exact=True).check()
    expect(page.locator("#wan-reference-price")).to_contain_text("for 2 takes (")


def test_four_takes_arrive_in_a_grid_and_are_found_again_and_served_again(visit: Visits, app: App):
    page, before = visit(app.url), app.created()
    begin(page, "four takes", 4)
    expect(tiles(page)).to_have_count(4)
    places = standing(page)
    assert places[0][1] == places[1][1] < places[2][1] == places[3][1], "two beside two"
    expect(page.locator("#wan-image-generate")).to_be_disabled()
    page.reload()
    expect(tiles(page)).to_have_count(4)
    ids = tiles(page).evaluate_all("tiles => tiles.map(tile => tile.dataset.of)")
    assert len(set(ids)) == 4
    told(page, "4 of 4 done")
    assert standing(page) == places, "nothing jumped"
    assert app.created() - before == 4
    seeds = {tile(page, number).locator(".wan-facts").inner_text() for number in (1, 2, 3, 4)}
    assert len(seeds) == 4
    expect(page.locator("#wan-image-view .wan-card")).to_contain_text("Free in demo mode")
    expect(page).to_have_title("✓ 4 of 4 done · Wan Studio")
    assert page.locator("[data-choose]").evaluate_all(
        "parts => parts.map(part => part.dataset.choose)"
    ) == ["compare", "review"]
    assert page.locator("[data-choose=compare]").get_attribute("data-jobs").split() == ids
    second = page.context.new_page()
    opened(second, app.url)
    told(second, "4 of 4 done")
    assert app.created() - before == 4
    second.locator("#wan-image-view [data-choose=review]").click()
    expect(second.locator("#wan-review-chosen img")).to_have_count(4)


def test_a_double_click_is_one_set_of_takes_and_asking_again_is_free(visit: Visits, app: App):
    page, before = visit(app.url), app.created()
    begin(page, "asked for twice", 2, seed="7")
    told(page, "2 of 2 done")
    expect(tile(page, 1)).to_contain_text("seed 7")
    expect(tile(page, 2)).to_contain_text("seed 8")
    count(page, 3)
    page.locator("#wan-image-generate").dblclick()
    expect(tiles(page)).to_have_count(3)
    expect(tile(page, 1)).to_contain_text("made before, not charged now")
    told(page, "3 of 3 done")
    expect(tile(page, 2)).to_contain_text("made before, not charged now")
    expect(tile(page, 3)).not_to_contain_text("made before", use_inner_text=True)
    assert app.created() - before == 3


def test_a_video_that_plays_and_details_that_are_read_stay_while_another_take_changes(
    visit: Visits, app: App
):
    page = visit(app.url)
    with app.fault("result", "status-503"):
        begin(page, "plays on", 2)
        expect(tiles(page, "FETCHING")).to_have_count(2, timeout=LONG)
    tiles(page, "SUCCEEDED").first.wait_for(timeout=LONG)
    told(page, "2 of 2 done")
    reaches = (
        tile(page, 1)
        .locator("[data-hear]")
        .evaluate("""part => {
        part.hidden = false;
        const [box, player] = [part, part.parentElement].map(one => one.getBoundingClientRect());
        part.hidden = true;
        return (box.bottom - player.top) / player.height;
    }""")
    )
    assert reaches < 0.115, "there the simulator writes the prompt"
    tile(page, 1).locator("video").evaluate("""video => {
        video.breaks = [];
        for (const name of ["emptied", "pause", "seeking"])
            video.addEventListener(name, () => video.ended || video.breaks.push(name));
        video.muted = true;
        video.playbackRate = 0.0625;
        return video.play();
    }""")
    tile(page, 1).locator("[data-details] > summary").click()
    tile(page, 2).locator("[data-press=retry]").click()
    expect(tiles(page)).to_have_count(3)  # a new take comes beside the one it was made from
    expect(tile(page, 2)).to_have_attribute("data-state", "SUCCEEDED")
    expect(tile(page, 1).locator(".wan-details dl")).to_be_visible()
    tile(page, 1).locator("[data-details] > summary").focus()
    told(page, "3 of 3 done")
    expect(tile(page, 1).locator("[data-details] > summary")).to_be_focused()
    video = tile(page, 1).locator("video")
    assert video.evaluate("video => [video.breaks, video.currentTime > 0]") == [[], True]
    expect(tile(page, 1).locator(".wan-details dl")).to_be_visible()
    tile(page, 1).locator("[data-details] > summary").click()
    expect(tile(page, 1).locator(".wan-details dl")).to_be_hidden()


def test_the_buttons_of_a_take_mean_that_take(visit: Visits, app: App):
    page = visit(app.url)
    with app.holding("PENDING"):
        begin(page, "one is cancelled", 3)
        expect(tiles(page).locator("[data-press=cancel]")).to_have_count(3)
        page.locator("#wan-image-view .wan-card [data-press=cancel]").wait_for()
        assert tile(page, 1).locator("[data-press=cancel]").bounding_box()["height"] < 40
        for number in (1, 2):  # at once: the second waits for the first
            tile(page, number).locator("[data-press=cancel]").dispatch_event("click")
        expect(tiles(page, "CANCELLED")).to_have_count(2)
        expect(tile(page, 3)).not_to_have_attribute("data-state", "CANCELLED")
        expect(tile(page, 1)).to_contain_text("You weren't charged")
    tile(page, 1).locator("[data-press=retry]").click()
    expect(tile(page, 1)).not_to_have_attribute("data-state", "CANCELLED")
    told(page, "2 of 3 done")
    expect(page.locator("#wan-image-view .wan-card")).to_contain_text("1 cancelled.")
    assert [tile(page, number).get_attribute("data-state") for number in (1, 2, 3)] == [
        "SUCCEEDED",
        "CANCELLED",
        "SUCCEEDED",
    ]


def test_all_are_cancelled_while_that_is_free(visit: Visits, app: App):
    page, before = visit(app.url), app.created()
    with app.fault("policy", "status-503"):
        begin(page, "all are cancelled", 4)
        page.locator("#wan-image-view .wan-card [data-press=cancel]").click()
        expect(tiles(page, "CANCELLED")).to_have_count(4)
    told(page, "0 of 4 done")
    assert app.created() == before


def test_what_fails_is_tried_again_in_its_place(visit: Visits, app: App):
    page = visit(app.url)
    begin(page, "simulate:InternalError", 2)
    told(page, "0 of 2 done")
    expect(page.locator("#wan-image-view .wan-card")).to_contain_text("2 failed.")
    (second,) = rows(app, "SELECT id FROM jobs ORDER BY created_at DESC LIMIT 1")[0]
    before = len(rows(app, "SELECT id FROM jobs"))
    tile(page, 2).locator("[data-press=retry]").click()
    expect(tile(page, 2)).to_have_attribute("data-live", "")
    expect(tile(page, 1)).to_have_attribute("data-state", "FAILED")
    told(page, "0 of 2 done")
    expect(tiles(page, "FAILED")).to_have_count(2, timeout=LONG)
    assert rows(app, f"SELECT count(*) FROM jobs WHERE retried_from = '{second}'") == [(1,)]  # noqa: S608
    assert len(rows(app, "SELECT id FROM jobs")) == before + 1


def test_a_take_that_may_be_paid_twice_asks_in_its_tile(visit: Visits, app: App):
    page = visit(app.url)
    begin(page, "simulate:InternalError asks", 2)
    expect(tiles(page, "FAILED")).to_have_count(2, timeout=LONG)
    with closing(sqlite3.connect(app.folder / "output" / "wan.sqlite3")) as database, database:
        database.execute(
            "UPDATE jobs SET spent = 'maybe' WHERE id IN (SELECT id FROM jobs ORDER BY "
            "created_at DESC LIMIT 2)"
        )
    tile(page, 1).locator("[data-press=retry]").click()
    expect(tile(page, 1)).to_have_attribute("data-state", "ASKS")
    expect(tile(page, 1)).to_contain_text("may be charged twice")
    expect(tile(page, 2)).to_have_attribute("data-state", "FAILED")
    tile(page, 1).locator("[data-press=resume]").click()
    expect(tile(page, 1)).to_have_attribute("data-state", "FAILED")
    tile(page, 1).locator("[data-press=retry]").click()
    tile(page, 1).locator("[data-press=sure]").click()
    expect(tile(page, 1)).to_have_attribute("data-live", "")


def test_a_private_link_shows_all_takes(visit: Visits, app: App):
    page = visit(app.url)
    begin(page, "seen elsewhere", 3)
    expect(tiles(page)).to_have_count(3)
    page.locator("[data-event=private_link]").click()
    link = page.locator("#wan-share[open] input").input_value()
    theirs = visit.blank(app.url)
    theirs.goto(link)
    theirs.locator("#wan-claim [value=use]").click()
    expect(tiles(theirs)).to_have_count(3)
    told(theirs, "3 of 3 done")


def test_a_server_that_is_killed_goes_on_with_every_take(browser: Browser, tmp_path: Path):
    context = browser.new_context(reduced_motion="reduce", locale="en-US")
    page = context.new_page()
    with served(tmp_path, pending=0.2, running=0.2) as app, app.holding("RUNNING"):
        opened(page, app.url)
        begin(page, "killed in the middle", 2)
        expect(tiles(page, "RUNNING")).to_have_count(2, timeout=LONG)  # none is still being sent
        app.kill()
    app.expire_leases()
    with served(tmp_path, pending=0.2, running=0.2, port=app.port) as app:
        told(page, "2 of 2 done")
        assert app.created() == 2
    context.close()


def test_on_a_phone_takes_stand_under_each_other(visit: Visits, app: App):
    page = visit(app.url, size={"width": 390, "height": 780}, locale="zh-CN", phone=True)
    begin(page, "在手机上", 2)
    expect(tiles(page)).to_have_count(2)
    stand_under_each_other(page)
    told(page, "已完成 2 / 2")
    stand_under_each_other(page)


def stand_under_each_other(page: Page) -> None:
    """On phones of either width."""
    for width in (390, 360):
        with case(f"{width} px"):
            page.set_viewport_size({"width": width, "height": 780})
            page.wait_for_function("width => innerWidth === width", arg=width)
            first, second = tiles(page).evaluate_all(
                "parts => parts.map(part => part.getBoundingClientRect())"
            )  # at once: it scrolls to them
            assert first["bottom"] <= second["top"]
            assert page.evaluate("document.documentElement.scrollWidth") <= width
