"""Connecting, failures to connect, and disconnecting."""

import asyncio
import socket
import struct

import pytest

from doubles.canned import canned
from doubles.v1_server import V1Server
from doubles.v2_server import V2Server
from nodnod_client.client import Client, server_url
from nodnod_client.errors import AddressError, ConnectError
from nodnod_client.websocket import CLOSED_DURING_HANDSHAKE


@pytest.mark.parametrize(
    ("address", "secure", "url"),
    [
        ("127.0.0.1:7070", False, "ws://127.0.0.1:7070/"),
        ("Kyle", False, "ws://kyle:7070/"),
        ("[::1]:81", False, "ws://[::1]:81/"),
        ("ws://kyle:7070/path", False, "ws://kyle:7070/path"),
        ("wss://kyle:7070/path", False, "wss://kyle:7070/path"),
        ("kyle", True, "wss://kyle:7070/"),
        ("[::1]:81", True, "wss://[::1]:81/"),
        ("wss://kyle:7070/path", True, "wss://kyle:7070/path"),
        ("WSS://kyle", True, "wss://kyle"),
        ("http://kyle:7070/", False, "ws://kyle:7070/"),
        ("HTTPS://kyle/stats/#/node/stan", False, "wss://kyle/stats/"),
        ("https://[::1]:7070", True, "wss://[::1]:7070"),
    ],
)
def test_an_address_or_a_url_is_the_url_of_the_agent(address: str, secure: bool, url: str) -> None:
    assert server_url(address, secure=secure) == url


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a:b:c",
        "kyle:0",
        "ftp://kyle",
        "http://",
        "http://kyle?token=x",
        "wss://",
        "ws://",
        "ws://kyle:99999999",
    ],
)
def test_an_invalid_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(AddressError):
        Client(address)


def test_a_plain_url_is_refused_if_tls_is_required() -> None:
    with pytest.raises(AddressError, match="wss://"):
        server_url("ws://kyle:7070/", secure=True)


async def test_the_context_manager_connects_and_disconnects(server: V1Server) -> None:
    client = Client(server.address)
    assert (client.connected, client.version) == (False, 0)
    async with client:
        assert (client.connected, client.version) == (True, server.version)
    assert not client.connected
    await server.connected(0)


async def test_disconnect_without_a_connection_does_nothing() -> None:
    await Client().disconnect()


async def test_concurrent_connects_make_one_connection(v2: V2Server) -> None:
    client = Client(v2.address)
    await asyncio.gather(*(client.connect() for _ in range(10)))
    assert len(v2.connections) == 1
    await client.disconnect()


async def test_a_cancelled_connect_does_not_cancel_the_attempt_of_others(v2: V2Server) -> None:
    client = Client(v2.address)
    leaver, stayer = (asyncio.create_task(client.connect()) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await stayer
    assert client.connected
    await client.disconnect()


async def test_an_attempt_ends_when_its_last_caller_is_cancelled() -> None:
    async with canned(None) as address:
        client = Client(address)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.connect(), 0.05)
        assert not client.connected
        assert len(asyncio.all_tasks()) <= 2  # this test and, for one more turn, the attempt


async def test_disconnect_cancels_a_pending_attempt() -> None:
    async with canned(None) as address:
        client = Client(address)
        connecting = asyncio.create_task(client.connect())
        await asyncio.sleep(0)
        await client.disconnect()
        with pytest.raises(ConnectError, match="disconnect"):
            await connecting


async def test_a_closed_port_is_a_connect_error() -> None:
    with pytest.raises(
        ConnectError, match=r"cannot connect to ws://127.0.0.1:1/: connection refused"
    ):
        await Client("127.0.0.1:1").connect()


async def test_an_unknown_name_is_a_connect_error() -> None:
    with pytest.raises(ConnectError, match="cannot connect"):
        await Client("nobody.invalid").connect()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP 200"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "HTTP 403"),
        (b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", "HTTP 403"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no WebSocket server"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "no WebSocket server"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "no WebSocket server"),
        (b"HTTP/1.1 101 Switching", "no WebSocket server"),
    ],
)
async def test_a_server_of_another_kind_is_a_connect_error(reply: bytes, why: str) -> None:
    async with canned(reply) as address:
        client = Client(address)
        with pytest.raises(ConnectError, match=why):
            await client.connect()
        assert not client.connected


@pytest.mark.parametrize("cut", [False, True])
async def test_a_server_that_closes_before_any_byte_may_be_full(cut: bool) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 if cut else 4096)
        if cut:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        with pytest.raises(ConnectError) as caught:
            await Client(f"127.0.0.1:{server.sockets[0].getsockname()[1]}").connect()

    assert str(caught.value).endswith(f": {CLOSED_DURING_HANDSHAKE}")


async def test_a_redirect_is_not_followed(v1: V1Server) -> None:
    target = f"Location: ws://{v1.address}/\r\n".encode()
    async with canned(b"HTTP/1.1 307 Moved\r\n" + target + b"Content-Length: 0\r\n\r\n") as address:
        with pytest.raises(ConnectError, match="HTTP 307"):
            await Client(address).connect()
    assert not v1.connections


async def test_proxy_settings_are_not_followed(
    v2: V2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "socks_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with Client(v2.address) as client:
        assert (await client.stat()).host == "kyle"


async def test_a_silent_server_is_a_connect_error_after_the_timeout() -> None:
    async with canned(None) as address:
        with pytest.raises(ConnectError, match=r"no handshake within 0.05 s"):
            await Client(address, timeout=0.05).connect()


async def test_a_client_can_be_used_in_another_loop_after_disconnect(v2: V2Server) -> None:
    client = Client(v2.address)

    async def host() -> str:
        async with client:
            return (await client.stat()).host

    assert await host() == "kyle"
    assert await asyncio.to_thread(asyncio.run, host()) == "kyle"
