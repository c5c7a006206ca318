"""The pump of one connection, over a transport in memory and with a clock that stands still."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSED, OPEN, SERVER, Protocol

from edge.fakes import FakeLoop, FakeTransport
from live.raw import BINARY, CLOSE, CONT, PING, frame
from nodnod_agent.edge import pump as pump_module
from nodnod_agent.edge.pump import CLOSE_LIMIT, HIGH_WATER, SLICE, STALL_LIMIT, UNSENT_LIMIT, Pump


class Echo:
    """Answers each message with as many copies of it as asked, unless it holds them back."""

    def __init__(self, pump: Pump, *, copies: int = 1, most: int = 1_000_000) -> None:
        self.pump = pump
        self.copies = copies
        self.most = most
        self.heard: list[bytes] = []
        self.held: list[bytes] = []

    @property
    def full(self) -> bool:
        return len(self.held) >= self.most

    @property
    def stall_limit(self) -> float:
        return STALL_LIMIT

    def received(self, text: bytes) -> None:
        self.heard.append(text)
        if self.most < 1_000_000:
            self.held.append(text)
        else:
            self.pump.send(text * self.copies)

    def answer_one(self) -> None:
        self.pump.send(self.held.pop(0))


class ServerPump(Pump):
    """A pump whose handshake is over."""

    def __init__(self, loop: FakeLoop) -> None:
        super().__init__(cast(Any, loop), Protocol(SERVER, state=OPEN, max_size=100_000))

    def frame(self, text: bytes) -> bytes:
        return Frame(Opcode.TEXT, text).serialize(mask=False)

    def handshake(self, event: Request | Response) -> None:
        raise AssertionError(event)

    def bad_handshake(self, error: Exception) -> None:
        raise AssertionError(error)


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def pump(loop: FakeLoop) -> Pump:
    pump = ServerPump(loop)
    pump.connection_made(FakeTransport(pump))
    return pump


@pytest.fixture
def transport(pump: Pump) -> FakeTransport:
    return cast(FakeTransport, pump.transport)


@pytest.fixture
def user(pump: Pump) -> Echo:
    echo = Echo(pump)
    pump.user = echo
    return echo


def text(data: bytes) -> bytes:
    """A text frame as the server sends it."""
    return Frame(Opcode.TEXT, data).serialize(mask=False)


def close_frame(code: int) -> bytes:
    """How a close frame with this code begins, but for its length."""
    return code.to_bytes(2)


# One write per turn.


def test_what_is_sent_in_one_turn_goes_out_in_one_write(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.send(b"one")
    pump.send(b"two")
    pump.ping()
    assert transport.writes == []

    loop.turn()

    assert transport.writes == [text(b"one") + text(b"two") + b"\x89\x00"]


def test_answers_to_what_came_in_one_read_go_out_in_one_write(
    pump: Pump, transport: FakeTransport, user: Echo
) -> None:
    pump.data_received(frame("one") + frame("two"))

    assert transport.writes == [text(b"one") + text(b"two")]


def test_a_turn_without_output_writes_nothing(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    pump.data_received(frame("one")[:3])
    loop.turn()

    assert transport.writes == []


def test_a_pong_stands_behind_what_was_sent_before(
    pump: Pump, transport: FakeTransport, user: Echo
) -> None:
    pump.send(b"one")

    pump.data_received(frame("x", PING))

    assert transport.sent == text(b"one") + b"\x8a\x01x"


# Messages.


def test_a_message_in_pieces_is_one_message(pump: Pump, user: Echo) -> None:
    pieces = frame("o", fin=False) + frame("n", CONT, fin=False) + frame("e", CONT)
    for byte in pieces:
        pump.data_received(bytes([byte]))

    assert user.heard == [b"one"]


def test_a_control_frame_between_the_pieces_of_a_message_does_no_harm(
    pump: Pump, user: Echo
) -> None:
    pump.data_received(frame("o", fin=False) + frame(b"", PING) + frame("ne", CONT))

    assert user.heard == [b"one"]


def test_a_character_cut_in_two_by_pieces_is_whole(pump: Pump, user: Echo) -> None:
    first, second = "é".encode()[:1], "é".encode()[1:]

    pump.data_received(frame(first, fin=False) + frame(second, CONT))

    assert user.heard == ["é".encode()]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(b"\xff"), 1007),
        (frame(b"\xff", fin=False) + frame(b"", CONT), 1007),
        (frame(b"x", BINARY), 1003),
        (frame(b"x", masked=False), 1002),
        (frame(b"x", 3), 1002),
        (frame(b"x", reserved=4), 1002),
        (frame(b"x", CONT), 1002),
        (frame(bytes(126), PING), 1002),
        (frame(b"", fin=False) + frame(b"x"), 1002),
        (frame(b"x" * 100_001), 1009),
        (frame(b"x" * 60_000, fin=False) + frame(b"x" * 60_000, CONT), 1009),
    ],
)
def test_what_breaks_the_rules_ends_in_a_close_with_its_code(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop, data: bytes, code: int
) -> None:
    pump.data_received(data)
    loop.turn()

    assert user.heard == []
    assert transport.sent[0] == 0x88
    assert transport.sent[2:4] == close_frame(code)


def test_nothing_is_heard_after_what_breaks_the_rules(pump: Pump, user: Echo) -> None:
    pump.data_received(frame("one") + frame(b"x", BINARY) + frame("two"))

    assert user.heard == [b"one"]


# What waits while the user has enough.


def test_what_the_user_has_no_room_for_waits(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=2)

    pump.data_received(b"".join(frame(str(number)) for number in range(5)))

    assert user.heard == [b"0", b"1"]
    assert not transport.reading


def test_what_waits_comes_in_order_as_soon_as_there_is_room(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=2)
    size = SLICE // 4
    pump.data_received(b"".join(frame(str(number) * size) for number in range(10)))
    pump.data_received(frame("late"))

    while user.held:
        user.answer_one()
        loop.turn()

    assert [heard[:1] for heard in user.heard] == [b"%d" % number for number in range(10)] + [b"l"]
    assert transport.reading


def test_of_what_waits_most_is_bytes_and_not_messages(pump: Pump) -> None:
    pump.user = Echo(pump, most=1)

    pump.data_received(frame("x") * 100_000)

    assert pump._events is not None
    assert len(pump._events) < SLICE


def test_a_ping_that_waited_is_answered(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=1)
    first = frame("x" * (SLICE - 8))
    assert len(first) == SLICE
    pump.data_received(first + frame("ping", PING))

    user.answer_one()
    loop.turn()

    assert transport.sent.endswith(b"\x8a\x04ping")


def test_who_filled_the_user_to_the_brim_is_read_from_again(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=2)
    pump.data_received(frame("x") * 4)  # two are taken, two wait

    for _ in range(4):
        user.answer_one()
        loop.turn()

    assert transport.reading


def test_a_goodbye_that_waited_is_returned(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    user = pump.user = Echo(pump, most=1)
    pump.data_received(frame("x" * (SLICE - 8)) + frame(b"\x03\xe8", CLOSE))

    user.answer_one()
    loop.turn()

    assert transport.sent.endswith(b"\x88\x02\x03\xe8")
    assert transport.half_closed


# Another side that does not read.


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


# The end.


def test_close_says_goodbye_behind_what_was_sent(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.send(b"one")
    pump.close(1001, "bye")
    loop.turn()

    assert transport.sent == text(b"one") + b"\x88\x05\x03\xe9bye"


def test_nothing_is_sent_after_a_goodbye(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)
    pump.send(b"late")
    pump.ping()
    loop.turn()

    assert transport.sent == b"\x88\x02\x03\xe9"


def test_nothing_is_heard_after_a_goodbye(pump: Pump, user: Echo) -> None:
    pump.close(1001)

    pump.data_received(frame("late"))

    assert user.heard == []


def test_a_returned_goodbye_ends_the_connection(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)

    pump.data_received(frame(b"\x03\xe9", CLOSE))

    assert transport.half_closed
    assert not transport.aborted


def test_who_does_not_return_the_goodbye_is_cut(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)
    loop.pass_time(CLOSE_LIMIT)

    assert transport.aborted


def test_who_does_not_take_the_goodbye_is_cut_as_soon(
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 2 * HIGH_WATER)
    loop.turn()

    pump.close(1001)
    loop.pass_time(CLOSE_LIMIT)

    assert transport.aborted


@pytest.mark.parametrize("end", ["close", "break the rules"])
def test_reading_on_does_not_save_who_does_not_complete_the_end(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop, end: str
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


def test_abort_ends_at_once(pump: Pump, transport: FakeTransport, user: Echo) -> None:
    pump.send(b"one")
    pump.abort()

    assert transport.aborted
    assert pump.user is None


def test_what_is_still_on_its_way_in_does_not_cost_the_last_word(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    # Closing a socket that holds unread input resets the connection.
    pump.data_received(frame("x" * 90_000, length=200_000))

    for _ in range(10):
        pump.data_received(b"x" * 10_000)

    assert transport.sent[2:4] == close_frame(1009)
    assert transport.half_closed
    assert transport.reading
    assert not transport.closed


def test_who_never_ends_after_the_last_word_is_ended(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    pump.data_received(frame(b"x", BINARY))

    loop.pass_time(CLOSE_LIMIT)

    assert transport.closed


def test_the_last_words_go_out_as_long_as_the_other_side_takes_some(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)
    pump.data_received(frame(b"x", BINARY))

    for _ in range(10):
        loop.pass_time(STALL_LIMIT / 2)
        transport.take(1000)

    assert not transport.aborted


def test_the_last_words_do_not_wait_for_who_takes_nothing(
    pump: Pump, transport: FakeTransport, user: Echo, loop: FakeLoop
) -> None:
    transport.stuck = True
    pump.send(b"x" * 4 * HIGH_WATER)
    pump.data_received(frame(b"x", BINARY))

    loop.pass_time(CLOSE_LIMIT + STALL_LIMIT)

    assert transport.aborted


@pytest.mark.parametrize("say", ["send", "ping", "close"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_said_in_the_turn_of_the_end_is_dropped(
    pump: Pump, transport: FakeTransport, loop: FakeLoop, say: str, when: str
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
    pump: Pump, transport: FakeTransport, loop: FakeLoop
) -> None:
    pump.close(1001)
    transport.lose()

    loop.pass_time(10 * CLOSE_LIMIT)

    assert not transport.aborted


def test_an_end_without_goodbye_closes_the_connection(
    pump: Pump, transport: FakeTransport, user: Echo
) -> None:
    assert pump.eof_received() is None

    assert pump.ws.state is CLOSED


def test_a_pong_tells_how_long_the_ping_took(
    pump: Pump, loop: FakeLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([10.0, 10.25])
    monkeypatch.setattr(pump_module, "perf_counter", lambda: next(moments))
    pump.ping()
    loop.turn()

    pump.data_received(frame(b"", 10))

    assert pump.rtt == 0.25


def test_any_bytes_are_a_sign_of_life(pump: Pump, loop: FakeLoop) -> None:
    loop.pass_time(30)

    pump.data_received(frame("one")[:1])

    assert pump.heard == loop.time()
