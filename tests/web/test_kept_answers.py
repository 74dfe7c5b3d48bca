"""What of Gradio's answers is kept, for whom, and what a browser need not load again."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
from starlette.datastructures import Headers

from tests import plain_http
from tests.browser.serving import SAMPLES, served
from tests.web import test_guard
from wan.web import kept_answers
from wan.web.kept_answers import KeptAnswers

FOREVER = "public, max-age=31536000, immutable"
PAGE = {"accept": "text/html", "accept-encoding": "identity"}
ICONS = ("astronaut.png", "rocket.jpg", "bigbuckbunny.mp4", "coffee.png")


def scope(*given: Any, **more: Any) -> dict[str, Any]:
    """A request as the guard passes it on."""
    return test_guard.scope(*given, **more) | {"scheme": "http", "root_path": ""}


class Asked:
    """An app that says what it was asked: everything by which its answer could differ."""

    def __init__(self, status: int = 200) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.status = status

    async def __call__(self, asked: dict[str, Any], receive: Any, send: Any) -> None:
        self.scopes.append(asked)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"a" * 40, "more_body": True})
        await send({"type": "http.response.body", "body": b"b" * 60})


async def answer(app: KeptAnswers, asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The start and the body of an answer."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(asked, receive, send)
    return sent[0], b"".join(message["body"] for message in sent[1:])


@pytest.mark.anyio
async def test_gradio_is_asked_for_a_page_once_and_not_by_whom():
    gradio = Asked()
    app = KeptAnswers(gradio, ["/"])
    for number in range(3):
        visitor = scope(query=b"page=zh&deep_link=a", cookie=f"name={number}", host="a")
        start, body = await answer(app, visitor)
        assert (start["headers"], body) == ([], b"a" * 40 + b"b" * 60)
        start["headers"].append((b"set-cookie", b"of=this visitor"))
    assert [(asked["headers"], asked["query_string"]) for asked in gradio.scopes] == [
        ([(b"host", b"a")], b"")
    ]


@pytest.mark.anyio
async def test_each_name_and_root_of_the_app_has_a_page_of_its_own():
    gradio = Asked()
    app = KeptAnswers(gradio, ["/", "/zh"])
    for path in ("/", "/zh"):
        for host in ("a", "b"):
            for scheme in ("http", "https"):
                for root in ("", "/wan"):
                    at = {"scheme": scheme, "root_path": root, "path": root + path}
                    for _ in range(2):
                        await answer(app, {**scope(host=host), **at})
    assert len(gradio.scopes) == 16


@pytest.mark.anyio
@pytest.mark.parametrize(
    "asked",
    [
        scope("/config", cookie="a=b"),
        scope("/zh", cookie="a=b"),
        scope("/gradio_api/info"),
        scope("/gradio_api/file=assets/a.js"),
        scope("/", method="POST"),
        scope("/assets/a.js", method="HEAD"),
    ],
)
async def test_all_else_is_passed_on_as_it_is(asked):
    gradio = Asked()
    app = KeptAnswers(gradio, ["/"])
    for _ in range(2):
        await answer(app, asked)
    assert gradio.scopes == [asked, asked]


@pytest.mark.anyio
async def test_an_error_is_not_kept_and_not_for_ever():
    gradio = Asked(status=404)
    app = KeptAnswers(gradio, [])
    for _ in range(2):
        assert (await answer(app, scope("/assets/none.js")))[0]["headers"] == []
    assert len(gradio.scopes) == 2


@pytest.mark.anyio
async def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(kept_answers, "_ROOM", 250)
    gradio = Asked()
    app = KeptAnswers(gradio, [])
    for name in ("a", "b", "a", "c", "a", "b"):
        await answer(app, scope(f"/assets/{name}.js"))
    names = [asked["path"][8] for asked in gradio.scopes]
    assert names == ["a", "b", "c", "b"], "the one that was not used for the longest time goes"


@pytest.mark.anyio
async def test_a_file_is_kept_in_each_coding_that_gradio_knows():
    gradio = Asked()
    app = KeptAnswers(gradio, [])
    codings = ("br", "gzip, br;q=0.1", "gzip", "gzip, nonsense", "identity", "nonsense", "")
    for coding in codings:
        await answer(app, scope("/assets/a.js", accept_encoding=coding))
    assert [Headers(scope=asked).get("accept-encoding") for asked in gradio.scopes] == [
        "br",
        "gzip",
        None,
    ]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Whoever asks the app as it is."""
    with (
        served(tmp_path_factory.mktemp("kept")) as app,
        plain_http.Client(base_url=app.url) as client,
    ):
        yield client


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("path", ["/", "/zh"])
def test_a_browser_that_has_the_page_gets_no_other(client, path, coding):
    asked = PAGE | {"accept-encoding": coding}
    page = client.get(path, headers=asked)
    tag = page.headers["etag"]
    assert page.headers["cache-control"] == "private, no-cache"
    again = client.get(path, headers=asked | {"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    same = ("etag", "content-security-policy", "cache-control", "vary", "x-content-type-options")
    assert [again.headers[name] for name in same] == [page.headers[name] for name in same]
    assert "content-type" not in again.headers
    assert client.get(path, headers=asked | {"if-none-match": '"other"'}).content == page.content


def test_pages_that_differ_have_other_tags(client):
    tags = {
        client.get(path, headers=PAGE | {"accept-encoding": coding}).headers["etag"]
        for path in ("/", "/zh")
        for coding in ("identity", "gzip")
    }
    assert len(tags) == 4


def test_each_name_gets_a_page_with_its_own_address(client):
    port = client.base_url.port
    for _ in range(2):
        for name in ("127.0.0.1", "localhost"):
            page = client.get("/", headers=PAGE | {"host": f"{name}:{port}"}).text
            assert set(re.findall(r'"root": ?"(.*?)"', page)) == {f"http://{name}:{port}"}


def test_a_query_leads_to_no_other_page(client):
    plain = client.get("/", headers=PAGE).content
    assert client.get("/?page=zh&deep_link=../a&view=api", headers=PAGE).content == plain


def test_scripts_and_styles_are_loaded_once(client):
    page = client.get("/", headers=PAGE).text
    script = re.search(r'src="(?:\./)?(assets/[\w-]+\.js)"', page)[1]
    theme = "theme.css?v=" + re.search(r'"theme_hash": ?"(\w+)"', page)[1]
    for address in (script, theme):
        packed = {}
        for coding in ("br", "gzip", "identity"):
            with client.stream("GET", f"/{address}", headers={"accept-encoding": coding}) as got:
                assert got.headers["cache-control"] == FOREVER
                assert got.headers.get("content-encoding", "identity") == coding
                packed[coding] = b"".join(got.iter_raw())
        assert brotli.decompress(packed["br"]) == packed["identity"]
        assert gzip.decompress(packed["gzip"]) == packed["identity"]
    assert "cache-control" not in client.get("/theme.css").headers, "an update may change it"


def test_samples_have_small_pictures_that_are_kept_for_a_day(client):
    page = client.get("/", headers=PAGE).text
    icons = set(re.findall(r"gradio_api/file=(samples/[\w.-]+)", page))
    assert icons == {f"samples/{Path(name).stem}.webp" for name in ICONS}
    for icon in icons:
        picture = client.get(f"/gradio_api/file={icon}")
        assert picture.headers["cache-control"] == "private, max-age=86400"
        assert len(picture.content) < 4000
        assert (SAMPLES / Path(icon).name).read_bytes() == picture.content
