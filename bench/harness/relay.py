"""A TCP relay that counts what passes: one thread with an event loop of its own."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from bench.harness.closing import accept_nobody_more
from nodnod_client.address import Address

HEADERS = 52
"""Bytes of IPv4 (20), TCP (20) and its timestamps (12) in each segment, acknowledgements too."""

_SEGMENTS = struct.Struct("=II")
_SEGMENTS_AT = 136
"""Where linux/tcp.h has segs_out and segs_in in struct tcp_info."""


class Passed(Struct, frozen=True):
    """Both directions together, up to now; ``segments`` is 0 where the system does not say."""

    payload: int = 0
    segments: int = 0

    @property
    def on_wire(self) -> int:
        """Bytes of IP packets."""
        return self.payload + HEADERS * self.segments

    def since(self, then: "Passed") -> "Passed":
        """What has passed since."""
        return Passed(self.payload - then.payload, self.segments - then.segments)


class Relay:
    """Passes on to ``target`` what comes to ``address``."""

    def __init__(self, target: Address) -> None:
        self.target = target
        self.address = Address("127.0.0.1", 0)
        self._payload = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._inward: list[asyncio.StreamWriter] = []
        self._outward: list[asyncio.StreamWriter] = []

    def passed(self) -> Passed:
        """What has passed up to now; safe from any thread."""
        return Passed(self._payload, sum(map(_segments, tuple(self._outward))))

    async def listen(self) -> None:
        """Take connections from now on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = Address("127.0.0.1", self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Cut what is open."""
        assert self._server is not None
        await accept_nobody_more(self._server.sockets)
        self._server.close()
        for writer in (*self._inward, *self._outward):
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        self._inward.append(writer)
        self._outward.append(back)
        for one in (self._pass(reader, back), self._pass(there, writer)):
            self._tasks.add(asyncio.create_task(one))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                self._payload += len(data)
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()


@contextmanager
def relay(target: Address) -> Iterator[Relay]:
    """A relay that runs until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    relay = Relay(target)
    try:
        asyncio.run_coroutine_threadsafe(relay.listen(), loop).result()
        yield relay
        asyncio.run_coroutine_threadsafe(relay.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _segments(writer: asyncio.StreamWriter) -> int:
    sock = writer.get_extra_info("socket")
    option = getattr(socket, "TCP_INFO", None)
    if option is None or writer.is_closing():
        return 0
    info = sock.getsockopt(socket.IPPROTO_TCP, option, 256)
    if len(info) < _SEGMENTS_AT + _SEGMENTS.size:
        return 0
    return sum(_SEGMENTS.unpack_from(info, _SEGMENTS_AT))
