"""What a video says of itself, and what is made of finished videos: last frames, films, bundles."""

import asyncio
import io
import json
import secrets
import threading
import zipfile
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import partial

import av
import numpy as np
import pytest
from PIL import Image

from tests.disks import small_disk
from tests.pictures import clip, picture
from wan.domain.errors import InvalidInput, JobNotFound, StorageUnavailable
from wan.domain.jobs import JobState
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.environment.settings import load_settings
from wan.media import embedded_settings, encode, inputs, join
from wan.service import polling
from wan.service.studio import Studio
from wan.storage import objects

OWNER = "somebody"
SECRET = "sk-secretsecret"
SIGNED = "https://bucket.oss-cn-beijing.aliyuncs.com/her.png?Expires=1&OSSAccessKeyId=LTAIsecret&Signature=secret#secret"


@pytest.fixture(autouse=True)
def _service(simulator, monkeypatch):
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"{SECRET}{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)


@pytest.fixture
async def studio():
    async with Studio(load_settings()) as opened:
        yield opened


def image(**changes) -> ImageToVideoRequest:
    return ImageToVideoRequest(
        **{"prompt": "她微笑 😀\nand waves", "reference_image": picture((640, 480)), "duration": 2}
        | changes
    )


async def finished(studio, request):
    job = await studio.submission.submit(request, owner=OWNER)
    async for event in studio.watching.follow(job.id, owner=OWNER):
        last = event.job
    assert last.state is JobState.SUCCEEDED, last.said
    return last


async def files(studio, job):
    return [
        await studio.library.find_media(job.media_token, name)
        for name in ("video.mp4", "original.mp4")
    ]


def packets(path) -> list:
    """Every packet of pictures and sound: what it holds, and when it is due."""
    with av.open(str(path)) as container:
        tracks = [*container.streams.video, *container.streams.audio]
        return [
            [(bytes(one), one.pts, one.dts) for one in container.demux(track) if one.size]
            for track in tracks
        ]


def tagged(path, text: str, name="comment"):
    """A real MP4 with a tag."""
    source = clip(path.with_name("untagged.mp4"), seconds=0.5, size=(64, 64))
    encode.tag(source, path, {name: text})
    return path


SHOT = {
    "product": "Wan Studio",
    "format": 1,
    "job": "abc",
    "model": "wan2.6-i2v-flash",
    "request": image().to_json(),
    "seed": 7,
    "references": [{"kind": "image", "sha256": "0" * 64, "url": ""}],
    "simulated": False,
}


# settings inside ----------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("fps", [None, 24])
async def test_a_video_carries_its_settings_and_the_service_s_own_file_stays_as_it_is(
    studio, simulator, fps
):
    job = await finished(studio, image(fps=fps, motion_strength=0.3))
    shown, original = await files(studio, job)
    assert (job.video_key, job.original_key) == (
        f"videos/{job.id}/video.mp4",
        f"videos/{job.id}/original.mp4",
    )
    assert (
        original.read_bytes()
        == next((simulator.folder / "results" / job.task_id).iterdir()).read_bytes()
    )
    assert inputs.read_settings(original) is None
    found = inputs.read_settings(shown)
    assert found == embedded_settings.settings_of(job)
    assert (
        ImageToVideoRequest(**found["request"], reference_image=b"x").to_json()
        == image(fps=fps, motion_strength=0.3).to_json()
    )
    assert found["seed"] == job.seed
    assert (packets(shown) == packets(original)) is (fps is None)
    clip_ = encode.measure(shown)
    assert (clip_.width, clip_.height, clip_.fps, clip_.seconds) == (
        job.width,
        job.height,
        job.fps,
        job.duration,
    )
    with av.open(str(shown)) as container:
        assert container.metadata["description"] == job.request["prompt"]
        assert str(job.seed) in container.metadata["title"]
    whole = shown.read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")  # plays while it loads


@pytest.mark.anyio
async def test_no_secret_stands_in_a_video(studio):
    job = await finished(
        studio,
        ReferenceToVideoRequest(
            prompt="character1 waves", reference_image=(SIGNED, picture()), duration=2
        ),
    )
    shown, _ = await files(studio, job)
    found, told = inputs.read_settings(shown), json.dumps(studio.library.describe(job))
    assert [one["url"] for one in found["references"]] == [
        "https://bucket.oss-cn-beijing.aliyuncs.com/her.png",
        "",
    ]
    assert found["references"][1]["sha256"] == inputs.digest(picture())
    for secret in (
        SECRET,
        "secret",
        OWNER,
        job.account,
        job.media_token,
        job.base_url,
        "references/",
    ):
        assert secret not in told
        assert secret.encode() not in shown.read_bytes()
    assert "LTAI" not in json.dumps(
        embedded_settings.settings_of(
            await finished(studio, image(audio_url=SIGNED.replace("png", "mp3")))
        )
    )


def test_settings_with_a_sound_are_read_back():
    sources = [
        {"kind": kind, "sha256": digit * 64, "url": ""}
        for kind, digit in (("image", "0"), ("audio", "1"))
    ]
    assert (
        embedded_settings.read(json.dumps(SHOT | {"references": sources}).encode())["references"]
        == sources
    )


@pytest.mark.anyio
async def test_the_settings_of_a_job_say_what_was_measured(studio, simulator):
    with simulator.holding("RUNNING"):
        asked = await studio.submission.submit(image(fps=24), owner=OWNER)
        async for event in studio.watching.follow(asked.id, owner=OWNER):
            if event.job.state is JobState.RUNNING:
                break
    told = studio.library.describe(job := await finished(studio, image(fps=24)))
    assert told.items() >= embedded_settings.settings_of(job).items()
    assert (told["width"], told["height"], told["fps"], told["duration"]) == (1280, 720, 24, 2)
    assert (told["state"], told["task_id"], told["price"]) == (
        "SUCCEEDED",
        job.task_id,
        None,
    )  # no prices are known for an address of one's own
    assert (
        studio.library.describe(replace(job, amount=Decimal("0.60"), currency="CNY"))["price"]
        == "¥0.60"
    )
    assert told["adjustments"][-1] == "Rendered at 30 fps, converted to 24 fps."
    assert list(told["times"]) == [
        "created",
        "started",
        "submitted",
        "running",
        "fetching",
        "ended",
    ]
    assert json.loads(json.dumps(told)) == told
    assert (
        studio.library.describe(await studio.submission.submit(image(seed=5), owner=OWNER))["width"]
        is None
    )


@pytest.mark.anyio
async def test_a_paid_video_outlives_a_label_that_cannot_be_written(studio, monkeypatch):
    def broken(*_):
        raise ValueError("no")

    monkeypatch.setattr(encode, "tag", broken)
    job = await finished(studio, image())
    assert job.video_key == job.original_key
    assert job.adjustments == [one for one in job.adjustments if one.key != "not_conformed"]
    conformed = await finished(studio, image(fps=12))
    assert (conformed.fps, conformed.adjustments[-1].key) == (12, "fps_conformed")


@pytest.mark.anyio
async def test_a_label_waits_for_room_on_the_disk(studio, monkeypatch):
    full, real = [True, True], encode.tag

    def tag(*given):
        if full:
            raise OSError(28, "No space left on device", full.pop())
        return real(*given)

    monkeypatch.setattr(encode, "tag", tag)
    job = await finished(studio, image())
    assert inputs.read_settings((await files(studio, job))[0]) == embedded_settings.settings_of(job)
    assert not full


def test_the_mark_of_the_service_stays(tmp_path):
    """China's rules have services write into a file that a machine made it: under a name that only
    the newer kind of tags has room for.
    """
    marked = tagged(tmp_path / "marked.mp4", '{"Label": "1"}', "AIGC")
    for make in (
        lambda target: encode.tag(marked, target, embedded_settings.tags([SHOT])),
        lambda target: encode.conform(marked, target, size="96*96", fps=10),
    ):
        make(tmp_path / "made.mp4")
        with av.open(str(tmp_path / "made.mp4")) as container:
            assert container.metadata["AIGC"] == '{"Label": "1"}'
    encode.tag(marked, tmp_path / "made.mp4", embedded_settings.tags([SHOT]))
    assert inputs.read_settings(tmp_path / "made.mp4") == SHOT


def test_colours_stay_what_they_are(tmp_path, samples):
    encode.conform(samples / "bigbuckbunny.mp4", tmp_path / "made.mp4", size="640*360", fps=10)
    with (
        av.open(str(samples / "bigbuckbunny.mp4")) as given,
        av.open(str(tmp_path / "made.mp4")) as made,
    ):
        before, after = (
            (one.color_primaries, one.color_trc, one.colorspace)
            for one in (given.streams.video[0].codec_context, made.streams.video[0].codec_context)
        )
    assert before == after


def test_the_longest_settings_come_back(tmp_path):
    request = image(
        prompt="😀" * 1500,
        negative_prompt='"\\' * 250,
        audio_url=f"https://example.com/{'a' * 2000}",
    ).to_json()
    long = SHOT | {
        "request": request,
        "references": [{"kind": "image", "sha256": "", "url": f"https://example.com/{'b' * 2000}"}]
        * 5,
    }
    film = tagged(
        tmp_path / "film.mp4",
        embedded_settings.tags([long] * embedded_settings.SHOTS[-1])["comment"],
    )
    found = inputs.read_settings(film)
    assert found == {
        "product": "Wan Studio",
        "format": 1,
        "shots": [long] * embedded_settings.SHOTS[-1],
    }


ODD = {
    "nothing": "",
    "no JSON": "a film of mine",
    "another's": json.dumps({"workflow": [1, 2]}),
    "a list": json.dumps([SHOT]),
    "of a later format": json.dumps(SHOT | {"format": 2}),
    "deep": '{"product":' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep request": json.dumps(SHOT).replace('"fps": null', '"fps": ' + "[" * 5000 + "]" * 5000),
    "long": json.dumps(SHOT | {"note": "x" * embedded_settings.LIMIT}),
    "a long prompt": json.dumps(SHOT | {"request": SHOT["request"] | {"prompt": "x" * 1501}}),
    "a prompt of half a character": json.dumps(
        SHOT | {"request": SHOT["request"] | {"prompt": "\ud800"}}
    ),
    "a prompt that is none": json.dumps(SHOT | {"request": SHOT["request"] | {"prompt": {"x": 1}}}),
    "no request": json.dumps({key: value for key, value in SHOT.items() if key != "request"}),
    "another model": json.dumps(SHOT | {"model": "wan9"}),
    "a size": json.dumps(SHOT | {"request": SHOT["request"] | {"size": "99999*99999"}}),
    "a seed": json.dumps(SHOT | {"seed": 2**31}),
    "an endless seed": json.dumps(SHOT).replace('"seed": 7', '"seed": ' + "9" * 5000),
    "no number": json.dumps(SHOT | {"request": SHOT["request"] | {"duration": float("nan")}}),
    "an address of ours": json.dumps(
        SHOT | {"references": [{"kind": "image", "url": "http://127.0.0.1/x"}]}
    ),
    "an address that runs": json.dumps(
        SHOT | {"references": [{"kind": "image", "url": "javascript:alert(1)"}]}
    ),
    "many references": json.dumps(SHOT | {"references": SHOT["references"] * 6}),
    "a path": json.dumps(SHOT | {"job": "../../etc/passwd"}),
    "a digest": json.dumps(SHOT | {"references": [{"kind": "image", "sha256": "<b>"}]}),
    "no shots": json.dumps({"product": "Wan Studio", "format": 1, "shots": []}),
    "many shots": json.dumps({"product": "Wan Studio", "format": 1, "shots": [SHOT] * 21}),
    "one bad shot": json.dumps(
        {"product": "Wan Studio", "format": 1, "shots": [SHOT, SHOT | {"seed": -1}]}
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_settings_that_are_not_ours_are_none(tmp_path, name):
    assert inputs.read_settings(tagged(tmp_path / "odd.mp4", ODD[name])) is None


def test_only_known_settings_come_back(tmp_path):
    more = SHOT | {
        "later": 1,
        "request": SHOT["request"]
        | {"later": {"a": [1]}, "reference_image": "https://example.com/x.png"},
    }
    assert inputs.read_settings(tagged(tmp_path / "odd.mp4", json.dumps(more))) == SHOT


def test_what_is_no_video_is_refused(tmp_path):
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(
            np.zeros((2, 4800), np.float32), format="fltp", layout="stereo"
        )
        frame.sample_rate = 48000
        container.mux([*track.encode(frame), *track.encode(None)])
    (tmp_path / "list.mp4").write_bytes(b"#EXTM3U\nhttp://127.0.0.1/x.mp4\n")
    (tmp_path / "still.mp4").write_bytes(picture())
    for name in ("sound", "list", "still", "gone"):
        with pytest.raises(InvalidInput):
            inputs.read_settings(tmp_path / f"{name}.mp4")


def test_damaged_videos_do_no_harm(tmp_path):
    whole = tagged(tmp_path / "whole.mp4", json.dumps(SHOT)).read_bytes()
    chance, outcomes = np.random.default_rng(5), set()
    start = whole.index(b"udta")
    for number in range(60):
        damaged = bytearray(whole[: int(chance.integers(len(whole)))] if number % 6 == 0 else whole)
        for at in chance.integers(
            start if number % 2 else 0, len(damaged) if number % 6 == 0 else start + 400, 3
        ):
            damaged[min(at, len(damaged) - 1)] = chance.integers(256)
        path = tmp_path / "damaged.mp4"
        path.write_bytes(damaged)
        try:
            found = inputs.read_settings(path)
        except InvalidInput as refusal:
            found = refusal.message.key
        outcomes.add(found if isinstance(found, str) else type(found).__name__)
    assert outcomes <= {"dict", "NoneType", "file_damaged", "media_unsafe"}
    assert len(outcomes) > 2


# the last frame -----------------------------------------------------------------------------------


def film_of(
    path, shades, *, fps=30, size=(64, 64), options=None, tone=None, rate=48000, layout="stereo"
):
    """A clip whose frames have these shades of grey, and, where a tone (Hz) is given, sound as long
    as they are shown.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps), options=options or {"preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        track = container.add_stream("aac", rate=rate, layout=layout) if tone else None
        for shade in shades:
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(
                        np.full((size[1], size[0], 3), shade, np.uint8), format="rgb24"
                    )
                )
            )
        container.mux(stream.encode(None))
        if track is not None:
            wave = 0.5 * np.sin(
                2 * np.pi * tone * np.arange(round(len(shades) / fps * rate)) / rate,
                dtype=np.float32,
            )
            frame = av.AudioFrame.from_ndarray(
                np.stack([wave] * (2 if layout == "stereo" else 1)).astype(np.float32),
                format="fltp",
                layout=layout,
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux([*track.encode(frame), *track.encode(None)])
    return path


@pytest.mark.parametrize(
    "options",
    [
        {"preset": "ultrafast"},
        {"bf": "3", "x264-params": "b-adapt=0:scenecut=0"},
        {"g": "12", "bf": "3", "x264-params": "b-adapt=0:open-gop=1"},
    ],
    ids=["plain", "B-frames", "several groups"],
)
@pytest.mark.parametrize("frames", [1, 7, 50])
def test_the_last_frame_is_the_last_that_is_shown(tmp_path, options, frames):
    path = film_of(tmp_path / "clip.mp4", range(10, 10 + 4 * frames, 4), options=options)
    if "bf" in options and frames > 1:
        with av.open(str(path)) as container:
            assert any(one.pts != one.dts for one in container.demux(video=0) if one.size)
    with Image.open(io.BytesIO(join.last_frame(path))) as still:
        assert (still.format, still.size, still.mode) == ("PNG", (64, 64), "RGB")
        assert still.getpixel((30, 30))[0] == pytest.approx(10 + 4 * (frames - 1), abs=1)


@pytest.mark.parametrize("said", [1, 2], ids=["HD", "nothing said"])
def test_the_last_frame_has_the_colours_that_players_show(tmp_path, said):
    red = av.VideoFrame(64, 64, "yuv420p")
    for plane, level in zip(red.planes, (63, 102, 240), strict=True):  # pure red, by the rule of HD
        plane.update(bytes([level]) * plane.buffer_size)
    with av.open(str(tmp_path / "red.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.colorspace = (
            64,
            64,
            "yuv420p",
            said,
        )
        container.mux([*stream.encode(red), *stream.encode(None)])
    for still in (join.last_frame(tmp_path / "red.mp4"), encode.poster(tmp_path / "red.mp4")):
        assert Image.open(io.BytesIO(still)).convert("RGB").getpixel((30, 30)) == pytest.approx(
            (254, 0, 0), abs=3
        )


@pytest.mark.anyio
async def test_the_next_shot_begins_with_the_last_frame(studio):
    job = await finished(studio, image(fps=24))
    still = await studio.exports.extract_last_frame(job.id, owner=OWNER)
    assert Image.open(io.BytesIO(still)).size == (1280, 720)
    following = await finished(studio, image(prompt="and goes on", reference_image=still))
    assert "image_cropped" not in [one.key for one in following.adjustments]
    with pytest.raises(JobNotFound):
        await studio.exports.extract_last_frame(job.id, owner="somebody else")


# films --------------------------------------------------------------------------------------------


def shown(path) -> list[tuple[float, int]]:
    """When each frame of a film is shown, and its shade in the middle."""
    with av.open(str(path)) as container:
        return [
            (frame.time, int(frame.to_ndarray(format="gray")[frame.height // 2, frame.width // 2]))
            for frame in container.decode(video=0)
        ]


def heard(path) -> np.ndarray:
    """How loud a film is in each hundredth of a second."""
    with av.open(str(path)) as container:
        assert (container.streams.audio[0].rate, container.streams.audio[0].layout.name) == (
            48000,
            "stereo",
        )
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    return np.sqrt(np.mean(samples[: len(samples) // 480 * 480].reshape(-1, 480) ** 2, axis=1))


def joined(tmp_path, *paths, size="128*64", fps=30.0):
    told = []
    join.join(
        paths,
        tmp_path / "film.mp4",
        size=size,
        fps=fps,
        progress=told.append,
        tags=embedded_settings.tags([SHOT] * len(paths)),
    )
    assert told == sorted(told)
    assert 0 < told[0] < told[-1] <= 1
    return tmp_path / "film.mp4"


def test_pictures_and_sound_meet_at_every_seam(tmp_path):
    """Clips of other sizes, rates and sounds, one of them without: each is seen and heard exactly
    while it is its turn.
    """
    clips = [
        (film_of(tmp_path / "a.mp4", [60] * 60, tone=440), 2.0, True),
        (film_of(tmp_path / "b.mp4", [120] * 31, fps=24, size=(64, 128)), 31 / 24, False),
        (
            film_of(
                tmp_path / "c.mp4",
                [180] * 25,
                fps=25,
                size=(128, 64),
                tone=300,
                rate=44100,
                layout="mono",
                options={"bf": "3"},
            ),
            1.0,
            True,
        ),
        (film_of(tmp_path / "d.mp4", [240] * 7, fps=12), 7 / 12, False),
        (film_of(tmp_path / "e.mp4", [90] * 30, tone=440), 1.0, True),
    ]
    film = joined(tmp_path, *(path for path, _, _ in clips))
    frames, loudness, shades, begins = shown(film), heard(film), [60, 120, 180, 240, 90], 0.0
    for (_, seconds, sounds), shade in zip(clips, shades, strict=True):
        ends = begins + seconds
        mine = [at for at, found in frames if abs(found - shade) < 20]
        assert mine[0] == pytest.approx(begins, abs=0.5 / 30 + 0.001)
        assert mine[-1] == pytest.approx(ends - 1 / 30, abs=0.5 / 30 + 0.001)
        within = loudness[round(begins * 100) + 3 : round(ends * 100) - 3]
        assert (within > 0.2).all() if sounds else (within < 0.01).all()
        begins = ends
    made = encode.measure(film)
    assert (made.size, made.fps, made.codec, made.has_audio) == ("128*64", 30, "h264", True)
    assert made.seconds == pytest.approx(begins, abs=1 / 30)
    assert len(loudness) / 100 == pytest.approx(begins, abs=0.02)
    assert [round(at * 30) for at, _ in frames] == list(
        range(len(frames))
    )  # no frame is missing, none twice
    whole = film.read_bytes()
    assert whole.index(b"moov") < whole.index(b"mdat")
    assert inputs.read_settings(film)["shots"] == [SHOT] * 5


def test_what_rounding_takes_never_adds_up(tmp_path):
    """Each clip is a third of a frame longer than the film's rate has frames for."""
    path = film_of(tmp_path / "a.mp4", [60] * 10, fps=24, tone=440)
    film = joined(tmp_path, *[path] * 20, fps=10)
    assert encode.measure(film).seconds == pytest.approx(20 * 10 / 24, abs=1 / 10)
    assert (heard(film)[3:-3] > 0.2).all()


def test_every_frame_comes_once_where_the_rate_stays(tmp_path):
    shades = list(range(10, 230, 4))
    film = joined(
        tmp_path,
        *[
            film_of(tmp_path / f"{n}.mp4", shades, options={"crf": "1", "bf": "2"})
            for n in range(3)
        ],
        size="64*64",
    )
    assert [found for _, found in shown(film)] == pytest.approx(shades * 3, abs=3)


def grey(path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_pictures_that_are_alike_are_copied(tmp_path):
    """To the last bit, each at its time, with the sound of both."""
    one, other = (
        film_of(tmp_path / f"{n}.mp4", shades, tone=440, options={"bf": "2"})
        for n, shades in enumerate((range(10, 110, 4), range(230, 20, -6)))
    )
    film = joined(tmp_path, one, other, one, size="64*64")
    for made, given in zip(grey(film), grey(one) + grey(other) + grey(one), strict=True):
        assert (made == given).all()
    assert [round(at * 30, 3) for at, _ in shown(film)] == list(range(25 + 35 + 25))
    assert encode.measure(film).seconds == pytest.approx(85 / 30, abs=0.001)
    assert (heard(film)[3:-3] > 0.2).all()


def test_pictures_of_other_encoders_are_not_copied(tmp_path):
    """One track has one encoder's settings; a clip at a rate of its own has to be brought to the
    film's.
    """
    plain = film_of(tmp_path / "a.mp4", [60] * 10)
    for n, given in enumerate(({"options": {"cabac": "0"}}, {"fps": 24})):
        other = film_of(tmp_path / f"{n}.mp4", [200] * 10, **given)
        shades = [shade for _, shade in shown(joined(tmp_path, plain, other, size="64*64"))]
        assert shades[:10] == pytest.approx([60] * 10, abs=3)
        assert shades[10:] == pytest.approx([200] * (10 if n == 0 else 13), abs=3)


def test_other_shapes_are_padded_and_never_stretched(tmp_path):
    wide, high = (
        film_of(tmp_path / "a.mp4", [200] * 10, size=(128, 64)),
        film_of(tmp_path / "b.mp4", [200] * 10, size=(64, 128)),
    )
    with av.open(str(joined(tmp_path, wide, high))) as container:
        first, *_, last = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert (first > 150).all()
    assert (last[:, 50:78] > 150).all()
    assert (last[:, :44] < 40).all()
    assert (last[:, 84:] < 40).all()


def test_sound_that_begins_late_stays_late(tmp_path):
    path, early = film_of(tmp_path / "a.mp4", [60] * 60, tone=440), tmp_path / "early.mp4"
    with av.open(str(path)) as given, av.open(str(early), "w") as made:
        tracks = {one.index: made.add_stream_from_template(one) for one in given.streams}
        for packet in given.demux():
            if packet.dts is not None and (
                packet.stream.type == "video" or packet.pts * packet.time_base >= 1
            ):
                packet.stream = tracks[packet.stream_index]
                made.mux(packet)
    loudness = heard(joined(tmp_path, early, early))
    assert [(loudness[at : at + 90] > 0.2).all() for at in (5, 105, 205, 305)] == [
        False,
        True,
        False,
        True,
    ]
    assert (loudness[5:95] < 0.01).all()


def test_silent_clips_make_a_silent_film(tmp_path):
    film = joined(tmp_path, *[film_of(tmp_path / f"{n}.mp4", [60] * 10) for n in range(2)])
    assert not encode.measure(film).has_audio


@pytest.mark.parametrize("enough", [0.0, 0.4, 0.9])
def test_a_film_that_is_stopped_leaves_nothing(tmp_path, enough):
    class Enough(Exception):
        pass

    def stop(done):
        if done > enough:
            raise Enough

    path = film_of(tmp_path / "a.mp4", [60] * 60, tone=440)
    with pytest.raises(Enough):
        join.join([path, path], tmp_path / "film.mp4", size="64*64", fps=30, progress=stop)
    assert [one.name for one in tmp_path.glob("*.mp4")] == ["a.mp4"]


@pytest.mark.anyio
async def test_takes_become_a_film(studio, tmp_path):
    takes = [
        await finished(studio, image(seed=1)),
        await finished(studio, image(seed=2, fps=24, size="720*1280", audio=False)),
    ]
    film, told = tmp_path / "film.mp4", []
    await studio.exports.join(
        [takes[1].id, takes[0].id, takes[1].id], owner=OWNER, target=film, progress=told.append
    )
    made = encode.measure(film)
    assert (made.size, made.fps) == ("720*1280", 24)
    assert made.seconds == pytest.approx(6, abs=1 / 24)
    assert [shot["seed"] for shot in inputs.read_settings(film)["shots"]] == [2, 1, 2]
    assert told[-1] == 1
    loudness = heard(film)
    assert (
        (loudness[210:390] > 0.001).mean() > 0.9,
        loudness[5:195].max() < 0.001,
        loudness[405:595].max() < 0.001,
    ) == (True, True, True)
    await studio.exports.join(
        [takes[0].id] * 2, owner=OWNER, target=film, size="960*960", fps=10, progress=told.append
    )
    assert (encode.measure(film).size, encode.measure(film).fps) == ("960*960", 10)


@pytest.mark.anyio
async def test_films_that_cannot_be_made_are_refused_in_words(studio, simulator, tmp_path):
    job, target = await finished(studio, image()), tmp_path / "film.mp4"
    with simulator.fault("create", "status-400"):
        failed = await studio.submission.submit(image(prompt="no"), owner=OWNER)
        async for _ in studio.watching.follow(failed.id, owner=OWNER):
            pass
    for chosen, said in (
        ([], "got 0"),
        ([job.id], "got 1. Choose 2 to 20 takes"),
        ([job.id] * 21, "got 21"),
        ([job.id, failed.id], "has no video"),
    ):
        with pytest.raises(InvalidInput, match=said) as refusal:
            await studio.exports.join(chosen, owner=OWNER, target=target, progress=print)
        assert refusal.value.field == "takes"
    archive = partial(studio.exports.archive, target=target)
    for chosen, said in (
        ([], "got 0. Choose 1 to 100 takes"),
        ([job.id] * 101, "got 101"),
        ([job.id, failed.id], "has no video"),
    ):
        with pytest.raises(InvalidInput, match=said):
            await archive(chosen, owner=OWNER, progress=print)

    def stop(_done: float) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        await archive([job.id], owner=OWNER, progress=stop)
    for call in (
        archive([job.id], owner="somebody else", progress=print),
        studio.exports.join([job.id] * 2, owner="somebody else", target=target, progress=print),
        studio.exports.bundle(job.id, owner="somebody else", target=target),
    ):
        with pytest.raises(JobNotFound):
            await call
    (await files(studio, job))[0].unlink()
    for call in (
        studio.exports.join([job.id] * 2, owner=OWNER, target=target, progress=print),
        studio.exports.extract_last_frame(job.id, owner=OWNER),
    ):
        with pytest.raises(InvalidInput, match=f"take “{job.id}” has no video"):
            await call
    assert not target.exists()


@pytest.mark.anyio
async def test_a_film_that_nobody_waits_for_is_given_up(studio, tmp_path):
    job, target, begun, told = (
        await finished(studio, image()),
        tmp_path / "film.mp4",
        threading.Event(),
        [],
    )

    def progress(done):
        told.append(done)
        begun.set()

    making = asyncio.create_task(
        studio.exports.join([job.id] * 20, owner=OWNER, target=target, progress=progress)
    )
    await asyncio.to_thread(begun.wait)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert told[-1] < 0.9
    assert not target.exists()
    assert not list(load_settings().output_dir.rglob(".work-*"))
    await studio.exports.join(
        [job.id] * 2, owner=OWNER, target=target, progress=progress
    )  # the next one has its turn
    assert target.exists()


@pytest.mark.anyio
async def test_a_film_on_a_full_disk_is_refused_and_leaves_nothing(studio, tmp_path, monkeypatch):
    job = await finished(studio, image())
    monkeypatch.setattr(objects, "ROOM", -(1 << 50))
    with small_disk(tmp_path / "small") as disk, disk.full():
        for make in (
            studio.exports.join(
                [job.id] * 2, owner=OWNER, target=disk.folder / "film", progress=lambda _: None
            ),
            studio.exports.bundle(job.id, owner=OWNER, target=disk.folder / "film"),
        ):
            with pytest.raises(StorageUnavailable, match="disk is full"):
                await make
            assert not (disk.folder / "film").exists()


@pytest.mark.anyio
async def test_a_bundle_holds_the_video_and_its_settings(studio, tmp_path):
    job = await finished(studio, image(prompt="../../etc/passwd", seed=11))
    await studio.exports.bundle(job.id, owner=OWNER, target=tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as made:
        name = studio.file_names.of(job)
        assert " ..-..-etc-passwd 11 " in name
        assert made.namelist() == [f"{name}.mp4", f"{name}.json"]
        assert made.testzip() is None
        assert made.read(f"{name}.mp4") == (await files(studio, job))[0].read_bytes()
        assert json.loads(made.read(f"{name}.json")) == studio.library.describe(job)
