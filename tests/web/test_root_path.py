"""Where the app is reached, as the operator, a proxy and the request itself say it, and what is
made of a path.
"""

import pytest
from starlette.datastructures import URL, Headers

from tests.web.test_guard import answered, guarded, scope
from wan.domain.errors import SettingsError
from wan.web.root_path import Root, parse_root


@pytest.mark.parametrize(
    ("given", "root"),
    [
        *[(given, Root()) for given in ("", " ", "/", "//")],
        *[(given, Root(path="/wan")) for given in ("/wan", "wan", "/wan/", " wan/ ", "//wan")],
        ("/a/b-c_d.e~", Root(path="/a/b-c_d.e~")),
        ("https://films.example/wan/", Root("https", "films.example", "/wan")),
        ("http://192.0.2.1:8443", Root("http", "192.0.2.1:8443", "")),
        ("http://[2001:db8::1]:8080/wan", Root("http", "[2001:db8::1]:8080", "/wan")),
    ],
)
def test_what_the_operator_may_say(given: str, root: Root):
    assert parse_root(given) == root


ODD = (
    "/a b",
    "/wan?x",
    "/../x",
    "/a/./b",
    "/a//b",
    "ftp://x/wan",
    "https:///wan",
    "https://x/wan?a=1",
    "https://x/#a",
    "https://u:p@x/",
    "http://[",
    "https://[::1/wan",
    "http://[v1.x]/",
    '/"><b>',
    "/图",
)


@pytest.mark.parametrize("given", ODD)
def test_what_leads_nowhere_is_named(given: str):
    with pytest.raises(SettingsError, match=r"GRADIO_ROOT_PATH: got .*Use a path"):
        parse_root(given)


def seen(root: Root, *, proxied: bool, path: str = "/x", **headers: str) -> str:
    """The address of a request as whoever is behind the guard sees it."""
    asked = scope(path, **{"host": "app.example:7860"} | headers)
    return str(URL(scope=root.of(asked, proxied=proxied).apply(asked)))


@pytest.mark.parametrize(
    ("root", "said", "address"),
    [
        (Root(), {}, "http://app.example:7860"),
        (Root(path="/wan"), {}, "http://app.example:7860/wan"),
        (
            Root(),
            {"x_forwarded_proto": "https", "x_forwarded_host": "films.example"},
            "https://films.example",
        ),
        (Root(), {"x_forwarded_prefix": "/wan/"}, "http://app.example:7860/wan"),
        (Root(path="/own"), {"x_forwarded_prefix": "/wan"}, "http://app.example:7860/own"),
        (Root(), {"x_forwarded_prefix": "/wan, /inner"}, "http://app.example:7860/wan"),
        (Root(), {"x_forwarded_prefix": '/"><script>'}, "http://app.example:7860"),
        (Root(), {"x_forwarded_prefix": "//evil.example"}, "http://app.example:7860"),
        (Root(), {"x_forwarded_proto": "javascript"}, "http://app.example:7860"),
        (
            Root(),
            {"host": "films.example", "x_forwarded_port": "8443"},
            "http://films.example:8443",
        ),
        (
            Root(),
            {"x_forwarded_host": "films.example", "x_forwarded_port": "8443"},
            "http://films.example:8443",
        ),
        (
            Root(),
            {"host": "films.example:81", "x_forwarded_port": "8443"},
            "http://films.example:81",
        ),
        (
            Root(),
            {"host": "films.example", "x_forwarded_port": "443", "x_forwarded_proto": "https"},
            "https://films.example",
        ),
        (
            Root(),
            {"host": "films.example", "x_forwarded_port": "80", "x_forwarded_proto": "https"},
            "https://films.example",
        ),
        (
            Root(),
            {"host": "[2001:db8::1]", "x_forwarded_port": "8443"},
            "http://[2001:db8::1]:8443",
        ),
        (
            Root("https", "films.example", "/wan"),
            {"x_forwarded_host": "evil.example"},
            "https://films.example/wan",
        ),
    ],
)
def test_the_address_of_a_request(root: Root, said: dict[str, str], address: str):
    assert seen(root, proxied=True, **said) == f"{address}/x"
    if not root.netloc and any(name.startswith("x_") for name in said):
        direct = seen(root, proxied=False, **said)
        assert direct == f"http://{said.get('host', 'app.example:7860')}{root.path}/x", (
            "only a trusted proxy is believed"
        )


OPEN = {"/", "/config", "/review", "/review/x", "/media/x/video.mp4"}


@pytest.mark.parametrize(
    ("prefix", "path", "route"),
    [
        ("", "/config", "/config"),
        ("", "//config", "/config"),
        ("/wan", "/config", "/config"),
        ("/wan", "/wan/config", "/config"),
        ("/wan", "/wan", ""),
        ("/wan", "/wan/", "/"),
        ("/wan", "//", "/"),
        ("/wan", "//config", "/config"),
        ("/wan", "/wander", "/wander"),
        ("/wan", "/wan/wan/config", "/wan/config"),
        ("/review", "/review/x", "/review/x"),
        ("/review", "/review/review/x", "/review/x"),
        ("/review", "/review/config", "/config"),
        ("/review", "/review/", "/"),
        ("/review", "/review", ""),
        ("/media", "/media/x/video.mp4", "/media/x/video.mp4"),
        ("/a/b", "/a/b/config", "/config"),
        ("/a/b", "/a/config", "/a/config"),
    ],
)
def test_a_path_that_was_passed_on_or_cut_off(prefix: str, path: str, route: str):
    assert Root(path=prefix).route(path, OPEN.__contains__) == route


@pytest.mark.anyio
async def test_what_is_behind_the_guard_sees_the_whole_address():
    came = []

    async def app(asked, receive, send):
        came.append(asked)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for path in ("/wan/config", "/config"):
        asked = scope(
            path, peer="10.0.0.1", x_forwarded_host="films.example", x_forwarded_proto="https"
        )
        status, _ = await answered(guarded(app, root=Root(path="/wan")), asked)
        assert status == 200
        behind = came.pop()
        assert (behind["path"], behind["root_path"], behind["scheme"]) == (
            "/wan/config",
            "/wan",
            "https",
        )
        assert Headers(scope=behind)["host"] == "films.example"
        assert not [name for name in Headers(scope=behind) if name.startswith("x-forwarded")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "where"), [(b"", "/wan/"), (b"lang=zh&a=%3Cb%3E", "/wan/?lang=zh&a=%3Cb%3E")]
)
async def test_the_path_without_its_slash_leads_to_the_one_with_it(query: bytes, where: str):
    async def app(asked, receive, send):
        raise AssertionError("nobody is asked")

    status, headers = await answered(
        guarded(app, root=Root(path="/wan")), scope("/wan", query=query)
    )
    assert status == 307
    assert headers["location"] == where
