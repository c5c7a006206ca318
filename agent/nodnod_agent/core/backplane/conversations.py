"""What agents ask each other over a backplane, each pair as if one had dialed the other."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from nodnod_agent.core.backplane.process import BusWire, Process
from nodnod_agent.core.backplane.relay import Relay
from nodnod_agent.core.backplane.subjects import ANSWER, ASK, Sender, Subjects
from nodnod_agent.core.encoding import with_id
from nodnod_agent.core.interfaces import Backplane, Clock, DialHandler, Hello, Wire
from nodnod_agent.core.requests.session import Session
from nodnod_client.codec import decode_peer_answer, encode

ALIVE = b""
"""A request for a word only."""

SERVE = b"serve"
"""A request to be a registrar."""

CONFIDE = b"confide"
"""A request to exchange news with the registrars, which know something of that process that is wrong."""

UNUSED_FOR = 60.0
"""Seconds after which a session that asks nothing ends."""


class Accept(Protocol):
    """Takes an agent that asks something for the first time."""

    def __call__(self, wire: Wire, hello: Hello) -> Session:
        """Return what takes its requests."""


class Conversations:
    """The wires to other processes, and the sessions of those that ask this one."""

    def __init__(
        self,
        bus: Backplane,
        subjects: Subjects,
        accept: Accept,
        opened: Callable[[Process], None],
        clock: Clock,
    ) -> None:
        """``opened`` is told of each process to which there is a wire now."""
        self._bus = bus
        self._subjects = subjects
        self._accept = accept
        self._opened = opened
        self._clock = clock
        self._relay = Relay(lambda process, data: self.send(process.sender, data), clock)

    def open(self, process: Process, handler: DialHandler) -> None:
        """Have a wire to a process, as if it had been dialed."""
        closed, ask = partial(self._closed, process), partial(self._ask, process)
        wire = process.wire = BusWire(ask, process, self._clock, closed)
        process.handler = handler
        handler.opened(wire, self._hello(process))
        self._opened(process)

    def send(self, to: Sender, request: bytes) -> None:
        """Ask a process; ``unheard`` of the bus's handler is told if it is not connected."""
        self._bus.publish(self._subjects.to(ASK, to), request, self._subjects.answer_of(to))

    def take_request(self, process: Process, data: bytes) -> None:
        """Take what a process asks."""
        process.used = self._clock.time()
        session = process.session or self._open_session(process)
        if not session.full:  # else it has asked too much that is not answered
            session.received(data)

    def take_answer(self, process: Process, data: bytes) -> None:
        """Take what a process answers, for itself or as a speaker."""
        if process.spoken and self._relay.answered(process, data):
            return
        if process.handler is not None:
            process.handler.received(data)

    def end(self, process: Process, reason: str) -> None:
        """End both directions: the process is there no longer."""
        self.end_session(process)
        wire, handler = process.wire, process.handler
        if wire is not None and handler is not None:
            wire.open = False
            self._closed(process)
            handler.ended(reason)

    def end_unused(self, process: Process) -> None:
        """End the session of a process that asks nothing."""
        if process.session is not None and self._clock.time() - process.used > UNUSED_FOR:
            self.end_session(process)

    def end_session(self, process: Process) -> None:
        """End the session of a process; the next request opens another."""
        session, process.session = process.session, None
        if session is not None:
            session.wire.abort()
            session.ended()

    def _ask(self, process: Process, request: bytes) -> None:
        via = process.via
        if via is not None and request not in (ALIVE, SERVE):
            self._relay.ask(process, request)
        else:
            self.send((via or process).sender, request)

    def _closed(self, process: Process) -> None:
        process.wire = process.handler = None

    def _open_session(self, process: Process) -> Session:
        subject = self._subjects.to(ANSWER, process.sender)
        wire = BusWire(
            partial(self._answer, subject),
            process,
            self._clock,
            partial(self.end_session, process),
        )
        session = process.session = self._accept(wire, self._hello(process))
        return session

    def _answer(self, subject: str, answer: bytes) -> None:
        """Answer a process, or say why it gets no answer."""
        if (most := self._bus.max_payload) < len(answer):
            why = f"the answer has {len(answer)} bytes, and NATS takes {most} (max_payload)"
            body = encode({"nodes": {}, "error": why})
            id_ = decode_peer_answer(answer).id
            answer = body if id_ is None else with_id(body, id_)
        self._bus.publish(subject, answer)

    def _hello(self, process: Process) -> Hello:
        address = process.word.member.address if process.word is not None else ""
        return Hello(2, *process.sender, address, limit=self._bus.max_payload, gossips=False)
