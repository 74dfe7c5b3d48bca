"""Proxies and authorities of the surroundings: nothing of them keeps the app from starting, and the
service is reached by its own way.
"""

import asyncio
import json
import logging
import subprocess
import sys

import httpx
import pytest
from pydantic import SecretStr

from tests import plain_http
from tests.browser.serving import SAMPLES, served
from tests.company import company
from tests.wire import reply
from wan.domain.errors import BadResponse, NotSent, SettingsError
from wan.environment.connection import Connection
from wan.environment.settings import load_settings
from wan.provider.gateway import Gateway
from wan.service.connection_check import check_connection

pytestmark = pytest.mark.anyio

SERVICE = "service.example"
PICTURE = SAMPLES / "coffee.png"
LISTED = reply(200, {"data": [], "total_page": 1})
PAYLOAD = {
    "model": "wan2.6-i2v-flash",
    "input": {"prompt": "x", "img_url": "https://example.com/a.png"},
    "parameters": {},
}
ODD = {
    "ALL_PROXY": "socks5://127.0.0.1:9",
    "all_proxy": "socks://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://[::bad",
    "HTTPS_PROXY": "proxy.example:port",
    "No_Proxy": "fd00::/8,[::1],localhost",
    "SSL_CERT_FILE": "/nowhere/authority.pem",
    "SSL_CERT_DIR": "/nowhere",
}
FOREIGN = {
    "GRADIO_ANALYTICS_MAX_EVENTS": "x",
    "GRADIO_DEBUG": "1",
    "GRADIO_NODE_SERVER_PORT": "x",
    "GRADIO_NUM_WORKERS": "2",
    "GRADIO_SHARE": "True",
    "HF_HUB_ETAG_TIMEOUT": "ten",
    "LOG_LEVEL": "loud",
    "SSLKEYLOGFILE": "/nowhere/keys",
    "WEB_CONCURRENCY": "many",
}
BUCKET = """
import os
from wan.environment.surroundings import find_unused_proxy, set_aside
os.environ["https_proxy"] = "http://127.0.0.1:{port}"
set_aside()
assert "https_proxy" not in os.environ and find_unused_proxy() == "https_proxy"
from obstore.store import from_url
import obstore
keys = {{"access_key_id": "a", "secret_access_key": "b"}}
bucket = from_url("s3://bucket/a", **keys, retry_config={{"max_retries": 0}})
try:
    obstore.head(bucket, "b")
except Exception as error:
    print(error)
"""


def service(url: str = f"https://{SERVICE}/api/v1") -> Connection:
    return Connection(
        backend="dashscope", base_url=url, region="", workspace="", key=SecretStr("sk-test1234")
    )


async def said(gateway: Gateway, connection: Connection, language: str = "en") -> str:
    """What a check of the connection says."""
    try:
        return (await check_connection(gateway, connection)).say(language)
    finally:
        await gateway.close()


@pytest.mark.process
@pytest.mark.parametrize("surroundings", [ODD, FOREIGN])
def test_what_is_meant_for_other_programs_keeps_the_app_from_nothing(tmp_path, surroundings):
    with served(tmp_path, **surroundings) as app:
        assert plain_http.get(f"{app.url}/config").status_code == 200
        assert app.created() == 0
        assert app.stop() == 0
        assert "Traceback" not in app.log()


@pytest.mark.process
def test_what_is_meant_for_other_programs_keeps_the_command_line_from_nothing(
    environment, tmp_path
):
    done = subprocess.run(
        [sys.executable, "-m", "wan", "image-to-video", str(PICTURE), "--duration", "2", "--json"],
        env=environment | ODD | FOREIGN | {"OUTPUT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["state"] == "SUCCEEDED"


@pytest.mark.process
async def test_a_bucket_is_still_reached_through_its_proxy(environment, tmp_path):
    async with company(tmp_path, SERVICE, b"", refusal=b"HTTP/1.1 403 No\r\n\r\n") as network:
        script = BUCKET.format(port=network.port)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert not done.stderr
        assert network.asked[0].startswith("CONNECT s3.")


async def test_the_service_through_a_proxy_that_looks_into_everything(tmp_path, monkeypatch):
    async with company(tmp_path, SERVICE, LISTED) as network:
        proxy = SecretStr(f"http://ann:a%40b@127.0.0.1:{network.port}")
        refused = await said(Gateway(proxy), service())
        assert refused.startswith(
            f"The certificate of https://{SERVICE} isn't trusted (unable to get local issuer "
            "certificate). "
        )
        assert "SSL_CERT_FILE" in refused
        monkeypatch.setenv("SSL_CERT_FILE", str(network.authority))
        assert (await said(Gateway(proxy), service())).startswith("The key works")
        connect, inner = network.asked[-2:]
        assert connect.startswith(f"CONNECT {SERVICE}:443 ")
        assert "Basic YW5uOmFAYg==" in connect
        assert "sk-test1234" not in connect
        assert "sk-test1234" in inner
        assert inner.startswith("GET /api/v1/tasks/")


async def test_a_certificate_that_is_not_believed_proves_that_nothing_was_sent(tmp_path):
    async with company(tmp_path, SERVICE, LISTED) as network:
        gateway = Gateway(SecretStr(f"http://127.0.0.1:{network.port}"))
        with pytest.raises(NotSent, match="isn't trusted"):
            await gateway.submit(service(), PAYLOAD)
        await gateway.close()
        assert len(network.asked) == 1


async def test_a_proxy_that_refuses_proves_that_nothing_was_sent(tmp_path):
    async with company(
        tmp_path,
        SERVICE,
        LISTED,
        refusal=b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    ) as network:
        gateway = Gateway(SecretStr(f"http://127.0.0.1:{network.port}"))
        with pytest.raises(NotSent) as refused:
            await gateway.submit(service(), PAYLOAD)
        words = (
            f"https://{SERVICE}, through the proxy (WAN_SERVICE_PROXY: 407 Proxy "
            "Authentication Required). You weren't charged, and we'll retry"
        )
        assert words in str(refused.value)
        assert "Check WAN_SERVICE_PROXY" in await said(gateway, service())


async def test_an_address_that_does_not_answer_is_named(monkeypatch):
    dead = "https://127.0.0.2:9"
    connection = service(f"{dead}/api/v1")
    assert (
        await said(Gateway(), connection)
        == f"The service can't be reached: {dead}. Check this server's network, then try again."
    )
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    assert "ALL_PROXY is set here but isn't used" in await said(Gateway(), connection)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    for language, words in (
        ("en", "https_proxy is set here but isn't used"),
        ("zh", "设置了 https_proxy，但连接服务时不使用它"),
    ):
        assert words in await said(Gateway(), connection, language)
    through = await said(Gateway(SecretStr("http://127.0.0.2:9")), connection)
    assert through.startswith(
        f"The service can't be reached: {dead}, through the proxy (WAN_SERVICE_PROXY). "
    )


async def test_a_download_that_does_not_arrive_names_no_signature(tmp_path):
    gateway = Gateway()
    with pytest.raises(BadResponse) as missed:
        await gateway.download(
            service("https://127.0.0.2:9/api/v1"),
            "https://127.0.0.2:9/a.mp4?Signature=hush",
            tmp_path / "a",
        )
    await gateway.close()
    assert "hush" not in str(missed.value)
    assert "https://127.0.0.2:9. You weren't charged" in str(missed.value)


async def test_what_is_on_this_machine_is_asked_straight(simulator):
    connection = Connection(
        backend="simulator",
        base_url=simulator.base_url,
        region="",
        workspace="",
        key=SecretStr("sk-straight"),
    )
    assert (await said(Gateway(SecretStr("http://127.0.0.2:9")), connection)).startswith(
        "The key works"
    )


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_an_authority_that_is_not_there_does_not_count(
    tmp_path, monkeypatch, caplog, simulator, name
):
    empty = tmp_path / "empty.pem"
    empty.touch()
    for place in (
        "/nowhere/authority.pem",
        *([str(empty), str(tmp_path)] if name == "SSL_CERT_FILE" else []),
    ):
        monkeypatch.setenv(name, f'"{place}"')
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert (await said(Gateway(), service(simulator.base_url))).startswith("The key works")
        assert f"{name} names no usable certificates" in caplog.text


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        (' "HTTPS://ann:a%40b@proxy.example" ', "HTTPS://ann:a%40b@proxy.example"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://[::1]:3128/", "http://[::1]:3128/"),
    ],
)
def test_proxies_that_can_be_used(monkeypatch, given, read):
    monkeypatch.setenv("WAN_SERVICE_PROXY", given)
    assert load_settings().outward_proxy.get_secret_value() == read
    httpx.Proxy(read)
    assert "a%40b" not in repr(load_settings())


@pytest.mark.parametrize(
    "given",
    [
        *(
            "socks5://ann:hush@proxy.example:1080",
            "socks://proxy.example",
            "socks5h://proxy.example",
            "ftp://proxy.example",
            "http://",
        ),
        *(
            "http://ann:hush@proxy.example:port",
            "http://proxy.example:99999",
            "http://proxy.example/path",
            "http://a b",
            "http://[::bad",
            "http://?x",
        ),
        "proxy.example:port",
    ],
)
def test_proxies_that_cannot_are_refused_in_words(monkeypatch, given):
    monkeypatch.setenv("WAN_SERVICE_PROXY", given)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    shown = f"{given.partition('://')[0]}://…" if "://" in given else "something that is no address"
    assert str(refused.value) == (
        f"WAN_SERVICE_PROXY: got {shown}. Use http://host:port or https://host:port, "
        "with user:password@ before the host if it needs them; SOCKS proxies aren't supported."
    )
