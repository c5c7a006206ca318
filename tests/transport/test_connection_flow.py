"""A pump whose other side does not read, or reads slowly."""

import pytest
from websockets.frames import Frame

from live.raw import CONT, PING, PONG, frame
from nodnod_agent.transport.connection import CONTROL_FRAMES, Connection
from nodnod_agent.transport.control_frames import MUTED_AT_MOST, MUTED_FOR, SMALL
from nodnod_agent.transport.writer import HIGH_WATER, STALL_LIMIT, UNSENT_LIMIT
from transport.connections import Echo
from transport.fakes import FakeLoop, FakeTransport


def test_nothing_is_read_from_who_does_not_read(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True

    pump.send(b"x" * 2 * HIGH_WATER)
    loop.turn()

    assert not transport.reading


def test_who_reads_nothing_for_a_while_is_cut(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 2 * HIGH_WATER)

    loop.pass_time(STALL_LIMIT)

    assert transport.aborted
    assert pump.cut == "has read nothing for 5 s"


def test_who_reads_slowly_is_not_cut(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)

    for _ in range(20):
        loop.pass_time(STALL_LIMIT / 2)
        transport.take(1000)

    assert not transport.aborted


def test_who_reads_slowly_is_not_cut_while_more_answers_come(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)

    for _ in range(20):
        loop.pass_time(STALL_LIMIT / 2)
        transport.take(1000)
        pump.send(b"x" * 2000)

    assert not transport.aborted


def test_who_reads_nothing_is_cut_while_more_answers_come(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)

    for _ in range(5):
        loop.pass_time(STALL_LIMIT / 4)
        pump.send(b"x")

    assert transport.aborted


def test_who_reads_again_is_read_from_again(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 2 * HIGH_WATER)
    loop.turn()

    transport.take(transport.unsent)
    loop.pass_time(2 * STALL_LIMIT)

    assert transport.reading
    assert not transport.aborted


def test_output_that_only_grows_is_cut(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True

    for _ in range(20):
        pump.send(b"x" * (UNSENT_LIMIT // 10))
        loop.turn()

    assert transport.aborted
    assert pump.cut.endswith("bytes of output unread")


def test_many_requests_at_once_do_not_outgrow_the_output(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, copies=1000)
    transport.stuck = True

    pump.data_received(frame("x" * 10) * 10_000)

    assert transport.unsent < UNSENT_LIMIT
    assert not transport.aborted
    while len(user.heard) < 10_000:
        transport.take(transport.unsent)
        loop.turn()
    assert user.heard == [b"x" * 10] * 10_000


def test_a_flood_of_pings_from_who_does_not_read_stays_unread(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    flood = frame("x" * 100, PING) * 1000

    for _ in range(100):
        if transport.reading:
            pump.data_received(flood)

    assert transport.unsent < HIGH_WATER + 2 * len(flood)


# Who keeps us busy with nothing.

FLOODS = {
    "pings": frame("x", PING),
    "empty pings": frame("", PING),
    "pongs": frame("x", PONG),
    "empty pieces": frame("", CONT, fin=False),
    "tiny pieces": frame("x", CONT, fin=False),
}


def flood(kind: str, count: int) -> bytes:
    """So many frames of a kind; pieces have a message that they are pieces of."""
    begin = frame("", fin=False) if "pieces" in kind else b""
    return begin + FLOODS[kind] * count


@pytest.mark.parametrize("kind", FLOODS)
def test_who_floods_us_with_frames_that_are_no_messages_is_not_heard_for_a_second(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop, kind: str
) -> None:
    pump.data_received(flood(kind, 150))
    assert not transport.reading

    loop.pass_time(MUTED_FOR)

    assert transport.reading
    pump.data_received(frame("", CONT) if "pieces" in kind else frame("", PING))
    pump.data_received(frame("one"))
    assert user.heard[-1] == b"one"
    assert not transport.aborted


@pytest.mark.parametrize("kind", FLOODS)
def test_what_a_flood_costs_in_a_second_is_bounded(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop, kind: str
) -> None:
    taken: list[Frame] = []
    take = pump._take
    pump._take = lambda frame: (taken.append(frame), take(frame))[1]  # type: ignore[method-assign]

    pump.data_received(flood(kind, 40_000))
    loop.turn()

    assert len(taken) <= CONTROL_FRAMES + 1


@pytest.mark.parametrize("kind", FLOODS)
def test_who_goes_on_flooding_is_cut(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop, kind: str
) -> None:
    pump.data_received(flood(kind, 40_000))

    loop.pass_time((MUTED_AT_MOST + 1) * MUTED_FOR)

    assert transport.aborted
    assert pump.cut == f"more than {CONTROL_FRAMES} frames a second that are no messages"


def test_who_pings_often_but_not_too_often_is_always_heard(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    for _ in range(60):
        for _ in range(CONTROL_FRAMES - 1):
            pump.data_received(frame("x", PING))
        assert transport.reading
        loop.pass_time(1.0)


def test_who_floods_now_and_then_is_never_cut(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    for _ in range(3 * MUTED_AT_MOST):
        pump.data_received(flood("pings", CONTROL_FRAMES + 1))
        assert not transport.reading
        loop.pass_time(2 * MUTED_FOR)
        for _ in range(CONTROL_FRAMES):  # a second as it should be
            pump.data_received(frame("x", PING))
        loop.pass_time(2 * MUTED_FOR)

    assert not transport.aborted


def test_pieces_of_a_size_are_no_flood(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    pump.data_received(frame("x" * SMALL, fin=False))
    for _ in range(3 * CONTROL_FRAMES):
        pump.data_received(frame("x" * SMALL, CONT, fin=False))
    pump.data_received(frame("x", CONT))

    assert len(user.heard[0]) == (3 * CONTROL_FRAMES + 1) * SMALL + 1


def test_the_end_of_a_connection_that_is_not_heard_is_its_end(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    pump.data_received(flood("pings", 1000))

    transport.lose()
    loop.pass_time(2 * MUTED_FOR)

    assert user.heard == []
