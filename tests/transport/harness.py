"""One connection to test, with a receiver, a fake transport and a fake loop."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, SERVER

from live.raw_tls import TlsEnd
from nodnod_agent.auth.tls import TlsContexts
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.fair_queue import FairQueue, Flow
from nodnod_agent.transport.frames import Framer, WholeFrames
from nodnod_agent.transport.half_messages import HalfMessages
from nodnod_agent.transport.tls_transport import TlsTransport
from nodnod_agent.transport.writer import HIGH_WATER, STALL_LIMIT
from transport.fakes import FakeLoop, FakeTransport, TlsFakeTransport


class Echo:
    """Answers each message with some copies of it; with a ``limit`` it holds that many back."""

    def __init__(self, connection: Connection, *, copies: int = 1, limit: int = 0) -> None:
        self.copies = copies
        self.received_texts: list[bytes] = []
        self.held: list[bytes] = []
        self._connection = connection
        self._limit = limit

    @property
    def full(self) -> bool:
        return bool(self._limit) and len(self.held) >= self._limit

    @property
    def stall_limit(self) -> float:
        return STALL_LIMIT

    def received(self, text: bytes) -> None:
        self.received_texts.append(text)
        if self._limit:
            self.held.append(text)
        else:
            self._connection.send(text * self.copies)

    def input_ended(self) -> bool:
        return bool(self.held)

    def answer_one(self, *, now: bool = False) -> None:
        send = self._connection.send_now if now else self._connection.send
        send(self.held.pop(0))


class NoQueue(FairQueue):
    """Has every connection served as its input arrives."""

    def admits(self, flow: Flow, now: float) -> bool:
        return True


class FullQueue(FairQueue):
    """Has every connection wait that has used more than its credit, though nobody else waits."""

    def admits(self, flow: Flow, now: float) -> bool:
        return False


class OpenConnection(Connection):
    """The server's side after the handshake; it never queues unless a test says so."""

    time_slice = inf
    make_queue: type[FairQueue] = NoQueue

    def __init__(
        self,
        loop: FakeLoop,
        queue: FairQueue | None = None,
        halves: HalfMessages | None = None,
    ) -> None:
        super().__init__(
            cast(Any, loop),
            WholeFrames(SERVER, state=OPEN, max_size=100_000),
            Framer(mask=False),
            queue or self.make_queue(cast(Any, loop)),
            halves or HalfMessages(),
        )

    def handshake(self, event: Request | Response) -> None:
        raise AssertionError(event)

    def bad_handshake(self, error: Exception) -> None:
        raise AssertionError(error)


MakeHarness = Callable[..., "Harness"]


class Harness:
    """An open connection, over TLS if there is any; ``options`` are those of its `Echo`."""

    def __init__(
        self,
        make: type[OpenConnection] = OpenConnection,
        tls: TlsContexts | None = None,
        **options: Any,
    ) -> None:
        self.loop = FakeLoop()
        self.connection = make(self.loop)
        self.client: TlsEnd | None = None
        self.protocol: asyncio.Protocol = self.connection
        if tls is None:
            self.transport = FakeTransport(self.loop, self.protocol)
            self.protocol.connection_made(self.transport)
        else:
            self.protocol = TlsTransport(tls.server, self.connection)
            self.client = TlsEnd(tls.client)
            self.transport = TlsFakeTransport(self.loop, self.protocol, self.client)
            self.protocol.connection_made(self.transport)
            while data := self.client.to_send():
                self.protocol.data_received(data)
        self.receiver = self.connection.receiver = Echo(self.connection, **options)

    def receive(self, *reads: bytes) -> None:
        """Let the connection read, whether or not reading is paused."""
        for data in reads:
            self.protocol.data_received(self.client.encrypt(data) if self.client else data)

    def end_input(self) -> bool | None:
        """Let the other side end its stream; whether the connection is kept open."""
        if self.client is None:
            return self.protocol.eof_received()
        self.protocol.data_received(self.client.end())
        return not self.transport.is_closing()

    @property
    def texts(self) -> list[bytes]:
        """The messages that the receiver got."""
        return self.receiver.received_texts

    def send_much(self, factor: int = 2) -> None:
        """Send more than the other side, which reads nothing now, should be sent."""
        self.transport.stuck = True
        self.connection.send(b"x" * factor * HIGH_WATER)

    def fill_output(self, factor: int = 2) -> None:
        """Send that, and let the output pause."""
        self.send_much(factor)
        self.loop.turn()


def text(data: bytes) -> bytes:
    """A text frame as the server sends it."""
    return Frame(Opcode.TEXT, data).serialize(mask=False)


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """A close frame as the server sends it."""
    return bytes([0x88, 2 + len(reason)]) + code.to_bytes(2) + reason
