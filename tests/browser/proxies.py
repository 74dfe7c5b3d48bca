"""Proxies as people put them in front of the app: nginx, in every way in which it is told to pass a
path on, and Caddy, as the README has them; HAProxy in front of two, as assets/deploy/ has it.
"""

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.browser.serving import ROOT
from tests.patience import PATIENCE

_UNPACKED = ROOT / ".venv" / "proxies"
"""Where tests/run.sh unpacks them."""
_HEADERS = """
    proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_buffering off;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
"""
_SERVER = (
    "server {{ listen {listen}; absolute_redirect off; client_max_body_size 100m; {location} }}"
)
LOCATIONS = {
    "passed on, without a slash": "location /wan { proxy_pass http://APP; HEADERS }",
    "cut off": "location /wan/ { proxy_pass http://APP/; HEADERS }",
    "cut off too little": "location /wan { proxy_pass http://APP/; HEADERS }",
    "cut off, with and without a slash": "location /wan { rewrite ^/wan/?(.*)$ /$1 break; "
    "proxy_pass http://APP; HEADERS }",
}
"""Ways in which nginx is told about a path, beside the README's."""


def readme(kind: str) -> str:
    """A configuration that the README shows. kind: what stands behind its three backticks."""
    return re.search(rf"^```{kind}\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)[1]


@contextlib.contextmanager
def nginx(port: int, folder: Path) -> Iterator[dict[str, str]]:
    """nginx in front of a port. Gives the address of the app behind each way, "README" and those of
    `LOCATIONS`.
    """
    listens = {name: f"127.0.0.1:{_free_port()}" for name in ("README", *LOCATIONS)}
    servers = [_put_in(readme("nginx"), port, "listen 80;", f"listen {listens['README']};")]
    for name, location in LOCATIONS.items():
        servers.append(
            _SERVER.format(
                listen=listens[name],
                location=location.replace("APP", f"127.0.0.1:{port}").replace("HEADERS", _HEADERS),
            )
        )
    folder.mkdir()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind}; "
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    settings = (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log; "
        f"events {{}} http {{ access_log off; {temporary}"
    )
    (folder / "nginx.conf").write_text("\n".join([settings, *servers, "}"]))
    with _running(
        [_program("nginx"), "-e", f"{folder}/log", "-c", f"{folder}/nginx.conf"],
        listens["README"],
        folder,
    ):
        yield {name: f"http://{listen}/wan" for name, listen in listens.items()}


@contextlib.contextmanager
def caddy(port: int, folder: Path) -> Iterator[str]:
    """Caddy in front of a port, as the README has it. Gives the address of the app behind it."""
    listen = f"127.0.0.1:{_free_port()}"
    folder.mkdir()
    settings = _put_in(readme("caddyfile"), port, "films.example {", f"http://{listen} {{")
    (folder / "Caddyfile").write_text("{\nadmin off\nauto_https off\n}\n" + settings)
    with _running(
        [_program("caddy"), "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"],
        listen,
        folder,
    ):
        yield f"http://{listen}/wan"


@contextlib.contextmanager
def haproxy(ports: Sequence[int], folder: Path) -> Iterator[str]:
    """HAProxy in front of some ports: of two by the very file that is handed out, of others by a
    copy with as many servers. Gives its address.
    """
    listen = f"127.0.0.1:{_free_port()}"
    folder.mkdir()
    where = {f"WAN_REPLICA_{number}": f"127.0.0.1:{port}" for number, port in enumerate(ports, 1)}
    settings = {
        "WAN_BALANCER": listen,
        "WAN_BALANCER_USER": pwd.getpwuid(os.geteuid()).pw_name,
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, _UNPACKED.glob("usr/lib/*-linux-gnu"))),
        **where,
    }
    configuration = ROOT / "assets" / "deploy" / "haproxy.cfg"
    if len(ports) != 2:
        servers = "".join(
            f'    server {number} "${{{name}}}" cookie {number}\n'
            for number, name in enumerate(where, 1)
        )
        given = configuration.read_text()
        configuration = folder / "haproxy.cfg"
        configuration.write_text(re.sub(r"(^    server .*\n)+", servers, given, flags=re.MULTILINE))
    with _running([_program("haproxy"), "-f", str(configuration)], listen, folder, **settings):
        yield f"http://{listen}"


def _put_in(configuration: str, port: int, where: str, here: str) -> str:
    """What the README shows, for this app and at a port of ours."""
    app = "127.0.0.1:7860"
    assert configuration.count(app) == configuration.count(where) == 1, configuration
    return configuration.replace(app, f"127.0.0.1:{port}").replace(where, here)


def _program(name: str) -> str:
    folders = (
        os.environ["PATH"],
        "/usr/sbin",
        f"{_UNPACKED}/usr/sbin",
        f"{_UNPACKED}/usr/bin",
    )
    found = shutil.which(name, path=os.pathsep.join(folders))
    return found or pytest.fail(f"no {name}: run `bash tests/run.sh` on Debian, or install it")


@contextlib.contextmanager
def _running(command: list[str], listen: str, folder: Path, **settings: str) -> Iterator[None]:
    environment = os.environ | {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        **settings,
    }
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
    try:
        give_up = time.monotonic() + PATIENCE
        while not _listens(listen):
            assert process.poll() is None, (folder / "said").read_text()
            assert time.monotonic() < give_up, (folder / "said").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
