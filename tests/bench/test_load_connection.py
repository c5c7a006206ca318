import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop
from websockets.frames import Frame, Opcode

from bench.harness.caller import framed
from bench.harness.load_connection import LoadConnection
from nodnod_client.address import Address

RESPONSE = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Connection(LoadConnection):
    def __init__(self, loop: asyncio.AbstractEventLoop, server: Address) -> None:
        super().__init__(loop, server)
        self.texts: list[bytes] = []

    def received(self, text: bytes) -> None:
        self.texts.append(text)


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int) -> None:
        pass


async def connection() -> Connection:
    one = Connection(asyncio.get_running_loop(), Address("127.0.0.1", 1))
    one.connection_made(FakeTransport())  # type: ignore[arg-type]
    return one


def text(data: bytes) -> bytes:
    return Frame(Opcode.TEXT, data).serialize(mask=False)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_a_message_of_any_length_is_taken_whole(size):
    one = await connection()
    one.data_received(RESPONSE + text(size * b"x") + text(b"next"))
    assert one.texts == [size * b"x", b"next"]


async def test_messages_are_the_same_wherever_the_reads_cut_them():
    texts = [b"", b"short", 126 * b"y"]
    stream = RESPONSE + b"".join(map(text, texts))
    for cut in range(len(stream)):
        one = await connection()
        one.data_received(stream[:cut])
        one.data_received(stream[cut:])
        assert one.texts == texts


async def test_a_ping_is_answered_with_its_data():
    one = await connection()
    one.transport.written = b""
    one.data_received(RESPONSE + Frame(Opcode.PING, b"data").serialize(mask=False))
    first, length, *mask_and_data = one.transport.written
    mask, data = mask_and_data[:4], mask_and_data[4:]
    assert (first, length) == (0x8A, 0x84)
    assert bytes(byte ^ mask[place] for place, byte in enumerate(data)) == b"data"
    assert one.texts == []


async def test_a_refused_handshake_is_reported_with_its_status():
    one = await connection()
    one.data_received(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert not one.opened.done()
    one.data_received(b"\r\n")
    with pytest.raises(ConnectionError, match=r"^no WebSocket there: HTTP 503$"):
        await one.opened


async def test_a_connection_that_ends_before_it_is_open_is_reported():
    one = await connection()
    one.connection_lost(None)
    with pytest.raises(ConnectionError, match=r"^closed during the handshake$"):
        await one.opened


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, socket.socket]]:
    """A connection, and the other end of it, which blocks."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(*listener.getsockname())
        _, one = await loop.create_connection(lambda: Connection(loop, address), *address)
        sock, _ = await asyncio.to_thread(listener.accept)
    with sock:
        sock.settimeout(10)
        assert (await asyncio.to_thread(sock.recv, 65_536)).endswith(b"\r\n\r\n")
        sock.sendall(RESPONSE)
        await one.opened
        yield one, sock
        one.abort()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_frame_is_written_before_the_next_one_is_sent(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def send_two() -> None:
        async with connected() as (one, sock):
            for frame in (framed(b"first"), framed(b"second")):
                one.send(frame)
                assert sock.recv(65_536) == frame

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(send_two())
