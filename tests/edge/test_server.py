"""The server with real sockets, and a service that only notes who comes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from eventually import eventually
from live.raw import CLOSE, PING, PONG, TEXT, RawClient, frame, upgrade
from nodnod_agent.core.world import Hello, Wire
from nodnod_agent.edge import pump as pump_module
from nodnod_agent.edge import server as server_module
from nodnod_agent.edge.server import MAX_REQUEST, Server

OFFER = "Sec-WebSocket-Protocol: nodnod.2"
MOMENT = 0.05


class FakeVisitor:
    """Returns what it hears."""

    full = False
    stall_limit = 60.0

    def __init__(self, wire: Wire, hello: Hello) -> None:
        self.wire = wire
        self.hello = hello
        self.heard: list[bytes] = []
        self.ends = 0

    def received(self, text: bytes) -> None:
        self.heard.append(text)
        self.wire.send(text)

    def ended(self) -> None:
        self.ends += 1


class FakeService:
    """Lets everybody in."""

    def __init__(self) -> None:
        self.visitors: list[FakeVisitor] = []
        self.page = Response(200, "OK", Headers({"Content-Length": "4"}), b"page")
        self.replies: list[Callable[[Response], None]] = []
        self.prompt = True

    def accepted(self, wire: Wire, hello: Hello) -> FakeVisitor:
        self.visitors.append(FakeVisitor(wire, hello))
        return self.visitors[-1]

    def answer(self, request: Request, reply: Callable[[Response], None]) -> None:
        self.replies.append(reply)
        if self.prompt:
            reply(self.page)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SWEEP", MOMENT / 5)


@pytest.fixture
def listener() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


@pytest.fixture
def port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


@pytest.fixture
async def server(service: FakeService, listener: socket.socket) -> AsyncIterator[Server]:
    server = Server(
        asyncio.get_running_loop(),
        service,
        hello=Hello(2, "kåre", "instance-of-kåre"),
        page=service.answer,
        max_clients=3,
    )
    await server.listen([listener])
    yield server
    server.close()
    await server.drained(0.0)


@pytest.fixture
async def client(server: Server, port: int) -> AsyncIterator[RawClient]:
    async with RawClient(port) as client:
        yield client


# The handshake.


async def test_the_subprotocol_is_selected_for_who_offers_it(client: RawClient) -> None:
    head = await client.shake("Sec-WebSocket-Protocol: chat, nodnod.2")

    assert "Sec-WebSocket-Protocol: nodnod.2\r\n" in head + "\r\n"


async def test_no_subprotocol_is_selected_for_who_offers_none(client: RawClient) -> None:
    assert "nodnod" not in (await client.shake()).lower()


async def test_the_name_and_instance_are_told_to_who_speaks_version_2(client: RawClient) -> None:
    head = (await client.shake(OFFER)).splitlines()

    assert {"NodNod-Name: k%C3%A5re", "NodNod-Instance: instance-of-k%C3%A5re"} <= set(head)


async def test_a_peer_that_dials_is_known_by_its_headers(
    client: RawClient, service: FakeService
) -> None:
    await client.shake(OFFER, "NodNod-Name: k%79le", "NodNod-Instance: 1", "NodNod-Address: h:1")

    assert service.visitors[0].hello == Hello(2, "kyle", "1", "h:1")


async def test_a_client_tells_nothing_of_itself(client: RawClient, service: FakeService) -> None:
    await client.shake()

    assert service.visitors[0].hello == Hello(1)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", upgrade()[:-1]])
async def test_half_a_handshake_is_cut_at_the_limit(
    client: RawClient, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_LIMIT", MOMENT)
    await client.send(said)

    assert await client.rest() == b""


async def test_a_handshake_that_drips_is_cut_at_the_limit(
    client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_LIMIT", MOMENT)

    async def cut() -> bool:
        try:
            await client.send(b"x")
        except ConnectionError:
            return True
        return False

    await eventually(cut)


async def test_a_finished_handshake_is_not_cut_at_its_limit(
    client: RawClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_LIMIT", 0.0)
    await client.shake()
    (accepted,) = server.clients

    accepted.tend(accepted.born + 1)
    await client.send(frame("still here"))

    assert await client.frame() == (TEXT, b"still here")


# Messages.


async def test_what_goes_to_many_is_framed_once(server: Server, port: int) -> None:
    async with RawClient(port) as one, RawClient(port) as two:
        await one.shake()
        await two.shake()
        text = b"to all"
        first, second = server.clients

        assert first.frame(text) is second.frame(text)


async def test_a_client_may_send_16_kilobytes_and_no_more(client: RawClient) -> None:
    await client.shake(OFFER)

    await client.send(frame("x" * MAX_REQUEST), frame("x" * (MAX_REQUEST + 1)))

    assert (await client.frame())[0] == TEXT
    assert await client.close_code() == 1009


async def test_a_peer_may_send_more_than_a_client(client: RawClient) -> None:
    await client.shake(OFFER, "NodNod-Instance: 1")

    await client.send(frame("x" * 1_000_000))

    assert len((await client.frame())[1]) == 1_000_000


# The end of a client.


async def test_a_client_that_leaves_is_reported_once(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.shake()
    await client.send(frame(b"\x03\xe8", CLOSE))
    assert await client.frame() == (CLOSE, b"\x03\xe8")

    client.socket.close()

    await eventually(lambda: not server.clients)
    assert service.visitors[0].ends == 1


async def test_a_client_that_vanishes_is_reported_once(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.shake()

    client.socket.close()

    await eventually(lambda: not server.clients)
    assert service.visitors[0].ends == 1


async def test_who_never_finished_the_handshake_is_not_reported(
    client: RawClient, service: FakeService, server: Server
) -> None:
    await client.send(upgrade()[:-1])
    await eventually(lambda: server.clients)

    client.socket.close()

    await eventually(lambda: not server.clients)
    assert service.visitors == []


async def test_a_silent_client_is_pinged(
    client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PING_AFTER", MOMENT)
    await client.shake()

    assert await client.frame() == (PING, b"")


async def test_a_client_that_answers_no_ping_is_cut(
    client: RawClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PING_AFTER", MOMENT)
    await client.shake()

    assert await client.close_code() == 1006
    assert service.visitors[0].ends == 1


async def test_a_client_that_answers_its_pings_stays(
    client: RawClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PING_AFTER", MOMENT)
    await client.shake()

    for _ in range(6):
        assert await client.frame() == (PING, b"")
        await client.send(frame(b"", PONG))

    assert service.visitors[0].ends == 0


async def test_a_client_that_stops_reading_is_cut(
    client: RawClient, service: FakeService, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeVisitor, "stall_limit", MOMENT)
    await client.shake()
    for _ in range(100):
        service.visitors[0].wire.send(b"x" * 1_000_000)

    await eventually(lambda: not server.clients)

    assert service.visitors[0].ends == 1


async def test_a_client_that_reads_again_gets_it_all(
    client: RawClient, service: FakeService
) -> None:
    await client.shake()
    await client.send_until_stuck(frame("x" * 10_000), most=20_000_000)
    heard = len(service.visitors[0].heard)

    for _ in range(heard):
        assert (await client.frame())[0] == TEXT


# Who is let in.


async def test_one_client_too_many_is_turned_away(server: Server, port: int) -> None:
    async with (
        RawClient(port) as one,
        RawClient(port) as two,
        RawClient(port) as three,
        RawClient(port) as four,
    ):
        for client in (one, two, three):
            await client.shake()

        with pytest.raises((EOFError, ConnectionError)):
            await four.shake()

        await one.send(frame("served"))
        assert await one.frame() == (TEXT, b"served")


async def test_who_was_turned_away_is_let_in_once_there_is_room(server: Server, port: int) -> None:
    async with RawClient(port) as one, RawClient(port) as two:
        await one.shake()
        await two.shake()
        async with RawClient(port) as three:
            await three.shake()
        await eventually(lambda: len(server.clients) == 2)

        async with RawClient(port) as four:
            assert "101" in await four.shake()


# Stopping.


async def test_a_closed_server_refuses_at_once(server: Server, port: int) -> None:
    server.close()

    async def refused() -> bool:
        try:
            async with RawClient(port):
                return False
        except ConnectionError:
            return True

    await eventually(refused)


async def test_a_closed_server_keeps_its_clients(server: Server, client: RawClient) -> None:
    await client.shake()

    server.close()
    await client.send(frame("still here"))

    assert await client.frame() == (TEXT, b"still here")


async def test_a_closed_server_drops_who_has_not_finished_the_handshake(
    server: Server, client: RawClient
) -> None:
    await client.send(upgrade()[:-1])
    await eventually(lambda: server.clients)

    server.close()

    assert await client.rest() == b""


async def test_a_server_without_clients_is_drained_at_once(server: Server) -> None:
    await asyncio.wait_for(server.drained(60.0), 10.0)


async def test_a_server_is_drained_as_soon_as_the_last_client_is_gone(
    server: Server, client: RawClient
) -> None:
    await client.shake()
    draining = asyncio.ensure_future(server.drained(60.0))

    client.socket.close()

    await asyncio.wait_for(draining, 10.0)


async def test_who_stays_too_long_is_cut(server: Server, client: RawClient) -> None:
    await client.shake()

    await server.drained(MOMENT)

    assert await client.rest() == b""


# Pages.

GET = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_request_without_upgrade_gets_its_page(client: RawClient) -> None:
    await client.send(GET)

    assert (await client.rest()).endswith(b"\r\n\r\npage")


async def test_a_page_that_comes_late_is_sent_and_not_cut_at_the_limit_of_the_handshake(
    client: RawClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HANDSHAKE_LIMIT", 0.0)
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
    monkeypatch.setattr(pump_module, "CLOSE_LIMIT", MOMENT)
    size = 8_000_000
    service.page = Response(200, "OK", Headers({"Content-Length": str(size)}), b"x" * size)
    async with RawClient(port, receive_buffer=4096) as client:
        await client.send(GET)
        await client.head()
        await asyncio.sleep(3 * MOMENT)  # the time for a close is over

        assert len(await client.rest()) == size
