"""The videos: size, length, rate, sound, the mark, and that they move."""

import itertools
import threading
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.sounds import sound, wav
from wan.simulator import lettering
from wan.simulator.errors import Refusal
from wan.simulator.films import Interrupted, Style, film
from wan.simulator.orders import Order, Reference


def order(*names: str, **given) -> Order:
    references = tuple(
        Reference(url=name)
        if name.startswith("http")
        else Reference(url=f"oss://{name}", object_name=name)
        for name in names
    )
    small = {
        "model": "wan2.6-r2v",
        "size": "320*256",
        "tier": "720P",
        "seconds": 2,
        "audio": False,
        "watermark": False,
        "multi_shot": False,
        "seed": 7,
    }
    return Order(
        **(small | {"prompt": "a caption", "negative_prompt": "", "references": references} | given)
    )


@pytest.fixture
def make(tmp_path: Path, samples: Path):
    def made(order: Order) -> Path:
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}.mp4"
        film(samples.joinpath, Style("ultrafast"), order, target, threading.Event())
        return target

    return made


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def image_film(**given) -> Order:
    return order("rocket.jpg", model="wan2.6-i2v-flash", size="", **given)


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    """A film of a picture, with sound: made once for all that look at one."""
    target = tmp_path_factory.mktemp("loud") / "film.mp4"
    film(samples.joinpath, Style("ultrafast"), image_film(audio=True), target, threading.Event())
    return target


def test_image_to_video_is_what_was_ordered(loud):
    with av.open(str(loud)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt, video.width, video.height) == (
            "h264",
            "yuv420p",
            1174,
            784,
        )
        assert (video.frames, video.average_rate, video.duration * video.time_base) == (60, 30, 2)
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == ("aac", 44100, "stereo")
        assert [
            round(float(one), 3)
            for one in (audio.duration * audio.time_base, container.duration / av.time_base)
        ] == [2.007, 2.007]
        loudest = max(np.abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
    assert 0.05 < loudest < 1
    assert loud.read_bytes().index(b"moov") < loud.read_bytes().index(b"mdat")


def test_reference_to_video_is_what_was_ordered(make, samples: Path, tmp_path: Path):
    target = tmp_path / "montage.mp4"
    trio = order(
        "bigbuckbunny.mp4",
        "chelsea.png",
        "https://media.example.com/x.png",
        size="720*1280",
        watermark=True,
    )
    assert film(samples.joinpath, Style("ultrafast"), trio, target, threading.Event()) == 1.65
    with av.open(str(target)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.frames, len(container.streams.audio)) == (
            720,
            1280,
            60,
            0,
        )


def test_the_picture_moves_smoothly(loud):
    pictures = [picture.astype(np.int16) for picture in frames(loud)]
    steps = [np.abs(after - before).mean() for before, after in itertools.pairwise(pictures)]
    assert np.abs(pictures[0] - pictures[-1]).mean() > 4
    assert max(steps) < 6


def test_a_still_film_has_every_frame_and_none_moves(samples: Path, tmp_path: Path):
    film(
        samples.joinpath,
        Style("ultrafast", still=True),
        image_film(),
        tmp_path / "still.mp4",
        threading.Event(),
    )
    pictures = [picture.astype(np.int16) for picture in frames(tmp_path / "still.mp4")]
    assert len(pictures) == 60
    assert np.abs(pictures[0] - pictures[-1]).mean() < 2


def test_a_clip_plays_and_begins_again(make, samples: Path, tmp_path: Path):
    short = tmp_path / "short.mp4"
    film(samples.joinpath, Style("ultrafast"), order("bigbuckbunny.mp4"), short, threading.Event())
    again = tmp_path / "again.mp4"
    film(
        lambda name: tmp_path / name,
        Style("ultrafast"),
        order("short.mp4", seconds=5),
        again,
        threading.Event(),
    )
    assert len(frames(again)) == 150


def test_the_seed_decides(make, loud):
    first = loud.read_bytes()
    same, other = (
        make(image_film(seed=seed, audio=True)).read_bytes() for seed in (image_film().seed, 2)
    )
    assert first == same != other


def test_simulated_is_written_in_the_picture(make, loud, monkeypatch: pytest.MonkeyPatch):
    pill = lettering.simulated_mark((1174, 784))
    monkeypatch.setattr(
        "wan.simulator.films.simulated_mark",
        lambda size: lettering.Patch(Image.new("RGBA", (1, 1)), 0, 0),
    )
    unmarked = make(image_film(audio=True))
    first, without = frames(loud)[0].astype(int), frames(unmarked)[0].astype(int)
    area = (
        slice(pill.top, pill.top + pill.ink.height),
        slice(pill.left, pill.left + pill.ink.width),
    )
    assert np.abs(first[area] - without[area]).mean() > 15
    assert np.abs(first[300:] - without[300:]).mean() < 1


@pytest.mark.parametrize("size", ["320*256", "256*320"])
def test_the_prompt_stands_at_the_top_and_is_gone_at_the_end(make, size: str):
    """Players have their controls at the bottom, and another film may continue from the end."""
    words = "a very long prompt about a rocket " * 5
    told, silent = (
        [
            picture.astype(int)
            for picture in frames(make(order("rocket.jpg", size=size, prompt=said)))
        ]
        for said in (words, "")
    )
    changed = [
        np.abs(one - other).max(axis=(1, 2)) > 60 for one, other in zip(told, silent, strict=True)
    ]
    for seen in (changed[0], changed[30]):
        rows = np.flatnonzero(seen)
        assert rows.size > 10
        assert rows.max() < 0.4 * len(seen)
    assert not any(seen.any() for seen in changed[-12:])
    assert np.abs(told[-1] - silent[-1]).mean() < 3, "but for what the encoder makes of it"


def test_captions_are_wrapped_cut_and_never_boxes():
    font = lettering.font_for("word …", 30)
    lines = lettering._wrap("word " * 80, font, 600)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(font.getlength(line) <= 600 for line in lines)
    assert lettering.caption("\U0010fffd only", (1280, 720)) is None
    assert lettering.caption("", (1280, 720)) is None


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n", "InvalidParameter.DataInspection"),
        (
            "a.mp4",
            b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
            "InvalidParameter.DataInspection",
        ),
        ("a.gif", b"GIF89a", "InvalidParameter.DataInspection"),
    ],
)
def test_what_is_no_medium_fails_the_task(tmp_path: Path, name: str, content: bytes, code: str):
    (tmp_path / name).write_bytes(content)
    render = partial(
        film,
        tmp_path.joinpath,
        Style("ultrafast"),
        order(name),
        tmp_path / "out.mp4",
        threading.Event(),
    )
    with pytest.raises(Refusal) as refused:
        render()
    assert refused.value.code == code
    assert not list(tmp_path.glob("out.*"))


def test_a_picture_cut_short_fails_and_a_clip_is_no_image(tmp_path: Path, samples: Path):
    (tmp_path / "cut.jpg").write_bytes((samples / "rocket.jpg").read_bytes()[:5000])
    for order_ in (
        image_film(references=(Reference(url="oss://x", object_name=str(tmp_path / "cut.jpg")),)),
        order("bigbuckbunny.mp4", model="wan2.6-i2v-flash"),
    ):
        with pytest.raises(Refusal) as refused:
            film(
                samples.joinpath,
                Style("ultrafast"),
                order_,
                tmp_path / "out.mp4",
                threading.Event(),
            )
        assert refused.value.code == "InvalidParameter.DataInspection"


def test_leaving_stops_the_work(tmp_path: Path, samples: Path):
    leaving = threading.Event()
    leaving.set()
    with pytest.raises(Interrupted):
        film(samples.joinpath, Style("ultrafast"), image_film(), tmp_path / "out.mp4", leaving)
    assert not list(tmp_path.glob("out.*"))


@pytest.mark.parametrize(
    "style",
    [Style("ultrafast", still=True), Style("ultrafast", plain=Path("plain"))],
    ids=["drawn", "plain"],
)
def test_a_film_has_the_sound_that_was_sent_up(
    tmp_path: Path, samples: Path, style: Style, monkeypatch: pytest.MonkeyPatch
):
    """Cut off where the film ends, and silent where the sound does; two films with different sounds
    are not one.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "low.wav").write_bytes(wav(3.1))
    (tmp_path / "stereo.mp3").write_bytes(sound(seconds=6, rate=44_100, layout="stereo"))
    for name, seconds, ends in (("low.wav", 4, 3.1), ("stereo.mp3", 4, 4)):
        laid = image_film(
            audio=True, seconds=seconds, sound=Reference(url=f"oss://{name}", object_name=name)
        )
        path_of = lambda one, name=name: (tmp_path if one == name else samples) / one  # noqa: E731
        film(path_of, style, laid, tmp_path / "film.mp4", threading.Event())
        with av.open(str(tmp_path / "film.mp4")) as container:
            heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert len(heard) / 44_100 == pytest.approx(seconds + 0.007, abs=0.05)
        loud = np.flatnonzero(np.abs(heard) > 0.05) / 44_100
        assert (loud[0], loud[-1]) == (pytest.approx(0, abs=0.1), pytest.approx(ends, abs=0.1))


def test_plain_films_are_as_long_as_large_and_as_loud_as_ordered_and_made_once(
    tmp_path: Path, samples: Path
):
    style = Style(plain=tmp_path / "plain")
    for number, seconds in enumerate((2, 2, 3)):
        ordered = image_film(audio=True, seconds=seconds, seed=number)
        film(samples.joinpath, style, ordered, tmp_path / f"{number}.mp4", threading.Event())
    with av.open(str(tmp_path / "2.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height, video.frames, video.average_rate) == (1174, 784, 90, 30)
        assert (audio.rate, audio.layout.name, round(audio.duration * audio.time_base)) == (
            44100,
            "stereo",
            3,
        )
    assert (tmp_path / "0.mp4").read_bytes() == (tmp_path / "1.mp4").read_bytes()
    assert sorted(path.name for path in style.plain.iterdir()) == [
        "1174x784 2 s with sound.mp4",
        "1174x784 3 s with sound.mp4",
    ]
