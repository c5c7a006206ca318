"""One connection to test, with a receiver, a fake transport and a fake loop."""

from math import inf
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, SERVER

from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.fair_queue import FairQueue, Flow
from nodnod_agent.transport.frames import Framer, WholeFrames
from nodnod_agent.transport.writer import HIGH_WATER, STALL_LIMIT
from transport.fakes import FakeLoop, FakeTransport


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

    def answer_one(self) -> None:
        self._connection.send(self.held.pop(0))


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

    def __init__(self, loop: FakeLoop, queue: FairQueue | None = None) -> None:
        super().__init__(
            cast(Any, loop),
            WholeFrames(SERVER, state=OPEN, max_size=100_000),
            Framer(mask=False),
            queue or self.make_queue(cast(Any, loop)),
        )

    def handshake(self, event: Request | Response) -> None:
        raise AssertionError(event)

    def bad_handshake(self, error: Exception) -> None:
        raise AssertionError(error)


class Harness:
    """An open connection; ``options`` are those of its receiver, an `Echo`."""

    def __init__(self, make: type[OpenConnection] = OpenConnection, **options: Any) -> None:
        self.loop = FakeLoop()
        self.connection = make(self.loop)
        self.transport = FakeTransport(self.loop, self.connection)
        self.connection.connection_made(self.transport)
        self.receiver = self.connection.receiver = Echo(self.connection, **options)

    def receive(self, *reads: bytes) -> None:
        """Let the connection read, whether or not reading is paused."""
        for data in reads:
            self.connection.data_received(data)

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
