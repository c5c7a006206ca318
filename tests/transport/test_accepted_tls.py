"""TLS of an accepted connection over a fake transport: how its input shares the CPU."""

from math import inf
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.raw import frame, upgrade
from live.raw_tls import TlsEnd
from nodnod_agent.auth.tls import TlsContexts
from nodnod_agent.core.interfaces import Hello
from nodnod_agent.transport import accepted_tls as accepted_tls_module
from nodnod_agent.transport import connection as connection_module
from nodnod_agent.transport import fair_queue as fair_queue_module
from nodnod_agent.transport.accepted_tls import AcceptedTls
from nodnod_agent.transport.fair_queue import ITERATION_BUDGET
from nodnod_agent.transport.server_connection import ServerConnection, ServerContext
from transport.fakes import FakeLoop, FakeTransport, TlsFakeTransport
from transport.harness import FullQueue
from transport.sessions import FakeService

PIECE = AcceptedTls.input_piece


class Accepted:
    """An accepted connection, and its client."""

    def __init__(self, contexts: TlsContexts, loop: FakeLoop, queue: FullQueue) -> None:
        self.loop = loop
        self.service = FakeService()
        context = ServerContext(
            loop=cast(Any, loop),
            queue=queue,
            accept=self.service.accept,
            page=self.service.answer,
            hello=Hello(2),
            max_clients=10,
        )
        self.connection = ServerConnection(context)
        self.tls = AcceptedTls(contexts.server, self.connection)
        self.client = TlsEnd(contexts.client)
        self.transport = TlsFakeTransport(loop, self.tls, self.client)
        self.tls.connection_made(self.transport)

    def shake(self) -> None:
        """Complete both handshakes."""
        while data := self.client.to_send():
            self.transport.arrive(data)
            self.loop.turn()
        self.transport.arrive(self.client.encrypt(upgrade()))
        self.loop.turn()
        assert self.service.sessions

    @property
    def texts(self) -> list[bytes]:
        """The messages that have been taken."""
        return self.service.sessions[0].texts


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def queue(loop: FakeLoop) -> FullQueue:
    return FullQueue(cast(Any, loop))


@pytest.fixture
def accepted(tls_contexts: TlsContexts, loop: FakeLoop, queue: FullQueue) -> Accepted:
    return Accepted(tls_contexts, loop, queue)


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading of the clock of the CPU is a whole slice of an iteration later."""
    now = 0.0

    def read() -> float:
        nonlocal now
        now += ITERATION_BUDGET
        return now

    for module in (accepted_tls_module, connection_module, fair_queue_module):
        monkeypatch.setattr(module, "perf_counter", read)


@pytest.mark.usefixtures("cpu")
def test_handshakes_wait_for_each_other(
    tls_contexts: TlsContexts, loop: FakeLoop, queue: FullQueue
) -> None:
    several = [Accepted(tls_contexts, loop, queue) for _ in range(3)]
    for one in several:
        one.transport.arrive(one.client.to_send())
    assert not any(one.client.shaken for one in several)

    for number in (1, 2, 3):
        loop.iterate()
        assert sum(one.client.shaken for one in several) == number


@pytest.mark.usefixtures("cpu")
def test_much_input_is_decrypted_in_pieces(accepted: Accepted) -> None:
    accepted.shake()
    texts = [b"x" * 1000] * 20
    accepted.connection.cpu_used = 0.0

    accepted.transport.arrive(accepted.client.encrypt(b"".join(map(frame, texts)), 500))
    accepted.transport.arrive(accepted.client.encrypt(frame("last")))

    assert accepted.texts == []
    assert not accepted.transport.reading
    accepted.loop.iterate()
    assert 0 < len(accepted.texts) < PIECE // 1000 + 1
    assert accepted.connection.cpu_used >= ITERATION_BUDGET
    accepted.loop.turn()
    assert accepted.texts == [*texts, b"last"]
    assert accepted.transport.reading


def test_reading_stays_paused_while_the_output_is_stuck(accepted: Accepted) -> None:
    accepted.shake()
    accepted.transport.stuck = True
    accepted.transport.arrive(accepted.client.encrypt(b"".join([frame("x" * 16_000)] * 10)))

    accepted.loop.turn()

    assert not accepted.transport.reading
    accepted.transport.take_all()
    accepted.loop.turn()
    assert len(accepted.texts) == 10
    assert accepted.transport.reading


def test_input_that_waits_is_dropped_with_the_connection(accepted: Accepted) -> None:
    accepted.shake()
    accepted.transport.arrive(accepted.client.encrypt(frame("x" * 16_000)))

    accepted.transport.lose()
    accepted.loop.turn()

    assert accepted.texts == []
    assert accepted.connection.queue.connections == 0


def test_a_connection_whose_session_raises_is_aborted(accepted: Accepted) -> None:
    accepted.shake()
    accepted.transport.arrive(accepted.client.encrypt(frame("x" * 10_000)))
    accepted.service.sessions[0].texts = cast(Any, None)
    accepted.connection.cpu_used = -inf  # it is served as its input is decrypted

    with pytest.raises(AttributeError):
        accepted.loop.turn()

    assert accepted.transport.aborted


@given(data=st.binary(min_size=1) | st.binary().map(lambda rest: b"\x16\x03\x01" + rest))
def test_any_first_input_is_refused_or_waits_for_more(
    tls_contexts: TlsContexts, data: bytes
) -> None:
    loop = FakeLoop()
    accepted = Accepted(tls_contexts, loop, FullQueue(cast(Any, loop)))
    transport = FakeTransport(loop, accepted.tls)
    accepted.tls.socket = transport

    transport.arrive(data)
    loop.turn()

    assert transport.closed or transport.half_closed or transport.reading
    assert accepted.service.sessions == []
