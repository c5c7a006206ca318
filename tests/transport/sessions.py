"""Fake sessions, and what a server needs to make them and to serve pages."""

from collections.abc import Callable
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nodnod_agent.core.interfaces import Hello, Wire

OFFER = "Sec-WebSocket-Protocol: nodnod.2"
MOMENT = 0.05


class FakeSession:
    """Echoes what it receives."""

    full = False
    stall_limit = 60.0
    known = False

    def __init__(self, wire: Wire, hello: Hello) -> None:
        self.wire = wire
        self.hello = hello
        self.texts: list[bytes] = []
        self.ends = 0

    def input_ended(self) -> bool:
        return False

    def received(self, text: bytes) -> None:
        self.texts.append(text)
        self.wire.send(text)

    def ended(self) -> None:
        self.ends += 1


class FakeService:
    """Accepts all clients; answers each request for a page at once, unless ``prompt`` is off."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.page = Response(200, "OK", Headers({"Content-Length": "4"}), b"page")
        self.replies: list[Callable[[Response], None]] = []
        self.prompt = True

    def accept(self, wire: Wire, hello: Hello) -> Any:
        self.sessions.append(FakeSession(wire, hello))
        return self.sessions[-1]

    def answer(self, request: Request, reply: Callable[[Response], None]) -> None:
        self.replies.append(reply)
        if self.prompt:
            reply(self.page)
