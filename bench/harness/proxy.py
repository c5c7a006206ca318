"""A TCP proxy: counts what passes, and can harm it in many ways."""

import asyncio
import socket
import struct
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Self

from msgspec import Struct

from bench.harness.closing import stop_accepting

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket whose connection is to end with a reset."""

HEADERS = 52
"""Bytes of IPv4 (20), TCP (20) and its timestamps (12) in each segment, acknowledgements too."""

_SEGMENTS = struct.Struct("=II")
_SEGMENTS_AT = 136
"""Where linux/tcp.h has segs_out and segs_in in struct tcp_info."""

MOST_PIECES = 200
"""Into which one read is cut. Each takes a turn of the event loop: a log of 200 KB that an agent fetches
at its start would take seconds, in which nothing else passes the connection."""

Harm = Callable[[bytes, object], Iterable[bytes]]
"""What becomes of the bytes of one read from a connection. An agent sends whole messages at once."""


def clean(data: bytes, _: object) -> Iterable[bytes]:
    """All of it passes."""
    return [data]


def lost(data: bytes, _: object) -> Iterable[bytes]:
    """Nothing passes, and neither side gets an error."""
    return []


def halved(data: bytes, _: object) -> Iterable[bytes]:
    """All of it passes, in pieces that end anywhere, each on its own; the end of much is one."""
    size = 1
    for _ in range(MOST_PIECES):
        if not data:
            return
        piece, data = data[:size], data[size:]
        size = size % 13 + 3
        yield piece
    if data:  # nothing at all would be the end of the stream
        yield data


def again(data: bytes, _: object) -> Iterable[bytes]:
    """All of it passes, twice."""
    return [data, data]


def garbled(data: bytes, _: object) -> Iterable[bytes]:
    """All of it passes, and then its last bytes again, which are no begin of a frame."""
    return [data, data[-3:]]


def cut_off() -> Harm:
    """Half of a message passes, and nothing ever after."""
    pieces = [1]

    def harm(data: bytes, _: object) -> Iterable[bytes]:
        return [data[: len(data) // 2]] if pieces and pieces.pop() else []

    return harm


def stale(count: int) -> Harm:
    """All of it passes, and behind each message one of that connection from so many messages ago."""
    connections: defaultdict[object, deque[bytes]] = defaultdict(lambda: deque(maxlen=count))

    def harm(data: bytes, connection: object) -> Iterable[bytes]:
        heard = connections[connection]
        old = [heard[0]] if len(heard) == count else []
        heard.append(data)
        return [data, *old]

    return harm


class Passed(Struct, frozen=True):
    """Both directions together, up to now; ``segments`` is 0 where the system does not count them."""

    payload: int = 0
    segments: int = 0

    @property
    def on_wire(self) -> int:
        """Bytes of IP packets."""
        return self.payload + HEADERS * self.segments

    def since(self, then: "Passed") -> "Passed":
        """What has passed since."""
        return Passed(self.payload - then.payload, self.segments - then.segments)


class Direction:
    """One direction: what becomes of the bytes, and how many seconds they take."""

    def __init__(self) -> None:
        self.harm: Harm = clean
        self.delay = 0.0
        self.reads = 0
        self.bytes = 0
        """How many bytes have come in up to now, in how many reads."""

    def mend(self) -> None:
        """Let all pass again."""
        self.harm, self.delay = clean, 0.0


class Proxy:
    """Use as an async context manager, best on a thread of its own (``Threaded``).

    ``there`` and ``back`` are the two directions; a test may change them at any time, from any
    thread, and ``target`` too.
    """

    def __init__(self, target: str) -> None:
        self.address = ""
        self.there = Direction()
        self.back = Direction()
        self.opened = 0
        """Connections accepted up to now."""
        self.target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._outward: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def passed(self) -> Passed:
        """What has passed up to now; safe from any thread."""
        segments = sum(map(_segments, tuple(self._outward)))
        return Passed(self.there.bytes + self.back.bytes, segments)

    def mend(self) -> None:
        """Let all pass again; what was lost stays lost."""
        self.there.mend()
        self.back.mend()

    async def reset(self) -> None:
        """End all connections, on both sides, with a reset."""
        for writer in tuple(self._writers):
            if not writer.is_closing():
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await stop_accepting(self._server.sockets)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in tuple(self._writers):
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._writers.add(writer)
        try:
            host, _, port = self.target.rpartition(":")
            from_target, to_target = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(to_target)
        self._outward.add(to_target)
        if self._server is None or not self._server.is_serving():  # closed meanwhile
            for one in (writer, to_target):
                one.transport.abort()
            return
        for source, sink, direction in (
            (reader, to_target, self.there),
            (from_target, writer, self.back),
        ):
            queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
            for work in (self._read(source, direction, queue), self._write(sink, queue)):
                task = asyncio.create_task(work)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _read(
        self,
        source: asyncio.StreamReader,
        direction: Direction,
        queue: asyncio.Queue[tuple[float, bytes]],
    ) -> None:
        loop = asyncio.get_running_loop()
        data = b"begun"
        while data:
            try:
                data = await source.read(65536)
            except ConnectionError:
                data = b""
            when = loop.time() + direction.delay
            if data:
                direction.reads += 1
                direction.bytes += len(data)
                for piece in direction.harm(data, source):
                    queue.put_nowait((when, piece))
            elif direction.harm is not lost:  # the end of the stream is lost too
                queue.put_nowait((when, b""))

    async def _write(
        self, sink: asyncio.StreamWriter, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        while not sink.is_closing():
            when, piece = await queue.get()
            await asyncio.sleep(when - loop.time())  # also 0: each piece goes out on its own
            if not piece:
                sink.close()
            elif not sink.is_closing():
                sink.write(piece)
        self._writers.discard(sink)


def _segments(writer: asyncio.StreamWriter) -> int:
    sock = writer.get_extra_info("socket")
    option = getattr(socket, "TCP_INFO", None)
    if option is None or writer.is_closing():
        return 0
    info = sock.getsockopt(socket.IPPROTO_TCP, option, 256)
    if len(info) < _SEGMENTS_AT + _SEGMENTS.size:
        return 0
    return sum(_SEGMENTS.unpack_from(info, _SEGMENTS_AT))
