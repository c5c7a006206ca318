"""TLS over a fake transport: what is encrypted and when, and how each direction ends."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.raw import CLOSE, frame
from live.raw_tls import TlsEnd
from nodnod_agent.auth.tls import TlsContexts
from nodnod_agent.transport.tls_transport import RECORD, TlsTransport
from nodnod_agent.transport.writer import HIGH_WATER
from transport.fakes import FakeLoop, FakeTransport
from transport.harness import Harness, text


@pytest.fixture
def tls(tls_contexts: TlsContexts) -> Harness:
    return Harness(tls=tls_contexts)


def client(harness: Harness) -> TlsEnd:
    assert harness.client is not None
    return harness.client


def test_unsent_output_is_counted_and_pauses(tls: Harness) -> None:
    tls.transport.stuck = True

    tls.connection.send(b"x" * 1_000_000)
    tls.loop.turn()

    assert tls.transport.sent == text(b"x" * 1_000_000)
    assert 1_000_000 < tls.connection.unsent < 1_010_000
    assert not tls.transport.reading
    tls.transport.take(tls.connection.unsent - HIGH_WATER // 4)
    assert tls.transport.reading


@given(
    sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=4),
    record=st.integers(1_000, RECORD),
    cuts=st.lists(st.integers(1, 50_000), max_size=5),
)
def test_input_cut_in_any_way_is_decrypted(
    tls_contexts: TlsContexts, sizes: list[int], record: int, cuts: list[int]
) -> None:
    tls = Harness(tls=tls_contexts)
    encrypted = client(tls).encrypt(b"".join(frame("x" * size) for size in sizes), record)

    for cut in cuts:
        tls.protocol.data_received(encrypted[:cut])
        encrypted = encrypted[cut:]
    tls.protocol.data_received(encrypted)

    assert [len(received) for received in tls.texts] == sizes


def test_a_close_alert_comes_behind_the_last_output(tls: Harness) -> None:
    tls.transport.stuck = True
    tls.connection.send(b"x" * 200_000)

    tls.receive(frame(b"\x03\xe8", CLOSE))
    tls.loop.turn()

    assert tls.transport.sent == text(b"x" * 200_000) + b"\x88\x02\x03\xe8"
    assert client(tls).ended
    assert tls.transport.half_closed


def test_input_behind_the_close_alert_of_the_client_is_dropped(tls_contexts: TlsContexts) -> None:
    tls = Harness(tls=tls_contexts, limit=1)
    tls.receive(frame("one"))
    tls.protocol.data_received(client(tls).end() + b"x" * 100_000)
    tls.protocol.data_received(b"x" * 100_000)

    assert not tls.transport.is_closing()
    tls.receiver.answer_one()
    tls.loop.turn()

    assert tls.transport.sent == text(b"one")
    assert tls.transport.closed


def test_broken_input_ends_the_connection_behind_what_came_before_it(tls: Harness) -> None:
    tls.protocol.data_received(client(tls).encrypt(frame("one")) + b"no record")

    assert tls.texts == [b"one"]
    assert client(tls).alert
    assert tls.transport.closed
    tls.connection.send(b"late")
    tls.loop.turn()
    assert tls.transport.lost


def test_output_behind_broken_input_is_dropped(tls: Harness) -> None:
    tls.protocol.data_received(b"no record")

    tls.connection.send(b"late")
    tls.connection.close(1001)
    tls.loop.turn()

    assert tls.transport.sent == b""


def test_a_failed_handshake_is_told_to_the_other_side_and_to_the_connection(
    tls_contexts: TlsContexts,
) -> None:
    harness = Harness()
    lost: list[Exception | None] = []
    harness.connection.connection_lost = lost.append  # type: ignore[method-assign]
    tls = TlsTransport(tls_contexts.server, harness.connection)
    transport = FakeTransport(FakeLoop(), tls)
    tls.connection_made(transport)

    tls.data_received(b"\x16\x03\x01\x00\x05hello")
    transport.lose()

    assert transport.sent[:1] == b"\x15"
    assert isinstance(lost[0], ssl.SSLError)


def test_what_is_written_before_the_handshake_goes_out_behind_it(
    tls_contexts: TlsContexts,
) -> None:
    loop = FakeLoop()
    dialing = Harness()
    tls = TlsTransport(tls_contexts.client, dialing.connection, "127.0.0.1")
    transport = FakeTransport(loop, tls)
    accepting = Harness()
    server = TlsTransport(tls_contexts.server, accepting.connection)
    answers = FakeTransport(loop, server)
    server.connection_made(answers)
    tls.connection_made(transport)
    tls.write(frame("early"))

    assert accepting.texts == []
    while not accepting.texts:
        server.data_received(transport.writes.pop(0))
        while answers.writes:
            tls.data_received(answers.writes.pop(0))

    assert accepting.texts == [b"early"]
