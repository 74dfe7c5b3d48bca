"""Under which names the app answers."""

import socket

import pytest
from starlette.datastructures import Headers

from wan.environment.settings import load_settings
from wan.web import host_names
from wan.web.host_names import HostNames, host_names_of, parse_host
from wan.web.refusal import RequestRefused

OURS = ["films.example", "*.studio.example", "NAS.local", "my_app"]


def accepts(known: HostNames, *hosts: str, forwarded: str | None = None) -> bool:
    """Whether a request with these names is let in. forwarded: what a trusted proxy says."""
    raw = [(b"host", host.encode()) for host in hosts]
    raw += [(b"x-forwarded-host", forwarded.encode())] if forwarded is not None else []
    try:
        known.check(Headers(raw=raw), proxied=forwarded is not None)
    except RequestRefused:
        return False
    return True


KNOWN = [
    *("localhost", "LOCALHOST:7860", "localhost.", "127.0.0.1", "127.0.0.1:1", "10.1.2.3:80"),
    *("[::1]", "[2001:DB8::7]:7860", "[::ffff:10.0.0.1]"),
    *("films.example", "FILMS.example.:443", "nas.local:7860", "a.studio.example"),
    *("a.b.studio.example", "my_app:7860"),
]
UNKNOWN = [
    *("", " ", ":", ":7860", ".", "evil.example", "evil.example.", "www.films.example"),
    *("studio.example", "evilstudio.example", "films.example.evil.example", "localhost.evil"),
    *("films.example@evil.example", "evil.example@localhost", "evil.example#films.example"),
    *("127.0.0.1.evil.example", "127.1", "0x7f.1", "2130706433", "127.0.0.1:", "127.0.0.1:x"),
    *("127.0.0.1:80:80", "127.0.0.1:99999", "[::1", "::1", "[evil.example]", "[::1]evil.example"),
    *("[fe80::1%25eth0]", "films.example,evil.example", "films.example evil.example"),
    *("films.example\x00", "films.example/", "ｆilms.example", "a" * 300),
]


@pytest.mark.parametrize("host", KNOWN)
def test_names_that_are_ours(host):
    assert accepts(HostNames(OURS), host)


@pytest.mark.parametrize("host", UNKNOWN, ids=repr)
def test_names_that_anybody_can_point_here(host):
    assert not accepts(HostNames(OURS), host)


def test_every_name_that_a_request_gives_must_be_ours():
    known = HostNames(OURS)
    assert not accepts(known)
    assert not accepts(known, "films.example", "evil.example")
    assert not accepts(known, "evil.example", "films.example")
    assert accepts(known, "127.0.0.1:7860", forwarded="films.example")
    assert accepts(known, "films.example", forwarded="")
    assert accepts(known, "films.example", forwarded="films.example, my_app")
    assert not accepts(known, "films.example", forwarded="evil.example")
    assert not accepts(known, "films.example", forwarded="evil.example, films.example")
    assert not accepts(known, "evil.example", forwarded="films.example"), (
        "a rebound page may say it"
    )


def test_a_star_turns_it_off():
    known = HostNames(["*"])
    assert accepts(known, "evil.example")
    assert accepts(known, "")
    assert accepts(known)
    assert not accepts(known, "evil.example@films.example"), "that is no name"


@pytest.mark.anyio
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_answer_says_what_to_set(language):
    with pytest.raises(RequestRefused) as refused:
        HostNames().check(Headers(raw=[(b"host", b"Nas.local:7860")]), proxied=False)
    answer = refused.value.response(language)
    assert answer.status_code == 421
    assert b"WAN_HOSTS=nas.local" in answer.body


def test_this_machines_own_names_are_found_without_a_name_server(monkeypatch, tmp_path):
    def resolve(*_: object) -> None:
        raise AssertionError("a name server was asked")

    hosts = tmp_path / "hosts"
    hosts.write_text(
        "127.0.0.1 localhost\n127.0.1.1\tbox.home.lan box # evil.example\n# 1.2.3.4 box "
        "c\n0.0.0.0 ads.example\n"
    )
    monkeypatch.setattr(host_names, "_HOSTS_FILE", hosts)
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    for asking in ("getfqdn", "getaddrinfo", "gethostbyname", "gethostbyaddr", "gethostbyname_ex"):
        monkeypatch.setattr(socket, asking, resolve)
    known = host_names_of(load_settings())
    assert accepts(known, "box:7860")
    assert accepts(known, "box.home.lan")
    assert not accepts(known, "ads.example")
    assert not accepts(known, "evil.example")
    assert not accepts(known, "c")
    hosts.unlink()
    assert accepts(host_names_of(load_settings()), "box")


def test_a_spaces_names_are_known_on_a_space_only(monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "ann-films.hf.space")
    assert not accepts(host_names_of(load_settings()), "ann-films.hf.space")
    monkeypatch.setenv("SPACE_ID", "ann/films")
    monkeypatch.setenv("WAN_HOSTS", "films.example")
    known = host_names_of(load_settings())
    assert accepts(known, "ann-films.hf.space")
    assert accepts(known, "10.20.0.7:7860", forwarded="ann-films.hf.space")
    assert accepts(known, "films.example")
    assert not accepts(known, "evil.example")
    assert not accepts(known, "hf.space.evil.example")


def test_a_name_is_compared_without_its_case_port_and_last_dot():
    assert parse_host("Films.Example.:80") == "films.example"
    assert parse_host("[::1]:80") == "::1"
    assert parse_host("films.example..") == "films.example.", "which is none of ours"
