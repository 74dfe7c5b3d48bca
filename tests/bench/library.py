"""A library of 100,000 jobs in Chromium: how long until the first cards, the next page and what a
search finds are there.

Times are what somebody waits, from the click or the last key until the cards are in the page. The
peer is the same look at 1,000 jobs, in turn with the other. Beside them stands what the database
needs for each look, asked directly. The jobs are rows of a real database, as large as real ones;
the page is the real app.
"""

import io
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from PIL import Image

from tests.blocking import Store
from wan.database.schema import JOBS
from wan.domain.ids import Owners
from wan.domain.jobs import Job, JobState, Reference
from wan.domain.messages import Message

MANY, FEW = 100_000, 1000
_ROUNDS = 7
_MARK = 150  # ms
_KINDS = 20  # of jobs, whose prompts and stills differ
_WORDS = [
    "red",
    "kite",
    "over",
    "the",
    "sea",
    "at",
    "morning",
    "light",
    "with",
    "a",
    "slow",
    "push",
    "in",
    "wide",
    "shot",
    "of",
    "busy",
    "market",
    "lanterns",
    "cat",
    "watches",
    "rain",
    "on",
    "window",
    "old",
    "train",
    "crosses",
    "bridge",
    "through",
    "fog",
    "hand",
    "held",
    "camera",
    "follows",
    "dancer",
    "turning",
    "under",
    "neon",
    "signs",
    "close",
    "up",
    "of",
    "ink",
    "spreading",
    "in",
    "water",
]
_CHINESE = "清晨的港口，一只猫在雨中走过，镜头缓慢推近，远处灯塔亮起。"
_TOKEN = "t" * 43
_TAKE = "Take #:"
Looks = dict[str, list[float]]


def seeded(url: str, folder: Path, jobs: int) -> str:
    """Writes the rows and the stills of finished jobs, and gives their owner."""
    with closing(Store(url)) as store:
        owner = Owners(store.database.seal).of_token(_TOKEN)
        now = time.time()
        for kind in range(_KINDS):
            poster = folder / "output" / "storage" / _key(kind) / "poster.webp"
            poster.parent.mkdir(parents=True)
            poster.write_bytes(_still(kind))
            store.add(_job(kind, owner, now))
        with store.database.writing() as connection:
            connection.execute(_copies(jobs // _KINDS, now))
            connection.execute(JOBS.delete().where(JOBS.c.id.startswith("kind")))
    return owner


def _copies(times: int, now: float) -> sa.Insert:
    """What makes so many jobs of each that is there, with a number that stands in the prompt."""
    first = sa.select(sa.literal(0).label("turn")).cte(recursive=True)
    turns = first.union_all(sa.select(first.c.turn + 1).where(first.c.turn < times - 1))
    number = turns.c.turn * _KINDS + sa.func.substr(JOBS.c.id, 5).cast(sa.Integer)
    digits = number.cast(sa.Text)
    unique = (sa.literal(10**17) + number).cast(sa.Text)
    request = sa.func.replace(JOBS.c.request.cast(sa.Text), "#:", digits + ":")
    changed = {
        "id": sa.literal("job") + unique,
        "created_at": now - 600 * (number + 1),
        "request": request.cast(sa.Text().with_variant(sa.JSON(), "postgresql")),
        "prompt_folded": sa.func.replace(JOBS.c.prompt_folded, "#:", digits + ":"),
        "media_token": sa.literal("media-of-job--") + unique,
        "task_id": sa.literal("task-") + unique,
    }
    changed |= {name: sa.literal(f"{name}-") + unique for name in ("cache_key", "brief_id")}
    values = [changed.get(column.key, column) for column in JOBS.c]
    every = sa.select(*values).join(turns, sa.true()).order_by(number.desc())
    return JOBS.insert().from_select([*JOBS.c], every)


def _key(kind: int) -> str:
    return f"videos/kind{kind:016}"


def _job(kind: int, owner: str, now: float) -> Job:
    """A finished job, as large as one of a real run."""
    words = " ".join(_WORDS[(kind * 7 + word) % len(_WORDS)] for word in range(20 + 3 * kind))
    prompt = f"{_TAKE} {_CHINESE if kind % 2 else ''}{words}."
    given = {"negative_prompt": "", "duration": 5, "size": "1280*720", "fps": 30, "seed": 5}
    flags = {"audio": True, "watermark": False, "prompt_extend": True, "shot_type": "single"}
    parameters = {"resolution": "720P", "duration": 5, "seed": 5} | flags
    reference = Reference(
        *("image", "", "harbour.jpg", "5" * 64, f"references/{'5' * 63}.jpg"),
        *(f"references/{'6' * 63}.jpg", 250_000, 1920, 1080),
    )
    return Job(
        id=f"kind{kind:016}",
        owner=owner,
        account="account",
        backend="simulator",
        base_url="http://127.0.0.1:34467/api/v1",
        region="cn-beijing",
        workspace="",
        model="wan2.6-r2v" if kind % 3 else "wan2.6-i2v-flash",
        state=JobState.FAILED if kind % 10 == 9 else JobState.SUCCEEDED,
        due_at=None,
        request={"prompt": prompt, **given, **flags, "fit": "crop", "audio_url": ""},
        references=[reference],
        payload={
            "model": "wan2.6-i2v-flash",
            "input": {"prompt": prompt, "img_url": "reference:0"},
            "parameters": parameters,
        },
        cache_key=f"{kind:040}",
        brief_id=f"brief{kind}",
        adjustments=[Message.of("image_cropped", given="1920*1080", size="1280*720")],
        request_id="47a45723-9a7f-449a-9bb4-ee3577481ac5",
        task_id=f"task{kind}",
        created_at=now,
        state_at=now,
        media_token=f"{kind:032}",
        video_key=f"{_key(kind)}/video.mp4",
        original_key=f"{_key(kind)}/original.mp4",
        poster_key=f"{_key(kind)}/poster.webp",
        width=1280,
        height=720,
        fps=30.0,
        duration=5.0,
        ended_at=now + 60,
    )


def _still(number: int) -> bytes:
    """A poster as a video of 720P has one."""
    picture = Image.effect_noise((160, 90), 40).resize((1280, 720)).convert("RGB")
    picture.paste((number * 10, 90, 140), (0, 0, 400, 720))
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=82)
    return out.getvalue()


_LOOK = """async ([act, wanted]) => {
    performance.clearResourceTimings();
    const begun = performance.now();
    const there = eval(wanted);
    eval(act);
    while (!there()) await new Promise((next) => requestAnimationFrame(next));
    const ended = performance.now();
    const asked = performance.getEntriesByName(location.origin + '/gradio_api/queue/join?');
    return [ended - begun, asked.length ? asked[0].startTime - begun : 0];
}"""
_TAB = (
    "[...document.querySelectorAll('[role=tab]')].find((tab) => "
    "/Library/.test(tab.textContent)).click()"
)
_CARDS = "() => document.querySelectorAll('.wan-item').length === 24"
_TYPED = (
    "(() => {{ const box = document.querySelector('#wan-library-search input'); box.value "
    "= '{0}'; box.dispatchEvent(new Event('input')); }})()"
)
_OLDER = "[...document.querySelectorAll('[data-event=look]')].at(-1).click()"
_FIRST = "document.querySelector('.wan-item').dataset.job"
_OTHERS = f"((first) => () => document.querySelector('.wan-item') && {_FIRST} !== first)({_FIRST})"
