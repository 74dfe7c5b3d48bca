"""The whole way in one walk: a brief, four takes, side by side, a review in other browsers, three
verdicts, the owner's tally, the copy on disk.

A picture of every station is left in pytest's folder for this test (`--basetemp` names it).
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.findings import findings
from tests.browser.serving import App, generate, opened, say

_LONG = 120_000  # ms for several videos on a small machine


def test_from_a_brief_to_a_verdict(browser: Browser, app: App, tmp_path: Path):
    people = [
        browser.new_context(
            reduced_motion="reduce", viewport={"width": 1280, "height": 900}, locale="en-US"
        )
        for _ in range(4)
    ]
    try:
        owner, *reviewers = (one.new_page() for one in people)
        for one in people:
            one.set_default_timeout(60_000)
        opened(owner, app.url)
        ask_for_takes(owner)
        takes = await_takes(owner, tmp_path)
        compared(owner, tmp_path)
        link = review_of(owner, takes, tmp_path)
        for page, (name, verdict) in zip(
            reviewers, (("Mei", "yes"), ("Ann", "yes"), ("Bo", "maybe")), strict=True
        ):
            said(page, link, name, verdict)
        tally = owner.locator("[data-part=tally-1] .rv-counts b")
        expect(tally).to_have_text(["2", "1", "0"], timeout=30_000)
        expect(owner.locator("[data-part=comments-1] .rv-text").first).to_be_visible()
        shot(owner, tmp_path, "4-tally")
        copied(owner, reviewers[0], tmp_path, ["2", "1", "0"])
    finally:
        for one in people:
            one.close()


def ask_for_takes(page: Page) -> None:
    """Four, of a sample."""
    page.locator(".wan-sample").first.click()
    expect(page.locator("#wan-image-view .preview")).to_be_visible()
    say(page, "image", "She turns to the camera and laughs.")
    page.locator("#wan-image-duration input[type=number]").fill("2")
    page.locator("#wan-image-takes").get_by_label("4", exact=True).check()
    generate(page, "image")


def await_takes(page: Page, folder: Path) -> int:
    """Waits until all are there. Gives how many came."""
    done = page.locator("#wan-image-view .wan-take[data-state=SUCCEEDED] video")
    expect(done).to_have_count(4, timeout=_LONG)
    shot(page, folder, "1-takes")
    return done.count()


def compared(page: Page, folder: Path) -> None:
    """Plays them side by side until all have moved."""
    page.locator("#wan-image-view [data-choose=compare]").click()
    board = page.locator("#wan-library [data-compare]")
    expect(board.locator("video")).to_have_count(4)
    board.locator("[data-do=play]").click()
    page.wait_for_function(
        "[...document.querySelectorAll('#wan-library [data-compare] video')].every(video => "
        "video.currentTime > 0.3)"
    )
    shot(page, folder, "2-compare")
    page.locator("#wan-library [data-event=close]").first.click()


def review_of(
    page: Page, takes: int, folder: Path, button: str = ".wan-chosen [data-event=review]"
) -> str:
    """Makes a review of what is chosen. Gives its link. button: which one leads there."""
    page.locator(button).click()
    expect(page.locator("#wan-review-chosen img")).to_have_count(takes)
    page.locator("#wan-review-title :is(input, textarea)").fill("Which one opens the film?")
    page.locator("#wan-review-create").click()
    page.wait_for_function(
        "document.querySelector('input[data-review-link]')?.value.startsWith('http')"
    )
    shot(page, folder, "3-review")
    return page.locator("input[data-review-link]").input_value()


def said(page: Page, link: str, name: str, verdict: str) -> None:
    """Somebody with nothing but the link says what they think of the first take."""
    page.goto(link)
    expect(page.locator("[data-take] video")).to_have_count(4)
    page.locator("#name").fill(name)
    take = page.locator("[data-take='1']")
    take.locator(f".rv-{verdict}").first.click()
    expect(take.locator(".rv-form .rv-state")).to_contain_text("Saved")
    take.locator(".rv-form textarea").fill(f"{name} thinks so.")
    take.locator(".rv-form .rv-send").click()
    expect(take.locator(".rv-text").filter(has_text=name)).to_be_visible()


def copied(owner: Page, page: Page, folder: Path, counts: Sequence[str]) -> None:
    """The export opens from disk, for everyone, with these counts of verdicts, and its videos
    play.
    """
    with owner.expect_download(timeout=_LONG) as download:
        owner.get_by_role("button", name="Page with videos").click()
    download.value.save_as(folder / "review.zip")
    with zipfile.ZipFile(folder / "review.zip") as packed:
        packed.extractall(folder / "copy")
    page.goto((folder / "copy" / "index.html").as_uri())
    expect(page.locator("[data-part=tally-1] .rv-counts b")).to_have_text(counts)
    for video in page.locator("[data-take] video").all():
        video.evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_function(
        "[...document.querySelectorAll('[data-take] video')].every(video => video.currentTime "
        "> 0.3)"
    )
    shot(page, folder, "5-copy")


def shot(page: Page, folder: Path, name: str) -> None:
    """Leaves a picture of a station, on which axe finds nothing grave."""
    page.screenshot(path=folder / f"{name}.png")
    assert (folder / f"{name}.png").stat().st_size > 20_000
    assert findings(page) == [], name
