"""How a pump ends: the goodbye, its limits, and what is said too late."""

from collections.abc import Callable

import pytest
from websockets.protocol import CLOSED

from live.raw import BINARY, CLOSE, frame
from nodnod_agent.transport.connection import GOODBYE, Connection
from nodnod_agent.transport.writer import CLOSE_LIMIT, HIGH_WATER, LEFTOVERS, STALL_LIMIT
from transport.connections import Echo, ServerPump, close_frame, text
from transport.fakes import FakeLoop, FakeTransport


def test_close_says_goodbye_behind_what_was_sent(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.send(b"one")
    pump.close(1001, "bye")
    loop.turn()

    assert transport.sent == text(b"one") + b"\x88\x05\x03\xe9bye"


def test_nothing_is_sent_after_a_goodbye(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)
    pump.send(b"late")
    pump.ping()
    loop.turn()

    assert transport.sent == b"\x88\x02\x03\xe9"


def test_nothing_is_heard_after_a_goodbye(pump: Connection, user: Echo) -> None:
    pump.close(1001)

    pump.data_received(frame("late"))

    assert user.heard == []


def test_a_returned_goodbye_ends_the_connection(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)

    pump.data_received(frame(b"\x03\xe9", CLOSE))

    assert transport.half_closed
    assert not transport.aborted


def test_who_does_not_return_the_goodbye_is_cut(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)
    loop.pass_time(CLOSE_LIMIT)

    assert transport.aborted


def test_who_does_not_take_the_goodbye_is_cut_as_soon(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 2 * HIGH_WATER)
    loop.turn()

    pump.close(1001)
    loop.pass_time(CLOSE_LIMIT)

    assert transport.aborted


@pytest.mark.parametrize("end", ["close", "break the rules"])
def test_reading_on_does_not_save_who_does_not_complete_the_end(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop, end: str
) -> None:
    transport.stuck = True
    pump.send(b"x" * 2 * HIGH_WATER)
    if end == "close":
        loop.turn()
        pump.close(1001)
    else:
        pump.data_received(frame("x", BINARY))
    transport.take(transport.unsent)

    loop.pass_time(CLOSE_LIMIT)

    assert transport.aborted or transport.closed


def test_abort_ends_at_once(pump: Connection, transport: FakeTransport, user: Echo) -> None:
    pump.send(b"one")
    pump.abort()

    assert transport.aborted
    assert pump.user is None


def test_what_is_still_on_its_way_in_does_not_cost_the_last_word(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    # Closing a socket that holds unread input resets the connection.
    pump.data_received(frame("x" * 90_000, length=200_000))

    for _ in range(10):
        pump.data_received(b"x" * 10_000)
        loop.turn()

    assert transport.sent[2:4] == close_frame(1009)
    assert transport.half_closed
    assert transport.reading
    assert not transport.closed


class Busy(ServerPump):
    """One that has time for a piece now and then only, as where many keep the agent busy."""

    piece = 0.0

    @property
    def waits_in_line(self) -> bool:
        return True


@pytest.mark.parametrize("last", [frame("x", length=200_000), frame("x", BINARY)])
def test_what_comes_behind_the_last_word_is_read_and_not_kept(loop: FakeLoop, last: bytes) -> None:
    pump = Busy(loop)
    transport = FakeTransport(pump)
    pump.connection_made(transport)
    pump.user = Echo(pump)
    pump.data_received(last + b"x" * 50_000)
    assert not transport.reading
    while not transport.half_closed:
        loop.turn()

    for _ in range(100):
        pump.data_received(b"x" * 100_000)
        loop.turn()

    assert transport.reading
    assert pump._backlog == b""


def test_who_goes_on_and_on_after_the_last_word_is_cut_off_and_nothing_of_it_kept(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    pump.data_received(frame(b"x", BINARY))

    for _ in range(LEFTOVERS // 256_000):
        assert transport.reading
        pump.data_received(b"x" * 256_000)
        assert not transport.reading
        assert not pump._backlog
        loop.turn()
    assert not transport.aborted

    pump.data_received(b"x" * 256_000)
    assert transport.aborted


@pytest.mark.parametrize("piece", [1_000, GOODBYE])
def test_who_goes_on_after_our_goodbye_is_not_read_for_long(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop, piece: int
) -> None:
    pump.close(1008, "enough")
    loop.turn()
    one = frame("x" * piece)

    for _ in range(GOODBYE // len(one)):
        pump.data_received(one)
        loop.turn()
    assert not transport.half_closed
    pump.data_received(one)
    loop.turn()

    assert transport.sent[2:4] == close_frame(1008)
    assert transport.half_closed
    assert user.heard == []


def test_who_never_ends_after_the_last_word_is_ended(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    pump.data_received(frame(b"x", BINARY))

    loop.pass_time(CLOSE_LIMIT)

    assert transport.closed


def test_the_last_words_go_out_as_long_as_the_other_side_takes_some(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)
    pump.data_received(frame(b"x", BINARY))

    for _ in range(10):
        loop.pass_time(STALL_LIMIT / 2)
        transport.take(1000)

    assert not transport.aborted


def test_the_last_words_do_not_wait_for_who_takes_nothing(
    pump: Connection, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)
    pump.data_received(frame(b"x", BINARY))

    loop.pass_time(CLOSE_LIMIT + STALL_LIMIT)

    assert transport.aborted


@pytest.mark.parametrize("say", ["send", "ping", "close"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_said_in_the_turn_of_the_end_is_dropped(
    pump: Connection, transport: FakeTransport, loop: FakeLoop, say: str, when: str
) -> None:
    words: dict[str, Callable[[], None]] = {
        "send": lambda: pump.send(b"late"),
        "ping": pump.ping,
        "close": lambda: pump.close(1001),
    }

    if when == "before":
        words[say]()
    transport.lose()
    if when == "after":
        words[say]()
    loop.turn()

    assert transport.writes == []


def test_no_timer_is_left_after_the_end(
    pump: Connection, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)
    transport.lose()

    loop.pass_time(10 * CLOSE_LIMIT)

    assert not transport.aborted


def test_an_end_without_goodbye_closes_the_connection(
    pump: Connection, transport: FakeTransport, user: Echo
) -> None:
    assert pump.eof_received() is None

    assert pump.ws.state is CLOSED
