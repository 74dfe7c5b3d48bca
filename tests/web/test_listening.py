"""Where the app listens: every way to name an address works, or is refused in one sentence."""

import contextlib
import re
import socket
from collections.abc import Iterator

import pytest

from tests import plain_http, warm
from tests.browser.serving import ROOT, served
from wan.domain.errors import SettingsError
from wan.environment.settings import load_settings
from wan.web.listening import Listener, listen

V4, V6, ALL = "127.0.0.1", "::1", "0.0.0.0"  # noqa: S104


@contextlib.contextmanager
def listening(
    monkeypatch, name: str | None = None, port: int | str | None = None
) -> Iterator[Listener]:
    """Listens as the settings say."""
    for setting, value in (("GRADIO_SERVER_NAME", name), ("GRADIO_SERVER_PORT", port)):
        if value is not None:
            monkeypatch.setenv(setting, str(value))
    place = listen(load_settings())
    try:
        yield place
    finally:
        for one in place.sockets:
            one.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((V4, 0))
        return probe.getsockname()[1]


def reached(port: int) -> set[str]:
    """At which of this machine's own addresses somebody listens."""
    found = set()
    for host in (V4, V6):
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
            found.add(host)
    return found


@pytest.mark.parametrize(
    ("name", "at", "itself", "shown"),
    [
        (V4, {V4}, V4, V4),
        (ALL, {V4}, V4, ALL),
        ("::", {V4, V6}, "[::1]", "[::]"),
        ("[::]", {V4, V6}, "[::1]", "[::]"),
        ("::1", {V6}, "[::1]", "[::1]"),
        ("[::1]", {V6}, "[::1]", "[::1]"),
        ('" [0:0:0:0:0:0:0:1] "\r', {V6}, "[::1]", "[0:0:0:0:0:0:0:1]"),
        ("::ffff:127.0.0.1", {V4}, "[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
    ],
)
def test_every_way_to_name_an_address(monkeypatch, name, at, itself, shown):
    port = free_port()
    with listening(monkeypatch, name, port) as place:
        assert reached(port) == at
        assert (place.url, place.name, place.port) == (f"http://{itself}:{port}/", shown, port)
        assert {one.proto for one in place.sockets} == {
            socket.IPPROTO_TCP
        }  # else asyncio leaves each answer to wait for an acknowledgement


def test_a_name_of_this_machine(monkeypatch):
    port = free_port()
    with listening(monkeypatch, "LocalHost", port):
        assert V4 in reached(port)


@pytest.mark.parametrize(
    "name",
    [
        "films.invalid",
        "203.0.113.1",
        "2001:db8::1",
        "0.0.0.0:7860",
        "[::1]:7860",
        "http://127.0.0.1",
        "a b",
        "*",
        "a..b",
        "x" * 70,
        "fe80::1",
        "[::",
    ],
)
def test_what_is_no_name_of_this_machine_is_refused(monkeypatch, name):
    with (
        pytest.raises(
            SettingsError,
            match=r"^GRADIO_SERVER_NAME: got .*. Use an address or name of this machine",
        ),
        listening(monkeypatch, name),
    ):
        pass


@pytest.mark.parametrize(
    "port", ["abc", "0", "-1", "65536", "7860/tcp", "tcp://10.0.0.1:80", "78.5", "９９９９９"]
)
def test_what_is_no_port_is_refused(monkeypatch, port):
    said = re.escape(f"GRADIO_SERVER_PORT: got {port}. Use a whole number from 1 to 65535.")
    with pytest.raises(SettingsError, match=f"^{said}$"), listening(monkeypatch, port=port):
        pass


@pytest.mark.parametrize("name", [V4, ALL, "::"])
def test_a_port_that_is_taken(monkeypatch, name):
    with listening(monkeypatch, name) as first, listening(monkeypatch, name) as second:
        assert first.port != second.port  # nobody asked for one
        with (
            pytest.raises(
                SettingsError,
                match=f"^GRADIO_SERVER_PORT: port {first.port} is already in use. Stop whatever is "
                "using it, or set another port",
            ),
            listening(monkeypatch, name, f' "{first.port}" '),
        ):
            pass


def test_what_listens_elsewhere_on_the_port_takes_nothing(monkeypatch):
    port = free_port()
    with socket.create_server((V4, port)), listening(monkeypatch, "::1", port) as place:
        assert place.port == port


@pytest.mark.process
@pytest.mark.parametrize(("name", "host"), [("[::]", V4), ("::1", "[::1]")])
def test_the_app_is_there(tmp_path, name, host):
    with served(tmp_path, host=host, GRADIO_SERVER_NAME=name) as app:
        assert plain_http.get(f"{app.url}/config").status_code == 200
        assert app.stop() == 0


@pytest.mark.process
def test_the_app_ends_in_one_sentence_where_it_cannot_start(environment, tmp_path):
    with socket.create_server((V4, 0)) as taken:
        port = str(taken.getsockname()[1])
        for more, said in (
            ({"GRADIO_SERVER_PORT": port}, f"GRADIO_SERVER_PORT: port {port} is already in use"),
            ({"GRADIO_SERVER_PORT": "abc", "GRADIO_NUM_PORTS": "x"}, "GRADIO_SERVER_PORT: got abc"),
            (
                {"GRADIO_ROOT_PATH": "http://["},
                r"GRADIO_ROOT_PATH: got http://\[. Use a path",
            ),
            (
                {"GRADIO_TEMP_DIR": "/dev/null/x"},
                r"GRADIO_TEMP_DIR: got /dev/null/x \(Not a directory\). Use a writable folder",
            ),
            (
                {"OUTPUT_DIR": "/dev/null/x"},
                r"OUTPUT_DIR: got /dev/null/x \(Not a directory\). Use a writable folder",
            ),
        ):
            ended = warm.run([ROOT / "app.py"], environment=environment | more, folder=tmp_path)
            assert ended.returncode == 2
            assert re.fullmatch(f"{said}.*\n", ended.stderr)
