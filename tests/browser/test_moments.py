"""Moments of a review: whoever clicks on one sees the picture again that was seen when it was
taken, at every rate and anywhere within a picture.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tests.browser.test_compare import PICTURES, SIZE, STILL, numbered
from tests.service.test_reviews import GOOD, MADE, NOW
from tests.service.test_reviews import review as reviewed
from wan.domain import reviews
from wan.domain.reviews import Review, Take
from wan.web import review_html

RATES = (Fraction(30), Fraction(24), Fraction(60), Fraction(30_000, 1001), Fraction(12))
SECONDS = 2
PLACES = (0, 0.01, 0.3, 0.5, 0.9, 0.99)  # within a picture
# A video says that it has sought before its picture is seen; where it is the same picture, it says
# nothing more. What is drawn meanwhile is counted: a busy machine draws later too.
SOUGHT = """const drawn = async times => {
    while (times--) await new Promise(requestAnimationFrame);
};
const sought = video => {
    const there = new Promise(done => video.addEventListener('seeked', done, { once: true }));
    const seen = new Promise(done => video.requestVideoFrameCallback(done));
    return there.then(() => Promise.race([seen, drawn(patience)]));
};"""
TAKEN = f"""async ([number, seconds, patience = 18]) => {{
    {SOUGHT}
    const take = document.querySelector(`[data-take="${{number}}"]`);
    const [video, button] = [take.querySelector('video'), take.querySelector('[data-moment]')];
    if (seconds !== null && video.currentTime !== seconds) {{
        const there = sought(video);
        video.currentTime = seconds;
        await there;
    }}
    button.click();
    const moment = button.dataset.moment;
    button.click();
    return Number(moment);
}}"""
FOUND = f"""async ([number, at, patience = 18]) => {{
    {SOUGHT}
    const take = document.querySelector(`[data-take="${{number}}"]`);
    const there = sought(take.querySelector('video'));
    take.insertAdjacentHTML('beforeend', `<button data-seek="${{at}}"></button>`);
    take.lastElementChild.click();
    take.lastElementChild.remove();
    await there;
}}"""

# The page hears which picture is seen a little after it can be drawn from the video: whoever clicks
# is slower.
STOPPED = f"""async ([number, until, patience = 18]) => {{
    {SOUGHT}
    const video = document.querySelector(`[data-take="${{number}}"] video`);
    await video.play();
    while (video.currentTime < until) await drawn(1);
    video.pause();
    await drawn(6);
}}"""


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> Review:
    """A review with a take of every rate."""
    made = [
        replace(
            MADE, width=SIZE[0], height=SIZE[1], duration=float(SECONDS), fps=round(float(rate), 5)
        )
        for rate in RATES
    ]
    return replace(
        reviewed(),
        takes=tuple(Take(number, f"job{number}", one) for number, one in enumerate(made, 1)),
    )


@pytest.fixture(scope="module")
def page(
    review: Review, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """The page of the review, with pictures that have their numbers in them."""
    folder: Path = tmp_path_factory.mktemp("review")
    (folder / "review.html").write_text(review_html.page(review, token="t", language="en"))
    for number, rate in enumerate(RATES, 1):
        (folder / f"t/{number}").mkdir(parents=True)
        numbered(folder / f"t/{number}/video.mp4", SECONDS, rate, sound=False)
    (folder / "t/tally").write_text('{"parts": {}}')
    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=[Mount("/", StaticFiles(directory=folder))]),
            port=0,
            log_level="warning",
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.goto(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/review.html")
    opened.evaluate(
        "document.querySelectorAll('video').forEach(video => { video.muted = true; "
        "video.preload = 'auto'; video.load(); })"
    )
    opened.wait_for_function(STILL)
    yield opened
    context.close()
    server.should_exit = True
    thread.join(10)


def kept(review: Review, number: int, moment: float) -> float:
    """A moment as the server keeps it and gives it back."""
    verdict = reviews.check_verdict(
        review, GOOD | {"take": number, "comment": "a", "at_seconds": moment}, id_="id", now=NOW
    )
    assert verdict.at_seconds is not None
    return verdict.at_seconds


def seen(page: Page, number: int) -> int:
    """The number of the picture that a take shows."""
    page.wait_for_function(STILL)
    return page.evaluate(PICTURES)[number - 1]


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{float(rate):.5g} fps")
def test_a_moment_leads_back_to_its_picture(page: Page, review: Review, rate: Fraction):
    number, wrong = RATES.index(rate) + 1, []
    for picture in (0, 1, 2, 3, 10, 11, 17, round(SECONDS * rate) - 1):
        for place in PLACES:
            asked = float((picture + Fraction(place)) / rate)
            if there_and_back(page, review, number, asked) and (
                # a machine that is busy elsewhere may have drawn it later still
                pictures := there_and_back(page, review, number, asked, patience=180)
            ):
                wrong.append((asked, *pictures))
    assert not wrong


def there_and_back(
    page: Page, review: Review, number: int, asked: float, *, patience: int = 18
) -> tuple[int, int] | None:
    """Take a moment, go elsewhere, and back by it. Return the pictures seen before and after where
    they differ. patience: frames to wait for a picture that may be the same.
    """
    moment = kept(review, number, page.evaluate(TAKEN, [number, asked, patience]))
    before = seen(page, number)
    page.evaluate(FOUND, [number, (moment + 1) % SECONDS, patience])
    page.evaluate(FOUND, [number, moment, patience])
    after = seen(page, number)
    return None if after == before else (before, after)


def test_a_moment_that_a_program_gives_is_kept_as_it_came(page: Page, review: Review):
    wrong = []
    for rate in RATES:
        number = RATES.index(rate) + 1
        for picture in range(1, 20, 3):
            page.evaluate(FOUND, [number, 0])
            page.evaluate(FOUND, [number, kept(review, number, picture / float(rate))])
            if seen(page, number) != picture:
                wrong.append((rate, picture, seen(page, number)))
    assert not wrong


def test_the_picture_at_which_a_video_was_stopped(page: Page, review: Review):
    for number in (1, 3):
        page.locator(f"[data-take='{number}']").scroll_into_view_if_needed()
        for until in (0.2, 0.61, 1.0, 1.37):
            page.evaluate(FOUND, [number, until - 0.15])
            page.evaluate(STOPPED, [number, until])
            before = seen(page, number)
            moment = kept(review, number, page.evaluate(TAKEN, [number, None]))
            page.evaluate(FOUND, [number, (moment + 1) % SECONDS])
            page.evaluate(FOUND, [number, moment])
            assert seen(page, number) == before, (number, until, moment)
