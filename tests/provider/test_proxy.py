"""The proxy that breaks the wire: what the client sees, and what the server had seen by then."""

import asyncio
from urllib.parse import urlsplit

import httpx
import pytest

from tests import plain_http
from tests.proxy import Proxy
from tests.wire import reply, wire

pytestmark = pytest.mark.anyio

BODY = b"x" * 500


async def asked(proxy: Proxy) -> httpx.Response:
    async with plain_http.AsyncClient() as client, asyncio.timeout(1):
        return await client.post(f"http://{proxy.host}/", content=b"please")


@pytest.mark.parametrize(
    ("trouble", "error", "arrived"),
    [
        ("reset", httpx.ReadError, 0),
        ("stall", TimeoutError, 0),
        ("drop-reply", httpx.ReadError, 1),
        ("cut-200", httpx.RemoteProtocolError, 1),
        ("throttle-100", TimeoutError, 1),
        ("delay-5", TimeoutError, 0),
    ],
)
async def test_troubles_hit_so_many_connections(trouble, error, arrived):
    async with wire(reply(200, BODY)) as server, Proxy("127.0.0.1", server.port) as proxy:
        await proxy.set(trouble, count=2)
        for _ in range(2):
            with pytest.raises(error):
                await asked(proxy)
        assert len(server.requests) == 2 * arrived
        assert (await asked(proxy)).content == BODY
        assert len(server.requests) == 2 * arrived + 1


async def test_delay_and_throttle_lose_nothing():
    async with wire(reply(200, BODY)) as server, Proxy("127.0.0.1", server.port) as proxy:
        for trouble in ("delay-0.2", "throttle-5000"):
            await proxy.set(trouble)
            assert (await asked(proxy)).content == BODY
        proxy.clear()
        assert (await asked(proxy)).content == BODY
        assert len(server.requests) == 3
        with pytest.raises(ValueError, match="no such trouble: flood"):
            await proxy.set("flood")


async def test_refused_until_accepted_again_on_the_same_port():
    async with wire(reply(200, BODY)) as server, Proxy("127.0.0.1", server.port) as proxy:
        port = proxy.port
        assert (await asked(proxy)).content == BODY
        await proxy.refuse()
        with pytest.raises(httpx.ConnectError):
            await asked(proxy)
        await proxy.accept()
        assert proxy.port == port
        assert (await asked(proxy)).content == BODY
        assert len(server.requests) == 2


async def test_a_connection_that_is_kept_does_not_slip_past(simulator):
    async with (
        Proxy("127.0.0.1", urlsplit(simulator.root).port) as proxy,
        plain_http.AsyncClient() as client,
    ):
        url = f"http://{proxy.host}/simulator/healthz"
        assert (await client.get(url)).is_success
        await proxy.refuse()
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_addresses_that_the_service_gives_lead_through_it(simulator):
    headers = {"Authorization": "Bearer sk-test-proxy"}
    query = {"action": "getPolicy", "model": "wan2.6-i2v-flash"}
    async with (
        Proxy("127.0.0.1", urlsplit(simulator.root).port) as proxy,
        plain_http.AsyncClient(headers=headers) as client,
    ):
        policy = (await client.get(f"http://{proxy.host}/api/v1/uploads", params=query)).json()[
            "data"
        ]
        assert urlsplit(policy["upload_host"]).netloc == proxy.host
