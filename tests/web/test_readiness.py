"""Whether the app can work, as whatever runs it asks: over real HTTP, with stores that fail."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import sqlalchemy as sa
from starlette.applications import Starlette

from tests import plain_http
from tests import postgres as postgres_module
from tests.attacks.visitor import ask
from tests.browser.serving import App, served
from tests.patience import PATIENCE
from tests.postgres import Postgres
from wan.environment.settings import load_settings
from wan.service.studio import Studio
from wan.web import readiness

pytestmark = pytest.mark.process
READY = {"status": "ok", "database": "ok", "storage": "ok"}
SECRETS = ("sk-operator-0a1b2c3d4e5f", "sesame-4711-open", "AKIA-of-the-bucket", "secret-of-ann")


class Bucket:
    """Speaks as much of S3 as asking for a file takes, or hangs."""

    def __init__(self) -> None:
        self.asked = 0
        self.open = threading.Event()
        """Whether it answers."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while connection.recv(1 << 16):
                self.asked += 1
                self.open.wait()
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def close(self) -> None:
        self.open.set()
        self._socket.close()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    made = Bucket()
    yield made
    made.close()


def asked(app: App, path: str = "/readyz", **headers: str) -> tuple[int, dict]:
    """What it answers, of which no proxy may keep a copy."""
    answer = plain_http.get(app.url + path, headers=headers, timeout=PATIENCE)
    assert answer.headers["cache-control"] == "no-store"
    assert not [secret for secret in (*SECRETS, str(app.folder)) if secret in answer.text]
    return answer.status_code, answer.json()


def until(app: App, expected: tuple[int, dict]) -> None:
    """Waits for an answer, which is kept for a moment."""
    give_up = time.monotonic() + PATIENCE
    while (got := asked(app)) != expected:
        assert time.monotonic() < give_up, got
        time.sleep(0.1)


def without(part: str) -> tuple[int, dict]:
    return 503, READY | {"status": "unavailable", part: "unavailable"}


def test_whoever_has_no_code_and_no_login_is_told_also_under_a_path_and_without_the_service(
    tmp_path,
):
    settings = {
        "WAN_BACKEND": "dashscope",
        "DASHSCOPE_API_KEY": SECRETS[0],
        "DASHSCOPE_BASE_URL": "http://127.0.0.1:9/api/v1",  # nobody is there
        "WAN_ACCESS_CODE": SECRETS[1],
        "WAN_LOGINS": f"ann:{SECRETS[3]}",
        "GRADIO_ROOT_PATH": "/wan",
    }
    with served(tmp_path, **settings) as app:
        for path in ("/readyz", "/wan/readyz"):
            assert asked(app, path, Host="10.1.2.3:7860") == (200, READY)
        head = ask(app.url, "HEAD", "/readyz")
        assert (head.status, head.body, head.headers["cache-control"]) == (200, b"", "no-store")
        assert ask(app.url, "POST", "/readyz", headers={"Content-Length": "0"}).status == 404
        assert ask(app.url, "GET", "/readyz/").status == 404

        storage = app.folder / "output" / "storage"
        storage.rename(storage.with_name("elsewhere"))
        until(app, without("storage"))
        asked(app)
        storage.with_name("elsewhere").rename(storage)
        until(app, (200, READY))
        assert app.log().count("the storage does not answer") == 1


def test_a_bucket_that_hangs_is_asked_once_and_waited_for_by_nobody(tmp_path, bucket: Bucket):
    settings = {
        "WAN_STORAGE_URL": "s3://films/wan",
        "AWS_ENDPOINT_URL": bucket.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": SECRETS[2],
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "cn-beijing",
    }
    with served(tmp_path, **settings) as app:
        with ThreadPoolExecutor(20) as together:
            told = list(together.map(lambda _: asked(app), range(40)))
        assert told == [without("storage")] * 40
        assert bucket.asked == 1
        bucket.open.set()
        until(app, (200, READY))
        before = bucket.asked
        with ThreadPoolExecutor(20) as together:
            since = time.monotonic()
            told = list(together.map(lambda _: asked(app), range(40)))
            seconds = time.monotonic() - since
        assert told == [(200, READY)] * 40
        assert bucket.asked - before <= 1 + seconds
        bucket.open.clear()
        until(app, without("storage"))
        assert app.stop() == 0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """One of its own, because it breaks down."""
    with postgres_module.serving() as started:
        yield started


def test_a_database_that_is_gone_or_stuck_is_named(tmp_path, postgres: Postgres):
    url = postgres.database()
    schema = sa.make_url(url).query["options"].rpartition("=")[2]
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with served(tmp_path, WAN_DATABASE_URL=url) as app:
        assert asked(app) == (200, READY)
        with postgres.connect() as another:
            another.execute(f"LOCK TABLE {schema}.keys IN ACCESS EXCLUSIVE MODE")
            until(app, without("database"))
            with ThreadPoolExecutor(10) as together:
                told = list(together.map(lambda _: asked(app), range(10)))
            assert told == [without("database")] * 10
            assert another.execute(waiting).fetchone()[0] <= 1
        until(app, (200, READY))
        postgres.stop()
        try:
            until(app, without("database"))
        finally:
            postgres.start()
        until(app, (200, READY))


@pytest.mark.anyio
async def test_it_is_not_ready_before_it_is_open_nor_once_it_is_told_to_end(environment):
    studio, opened, over = Studio(load_settings()), asyncio.Event(), threading.Event()
    routes = readiness.routes(studio, opened, over.is_set)
    where = httpx.ASGITransport(Starlette(routes=routes))
    async with plain_http.AsyncClient(transport=where, base_url="http://app") as client:
        starting = await client.get("/readyz")
        assert (starting.status_code, starting.json()) == (503, {"status": "starting"})
        async with studio:
            opened.set()
            assert (await client.get("/readyz")).json() == READY
            over.set()
            stopping = await client.get("/readyz")
            assert (stopping.status_code, stopping.json()) == (503, {"status": "stopping"})


@pytest.mark.anyio
async def test_a_folder_that_is_gone_is_no_answer(environment):
    async with Studio(load_settings()) as studio:
        folder = studio.stores.storage.path("")
        folder.rename(folder.with_name("elsewhere"))
        assert await studio.monitoring.ask_stores() == {"database": True, "storage": False}
