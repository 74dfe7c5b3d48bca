"""Takes side by side in a real browser: real MP4s of different lengths and rates, each frame with
its number in it, over http and from disk.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from tests.browser.serving import ROOT
from tests.browser.translating import translator
from tests.ui.test_compare import take
from wan.domain.jobs import Job
from wan.domain.messages import Language
from wan.web.compare import board

SIZE = (320, 192)
BITS = 8  # of a frame's number, as black and white fields side by side
TAKES = ((3.0, 30, True), (2.0, 24, True), (4.0, 30, False))  # seconds, frames per second, sound
PICTURES = """() => [...document.querySelectorAll('video')].map(video => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const brush = canvas.getContext('2d');
    brush.drawImage(video, 0, 0);
    const [field, middle] = [canvas.width / 8, canvas.height / 2];
    const lit = bit => brush.getImageData(field * (bit + 0.5), middle, 1, 1).data[0] > 127;
    return [...Array(8).keys()].reduce((n, bit) => n + (lit(bit) ? 2 ** bit : 0), 0);
})"""
TIMES = "[...document.querySelectorAll('video')].map(video => video.currentTime)"
# a machine that is busy elsewhere holds a player up; what can keep together does so in one of them
TRIES = 5
APART = """async () => {
    const found = [];
    for (let number = 0; number < 10; number++) {
        const times = [...document.querySelectorAll('video')].map(video => video.currentTime);
        found.push(Math.max(...times) - Math.min(...times));
        await new Promise(done => setTimeout(done, 50));
    }
    return found;
}"""
CAUGHT_UP = """async () => {
    const [first, , third] = document.querySelectorAll('video');
    first.currentTime -= 0.2;
    while (!first.ended) {
        if (!first.seeking && Math.abs(first.currentTime - third.currentTime) < 1 / 24) return true;
        await new Promise(done => setTimeout(done, 20));
    }
    return false;
}"""
STILL = (
    "[...document.querySelectorAll('video')].every(video => video.error || (!video.seeking "
    "&& video.readyState >= 2))"
)


def numbered(path: Path, seconds: float, fps: int | Fraction, *, sound: bool) -> Path:
    """A real MP4 whose frames have their numbers, from 0, in them."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"preset": "ultrafast", "crf": "10"}
        )
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        track = container.add_stream("aac", rate=48000) if sound else None
        for number in range(round(seconds * fps)):
            fields = np.array(
                [255 if number >> bit & 1 else 0 for bit in range(BITS)], np.uint8
            ).repeat(SIZE[0] // BITS)
            picture = np.broadcast_to(fields[None, :, None], (SIZE[1], SIZE[0], 3))
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                )
            )
        container.mux(stream.encode(None))
        if track is not None:
            tone = (
                np.sin(
                    np.linspace(
                        0, 440 * 2 * np.pi * seconds, round(seconds * 48000), dtype=np.float32
                    )
                )
                * 0.1
            )
            frame = av.AudioFrame.from_ndarray(
                np.stack([tone, tone]), format="fltp", layout="stereo"
            )
            frame.sample_rate = 48000
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


def whole_page(
    folder: Path,
    jobs: list[Job],
    videos: list[str],
    *,
    language: Language = "en",
    labels: Sequence[str] = (),
) -> Path:
    """A page with nothing but a board, as an export has it."""
    shown = board(
        language,
        [(job, video, "") for job, video in zip(jobs, videos, strict=True)],
        labels=labels,
    )
    names = ("tokens.css", "base.css", "compare.css", "shared.js", "compare.js")
    *styles, shared, own = ((ROOT / "assets" / name).read_text() for name in names)
    ground = (
        ":root { color-scheme: light dark } "
        "body { margin: 16px; font-family: sans-serif; background: var(--w-ground) }"
    )
    style = "".join([ground, *styles])
    page = folder / f"board-{len(jobs)}-{language}{'-later' if labels else ''}.html"
    page.write_text(
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta '
        'name="viewport" content="width=device-width"><title>Takes</title>'
        f"<style>{style}</style><script>{shared}{own}</script></head><body><main><h1>Takes</h1>{shown}</main></body></html>"
    )
    return page


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages with two, three and four takes, and their videos."""
    place = tmp_path_factory.mktemp("boards")
    made = [
        numbered(place / f"{n}.mp4", seconds, fps, sound=sound)
        for n, (seconds, fps, sound) in enumerate(TAKES)
    ]
    jobs = [
        take(
            n,
            take=n + 1,
            seed=n + 1,
            fps=float(fps),
            duration=seconds,
            has_audio=sound,
            width=SIZE[0],
            height=SIZE[1],
        )
        for n, (seconds, fps, sound) in enumerate(TAKES)
    ]
    names = [path.name for path in made]
    whole_page(place, jobs[:2], names[:2])
    whole_page(place, jobs, names)
    whole_page(place, jobs, names, language="zh")
    whole_page(place, jobs, names, labels=("5", "6", "7"))
    fourth = take(
        3, take=4, seed=4, asked={"negative_prompt": "rain"}, width=SIZE[0], height=SIZE[1]
    )
    whole_page(place, [*jobs, fourth], [*names, "gone.mp4"])
    return place


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    """The folder over http, with ranges: without them a browser cannot seek."""
    files = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])
    server = uvicorn.Server(uvicorn.Config(files, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A browser whose console must stay quiet."""
    context = browser.new_context(
        reduced_motion="reduce", viewport={"width": 1280, "height": 900}, locale="en-US"
    )
    context.set_default_timeout(60_000)
    broken: list[str] = []
    context.on("weberror", lambda error: broken.append(str(error.error)))
    yield context
    context.close()
    assert not broken


def loaded(context: BrowserContext, address: str, frames: int) -> Page:
    """A board, ready to be played. frames: how many the longest take has, in
    steps of the slowest.
    """
    page = context.new_page()
    page.goto(address)
    expect(page.locator("[data-frames]")).to_have_text(str(frames))
    page.wait_for_function(STILL)
    return page


def pictures(page: Page) -> list[int]:
    """The numbers of the frames that are really shown."""
    page.wait_for_function(STILL)
    return page.evaluate(PICTURES)


def shows(page: Page, *frames: int | None) -> None:
    """Waits until each take really shows the frame of this number; None for one that does not
    matter. A seek may follow another.
    """
    came: list[int] = []
    for _ in range(600):  # a seek takes a moment, and more on a busy machine
        came = pictures(page)
        if all(frame in (None, number) for frame, number in zip(frames, came, strict=True)):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{came} instead of {frames}")


def played(page: Page, until: float) -> None:
    """Plays until the first take's time."""
    page.get_by_role("button", name="Play all").click()
    page.wait_for_function(
        "until => document.querySelector('video').currentTime > until", arg=until
    )


def test_all_play_as_one(visitor, site):
    for _ in range(TRIES):
        page = loaded(visitor, f"{site}/board-3-en.html", 96)
        played(page, 0.3)
        apart = sorted(page.evaluate(APART))
        if apart[5] <= 1.5 / 30:
            break
    assert apart[5] <= 1.5 / 30, apart
    page.get_by_role("button", name="Pause all").click()
    page.wait_for_function(f"new Set({TIMES}.map(time => time.toFixed(3))).size === 1")
    first, second, third = pictures(page)
    assert first == third
    assert abs(first / 30 - second / 24) < 1 / 24


def test_one_that_lags_catches_up(visitor, site):
    def caught_up() -> bool:
        page = loaded(visitor, f"{site}/board-3-en.html", 96)
        played(page, 0.3)
        return page.evaluate(CAUGHT_UP)

    assert any(caught_up() for _ in range(TRIES))


def test_a_step_is_a_frame_and_shows_the_right_picture(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en.html", 96)
    page.get_by_role("button", name="Next frame").click()
    shows(page, None, 1, None)
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    shows(page, 13, 10, 13)  # the middle of the 11th frame of 24 a second is in the 14th of 30
    expect(page.locator("[data-time]")).to_have_text("0:00.41")
    expect(page.locator("[data-frame]")).to_have_text("11")
    page.get_by_role("button", name="Previous frame").click()
    shows(page, None, 9, None)


def test_the_last_of_quick_steps_counts_also_when_a_seek_is_over_before_its_event(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en.html", 96)
    page.evaluate(
        """async () => {
            const video = document.querySelector('video');
            const step = () => document.querySelector('[data-do=forward]').click();
            Object.defineProperty(video, 'seeking', { value: true, configurable: true });
            step();
            delete video.seeking;
            step();
            video.dispatchEvent(new Event('seeked'));
        }"""
    )
    shows(page, 3, 2, 3)  # the middle of the 3rd frame of 24 a second is in the 4th of 30


def test_the_shorter_holds_its_last_picture_and_the_longest_says_when_it_is_over(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en.html", 96)
    slider = page.get_by_role("slider", name="Position")
    slider.focus()
    page.keyboard.press("End")
    shows(page, 89, 47, 119)
    expect(slider).to_have_attribute("aria-valuetext", "0:03.95")
    slider.fill("60")  # the first is not over, the second is
    shows(page, None, 47, None)
    page.get_by_role("button", name="Play all").click()
    expect(page.get_by_role("button", name="Play all")).to_be_visible()  # it has come to its end
    shows(page, 89, 47, 119)
    page.get_by_role("button", name="Play all").click()  # and begins anew
    page.wait_for_function("document.querySelector('video').currentTime < 1")


def test_a_loop_begins_anew(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en.html", 96)
    page.get_by_role("button", name="Loop").click()
    expect(page.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("slider", name="Position").fill("90")
    page.get_by_role("button", name="Play all").click()
    page.wait_for_function(
        "[...document.querySelectorAll('video')].every(video => video.currentTime > 0.1 && "
        "video.currentTime < 1 && !video.paused)"
    )


@pytest.mark.parametrize("heeds", [True, False])
def test_a_translator_is_not_fought_with(visitor, site, heeds):
    visitor.add_init_script(translator(heeds=heeds))
    page = visitor.new_page()
    page.goto(f"{site}/board-2-en.html")
    page.wait_for_function(STILL)
    played(page, 1.0)
    page.get_by_role("button", name="Pause all").click()
    page.wait_for_function("document.querySelector('video').paused")
    assert page.evaluate("changes") < 3 * 2 * 90, (
        "time and frame change with each of the frames, and the translator changes them once"
    )


def test_speed(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en.html", 96)
    page.get_by_label("Speed").select_option("0.25")
    played(page, 0.1)
    assert (
        max(
            page.evaluate(
                "[...document.querySelectorAll('video')].map(video => video.playbackRate)"
            )
        )
        < 0.3
    )


def test_one_sound_at_a_time(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en.html", 96)
    muted = "[...document.querySelectorAll('video')].map(video => video.muted)"
    assert page.evaluate(muted) == [True, True, True]
    page.get_by_role("radio", name="Audio Take 1").check()
    assert page.evaluate(muted) == [False, True, True]
    page.locator("[data-compare]").focus()
    page.keyboard.press("2")
    assert page.evaluate(muted) == [True, False, True]
    page.keyboard.press("3")  # it has no sound
    assert page.evaluate(muted) == [True, False, True]
    page.keyboard.press("m")
    assert page.evaluate(muted) == [True, True, True]
    expect(page.get_by_role("radio", name="Mute")).to_be_checked()
    page.keyboard.press("m")
    assert page.evaluate(muted) == [True, False, True]


def test_the_keys_of_a_later_board_mean_its_own_takes(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en-later.html", 96)
    page.locator("[data-compare]").focus()
    for key, heard in (
        ("2", "Audio Take 6"),
        ("3", "Audio Take 6"),
        ("1", "Audio Take 5"),
        ("4", "Audio Take 5"),
    ):  # 7 has no sound, 4 is no place
        page.keyboard.press(key)
        expect(page.get_by_role("radio", name=heard)).to_be_checked()


def test_the_keyboard_alone_is_enough(visitor, site):
    page = loaded(visitor, f"{site}/board-3-en.html", 96)
    names = []
    for _ in range(8):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "(({ dataset, type, tagName }) => dataset.do ?? type ?? "
                "tagName)(document.activeElement)"
            )
        )
    assert names == ["range", "back", "play", "forward", "radio", "select-one", "loop", "SUMMARY"]
    page.get_by_role("slider", name="Position").focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('video').currentTime > 0.2")
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Play all")).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("[data-frame]")).to_have_text("25")
    page.keyboard.press("j")
    expect(page.locator("[data-frame]")).to_have_text("1")
    page.get_by_role("button", name="Play all").focus()
    page.keyboard.press("Space")  # presses the button, once
    page.wait_for_function("document.querySelector('video').currentTime > 0.2")


def test_a_take_that_is_gone_leaves_the_others_playing(visitor, site):
    page = loaded(visitor, f"{site}/board-4-en.html", 96)
    expect(page.locator(".wan-compare-lost:visible")).to_have_text(
        "This video can't be played any more.", use_inner_text=True
    )
    played(page, 0.5)


def test_one_that_stalls_holds_the_others(visitor, site):
    answered = threading.Event()
    page = visitor.new_page()

    def late(route) -> None:
        answered.set()
        page.wait_for_timeout(1500)
        route.continue_()

    page.route("**/1.mp4", late)
    page.goto(f"{site}/board-2-en.html")
    page.wait_for_function("document.querySelector('video').readyState >= 3")
    page.get_by_role("button", name="Play all").click()
    times = page.evaluate(TIMES)
    assert answered.is_set()
    assert max(times) - min(times) < 0.2
    page.wait_for_function(
        "[...document.querySelectorAll('video')].every(video => video.currentTime > 0.4)"
    )
    times = page.evaluate(TIMES)
    assert max(times) - min(times) < 0.1


def test_a_board_may_come_late_be_changed_and_go_away(visitor, site):
    page = loaded(visitor, f"{site}/board-2-en.html", 72)
    played(page, 0.3)
    page.evaluate(
        "window.kept = document.querySelector('main').innerHTML; "
        "document.querySelector('main').innerHTML = ''"
    )
    page.wait_for_timeout(100)
    page.evaluate("document.querySelector('main').innerHTML = window.kept")
    expect(page.locator("[data-frames]")).to_have_text("72")
    played(page, 0.3)


def test_it_works_from_disk(visitor, folder):
    page = loaded(visitor, (folder / "board-3-en.html").as_uri(), 96)
    played(page, 0.5)
    page.get_by_role("button", name="Pause all").click()
    assert len({round(time, 3) for time in page.evaluate(TIMES)}) == 1


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("width", [390, 360])
def test_a_phone_shows_all_at_once_with_big_buttons(browser, site, count, width):
    phone = browser.new_context(
        reduced_motion="reduce",
        viewport={"width": width, "height": 844},
        is_mobile=True,
        has_touch=True,
        locale="en-US",
    )
    page = phone.new_page()
    page.goto(f"{site}/board-{count}-en.html")
    page.wait_for_function("document.querySelector('video').readyState >= 3")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    page.locator("[data-compare]").evaluate("board => board.scrollIntoView()")
    parts = page.locator(".wan-compare-screen, [data-do]")
    for part in parts.all():
        box = part.bounding_box()
        assert box["y"] >= -1
        assert box["y"] + box["height"] <= 844
        assert round(min(box["width"], box["height"])) >= 44
    page.get_by_role("button", name="Play all").tap()
    page.wait_for_function("document.querySelector('video').currentTime > 0.3")
    page.locator(".wan-compare-screen").first.tap()
    expect(page.get_by_role("button", name="Play all")).to_be_visible()
    phone.close()


def test_it_speaks_the_language_of_the_page(visitor, site):
    page = loaded(visitor, f"{site}/board-3-zh.html", 96)
    expect(page.get_by_role("button", name="全部播放")).to_be_visible()
    expect(page.get_by_role("radio", name="音频 第 1 条")).to_be_visible()
    assert "Take" not in page.locator("[data-compare]").inner_text()
