"""Plain HTTP on the port of the server: pages, now and late."""

import asyncio

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Response

from eventually import eventually
from live.raw import RawClient
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport import writer as outlet_module
from nodnod_agent.transport.server import Server
from transport.sessions import MOMENT, FakeService

# Pages.

GET = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_request_without_upgrade_gets_its_page(client: RawClient) -> None:
    await client.send(GET)

    assert (await client.rest()).endswith(b"\r\n\r\npage")


async def test_a_page_that_comes_late_is_sent_and_not_cut_at_the_limit_of_the_handshake(
    client: RawClient, service: FakeService, server: Server
) -> None:
    server.limits = Limits(handshake=0.0)
    service.prompt = False
    await client.send(GET)
    await eventually(lambda: service.replies)

    asyncio.get_running_loop().call_later(2 * MOMENT, service.replies[0], service.page)

    assert (await client.rest()).endswith(b"\r\n\r\npage")


async def test_a_page_that_nobody_waits_for_any_more_is_dropped(
    client: RawClient, service: FakeService, server: Server
) -> None:
    service.prompt = False
    await client.send(GET)
    await eventually(lambda: service.replies)
    client.socket.close()
    await eventually(lambda: not server.clients)

    service.replies[0](service.page)

    assert not server.clients


async def test_a_large_page_reaches_who_reads_it_slowly(
    server: Server, port: int, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet_module, "CLOSE_LIMIT", MOMENT)
    size = 8_000_000
    service.page = Response(200, "OK", Headers({"Content-Length": str(size)}), b"x" * size)
    async with RawClient(port, receive_buffer=4096) as client:
        await client.send(GET)
        await client.head()
        await asyncio.sleep(3 * MOMENT)  # the time for a close is over

        assert len(await client.rest()) == size
