"""A pump to test, and whom it serves."""

from math import inf
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, SERVER, Protocol

from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.writer import STALL_LIMIT
from transport.fakes import FakeLoop


class Echo:
    """Answers each message with as many copies of it as asked, unless it holds them back."""

    def __init__(self, pump: Connection, *, copies: int = 1, most: int = 1_000_000) -> None:
        self.pump = pump
        self.copies = copies
        self.most = most
        self.heard: list[bytes] = []
        self.held: list[bytes] = []

    @property
    def full(self) -> bool:
        return len(self.held) >= self.most

    @property
    def stall_limit(self) -> float:
        return STALL_LIMIT

    def received(self, text: bytes) -> None:
        self.heard.append(text)
        if self.most < 1_000_000:
            self.held.append(text)
        else:
            self.pump.send(text * self.copies)

    def answer_one(self) -> None:
        self.pump.send(self.held.pop(0))


class ServerPump(Connection):
    """A pump whose handshake is over, and which has all the time in the world."""

    piece = inf

    @property
    def waits_in_line(self) -> bool:
        return False

    def __init__(self, loop: FakeLoop) -> None:
        super().__init__(cast(Any, loop), Protocol(SERVER, state=OPEN, max_size=100_000))

    def frame(self, text: bytes) -> bytes:
        return Frame(Opcode.TEXT, text).serialize(mask=False)

    def handshake(self, event: Request | Response) -> None:
        raise AssertionError(event)

    def bad_handshake(self, error: Exception) -> None:
        raise AssertionError(error)


def text(data: bytes) -> bytes:
    """A text frame as the server sends it."""
    return Frame(Opcode.TEXT, data).serialize(mask=False)


def close_frame(code: int) -> bytes:
    """How a close frame with this code begins, but for its length."""
    return code.to_bytes(2)
