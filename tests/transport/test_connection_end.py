"""How a connection ends: the closing handshake, its limits, and input and output that come late."""

from collections.abc import Callable

import pytest
from websockets.protocol import CLOSED

from live.raw import BINARY, CLOSE, frame
from nodnod_agent.transport.connection import CLOSE_SEARCH_LIMIT
from nodnod_agent.transport.writer import CLOSE_LIMIT, LEFTOVER_LIMIT, STALL_LIMIT
from transport.harness import FullQueue, Harness, MakeHarness, OpenConnection, close_frame, text

BREAK_THE_PROTOCOL = frame("x", BINARY)


def test_a_close_frame_is_the_last_output(harness: Harness) -> None:
    harness.connection.send(b"one")
    harness.connection.close(1001, "bye")
    harness.connection.send(b"late")
    harness.connection.ping()
    harness.loop.turn()

    assert harness.transport.sent == text(b"one") + close_frame(1001, b"bye")


def test_the_other_side_s_close_frame_completes_the_end(harness: Harness) -> None:
    harness.connection.close(1001)

    harness.receive(frame(b"\x03\xe9", CLOSE))
    harness.loop.turn()

    assert harness.transport.half_closed
    assert not harness.transport.aborted


@pytest.mark.parametrize(
    "before",
    [lambda harness: None, Harness.send_much, Harness.fill_output],
    ids=["no output", "output that pauses with it", "paused output"],
)
def test_a_close_that_is_not_completed_aborts(
    harness: Harness, before: Callable[[Harness], None]
) -> None:
    before(harness)
    harness.connection.close(1001)
    harness.loop.advance(CLOSE_LIMIT)

    assert harness.transport.aborted


@pytest.mark.parametrize("broken", [False, True])
def test_taking_output_does_not_extend_the_limit_of_a_close(harness: Harness, broken: bool) -> None:
    harness.fill_output()
    if broken:
        harness.receive(BREAK_THE_PROTOCOL)
    else:
        harness.connection.close(1001)
    harness.transport.take(harness.transport.unsent)

    harness.loop.advance(CLOSE_LIMIT)

    assert harness.transport.aborted or harness.transport.closed


def test_abort_ends_at_once(harness: Harness) -> None:
    harness.connection.send(b"one")
    harness.connection.abort()

    assert harness.transport.aborted
    assert harness.connection.receiver is None


class BusyConnection(OpenConnection):
    """Processes one frame per time slice, as where many connections keep the agent busy."""

    time_slice = 0.0
    make_queue = FullQueue


@pytest.mark.parametrize("last", [frame("x", length=200_000), BREAK_THE_PROTOCOL])
def test_input_behind_a_protocol_error_is_read_and_dropped(last: bytes) -> None:
    harness = Harness(BusyConnection)
    harness.receive(last + b"x" * 50_000)
    assert not harness.transport.reading
    while not harness.transport.half_closed:
        harness.loop.turn()

    for _ in range(100):
        harness.receive(b"x" * 100_000)
        harness.loop.turn()

    assert harness.transport.reading
    assert harness.connection._unread == b""


def test_endless_input_after_the_end_aborts_and_is_not_kept(harness: Harness) -> None:
    harness.receive(BREAK_THE_PROTOCOL)

    for _ in range(LEFTOVER_LIMIT // 256_000):
        assert harness.transport.reading
        harness.receive(b"x" * 256_000)
        assert not harness.transport.reading
        assert not harness.connection._unread
        harness.loop.turn()
    assert not harness.transport.aborted

    harness.receive(b"x" * 256_000)
    assert harness.transport.aborted


@pytest.mark.parametrize("size", [1_000, CLOSE_SEARCH_LIMIT])
def test_a_client_that_ignores_a_close_frame_is_not_read_for_long(
    harness: Harness, size: int
) -> None:
    harness.connection.close(1008, "enough")
    harness.loop.turn()
    message = frame("x" * size)

    for _ in range(CLOSE_SEARCH_LIMIT // len(message)):
        harness.receive(message)
        harness.loop.turn()
    assert not harness.transport.half_closed
    harness.receive(message)
    harness.loop.turn()

    assert harness.transport.sent == close_frame(1008, b"enough")
    assert harness.transport.half_closed
    assert harness.texts == []


def test_much_input_from_before_the_close_is_not_searched_for_a_close_frame() -> None:
    harness = Harness(BusyConnection)
    harness.receive(frame("x" * CLOSE_SEARCH_LIMIT))

    harness.connection.close(1001)
    harness.loop.turn()

    assert harness.transport.half_closed
    assert harness.texts == []


def test_the_transport_is_closed_at_the_limit_after_a_protocol_error(harness: Harness) -> None:
    harness.receive(BREAK_THE_PROTOCOL)

    harness.loop.advance(CLOSE_LIMIT)

    assert harness.transport.closed


@pytest.mark.parametrize("stalled", [False, True])
def test_the_last_output_waits_while_the_other_side_takes_some(
    harness: Harness, stalled: bool
) -> None:
    harness.fill_output(4)
    harness.receive(BREAK_THE_PROTOCOL)

    for _ in range(10):
        harness.loop.advance(STALL_LIMIT / 2)
        if not stalled:
            harness.transport.take(1000)

    assert harness.transport.aborted == stalled


def test_a_side_that_stops_taking_the_last_output_is_cut(harness: Harness) -> None:
    harness.transport.stuck = True
    harness.receive(frame("x" * 50_000))
    harness.receive(BREAK_THE_PROTOCOL)
    harness.loop.advance(CLOSE_LIMIT)
    for _ in range(3):
        harness.loop.advance(STALL_LIMIT / 2)
        harness.transport.take(1000)
    assert not harness.transport.aborted

    harness.loop.advance(1.5 * STALL_LIMIT)

    assert harness.transport.aborted


CALLS: dict[str, Callable[[Harness], None]] = {
    "send": lambda harness: harness.connection.send(b"late"),
    "ping": lambda harness: harness.connection.ping(),
    "close": lambda harness: harness.connection.close(1001),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("before", [True, False])
def test_output_of_the_iteration_in_which_the_connection_is_lost_is_dropped(
    harness: Harness, call: Callable[[Harness], None], before: bool
) -> None:
    steps = [call, lambda harness: harness.transport.lose()]
    for step in steps if before else reversed(steps):
        step(harness)
    harness.loop.turn()

    assert harness.transport.writes == []


def test_a_lost_connection_leaves_no_timer(harness: Harness) -> None:
    harness.connection.close(1001)
    harness.transport.lose()

    harness.loop.advance(10 * CLOSE_LIMIT)

    assert not harness.transport.aborted


# The end of the input.


def test_the_end_of_the_stream_without_a_close_frame_closes_the_connection(
    harness: Harness,
) -> None:
    assert not harness.end_input()

    assert harness.connection.ws.state is CLOSED


LIMITED = [1, 2, 1000]
"""Requests that a receiver takes at once."""


@pytest.mark.parametrize("limit", LIMITED)
@pytest.mark.parametrize("now", [False, True])
def test_the_connection_ends_behind_the_last_answer_to_what_came_before_the_end(
    make_harness: MakeHarness, limit: int, now: bool
) -> None:
    harness = make_harness(limit=limit)
    harness.receive(b"".join(frame(str(number)) for number in range(5)))
    assert harness.end_input()

    while harness.receiver.held:
        assert not harness.transport.is_closing()
        harness.receiver.answer_one(now=now)
        harness.loop.turn()

    assert harness.transport.sent == b"".join(text(b"%d" % number) for number in range(5))
    assert harness.transport.half_closed
    assert harness.transport.closed


def test_input_that_waits_for_the_cpu_is_answered_after_the_end(
    make_harness: MakeHarness,
) -> None:
    harness = make_harness(BusyConnection)
    harness.receive(frame("x") * 100)
    harness.end_input()
    harness.loop.turn()

    assert harness.texts == [b"x"] * 100
    assert harness.transport.sent == text(b"x") * 100
    assert harness.transport.closed


def test_the_last_answers_wait_for_a_slow_reader_after_the_end(make_harness: MakeHarness) -> None:
    harness = make_harness(limit=1)
    harness.receive(frame("x" * 50_000) + frame("y" * 50_000))
    harness.end_input()
    harness.transport.stuck = True
    for _ in range(2):
        harness.receiver.answer_one()
        harness.loop.turn()
    for _ in range(10):
        harness.loop.advance(STALL_LIMIT / 2)
        assert not harness.transport.aborted
        harness.transport.take(1000)

    harness.transport.take_all()
    harness.loop.turn()

    assert harness.transport.lost
    assert not harness.transport.aborted


def test_a_client_that_reads_nothing_after_the_end_is_cut(make_harness: MakeHarness) -> None:
    harness = make_harness(limit=1)
    harness.receive(frame("x" * 90_000))
    harness.end_input()
    harness.transport.stuck = True
    harness.receiver.answer_one()

    harness.loop.advance(STALL_LIMIT)

    assert harness.transport.aborted


def test_a_close_after_the_end_of_the_input_waits_for_nothing(make_harness: MakeHarness) -> None:
    harness = make_harness(limit=1)
    harness.receive(frame("x"))
    harness.end_input()

    harness.connection.close(1001)
    harness.loop.turn()

    assert harness.transport.sent == close_frame(1001)
    assert harness.transport.closed
    assert harness.connection.cut == ""


def test_a_second_end_of_the_input_changes_nothing(make_harness: MakeHarness) -> None:
    harness = make_harness(limit=1)
    harness.receive(frame("x"))
    harness.end_input()

    assert harness.protocol.eof_received()
    harness.receiver.answer_one()
    harness.loop.turn()

    assert harness.transport.sent == text(b"x")
    assert not harness.protocol.eof_received()
