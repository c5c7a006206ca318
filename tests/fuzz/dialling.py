"""A connection that the agent made to a peer, who says anything; and clients who ask meanwhile."""

from typing import Any, cast

from websockets.protocol import CLIENT

from core.harness import FakeClient
from fuzz.endpoint import LIMITS, LONGEST, OFFER, OWN, Side
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.dialer import DIAL_LIMIT, Dialer, PeerConnection
from nodnod_client.codec import decode_request
from simulation.ledger import Ledger

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What an agent sends at random, and what the other side must make of it."""


class Dialling(Side):
    """As the attempt to connect does, it tells the link what became of it."""

    writes = CLIENT

    def __init__(self, version: int | None = None, **options: Any) -> None:
        self.clients: list[tuple[FakeClient, Ledger]] = []
        self._refused = False
        super().__init__(**options)
        self.loop.call_later(DIAL_LIMIT, self._give_up)
        if version is not None:
            self.transport.arrives(self.upgrade(b"%d" % version))
            self.loop.turn()

    def _pump(self) -> Connection:
        self.attempt = self.stage.attempt(self.stage.configure())
        self.dialler = Dialer(cast(Any, self.loop), OWN, cast(Any, None), limits=LIMITS)
        pump = PeerConnection(self.dialler, self.attempt.address, self.attempt.end)
        pump.ws.key = KEY
        return pump

    def ask(self, text: bytes) -> None:
        """A client of the agent asks, for the whole cluster if nothing is said."""
        if self.stopped or len(self.clients) > 20:
            return
        client, ledger = self.stage.client(), Ledger()
        asked = text.decode(errors="replace").encode() or b'{"type":1}'
        self.clients.append((client, ledger))
        ledger.ask(asked)
        client.say(asked)
        self.loop.turn()

    def upgrade(self, how: bytes) -> bytes:
        """As an agent of version 2 (``2``), or 1, and any headers."""
        lines = [
            *("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"),
            f"Sec-WebSocket-Accept: {ACCEPT}",
            *((OFFER, "NodNod-Name: kyle", "NodNod-Instance: i3") if how[:1] == b"2" else ()),
            *filter(None, how[1:].decode("latin-1").split("\t")),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def check(self) -> None:
        super().check()
        opened = self.dialled.opened
        if opened.done() and opened.exception() is not None:
            self._refuse(str(opened.exception()))
        elif self.attempt.cancelled and not opened.done():
            self.dialled.end = None
            self.pump.abort()

    @property
    def dialled(self) -> PeerConnection:
        """The pump."""
        return cast(PeerConnection, self.pump)

    def _give_up(self) -> None:
        if not self.dialled.opened.done():
            self._refuse("no handshake within 5 s")

    def _refuse(self, reason: str) -> None:
        """As the attempt does, which would wait for what becomes of the handshake."""
        assert reason
        end, self.dialled.end = self.dialled.end, None
        if end is not None and not self.attempt.cancelled:
            self.pump.abort()
            end.refused(reason)

    def _settle(self) -> None:
        def settled() -> bool:
            return not any(client.session.in_flight for client, _ in self.clients)

        self.loop.wait_for(settled, LONGEST)

    def _look(self) -> None:
        for text in self.written.texts:
            decode_request(text)
        for client, ledger in self.clients:
            for text in client.wire.sent:
                ledger.answer(text)
            ledger.check()
            if ledger.asked[0].text == b'{"type":1}' and not self.stopped:
                assert {"own", "stan"} <= set(client.nodes)

    def finish(self) -> None:
        super().finish()
        assert not self.dialler.open
        assert self.dialled.end is None or self.dialled.opened.exception() is not None
