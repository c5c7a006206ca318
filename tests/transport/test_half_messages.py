"""Messages that have come in part: their memory is limited, and the worst sender is cut."""

from collections.abc import Callable

import pytest

from live.raw import CONT, TEXT, frame
from nodnod_agent.transport.half_messages import UNCOUNTED, HalfMessages
from transport.fakes import FakeLoop, FakeTransport
from transport.harness import Echo, OpenConnection

SIZE = 50_000
"""Of a message; two fit."""

Feed = Callable[[bytes], None]


class Side:
    """A connection, and what its transport does."""

    def __init__(self, loop: FakeLoop, halves: HalfMessages) -> None:
        self.connection = OpenConnection(loop, halves=halves)
        self.transport = FakeTransport(loop, self.connection)
        self.connection.connection_made(self.transport)
        self.receiver = self.connection.receiver = Echo(self.connection)
        self.receive = self.connection.data_received

    @property
    def cut(self) -> str:
        assert self.transport.aborted == bool(self.connection.cut)
        return self.connection.cut


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def halves() -> HalfMessages:
    return HalfMessages(2 * SIZE)


@pytest.fixture
def sides(loop: FakeLoop, halves: HalfMessages) -> list[Side]:
    return [Side(loop, halves) for _ in range(4)]


def part(size: int) -> bytes:
    """The beginning of a frame of 60,000 bytes."""
    return frame(b"x" * 60_000)[:size]


@pytest.mark.parametrize(
    "send",
    [
        lambda side: side.receive(part(SIZE)),
        lambda side: side.receive(frame(b"x" * SIZE, TEXT, fin=False)),
        lambda side: [
            side.receive(frame(b"x" * (SIZE // 2), TEXT, fin=False)),
            side.receive(frame(b"x" * (SIZE // 2), CONT, fin=False)),
        ],
        lambda side: [side.receive(part(SIZE)[at : at + 1000]) for at in range(0, SIZE, 1000)],
    ],
    ids=["a frame", "a fragment", "fragments", "small pieces"],
)
def test_the_one_that_has_held_the_most_for_the_longest_is_cut(
    loop: FakeLoop, sides: list[Side], send: Callable[[Side], object]
) -> None:
    old, small, new, last = sides
    send(old)
    small.receive(part(UNCOUNTED + 1000))
    loop.advance(1.0)
    new.receive(part(SIZE // 2))
    assert [side.cut for side in sides] == [""] * 4
    last.receive(part(SIZE))
    assert old.cut.endswith(
        "bytes of a message that is not complete: more than 0 MiB of such are held for all"
    )
    assert [side.cut for side in sides[1:]] == [""] * 3


def test_who_sends_whole_messages_is_not_disturbed_by_ever_new_senders_of_parts(
    loop: FakeLoop, sides: list[Side], halves: HalfMessages
) -> None:
    whole, message = sides[0], b"y" * SIZE
    data = frame(message)
    for _ in range(5):
        attackers = [Side(loop, halves) for _ in range(3)]
        for side in attackers:
            side.receive(part(SIZE))
        loop.advance(0.1)
        for at in range(0, len(data), 1000):
            whole.receive(data[at : at + 1000])
        assert any(side.cut for side in attackers)
        assert halves.total <= 2 * SIZE
    assert whole.receiver.received_texts == [message] * 5
    assert whole.cut == ""


def test_what_is_completed_or_ends_counts_no_more(
    loop: FakeLoop, sides: list[Side], halves: HalfMessages
) -> None:
    first, second, *_ = sides
    first.receive(part(SIZE))
    second.receive(part(SIZE))
    assert halves.total > SIZE
    first.receive(frame(b"x" * 60_000)[SIZE:])
    second.transport.abort()
    loop.turn()
    assert halves.total == 0


def test_small_parts_do_not_count(sides: list[Side], halves: HalfMessages) -> None:
    for side in sides:
        side.receive(part(UNCOUNTED))
    assert halves.total == 0
