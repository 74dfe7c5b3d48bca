"""Signing in on the app's own page, as browsers and programs do it."""

import html
import re
import time
from collections.abc import Iterator

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError, AuthenticationError

from tests import plain_http
from tests.browser.serving import App, served
from tests.environment.test_passwords import BY_OPENSSL as HASHED

DOCUMENT = {"Accept": "text/html,*/*;q=0.8"}
WRONG = "That name and password don't match. Check both and try again."
WRONG_ZH = "用户名或密码不正确，请检查后重试。"
BURST = 60  # tries from one address at once; then one a second
PATHS = pytest.mark.parametrize("path", ["", "/wan"])


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app with logins, one of them hashed, under a path that its proxy may take away."""
    settings = {
        "WAN_LOGINS": f"ann:secret-of-ann,bob:{HASHED}",
        "WAN_TRUSTED_PROXIES": "127.0.0.1",
        "GRADIO_ROOT_PATH": "/wan",
    }
    with served(tmp_path_factory.mktemp("app"), **settings) as running:
        yield running


def sign_in(
    app: App, name: str, password: str, path: str = "", *, language: str = "en", **headers: str
) -> httpx.Response:
    """Send the form as a browser does."""
    return plain_http.post(
        f"{app.url}{path}/login?lang={language}",
        data={"username": name, "password": password},
        headers=DOCUMENT | headers,
    )


def refusal(page: httpx.Response) -> str:
    """What the page says was wrong."""
    said = re.search(r'role="alert">(.*?)</p>', page.text)
    return html.unescape(said[1]) if said else ""


@PATHS
@pytest.mark.parametrize(
    ("name", "password", "language", "status", "said"),
    [
        ("ann", "secret-of-bob", "en", 400, WRONG),
        ("ann", "secret-of-bob", "zh", 400, WRONG_ZH),
        ("cleo", "secret-of-ann", "en", 400, WRONG),
        ("bob", HASHED, "en", 400, WRONG),
        ("ann", "", "en", 422, "Enter your name and password."),
        ("", "secret-of-ann", "zh", 422, "请输入用户名和密码。"),
        ('"><b>', "a guess", "en", 400, WRONG),
        ("ann", "x" * 5_000, "en", 413, WRONG),
    ],
)
def test_what_was_wrong_is_said_beside_the_name_that_was_given(
    app: App, path: str, name: str, password: str, language: str, status: int, said: str
):
    page = sign_in(app, name, password, path, language=language)
    assert (page.status_code, refusal(page)) == (status, said)
    assert "set-cookie" not in page.headers
    kept = re.search(r'name="username" value="(.*?)"', page.text)
    assert kept
    assert html.unescape(kept[1]) == (name if status != 413 else "")
    assert "<b>" not in page.text
    assert not password or password not in page.text


@PATHS
@pytest.mark.parametrize(("name", "password"), [("ann", "secret-of-ann"), ("bob", "correct horse")])
@pytest.mark.parametrize(("language", "home"), [("en", "./"), ("zh", "zh")])
def test_whoever_signs_in_gets_the_page(
    app: App, path: str, name: str, password: str, language: str, home: str
):
    answer = sign_in(app, name, password, path, language=language)
    assert (answer.status_code, answer.headers["location"]) == (303, home)
    with plain_http.Client(cookies=answer.cookies, headers=DOCUMENT) as browser:
        page = browser.get(str(answer.url.join(home)), params={"lang": language})
    assert "gradio_config" in page.text
    assert 'name="password"' not in page.text


@PATHS
@pytest.mark.parametrize(
    ("address", "language", "button"),
    [("/", "en", "Sign in"), ("/zh", "zh", "登录"), ("/?lang=en", "en", "Sign in")],
)
def test_the_page_is_in_the_language_of_its_address(
    app: App, path: str, address: str, language: str, button: str
):
    page = plain_http.get(f"{app.url}{path}{address}", headers=DOCUMENT)
    assert page.status_code == 200
    assert f"<button>{button}</button>" in page.text
    assert f'action="login?lang={language}"' in page.text
    assert "gradio_config" not in page.text
    assert page.headers["cache-control"] == "no-store"


@PATHS
def test_a_chinese_browser_is_sent_to_the_chinese_page(app: App, path: str):
    chinese = DOCUMENT | {"Accept-Language": "zh-CN,zh;q=0.9"}
    page = plain_http.get(f"{app.url}{path}/", headers=chinese, follow_redirects=True)
    assert "<button>登录</button>" in page.text


@PATHS
def test_head_is_answered_without_a_body(app: App, path: str):
    for page in ("/", "/zh"):
        answer = plain_http.head(f"{app.url}{path}{page}", headers=DOCUMENT)
        assert (answer.status_code, answer.content) == (200, b"")


@PATHS
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", ["/login", "/login/", "/login?lang=zh"])
def test_the_forms_own_address_leads_to_the_page(app: App, path: str, method: str, form: str):
    """It stands in the address bar after a wrong password."""
    answer = plain_http.request(method, f"{app.url}{path}{form}", headers=DOCUMENT)
    assert (answer.status_code, answer.headers["location"]) == (307, "/wan/")


def test_programs_sign_in_as_before(app: App):
    with pytest.raises(AuthenticationError):
        Client(f"{app.url}/wan", verbose=False)
    with pytest.raises(ValueError, match="Could not login"):
        Client(f"{app.url}/wan", auth=("ann", "wrong"), verbose=False)
    for auth in (("ann", "secret-of-ann"), ("bob", "correct horse")):
        client = Client(f"{app.url}/wan", auth=auth, verbose=False)
        with pytest.raises(AppError, match="No job with this ID"):
            client.predict(job_id="nosuchjob", api_name="/job")


@PATHS
def test_without_a_session_nothing_but_the_page_is_answered(app: App, path: str):
    api = f"{app.url}{path}/gradio_api"
    event = {"fn_index": 0, "data": [], "session_hash": "somebody"}
    ann = {"cookies": sign_in(app, "ann", "secret-of-ann", path).cookies}
    events = plain_http.get(f"{app.url}{path}/config", **ann).json()["dependencies"]
    greeting = event | {"fn_index": next(e["id"] for e in events if e["api_name"] == "greet")}
    for cookies in ({}, {"access-token-unsecure-x": "forged"}):
        with plain_http.Client(cookies=cookies) as client:
            assert [
                client.post(f"{api}/queue/join", json=event).status_code,
                client.post(f"{api}/run/predict", json=greeting).status_code,
                client.post(f"{api}/call/image_to_video", json={"data": []}).status_code,
                client.post(f"{api}/upload", files={"files": b"x"}).status_code,
                client.get(f"{api}/info").status_code,
                client.get(f"{app.url}{path}/config").status_code,
            ] == [401] * 6


def test_the_guesses_of_an_address_are_few_through_either_door(app: App):
    here = {"X-Forwarded-For": "203.0.113.9"}
    form = {"username": "ann", "password": "wrong"}
    begun, tries = time.monotonic(), 0
    while (page := sign_in(app, "ann", "wrong", **here)).status_code == 400:
        tries += 1
        if tries % 2:
            program = plain_http.post(f"{app.url}/login", data=form, headers=here)
            tries += program.status_code == 400
    assert BURST - 1 <= tries <= BURST + time.monotonic() - begun
    assert page.status_code == 429
    wait = page.headers["retry-after"]
    assert refusal(page) == f"Too many attempts from your network. Try again in {wait} s."
    for language, right in (("en", "Too many attempts"), ("zh", "登录尝试过多")):
        page = sign_in(app, "ann", "secret-of-ann", language=language, **here)
        assert page.status_code == 429
        assert right in refusal(page)
    program = plain_http.post(f"{app.url}/login", data=form, headers=here)
    assert program.status_code == 429
    assert "Try again in" in program.json()["detail"]
    assert sign_in(app, "ann", "secret-of-ann").status_code == 303, "others are let in"


def test_each_page_is_for_whoever_has_signed_in(app: App):
    pages = {}
    for name, password in (("ann", "secret-of-ann"), ("bob", "correct horse")):
        with plain_http.Client(base_url=app.url, headers=DOCUMENT) as visitor:
            assert visitor.post("/login", data={"username": name, "password": password}).is_redirect
            pages[name] = visitor.get("/")
            tag = pages[name].headers["etag"]
            assert visitor.get("/", headers={"If-None-Match": tag}).status_code == 304
    tags = [page.headers["etag"] for page in pages.values()]
    assert len(set(tags)) == 2
    assert ['"username":"ann"' in page.text for page in pages.values()] == [True, False]
    for path in ("/", "/zh"):
        gone = plain_http.get(
            f"{app.url}{path}", headers=DOCUMENT | {"If-None-Match": ", ".join(tags)}
        )
        assert gone.status_code == 200
        assert "gradio_config" not in gone.text
