"""One connection of a whole agent, and what must be true of it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from unittest.mock import patch

from websockets.protocol import SERVER

from core.harness import CoreHarness
from fuzz.wire import Wire
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.core.limits import Limits
from nodnod_agent.transport import connection, fair_queue, writer
from nodnod_agent.transport.connection import Connection
from transport.fakes import READ_SIZE, FakeLoop, FakeTransport

OWN = Hello(2, "own", "own instance", "10.0.0.1:7070")
LOCAL, REMOTE = ("10.0.0.1", 7070), ("10.0.0.3", 7070)
OFFER = "Sec-WebSocket-Protocol: nodnod.2"

LIMITS = Limits(client_message=2048, peer_message=4096, in_flight=4, streams=2, unread=8192)
"""Small enough for a small input to reach them."""

HIGH_WATER = 2048
"""Bytes of unsent output that pause writing: a small input must be able to cause it."""

LONGEST = 31.0
"""Seconds after which every deadline has passed."""

OVERSHOOT = 128 * 1024
"""Bytes of output that may exceed a limit before it is noticed."""


@contextmanager
def fake_cpu(seconds: float = 20e-6) -> Iterator[None]:
    """So much CPU passes between two calls: time slices end in every replay after the same work."""
    calls = count(1)
    with ExitStack() as patches:
        for module in (writer, connection, fair_queue):
            fake = patch.object(module, "perf_counter", lambda: seconds * next(calls))
            patches.enter_context(fake)
        yield


class Endpoint:
    """One connection of an agent; its cluster has a well-behaved peer too, ``stan``."""

    masks = False
    """Whether frames of the other side must be masked."""
    side = SERVER

    def __init__(self, *, mode: str = "pull", whole_frames: bool = True) -> None:
        """Without ``whole_frames``, the parser of the library takes every frame."""
        self.loop = FakeLoop()
        self.core = CoreHarness(clock=self.loop, mode=mode, limits=LIMITS)
        self.stan = self.core.peer("stan")
        self._answered = 0
        self.stopped = False
        self.connection = self._make_connection()
        if not whole_frames:
            self.connection.ws.take_frame = lambda *_: None  # type: ignore[method-assign]
        self.transport = FakeTransport(
            self.loop, self.connection, high_water=HIGH_WATER, sockname=LOCAL, peername=REMOTE
        )
        self.connection.connection_made(self.transport)
        self.loop.turn()

    def _make_connection(self) -> Connection:
        raise NotImplementedError

    def arrive(self, data: bytes) -> None:
        """Let data arrive, and the agent process it."""
        self.transport.arrive(data)
        self.loop.turn()

    def upgrade(self, kind_and_headers: bytes) -> bytes:
        """The handshake of the other side."""
        raise NotImplementedError

    def ask(self, text: bytes) -> None:
        """Another client sends a request to the agent, over a connection of its own."""

    def answer_as_stan(self) -> None:
        """The well-behaved peer answers all its queries."""
        while not self.stopped and self._answered < len(self.stan.queries):
            query = self.stan.queries[self._answered]
            self._answered += 1
            if self.stan.wire.open:
                self.stan.answer(query)
        self.loop.turn()

    def stop(self) -> None:
        """Stop the agent."""
        if not self.stopped:
            self.stopped = True
            self.core.node.leave()
            self.core.node.stop()
            self.loop.turn()

    @property
    def ended_by_agent(self) -> bool:
        """Whether the agent has ended its side of the connection."""
        return self.transport.half_closed or self.transport.is_closing()

    @property
    def live(self) -> bool:
        """Whether neither side has begun to end the connection."""
        ending = (
            self.ended_by_agent or self.transport.eof_arrived or self.connection.cut or self.stopped
        )
        return not (ending or self.connection.ws.close_sent)

    @property
    def outcome(self) -> object:
        """All that the other side can see."""
        output = self.output
        return output.status, output.messages, self.transport.half_closed, self.connection.cut

    def check(self) -> None:
        """Check that everything that is kept has a limit."""
        connection = self.connection
        assert len(connection._unread) <= READ_SIZE
        assert len(connection._fragments or ()) <= (connection.ws.max_message_size or 0)
        assert self.transport.unsent <= connection._unsent_limit + OVERSHOOT
        assert not connection.out or self.live, "output that is never written"

    def finish(self) -> None:
        """Wait for all answers that are due, check the output, and lose the connection."""
        self.transport.take_all()
        self.loop.turn()
        self._wait_for_answers()
        head = self.transport.first.startswith(b"HEAD ")
        self.output = Wire(self.transport.sent, self.side, head=head)
        self._check_output()
        if self.connection.ws.eof_sent:
            assert self.ended_by_agent, "the library has ended the connection, the agent has not"
        self.transport.abort()
        self.loop.turn()
        self.check()
        assert self.transport.lost
        assert self.connection.receiver is None

    def _wait_for_answers(self) -> None:
        """Wait until no answer is due."""

    def _check_output(self) -> None:
        """AssertionError unless the output is right."""
