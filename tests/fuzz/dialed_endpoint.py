"""A connection that the agent made to a peer that sends anything; other clients ask meanwhile."""

from typing import Any, cast

from websockets.protocol import CLIENT

from core.harness import FakeClient
from fuzz.endpoint import LIMITS, LONGEST, OFFER, OWN, Endpoint
from nodnod_agent.transport.connection import Connection
from nodnod_agent.transport.dialer import DIAL_LIMIT
from nodnod_agent.transport.fair_queue import FairQueue
from nodnod_agent.transport.peer_connection import DialContext, PeerConnection
from nodnod_client.codec import decode_request
from simulation.ledger import Ledger

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The key of the handshake, which is random in an agent, and the answer that it requires."""


class DialedEndpoint(Endpoint):
    """Reports to the link whether the connection opens, as a dial attempt does."""

    side = CLIENT
    connection: PeerConnection

    def __init__(self, version: int | None = None, **options: Any) -> None:
        self.clients: list[tuple[FakeClient, Ledger]] = []
        self._refused = False
        super().__init__(**options)
        self.loop.call_later(DIAL_LIMIT, self._give_up)
        if version is not None:
            self.arrive(self.upgrade(b"%d" % version))

    def _make_connection(self) -> Connection:
        self.attempt = self.core.attempt(self.core.configure())
        loop = cast(Any, self.loop)
        self.context = DialContext(
            loop=loop, queue=FairQueue(loop), hello=OWN, look_up=cast(Any, None), limits=LIMITS
        )
        connection = PeerConnection(self.context, self.attempt.address, self.attempt.handler)
        connection.ws.key = KEY
        return connection

    def ask(self, text: bytes) -> None:
        """A client of the agent asks, for the whole cluster if nothing is said."""
        if self.stopped or len(self.clients) > 20:
            return
        client, ledger = self.core.client(), Ledger()
        asked = text.decode(errors="replace").encode() or b'{"type":1}'
        self.clients.append((client, ledger))
        ledger.ask(asked)
        client.say(asked)
        self.loop.turn()

    def upgrade(self, kind_and_headers: bytes) -> bytes:
        """As an agent of version 2 (``2``), or 1, and any headers."""
        names = (OFFER, "NodNod-Name: kyle", "NodNod-Instance: i3")
        lines = [
            *("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"),
            f"Sec-WebSocket-Accept: {ACCEPT}",
            *(names if kind_and_headers[:1] == b"2" else ()),
            *filter(None, kind_and_headers[1:].decode("latin-1").split("\t")),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def check(self) -> None:
        super().check()
        opened = self.connection.opened
        if opened.done() and opened.exception() is not None:
            self._refuse(str(opened.exception()))
        elif self.attempt.cancelled and not opened.done():
            self.connection.handler = None
            self.connection.abort()

    def _give_up(self) -> None:
        if not self.connection.opened.done():
            self._refuse("no handshake within 5 s")

    def _refuse(self, reason: str) -> None:
        """As the attempt does, which would wait for what becomes of the handshake."""
        assert reason
        handler, self.connection.handler = self.connection.handler, None
        if handler is not None and not self.attempt.cancelled:
            self.connection.abort()
            handler.refused(reason)

    def _wait_for_answers(self) -> None:
        self.loop.wait_for(
            lambda: not any(client.session.in_flight for client, _ in self.clients), LONGEST
        )

    def _check_output(self) -> None:
        for text in self.output.texts:
            decode_request(text)
        for client, ledger in self.clients:
            for text in client.wire.sent:
                ledger.answer(text)
            ledger.check()
            if ledger.asked[0].text == b'{"type":1}' and not self.stopped:
                assert {"own", "stan"} <= set(client.nodes)

    def finish(self) -> None:
        super().finish()
        assert not self.context.table
        connection = self.connection
        assert connection.handler is None or connection.opened.exception() is not None
