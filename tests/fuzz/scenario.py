"""The target ``connection``: any bytes, in any reads, to one connection of a whole agent.

The first line of an input names the kind of connection (``KINDS``). Each further line is one step:
its first byte names the step (``STEPS``), the rest is the argument. A line that begins with another
byte is data that arrives as it is. So most of what a fuzzer makes of an input is still a
conversation, and people can read it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from fuzz.accepted_endpoint import AGENT, AcceptedEndpoint
from fuzz.dialed_endpoint import DialedEndpoint
from fuzz.endpoint import Endpoint, fake_cpu
from live.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame, upgrade

MOST_TENTHS = 600
MOST_TIMES = 99
MOST_PIECE = 512
"""Bytes of one read, where an input says how many."""

MOST_BYTES = 64 * 1024
"""Bytes that an input may produce, with all its repetitions."""

KINDS: dict[bytes, Callable[..., Endpoint]] = {
    b"fresh": AcceptedEndpoint,
    b"guarded": partial(AcceptedEndpoint, guarded=True),
    b"client": partial(AcceptedEndpoint, upgrade()),
    b"push": partial(AcceptedEndpoint, upgrade(), mode="push"),
    b"agent": partial(AcceptedEndpoint, upgrade("/", *AGENT)),
    b"dial": DialedEndpoint,
    b"peer": partial(DialedEndpoint, 2),
    b"peer push": partial(DialedEndpoint, 2, mode="push"),
    b"old peer": partial(DialedEndpoint, 1),
    b"old peer push": partial(DialedEndpoint, 1, mode="push"),
}


def run(data: bytes) -> None:
    """Play one input. Any error is a fault of the agent."""
    kind, *lines = data.split(b"\n")
    make = KINDS.get(kind) or list(KINDS.values())[len(kind) % len(KINDS)]
    _play(make, lines)
    # Whole frames must have the result that they have in the library, which takes longer for them: in
    # these replays no time slice ends.
    endpoint = _play(make, lines, seconds=0.0)
    parsed = _play(partial(make, whole_frames=False), lines, seconds=0.0)
    assert parsed.outcome == endpoint.outcome


def _play(make: Callable[..., Endpoint], lines: list[bytes], seconds: float = 20e-6) -> Endpoint:
    with fake_cpu(seconds), no_errors_logged():
        scenario = Scenario(make())
        for line in lines:
            scenario.step(line)
        scenario.end()
    return scenario.endpoint


class Scenario:
    """Plays an input line by line; ``arriving`` is the data of the next read."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.arriving = b""
        self.last = b""
        self.count = 0

    def step(self, line: bytes) -> None:
        """Play one line."""
        step = STEPS.get(line[:1])
        if step is None:
            self.add(line)
        else:
            step(self, line[1:])
        self.endpoint.check()

    def end(self) -> None:
        """Let everything that is under way complete."""
        self.read(b"")
        self.endpoint.finish()

    def add(self, data: bytes) -> None:
        """Add data to the next read."""
        self.last = data
        self.count += len(data)
        if self.count < MOST_BYTES:
            self.arriving += data

    def frame(self, data: bytes, opcode: int, *, fin: bool = True) -> None:
        """Add a whole frame."""
        self.add(frame(data, opcode, fin=fin, masked=self.endpoint.masks))

    def repeat(self, times: bytes) -> None:
        """Add the last data some more times."""
        last = self.last
        self.add(last * number(times, MOST_TIMES))
        self.last = last

    def read(self, size: bytes) -> None:
        """Let the agent read, at once or in pieces of this size."""
        arriving, self.arriving = self.arriving, b""
        step = number(size, MOST_PIECE) or len(arriving) or 1
        for at in range(0, len(arriving), step):
            self.endpoint.transport.arrive(arriving[at : at + step])
        self.endpoint.loop.turn()

    def wait(self, tenths: bytes) -> None:
        """Let the agent read, and time pass."""
        self.read(b"")
        self.endpoint.loop.advance(number(tenths, MOST_TENTHS) / 10)

    def stall(self) -> None:
        """Read nothing on the other side from now on."""
        self.endpoint.transport.stuck = True


def number(text: bytes, most: int) -> int:
    """A number in an input, up to ``most``; 0 for anything else."""
    digits = text.strip()[:6]
    return min(int(digits), most) if digits.isdigit() else 0


STEPS: dict[bytes, Callable[[Scenario, bytes], None]] = {
    b"T": lambda scenario, data: scenario.frame(data, TEXT),
    b"t": lambda scenario, data: scenario.frame(data, TEXT, fin=False),
    b"k": lambda scenario, data: scenario.frame(data, CONT, fin=False),
    b"K": lambda scenario, data: scenario.frame(data, CONT),
    b"B": lambda scenario, data: scenario.frame(data, BINARY),
    b"P": lambda scenario, data: scenario.frame(data, PING),
    b"O": lambda scenario, data: scenario.frame(data, PONG),
    b"C": lambda scenario, data: scenario.frame(data, CLOSE),
    b"R": lambda scenario, data: scenario.add(data),
    b"L": lambda scenario, data: scenario.add(data + b"\r\n"),
    b"N": lambda scenario, data: scenario.add(b"\n" + data),
    b"U": lambda scenario, data: scenario.add(scenario.endpoint.upgrade(data)),
    b"*": Scenario.repeat,
    b"/": Scenario.read,
    b"|": Scenario.read,
    b"w": Scenario.wait,
    b"z": lambda scenario, _: scenario.stall(),
    b"y": lambda scenario, _: scenario.endpoint.transport.take_all(),
    b"e": lambda scenario, _: scenario.endpoint.transport.arrive_eof(),
    b"x": lambda scenario, _: scenario.endpoint.transport.abort(),
    b"q": lambda scenario, data: scenario.endpoint.ask(data),
    b"A": lambda scenario, _: scenario.endpoint.answer_as_stan(),
    b"!": lambda scenario, _: scenario.endpoint.stop(),
}
"""Steps by their first byte."""

LOGGERS = [logging.getLogger("nodnod"), logging.getLogger("websockets")]


class ErrorLog(logging.Handler):
    """Collects errors."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)  # which must not raise either
        if record.levelno >= logging.ERROR:
            self.errors.append(text)


@contextmanager
def no_errors_logged() -> Iterator[None]:
    """No input may cause the agent or the library to log an error."""
    log = ErrorLog()
    with ExitStack() as patches:
        for logger in LOGGERS:
            patches.enter_context(patch.multiple(logger, handlers=[log], propagate=False))
        yield
    assert not log.errors, log.errors[0]
