"""Files of the page: what a name leads to, what becomes of an upload that was used, and what goes
with what.
"""

import asyncio
import hashlib
import os
import re
import secrets
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.pictures import clip, picture
from tests.sounds import sound
from wan.database.jobs import Jobs
from wan.domain.requests import ImageToVideoRequest, ReferenceToVideoRequest
from wan.environment.settings import load_settings
from wan.service import cleanup, polling
from wan.service.studio import Studio
from wan.storage import uploads
from wan.storage.uploads import SAMPLES, Original, Upload, UploadFolder, clean_name

OWNER, OTHER = "somebody", "somebody else"


@pytest.fixture
def folder(tmp_path) -> UploadFolder:
    return UploadFolder(tmp_path / "uploads")


def uploaded(folder: UploadFolder, content: bytes = b"raw", name: str = "her.png") -> Upload:
    """A file as it is there after an upload, found by its name."""
    path = folder.new(name)
    path.write_bytes(content)
    found = folder.find(folder.name(path))
    assert isinstance(found, Upload)
    return found


NAMES = [
    ("her.png", "her.png"),
    ("../../evil.png", "evil.png"),
    ("C:\\photos\\her.png", "her.png"),
    (".note", "note"),
    ("..", "file"),
    ("", "file"),
    ("照片.png", "照片.png"),
    ("a\0b\n\u202e.png", "ab.png"),
    ('a<b>"c"?*|#%&.png', "abc.png"),
    ("x" * 500 + ".jpeg", "x" * 160 + ".jpeg"),
    ("照" * 200 + ".png", "照" * 53 + ".png"),
    ("a." + "b" * 300, "a." + "b" * 9),
]


@pytest.mark.parametrize(("given", "kept"), NAMES, ids=[f"{given[:20]!a}" for given, _ in NAMES])
def test_names_of_files(given, kept, folder):
    assert clean_name(given) == kept
    path = folder.new(given)
    path.write_bytes(b"x")
    assert folder.find(folder.name(path)) == path
    assert (
        re.fullmatch(r"uploads/[\w-]{43}/[^/]+", folder.name(path), re.ASCII | re.DOTALL)
        or not kept.isascii()
    )


def test_a_name_is_for_files_of_ours_only(folder, tmp_path):
    assert folder.name(SAMPLES / "coffee.png") == "samples/coffee.png"
    assert type(folder.find("samples/coffee.png")) is not Upload, "a sample is never replaced"
    for other in (
        tmp_path / "a.png",
        folder.folder.parent,
        tmp_path / "uploads-of-others" / "a.png",
    ):
        with pytest.raises(ValueError, match="no file of the page"):
            folder.name(other)


@pytest.mark.parametrize(
    "name",
    [None, 7, b"uploads", ["uploads"], "", "uploads", "samples/none.png", "samples/../page.css"],
)
def test_what_is_no_name_leads_nowhere(name, folder):
    assert folder.find(name) is None


def test_no_name_leads_out_of_its_folder(folder):
    one, other = (uploaded(folder, name=name) for name in ("one.png", "other.png"))
    (folder.folder / "secret").write_bytes(b"x")
    (one.parent / "more").mkdir()
    token = one.parent.name
    assert folder.find(f"uploads/{token}/one.png") == one
    for way in (
        "../secret",
        f"../{other.parent.name}/other.png",
        f"more/../../{other.parent.name}/other.png",
        "./one.png",
        "/one.png",
        str(other),
    ):
        assert folder.find(f"uploads/{token}/{way}") is None


def test_only_a_plain_file_with_one_name_is_found(folder, tmp_path):
    upload = uploaded(folder)
    name = folder.name(upload)
    os.link(upload, tmp_path / "another name of it")
    assert folder.find(name) is None
    upload.unlink()
    upload.symlink_to(tmp_path / "another name of it")
    assert folder.find(name) is None
    upload.unlink()
    os.mkfifo(upload)
    assert folder.find(name) is None


def test_a_used_upload_is_its_clean_copy_and_remembers_what_it_was(folder):
    upload, first = (
        uploaded(folder),
        Original("a" * 64, 3, "references/k.jpg", 640, 480, ("image_upright",)),
    )
    assert folder.original(upload) is None
    assert folder.replace_by_copy(upload, b"clean", first, "of") == first
    assert upload.read_bytes() == b"clean"
    later = Original("b" * 64, 5, "references/other.jpg")
    assert folder.replace_by_copy(upload, b"cleaner", later, "of") == first, (
        "what was measured in the copy is not what was uploaded"
    )
    assert (upload.read_bytes(), folder.original(upload)) == (b"clean", first)
    assert sorted(path.name for path in upload.parent.iterdir()) == [".note", "her.png"]


def test_a_copy_that_cannot_be_written_leaves_what_came(folder, tmp_path):
    """Whatever breaks between the note and the copy, both say the same of the upload."""
    upload, first = uploaded(folder), Original("a" * 64, 3)
    with pytest.raises(FileNotFoundError):
        folder.replace_by_copy(upload, tmp_path / "no such clip", first, "of")
    assert (upload.read_bytes(), folder.original(upload)) == (b"raw", first)
    assert len(list(upload.parent.iterdir())) == 2


def test_what_was_made_from_a_job_goes_with_it(folder):
    film, archive, own = (
        folder.new("film.mp4", "a", "b"),
        folder.new("a.zip", "a"),
        uploaded(folder),
    )
    for path in (film, archive):
        path.write_bytes(b"x")
    folder.replace_by_copy(own, b"clean", Original("a" * 64, 3), "owner/key")
    folder.forget({"b"})
    assert [path.exists() for path in (film, archive, own)] == [False, True, True]
    folder.forget({"owner/key", "a"})
    assert list(folder.folder.iterdir()) == []


def test_nobody_else_on_this_machine_lists_the_files(folder):
    """Wherever the operator has put them: their names open them."""
    before = os.umask(0o022)
    try:
        path = folder.new("her.png")
    finally:
        os.umask(before)
    assert [one.stat().st_mode & 0o777 for one in (folder.folder, path.parent)] == [0o700, 0o700]


def test_old_files_go_and_what_is_not_ours_stays(folder):
    old, young = uploaded(folder), uploaded(folder)
    theirs = folder.folder / "of another app"
    theirs.mkdir()
    folder.clear(0)
    assert old.exists()
    now = os.lstat(young).st_mtime
    folder.clear(now + 60)
    assert [path.exists() for path in (old, young, theirs)] == [False, False, True]


@pytest.fixture
async def studio(simulator, monkeypatch):
    monkeypatch.setenv("WAN_BACKEND", "dashscope")
    monkeypatch.setenv("DASHSCOPE_API_KEY", f"sk-test{secrets.token_hex(8)}")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", simulator.base_url)
    monkeypatch.setattr(polling, "next_poll_delay", lambda every, attempts=0, retry_after=None: 0.1)
    async with Studio(load_settings()) as opened:
        yield opened


def image(reference, **changes) -> ImageToVideoRequest:
    return ImageToVideoRequest(
        **{"prompt": "she smiles", "reference_image": reference, "duration": 2} | changes
    )


async def ended(studio, job, owner=OWNER):
    async for event in studio.watching.follow(job.id, owner=owner):
        last = event
    return last.job


def bytes_kept(studio, content: bytes) -> list[str]:
    """The files that hold exactly these bytes, anywhere in what the studio keeps."""
    return [
        path.name
        for path in studio.settings.output_dir.absolute().rglob("*")
        if path.is_file() and path.read_bytes() == content
    ]


@pytest.mark.anyio
async def test_the_bytes_of_an_upload_go_and_the_same_call_again_is_the_same_job(studio):
    raw = picture((640, 480), mode="RGBA", color=(9, 99, 9, 120))
    upload = uploaded(studio.uploads, raw)
    first = await ended(studio, await studio.submission.submit(image(upload, seed=7), owner=OWNER))
    assert bytes_kept(studio, raw) == []
    assert upload.read_bytes()[:3] == b"\xff\xd8\xff"
    assert first.references[0].sha256 == hashlib.sha256(raw).hexdigest()
    again = await studio.submission.submit(image(upload, seed=7), owner=OWNER)
    assert again.id == first.id, "nothing is paid twice"
    taken = await studio.submission.submit(image(upload, seed=7), owner=OWNER, new_take=True)
    assert (taken.references, taken.adjustments) == (first.references, first.adjustments), (
        "a new take is made from the same"
    )
    other = await studio.submission.submit(image(upload, seed=7, size="720*1280"), owner=OWNER)
    assert (other.references[0].key, other.references[0].sha256) == (
        first.references[0].key,
        first.references[0].sha256,
    )
    assert (await ended(studio, taken)).video_key
    assert (await ended(studio, other)).video_key


@pytest.mark.anyio
async def test_two_calls_with_one_upload_at_once_are_one_job(studio):
    upload = uploaded(studio.uploads, picture((640, 480), color="plum"))
    jobs = await asyncio.gather(
        *(studio.submission.submit(image(upload, seed=3), owner=OWNER) for _ in range(4))
    )
    assert len({job.id for job in jobs}) == 1
    assert (await ended(studio, jobs[0])).video_key


@pytest.mark.anyio
async def test_the_bytes_of_a_clip_go_too(studio, tmp_path):
    raw = clip(tmp_path / "walk.mp4", sound=True).read_bytes()
    upload = uploaded(studio.uploads, raw, "walk.mp4")
    request = ReferenceToVideoRequest(
        prompt="character1 walks", reference_video=(upload,), duration=2, seed=1
    )
    first = await ended(studio, await studio.submission.submit(request, owner=OWNER))
    assert bytes_kept(studio, raw) == []
    assert (await studio.submission.submit(request, owner=OWNER)).id == first.id
    assert first.references[0].bytes == len(raw)


@pytest.mark.anyio
async def test_the_bytes_of_a_sound_go_too_and_the_sound_with_its_job(studio):
    raw = sound("wav", "pcm_f32le")
    upload = uploaded(studio.uploads, raw, "home.wav")
    request = image(picture((640, 480), color="teal"), reference_audio=upload, seed=1)
    first = await ended(studio, await studio.submission.submit(request, owner=OWNER))
    assert (bytes_kept(studio, raw), upload.read_bytes()[:4], first.references[1].bytes) == (
        [],
        b"RIFF",
        len(raw),
    )
    again = await ended(studio, await studio.submission.submit(request, owner=OWNER, new_take=True))
    assert (again.adjustments, "sound_converted" in [one.key for one in again.adjustments]) == (
        first.adjustments,
        True,
    )
    kept = studio.stores.storage.path(first.references[1].key)
    await studio.library.delete(first.id, owner=OWNER)
    assert (kept.exists(), upload.exists()) == (True, True), "the other take is made from it"
    await studio.library.delete(again.id, owner=OWNER)
    assert (kept.exists(), upload.exists()) == (False, False)


@pytest.mark.anyio
async def test_what_was_done_to_an_upload_is_said_of_a_new_take_too(studio):
    """By then its clean copy is in its place, to which nothing has to be done."""
    field = Path(__file__).parents[1] / "data" / "field"
    sound, photo = (
        uploaded(studio.uploads, (field / name).read_bytes(), name)
        for name in ("sound_amr.3gp", "picture.heic")
    )
    request = ReferenceToVideoRequest(
        prompt="character1 walks",
        reference_video=(sound,),
        reference_image=(photo,),
        duration=2,
        seed=1,
    )
    first = await ended(studio, await studio.submission.submit(request, owner=OWNER))
    assert {"clip_sound_converted", "heif_converted"} <= {one.key for one in first.adjustments}
    assert photo.read_bytes()[:3] == b"\xff\xd8\xff"
    again = await studio.submission.submit(request, owner=OWNER, new_take=True)
    assert sorted(map(str, again.adjustments)) == sorted(map(str, first.adjustments))
    assert (await ended(studio, again)).video_key


@pytest.mark.anyio
async def test_a_users_own_file_is_never_touched(studio, tmp_path):
    own = tmp_path / "own.png"
    own.write_bytes(picture((640, 480), color="navy"))
    before = (own.read_bytes(), own.stat().st_mtime_ns)
    job = await ended(studio, await studio.submission.submit(image(own), owner=OWNER))
    await studio.library.delete(job.id, owner=OWNER)
    assert (own.read_bytes(), own.stat().st_mtime_ns) == before


@pytest.mark.anyio
async def test_what_a_job_was_made_from_goes_with_it_at_once(studio):
    upload = uploaded(studio.uploads, picture((640, 480), color="olive"))
    job = await ended(
        studio, await studio.submission.submit(image(upload, size="720*1280"), owner=OWNER)
    )
    archive, name = studio.uploads.new("wan.zip", job.id), studio.uploads.name(upload)
    archive.write_bytes(b"zip")
    copies = [
        studio.stores.storage.path(key)
        for key in (job.references[0].key, job.references[0].sent_key)
    ]
    assert all(path.exists() for path in copies)
    await studio.library.delete(job.id, owner=OWNER)
    assert [path.exists() for path in (*copies, archive)] == [False] * 3
    assert studio.uploads.find(name) is None


@pytest.mark.anyio
async def test_what_another_job_is_made_from_stays(studio):
    """Another owner's with the same bytes, and another of one's own with the same upload."""
    raw = picture((640, 480), color="coral")
    upload = uploaded(studio.uploads, raw)
    mine = await ended(studio, await studio.submission.submit(image(upload, seed=1), owner=OWNER))
    more = await ended(studio, await studio.submission.submit(image(upload, seed=2), owner=OWNER))
    theirs = await ended(
        studio, await studio.submission.submit(image(raw, seed=1), owner=OTHER), OTHER
    )
    kept = studio.stores.storage.path(mine.references[0].key)
    await studio.library.delete(mine.id, owner=OWNER)
    assert studio.uploads.find(studio.uploads.name(upload)) == upload, (
        "the other take is made from it"
    )
    await studio.library.delete(more.id, owner=OWNER)
    assert not upload.exists()
    assert kept.exists()
    assert (await studio.submission.retry(theirs.id, owner=OTHER)).id != theirs.id
    newest = await studio.watching.find_newest(owner=OTHER, models=[theirs.model])
    assert (await ended(studio, newest, OTHER)).video_key


@pytest.mark.anyio
async def test_what_is_being_submitted_is_not_dropped_with_an_old_job(studio, monkeypatch):
    """The reference is in storage, its row is not written yet, and the only other job that has it
    is deleted.
    """
    raw = picture((640, 480), color="teal")
    old = await ended(studio, await studio.submission.submit(image(raw, seed=1), owner=OWNER))
    add, kept, go_on = studio.submission._add, asyncio.Event(), asyncio.Event()

    async def slowly(*given):
        kept.set()
        await go_on.wait()
        return await add(*given)

    monkeypatch.setattr(studio.submission, "_add", slowly)
    coming = asyncio.create_task(studio.submission.submit(image(raw, seed=2), owner=OTHER))
    await kept.wait()
    await studio.library.delete(old.id, owner=OWNER)
    go_on.set()
    assert (await ended(studio, await coming, OTHER)).video_key


@pytest.mark.anyio
async def test_what_somebody_submits_while_an_old_job_is_dropped_is_there_for_their_job(
    studio, monkeypatch
):
    """Another's upload is its clean copy already, so that nothing is put into storage anew; all of
    it happens while uploads are looked through.
    """
    raw = picture((640, 480), color="sienna")
    theirs = uploaded(studio.uploads, raw)
    first = await ended(
        studio, await studio.submission.submit(image(theirs, seed=1), owner=OTHER), OTHER
    )
    old = await ended(studio, await studio.submission.submit(image(raw, seed=2), owner=OWNER))
    await Jobs(studio.stores.database).delete(first, 0.0)  # as where a cleanup has forgotten it
    loop, forget = asyncio.get_running_loop(), studio.uploads.forget

    def slowly(of):
        forget(of)
        made.append(
            asyncio.run_coroutine_threadsafe(
                studio.submission.submit(image(theirs, seed=3), owner=OTHER), loop
            ).result(30)
        )

    made: list = []
    monkeypatch.setattr(studio.uploads, "forget", slowly)
    await studio.library.delete(old.id, owner=OWNER)
    assert made[0].references[0].key == old.references[0].key
    assert studio.stores.storage.path(old.references[0].key).exists()
    assert (await ended(studio, made[0], OTHER)).video_key


@pytest.mark.anyio
async def test_a_disk_that_is_full_keeps_what_came_and_the_run_goes_on(studio, monkeypatch):
    def full(*_given):
        raise OSError(28, "No space left on device")

    upload = uploaded(studio.uploads, picture((640, 480), color="gold"))
    with monkeypatch.context() as patched:
        patched.setattr(uploads, "_write", full)
        first = await ended(
            studio, await studio.submission.submit(image(upload, seed=5), owner=OWNER)
        )
        assert upload.read_bytes()[:4] == b"\x89PNG"
    assert (await studio.submission.submit(image(upload, seed=5), owner=OWNER)).id == first.id


@pytest.mark.anyio
async def test_uploads_are_kept_for_a_day_wherever_they_lie(environment, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("wan.service.cleanup.FIRST_PAUSE", 0.0)
    studio = Studio(load_settings(), clock=lambda: tmp_path.stat().st_mtime + 2 * cleanup.DAY)
    upload = uploaded(studio.uploads)
    assert upload.is_relative_to(tmp_path / "elsewhere")
    async with studio:
        async with asyncio.timeout(PATIENCE):
            while upload.exists():  # noqa: ASYNC110 - the cleanup says nothing when it is over
                await asyncio.sleep(0.02)
