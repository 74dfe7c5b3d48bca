"""Which page somebody is sent to, and how each begins."""

import re
from collections.abc import Iterator

import httpx
import pytest
from starlette.datastructures import Headers

from tests.browser.serving import served
from tests.web.test_guard import answered, guarded, ok, scope
from wan.web.languages import PATHS, first_script, language_of

HTML = {"accept": "text/html,*/*"}
CHINESE = {"accept_language": "zh-CN,zh;q=0.9"}


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [
        ("", {}, "en"),
        ("", {"accept-language": "zh-TW"}, "zh"),
        ("", {"accept-language": "fr, zh"}, "en"),
        ("", {"cookie": "a=b; wan-language=zh"}, "zh"),
        ("", {"cookie": "wan-language=en", "accept-language": "zh"}, "en"),
        ("", {"cookie": "wan-language=nonsense", "accept-language": "zh"}, "zh"),
        ("", {"cookie": "\x00=;;=", "accept-language": "zh"}, "zh"),
        ("lang=en", {"cookie": "wan-language=zh", "accept-language": "zh"}, "en"),
        ("lang=zh", {"cookie": "wan-language=en"}, "zh"),
        ("lang=xx", {"accept-language": "zh"}, "zh"),
        ("lang=", {}, "en"),
        ("&".join(["lang=zh"] * 200), {}, "en"),
    ],
)
def test_the_address_counts_before_the_choice_and_that_before_the_browser(query, headers, language):
    assert language_of(query, Headers(headers)) == language


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (scope(**HTML, **CHINESE), "/zh"),
        (scope(query=b"a=1&lang=zh", **HTML), "/zh?a=1&lang=zh"),
        (scope(cookie="wan-language=zh", sec_fetch_dest="iframe"), "/zh"),
        (scope(sec_fetch_dest="document", **CHINESE), "/zh"),
        (scope(query=b"lang=en", **HTML, **CHINESE), ""),
        (scope(cookie="wan-language=en", **HTML, **CHINESE), ""),
        (scope(sec_fetch_dest="empty", **HTML, **CHINESE), ""),
        (scope(accept="*/*", **CHINESE), ""),
        (scope(method="HEAD", **HTML, **CHINESE), ""),
        (scope("/zh", **HTML), ""),
        (scope("/config", **HTML, **CHINESE), ""),
    ],
)
async def test_only_a_document_that_is_asked_for_leads_to_another(asked, where):
    status, headers = await answered(guarded(ok), asked)
    if not where:
        assert status == 200
        return
    assert (status, headers["location"]) == (302, where)
    assert headers["vary"] == "Accept-Language, Cookie"
    assert headers["cache-control"] == "no-store"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Whoever asks the app as it is."""
    with (
        served(tmp_path_factory.mktemp("languages")) as app,
        httpx.Client(base_url=app.url, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(("language", "path"), PATHS.items())
def test_each_page_begins_with_its_language_and_has_its_own_words_only(client, language, path):
    answer = client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200
    head = answer.text.partition("<head>")[2]
    assert head.startswith(f"<script>{first_script(language)}</script>")
    assert answer.headers["vary"].startswith("Accept-Language, Cookie")
    assert ("生成视频" in answer.text) is (language == "zh")
    assert not re.search(r'lang=\\?"(en|zh)\\?">[^<]*</span><span', answer.text)
    known = client.head(path)
    assert (known.status_code, known.content) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_slash_behind_the_page_leads_to_it(client, method):
    answer = client.request(method, "/zh/?a=%3Cb%3E&lang=zh")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/zh?a=%3Cb%3E&lang=zh"


def test_what_was_chosen_is_kept(client):
    assert "set-cookie" not in client.get("/", headers={"accept": "text/html"}).headers
    cookie = client.get("/?lang=en").headers["set-cookie"]
    assert cookie.startswith("wan-language=en; Path=/; Max-Age=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    client.cookies.clear()
