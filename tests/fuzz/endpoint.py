"""One connection of a whole agent, whoever began it, and what must be true of it."""

from typing import Any, cast

from websockets.protocol import SERVER
from websockets.protocol import Side as Which

from core.harness import CoreHarness
from fuzz.fake_loop import READ, Loop, Transport
from fuzz.wire import Wire
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport.beats import Beats
from nodnod_agent.transport.connection import SLICE, Connection

OWN = Hello(2, "own", "own instance", "10.0.0.1:7070")
HERE, THERE = ("10.0.0.1", 7070), ("10.0.0.3", 7070)
OFFER = "Sec-WebSocket-Protocol: nodnod.2"

LIMITS = Limits(client_message=2048, peer_message=4096, in_flight=4, streams=2, unread=8192)
"""So small that a small input can reach them."""

LONGEST = 31.0
"""Seconds after which every deadline has passed."""

OVERSHOOT = 128 * 1024
"""Bytes of output that may be put on top of a limit before it is seen that this was too much."""


class Seen(Beats):
    """Counts what it knows by sight; ``blind``: and does not tell."""

    known = 0
    blind = False

    def reply(self, data: bytes, ws: Any) -> bytes | None:
        reply = super().reply(data, ws)
        self.known += reply is not None
        return None if self.blind else reply


class Side:
    """One connection of an agent; also in its cluster is ``stan``, a peer that does as it should."""

    masks = False
    """Whether what arrives must be masked."""
    writes = SERVER
    """As whom the agent writes."""

    def __init__(self, *, mode: str = "pull", blind: bool = False) -> None:
        self.loop = Loop()
        self.stage = CoreHarness(clock=self.loop, mode=mode, limits=LIMITS)
        self.stan = self.stage.peer("stan")
        self._answered = 0
        self.stopped = False
        self.pump = self._pump()
        self.seen = Seen(*self.pump._beats)
        self.seen.blind = blind
        self.pump._beats = self.seen
        self.transport = Transport(self.loop, self.pump, here=HERE, there=THERE)
        self.pump.connection_made(self.transport)
        self.loop.turn()

    def _pump(self) -> Connection:
        raise NotImplementedError

    def upgrade(self, how: bytes) -> bytes:
        """The handshake of the other side."""
        raise NotImplementedError

    def ask(self, text: bytes) -> None:
        """Somebody else asks the agent something, over a connection of his own."""

    def stan_answers(self) -> None:
        """The good peer answers all that it was asked."""
        while not self.stopped and self._answered < len(self.stan.queries):
            query = self.stan.queries[self._answered]
            self._answered += 1
            if self.stan.wire.open:
                self.stan.answer(query)
        self.loop.turn()

    def stop(self) -> None:
        """The agent stops."""
        if not self.stopped:
            self.stopped = True
            self.stage.cluster.leave()
            self.stage.cluster.stop()
            self.loop.turn()

    @property
    def live(self) -> bool:
        """Whether nobody has begun to end the connection."""
        over = self.over or self.transport.said_all
        return not (over or self.pump.cut or self.pump.ws.close_sent or self.stopped)

    def check(self) -> None:
        """Nothing is held that has no limit."""
        pump = self.pump
        assert len(pump._backlog) <= READ
        assert len(pump._events or ()) <= SLICE
        assert len(pump._fragments or ()) <= (pump.ws.max_message_size or 0)
        assert self.transport.unsent <= pump.unsent_limit + OVERSHOOT
        assert not pump.out or self.live, "output that nobody will write"

    def finish(self) -> None:
        """Let all that is owed be answered, and look at it; then the connection breaks."""
        self.transport.take_all()
        self.loop.turn()
        self._settle()
        head = self.transport.first.startswith(b"HEAD ")
        self.written = Wire(self.transport.sent, cast(Which, self.writes), head=head)
        self._look()
        if self.pump.ws.eof_sent:
            assert self.over, "the library has ended the connection, and we have not"
        self.transport.breaks()
        self.loop.turn()
        self.check()
        assert self.transport.lost
        assert self.pump.user is None

    @property
    def over(self) -> bool:
        """Whether the agent has ended its side of the connection."""
        return self.transport.half_closed or self.transport.is_closing()

    def _settle(self) -> None:
        """Wait until nobody is owed anything."""

    def _look(self) -> None:
        """AssertionError unless what was written is right."""

    @property
    def told(self) -> object:
        """All that can be seen from outside."""
        return self.written.status, self.written.said, self.transport.half_closed, self.pump.cut
