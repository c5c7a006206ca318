"""A pump whose other side does not read, or reads slowly."""

from edge.fakes import FakeLoop, FakeTransport
from edge.pumps import Echo
from live.raw import PING, frame
from nodnod_agent.edge.pump import HIGH_WATER, STALL_LIMIT, UNSENT_LIMIT, Pump


def test_nothing_is_read_from_who_does_not_read(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True

    pump.send(b"x" * 2 * HIGH_WATER)
    loop.turn()

    assert not transport.reading


def test_who_reads_nothing_for_a_while_is_cut(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 2 * HIGH_WATER)

    loop.pass_time(STALL_LIMIT)

    assert transport.aborted
    assert pump.cut == "has read nothing for 5 s"


def test_who_reads_slowly_is_not_cut(pump: Pump, transport: FakeTransport, loop: FakeLoop) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)

    for _ in range(20):
        loop.pass_time(STALL_LIMIT / 2)
        transport.take(1000)

    assert not transport.aborted


def test_who_reads_slowly_is_not_cut_while_more_answers_come(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)

    for _ in range(20):
        loop.pass_time(STALL_LIMIT / 2)
        transport.take(1000)
        pump.send(b"x" * 2000)

    assert not transport.aborted


def test_who_reads_nothing_is_cut_while_more_answers_come(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)

    for _ in range(5):
        loop.pass_time(STALL_LIMIT / 4)
        pump.send(b"x")

    assert transport.aborted


def test_who_reads_again_is_read_from_again(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 2 * HIGH_WATER)
    loop.turn()

    transport.take(transport.unsent)
    loop.pass_time(2 * STALL_LIMIT)

    assert transport.reading
    assert not transport.aborted


def test_output_that_only_grows_is_cut(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True

    for _ in range(20):
        pump.send(b"x" * (UNSENT_LIMIT // 10))
        loop.turn()

    assert transport.aborted
    assert pump.cut.endswith("bytes of output unread")


def test_many_requests_at_once_do_not_outgrow_the_output(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, copies=1000)
    transport.stuck = True

    pump.data_received(frame("x" * 10) * 10_000)

    assert transport.unsent < UNSENT_LIMIT
    assert not transport.aborted
    while len(user.heard) < 10_000:
        transport.take(transport.unsent)
    assert user.heard == [b"x" * 10] * 10_000


def test_a_flood_of_pings_from_who_does_not_read_stays_unread(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    flood = frame("x" * 100, PING) * 1000

    for _ in range(100):
        if transport.reading:
            pump.data_received(flood)

    assert transport.unsent < HIGH_WATER + 2 * len(flood)
