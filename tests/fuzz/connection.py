"""The target ``pump``: any bytes, in any pieces, to a connection of a whole agent.

An input is a line that says what kind of connection it is (``KINDS``), and then a line for each
thing that happens to it: the first byte says what (``MOVES``), the rest is what it is done with. A
line that begins with something else is bytes that come as they are. So most of what a fuzzer makes
of an input is still a conversation, and one can read it.
"""

import logging
from collections.abc import Callable
from functools import partial

from fuzz.accepted import AGENT, Accepted
from fuzz.dialling import Dialling
from fuzz.endpoint import Side
from fuzz.fake_loop import Stopwatch
from live.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame, upgrade
from nodnod_agent.transport.connection import SLICE

MOST_TENTHS = 600
MOST_TIMES = 99
MOST_BYTES = 64 * 1024
"""Bytes that an input may make, with all that it repeats."""

KINDS: dict[bytes, Callable[..., Side]] = {
    b"fresh": Accepted,
    b"guarded": partial(Accepted, guarded=True),
    b"client": partial(Accepted, upgrade()),
    b"push": partial(Accepted, upgrade(), mode="push"),
    b"agent": partial(Accepted, upgrade("/", *AGENT)),
    b"dial": Dialling,
    b"peer": partial(Dialling, 2),
    b"peer push": partial(Dialling, 2, mode="push"),
    b"old peer": partial(Dialling, 1),
    b"old peer push": partial(Dialling, 1, mode="push"),
}


def run(data: bytes) -> None:
    """Play one input. AssertionError, or any other error, is a fault in what it was played to."""
    kind, *lines = data.split(b"\n")
    make = KINDS.get(kind) or list(KINDS.values())[len(kind) % len(KINDS)]
    made = _play(make, lines)
    # By sight: the library must have come to the same. But a ping that it reads while nothing more
    # is to be read pauses reading, and one known by sight does not: what comes behind it is read
    # sooner, which is right as well.
    if made.seen.known and not made.transport.paused:
        assert _play(partial(make, blind=True), lines).told == made.told


def _play(make: Callable[..., Side], lines: list[bytes]) -> Side:
    with Stopwatch(), Complaints() as complaints:
        side = make()
        play = Play(side)
        for line in lines:
            play.move(line)
        play.end()
    assert not complaints.errors, complaints.errors[0]
    return side


class Play:
    """Takes an input line by line; ``made`` is what is to come in the next read."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.made = b""
        self.last = b""
        self.count = 0

    def move(self, line: bytes) -> None:
        """Let one thing happen."""
        move = MOVES.get(line[:1])
        if move is None:
            self.come(line)
        else:
            move(self, line[1:])
        self.side.check()

    def end(self) -> None:
        """Let all that is under way come to its end."""
        self.read(b"")
        self.side.finish()

    def come(self, data: bytes) -> None:
        """Some bytes are on their way."""
        self.last = data
        self.count += len(data)
        if self.count < MOST_BYTES:
            self.made += data

    def frame(self, data: bytes, opcode: int, *, fin: bool = True) -> None:
        """A frame, whole; a mask of zeros is a mask too."""
        self.come(frame(data, opcode, fin=fin, masked=self.side.masks))

    def again(self, times: bytes) -> None:
        """What came last, so many times more."""
        last = self.last
        self.come(last * number(times, MOST_TIMES))
        self.last = last

    def read(self, size: bytes) -> None:
        """What has come is read, in pieces of this size or at once."""
        made, self.made = self.made, b""
        step = number(size, SLICE) or len(made) or 1
        for at in range(0, len(made), step):
            self.side.transport.arrives(made[at : at + step])
        self.side.loop.turn()

    def wait(self, tenths: bytes) -> None:
        self.read(b"")
        self.side.loop.advance(number(tenths, MOST_TENTHS) / 10)


def number(text: bytes, most: int) -> int:
    """A number that an input says; nonsense is 0."""
    digits = text.strip()[:6]
    return min(int(digits), most) if digits.isdigit() else 0


MOVES: dict[bytes, Callable[[Play, bytes], None]] = {
    b"T": lambda play, data: play.frame(data, TEXT),
    b"t": lambda play, data: play.frame(data, TEXT, fin=False),
    b"k": lambda play, data: play.frame(data, CONT, fin=False),
    b"K": lambda play, data: play.frame(data, CONT),
    b"B": lambda play, data: play.frame(data, BINARY),
    b"P": lambda play, data: play.frame(data, PING),
    b"O": lambda play, data: play.frame(data, PONG),
    b"C": lambda play, data: play.frame(data, CLOSE),
    b"R": lambda play, data: play.come(data),
    b"L": lambda play, data: play.come(data + b"\r\n"),
    b"N": lambda play, data: play.come(b"\n" + data),
    b"U": lambda play, data: play.come(play.side.upgrade(data)),
    b"*": Play.again,
    b"/": Play.read,
    b"|": Play.read,
    b"w": Play.wait,
    b"z": lambda play, data: play.side.transport.stalls(),
    b"y": lambda play, data: play.side.transport.take_all(),
    b"e": lambda play, data: play.side.transport.ends(),
    b"x": lambda play, data: play.side.transport.breaks(),
    b"q": lambda play, data: play.side.ask(data),
    b"A": lambda play, data: play.side.stan_answers(),
    b"!": lambda play, data: play.side.stop(),
}


class Complaints(logging.Handler):
    """Takes down what the agent and the library log as errors: nothing that comes may cause one."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []
        self._propagated = [(logger, logger.propagate) for logger in LOGGERS]

    def __enter__(self) -> "Complaints":
        for logger in LOGGERS:
            logger.addHandler(self)
            logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        for logger, propagated in self._propagated:
            logger.removeHandler(self)
            logger.propagate = propagated

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)  # which must not fail either
        if record.levelno >= logging.ERROR:
            self.errors.append(text)


LOGGERS = [logging.getLogger("nodnod"), logging.getLogger("websockets")]
