"""How files come here: piece by piece, each limit before what lies beyond it, and nothing left of
what was refused.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tests import plain_http
from wan.service.counts import Counts
from wan.service.metrics import Metrics
from wan.storage import objects
from wan.storage.uploads import UploadFolder
from wan.web import uploads
from wan.web.routes import is_signed_in, routes

pytestmark = pytest.mark.anyio

FORM = {"content-type": "multipart/form-data; boundary=edge"}
BEGUN = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
WHOLE = BEGUN + b"x" * 1000 + b"\r\n--edge--\r\n"


@pytest.fixture
def folder(tmp_path) -> UploadFolder:
    return UploadFolder(tmp_path / "uploads")


def app(folder: UploadFolder, **more: Any) -> Starlette:
    return Starlette(routes=uploads.routes(folder, **{"is_signed_in": lambda _: True} | more))


def left(folder: UploadFolder) -> list[str]:
    return [path.name for path in folder.folder.rglob("*")] if folder.folder.exists() else []


async def until(true: Callable[[], Any]) -> None:
    """Waits for what another task brings about on the disk."""
    for _ in range(30_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came about")


async def sent(
    app: Starlette,
    pieces: Callable[[], AsyncIterator[dict[str, Any]]],
    query: bytes = b"",
    **headers: str,
) -> tuple[int, Any]:
    """What an upload is answered, of which these messages come."""
    answer: list[Any] = []
    named = [(name.encode(), value.encode()) for name, value in (FORM | headers).items()]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/gradio_api/upload",
        "query_string": query,
        "headers": named,
        "client": ("192.0.2.7", 1),
    }
    messages = pieces()

    async def receive() -> Any:
        return await anext(messages)

    async def send(message: Any) -> None:
        answer.append(message)

    await app(
        scope | {"http_version": "1.1", "root_path": "", "scheme": "http", "server": ("a", 80)},
        receive,
        send,
    )
    body = b"".join(one.get("body", b"") for one in answer[1:])
    return answer[0]["status"], json.loads(body) if body.startswith((b"{", b"[")) else body


def messages(*pieces: bytes, more: bool = False) -> Callable[[], AsyncIterator[dict[str, Any]]]:
    """Pieces of a body; more: whether the last is not the last, and nothing comes after it."""

    async def come() -> AsyncIterator[dict[str, Any]]:
        for number, piece in enumerate(pieces, 1):
            yield {"type": "http.request", "body": piece, "more_body": more or number < len(pieces)}
        await asyncio.Event().wait()

    return come


@pytest.mark.parametrize("size", [1, 7, 1000, 10_000])
async def test_a_file_comes_whole_however_it_is_cut(size, folder):
    two = (
        BEGUN
        + b"one\r\n--edg\r\n"
        + b"\r\n"
        + BEGUN.replace(b"a.png", "b 照.png".encode())
        + b"two\r\n--edge--\r\n"
    )
    status, names = await sent(
        app(folder), messages(*(two[at : at + size] for at in range(0, len(two), size)))
    )
    assert status == 200
    assert [folder.find(name).read_bytes() for name in names] == [b"one\r\n--edg\r\n", b"two"]
    assert [folder.find(name).name for name in names] == ["a.png", "b 照.png"]


async def test_an_upload_from_which_nothing_comes_is_closed(folder):
    """It is the silence that counts, not how long the whole takes."""
    assert uploads.IDLE_SECONDS == 20
    assert (await sent(app(folder, idle=0.05), messages(WHOLE[:500], more=True)))[0] == 408
    assert left(folder) == []

    async def slowly() -> AsyncIterator[dict[str, Any]]:
        for at in range(0, len(WHOLE), 200):
            await asyncio.sleep(0.02)
            yield {
                "type": "http.request",
                "body": WHOLE[at : at + 200],
                "more_body": at + 200 < len(WHOLE),
            }

    assert (await sent(app(folder, idle=10), slowly))[0] == 200


async def test_an_upload_that_takes_for_ever_is_closed(folder, monkeypatch):
    monkeypatch.setattr(uploads, "_WHOLE_SECONDS", 0.1)

    async def drop_by_drop() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "http.request", "body": BEGUN, "more_body": True}
        while True:
            await asyncio.sleep(0.001)
            yield {"type": "http.request", "body": b"x", "more_body": True}

    assert (await sent(app(folder), drop_by_drop))[0] == 408
    assert left(folder) == []


async def test_an_upload_that_breaks_off_leaves_nothing(folder):
    async def broken() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "http.request", "body": WHOLE[:500], "more_body": True}
        yield {"type": "http.disconnect"}

    assert (await sent(app(folder), broken))[0] == 400
    assert (await sent(app(folder), messages(WHOLE[:500])))[0] == 400
    coming = asyncio.create_task(sent(app(folder), messages(WHOLE[:500], more=True)))
    await until(lambda: left(folder))
    coming.cancel()
    await asyncio.wait([coming])
    assert left(folder) == []


async def test_room_is_asked_for_as_bytes_come_and_not_as_they_are_promised(folder, monkeypatch):
    """Twenty who promise 340 MB each and send a byte keep nobody out."""
    monkeypatch.setattr(objects, "ROOM", shutil.disk_usage(folder.folder.parent).free - 100_000_000)
    served = app(folder)
    waiting = [
        asyncio.create_task(
            sent(served, messages(WHOLE[:500], more=True), **{"content-length": "340000000"})
        )
        for _ in range(20)
    ]
    await until(lambda: len(left(folder)) == 40)  # each has its folder and its file
    assert (await sent(served, messages(WHOLE)))[0] == 200
    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)
    monkeypatch.setattr(objects, "ROOM", 1 << 62)
    status, said = await sent(served, messages(WHOLE))
    assert (status, "no space" in said["detail"]) == (507, True)


async def test_room_for_a_whole_body_is_kept_for_as_long_as_it_comes(monkeypatch, tmp_path):
    wanted: list[int] = []
    monkeypatch.setattr(uploads, "require_room", lambda folder, more: wanted.append(more))
    bodies = uploads.BodyUploads(tmp_path)
    async with bodies.admit(1000, "192.0.2.1"), bodies.admit(200, "192.0.2.2"):
        pass
    with pytest.raises(ConnectionError):
        async with bodies.admit(30, "192.0.2.1"):
            raise ConnectionError
    async with bodies.admit(4, "192.0.2.1"):
        pass
    assert wanted == [1000, 1200, 30, 4]


async def test_the_disk_is_looked_at_again_while_a_file_comes(folder, monkeypatch):
    async def growing() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "http.request", "body": BEGUN, "more_body": True}
        monkeypatch.setattr(objects, "ROOM", 1 << 62)
        yield {"type": "http.request", "body": bytes(1_500_000), "more_body": True}

    assert (await sent(app(folder), growing))[0] == 507
    assert left(folder) == []


async def test_what_an_address_sends_is_paced_by_what_it_has_sent(folder, monkeypatch):
    monkeypatch.setattr(uploads, "_RATE", (1.0, 5))
    served = app(folder)
    mega = BEGUN + bytes(2_500_000) + b"\r\n--edge--\r\n"
    assert [(await sent(served, messages(one)))[0] for one in (mega, WHOLE, WHOLE)] == [200] * 3
    status, said = await sent(served, messages(WHOLE))
    assert (status, "Try again in" in said["detail"]) == (429, True)


async def test_a_file_is_100_mb_at_most_and_all_of_them_360(folder, monkeypatch):
    monkeypatch.setattr(uploads, "_FILE_LIMIT", 2000)
    assert (await sent(app(folder), messages(BEGUN, bytes(1000), bytes(1001), more=True)))[0] == 413
    monkeypatch.setattr(uploads, "UPLOAD_LIMIT", 500)
    assert (await sent(app(folder), messages(WHOLE)))[0] == 413
    assert left(folder) == []


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "multipart/form-data",
        f"multipart/form-data; boundary={'x' * 300}",
        "multipart/mixed; boundary=edge",
    ],
)
async def test_what_is_no_form_of_files(kind, folder):
    assert (await sent(app(folder), messages(WHOLE), **{"content-type": kind}))[0] == 400


async def test_the_page_sees_how_far_an_upload_is(folder):
    served, go_on = app(folder), asyncio.Event()

    async def come() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "http.request", "body": WHOLE[:500], "more_body": True}
        await go_on.wait()
        yield {"type": "http.request", "body": WHOLE[500:], "more_body": False}

    async with plain_http.AsyncClient(
        transport=httpx.ASGITransport(served), base_url="http://app"
    ) as client:
        asked = asyncio.create_task(
            client.get("/gradio_api/upload_progress", params={"upload_id": "abc"})
        )
        coming = asyncio.create_task(sent(served, come, query=b"upload_id=abc"))
        await asyncio.sleep(
            0.2
        )  # a message for what has come by now; without it there is one less, which is right too
        go_on.set()
        assert (await coming)[0] == 200
        told = [
            json.loads(line.removeprefix("data: "))
            for line in (await asked).text.split("\n\n")
            if line
        ]
    assert told[-1] == {"msg": "done"}
    assert {one["orig_name"] for one in told[:-1]} <= {"a.png"}
    assert sum(one["chunk_size"] for one in told[:-1]) <= 1000


async def test_progress_is_told_of_uploads_that_there_are_and_ends_of_others(folder, monkeypatch):
    monkeypatch.setattr(uploads, "_TRACK_SECONDS", 0.1)
    async with plain_http.AsyncClient(
        transport=httpx.ASGITransport(app(folder)), base_url="http://app"
    ) as client:
        for asked, status, text in (
            ("none", 200, 'data: {"msg": "done"}\n\n'),
            *((odd, 404, "Upload not found") for odd in ("", "a/b", "x" * 65)),
        ):
            answer = await client.get("/gradio_api/upload_progress", params={"upload_id": asked})
            assert (answer.status_code, answer.text) == (status, text)


async def test_how_many_uploads_are_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(uploads, "_TRACKED", 3)
    progress = uploads.UploadProgress()
    for number in range(10):
        progress.add(str(number), "a.png", 1)
        progress.end(str(number))
        progress.end(f"refused {number}")
    assert len(progress._arrived) == 3


async def test_who_is_not_signed_in_sends_nothing(folder):
    served = app(folder, is_signed_in=is_signed_in)
    served.auth, served.cookie_id, served.tokens = "logins", "id", {"token": "ann"}
    assert (await sent(served, messages(WHOLE)))[0] == 401
    assert (await sent(served, messages(WHOLE), cookie="access-token-id=guessed"))[0] == 401
    assert left(folder) == []
    for cookie in ("access-token-id=token", "access-token-unsecure-id=token"):
        assert (await sent(served, messages(WHOLE), cookie=cookie))[0] == 200


async def test_who_is_not_signed_in_gets_nothing(folder):
    path = folder.new("a.png")
    path.write_bytes(b"picture")
    studio = SimpleNamespace(uploads=folder, metrics=Metrics(), counts=Counts())
    served = Starlette(routes=routes(studio, asyncio.Event()))
    served.auth, served.cookie_id, served.tokens = "logins", "id", {"token": "ann"}
    async with plain_http.AsyncClient(
        transport=httpx.ASGITransport(served), base_url="http://app"
    ) as client:
        for cookie, status, content in (
            ("", 401, b"Not authenticated"),
            ("guessed", 401, b"Not authenticated"),
            ("token", 200, b"picture"),
        ):
            answer = await client.get(
                f"/gradio_api/file={folder.name(path)}",
                headers={"cookie": f"access-token-id={cookie}"},
            )
            assert (answer.status_code, answer.content) == (status, content)
