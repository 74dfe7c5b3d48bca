"""Videos that a bucket serves itself, by addresses that live for a short time: who is sent there,
what is said to others, and that a player seeks on when an address is gone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy
import pytest
from obstore.store import from_url
from playwright.sync_api import Response

from tests import buckets, plain_http
from tests.attacks.visitor import Answer, ask, called, picture_url
from tests.browser.serving import App, chromium, served
from tests.buckets import Bucket
from tests.patience import wait_until
from wan.domain.errors import SettingsError
from wan.environment.settings import load_settings
from wan.service.studio import Studio

pytestmark = pytest.mark.process

LIFE = 2  # seconds of an address here
SECONDS, RATE = 60, 2  # of a long video, which is more than a browser gets ahead: some ten
PROGRAM = f"""
import runpy, sys
from wan.storage import buckets
buckets.SIGNED = {LIFE}.0
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
runpy.run_path({str(Path(__file__).parents[2] / "app.py")!r}, run_name="__main__")
"""
PLAYER = {"Sec-Fetch-Dest": "video", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class House:
    """An app whose files are in a bucket, and where a video of it is."""

    app: App
    bucket: Bucket
    path: str

    def order(self, prompt: str) -> tuple[str, str]:
        """Asks for a video, and gives the path of it and its key in the bucket."""
        return ordered(self.app, prompt)

    def put(self, key: str, content: bytes) -> None:
        """Puts something else in the place of a file."""
        given = self.bucket.settings
        from_url(
            given["WAN_STORAGE_URL"],
            endpoint=given["AWS_ENDPOINT_URL"],
            access_key_id=given["AWS_ACCESS_KEY_ID"],
            secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            region=given["AWS_REGION"],
            client_options={"allow_http": True},
        ).put(key, content, attributes={"Content-Type": "video/mp4"})

    def ask(self, **headers: str) -> Answer:
        return ask(self.app.url, "GET", self.path, headers=headers)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    program = folder / "app.py"
    program.write_text(PROGRAM)
    with buckets.serving(folder / "bucket") as bucket:
        settings = bucket.settings | {"WAN_MEDIA_REDIRECT": "true"}
        with served(folder / "app", pending=0, running=0, program=program, **settings) as app:
            yield House(app, bucket, ordered(app, "She smiles.")[0])


def ordered(app: App, prompt: str) -> tuple[str, str]:
    request = {"prompt": prompt, "reference_image": picture_url(), "duration": 2, "wait": 60}
    how, said = called(app.url, "image_to_video", request)
    assert (how, said[0]["state"]) == ("complete", "SUCCEEDED"), said
    ((key,),) = app.rows("SELECT video_key FROM jobs ORDER BY created_at DESC LIMIT 1")
    return urlsplit(said[0]["video_url"]).path, key


def piece(address: str, first: int = 100) -> tuple[int, bytes]:
    """What the bucket answers to whoever asks for four bytes."""
    answer = plain_http.get(address, headers={"Range": f"bytes={first}-{first + 3}"})
    return answer.status_code, answer.content


def test_a_player_is_sent_to_the_bucket(house: House):
    whole = house.ask()
    assert whole.status == 200, "whoever is no player gets it from here"
    sent = house.ask(**PLAYER, Range="bytes=100-103")
    assert (sent.status, sent.body) == (307, b"")
    assert sent.headers["cache-control"] == "no-store"
    address = sent.headers["location"]
    assert address.startswith(f"{house.bucket.settings['AWS_ENDPOINT_URL']}/")
    assert f"X-Amz-Expires={LIFE}&" in address
    assert piece(address) == (206, whole.body[100:104])
    assert piece(re.sub("Signature=....", "Signature=0000", address))[0] == 403
    assert plain_http.get(address).headers["content-type"] == "video/mp4"


def test_an_address_ends_and_the_next_piece_gets_a_fresh_one(house: House):
    address = house.ask(**PLAYER).headers["location"]
    wait_until(lambda: piece(address)[0] != 206)
    assert piece(address)[0] == 403
    fresh = house.ask(**PLAYER, Range="bytes=200-203").headers["location"]
    assert piece(fresh, 200) == (206, house.ask().body[200:204])


def test_nobody_else_is_sent_anywhere(house: House):
    for headers in (
        {},
        {"Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Dest": "image"},
    ):
        assert house.ask(**headers).status == 200, headers
    poster = house.path.replace("video.mp4", "poster.webp")
    assert ask(house.app.url, "GET", poster, headers=PLAYER).status == 200
    for path in (f"{house.path}x", house.path.replace("/video", "x/video"), "/media/x/video.mp4"):
        assert ask(house.app.url, "GET", path, headers=PLAYER).status == 404, path


def test_the_page_may_play_from_there_and_nothing_else(house: House):
    page = ask(house.app.url, "GET", "/", headers={"Accept": "text/html"})
    policy = dict(
        one.strip().partition(" ")[::2]
        for one in page.headers["content-security-policy"].split(";")
    )
    assert policy["media-src"] == f"'self' blob: {house.bucket.settings['AWS_ENDPOINT_URL']}"
    others = {name for name, value in policy.items() if house.bucket.endpoint in value}
    assert others == {"media-src"}


def test_no_address_is_in_the_log(house: House):
    assert house.ask(**PLAYER).status == 307
    assert "Signature" not in house.app.log()


def test_a_browser_plays_from_the_bucket_and_seeks_when_the_address_has_ended(
    house: House, tmp_path: Path
):
    path, key = house.order("Much too long for a browser to have it all.")
    house.put(key, noise(tmp_path / "noise.mp4"))
    with chromium() as browser:
        page = browser.new_page()
        came: list[Response] = []
        page.on("response", lambda answer: came.append(answer))  # noqa: PLW0108 - Playwright marks it
        page.goto(house.app.url)
        page.evaluate(_LOAD, path)
        sent = [one for one in came if one.status == 307]
        assert [one.url for one in sent] == [f"{house.app.url}{path}"]
        address = sent[0].headers["location"]
        assert address in [one.url for one in came if one.status == 206]
        wait_until(lambda: piece(address)[0] != 206)
        assert page.evaluate(_SEEK, SECONDS - 1) >= SECONDS - 1.5
        assert page.evaluate("document.getElementById('there').error") is None
        sent = [one.headers["location"] for one in came if one.status == 307]
        assert len(sent) > 1, "it has asked for another"
        assert sent[-1] in [one.url for one in came if one.status == 206]


_LOAD = """path => new Promise((resolve, reject) => {
    const video = document.createElement("video");
    Object.assign(video, { muted: true, id: "there", preload: "metadata" });
    video.onloadeddata = resolve;
    video.onerror = () => reject(video.error.message);
    document.body.append(video);
    video.src = path;
})"""
_SEEK = """to => new Promise(resolve => {
    const video = document.getElementById("there");
    video.onerror = null;
    video.onseeked = () => resolve(video.currentTime);
    video.currentTime = to;
})"""


def noise(path: Path) -> bytes:
    """A long video that no encoder can make small: some 15 MB."""
    chance = numpy.random.default_rng(1)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as video:
        stream = video.add_stream("libx264", RATE, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 320, 240, "yuv420p", RATE
        for _ in range(SECONDS * RATE):
            pixels = chance.integers(0, 255, (240, 320, 3), dtype=numpy.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                video.mux(packet)
        for packet in stream.encode():
            video.mux(packet)
    return path.read_bytes()


@pytest.mark.anyio
@pytest.mark.parametrize("url", ["", "memory:///"])
async def test_a_storage_that_signs_nothing_is_refused_at_the_start(url, monkeypatch):
    monkeypatch.setenv("WAN_MEDIA_REDIRECT", "true")
    if url:
        monkeypatch.setenv("WAN_STORAGE_URL", url)
    with pytest.raises(SettingsError, match=r"^WAN_MEDIA_REDIRECT: got true\. Use it with "):
        async with Studio(load_settings()):
            pass
