"""Files in a folder and in an object store: what comes back, what copies are kept, and what is said
when it fails.
"""

import asyncio
import os
import subprocess
import sys
import time

import pytest
from obstore.store import AzureStore, GCSStore, S3Store

from tests.patience import PATIENCE
from wan.domain.errors import SettingsError, StorageUnavailable
from wan.storage import objects
from wan.storage.objects import Storage

pytestmark = pytest.mark.anyio

KILOBYTE = 1000
LONG_AGO = 1_000_000.0


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def bucket(cache):
    """An object store, in memory: all of it goes through obstore as with any other."""
    return Storage("memory:///", cache)


def kept(cache) -> set[str]:
    return {path.name for path in cache.rglob("*") if path.is_file()}


def used_last(path, seconds_ago) -> None:
    os.utime(path, (time.time() - seconds_ago,) * 2)


@pytest.mark.parametrize("url", ["memory:///", "folder"])
async def test_what_was_put_comes_back(cache, tmp_path, url):
    storage = Storage((tmp_path / "kept files").as_uri() if url == "folder" else url, cache)
    assert await storage.put("videos/a/video.mp4", b"video") == "videos/a/video.mp4"
    assert (await storage.has("videos/a/video.mp4"), await storage.has("videos/b/video.mp4")) == (
        True,
        False,
    )
    assert (await storage.local_copy("videos/a/video.mp4")).read_bytes() == b"video"
    with pytest.raises(FileNotFoundError):
        await storage.local_copy("videos/b/video.mp4")
    assert not [name for name in kept(cache) if name.endswith(".part")]
    assert await storage.list_older("videos/", time.time() + 60) == ["videos/a/video.mp4"]
    assert await storage.list_older("videos/", LONG_AGO) == []
    assert await storage.list_older("references/", time.time() + 60) == []
    await storage.remove("videos/a/video.mp4", LONG_AGO)
    assert await storage.has("videos/a/video.mp4")
    await storage.remove("videos/a/video.mp4", time.time() + 60)
    await storage.remove("videos/a/video.mp4", time.time() + 60)
    with pytest.raises(FileNotFoundError):
        await storage.local_copy("videos/a/video.mp4")


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("s3://bucket/some/prefix", "s3://bucket/some/prefix/videos/a/video.mp4"),
        ("s3://bucket/", "s3://bucket/videos/a/video.mp4"),
        ("memory:///", "memory:///videos/a/video.mp4"),
        ("file://FOLDER/kept%20files", "file://FOLDER/kept%20files/videos/a/video.mp4"),
    ],
)
def test_a_link_is_a_url(cache, tmp_path, url, link):
    assert Storage(url.replace("FOLDER", str(tmp_path)), cache).url_of(
        "videos/a/video.mp4"
    ) == link.replace("FOLDER", str(tmp_path))


@pytest.mark.parametrize(
    "url",
    [
        *("nosql", "s3://user:secret@", "file:///proc/nowhere"),
        *("https://films.example/x?key=secret", "az://container-without-account/x"),
    ],
)
def test_a_url_that_cannot_be_opened_is_a_wrong_setting(cache, url):
    with pytest.raises(SettingsError, match="WAN_STORAGE_URL") as error:
        Storage(url, cache)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["oss://films/x", "https://films.oss-cn-beijing.aliyuncs.com/x?Signature=secret"]
)
def test_an_address_of_oss_itself_is_answered_with_its_s3_address(cache, url):
    with pytest.raises(SettingsError, match=r"s3\.oss-REGION\.aliyuncs\.com") as error:
        Storage(url, cache)
    assert "secret" not in str(error.value)


async def test_what_is_said_about_oss_leads_to_the_bucket_in_the_host(cache, monkeypatch):
    """As it wants it: the bucket is in the name of the host alone, never in the path."""
    asked = []

    async def answer(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",  # of the test alone
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_REGION": "cn-beijing",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    async with server:
        assert not await Storage("s3://films/wan", cache).has("videos/a/video.mp4")
    (request,) = asked
    assert request.startswith(b"HEAD /wan/videos/a/video.mp4 HTTP/1.1\r\n")
    assert b"/cn-beijing/s3/aws4_request" in request


@pytest.mark.parametrize(
    ("url", "kind", "settings"),
    [
        ("s3://films/wan", S3Store, {}),
        ("gs://films/wan", GCSStore, {}),
        ("az://films/wan", AzureStore, {"AZURE_STORAGE_ACCOUNT_NAME": "films"}),
    ],
)
def test_buckets_of_three_kinds_can_be_named(cache, monkeypatch, url, kind, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert isinstance(Storage(url, cache)._store, kind)


async def test_copies_that_were_used_longest_ago_go_first(bucket, cache, monkeypatch):
    monkeypatch.setattr(objects, "CACHE_LIMIT", 3 * KILOBYTE)
    for name in "abcd":
        await bucket.put(f"videos/{name}/{name}.mp4", bytes(KILOBYTE))
    for age, name in enumerate("cba", 1):
        used_last(await bucket.local_copy(f"videos/{name}/{name}.mp4"), age * 1000)
    await bucket.local_copy("videos/a/a.mp4")  # taken up again
    await bucket.local_copy("videos/d/d.mp4")
    assert kept(cache) == {"a.mp4", "c.mp4", "d.mp4"}
    assert not (cache / "videos/b").exists()
    assert (await bucket.local_copy("videos/b/b.mp4")).stat().st_size == KILOBYTE
    assert kept(cache) == {"a.mp4", "b.mp4", "d.mp4"}


async def test_what_was_just_handed_out_and_what_is_being_read_stays(bucket, cache, monkeypatch):
    monkeypatch.setattr(objects, "CACHE_LIMIT", 0)
    for name in "ab":
        await bucket.put(f"videos/{name}.mp4", name.encode() * KILOBYTE)
    with (await bucket.local_copy("videos/a.mp4")).open("rb") as being_read:
        await bucket.local_copy("videos/b.mp4")
        assert kept(cache) == {"a.mp4", "b.mp4"}
        used_last(cache / "videos/a.mp4", 1000)
        used_last(cache / "videos/b.mp4", 500)
        await bucket.put("videos/c.mp4", b"c")
        await bucket.local_copy("videos/c.mp4")
        assert kept(cache) == {"c.mp4"}
        assert being_read.read() == b"a" * KILOBYTE


async def test_copies_make_room_for_what_matters(bucket, cache, monkeypatch):
    await bucket.put("videos/a.mp4", b"a")
    await bucket.put("videos/b.mp4", b"b")
    used_last(await bucket.local_copy("videos/a.mp4"), 1000)
    monkeypatch.setattr(objects, "ROOM", 1 << 62)
    await bucket.local_copy("videos/b.mp4")
    assert kept(cache) == {"b.mp4"}


async def test_a_copy_that_vanishes_while_many_ask_for_it_is_fetched_again(bucket, cache):
    await bucket.put("videos/a.mp4", b"a" * KILOBYTE)

    async def ask():
        assert (await bucket.local_copy("videos/a.mp4")).name == "a.mp4"

    for _ in range(20):
        (cache / "videos/a.mp4").unlink(missing_ok=True)
        await asyncio.gather(*(ask() for _ in range(5)))
        assert (cache / "videos/a.mp4").read_bytes() == b"a" * KILOBYTE
    assert kept(cache) == {"a.mp4"}


@pytest.mark.parametrize("url", ["memory:///", "folder"])
async def test_what_is_removed_while_something_is_made_of_it_leaves_nothing(cache, tmp_path, url):
    storage = Storage((tmp_path / "kept files").as_uri() if url == "folder" else url, cache)
    await storage.put("videos/a/video.mp4", b"video")
    loop = asyncio.get_running_loop()

    def make(source, target):
        target.write_bytes(source.read_bytes())
        asyncio.run_coroutine_threadsafe(storage.remove("videos/a/video.mp4"), loop).result(30)

    with pytest.raises(FileNotFoundError):
        await storage.derive("videos/a/video.mp4", "bare", make)
    assert kept(cache) == set()


async def test_what_is_removed_while_it_is_fetched_leaves_nothing(bucket, cache, monkeypatch):
    await bucket.put("videos/a/video.mp4", b"video")

    async def slowly(key, path):
        await bucket.remove(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"as it comes when the other is done")

    monkeypatch.setattr(bucket, "_download", slowly)
    with pytest.raises(FileNotFoundError):
        await bucket.local_copy("videos/a/video.mp4")
    assert kept(cache) == set()


READER = """
from wan.environment.process_exit import exit_with
import asyncio, random, sys
from pathlib import Path
from obstore.store import LocalStore
from wan.storage import objects

objects.CACHE_LIMIT, objects._IN_USE = 3000, 0.0  # every copy may go at once

async def read():
    bucket = objects.Storage("memory:///", Path(sys.argv[2]))
    # a store that several processes reach without a network
    bucket._store = LocalStore(Path(sys.argv[1]))
    for _ in range(150):
        letter = random.choice("abcdefgh")
        while True:
            try:
                data = (await bucket.local_copy(f"videos/{letter}.mp4")).read_bytes()
                break
            except FileNotFoundError:
                continue  # another process was quicker to remove it
        assert data == letter.encode() * 1000

asyncio.run(read())
exit_with(0)
"""


@pytest.mark.process
def test_several_processes_share_one_cache(cache, tmp_path, environment):
    (tmp_path / "bucket/videos").mkdir(parents=True)
    for letter in "abcdefgh":
        (tmp_path / f"bucket/videos/{letter}.mp4").write_bytes(letter.encode() * KILOBYTE)
    command = [sys.executable, "-c", READER, str(tmp_path / "bucket"), str(cache)]
    readers = [
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [(reader.communicate(timeout=PATIENCE)[1], reader.returncode) for reader in readers] == [
        ("", 0)
    ] * 3
    assert sum(path.stat().st_size for path in cache.rglob("*.mp4")) <= 3 * KILOBYTE


async def test_too_little_room_is_said(bucket, monkeypatch):
    bucket.require_room()
    monkeypatch.setattr(objects, "ROOM", 1 << 62)
    with pytest.raises(StorageUnavailable, match="MB left, but new jobs need"):
        bucket.require_room()


async def test_a_store_that_does_not_work_is_said(tmp_path):
    storage = Storage((tmp_path / "storage").as_uri(), tmp_path / "cache")
    (tmp_path / "storage" / "videos").write_text("a file where a folder should be")
    with pytest.raises(StorageUnavailable, match="isn't working right now"):
        await storage.put("videos/a.mp4", b"a")
