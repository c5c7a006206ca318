"""Whom a server serves, and a service that only notes who comes."""

from collections.abc import Callable

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nodnod_agent.core.interfaces import Hello, Wire

OFFER = "Sec-WebSocket-Protocol: nodnod.2"
MOMENT = 0.05


class FakeVisitor:
    """Returns what it hears."""

    full = False
    stall_limit = 60.0
    known = False

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
